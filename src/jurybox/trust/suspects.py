"""Who does not do the work: answers without looking, always alike, with classes exchanged, or copied.

The probability is the share of posterior draws in which that is the annotator's habit (see
`jurybox.trust.habits`), where seconds are known corrected by speed: someone much faster than colleagues is
likelier not to look, but never on that alone. Two who agree because both are right are no copycats: they must
share wrong labels. The evidence is given as numbers beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Rng, generator
from jurybox.trust.annotators import (
    PairAgreements,
    median_per_annotator,
    pairwise_agreement,
)
from jurybox.trust.copying import Copycats, find_sources
from jurybox.trust.habits import CAREFUL, CONSTANT, COPYING, EXPERT, PECULIAR, RANDOM, SWAPPED
from jurybox.trust.observed import Observed
from jurybox.trust.posterior import Draws

__all__ = ["Suspect", "Suspicion", "find_copycats", "find_suspects"]

Suspicion: TypeAlias = Literal["random", "constant", "swapped", "copycat", "either"]

_KINDS: tuple[Suspicion, ...] = ("random", "constant", "swapped", "copycat")
_ENOUGH = 0.5  # probability at which a look is due
_TOLD_APART = 0.9  # of two people and nobody else: from here on it is this one and not the other
_BLIND = 0.1  # of the way from chance to perfect; whoever gets no further might as well not look
_SPREAD = 0.45  # of honest annotators' log median seconds around the crowd's
_FAST = -1.1, 0.6  # log median seconds of those who do not look, relative to the crowd's: mean, spread
_MOST_BY_SPEED = 20.0
_LEAST_WRONG = 1.5  # labels that a copycat shares with the source and that probably are wrong


@dataclass(frozen=True)
class Suspect:
    """An annotator whose labels are worth a look, or nothing.

    Attributes
    ----------
    annotator
        Identifier.
    kind
        ``"random"``: answers do not depend on the text; ``"constant"``: nearly always the same class;
        ``"swapped"``: exchanges classes; ``"copycat"``: the labels are those of ``other``; ``"either"``:
        this one or ``other`` answers without looking, and labels of nobody else tell who.
    probability
        That this is so, or, if it is not, another of these kinds is.
    n_annotations
        Labels given.
    evidence
        Figures for a person to judge by: ``kappa``, mean chance-corrected agreement with colleagues;
        ``commonest``, the share of the commonest answer, and ``expected``, the classes' share of it;
        ``exchanged``, how often the exchanged classes are answered for each other; ``shared``, ``agreement``
        with ``other``, ``wrong_shared``, texts on which both are probably wrong alike, and ``later``, the
        share of shared texts labelled after ``other``; ``seconds`` and ``speed``, median seconds and how many
        times the crowd's median they are. Those that do not apply or are unknown are left out. The quality is
        not among them: these draws have another one than `jurybox.trust.annotators`.
    other
        Who was copied, as far as times tell, else the one of both with more labels; of two, the other one.
    """

    annotator: Any
    kind: Suspicion
    probability: float
    n_annotations: int
    evidence: Mapping[str, float]
    other: Any | None = None


def find_suspects(observed: Observed, *, rng: Rng) -> tuple[Suspect, ...]:
    """Name the annotators who are no honest ones with a probability above 0.5, the surest first.

    Parameters
    ----------
    observed
        The annotations, and what else is known. Experts are never suspected. More than 12 classes are taken
        together in groups first, see `jurybox.trust.observed.Observed.in_few_classes`.
    rng
        Source of all randomness.

    Raises
    ------
    InputError
        As `draw_posterior`, and if ``times`` or ``seconds`` is not of shape (L,).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> right = rng.integers(2, size=60)
    >>> annotations = Annotations.from_wide(np.column_stack([right, right, right, rng.integers(2, size=60)]))
    >>> [(int(suspect.annotator), suspect.kind) for suspect in find_suspects(Observed(annotations), rng=rng)]
    [(3, 'random')]
    """
    rng = generator(rng)
    _, took = observed.measured()
    observed = replace(observed, draws=observed.drawn(rng))
    annotations, draws = observed.in_few_classes().annotations, observed.drawn(rng)
    copycats = find_copycats(observed, rng=rng)
    speed = _relative_speed(annotations, took)
    evidence = _Evidence(annotations, draws, copycats, took)
    share = _habit_shares(draws)
    share[:, 3] = copycats.probability
    others = share[:, :3].sum(axis=1)
    share[:, :3] *= np.minimum((1 - share[:, 3]) / np.maximum(others, 1e-12), 1)[:, None]
    probability = _weigh_speed(share, speed)
    if (pair := _not_told_apart(annotations, draws, probability)) is not None:
        together = min(float(probability[list(pair), 0].sum()), 1.0)
        return tuple(evidence.suspect(one, "either", together, other) for one, other in (pair, pair[::-1]))
    suspected = np.flatnonzero(probability.sum(axis=1) > _ENOUGH)
    order = suspected[np.argsort(-probability[suspected].sum(axis=1), kind="stable")]
    found: dict[Any, Suspect] = {}
    for j in order:
        kind = _KINDS[int(probability[j].argmax())]
        suspect = evidence.suspect(int(j), kind, float(probability[j].sum()))
        found.setdefault(suspect.annotator, suspect)
    return tuple(found.values())


def find_copycats(observed: Observed, *, rng: Rng) -> Copycats:
    """Say of everybody how likely they copied, and from whom; what is known already is not looked for again.

    Parameters
    ----------
    observed
        As of `find_suspects`. Of a project with several questions, all answers to a text are one class.
    rng
        Source of all randomness.

    Raises
    ------
    InputError
        As `find_suspects`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> said = rng.integers(2, size=(60, 3))
    >>> both = Annotations.from_wide(np.column_stack([said, said[:, 2]]))
    >>> found = find_copycats(Observed(both), rng=rng)
    >>> found.source.tolist(), bool(found.probability[3] > 0.9)
    ([-1, -1, -1, 2], True)
    """
    if observed.copycats is not None:
        return observed.copycats
    annotations = observed.in_few_classes().annotations
    source = find_sources(annotations).source
    probability = np.zeros(len(source))
    figures: list[Mapping[str, float]] = [{}] * len(source)
    if (source >= 0).any():  # draws take their time
        draws, (when, _) = observed.drawn(rng), observed.measured()
        probability = (draws.kinds == COPYING).mean(axis=0)
        for j in np.flatnonzero(probability).tolist():
            figures[j] = _in_common(annotations, draws, when, j, int(source[j]))
            if figures[j]["wrong_shared"] < _LEAST_WRONG:
                probability[j] = 0.0
    return Copycats(np.where(probability > 0, source, -1), probability, tuple(figures))


def _in_common(
    annotations: Annotations, draws: Draws, when: Floats | None, j: int, source: int
) -> dict[str, float]:
    """Return what annotator j has in common with a source: texts, labels, wrong ones, and who was later."""
    own, theirs = (np.flatnonzero(annotations.annotator == one) for one in (j, source))
    _, mine, yours = np.intersect1d(annotations.text[own], annotations.text[theirs], return_indices=True)
    mine, yours = own[mine], theirs[yours]
    alike = annotations.label[mine] == annotations.label[yours]
    place = np.searchsorted(draws.texts, annotations.text[mine])
    wrong = (draws.labels[:, place] != annotations.label[mine]).mean(axis=0)
    figures = {
        "shared": float(len(mine)),
        "agreement": float(alike.mean()),
        "wrong_shared": float(wrong[alike].sum()),
    }
    if when is not None:
        order = when[mine] - when[yours]
        known = np.isfinite(order)
        if known.any():
            figures["later"] = float((order[known] > 0).mean())
    return figures


def _not_told_apart(annotations: Annotations, draws: Draws, probability: Floats) -> tuple[int, int] | None:
    """Return the two who are the whole crowd, if one of them does not look and nothing tells who."""
    given = np.flatnonzero(annotations.labels_per_annotator)
    if len(given) != 2 or (draws.kinds[:, given] == EXPERT).any():
        return None
    random = probability[given, 0]
    if not (random > 0).all() or random.sum() <= _ENOUGH or random.max() >= _TOLD_APART:
        return None
    if (probability[given, 1:].sum(axis=1) > _ENOUGH).any():
        return None
    return int(given[0]), int(given[1])


def _habit_shares(draws: Draws) -> Floats:
    """Return the probability of each suspicion, shape (M, 4).

    The peculiar count as swapped where two of their classes are answered for each other mostly; and they and
    the careful as random where their answers hardly depend on the text.
    """
    K = draws.confusion.shape[-1]
    mostly = draws.confusion > 0.5
    mutual = (mostly & mostly.transpose(0, 1, 3, 2)) & ~np.eye(K, dtype=bool)
    swapped = (draws.kinds == SWAPPED) | ((draws.kinds == PECULIAR) & mutual.any(axis=(2, 3)))
    right = np.einsum("sjkk->sj", draws.confusion) / K
    blind = np.isin(draws.kinds, [CAREFUL, PECULIAR]) & (np.abs(right - 1 / K) < _BLIND * (1 - 1 / K))
    random = (draws.kinds == RANDOM) | (blind & ~swapped)
    kinds = [random, draws.kinds == CONSTANT, swapped, draws.kinds == COPYING]
    return np.asarray(np.stack([kind.mean(axis=0) for kind in kinds], axis=1))


def _relative_speed(annotations: Annotations, seconds: Floats | None) -> Floats:
    """Return each annotator's median seconds as a multiple of the crowd's median (M,); NaN unknown."""
    median = median_per_annotator(annotations, seconds)
    known = np.isfinite(median) & (median > 0)
    crowd = float(np.median(median[known])) if known.sum() > 1 else np.nan
    return np.asarray(np.where(known, median, np.nan) / crowd)


def _weigh_speed(probability: Floats, speed: Floats) -> Floats:
    """Return the probabilities (M, 4) given the speed (M,) too: half of those who do not look are fast."""
    log_speed = np.log(np.where(np.isfinite(speed), speed, 1.0))
    mean, spread = _FAST
    usual = np.exp(-0.5 * (log_speed / _SPREAD) ** 2) / _SPREAD
    fast = np.exp(-0.5 * ((log_speed - mean) / spread) ** 2) / spread
    ratio = np.clip((0.5 * usual + 0.5 * fast) / usual, 1 / _MOST_BY_SPEED, _MOST_BY_SPEED)
    ratio = np.where(np.isfinite(speed), ratio, 1.0)
    ratio = np.where(log_speed > 0, np.minimum(ratio, 1.0), ratio)  # slowness is no sign of not looking
    weight = np.column_stack([ratio, ratio, np.ones(len(ratio)), ratio])
    weighed = probability * weight
    honest = 1 - probability.sum(axis=1)
    return np.asarray(weighed / (weighed.sum(axis=1) + honest)[:, None])


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What the suspects' figures are made of."""

    annotations: Annotations
    draws: Draws
    copycats: Copycats
    seconds: Floats | None

    @cached_property
    def pairs(self) -> PairAgreements:
        """How far every two agree."""
        return pairwise_agreement(self.annotations)

    def suspect(self, j: int, kind: Suspicion, probability: float, other: int | None = None) -> Suspect:
        """Describe annotator j; of two who share their labels, the later one is the copycat."""
        source = int(self.copycats.source[j])
        figures: dict[str, float] = {}
        if kind == "copycat":
            figures = dict(self.copycats.figures[j])
            reviewed = bool((self.draws.kinds[:, source] == EXPERT).all())
            if figures.get("later", 1.0) < 0.5 and not reviewed:
                j, source = source, j
                figures["later"] = 1 - figures["later"]
            other = source
        elif kind != "swapped":
            figures = self._commonest(j)
        else:
            figures = self._exchanged(j)
        return Suspect(
            annotator=self.annotations.annotators[j],
            kind=kind,
            probability=probability,
            n_annotations=int(self.annotations.labels_per_annotator[j]),
            evidence=self._about(j) | figures,
            other=None if other is None else self.annotations.annotators[other],
        )

    def _about(self, j: int) -> dict[str, float]:
        figures: dict[str, float] = {}
        kappa, shared = self.pairs.kappa[j], self.pairs.shared[j]
        defined = np.isfinite(kappa) & (np.arange(len(kappa)) != j)
        if defined.any():
            figures["kappa"] = float(np.average(kappa[defined], weights=shared[defined]))
        median = median_per_annotator(self.annotations, self.seconds)[j]
        if np.isfinite(median):
            figures["seconds"] = float(median)
            speed = float(_relative_speed(self.annotations, self.seconds)[j])
            if np.isfinite(speed):
                figures["speed"] = speed
        return figures

    def _commonest(self, j: int) -> dict[str, float]:
        given = np.bincount(
            self.annotations.label[self.annotations.annotator == j], minlength=self.annotations.n_classes
        )
        commonest = int(given.argmax())
        share = float(given[commonest] / max(given.sum(), 1))
        return {"commonest": share, "expected": float(self.draws.shares[:, commonest].mean())}

    def _exchanged(self, j: int) -> dict[str, float]:
        mean = self.draws.confusion[:, j].mean(axis=0)
        mutual = np.minimum(mean, mean.T) * (1 - np.eye(len(mean)))
        return {"exchanged": float(mutual.max())}
