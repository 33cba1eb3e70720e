"""scikit-learn's side: a classifier that learns from several annotators, and encoders as transformers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.classifiers import get_classifier
from jurybox.coding import missing_values
from jurybox.consensus import estimate_consensus
from jurybox.encoders import fit_views, get_encoders
from jurybox.errors import InputError
from jurybox.inputs import array, table
from jurybox.labelled import places_of, probabilities
from jurybox.text_rows import is_counted

__all__ = ["EncoderTransformer", "JuryClassifier"]


class JuryClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """jurybox's classifier as an estimator of scikit-learn.

    It fits texts or features, and as ``y`` takes class labels, soft labels (a distribution a row), or
    `Annotations` of several annotators, whose consensus it learns as a distribution.

    Parameters
    ----------
    classifier
        As in `jurybox.classifiers.get_classifier`.
    encoder
        What turns texts into features, as in `jurybox.get_encoders`; not used for features.
    seed
        Source of all randomness.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        Names of the classes.
    out_of_sample_ : ndarray, shape (n, K)
        Probabilities of the training rows by a model that did not see them.

    Examples
    --------
    >>> texts = ["a fine day", "a bad day", "fine food", "bad food"] * 3
    >>> JuryClassifier(encoder="tfidf").fit(texts, ["yes", "no"] * 6).predict(["fine"])
    array(['yes'], dtype='<U3')
    """

    def __init__(self, classifier: Any = "head", encoder: Any = "auto", seed: int = 0) -> None:
        self.classifier = classifier
        self.encoder = encoder
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:
        """Fit.

        Parameters
        ----------
        X : sequence of n texts, or array of shape (n, D)
            Texts or features.
        y : sequence of n labels, array or table of shape (n, K), or Annotations
            Labels; distributions over the classes 0 … K-1, or over a table's columns; or what annotators
            said, of the texts in the order of ``X``, or, where ``X`` is a pandas object whose index does more
            than count, of the texts that it names. A text without annotations is not learnt from.

        Raises
        ------
        InputError
            If the lengths differ, a label is missing, or an index names a text that the annotations lack.
        """
        if isinstance(y, Annotations) and hasattr(X, "iloc") and not is_counted(X.index):
            y = y.subset(texts=places_of(X.index, y.texts, "X"))
        rows = self._read(X, reset=True)
        targets, weights = self._targets(rows, y)
        if self._are_texts(rows):
            self.views_ = fit_views(get_encoders(self.encoder), rows)
        chosen = get_classifier(self.classifier, seed=self.seed)
        self.fitted_ = chosen.fit(self._inputs(rows, chosen.takes), targets, weights)
        self.out_of_sample_ = self.fitted_.out_of_sample
        self.takes_ = chosen.takes
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class, shape (n, K)."""
        check_is_fitted(self)
        return np.asarray(self.fitted_.predict_proba(self._inputs(self._read(X, reset=False), self.takes_)))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each row, shape (n,)."""
        p = self.predict_proba(X)
        return np.asarray(self.classes_[p.argmax(axis=1)])

    def _targets(self, rows: Any, y: Any) -> tuple[Floats, Floats]:
        if isinstance(y, Annotations):
            _check_length(len(rows), y.n_texts)
            self.classes_ = _names(y.classes)
            return estimate_consensus(y, check=False).posterior, y.n_labels.astype(np.float64)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        frame = table(y)
        y = y if frame is not None else np.asarray(array(y))
        soft = frame is not None or (np.ndim(y) == 2 and np.shape(y)[1] > 1)
        if soft:
            self.classes_ = _names(range(np.shape(y)[1]) if frame is None else frame.columns)
            targets = probabilities(y)
            _check_length(len(rows), len(targets))
            return targets / targets.sum(axis=1, keepdims=True), np.ones(len(targets))
        if y.dtype.kind in "OU" and (missing := missing_values(y)).any():  # of numbers scikit-learn says so
            row = int(missing.reshape(len(y), -1).any(axis=1).argmax())
            raise InputError(f"y, row {row}: the label is missing, expected a class; leave such rows out")
        check_classification_targets(y)
        labels = np.asarray(y)
        if labels.ndim == 2:
            labels = _flattened(labels)
        if labels.dtype.kind == "O":
            labels = _names(labels.tolist())
        _check_length(len(rows), len(labels))
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}; expected at least 2 classes")
        return np.eye(len(self.classes_))[codes], np.ones(len(labels))

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Return texts as a list, features as a checked array."""
        if _is_texts(X):
            return list(X)
        return validate_data(self, X, dtype=np.float64, reset=reset)

    def _are_texts(self, rows: Any) -> bool:
        return isinstance(rows, list)

    def _inputs(self, rows: Any, takes: str) -> Any:
        if not self._are_texts(rows) or takes == "texts":
            return rows
        return self.views_.rows(rows)


class EncoderTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """An encoder, or several side by side, as a transformer of scikit-learn: texts in, features out.

    Parameters
    ----------
    encoder
        As in `jurybox.get_encoders`.

    Examples
    --------
    >>> EncoderTransformer("tfidf").fit_transform(["good soup", "bad soup", "cold bread"]).shape[0]
    3
    """

    def __init__(self, encoder: Any = "auto") -> None:
        self.encoder = encoder

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 — labels have no part in features
        """Fit the views to a pool of texts."""
        self.views_ = fit_views(get_encoders(self.encoder), list(X))
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return features of texts, shape (n, C)."""
        check_is_fitted(self)
        return self.views_.rows(list(X))


def _is_texts(X: Any) -> bool:
    if isinstance(X, str):
        raise InputError("X is one string; expected several texts: pass [text]")
    if isinstance(X, np.ndarray):
        return (
            X.ndim == 1
            and X.dtype.kind in "UO"
            and all(isinstance(x, str) for x in X.tolist())
            and len(X) > 0
        )
    if hasattr(X, "dtype") or hasattr(X, "shape"):
        held = list(X) if getattr(X, "ndim", 0) == 1 else []
        return bool(held) and all(isinstance(x, str) for x in held)
    return isinstance(X, list | tuple) and len(X) > 0 and all(isinstance(x, str) for x in X)


def _flattened(labels: NDArray[Any]) -> NDArray[Any]:
    """Take a column of labels for labels, as scikit-learn does, with its warning."""
    from sklearn.utils.validation import column_or_1d

    flat: NDArray[Any] = column_or_1d(labels, warn=True)
    return flat


def _names(classes: Any) -> NDArray[Any]:
    held = list(classes)
    return np.array(held if len({type(name) for name in held}) <= 1 else [str(name) for name in held])


def _check_length(n: int, labels: int) -> None:
    if n != labels:
        raise InputError(f"X has {n} rows and y {labels}, expected as many")
