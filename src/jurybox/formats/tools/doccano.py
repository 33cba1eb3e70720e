"""doccano: a line a text with a list of labels; a file an annotator where several worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jurybox.formats.tables import Row, Table
from jurybox.formats.tools.base import Answer, Context, Item, TableTool, span_problem
from jurybox.formats.values import as_text

__all__ = ["DOCCANO_TABLE", "Doccano"]

_TEXTS = ("text", "data", "sentence", "document", "content", "body", "message", "review", "comment")
_LABELS = ("label", "labels", "category", "categories", "cats")


class Doccano:
    """Lines whose label is a list: of one class, of several, or of spans."""

    name = "doccano"
    title = "doccano"
    documentation = "https://doccano.github.io/doccano/tutorial/#export-the-dataset"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects have lists of labels."""
        return any(
            isinstance(found.get(name), list) for found in sample for name in ("label", "labels", "entities")
        )

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with the answer of its annotator."""
        for row, found in enumerate(objects, 1):
            given = about.given.get("label")
            field = given or next((name for name in _LABELS if found.get(name) not in (None, [], "")), None)
            label = None if field is None else found.get(field)
            if _is_span(label) or found.get("entities"):
                raise span_problem(about, row, field or "entities", label)
            comment_field = next((name for name in ("Comments", "comments") if found.get(name)), None)
            used = [
                *_LABELS,
                "entities",
                "relations",
                "Comments",
                "comments",
                "annotator",
                field or "",
                about.given.get("id", "id"),
            ]
            text_field = about.text_field(found, _TEXTS, row) if _has_text(found, about) else "text"
            comment = None if comment_field is None else _lines(found[comment_field])
            metadata = about.metadata(found, [*used, text_field], row)
            answers = []
            if label not in (None, [], ""):
                answers = [Answer(found.get("annotator"), label, comment=comment, field=field or "label")]
            elif comment:
                metadata = {**(metadata or {}), "comments": comment}
            yield (
                row,
                Item(
                    found.get(text_field),
                    answers,
                    found.get(about.given.get("id", "id")),
                    metadata,
                    text_field,
                    {comment_field or "": "comment", "annotator": "annotator"},
                ),
            )


def _has_text(found: Mapping[str, object], about: Context) -> bool:
    return "text" in about.given or any(isinstance(found.get(name), str) for name in _TEXTS)


def _is_span(label: object) -> bool:
    return isinstance(label, list) and any(
        (isinstance(held, list) and len(held) > 2)
        or (isinstance(held, Mapping) and ("start" in held or "start_offset" in held))
        for held in label
    )


def _lines(comments: object) -> str:
    held = comments if isinstance(comments, list) else [comments]
    texts = (one.get("text", one.get("comment")) if isinstance(one, Mapping) else one for one in held)
    return "\n".join(as_text(text) for text in texts)


def _convert(table: Table, about: Context) -> Table:
    """Refuse cells with several labels, which doccano joins by #."""
    at = table.columns.index("label")

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table.rows(), 1):
            cell = as_text(row[at])
            if (
                "#" in cell
                and not about.labels.knows(cell)
                and len(parts := [part for part in cell.split("#") if part]) > 1
            ):
                raise about.wrong("holds several labels; expected one label a text", number, "label", parts)
            yield row

    return Table(table.file, table.columns, table.sample, rows)


DOCCANO_TABLE = TableTool(
    name="doccano",
    title="doccano",
    documentation="https://doccano.github.io/doccano/tutorial/#export-the-dataset",
    signs=("id", "label", "comments"),
    roles={"text": ("text", "data"), "label": ("label",), "comment": ("comments",)},
    convert=_convert,
)
