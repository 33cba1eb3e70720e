"""Labelling in a notebook: a widget with the keys of the labelling page, for one annotator.

What is pressed comes from the browser to the kernel, passes the same gate as every label, and what is shown
next goes back. Until then the widget takes no further key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any

from jurybox.errors import JuryboxError, NotFoundError, require
from jurybox.project.labelling import Labelling
from jurybox.project.reading import Reading
from jurybox.scales import CLASS_KEYS, class_keys
from jurybox.store.records import Decision, GuidelineVersion, Task

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
        self._turn, self._message, self._comment = 0, "", ""
        self._held = project.next_task(annotator)

    def act(self, pressed: Mapping[str, Any]) -> dict[str, Any]:
        """Do what was pressed, and return what is to be shown then.

        Parameters
        ----------
        pressed
            ``do``: ``label``, ``skip``, ``flag``, ``undo`` or ``look``; the ``text_id`` that was in view, and
            ``label``, ``reason``, ``comment`` and ``seconds`` where they belong to it. What was pressed for
            a text that is not in view any more does nothing.
        """
        self._message = ""
        try:
            self._do(pressed)
        except JuryboxError as error:
            self._message = str(error)
            with suppress(JuryboxError):  # the text in hand, if it is still theirs
                self._held = self._project.next_task(self.annotator)
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
                seconds, label = pressed.get("seconds"), str(pressed.get("label"))
                self._project.submit(held, label, seconds=seconds, comment=comment)
                self._next()

    def _next(self) -> None:
        self._held, self._comment = self._project.next_task(self.annotator), ""

    def _undo(self) -> None:
        last = self._reading.decisions(self.annotator, 1)
        if not last:
            raise NotFoundError("there is nothing to take back")
        self._held = self._project.undo(self.annotator, direct=False)
        self._comment = last[0].comment

    def _classes(self) -> list[dict[str, str]]:
        names = self._project.classes
        keys = class_keys(names, CLASS_KEYS, on_scale=self._project.scale is not None)
        typed = len(names) > len(CLASS_KEYS)
        return [{"name": name, "key": "" if typed else key} for name, key in zip(names, keys, strict=True)]

    def _task(self, task: Task) -> dict[str, str]:
        suggestion = self._reading.suggestion(task.text_id, self.annotator)
        return {
            "text_id": task.text_id,
            "text": task.text,
            "suggestion": "" if suggestion is None else suggestion.label,
            "comment": self._comment,
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
