"""What labels and a classifier say of each text, laid out for fitting: sparse, a row a possibility.

A pair is a text and a class that comes into question for it; a cell is an annotator and a class that comes
into question for a text of theirs. With few classes every class comes into question for every text. With
many, only those do that somebody chose or that the classifier finds likely, and "none of them" stands for
the rest, so that nothing grows with annotators times classes squared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints

__all__ = ["FEW_CLASSES", "Evidence", "Mixing", "beyond_shares"]

FEW_CLASSES = 12  # up to which every class comes into question, and confusions of class and class are learnt
_LIKELIEST = 2  # classes of the classifier that come into question besides those chosen
_LEAST = 1e-4  # a classifier's certainty is bounded, so that annotators can contradict it
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Mixing:
    """Which wrong answers were given to which texts, for learning what classes are taken for each other.

    Attributes
    ----------
    annotator, right, said : ndarray of int, shape (X,)
        An annotator, a class that comes into question and another class that they answered.
    given : csr_array, shape (P, X)
        How often this holds for each pair.
    back : csr_array, shape (X, P)
        Its transpose.
    """

    annotator: Ints
    right: Ints
    said: Ints
    given: csr_array
    back: csr_array


@dataclass(frozen=True, eq=False)
class Evidence:
    """The labels of T labelled texts by M annotators, in P pairs, U cells and B biases.

    Attributes
    ----------
    n_annotators, n_classes : int
        M and K.
    shares : ndarray, shape (K,)
        Of the labels, smoothed by one label a class.
    texts : ndarray of int, shape (T,)
        Positions of the labelled texts.
    pair_text, pair_class : ndarray of int, shape (P,)
        Row of the text, and the class; K stands for none of the others. With few classes all texts with the
        first come first, and so on; with many, all classes of the first text.
    start : ndarray of int, shape (T,)
        First pair of each text, with many classes.
    log_share : ndarray, shape (P,)
        Logarithm of the class's share; of all that do not come into question for K.
    told : ndarray, shape (P,)
        How much likelier than its share the classifier finds the class, logarithm; 0 without classifier.
    cell_annotator, cell_class : ndarray of int, shape (U,)
        Annotator and class of each cell.
    cell_bias : ndarray of int, shape (U,)
        The cell's bias; B where it has none.
    bias_annotator, bias_class, bias_count : ndarray of int, shape (B,)
        Annotator, class and number of such labels.
    vote_text, vote_bias : ndarray of int, shape (V,)
        Row of the text and bias of each label that is learnt from.
    given : csr_array, shape (P, 2 U)
        For each pair: cells whose annotator answered the class, then cells whose annotator did not.
    back : csr_array, shape (2 U, P)
        Its transpose.
    mixing : Mixing or None
        None with two classes, where a wrong answer is the other class, or with many.
    single : int
        Texts with one label.
    asked_model : bool
        Whether there was a classifier.
    rank : ndarray, shape (K,), or None
        The classes' places on a scale, with mean 0 and variance 1; None where they have no order.
    """

    n_annotators: int
    n_classes: int
    shares: Floats
    texts: Ints
    pair_text: Ints
    pair_class: Ints
    start: Ints
    log_share: Floats
    told: Floats
    cell_annotator: Ints
    cell_class: Ints
    cell_bias: Ints
    bias_annotator: Ints
    bias_class: Ints
    bias_count: Ints
    vote_text: Ints
    vote_bias: Ints
    given: csr_array
    back: csr_array
    mixing: Mixing | None
    single: int
    asked_model: bool
    rank: Floats | None = None

    @property
    def few(self) -> bool:
        """Whether every class comes into question for every text."""
        return self.n_classes <= FEW_CLASSES

    @classmethod
    def of(cls, annotations: Annotations, p: Floats | None, chosen: Bools) -> Evidence:
        """Lay out some labels (L,), and probabilities (N, K) or None."""
        K, M = annotations.n_classes, annotations.n_annotators
        texts = np.flatnonzero(annotations.labelled)
        votes = np.flatnonzero(chosen)
        row = np.searchsorted(texts, annotations.text)
        counts = np.bincount(annotations.label[votes], minlength=K) + 1.0
        shares = counts / counts.sum()
        likely = None if p is None else p[texts]
        pair_text, pair_class = _pairs(len(texts), K, row, annotations.label.astype(np.int64), likely)
        few = K <= FEW_CLASSES
        start = np.zeros(0, dtype=np.int64) if few else np.searchsorted(pair_text, np.arange(len(texts)))
        log_share, told = _beforehand(pair_text, pair_class, len(texts), shares, likely)
        row, who, said = (
            row[votes],
            annotations.annotator[votes].astype(np.int64),
            annotations.label[votes].astype(np.int64),
        )
        if few:
            vote = np.tile(np.arange(len(row)), K)
            pair = np.repeat(np.arange(K) * len(texts), len(row)) + row[vote]
        else:
            size = np.diff(np.append(start, len(pair_text)))[row]
            vote = np.repeat(np.arange(len(row)), size)
            pair = np.arange(len(vote)) - np.repeat(np.cumsum(size) - size - start[row], size)
        of_class, by, label = pair_class[pair], who[vote], said[vote]
        if few:
            cells, cell = np.arange(M * K), by * K + of_class
            biases = cells
        else:
            cells, cell = np.unique(by * (K + 1) + of_class, return_inverse=True)
            biases = np.unique(who * K + said)
        width = K if few else K + 1
        key = np.where(cells % width < K, cells // width * K + cells % width, -1)
        found = np.searchsorted(biases, key).clip(max=max(len(biases) - 1, 0))
        known = (biases[found] == key) if len(biases) else np.zeros(len(cells), dtype=bool)
        wrong = label != of_class
        given = csr_array(
            (np.ones(len(cell)), (pair, cell + wrong * len(cells))), shape=(len(pair_text), 2 * len(cells))
        )
        mixing = None
        if 2 < K <= FEW_CLASSES:
            triple, place = np.unique(
                (by[wrong] * K + of_class[wrong]) * K + label[wrong], return_inverse=True
            )
            mixed = csr_array(
                (np.ones(len(place)), (pair[wrong], place)), shape=(len(pair_text), len(triple))
            )
            mixing = Mixing(triple // (K * K), triple // K % K, triple % K, mixed, mixed.T.tocsr())
        return cls(
            n_annotators=M,
            n_classes=K,
            shares=shares,
            texts=texts,
            pair_text=pair_text,
            pair_class=pair_class,
            start=start,
            log_share=log_share,
            told=told,
            cell_annotator=cells // width,
            cell_class=cells % width,
            cell_bias=np.where(known, found, len(biases)),
            bias_annotator=biases // K,
            bias_class=biases % K,
            bias_count=np.bincount(np.searchsorted(biases, who * K + said), minlength=len(biases)),
            vote_text=row,
            vote_bias=np.searchsorted(biases, who * K + said),
            given=given,
            back=given.T.tocsr(),
            mixing=mixing,
            single=int((np.bincount(row, minlength=len(texts)) == 1).sum()),
            asked_model=p is not None,
            rank=_ranks(K) if annotations.scale is not None and K > 2 else None,
        )

    def normalised(self, log_p: Floats) -> tuple[Floats, Floats]:
        """Return probabilities (D, P) that sum to 1 within each text, and log sums before (T,)."""
        T = len(self.texts)
        if not T:
            return log_p, np.zeros(0)
        if self.few:
            types = log_p.reshape(log_p.size // T, T)
            highest = types.max(axis=0)
            p = np.exp(types - highest)
            total = p.sum(axis=0)
            p /= total
            return p.reshape(log_p.shape), np.log(total) + highest
        highest = np.maximum.reduceat(log_p.max(axis=0), self.start)
        p = np.exp(log_p - highest[self.pair_text])
        total = np.add.reduceat(p.sum(axis=0), self.start)
        p /= total[self.pair_text]
        return p, np.log(total) + highest


def _ranks(K: int) -> Floats:
    """Return K places one apart, with mean 0 and variance 1."""
    place = np.arange(K) - (K - 1) / 2
    return np.asarray(place / place.std())


def beyond_shares(p: Floats, shares: Floats) -> Floats:
    """Return how much likelier than its share a classifier finds each class, logarithm, shape (N, K)."""
    return np.asarray(np.log(np.maximum(p, _LEAST)) - np.log(shares))


def _pairs(T: int, K: int, row: Ints, label: Ints, p: Floats | None) -> tuple[Ints, Ints]:
    """Return text and class of every pair: class by class where all are in question, else text by text."""
    if K <= FEW_CLASSES:
        return np.tile(np.arange(T), K), np.repeat(np.arange(K), T)
    parts = [row.astype(np.int64) * (K + 1) + label, np.arange(T) * (K + 1) + K]
    if p is not None:
        best = np.argpartition(-p, _LIKELIEST, axis=1)[:, :_LIKELIEST]
        parts.append((np.arange(T)[:, None] * (K + 1) + best).ravel())
    pair = np.unique(np.concatenate(parts))
    return pair // (K + 1), pair % (K + 1)


def _beforehand(
    pair_text: Ints, pair_class: Ints, T: int, shares: Floats, p: Floats | None
) -> tuple[Floats, Floats]:
    """Return each pair's share, logarithm, and what the classifier says beyond it, both (P,)."""
    K = len(shares)
    named = pair_class < K
    share = np.append(shares, 0.0)[pair_class]
    rest = 1 - np.bincount(pair_text, share, minlength=T)
    share[~named] = np.maximum(rest, _TINY)[pair_text[~named]]
    if p is None:
        return np.log(share), np.zeros(len(share))
    found = np.zeros(len(share))
    found[named] = p[pair_text[named], pair_class[named]]
    others = 1 - np.bincount(pair_text, found, minlength=T)
    found[~named] = others[pair_text[~named]]
    return np.log(share), np.log(np.maximum(found, _LEAST)) - np.log(share)
