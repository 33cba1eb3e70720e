"""Encoders of others: any object that turns texts into an array."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jurybox.encoders.base import Encoder, FeatureMap, Features, Progress, check_texts
from jurybox.errors import InputError
from jurybox.inputs import array

__all__ = ["ForeignEncoder", "as_encoder", "is_encoder"]

_CHUNK = 1024


@dataclass(frozen=True)
class ForeignEncoder:
    """An object with ``encode`` or ``transform``, or a function, as an encoder.

    It is taken to be ready: nothing fits it. Two objects of the same name have to give the same features, for
    features may be cached under it.

    Parameters
    ----------
    model
        With ``encode(texts)`` (sentence-transformers), ``transform(texts)`` (scikit-learn), or callable.
    name
        Identity; default: its class and what it says of itself.
    """

    model: Any
    name: str
    is_english: bool = False
    is_fitted: bool = True

    @property
    def reason(self) -> str:
        """Why it was taken."""
        return f"{type(self.model).__name__}: given as an object"

    def fit(self, pool: Sequence[str]) -> Self:  # noqa: ARG002 — it is ready
        """Return itself."""
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nothing: nothing is fitted."""
        return {}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG002
        """Return itself."""
        return self

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None, project: FeatureMap | None = None
    ) -> Features:
        """Return features of texts, shape (N, D), or these projected."""
        checked = check_texts(texts)
        function = getattr(self.model, "encode", None) or getattr(self.model, "transform", None) or self.model
        parts = []
        for start in range(0, max(len(checked), 1), _CHUNK):
            part = checked[start : start + _CHUNK]
            rows = np.asarray(array(function(part)), dtype=np.float32)
            if rows.ndim != 2 or len(rows) != len(part):
                raise InputError(
                    f"{self.name}: features of {len(part)} texts have shape {rows.shape}, "
                    f"expected ({len(part)}, D)"
                )
            parts.append(rows if project is None else np.asarray(project(rows), dtype=np.float32))
            if progress is not None:
                progress(min(start + _CHUNK, len(checked)), len(checked))
        return np.vstack(parts)


def is_encoder(given: Any) -> bool:
    """Whether something is an object that encodes, not the name of one.

    Examples
    --------
    >>> is_encoder("tfidf"), is_encoder(lambda texts: [[len(text)] for text in texts])
    (False, True)
    """
    return not isinstance(given, str) and any(
        hasattr(given, name) for name in ("encode", "transform", "__call__")
    )


def as_encoder(given: Any) -> Encoder:
    """Return an encoder as it is, and anything else that turns texts into an array as one.

    Examples
    --------
    >>> lengths = as_encoder(lambda texts: [[len(text)] for text in texts])
    >>> lengths.encode(["a", "abc"]).tolist()
    [[1.0], [3.0]]
    """
    if all(hasattr(given, name) for name in ("encode", "restored", "arrays", "reason")):
        encoder: Encoder = given
        return encoder
    name = getattr(given, "__qualname__", type(given).__name__)
    return ForeignEncoder(given, f"{name}:{_identity(given)}")


def _identity(given: Any) -> str:
    """Return a digest of all that an object's features depend on: what a function uses, else its state."""
    from joblib import hash as digest

    try:
        return str(digest(_used(given) if isinstance(given, FunctionType) else given))
    except Exception:  # whatever cannot be pickled has an identity for itself, and is never found in a cache
        return uuid.uuid4().hex


def _used(function: FunctionType, *within: FunctionType) -> list[Any]:
    """Return a function's code, and the values outside it that this names: two models make two encoders.

    Functions of the same module are known by what they use in turn, those of others by name.
    """
    named = _names(function.__code__) & set(function.__globals__)
    outside = {name: function.__globals__[name] for name in sorted(named)}
    outside |= inspect.getclosurevars(function).nonlocals
    values: dict[str, Any] = {}
    for name, value in outside.items():
        if isinstance(value, FunctionType) and value.__module__ == function.__module__:
            if value not in (*within, function):
                values[name] = _used(value, *within, function)
        elif not inspect.ismodule(value):
            values[name] = value
    return [*_code(function.__code__), function.__defaults__, function.__kwdefaults__, values]


def _names(code: CodeType) -> set[str]:
    """Return all that code names: what is inside functions and comprehensions in it, too."""
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


def _code(code: CodeType) -> list[Any]:
    inner = [_code(each) if isinstance(each, CodeType) else each for each in code.co_consts]
    return [code.co_code, code.co_names, inner]
