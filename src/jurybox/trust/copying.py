"""Who may have copied from whom: for each annotator the colleague that the answers resemble most.

Copies are no second opinion. Given a possible source, an annotator's answers to shared texts either are the
source's nearly always, whatever the texts' classes are, or come from a habit of the annotator's own; `Pairs`
weighs both. What others say of those texts is given. Both annotators' confusions and the classes of the texts
are integrated out under either hypothesis: given classes that copies have outvoted, or the confusion of a
source who is confirmed by copies, everything would speak for the one hypothesis that led there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, log_total, total_by
from jurybox.trust.habits import AnswerCounts, Habits

__all__ = [
    "Copycats",
    "Copying",
    "HabitPrior",
    "Pairs",
    "draw_classes",
    "draw_position",
    "find_sources",
    "shared_and_agreed",
]

_REFITS = 3  # of the source alone, which may be far from the present confusion
_LEAST_SHARED = 8
_LEAST_AGREEMENT = 0.88
_TAKEN_OVER = np.array([0.92, 0.96, 0.99])  # share of labels; no less, or two good annotators look alike


@dataclass(frozen=True, eq=False)
class Copycats:
    """What is believed of who copies, of each of M annotators.

    Attributes
    ----------
    source : ndarray of int, shape (M,)
        Position of the colleague whose labels they may have copied; -1 where that is out of question.
    probability : ndarray, shape (M,)
        That they did; 0 without a source.
    figures : tuple of M mappings
        What a person can judge it by: see `jurybox.trust.suspects.Suspect`.
    """

    source: Ints
    probability: Floats
    figures: tuple[Mapping[str, float], ...]

    def of(self, annotators: Ints) -> Copycats:
        """Return what is believed of some, in this order; who copies somebody else is not known to copy."""
        place = np.full(len(self.source) + 1, -1)
        place[annotators] = np.arange(len(annotators))
        source = place[self.source[annotators]]
        probability = np.where(source < 0, 0.0, self.probability[annotators])
        return Copycats(source, probability, tuple(self.figures[j] for j in annotators))

    def among(self, n_annotators: int) -> Copycats:
        """Return the same among so many annotators, of whom those who are new do not copy."""
        new = n_annotators - len(self.source)
        source, probability = (
            np.pad(self.source, (0, new), constant_values=-1),
            np.pad(self.probability, (0, new)),
        )
        return Copycats(source, probability, self.figures + ({},) * new)


@dataclass(frozen=True, eq=False)
class Copying:
    """The possible source of each of M annotators.

    Attributes
    ----------
    source : ndarray of int, shape (M,)
        Position of the colleague, -1 where nobody comes into question.
    shared, agreed : ndarray of int, shape (M,)
        Texts that both labelled, and those to which they gave the same class.
    rows : ndarray of bool, shape (L,)
        Annotations of texts that the source labelled too.
    partner : ndarray of int, shape (R,)
        Positions of the source's annotations of these texts.
    log_chance : ndarray, shape (M,)
        Log probability that a copycat copies from this source and no other: who copies a label needs somebody
        who has given one, so it is the share that the source has in what the annotator shares with anybody.
    """

    source: Ints
    shared: Ints
    agreed: Ints
    rows: Bools
    partner: Ints
    log_chance: Floats
    probability: Floats | None = None

    @classmethod
    def of(
        cls,
        annotations: Annotations,
        source: Ints,
        shared: Ints,
        agreed: Ints,
        probability: Floats | None = None,
    ) -> Copying:
        """Lay out what annotators (M,) have in common with their sources; both counts are (M, M)."""
        every, found = np.arange(len(source)), source >= 0
        with_source = np.where(found, shared[every, source], 0)
        with_anybody = shared.sum(axis=1) - np.diag(shared)
        rows, partner = _in_common(annotations, source)
        return cls(
            source=source,
            shared=with_source,
            agreed=np.where(found, agreed[every, source], 0),
            rows=rows,
            partner=partner,
            log_chance=np.log(np.where(found, with_source, 1) / np.maximum(with_anybody, 1)),
            probability=probability,
        )

    def log_evidence(self, n_classes: int) -> Floats:
        """Return the log probability of the answers to shared texts if they are copies, shape (M,)."""
        changed = self.shared - self.agreed
        each = np.outer(self.agreed, np.log(_TAKEN_OVER)) + np.outer(changed, np.log1p(-_TAKEN_OVER))
        return np.asarray(
            log_total(each, axis=1) - np.log(len(_TAKEN_OVER)) - changed * np.log(n_classes - 1)
        )


def shared_and_agreed(annotations: Annotations) -> tuple[Ints, Ints]:
    """Return for every two annotators how many texts both labelled, and how many alike, shape (M, M)."""
    shape = annotations.n_annotators, annotations.n_texts
    ones = np.ones(len(annotations), dtype=np.int64)
    labelled = sparse.csr_array((ones, (annotations.annotator, annotations.text)), shape=shape)
    cell = annotations.text.astype(np.int64) * annotations.n_classes + annotations.label
    chosen = sparse.csr_array(
        (ones, (annotations.annotator, cell)), shape=(shape[0], shape[1] * annotations.n_classes)
    )
    return (labelled @ labelled.T).toarray(), (chosen @ chosen.T).toarray()


def find_sources(annotations: Annotations, known: Copycats | None = None) -> Copying:
    """Find each annotator's likeliest source among those with more labels (or as many, and listed before).

    Where it is known, from other answers, nothing is looked for. The order keeps anyone from copying, by
    detours, from themselves; which of two annotators did copy is another question, that times answer.
    """
    M = annotations.n_annotators
    shared, agreed = shared_and_agreed(annotations)
    if known is not None:
        return Copying.of(annotations, known.source, shared, agreed, known.probability)
    n = annotations.labels_per_annotator
    rank = np.empty(M, dtype=np.int64)
    rank[np.lexsort((np.arange(M), -n))] = np.arange(M)
    share = agreed / np.maximum(shared, 1)
    possible = (rank < rank[:, None]) & (shared >= _LEAST_SHARED) & (share >= _LEAST_AGREEMENT)
    smoothed = (agreed + 1) / (shared + 2)
    sure = smoothed - 1.5 * np.sqrt(smoothed * (1 - smoothed) / (shared + 3))
    best = np.where(possible, sure, -np.inf).argmax(axis=1) if M else np.zeros(0, dtype=np.int64)
    return Copying.of(annotations, np.where(possible.any(axis=1), best, -1), shared, agreed)


def _in_common(annotations: Annotations, source: Ints) -> tuple[Bools, Ints]:
    """Return which annotations (L,) are of texts that the source labelled too, and where the source's are."""
    M, text = annotations.n_annotators, annotations.text.astype(np.int64)
    given, wanted = text * M + annotations.annotator, text * M + source[annotations.annotator]
    order = np.argsort(given)
    place = order[np.searchsorted(given, wanted, sorter=order).clip(max=len(given) - 1)]
    rows = (source >= 0)[annotations.annotator] & (given[place] == wanted)
    return rows, place[rows]


@dataclass(frozen=True, eq=False)
class HabitPrior:
    """What C chains believe of annotators before their answers.

    Attributes
    ----------
    habits
        The H habits.
    log_share : ndarray, shape (C, H)
        Logarithm of each habit's share.
    crowd, scatter
        As for `Habits.log_evidence`.
    """

    habits: Habits
    log_share: Floats
    crowd: Floats
    scatter: Ints

    def log_joint(self, tally: AnswerCounts, closed: Floats) -> Floats:
        """Return the log probability of each habit and the answers together, shape (C, M, H).

        ``closed`` (M, H) is -inf where an annotator cannot have a habit, else 0.
        """
        evidence = self.habits.log_evidence(tally, self.crowd, self.scatter)
        return evidence + self.log_share[:, None] + closed

    def draw(self, tally: AnswerCounts, closed: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw confusions (C, M, K, K) given answers, and return the answers' log probability (C, M)."""
        log_p = self.log_joint(tally, closed)
        habit = draw_classes(log_p, rng)
        confusion = self.habits.draw_confusions(habit, tally, self.crowd, self.scatter, rng)
        return confusion, np.asarray(log_total(log_p, axis=2))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Q annotators who may copy, each with the source, and R texts that both labelled.

    Attributes
    ----------
    copier, source : ndarray of int, shape (Q,)
        Both annotators.
    pair : ndarray of int, shape (R,)
        Of whom a text is in question.
    mine, theirs : ndarray of int, shape (R,)
        What the possible copier and the source answered.
    """

    copier: Ints
    source: Ints
    pair: Ints
    mine: Ints
    theirs: Ints

    @classmethod
    def of(cls, annotations: Annotations, copying: Copying) -> Pairs:
        """Collect them."""
        copier = np.flatnonzero(copying.source >= 0)
        place = np.full(annotations.n_annotators, -1)
        place[copier] = np.arange(len(copier))
        rows = np.flatnonzero(copying.rows)
        return cls(
            copier,
            copying.source[copier],
            place[annotations.annotator[rows]],
            annotations.label[rows].astype(np.int64),
            annotations.label[copying.partner].astype(np.int64),
        )

    def log_odds(
        self,
        prior: HabitPrior,
        closed: Floats,
        others: Floats,
        confusion: Floats,
        elsewhere: tuple[AnswerCounts, AnswerCounts],
        rng: np.random.Generator,
    ) -> Floats:
        """Estimate ``log p(source's answers) / p(both's answers)`` if they are independent, shape (C, Q).

        This is Chib's identity (1995, JASA 90:1313) at confusions drawn given drawn classes,
        ``p(y) = p(y | pi) p(pi) / p(pi | y)``, whose average is right however they are drawn.

        Parameters
        ----------
        prior
            Of habits and confusions.
        closed : ndarray, shape (M, H)
            As for `HabitPrior.log_joint`.
        others : ndarray, shape (C, R, K)
            Log probabilities of the classes by everybody else.
        confusion : ndarray, shape (C, M, K, K)
            Present confusions, from which classes are drawn.
        elsewhere
            The answers of copiers and of sources to other texts.
        rng
            Source of all randomness.
        """
        others = others - log_total(others, axis=2)[..., None]
        theirs = self._said(confusion[:, self.source], self.theirs)
        both = theirs + self._said(confusion[:, self.copier], self.mine)
        shared = draw_classes(others + both, rng)
        copier = _Answers.of(prior, closed[self.copier], self.mine, elsewhere[0])
        source = _Answers.of(prior, closed[self.source], self.theirs, elsewhere[1])
        mine, copier_fit = self._fit(prior, copier, shared, rng)
        joint, source_fit = self._fit(prior, source, shared, rng)
        single = theirs / 2  # less sure of what copies may have confirmed
        for _ in range(_REFITS):
            alone = draw_classes(others + single, rng)
            single, single_fit = self._fit(prior, source, alone, rng)
        ratio = log_total(others + single, axis=2) - log_total(others + mine + joint, axis=2)
        cell = self.pair + np.arange(len(ratio))[:, None] * len(self.copier)
        total = total_by(cell.ravel(), ratio.ravel(), len(ratio) * len(self.copier))
        return np.asarray(total.reshape(len(ratio), -1) - single_fit + copier_fit + source_fit)

    def elsewhere(self, tally: AnswerCounts, classes: Ints) -> tuple[AnswerCounts, AnswerCounts]:
        """Return what copiers and sources answered to other texts, by all answers and classes (C, R)."""
        K = tally.counts.shape[-1]
        return (
            AnswerCounts(tally.counts[:, self.copier] - self._count(classes, self.mine, K)),
            AnswerCounts(tally.counts[:, self.source] - self._count(classes, self.theirs, K)),
        )

    def _count(self, classes: Ints, answer: Ints, K: int) -> Floats:
        """Count answers (R,) to texts of classes (C, R), shape (C, Q, K, K)."""
        C, size = len(classes), len(self.copier) * K * K
        cell = (self.pair * K + classes) * K + answer + np.arange(C)[:, None] * size
        return np.bincount(cell.ravel(), minlength=C * size).reshape(C, -1, K, K).astype(np.float64)

    def _said(self, confusion: Floats, answer: Ints) -> Floats:
        """Return how likely each class makes an answer, logarithm, shape (C, R, K)."""
        return np.asarray(np.log(confusion[:, self.pair, :, answer]).transpose(1, 0, 2))

    def _fit(
        self, prior: HabitPrior, given: _Answers, classes: Ints, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Draw confusions given classes (C, R); return `_said`, and how far they fit better than expected."""
        here = self._count(classes, given.answer, prior.habits.n_classes)
        confusion, total = prior.draw(AnswerCounts(here + given.elsewhere.counts), given.closed, rng)
        fit = (here * np.log(confusion)).sum(axis=(2, 3))
        return self._said(confusion, given.answer), fit - (total - given.log_elsewhere)


@dataclass(frozen=True, eq=False)
class _Answers:
    """What one of each pair answered: to the R texts in common, and elsewhere."""

    closed: Floats  # (Q, H)
    answer: Ints  # (R,)
    elsewhere: AnswerCounts
    log_elsewhere: Floats  # (C, Q), log probability of the answers elsewhere

    @classmethod
    def of(cls, prior: HabitPrior, closed: Floats, answer: Ints, elsewhere: AnswerCounts) -> _Answers:
        log_elsewhere = log_total(prior.log_joint(elsewhere, closed), axis=2)
        return cls(closed, answer, elsewhere, log_elsewhere)


def draw_classes(log_weights: Floats, rng: np.random.Generator) -> Ints:
    """Draw a position on the last axis with probability proportional to weights (C, X, K), logarithms."""
    weights = np.exp(log_weights - log_weights.max(axis=2, keepdims=True))
    cumulative = np.cumsum(weights, axis=2)
    threshold = rng.random(weights.shape[:2]) * cumulative[..., -1]
    return np.asarray((cumulative <= threshold[..., None]).sum(axis=2).clip(max=weights.shape[2] - 1))


def draw_position(log_weights: Floats, rng: np.random.Generator) -> Ints:
    """Draw one position per row of log weights (C, Q)."""
    return draw_classes(log_weights[:, None], rng)[:, 0]
