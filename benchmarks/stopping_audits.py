"""Audit samples of the runs of `stopping_runs.py`: what a project would know of its accuracy in each round.

A sample is drawn from the texts of a run that are apart. It is judged in two ways: by the true classes, so
that only the sample is small; and by three answers of the crowd, as a project has it. What the crowd's errors
make of the labels is estimated once, with the annotations that are there at half of the budget, for all
rounds: a project judges all its rounds by what it knows today.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from jurybox.arrays import Floats, Ints
from jurybox.trust.estimates import audit_evidence
from jurybox.trust.intervals import Interval
from jurybox.trust.stopping import prediction_stability
from label_efficiency import Case
from stopping_runs import CACHE, PLAYED, ROUNDS, STRATEGIES, Played, read, stored

AUDITS = CACHE / "audits"
SIZES = (100, 50)
REPLICATES = 3  # audit samples of a run, where the truth is given
HALF = 400  # labels, half of what a run ends with
EVERY = 2  # rounds are judged by the crowd


@dataclass(frozen=True, eq=False)
class Audited:
    """One run seen through one audit sample; R rounds.

    Attributes
    ----------
    case, strategy
        Of the run.
    labels : ndarray of int, shape (R,)
        Labels that each round learnt from.
    accuracy
        What the audit tells of each round, R intervals.
    truth : ndarray, shape (R,)
        Accuracy on the texts apart that are not in the audit, and on the test texts.
    n_truth
        How many these are.
    """

    case: Case
    strategy: str
    labels: Ints
    accuracy: tuple[Interval, ...]
    truth: Floats
    n_truth: int

    @cached_property
    def half(self) -> int:
        """The round at half of the budget."""
        return int(np.flatnonzero(self.labels <= HALF)[-1])


def audited(case: Case, strategy: str, seed: int, size: int, replicate: int = 0) -> Audited:
    """Return a run and an audit sample of it, judged by the true classes."""
    played = read(case, strategy, seed)
    audit = draw_audit(played, case, strategy, seed, replicate)[:size]
    return with_truth(
        played, case, strategy, audit, judge_by_truth(played, played.predicted[:ROUNDS], audit), 1
    )


def audited_by_crowd(case: Case, strategy: str, seed: int, size: int) -> Audited:
    """Return a run and an audit sample of it, judged by the crowd."""
    played = read(case, strategy, seed)
    audit = draw_audit(played, case, strategy, seed, 0)
    path = judged(case, strategy, seed)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(judge_by_crowd(played, audit, seed)), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))[str(size)]
    intervals = tuple(Interval(*bounds) for bounds in found)
    return with_truth(played, case, strategy, audit[:size], intervals, EVERY)


def judged(case: Case, strategy: str, seed: int) -> Path:
    """Return where the crowd's judgement of a run is kept."""
    return AUDITS / case.name / f"{strategy.replace(' ', '-')}-{seed}.json"


def with_truth(
    played: Played, case: Case, strategy: str, audit: Ints, accuracy: tuple[Interval, ...], every: int
) -> Audited:
    """Put what the audit tells beside the truth."""
    truth, n_truth = played.accuracy(audit)
    kept = slice(0, ROUNDS, every)
    return Audited(case, strategy, played.n_annotations[kept], accuracy, truth[kept], n_truth)


def draw_audit(played: Played, case: Case, strategy: str, seed: int, replicate: int) -> Ints:
    """Draw an audit sample; the smaller sizes are its first texts."""
    key = [seed, PLAYED.index(case), STRATEGIES.index(strategy), 3, *([replicate] if replicate else [])]
    return np.random.default_rng(key).choice(played.apart, size=max(SIZES), replace=False)


def judge_by_truth(played: Played, predicted: NDArray[np.int8], audit: Ints) -> tuple[Interval, ...]:
    """Return Jeffreys' 95 % interval of each prediction's accuracy, predictions of shape (R, N)."""
    places = np.argsort(played.apart)[np.searchsorted(np.sort(played.apart), audit)]
    hits = (predicted[:, audit] == played.truth[places]).sum(axis=1)
    n = len(audit)
    bounds = beta.ppf(np.array([[0.5], [0.025], [0.975]]), hits + 0.5, n - hits + 0.5)
    return tuple(Interval(*each) for each in bounds.T.tolist())


def judge_by_crowd(played: Played, audit: Ints, seed: int) -> dict[str, list[list[float]]]:
    """Return for each size of the sample (estimate, low, high) of every second round."""
    rng = np.random.default_rng([seed, 4])
    evidence = audit_evidence(played.annotations(HALF, audit), audit, rng=rng)
    found = {}
    for size in SIZES:
        estimates = [
            evidence.judge(audit[:size], predicted[audit[:size]], rng=rng).accuracy
            for predicted in played.predicted[:ROUNDS:EVERY]
        ]
        found[str(size)] = [[each.estimate, each.low, each.high] for each in estimates]
    return found


def stabilities(played: Played) -> list[float | None]:
    """Return kappa between the predictions of each round and the one before; None for the first."""
    one_hot = np.eye(int(played.shape[2]))
    pairs = zip(played.predicted[: ROUNDS - 1], played.predicted[1:ROUNDS], strict=True)
    return [None, *(prediction_stability(one_hot[before], one_hot[now]) for before, now in pairs)]


def is_stored(case: Case, strategy: str, seed: int) -> bool:
    """Say whether a run has been played."""
    return stored(case, strategy, seed).exists()
