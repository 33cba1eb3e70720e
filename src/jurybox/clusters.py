"""Texts like another one, and clusters of texts with the words that tell them apart.

Rows of features are compared by their cosine, block by block: all of them are looked at, no index is kept,
and memory holds one block. Clusters are those of k-means on rows of length one, whose centres are found on a
sample; every text, also one that comes later, belongs to the centre that is nearest to it. Words of a cluster
are those that its texts have more often than others', by a TF-IDF in which a cluster is a document.

References
----------
Grootendorst, M. (2022). BERTopic: neural topic modeling with a class-based TF-IDF procedure. arXiv:2203.05794
Sculley, D. (2010). Web-scale k-means clustering. *WWW*, 1177-1178.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import DataFrame, Floats, Ints, Rng, freeze, generator
from jurybox.display import Shown
from jurybox.errors import InputError

__all__ = ["Clusters", "Membership", "Neighbours", "RowsOfTexts", "find_clusters", "most_similar"]

_BLOCK = 16_384  # rows at a time
_SAMPLE = 20_000  # texts that centres and words are found on
_MOST = 50  # clusters where nobody says how many
_WORDS = 8  # of each
_CHARACTERS = 5_000  # of a text
_VOCABULARY = 20_000  # words that are counted, the commonest
# Chinese and Japanese put no spaces between words: there each sign is one.
_WORD = r"(?u)[\u3040-\u30ff\u3400-\u9fff]|\b[^\W\d_]\w+\b"


class RowsOfTexts(Protocol):
    """Rows of N texts: an array, or what reads them from files (`jurybox.encoders.by_number.PoolRows`)."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, rows: Any, /) -> NDArray[np.floating]:
        """Return some rows."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Texts like another one, the most similar first.

    Attributes
    ----------
    places : ndarray of int, shape (n,)
        Their positions.
    similarity : ndarray, shape (n,)
        Cosines, -1 to 1.
    """

    places: Ints
    similarity: Floats

    def __post_init__(self) -> None:
        freeze(self.places)
        freeze(self.similarity)


@dataclass(frozen=True, eq=False)
class Membership:
    """To which cluster each of N texts belongs.

    Attributes
    ----------
    cluster : ndarray of int, shape (N,)
        The one whose centre is nearest.
    nearness : ndarray, shape (N,)
        The cosine of text and centre.
    """

    cluster: Ints
    nearness: Floats

    def __post_init__(self) -> None:
        freeze(self.cluster)
        freeze(self.nearness)

    def members(self, number: int) -> Neighbours:
        """Return the texts of one cluster, those nearest to its centre first."""
        mine = np.flatnonzero(self.cluster == number)
        order = np.lexsort((mine, -self.nearness[mine]))
        return Neighbours(mine[order], self.nearness[mine[order]])


@dataclass(frozen=True, eq=False, repr=False)
class Clusters(Shown):
    """Clusters of texts, the largest first; of equal ones, the one with the first text.

    Attributes
    ----------
    centres : ndarray, shape (C, D)
        Of length one.
    sizes : ndarray of int, shape (C,)
        Texts of each.
    words : tuple of tuple of str
        Of each, those that tell it apart, the most telling first.

    Examples
    --------
    >>> texts = ["cold soup", "hot soup", "good soup", "slow waiter", "rude waiter", "kind waiter"]
    >>> rows = np.repeat(np.eye(2), 3, axis=0)
    >>> found = find_clusters(rows, lambda places: [texts[at] for at in places], 2)
    >>> [words[0] for words in found.words], found.split(rows).members(1).places.tolist()
    (['soup', 'waiter'], [3, 4, 5])
    """

    centres: NDArray[np.float32]
    sizes: Ints
    words: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        freeze(self.centres)
        freeze(self.sizes)

    def headline(self) -> str:
        """Return how many clusters and texts there are."""
        return f"Clusters({len(self.sizes)} of {int(self.sizes.sum()):,} texts)"

    def to_frame(self) -> DataFrame:
        """Return one row per cluster: its texts and words."""
        import pandas as pd

        words = [" ".join(each) for each in self.words]
        return pd.DataFrame({"texts": self.sizes, "words": words}).rename_axis("cluster")

    def split(self, rows: RowsOfTexts) -> Membership:
        """Return to which cluster each text belongs."""
        cluster, nearness = np.zeros(len(rows), np.int64), np.zeros(len(rows))
        for part, block in _blocks(rows):
            cosines = block @ self.centres.T
            cluster[part], nearness[part] = cosines.argmax(axis=1), cosines.max(axis=1)
        return Membership(cluster, nearness)


def most_similar(rows: RowsOfTexts, place: int, n: int = 10) -> Neighbours:
    """Return the n texts that are most like the one at a place, without itself.

    Parameters
    ----------
    rows : rows, shape (N, D)
        Of all texts, as `jurybox.encoders.Views` makes them.

    Examples
    --------
    >>> most_similar(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]), 0, 1).places.tolist()
    [2]
    """
    row = _unit(np.asarray(rows[np.array([place])]))[0]
    places, cosines = np.zeros(0, np.int64), np.zeros(0)
    for part, block in _blocks(rows):
        near = block @ row
        few = np.argpartition(near, -n - 1)[-n - 1 :] if len(near) > n + 1 else np.arange(len(near))
        places = np.concatenate([places, part.start + few])
        cosines = np.concatenate([cosines, near[few]])
        order = np.lexsort((places, -cosines))
        order = order[places[order] != place][:n]
        places, cosines = places[order], cosines[order]
    return Neighbours(places, cosines)


def find_clusters(
    rows: RowsOfTexts,
    texts_at: Callable[[Sequence[int]], Sequence[str]],
    n_clusters: int | None = None,
    *,
    among: Ints | None = None,
    rng: Rng = 0,
) -> Clusters:
    """Find clusters of texts.

    Parameters
    ----------
    rows : rows, shape (N, D)
        Of all texts.
    texts_at
        Gives the texts at some places; some thousand are asked for.
    n_clusters
        How many there are at most; default: the square root of half the texts, and no more than 50.
    among : ndarray of int, shape (n,), optional
        Positions of the texts that clusters are to be of; default: all.
    rng
        Draws where the centres begin.

    Returns
    -------
    Clusters

    Raises
    ------
    InputError
        If there is no text, or fewer than two clusters are wanted.
    """
    from sklearn.cluster import MiniBatchKMeans

    among = np.arange(len(rows)) if among is None else among
    wanted = max(2, min(_MOST, round((len(among) / 2) ** 0.5))) if n_clusters is None else n_clusters
    if not len(among) or wanted < 2:
        raise InputError(f"got {len(among)} texts and {wanted} clusters, expected a text and 2 clusters")
    sample = among[np.unique(np.linspace(0, len(among) - 1, _SAMPLE).round().astype(np.int64))]
    x = _unit(rows[sample])
    C, seed = min(wanted, len(np.unique(x, axis=0))), int(generator(rng).integers(2**31))
    means = MiniBatchKMeans(C, batch_size=2048, n_init=3, random_state=seed).fit(x).cluster_centers_
    found = Clusters(_unit(means), np.zeros(C, np.int64), ())
    cluster = found.split(rows).cluster[among]
    first, sizes = np.full(C, len(among)), np.bincount(cluster, minlength=C)
    np.minimum.at(first, cluster, np.arange(len(among)))
    order = np.lexsort((first, -sizes))[: int((sizes > 0).sum())]
    found = Clusters(found.centres[order], sizes[order], ())
    words = _telling_words(texts_at(sample.tolist()), found.split(x).cluster, len(order))
    return Clusters(found.centres, found.sizes, words)


def _telling_words(texts: Sequence[str], cluster: Ints, C: int) -> tuple[tuple[str, ...], ...]:
    """Return the words of each cluster, by ``tf_wc log(1 + A / f_w)``.

    tf_wc is the share of word w among the words of cluster c, f_w how many texts have it, and A the words of
    a cluster on average; of each text a word counts once.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, token_pattern=_WORD, max_features=_VOCABULARY)
    try:
        has = counter.fit_transform([text[:_CHARACTERS] for text in texts])
    except ValueError:  # no text has a word
        return ((),) * C
    member = csr_array((np.ones(len(texts)), (cluster, np.arange(len(texts)))), shape=(C, len(texts)))
    count = np.asarray((member @ has).todense())
    share = count / count.sum(axis=1, keepdims=True).clip(1)
    weight = share * np.log1p(count.sum() / C / count.sum(axis=0))
    names = counter.get_feature_names_out()
    best = np.argsort(-weight, axis=1, kind="stable")[:, :_WORDS]
    return tuple(tuple(str(names[w]) for w in row if weight[c, w] > 0) for c, row in enumerate(best))


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows of length one; rows of zeros stay zero."""
    rows = np.asarray(rows, dtype=np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    unit: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit


def _blocks(rows: RowsOfTexts) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(rows)))
        yield part, _unit(rows[part])
