"""Texts that were deleted are not recommended, priced, released or averaged over any more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import jurybox as jb
from jurybox.errors import InputError
from jurybox.machines import Keywords, Price
from jurybox.project.release import judge_shares, releasable
from jurybox.store.records import Task
from jurybox.store.settings import ProjectSettings
from jurybox.trust.release import ReleasePlan
from support.store import served

SETTINGS = ProjectSettings(
    encoder="tfidf", audit_size=6, audit_labels=1, overlap=0, tuning=False, cost_per_label=0.1
)
N = 40


def said(task: Task) -> str:
    return "good" if "good" in task.text else "bad"


@pytest.mark.slow
def test_deleted_texts_are_not_recommended_priced_released_or_averaged(tmp_path: Path) -> None:
    texts = [(f"t{n}", f"{'good nice' if n % 2 else 'bad poor'} thing {n}") for n in range(N)]
    with jb.Project.create(
        tmp_path / "p.db", texts=texts, classes=["bad", "good"], settings=SETTINGS
    ) as project:
        served(project, "ana", 20, said)
        project.machines.add(
            "words", Keywords({"good": ("good",), "bad": ("bad",)}), price=Price(answer=0.01)
        )
        project.configure(machine_budget=1.0)
        project.machines.ask("words", limit=25)
        project.refit()
        before = project.beliefs.now()
        free = [one.text_id for one in before.texts if not one.n_annotations]
        gone = free[: len(free) // 2]
        assert project.edit.delete_texts(gone) == len(gone) > 5
        now = project.beliefs.now()
        assert now.machines is not None
        whom = now.machines.whom
        assert whom is not None
        assert whom.offers[0].texts <= N - len(gone)
        assert whom.first
        assert {one.text_id for one in whom.first}.isdisjoint(gone)
        assert all(size.texts <= N - len(gone) for size in now.audit_plan.larger)
        everything = ReleasePlan(0.0, error_bound=None, sampled=0, wrong=0.0, allowed=0.05, level=0.95)
        ids = now.inputs.annotations.texts
        assert {*ids[releasable(now.inputs, everything)[0]]} == {*free} - {*gone}
        p = np.array(now.inputs.pred_probs)
        p[[int(one[1:]) for one in gone]] = 1.0  # whatever the model says of them
        assert judge_shares(replace(now.inputs, pred_probs=p)) == judge_shares(now.inputs)


def test_the_audit_sample_grows_by_no_deleted_text(tmp_path: Path) -> None:
    texts = [(f"t{n}", f"text {n}") for n in range(10)]
    few = replace(SETTINGS, audit_size=2)
    with jb.Project.create(tmp_path / "p.db", texts=texts, classes=["bad", "good"], settings=few) as project:
        gone = [text for text, _ in texts if text not in project.audit.texts()][:5]
        project.edit.delete_texts(gone)
        with pytest.raises(InputError, match="expected 1 to 3"):
            project.audit.grow(4)
        project.audit.grow(3)
        assert {*project.audit.texts()}.isdisjoint(gone)
        assert len(project.audit.texts()) == 5  # all that are left, so all that come are drawn, too
        project.add_texts([(f"new{n}", f"new text {n}") for n in range(20)])
        assert len(project.audit.texts()) == 25
