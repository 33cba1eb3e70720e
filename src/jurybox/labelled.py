"""Tables by text, and what comes of them: annotations, rows in the order of texts, series by text.

Annotations that are chosen or brought over other names keep what reviewers decided.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints, Series, as_floats, check_probabilities
from jurybox.coding import plain
from jurybox.errors import InputError, InputTypeError
from jurybox.inputs import COLUMNS, ID_NAMES, array, table
from jurybox.text_rows import is_counted

__all__ = [
    "annotations_at",
    "annotations_over",
    "as_annotations",
    "by_text",
    "ensemble",
    "labelled_as",
    "named",
    "places_of",
    "probabilities",
    "rows_by_text",
    "scores_of",
]


def as_annotations(given: Any) -> Annotations:
    """Return annotations as they are, or those of a table with the columns text, annotator and label.

    Raises
    ------
    InputTypeError
        For anything else.

    Examples
    --------
    >>> as_annotations([{"text": "t1", "annotator": "ana", "label": "no"}])
    Annotations(1 text, 1 annotator, 1 class, 1 annotation)
    """
    if isinstance(given, Annotations):
        return given
    frame = table(given)
    if frame is None or not set(COLUMNS) <= set(frame.columns):
        raise InputTypeError(
            f"annotations is {type(given).__name__}, expected Annotations: make them with "
            "Annotations.from_wide (a column an annotator) or from_long (columns text, annotator, label)"
        )
    return Annotations.from_long(frame)


def annotations_at(annotations: Annotations, rows: NDArray[Any]) -> Annotations:
    """Return some of the annotations, by a mask (L,) or by positions, of the same texts, people and classes.

    Examples
    --------
    >>> annotations_at(Annotations.from_wide([[0, 1], [1, None]]), np.array([0, 2])).label.tolist()
    [0, 1]
    """
    triplet = annotations.text[rows], annotations.annotator[rows], annotations.label[rows]
    decided = None if annotations.decided is None else annotations.decided[rows]
    return annotations.with_triplets(*triplet, decided=decided)


def annotations_over(
    annotations: Annotations, texts: Sequence[Any] | NDArray[Any], classes: Sequence[Hashable]
) -> Annotations:
    """Return the same annotations over other texts and classes, or in another order of them.

    Raises
    ------
    InputError
        If an annotation is of a text or a class that is not among these.

    Examples
    --------
    >>> one = Annotations.from_wide([[0, 1], [1, None]])
    >>> annotations_over(one, [1, 0, 7], [1, 0]).text.tolist()
    [0, 1, 1]
    """
    frame, scale = annotations.to_frame(), annotations.scale or False
    found = Annotations.from_long(frame, texts=texts, classes=classes, scale=scale)
    if annotations.decided is None:
        return found
    place = {name: at for at, name in enumerate(found.texts.tolist())}
    person = {name: at for at, name in enumerate(found.annotators.tolist())}
    text = [place[name] for name in frame["text"]]
    annotator = [person[name] for name in frame["annotator"]]
    return replace(found, decided=annotations.decided[np.lexsort((annotator, text))])


def named(identifiers: NDArray[Any]) -> bool:
    """Whether texts have names, not just numbers in order.

    Examples
    --------
    >>> named(np.array(["t1", "t2"])), named(np.arange(2))
    (True, False)
    """
    return not is_counted(identifiers)


def by_text(values: Floats, texts: NDArray[Any], name: str) -> Floats | Series:
    """Return values (N,) as a series by text where texts have names, else as they are."""
    if not named(texts):
        return values
    import pandas as pd

    return pd.Series(values, index=pd.Index(texts, name="text"), name=name)


def labelled_as(pred_probs: Any, values: Floats, name: str) -> Floats | Series:
    """Return values (N,) as a series where the probabilities that they are of came as a pandas frame."""
    import pandas as pd

    return pd.Series(values, pred_probs.index, name=name) if isinstance(pred_probs, pd.DataFrame) else values


def scores_of(scores: Any, texts: NDArray[Any]) -> Any:
    """Return scores in the order of texts: a series by its index where texts have names.

    Raises
    ------
    InputError
        If a text has no score.
    """
    import pandas as pd

    if not isinstance(scores, pd.Series) or not named(texts):
        return array(scores)
    places = scores.index.get_indexer(pd.Index(texts))
    if (places < 0).any():
        raise InputError(
            f"scores has no value for text {plain(texts[int((places < 0).argmax())])!r}, expected one a text"
        )
    return scores.to_numpy()[places]


def rows_by_text(data: Any, texts: NDArray[Any], name: str) -> Any:
    """Return rows (N, ...) in the order of texts: a pandas object by its index, all else as it comes.

    Raises
    ------
    InputError
        If a text has no row, or there are not as many rows as texts.

    Examples
    --------
    >>> import pandas as pd
    >>> rows_by_text(pd.DataFrame({"length": [4, 2]}, index=["t2", "t1"]), np.array(["t1", "t2"]), "features")
    array([[2],
           [4]])
    """
    held = array(data)
    if hasattr(held, "__len__") and len(held) != len(texts):
        raise InputError(f"{name} has {len(held)} rows, expected {len(texts)}: one a text")
    if not hasattr(data, "iloc") or is_counted(data.index):
        return held
    return held[_places(data.index, texts, "text", name)]


def places_of(wanted: Any, texts: NDArray[Any], name: str) -> Ints:
    """Return the positions of some texts, by their identifiers.

    Raises
    ------
    InputError
        If one is unknown.

    Examples
    --------
    >>> places_of(["t2"], np.array(["t1", "t2"]), "X")
    array([1])
    """
    import pandas as pd

    places = pd.Index(texts).get_indexer(pd.Index(wanted))
    if (places < 0).any():
        row = int((places < 0).argmax())
        raise InputError(
            f"{name}, row {row}: the annotations have no text {plain(list(wanted)[row])!r}; theirs "
            f"start with {texts[:3].tolist()}"
        )
    return np.asarray(places, dtype=np.int64)


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
    id_column = next((column for column in ID_NAMES if column in frame.columns), None)
    if id_column is not None and (classes is None or id_column not in classes):
        frame, unnamed = frame.set_index(id_column), False
    if classes is not None:
        frame = frame.iloc[:, _places(frame.columns, classes, "class", name)]
    if texts is not None and not (unnamed and len(frame) == len(texts)):
        frame = frame.iloc[_places(frame.index, texts, "text", name)]
    return check_probabilities(frame.to_numpy(), shape, name)


def _places(labels: Any, wanted: Any, kind: str, name: str) -> Ints:
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
                    f"{name}: {found} {plain(labels[int(extra.argmax())])!r} is none of the {len(names)} "
                    f"{_plural(kind)} "
                    f"of the annotations; {_advice(kind)}"
                )
            return np.asarray(have.get_indexer(want), dtype=np.int64)
    missing = names[labels.map(str).get_indexer(names.map(str)) < 0]
    raise InputError(
        f"{name}: no {found} for {kind} {plain((list(missing) or list(names))[0])!r}; the frame's {axis} "
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
    listed = isinstance(pred_probs, list | tuple)
    records = listed and all(map(_is_record, pred_probs))
    if listed and not records and any(table(each) is not None for each in pred_probs):
        return np.stack([probabilities(each, texts, classes) for each in pred_probs])
    if table(pred_probs) is not None:
        return probabilities(pred_probs, texts, classes)[None]
    p = as_floats(array(pred_probs), "pred_probs")
    if p.ndim != 3:
        return check_probabilities(p, (len(texts), len(classes)))[None]
    if len(p) == 0:
        raise InputError("pred_probs holds no model, expected at least one")
    return check_probabilities(p, (None, len(texts), len(classes)))


def _is_record(given: Any) -> bool:
    """Whether something is a row of a table, not a table: a value a column."""
    return isinstance(given, Mapping) and all(np.ndim(value) == 0 for value in given.values())
