"""From results to JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from math import inf, isfinite
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

__all__ = ["plain", "read_plain"]

Record = TypeVar("Record")


def plain(value: Any) -> Any:
    """Turn dataclasses, mappings, sequences and arrays into JSON values.

    What is no finite number becomes None, and what JSON does not know becomes its name.

    Examples
    --------
    >>> from jurybox.trust.intervals import Interval
    >>> plain((Interval(0.5, float("nan"), float("inf")), np.array([1, 2])))
    [{'estimate': 0.5, 'low': None, 'high': None, 'level': 0.95}, [1, 2]]
    """
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if isinstance(value, str | int) or value is None else str(value)


def read_plain(kind: type[Record], value: Mapping[str, Any]) -> Record:
    """Return the dataclass that `plain` made JSON values of; what is no number there was infinite.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the values are not those of such a dataclass.

    Examples
    --------
    >>> from jurybox.trust.savings import Savings
    >>> from jurybox.trust.intervals import Interval
    >>> saved = Savings(100, Interval(150.0, 120.0, float("inf")), 0.9)
    >>> read_plain(Savings, plain(saved)) == saved
    True
    """
    return cast("Record", _read(kind, value))


def _read(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        some = [one for one in inner if one is not NoneType]
        if value is None or len(some) == 1:
            return None if value is None else _read(some[0], value)
        lists = [one for one in some if get_origin(one) is tuple]
        return _read(lists[0], value) if isinstance(value, list) and lists else value
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_read(one, item) for one, item in zip(kinds, value, strict=True))
    if origin is list:
        return [_read(inner[0], item) for item in value]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _read(inner[1], item) for key, item in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{name: _read(one, value[name]) for name, one in _fields(kind)})
    if kind is float:
        return inf if value is None else float(value)
    return kind(value) if kind in (int, str) or (isinstance(kind, type) and issubclass(kind, Enum)) else value


@cache
def _fields(kind: type) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(field.name, hints[field.name]) for field in fields(cast("Any", kind))]
