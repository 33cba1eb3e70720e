"""Learning curves: what every round of a simulation measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jurybox.arrays import Floats, Ints
from jurybox.errors import InputError

__all__ = ["Curves", "PlayedRound", "Run", "Selection", "macro_f1"]


@dataclass(frozen=True)
class Selection:
    """One answer of a simulated annotator.

    Attributes
    ----------
    text, annotator, label
        Names, as in the data set.
    reason
        Why the text was asked for, as in `jurybox.loop.Ranking`.
    score
        Its score.
    """

    text: Any
    annotator: Any
    label: Any
    reason: str
    score: float


@dataclass(frozen=True)
class PlayedRound:
    """What one round of a simulation measured.

    Attributes
    ----------
    annotations
        Labels paid for when the classifier was trained.
    accuracy, macro_f1
        Of the classifier on the test texts.
    consensus_accuracy
        Of the consensus labels of the labelled texts, against gold where the pool has it, else against the
        majority of all known annotations.
    held_out_accuracy
        Of the classifier on pool texts that are never asked, likewise; NaN without such texts.
    seconds
        To train, combine and rank.
    selections
        What was asked next, and the answers.
    """

    annotations: int
    accuracy: float
    macro_f1: float
    consensus_accuracy: float
    held_out_accuracy: float
    seconds: float
    selections: tuple[Selection, ...] = field(repr=False)


@dataclass(frozen=True)
class Run:
    """One strategy with one seed."""

    strategy: str
    seed: int
    rounds: tuple[PlayedRound, ...]

    def curve(self, measure: str) -> Floats:
        """Return one measure per round, shape (rounds,)."""
        return np.array([getattr(played, measure) for played in self.rounds], dtype=np.float64)


@dataclass(frozen=True)
class Curves:
    """Learning curves of several strategies.

    Attributes
    ----------
    dataset, encoder, classifier
        Names.
    rounds, batch
        Rounds played, and texts per round.
    seeds
        The seeds.
    runs
        Every run.
    """

    dataset: str
    encoder: str
    classifier: str
    rounds: int
    batch: int
    seeds: tuple[int, ...]
    runs: tuple[Run, ...] = field(repr=False)

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names of the strategies, in the order asked for."""
        return tuple(dict.fromkeys(run.strategy for run in self.runs))

    def curve(self, strategy: str, measure: str = "accuracy") -> Floats:
        """Return one measure of a strategy, shape (seeds, rounds).

        Raises
        ------
        InputError
            If the strategy was not simulated.
        """
        curves = [run.curve(measure) for run in self.runs if run.strategy == strategy]
        if not curves:
            raise InputError(f"strategy {strategy!r} was not simulated, expected one of {self.strategies}")
        return np.stack(curves)

    def to_json(self) -> dict[str, Any]:
        """Return the curves as plain values, as ``curves.json`` has them."""
        measures = {
            "accuracy": "accuracy",
            "macro_f1": "macro_f1",
            "consensus_accuracy": "consensus_accuracy",
            "held_out_accuracy": "held_out_accuracy",
            "seconds_per_round": "seconds",
        }
        return {
            "dataset": self.dataset,
            "encoder": self.encoder,
            "classifier": self.classifier,
            "rounds": self.rounds,
            "batch": self.batch,
            "seeds": list(self.seeds),
            "versions": _versions(),
            "strategies": {
                strategy: {
                    "annotations": self.curve(strategy, "annotations")[0].astype(int).tolist(),
                    **{
                        name: _without_nan(self.curve(strategy, measure))
                        for name, measure in measures.items()
                    },
                }
                for strategy in self.strategies
            },
        }


def macro_f1(labels: Ints, predicted: Ints, n_classes: int) -> float:
    """Return the mean F1 over the classes that occur among labels or predictions.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape (n,)
        Positions of the true and the predicted classes.
    n_classes
        K.

    Examples
    --------
    >>> macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    0.666...
    """
    confusion = np.bincount(labels * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, -1)
    occurrences = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = occurrences > 0
    return float((2 * confusion.diagonal()[present] / occurrences[present]).mean())


def _without_nan(curves: Floats) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(value) for value in curve] for curve in curves]


def _versions() -> Mapping[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for package in ("jurybox", "numpy", "scipy", "scikit-learn", "torch", "transformers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
