"""One door for what people have at hand: tables and arrays of other libraries, and what their labels say.

pandas, polars, Arrow and Hugging Face tables, lists of records and dicts are tables; NumPy, torch and sparse
arrays, series and lists are columns or cells. None of these libraries is imported unless its objects come.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import DataFrame, Floats, check_probabilities
from jurybox.coding import identifiers, missing_values
from jurybox.errors import InputError, InputTypeError

__all__ = [
    "COLUMNS",
    "Wide",
    "array",
    "ensemble",
    "long_columns",
    "probabilities",
    "table",
    "text_rows",
    "wide_cells",
]

COLUMNS = ("text", "annotator", "label")

_IDS = ("id", "text_id", "uid", "text")
_TEXTS = ("text", "sentence", "document", "content")
_LEAST_DISTINCT = 5


def table(data: Any) -> DataFrame | None:
    """Return a table of any kind as a pandas frame, or None where it is none.

    Parameters
    ----------
    data
        A frame of pandas or polars, an Arrow table, a Hugging Face data set (its class labels by name), a
        list of records, or a dict of columns.

    Raises
    ------
    InputTypeError
        For several data sets under one name: choose a split.

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
    library = type(data).__module__.partition(".")[0]
    if library == "polars" and type(data).__name__ in ("DataFrame", "LazyFrame"):
        held = data.collect() if hasattr(data, "collect") else data
        return pd.DataFrame(held.to_dict(as_series=False))
    if library == "datasets":
        return _saved(data)
    if library == "pyarrow" and hasattr(data, "column_names"):
        arrow: DataFrame = data.to_pandas()
        return arrow
    if isinstance(data, Mapping):
        return pd.DataFrame({name: list(array(column)) for name, column in data.items()})
    if isinstance(data, list | tuple) and len(data) and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame.from_records(data)
    return None


def _saved(data: Any) -> DataFrame:
    """Return a Hugging Face data set as a frame; class labels are names, not numbers."""
    if isinstance(data, Mapping):
        splits = ", ".join(map(repr, data))
        raise InputTypeError(f"got several data sets ({splits}), expected one: choose a split, data['…']")
    frame: DataFrame = data.with_format(None).to_pandas()
    for name, feature in data.features.items():
        if names := getattr(feature, "names", None):
            frame[name] = [
                None if code is None or code != code or code < 0 else names[int(code)] for code in frame[name]
            ]
    return frame


def array(values: Any) -> Any:
    """Return series, tensors, Arrow arrays and sparse matrices as NumPy arrays; all else as it is.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> array(csr_array([[0.0, 1.0]]))
    array([[0., 1.]])
    """
    if isinstance(values, np.ndarray | list | tuple):
        return values
    if hasattr(values, "detach"):
        return values.detach().cpu().numpy()
    if hasattr(values, "toarray"):
        return values.toarray()
    if hasattr(values, "to_pylist"):
        return _vector(values.to_pylist(), "values")
    return values.to_numpy() if hasattr(values, "to_numpy") else values


def long_columns(
    data: Any, annotator: Any, label: Any, columns: Mapping[str, Hashable] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return text, annotator and label of each annotation, from a table or three sequences.

    Raises
    ------
    InputError
        If a column is missing, or there are not three sequences.
    """
    frame = table(data)
    if frame is not None:
        renamed = _renamed(frame, columns, COLUMNS)
        absent = [name for name in COLUMNS if name not in renamed.columns]
        if absent:
            raise InputError(
                f"the frame has the columns {list(frame.columns)}, expected {list(COLUMNS)}; "
                f"{', '.join(absent)} missing: pass columns={{{absent[0]!r}: '…'}} with the name it has here"
            )
        parts: tuple[Any, ...] = tuple(renamed[name].to_numpy() for name in COLUMNS)
    elif annotator is None or label is None:
        parts = _triplets(data)
    else:
        parts = (data, annotator, label)
    text, annotators, labels = (_vector(part, name) for part, name in zip(parts, COLUMNS, strict=True))
    return text, annotators, labels


def _triplets(data: Any) -> tuple[list[Any], ...]:
    rows = list(data) if isinstance(data, Iterable) and not isinstance(data, str) else []
    if not rows or not all(isinstance(row, tuple | list) and len(row) == len(COLUMNS) for row in rows):
        raise InputError(
            "got one sequence, expected a frame with the columns text, annotator and label, rows of these "
            "three, or three sequences"
        )
    return tuple(map(list, zip(*rows, strict=True)))


def _renamed(frame: DataFrame, columns: Mapping[str, Hashable] | None, ours: Sequence[str]) -> DataFrame:
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
    return frame.drop(columns=stale).rename(columns=chosen)


def _vector(values: Any, name: str) -> NDArray[Any]:
    given = array(values)
    held: NDArray[Any] = given if isinstance(given, np.ndarray) else np.empty(0)
    if not isinstance(given, np.ndarray):
        listed = list(given)
        held = np.empty(len(listed), dtype=object)
        for at, value in enumerate(listed):  # as a whole, lists in the cells would be taken for dimensions
            held[at] = value
    if held.ndim != 1:
        raise InputError(f"{name} has {held.ndim} dimensions, expected 1: one value per annotation")
    return held


@dataclass(frozen=True)
class Wide:
    """Cells of shape (N, M) and what rows and columns are called."""

    cells: NDArray[Any]
    texts: NDArray[Any]
    annotators: NDArray[Any]


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
        cells = held if isinstance(held, np.ndarray) else np.array(held, dtype=object)
        if cells.ndim != 2:
            raise InputError(
                f"labels has {cells.ndim} dimension(s), expected 2: a row per text, a column per annotator"
            )
        return Wide(cells, np.arange(cells.shape[0]), np.arange(cells.shape[1]))
    if columns:
        frame = _renamed(frame, columns, ("text",)).set_index("text")
    _refuse_texts(frame)
    return Wide(frame.to_numpy(), identifiers(frame.index, "text"), identifiers(frame.columns, "annotator"))


def _stored_cells(labels: Any) -> Wide:
    """Take what a sparse matrix stores, zeros too, for labels; the rest is missing."""
    stored = labels.tocoo()
    cells = np.full(stored.shape, None, dtype=object)
    cells[stored.row, stored.col] = stored.data
    return Wide(cells, np.arange(stored.shape[0]), np.arange(stored.shape[1]))


def _refuse_texts(frame: DataFrame) -> None:
    """Refuse a column of texts or ids: nearly each value once, none of them in another column."""
    values = [frame.iloc[:, at].to_numpy() for at in range(frame.shape[1])]
    held = [_distinct(column) for column in values]
    for at, column in enumerate(values):
        present = int((~missing_values(column)).sum())
        if held[at] is None or len(held[at] or ()) < max(_LEAST_DISTINCT, 0.9 * present):
            continue
        others: set[Any] = set().union(*(found for other, found in enumerate(held) if other != at and found))
        if held[at] and not held[at] & others:  # type: ignore[operator]
            name = frame.columns[at]
            raise InputError(
                f"column {name!r} has {len(held[at] or ())} different values in {present} rows, from row 0: "
                f"{column[0]!r:.40}, none of them in another column: a text or an id, not labels of an "
                f"annotator; pass columns={{'text': {name!r}}} if it is the text's id, or drop it"
            )


def _distinct(column: NDArray[Any]) -> set[Any] | None:
    """Return the different values of a column; None where they cannot be compared, such as lists."""
    try:
        return set(column[~missing_values(column)].tolist())
    except TypeError:
        return None


def probabilities(
    pred_probs: Any,
    texts: NDArray[Any] | None = None,
    classes: Sequence[Hashable] | None = None,
    name: str = "pred_probs",
) -> Floats:
    """Return class probabilities (N, K), rows in the order of texts and columns in that of classes.

    Parameters
    ----------
    pred_probs
        A table, whose index (or column ``text``, ``text_id`` or ``id``) names texts and whose columns name
        classes: it is aligned by both. An array has them in order.
    texts : ndarray, shape (N,), optional
        Names of the texts; default: as they come.
    classes : sequence of K, optional
        Names of the classes; default: as they come.
    name
        The argument's name, for the message.

    Raises
    ------
    InputError
        If a text or class has no row or column or is unknown, or the values are no probabilities.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"yes": [0.9, 0.2], "no": [0.1, 0.8]}, index=["t2", "t1"])
    >>> probabilities(frame, np.array(["t1", "t2"]), ("no", "yes"))
    array([[0.8, 0.2],
           [0.1, 0.9]])
    """
    shape = None if texts is None else len(texts), None if classes is None else len(classes)
    frame = None if isinstance(pred_probs, np.ndarray) else table(pred_probs)
    if frame is None:
        return check_probabilities(array(pred_probs), shape, name)
    unnamed = type(pred_probs).__module__.partition(".")[0] != "pandas"
    id_column = next((column for column in _IDS if column in frame.columns), None)
    if id_column is not None and (classes is None or id_column not in classes):
        frame, unnamed = frame.set_index(id_column), False
    if classes is not None:
        frame = frame.iloc[:, _places(frame.columns, classes, "class", name)]
    if texts is not None and not (unnamed and len(frame) == len(texts)):
        frame = frame.iloc[_places(frame.index, texts, "text", name)]
    return check_probabilities(frame.to_numpy(dtype=np.float64), shape, name)


def _places(labels: Any, wanted: Any, kind: str, name: str) -> NDArray[np.int64]:
    """Return where each wanted text or class is among the labels of a frame."""
    import pandas as pd

    axis, found = ("columns start", "column") if kind == "class" else ("index starts", "row")
    if labels.has_duplicates:
        twice = labels[labels.duplicated()][0]
        raise InputError(f"{name}: {kind} {twice!r} has two {found}s, expected one each")
    names = pd.Index(list(wanted), dtype=object)
    numbered = kind == "class" and all(isinstance(each, str) for each in names)
    if numbered and pd.api.types.is_integer_dtype(labels):
        names = pd.Index(
            range(len(names)), dtype=object
        )  # integers beside names are positions, as for labels
    tried = ((labels.astype(object), names), (labels.map(str), names.map(str)))
    for have, want in tried:
        if have.is_unique and want.is_unique and not (have.get_indexer(want) < 0).any():
            extra = ~have.isin(want)
            if extra.any():
                raise InputError(
                    f"{name}: {found} {labels[int(extra.argmax())]!r} is none of the {len(names)} "
                    f"{_plural(kind)} "
                    f"of the annotations; {_advice(kind)}"
                )
            return np.asarray(have.get_indexer(want), dtype=np.int64)
    missing = names[labels.map(str).get_indexer(names.map(str)) < 0]
    raise InputError(
        f"{name}: no {found} for {kind} {(list(missing) or list(names))[0]!r}; the frame's {axis} "
        f"with {list(labels[:3])}; {_advice(kind)}"
    )


def _plural(kind: str) -> str:
    return "classes" if kind == "class" else f"{kind}s"


def _advice(kind: str) -> str:
    if kind == "class":
        return "name the columns as the classes are, or pass an array with columns in the order of classes"
    return "make the texts' ids the index, or pass an array with rows in the order of annotations.texts"


def ensemble(pred_probs: Any, texts: NDArray[Any], classes: Sequence[Hashable]) -> Floats:
    """Return probabilities as shape (P, N, K), from one model (N, K) or several.

    Raises
    ------
    InputError
        As `probabilities`; or where there is no model.
    """
    several = isinstance(pred_probs, list | tuple) and any(table(each) is not None for each in pred_probs)
    if several and not all(isinstance(each, Mapping) and "text" in each for each in pred_probs):
        return np.stack([probabilities(each, texts, classes) for each in pred_probs])
    if table(pred_probs) is not None:
        return probabilities(pred_probs, texts, classes)[None]
    p = np.asarray(array(pred_probs), dtype=np.float64)
    if p.ndim != 3:
        return check_probabilities(p, (len(texts), len(classes)))[None]
    if len(p) == 0:
        raise InputError("pred_probs holds no model, expected at least one")
    return check_probabilities(p, (None, len(texts), len(classes)))


def text_rows(
    data: Any, columns: Mapping[str, Hashable] | None = None
) -> Iterator[tuple[Any, Any, dict[str, Any]]] | None:
    """Return id (None where there is none), text and further values of each row of a table of texts.

    None where ``data`` is no table.

    Raises
    ------
    InputError
        If the table has no column of texts.
    """
    frame = table(data)
    if frame is None:
        return None
    renamed = _renamed(frame, columns, ("id", "text"))
    text = next((name for name in _TEXTS if name in renamed.columns), None)
    if text is None:
        raise InputError(
            f"the frame has the columns {list(frame.columns)}, expected text and, where texts have one, id: "
            "pass columns={'text': '…'} with the name it has here"
        )
    ids = next((name for name in ("id", "text_id", "uid") if name in renamed.columns), None)
    rest = [name for name in renamed.columns if name not in (ids, text)]
    indexed = ids is None and renamed.index.dtype.kind in "OU"
    keys = renamed.index if indexed else renamed[ids] if ids is not None else [None] * len(renamed)
    further = (
        zip(*(renamed[name].tolist() for name in rest), strict=True) if rest else iter([()] * len(renamed))
    )
    return (
        (key, value, dict(zip(map(str, rest), more, strict=True)))
        for key, value, more in zip(keys, renamed[text].tolist(), further, strict=True)
    )
