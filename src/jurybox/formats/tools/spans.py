"""doccano, LightTag and Prodigy: tools that mark spans, too, of which the labels of whole texts are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from jurybox.formats.plan import finding
from jurybox.formats.records import Row, Table
from jurybox.formats.tools.base import SPANS_BESIDE, Answer, Context, Item, TableTool, span_problem
from jurybox.formats.tools.fields import named_in, who_field
from jurybox.formats.values import as_text

__all__ = ["DOCCANO_TABLE", "Doccano", "LightTag", "Prodigy"]

_DOCCANO_TEXTS = ("text", "data", "sentence", "document", "content", "body", "message", "review", "comment")
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
            if field is None and about.questions:
                field = next((name for name in _LABELS if name in found), None)
            label = None if field is None else found.get(field)
            if _is_span(label) or found.get("entities"):
                raise span_problem(about, row, field or "entities", label)
            comment_field = next((name for name in ("Comments", "comments") if found.get(name)), None)
            who = "annotator" if about.annotator is not None else who_field(found) or "annotator"
            person = named_in(found.get(who))
            used = [
                *_LABELS,
                "entities",
                "relations",
                "Comments",
                "comments",
                who,
                field or "",
                about.given.get("id", "id"),
            ]
            text_field = about.text_field(found, _DOCCANO_TEXTS, row) if _has_text(found, about) else "text"
            comment = None if comment_field is None else _lines(found[comment_field])
            metadata = about.metadata(found, [*used, text_field], row)
            answers = []
            named = about.questions and person is not None  # who says that none applies
            if (label == [] and named) or label not in (None, [], ""):
                answers = [Answer(person, label, comment=comment, field=field or "label")]
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
                    {comment_field or "": "comment", who: "annotator"},
                ),
            )


def _has_text(found: Mapping[str, object], about: Context) -> bool:
    return "text" in about.given or any(isinstance(found.get(name), str) for name in _DOCCANO_TEXTS)


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


class LightTag:
    """Examples with `classifications`."""

    name = "lighttag"
    title = "LightTag"
    documentation = "https://guide.lighttag.io/"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects are examples."""
        return any(
            "example_id" in found and ("classifications" in found or "annotations" in found)
            for found in sample
        )

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with its classifications by person."""
        for row, found in enumerate(objects, 1):
            field = about.text_field(found, ("content", "text"), row)
            held = found.get("classifications")
            answers = []
            for one in held if isinstance(held, list) else ():
                if not isinstance(one, Mapping):
                    raise about.wrong("is no classification", row, "classifications", one)
                label = one.get("classname", one.get("class_name", one.get("tag", one.get("value"))))
                people = one.get("annotated_by")
                for person in people if isinstance(people, list) else [one]:
                    about_person = person if isinstance(person, Mapping) else {"annotator": person}
                    name = about_person.get("annotator") or about_person.get("annotator_id")
                    answers.append(
                        Answer(name, label, time=about_person.get("timestamp"), field="classifications")
                    )
            if found.get("annotations"):
                if not answers:
                    raise span_problem(about, row, "annotations", None)
                about.tally.note(SPANS_BESIDE, row)
            used = [field, "example_id", "classifications", "annotations", "relations", "seen_by", "schema"]
            yield (
                row,
                Item(
                    found.get(field),
                    answers,
                    found.get("example_id"),
                    about.metadata(found, used, row),
                    field,
                ),
            )


_PRODIGY_TEXTS = ("text", "html", "sentence", "content")
_PRODIGY_OWN = (
    "label",
    "answer",
    "accept",
    "options",
    "config",
    "spans",
    "tokens",
    "score",
    "priority",
    "text",
    "id",
)
_ROLES = {
    "_annotator_id": "annotator",
    "_session_id": "annotator",
    "_timestamp": "time",
    "label": "label",
    "accept": "label",
}
_REJECTED = finding(
    "rejected",
    "rejected labels left out: with more than two classes, that says only what a text is not",
)


class Prodigy:
    """Decisions with an `answer`: accept, reject or ignore."""

    name = "prodigy"
    title = "Prodigy"
    documentation = "https://prodi.gy/docs/api-interfaces"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects have such answers."""
        return any(
            found.get("answer") in ("accept", "reject", "ignore")
            and (
                "label" in found
                or "accept" in found
                or "spans" in found
                or any(as_text(name).startswith("_") for name in found)
            )
            for found in sample
        )

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with one decision."""
        about = replace(about, merged=("metadata", "meta"))
        for row, found in enumerate(objects, 1):
            field = about.text_field(found, _PRODIGY_TEXTS, row)
            used = [*_PRODIGY_OWN, field, *(name for name in found if as_text(name).startswith("_"))]
            decided = _decision(found, row, about)
            person = found.get("_annotator_id") or found.get("_session_id") or found.get("annotator")
            comment = found.get("comment") or found.get("user_input")
            answers = (
                []
                if decided is None
                else [
                    Answer(
                        person, decided[0], found.get("seconds"), comment, found.get("_timestamp"), "answer"
                    )
                ]
            )
            used += ["comment", "user_input", "seconds", "annotator"]
            text_id = found.get(about.given.get("id", "id"))
            yield (
                row,
                Item(found.get(field), answers, text_id, about.metadata(found, used, row), field, _ROLES),
            )


def _decision(found: Mapping[str, object], row: int, about: Context) -> tuple[object] | None:
    """Return the label that was decided for, in a tuple: (None,) for a skip, None for no decision at all."""
    answer = found.get("answer")
    label = found.get(about.given.get("label", "label"))
    if answer is None and label is None and "accept" not in found:
        return None
    if found.get("spans") and label is None and "accept" not in found:
        raise span_problem(about, row, "spans", None)
    if answer == "ignore":
        return (None,)
    chosen = found.get("accept")
    if isinstance(chosen, list):
        return (None,) if answer == "reject" else (chosen,)
    if answer != "reject" or label is None:
        return (label,)
    other = _other_class(as_text(label), row, about)
    if other is None:
        about.tally.note(_REJECTED, row)
        return None
    return (other,)


def _other_class(label: str, row: int, about: Context) -> str | None:
    classes = about.labels.classes or ()
    meant = about.labels(label, row, "label")
    return next((name for name in classes if name != meant), None) if len(classes) == 2 else None
