"""What labelling costs: SQLite looks rows up, reads the queue in order, and settings are not checked anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jurybox.project import Project
from jurybox.store.filters import TextFilter, TextState
from jurybox.store.settings import ProjectSettings
from test_store_front import publish

N = 40
GROWS = "ranking|texts|annotations|leases|skips|audit|served|replies"
COSTLY = re.compile(rf"(?<!CO-ROUTINE anon_1\n)SCAN ({GROWS})\b|\(round_id=\? AND text_id<\?\)")
"""A co-routine reads the last rows of a table until it has as many as it wants."""


@contextmanager
def plans_of(project: Project) -> Iterator[dict[str, str]]:
    """Collect the plan of each statement that reads or changes rows."""
    plans: dict[str, str] = {}

    @sa.event.listens_for(project.store.engine, "before_cursor_execute")
    def look(_connection: Any, cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            some = values[0] if isinstance(values, list) else values
            steps = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", some)
            plans[statement] = "\n".join(step[3] for step in steps)

    yield plans
    sa.event.remove(project.store.engine, "before_cursor_execute", look)


@pytest.mark.parametrize("rounds", [0, 2])
def test_labelling_reads_no_table_from_end_to_end(tmp_path: Path, rounds: int) -> None:
    settings = ProjectSettings(audit_size=5, max_labels=3)
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=texts, settings=settings) as project:
        for name in ("ana", "bo"):
            project.people.add(name)
        project.submit(project.next_task("ana").text_id, "a", annotator="ana")  # type: ignore[union-attr]
        for _ in range(rounds):
            publish(project, list(range(N)))
        with plans_of(project) as plans:
            for name in ("ana", "bo", "ana"):
                task = project.next_task(name)
                project.submit(task.text_id, "b", annotator=name)  # type: ignore[union-attr]
            project.undo("ana")
            project.next_tasks("bo", n=3)
    assert any("ix_ranking_open" in plan for plan in plans.values())
    costly = [f"{statement}\n-- {plan}" for statement, plan in plans.items() if COSTLY.search(plan)]
    assert not costly, "\n\n".join(costly)


@pytest.mark.slow
def test_labelling_checks_no_setting_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    checked: list[str] = []
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=texts) as project:
        project.people.add("ana")
        monkeypatch.setattr("jurybox.store.settings.check_setting", lambda name, _value: checked.append(name))
        for _ in range(3):
            task = project.next_task("ana")
            project.submit(task, "a")  # type: ignore[arg-type]
        assert checked == []
        project.configure(max_labels=2)
        assert "max_labels" in checked


@pytest.mark.slow
@pytest.mark.parametrize("few", [3, 5_000])
def test_pages_read_no_more_than_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("jurybox.store.filters._FEW", few)
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=texts) as project:
        project.people.add("ana")
        project.submit("t1", "a", annotator="ana")
        publish(project, list(range(N)))
        with plans_of(project) as plans:
            for state in TextState:
                project.reading.find_texts(TextFilter(state=state))
            project.reading.find_texts(TextFilter(search="text"))
            project.reading.count_texts(TextFilter(search="text"), 10)
            project.reading.queue_reasons()
            project.reading.queue()
    costly = [
        f"{sql}\n-- {plan}" for sql, plan in plans.items() if re.search(r"SCAN (texts|ranking)\b", plan)
    ]
    assert not costly, "\n\n".join(costly)
    counted = [plan for sql, plan in plans.items() if "count(*)" in sql and "ix_ranking_reason" in plan]
    assert counted
    assert all("LIMIT" in sql for sql, plan in plans.items() if plan in counted)
    by_words = [plan for sql, plan in plans.items() if "MATCH" in sql]
    assert len(by_words) == 2
    assert all("SCAN text_words VIRTUAL TABLE" in plan for plan in by_words)
    assert not any(re.search(r"VIRTUAL TABLE INDEX \d+:=", plan) for plan in by_words), "once for each text"
    listed = [plan for sql, plan in plans.items() if "LIMIT" in sql and "visible_texts.text" in sql]
    assert any(plan.startswith("SEARCH ranking") for plan in listed)
    sorting = [one for one in listed if one.startswith("SEARCH ranking") and "B-TREE FOR ORDER BY" in one]
    assert not sorting


def test_what_is_asked_every_second_counts_no_open_places(tmp_path: Path) -> None:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=texts) as project:
        publish(project, list(range(N)))
        with plans_of(project) as plans:
            project.reading.fingerprint()
            project.status()
    places = {sql: plan for sql, plan in plans.items() if "ranking" in sql and "audit" not in sql}
    assert any("COVERING INDEX ix_ranking_closed" in plan for plan in places.values())
    others = [sql for sql, plan in places.items() if "ix_ranking_closed" not in plan]
    assert others
    assert all("LIMIT" in sql for sql in others)
