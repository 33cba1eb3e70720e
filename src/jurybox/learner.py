"""The process that refits while people annotate.

Exactly one learner works on a project, whatever number of servers and machines there is: it holds a lock of
the database, and others stand by until the lock is free. The lock ends when its connection is cut: so the
learner looks before each round whether it holds the lock still, and no ranking takes over without it. A round
is due after a batch of new annotations and a rest in proportion to the round before, after some seconds in
which nobody annotated, or when the owner asks for one. Labelling never waits for the learner and goes on
without it: when a fit fails, the ranking before it holds, the failure is noted for the owner, and the next
attempt comes later and later.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from types import FrameType

from jurybox.errors import ConflictError, JuryboxError, NotFoundError, RedactedFormatter
from jurybox.project import Project
from jurybox.store.locks import Lock
from jurybox.store.services import ROUND_REQUEST, Pulse
from jurybox.tuning import TuningKeeper


@dataclass(frozen=True)
class LearnerOptions:
    """When rounds are due.

    Parameters
    ----------
    quiet_seconds
        A round is due when there are new annotations and nobody annotated for so long.
    poll_seconds
        Time between two looks at the database.
    rest
        Time between two rounds, in times of what the last one took: on a large project a batch comes in
        sooner than a round is played, and people need the machine, too. A round that the owner asks for does
        not wait.
    judge_seconds
        Least time between two looks at how far the labels can be trusted.
    tuning_seconds
        Least time between two looks at whether the encoder is to be tuned.
    first_pause, longest_pause
        Seconds until the next attempt after a failure; doubled at each further one.
    """

    quiet_seconds: float = 20.0
    poll_seconds: float = 1.0
    rest: float = 3.0
    judge_seconds: float = 30.0
    tuning_seconds: float = 30.0
    first_pause: float = 5.0
    longest_pause: float = 300.0

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures.

        Examples
        --------
        >>> [LearnerOptions().pause(n) for n in (0, 1, 2, 10)]
        [0.0, 5.0, 10.0, 300.0]
        """
        return min(self.first_pause * 2 ** (failures - 1), self.longest_pause) if failures else 0.0


def is_due(pulse: Pulse, *, batch: int, quiet_seconds: float, now: float) -> bool:
    """Whether a round is due: after a batch of new annotations, or when nobody annotates any more.

    Examples
    --------
    >>> pulse = Pulse(current_round=1, last=40, pending=3, last_at=100.0, texts=20, is_done=False)
    >>> [is_due(pulse, batch=25, quiet_seconds=20, now=now) for now in (110.0, 120.0)]
    [False, True]
    """
    if pulse.pending == 0 or pulse.last_at is None:
        return False
    rested = not 0 <= now - pulse.last_at < quiet_seconds  # a clock that was ahead says nothing
    return pulse.pending >= batch or rested


_STATE = "learner"
_HEARTBEAT = 10.0
_PROGRESS = 2.0
_SILENCE = 45.0
_JUDGED_PART = 20  # rests so many times what a judgement took
_log = logging.getLogger("jurybox.learner")


class LearnerPhase(StrEnum):
    """What a learner does."""

    ABSENT = "absent"
    WAITING = "waiting"
    FITTING = "fitting"
    FAILED = "failed"
    STOPPED = "stopped"
    DIED = "died"


@dataclass(frozen=True)
class LearnerState:
    """What the learner of a project does, as noted for the owner.

    Attributes
    ----------
    phase
        ``failed`` means that the last fit failed and another attempt will come; ``died`` that the process
        ended by itself; ``absent`` that nothing was heard of it for a while.
    process
        Machine and process number.
    heard_at
        When it was last heard of.
    failure
        What went wrong at the last attempt; empty if nothing did.
    failures
        Attempts that failed since the last one that did not.
    fit_seconds
        How long the last round took.
    step, done, of
        How far the round under way is.
    gear
        What the second gear, the encoder that learns, does, and why; empty before the first look.
    """

    phase: LearnerPhase = LearnerPhase.ABSENT
    process: str = ""
    heard_at: float | None = None
    failure: str = ""
    failures: int = 0
    fit_seconds: float | None = None
    step: str = ""
    done: int = 0
    of: int = 0
    gear: str = ""


class _Stop(BaseException):
    """The process was asked to end."""


def learner_state(project: Project, *, now: float | None = None) -> LearnerState:
    """Return what the learner last noted, or that it has been silent for too long."""
    note = project.notes.read(_STATE)
    if note is None:
        return LearnerState()
    state = LearnerState(
        **{**note.value, "phase": LearnerPhase(note.value["phase"]), "heard_at": note.updated_at}
    )
    ended = state.phase in (LearnerPhase.STOPPED, LearnerPhase.DIED)
    if ended or (time.time() if now is None else now) - note.updated_at < _SILENCE:
        return state
    return replace(state, phase=LearnerPhase.ABSENT)


def note_death(project: Project, reason: str) -> None:
    """Note that the learner's process ended by itself, for whoever started it to say so."""
    state = learner_state(project)
    died = replace(state, phase=LearnerPhase.DIED, failure=reason, failures=state.failures + 1)
    _write(project, died)


def learn(
    location: str, options: LearnerOptions | None = None, *, stop: threading.Event | None = None
) -> None:
    """Play rounds on a project as they become due, until asked to stop.

    Parameters
    ----------
    location
        Path or URL of the project.
    stop
        Ends the learner when it is set; a round under way is finished first. See `main` for signals.

    Raises
    ------
    NotFoundError
        If there is no project.
    """
    options, stop = options or LearnerOptions(), stop or threading.Event()
    with Project.open(location) as project:
        standing_by = False
        while not stop.is_set():
            with _guarded("take the learner's lock"), project.store.exclusive("learner") as lock:
                if lock:
                    standing_by = False
                    _Learner(project, location, options, stop, lock).run()
                    continue
            if not standing_by:
                _log.info("another learner works on this project; standing by")
                standing_by = True
            stop.wait(2 * options.poll_seconds)


class _Learner:
    """A learner that holds the lock."""

    def __init__(
        self,
        project: Project,
        location: str,
        options: LearnerOptions,
        stop: threading.Event,
        lock: Lock,
    ) -> None:
        self._project = project
        self._gear = TuningKeeper(
            project, location, every=options.tuning_seconds, pause=options.longest_pause
        )
        self._lock = lock
        self._options = options
        self._stop = stop
        last = LearnerState()
        with _guarded("read the learner's state"):
            last = learner_state(project)
        failures = last.failures if last.phase in (LearnerPhase.DIED, LearnerPhase.FAILED) else 0
        self._state = LearnerState(
            phase=LearnerPhase.FAILED if failures else LearnerPhase.WAITING,
            process=f"{socket.gethostname()}:{os.getpid()}",
            failure=last.failure if failures else "",
            failures=failures,
            fit_seconds=last.fit_seconds,
        )
        # After a death, whoever started this process has waited already.
        waits = options.pause(failures) if last.phase == LearnerPhase.FAILED else 0.0
        self._not_before = time.monotonic() + waits
        self._judged = 0, 0  # last annotation and round
        self._judge_from = 0.0
        self._noted = 0.0
        self._noting = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        """Play rounds until asked to stop, or until the lock is lost."""
        _log.info("the learner is at work")
        try:  # a signal may come while the first note is written, too
            self._note()
            threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
            with _guarded("look what is known of the labels"):
                if not self._project.facets.are_kept():  # a first round may take long, and pages wait
                    self._judge()
            while not self._stop.is_set():
                if not self._lock.is_held():
                    _log.error("the learner's lock was lost: the connection was cut, or the file removed")
                    return
                due = False
                with _guarded("look for new annotations"):
                    due = self._is_due()
                if due:
                    self._play()
                else:
                    with _guarded("rank the texts that have come"):
                        self._project.rank_new()
                    self._judge()
                    self._tune()
                self._stop.wait(self._options.poll_seconds)
        finally:
            self._gear.stop()
            self._ended.set()
            if self._lock.is_held():  # else the state is another learner's by now
                self._set(phase=LearnerPhase.STOPPED, step="", done=0, of=0)

    def _beat(self) -> None:
        while not self._ended.wait(_HEARTBEAT):
            self._note()

    def _is_due(self) -> bool:
        requested = self._project.notes.read(ROUND_REQUEST)
        if requested is not None and requested.value["pending"]:
            self._project.notes.write(ROUND_REQUEST, {"pending": False})
            return True
        if time.monotonic() < self._not_before:
            return False
        if self._gear.news:
            return True
        batch = self._project.settings.batch
        pulse = self._project.reading.pulse()
        return is_due(pulse, batch=batch, quiet_seconds=self._options.quiet_seconds, now=time.time())

    def _play(self) -> None:
        self._set(phase=LearnerPhase.FITTING)
        start = time.monotonic()
        self._gear.rest()
        try:
            info = self._project.refit(progress=self._progress, allowed=self._lock.is_held)
        except ConflictError:  # somebody plays a round by hand, whose ranking will do, or the lock was lost
            self._set(phase=LearnerPhase.WAITING, step="", done=0, of=0)
            return
        except Exception as error:  # whatever it is, people go on labelling by the last ranking
            self._failed(error)
            return
        finally:
            self._gear.go()
        seconds = time.monotonic() - start
        self._not_before = time.monotonic() + self._options.rest * seconds
        _log.info("round %d, %d annotations, %.1f s", info.number, info.n_annotations, seconds)
        self._set(
            phase=LearnerPhase.WAITING, failure="", failures=0, fit_seconds=seconds, step="", done=0, of=0
        )

    def _judge(self) -> None:
        """Work out now and then, apart from rounds, how far the labels can be trusted."""
        if time.monotonic() < self._judge_from:
            return
        start, wait = time.monotonic(), self._options.judge_seconds
        try:
            pulse = self._project.reading.pulse()
            if pulse.last and (pulse.last, pulse.current_round) != self._judged:
                self._project.facets.keep()
                self._judged = pulse.last, pulse.current_round
                wait = max(wait, _JUDGED_PART * (time.monotonic() - start))
        except Exception as error:  # people go on labelling, and pages show what was found last
            _log.error("could not judge the labels: %s", error, exc_info=error)
            wait = self._options.longest_pause
        self._judge_from = time.monotonic() + wait

    def _tune(self) -> None:
        """Let the encoder learn, too, where that is due."""
        with _guarded("look whether the encoder is to be tuned"):
            if (said := self._gear.look()) and said != self._state.gear:
                self._set(gear=said)

    def _failed(self, error: Exception) -> None:
        known = isinstance(error, JuryboxError)
        _log.error("the round failed: %s", error, exc_info=None if known else error)
        failures = self._state.failures + 1
        self._not_before = time.monotonic() + self._options.pause(failures)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        self._set(phase=LearnerPhase.FAILED, failure=reason[:2000], failures=failures, step="", done=0, of=0)

    def _progress(self, step: str, done: int, of: int) -> None:
        self._state = replace(self._state, step=step, done=done, of=of)
        if time.monotonic() - self._noted >= _PROGRESS:
            self._note()

    def _set(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]
        self._note()

    def _note(self) -> None:
        with self._noting, _guarded("note the learner's state"):
            self._noted = time.monotonic()
            _write(self._project, self._state)


def main(location: str | None = None, options: LearnerOptions | None = None) -> int:
    """Run a learner until a signal ends it; the exit status of the process.

    Without a location, it is taken from ``JURYBOX_PROJECT``, where passwords in it stay out of the list of
    processes, and the learner ends when its standard input does: with the process that started it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactedFormatter("%(asctime)s learner: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_stop)
    stop = threading.Event()
    try:
        if location is None:
            location = os.environ["JURYBOX_PROJECT"]
            threading.Thread(target=_end_with_input, args=(stop,), name="parent", daemon=True).start()
        learn(location, options, stop=stop)
    except _Stop:
        _log.info("stopped")
    except (JuryboxError, KeyError) as error:
        _log.error("%s", error)
        return 1
    return 0


def _write(project: Project, state: LearnerState) -> None:
    note = asdict(state)
    del note["heard_at"]
    project.notes.write(_STATE, {**note, "phase": state.phase.value})


@contextmanager
def _guarded(what: str) -> Iterator[None]:
    """Log an error and go on: a full disk or a database that restarts must not end the learner."""
    try:
        yield
    except NotFoundError:
        raise
    except JuryboxError as error:
        _log.error("could not %s: %s", what, error)


def _raise_stop(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # once is enough
        signal.signal(number, signal.SIG_IGN)
    raise _Stop


def _end_with_input(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    stop.set()  # Python drops what a signal's handler raises in a finaliser: then the round is the last


if __name__ == "__main__":
    sys.exit(main())
