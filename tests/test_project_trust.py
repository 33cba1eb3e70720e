"""Trust in a stored project: people, contested labels, forecast, stop rules, and the summary of all that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from jurybox import Project
from jurybox.formats.plain import plain
from jurybox.project.annotators import agreement_parts
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from support.copies import copied

SETTINGS = ProjectSettings(
    encoder="tfidf", audit_size=10, audit_share=0.25, audit_labels=2, batch=20, cost_per_label=0.5
)
TEXTS = [(f"t{n}", f"{'good fine' if n % 2 else 'bad awful'} thing number {n}") for n in range(120)]
CLASSES = ("bad", "good")


def right(text: str) -> str:
    return "good" if text.startswith("good") else "bad"


def label(project: Project, n: int, rng: np.random.Generator) -> None:
    """Let three good annotators and one who does not look give n labels through the queue."""
    people = ("ana", "ben", "eva", "spam")
    given = 0
    for turn in range(20 * n):
        if given == n:
            return
        name = people[turn % len(people)]
        task = project.next_task(name)
        if not task:
            continue
        good = name != "spam" and rng.random() < 0.95
        chosen = right(task.text) if good else str(rng.choice(CLASSES))
        project.submit(task, chosen, seconds=1.0 if name == "spam" else 8.0 + rng.random())
        given += 1


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.create(location, classes=CLASSES, texts=TEXTS, settings=SETTINGS) as project:
        yield project


def make_labelled(location: str) -> None:
    rng = np.random.default_rng(0)
    with Project.create(location, classes=CLASSES, texts=TEXTS, settings=SETTINGS) as project:
        for _ in range(4):
            label(project, 45, rng)
            project.refit()


@pytest.fixture
def labelled(location: str) -> Iterator[Project]:
    with Project.open(copied(make_labelled, location)) as project:
        yield project


@pytest.fixture(scope="module")
def shown(lasting_location: str) -> Iterator[Project]:
    """A project that is labelled, for tests that only look."""
    with Project.open(copied(make_labelled, lasting_location, lasting=True)) as project:
        yield project


def test_of_an_empty_project_nothing_is_believed(project: Project) -> None:
    assert project.beliefs.kept() is None
    found = project.beliefs.keep()
    assert (found.annotators, found.verdicts, found.forecast, found.savings) == ((), (), None, None)
    assert (found.basis.labels, found.accuracy, found.guidelines) == (0, (), ())
    assert not project.beliefs.now().contested()
    assert not project.beliefs.now().doubtful_annotations()


@pytest.mark.slow
def test_people_are_told_apart(shown: Project) -> None:
    profiles = {one.name: one for one in shown.beliefs.now().annotators}
    assert list(profiles) == [person.name for person in shown.people.all()]
    spam, ana = profiles["spam"], profiles["ana"]
    assert spam.quality is not None
    assert ana.quality is not None
    assert spam.quality.estimate < ana.quality.low
    assert spam.suspect is not None
    assert spam.suspicion
    assert all(profiles[name].suspect is None for name in ("ana", "ben", "eva"))
    assert spam.median_seconds == 1.0
    assert all(pair.shared > 0 for pair in shown.beliefs.now().pairs)
    for one in profiles.values():
        assert all(sum(row.values()) == pytest.approx(1) for row in one.confusion.values())
        assert json.loads(json.dumps(plain(one), allow_nan=False))["name"] == one.name


@pytest.mark.slow
def test_wrong_labels_come_first_with_all_that_is_known(shown: Project) -> None:
    texts = dict(TEXTS)
    doubtful = shown.beliefs.now().doubtful_annotations(20)
    assert [one.error for one in doubtful] == sorted((one.error for one in doubtful), reverse=True)
    wrong = [one.label != right(one.text) for one in doubtful]
    everyone = [one.label != right(texts[one.text_id]) for one in shown.reading.annotation_records()]
    assert np.mean(wrong) > 2 * np.mean(everyone)
    contested = shown.beliefs.now().contested(10)
    assert [one.error for one in contested] == sorted((one.error for one in contested), reverse=True)
    for one in contested:
        assert one.text == texts[one.text_id]
        assert {vote.annotator for vote in one.votes} <= {"ana", "ben", "eva", "spam"}
        assert one.model is not None
        assert sum(one.model.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_votes_carry_comments_and_reviewers_outweigh(project: Project) -> None:
    for name in ("ana", "ben", "eva"):
        project.people.add(name)
        project.submit("t0", "good", annotator=name, comment=f"{name} thinks so")
    (one,) = project.beliefs.now().contested()
    assert {vote.comment for vote in one.votes} == {"ana thinks so", "ben thinks so", "eva thinks so"}
    assert (one.label, one.model) == ("good", None)
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate("t0", "bad", reviewer="rita", comment="awful is bad")
    assert not project.beliefs.now().contested(), "a reviewer has decided it"
    found = next(one for one in project.beliefs.now().texts if one.text_id == "t0")
    assert (found.label, found.n_annotations) == ("bad", 4)
    people = {person.name: person for person in project.beliefs.now().annotators}
    assert people["ana"].quality is not None
    rita = people["rita"]  # taken to be right, which is no estimate
    assert (rita.n_annotations, rita.quality, rita.worst_class, rita.confusion) == (1, None, None, {})


@pytest.mark.slow
def test_rules_speak_after_every_round(labelled: Project) -> None:
    history = labelled.beliefs.now().verdicts
    assert [one.labels for one in history] == sorted({one.labels for one in history})
    assert {verdict.rule for verdict in history[-1].verdicts} == {"stable", "exhausted"}
    settings = labelled.settings
    labelled.configure(target_accuracy=0.05, budget=10)
    verdicts = {verdict.rule: verdict for verdict in labelled.beliefs.now().verdicts[-1].verdicts}
    assert verdicts["target"].stop
    assert verdicts["budget"].stop
    assert labelled.settings == replace(settings, target_accuracy=0.05, budget=10)


@pytest.mark.slow
def test_the_forecast_continues_the_audited_rounds(shown: Project) -> None:
    expected = shown.beliefs.now().forecast_of((50, 500))
    assert expected is not None
    assert [point.labels for point in expected.points] == [50, 500]
    assert expected.labels == shown.beliefs.now().verdicts[-1].labels
    assert all(
        point.accuracy.low < point.accuracy.estimate < point.accuracy.high for point in expected.points
    )


@pytest.mark.slow
def test_savings_say_why_they_are_unknown(shown: Project) -> None:
    saved = shown.beliefs.now().savings
    assert saved is not None
    assert (saved.needed is None) == bool(saved.unknown)


@pytest.mark.slow
def test_beliefs_are_read_as_they_were_kept(labelled: Project) -> None:
    kept = labelled.beliefs.keep()
    assert labelled.beliefs.kept() == kept
    assert [one.name for one in kept.annotators if one.suspect is not None] == ["spam"]
    assert kept.basis.labels == labelled.status().annotations


@pytest.mark.slow
def test_the_same_data_give_the_same_figures(labelled: Project, location: str) -> None:
    figures = labelled.beliefs.keep()
    with Project.open(copied(make_labelled, f"{location}.again")) as again:
        assert again.beliefs.kept() is None
        second = again.beliefs.keep()
    basis = replace(second.basis, version=figures.basis.version)
    assert figures == replace(second, basis=basis, made_at=figures.made_at, seconds=figures.seconds)


def test_agreement_by_class_over_time_and_by_version_of_the_guidelines(location: str) -> None:
    now = 1_000_000_000.0
    texts = [(f"t{n}", f"text {n}") for n in range(30)]
    settings = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0)
    with Project.create(
        location, classes=["a", "b", "c"], texts=texts, settings=settings, clock=lambda: now
    ) as project:
        for annotator in ("ana", "bo"):
            project.people.add(annotator)
        assert agreement_parts(project.beliefs.now().inputs, []) == ()
        versions = []
        for n in range(30):
            if n % 15 == 0:
                now += 60
                versions.append(now)
                project.set_guidelines(f"version {n}")
            for annotator in ("ana", "bo"):
                now += 60
                other = annotator == "bo" and n < 15 and n % 3 == 0
                project.submit(f"t{n}", "abc"[(n + other) % 3], annotator=annotator)
        beliefs = project.beliefs.now()
    parts = agreement_parts(beliefs.inputs, versions)
    assert [(one.kind, one.name, one.found.n_texts) for one in parts] == [
        *(("class", name, 30) for name in "abc"),
        *(("time", name, 10) for name in "123"),
        *[("guidelines", "1", 15), ("guidelines", "2", 15)],
    ]
    share = [one.found.percent.estimate for one in parts if one.found.percent]
    assert share == pytest.approx([25 / 30, 25 / 30, 1, 6 / 10, 9 / 10, 1, 10 / 15, 1])
    assert (parts[3].start, parts[5].end) == (1_000_000_120, now)
    assert beliefs.agreement.all_texts.percent is not None
    assert beliefs.agreement.all_texts.percent.estimate == pytest.approx(25 / 30)


def test_agreement_of_labels_that_came_at_one_time_has_no_parts_of_the_time(location: str) -> None:
    now = 1_000_000_000.0
    texts = [(f"t{n}", f"text {n}") for n in range(40)]
    settings = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0)
    with Project.create(
        location, classes=["a", "b"], texts=texts, settings=settings, clock=lambda: now
    ) as project:
        for annotator in ("ana", "bo"):
            project.people.add(annotator)
            for text, _ in texts[:30]:
                project.submit(text, "a", annotator=annotator)
        assert agreement_parts(project.beliefs.now().inputs, []) == ()
        now += 60
        for annotator in ("ana", "bo"):
            for text, _ in texts[30:]:
                project.submit(text, "b", annotator=annotator)
        parts = agreement_parts(project.beliefs.now().inputs, [])
    assert [(one.name, one.found.n_texts) for one in parts] == [("1", 30), ("2", 10)]
