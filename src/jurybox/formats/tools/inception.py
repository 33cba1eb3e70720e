"""INCEpTION: sentences or documents of one annotator a file, as WebAnno TSV 3 or as UIMA CAS JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jurybox.errors import FormatError
from jurybox.formats.containers import BROKEN_FILE, open_text
from jurybox.formats.tools.base import Answer, Context, Item, span_problem
from jurybox.formats.values import as_text

__all__ = ["LAYER", "CasJson", "webanno_objects"]

LAYER = "webanno.custom.Label"
"""The layer in which we write labels of whole documents, with features for who gave them, and when."""

_TOKEN = re.compile(r"\d+-\d+\t\d+-\d+\t")
_NUMBERED = re.compile(r"(.*?)(?:\[\d+\])?")
_UNMARKED = ("_", "*", "")


def webanno_objects(path: Path, encoding: str) -> Iterator[dict[str, object]]:
    """Yield each sentence of a WebAnno TSV 3 file as ``{"id", "text", "marks": {feature: label}}``.

    A sentence has the label of a feature if all of its tokens have it; other marks are spans.

    Raises
    ------
    FormatError
        If the file is damaged or in another encoding.
    """
    features: list[str] = []
    text: str | None = None
    tokens: list[list[str]] = []
    number = 0
    try:
        with open_text(path, encoding) as file:
            for line in (*file, ""):
                bare = line.rstrip("\r\n")
                if bare.startswith("#T_"):
                    layer, *names = bare.partition("=")[2].split("|")
                    features += [f"{layer.rpartition('.')[2]}.{name}" for name in names] or [layer]
                elif bare.startswith("#Text="):
                    text = bare[6:] if text is None else f"{text}\n{bare[6:]}"
                elif _TOKEN.match(bare):
                    tokens.append(bare.split("\t")[3:])
                elif text is not None and tokens:
                    number += 1
                    yield {
                        "id": f"{path.parent.name or path.stem}-{number}",
                        "text": _unescaped(text),
                        "marks": _marks(features, tokens),
                    }
                    text, tokens = None, []
    except (UnicodeError, *BROKEN_FILE) as error:
        raise FormatError(f"is damaged or no {encoding}: {error}", file=str(path)) from error


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\\\[\]|_;*>\t])", r"\1", text.replace("\\n", "\n").replace("\\r", "\r"))


def _marks(features: Sequence[str], tokens: Sequence[Sequence[str]]) -> dict[str, object]:
    marks: dict[str, object] = {}
    for at, feature in enumerate(features):
        cells = [row[at] if at < len(row) else "_" for row in tokens]
        values = {found[1] for cell in cells if (found := _NUMBERED.fullmatch(cell)) is not None}
        if values - set(_UNMARKED):
            marks[feature] = next(iter(values)) if len(values) == 1 else sorted(values - set(_UNMARKED))
    return marks


class CasJson:
    """Sentences with marks of WebAnno files, and documents with metadata in UIMA CAS JSON."""

    name = "inception"
    title = "INCEpTION"
    documentation = "https://inception-project.github.io/releases/latest/docs/user-guide.html#sect_formats"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects are sentences with marks, or a whole document."""
        return any("marks" in found or "%FEATURE_STRUCTURES" in found for found in sample)

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with the label of its annotator."""
        for row, found in enumerate(objects, 1):
            if "%FEATURE_STRUCTURES" in found:
                yield row, _document(found, row, about)
                continue
            marks = found.get("marks")
            labels = (
                {name: value for name, value in marks.items() if _asked(name, value, about)}
                if isinstance(marks, Mapping)
                else {}
            )
            if len(labels) > 1:
                raise about.wrong(
                    f"has several layers ({', '.join(sorted(labels))}); name the one of the "
                    f"label, e.g. --column label={min(labels)}",
                    row,
                    "marks",
                )
            name, value = next(iter(labels.items()), ("marks", None))
            if isinstance(value, list):
                raise span_problem(about, row, name, value)
            answers = [] if value is None else [Answer(None, value, field=name)]
            yield row, Item(found.get("text"), answers, found.get("id"))


def _asked(name: str, value: object, about: Context) -> bool:
    wanted = about.given.get("label")
    if wanted is not None:
        return name in (wanted, f"{wanted}.label") or name.split(".")[0] == wanted
    return about.labels.classes is None or isinstance(value, list) or about.labels.knows(as_text(value))


def _document(found: Mapping[str, object], row: int, about: Context) -> Item:
    """Return a whole document with the class that some structure without an extent states."""
    held = found["%FEATURE_STRUCTURES"]
    structures = [one for one in held if isinstance(one, Mapping)] if isinstance(held, list) else []
    text = next(
        (one.get("sofaString") for one in structures if as_text(one.get("%TYPE")).endswith("Sofa")), None
    )
    if text is None:
        raise about.wrong("has no text", row, "sofaString")
    size = len(as_text(text))
    whole = [
        one
        for one in structures
        if _covers(one, size) and "sofaString" not in one and "documentTitle" not in one
    ]
    meta = next((one for one in structures if "documentTitle" in one or "documentId" in one), {})
    name = meta.get("documentTitle") or meta.get("documentId")
    ours = [one for one in whole if one.get("%TYPE") == LAYER and "annotator" in one]
    if ours:
        return Item(text, [_ours(one) for one in ours], name)
    wanted = about.given.get("label")
    labels = [
        value
        for one in whole
        for name, value in one.items()
        if not as_text(name).startswith(("%", "@", "^"))
        and wanted in (None, name)
        and about.labels.classes is not None
        and about.labels.knows(as_text(value))
    ]
    label = list(dict.fromkeys(map(as_text, labels)))
    return Item(text, [Answer(None, label, field="%FEATURE_STRUCTURES")], name)


def _ours(mark: Mapping[str, object]) -> Answer:
    return Answer(
        mark["annotator"],
        mark.get("label"),
        mark.get("seconds"),
        mark.get("comment"),
        mark.get("time"),
        "%FEATURE_STRUCTURES",
    )


def _covers(structure: Mapping[str, object], size: int) -> bool:
    """Whether a structure is about the whole text: it has no extent, or that of the text."""
    end = structure.get("end")
    return "begin" not in structure or (
        structure["begin"] == 0 and isinstance(end, int | float) and end >= size - 1
    )
