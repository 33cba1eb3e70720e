"""Opening a file or folder: what is in it, and the batches of its records."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path

from jurybox.errors import FormatError, InputError
from jurybox.formats.containers import unpack
from jurybox.formats.detect import FORMATS, sniff_format
from jurybox.formats.opening import Part, open_part, open_parts
from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import FilePlan, ImportPlan, count, finding
from jurybox.formats.records import (
    POSITION,
    AnnotationRecord,
    GoldRecord,
    Record,
    RecordBatch,
    batched,
    without_repeats,
)
from jurybox.formats.values import by_size
from jurybox.questions import Question

__all__ = ["MANIFEST", "Source", "read"]

MANIFEST = "project.json"
"""The file in an exported folder that says what it is."""

DERIVED_COLUMNS = (
    *("label", "label_by", "is_guess", "quality", "agreement", "n_annotations", "probabilities"),
    *("shares", "share_error", *POSITION),
)
"""Columns of an exported data set that follow from its annotations."""

_DATA = (
    ".csv",
    ".tsv",
    ".tab",
    ".jsonl",
    ".ndjson",
    ".json",
    ".parquet",
    ".pq",
    ".arrow",
    ".xlsx",
    ".ods",
    ".xls",
)
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_NO_PERSON = re.compile(
    r"(?!\d{1,3}$)(?:all|unknown|data|dataset|export|annotations?|annotated_instances|annotated|initial_cas|output"
    r"|labels?|results?|texts?|items?|train|training|test|dev|valid|validation|eval|split|fold|sample|batch|part"
    r"|chunk|shard|page|file|round|set|job|task|project|week|month|of|at|[\W\d_])*",
    re.IGNORECASE,
)
"""Names of files that speak of data, not of a person: batch_1, train-data, part-1-of-3."""


@dataclass(frozen=True)
class Source:
    """A file or folder that was opened.

    Parameters
    ----------
    path
        Where it is.
    parts
        Its files.
    name, guidelines, classes, annotators, scale, questions
        What an exported project says of itself; empty for other files.
    options
        What it was opened with.
    """

    path: Path
    parts: tuple[Part, ...]
    name: str = ""
    guidelines: str = ""
    classes: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    scale: bool = False
    questions: tuple[Question, ...] = ()
    options: ReadOptions = field(default_factory=ReadOptions)
    _unpacked: object = field(default=None, repr=False)

    @property
    def plans(self) -> tuple[FilePlan, ...]:
        """How each of the files is read."""
        return tuple(part.plan for part in self.parts)

    @cached_property
    def plan(self) -> ImportPlan:
        """What an import of it will do; reads everything once.

        Raises
        ------
        FormatError
            At the first thing that is wrong, naming file, row, column and value.
        """
        return count(
            (part.plan, without_repeats(part.read(), part.plan.file), part.tally) for part in self.parts
        )

    def values_of(self, column: str) -> list[str]:
        """Return the distinct values of a column, sorted, numbers by size.

        Raises
        ------
        FormatError
            If no table among its files has this column.
        """
        for part in self.parts:
            if column in part.values:
                return sorted(part.values[column], key=by_size)
        known = ", ".join(dict.fromkeys(name for part in self.parts for name in part.values))
        raise FormatError(
            f"has no column {column!r} of few values; there are {known or 'none'}", file=str(self.path)
        )

    def batches(self) -> Iterator[RecordBatch]:
        """Read the records, in batches of bounded size; each call reads anew.

        Raises
        ------
        FormatError
            At the first thing that is wrong, naming file, row, column and value.
        """
        for part in self.parts:
            yield from batched(without_repeats(part.read(), part.plan.file), part.plan.file)


def read(path: str | PathLike[str], options: ReadOptions | None = None) -> Source:
    """Open a file or folder of texts, annotations or both.

    Parameters
    ----------
    path
        A table (CSV, TSV, Parquet, Excel, ODS), JSON, JSON Lines or one text a line, also compressed; the
        export of another tool, also in a ZIP archive; a folder with `texts` and `annotations` in one of
        these, or of a Hugging Face data set.
    options
        What is not to be guessed.

    Raises
    ------
    FormatError
        If it cannot be read, or what its columns are cannot be told.
    InputError
        If an option is wrong.
    MissingExtraError
        If reading it needs a library that is not installed.
    """
    options = options or ReadOptions()
    location = Path(path)
    if options.format not in ("auto", *FORMATS):
        raise InputError(f"format is {options.format!r}, expected auto or one of {', '.join(FORMATS)}")
    if not location.exists():
        raise FormatError("there is no such file or folder", file=str(path))
    form = sniff_format(location)
    if options.format in ("huggingface", "folder") and not location.is_dir():
        raise FormatError("is no folder", file=str(path))
    if form == "zip":
        return replace(_read_zip(location, options), options=options)
    if form == "folder" or (location.is_dir() and options.format == "folder"):
        return replace(_read_folder(location, options), options=options)
    manifest = _read_manifest(location) if form == "huggingface" else None
    if manifest is not None:
        options = replace(
            options,
            ignore=(*options.ignore, *DERIVED_COLUMNS),
            exact=True,
            classes=_classes(options, manifest),
        )
    return replace(_source(location, open_parts(location, form, options), manifest), options=options)


def _read_zip(path: Path, options: ReadOptions) -> Source:
    """Read an archive as what was packed: one file, a folder of ours, or a file an annotator."""
    held = unpack(path)
    root = held.folder
    while len(inside := list(root.iterdir())) == 1 and inside[0].is_dir():
        root = inside[0]

    def shown(text: str) -> str:
        return text.replace(str(root), str(path)).replace(str(held.folder), str(path))

    try:
        if len(held.files) == 1:
            form = sniff_format(held.files[0])
            source = _source(path, open_parts(held.files[0], form, options), None)
        elif sniff_format(root) == "huggingface":
            source = read(root, options)
        else:
            source = _read_folder(root, options)
    except FormatError as error:
        raise error.within(shown(error.file or str(path)), shown(error.problem)) from error
    parts = [part.renamed(shown(part.plan.file), shown) for part in source.parts]
    return replace(source, path=path, parts=tuple(parts), _unpacked=held)


def _read_folder(folder: Path, options: ReadOptions) -> Source:
    manifest = _read_manifest(folder)
    opened: list[Part] = []
    for stem in ("texts", "annotations"):
        found = sorted(path for path in folder.glob(f"{stem}.*") if path.is_file())
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise FormatError(
                f"has more than one file of {stem}: {names}; name the file instead", file=str(folder)
            )
        opened += [
            open_part(
                path, sniff_format(path), _for_part(stem, options, manifest), known_labels=stem == "texts"
            )
            for path in found
            if manifest is None or path.stat().st_size
        ]
    if manifest is not None:
        for stem, opening in (("gold", _open_gold), ("skips", _open_skips)):
            opened += [
                opening(path, _for_part(stem, options, manifest))
                for path in sorted(folder.glob(f"{stem}.*"))
                if path.stat().st_size
            ]
    if not opened and manifest is None:
        opened = _open_files(folder, options)
    return _source(folder, opened, manifest)


def _open_files(folder: Path, options: ReadOptions) -> list[Part]:
    """Open the files of a folder that is no export of ours: of a tool, with a file an annotator."""
    every = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    paths = [path for path in every if _is_data(path)] or [path for path in every if _is_plain(path)]
    stems = Counter(stem for stem, _ in {(path.name.split(".")[0], path.parent) for path in paths})
    if any("annotation" in path.parts for path in paths):  # INCEpTION: what curators decided is nobody's vote
        paths = [path for path in paths if "annotation" in path.parts]
        labelled = {path.parent for path in paths if path.stem != "INITIAL_CAS"}
        paths = [path for path in paths if path.stem != "INITIAL_CAS" or path.parent not in labelled]
    if not paths:
        problem = "holds neither texts.* nor annotations.*; name one of its files instead"
        raise FormatError(problem, file=str(folder))
    parts = []
    for path in paths:
        form = sniff_format(path)
        opened = open_parts(path, form, options)
        is_document = opened[0].plan.format == "inception" and path.parent.parent.name == "annotation"
        person = _person(path, by_folder=stems[path.name.split(".")[0]] > 1 and not is_document)
        if any(part.nobody for part in opened) and options.annotator is None and person:
            note = finding(
                "person_of_file",
                "the name of the file is taken for the annotator: {name}",
                "--annotator NAME if somebody else gave these labels",
                name=person,
            )
            theirs = {
                part.plan.file: part for part in open_parts(path, form, replace(options, annotator=person))
            }
            opened = [
                theirs[part.plan.file].remarked(note) if part.nobody and part.plan.file in theirs else part
                for part in opened
            ]
        parts += opened
    left = [str(path.relative_to(folder)) for path in every if path not in paths]
    if left and parts:
        note = finding(
            "files", "files left out: {names}", names=f"{', '.join(left[:8])}{' …' if left[8:] else ''}"
        )
        parts[0] = parts[0].remarked(note)
    return sorted(parts, key=lambda part: "text" not in part.plan.roles)  # labels are of texts that are there


def _is_data(path: Path) -> bool:
    """Whether a file among others holds data: by its name, or a number without one as Label Studio stores."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _PACKED]
    return bool(suffixes and suffixes[-1] in _DATA) or path.name.isdigit()


def _is_plain(path: Path) -> bool:
    """Whether a file among others that are no tables has texts: not what explains them."""
    return path.suffix.lower() == ".txt" and not path.stem.lower().startswith(
        ("readme", "license", "licence")
    )


def _person(path: Path, *, by_folder: bool) -> str:
    """Return whom the name of a file names, else its folder; nobody where both are words for data.

    Where several folders have files of the same name, the folder comes first.
    """
    names = (path.name.split(".")[0], path.parent.name)[:: -1 if by_folder else 1]
    return next(
        (name for name in names if not _NO_PERSON.fullmatch(name) and not name.startswith("jurybox-zip-")),
        "",
    )


def _open_gold(path: Path, options: ReadOptions) -> Part:
    """Open the known labels of an export: a table of labels that nobody gave."""
    told = ReadOptions(annotator="gold", exact=True, classes=options.classes, questions=options.questions)
    part = open_part(path, sniff_format(path), told)

    def records() -> Iterator[Record]:
        for record in part.read():
            if isinstance(record, AnnotationRecord):
                yield GoldRecord(record.text_id, record.label, record.row)

    return replace(part, read=records)


def _open_skips(path: Path, options: ReadOptions) -> Part:
    """Open the skips of an export: a table of labels that were not given."""
    columns = {"annotator": "annotator", "label": "label", "id": "id"}
    return open_part(
        path, sniff_format(path), ReadOptions(columns=columns, exact=True, classes=options.classes)
    )


def _for_part(stem: str, options: ReadOptions, manifest: Mapping[str, object] | None) -> ReadOptions:
    """Return the options without a constant annotator for the texts of a folder: their labels are gold."""
    options = _asking(options, manifest)
    options = replace(options, format="auto", exact=manifest is not None, classes=_classes(options, manifest))
    return options if stem == "annotations" else replace(options, annotator=None)


def _asking(options: ReadOptions, manifest: Mapping[str, object] | None) -> ReadOptions:
    """Return the options with the questions of an export, where none are given."""
    return options if options.questions else replace(options, questions=_questions(manifest or {}))


def _classes(options: ReadOptions, manifest: Mapping[str, object] | None) -> Sequence[str] | None:
    """Return the classes of the project, else those of the export, which are labels whatever they are."""
    if options.classes is not None or manifest is None:
        return options.classes
    return _names(manifest.get("classes")) or None


def _source(path: Path, parts: Sequence[Part], manifest: Mapping[str, object] | None) -> Source:
    told = manifest or {}
    return Source(
        path,
        tuple(parts),
        name=str(told.get("name", "")),
        guidelines=str(told.get("guidelines", "")),
        classes=_names(told.get("classes")),
        annotators=_names(told.get("annotators")),
        scale=told.get("scale") is True,
        questions=_questions(told),
    )


def _questions(manifest: Mapping[str, object]) -> tuple[Question, ...]:
    held = manifest.get("questions")
    records = [dict(one) for one in held if isinstance(one, Mapping)] if isinstance(held, list) else []
    try:
        return tuple(
            Question(
                str(one["name"]), one["kind"], _names(one["classes"]), tuple(one.get("scale", ())) or None
            )
            for one in records
        )
    except (KeyError, TypeError, InputError) as error:
        raise FormatError(f"the description of an export states questions that are none: {error}") from error


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _read_manifest(folder: Path) -> Mapping[str, object] | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"is no readable description of an export: {error}", file=str(path)) from error
    if not isinstance(manifest, dict):
        raise FormatError("is no JSON object", file=str(path))
    return manifest if "jurybox" in manifest else None
