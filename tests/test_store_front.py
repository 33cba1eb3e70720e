"""Rounds of large projects: a front of the ranking before the last ranking that covers all texts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import sqlalchemy as sa

from jurybox.project import Project
from jurybox.store import rounds, schema, snapshots
from jurybox.store.filters import TextFilter, TextState
from jurybox.store.queue import Terms, next_tasks
from jurybox.store.records import NothingLeft, Role, Task, Why
from jurybox.store.settings import ProjectSettings
from support.copies import copied
from support.store import served

N, FRONT = 30, 4
PLAIN = ProjectSettings(audit_size=0, overlap=0, max_labels=2, enough_agreement=None, first_labels=1)
BASE = list(range(N))
NEWER = [20, 3, 25, 11, 0, 1]


@pytest.fixture(autouse=True)
def small_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FRONT", FRONT)


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    """A project with a base in the order of the texts, and before it a front of texts 20, 3, 25 and 11."""
    with Project.open(copied(make_project, location)) as project:
        yield project


def make_project(location: str) -> None:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=PLAIN) as project:
        for name in ("ana", "bo", "cy"):
            project.people.add(name)
        project.submit("t29", "yes", annotator="cy")
        publish(project, BASE)
        publish(project, NEWER)


def publish(project: Project, order: Sequence[int], *, score: float = 0.5) -> int:
    snapshot = snapshots.read_snapshot(project.store)
    number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    outcome = rounds.Outcome(
        order=np.array(order),
        scores=np.full(len(order), score),
        selection_probability=np.full(len(order), np.nan),
        reasons=[f"round {number}"] * len(order),
        pred_probs=np.full((snapshot.annotations.n_texts, 2), 0.5),
        diagnostics={},
    )
    rounds.publish(project.store, number, snapshot, outcome, now=2.0)
    return number


def named(numbers: Sequence[int]) -> list[str]:
    return [f"t{number}" for number in numbers]


def stored_places(project: Project) -> dict[int, int]:
    """Count the places of each round."""
    with project.store.read() as connection:
        rows = connection.execute(sa.text("SELECT round_id, count(*) FROM ranking GROUP BY round_id"))
        return {row[0]: row[1] for row in rows}


@pytest.mark.slow
def test_a_round_writes_down_only_its_front(project: Project) -> None:
    assert stored_places(project) == {1: N, 2: FRONT}
    publish(project, NEWER)
    assert stored_places(project) == {1: N, 3: FRONT}


def test_small_projects_write_down_all(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FRONT", N)
    publish(project, NEWER)
    assert stored_places(project) == {3: N}
    assert served(project, "ana", len(NEWER)) == named(NEWER)


def test_the_front_comes_first_and_then_the_base_without_it(project: Project) -> None:
    front = NEWER[:FRONT]
    task = project.next_task("ana")
    assert isinstance(task, Task)
    assert (task.text_id, task.round, task.reason) == ("t20", 2, "round 2")
    once = [*front, *(i for i in BASE if i not in front)]
    assert served(project, "ana") == named(once)
    assert project.status().finished_texts == 1  # t29, which cy had labelled, too


def test_several_at_a_time_come_in_the_same_order(project: Project) -> None:
    found = project.next_tasks("ana", 7).tasks
    assert [task.text_id for task in found] == named([*NEWER[:FRONT], 0, 1, 2])
    assert [task.round for task in found] == [2] * FRONT + [1] * 3
    again = project.next_tasks("ana", 7).tasks
    assert [task.text_id for task in again] == [task.text_id for task in found]
    assert [task.text_id for task in project.next_tasks("bo", 2).tasks] == named([4, 5])


@pytest.mark.slow
def test_every_text_is_asked_for_once_before_any_is_twice(project: Project) -> None:
    unlabelled = named([*NEWER[:FRONT], *(i for i in BASE if i not in NEWER[:FRONT])])
    half = served(project, "ana", N // 2)
    rest = served(project, "bo", N // 2)
    assert half + rest == unlabelled
    assert served(project, "bo")[:FRONT] == half[:FRONT]


@pytest.mark.slow
def test_nothing_is_asked_for_beyond_its_labels_whatever_ranking_it_is_in(project: Project) -> None:
    everything = served(project, "ana") + served(project, "bo") + served(project, "cy")
    assert sorted([*everything, "t29"]) == sorted(named([*BASE, *BASE]))
    for name in ("ana", "bo", "cy"):
        nothing = project.next_task(name)
        assert isinstance(nothing, NothingLeft)
        assert nothing.why is Why.FINISHED


@pytest.mark.slow
def test_what_was_labelled_in_one_front_is_so_in_the_next_and_in_the_base(project: Project) -> None:
    served(project, "ana", 2)
    publish(project, [7, 8, 9, 10])
    assert served(project, "bo", FRONT) == named([7, 8, 9, 10])
    order = served(project, "bo")
    assert order[:3] == named([0, 1, 2])
    assert order[-3:] == named([29, 3, 20])  # the last two were labelled since the base
    assert project.reading.progress("bo").finished_texts == 3
    assert len(project.reading.find_texts(TextFilter(state=TextState.OPEN), limit=N).items) == N - 3


def test_labels_given_during_the_fit_count_in_the_front(project: Project) -> None:
    snapshot = snapshots.read_snapshot(project.store)
    number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    project.submit("t7", "yes", annotator="ana")
    project.submit("t8", "yes", annotator="ana")
    project.submit("t8", "yes", annotator="bo")
    outcome = rounds.Outcome(
        order=np.array([7, 8, 9, 10]),
        scores=np.zeros(4),
        selection_probability=np.zeros(4),
        reasons=["new"] * 4,
        pred_probs=np.full((N, 2), 0.5),
        diagnostics={},
    )
    rounds.publish(project.store, number, snapshot, outcome, now=2.0)
    order = served(project, "cy")
    assert order[:3] == named([9, 10, 0])
    assert "t8" not in order
    assert order[-1] == "t7"


def test_the_queue_is_shown_as_it_is_served(project: Project) -> None:
    served(project, "ana", 2)
    shown = [row.text_id for row in project.reading.queue(limit=2 * N)]
    assert len(shown) == N
    assert [row.text_id for row in project.reading.queue(limit=3)] == shown[:3]
    assert project.reading.queue_reasons() == {"round 2": FRONT, "round 1": N - FRONT}
    assert served(project, "bo") == shown
    assert project.reading.queue_reasons() == {"round 2": 2, "round 1": N - FRONT - 1}


def test_a_text_is_shown_with_its_place_in_the_front(project: Project) -> None:
    assert project.reading.text_row("t20").reason == "round 2"
    assert project.reading.text_row("t5").reason == "round 1"
    project.adjudicate("t20", "yes", reviewer=project.people.add("rita", role=Role.REVIEWER).name)
    assert not project.reading.text_row("t20").open
    assert project.next_tasks("ana", 1).tasks[0].text_id == "t3"


def test_what_is_taken_back_is_lent_again_from_front_and_base(project: Project) -> None:
    served(project, "ana", FRONT + 1)
    assert [project.undo("ana", text).round for text in ("t0", "t20")] == [1, 2]
    for text in ("t0", "t20"):
        project.release("ana", text)
    assert served(project, "bo", 2) == named([20, 0])


@pytest.mark.slow
def test_texts_that_come_later_follow_but_for_those_of_the_audit(location: str) -> None:
    settings = PLAIN.updated({"audit_size": 1000, "audit_share": 0.5, "audit_labels": 1})
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=settings) as project:
        project.submit("t0", "yes", annotator=project.people.add("cy").name)
        ordinary = [i for i in BASE if f"t{i}" not in project.audit.texts()]
        publish(project, ordinary)
        publish(project, ordinary[::-1])
        project.add_texts([(f"late {i}", f"late text {i}") for i in range(10)])
        audit = {*project.audit.texts()} - {"t0"}
        late = {f"late {i}" for i in range(10)}
        assert audit & late
        assert late - audit
        order = [text for text in served(project, "ana") if text != "t0"]
        assert audit <= {*order[: -len(late - audit)]}
        assert {*order[-len(late - audit) :]} == late - audit
        assert len(order) == len({*order}) == N + len(late) - 1


def test_gold_texts_leave_front_and_base(project: Project) -> None:
    project.configure(gold_share=0.0)
    project.gold.set("t20", "yes")
    project.gold.set("t0", "yes")
    order = served(project, "ana")
    assert order[: FRONT - 1] == named(NEWER[1:FRONT])
    assert not {"t0", "t20"} & {*order}
    project.gold.set("t20", None)
    assert served(project, "ana") == ["t20"]


@pytest.mark.slow
def test_a_change_of_the_rules_reaches_front_and_base(project: Project) -> None:
    everything = served(project, "ana")
    project.configure(max_labels=1)
    assert project.status().finished_texts == N
    assert project.reading.pulse().is_done
    assert isinstance(project.next_task("bo"), NothingLeft)
    project.configure(max_labels=2)
    assert project.status().finished_texts == 1
    assert not project.reading.pulse().is_done
    assert sorted(served(project, "bo")) == sorted(set(everything) - {"t29"})


@pytest.mark.slow
def test_what_follows_the_front_is_read_from_its_beginning(postgres_server: str) -> None:
    """PostgreSQL plans by what it last saw, as in `test_a_new_ranking_is_read_from_its_front`."""
    n = 3000
    texts = [(f"t{i}", f"text {i}") for i in range(n)]
    location = f"{postgres_server}&schema=behind_{os.getpid()}"
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=PLAIN) as project:
        served(project, "cy", 3)
        publish(project, list(range(n)))
        with project.store.write() as connection:
            connection.execute(sa.text("ANALYZE"))
        publish(project, NEWER)
        served(project, "ana", FRONT)
        with project.store.act() as connection:
            before = rows_read(connection)
            lent = next_tasks(connection, "ana", 3, resume=False, terms=Terms(), now=3.0)
            read = rows_read(connection) - before
    assert [task.round for task in lent.tasks] == [1, 1, 1]
    assert read < n / 2


def rows_read(connection: sa.Connection) -> int:
    """Return how many rows of all tables the transaction has read."""
    counted = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    return int(connection.scalar(sa.text(counted)) or 0)


def test_a_base_that_is_too_old_is_written_anew(project: Project) -> None:
    served(project, "ana", 2)
    publish(project, NEWER)
    assert stored_places(project) == {1: N, 3: FRONT}
    served(project, "ana", 1)
    publish(project, NEWER)  # four annotations now, and the base has seen one
    assert stored_places(project) == {4: N}


def test_a_round_that_was_not_finished_leaves_front_and_base(project: Project) -> None:
    snapshot = snapshots.read_snapshot(project.store)
    rounds.begin_round(project.store, snapshot, {}, now=1.0)
    columns = ", ".join(column.name for column in schema.ranking.c if column.name != "round_id")
    copied = f"INSERT INTO ranking (round_id, {columns}) SELECT 3, {columns} FROM ranking WHERE round_id = 2"  # noqa: S608
    with project.store.write() as connection:
        connection.execute(sa.text(copied))
    rounds.begin_round(project.store, snapshot, {}, now=1.0)
    assert stored_places(project) == {1: N, 2: FRONT}
    assert served(project, "ana", FRONT) == named(NEWER[:FRONT])
