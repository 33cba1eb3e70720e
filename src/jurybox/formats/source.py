"""Opening a file or folder: what is in it, and the batches of its records."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from jurybox.errors import FormatError, InputError
from jurybox.formats.columns import guess_layout
from jurybox.formats.detect import FORMATS, sniff_encoding, sniff_format
from jurybox.formats.nested import NestedReader, is_nested
from jurybox.formats.read_arrow import objects_of, open_huggingface, open_parquet
from jurybox.formats.read_csv import SAMPLE_ROWS, open_csv
from jurybox.formats.read_json import JsonObject, iter_objects, table_of_objects
from jurybox.formats.records import AnnotationRecord, Batch, GoldRecord
from jurybox.formats.tables import Record, Table, batched, read_table, without_repeats
from jurybox.formats.values import LabelReader

__all__ = ["MANIFEST", "Plan", "ReadOptions", "Source", "read"]

MANIFEST = "project.json"
"""The file in an exported folder that says what it is."""

DERIVED_COLUMNS = ("label", "quality", "agreement", "n_annotations", "probabilities")
"""Columns of an exported data set that follow from its annotations."""


@dataclass(frozen=True)
class ReadOptions:
    """What the reader is told instead of having to guess.

    Parameters
    ----------
    format
        One of `detect.FORMATS`, or ``auto``.
    encoding, delimiter
        Of a text file; None detects them.
    columns
        Names of columns by role: id, text, annotator, label, seconds, comment, time.
    annotator_columns
        The columns of a wide table that are annotators.
    annotator
        Who gave the labels of a file that does not say so.
    ignore
        Columns that are not read.
    classes
        The classes of the project; any other label is an error. None takes every label.
    """

    format: str = "auto"
    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    annotator_columns: Sequence[str] = ()
    annotator: str | None = None
    ignore: Sequence[str] = ()
    classes: Sequence[str] | None = None


@dataclass(frozen=True)
class Plan:
    """How one file is read, for showing it to a person.

    Parameters
    ----------
    file, format, encoding, delimiter
        What it is; encoding and delimiter only where there are such.
    shape
        ``texts``, ``long``, ``wide`` or ``nested``.
    columns
        Names of columns by role.
    annotators, metadata
        Columns that are annotators, and that are kept as metadata.
    notes
        What a person should know of these choices.
    """

    file: str
    format: str
    shape: str
    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    annotators: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A file or folder that was opened.

    Parameters
    ----------
    path
        Where it is.
    plans
        How each of its files is read.
    name, guidelines, classes, annotators
        What an exported project says of itself; empty for other files.
    """

    path: Path
    plans: tuple[Plan, ...]
    _streams: tuple[Callable[[], Iterator[Record]], ...]
    name: str = ""
    guidelines: str = ""
    classes: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()

    def batches(self) -> Iterator[Batch]:
        """Read the records, in batches of bounded size; each call reads anew.

        Raises
        ------
        FormatError
            At the first thing that is wrong, naming file, row, column and value.
        """
        for stream, plan in zip(self._streams, self.plans, strict=True):
            yield from batched(without_repeats(stream(), plan.file), plan.file)


def read(path: str | PathLike[str], options: ReadOptions | None = None) -> Source:
    """Open a file or folder of texts, annotations or both.

    Parameters
    ----------
    path
        CSV, TSV, JSONL, JSON, Parquet (also compressed by gzip, bzip2 or xz where it is text), a folder with
        `texts` and `annotations` in one of these, or a folder of a Hugging Face data set.
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
    form = sniff_format(location) if options.format == "auto" else options.format
    if form == "folder":
        return _read_folder(location, options)
    manifest = _read_manifest(location) if form == "huggingface" else None
    if manifest is not None:
        options = _without_derived(options)
    plan, stream = _open(location, form, options)
    return _source(location, [plan], [stream], manifest)


_Stream = Callable[[], Iterator[Record]]


def _open(path: Path, form: str, options: ReadOptions) -> tuple[Plan, _Stream]:
    labels = LabelReader(options.classes, str(path))
    if form in ("csv", "tsv"):
        encoding = options.encoding or sniff_encoding(path)
        delimiter = options.delimiter or ("\t" if form == "tsv" else None)
        table, delimiter = open_csv(path, encoding, delimiter)
        return _open_table(table, Plan(str(path), form, "", encoding, delimiter), options, labels)
    if form == "parquet":
        return _open_arrow(open_parquet(path), Plan(str(path), form, ""), options, labels)
    if form == "huggingface":
        return _open_arrow(open_huggingface(path), Plan(str(path), form, ""), options, labels)
    return _open_json(path, form, options, labels)


def _open_json(path: Path, form: str, options: ReadOptions, labels: LabelReader) -> tuple[Plan, _Stream]:
    encoding = options.encoding or sniff_encoding(path)

    def objects() -> Iterator[JsonObject]:
        return iter_objects(path, encoding)

    sample = list(itertools.islice(objects(), SAMPLE_ROWS))
    nested = form if form in ("label-studio", "doccano") else is_nested(sample)
    if not sample:
        return Plan(str(path), form, "texts", encoding), lambda: iter(())
    if nested is None:
        return _open_table(
            table_of_objects(iter(sample), path, encoding),
            Plan(str(path), form, "", encoding),
            options,
            labels,
        )
    plan = Plan(str(path), nested, "nested", encoding, columns=options.columns)
    return plan, lambda: _nested_reader(path, options, labels).records(objects())


def _open_arrow(table: Table, plan: Plan, options: ReadOptions, labels: LabelReader) -> tuple[Plan, _Stream]:
    sample = [dict(zip(table.columns, row, strict=True)) for row in table.sample]
    if is_nested(sample) is None:
        return _open_table(table, plan, options, labels)
    nested = Plan(plan.file, plan.format, "nested", columns=options.columns)
    return nested, lambda: _nested_reader(Path(plan.file), options, labels).records(objects_of(table))


def _nested_reader(path: Path, options: ReadOptions, labels: LabelReader) -> NestedReader:
    return NestedReader(
        labels, file=str(path), given=options.columns, annotator=options.annotator, ignore=options.ignore
    )


def _open_table(table: Table, plan: Plan, options: ReadOptions, labels: LabelReader) -> tuple[Plan, _Stream]:
    layout = guess_layout(
        table.columns,
        table.sample,
        file=table.file,
        given=options.columns,
        annotator_columns=options.annotator_columns,
        annotator=options.annotator,
        ignore=options.ignore,
        labels=labels,
    )
    told = Plan(
        plan.file,
        plan.format,
        layout.shape,
        plan.encoding,
        plan.delimiter,
        layout.roles,
        tuple(table.columns[at] for at in layout.wide),
        tuple(table.columns[at] for at in layout.metadata),
        layout.notes,
    )
    return told, lambda: read_table(table, layout, labels, annotator=options.annotator)


def _read_folder(folder: Path, options: ReadOptions) -> Source:
    manifest = _read_manifest(folder)
    opened: list[tuple[Plan, _Stream]] = []
    for stem in ("texts", "annotations"):
        found = sorted(path for path in folder.glob(f"{stem}.*") if path.is_file())
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise FormatError(
                f"has more than one file of {stem}: {names}; name the file instead", file=str(folder)
            )
        opened += [
            _open(path, sniff_format(path), _for_part(stem, options))
            for path in found
            if manifest is None or path.stat().st_size
        ]
    if manifest is not None:
        opened += [_open_gold(path, options) for path in sorted(folder.glob("gold.*")) if path.stat().st_size]
    if not opened and manifest is None:
        raise FormatError(
            "holds neither texts.* nor annotations.*; name one of its files instead", file=str(folder)
        )
    return _source(folder, [plan for plan, _ in opened], [stream for _, stream in opened], manifest)


def _open_gold(path: Path, options: ReadOptions) -> tuple[Plan, _Stream]:
    """Open the known labels of an export: a table of labels that nobody gave."""
    form = sniff_format(path)
    plan, stream = _open(path, form, ReadOptions(form, annotator="gold", classes=options.classes))

    def records() -> Iterator[Record]:
        for record in stream():
            if isinstance(record, AnnotationRecord):
                yield GoldRecord(record.text_id, record.label, record.row)

    return plan, records


def _for_part(stem: str, options: ReadOptions) -> ReadOptions:
    """Return the options without a constant annotator for the texts of a folder: their labels are gold."""
    if stem == "annotations" or options.annotator is None:
        return options
    return ReadOptions(
        options.format, options.encoding, options.delimiter, options.columns, classes=options.classes
    )


def _without_derived(options: ReadOptions) -> ReadOptions:
    return ReadOptions(
        options.format,
        columns=options.columns,
        ignore=(*options.ignore, *DERIVED_COLUMNS),
        classes=options.classes,
    )


def _source(
    path: Path, plans: Sequence[Plan], streams: Sequence[_Stream], manifest: Mapping[str, object] | None
) -> Source:
    told = manifest or {}
    return Source(
        path,
        tuple(plans),
        tuple(streams),
        name=str(told.get("name", "")),
        guidelines=str(told.get("guidelines", "")),
        classes=_names(told.get("classes")),
        annotators=_names(told.get("annotators")),
    )


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
