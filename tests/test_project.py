"""A stored project from texts to exports: rounds on real features, and what comes out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from jurybox.datasets import Dataset, load
from jurybox.errors import ConflictError, InputError
from jurybox.formats.records import RecordBatch
from jurybox.project import Project
from jurybox.store.records import NothingLeft, Role
from jurybox.store.settings import ProjectSettings
from jurybox.trust.stopping import prediction_stability

SETTINGS = ProjectSettings(encoder="tfidf", audit_size=10, audit_labels=2, first_labels=1, seed=3)
PEOPLE = ("ana", "ben", "chloe")


@pytest.fixture(scope="module")
def demo() -> Dataset:
    return load("demo")


@pytest.fixture
def project(location: str, demo: Dataset) -> Iterator[Project]:
    texts = list(zip(map(str, demo.texts), demo.pool_texts, strict=True))[:300]
    classes = [str(name) for name in demo.answers.classes]
    with Project.create(location, classes=classes, texts=texts, settings=SETTINGS) as project:
        yield project


def label(project: Project, demo: Dataset, n: int) -> None:
    """Give n labels: the gold class, by annotators in turn."""
    assert demo.gold is not None
    gold = dict(zip(map(str, demo.texts), demo.gold.tolist(), strict=True))
    given = 0
    while given < n:
        task = project.next_task(PEOPLE[given % len(PEOPLE)])
        assert not isinstance(task, NothingLeft)
        project.submit(task, project.classes[gold[task.text_id]], seconds=float(given + 1))
        given += 1


@pytest.mark.slow
def test_a_round_ranks_what_is_not_audited(project: Project, demo: Dataset) -> None:
    label(project, demo, 60)
    said = []
    info = project.refit(progress=lambda what, done, total: said.append((what, done, total)))
    assert (info.number, info.n_annotations) == (1, 60)
    assert said[-1] == ("publish", 1, 1)
    labelled = {record.text_id for record in project.reading.annotation_records()}
    assert info.diagnostics["trained_on"] == len(labelled - {*project.audit.texts()}) > 0
    assert info.diagnostics["encoder_reason"]
    probs = project.beliefs.now().inputs.pred_probs
    assert probs is not None
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)
    task = project.next_task("ana")
    assert not isinstance(task, NothingLeft)
    assert task.round == 1
    assert task.text_id not in project.audit.texts()
    assert task.score is not None
    assert project.status().rounds == 1


@pytest.mark.slow
def test_rounds_remember_what_stopping_needs(project: Project, demo: Dataset) -> None:
    label(project, demo, 60)
    first = project.refit()
    assert first.diagnostics["training_labels"] == 60 - 2 * 10  # the audit's labels are no training
    assert first.diagnostics["stability"] is None
    before = project.beliefs.now().inputs.pred_probs
    label(project, demo, 20)
    project.configure(random_share=1.0)
    second = project.refit()
    assert before is not None
    now = project.beliefs.now().inputs.pred_probs
    assert now is not None
    assert second.diagnostics["stability"] == pytest.approx(prediction_stability(before, now))
    task = project.next_task("ana")
    assert not isinstance(task, NothingLeft)
    assert task.reason == "random"


@pytest.mark.slow
def test_rounds_repeat_themselves(project: Project, demo: Dataset, location: str) -> None:
    label(project, demo, 40)
    project.refit()
    first = project.beliefs.now().inputs.pred_probs
    with Project.open(location) as other:
        other.refit()
        second = other.beliefs.now().inputs.pred_probs
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.slow
def test_a_round_before_any_label_is_a_spread(project: Project) -> None:
    info = project.refit()
    assert info.diagnostics["trained_on"] == 0
    assert project.next_task("ana")


@pytest.mark.slow
def test_texts_that_came_after_a_round_are_in_the_next(project: Project, demo: Dataset) -> None:
    label(project, demo, 30)
    project.refit()
    project.add_texts([("late", "A most delightful kettle.")])
    project.refit()
    probs = project.beliefs.now().inputs.pred_probs
    assert probs is not None
    assert len(probs) == 301


@pytest.mark.slow
def test_a_round_that_fails_leaves_the_last_ranking(project: Project, demo: Dataset) -> None:
    label(project, demo, 30)
    project.refit()
    encoder = project.settings.encoder
    project.configure(encoder="nobody/has-it")  # which is seen when it is to be loaded
    with pytest.raises(InputError):
        project.refit()
    task = project.next_task("ana")
    assert not isinstance(task, NothingLeft)
    assert task.round == 1
    project.configure(encoder=encoder)
    assert project.refit().number == 3


@pytest.mark.slow
def test_one_round_at_a_time(project: Project) -> None:
    with project.store.exclusive("round"), pytest.raises(ConflictError, match="another round"):
        project.refit()


@pytest.mark.slow
def test_reports_and_exports_agree(project: Project, demo: Dataset) -> None:
    label(project, demo, 60)
    project.refit()
    label(project, demo, 6)
    annotations = project.annotations()
    report = list(project.export().annotators)
    assert [record.name for record in report] == list(PEOPLE)
    assert [record.n_annotations for record in report] == annotations.labels_per_annotator.tolist()
    assert all(record.quality is not None and record.median_seconds is not None for record in report)
    export = project.export()
    consensus = list(export.consensus)
    assert [record.text_id for record in consensus] == annotations.texts.tolist()
    assert [record.n_annotations for record in consensus] == annotations.n_labels.tolist()
    assert all(len(record.probabilities) == 2 for record in consensus)
    assert len(list(export.annotations)) == len(list(export.annotations)) == 66


@pytest.mark.slow
def test_before_any_round_unlabelled_texts_have_no_consensus(project: Project, demo: Dataset) -> None:
    label(project, demo, 5)
    records = list(project.export().consensus)
    assert sum(record.label is not None for record in records) == len(
        {record.text_id for record in project.reading.annotation_records()}
    )
    assert all(record.probabilities == () for record in records)


@pytest.mark.slow
def test_what_was_exported_makes_an_equal_project(
    project: Project, demo: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    label(project, demo, 40)
    export = project.export()
    copy = tmp_path_factory.mktemp("copy") / "copy.db"
    with Project.create(copy, classes=export.classes) as other:
        other.add([RecordBatch(list(export.texts), list(export.annotations))])
        assert list(other.reading.texts()) == list(project.reading.texts())
        # Annotators are numbered as they come, so the order within a text may differ.
        assert sorted(other.reading.annotation_records()) == sorted(project.reading.annotation_records())


@pytest.mark.slow
def test_people_and_their_tokens(project: Project) -> None:
    project.people.add("rita", role=Role.REVIEWER, cap=5)
    project.people.set_token("rita", "hash-1")
    found = project.people.by_token("hash-1")
    assert found is not None
    assert (found.name, found.role, found.cap) == ("rita", Role.REVIEWER, 5)
    project.people.set_token("rita", None)
    assert project.people.by_token("hash-1") is None
    with pytest.raises(ConflictError, match="'rita' already"):
        project.people.add("rita")
    with pytest.raises(InputError, match="not empty"):
        project.people.add(" ")
    with pytest.raises(InputError, match="cap is -1"):
        project.people.set_cap("rita", -1)
