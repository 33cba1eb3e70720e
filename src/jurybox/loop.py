"""One round, pure: from annotations and features to a consensus, probabilities and a ranking.

The simulator and the live server call the same function, so what is benchmarked is what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, wraps
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

import numpy as np
import scipy.linalg  # noqa: F401  # its pool of threads is looked for once, when it is here
from threadpoolctl import ThreadpoolController

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, DataFrame, Floats, Ints, Rng, generator
from jurybox.classifiers import Classifier, Fitted, get_classifier
from jurybox.classifiers.base import Inputs
from jurybox.classifiers.calibrated import CalibratedFitted, calibrate
from jurybox.classifiers.pooled import MachineVotes, pool_machines, uncertainty_of_machines
from jurybox.consensus import Consensus, estimate_consensus
from jurybox.consensus.crowdlab import calibrated
from jurybox.display import Shown
from jurybox.duplicates import sameness, shared
from jurybox.errors import InputError
from jurybox.labelled import as_annotations, ensemble, rows_by_text
from jurybox.ranking import Ranking, rank_texts
from jurybox.strategies import Strategy, Target, get_strategy, known_shares

__all__ = ["Round", "Settings", "play_round"]

P = ParamSpec("P")
R = TypeVar("R")


def single_threaded(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's linear algebra run in one thread, and leave the number as it was afterwards.

    A round's matrices are small, and threads would mostly wait for each other: NumPy and SciPy each bring a
    BLAS with a pool of its own. On a machine that has other things to do, which is what a server's machine
    has, their waiting makes a round take many times as long.

    Other threads of the process that calculate meanwhile are held to one, too. Fine-tuning is not: PyTorch
    has threads of its own.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> @single_threaded
    ... def most_threads():
    ...     return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    >>> most_threads()
    1
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _pools().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


@dataclass(frozen=True)
class Settings:
    """What a round depends on besides its data.

    Attributes
    ----------
    strategy
        Name of a strategy, or a `jurybox.strategies.Strategy`.
    batch
        Texts per round.
    max_labels
        Labels at which a text is finished.
    random_share
        Share of each batch drawn at random from all texts that want a label, between 0 and 1.
    classifier
        What is trained; the head on features by default. Whatever `get_classifier` takes: a name, or a
        scikit-learn classifier.
    target
        What is wanted of a text: its ``"class"``, or the ``"shares"`` of people who would say each class.
    least_gain
        With ``"shares"``, a labelled text is finished when one more label would make the error of its shares
        smaller by less, as `jurybox.consensus.opinions.Opinions` expects it.
    """

    strategy: str | Strategy = "default"
    batch: int = 25
    max_labels: int = 5
    random_share: float = 0.0
    classifier: Any = "head"
    target: Target = "class"
    least_gain: float = 0.015

    def __post_init__(self) -> None:
        get_strategy(self.strategy, self.target)
        object.__setattr__(self, "classifier", get_classifier(self.classifier))
        if not self.least_gain >= 0:
            raise InputError(f"least_gain is {self.least_gain}, expected a number of at least 0")
        if self.batch < 1 or self.max_labels < 1:
            raise InputError(
                f"batch is {self.batch} and max_labels {self.max_labels}, expected at least 1 of each"
            )
        if not 0 <= self.random_share <= 1:
            raise InputError(f"random_share is {self.random_share}, expected a share between 0 and 1")


@dataclass(frozen=True, eq=False, repr=False)
class Round(Shown):
    """What a round found out.

    Attributes
    ----------
    consensus : Consensus
        Labels, posterior, annotators.
    pred_probs : ndarray, shape (N, K)
        The classifier's probabilities, out-of-sample for the texts that it was trained on.
    ranking : Ranking
        What to ask next.
    classifier : Fitted or None
        The trained classifier; None where nothing could be trained.
    known : ndarray of bool, shape (N,)
        Texts that want no label since it would tell too little of the shares of people who would say each
        class; none where classes are wanted.
    diagnostics
        Plain values: texts trained on, seconds per step, remarks for people.
    """

    consensus: Consensus
    pred_probs: Floats
    ranking: Ranking
    classifier: Fitted | None
    known: Bools
    diagnostics: Mapping[str, Any]

    @property
    def batch(self) -> Ints:
        """Positions of the texts of this round's batch, shape (B,)."""
        return self.ranking.texts[: self.diagnostics["batch"]]

    def headline(self) -> str:
        """Return the strategy, what was trained on and what is to be asked."""
        facts = self.diagnostics
        trained = f"trained on {facts['trained_on']:,} of {len(self.pred_probs):,} texts"
        remarks = "".join(f"; {remark}" for remark in facts["remarks"])
        return f"Round({facts['strategy']}: {trained}, {facts['batch']} to ask next{remarks})"

    def to_frame(self) -> DataFrame:
        """Return the batch: score, reason, and what is believed of each text now."""
        batch = self.ranking.to_frame().head(self.diagnostics["batch"])
        return batch.join(self.consensus.to_frame())


@single_threaded
def play_round(
    annotations: Annotations,
    features: Inputs | DataFrame,
    settings: Settings,
    rng: Rng,
    *,
    previous: Round | None = None,
    trainable: Bools | None = None,
    eligible: Bools | None = None,
    experts: Bools | None = None,
    tuned: Floats | None = None,
    machines: MachineVotes | None = None,
    pred_probs: Any = None,
    group: Ints | None = None,
    ordered: int | None = None,
) -> Round:
    """Train on what the annotators said, and rank what to ask next.

    Parameters
    ----------
    annotations
        Annotations of the pool of N texts in K >= 2 classes.
    features : table or array, shape (N, D), or sequence of N texts
        What the classifier takes; a pandas object is aligned by its index.
    settings
        Strategy, batch, caps and classifier.
    rng
        Breaks ties and draws the random share.
    previous
        The round before, for its probabilities and as a warm start.
    trainable : ndarray of bool, shape (N,), optional
        Texts the classifier may be trained on; default: all. The audit sample is kept out by it.
    eligible : ndarray of bool, shape (N,), optional
        Texts that may be asked; default: all.
    experts : ndarray of bool, shape (M,), optional
        Annotators who are reviewers, as in `jurybox.consensus.estimate_consensus`; default: nobody.
    tuned : ndarray, shape (N, K), optional
        Probabilities of an encoder that was tuned on labels, out of sample (see
        `jurybox.classifiers.cross_fitting`); a row of NaN is a text that it was not asked about. The round
        mixes them in as far as they help to foretell people's labels.
    machines : MachineVotes, optional
        What language models and rules say. They never vote: a panel that is trained on people's labels joins
        the classifier's probabilities, as far as it helps to foretell these. Before anybody has labelled a
        text, the machines' doubts order the pool, and nothing is called known.
    pred_probs : table or array, shape (N, K) or (P, N, K), optional
        Out-of-sample probabilities of a model, or of several, that is trained elsewhere: nothing is trained
        here then, and ``features`` are not looked at.
    group : ndarray of int, shape (N,), optional
        Groups of near-duplicates, as `jurybox.duplicates.find_duplicates` finds them: what is said of a text
        tells of the others of its group, as far as labels within groups agree.
    ordered
        How many texts of the ranking are in order, beyond the batch; default: all.

    Returns
    -------
    Round
        Where no text has a label yet the ranking is a spread over the pool, and the remarks say so.

    Raises
    ------
    InputError
        If features and annotations differ in length, or K < 2.
    """
    annotations, rng = as_annotations(annotations), generator(rng)
    if pred_probs is None:
        inputs: Inputs = rows_by_text(features, annotations.texts, "features")
    if machines is not None and len(machines.votes) != annotations.n_texts:
        raise InputError(f"machines has {len(machines.votes)} texts, expected {annotations.n_texts}")
    if annotations.n_classes < 2:
        raise InputError(f"the annotations have {annotations.n_classes} class, expected at least 2")
    strategy = get_strategy(settings.strategy, settings.target)
    clock = _Clock()
    trained = annotations.labelled if trainable is None else annotations.labelled & trainable
    fitted: Fitted | None
    say = 0.0
    if pred_probs is None:
        fitted, p = _train(
            annotations, inputs, settings.classifier, strategy, rng, previous, trained, experts, tuned
        )
        name, has_model = settings.classifier.name, fitted is not None
    else:
        fitted, name, has_model = None, "own probabilities", True
        p = _combined(annotations, ensemble(pred_probs, annotations.texts, annotations.classes), strategy)
    if machines is not None and fitted is not None:
        rows = np.flatnonzero(trained)
        pooled = pool_machines(p, machines, rows, annotations.counts[rows])
        p, say = pooled.pred_probs, pooled.say
    alike: dict[str, Any] = {}
    if group is not None and p.ndim == 2 and annotations.labelled.any():
        p, alike = _with_duplicates(annotations, p, group, experts)
    clock.lap("fit")
    consensus = strategy.consensus(annotations, p, experts, rng)
    clock.lap("consensus")
    known = np.zeros(annotations.n_texts, dtype=bool)
    if settings.target == "shares":
        known = known_shares(annotations, p, consensus, settings.least_gain)
    wanting = (annotations.n_labels < settings.max_labels) & ~known
    if eligible is not None:
        wanting = wanting & eligible
    if has_model:
        scores = strategy.score(annotations, p, consensus, rng)
    else:
        scores = rng.random(len(p)) if machines is None else uncertainty_of_machines(machines, rng)
    ranking, size = rank_texts(
        annotations.texts,
        annotations.n_labels,
        scores,
        wanting,
        rng,
        batch=settings.batch,
        random_share=settings.random_share,
        spread=not has_model,
        ordered=ordered,
    )
    clock.lap("rank")
    diagnostics = {
        "strategy": strategy.name,
        "classifier": name,
        "batch": size,
        "trained_on": int(trained.sum()),
        "wanting": len(ranking),
        "seconds": clock.laps,
        "second_gear": _share(fitted),
        "machines": 0 if machines is None else machines.n_sources,
        "machines_say": say,
        "near_duplicates": alike,
        "remarks": remarks_of(annotations, trained, len(ranking)),
    }
    return Round(consensus, p if p.ndim == 2 else p.mean(axis=0), ranking, fitted, known, diagnostics)


def _with_duplicates(
    annotations: Annotations, p: Floats, group: Ints, experts: Bools | None
) -> tuple[Floats, dict[str, Any]]:
    """Let labels tell of near-duplicates (N, K), as far as they have been found to; and what was found."""
    rows = np.flatnonzero(annotations.labelled)
    posterior = estimate_consensus(annotations.subset(texts=rows), experts=experts).posterior
    found = sameness(posterior, group[rows])
    return shared(p, posterior, rows, group, found.weight) if found.weight else p, asdict(found)


def _combined(annotations: Annotations, p: Floats, strategy: Strategy) -> Floats:
    """Return the probabilities that a strategy takes of those of several models (P, N, K)."""
    if len(p) == 1:
        return np.asarray(p[0])
    return p if strategy.ensembles else np.asarray(calibrated(annotations, p).mean(axis=0))


def _train(
    annotations: Annotations,
    features: Inputs,
    classifier: Classifier,
    strategy: Strategy,
    rng: np.random.Generator,
    previous: Round | None,
    trained: Bools,
    experts: Bools | None,
    tuned: Floats | None,
) -> tuple[Fitted | None, Floats]:
    """Fit the classifier to the labelled texts; return it and its probabilities of the pool (N, K)."""
    if not trained.any():
        return None, np.full(annotations.counts.shape, 1 / annotations.n_classes)
    before: Fitted | None = None
    p: Floats | None = None
    rows = np.flatnonzero(trained)
    seen = annotations.subset(texts=rows)  # what is kept out has no part in the targets either
    if previous is not None and previous.classifier is not None:
        before, p = previous.classifier, np.asarray(previous.pred_probs[rows], dtype=np.float64)
    x = _rows(features, rows)
    weights = seen.n_labels.astype(np.float64) if strategy.weighted else None
    for _ in range(2 if strategy.asks_model and p is None else 1):
        targets = strategy.targets(seen, p, experts, rng)
        before = classifier.fit(x, targets, weights, previous=_inner(before))
        if strategy.calibrated or tuned is not None:  # a published method mixes by the labels it trains on
            before = calibrate(
                before,
                seen.counts if strategy.calibrated else targets,
                None if tuned is None else tuned[rows],
            )
        p = before.out_of_sample
    assert before is not None  # noqa: S101
    pred_probs = np.array(
        before.predict_proba(features, tuned)
        if isinstance(before, CalibratedFitted)
        else before.predict_proba(features)
    )
    pred_probs[rows] = before.out_of_sample
    return before, pred_probs


def _share(fitted: Fitted | None) -> float:
    """Return what share of the say the tuned encoder has, from 0 to 1."""
    if not isinstance(fitted, CalibratedFitted) or fitted.mixed is None:
        return 0.0
    head, tuned = fitted.mixed.scales
    return float(tuned / (head + tuned))


def _inner(fitted: Fitted | None) -> Fitted | None:
    return fitted.inner if isinstance(fitted, CalibratedFitted) else fitted


def _rows(features: Inputs, rows: Ints) -> Inputs:
    return features[rows] if isinstance(features, np.ndarray) else [features[row] for row in rows]


def remarks_of(annotations: Annotations, trained: Bools, n_wanting: int) -> list[str]:
    """Say what the round had to do without."""
    remarks = []
    if not trained.any():
        remarks.append("no labelled text to train on: the order is a spread over the pool")
    else:
        seen = np.unique(annotations.label[trained[annotations.text]])
        if len(seen) == 1:
            remarks.append(f"every label so far is {annotations.classes[seen[0]]!r}")
        elif len(seen) < annotations.n_classes:
            absent = [str(annotations.classes[k]) for k in range(annotations.n_classes) if k not in seen]
            remarks.append(f"nobody has chosen {', '.join(absent)} yet")
    if n_wanting == 0:
        remarks.append("no text wants another label")
    return remarks


class _Clock:
    """Seconds per step."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._start = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name] = now - self._start
        self._start = now
