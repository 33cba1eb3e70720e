"""What tests of the store and its queue share."""

from __future__ import annotations

from dataclasses import dataclass

from jurybox.project import Project
from jurybox.store.records import NothingLeft


@dataclass
class Clock:
    """A clock that only the test moves."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def served(project: Project, annotator: str, n: int = 1000) -> list[str]:
    """Label up to n texts as they come, by default what a test has, and return their ids."""
    ids = []
    for _ in range(n):
        task = project.next_task(annotator)
        if isinstance(task, NothingLeft):
            break
        ids.append(task.text_id)
        project.submit(task, "yes")
    return ids
