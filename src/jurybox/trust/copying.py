"""Who may have copied from whom: for each annotator the colleague that the answers resemble most.

Copies are no second opinion. Given a possible source, an annotator's answers to shared texts either are the
source's nearly always, whatever the texts' classes are, or come from a habit of the annotator's own;
`jurybox.trust.pairs` weighs both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import logsumexp

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints

__all__ = ["Copying", "find_sources", "shared_and_agreed"]

_LEAST_SHARED = 8
_LEAST_AGREEMENT = 0.88
_TAKEN_OVER = np.array([0.92, 0.96, 0.99])  # share of labels; no less, or two good annotators look alike


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

    def log_evidence(self, n_classes: int) -> Floats:
        """Return the log probability of the answers to shared texts if they are copies, shape (M,)."""
        changed = self.shared - self.agreed
        each = np.outer(self.agreed, np.log(_TAKEN_OVER)) + np.outer(changed, np.log1p(-_TAKEN_OVER))
        return np.asarray(
            logsumexp(each, axis=1) - np.log(len(_TAKEN_OVER)) - changed * np.log(n_classes - 1)
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


def find_sources(annotations: Annotations) -> Copying:
    """Find each annotator's likeliest source among those with more labels (or as many, and listed before).

    The order keeps anyone from copying, by detours, from themselves; which of two annotators did copy is
    another question, that times answer.
    """
    M = annotations.n_annotators
    shared, agreed = shared_and_agreed(annotations)
    n = annotations.labels_per_annotator
    rank = np.empty(M, dtype=np.int64)
    rank[np.lexsort((np.arange(M), -n))] = np.arange(M)
    share = agreed / np.maximum(shared, 1)
    possible = (rank < rank[:, None]) & (shared >= _LEAST_SHARED) & (share >= _LEAST_AGREEMENT)
    smoothed = (agreed + 1) / (shared + 2)
    sure = smoothed - 1.5 * np.sqrt(smoothed * (1 - smoothed) / (shared + 3))
    best = np.where(possible, sure, -np.inf).argmax(axis=1) if M else np.zeros(0, dtype=np.int64)
    every = np.arange(M)
    source = np.where(possible.any(axis=1), best, -1)
    found = source >= 0
    with_source = np.where(found, shared[every, best], 0)
    with_anybody = shared.sum(axis=1) - np.diag(shared)
    given = annotations.text.astype(np.int64) * M + annotations.annotator
    wanted = annotations.text.astype(np.int64) * M + source[annotations.annotator]
    order = np.argsort(given)
    place = order[np.searchsorted(given, wanted, sorter=order).clip(max=len(given) - 1)]
    rows = found[annotations.annotator] & (given[place] == wanted)
    return Copying(
        source=source,
        shared=with_source,
        agreed=np.where(found, agreed[every, best], 0),
        rows=rows,
        partner=place[rows],
        log_chance=np.log(np.where(found, with_source, 1) / np.maximum(with_anybody, 1)),
    )
