"""Learning curves: what every round of a simulation measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from math import ceil, floor
from typing import Any

import numpy as np

from jurybox.arrays import DataFrame, Floats, Ints
from jurybox.display import Shown, Svg, standalone
from jurybox.drawing import Mark, Series, curves, spread_ticks
from jurybox.errors import InputError

__all__ = ["MEASURES", "Curves", "PlayedRound", "Run", "Selection", "macro_f1"]

MEASURES = {
    "accuracy": "Accuracy on the test set",
    "macro_f1": "Macro F1 on the test set",
    "consensus_accuracy": "Accuracy of the consensus labels",
    "held_out_accuracy": "Accuracy on texts held out",
    "kappa": "Quadratic kappa on the test set",
    "consensus_kappa": "Quadratic kappa of the consensus labels",
}
"""What may be drawn, and what it is."""

TARGET = 0.9
"""An accuracy that charts have a line at."""

_HEIGHT = 340


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
    kappa, consensus_kappa
        On a scale, quadratic: of the classifier on the test texts, and of the consensus labels with what they
        are compared with; else NaN.
    """

    annotations: int
    accuracy: float
    macro_f1: float
    consensus_accuracy: float
    held_out_accuracy: float
    seconds: float
    selections: tuple[Selection, ...] = field(repr=False)
    kappa: float = float("nan")
    consensus_kappa: float = float("nan")


@dataclass(frozen=True)
class Run:
    """One strategy with one seed."""

    strategy: str
    seed: int
    rounds: tuple[PlayedRound, ...]

    def curve(self, measure: str) -> Floats:
        """Return one measure per round, shape (rounds,)."""
        return np.array([getattr(played, measure) for played in self.rounds], dtype=np.float64)


@dataclass(frozen=True, repr=False)
class Curves(Shown):
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
    runs: tuple[Run, ...]

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names of the strategies, in the order asked for."""
        return tuple(dict.fromkeys(run.strategy for run in self.runs))

    def headline(self) -> str:
        """Return what was played, and each strategy's mean accuracy over all rounds."""
        means = ", ".join(f"{name} {self.curve(name).mean():.3f}" for name in self.strategies)
        played = f"{self.rounds} rounds of {self.batch}, {len(self.seeds)} seeds"
        return f"Curves({self.dataset}, {self.encoder.partition(':')[0]}: {played}; mean accuracy {means})"

    def to_frame(self) -> DataFrame:
        """Return one row per strategy, seed and round, with all that was measured."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "strategy": run.strategy,
                    "seed": run.seed,
                    "round": number,
                    "annotations": played.annotations,
                    **{measure: getattr(played, measure) for measure in (*MEASURES, "seconds")},
                }
                for run in self.runs
                for number, played in enumerate(run.rounds)
            ]
        )

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

    @property
    def on_scale(self) -> bool:
        """Whether the classes were an ordered scale."""
        return any(np.isfinite(run.curve("kappa")).any() for run in self.runs)

    def plot(self, measure: str = "accuracy", ax: Any = None) -> Any:
        """Draw a measure over the labels paid for: mean and standard deviation over the seeds, per strategy.

        Parameters
        ----------
        measure
            One of accuracy, macro_f1, consensus_accuracy and held_out_accuracy; on a scale kappa and
            consensus_kappa, too.
        ax
            Axes of matplotlib to draw on; default: a picture of our own.

        Returns
        -------
        Svg or Axes
            An SVG file's text, which notebooks draw; `jurybox.display.to_png` makes a picture of it.

        Raises
        ------
        InputError
            For an unknown measure, or one without values.
        """
        if measure not in MEASURES:
            raise InputError(f"measure is {measure!r}, expected one of {', '.join(MEASURES)}")
        colours = count(1)
        series = [
            Series(points, "series-0" if name == "random" else f"series-{next(colours)}", name)
            for name in self.strategies
            if (points := self._points(name, measure))
        ]
        if not series:
            raise InputError(f"the simulation has no value of {measure} to draw")
        if ax is not None:
            return _on_axes(ax, series, measure, self.dataset)
        points = [point for one in series for point in one.points]
        low = floor(20 * min([point.low or 0.0 for point in points] + [TARGET]))
        high = min(ceil(20 * max([point.high or 0.0 for point in points] + [TARGET])), 20)
        places = spread_ticks(sorted({point.x for point in points}))
        drawn = curves(
            series,
            alternative=f"{MEASURES[measure]} by strategy",
            ticks=[(height / 20, f"{5 * height} %") for height in range(max(low, 0), high + 1)],
            below=[(x, f"{x:,.0f}" + (" annotations" if x == places[0] else "")) for x in places],
            goal=TARGET,
            height=_HEIGHT,
        )
        seeds = f"{len(self.seeds)} seeds; mean ± standard deviation" if len(self.seeds) > 1 else "1 seed"
        encoder = self.encoder.partition(":")[0]
        note = f"{MEASURES[measure]}; {self.rounds} rounds of {self.batch} labels, {encoder}, {seeds}"
        return Svg(standalone(drawn, _HEIGHT, title=self.dataset, note=note))

    def _points(self, strategy: str, measure: str) -> list[Mark]:
        labels, values = self.curve(strategy, "annotations")[0], self.curve(strategy, measure)
        mean, spread = values.mean(axis=0).tolist(), values.std(axis=0).tolist()
        return [
            Mark(float(labels[at]), mean[at], mean[at] - spread[at], min(mean[at] + spread[at], 1.0))
            for at in np.flatnonzero(~np.isnan(values).any(axis=0)).tolist()
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the curves as plain values, as ``curves.json`` has them."""
        measures = {
            "accuracy": "accuracy",
            "macro_f1": "macro_f1",
            "consensus_accuracy": "consensus_accuracy",
            "held_out_accuracy": "held_out_accuracy",
            "seconds_per_round": "seconds",
        }
        if self.on_scale:
            measures |= {"kappa": "kappa", "consensus_kappa": "consensus_kappa"}
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


def _on_axes(ax: Any, series: list[Series], measure: str, title: str) -> Any:
    for one in series:
        x = [point.x for point in one.points]
        ax.plot(x, [point.y for point in one.points], label=one.name)
        ax.fill_between(
            x, [point.low for point in one.points], [point.high for point in one.points], alpha=0.15
        )
    ax.set(title=title, xlabel="annotations", ylabel=MEASURES[measure])
    ax.legend()
    return ax


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
