"""A small project with everything in it that a report speaks of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jurybox import Project
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings

CLASSES = ("<b>rude</b>", "polite", "neutral & flat")
PEOPLE = ("Ximena Quux", "Óskar-Zwölf", "vladimir_k", "Jo")
REVIEWER = "Rita Revisora"
GUIDELINES = "Rude is what hurts.\n\nAsk Ximena Quux if in doubt; <script>alert(1)</script> is no text."
COMMENT = "I agree with óskar-zwölf, but job is not Jo."
SETTINGS = ProjectSettings(
    encoder="tfidf",
    audit_size=24,
    audit_share=0.2,
    audit_labels=2,
    batch=20,
    cost_per_label=0.15,
    target_accuracy=0.9,
    budget=300,
)
_WORDS = (("awful", "stupid", "nonsense"), ("please", "thanks", "kindly"), ("table", "meeting", "page"))


def make_project(path: Path, *, rounds: int = 3) -> None:
    """Play some rounds: three people who look, and one who mostly does not."""
    rng = np.random.default_rng(5)
    kinds = rng.integers(3, size=160)
    texts = [
        (
            f"t{n}",
            f"{' '.join(rng.choice(_WORDS[kind], 3))} <i>number</i> {n} {'so ' * int(rng.integers(20))}",
        )
        for n, kind in enumerate(kinds)
    ]
    truth = {f"t{n}": int(kind) for n, kind in enumerate(kinds)}
    with Project.create(
        path,
        texts=texts,
        classes=CLASSES,
        name="Tone <of> Jo's mails",
        guidelines=GUIDELINES,
        settings=SETTINGS,
    ) as project:
        for name in PEOPLE:
            project.people.add(name)
        project.gold.add({f"t{n}": CLASSES[truth[f"t{n}"]] for n in range(0, 20, 4)})
        for number in range(rounds + 1):
            for name in PEOPLE:
                for task in project.next_tasks(name, 28 if number == 0 else 10).tasks:
                    careful = rng.random() < (0.2 if name == "Jo" else 0.85)
                    label = truth[task.text_id] if careful else int(rng.integers(3))
                    said = COMMENT if rng.random() < 0.3 else ""
                    seconds = float(rng.gamma(4, 1.5))
                    project.submit(task, CLASSES[label], seconds=seconds, comment=said)
            project.refit()
        project.people.add(REVIEWER, role=Role.REVIEWER)
        project.adjudicate("t30", CLASSES[truth["t30"]], reviewer=REVIEWER, comment="Decided.")
        project.flag("t31", "Is this for Jo?", annotator="vladimir_k")
