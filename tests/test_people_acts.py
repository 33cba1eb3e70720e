"""What an owner does about people: their labels left out and back, texts shared early, a trail, and undo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jurybox import Project
from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.project.people import message_digest
from jurybox.store.records import Standing
from jurybox.store.settings import ProjectSettings
from support.store import served

SETTINGS = ProjectSettings(
    encoder="tfidf", audit_size=0, max_labels=2, enough_agreement=2, first_labels=2, overlap=0, tuning=False,
    cost_per_label=0.5,
)  # fmt: skip


@pytest.fixture
def project(location: str, tmp_path: Path) -> Iterator[Project]:
    texts = [(f"t{n}", f"text {n}") for n in range(40)]
    with Project.create(
        location, texts=texts, classes=["no", "yes"], settings=SETTINGS, cache=tmp_path
    ) as project:
        for name in ("ana", "ben", "cem"):
            project.people.add(name)
        yield project


def test_labels_left_out_count_for_nothing_and_their_texts_are_asked_for_again(project: Project) -> None:
    mine = served(project, "ana", 5)
    assert served(project, "ben", 5) == mine
    assert project.status().finished_texts == 5
    project.people.leave_out("ben")
    assert project.status().finished_texts == 0
    assert project.people.get("ben").left_out
    assert project.annotations().n_annotations == project.beliefs.now().basis.labels == 5
    assert project.status().annotations == sum(project.status().class_counts.values()) == 5
    assert len(list(project.reading.annotation_records())) == 10  # nothing is lost
    assert served(project, "cem", 5) == mine
    project.people.count_again("ben")
    assert project.beliefs.now().basis.labels == 15
    assert not project.people.get("ben").left_out


def test_labels_left_out_are_paid_for(project: Project) -> None:
    served(project, "ana", 4)
    served(project, "ben", 4)
    project.people.leave_out("ben")
    effort = project.beliefs.now().effort
    assert (effort.labels, effort.cost) == (8, 4.0)


def test_leaving_out_asks_for_a_round_and_changes_what_is_believed(project: Project) -> None:
    served(project, "ana", 3)
    before = project.beliefs.now().basis.version
    project.people.leave_out("ana")
    assert project.beliefs.now().basis.version != before
    asked = project.notes.read("learner.request")
    assert asked is not None
    assert asked.value == {"pending": True}


def test_everything_is_in_the_history_and_undone_once(project: Project) -> None:
    served(project, "ana", 3)
    project.people.pause("ana", by="lead")
    project.people.leave_out("ana", by="lead")
    out, paused = project.edit.history.last(2)
    assert [(event.actor, event.verb, event.subject) for event in (paused, out)] == [
        ("lead", "pause", "ana"),
        ("lead", "leave out", "ana"),
    ]
    back = project.edit.history.undo(out.number, by="second lead")
    assert (back.verb, back.actor) == ("count", "second lead")
    assert not project.people.get("ana").left_out
    project.edit.history.undo(paused.number)
    assert project.people.get("ana").standing is Standing.ACTIVE
    with pytest.raises(ConflictError, match="twice"):
        project.edit.history.undo(out.number)
    with pytest.raises(NotFoundError):
        project.edit.history.undo(99)
    assert len(project.edit.history.last()) == 5  # the first is that the project was made


def test_a_larger_audit_sample_cannot_be_undone(project: Project) -> None:
    project.audit.grow(3, by="lead")
    (event,) = project.edit.history.last(1)
    assert (event.verb, event.subject) == ("grow audit", "3")
    with pytest.raises(ConflictError, match="cannot be undone"):
        project.edit.history.undo(event.number)


@pytest.mark.parametrize("overlap", [0, 8])
def test_a_latecomer_shares_texts_from_the_start(project: Project, overlap: int) -> None:
    project.configure(overlap=overlap, first_labels=1, max_labels=5, enough_agreement=None)
    known = set(served(project, "ana", 12)) | set(served(project, "ben", 8, "no"))
    texts = served(project, "cem", 20)
    shared = [place for place, text in enumerate(texts) if text in known]
    assert len(set(texts)) == 20
    if overlap:
        assert shared[:8] == [2, 4, 7, 9, 12, 14, 17, 19]
    else:
        assert not shared


def test_an_overlap_beyond_the_beginning_is_refused() -> None:
    with pytest.raises(InputError, match="from 0 up to 20"):
        ProjectSettings(overlap=21)


def test_inviting_withdrawing_and_writing_are_in_the_history(project: Project) -> None:
    project.people.add("dan", by="olga")
    project.people.write_to("dan", "Please slow down.", by="olga")
    assert project.people.get("dan").message == "Please slow down."
    project.people.has_read("dan", message_digest("another one"))
    assert project.people.get("dan").message
    project.people.has_read("dan", message_digest(project.people.get("dan").message or ""))
    assert project.people.get("dan").message is None
    project.people.withdraw("dan", by="olga")
    assert [(one.verb, one.subject, one.actor) for one in project.edit.history.last(3)] == [
        ("withdraw", "dan", "olga"),
        ("message", "dan", "olga"),
        ("invite", "dan", "olga"),
    ]
    project.people.write_to("dan", "Dan, please.", by="olga")
    pseudonym = project.edit.erase_person("dan", by="olga")
    assert project.people.get(pseudonym).message is None
    assert "dan" not in {one.subject for one in project.edit.history.last()}
    with pytest.raises(InputError, match="message"):
        project.people.write_to("ana", "", by="olga")
    with pytest.raises(NotFoundError):
        project.people.write_to("nobody", "Hello", by="olga")
