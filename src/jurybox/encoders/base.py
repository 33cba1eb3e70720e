"""What every encoder offers: texts in, an array of features out; and the features that the head takes.

Those are centred, scaled, rotated and cut, without any label: a few hundred labels cannot tell thousands of
columns apart. So the pool, which has no labels but is large, chooses the columns: its principal components,
the leading ones emphasised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.linalg import eigh

from jurybox.arrays import Floats, freeze
from jurybox.errors import InputError

_FITTED_ON = 2048  # rows; more do not change 128 directions visibly
_COMPARED = 256  # columns whose correlations say whether an encoder has rotated them already
_UNCORRELATED = 5e-3  # mean squared correlation
_CHUNK = 8192  # rows transformed at a time, to bound memory


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """An affine map from D features to C, fitted on a pool.

    Attributes
    ----------
    mean : ndarray, shape (D,)
        Subtracted first.
    matrix : ndarray, shape (D, C)
        Multiplied with: scales each column, rotates to the principal components, weights these.
    """

    mean: Floats
    matrix: Floats

    def __post_init__(self) -> None:
        freeze(self.mean)
        freeze(self.matrix)

    def astype(self, dtype: DTypeLike) -> FeatureMap:
        """Return the map in another precision."""
        return FeatureMap(self.mean.astype(dtype), self.matrix.astype(dtype))

    def __call__(self, features: ArrayLike) -> Floats:
        """Map features (n, D) to (n, C).

        Raises
        ------
        InputError
            If they have another number of columns than the pool.
        """
        x = _check(features)
        if x.shape[1] != len(self.mean):
            raise InputError(f"features has {x.shape[1]} columns, expected {len(self.mean)}, as the pool had")
        mapped = np.empty((len(x), self.matrix.shape[1]), dtype=self.matrix.dtype)
        for start in range(0, len(x), _CHUNK):
            mapped[start : start + _CHUNK] = (x[start : start + _CHUNK] - self.mean) @ self.matrix
        return mapped


def fit_feature_map(pool: ArrayLike, *, n_components: int = 128, emphasis: float = 0.5) -> FeatureMap:
    """Fit standardisation and principal components to the features of a pool.

    Columns are standardised, so that none counts for its unit, unless they are uncorrelated: then an encoder
    has rotated them to components itself, and to standardise these would make noise as loud as the first.
    Principal component c has standard deviation sd_c over the pool; its scores are multiplied by
    ``sd_c ** emphasis``, which for an L2-regularised model is the prior belief that the
    classes differ along the directions in which the texts differ most. The overall scale makes the mean
    squared norm of the pool's rows 1.

    Parameters
    ----------
    pool : array-like, shape (N, D)
        Features of the pool; labels play no part.
    n_components
        Components kept, at most; fewer where the pool has a lower rank.
    emphasis
        0 gives ordinary principal components, -1 whitens them, above 0 emphasises the leading ones.

    Returns
    -------
    FeatureMap

    Raises
    ------
    InputError
        If the pool is not a table of finite numbers with at least one row and column, or
        ``n_components`` is below 1.

    Examples
    --------
    >>> pool = np.random.default_rng(0).normal(size=(200, 50))
    >>> fit_feature_map(pool, n_components=10)(pool).shape
    (200, 10)
    """
    x = _check(pool)
    if not x.size:
        raise InputError(f"the pool has shape {x.shape}, expected at least one row and one column")
    if n_components < 1:
        raise InputError(f"n_components is {n_components}, expected at least 1")
    mean, sd = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-6 * (1 + np.abs(mean)))
    z = (x[_spread(len(x), _FITTED_ON)] - mean) * inverse
    if _uncorrelated(z):
        z, inverse = z * sd, np.ones_like(sd)
    directions, deviation = _principal_components(z, n_components)
    gain = deviation**emphasis
    scale = np.sqrt(np.sum((deviation * gain) ** 2)) or 1.0
    return FeatureMap(mean, inverse[:, None] * directions * (gain / scale))


def _spread(n: int, size: int) -> NDArray[np.int64]:
    """Return at most ``size`` positions, spread evenly over ``range(n)``."""
    return np.unique(np.linspace(0, n - 1, size).round().astype(np.int64))


def _uncorrelated(z: Floats) -> bool:
    """Say whether standardised columns are uncorrelated, from some of them."""
    some = z[:, _spread(z.shape[1], _COMPARED)]
    correlation = some.T @ some / len(some)
    pairs = correlation.size - len(correlation)
    squares = (correlation**2).sum() - (np.diag(correlation) ** 2).sum()
    return bool(pairs > 0 and squares / pairs < _UNCORRELATED)


def _principal_components(z: Floats, n_components: int) -> tuple[Floats, Floats]:
    """Return directions (D, C) and standard deviations (C,) of centred rows, the largest first.

    The eigenvectors are those of the smaller of ``z z'`` and ``z' z``.
    """
    n, d = z.shape
    wide = d > n
    size = min(n, d)
    keep = [max(0, size - n_components), size - 1]
    values, vectors = eigh(z @ z.T if wide else z.T @ z, subset_by_index=keep, check_finite=False)
    values, vectors = values[::-1], vectors[:, ::-1]
    real = values > max(values[0], 0.0) * 1e-8
    values, vectors = values[real], vectors[:, real]
    deviation = np.sqrt(values / n)
    if wide:
        vectors = (z.T @ vectors) / np.sqrt(values)
    return vectors, deviation


def _check(features: ArrayLike) -> NDArray[np.floating]:
    x = np.asarray(features)
    if x.ndim != 2 or not np.issubdtype(x.dtype, np.number):
        raise InputError(f"features has shape {x.shape} and type {x.dtype}, expected numbers of shape (n, D)")
    x = x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float64)
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise InputError(f"features, row {row}, has a value that is not finite, expected finite numbers")
    return x


Features: TypeAlias = NDArray[np.float32]
Progress: TypeAlias = Callable[[int, int], None]


class Encoder(Protocol):
    """Turns texts into features; the same text always gets the same features.

    Attributes
    ----------
    name
        Identity of the encoder with all that its features depend on (settings, weights, and for a fitted
        encoder its pool). Two encoders of the same name give the same features: the cache relies on it.
    reason
        One sentence for people: what this encoder is and why it was taken.
    is_english
        Whether it knows English alone.
    """

    @property
    def name(self) -> str:
        """Identity of the encoder."""
        ...

    @property
    def reason(self) -> str:
        """Why it was taken."""
        ...

    @property
    def is_fitted(self) -> bool:
        """False for an encoder that still has to be fitted on a pool; always true for a frozen one."""
        ...

    @property
    def is_english(self) -> bool:
        """Whether it knows English alone."""
        ...

    def fit(self, pool: Sequence[str]) -> Self:
        """Return the encoder for a pool of texts; a frozen encoder returns itself."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was fitted; nothing for a frozen encoder."""
        ...

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the encoder as it was when it gave these arrays."""
        ...

    def encode(
        self,
        texts: Sequence[str],
        *,
        progress: Progress | None = None,
        project: FeatureMap | None = None,
    ) -> Features:
        """Features of the texts, shape (N, D), or these projected, shape (N, C).

        ``progress`` is called with (texts done, N).
        """
        ...


def check_texts(texts: Sequence[str]) -> list[str]:
    """Texts as a list; refuses one lone string and anything that is not a string.

    Raises
    ------
    InputError
        With the position of the first entry that is not a string.

    Examples
    --------
    >>> check_texts(("a", ""))
    ['a', '']
    """
    if isinstance(texts, str):
        raise InputError(
            "texts is one string; expected a sequence of strings: pass [text] to encode a single text"
        )
    checked = list(texts)
    for position, text in enumerate(checked):
        if not isinstance(text, str):
            raise InputError(
                f"texts[{position}] is {type(text).__name__} ({text!r:.40}); expected a string: "
                "replace missing texts by '' or drop them"
            )
    return checked


def text_digest(text: str) -> bytes:
    """16 bytes that stand for a text: the head of its SHA-256.

    Examples
    --------
    >>> text_digest("").hex()
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def pool_digest(texts: Iterable[str]) -> str:
    """Hexadecimal digest of a list of texts, in order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text_digest(text))
    return digest.hexdigest()[:16]
