"""Tables of texts in memory: the id, the text and the further values of each row."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np

from jurybox.errors import InputError
from jurybox.inputs import ID_NAMES, TEXT_NAMES, renamed, table

__all__ = ["is_counted", "text_rows"]


def is_counted(ids: Any) -> bool:
    """Whether identifiers, or an index of pandas, just count the rows: they say nothing of their order.

    Examples
    --------
    >>> import pandas as pd
    >>> is_counted(pd.RangeIndex(3)), is_counted(pd.Index([2, 0, 1])), is_counted(["t1"])
    (True, False, False)
    """
    return np.asarray(ids).dtype.kind in "iu" and np.array_equal(ids, np.arange(len(ids)))


def text_rows(
    data: Any, columns: Mapping[str, Hashable] | None = None
) -> Iterator[tuple[Any, Any, dict[str, Any]]] | None:
    """Return id (None where there is none), text and further values of each row of a table of texts.

    A series is its texts, a dict of strings ids and texts. Ids are a column that is called so, else an index
    that does more than count. None where ``data`` is no table.

    Raises
    ------
    InputError
        If the table has no column of texts.
    """
    if isinstance(data, Mapping) and data and all(isinstance(text, str) for text in data.values()):
        return ((key, text, {}) for key, text in data.items())
    frame = data.to_frame("text") if _is_series(data) else table(data)
    if frame is None:
        return None
    held = renamed(frame, columns, ("id", "text"))
    text = next((name for name in TEXT_NAMES if name in held.columns), None)
    if text is None:
        raise InputError(
            f"the frame has the columns {list(frame.columns)!r:.200}, expected text and, where texts have "
            "one, id: pass columns={'text': '…'} with the name it has here"
        )
    ids = next((name for name in ID_NAMES if name != "text" and name in held.columns), None)
    rest = [name for name in held.columns if name not in (ids, text)]
    keys = held[ids].tolist() if ids is not None else _index_ids(held.index)
    further = zip(*(held[name].tolist() for name in rest), strict=True) if rest else iter([()] * len(held))
    return (
        (key, value, dict(zip(map(str, rest), more, strict=True)))
        for key, value, more in zip(keys, held[text].tolist(), further, strict=True)
    )


def _is_series(data: Any) -> bool:
    return hasattr(data, "iloc") and hasattr(data, "to_frame")


def _index_ids(index: Any) -> list[Any]:
    """Return the labels of an index as ids: names, or numbers each of which is there once, out of count."""
    named = index.dtype.kind in "OU" or (not is_counted(index) and index.is_unique)
    return list(index) if named else [None] * len(index)
