"""What every encoder offers: texts in, an array of features out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.encoders.features import FeatureMap
from jurybox.errors import InputError

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
