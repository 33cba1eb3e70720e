"""What tests of the store and its queue share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jurybox.project import Project
from jurybox.store.filters import TextFilter, TextState
from jurybox.store.records import Task


@dataclass
class Clock:
    """A clock that only the test moves."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def served(
    project: Project, annotator: str, n: int = 1000, said: str | Callable[[Task], str] = "yes"
) -> list[str]:
    """Label up to n texts as they come, by default what a test has, and return their ids."""
    ids: list[str] = []
    while len(ids) < n and isinstance(task := project.next_task(annotator), Task):
        project.submit(task, said if isinstance(said, str) else said(task))
        ids.append(task.text_id)
    return ids


def label_audit(project: Project, n: int, answer: Callable[[str], str]) -> None:
    """Let three people label the audit sample and 40 others of the texts t0, t1, … of n."""
    sample = project.reading.find_texts(TextFilter(state=TextState.AUDIT), limit=100).items
    audit = [row.text_id for row in sample]
    others = [f"t{i}" for i in range(n) if f"t{i}" not in audit][:40]
    for name in ("ana", "bo", "cy"):
        project.people.add(name)
        for text in [*audit, *others]:
            project.submit(text, answer(text), annotator=name)
