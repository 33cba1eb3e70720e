"""The audit sample grows: at random, and without a trace of what its texts have taught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jurybox import Project
from jurybox.errors import InputError
from jurybox.project.audit import expected_width
from jurybox.store.records import Task
from jurybox.store.settings import ProjectSettings
from support.store import served

SETTINGS = ProjectSettings(
    encoder="tfidf", audit_size=10, audit_share=0.25, audit_labels=2, cost_per_label=0.5, tuning=False
)
N = 60


@pytest.fixture
def project(location: str, tmp_path: Path) -> Iterator[Project]:
    texts = [f"{'good fine nice' if n % 2 else 'bad poor awful'} number {n}" for n in range(N)]
    with Project.create(
        location, texts=texts, classes=["bad", "good"], settings=SETTINGS, cache=tmp_path
    ) as project:
        yield project


def said(task: Task) -> str:
    return "good" if "good" in task.text else "bad"


def test_the_sample_grows_by_texts_of_every_kind(project: Project) -> None:
    for name in ("ana", "ben"):
        project.people.add(name)
        served(project, name, 20, said=said)
    before, labelled = set(project.audit.texts()), project.beliefs.now().posterior.n_annotations > 0
    assert project.audit.grow(30) == 40
    after = set(project.audit.texts())
    assert before < after
    ids = [text.id for text in project.reading.texts()]
    joined = [ids.index(text_id) for text_id in after - before]
    assert {bool(labelled[at]) for at in joined} == {True, False}
    assert project.status().audit_texts == 40


@pytest.mark.slow
def test_all_texts_outside_have_the_same_chance(tmp_path: Path) -> None:
    drawn: Counter[str] = Counter()
    for seed in range(40):
        settings = SETTINGS.updated({"seed": seed, "audit_size": 2})
        texts = [(f"t{n}", f"text {n}") for n in range(10)]
        with Project.create(
            tmp_path / f"{seed}.db", texts=texts, classes=["a", "b"], settings=settings
        ) as project:
            project.audit.grow(3)
            drawn.update(project.audit.texts())
    # 40 draws of 5 out of 10: 20 each, standard deviation 3.2
    assert all(8 < drawn[f"t{n}"] < 32 for n in range(10)), drawn


@pytest.mark.slow
def test_the_next_round_leaves_the_drawn_texts_out_and_only_it_is_judged_by_them(project: Project) -> None:
    project.people.add("ana")
    served(project, "ana", 40, said=said)
    first = project.refit()
    assert first.diagnostics["trained_on"] == 30
    assert project.beliefs.now().accuracy[0].n_texts == 10
    project.audit.grow(10)
    joined = set(project.audit.texts())
    assert project.beliefs.now().accuracy[0].n_texts == 10  # the round has learnt from the others
    second = project.refit()
    labelled = {record.text_id for record in project.reading.annotation_records()}
    assert second.diagnostics["trained_on"] == len(labelled - joined)
    assert len(second.diagnostics["audit"]["texts"]) == 20
    judged = project.beliefs.now().accuracy
    assert [one.n_texts for one in judged] == [10, len(labelled & joined)]


@pytest.mark.slow
def test_a_warm_start_from_a_round_that_learnt_from_them_is_forgotten(project: Project) -> None:
    project.people.add("ana")
    served(project, "ana", 40, said=said)
    project.refit()
    audit = np.array([0], dtype=np.int64)
    known = np.asarray(project.reading.rounds()[-1].diagnostics["audit"]["texts"], dtype=np.int64)
    assert project._rounds._fitting(N, 2, known) is not None
    outside = np.setdiff1d(np.arange(N), known)[:1]
    assert project._rounds._fitting(N, 2, np.concatenate([known, outside])) is None
    assert audit.size == 1


@pytest.mark.slow
def test_drawn_texts_are_asked_for_until_they_have_their_labels(project: Project) -> None:
    project.people.add("ana")
    served(project, "ana", 30, said=said)
    project.refit()
    project.audit.grow(15)
    project.refit()
    for name in ("ben", "cem", "dia"):
        project.people.add(name)
        served(project, name, N, said=said)
    assert project.status().audit_finished == 25


def test_texts_that_come_later_are_drawn_at_the_rate_of_the_larger_sample(project: Project) -> None:
    project.audit.grow(20)
    before = len(project.audit.texts())
    project.add_texts([(f"late {n}", f"late text {n}") for n in range(100)])
    assert len(project.audit.texts()) - before in (50, 51)


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, -1, 51])
def test_it_grows_by_no_more_texts_than_there_are(project: Project, n: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 50"):
        project.audit.grow(n)
    assert len(project.audit.texts()) == 10


@pytest.mark.slow
def test_the_plan_says_what_further_texts_bring_and_cost(project: Project) -> None:
    plan = project.beliefs.now().audit_plan
    assert (plan.texts, plan.labelled, plan.within) == (10, 0, None)
    assert (plan.now.labels, plan.now.cost) == (20, 10.0)
    assert [(size.texts, size.labels) for size in plan.larger] == [(30, 60), (60, 120)]
    assert plan.enough is None  # 60 texts tell it within 11 points at best
    project.people.add("ana")
    served(project, "ana", 40, said=said)
    project.refit()
    plan = project.beliefs.now().audit_plan
    assert plan.within is not None
    assert plan.counted == 10
    assert plan.larger[0].within == pytest.approx(expected_width(30, (plan.within, 10)))
    assert plan.now.labels == 10
