"""The sign of life tells whether labels can be stored, and why not."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from jurybox.errors import StoreError
from jurybox.web.vitals import HEARTBEAT, Vitals, cause_of
from support.web import Stage, stage


@pytest.fixture
def own(location: str) -> Iterator[Stage]:
    with stage(location) as own:
        yield own


@pytest.fixture
def vitals(own: Stage) -> Vitals:
    vitals: Vitals = own.app.state.vitals
    vitals.beat()
    return vitals


def healthz(own: Stage) -> Any:
    return own.client().get("/healthz")


def test_a_heartbeat_is_written_and_told(own: Stage, vitals: Vitals) -> None:
    assert own.project.notes.read(HEARTBEAT) is not None
    answer = healthz(own)
    assert (answer.status_code, answer.json()["status"], answer.json()["cause"]) == (200, "ready", "")
    assert answer.json()["heartbeat_age"] >= 0


def test_the_servers_own_task_beats(own: Stage) -> None:
    with TestClient(own.app) as client:
        assert client.get("/healthz").json()["status"] == "ready"
        assert "heartbeat" in {thread.name for thread in threading.enumerate()}
    assert own.project.notes.read(HEARTBEAT) is not None


def test_a_question_touches_no_database_and_no_thread(own: Stage, vitals: Vitals) -> None:
    asked: list[object] = []
    sa.event.listen(own.project.store.engine, "before_cursor_execute", lambda *_: asked.append(1))
    assert healthz(own).status_code == 200
    assert asked == []


def test_a_lost_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    with stage(str(path)) as own:
        assert healthz(own).status_code == 200
        path.unlink()
        own.app.state.vitals.beat()
        answer = healthz(own)
        assert (answer.status_code, answer.json()["cause"]) == (503, "file_lost")
        assert str(path) not in answer.text
        label = own.client("ana").post("/api/v1/tasks", json={"n": 1})
        assert (label.status_code, "put its file or a backup in place" in label.text) == (503, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cause"),
    [("SQLITE_FULL", "disk_full"), ("SQLITE_READONLY_DBMOVED", "read_only"), ("", "database")],
)
def test_causes_are_told_apart(own: Stage, vitals: Vitals, name: str, cause: str) -> None:
    problem = sqlite3.OperationalError("no")
    if name:
        problem.sqlite_errorname = name
    error = StoreError("the database at a secret place cannot be used")
    error.__cause__ = sa.exc.OperationalError("UPDATE", {}, problem)
    assert cause_of(error) == cause

    def refuse(*_: object) -> None:
        raise error

    sa.event.listen(own.project.store.engine, "before_cursor_execute", refuse)
    vitals.beat()
    answer = healthz(own)
    assert (answer.status_code, answer.json()["cause"]) == (503, cause)
    assert "secret" not in answer.text
    sa.event.remove(own.project.store.engine, "before_cursor_execute", refuse)
    vitals.beat()
    assert healthz(own).status_code == 200


@pytest.mark.slow
def test_a_database_that_is_held_by_others_is_late(own: Stage) -> None:
    now = [0.0]
    vitals = own.app.state.vitals = Vitals(own.app.state.server, clock=lambda: now[0], learner=lambda: False)
    vitals.beat()
    assert healthz(own).json()["cause"] == "no_learner"
    assert healthz(own).status_code == 200
    seen: list[httpx.Response] = []

    def later(*_: object) -> None:
        if not seen:
            now[0] += 21
            seen.append(healthz(own))

    sa.event.listen(own.project.store.engine, "before_cursor_execute", later)
    vitals.beat()
    assert (seen[0].status_code, seen[0].json()["cause"], seen[0].json()["heartbeat_age"]) == (
        503,
        "busy",
        21,
    )
    assert healthz(own).status_code == 200


def test_a_copy_of_an_idle_project_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    with stage(str(path)) as own:
        vitals = own.app.state.vitals
        for task in own.project.next_tasks("ana", 5).tasks:
            own.project.submit(task, "yes")
        vitals.beat()
        vitals.beat()
        (tmp_path / "copy.db").write_bytes(path.read_bytes())
    copied = sqlite3.connect(tmp_path / "copy.db")
    assert copied.execute("SELECT count(*) FROM annotations").fetchone() == (5,)
    assert copied.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copied.close()
