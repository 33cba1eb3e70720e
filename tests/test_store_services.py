"""Browsing a stored project and the notes of services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jurybox.project import Project
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.records import Task
from jurybox.store.settings import ProjectSettings
from support.copies import copied

SETTINGS = ProjectSettings(audit_size=0, overlap=0, max_labels=2, enough_agreement=2, first_labels=1)


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.open(copied(make_project, location)) as project:
        yield project


def make_project(location: str) -> None:
    texts = [("a/1", "Good food"), ("b", "100% awful"), ("c", "so so"), ("d", "GOOD service")]
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=SETTINGS) as project:
        for name in ("ana", "bo"):
            project.people.add(name)
        project.submit("a/1", "yes", annotator="ana", comment="nice", seconds=2.0)
        project.submit("a/1", "no", annotator="bo")
        project.submit("b", "no", annotator="ana")
        project.submit("b", "no", annotator="bo")
        project.flag("c", "what?", annotator="ana")


def ids(project: Project, **chosen: object) -> list[str]:
    return [row.text_id for row in project.reading.find_texts(TextFilter(**chosen)).items]  # type: ignore[arg-type]


def test_texts_are_filtered(project: Project) -> None:
    assert ids(project) == ["a/1", "b", "c", "d"]
    assert ids(project, search="good") == ["a/1", "d"]
    assert ids(project, search="serv") == ["d"]
    assert ids(project, search="good serv") == ["d"]
    assert ids(project, search="goo service") == []
    assert ids(project, search="100%") == ["b"]
    assert ids(project, search="%") == ["b"]
    assert ids(project, search="A/1") == ["a/1"]
    assert ids(project, label="yes") == ["a/1"]
    assert ids(project, label="no", annotator="ana") == ["b"]
    assert ids(project, annotator="nobody") == []


@pytest.mark.slow
@pytest.mark.parametrize("few", [0, 20_000])
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (TextState.UNLABELLED, ["c", "d"]),
        (TextState.LABELLED, ["a/1", "b"]),
        (TextState.FINISHED, ["a/1", "b"]),
        (TextState.OPEN, ["c", "d"]),
        (TextState.DISAGREED, ["a/1"]),
        (TextState.FLAGGED, ["c"]),
        (TextState.AUDIT, []),
    ],
)
def test_texts_are_found_by_state(
    project: Project, monkeypatch: pytest.MonkeyPatch, state: TextState, expected: list[str], few: int
) -> None:
    monkeypatch.setattr("jurybox.store.filters._FEW", few)  # listed, or looked up one by one
    assert ids(project, state=state) == expected
    assert ids(project, state=state, search="food") == [number for number in expected if number == "a/1"]


def test_pages_follow_one_another(project: Project) -> None:
    first = project.reading.find_texts(limit=3)
    assert first.next is not None
    second = project.reading.find_texts(after=first.next, limit=3)
    assert [row.text_id for row in (*first.items, *second.items)] == ["a/1", "b", "c", "d"]
    assert second.next is None
    assert project.reading.find_texts(limit=4).next is None


def test_labels_are_counted_by_class(project: Project) -> None:
    assert dict(project.reading.find_texts().items[0].labels) == {"no": 1, "yes": 1}
    assert project.reading.find_texts().items[1].labels == {"no": 2}


def test_annotations_come_latest_first(project: Project) -> None:
    page = project.reading.find_annotations(limit=3)
    assert [(row.text_id, row.annotator) for row in page.items] == [("b", "bo"), ("b", "ana"), ("a/1", "bo")]
    rest = project.reading.find_annotations(after=page.next, limit=3).items
    assert [(row.label, row.comment, row.seconds) for row in rest] == [("yes", "nice", 2.0)]


def test_annotations_are_filtered(project: Project) -> None:
    def count(**chosen: str) -> int:
        return len(project.reading.find_annotations(AnnotationFilter(**chosen)).items)

    assert count(text_id="a/1") == 2
    assert count(annotator="ana") == 2
    assert count(label="no") == 3
    assert count(search="NICE") == 1
    assert count(search="awful") == 2


def test_annotations_taken_back_are_not_shown(project: Project) -> None:
    project.undo("bo")
    project.change("ana", "b", "yes")
    rows = project.reading.find_annotations(AnnotationFilter(text_id="b")).items
    assert [(row.annotator, row.label, row.origin) for row in rows] == [("ana", "yes", "change")]


def test_the_queue_says_who_has_a_text(project: Project) -> None:
    task = project.next_task("ana")
    assert isinstance(task, Task)
    rows = project.reading.queue()
    assert {row.text_id for row in rows} == {"c", "d"}
    assert {row.text_id: row.holder for row in rows}[task.text_id] == "ana"


def test_progress_counts_since(project: Project) -> None:
    progress = project.reading.progress("ana")
    assert (progress.since, progress.total, progress.cap) == (2, 2, None)
    assert (progress.texts, progress.finished_texts) == (4, 2)
    assert (progress.labels, progress.goal) == (project.status().annotations, 4)
    assert project.reading.progress("ana", since=1e12).since == 0
    assert project.reading.progress("nobody").total == 0


@pytest.mark.slow
def test_the_pulse_counts_what_no_round_has_seen(project: Project) -> None:
    pulse = project.reading.pulse()
    assert (pulse.current_round, pulse.pending, pulse.texts, pulse.is_done) == (0, 4, 4, False)
    project.undo("ana")
    assert project.reading.pulse().pending == 5
    assert project.reading.pulse().last > pulse.last


def test_a_note_replaces_the_last_one(project: Project) -> None:
    assert project.notes.read("learner") is None
    project.notes.write("learner", {"state": "waiting"})
    project.notes.write("learner", {"state": "fitting", "pid": 7})
    note = project.notes.read("learner")
    assert note is not None
    assert note.value == {"state": "fitting", "pid": 7}
