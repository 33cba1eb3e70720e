"""Any scikit-learn classifier: soft targets as weighted copies, out of sample by cross-validation."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Ints
from jurybox.classifiers.base import (
    ConstantFitted,
    Fitted,
    FloatArray,
    Inputs,
    check_targets,
    is_single_class,
    prior,
    stratified_folds,
)
from jurybox.errors import FitError, InputError


@dataclass(frozen=True)
class EstimatorClassifier:
    """A scikit-learn classifier.

    An estimator learns a soft target from copies of its row, one for each class, weighted by the target; one
    that takes no weights learns the most probable class alone (of tied ones the first). Out-of-sample
    probabilities come from stratified cross-validation; all copies of a row are in the same fold.

    Parameters
    ----------
    estimator
        A scikit-learn classifier, or pipeline, with ``predict_proba``. It is cloned, never fitted itself.
    folds
        Folds of the cross-validation.
    seed
        Draws the folds, and is the estimator's ``random_state`` where it has none.
    takes
        Whether the estimator is fitted on features or on texts (a pipeline that starts with a vectoriser).

    Raises
    ------
    InputError
        Where the estimator has no ``predict_proba``, or ``folds`` is less than 2.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> x = np.array([[0.0], [0.2], [1.0], [1.2]])
    >>> fitted = EstimatorClassifier(GaussianNB(), folds=2).fit(x, np.eye(2)[[0, 0, 1, 1]])
    >>> fitted.predict_proba(np.array([[1.1]])).argmax(axis=1)
    array([1])
    """

    estimator: Any
    folds: int = 5
    seed: int = 0
    takes: Literal["features", "texts"] = "features"

    def __post_init__(self) -> None:
        if isinstance(self.estimator, type):
            raise InputError(
                f"got the class {self.estimator.__name__}; expected an instance: {self.estimator.__name__}()"
            )
        if not hasattr(self.estimator, "fit") or not hasattr(self.estimator, "predict_proba"):
            raise InputError(
                f"{self.estimator!r:.80} has no predict_proba; expected a classifier that gives "
                "probabilities (wrap others in sklearn.calibration.CalibratedClassifierCV)"
            )
        if self.folds < 2:
            raise InputError(f"folds={self.folds}; expected at least 2")

    @cached_property
    def name(self) -> str:
        """The estimator with its parameters, folds and seed."""
        return f"sklearn:{' '.join(repr(self.estimator).split())}:{self.folds}:{self.seed}"

    def fit(
        self,
        x: Inputs,
        targets: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        *,
        previous: Fitted | None = None,  # noqa: ARG002 — scikit-learn starts afresh
    ) -> EstimatorFitted | ConstantFitted:
        """Fit to all rows, and once for each fold.

        Raises
        ------
        InputError
            As `check_targets`.
        FitError
            Where the estimator itself fails.
        """
        t, w = check_targets(len(x), targets, weights)
        t = self._usable(t)
        if is_single_class(t, w):
            return ConstantFitted.of(t, w)
        rows = self._rows(x)
        model = self._fit_rows(rows, t, w)
        out_of_sample = _probabilities(model, rows, t.shape[1])
        counts = np.flatnonzero(w > 0)
        fold = stratified_folds(t[counts], self.folds, np.random.default_rng(self.seed))
        for number in range(fold.max() + 1):
            held, kept = counts[fold == number], counts[fold != number]
            out_of_sample[held] = self._predict_held(rows, t, w, kept, held)
        return EstimatorFitted(model, out_of_sample)

    def fit_estimator(
        self, x: Inputs, targets: FloatArray, weights: FloatArray, classes: Sequence[Hashable]
    ) -> Any:
        """Fit a clone of the estimator to all rows; it answers with the names of the classes.

        Raises
        ------
        FitError
            Where the estimator itself fails.
        """
        names = name_array(classes)
        return self._fit_rows(self._rows(x), self._usable(targets), weights, names)

    def _rows(self, x: Inputs) -> Any:
        return np.asarray(x) if self.takes == "features" else np.array(list(x), dtype=object)

    def _usable(self, targets: FloatArray) -> FloatArray:
        """Targets as the estimator can learn them."""
        if _weight_parameter(self.estimator) is None:
            targets = np.eye(targets.shape[1])[targets.argmax(axis=1)]
        return targets

    def _predict_held(self, rows: Any, t: FloatArray, w: FloatArray, kept: Ints, held: Ints) -> FloatArray:
        """Predict the held rows from the kept ones, which may all be of one class."""
        if is_single_class(t[kept], w[kept]):
            return np.tile(prior(t[kept], w[kept]), (len(held), 1))
        model = self._fit_rows(rows[kept], t[kept], w[kept])
        return _probabilities(model, rows[held], t.shape[1])

    def _fit_rows(self, rows: Any, t: FloatArray, w: FloatArray, names: NDArray[Any] | None = None) -> Any:
        """Fit a clone of the estimator; its classes are positions, or their names where given."""
        from sklearn.base import clone

        model = _seeded(clone(self.estimator), self.seed)
        names = np.arange(t.shape[1]) if names is None else names
        parameter = _weight_parameter(model)
        try:
            if parameter is None:
                counted = w > 0
                return model.fit(rows[counted], names[t[counted].argmax(axis=1)])
            row, label = np.nonzero(t * w[:, None])
            return model.fit(rows[row], names[label], **{parameter: (t * w[:, None])[row, label]})
        except Exception as error:
            raise FitError(
                f"{model!r:.80} could not be fitted: {type(error).__name__}: {error!s:.300}"
            ) from error


@dataclass(frozen=True)
class EstimatorFitted:
    """A fitted scikit-learn classifier.

    Attributes
    ----------
    model
        The fitted estimator; its classes are positions of classes.
    out_of_sample : ndarray of shape (N, K)
        Cross-validated probabilities of the training rows.
    """

    model: Any
    out_of_sample: FloatArray = field(repr=False)

    def predict_proba(self, x: Inputs) -> FloatArray:
        """Class probabilities, shape (n, K)."""
        return _probabilities(self.model, x, self.out_of_sample.shape[1])


def name_array(classes: Sequence[Hashable]) -> NDArray[Any]:
    """Names of classes as scikit-learn takes them: whole numbers if all are, else strings.

    Examples
    --------
    >>> name_array((1, 2)).dtype.kind, name_array(("no", 1)).tolist()
    ('i', ['no', '1'])
    """
    numeric = all(isinstance(name, int) for name in classes)
    return np.array(list(classes) if numeric else [str(name) for name in classes])


def _probabilities(model: Any, rows: Any, n_classes: int) -> FloatArray:
    """Probabilities with a column for every class, those the model never saw included, shape (n, K)."""
    if len(rows) == 0:
        return np.zeros((0, n_classes))
    probabilities = np.zeros((len(rows), n_classes))
    probabilities[:, np.asarray(model.classes_, dtype=np.int64)] = model.predict_proba(rows)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def _seeded(model: Any, seed: int) -> Any:
    """Set every ``random_state`` that is None, in the steps of a pipeline too."""
    unset = {
        name: seed
        for name, value in model.get_params(deep=True).items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return model.set_params(**unset)


def _weight_parameter(model: Any) -> str | None:
    """Name of the argument of ``fit`` that weighs rows; None where there is none."""
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    if isinstance(model, Pipeline):
        step, last = model.steps[-1]
        return f"{step}__sample_weight" if has_fit_parameter(last, "sample_weight") else None
    return "sample_weight" if has_fit_parameter(model, "sample_weight") else None


def estimator_by_name(dotted: str) -> Any:
    """Make the scikit-learn classifier of a dotted name, such as ``ensemble.RandomForestClassifier``.

    Raises
    ------
    InputError
        Where scikit-learn has no such classifier. Classifiers of other packages are passed as instances.

    Examples
    --------
    >>> estimator_by_name("naive_bayes.GaussianNB")
    GaussianNB()
    """
    from sklearn.base import ClassifierMixin

    path = dotted.removeprefix("sklearn.")
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"sklearn.{module}" if module else "sklearn"), name)
        if not (isinstance(found, type) and issubclass(found, ClassifierMixin)):
            raise TypeError(f"it is no classifier but {found!r:.60}")
        return found()
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(
            f"no classifier {dotted!r} in scikit-learn ({error}); expected a name such as "
            "'sklearn:ensemble.RandomForestClassifier'"
        ) from error
