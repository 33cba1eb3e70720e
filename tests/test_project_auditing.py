"""How good the model and the consensus of a stored project are, judged by its audit sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from jurybox import Project
from jurybox.project.auditing import audit_record
from jurybox.store.settings import ProjectSettings
from jurybox.trust.intervals import wilson


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (3, 7), (90, 100), (999, 1000)])
def test_the_interval_is_wilsons(successes: int, n: int) -> None:
    from statsmodels.stats.proportion import proportion_confint

    expected = proportion_confint(successes, n, alpha=0.05, method="wilson")
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


def test_wilsons_interval_covers() -> None:
    n, p = 50, 0.85
    covered = [k for k in range(n + 1) if p in wilson(k, n)]
    assert 0.93 < sum(float(binom.pmf(k, n, p)) for k in covered) < 0.98


def test_the_record_of_an_empty_sample() -> None:
    assert audit_record(np.empty(0, dtype=np.int64), np.ones((3, 2)) / 2) == {"texts": [], "predicted": []}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    texts = [f"{'good fine nice' if n % 2 else 'bad poor awful'} number {n}" for n in range(80)]
    settings = ProjectSettings(encoder="tfidf", audit_size=20, audit_share=0.25, audit_labels=1)
    with Project.create(
        tmp_path / "p.db", texts=texts, classes=["bad", "good"], settings=settings
    ) as project:
        yield project


def label(project: Project, annotator: str = "ana") -> bool:
    task = project.next_task(annotator)
    if task:
        project.submit(task, "good" if "good" in task.text else "bad")
    return bool(task)


def test_nothing_is_known_of_an_empty_project(project: Project) -> None:
    assert not project.beliefs.now().accuracy
    found = project.beliefs.now().audit
    assert (found.classes, found.round) == (("bad", "good"), None)
    assert found.model is None
    assert found.consensus is None


@pytest.mark.slow
def test_accuracy_of_stored_rounds(project: Project) -> None:
    in_audit = len(project.audit.texts())
    assert in_audit > 5
    for _ in range(in_audit):
        label(project)
    project.refit()
    assert not project.beliefs.now().accuracy, "nothing was trained: audit texts alone have labels"
    known = project.beliefs.now().audit
    assert known.model is None
    assert known.consensus is not None
    assert known.consensus.n_texts == in_audit
    for _ in range(30):
        label(project)
    project.refit()
    (found,) = project.beliefs.now().accuracy
    assert (found.round, found.n_texts, found.n_annotations) == (2, in_audit, in_audit + 30)
    assert found.low <= found.estimate <= found.high
    assert found.macro_f1.low <= found.macro_f1.estimate <= found.macro_f1.high
    assert found.high > 0.95, "one annotator whom nobody has checked: the model agrees with all labels"


@pytest.mark.slow
def test_rounds_are_judged_by_one_evidence(project: Project) -> None:
    while label(project, "ana") or label(project, "ben"):
        pass
    project.refit()
    project.refit()
    first, second = project.beliefs.now().accuracy
    assert (first.round, second.round) == (1, 2)
    assert asdict(first) == {**asdict(second), "round": 1}, "equal predictions, equal estimates"
    with Project.open(str(project.store.path)) as again:
        assert again.beliefs.now().accuracy == (first, second), "the same data give the same figures"
    whole = project.beliefs.now().audit
    assert whole.round == 2
    assert whole.model is not None
    assert whole.consensus is not None
    assert whole.model.accuracy.estimate == second.estimate
    assert whole.model.macro_f1 == second.macro_f1
    assert len(whole.model.class_shares) == len(whole.consensus.class_shares) == 2
    assert 0.5 in whole.model.class_shares[1]
    assert 1.0 in whole.consensus.accuracy
    assert whole.consensus.n_labels == project.annotations().n_annotations
    assert whole.consensus.n_texts == 80
