"""Imports keep nobody waiting and appear at once, whatever happens to them on the way."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from jurybox.errors import ConflictError, FormatError, InputError, StoreError
from jurybox.formats.records import AnnotationRecord, RecordBatch, TextRecord
from jurybox.project import Project
from jurybox.store import arrivals, importer, rounds, schema, snapshots
from jurybox.store.settings import ProjectSettings
from jurybox.store.state import add_classes
from support.store import served

PLAIN = ProjectSettings(audit_size=5, max_labels=2, enough_agreement=None, first_labels=1)
SOURCE = Path(__file__).resolve().parent.parent / "src"


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    texts = [(f"t{i}", f"text {i}") for i in range(20)]
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=PLAIN) as project:
        yield project


def new_texts(n: int, of: str = "n") -> list[TextRecord]:
    return [TextRecord(f"{of}{i}", f"new text {of}{i}") for i in range(n)]


def stored(project: Project) -> tuple[int, int, int]:
    """Rows that are in the tables, whether the project has them or not: texts, places, incoming."""
    tables = (schema.stored_texts, schema.ranking, schema.incoming)
    with project.store.read() as connection:
        counts = [connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]
    return counts[0], counts[1], counts[2]


@pytest.mark.slow
def test_people_label_while_an_import_is_under_way(project: Project) -> None:
    seen: list[tuple[int, list[str]]] = []

    def label() -> None:
        seen.append((project.status().texts, served(project, "ana", 1)))

    def batches() -> Iterator[RecordBatch]:
        for part in range(3):
            texts = new_texts(1200, f"p{part}-")
            yield RecordBatch(texts, [AnnotationRecord(text.id, "bo", "yes") for text in texts[:100]])
            person = threading.Thread(target=label, daemon=True)
            person.start()
            person.join(60)  # without end where a label waits for the import to end

    added = project.add(batches())
    assert (added.texts, added.annotations) == (3600, 300)
    assert [(n, len(labelled)) for n, labelled in seen] == [(20, 1)] * 3
    status = project.status()
    assert (status.texts, status.annotations, status.finished_texts) == (3620, 303, 0)
    assert stored(project) == (3620, 3620, 0)
    assert project.annotations().n_annotations == 303


KILLED = """
import os, sys
from jurybox.formats.records import AnnotationRecord, RecordBatch, TextRecord
from jurybox.project import Project
from jurybox.store import importer

def batches():
    for part in range(3):
        texts = [TextRecord(f"n{part}-{i}", "x") for i in range(1500)]
        yield RecordBatch(texts, [AnnotationRecord(text.id, "bo", "yes") for text in texts])
    if sys.argv[2] == "before":
        os._exit(7)

importer.place_rest = lambda write: os._exit(7)
Project.open(sys.argv[1]).add(batches())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("location", "point", "n"),
    [
        ("sqlite", "before", 0),
        ("sqlite", "after", 4500),
        pytest.param("postgresql", "before", 0, marks=pytest.mark.long),
        pytest.param("postgresql", "after", 4500),
    ],
    indirect=["location"],
)
def test_a_killed_import_is_in_wholly_or_not_at_all(
    project: Project, location: str, point: str, n: int
) -> None:
    command = [sys.executable, "-c", KILLED, location, point]
    done = subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, check=False)
    assert done.returncode == 7
    assert project.status().texts == 20 + n
    assert stored(project)[0] == 4520, "the test kills too early"
    with Project.open(location) as project:
        assert stored(project) == (20 + n, 20 + n, 0)
        status = project.status()
        assert (status.texts, status.annotations, status.finished_texts) == (20 + n, n, 0)
        added = project.add_texts([TextRecord(f"n0-{i}", "x") for i in range(1500)])
        assert added.texts + added.known_texts == 1500
        assert added.known_texts == min(n, 1500)


def test_one_import_at_a_time(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "_PATIENCE", 0.0)

    def batches() -> Iterator[RecordBatch]:
        with pytest.raises(ConflictError, match="another import"):
            project.add_texts(["late"])
        yield RecordBatch(new_texts(3), [])

    assert project.add(batches()).texts == 3


def test_an_import_that_lost_its_lock_adds_nothing(project: Project) -> None:
    def batches() -> Iterator[RecordBatch]:
        yield RecordBatch(new_texts(3), [])
        with project.store.write() as connection:  # as the next one does that finds the lock free
            arrivals.begin_import(connection)
        yield RecordBatch(new_texts(3, "m"), [])

    with pytest.raises(StoreError, match="another import has begun"):
        project.add(batches())
    assert stored(project) == (20, 20, 0)


def test_a_label_given_during_an_import_is_not_given_twice(project: Project) -> None:
    labels = [AnnotationRecord("t3", "ana", "yes", row=8), AnnotationRecord("t4", "ana", "no", row=9)]

    def batches(mine: str) -> Iterator[RecordBatch]:
        yield RecordBatch([], labels)
        if project.status().annotations == 0:
            project.people.add("ana")
            project.submit("t3", "yes", annotator="ana")
            project.submit("t4", mine, annotator="ana")

    with pytest.raises(FormatError, match=r"row 9.*'ana' has given text 't4' another label"):
        project.add(batches("yes"))
    added = project.add(batches("yes"), duplicates="last")
    assert (added.annotations, added.known_annotations) == (1, 1)
    assert project.people.get("ana").n_annotations == 2
    assert {record.text_id: record.label for record in project.reading.annotation_records()} == {
        "t3": "yes",
        "t4": "no",
    }


@pytest.mark.slow
@pytest.mark.parametrize("covers_all", [True, False])
def test_a_round_ends_before_new_texts_have_places(
    project: Project, monkeypatch: pytest.MonkeyPatch, *, covers_all: bool
) -> None:
    def publish(store_has: int) -> None:
        snapshot = snapshots.read_snapshot(project.store)
        number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
        N = snapshot.annotations.n_texts
        assert store_has == N
        order, chance = np.arange(N), np.full(N, 0.5)
        outcome = rounds.Outcome(order, chance, chance, ["new"] * N, np.full((N, 2), 0.5), {})
        rounds.publish(project.store, number, snapshot, outcome, now=2.0)

    publish(20)
    monkeypatch.setattr(rounds, "_has_good_base", lambda *_: not covers_all)
    with monkeypatch.context() as cut_off:
        cut_off.setattr(importer, "place_rest", lambda _write: None)
        project.add_texts(new_texts(2500))
        cut_off.setattr(rounds, "place_rest", lambda _write: None)
        publish(2520)
        project.add_texts(new_texts(1500, "m"))
    publish(4020)
    status = project.status()
    assert (status.texts, status.finished_texts) == (4020, 0)
    with project.store.read() as connection:
        base = connection.scalar(sa.select(schema.project.c.base_round))
        places = connection.scalar(sa.select(sa.func.count()).where(schema.ranking.c.round_id == base))
        audit = {*connection.scalars(sa.select(schema.audit.c.text_id))}
        first = schema.ranking.c.reason == "audit"
        marked = {*connection.scalars(sa.select(schema.ranking.c.text_id).where(first))}
    assert (places, marked) == (4020, audit)


def statements(project: Project, do: Callable[[], object]) -> int:
    seen: list[str] = []

    def note(*call: object) -> None:
        seen.append(str(call[2]))

    sa.event.listen(project.store.engine, "before_cursor_execute", note)
    do()
    sa.event.remove(project.store.engine, "before_cursor_execute", note)
    return len(seen)


@pytest.mark.slow
def test_new_classes_cost_the_same_each_and_a_thousand_are_enough(project: Project) -> None:
    def add(first: int, stop: int) -> None:
        records = [
            AnnotationRecord(f"t{i % 20}", f"a{i}", f"class {i}", row=i + 1) for i in range(first, stop)
        ]
        for record in records:
            if record.annotator not in {person.name for person in project.people.all()}:
                project.people.add(record.annotator)
        counts.append(statements(project, lambda: project.add([RecordBatch([], records)], add_classes=True)))

    counts: list[int] = []
    add(0, 20)
    add(20, 60)
    assert counts[1] <= counts[0] + 40  # a person's counter each
    labels = [AnnotationRecord("t0", f"b{i}", f"more {i}", row=i + 1) for i in range(939)]
    with pytest.raises(FormatError, match=r"row 939, column 'label', value 'more 938': .*more than 1,000"):
        project.add([RecordBatch([], labels)], add_classes=True)
    assert len(project.classes) == 62
    with project.store.write() as connection, pytest.raises(InputError, match="1,001 classes, expected at"):
        add_classes(connection, [f"more {i}" for i in range(939)])
