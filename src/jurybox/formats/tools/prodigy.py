"""Prodigy: a line a decision, by accepting or rejecting a label, or by choosing among options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from jurybox.formats.plan import Finding
from jurybox.formats.tools.base import Answer, Context, Item, span_problem
from jurybox.formats.values import as_text

__all__ = ["Prodigy"]

_TEXTS = ("text", "html", "sentence", "content")
_OWN = (
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
_REJECTED = Finding("rejected labels left out: with more than two classes, that says only what a text is not")


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
            field = about.text_field(found, _TEXTS, row)
            used = [*_OWN, field, *(name for name in found if as_text(name).startswith("_"))]
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
