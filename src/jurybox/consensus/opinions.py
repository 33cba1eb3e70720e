"""What share of people would say each class of a text, and what one particular annotator would say.

Where a text may rightly be seen in several ways (moderation, humour, offence), the target is no class but the
distribution of people's answers. It comes from the text types of `jurybox.consensus.text_types`: somebody new
answers a text of type c as theta_c says, so the expected shares of text i are ``sum_c q_ic theta_c``. How far
they may be off is what the types leave open::

    error_i  =  sqrt((sum_c q_ic |theta_c|^2 - |sum_c q_ic theta_c|^2) / 2)

with two classes the standard deviation of the share. Another label is expected to take away, of its square,

    2 error_i^4 / (1 - |sum_c q_ic theta_c|^2)

(the best linear estimate: Hartigan 1969, JRSS B 31:446). That is much where the classifier hesitates between
two classes that people would agree on, and next to nothing where people are known to be split.

Of a text without labels the types and the classifier may say different things, and which foretells better
differs between crowds. Its shares are a mixture of both, with the weight that makes the labels likeliest
of what was expected before them (linear opinion pool: Stone 1961, Annals of Mathematical Statistics 32:1339).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame, Floats, Ints, freeze
from jurybox.consensus.estimate import EstimatedConsensus, estimate_consensus
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.labelled import as_annotations, probabilities

__all__ = ["Opinions", "cross_entropy", "estimate_opinions", "manhattan", "opinions_of"]

_CHUNK = 2_000_000  # probabilities of types computed at a time
_TINY = 1e-9
_STEPS = 100


@dataclass(frozen=True, eq=False, repr=False)
class Opinions(Shown):
    """What people would say of N texts in K classes.

    Attributes
    ----------
    consensus : EstimatedConsensus
        The fit that this rests on.
    pred_probs : ndarray, shape (N, K), or None
        What the classifier says.
    shares : ndarray, shape (N, K)
        Expected share of people who would say each class; uniform where nothing is known.
    error : ndarray, shape (N,)
        How far each text's shares may be off: the root mean square distance of the true shares from them,
        divided by the square root of 2, from 0 to 1; NaN where nothing is known.
    gain : ndarray, shape (N,)
        By how much one more label is expected to make the error smaller.
    """

    consensus: EstimatedConsensus
    pred_probs: Floats | None
    shares: Floats
    error: Floats
    gain: Floats

    def __post_init__(self) -> None:
        for array in (self.shares, self.error, self.gain):
            freeze(array)

    def headline(self) -> str:
        """Return how many texts there are, and how far their shares may be off."""
        known = self.error[~np.isnan(self.error)]
        off = f", shares off by {known.mean():.2f} on average" if len(known) else ""
        return f"Opinions({len(self.error)} texts, {self.shares.shape[1]} classes{off})"

    def to_frame(self) -> DataFrame:
        """Return one row per text: ``share(class)`` for each class, their error, and a label's gain."""
        frame = self.consensus.to_frame()[["n_annotations"]]
        for k, name in enumerate(self.consensus.classes):
            frame[f"share({name})"] = self.shares[:, k]
        return frame.assign(error=self.error, gain=self.gain)

    def answers(self, texts: ArrayLike, annotators: ArrayLike) -> Floats:
        """Return what particular annotators would say of particular texts.

        Everybody's bias and discrimination count as far as their labels show them. A label that they have
        given to the text counts like anybody else's. With more than 12 classes nothing of this is learnt
        that would fit into memory, and everybody is expected to answer as the crowd does.

        Parameters
        ----------
        texts, annotators : array-like of int, shape (n,)
            Positions of texts and of annotators, in pairs.

        Returns
        -------
        ndarray, shape (n, K)
            Probability that the annotator would answer each class.

        Raises
        ------
        InputError
            If the two differ in shape, or a position does not exist.

        Examples
        --------
        >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 1], [0, 0, 1], [1, None, 1]])
        >>> found = estimate_opinions(annotations)
        >>> mild, strict = found.answers([0, 0], [0, 2])[:, 1]
        >>> bool(mild < strict)
        True
        """
        types = self.consensus.types
        rows = _positions("texts", texts, len(self.error))
        people = _positions("annotators", annotators, types.evidence.n_annotators)
        if rows.shape != people.shape:
            raise InputError(f"texts has shape {rows.shape}, expected that of annotators, {people.shape}")
        if not types.evidence.few:
            return np.asarray(self.shares[rows])
        K = types.evidence.n_classes
        said = np.empty((len(rows), K))
        for part in np.array_split(np.arange(len(rows)), len(rows) * K * K // _CHUNK + 1):
            theirs = types.answers_of(people[part])
            said[part] = np.einsum("nkd,nkdl->nl", self._types(rows[part]), theirs)
        return np.asarray(said / said.sum(axis=1, keepdims=True))

    def _types(self, rows: Ints) -> Floats:
        return types_of(self.consensus, self.pred_probs, rows)


def estimate_opinions(
    annotations: Annotations, pred_probs: Any = None, *, experts: ArrayLike | None = None
) -> Opinions:
    """Estimate what share of people would say each class of each text.

    Parameters
    ----------
    annotations, pred_probs, experts
        As of `jurybox.consensus.estimate_consensus`.

    Raises
    ------
    InputError
        As there.

    Examples
    --------
    Everybody agrees about the first texts; about the last one people are split, and known to be:

    >>> annotations = Annotations.from_wide([[0] * 6, [1] * 6, [0] * 6, [1] * 6, [0, 1, 0, 1, 0, 1]])
    >>> found = estimate_opinions(annotations)
    >>> found.shares[[0, 4], 0].round(1).tolist()
    [0.9, 0.5]
    """
    annotations = as_annotations(annotations)
    p = None if pred_probs is None else probabilities(pred_probs, annotations.texts, annotations.classes)
    return opinions_of(estimate_consensus(annotations, p, experts=experts), p)


def opinions_of(consensus: EstimatedConsensus, pred_probs: Floats | None) -> Opinions:
    """Return the opinions that a consensus implies, given the probabilities (N, K) that it was made from."""
    types, N = consensus.types, len(consensus.shares)
    norms = np.square(types.answers).sum(axis=2)
    usual = float((norms * types.frequency).sum() / types.frequency.sum())
    error = np.full(N, np.nan)
    known = np.arange(N) if pred_probs is not None else types.evidence.texts
    for part in np.array_split(known, known.size * types.evidence.n_classes // _CHUNK + 1):
        q = types_of(consensus, pred_probs, part)
        unnamed = 1 - q.sum(axis=(1, 2))  # with many classes: those not in question
        square = np.tensordot(q, norms, axes=2) + unnamed * usual
        error[part] = np.sqrt(np.maximum(square - np.square(consensus.shares[part]).sum(axis=1), 0) / 2)
    # of a label that somebody new gives
    variance = np.maximum(1 - np.square(consensus.shares).sum(axis=1), _TINY)
    left = np.sqrt(np.maximum(error**2 - 2 * error**4 / variance, 0))
    return Opinions(consensus, pred_probs, _mixed(consensus, pred_probs), error, error - left)


def _mixed(consensus: EstimatedConsensus, pred_probs: Floats | None) -> Floats:
    """Return shares (N, K), those of texts without labels mixed of what types and classifier say."""
    types, unlabelled = consensus.types, consensus.n_annotations == 0
    e = types.evidence
    if pred_probs is None or not len(e.vote_text) or not unlabelled.any():
        return np.array(consensus.shares)
    p, label = pred_probs[e.texts], e.bias_class[e.vote_bias]
    before = np.empty(p.shape)
    for part in np.array_split(np.arange(len(p)), p.size // _CHUNK + 1):
        before[part] = np.tensordot(types.expected(p[part], 1.0), types.answers, axes=2)
    w = _weight(before[e.vote_text, label], p[e.vote_text, label])
    shares = np.array(consensus.shares)
    shares[unlabelled] = w * shares[unlabelled] + (1 - w) * pred_probs[unlabelled]
    return shares


def _weight(first: Floats, second: Floats) -> float:
    """Return the weight of the first in a mixture of two opinions, likelihoods of labels (V,), by EM."""
    w = 0.5
    for _ in range(_STEPS):
        of_first = w * first + _TINY
        w = float((of_first / (of_first + (1 - w) * second + _TINY)).mean())
    return w


def types_of(consensus: EstimatedConsensus, pred_probs: Floats | None, rows: Ints) -> Floats:
    """Return the probability of each type of some texts (n,), shape (n, K, D).

    Of texts without labels the classifier speaks alone; without one they are of every type as often as
    labelled ones.
    """
    types = consensus.types
    labelled = consensus.n_annotations[rows] > 0
    q = np.empty((len(rows), *types.psi[: types.evidence.n_classes].shape))
    q[labelled] = types.by_text(np.searchsorted(types.evidence.texts, rows[labelled]))
    if pred_probs is None:
        q[~labelled] = types.frequency / types.frequency.sum()
    else:
        q[~labelled] = types.expected(pred_probs[rows[~labelled]], 1.0)
    return q


def cross_entropy(shares: Floats, predicted: Floats) -> Floats:
    """Return ``-sum_k t_k log p_k`` of distributions t and predictions p (n, K), in nats, shape (n,)."""
    return np.asarray(-(shares * np.log(np.maximum(predicted, _TINY))).sum(axis=1))


def manhattan(shares: Floats, predicted: Floats) -> Floats:
    """Return ``sum_k |t_k - p_k|`` of distributions t and predictions p (n, K), 0 to 2, shape (n,)."""
    return np.asarray(np.abs(shares - predicted).sum(axis=1))


def _positions(name: str, given: ArrayLike, size: int) -> Ints:
    found = np.asarray(given)
    whole = found.ndim == 1 and (np.issubdtype(found.dtype, np.integer) or not found.size)
    if not whole or (found.size and not (found.min() >= 0 and found.max() < size)):
        raise InputError(f"{name} is {found!r}, expected whole numbers from 0 to {size - 1}, shape (n,)")
    return found.astype(np.int64)
