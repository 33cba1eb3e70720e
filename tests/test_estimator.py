"""scikit-learn classifiers in the loop: soft targets, folds, and every degenerate case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from jurybox.classifiers.base import Classifier, ConstantFitted, Fitted, stratified_folds
from jurybox.classifiers.estimator import EstimatorClassifier, estimator_by_name
from jurybox.errors import FitError, InputError

Floats = NDArray[np.float64]


def blobs(n: int, k: int, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    return rng.normal(size=(n, 3)) + 3 * np.eye(3)[y % 3], y


ESTIMATORS: list[Any] = [
    LogisticRegression(),
    RandomForestClassifier(n_estimators=10),
    GaussianNB(),
    KNeighborsClassifier(n_neighbors=1),
    make_pipeline(StandardScaler(), LogisticRegression()),
]


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_estimator_meets_the_contract(estimator: Any) -> None:
    x, y = blobs(60, 3)
    classifier = EstimatorClassifier(estimator)
    fitted = classifier.fit(x, np.eye(4)[y])
    assert isinstance(classifier, Classifier)
    assert isinstance(fitted, Fitted)
    new = fitted.predict_proba(x[:5])
    assert new.shape == (5, 4)
    assert np.allclose(new.sum(axis=1), 1)
    assert np.allclose(fitted.out_of_sample.sum(axis=1), 1)
    assert (fitted.out_of_sample[:, 3] == 0).all()
    assert (fitted.out_of_sample.argmax(axis=1) == y).mean() > 0.8
    assert fitted.predict_proba(x[:0]).shape == (0, 4)
    again = classifier.fit(x, np.eye(4)[y])
    assert np.array_equal(again.out_of_sample, fitted.out_of_sample)


def test_soft_targets_are_weighted_copies() -> None:
    x, _ = blobs(30, 2)
    rng = np.random.default_rng(1)
    share, weights = rng.random(30), rng.random(30)
    targets = np.column_stack([1 - share, share])
    fitted = EstimatorClassifier(LogisticRegression()).fit(x, targets, weights)
    by_hand = LogisticRegression().fit(
        np.vstack([x, x]), np.repeat([0, 1], 30), np.concatenate([weights * (1 - share), weights * share])
    )
    assert np.allclose(fitted.predict_proba(x), by_hand.predict_proba(x), atol=1e-4)


def test_an_estimator_without_weights_learns_the_most_probable_class() -> None:
    x, y = blobs(20, 2)
    soft = 0.3 + 0.4 * np.eye(2)[y]
    one = EstimatorClassifier(KNeighborsClassifier(n_neighbors=1))
    assert np.array_equal(one.fit(x, soft).out_of_sample, one.fit(x, np.eye(2)[y]).out_of_sample)
    assert isinstance(one.fit(x, np.full((20, 2), 0.5)), ConstantFitted)


@pytest.mark.slow
def test_out_of_sample_does_not_see_the_row_itself() -> None:
    """A memorising model is perfect on what it saw, and at chance on labels that mean nothing."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 3)), rng.integers(2, size=400)
    fitted = EstimatorClassifier(RandomForestClassifier(n_estimators=10)).fit(x, np.eye(2)[y])
    assert (fitted.predict_proba(x).argmax(axis=1) == y).mean() > 0.95
    assert 0.4 < (fitted.out_of_sample.argmax(axis=1) == y).mean() < 0.6
    soft = 0.1 + 0.8 * np.eye(2)[y]
    copies = EstimatorClassifier(RandomForestClassifier(n_estimators=10)).fit(x, soft)
    assert 0.4 < (copies.out_of_sample.argmax(axis=1) == y).mean() < 0.6


def test_rows_of_weight_zero_take_no_part() -> None:
    x, y = blobs(40, 2)
    weights = np.array([1.0] * 30 + [0.0] * 10)
    whole = EstimatorClassifier(LogisticRegression()).fit(x, np.eye(2)[y], weights)
    part = EstimatorClassifier(LogisticRegression()).fit(x[:30], np.eye(2)[y[:30]])
    assert np.allclose(whole.out_of_sample[:30], part.out_of_sample, atol=1e-6)
    assert np.allclose(whole.out_of_sample[30:], part.predict_proba(x[30:]), atol=1e-6)


@pytest.mark.parametrize("estimator", ESTIMATORS[:4], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0, 1], [0, 1, 2], [0, 0, 0, 0, 0, 1, 2]])
def test_rare_classes_survive_cross_validation(estimator: Any, labels: list[int]) -> None:
    y = np.array(labels)
    x = np.random.default_rng(0).normal(size=(len(y), 2))
    fitted = EstimatorClassifier(estimator).fit(x, np.eye(4)[y])
    assert np.isfinite(fitted.out_of_sample).all()
    assert np.allclose(fitted.out_of_sample.sum(axis=1), 1)


@pytest.mark.parametrize("n_rows", [1, 2, 10])
@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_a_single_class_is_answered_and_explained(n_rows: int, n_classes: int) -> None:
    targets = np.eye(n_classes)[[0] * n_rows]
    fitted = EstimatorClassifier(LogisticRegression()).fit(np.zeros((n_rows, 2)), targets)
    assert isinstance(fitted, ConstantFitted)
    assert f"{n_rows} labelled text(s), all of one class" in fitted.note
    assert fitted.predict_proba(np.zeros((2, 2))).shape == (2, n_classes)
    assert np.allclose(fitted.predict_proba(np.zeros((1, 2))).sum(), 1)
    assert np.allclose(fitted.out_of_sample.sum(axis=1), 1)
    if n_rows == 1:
        assert np.allclose(fitted.out_of_sample, 1 / n_classes)
    elif n_classes > 1:
        assert 0.5 < fitted.out_of_sample[0, 0] < fitted.probabilities[0] < 1


def test_texts_go_into_pipelines_that_take_texts() -> None:
    texts = ["good soup", "good bread", "bad soup", "bad bread"] * 5
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    classifier = EstimatorClassifier(pipeline, takes="texts")
    fitted = classifier.fit(texts, np.eye(2)[[0, 0, 1, 1] * 5])
    assert fitted.predict_proba(["a good one", "a bad one"]).argmax(axis=1).tolist() == [0, 1]
    assert fitted.out_of_sample.argmax(axis=1).tolist() == [0, 0, 1, 1] * 5


def test_names_tell_estimators_apart() -> None:
    names = {
        EstimatorClassifier(LogisticRegression()).name,
        EstimatorClassifier(LogisticRegression(C=2)).name,
        EstimatorClassifier(LogisticRegression(C=2), folds=3).name,
        EstimatorClassifier(GaussianNB()).name,
    }
    assert len(names) == 4


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(InputError, match="has no predict_proba"):
        EstimatorClassifier(LinearSVC())
    with pytest.raises(InputError, match="expected an instance"):
        EstimatorClassifier(GaussianNB)
    with pytest.raises(InputError, match="at least 2"):
        EstimatorClassifier(GaussianNB(), folds=1)
    with pytest.raises(InputError, match="no training rows"):
        EstimatorClassifier(GaussianNB()).fit(np.zeros((0, 2)), np.zeros((0, 2)))
    x, y = blobs(10, 2)
    x[0] = np.nan
    with pytest.raises(FitError, match=r"LogisticRegression\(.* could not be fitted: ValueError"):
        EstimatorClassifier(LogisticRegression()).fit(x, np.eye(2)[y])


@pytest.mark.parametrize(
    "name", ["ensemble.RandomForestClassifier", "sklearn.ensemble.RandomForestClassifier"]
)
def test_estimators_by_name(name: str) -> None:
    assert isinstance(estimator_by_name(name), RandomForestClassifier)


@pytest.mark.parametrize("name", ["", "os.system", "linear_model.LinearRegression", "nowhere.Nothing", "svm"])
def test_names_of_no_classifier_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected a name such as"):
        estimator_by_name(name)


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=40), n_folds=st.integers(2, 6))
def test_folds_spread_every_class_evenly(labels: list[int], n_folds: int) -> None:
    targets = np.eye(4)[labels]
    folds = stratified_folds(targets, n_folds, np.random.default_rng(0))
    used = min(n_folds, len(labels))
    assert set(folds) == set(range(used))
    for k in range(4):
        sizes = np.bincount(folds[np.array(labels) == k], minlength=used)
        assert sizes.max() - sizes.min() <= 1
