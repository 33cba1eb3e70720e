"""The server's sign of life: a row that it writes every few seconds, and what kept it from that.

A database that answers a question may still take no label: it may be full, read-only, or a file that is not
at its path any more. So a task of the server writes for the sake of writing, and remembers how that went;
whoever asks ``/healthz`` is told from memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from jurybox.errors import BusyError, JuryboxError, StoreError
from jurybox.store.engine import problem_name
from jurybox.store.files import FileLostError
from jurybox.web.state import Server

HEARTBEAT = "heartbeat"
"""Name of the note that is written."""

_LATE = 4
"""So many beats may be missed."""

_CAUSES = {"FULL": "disk_full", "READONLY": "read_only", "53100": "disk_full", "25006": "read_only"}
_SENTENCES = {
    "disk_full": "the disk is full: no label can be stored until there is room",
    "read_only": "the project cannot be written: no label can be stored",
    "file_lost": "the project's file was removed, replaced or cut short: end the server, put the file or a "
    "backup in place, and start it again",
    "database": "the database does not answer, or refuses to write: no label can be stored",
    "busy": "the database lets nobody write: something else has held it for long",
    "no_learner": "no learner runs: labels are stored, and no round is played",
}
_log = logging.getLogger("jurybox.web")


@dataclass(frozen=True)
class Health:
    """What is known of a server.

    Attributes
    ----------
    status
        ``"ready"``, ``"no project yet"``, or ``"failing"``.
    heartbeat_age
        Seconds since something was last written; None where nothing was.
    cause, detail
        Why it fails, or what is missing, as a word and as a sentence; empty where nothing is.
    """

    status: str
    heartbeat_age: float | None
    cause: str = ""
    detail: str = ""

    @property
    def is_well(self) -> bool:
        """Whether labels can be stored."""
        return self.status != "failing"


class Vitals:
    """Writes a heartbeat every few seconds, and empties SQLite's log while nobody works.

    Parameters
    ----------
    server
        Whose project it is.
    seconds
        Between two beats.
    learner
        Whether the learner that this server keeps runs; None where it keeps none.
    clock
        Of seconds that only ever go on.
    """

    def __init__(
        self,
        server: Server,
        *,
        seconds: float = 5.0,
        learner: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._seconds = seconds
        self.learner = learner
        self._clock = clock
        self._beaten: float | None = None
        self._begun: float | None = None
        self._last = Health("no project yet", None)
        self._pulse: object = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat, for the first time or again."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a beat that waits for the database is not waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    @property
    def has_beaten(self) -> bool:
        """Whether it is known how things stand."""
        return self._beaten is not None

    def health(self) -> Health:
        """Return what is known, without asking anybody."""
        now, last, begun = self._clock(), self._last, self._begun
        age = None if last.heartbeat_age is None or self._beaten is None else now - self._beaten
        health = replace(last, heartbeat_age=None if age is None else round(age, 1))
        if health.is_well and begun is not None and now - begun > _LATE * self._seconds:
            return replace(health, status="failing", cause="busy", detail=_SENTENCES["busy"])
        if health.status == "ready" and self.learner is not None and not self.learner():
            return replace(health, cause="no_learner", detail=_SENTENCES["no_learner"])
        return health

    def beat(self) -> None:
        """Write once, and remember how that went."""
        self._begun = self._clock()
        try:
            if self._server.has_project:
                self._write()
                self._last = Health("ready", 0.0)
            else:
                self._last = Health("no project yet", None)
            self._beaten = self._clock()
        except JuryboxError as error:
            if self._last.is_well:
                _log.error("nothing can be stored: %s", error)
            cause = cause_of(error)
            self._last = Health("failing", self._last.heartbeat_age, cause, _SENTENCES[cause])
        finally:
            self._begun = None

    def _write(self) -> None:
        project = self._server.project
        pulse = project.reading.pulse()
        project.notes.write(HEARTBEAT, {"seconds": self._seconds})
        if pulse == self._pulse:  # nobody has worked since: a copy of the file shall be whole
            project.store.checkpoint()
        self._pulse = pulse

    def _run(self) -> None:
        while True:
            try:
                self.beat()
            except Exception:
                _log.exception("the heartbeat failed")
            if self._stop.wait(self._seconds):
                return


def cause_of(error: JuryboxError) -> str:
    """Return in a word why nothing can be stored.

    Examples
    --------
    >>> cause_of(FileLostError("the file reviews.db is not there any more"))
    'file_lost'
    """
    if isinstance(error, FileLostError):
        return "file_lost"
    if isinstance(error, BusyError):
        return "busy"
    name = problem_name(getattr(error.__cause__, "orig", None) if isinstance(error, StoreError) else None)
    return next((cause for code, cause in _CAUSES.items() if code in name), "database")
