"""Labelling in a notebook: a widget with the keys of the labelling page, for one annotator.

What is pressed comes from the browser to the kernel, passes the same gate as every label, and what is shown
next goes back. Until then the widget takes no further key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any

from jurybox.answers import NOT_ASKED
from jurybox.errors import JuryboxError, NotFoundError, require
from jurybox.project.labelling import Labelling
from jurybox.project.reading import Reading
from jurybox.questions import NO_YES, Question
from jurybox.scales import CLASS_KEYS, class_keys
from jurybox.store.records import Decision, GuidelineVersion, Task
from jurybox.written import all_facets, answer_code

SKIP_REASONS = {
    "unsure": "I am not sure",
    "unclear": "I do not understand it",
    "several": "Several classes fit",
    "none": "No class fits",
    "distressing": "I would rather not read it",
}
"""Why people skip a text: what is stored, and in words; wherever people label."""

_LAST = 3


def why_read_first(versions: Sequence[GuidelineVersion], recent: Sequence[Decision]) -> str:
    """Say why the guidelines are to be read before the next label: ``first`` time, ``changed``, or not.

    Parameters
    ----------
    versions, recent
        Versions of the guidelines and decisions of the person, the latest of each first.
    """
    if not versions or not versions[0].text:
        return ""
    if not recent:
        return "first"
    return "changed" if versions[0].time > recent[0].time else ""


def answer_options(
    questions: Sequence[Question], keys: Iterable[str] = CLASS_KEYS
) -> dict[str, list[dict[str, Any]]]:
    """Return the classes of each of several questions, each with its key, wherever people label.

    Of a question that may have several, that none applies is the last: it has no name.

    Examples
    --------
    >>> asked = [Question.parse("food=single:bad,good"), Question.parse("topics=several:price")]
    >>> [(one["name"], one["key"]) for each in answer_options(asked).values() for one in each]
    [('bad', '1'), ('good', '2'), ('price', '3'), ('', '4')]
    """
    left = iter(keys)
    return {
        each.name: [
            {"name": name, "key": next(left, ""), "none": not name}
            for name in (*map(str, each.classes), *([""] if each.kind == "several" else []))
        ]
        for each in questions
    }


class Desk:
    """What one annotator has before them, and what becomes of what they press.

    Parameters
    ----------
    project
        Lends texts and takes decisions.
    reading
        Reads the same project.
    annotator
        A name; one that is new is added.

    Raises
    ------
    InputError
        If the name cannot be stored.
    """

    def __init__(self, project: Labelling, reading: Reading, annotator: str) -> None:
        self._project, self._reading, self.annotator = project, reading, annotator
        self._turn, self._message, self._comment, self._answer = 0, "", "", ""
        self._held = project.next_task(annotator)
        self._shown: dict[str, list[str]] = {}  # the classes of questions that may have several

    def act(self, pressed: Mapping[str, Any]) -> dict[str, Any]:
        """Do what was pressed, and return what is to be shown then.

        Parameters
        ----------
        pressed
            ``do``: ``label``, ``skip``, ``flag``, ``undo`` or ``look``; the ``text_id`` that was in view, and
            ``label``, ``reason``, ``comment`` and ``seconds`` where they belong to it; with several
            questions, ``answers``: what was chosen in each field. What was pressed for a text that is not in
            view any more does nothing.
        """
        self._message = ""
        try:
            self._do(pressed)
        except JuryboxError as error:
            self._message = str(error)
            with suppress(JuryboxError):  # the text in hand, if it is still theirs
                self._next()
        self._turn += 1
        return self.view()

    def view(self) -> dict[str, Any]:
        """Return what is to be shown, in plain values."""
        held = self._held
        recent = self._reading.decisions(self.annotator, _LAST)
        versions = self._reading.guideline_versions(1)
        return {
            "turn": self._turn,
            "annotator": self.annotator,
            "given": self._reading.progress(self.annotator).total,
            "classes": self._classes(),
            "fields": self._fields(),
            "reasons": [{"code": code, "words": words} for code, words in SKIP_REASONS.items()],
            "guidelines": versions[0].text if versions else "",
            "unread": why_read_first(versions, recent) != "",
            "task": self._task(held) if isinstance(held, Task) else None,
            "rest": "" if isinstance(held, Task) else held.explanation,
            "recent": [{"text": one.text[:120], "label": one.label} for one in recent],
            "message": self._message,
        }

    def _do(self, pressed: Mapping[str, Any]) -> None:
        held, done = self._held, pressed.get("do")
        if done == "undo":
            self._undo()
        elif done == "look":
            self._next()
        elif isinstance(held, Task) and pressed.get("text_id") == held.text_id:
            comment = str(pressed.get("comment") or "")
            if done == "flag":
                self._project.flag(held, comment)
                self._message = "Thank you. The owner will see your remark."
            elif done == "skip":
                self._project.skip(held, str(pressed.get("reason") or ""))
                self._next()
            elif done == "label":
                seconds, chosen = pressed.get("seconds"), pressed.get("answers")
                label = str(pressed.get("label")) if chosen is None else self._said(chosen)
                self._project.submit(held, label, seconds=seconds, comment=comment)
                self._next()

    def _next(self) -> None:
        before, self._held = self._held, self._project.next_task(self.annotator)
        if (
            not (isinstance(before, Task) and isinstance(self._held, Task))
            or before.text_id != self._held.text_id
        ):
            self._comment, self._answer = "", ""  # which were of the text before

    def _undo(self) -> None:
        last = self._reading.decisions(self.annotator, 1)
        if not last:
            raise NotFoundError("there is nothing to take back")
        self._held = self._project.undo(self.annotator, direct=False)
        self._comment, self._answer = last[0].comment, last[0].label or ""

    def _classes(self) -> list[dict[str, str]]:
        names = () if self._project.questions else self._project.classes
        keys = class_keys(names, CLASS_KEYS, on_scale=self._project.scale is not None)
        typed = len(names) > len(CLASS_KEYS)
        return [{"name": name, "key": "" if typed else key} for name, key in zip(names, keys, strict=True)]

    def _fields(self) -> list[dict[str, Any]]:
        """Return what is asked of the text in hand, with several questions, and what is chosen already.

        A question of which only some classes are asked for is a yes or no of each of these.
        """
        questions, held = self._project.questions, self._held
        if not questions or not isinstance(held, Task):
            return []
        names = [*map(str, all_facets(questions))]
        code = answer_code(questions, self._answer) if self._answer else [NOT_ASKED] * len(names)
        said = {name: k for name, k in zip(names, code, strict=True) if k != NOT_ASKED}
        options, fields = answer_options(questions), []
        for each in questions:
            own = [str(facet) for facet in each.facets]
            given = [name for name in own if name in said]
            wanted = [name for name in own if held.asked is None or name in held.asked]
            if held.asked is None and given:  # what an earlier answer left open, it was not asked
                wanted = given
            whole = wanted == own
            fields += [_whole_field(each, options[each.name], said)] if whole else []
            fields += [] if whole else [_yes_or_no(name, said) for name in wanted]
        self._shown = {
            field["name"]: [one["name"] for one in field["options"] if one["name"]]
            for field in fields
            if field["several"]
        }
        return fields

    def _said(self, chosen: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return what was chosen in each field as answers: a class, yes or no, or the classes that apply.

        A class that was added since the text was shown was not asked for.
        """
        return {
            name: {"yes": [one for one in names if one], "asked": self._shown[name]}
            if name in self._shown
            else names[0]
            for name, names in chosen.items()
            if names
        }

    def _task(self, task: Task) -> dict[str, str]:
        suggestion = self._reading.suggestion(task.text_id, self.annotator)
        return {
            "text_id": task.text_id,
            "text": task.text,
            "suggestion": "" if suggestion is None else suggestion.label,
            "comment": self._comment,
        }


def _whole_field(
    question: Question, options: Sequence[Mapping[str, Any]], said: Mapping[str, int]
) -> dict[str, Any]:
    own = [str(facet) for facet in question.facets]
    given = [name for name in own if name in said]
    several = question.kind == "several"
    if several:
        applies = [str(name) for name, at in zip(question.classes, own, strict=True) if said.get(at) == 1]
        chosen = applies or [""] * bool(given)
    else:
        chosen = [str(question.classes[said[name]]) for name in given]
    return {
        "name": question.name,
        "title": question.name,
        "several": several,
        "words": False,
        "options": list(options),
        "chosen": chosen,
    }


def _yes_or_no(name: str, said: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": name,
        "title": f"{name}?",
        "several": False,
        "words": True,
        "options": [{"name": word, "key": word[0], "none": False} for word in reversed(NO_YES)],
        "chosen": [NO_YES[said[name]]] if name in said else [],
    }


def open_labeller(project: Labelling, reading: Reading, annotator: str) -> Any:
    """Return a widget that shows an annotator's desk; see `Project.label`."""
    made = _widget()
    desk = Desk(project, reading, annotator)
    widget = made(view=desk.view())

    def take(_: Any, pressed: Mapping[str, Any], __: Any) -> None:
        widget.view = desk.act(pressed)

    widget.on_msg(take)
    return widget


@cache
def _widget() -> Any:
    """Return the class of the widget, which needs what only notebooks have."""
    anywidget = require("anywidget", extra="notebook")
    traitlets = require("traitlets", extra="notebook")
    here = files("jurybox")
    # keys on other keyboards are read as on the page: one file for both
    parts = [here / "web" / "static" / "printed.js", here / "project" / "labeller.js"]
    script = "\n".join(part.read_text(encoding="utf-8") for part in parts)
    look = (here / "project" / "labeller.css").read_text(encoding="utf-8")
    own = {"_esm": script, "_css": look, "view": traitlets.Dict().tag(sync=True)}
    return type("LabelWidget", (anywidget.AnyWidget,), {"__module__": __name__, **own})
