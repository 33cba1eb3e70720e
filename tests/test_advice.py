"""How a project stands and what to do next: from its records, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jurybox import Project
from jurybox.project.advice import Step, advise, in_words
from jurybox.project.beliefs import ProjectBelief
from jurybox.store.records import Role, Task
from jurybox.store.settings import ProjectSettings
from jurybox.trust.stopping import Verdict
from jurybox.web.i18n import LANGUAGES, get_catalogue
from jurybox.web.verdict import verdict_of

SETTINGS = ProjectSettings(
    encoder="tfidf", audit_size=12, audit_labels=2, cost_per_label=0.04, tuning=False, target_accuracy=0.9
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, ProjectBelief]]:
    texts = [f"{'good fine nice' if n % 2 else 'bad poor awful'} number {n}" for n in range(120)]
    path = tmp_path_factory.mktemp("advice") / "p.db"
    with Project.create(path, texts=texts, classes=["bad", "good"], settings=SETTINGS) as project:
        rng = np.random.default_rng(0)
        for name in ("ana", "ben"):
            project.people.add(name)
        for _ in range(20):
            for name in ("ana", "ben"):
                task = project.next_task(name)
                assert isinstance(task, Task)
                right = "good" in task.text
                project.submit(task, "good" if right == (rng.random() < 0.85) else "bad")
        project.refit()
        belief = project.beliefs.keep()
        yield (
            project,
            replace(belief, annotators=tuple(replace(one, suspect=None) for one in belief.annotators)),
        )


def stopping(belief: ProjectBelief, *rules: str) -> ProjectBelief:
    said = tuple(Verdict(rule, True, None, 0.0, "") for rule in rules)
    return replace(belief, verdicts=(replace(belief.verdicts[-1], verdicts=said),))


def narrow(belief: ProjectBelief) -> ProjectBelief:
    last = replace(belief.accuracy[-1], low=0.8, high=0.95, estimate=0.9)
    return replace(belief, accuracy=(last,))


def test_a_project_begins_with_texts_then_people(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p.db", classes=["a", "b"]) as project:
        assert advise(project.beliefs.now().inputs, None).step is Step.TEXTS
        project.add_texts(["one", "two"])
        project.people.add("lead", role=Role.OWNER)
        assert advise(project.beliefs.now().inputs, None).step is Step.INVITE
        project.people.add("ana")
        assert advise(project.beliefs.now().inputs, None).step is Step.START
        assert project.beliefs.now().advice.step is Step.START


@pytest.mark.slow
def test_an_interval_too_wide_asks_for_audit_texts_with_their_price(played: Any) -> None:
    project, belief = played
    advice = advise(project.beliefs.now().inputs, belief)
    assert advice.step is Step.GROW
    assert advice.labels == 2 * advice.texts
    assert advice.cost == pytest.approx(0.04 * advice.labels)
    assert advice.within is not None
    assert advice.within <= 0.1
    assert f"Add {advice.texts} audit texts" in in_words(advice)


@pytest.mark.slow
def test_texts_that_joined_are_labelled_before_more_are_drawn(played: Any) -> None:
    project, belief = played
    inputs = project.beliefs.now().inputs
    more = np.union1d(inputs.evidence.audit, np.flatnonzero(~inputs.annotations.labelled)[:40])
    grown = replace(inputs, evidence=replace(inputs.evidence, audit=more))
    advice = advise(grown, belief)
    assert advice.step is Step.AUDIT
    assert advice.labels == 80


@pytest.mark.slow
def test_whoever_is_suspect_comes_first_and_only_while_at_work(played: Any) -> None:
    project, belief = played
    ana, *others = belief.annotators
    with_suspect = replace(
        belief, annotators=(replace(ana, suspect=Suspicion(), suspicion="answers"), *others)
    )
    inputs = project.beliefs.now().inputs
    advice = advise(inputs, with_suspect)
    assert advice.step is Step.PERSON
    assert in_words(advice) == (
        f"90 % likely: ana answers, judged by {belief.annotators[0].shared} texts that others labelled, too. "
        "Look at their labels."
    )
    paused = tuple(replace(one, standing="paused") if one.name == "ana" else one for one in inputs.people)
    assert advise(replace(inputs, people=paused), with_suspect).step is Step.GROW


class Suspicion:
    kind = "random"
    probability = 0.9
    other = None


@pytest.mark.parametrize(
    ("rules", "step"),
    [(("target", "budget"), Step.REACHED), (("budget", "exhausted"), Step.BUDGET),
     (("exhausted",), Step.EXHAUSTED), ((), Step.MORE)],
)  # fmt: skip
def test_with_an_accuracy_that_is_known_the_stop_rules_decide(played: Any, rules: Any, step: Step) -> None:
    project, belief = played
    assert advise(project.beliefs.now().inputs, stopping(narrow(belief), *rules)).step is step


def test_a_forecast_and_an_advice_ask_for_no_more_labels_than_the_texts_may_get(played: Any) -> None:
    project, belief = played
    inputs = project.beliefs.now().inputs
    learnt_from = np.setdiff1d(np.arange(120), inputs.evidence.audit)
    given = inputs.annotations.counts[learnt_from]
    agreed = given.max(axis=1) >= (SETTINGS.enough_agreement or 0)
    assert inputs.room == int((SETTINGS.max_labels - given.sum(axis=1))[~agreed].sum()) < 1_000
    tenth, half, all_ = (point.labels for point in belief.forecast.points)
    assert (tenth, half, all_) == (all_ // 10, all_ // 2, inputs.room)
    full = advise(replace(inputs, room=0), stopping(narrow(belief)))
    assert full.step is Step.FULL
    assert in_words(full).startswith("All texts have the labels")


def test_every_language_says_every_step(played: Any) -> None:
    project, belief = played
    advice = replace(
        advise(project.beliefs.now().inputs, belief), expected=belief.forecast.points[0].accuracy, target=0.9
    )
    for language in LANGUAGES:
        steps = [step for step in Step if step is not Step.PERSON]
        said = {verdict_of(get_catalogue(language), replace(advice, step=step)).words for step in steps}
        assert len(said) == len(steps)
        assert not any("{" in words for words in said)
