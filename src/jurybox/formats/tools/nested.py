"""Texts with a list or an object of annotations, or with lists side by side.

Our own JSON is of this kind, and many data sets are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from jurybox.formats.tools.base import Answer, Context, Item
from jurybox.formats.tools.fields import TEXTS, are_tokens, conversation, who, who_field
from jurybox.formats.values import as_list, as_text

__all__ = ["Nested", "Parallel"]

_TEXTS = (*TEXTS, "tweet", "post", "question", "data")
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
            has_text = (
                "text" in about.given
                or any(isinstance(found.get(name), str) for name in _TEXTS)
                or any(are_tokens(name, value) for name, value in found.items())
            )
            text_field = about.text_field(found, _TEXTS, row) if has_text else "text"
            person, label = who_field(found), next((name for name in _LABELS if name in found), None)
            id_field = about.given.get("id") or next(
                (name for name in _IDS if found.get(name) not in (None, "")), "id"
            )
            held = None if field is None else found[field]
            if field is None and isinstance(found.get("annotations"), str | int | float):
                raise about.wrong("is no list of annotations", row, "annotations", found["annotations"])
            used = [text_field, id_field, field or "annotations", "annotations"]
            answers = [] if field is None else list(_answers(held, field, row, about))
            known = label is not None and about.labels.nearly(as_text(found[label]))
            if field is None and person is not None and label is not None and known:
                answers = [_answer(found, who(found), field or label, about)]
                used += [person, label, "seconds", "comment", "time"]
            yield (
                row,
                Item(
                    conversation(found.get(text_field)),
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
            and (
                name == "annotations"
                or _rows(held)
                or not any(isinstance(one, list) for one in held.values())
            )
            and not _are_votes(held)
        ):
            return name
    return next((as_text(name) for name, held in found.items() if _are_judgments(held)), None)


def _are_judgments(held: object) -> bool:
    """Whether a field of any name lists who gave which label."""
    rows = _rows(held) if isinstance(held, Mapping) else held
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(
            isinstance(one, Mapping)
            and who(one) is not None
            and any(name in one for name in _LABELS)
            and "start" not in one
            for one in rows
        )
    )


def _rows(held: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the objects of an object of lists, as data sets of Hugging Face have them; else none."""
    lists = [one for one in held.values() if isinstance(one, list)]
    if len(lists) < len(held) or len({len(one) for one in lists}) != 1:
        return []
    rows: list[Mapping[str, object]] = [dict(zip(held, row, strict=True)) for row in zip(*lists, strict=True)]
    return rows if all(who(one) is not None for one in rows) else []


def _are_votes(held: Mapping[str, object]) -> bool:
    """Whether an object tells shares, class by class: 0.5 for one."""
    return any(isinstance(value, float) and not value.is_integer() for value in held.values())


def _answers(held: object, field: str, row: int, about: Context) -> Iterator[Answer]:
    if isinstance(held, Mapping) and (rows := _rows(held)):
        held = rows
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
            yield _answer(inner, person, field, about)
        return
    for one in held if isinstance(held, list) else ():
        if _is_pair(one, about):
            yield Answer(one[0], one[1], field=field)
            continue
        if not isinstance(one, Mapping):
            raise about.wrong(
                "is no annotation; expected an object with annotator and label", row, field, one
            )
        yield _answer(one, who(one), field, about)


def _is_pair(one: object, about: Context) -> TypeGuard[Sequence[object]]:
    """Whether a list is of somebody and a class, as a map of Parquet is written."""
    if not isinstance(one, list | tuple) or len(one) != 2 or not all(map(_is_scalar, one)):
        return False
    person, label = map(as_text, one)
    return about.labels.knows(label) and not about.labels.knows(person)


def _answer(one: Mapping[str, object], person: object, field: str, about: Context) -> Answer:
    """Return an answer, whose label has one of the usual names, or is the only class in it."""
    named = next((name for name in _LABELS if name in one), None)
    known = [text for text in map(as_text, filter(_is_scalar, one.values())) if about.labels.knows(text)]
    label = one[named] if named is not None else known[0] if len(known) == 1 else None
    seconds = one.get("seconds", one.get("lead_time", one.get("duration")))
    moment = one.get("time", one.get("timestamp", one.get("created_at")))
    return Answer(person, label, seconds, one.get("comment", one.get("note")), moment, field)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int)


_PARALLEL_PEOPLE = (
    "annotators",
    "annotator_ids",
    "annotator_id",
    "annotator",
    "workers",
    "worker_ids",
    "worker_id",
    "raters",
    "rater_ids",
    "users",
    "user_ids",
    "coders",
    "labelers",
)
_LABEL_LISTS = (
    "annotations",
    "labels",
    "label",
    "ratings",
    "answers",
    "votes",
    "judgments",
    "annotation",
    "values",
    "annotator_labels",
)
_PARALLEL_TEXTS = (
    "text",
    "sentence",
    "content",
    "tweet",
    "post",
    "comment",
    "document",
    "message",
    "review",
    "question",
)
_DERIVED = ("number of annotations", "number of annotators", "soft_label", "hard_label", "annotation task")
_PARALLEL_IDS = ("id", "item_id", "text_id", "doc_id", "comment_id", "tweet_id", "post_id")


class Parallel:
    """Objects with ``annotators: "Ann1,Ann2"`` and ``annotations: "1,0"``, or real lists."""

    name = "lewidi"
    title = "LeWiDi and parallel lists"
    documentation = "https://le-wi-di.github.io/"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects have two such lists, of the same length somewhere."""
        pairs = [(found, *_fields(found)) for found in sample[:200]]
        lists = [
            _side_by_side(found, people, labels)
            for found, people, labels in pairs
            if people is not None and labels is not None
        ]
        if len(lists) < len(pairs):
            return False
        for (found, field, _), (people, given) in zip(pairs, lists, strict=True):
            several = field is not None and isinstance(found[field], list) and len(people) > 1
            if len(people) != len(given) and not several:  # labels of one person
                return False
        plural = any(people in ("annotators", "annotator_ids") for _, people, _ in pairs)
        return any(len(people) > 1 or (people and plural) for people, _ in lists)

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with the labels side by side with those who gave them."""
        for row, found in enumerate(objects, 1):
            people, labels = _fields(found)
            people, labels = about.given.get("annotator", people), about.given.get("label", labels)
            answers = []
            if people in found and labels in found and people is not None and labels is not None:
                names, given = _side_by_side(found, people, labels)
                if len(names) != len(given):
                    raise about.wrong(
                        f"has {len(given)} labels by {len(names)} annotators; expected as many",
                        row,
                        labels,
                        found[labels],
                    )
                answers = [
                    Answer(name, label, field=labels) for name, label in zip(names, given, strict=True)
                ]
            elif labels is not None and found.get(labels):
                raise about.wrong("does not say who gave the labels", row, labels, found[labels])
            has_text = "text" in about.given or any(
                isinstance(found.get(name), str | Mapping) for name in _PARALLEL_TEXTS
            )
            field = _text_field(found, about, row) if has_text else "text"
            text = conversation(found.get(field))
            id_field = about.given.get("id") or next(
                (name for name in _PARALLEL_IDS if found.get(name) not in (None, "")), "id"
            )
            used = [*_DERIVED, field, id_field, people or "", labels or ""]
            yield (
                row,
                Item(
                    text,
                    answers,
                    found.get(id_field),
                    about.metadata(found, used, row),
                    field,
                    {people or "": "annotator"},
                ),
            )


def _text_field(found: Mapping[str, object], about: Context, row: int) -> str:
    turns = next((name for name in _PARALLEL_TEXTS if isinstance(found.get(name), Mapping)), None)
    return (
        turns
        if turns is not None and "text" not in about.given
        else about.text_field(found, _PARALLEL_TEXTS, row)
    )


def _fields(found: Mapping[str, object]) -> tuple[str | None, str | None]:
    people = next((name for name in _PARALLEL_PEOPLE if name in found), None)
    labels = next((name for name in _LABEL_LISTS if name in found and name != people), None)
    return people, labels


def _side_by_side(found: Mapping[str, object], people: str, labels: str) -> tuple[list[object], list[object]]:
    """Return people and labels in the same order; LeWiDi has written an object of both since 2025."""
    held = found[labels]
    if isinstance(held, Mapping):
        return [*held], [*held.values()]
    return as_list(found[people]), as_list(held)
