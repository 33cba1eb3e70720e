"""Answers to several questions as other tools have them: by name, a list where several classes apply.

Label Studio calls a question a control, Argilla a question, and doccano has one list of labels. What is read
is one answer in writing (`jurybox.written`), what is written comes apart again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from jurybox.errors import FormatError, InputError
from jurybox.formats.values import as_text
from jurybox.questions import Question
from jurybox.written import answer_code, answer_said, answer_written

__all__ = ["SEVERAL_TOOLS", "apart_by_question", "asked_whole", "whole_answer"]

SEVERAL_TOOLS = ("label-studio", "argilla", "doccano")
"""Tools whose files can hold answers to several questions, or several classes."""


class _About(Protocol):
    """Of `jurybox.formats.tools.base.Context`, what answers are read by."""

    @property
    def questions(self) -> Sequence[Question]: ...

    @property
    def given(self) -> Mapping[str, str]: ...

    def wrong(self, problem: str, row: int, field: str, value: object) -> FormatError: ...


def whole_answer(said: object, row: int, field: str, about: _About) -> str | None:
    """Return in writing what somebody said of a text, by the name of a control or of the question.

    The only control is of the only question, whatever it is called. Controls that are of no question are left
    out by whoever reads them. A value may be ``{"yes": [...], "asked": [...]}``.

    Raises
    ------
    FormatError
        For a class that a question does not have, or several where it has one.
    """
    if said is None:
        return None
    given = dict(said) if isinstance(said, Mapping) else {about.questions[0].name: said}
    found: dict[str, Any] = {}
    for question in about.questions:
        name = about.given.get("label", question.name) if len(about.questions) == 1 else question.name
        if name not in given and len(given) == len(about.questions) == 1:
            name = next(iter(given))
        if given.get(name) is not None:
            found[question.name] = _value(given[name], question, row, field, about)
    if all(value in (None, "") for value in found.values()):
        return None
    try:
        return answer_written(about.questions, found)
    except InputError as error:
        raise about.wrong(str(error), row, field, said) from error


def _value(value: object, question: Question, row: int, field: str, about: _About) -> Any:
    """Return a value as `jurybox.written.Answers` has it."""
    if isinstance(value, Mapping):
        return value
    held = [as_text(one) for one in value] if isinstance(value, list | tuple) else [as_text(value)]
    if question.kind == "several":
        return [name for name in held if name]
    if len(held) > 1:
        raise about.wrong(
            f"holds several labels; question {question.name!r} has one answer", row, field, held
        )
    return held[0] if held else None


def apart_by_question(
    questions: Sequence[Question], written: str
) -> dict[str, tuple[list[str], list[str] | None]]:
    """Return of an answer in writing the classes that apply by question, and those asked for; None: all.

    Examples
    --------
    >>> asked = (Question("food", classes=("bad", "good")), Question("topics", "several", ("price", "noise")))
    >>> apart_by_question(asked, "food=good; topics=price<price")
    {'food': (['good'], None), 'topics': (['price'], ['price'])}
    """
    found: dict[str, tuple[list[str], list[str] | None]] = {}
    for name, value in answer_said(questions, answer_code(questions, written)).items():
        if isinstance(value, Mapping):
            found[name] = [*value["yes"]], [*value["asked"]]
        else:
            found[name] = ([value] if isinstance(value, str) else [*value]), None
    return found


def asked_whole(questions: Sequence[Question], label: str, form: str) -> dict[str, list[str]]:
    """Return the classes that apply by question, for a tool that cannot say that some were not asked for.

    Raises
    ------
    InputError
        Where that is so.
    """
    found = apart_by_question(questions, label)
    if any(asked is not None for _, asked in found.values()):
        raise InputError(
            f"the answer {label!r} is about some classes alone, which format {form!r} cannot say: the others "
            "would become 'no'; expected label-studio, csv, jsonl or parquet",
        )
    return {name: yes for name, (yes, _) in found.items()}
