"""The process that tunes a project's encoder beside its learner.

It is a process of its own: what it needs of memory is given back when it ends, whatever happens to it happens
to nothing else, and it runs at the lowest priority on all cores but one. It ends with its standard input,
that is, with the learner; what it has done until then is carried on with by the next one. While the learner
plays a round, it rests.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

from jurybox.errors import JuryboxError
from jurybox.project import Project

_REST, _GO = b"rest\n", b"go\n"
_LOCATION = "JURYBOX_PROJECT"  # passwords in it stay out of the list of processes
_NICEST = 19
_log = logging.getLogger("jurybox.tuning")


class TuningProcess:
    """A tuning under way, as the learner sees it."""

    def __init__(self, location: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jurybox.tuning"],
            stdin=subprocess.PIPE,
            env={**os.environ, _LOCATION: location},
        )

    def ended(self) -> int | None:
        """Return the exit status, or None while it goes on."""
        return self._process.poll()

    def rest(self) -> None:
        """Let it rest after the step that it is at."""
        self._say(_REST)

    def go(self) -> None:
        """Let it go on."""
        self._say(_GO)

    def stop(self) -> None:
        """End it, and wait until it has."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _say(self, word: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101
        with suppress(OSError):  # it has ended
            self._process.stdin.write(word)
            self._process.stdin.flush()


class TuningKeeper:
    """Starts a tuning when it is due, and takes note of how it ends.

    Parameters
    ----------
    project, location
        The project, and where another process finds it.
    every, pause
        Seconds between two looks at whether a tuning is due, and after one that failed.

    Attributes
    ----------
    news
        Whether a tuning has ended well that no round has seen.
    """

    def __init__(self, project: Project, location: str, *, every: float, pause: float) -> None:
        self._project = project
        self._location = location
        self._every = every
        self._pause = pause
        self._process: TuningProcess | None = None
        self._look_from = 0.0
        self.news = False

    def look(self) -> str:
        """Start what is due; say what there is to say for the owner, or nothing."""
        said = ""
        if self._process is not None:
            status = self._process.ended()
            if status is None:
                return ""
            self.stop()
            self.news = status == 0
            said = "second gear: tuned"
            if status:
                self._look_from = time.monotonic() + self._pause
                said = f"second gear: the tuning failed (status {status}); another attempt will come"
        if time.monotonic() < self._look_from:
            return said
        self._look_from = time.monotonic() + self._every
        plan = self._project.tuning.plan()
        if plan.due:
            self._process = TuningProcess(self._location)
        return plan.why

    def rest(self) -> None:
        """Let a tuning rest while a round is played, which sees all news there are."""
        self.news = False
        if self._process is not None:
            self._process.rest()

    def go(self) -> None:
        """Let a tuning go on."""
        if self._process is not None:
            self._process.go()

    def stop(self) -> None:
        """End a tuning; the next one carries on with it."""
        if self._process is not None:
            self._process.stop()
        self._process = None


def main() -> int:
    """Tune the encoder of the project in ``JURYBOX_PROJECT``; the exit status of the process."""
    logging.basicConfig(format="%(asctime)s tuning: %(message)s", level=logging.INFO, stream=sys.stderr)
    with suppress(AttributeError, OSError):
        os.nice(_NICEST)
    may_go = threading.Event()
    may_go.set()
    threading.Thread(target=_listen, args=(may_go,), name="learner", daemon=True).start()
    try:
        with Project.open(os.environ[_LOCATION]) as project:
            project.tuning.tune(threads=max(1, available_cores() - 1), after_step=lambda: _wait(may_go))
    except (JuryboxError, KeyError) as error:
        _log.error("%s", error)
        return 1
    return 0


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _wait(may_go: threading.Event) -> None:
    may_go.wait()


def _listen(may_go: threading.Event) -> None:
    """Do as the learner says, and end when it has ended."""
    rest = b""
    while heard := os.read(sys.stdin.fileno(), 64):
        *words, rest = (rest + heard).split(b"\n")
        for word in words:
            if word + b"\n" == _REST:
                may_go.clear()
            else:
                may_go.set()
    os._exit(1)  # not to wait for a step of the model


if __name__ == "__main__":
    sys.exit(main())
