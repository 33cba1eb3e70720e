"""Where labels come from, and which of them agreement on the texts at large may be estimated from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from jurybox import Project
from jurybox.agreement import krippendorff_alpha
from jurybox.formats import AnnotationRecord
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings

TEXTS = [(f"t{n}", f"{'good fine' if n % 2 else 'bad poor'} number {n}") for n in range(40)]
SETTINGS = ProjectSettings(encoder="tfidf", audit_size=10, audit_share=0.25, audit_labels=2, first_labels=2)
PEOPLE = ("ana", "ben", "chidi")


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.create(location, texts=TEXTS, classes=["bad", "good"], settings=SETTINGS) as made:
        yield made


def work(project: Project, times: int, seed: int = 0) -> None:
    """Let everyone label what the queue gives, now and then wrongly."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        for name in PEOPLE:
            task = project.next_task(name)
            if task:
                right = "good" if "good" in task.text else "bad"
                project.submit(task, right if rng.random() < 0.8 else {"good": "bad", "bad": "good"}[right])


@pytest.mark.slow
def test_annotations_are_counted_by_where_they_come_from(project: Project) -> None:
    project.add_annotations([AnnotationRecord("t1", "elsewhere", "good")])
    work(project, 10)
    project.refit()
    work(project, 4, seed=1)
    text, *_ = (record for record in project.reading.annotation_records() if record.annotator == "ana")
    project.people.add("someone")
    project.submit("t2", "bad", annotator="someone")
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate(text.text_id, "good", reviewer="rita")
    found = project.reading.provenance()
    assert sum(one.n for one in found) == project.annotations().n_annotations == 45
    origins: Counter[str] = Counter()
    for one in found:
        origins[one.origin] += one.n
    assert origins == {"queue": 42, "import": 1, "direct": 1, "review": 1}
    asked = {(one.round, one.reason) for one in found if one.origin == "queue"}
    assert {number for number, _ in asked} == {0, 1}
    assert {reason for number, reason in asked if number == 0} == {"audit", "spread"}
    assert "spread" not in {reason for number, reason in asked if number == 1}
    by_person = {name: sum(one.n for one in found if one.annotator == name) for name in PEOPLE}
    assert by_person == {person.name: person.n_annotations for person in project.people.all()[1:4]}


@pytest.mark.slow
def test_agreement_by_chance_rests_on_the_audit_and_the_first_labels(project: Project) -> None:
    work(project, 40)
    audit = set(project.audit.texts())
    firsts: Counter[str] = Counter()
    kept = []
    for record in sorted(project.reading.annotation_records(), key=lambda record: str(record.time)):
        firsts[record.text_id] += 1
        if record.text_id in audit or firsts[record.text_id] <= SETTINGS.first_labels:
            kept.append(record)
    assert len(kept) < project.annotations().n_annotations
    found = project.beliefs.now().agreement
    assert found.by_chance.n_annotations == sum(
        n for n in Counter(record.text_id for record in kept).values() if n > 1
    )
    assert found.all_texts.n_annotations > found.by_chance.n_annotations
    assert found.all_texts.alpha is not None
    assert found.all_texts.alpha.estimate == pytest.approx(krippendorff_alpha(project.annotations()).value)
    assert project.beliefs.now().agreement == found, "the same annotations give the same intervals"


@pytest.mark.slow
def test_reviewers_and_gold_texts_do_not_count_as_chance(project: Project) -> None:
    work(project, 20)
    before = project.beliefs.now().agreement
    chosen = next(
        text for text, _ in TEXTS if text not in project.audit.texts() and n_labels(project, text) == 2
    )
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate(chosen, "good", reviewer="rita")
    assert project.beliefs.now().agreement.all_texts.n_annotations == before.all_texts.n_annotations
    project.gold.set(chosen, "good")
    after = project.beliefs.now().agreement
    assert after.all_texts.n_annotations == before.all_texts.n_annotations
    assert after.by_chance.n_annotations == before.by_chance.n_annotations - 2


def n_labels(project: Project, text_id: str) -> int:
    return sum(record.text_id == text_id for record in project.reading.annotation_records())


@pytest.mark.slow
def test_texts_chosen_by_the_model_are_not_drawn_by_chance(project: Project) -> None:
    project.add_annotations([AnnotationRecord(f"t{n}", "elsewhere", "good") for n in range(1, 9, 2)])
    project.add_annotations([AnnotationRecord(f"t{n}", "elsewhere", "bad") for n in range(0, 8, 2)])
    project.refit()
    in_audit = set(project.audit.texts())
    work(project, 12)
    found = project.beliefs.now().agreement.by_chance
    labelled = Counter(r.text_id for r in project.reading.annotation_records() if r.text_id in in_audit)
    assert found.n_texts == sum(n > 1 for n in labelled.values())


def test_an_empty_project(project: Project) -> None:
    assert project.reading.provenance() == []
    assert project.beliefs.now().agreement.all_texts.alpha is None
    times = project.reading.times()
    assert times.made > 0
    assert (times.first, times.last) == (None, None)
    assert project.reading.guideline_versions() == []
    project.set_guidelines("Say what you mean.")
    assert [version.number for version in project.reading.guideline_versions()] == [1]
