"""Texts that are the same, or nearly, found by MinHash; and what labels of one of them say of the others.

Two texts are *copies* where they are the same but for white space and how Unicode writes them (`normalised`).
They are *near-duplicates* where much of what is rare in them is the same: their shingles, runs of five
characters whatever the case, are weighted by how few texts have them, and the Jaccard index of the weights,
``sum(min) / sum(max)``, is at least `THRESHOLD`. Candidates are found by MinHash: texts whose shingles have
the same three smallest hashes in one of 42 bands are looked at, which are all but a fiftieth of those that
share half of their shingles; the work grows as the number of texts does.

Copies have one label. Whether near-duplicates do depends on what was changed in them and is learnt from pairs
of which both have labels (`sameness`): what is said of one is evidence about the others that far (`shared`).

References
----------
Broder, A. (1997). On the resemblance and containment of documents. *SEQUENCES*, 21-29.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame, Floats, Ints, freeze
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.numerals import count

__all__ = [
    "Sameness",
    "TextGroups",
    "digest_of",
    "find_duplicates",
    "merge_copies",
    "normalised",
    "sameness",
    "shared",
]

THRESHOLD = 0.4
"""Chosen on the training part of CEBaB, judged on its test part (`benchmarks/duplicates.py`)."""

_SHINGLE = 5  # characters
_BANDS, _ROWS = 42, 3
_MOST_COLUMNS = 1 << 22  # counters of shingles; those that fall on one are taken for the same
_CHUNK = 5_000  # texts at a time: 8 bytes a character and hash
_PAIRS = 200_000  # at a time, whose texts are cut into shingles once more
_MIX, _STEP = np.uint64(0xD6E8FEB86659FD93), np.uint64(0x9E3779B97F4A7C15)


def normalised(text: str) -> str:
    r"""Return a text as copies have it in common: composed Unicode (NFC), one blank for any white space.

    Case and punctuation stay: they can change what a text says.

    Examples
    --------
    >>> normalised("  Good\n soup ")
    'Good soup'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def digest_of(text: str) -> int:
    r"""Return a number of 63 bits that copies have in common.

    Examples
    --------
    >>> digest_of("Good  soup") == digest_of("Good soup\n") != digest_of("good soup")
    True
    """
    digest = blake2b(normalised(text).encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


@dataclass(frozen=True, eq=False, repr=False)
class TextGroups(Shown):
    """Which of N texts are copies or near-duplicates of others.

    Attributes
    ----------
    copy_of : ndarray of int, shape (N,)
        Position of the first text that each is a copy of: its own where it is the first.
    group : ndarray of int, shape (N,)
        Position of the first text of the group of copies and near-duplicates that each belongs to. A text is
        in a group where it resembles one of it: of the others it may be further away.
    similarity : ndarray, shape (N,)
        Similarity to the text of the group that resembles it most, 0 to 1; 0 for texts that are alone.

    Examples
    --------
    >>> find_duplicates(["The soup was cold.", "The soup was cold!", "Nice place", "Nice  place"])
    TextGroups(4 texts: 1 copy, 2 groups with 4 texts)
    """

    copy_of: Ints
    group: Ints
    similarity: Floats

    def __post_init__(self) -> None:
        for array in (self.copy_of, self.group, self.similarity):
            freeze(array)

    @cached_property
    def members(self) -> tuple[Ints, ...]:
        """Positions of the texts of each group of several, shape (n,) each; groups by their first text."""
        order = np.argsort(self.group, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.group[order])) + 1)
        return tuple(part for part in parts if len(part) > 1)

    @property
    def n_copies(self) -> int:
        """How many texts are a copy of an earlier one."""
        return int((self.copy_of != np.arange(len(self.copy_of))).sum())

    def headline(self) -> str:
        """Return how many copies and groups there are."""
        copies = count(self.n_copies, "copy", "copies")
        groups = count(len(self.members), "group")
        within = count(sum(map(len, self.members)), "text")
        return f"TextGroups({count(len(self.group), 'text')}: {copies}, {groups} with {within})"

    def to_frame(self) -> DataFrame:
        """Return one row per text of a group: the first text of it, whether it is a copy, the similarity."""
        import pandas as pd

        rows = np.concatenate([np.zeros(0, np.int64), *self.members])
        return pd.DataFrame(
            {
                "group": self.group[rows],
                "copy": self.copy_of[rows] != rows,
                "similarity": self.similarity[rows],
            },
            index=pd.Index(rows, name="text"),
        )


def find_duplicates(texts: Sequence[str], *, threshold: float = THRESHOLD) -> TextGroups:
    """Find copies and near-duplicates.

    Parameters
    ----------
    texts
        N texts.
    threshold
        The least similarity of near-duplicates, above 0 and up to 1; at 1 only copies are found.

    Returns
    -------
    TextGroups

    Raises
    ------
    InputError
        If the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold!r}, expected a number above 0 and up to 1")
    N = len(texts)
    copy_of = _first_copies(texts)
    first = np.flatnonzero(copy_of == np.arange(N))
    pairs, similarity = np.zeros((0, 2), np.int64), np.zeros(0)
    if threshold < 1:
        kept = [texts[row] for row in first.tolist()]
        found, similarity = _near_pairs(kept, threshold)
        pairs = first[found]
    links = np.concatenate([pairs, np.stack([np.arange(N), copy_of], axis=1)])
    graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(N, N))
    _, component = connected_components(graph, directed=False)
    head = np.full(component.max(initial=-1) + 1, N)
    np.minimum.at(head, component, np.arange(N))
    nearest = np.zeros(N)
    np.maximum.at(nearest, pairs.ravel(), np.repeat(similarity, 2))
    copies = np.flatnonzero(copy_of != np.arange(N))
    nearest[copies] = nearest[copy_of[copies]] = 1.0
    return TextGroups(copy_of, head[component].astype(np.int64), nearest)


def merge_copies(annotations: Annotations, copy_of: Ints) -> Annotations:
    """Return annotations in which what was said of a copy was said of the first text.

    Where somebody has labelled several copies, the label of the last of them counts, once.

    Parameters
    ----------
    annotations
        Of N texts.
    copy_of : ndarray of int, shape (N,)
        As of `TextGroups`.

    Examples
    --------
    >>> both = Annotations.from_long(["a", "b"], ["ana", "ana"], ["no", "yes"])
    >>> merge_copies(both, np.array([0, 0])).counts.tolist()
    [[0, 1], [0, 0]]
    """
    merged = copy_of[annotations.text]
    if (merged == annotations.text).all():
        return annotations
    return annotations.with_triplets(
        merged, annotations.annotator, annotations.label, duplicates="last", decided=annotations.decided
    )


def _first_copies(texts: Sequence[str]) -> Ints:
    """Return the first text with the same digest, shape (N,)."""
    digests = np.array([digest_of(text) for text in texts], dtype=np.int64)
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64).reshape(len(texts))


def _shingles(texts: Sequence[str]) -> tuple[Ints, NDArray[np.uint64]]:
    """Return the hashes of all shingles and the text of each, shape (S,); by text."""
    plain = [normalised(text).casefold().ljust(_SHINGLE) for text in texts]
    codes = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    sizes = np.array([len(text) for text in plain])
    hashed = np.zeros(max(len(codes) - _SHINGLE + 1, 0), np.uint64)
    for at in range(_SHINGLE):
        hashed = hashed * _STEP + codes[at : at + len(hashed)] + np.uint64(1)
    hashed = (hashed ^ (hashed >> np.uint64(32))) * _MIX
    text = np.repeat(np.arange(len(plain)), sizes)[: len(hashed)]
    within = np.arange(len(hashed)) + _SHINGLE <= np.cumsum(sizes)[text]  # not across the end of a text
    return text[within], (hashed ^ (hashed >> np.uint64(32)))[within]


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, n, _CHUNK))


def _near_pairs(texts: Sequence[str], threshold: float) -> tuple[Ints, Floats]:
    """Return pairs of positions, shape (P, 2), and how similar each is, shape (P,)."""
    N = len(texts)
    keys = np.empty((_BANDS, N), np.uint64)
    known = np.zeros(min(_MOST_COLUMNS, 1 << (1_000 * N).bit_length()), np.int64)
    for part in _chunks(N):
        text, hashed = _shingles(texts[part])
        known += np.bincount(_columns(hashed, len(known)), minlength=len(known))
        starts = np.searchsorted(text, np.arange(len(texts[part])))
        keys[:, part] = _band_keys(hashed, starts)
    weights = np.log(1 + N / np.maximum(known, 1))
    found = _distinct(np.concatenate([_same_key(band) @ [N, 1] for band in keys]))
    candidates = np.stack(np.divmod(found, N), axis=1)
    parts = [
        _similarities(texts, candidates[start : start + _PAIRS], weights)
        for start in range(0, len(candidates), _PAIRS)
    ]
    similarity = np.concatenate([np.zeros(0), *parts])
    near = similarity >= threshold
    return candidates[near], similarity[near]


def _distinct(numbers: Ints) -> Ints:
    """Return what `numpy.unique` does, in a third of the time that it takes for millions."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def _columns(hashed: NDArray[np.uint64], n: int) -> Ints:
    return (hashed % np.uint64(n)).astype(np.int64)


def _band_keys(hashed: NDArray[np.uint64], starts: Ints) -> NDArray[np.uint64]:
    """Return a number for each band and text, shape (B, n), that two texts share as often as their minima."""
    rng = np.random.default_rng(0)  # the same functions for whoever looks
    keys = np.zeros((_BANDS, len(starts)), np.uint64)
    for band in range(_BANDS):
        for _ in range(_ROWS):
            a, b = rng.integers(0, 2**63, 2, dtype=np.uint64)
            smallest = np.minimum.reduceat(
                (hashed * (a * np.uint64(2) + np.uint64(1)) + b) >> np.uint64(32), starts
            )
            keys[band] = (keys[band] ^ smallest) * _MIX
    return keys


def _same_key(key: NDArray[np.uint64]) -> Ints:
    """Return each text with the first one of the same key, shape (P, 2): as many pairs as texts, at most."""
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) > 0]))[: len(order)]
    first = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    other = first != order
    return np.stack([first[other], order[other]], axis=1)


def _similarities(texts: Sequence[str], pairs: Ints, weights: Floats) -> Floats:
    """Return the weighted Jaccard index of each pair, shape (P,)."""
    rows, places = np.unique(pairs, return_inverse=True)
    text, hashed = _shingles([texts[row] for row in rows.tolist()])
    C = len(weights)
    cells = _distinct(text * C + _columns(hashed, C))
    starts = np.searchsorted(cells, np.arange(len(rows) + 1) * C)
    columns = (cells % C).astype(np.int32)
    held = csr_array((np.ones(len(cells), np.float32), columns, starts), shape=(len(rows), C))
    weighed = csr_array((weights[columns].astype(np.float32), columns, starts), shape=held.shape)
    total: Floats = np.asarray(weighed.sum(axis=1))
    common = np.zeros(len(pairs))
    left, right = places.reshape(-1, 2).T
    for part in _chunks(len(pairs)):
        common[part] = held[left[part]].multiply(weighed[right[part]]).sum(axis=1)
    return np.asarray(common / (total[left] + total[right] - common))


_LEVEL = 0.1
_LEAST = 0.5
_GRID = np.linspace(0, 1, 201)


@dataclass(frozen=True)
class Sameness:
    """How often near-duplicates have the same label, beyond chance, and what that rests on.

    Attributes
    ----------
    pairs
        Pairs of texts of one group that both have labels.
    agreeing
        Those of which the most probable classes are the same.
    estimate, low
        Probability that a near-duplicate has the label of the other rather than any label: the mean, and the
        value below which it is with a probability of 10 %.
    weight
        What the labels of one count for the others: `low`, or 0 where that is below one half. They are then
        other texts, of which the classifier sees what changed.
    """

    pairs: int
    agreeing: int
    estimate: float
    low: float
    weight: float


def sameness(posterior: Floats, group: Ints) -> Sameness:
    """Learn from labels how far near-duplicates have the same.

    With s the probability that the members of a pair share their class and π the classes' shares,
    ``P(labels of both) ∝ s Σ_k q_ik q_jk / π_k + (1 - s)``, where q are the posteriors by labels alone: that
    somebody errs is allowed for. s is integrated out over a flat prior, so that few pairs share little.

    Parameters
    ----------
    posterior : ndarray, shape (n, K)
        Of each text that has labels, by these alone.
    group : ndarray of int, shape (n,)
        Its group; each text of a group makes a pair with the next one.

    Examples
    --------
    >>> q = np.tile([[0.95, 0.05], [0.05, 0.95]], (20, 1))
    >>> alike, unlike = np.arange(40) % 2 + np.arange(40) // 4 * 4, np.arange(40) // 2
    >>> round(sameness(q, alike).weight, 2), sameness(q, unlike).weight
    (0.77, 0.0)
    """
    rows = np.argsort(group, kind="stable")
    same = np.diff(group[rows]) == 0
    q, r = posterior[rows[:-1][same]], posterior[rows[1:][same]]
    share = _shares(posterior)
    likely = (q * r / share).sum(axis=1)
    log = np.log1p(_GRID[:, None] * (likely - 1)[None, :] + 1e-12).sum(axis=1)
    mass = np.exp(log - log.max())
    below = np.cumsum(mass) / mass.sum()
    low = float(_GRID[int((below < _LEVEL).sum())])
    return Sameness(
        pairs=len(q),
        agreeing=int((q.argmax(axis=1) == r.argmax(axis=1)).sum()),
        estimate=float((_GRID * mass).sum() / mass.sum()),
        low=low,
        weight=low if low >= _LEAST else 0.0,
    )


def shared(pred_probs: Floats, posterior: Floats, labelled: Ints, group: Ints, weight: float) -> Floats:
    """Return probabilities that know what was said of near-duplicates.

    ``p'_ik ∝ p_ik Π_j (s q_jk / π_k + 1 - s)`` over the other labelled texts j of the group.

    Parameters
    ----------
    pred_probs : ndarray, shape (N, K)
        Of the classifier.
    posterior : ndarray, shape (n, K)
        As for `sameness`.
    labelled : ndarray of int, shape (n,)
        Positions of the texts that this is of.
    group : ndarray of int, shape (N,)
        The group of each text.
    weight
        s, below 1.

    Examples
    --------
    >>> p = np.full((3, 2), 0.5)
    >>> q = np.array([[0.9, 0.1], [0.1, 0.9]])
    >>> shared(p, q, np.array([0, 1]), np.array([0, 1, 0]), 0.8).round(2).tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.82, 0.18]]
    """
    said = np.zeros(pred_probs.shape)
    said[labelled] = np.log(weight * posterior / _shares(posterior) + 1 - weight)
    total = np.zeros(pred_probs.shape)
    np.add.at(total, group, said)
    with np.errstate(divide="ignore"):
        log = np.log(pred_probs) + total[group] - said
    p = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _shares(posterior: Floats) -> Floats:
    """Return the shares of the classes among labelled texts, none of them 0, shape (K,)."""
    K = posterior.shape[1]
    return np.asarray((posterior.sum(axis=0) + 1 / K) / (len(posterior) + 1))
