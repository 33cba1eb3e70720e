"""From results to JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

import numpy as np

__all__ = ["plain"]


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
