"""Argilla: records with responses of users, as version 1 and version 2 write them, also flat in data sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from jurybox.formats.tools.base import (
    DRAFTS,
    PREDICTIONS,
    Answer,
    Context,
    Item,
    only_of_classes,
    other_answers,
    span_problem,
)
from jurybox.formats.values import as_text

__all__ = ["Argilla"]

_TEXTS = ("text", "sentence", "prompt", "input", "instruction", "document", "content", "review", "comment")
_OWN = (
    "responses",
    "suggestions",
    "vectors",
    "status",
    "_server_id",
    "inserted_at",
    "updated_at",
    "fields",
    "external_id",
    "id",
)


class Argilla:
    """Records with `responses`, or with a field a question that lists who said what."""

    name = "argilla"
    title = "Argilla"
    documentation = "https://docs.argilla.io/latest/how_to_guides/import_export/"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects are records of any version."""
        return any(
            ("responses" in found and ("fields" in found or isinstance(found["responses"], list | dict)))
            or "annotation_agent" in found
            or any(as_text(name).endswith(".responses") for name in found)
            or any(_responses(value) is not None for value in found.values())
            for found in sample
        )

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with the responses that were submitted, to the only question or the one named."""
        for row, found in enumerate(objects, 1):
            fields = found.get("fields", found.get("inputs"))
            fields = fields if isinstance(fields, Mapping) else found
            text_field = about.text_field(fields, _TEXTS, row)
            by_question = _questions(found)
            wanted = about.given.get("label")
            asked = {name: held for name, held in by_question.items() if wanted in (None, name) and held}
            if len(asked) > 1 and not about.questions:
                asked = only_of_classes(asked, _values, row, "responses", about)
            answers = [
                answer
                for name, held in asked.items()
                for response in held
                if (answer := _answer(response, name, row, about)) is not None
            ]
            if about.questions:
                answers = _together(answers, row, about)
            if found.get("suggestions") or any(
                as_text(name).endswith((".suggestion", "-suggestion")) and found[name] is not None
                for name in found
            ):
                about.tally.note(PREDICTIONS, row)
            used = [
                *_OWN,
                text_field,
                *by_question,
                *(name for name in found if _is_own(as_text(name), by_question)),
            ]
            metadata = about.metadata(
                {name: value for name, value in found.items() if name not in by_question}, used, row
            )
            other = about.metadata(fields, [text_field, *used], row) if fields is not found else None
            text_id = found.get("external_id") or found.get(about.given.get("id", "id"))
            yield (
                row,
                Item(
                    fields[text_field],
                    answers,
                    text_id,
                    {**(other or {}), **_unpacked(metadata)} or None,
                    text_field,
                ),
            )


def _together(answers: Sequence[Answer], row: int, about: Context) -> list[Answer]:
    """Return one answer a person, with what they said to each question by name."""
    found: dict[str, Answer] = {}
    known = {each.name for each in about.questions}
    for answer in answers:
        name = as_text(answer.annotator)
        said = found.get(name, answer._replace(label=None))
        if answer.label is not None:
            label = {**(said.label if isinstance(said.label, dict) else {}), answer.field: answer.label}
            said = said._replace(label=label)
        found[name] = said
    for question in {answer.field for answer in answers} - known if len(known) > 1 else ():
        about.tally.note(other_answers(question), row)
    return [*found.values()]


def _values(responses: Sequence[Mapping[str, object]]) -> list[object]:
    return [one["value"] for one in responses if "value" in one]


def _is_own(name: str, questions: Mapping[str, object]) -> bool:
    return any(name.startswith((f"{question}.", f"{question}-")) for question in questions)


def _unpacked(metadata: Mapping[str, object] | None) -> Mapping[str, object]:
    held = dict(metadata or {})
    text = held.get("metadata")
    if isinstance(text, str) and text.startswith("{"):
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            return held
        if isinstance(inner, dict):
            del held["metadata"]
            held.update(inner)
    return held


def _questions(found: Mapping[str, object]) -> dict[str, list[Mapping[str, object]]]:
    """Return the responses by question, whatever the version."""
    by_question: dict[str, list[Mapping[str, object]]] = {}
    responses = found.get("responses")
    if isinstance(responses, Mapping):  # version 2, as objects
        for name, held in responses.items():
            by_question[as_text(name)] = _responses(held) or []
    elif isinstance(responses, list):  # version 1, as the server has them
        for response in responses:
            values = response.get("values") if isinstance(response, Mapping) else None
            if not isinstance(response, Mapping):
                continue
            for name, value in values.items() if isinstance(values, Mapping) else ():
                given = value.get("value") if isinstance(value, Mapping) else value
                by_question.setdefault(as_text(name), []).append({**response, "value": given})
            if not values:
                by_question.setdefault("", []).append({**response, "value": None})
    for name, value in found.items():
        plain = as_text(name)
        if plain.endswith(".responses"):  # version 2, flat
            question = plain.removesuffix(".responses")
            by_question[question] = _side_by_side(
                value, found.get(f"{plain}.users"), found.get(f"{plain}.status")
            )
        elif name not in _OWN and (held := _responses(value)) is not None:  # version 1, flat
            by_question[plain] = held
    if "annotation_agent" in found:  # before version 1.8
        by_question["annotation"] = [{"user_id": found["annotation_agent"], "value": found.get("annotation")}]
    unasked = by_question.pop("", [])  # discarded as a whole
    asked = [held for held in by_question.values() if held]
    if len(asked) == 1:
        asked[0].extend(unasked)
    elif unasked and not asked:
        by_question[""] = unasked
    return by_question


def _responses(value: object) -> list[Mapping[str, object]] | None:
    """Return a list of responses, also where it is written as an object of lists; None where it is none."""
    if (
        isinstance(value, Mapping)
        and "user_id" in value
        and "value" in value
        and isinstance(value["value"], list)
    ):
        return _side_by_side(value["value"], value["user_id"], value.get("status"))
    if (
        isinstance(value, list)
        and value
        and all(
            isinstance(one, Mapping) and "value" in one and ("user_id" in one or "status" in one)
            for one in value
        )
    ):
        return list(value)
    return None


def _side_by_side(values: object, users: object, states: object) -> list[Mapping[str, object]]:
    given = values if isinstance(values, list) else []
    people = users if isinstance(users, list) else [None] * len(given)
    status = states if isinstance(states, list) else ["submitted"] * len(given)
    return [
        {"value": value, "user_id": user, "status": state}
        for value, user, state in zip(given, people, status, strict=False)
    ]


def _answer(response: Mapping[str, object], question: str, row: int, about: Context) -> Answer | None:
    status = as_text(response.get("status") or "submitted").lower()
    if status in ("draft", "pending"):
        about.tally.note(DRAFTS, row)
        return None
    value = None if status == "discarded" else response.get("value")
    if isinstance(value, Mapping) and "value" in value:
        value = value["value"]
    if isinstance(value, list) and any(isinstance(one, Mapping) and "start" in one for one in value):
        raise span_problem(about, row, question, value)
    time = response.get("updated_at") or response.get("inserted_at")
    return Answer(response.get("user_id"), value, time=time, field=question or "responses")
