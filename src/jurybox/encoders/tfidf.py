"""TF-IDF features: no download, no GPU; the encoder of the bare install."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from jurybox.encoders.base import FITTED_PREFIX, Features, Progress, check_texts, pool_digest

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_VERSION = 1
_WORDS = r"(?u)\b\w+\b|[^\w\s]+"
_SUBSTITUTE = "text"
_MANY = 1000


@dataclass(frozen=True)
class TfidfEncoder:
    """Words (1–2) and characters (3–5) counted, weighted by TF-IDF, reduced by a truncated SVD.

    The vocabulary and the SVD are fitted on the pool, without labels. An encoder that was not fitted is
    fitted on whatever it encodes.

    Parameters
    ----------
    dimensions
        Number of features D at most; smaller pools have fewer.
    max_characters
        Only this many characters of a text are read, so that a text of many megabytes costs no more than a
        long one.
    reason
        Why this encoder was taken, in one sentence.
    pool
        The texts it is fitted on; use :meth:`fit`.

    Examples
    --------
    >>> encoder = TfidfEncoder(dimensions=2).fit(["good soup", "good bread", "bad soup"])
    >>> encoder.encode(["good soup", ""]).shape
    (2, 2)
    """

    dimensions: int = 256
    max_characters: int = 20_000
    reason: str = "TF-IDF of words and characters: asked for by name"
    pool: tuple[str, ...] | None = field(default=None, repr=False)

    @cached_property
    def name(self) -> str:
        """Identity: settings and, once fitted, the pool's content."""
        settings = f"{FITTED_PREFIX}:v{_VERSION}:{self.dimensions}:{self.max_characters}"
        return settings if self.pool is None else f"{settings}:{pool_digest(self.pool)}"

    @property
    def is_fitted(self) -> bool:
        """Whether a pool was given."""
        return self.pool is not None

    def fit(self, pool: Sequence[str]) -> TfidfEncoder:
        """Return the encoder for this pool; the work is done when the first text is encoded."""
        return replace(self, pool=tuple(check_texts(pool)))

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> Features:
        """TF-IDF features, shape (N, D), float32; a text without a known word or n-gram gets zeros."""
        texts = check_texts(texts)
        if self.pool is None:
            return self.fit(texts).encode(texts, progress=progress)
        if not texts:
            return np.zeros((0, self.pipeline.named_steps["svd"].n_components), np.float32)
        features = self.pipeline.transform(self._cut(texts))
        if progress is not None:
            progress(len(texts), len(texts))
        return np.ascontiguousarray(features, dtype=np.float32)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The fitted scikit-learn pipeline, of scikit-learn's own classes alone."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.pipeline import Pipeline

        texts = self._cut(self.pool or ())
        if not any(text.strip() for text in texts):
            texts = [_SUBSTITUTE]
        counter, counts = _fitted_counter(texts)
        svd = TruncatedSVD(n_components=min(self.dimensions, *counts.shape), n_iter=4, random_state=0)
        with np.errstate(divide="ignore", invalid="ignore"):  # one text has no variance to explain
            svd.fit(counts)
        return Pipeline([("tfidf", counter), ("svd", svd)])

    def _cut(self, texts: Sequence[str]) -> list[str]:
        return [text[: self.max_characters] for text in texts]


def _fitted_counter(texts: Sequence[str]) -> tuple[Any, Any]:
    """Counter of a pool and the pool's counts.

    Of many texts, terms that only one text has are dropped, unless nothing else is left.
    """
    if len(texts) >= _MANY:
        try:
            counter = _counter(min_df=2)
            return counter, counter.fit_transform(texts)
        except ValueError:  # scikit-learn's word for "no terms remain"
            pass
    counter = _counter(min_df=1)
    return counter, counter.fit_transform(texts)


def _counter(min_df: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    words = TfidfVectorizer(
        token_pattern=_WORDS, ngram_range=(1, 2), min_df=min_df, max_features=50_000, sublinear_tf=True
    )
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), min_df=min_df, max_features=100_000, sublinear_tf=True
    )
    return FeatureUnion([("words", words), ("characters", characters)])
