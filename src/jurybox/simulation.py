"""Strategies compared on data whose annotations are all known, and random choice beside a project's own.

The protocol is that of the guide "Annotate Text Data Using Active Learning with Cleanlab": start from a few
labels, and in each round train, measure on the test set, choose a batch and ask one annotator per text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from time import perf_counter
from typing import TypeAlias

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, generator
from jurybox.classifiers.base import Inputs
from jurybox.classifiers.calibrated import CalibratedFitted
from jurybox.curves import Curves, PlayedRound, Run, Selection, macro_f1
from jurybox.datasets import Dataset
from jurybox.display import watching
from jurybox.encoders import Encoder, EncoderNames, FeatureCache, fit_views, get_encoders
from jurybox.errors import InputError
from jurybox.loop import Round, Settings, play_round
from jurybox.scales import quadratic_kappa
from jurybox.strategies import SoftLabels, Strategy, get_strategy, soft_labels

__all__ = [
    "OnRound",
    "PoolInputs",
    "RandomPoint",
    "SecondGear",
    "TunedInputs",
    "play_random_arm",
    "simulate",
    "simulate_run",
]

OnRound: TypeAlias = Callable[[str, int, int, PlayedRound], None]
"""Called with strategy, seed, round and what the round measured."""


def simulate(
    dataset: Dataset | Callable[[int], Dataset],
    strategies: Sequence[str | Strategy] = ("default", "activelab", "random"),
    *,
    rounds: int = 25,
    batch: int = 25,
    seeds: int | Sequence[int] = 10,
    encoder: EncoderNames | Encoder = "auto",
    settings: Settings | None = None,
    cache: FeatureCache | None = None,
    hold_out: float = 0.0,
    progress: OnRound | bool | None = None,
) -> Curves:
    """Play strategies against each other on one data set.

    Parameters
    ----------
    dataset
        The data; or a function from a seed to it, to draw test texts and first labels anew for each seed.
    strategies
        Names, as in `jurybox.strategies`, or `Strategy` objects.
    rounds, batch
        Rounds to play; texts per round, one new label each.
    seeds
        How many, or which. All strategies start alike under the same seed.
    encoder
        Makes the features, as in `jurybox.encoders.get_encoders`; not used by a classifier that takes texts.
    settings
        Caps and classifier; its strategy and batch are replaced.
    cache
        Where features are kept; default: computed anew.
    hold_out
        Share of the texts without a first label that is never asked, to measure on.
    progress
        Called after every round; True: a progress bar.

    Returns
    -------
    Curves

    Raises
    ------
    InputError
        If a strategy is unknown, or rounds, batch or seeds are below 1.

    Examples
    --------
    >>> from jurybox import datasets
    >>> demo = datasets.load("demo")
    >>> curves = simulate(demo, ["random"], rounds=2, seeds=1, encoder="tfidf")
    >>> curves.curve("random", "annotations").tolist()
    [[200.0, 225.0]]
    """
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if rounds < 1 or not chosen or not strategies:
        raise InputError(
            f"got {rounds} rounds, {len(chosen)} seeds and {len(strategies)} strategies, "
            "expected at least one of each"
        )
    if not 0 <= hold_out < 1:
        raise InputError(f"hold_out is {hold_out}, expected a share of at least 0 and below 1")
    base = replace(settings or Settings(), batch=batch)
    chosen_strategies = {get_strategy(each).name: get_strategy(each) for each in strategies}
    plans = [(name, replace(base, strategy=each)) for name, each in chosen_strategies.items()]
    told = _progress(progress, len(plans) * len(chosen) * rounds)
    runs: dict[tuple[str, int], Run] = {}
    data, made = None, None
    for seed in chosen:
        if data is None or callable(dataset):
            data = dataset(seed) if callable(dataset) else dataset
            made = _inputs(data, base, encoder, cache)
        assert made is not None  # noqa: S101
        for name, plan in plans:
            runs[name, seed] = simulate_run(
                data, made, plan, rounds=rounds, seed=seed, hold_out=hold_out, progress=told
            )
    assert data is not None and made is not None  # noqa: S101, PT018
    return Curves(
        dataset=data.name,
        encoder=made.encoder,
        classifier=base.classifier.name,
        rounds=rounds,
        batch=batch,
        seeds=chosen,
        runs=tuple(runs[name, seed] for name, _ in plans for seed in chosen),
    )


def _progress(progress: OnRound | bool | None, total: int) -> OnRound | None:
    """Return what to call after each round; True stands for a bar over all of them."""
    if not isinstance(progress, bool):
        return progress
    watch, done = watching(progress, "rounds"), count(1)

    def show(*_: object) -> None:
        if watch is not None:
            watch(next(done), total)

    return show if progress else None


@dataclass(frozen=True)
class PoolInputs:
    """What a classifier takes of the pool and of the test texts, and the encoder that made it."""

    pool: Inputs
    test: Inputs
    encoder: str


@dataclass(frozen=True, eq=False)
class TunedInputs:
    """Probabilities of a tuned encoder: of the pool (N, K), out of sample, and of the test texts."""

    pool: Floats
    test: Floats


SecondGear: TypeAlias = Callable[[int, Callable[[], SoftLabels]], TunedInputs | None]
"""Asked before each round, with its number and what it would be trained on; None: nothing tuned yet."""


def simulate_run(
    dataset: Dataset,
    inputs: PoolInputs,
    settings: Settings,
    *,
    rounds: int,
    seed: int,
    hold_out: float = 0.0,
    second_gear: SecondGear | None = None,
    progress: OnRound | None = None,
) -> Run:
    """Play one strategy with one seed; parameters as in `simulate`, and an encoder that learns, too."""
    rng = np.random.default_rng(seed)
    held_out = _draw_held_out(dataset, hold_out, rng)
    crowd = _Crowd(dataset)
    truth = _truth(dataset)
    name, annotations = get_strategy(settings.strategy).name, dataset.initial
    current: Round | None = None
    played: list[PlayedRound] = []
    for number in range(rounds):
        tuned = None
        if second_gear is not None:
            before = None if current is None or current.classifier is None else current.pred_probs
            tuned = second_gear(
                number,
                partial(
                    soft_labels,
                    annotations,
                    settings.strategy,
                    rng,
                    pred_probs=before,
                    target=settings.target,
                ),
            )
        start = perf_counter()
        current = play_round(
            annotations,
            inputs.pool,
            settings,
            rng,
            previous=current,
            eligible=crowd.has_answer & ~held_out,
            tuned=None if tuned is None else tuned.pool,
        )
        seconds = perf_counter() - start
        asked, people, labels = crowd.answer(current.batch, annotations, rng)
        selections = _describe(dataset, current, people, labels)
        predicted = _predict(current, inputs.test, None if tuned is None else tuned.test)
        played.append(
            _measure(dataset, predicted, annotations, current, truth, held_out, seconds, selections)
        )
        if progress is not None:
            progress(name, seed, number, played[-1])
        annotations = annotations.extend(asked, people, labels)
    return Run(name, seed, tuple(played))


class _Crowd:
    """Simulated annotators, who answer from a data set's annotations."""

    def __init__(self, dataset: Dataset) -> None:
        self._answers = dataset.answers
        self._first = np.searchsorted(dataset.answers.text, np.arange(dataset.answers.n_texts + 1))
        self._free = ~_given(dataset.answers, dataset.initial)

    @property
    def has_answer(self) -> Bools:
        """Which texts somebody can still label, shape (N,)."""
        left: Bools = np.bincount(self._answers.text[self._free], minlength=self._answers.n_texts) > 0
        return left

    def answer(
        self, texts: Ints, annotations: Annotations, rng: np.random.Generator
    ) -> tuple[Ints, Ints, Ints]:
        """Ask one annotator about each text, rather one who already labels; return texts, people, labels."""
        known = annotations.labels_per_annotator > 0
        chosen = []
        for text in texts:
            rows = np.arange(self._first[text], self._first[text + 1])
            rows = rows[self._free[rows]]
            familiar = rows[known[self._answers.annotator[rows]]]
            chosen.append(rng.choice(familiar if len(familiar) else rows))
        rows = np.array(chosen, dtype=np.int64)
        self._free[rows] = False
        people = self._answers.annotator[rows].astype(np.int64)
        return texts, people, self._answers.label[rows].astype(np.int64)


def _inputs(
    dataset: Dataset, settings: Settings, encoder: EncoderNames | Encoder, cache: FeatureCache | None
) -> PoolInputs:
    """Encode the pool and the test texts, unless the classifier takes texts."""
    if settings.classifier.takes == "texts":
        return PoolInputs(list(dataset.pool_texts), list(dataset.test_texts), "none")
    views = fit_views(get_encoders(encoder), dataset.pool_texts, cache=cache)
    return PoolInputs(views.rows(dataset.pool_texts), views.rows(dataset.test_texts), views.name)


def _given(answers: Annotations, annotations: Annotations) -> Bools:
    """Say which answers (L,) are among the annotations, by text and annotator."""

    def key(a: Annotations) -> Ints:
        return a.text.astype(np.int64) * answers.n_annotators + a.annotator

    given: Bools = np.isin(key(answers), key(annotations))
    return given


def _draw_held_out(dataset: Dataset, share: float, rng: np.random.Generator) -> Bools:
    """Draw texts that nobody is asked about, from those that have answers but no first label."""
    candidates = np.flatnonzero(~dataset.initial.labelled & dataset.answers.labelled)
    held_out = np.zeros(dataset.initial.n_texts, dtype=bool)
    held_out[rng.permutation(candidates)[: round(share * len(candidates))]] = True
    return held_out


def _truth(dataset: Dataset) -> Ints:
    """Return the class of each text of the pool: gold, else the only majority of all answers; else -1."""
    if dataset.gold is not None:
        return dataset.gold
    counts = dataset.answers.counts
    most = counts == counts.max(axis=1, keepdims=True)
    truth: Ints = np.where(most.sum(axis=1) == 1, counts.argmax(axis=1), -1)
    return truth


def _measure(
    dataset: Dataset,
    predicted: Ints,
    annotations: Annotations,
    current: Round,
    truth: Ints,
    held_out: Bools,
    seconds: float,
    selections: tuple[Selection, ...],
) -> PlayedRound:
    labelled = annotations.labelled & (truth >= 0)
    measured = held_out & (truth >= 0)
    return PlayedRound(
        annotations=len(annotations),
        accuracy=_share(predicted == dataset.test_labels),
        macro_f1=macro_f1(dataset.test_labels, predicted, annotations.n_classes),
        consensus_accuracy=_share(current.consensus.labels[labelled] == truth[labelled]),
        held_out_accuracy=_share(current.pred_probs[measured].argmax(axis=1) == truth[measured]),
        seconds=seconds,
        selections=selections,
        kappa=_kappa(annotations, predicted, dataset.test_labels),
        consensus_kappa=_kappa(annotations, current.consensus.labels[labelled], truth[labelled]),
    )


def _kappa(annotations: Annotations, labels: Ints, truth: Ints) -> float:
    """Return quadratic kappa of classes (n,) on a scale; NaN without scale or texts."""
    if annotations.scale is None or not len(truth):
        return float("nan")
    numbers = np.array(annotations.scale)
    return quadratic_kappa(numbers[labels], numbers[truth])


def _predict(current: Round, inputs: Inputs, tuned: Floats | None) -> Ints:
    if current.classifier is None:
        return np.zeros(len(inputs), dtype=np.int64)
    if isinstance(current.classifier, CalibratedFitted):
        return np.asarray(current.classifier.predict_proba(inputs, tuned).argmax(axis=1), dtype=np.int64)
    return np.asarray(current.classifier.predict_proba(inputs).argmax(axis=1), dtype=np.int64)


def _share(hits: Bools) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def _describe(dataset: Dataset, current: Round, people: Ints, labels: Ints) -> tuple[Selection, ...]:
    ranking = current.ranking
    return tuple(
        Selection(
            text=dataset.texts[text],
            annotator=dataset.answers.annotators[annotator],
            label=dataset.classes[label],
            reason=ranking.reasons[position],
            score=float(ranking.scores[position]),
        )
        for position, (text, annotator, label) in enumerate(zip(current.batch, people, labels, strict=True))
    )


@dataclass(frozen=True, eq=False)
class RandomPoint:
    """A model trained on a part of the texts that were drawn at random.

    Attributes
    ----------
    labels
        Labels it was trained on.
    pred_probs : ndarray, shape (N, K)
        Its probabilities, out of sample for the texts it was trained on.
    """

    labels: int
    pred_probs: Floats


def play_random_arm(
    drawn: Annotations,
    features: Inputs,
    settings: Settings,
    rng: Rng,
    *,
    trainable: Bools | None = None,
    experts: Bools | None = None,
    points: int = 5,
) -> tuple[RandomPoint, ...]:
    """Train on growing parts of the texts that were drawn at random, as `jurybox.trust.savings` needs it.

    Parameters
    ----------
    drawn
        Annotations that were asked for because their texts had been drawn at random, and no others; over all
        N texts of the pool.
    features, settings, rng, trainable, experts
        As in `jurybox.loop.play_round`; the audit sample is kept out by `trainable`.
    points
        Parts: the last is all texts, the first a quarter of them.

    Returns
    -------
    tuple of RandomPoint
        The fewest labels first; fewer than `points` where there are fewer texts, none without any.

    Examples
    --------
    >>> from jurybox import datasets
    >>> demo = datasets.load("demo")
    >>> features = fit_views(get_encoders("tfidf"), demo.pool_texts).rows(demo.pool_texts)
    >>> curve = play_random_arm(demo.initial, features, Settings(), np.random.default_rng(0), points=3)
    >>> [point.labels for point in curve]
    [50, 100, 200]
    """
    rng = generator(rng)
    usable = drawn.labelled if trainable is None else drawn.labelled & trainable
    texts = rng.permutation(np.flatnonzero(usable))
    sizes = np.unique(np.rint(np.geomspace(max(len(texts) / 4, 1), max(len(texts), 1), points)).astype(int))
    found = []
    for size in sizes if len(texts) else ():
        part = np.zeros(drawn.n_texts, dtype=bool)
        part[texts[:size]] = True
        played = play_round(drawn, features, settings, rng, trainable=part, experts=experts)
        found.append(RandomPoint(int(drawn.n_labels[part].sum()), played.pred_probs))
    return tuple(found)
