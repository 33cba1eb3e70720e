"""What ``cleanlab.multiannotator`` asks of its arguments, with messages that its users recognise."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.errors import InputError, InputTypeError
from jurybox.inputs import array

__all__ = [
    "Labels",
    "WideLabels",
    "as_cleanlab_counts",
    "check_labels",
    "check_probability_arrays",
    "read_labels",
    "remark_lost_classes",
    "remark_no_overlap",
]

Labels: TypeAlias = pd.DataFrame | NDArray[Any]


@dataclass(frozen=True)
class WideLabels:
    """Labels as floats of shape (N, M), NaN for none, and a frame's names of texts and annotators."""

    cells: Floats
    index: pd.Index | None = None
    annotators: pd.Index | None = None

    def to_annotations(self, n_classes: int, n_unlabelled: int = 0) -> Annotations:
        """Return them as `Annotations`, with texts without labels after those given."""
        text, annotator = np.nonzero(~np.isnan(self.cells))
        n_texts, n_annotators = self.cells.shape
        return Annotations.from_indices(
            text,
            annotator,
            self.cells[text, annotator].astype(np.int64),
            texts=n_texts + n_unlabelled,
            annotators=n_annotators,
            classes=n_classes,
        )


def as_cleanlab_counts(annotations: Annotations) -> Annotations:
    """Return labels as cleanlab 2.9.0 counts them: the lowest class that a text has as class 0, and so on.

    Examples
    --------
    >>> as_cleanlab_counts(Annotations.from_wide([[1, 1, 1], [0, 1, 1]])).counts
    array([[3, 0],
           [1, 2]])
    """
    used = annotations.counts > 0
    place = used.cumsum(axis=1) - 1
    return replace(annotations, label=place[annotations.text, annotations.label].astype(np.int32))


def read_labels(labels: Labels) -> WideLabels:
    """Read a frame or an array of labels.

    Raises
    ------
    InputError
        If it is neither, not two-dimensional, or holds strings.
    """
    if isinstance(labels, pd.DataFrame):
        cells, index, annotators = labels.to_numpy(dtype=object), labels.index, labels.columns
    elif isinstance(labels, np.ndarray):
        cells, index, annotators = array(labels), None, None
    else:
        raise InputError(
            "labels_multiannotator must be either a NumPy array or Pandas DataFrame, got "
            f"{type(labels).__name__}"
        )
    if cells.ndim != 2:
        raise InputError(
            f"labels_multiannotator must be a 2D array or dataframe (a row per example, a column per "
            f"annotator), got {cells.ndim} dimension(s)"
        )
    if cells.dtype.kind in "US" or any(isinstance(label, str) for label in _objects(cells)):
        raise InputError(
            "Labels cannot be strings, they must be zero-indexed integers: positions of the classes"
        )
    return WideLabels(_as_floats(cells), index, annotators)


def check_labels(
    labels: WideLabels, pred_probs: Any = None, *, ensemble: bool = False, allow_single_label: bool = False
) -> None:
    """Check labels, and probabilities against them.

    Raises
    ------
    InputError
        For texts or annotators without labels, a single annotator or one label per text (unless allowed),
        labels that are no class positions, and probabilities of another shape.
    InputTypeError
        If ``pred_probs`` is not an array.
    """
    given = ~np.isnan(labels.cells)
    _check_empty(labels, given)
    if not allow_single_label:
        _check_several(labels.cells, given)
    values = labels.cells[given]
    wrong = values[(values != np.floor(values)) | (values < 0) | ~np.isfinite(values)]
    if len(wrong):
        raise InputError(f"Labels must be zero-indexed integers: positions of the classes; got {wrong[0]}")
    if pred_probs is None:
        return
    _check_dimensions(pred_probs, "pred_probs", ensemble)
    if pred_probs.shape[-2] != len(labels.cells):
        raise InputError(
            f"{'each pred_probs' if ensemble else 'pred_probs'} and labels_multiannotator must have same "
            f"length, got {pred_probs.shape[-2]} and {len(labels.cells)}"
        )
    _check_values(pred_probs, "pred_probs")
    highest = int(values.max()) + 1
    if pred_probs.shape[-1] < highest:
        raise InputError(
            f"pred_probs must have at least {highest} columns, as the largest label is {highest - 1}; it has "
            f"{pred_probs.shape[-1]}"
        )


def check_probability_arrays(pred_probs: Any, pred_probs_unlabeled: Any, *, ensemble: bool) -> None:
    """Check the probabilities of labelled and of unlabelled texts, of which one may be None.

    Raises
    ------
    InputError, InputTypeError
        If both are None, or the type, dimensions or numbers of classes are wrong.
    """
    arrays = {"pred_probs": pred_probs, "pred_probs_unlabeled": pred_probs_unlabeled}
    given = {name: values for name, values in arrays.items() if values is not None}
    if not given:
        raise InputError("pred_probs and pred_probs_unlabeled cannot both be None, specify at least one")
    for name, values in given.items():
        _check_dimensions(values, name, ensemble)
        _check_values(values, name)
    if len({values.shape[-1] for values in given.values()}) > 1:
        raise InputError(
            f"pred_probs and pred_probs_unlabeled must have the same number of classes, got "
            f"{pred_probs.shape[-1]} and {pred_probs_unlabeled.shape[-1]}"
        )
    if ensemble and len({len(values) for values in given.values()}) > 1:
        raise InputError(
            f"pred_probs and pred_probs_unlabeled must have the same number of models, got "
            f"{len(pred_probs)} and {len(pred_probs_unlabeled)}"
        )


def remark_no_overlap(annotations: Annotations) -> None:
    """Print who shares no example with anybody."""
    pairs = np.bincount(
        annotations.annotator,
        weights=annotations.n_labels[annotations.text] - 1,
        minlength=annotations.n_annotators,
    )
    alone = np.flatnonzero(pairs == 0).tolist()
    if alone:
        print(  # noqa: T201
            f"Annotator(s) {alone} share no example with another: they count as the mean of the others."
        )


def remark_lost_classes(annotations: Annotations, consensus: Ints, method: str) -> None:
    """Print which classes annotators gave and the consensus never does."""
    lost = sorted(set(annotations.label.tolist()) - set(consensus.tolist()))
    if lost:
        print(  # noqa: T201
            f"CAUTION: the consensus by '{method}' never takes the classes {lost}, which annotators did; "
            "a classifier trained on it would never see them."
        )


def _objects(cells: NDArray[Any]) -> list[Any]:
    return cells.ravel().tolist() if cells.dtype == object else []


def _as_floats(cells: NDArray[Any]) -> Floats:
    if cells.dtype == object:
        cells = np.where(pd.isna(cells), np.nan, cells)
    return np.asarray(cells, dtype=np.float64)


def _check_empty(labels: WideLabels, given: NDArray[np.bool_]) -> None:
    without = np.flatnonzero(~given.any(axis=1)).tolist()
    if without:
        raise InputError(
            "labels_multiannotator cannot have rows with all NaN, each example must have at least one "
            f"label.\nExamples {without} do not have any labels."
        )
    idle = np.flatnonzero(~given.any(axis=0))
    if len(idle):
        names = idle.tolist() if labels.annotators is None else list(labels.annotators[idle])
        raise InputError(
            "labels_multiannotator cannot have columns with all NaN, each annotator must label at least one "
            f"example.\nAnnotators {names} did not label any examples."
        )


def _check_several(cells: Floats, given: NDArray[np.bool_]) -> None:
    if cells.shape[1] <= 1:
        raise InputError("labels_multiannotator must have more than one column, one for each annotator")
    if (given.sum(axis=1) == 1).all():
        raise InputError("Each example only has one label: there is nothing to compare the annotators by")
    ordered = np.sort(cells, axis=1)
    if not (ordered[:, 1:] == ordered[:, :-1]).any():
        warnings.warn("Annotators do not agree on any example. Check input data.", stacklevel=4)


def _check_dimensions(given: Any, name: str, ensemble: bool) -> None:
    if not isinstance(given, np.ndarray):
        raise InputTypeError(f"{name} must be a numpy array, got {type(given).__name__}")
    wanted, other = (3, 2) if ensemble else (2, 3)
    if given.ndim != wanted:
        hint = ""
        if given.ndim == other:
            form = "non-ensemble" if ensemble else "ensemble"
            hint = f" For a {other}d array use the {form} version of this function."
        raise InputError(f"{name} must be a {wanted}d array, got {given.ndim} dimension(s).{hint}")
    if given.shape[-1] < 2:
        raise InputError(f"{name} has {given.shape[-1]} class, expected at least 2")
    if ensemble and len(given) == 0:
        raise InputError(f"{name} holds no model, expected at least one")


def _check_values(given: NDArray[Any], name: str) -> None:
    values = array(given)  # what is masked is NaN
    if not ((values >= -1e-6) & (values <= 1 + 1e-6)).all():
        raise InputError(f"Values in {name} must be between 0 and 1, and none may be NaN.")
