"""Projects of each kind: one class, several classes, a scale, two questions; and what their people say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jurybox.project import Project
from jurybox.store.settings import ProjectSettings

TEXTS = [
    (f"t{i}", f"{'nice' if i % 3 else 'awful'} soup, {'cheap' if i % 2 else 'slow'} {i}") for i in range(12)
]
SETTINGS = ProjectSettings(encoder="tfidf", tuning=False, audit_size=0, overlap=0, max_labels=3)


@dataclass(frozen=True)
class ProjectKind:
    """What a project of a kind is made with, and what can be said there.

    Attributes
    ----------
    asked
        Arguments of `Project.create`.
    labels
        Three different answers, as they are written.
    wrong
        What is no answer.
    facets
        By which names its figures are asked for; None where there is one question.
    """

    name: str
    asked: Mapping[str, Any]
    labels: tuple[str, str, str]
    wrong: str
    facets: tuple[str | None, ...]

    def create(self, location: str | Path, **changes: Any) -> Project:
        """Make a project with a dozen texts."""
        settings = SETTINGS.updated({**self.asked.get("settings", {}), **changes})
        own = {name: value for name, value in self.asked.items() if name != "settings"}
        return Project.create(location, texts=TEXTS, settings=settings, **own)

    def label_of(self, text_id: str) -> str:
        """Return what most people say of a text."""
        return self.labels[int(text_id[1:]) % 3]


KINDS = {
    kind.name: kind
    for kind in (
        ProjectKind(
            "single", {"classes": ("bad", "fair", "good")}, ("bad", "fair", "good"), "great", (None,)
        ),
        ProjectKind(
            "several",
            {"questions": ("topics=several:price,service",)},
            ("topics=price", "topics=price|service", "topics=|"),
            "topics=taste",
            ("topics:price", "topics:service"),
        ),
        ProjectKind(
            "scale",
            {"classes": ("1", "2", "3"), "settings": {"scale": True}},
            ("1", "2", "3"),
            "4",
            (None,),
        ),
        ProjectKind(
            "two questions",
            {"questions": ("food=single:bad,good", "stars=scale:1..3")},
            ("food=bad; stars=1", "food=good; stars=2", "stars=3"),
            "food=great",
            ("food", "stars"),
        ),
    )
}
