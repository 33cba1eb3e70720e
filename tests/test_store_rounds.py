"""Rounds as the store sees them: a snapshot, a ranking written beside the one that holds, the change-over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from jurybox.project import Project
from jurybox.store import rounds, snapshots
from jurybox.store.decisions import submit
from jurybox.store.queue import Terms, next_tasks
from jurybox.store.records import NothingLeft, Task, Why
from jurybox.store.schema import ranking
from jurybox.store.settings import ProjectSettings
from support.copies import copied
from support.store import served

N = 30
PLAIN = ProjectSettings(audit_size=0, overlap=0, max_labels=2, enough_agreement=None, first_labels=1)


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.open(copied(make_project, location)) as project:
        yield project


def make_project(location: str) -> None:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=PLAIN) as project:
        project.people.add("ana")
        project.people.add("bo")


def outcome(order: list[int], n_texts: int = N) -> rounds.Outcome:
    return rounds.Outcome(
        order=np.array(order),
        scores=np.linspace(0, 1, len(order)),
        selection_probability=np.full(len(order), 0.25),
        reasons=["new"] * len(order),
        pred_probs=np.full((n_texts, 2), 0.5),
        diagnostics={"strategy": "test"},
    )


def publish(project: Project, order: list[int], meanwhile: list[tuple[str, str]] | None = None) -> int:
    snapshot = snapshots.read_snapshot(project.store)
    number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    for annotator, text in meanwhile or []:
        project.submit(text, "yes", annotator=annotator)
    rounds.publish(project.store, number, snapshot, outcome(order, snapshot.annotations.n_texts), now=2.0)
    return number


def test_the_queue_follows_the_ranking(project: Project) -> None:
    publish(project, [7, 3, 5])
    task = project.next_task("ana")
    assert isinstance(task, Task)
    assert (task.text_id, task.reason, task.score, task.selection_probability, task.round) == (
        "t7",
        "new",
        0.0,
        0.25,
        1,
    )
    assert served(project, "ana", 3) == ["t7", "t3", "t5"]
    rest = served(project, "ana")
    assert sorted(rest) == sorted(f"t{i}" for i in range(N) if i not in (7, 3, 5))


def test_how_a_text_was_chosen_stays_with_its_annotation(project: Project) -> None:
    publish(project, [7])
    served(project, "ana", 1)
    project.change("ana", "t7", "no")
    with project.store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT round_id, reason, selection_probability FROM annotations ORDER BY id"
        ).all()
    assert [tuple(row) for row in rows] == [(1, "new", 0.25)] * 2


def test_each_text_is_asked_for_once_a_round(project: Project) -> None:
    publish(project, [7, 3, 5])
    assert served(project, "ana", 2) == ["t7", "t3"]
    assert served(project, "bo", 1) == ["t5"]
    assert "t7" not in served(project, "bo", N - 3)
    assert served(project, "bo") == ["t7", "t3"]


def test_labels_given_during_the_fit_count(project: Project) -> None:
    publish(project, [7, 3, 5], meanwhile=[("ana", "t7"), ("ana", "t3"), ("bo", "t3")])
    assert served(project, "cy", 1) == ["t5"]
    everything = served(project, "cy")
    assert "t3" not in everything
    assert everything[-1] == "t7"


def test_taking_back_during_the_fit_counts(project: Project) -> None:
    project.submit("t7", "yes", annotator="ana")
    project.submit("t7", "yes", annotator="bo")
    snapshot = snapshots.read_snapshot(project.store)
    number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    project.undo("bo", "t7")
    project.release("bo", "t7")
    assert snapshot.annotations.n_labels[7] == 2
    rounds.publish(project.store, number, snapshot, outcome([3]), now=2.0)
    assert "t7" in served(project, "cy")


def test_the_moment_of_change_is_short(project: Project) -> None:
    """Nobody gets a text while a ranking takes over, so what was labelled before is settled before."""
    settled = [0]  # per transaction: how many places it brings up to date

    def count(_connection: object, _cursor: object, statement: str, rows: object, *_: object) -> None:
        if statement.startswith("UPDATE project"):
            settled.append(0)
        if statement.startswith("UPDATE ranking SET position"):
            settled[-1] += len(rows) if isinstance(rows, list) else 1

    meanwhile = [("ana", "t7"), ("ana", "t3"), ("bo", "t7")]
    sa.event.listen(project.store.engine, "before_cursor_execute", count)
    publish(project, [7, 3, 5], meanwhile=meanwhile)
    sa.event.remove(project.store.engine, "before_cursor_execute", count)
    before, during = settled
    assert before == len(meanwhile) + len({text for _, text in meanwhile})
    assert during == 0
    assert served(project, "ana", 2) == ["t5", "t0"]


def test_labels_given_at_the_last_moment_count(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    catch_up = rounds._catch_up

    def late(*arguments: Any) -> Any:
        settled = catch_up(*arguments)
        project.submit("t7", "yes", annotator="bo")
        project.submit("t3", "yes", annotator="bo")
        return settled

    monkeypatch.setattr(rounds, "_catch_up", late)
    publish(project, [7, 3, 5], meanwhile=[("ana", "t7")])
    assert served(project, "cy", 1) == ["t5"]
    with project.store.read() as connection:
        finished = sa.select(ranking.c.open).where(ranking.c.round_id == 1, ranking.c.text_id == 7)
        assert not connection.scalar(finished)


def test_a_snapshot_is_what_stood_at_its_row(project: Project) -> None:
    project.submit("t1", "yes", annotator="ana")
    snapshot = snapshots.read_snapshot(project.store)
    project.change("ana", "t1", "no")
    project.submit("t2", "no", annotator="ana")
    with project.store.read() as connection:
        again = snapshots.read_annotations(connection, last=snapshot.last_annotation)
        now = snapshots.read_annotations(connection)
    assert (again.text.tolist(), again.label.tolist()) == ([1], [1])
    assert (now.text.tolist(), now.label.tolist()) == ([1, 2], [0, 0])


@pytest.mark.slow
def test_texts_that_came_during_the_fit_are_asked_for_after_the_ranked(project: Project) -> None:
    snapshot = snapshots.read_snapshot(project.store)
    number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    project.add_texts([("late", "late text")])
    rounds.publish(project.store, number, snapshot, outcome(list(range(N))), now=2.0)
    project.add_texts([("later", "later text")])
    order = served(project, "ana", N + 2)
    assert order[:N] == [f"t{i}" for i in range(N)]
    assert sorted(order[N:]) == ["late", "later"]


def test_finished_texts_are_not_asked_for_whatever_the_ranking_says(project: Project) -> None:
    project.submit("t7", "yes", annotator="ana")
    project.submit("t7", "yes", annotator="bo")
    publish(project, [7, 3])
    assert served(project, "cy", 1) == ["t3"]
    assert project.status().finished_texts == 1


@pytest.mark.slow
def test_the_audit_sample_stays_first_until_it_has_its_labels(location: str) -> None:
    settings = PLAIN.updated({"audit_size": 3, "audit_share": 1.0, "audit_labels": 2})
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=settings) as project:
        audit = set(project.audit.texts())
        assert set(served(project, "ana", 3)) == audit
        publish(project, [i for i in range(N) if f"t{i}" not in audit])
        assert set(served(project, "bo", 3)) == audit
        assert project.status().audit_finished == 3
        assert not set(served(project, "cy")) & audit


def test_unfinished_rounds_are_swept_up(project: Project) -> None:
    snapshot = snapshots.read_snapshot(project.store)
    lost = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    rounds.abandon(project.store, lost, "FitError: no luck")
    publish(project, [7])
    publish(project, [5])
    with project.store.read() as connection:
        left = connection.exec_driver_sql("SELECT DISTINCT round_id FROM ranking").scalars().all()
        arrays = connection.exec_driver_sql("SELECT DISTINCT round_id FROM arrays").scalars().all()
    assert list(left) == list(arrays) == [3]
    assert [info.number for info in project.reading.rounds()] == [2, 3]
    assert served(project, "ana", 1) == ["t5"]


def test_probabilities_are_kept_and_stretched(project: Project) -> None:
    assert project.beliefs.now().inputs.pred_probs is None
    publish(project, [7])
    project.add_texts([("late", "late text")])
    project.add_class("unclear")
    probs = project.beliefs.now().inputs.pred_probs
    assert probs is not None
    assert probs.shape == (N + 1, 3)
    np.testing.assert_allclose(probs[0], [0.5, 0.5, 0])
    np.testing.assert_allclose(probs[N], 1 / 3)


def test_new_annotations_are_those_the_round_has_not_seen(project: Project) -> None:
    project.submit("t1", "yes", annotator="ana")
    assert project.status().new_annotations == 1
    publish(project, [7], meanwhile=[("bo", "t1")])
    status = project.status()
    assert (status.new_annotations, status.rounds) == (1, 1)
    assert status.last_round is not None
    assert (status.last_round.n_annotations, status.last_round.diagnostics) == (1, {"strategy": "test"})
    project.undo("bo")
    assert project.status().new_annotations == 0
    project.submit("t2", "no", annotator="bo")
    project.change("bo", "t2", "yes")
    assert project.status().new_annotations == 1


def test_only_one_round_at_a_time(project: Project, tmp_path: Path) -> None:
    with project.store.exclusive("round") as first, project.store.exclusive("round") as second:
        assert (bool(first), bool(second)) == (True, False)
    with project.store.exclusive("round") as again:
        assert again


@pytest.mark.slow
def test_everything_is_finished_in_the_end(project: Project) -> None:
    publish(project, list(range(N)))
    for name in ("ana", "bo"):
        assert len(served(project, name)) == N
    nothing = project.next_task("cy")
    assert isinstance(nothing, NothingLeft)
    assert nothing.why is Why.FINISHED


@pytest.mark.slow
def test_a_new_ranking_is_read_from_its_front(postgres_server: str) -> None:
    """PostgreSQL plans by what it last saw of the ranking: it takes the new round for a single row."""
    n = 3000
    location = f"{postgres_server}&schema=front_{os.getpid()}"
    texts = [(f"t{i}", f"text {i}") for i in range(n)]
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=PLAIN) as project:
        for person in range(20):
            served(project, f"person {person}", 3)
            project.next_task(f"person {person}")
        with project.store.write() as connection:
            connection.execute(sa.text("ANALYZE"))
        publish(project, list(range(n)))
        with project.store.act() as connection:
            before = rows_read(connection)
            lent = next_tasks(connection, "person 0", 3, resume=False, terms=Terms(), now=3.0)
            read = rows_read(connection) - before
            text = lent.tasks[0].text_id
            label = partial(submit, connection, "person 0", text, "yes", seconds=None, comment="")
            label(key="k", direct=False, now=3.0)
            read_again = rows_read(connection) - before - read
    assert [task.round for task in lent.tasks] == [1, 1, 1]
    assert read < n / 2
    assert read_again < n / 2


def rows_read(connection: sa.Connection) -> int:
    """Return how many rows of all tables the transaction has read."""
    counted = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    return int(connection.scalar(sa.text(counted)) or 0)
