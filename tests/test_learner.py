"""The learner: when rounds are due, one at a time, and labelling that goes on whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jurybox import learner
from jurybox.errors import ConflictError, FitError, NotFoundError
from jurybox.learner import (
    LearnerOptions,
    LearnerPhase,
    LearnerState,
    is_due,
    learn,
    learner_state,
    note_death,
)
from jurybox.project import Project
from jurybox.project.beliefs import BeliefSource, ProjectBelief
from jurybox.project.reading import Notes, Reading
from jurybox.store import rounds, snapshots
from jurybox.store.locks import advisory_key
from jurybox.store.services import Pulse
from jurybox.store.settings import ProjectSettings
from support.waiting import until

QUICK = LearnerOptions(
    quiet_seconds=0.3, poll_seconds=0.02, judge_seconds=0.1, first_pause=0.2, longest_pause=0.4
)
PATIENT = LearnerOptions(quiet_seconds=1000.0, poll_seconds=0.02)
SETTINGS = ProjectSettings(audit_size=0, overlap=0, batch=10, encoder="tfidf", enough_agreement=None)
TEXTS = [f"a {'good' if number % 2 else 'bad'} thing, number {number}" for number in range(40)]


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.create(location, classes=["bad", "good"], texts=TEXTS, settings=SETTINGS) as project:
        yield project


@pytest.fixture
def sqlite_project(tmp_path: Path) -> Iterator[Project]:
    path = tmp_path / "p.db"
    with Project.create(path, classes=["bad", "good"], texts=TEXTS, settings=SETTINGS) as project:
        yield project


def place(project: Project) -> str:
    store = project.store
    if store.path is not None:
        return str(store.path)
    return f"{store.engine.url.render_as_string(hide_password=False)}&schema={store.schema}"


def label(project: Project, n: int, annotator: str = "ana") -> None:
    for _ in range(n):
        task = project.next_task(annotator)
        assert task
        project.submit(task, "good" if "good" in task.text else "bad")


@contextmanager
def learning(project: Project, options: LearnerOptions = QUICK) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=learn, args=(place(project), options), kwargs={"stop": stop})
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("pending", "last_at", "due"),
    [
        *[(0, None, False), (1, 100.0, False), (1, 79.0, True), (9, 100.0, False), (10, 100.0, True)],
        (1, 2_000.0, True),  # by a clock that was set back since
    ],
)
def test_when_a_round_is_due(pending: int, last_at: float | None, due: bool) -> None:
    pulse = Pulse(current_round=1, last=50, pending=pending, last_at=last_at, texts=40, is_done=False)
    assert is_due(pulse, batch=10, quiet_seconds=20.0, now=100.0) is due


@pytest.mark.slow
def test_rounds_follow_batches_and_silence(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    pulse = Reading.pulse

    def look(self: Reading) -> Pulse:
        looks.append(len(looks))
        return pulse(self)

    monkeypatch.setattr(Reading, "pulse", look)
    with learning(project, PATIENT):
        until(lambda: learner_state(project).phase == LearnerPhase.WAITING)
        label(project, 10)
        until(lambda: project.status().rounds == 1)
        label(project, 9)
        seen = len(looks)
        until(lambda: len(looks) >= seen + 3)
        assert project.status().rounds == 1
        project.notes.ask_for_round()
        until(lambda: project.status().rounds == 2)
        until(lambda: learner_state(project).phase == LearnerPhase.WAITING)
        assert learner_state(project).fit_seconds is not None
    assert learner_state(project).phase == LearnerPhase.STOPPED
    label(project, 1)
    with learning(project):
        until(lambda: project.status().rounds == 3)
    assert project.status().new_annotations == 0


@pytest.mark.slow
def test_two_learners_never_play_at_once(project: Project) -> None:
    with learning(project, PATIENT) as first, learning(project, PATIENT) as second:
        until(lambda: learner_state(project).phase == LearnerPhase.WAITING)
        label(project, 12)
        until(lambda: project.status().rounds == 1)
        assert first.is_alive()
        assert second.is_alive()
    assert [info.number for info in project.reading.rounds()] == [1]


def cut(project: Project, name: str) -> None:
    """End the connection that holds a lock, as a network does, and remove the lock file of SQLite."""
    store = project.store
    if store.path is not None:
        store.path.with_name(f"{store.path.name}.{name}.lock").unlink()
        return
    holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND "
    key = advisory_key(f"{store.schema}:{name}")
    with store.look() as connection:
        found = connection.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid) FROM ({holder} "  # noqa: S608
            f"(classid::bigint << 32) + objid::bigint = {key}) AS holders"
        ).all()
    assert len(found) == 1


@pytest.mark.slow
def test_learners_whose_connection_was_cut_never_alternate(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    playing: list[str] = []
    refit = Project.refit

    def noted(self: Project, **options: Any) -> Any:
        info = refit(self, **options)
        playing.append(threading.current_thread().name)
        return info

    monkeypatch.setattr(Project, "refit", noted)
    eager = LearnerOptions(quiet_seconds=1000.0, poll_seconds=0.02, rest=0.0, judge_seconds=1000.0)
    with learning(project, eager) as first:
        until(lambda: learner_state(project).phase == LearnerPhase.WAITING)
        label(project, 10)
        until(lambda: len(playing) == 1)
        with learning(project, eager):
            cut(project, "learner")
            with Project.open(place(project)) as looking:

                def is_taken() -> bool:
                    with looking.store.exclusive("learner") as lock:
                        return not lock

                until(is_taken)
            for number in range(2, 8):
                project.notes.ask_for_round()
                until(lambda: len(playing) == number)  # noqa: B023
    assert playing[0] == first.name
    assert len(set(playing[1:])) == 1
    assert [info.number for info in project.reading.rounds()] == list(range(1, 8))


@pytest.mark.slow
def test_a_ranking_takes_over_only_under_the_lock(project: Project) -> None:
    label(project, 4)
    before = project.refit()
    with pytest.raises(ConflictError, match="lock"):
        project.refit(allowed=lambda: False)
    with pytest.raises(ConflictError, match="lock"):
        project.refit(
            progress=lambda step, done, _of: cut(project, "round") if (step, done) == ("fit", 1) else None
        )

    def overtake(step: str, done: int, _of: int) -> None:
        if (step, done) == ("fit", 1):
            snapshot = snapshots.read_snapshot(project.store)
            rounds.begin_round(project.store, snapshot, {}, now=0.0)

    with pytest.raises(ConflictError, match="lock"):
        project.refit(progress=overtake)
    assert project.reading.rounds()[-1] == before
    assert project.next_task("bo")
    assert project.refit().number == 6


@pytest.mark.slow
def test_another_learner_takes_over(sqlite_project: Project) -> None:
    with learning(sqlite_project):
        until(lambda: learner_state(sqlite_project).phase == LearnerPhase.WAITING)
        process = start(sqlite_project)
        log = process.stderr
        assert log is not None
        until(lambda: b"standing by" in log.readline())
    label(sqlite_project, 10)
    until(lambda: sqlite_project.status().rounds == 1)
    assert f":{process.pid}" in learner_state(sqlite_project).process
    end(process)


@pytest.mark.slow
def test_a_failing_fit_is_noted_and_tried_again(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = threading.Event()
    refit = Project.refit

    def fail(self: Project, **options: object) -> object:
        if works.is_set():
            return refit(self, **options)  # type: ignore[arg-type]
        raise FitError("the classifier diverged")

    monkeypatch.setattr(Project, "refit", fail)
    with learning(sqlite_project):
        label(sqlite_project, 10)
        until(lambda: learner_state(sqlite_project).failures >= 2)
        state = learner_state(sqlite_project)
        assert state.failure == "the classifier diverged"
        label(sqlite_project, 5)
        works.set()
        until(lambda: sqlite_project.status().rounds == 1)
        until(lambda: learner_state(sqlite_project).phase == LearnerPhase.WAITING)
    assert learner_state(sqlite_project).failures == 0
    assert learner_state(sqlite_project).failure == ""


@pytest.mark.slow
def test_whatever_a_fit_raises_the_learner_lives(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Project, **_options: object) -> None:
        raise MemoryError("28 GiB")

    monkeypatch.setattr(Project, "refit", fail)
    with learning(sqlite_project) as thread:
        label(sqlite_project, 10)
        until(lambda: learner_state(sqlite_project).failures >= 1)
        assert thread.is_alive()
        assert learner_state(sqlite_project).failure == "MemoryError: 28 GiB"
        label(sqlite_project, 1)


@pytest.mark.slow
def test_a_full_disk_does_not_end_the_learner(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jurybox.errors import StoreError

    full = threading.Event()
    write = Notes.write

    def fail(self: Notes, name: str, value: dict[str, object]) -> None:
        if full.is_set():
            raise StoreError("database or disk is full")
        write(self, name, value)

    monkeypatch.setattr(Notes, "write", fail)
    with learning(sqlite_project) as thread:
        until(lambda: learner_state(sqlite_project).phase == LearnerPhase.WAITING)
        full.set()
        label(sqlite_project, 10)
        until(lambda: sqlite_project.status().rounds == 1)
        assert thread.is_alive()


def test_a_silent_learner_counts_as_absent(sqlite_project: Project) -> None:
    assert learner_state(sqlite_project).phase == LearnerPhase.ABSENT
    sqlite_project.notes.write("learner", {"phase": "fitting", "process": "here:1"})
    assert learner_state(sqlite_project).phase == LearnerPhase.FITTING
    assert learner_state(sqlite_project, now=time.time() + 120).phase == LearnerPhase.ABSENT
    note_death(sqlite_project, "signal 9")
    state = learner_state(sqlite_project, now=time.time() + 120)
    assert (state.phase, state.failure, state.failures) == (LearnerPhase.DIED, "signal 9", 1)


def test_there_must_be_a_project(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        learn(str(tmp_path / "none.db"))


def start(project: Project) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "JURYBOX_PROJECT": place(project),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "jurybox.learner"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


def end(process: subprocess.Popen[bytes]) -> bytes:
    """End it as its parent's death does, by closing its standard input."""
    _, errors = process.communicate()
    return errors


@pytest.mark.slow
@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_signal_at_any_note_leaves_the_learner_stopped(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    notes: list[LearnerPhase] = []
    write = learner._write

    def interrupted(project: Project, state: LearnerState) -> None:
        write(project, state)
        notes.append(state.phase)
        if len(notes) == written:
            raise learner._Stop  # as the handler of a signal does

    monkeypatch.setattr(learner, "_write", interrupted)
    label(sqlite_project, 10)
    with pytest.raises(learner._Stop):
        learn(place(sqlite_project), QUICK)
    assert notes[-1] == learner_state(sqlite_project).phase == LearnerPhase.STOPPED


@pytest.mark.slow
def test_a_process_ends_cleanly_by_signal_and_with_its_parent(sqlite_project: Project) -> None:
    for way in ("signal", "parent"):
        process = start(sqlite_project)
        until(lambda pid=process.pid: learner_state(sqlite_project).process.endswith(f":{pid}"))  # type: ignore[misc]
        if way == "signal":
            process.send_signal(signal.SIGTERM)
        errors = end(process)
        assert process.returncode == 0, errors.decode()
        assert learner_state(sqlite_project).phase == LearnerPhase.STOPPED
        assert b"Traceback" not in errors


@pytest.mark.slow
def test_a_killed_learner_leaves_the_ranking_and_frees_the_lock(sqlite_project: Project) -> None:
    process = start(sqlite_project)
    until(lambda: learner_state(sqlite_project).phase == LearnerPhase.WAITING)
    label(sqlite_project, 10)
    until(
        lambda: (
            learner_state(sqlite_project).phase == LearnerPhase.FITTING
            or bool(sqlite_project.reading.rounds())
        )
    )
    process.kill()
    end(process)
    label(sqlite_project, 10, "bo")
    with learning(sqlite_project):
        until(lambda: sqlite_project.reading.pulse().pending == 0)


@pytest.mark.slow
def test_the_learner_judges_how_far_labels_can_be_trusted(project: Project) -> None:
    with learning(project):
        label(project, 12)
        until(lambda: (found := project.beliefs.kept()) is not None and found.basis.labels == 12)
    kept = project.beliefs.kept()
    assert kept is not None
    assert [one.name for one in kept.annotators] == ["ana"]


@pytest.mark.slow
def test_figures_come_before_those_that_take_long(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, found = sqlite_project, list[ProjectBelief | None]()

    def judge(*_given: object) -> None:
        found.append(project.beliefs.kept())

    monkeypatch.setattr("jurybox.project.beliefs.judge_savings", judge)
    label(project, 12)
    assert not project.facets.are_kept()
    project.beliefs.keep()
    assert found[0] is not None
    assert found[0].basis.labels == 12
    assert project.facets.are_kept()


@pytest.mark.slow
def test_figures_come_before_a_first_round_that_takes_long(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = threading.Event()

    def fit(self: Project, **_given: object) -> None:
        if self.facets.are_kept():
            known.set()
        raise FitError("not now")

    monkeypatch.setattr(Project, "refit", fit)
    label(sqlite_project, 12)
    with learning(sqlite_project):
        until(known.is_set)


@pytest.mark.slow
def test_labels_that_cannot_be_judged_stop_nobody(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, tried = sqlite_project, threading.Event()

    def fail(_self: BeliefSource) -> None:
        tried.set()
        raise MemoryError("too many draws")

    monkeypatch.setattr(BeliefSource, "keep", fail)
    with learning(project):
        label(project, 12)
        until(tried.is_set)
        before = len(project.reading.rounds())
        label(project, 12, "ben")
        until(lambda: len(project.reading.rounds()) > before)
    assert project.beliefs.kept() is None
    assert learner_state(project).phase == LearnerPhase.STOPPED
