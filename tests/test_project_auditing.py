"""The accuracy on the audit sample: on texts nobody trained on, with an interval that covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from jurybox import Annotations, Project
from jurybox.project.auditing import audit_record, credit, wilson_interval
from jurybox.store.settings import ProjectSettings


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (3, 7), (90, 100), (999, 1000)])
def test_the_interval_is_wilsons(successes: int, n: int) -> None:
    expected = proportion_confint(successes, n, alpha=0.05, method="wilson")
    assert wilson_interval(successes, n) == pytest.approx(expected, abs=1e-12)


def test_the_interval_covers() -> None:
    n, p = 50, 0.85
    covered = [k for k in range(n + 1) if wilson_interval(k, n)[0] <= p <= wilson_interval(k, n)[1]]
    assert 0.93 < sum(float(binom.pmf(k, n, p)) for k in covered) < 0.98


def test_credit_counts_labelled_texts_and_parts_ties() -> None:
    labels = Annotations.from_indices(
        [0, 0, 1, 1, 2], [0, 1, 0, 1, 0], [1, 1, 0, 1, 0], texts=4, annotators=2, classes=("no", "yes")
    )
    record = {"texts": [0, 1, 2, 3], "predicted": [1, 0, 1, 1]}
    assert credit(labels, record).tolist() == [1.0, 0.5, 0.0]
    assert credit(labels, None).tolist() == []


def test_the_record_of_an_empty_sample() -> None:
    assert audit_record(np.empty(0, dtype=np.int64), np.ones((3, 2)) / 2) == {"texts": [], "predicted": []}


def test_accuracy_of_stored_rounds(tmp_path: Path) -> None:
    texts = [f"{'good fine nice' if n % 2 else 'bad poor awful'} number {n}" for n in range(80)]
    settings = ProjectSettings(encoder="tfidf", audit_size=20, audit_share=0.25, audit_labels=1)
    with Project.create(
        tmp_path / "p.db", texts=texts, classes=["bad", "good"], settings=settings
    ) as project:
        in_audit = len(project.audit_texts())
        assert in_audit > 5
        for _ in range(in_audit):
            label(project)
        project.refit()
        assert project.accuracy() == [], "nothing was trained: audit texts alone have labels"
        for _ in range(30):
            label(project)
        project.refit()
        (found,) = project.accuracy()
        assert (found.round, found.n_texts, found.n_annotations) == (2, in_audit, in_audit + 30)
        assert found.low <= found.estimate <= found.high
        assert found.estimate > 0.9


def label(project: Project) -> None:
    task = project.next_task("ana")
    assert task
    project.submit(task, "good" if "good" in task.text else "bad")
