"""The server as a process: start, shutdown, load and kills, each in small; benchmarks/ has them in full."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

import restarts
import serving
from jurybox.errors import ConflictError, InputError
from jurybox.learner import LearnerPhase, learner_state
from jurybox.project import Project
from jurybox.web.config import WebSettings
from jurybox.web.serving import LearnerKeeper, learner_threads, open_socket
from jurybox.web.state import Server
from support.waiting import until

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture(autouse=True)
def python_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes started by a test find the package, installed or not."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])


@pytest.fixture
def location(tmp_path: Path) -> str:
    path = str(tmp_path / "p.db")
    Project.create(path, classes=["no", "yes"], texts=["one", "two", "three"]).close()
    return path


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jurybox", "serve", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def last_word(process: subprocess.Popen[str]) -> str:
    """The end of the next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().split()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_by_signal(location: str, number: signal.Signals) -> None:
    process = start(location, "--port", "0")
    url, link = last_word(process), last_word(process)
    assert httpx.get(f"{url}/sign-in", timeout=300).status_code == 200
    assert link.startswith(f"{url}/join/")
    with Project.open(location) as project:
        until(lambda: learner_state(project).phase == LearnerPhase.WAITING)
        learner = int(learner_state(project).process.rpartition(":")[2])
        process.send_signal(number)
        _, errors = process.communicate()
        assert "Traceback" not in errors
        assert process.returncode == 0
        # On a very busy machine the learner is killed, because it does not end within some seconds.
        assert learner_state(project).phase in (LearnerPhase.STOPPED, LearnerPhase.DIED)
    with pytest.raises(ProcessLookupError):
        os.kill(learner, 0)


def test_linear_algebra_leaves_a_core_to_the_people_who_label(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, "1"), (2, "1"), (8, "7")):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, n=cores: {*range(n)}, raising=False)
        assert learner_threads() == {"OMP_NUM_THREADS": threads}


def test_the_learner_is_started_when_the_server_answers(location: str, tmp_path: Path) -> None:
    started, asked, ready = tmp_path / "started", [], threading.Event()
    write = f"import os, pathlib; pathlib.Path({str(started)!r}).write_text(str(os.nice(0)))"

    def answers() -> bool:
        asked.append(ready.is_set())
        return asked[-1]

    server = Server(location, WebSettings(owner_token="a token of the owner"))  # noqa: S106
    keeper = LearnerKeeper(server, command=(sys.executable, "-c", write), after=answers, first_pause=60)
    keeper.start()
    try:
        until(lambda: len(asked) > 2)
        assert not started.exists()
        ready.set()
        until(lambda: started.exists() and started.read_text())
        assert int(started.read_text()) > os.nice(0)
    finally:
        keeper.stop()
        server.close()


def test_nobody_opens_a_project_that_is_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, create, seen = Server(str(tmp_path / "new.db"), WebSettings()), Project.create, []
    key = server.session_key()

    def watched(*given: Any, **values: Any) -> Project:
        made = create(*given, **values)
        seen.append(server.has_project)  # as whoever keeps the learner asks all the time
        with pytest.raises(ConflictError):
            server.create(**values)
        return made

    monkeypatch.setattr(Project, "create", watched)
    server.create(classes=["no", "yes"], texts=["a", "b"])
    try:
        assert (seen, server.has_project) == ([False], True)
        assert server.session_key(fresh=True) == key  # who set it up stays signed in
    finally:
        server.close()


@pytest.mark.slow
def test_a_server_starts_without_a_project(tmp_path: Path) -> None:
    process = start(str(tmp_path / "new.db"), "--port", "0")
    url = last_word(process)
    assert httpx.get(f"{url}/healthz", timeout=300).json()["status"] == "no project yet"
    process.terminate()
    process.communicate()
    assert process.returncode == 0


@pytest.mark.slow
def test_every_address_is_warned_of(location: str) -> None:
    process = start(location, "--port", "0", "--host", "0.0.0.0", "--no-learner")  # noqa: S104
    last_word(process)
    process.terminate()
    _, errors = process.communicate()
    assert "TLS" in errors
    assert "proxy" in errors


@pytest.mark.slow
def test_a_port_that_is_taken(location: str) -> None:
    with open_socket("127.0.0.1", 0) as taken:
        process = start(location, "--port", str(taken.getsockname()[1]))
        _, errors = process.communicate()
    assert process.returncode == 1
    assert "choose another one with --port" in errors
    assert "Traceback" not in errors


def test_small_answers_are_sent_at_once() -> None:
    with open_socket("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_an_address_that_is_none() -> None:
    with pytest.raises(InputError):
        open_socket("256.1.1.1", 0)


@pytest.mark.slow
@pytest.mark.parametrize("store", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_nothing_is_lost_or_doubled_under_load(store: str) -> None:
    options = argparse.Namespace(
        texts=300,
        encoder="tfidf",
        tuning=True,
        annotators=8,
        pace=0.2,
        batch=25,
        minutes=0.1,
        learner=True,
        store=store,
    )
    result = serving.measure(store, options)
    assert result["errors"] == {}
    assert result["acknowledged"] > 0
    assert result["stored"] == result["acknowledged"]
    assert result["lost"] == result["doubled"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_killed_processes_come_back(store: str) -> None:
    options = argparse.Namespace(texts=300, annotators=5, pace=0.1, kills=2, between=0.0, store=store)
    result = restarts.measure(store, options)
    assert result["server_restart_ms"]["n"] == result["learner_restart_ms"]["n"] == 1
