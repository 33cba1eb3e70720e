"""One door for what people have at hand: tables and arrays of other libraries, and what their labels say.

pandas, polars, Arrow and Hugging Face tables, lists of records and dicts are tables; NumPy, torch and sparse
arrays, series and lists are columns or cells. None of these libraries is imported unless its objects come.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import DataFrame
from jurybox.coding import identifiers, missing_values
from jurybox.errors import InputError, InputTypeError

__all__ = [
    "COLUMNS",
    "ID_NAMES",
    "TEXT_NAMES",
    "Long",
    "Wide",
    "array",
    "long_columns",
    "named_columns",
    "renamed",
    "table",
    "wide_cells",
]

COLUMNS = ("text", "annotator", "label")

ID_NAMES = ("id", "text_id", "uid", "text")
"""What a column with the texts' ids is called."""

TEXT_NAMES = ("text", "sentence", "document", "content")
"""What a column with the texts is called."""

_NO_ANNOTATORS = {*ID_NAMES, *TEXT_NAMES, "index", "unnamed: 0"}
_LEAST_DISTINCT = 5
_LEAST_ROWS = 10
_MOST_COLUMNS = 100


def table(data: Any) -> DataFrame | None:
    """Return a table of any kind as a pandas frame, or None where it is none.

    Parameters
    ----------
    data
        A frame of pandas or polars, an Arrow table, a Hugging Face data set, a list of records, or a dict of
        columns. Classes that are declared with their order (`ordered` categories of pandas, ``Enum`` of
        polars, class labels of Hugging Face) become ordered categories, by name.

    Raises
    ------
    InputTypeError
        For several data sets under one name: choose a split.
    InputError
        For columns of different lengths.

    Examples
    --------
    >>> table([{"text": "t1", "label": "no"}, {"text": "t2"}])["label"].tolist()
    ['no', nan]
    >>> table([0, 1]) is None
    True
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, np.ndarray) and data.dtype.names:
        return pd.DataFrame(data)
    library = type(data).__module__.partition(".")[0]
    if library == "polars" and type(data).__name__ in ("DataFrame", "LazyFrame"):
        held = data.collect() if hasattr(data, "collect") else data
        return pd.DataFrame({name: _listed(held[name]) for name in held.columns})
    if library == "datasets" and hasattr(data, "column_names"):
        return _saved(data)
    if library == "pyarrow" and hasattr(data, "column_names"):
        arrow: DataFrame = data.to_pandas()
        return arrow
    if isinstance(data, Mapping):
        return _of_columns({name: _cells(name, column) for name, column in data.items()})
    if isinstance(data, list | tuple) and len(data) and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame.from_records(data)
    return None


def _listed(column: Any) -> Any:
    """Return a column of polars as plain values, or as categories where these are declared."""
    import pandas as pd

    known = column.dtype.categories if type(column.dtype).__name__ == "Enum" else None
    return column.to_list() if known is None else pd.Categorical(column.to_list(), list(known), ordered=True)


def _cells(name: Hashable, column: Any) -> list[Any]:
    if isinstance(column, Mapping):
        raise InputError(
            f"got a dict of dicts, the first called {name!r}; pass pandas.DataFrame(…) of it, in which they "
            "are columns, or its .T, in which they are rows"
        )
    if isinstance(column, str) or not isinstance(held := array(column), Iterable):
        raise InputError(f"got a dict with {column!r:.40} as {name!r}, expected columns: a list a name")
    return list(held)


def _of_columns(columns: Mapping[Any, list[Any]]) -> DataFrame:
    import pandas as pd

    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"columns have different lengths: {lengths!r:.200}")
    return pd.DataFrame(dict(columns))


def _saved(data: Any) -> DataFrame:
    """Return a Hugging Face data set as a frame; class labels are ordered categories, not numbers."""
    import pandas as pd

    if isinstance(data, Mapping):
        splits = ", ".join(map(repr, data))
        raise InputTypeError(f"got several data sets ({splits}), expected one: choose a split, data['…']")
    plain = data.with_format(None)
    frame = plain.to_pandas() if hasattr(plain, "to_pandas") else pd.DataFrame.from_records(list(plain))
    for name, feature in (data.features or {}).items():
        if names := getattr(feature, "names", None):
            codes = pd.to_numeric(frame[name]).fillna(-1).astype(int)
            frame[name] = pd.Categorical.from_codes(codes.clip(lower=-1), names, ordered=True)
    return frame


def array(values: Any) -> Any:
    """Return series, tensors, Arrow arrays and sparse matrices as NumPy arrays, and generators as lists.

    What an array masks is missing.

    Raises
    ------
    InputError
        For a set, which has no order.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> array(csr_array([[0.0, 1.0]]))
    array([[0., 1.]])
    """
    if isinstance(values, np.ma.MaskedArray):
        missing: Any = np.nan if values.dtype.kind == "f" else None
        return np.where(np.ma.getmaskarray(values), missing, values.data)
    if isinstance(values, np.ndarray | list | tuple):
        return values
    if isinstance(values, set | frozenset):
        raise InputError("got a set, which has no order; expected a list, an array or a table")
    if isinstance(values, Iterator | KeysView | ValuesView):
        return list(values)
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        return (tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy()
    if hasattr(values, "toarray"):
        return values.toarray()
    if hasattr(values, "to_pylist"):
        return _vector(values.to_pylist(), "values")
    return values.to_numpy() if hasattr(values, "to_numpy") else values


@dataclass(frozen=True)
class Long:
    """Text, annotator and label of each annotation, and the classes where the column declares them."""

    text: NDArray[Any]
    annotator: NDArray[Any]
    label: NDArray[Any]
    classes: tuple[Hashable, ...] | None = None


def long_columns(
    data: Any, annotator: Any = None, label: Any = None, columns: Mapping[str, Hashable] | None = None
) -> Long:
    """Return text, annotator and label of each annotation; raise as `named_columns`."""
    parts = _parts(data, (annotator, label), columns, COLUMNS)
    text, people, labels = (_vector(parts[name], name) for name in COLUMNS)
    return Long(text, people, labels, _declared([parts["label"]]))


def named_columns(
    data: Any,
    given: Sequence[Any],
    columns: Mapping[str, Hashable] | None,
    names: Sequence[str],
    optional: Sequence[str] = (),
) -> dict[str, NDArray[Any]]:
    """Return columns by our names, from a table, rows of the names, or ``data`` and the sequences ``given``.

    Raises
    ------
    InputError
        If a column is missing but for optional ones, there are not as many sequences as names, or series of
        them have different indexes.
    """
    parts = _parts(data, given, columns, names, optional)
    return {name: _vector(part, name) for name, part in parts.items()}


def _parts(
    data: Any, given: Sequence[Any], columns: Any, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Any]:
    frame = table(data)
    if frame is not None:
        frame = _with_levels(frame, {*names, *optional, *(columns or {}).values()})
        held = renamed(frame, columns, (*names, *optional))
        absent = [name for name in names if name not in held.columns]
        if absent:
            raise InputError(
                f"the frame has the columns {list(frame.columns)}, expected {list(names)}; "
                f"{', '.join(absent)} missing: pass columns={{{absent[0]!r}: '…'}} with the name it has here"
            )
        return {name: held[name] for name in (*names, *optional) if name in held.columns}
    rows = _tuples(data, names) if any(part is None for part in given) else (data, *given)
    parts = dict(zip(names, rows, strict=True))
    _refuse_other_rows(parts)
    return parts


def _with_levels(frame: DataFrame, wanted: set[Any]) -> DataFrame:
    """Return a frame with the levels of its index that are wanted as columns, such as `groupby` makes."""
    levels = [name for name in frame.index.names if name in wanted and name not in frame.columns]
    return frame.reset_index(levels) if levels else frame


def _refuse_other_rows(parts: Mapping[str, Any]) -> None:
    """Refuse series with different indexes: their rows do not belong together as they stand."""
    series = [(name, part) for name, part in parts.items() if hasattr(part, "iloc")]
    for name, part in series[1:]:
        if not part.index.equals(series[0][1].index):
            raise InputError(
                f"{name} has another index than {series[0][0]}: pass one frame with all, or "
                ".to_numpy() of each where they are in the same order"
            )


def _declared(columns: Sequence[Any]) -> tuple[Hashable, ...] | None:
    """Return the classes that all these columns declare with their order, or None."""
    kinds: list[Any] = [getattr(column, "dtype", None) for column in columns]
    known = {tuple(kind.categories) if getattr(kind, "ordered", False) else None for kind in kinds}
    return known.pop() if len(known) == 1 else None


def _tuples(data: Any, names: Sequence[str]) -> tuple[list[Any], ...]:
    rows = list(data) if isinstance(data, Iterable) and not isinstance(data, str) else []
    if not rows or not all(isinstance(row, tuple | list) and len(row) == len(names) for row in rows):
        raise InputError(
            f"got one sequence, expected a frame with the columns {', '.join(names[:-1])} and {names[-1]}, "
            f"rows of these {len(names)}, or {len(names)} sequences"
        )
    return tuple(map(list, zip(*rows, strict=True)))


def renamed(frame: DataFrame, columns: Mapping[str, Hashable] | None, ours: Sequence[str]) -> DataFrame:
    """Rename columns from the caller's names to ours."""
    for own, theirs in (columns or {}).items():
        if own not in ours:
            raise InputError(
                f"columns names {own!r}, expected our names first: {{{ours[0]!r}: 'their name'}}"
            )
        if theirs not in frame.columns:
            raise InputError(f"columns: there is no column {theirs!r} among {list(frame.columns)}")
    chosen = {theirs: own for own, theirs in (columns or {}).items()}
    stale = [name for name in frame.columns if name in chosen.values() and name not in chosen]
    named = frame.drop(columns=stale).rename(columns=chosen)
    twice = [name for name in ours if list(named.columns).count(name) > 1]
    if twice:
        raise InputError(f"two columns are called {twice[0]!r}, expected one; drop or rename the other")
    return named


def _vector(values: Any, name: str) -> NDArray[Any]:
    given = array(values)
    held: NDArray[Any] = given if isinstance(given, np.ndarray) else np.empty(0)
    if not isinstance(given, np.ndarray):
        listed = list(given)
        held = np.empty(len(listed), dtype=object)
        for at, value in enumerate(listed):  # as a whole, lists in the cells would be taken for dimensions
            held[at] = value.item() if getattr(value, "ndim", None) == 0 else value
    if held.ndim != 1:
        raise InputError(f"{name} has {held.ndim} dimensions, expected 1: one value per annotation")
    return held


@dataclass(frozen=True)
class Wide:
    """Cells of shape (N, M), names of rows and columns, and the classes where all columns declare them."""

    cells: NDArray[Any]
    texts: NDArray[Any]
    annotators: NDArray[Any]
    classes: tuple[Hashable, ...] | None = None


def wide_cells(labels: Any, columns: Mapping[str, Hashable] | None) -> Wide:
    """Return the cells of a table with a row per text and a column per annotator.

    Raises
    ------
    InputError
        If it is not two-dimensional, or a column holds texts or ids, not labels.
    """
    if hasattr(labels, "tocoo"):
        return _stored_cells(labels)
    frame = table(labels)
    if frame is None:
        held = array(labels)
        cells = held if isinstance(held, np.ndarray) else _grid(held)
        if cells.ndim != 2:
            raise InputError(
                f"labels has {cells.ndim} dimension(s), expected 2: a row per text, a column per annotator"
            )
        if cells.shape[0] >= 2 * _LEAST_ROWS:
            _refuse_texts([cells[:, at] for at in range(cells.shape[1])], list(range(cells.shape[1])))
        return Wide(cells, np.arange(cells.shape[0]), np.arange(cells.shape[1]))
    if columns:
        frame = renamed(frame, columns, ("text",)).set_index("text")
    parts = [frame.iloc[:, at] for at in range(frame.shape[1])]
    _refuse_texts([part.to_numpy() for part in parts], list(frame.columns))
    texts, people = identifiers(frame.index, "text"), identifiers(frame.columns, "annotator")
    return Wide(frame.to_numpy(), texts, people, _declared(parts))


def _grid(rows: Any) -> NDArray[Any]:
    """Return rows as cells (N, M); a list in a cell stays one, and is refused where labels are read."""
    listed = [list(array(row)) if _is_row(row) else row for row in rows]
    if not any(isinstance(row, list) for row in listed):
        return np.array(listed, dtype=object)
    for at, row in enumerate(listed):
        if not isinstance(row, list) or len(row) != len(listed[0]):
            raise InputError(f"row {at} is {row!r:.60}, expected a cell for each annotator, as in row 0")
    return np.stack([_vector(row, "row") for row in listed])


def _is_row(row: Any) -> bool:
    return isinstance(row, Iterable) and not isinstance(row, str | Mapping) and getattr(row, "ndim", 1) > 0


def _stored_cells(labels: Any) -> Wide:
    """Take what a sparse matrix stores, zeros too, for labels; the rest is missing."""
    stored = labels.tocoo()
    cells = np.full(stored.shape, None, dtype=object)
    cells[stored.row, stored.col] = stored.data
    return Wide(cells, np.arange(stored.shape[0]), np.arange(stored.shape[1]))


def _refuse_texts(values: Sequence[NDArray[Any]], names: Sequence[Hashable]) -> None:
    """Refuse a column of texts or ids: called so, or nearly each value once and few of them elsewhere."""
    if len(values) > _MOST_COLUMNS:
        return
    held = [_distinct(column) for column in values]
    for at, (column, found) in enumerate(zip(values, held, strict=True)):
        if not found:
            continue
        present = int((~missing_values(column)).sum())
        others: set[Any] = set().union(*(one for one in held[:at] + held[at + 1 :] if one))
        shared = len(found & others)
        called = str(names[at]).lower() in _NO_ANNOTATORS and not shared
        apart = len(found) >= max(_LEAST_DISTINCT, 0.9 * present) and not shared
        counted = len(found) == len(column) >= _LEAST_ROWS and shared < len(found) / 2
        if called or apart or counted:
            raise InputError(
                f"column {names[at]!r} has {len(found)} different values in {present} rows, from row 0: "
                f"{column[0]!r:.40}, {shared or 'none'} of them in another column: a text or an id, not "
                f"labels of an annotator; pass columns={{'text': {names[at]!r}}} if it is the text's id, or "
                "drop it"
            )


def _distinct(column: NDArray[Any]) -> set[Any] | None:
    """Return the different values of a column; None where they cannot be compared, such as lists."""
    try:
        return set(column[~missing_values(column)].tolist())
    except TypeError:
        return None
