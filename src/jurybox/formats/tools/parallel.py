"""Parallel lists: one of annotators and one of their labels, as LeWiDi and many data sets have them."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence

from jurybox.formats.tools.base import Answer, Context, Item
from jurybox.formats.values import as_text

__all__ = ["Parallel"]

_PEOPLE = (
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
_LABELS = (
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
_TEXTS = (
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
_IDS = ("id", "item_id", "text_id", "doc_id", "comment_id", "tweet_id", "post_id")


class Parallel:
    """Objects with ``annotators: "Ann1,Ann2"`` and ``annotations: "1,0"``, or real lists."""

    name = "lewidi"
    title = "LeWiDi and parallel lists"
    documentation = "https://le-wi-di.github.io/"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects have two such lists, of the same length somewhere."""
        pairs = [(found, *_fields(found)) for found in sample[:200]]
        lists = [
            (_listed(found[people]), _listed(found[labels]))
            for found, people, labels in pairs
            if people is not None and labels is not None
        ]
        if len(lists) < len(pairs) or not all(len(people) == len(given) for people, given in lists):
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
                names, given = _listed(found[people]), _listed(found[labels])
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
                isinstance(found.get(name), str | Mapping) for name in _TEXTS
            )
            field = _text_field(found, about, row) if has_text else "text"
            text = found.get(field)
            if isinstance(text, Mapping):  # a conversation: its turns one below the other
                text = "\n".join(f"{name}: {as_text(turn)}" for name, turn in text.items())
            id_field = about.given.get("id") or next(
                (name for name in _IDS if found.get(name) not in (None, "")), "id"
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
    turns = next((name for name in _TEXTS if isinstance(found.get(name), Mapping)), None)
    return turns if turns is not None and "text" not in about.given else about.text_field(found, _TEXTS, row)


def _fields(found: Mapping[str, object]) -> tuple[str | None, str | None]:
    people = next((name for name in _PEOPLE if name in found), None)
    labels = next((name for name in _LABELS if name in found and name != people), None)
    return people, labels


def _listed(value: object) -> list[object]:
    """Return a list: also of text as JSON, Python, NumPy or people write lists.

    Examples
    --------
    >>> _listed("Ann1, Ann2"), _listed("[1 0]"), _listed("['a', 'b']"), _listed(3)
    (['Ann1', 'Ann2'], ['1', '0'], ['a', 'b'], [3])
    """
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        return [] if value is None or value != value else [value]
    bare = value.strip()
    if bare[:1] in "[(" and bare[-1:] in ")]" and bare:
        for read in (json.loads, ast.literal_eval):
            try:
                held = read(bare)
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                continue
            return list(held) if isinstance(held, list | tuple) else [held]
        bare = bare[1:-1].strip()
        if "," not in bare:
            return [part.strip("'\"") for part in bare.split()]
    separator = next((sign for sign in (";", "|", ",") if sign in bare), ",")
    return [part.strip().strip("'\"") for part in bare.split(separator)] if bare else []
