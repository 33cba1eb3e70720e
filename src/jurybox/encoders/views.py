"""Views: what a classifier sees of a text, made by one encoder or several side by side.

A view is an encoder and a map of its features to few columns, both fitted, without labels, on a sample of the
pool. The sample is chosen by the number of texts there were then, so that texts that come later change
nothing: a view keeps its identity, and what it made of a text stays good for ever. Only where the pool was
small, and has doubled since, it is fitted anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import DataFrame, Ints
from jurybox.display import Shown, watching
from jurybox.encoders.base import (
    Encoder,
    FeatureMap,
    Features,
    Progress,
    check_texts,
    fit_feature_map,
    pool_digest,
)
from jurybox.encoders.by_number import Lineage, PoolRows, RowShelf
from jurybox.encoders.cache import FeatureCache, Rows, encoded_in_chunks
from jurybox.encoders.tfidf import TfidfEncoder
from jurybox.errors import InputError

__all__ = ["EncoderNames", "View", "Views", "drift_note", "fit_views", "language_note"]

EncoderNames: TypeAlias = str | Path | Sequence[str | Path]
"""One name or several, as in `jurybox.encoders.get_encoders`."""

TextsAt: TypeAlias = Callable[[Sequence[int]], list[str]]
"""Reads the texts of some numbers of a pool."""

_VERSION = 2
_SAMPLE = 4096  # texts that a view is fitted on; from here on it stays as it is
_BESIDE = 0.5  # weight of TF-IDF beside another view
_LEAST_NEW = 100
_DRIFT = 0.1
_MANY_WORDS = 4
_FOREIGN = 0.3


@dataclass(frozen=True, eq=False)
class View:
    """An encoder and a map, fitted on a sample of a pool.

    Attributes
    ----------
    encoder : Encoder
        Fitted.
    map : FeatureMap
        From its features to C columns.
    source : str
        Name of the encoder before it was fitted.
    fitted_on : int
        Texts that the pool had.
    sample : str
        Digest of the sample.
    """

    encoder: Encoder
    map: FeatureMap
    source: str
    fitted_on: int
    sample: str

    @property
    def name(self) -> str:
        """Identity: two views of the same name make the same of a text."""
        return f"{self.source}:view {_VERSION}:{self.sample}"

    def rows(self, texts: Sequence[str], progress: Progress | None = None) -> Rows:
        """Columns of texts, shape (n, C), float16: 256 bytes a text for 128 columns."""
        return np.asarray(self.encoder.encode(texts, progress=progress, project=self.map), dtype=np.float16)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that it is made again from, beside its encoder."""
        return {
            "source": np.array(self.source),
            "fitted_on": np.array(self.fitted_on),
            "sample": np.array(self.sample),
            "mean": self.map.mean,
            "matrix": self.map.matrix,
            **self.encoder.arrays(),
        }

    @classmethod
    def restored(cls, encoder: Encoder, arrays: Mapping[str, NDArray[Any]]) -> View:
        """Return the view that gave these arrays.

        Raises
        ------
        InputError
            If it was made with another encoder.
        """
        source = str(arrays["source"])
        if encoder.name != source:
            raise InputError(
                f"the encoder is {encoder.name} here, expected {source}: install the same weights"
            )
        mapped = FeatureMap(arrays["mean"], arrays["matrix"])
        fitted_on, sample = int(arrays["fitted_on"]), str(arrays["sample"])
        return cls(encoder.restored(arrays), mapped, source, fitted_on, sample)


@dataclass(frozen=True, eq=False, repr=False)
class Views(Shown):
    """Several views side by side, each with a weight.

    Attributes
    ----------
    views : tuple of View
        At least one.
    weights : tuple of float
        What the columns of each are multiplied with: for the head, which shrinks all columns alike, the
        belief in how much a view has to tell.
    cache : FeatureCache or None
        Where their rows are kept.
    """

    views: tuple[View, ...]
    weights: tuple[float, ...]
    cache: FeatureCache | None = None

    def headline(self) -> str:
        """Return which encoders these are."""
        return f"Views({' + '.join(view.source for view in self.views)}, fitted on {self.fitted_on:,} texts)"

    def to_frame(self) -> DataFrame:
        """Return one row per view: its weight, and why it was taken."""
        import pandas as pd

        columns = {"weight": self.weights, "reason": [view.encoder.reason for view in self.views]}
        return pd.DataFrame(columns, index=pd.Index([view.source for view in self.views], name="encoder"))

    @classmethod
    def beside(cls, views: tuple[View, ...], cache: FeatureCache | None = None) -> Views:
        """Put views side by side, with the weights that they have there."""
        several = len(views) > 1
        weights = (_BESIDE if several and isinstance(view.encoder, TfidfEncoder) else 1.0 for view in views)
        return cls(views, tuple(weights), cache)

    @cached_property
    def name(self) -> str:
        """Identity of all views, a + between them."""
        return " + ".join(view.name for view in self.views)

    @property
    def reason(self) -> str:
        """Which encoders these are, and why they were taken."""
        return "; ".join(dict.fromkeys(view.encoder.reason for view in self.views))

    @property
    def fitted_on(self) -> int:
        """Texts that the pool had when they were fitted."""
        return self.views[0].fitted_on

    def rows(self, texts: Sequence[str], progress: Progress | bool | None = None) -> Features:
        """Columns of all views side by side, shape (n, C), float32; ``progress=True`` shows a bar."""
        checked, watch = check_texts(texts), watching(progress, "texts")
        total = len(checked) * len(self.views)
        parts = []
        for number, view in enumerate(self.views):

            def report(done: int, of: int, number: int = number) -> None:
                if watch is not None:
                    watch(number * len(checked) + len(checked) - of + done, total)

            rows = (
                encoded_in_chunks(view, checked, report)
                if self.cache is None
                else self.cache.rows(view, checked, report)
            )
            parts.append(np.float32(self.weights[number]) * rows.astype(np.float32))
        return np.hstack(parts)

    def pool(
        self,
        n_texts: int,
        lineage: Lineage,
        read: Callable[[int, int], Sequence[str]],
        progress: Progress | None = None,
    ) -> PoolRows:
        """Return the rows of a project's first texts; those are made that no shard has yet.

        Parameters
        ----------
        n_texts
            N.
        lineage
            How the project came by its texts.
        read
            Reads the texts from one number up to another.
        progress
            Called with (texts encoded, texts to encode), of all views.

        Raises
        ------
        InputError
            If the views have no cache, where shards could be.
        """
        cache = self.cache
        if cache is None:
            raise InputError("these views have no cache, expected one: the rows of a pool are kept there")
        shelves = [RowShelf(cache.pool_folder(view.name), lineage) for view in self.views]
        known = [shards[-1].stop if (shards := shelf.shards(n_texts)) else 0 for shelf in shelves]
        before, total = 0, sum(n_texts - n for n in known)
        for view, shelf, n in zip(self.views, shelves, known, strict=True):

            def make(start: int, stop: int, view: View = view, done: int = before - n) -> Rows:
                rows = cache.rows(view, read(start, stop), write=False)
                if progress is not None:
                    progress(done + stop, total)
                return rows

            start = n
            while start < n_texts:
                start = shelf.fill(start, n_texts, make)
            if n < n_texts:
                shelf.join(n_texts)
            before += n_texts - n
        return PoolRows(tuple(tuple(shelf.shards(n_texts)) for shelf in shelves), self.weights)

    def outgrown(self, n_texts: int) -> bool:
        """Whether a pool of so many texts is so much larger that the views want to be fitted anew."""
        return any(_outgrown(view.fitted_on, n_texts) for view in self.views)

    def drift(self, rows: Features | PoolRows) -> float:
        """How far texts that came later are from those of the sample, in all columns.

        The squared distance of the two means, less what chance makes of it, in units of the texts' own mean
        squared distance from their mean.

        Parameters
        ----------
        rows : ndarray or PoolRows, shape (N, C)
            Rows of the whole pool, in order; of many, some thousand spread evenly are looked at.
        """
        n, more = self.fitted_on, len(rows) - self.fitted_on
        if min(n, more) < _LEAST_NEW:
            return 0.0
        before, later = rows[sample_of(n)], rows[n + sample_of(more)]
        gap = float(((later.mean(axis=0) - before.mean(axis=0)) ** 2).sum())
        unit = float(before.var(axis=0).sum()) or 1.0
        return max(0.0, gap / unit - 1 / len(before) - 1 / len(later))


def fit_views(
    encoders: Sequence[Encoder],
    pool: Sequence[str],
    *,
    cache: FeatureCache | None = None,
    progress: Progress | bool | None = None,
) -> Views:
    """Fit views on a pool, or find those that were fitted when it was smaller.

    Parameters
    ----------
    encoders
        As `jurybox.encoders.get_encoders` finds them.
    pool
        All texts; those that come later belong at the end.
    cache
        Where views and their rows are kept; default: nowhere.
    progress
        Called with (texts encoded, texts to encode) while the sample is encoded; True: a progress bar.

    Returns
    -------
    Views

    Raises
    ------
    InputError
        If there is no encoder, or no text.

    Examples
    --------
    >>> texts = ["good soup", "bad soup", "cold bread"]
    >>> views = fit_views([TfidfEncoder()], texts)
    >>> bool(np.allclose(views.rows(texts + ["good bread"])[:3], views.rows(texts), atol=1e-3))
    True
    """
    texts = check_texts(pool)
    return fit_views_at(
        encoders,
        len(texts),
        lambda numbers: [texts[number] for number in numbers],
        cache=cache,
        progress=watching(progress, "texts"),
    )


def fit_views_at(
    encoders: Sequence[Encoder],
    n_texts: int,
    read: TextsAt,
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> Views:
    """Fit views as `fit_views` does, on a pool of which only the sample is read.

    Parameters
    ----------
    n_texts
        Texts of the pool.
    read
        Reads the texts of some numbers.
    """
    if not encoders or not n_texts:
        raise InputError(f"got {len(encoders)} encoders and {n_texts} texts, expected at least one of each")
    views = tuple(_view(encoder, n_texts, read, cache, progress) for encoder in encoders)
    return Views.beside(views, cache)


def _view(
    encoder: Encoder, n_texts: int, read: TextsAt, cache: FeatureCache | None, progress: Progress | None
) -> View:
    known = None if cache is None else _known(encoder, n_texts, read, cache)
    if known is not None:
        return known
    sample = read(sample_of(n_texts).tolist())
    fitted = encoder.fit(sample)
    features = fitted.encode(sample, progress=progress)
    mapped = fit_feature_map(features).astype(np.float32)
    view = View(fitted, mapped, encoder.name, n_texts, pool_digest(sample))
    if cache is not None:
        cache.keep(view.name, view.arrays(), dict(zip(sample, mapped(features), strict=True)))
    return view


def _known(encoder: Encoder, n_texts: int, read: TextsAt, cache: FeatureCache) -> View | None:
    """Find the view that was fitted on most of these texts, unless they have outgrown it."""
    best: View | None = None
    for arrays in cache.kept(encoder.name):
        fitted_on = int(arrays["fitted_on"])
        if fitted_on > n_texts or _outgrown(fitted_on, n_texts):
            continue
        if best is not None and best.fitted_on >= fitted_on:
            continue
        sample = str(arrays["sample"])
        if pool_digest(read(sample_of(fitted_on).tolist())) == sample:
            best = View.restored(encoder, arrays)
    return best


def sample_of(n_texts: int) -> Ints:
    """Return the positions, spread evenly, of the texts of a pool that a view is fitted on."""
    return np.unique(np.linspace(0, n_texts - 1, _SAMPLE).round().astype(np.int64))


def _outgrown(fitted_on: int, n_texts: int) -> bool:
    return fitted_on < _SAMPLE and n_texts >= 2 * fitted_on


def drift_note(drift: float) -> str | None:
    """Say that texts that came later are of another kind; None where they are not.

    Examples
    --------
    >>> drift_note(0.01) is None
    True
    """
    if drift < _DRIFT:
        return None
    return (
        f"the texts added since the features were fitted are of another kind (drift {drift:.2f}, "
        f"remarkable from {_DRIFT}): features fitted on all texts would tell them apart better; "
        "delete the project's folder of features to have them fitted anew"
    )


_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# words that English has in most sentences, and that other languages in Latin letters hardly know
_ENGLISH = frozenset(
    _WORD.findall(
        "the and of you that this with for have are not but what your they from would about it i is my be if "
        "it's i'm don't to we can there when been has had were how which"
    )
)


def language_note(encoder: Encoder, texts: Sequence[str]) -> str | None:
    """Say that an English encoder is shown other languages; None where it is not.

    A text counts as English where one of its words is one that English sentences cannot do without; texts of
    less than four words say nothing.

    Examples
    --------
    >>> language_note(TfidfEncoder(), ["Das ist ein sehr schönes Lied."]) is None
    True
    """
    if not encoder.is_english:
        return None
    long = [
        words
        for row in sample_of(len(texts))
        if len(words := _WORD.findall(texts[row].lower())) >= _MANY_WORDS
    ]
    foreign = sum(_ENGLISH.isdisjoint(words) for words in long) / max(len(long), 1)
    if len(long) < _LEAST_NEW or foreign < _FOREIGN:
        return None
    return (
        f"about {foreign:.0%} of the texts are not in English, and MiniLM knows English alone: set the "
        "encoder to the folder or hub id of a multilingual model, such as intfloat/multilingual-e5-small, "
        "with +tfidf beside it"
    )
