"""What happens to a project while people label: each kind of event, and how often it does."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from torture_processes import LIBFAKETIME, Trap, alive, kill
from torture_stage import Stage

__all__ = ["IMPORT", "KINDS", "Kind", "Torture"]

IMPORT = 1_200
"""Texts of an import."""
_ENOUGH = 10


@dataclass
class Torture:
    """A stage, and what the events need to know of each other."""

    stage: Stage
    rng: random.Random
    imports: dict[str, bool] = field(default_factory=dict)
    """By the prefix of its texts: whether an import was acknowledged."""
    wrong: list[str] = field(default_factory=list)
    """What an event saw by itself."""
    void: int = 0
    """Acknowledged while there was nothing to store it in."""

    def kill_at(self, trap: Trap) -> None:
        """Let whoever comes to a point die there."""
        nursery = self.stage.nursery
        nursery.set_trap(trap)
        self.stage.until(lambda: nursery.victim is not None, f"somebody dies at {trap}")
        victim = nursery.victim
        self.stage.until(lambda: not alive(victim), "the victim is gone")

    def wait_for(self, n: int, *, seconds: float = 20.0) -> None:
        """Wait until n requests failed or were acknowledged, or for a while where neither can be."""
        crowd = self.stage.crowd
        goal, end = crowd.acknowledged + crowd.failures + n, time.monotonic() + seconds
        while crowd.acknowledged + crowd.failures < goal and time.monotonic() < end:
            time.sleep(0.01)

    def copy(self) -> Path:
        """Copy the SQLite file of a running project, as its backup does."""
        assert self.stage.path is not None  # noqa: S101
        target = self.stage.path.with_name("copy.db")
        target.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.stage.path)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
        return target


_WRITTEN = {
    "label": r"INSERT INTO annotations",
    "undo or change": r"UPDATE annotations SET retired_by",
    "skip": r"INSERT INTO skips",
    "remark": r"INSERT INTO flags",
}


def kill_server(torture: Torture) -> None:
    """SIGKILL at any moment."""
    time.sleep(torture.rng.uniform(0.0, 0.5))
    kill(torture.stage.server)


def kill_at_commit(torture: Torture) -> None:
    """SIGKILL before or after what somebody said is committed; after it, before the answer."""
    what = torture.rng.choice(["label", "label", "undo or change", "skip", "remark"])
    torture.kill_at(Trap(_WRITTEN[what], torture.rng.choice(["before commit", "after commit"])))


def kill_at_take_over(torture: Torture) -> None:
    """SIGKILL of the learner while a ranking is written, takes over, or the one before it is removed."""
    ranking = r"(INSERT INTO|COPY) \"?ranking"
    published, swept = r"UPDATE rounds SET published_at", r"DELETE FROM ranking"
    place = torture.rng.choice(
        [
            Trap(ranking, "now"),
            Trap(ranking, "before commit"),
            Trap(ranking, "after commit"),
            Trap(r"UPDATE project SET current_round", "now"),
            Trap(published, "now"),
            Trap(published, "before commit"),
            Trap(published, "before commit"),
            Trap(published, "after commit"),
            Trap(published, "after commit"),
            Trap(swept, "before commit"),
            Trap(swept, "after commit"),
        ]
    )
    torture.kill_at(place)


def kill_import(torture: Torture) -> None:
    """SIGKILL of an import at any moment, at some of its statements, before or after a commit of it."""
    stage, rng = torture.stage, torture.rng
    prefix = f"import{len(torture.imports)}"
    torture.imports[prefix] = False
    report = stage.folder / f"{prefix}.report"
    if rng.random() < 0.8:
        statement = rng.choice(
            [
                r"(INSERT INTO|COPY) \"?texts",
                r"UPDATE project SET n_texts",  # lets all of it in
                r"UPDATE project SET n_placed",
            ]
        )
        stage.nursery.set_trap(Trap(statement, rng.choice(["now", "before commit", "after commit"])))
    child = stage.nursery.fork("add", location=stage.location, prefix=prefix, n=IMPORT, report=str(report))
    stage.until(lambda: report.exists() or not alive(child), "an import has begun")
    end = time.monotonic() + rng.uniform(0.0, 1.5)
    stage.until(lambda: not alive(child) or time.monotonic() > end, "an import is killed")
    kill(child)
    stage.nursery.take_trap_away()
    torture.imports[prefix] = report.exists() and report.read_text() == "acknowledged"


def kill_backup(torture: Torture) -> None:
    """SIGKILL of a backup at any moment: under its name there is nothing, or all of it."""
    stage = torture.stage
    report, out = stage.folder / "backup.report", stage.folder / "project.backup"
    report.unlink(missing_ok=True)
    child = stage.nursery.fork("save", location=stage.location, out=str(out), report=str(report))
    stage.until(lambda: report.exists() or not alive(child), "a backup has begun")
    end = time.monotonic() + torture.rng.uniform(0.0, 0.5)
    stage.until(lambda: not alive(child) or time.monotonic() > end, "a backup is killed")
    kill(child)
    if out.exists():
        with closing(sqlite3.connect(out)) as copy:
            if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                torture.wrong.append("a backup that was killed is damaged")
    for left in stage.folder.glob("*project.backup*"):  # a draft from PostgreSQL is a folder
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def kill_migration(torture: Torture) -> None:
    """SIGKILL while the tables are brought up to date to a version that was made up."""
    stage = torture.stage
    number = 9001 + len(list((stage.folder / "migrations" / "versions").glob("9*.py")))
    before = "0010" if number == 9001 else str(number - 1)
    with stage.crowd.quiet():
        stage.end_server()
        (stage.folder / "migrations" / "versions" / f"{number}_made_up.py").write_text(
            f"import sqlalchemy as sa\nfrom alembic import op\n\nrevision = '{number}'\n"
            f"down_revision = '{before}'\n\n\ndef upgrade() -> None:\n"
            f"    op.add_column('services', sa.Column('made_up_{number}', sa.Integer()))\n"
        )
        then = torture.rng.choice(["now", "before commit", "after commit"])
        stage.nursery.set_trap(Trap(r"ALTER TABLE services|UPDATE alembic_version", then))
        child = stage.nursery.fork("look", location=stage.location)
        stage.until(lambda: not alive(child), "a migration was killed", keep=False)
        if stage.nursery.victim != child:
            raise TimeoutError(
                f"the migration to {number} did not come to its point:\n{stage.nursery.last_words()}"
            )
        stage.nursery.take_trap_away()


def cut_connections(torture: Torture) -> None:
    """End all connections to PostgreSQL."""
    assert torture.stage.postgres is not None  # noqa: S101
    torture.stage.postgres.cut()


def restart_postgres(torture: Torture) -> None:
    """Restart PostgreSQL as an administrator does."""
    assert torture.stage.postgres is not None  # noqa: S101
    torture.stage.postgres.stop()
    torture.wait_for(_ENOUGH, seconds=2.0)


def kill_postgres(torture: Torture) -> None:
    """SIGKILL of all processes of PostgreSQL."""
    assert torture.stage.postgres is not None  # noqa: S101
    torture.stage.postgres.kill()
    torture.wait_for(_ENOUGH, seconds=2.0)


def fill_disk(torture: Torture) -> None:
    """Fill the disk for a while."""
    crowd = torture.stage.crowd
    goal = crowd.failures + _ENOUGH
    filler = torture.stage.fill_disk()
    try:
        torture.stage.until(
            lambda: crowd.failures >= goal or not _is_up(torture.stage), "writing fails", keep=False
        )
    finally:
        filler.unlink()


def make_read_only(torture: Torture) -> None:
    """Let nobody write for a while: the server comes up on a disk that is read-only."""
    stage = torture.stage
    if stage.is_sqlite:  # what is open for writing stays so
        stage.end_server()
    with stage.read_only():
        if stage.is_sqlite:
            stage.start_what_is_down()
        torture.wait_for(_ENOUGH, seconds=5.0)
    if stage.is_sqlite:
        stage.end_server()


def remove_file(torture: Torture) -> None:
    """Remove the file while people label, and put it back; nothing may be acknowledged in between."""
    path = torture.stage.path
    assert path is not None  # noqa: S101
    kept = path.with_name("kept.db")
    kept.unlink(missing_ok=True)
    os.link(path, kept)
    path.unlink()
    with torture.stage.crowd.into_the_void() as late:
        torture.wait_for(3 * _ENOUGH, seconds=5.0)
    with torture.stage.crowd.quiet():
        torture.stage.end_server()
        kept.replace(path)
    torture.void += late[0]


def replace_file(torture: Torture) -> None:
    """Move a copy of the project over it while the server runs; nothing may go into the old file."""
    path, crowd = torture.stage.path, torture.stage.crowd
    assert path is not None  # noqa: S101
    with crowd.quiet():
        torture.copy().replace(path)
    with crowd.into_the_void() as late:
        torture.wait_for(3 * _ENOUGH, seconds=5.0)
    with crowd.quiet():
        torture.stage.end_server()
    torture.void += late[0]


def step_clock(torture: Torture) -> None:
    """Step the clock ahead or back, and then right again."""
    for offset in (torture.rng.choice(["-3600", "+31d", "-2d", "+90"]), "+0"):
        torture.stage.nursery.set_clock(offset)
        time.sleep(1.1)  # libfaketime looks once a second
        torture.stage.recover(_ENOUGH)


def _is_up(stage: Stage) -> bool:
    return stage.postgres is None or stage.postgres.is_up()


@dataclass(frozen=True)
class Kind:
    """Events of a kind: how many there are in the whole, what they do, and where they are possible."""

    name: str
    events: int
    act: Callable[[Torture], None]
    possible: Callable[[Stage], bool] = lambda _stage: True
    clock: bool = False
    """Whether it needs processes whose clock can be set."""


def _on_sqlite(stage: Stage) -> bool:
    return stage.is_sqlite


def _on_postgres(stage: Stage) -> bool:
    return not stage.is_sqlite


KINDS = (
    Kind("server killed at any moment", 60, kill_server),
    Kind("server killed before or after a commit", 150, kill_at_commit),
    Kind("learner killed while a ranking takes over", 120, kill_at_take_over),
    Kind("killed during a migration", 15, kill_migration),
    Kind("killed during a backup", 15, kill_backup),
    Kind("PostgreSQL: connections cut", 40, cut_connections, _on_postgres),
    Kind("PostgreSQL restarted", 20, restart_postgres, _on_postgres),
    Kind("PostgreSQL killed", 20, kill_postgres, _on_postgres),
    Kind("disk full", 20, fill_disk, lambda stage: stage.has_own_disk),
    Kind("read-only", 15, make_read_only, lambda stage: not stage.is_sqlite or stage.has_own_disk),
    Kind("file removed", 20, remove_file, _on_sqlite),
    Kind("file replaced by a copy", 20, replace_file, _on_sqlite),
    Kind("clock stepped", 20, step_clock, lambda _stage: LIBFAKETIME is not None, clock=True),
    Kind("import killed", 60, kill_import),
)
