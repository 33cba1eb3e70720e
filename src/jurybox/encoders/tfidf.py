"""TF-IDF features: no download, no GPU; the encoder of the bare install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from jurybox.encoders.base import FeatureMap, Features, Progress, check_texts, pool_digest

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_VERSION = 2
_WORDS = r"(?u)\b\w+\b|[^\w\s]+"
_SUBSTITUTE = "text"
_MANY = 1000
_FEW = 100
_COUNTERS: dict[str, dict[str, Any]] = {
    "words": {"token_pattern": _WORDS, "ngram_range": (1, 2), "n_features": 2**17},
    "characters": {"analyzer": "char_wb", "ngram_range": (3, 5), "n_features": 2**18},
}
_MOST = {"words": 16_384, "characters": 32_768}  # hashed terms kept of each


@dataclass(frozen=True)
class TfidfEncoder:
    """Words (1–2) and characters (3–5) counted, weighted by TF-IDF, reduced by a truncated SVD.

    Terms are counted by their hash, so that nothing has to be kept of words that were never seen. Which
    hashes count, how much, and the SVD are fitted on the pool, without labels. An encoder that was not fitted
    is fitted on whatever it encodes.

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
    kept
        What was fitted on them, where it is known; use :meth:`restored`.

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
    kept: Mapping[str, NDArray[Any]] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def name(self) -> str:
        """Identity: settings and, once fitted, the pool's content."""
        settings = f"tfidf:v{_VERSION}:{self.dimensions}:{self.max_characters}"
        if self.kept is not None:
            return f"{settings}:{self.kept['tfidf_pool']}"
        return settings if self.pool is None else f"{settings}:{pool_digest(self.pool)}"

    @property
    def is_fitted(self) -> bool:
        """Whether a pool was given."""
        return self.pool is not None or self.kept is not None

    @property
    def is_english(self) -> bool:
        """Never: it knows no language."""
        return False

    def fit(self, pool: Sequence[str]) -> TfidfEncoder:
        """Return the encoder for this pool; the work is done when the first text is encoded."""
        return replace(self, pool=tuple(check_texts(pool)), kept=None)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return which hashes count, how much, and the SVD's directions (D, terms)."""
        union, svd = (self.pipeline.named_steps[name] for name in ("tfidf", "svd"))
        found: dict[str, NDArray[Any]] = {
            "tfidf_pool": np.array(self.name.rpartition(":")[2]),
            "tfidf_directions": svd.components_.astype(np.float16),
        }
        for name, steps in union.transformer_list:
            found[f"tfidf_{name}"] = steps.named_steps["kept"].get_support(indices=True).astype(np.int32)
            found[f"tfidf_{name}_idf"] = steps.named_steps["weights"].idf_
        return found

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> TfidfEncoder:
        """Return the encoder as it was when it gave these arrays."""
        names = [name for name in arrays if name.startswith("tfidf_")]
        return replace(self, pool=None, kept={name: np.array(arrays[name]) for name in names})

    def encode(
        self,
        texts: Sequence[str],
        *,
        progress: Progress | None = None,
        project: FeatureMap | None = None,
    ) -> Features:
        """TF-IDF features, shape (N, D), float32; a text without a known word or n-gram gets zeros."""
        texts = check_texts(texts)
        if not self.is_fitted:
            return self.fit(texts).encode(texts, progress=progress, project=project)
        if not texts:
            features = np.zeros((0, len(self.pipeline.named_steps["svd"].components_)), np.float32)
        else:
            features = self._transformed(self._cut(texts))
        if progress is not None:
            progress(len(texts), len(texts))
        return np.ascontiguousarray(features if project is None else project(features), dtype=np.float32)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The fitted scikit-learn pipeline, of scikit-learn's own classes alone."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.pipeline import Pipeline

        if self.kept is not None:
            return _restored(self.kept)
        texts = self._cut(self.pool or ())
        if not any(text.strip() for text in texts):
            texts = [_SUBSTITUTE]
        counter, counts = _fitted_counter(texts)
        svd = TruncatedSVD(n_components=min(self.dimensions, *counts.shape), n_iter=4, random_state=0)
        with np.errstate(divide="ignore", invalid="ignore"):  # one text has no variance to explain
            svd.fit(counts)
        # what is kept of it is no finer, and features must not depend on whether it was kept
        svd.components_ = svd.components_.astype(np.float16).astype(np.float32)
        return Pipeline([("tfidf", counter), ("svd", svd)])

    def _transformed(self, texts: list[str]) -> Any:
        """Return what the pipeline makes of texts; of a few, which have few terms, without making it."""
        if self.kept is None or len(texts) > _FEW or "pipeline" in vars(self):
            return self.pipeline.transform(texts)
        counts = _restored_counter(self.kept).transform(texts)
        terms, places = np.unique(counts.indices, return_inverse=True)
        seen = csr_array((counts.data, places, counts.indptr), shape=(len(texts), len(terms)))
        return seen @ self.kept["tfidf_directions"][:, terms].astype(np.float32).T

    def _cut(self, texts: Sequence[str]) -> list[str]:
        # hashes are of bytes, which a lone surrogate has none of
        return [text[: self.max_characters].encode("utf-8", "replace").decode() for text in texts]


def _fitted_counter(texts: Sequence[str]) -> tuple[Any, Any]:
    """Counter of a pool and the pool's weighted counts.

    Of many texts, terms that only one text has are dropped, unless nothing else is left.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfTransformer

    parts, weighted = {}, []
    least = 2 if len(texts) >= _MANY else 1
    counted = {name: _counts(name, texts) for name in _COUNTERS}
    if not any((frequency >= least).any() for _, frequency in counted.values()):
        least = 1
    for name, (counts, frequency) in counted.items():
        known = np.flatnonzero(frequency >= least)
        kept = np.sort(known[np.argsort(-frequency[known], kind="stable")[: _MOST[name]]])
        if not len(kept):  # scikit-learn wants a column all the same: one that no text has
            kept = np.flatnonzero(frequency == 0)[:1]
        weights = TfidfTransformer(sublinear_tf=True).fit(counts[:, kept])
        parts[name] = kept, weights
        weighted.append(weights.transform(counts[:, kept]))
    return _union(parts), hstack(weighted, format="csr")


def _counts(name: str, texts: Sequence[str]) -> tuple[Any, NDArray[np.int64]]:
    """Return counts of hashed terms, and how many texts have each."""
    counts = _hashing(name).transform(texts)
    return counts, np.bincount(counts.indices, minlength=counts.shape[1])


def _hashing(name: str) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(norm=None, alternate_sign=False, dtype=np.float32, **_COUNTERS[name])


def _union(parts: Mapping[str, tuple[NDArray[Any], Any]]) -> Any:
    """Counters of the kept terms (by hash), and their weights, as scikit-learn's own classes."""
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.pipeline import FeatureUnion, Pipeline

    steps = []
    for name, (kept, weights) in parts.items():
        n_terms = _COUNTERS[name]["n_features"]
        chosen = VarianceThreshold(0.5)  # the class that keeps columns; which ones was decided above
        chosen.variances_ = np.zeros(n_terms, dtype=bool)
        chosen.variances_[kept] = True
        chosen.n_features_in_ = n_terms
        steps.append((name, Pipeline([("counts", _hashing(name)), ("kept", chosen), ("weights", weights)])))
    return FeatureUnion(steps)


def _restored_counter(arrays: Mapping[str, NDArray[Any]]) -> Any:
    from sklearn.feature_extraction.text import TfidfTransformer

    parts = {}
    for name in _COUNTERS:
        weights = TfidfTransformer(sublinear_tf=True)
        weights.idf_ = arrays[f"tfidf_{name}_idf"]
        weights.n_features_in_ = len(weights.idf_)
        parts[name] = arrays[f"tfidf_{name}"], weights
    return _union(parts)


def _restored(arrays: Mapping[str, NDArray[Any]]) -> Pipeline:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.pipeline import Pipeline

    directions = arrays["tfidf_directions"].astype(np.float32)
    svd = TruncatedSVD(n_components=len(directions))
    svd.components_, svd.n_features_in_ = directions, directions.shape[1]
    return Pipeline([("tfidf", _restored_counter(arrays)), ("svd", svd)])
