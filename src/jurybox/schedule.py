"""When a learner plays rounds, judges and tries again."""

from __future__ import annotations

from dataclasses import dataclass

from jurybox.store.services import Pulse

__all__ = ["LearnerOptions", "is_due"]


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
    >>> pulse = Pulse(current_round=1, last=40, pending=3, last_at=100.0, open_texts=9, texts=20)
    >>> [is_due(pulse, batch=25, quiet_seconds=20, now=now) for now in (110.0, 120.0)]
    [False, True]
    """
    if pulse.pending == 0 or pulse.last_at is None:
        return False
    rested = not 0 <= now - pulse.last_at < quiet_seconds  # a clock that was ahead says nothing
    return pulse.pending >= batch or rested
