"""Texts with a list or an object of annotations, as our own JSON and many data sets have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jurybox.formats.tools.base import Answer, Context, Item
from jurybox.formats.tools.people import who
from jurybox.formats.values import as_text

__all__ = ["Nested"]

_TEXTS = (
    "text",
    "sentence",
    "document",
    "content",
    "body",
    "message",
    "review",
    "comment",
    "tweet",
    "post",
    "question",
    "data",
)
_FIELDS = (
    "annotations",
    "labels",
    "label",
    "ratings",
    "votes",
    "judgments",
    "judgements",
    "answers",
    "completions",
)
_IDS = ("id", "text_id", "item_id", "doc_id", "external_id")
_LABELS = ("label", "value", "class", "category", "answer", "rating", "choice", "annotation", "judgment")


class Nested:
    """Objects with ``annotations: [{"annotator": "ana", "label": "a"}]`` or ``annotations: {"ana": "a"}``."""

    name = "json"
    title = "JSON with annotations"
    documentation = "docs/formats.md"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects have annotations of people inside."""
        return any(_field(found) is not None for found in sample)

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with the answers in its field of annotations."""
        for row, found in enumerate(objects, 1):
            given = about.given.get("label")
            field = (
                given if given is not None and isinstance(found.get(given), list | Mapping) else _field(found)
            )
            has_text = "text" in about.given or any(isinstance(found.get(name), str) for name in _TEXTS)
            text_field = about.text_field(found, _TEXTS, row) if has_text else "text"
            id_field = about.given.get("id") or next(
                (name for name in _IDS if found.get(name) not in (None, "")), "id"
            )
            held = None if field is None else found[field]
            if field is None and isinstance(found.get("annotations"), str | int | float):
                raise about.wrong("is no list of annotations", row, "annotations", found["annotations"])
            answers = [] if field is None else list(_answers(held, field, row, about))
            used = [text_field, id_field, field or "annotations", "annotations"]
            yield (
                row,
                Item(
                    found.get(text_field),
                    answers,
                    found.get(id_field),
                    about.metadata(found, used, row),
                    text_field,
                ),
            )


def _field(found: Mapping[str, object]) -> str | None:
    """Return the field that holds who said what."""
    for name in _FIELDS:
        held = found.get(name)
        if isinstance(held, list) and (
            name == "annotations" or any(isinstance(one, Mapping) and who(one) is not None for one in held)
        ):
            return name
        if (
            isinstance(held, Mapping)
            and held
            and not any(isinstance(one, list) for one in held.values())
            and not _are_votes(held)
        ):
            return name
    return None


def _are_votes(held: Mapping[str, object]) -> bool:
    """Whether an object tells shares, class by class: 0.5 for one."""
    return any(isinstance(value, float) and not value.is_integer() for value in held.values())


def _answers(held: object, field: str, row: int, about: Context) -> Iterator[Answer]:
    if isinstance(held, Mapping):
        classes = about.labels.classes
        if classes is not None and held and all(about.labels.knows(as_text(name)) for name in held):
            raise about.wrong(
                "counts labels by class and does not say who gave them; give one row a label",
                row,
                field,
                dict(held),
            )
        for person, label in held.items():
            inner = label if isinstance(label, Mapping) else {"label": label}
            yield _answer(inner, person, field)
        return
    for one in held if isinstance(held, list) else ():
        if not isinstance(one, Mapping):
            raise about.wrong(
                "is no annotation; expected an object with annotator and label", row, field, one
            )
        yield _answer(one, who(one), field)


def _answer(one: Mapping[str, object], person: object, field: str) -> Answer:
    label = next((one[name] for name in _LABELS if name in one), None)
    seconds = one.get("seconds", one.get("lead_time", one.get("duration")))
    moment = one.get("time", one.get("timestamp", one.get("created_at")))
    return Answer(person, label, seconds, one.get("comment", one.get("note")), moment, field)
