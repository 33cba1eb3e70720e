"""The processes that are tormented: forked from one that has imported everything, and killed at named points.

A project's server, its learner and its imports run the code that everybody runs. The process they are forked
from has put a trap around SQLAlchemy and psycopg, so that one of them ends by SIGKILL at a statement, or
before or after the commit that follows it, when the harness says so (`Nursery.set_trap`).
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Nursery", "Trap", "alive", "kill"]

LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
_ARMED, _SPRUNG, _CLOCK, _MIGRATIONS = "trap", "trap.sprung", "clock", "migrations"
_ENDED_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Trap:
    """Where a process is killed.

    Attributes
    ----------
    statement
        Pattern of SQL; the trap counts statements that begin like it.
    then
        ``"now"``, or ``"before commit"`` or ``"after commit"`` of the transaction that the statement is in.
    nth
        Which of the statements counts, from 1.
    """

    statement: str
    then: str = "now"
    nth: int = 1


class Nursery:
    """Forks processes that know jurybox already, and can set a trap and the clock for them.

    Parameters
    ----------
    folder
        Where the trap, the clock, later versions of the schema and the log are.
    clock
        Whether their clock can be set. Threads that wait for each other take a core then, so only where
        it is wanted.
    """

    def __init__(self, folder: Path, *, clock: bool) -> None:
        self.folder = folder
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if clock:
            self.set_clock("+0")
            environment |= {
                "LD_PRELOAD": str(LIBFAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(folder / _CLOCK),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
            }
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        self._ask({"what": "ready"})

    def fork(self, what: str, **arguments: Any) -> int:
        """Start one of the things that children do (see `_CHILDREN`); return the number of its process."""
        return int(self._ask({"what": what, "arguments": arguments}))

    def set_trap(self, trap: Trap) -> None:
        """Let the next process that comes to a point die there."""
        (self.folder / _SPRUNG).unlink(missing_ok=True)
        draft = self.folder / "trap.draft"
        draft.write_text(json.dumps(asdict(trap)))
        draft.replace(self.folder / _ARMED)

    def take_trap_away(self) -> None:
        """Let nobody die any more."""
        (self.folder / _ARMED).unlink(missing_ok=True)

    @property
    def victim(self) -> int | None:
        """The process that died in the trap."""
        with suppress(FileNotFoundError, ValueError):
            return int((self.folder / _SPRUNG).read_text())
        return None

    def set_clock(self, offset: str) -> None:
        """Set the clock of all processes by so much beside this machine's, such as ``+31d``."""
        draft = self.folder / "clock.draft"
        draft.write_text(f"{offset}\n")
        draft.replace(self.folder / _CLOCK)

    def last_words(self) -> str:
        """Return the end of what all processes wrote to their standard error."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def close(self) -> None:
        """End; the processes that were forked end with it."""
        self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> str:
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process that forks has ended:\n{self.last_words()}")
        return answer


def alive(process: int | None) -> bool:
    """Whether a process has not ended; the nursery reaps its children at once."""
    if process is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def kill(process: int | None) -> None:
    """End a process by SIGKILL, if there is one, and wait until it is gone."""
    if process is None:
        return
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    while alive(process):
        time.sleep(0.002)


# -- in the nursery -----------------------------------------------------------------------------------------


def serve(location: str, port: int) -> None:
    """Serve a project; its learner is a process that the harness can kill by itself."""
    from jurybox.web.serving import serve as run

    run(location, port=port, learner=False)


def learn(location: str) -> None:
    """Play one round after the other."""
    from jurybox.learner import LearnerOptions, main

    quick = LearnerOptions(
        quiet_seconds=0.5, poll_seconds=0.02, rest=0.0, judge_seconds=60.0, first_pause=0.1, longest_pause=1.0
    )
    main(location, quick)


def add(location: str, prefix: str, n: int, report: str) -> None:
    """Add n texts; say in a file when that begins, and when it is acknowledged."""
    from jurybox.project import Project

    with Project.open(location) as project:
        texts = [(f"{prefix}-{number}", f"text {number} of import {prefix}") for number in range(n)]
        Path(report).write_text("begun")
        project.add_texts(texts)
        Path(report).write_text("acknowledged")


def save(location: str, out: str, report: str) -> None:
    """Back a project up; say in a file when that begins."""
    from jurybox.project import Project
    from jurybox.store.backup import write_backup

    with Project.open(location) as project:
        Path(report).write_text("begun")
        write_backup(project.store, Path(out))


def look(location: str) -> None:
    """Open a project, which brings its tables up to date."""
    from jurybox.project import Project

    Project.open(location).close()


_CHILDREN: dict[str, Callable[..., None]] = {
    "serve": serve,
    "learn": learn,
    "add": add,
    "save": save,
    "look": look,
}


class _Snare:
    """Kills its process where the trap says."""

    def __init__(self, folder: Path) -> None:
        self._armed, self._sprung = folder / _ARMED, folder / _SPRUNG
        self._seen: Counter[Trap] = Counter()
        self._thread = threading.local()

    def statement(self, text: str) -> None:
        trap = self._trap()
        if trap is None or not re.match(trap.statement, text.lstrip()):
            return
        self._seen[trap] += 1
        if self._seen[trap] != trap.nth:
            return
        if trap.then == "now":
            self._spring()
        self._thread.trap = trap

    def commit(self, when: str) -> None:
        trap = getattr(self._thread, "trap", None)
        if trap is not None and trap.then == when:
            self._spring()
        if when == "after commit":
            self._thread.trap = None

    def _trap(self) -> Trap | None:
        try:
            return Trap(**json.loads(self._armed.read_text()))
        except FileNotFoundError:
            return None

    def _spring(self) -> None:
        draft = self._sprung.with_name(f"{self._sprung.name}.{os.getpid()}")
        draft.write_text(str(os.getpid()))
        try:
            self._armed.unlink()  # one process dies, not two
        except FileNotFoundError:
            draft.unlink()
            return
        draft.replace(self._sprung)
        os.kill(os.getpid(), signal.SIGKILL)


def _set_snares(snare: _Snare) -> None:
    import psycopg
    from sqlalchemy import Engine, event
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

    @event.listens_for(Engine, "before_cursor_execute")
    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        snare.statement(text)

    def around(dialect: type[Any]) -> None:
        commit = dialect.do_commit

        def do_commit(self: Any, connection: Any) -> None:
            snare.commit("before commit")
            commit(self, connection)
            snare.commit("after commit")

        dialect.do_commit = do_commit

    around(SQLiteDialect_pysqlite)
    around(PGDialect_psycopg)
    copy = psycopg.Cursor.copy

    def copy_statement(self: Any, text: Any, *arguments: Any, **options: Any) -> Any:
        snare.statement(text if isinstance(text, str) else text.as_string(self))
        return copy(self, text, *arguments, **options)

    psycopg.Cursor.copy = copy_statement  # type: ignore[method-assign, assignment]


def _know_everything(folder: Path) -> None:
    """Import all that children need, by doing it once."""
    import uvicorn.lifespan.on
    import uvicorn.loops.auto
    import uvicorn.protocols.http.auto  # noqa: F401

    from jurybox.project import Project
    from jurybox.store.settings import ProjectSettings
    from jurybox.web.app import create_app

    place = folder / "first.db"
    settings = ProjectSettings(encoder="tfidf", audit_size=0)
    texts = [f"a {'good' if number % 2 else 'bad'} thing {number}" for number in range(30)]
    with Project.create(place, classes=["bad", "good"], texts=texts, settings=settings) as project:
        for _ in range(20):
            task = project.next_task("ana")
            if task:
                project.submit(task, "good" if "good" in task.text else "bad")
        project.refit()
        project.beliefs.keep()
    create_app(str(place))


def _sleep(seconds: Any) -> None:
    select.select([], [], [], seconds)


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_ENDED_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _be_a_child(what: str, arguments: dict[str, Any], parent: int) -> None:
    _end_with_parent(parent)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    code = 1
    try:
        _CHILDREN[what](**arguments)
        code = 0
    except Exception as error:
        print(f"{what}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def main(arguments: Sequence[str]) -> None:
    """Fork a child for each line of the standard input, until it closes."""
    folder = Path(arguments[0])
    from jurybox.store import lifecycle

    if "LD_PRELOAD" in os.environ:  # libfaketime's clock_nanosleep refuses what Python's sleep asks for
        time.sleep = _sleep
    lifecycle._FOLDER = folder / _MIGRATIONS
    _know_everything(folder)
    _set_snares(_Snare(folder))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getpid()
    for line in sys.stdin:
        question = json.loads(line)
        child = 0
        if question["what"] != "ready":
            child = os.fork()
            if child == 0:
                _be_a_child(question["what"], question["arguments"], parent)
        print(child, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
