"""Agreement measures against independent implementations, and where they are undefined."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any, Literal, TypeAlias

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jurybox.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from jurybox.annotations import Annotations
from jurybox.errors import InputError

Ordered: TypeAlias = Literal["nominal", "ordinal", "interval"]
LEVELS: tuple[Ordered, ...] = ("nominal", "ordinal", "interval")


def random_wide(seed: int, n_texts: int, n_annotators: int, n_classes: int, share: float) -> NDArray[Any]:
    """Labels (N, M) around a hidden class, NaN where there is none."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=(n_texts, 1))
    noise = rng.integers(n_classes, size=(n_texts, n_annotators))
    wide = np.where(rng.random(noise.shape) < 0.6, truth, noise).astype(float)
    wide[rng.random(wide.shape) > share] = np.nan
    return wide


tables = st.builds(
    random_wide,
    seed=st.integers(0, 2**32 - 1),
    n_texts=st.integers(1, 60),
    n_annotators=st.integers(2, 9),
    n_classes=st.integers(2, 7),
    share=st.floats(0.1, 1.0),
)


def oracle_alpha(wide: NDArray[Any], level: Ordered, values: NDArray[Any]) -> float:
    """Alpha by `krippendorff`, NaN where it refuses or divides by zero."""
    counts = (wide[:, :, None] == np.arange(len(values))).sum(axis=1)
    if (counts.sum(axis=1) < 2).all() or (counts[counts.sum(axis=1) > 1].sum(axis=0) > 0).sum() < 2:
        return math.nan
    return float(krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement=level))


@pytest.mark.slow
@given(wide=tables, level=st.sampled_from(LEVELS))
def test_krippendorff_alpha_is_that_of_the_reference(wide: NDArray[Any], level: Ordered) -> None:
    ours = krippendorff_alpha(Annotations.from_wide(wide, classes=range(7)), level=level)
    np.testing.assert_allclose(ours.value, oracle_alpha(wide, level, np.arange(7)), atol=1e-9)
    assert math.isnan(ours.value) == (ours.reason is not None)


@pytest.mark.slow
@given(wide=tables, seed=st.integers(0, 1000))
def test_interval_and_ordinal_alpha_use_the_values_of_numeric_classes(wide: NDArray[Any], seed: int) -> None:
    values = np.sort(np.random.default_rng(seed).choice(np.arange(-20, 20) / 4, size=7, replace=False))
    shuffled = np.random.default_rng(seed).permutation(7)
    named = np.where(np.isnan(wide), np.nan, values[np.nan_to_num(wide).astype(int)])
    annotations = Annotations.from_wide(named, classes=values[shuffled].tolist())
    for level in LEVELS:
        expected = oracle_alpha(wide, level, values)
        np.testing.assert_allclose(krippendorff_alpha(annotations, level=level).value, expected, atol=1e-9)


def test_alpha_of_named_classes_goes_by_position() -> None:
    wide = random_wide(1, 30, 4, 4, 0.8)
    by_number = Annotations.from_wide(wide)
    by_name = Annotations.from_wide(wide, classes=["never", "rarely", "often", "always"])
    for level in LEVELS:
        assert krippendorff_alpha(by_name, level=level) == krippendorff_alpha(by_number, level=level)


def test_alpha_of_krippendorffs_own_example() -> None:
    none = None
    wide = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
        [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none],
    ]
    annotations = Annotations.from_wide(np.array(wide, dtype=object).T, classes=[1, 2, 3, 4, 5])
    published = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849}
    assert {
        level: round(krippendorff_alpha(annotations, level=level).value, 3) for level in LEVELS
    } == published
    alpha = krippendorff_alpha(annotations)
    assert (alpha.measure, alpha.n_texts, alpha.n_annotations) == ("krippendorff_alpha_nominal", 11, 40)


def naive_fleiss(wide: NDArray[Any]) -> float:
    """Average over texts, pair by pair."""
    pair_agreement, shares = [], []
    for row in wide:
        labels = row[~np.isnan(row)]
        if len(labels) > 1:
            pairs = list(itertools.combinations(labels, 2))
            pair_agreement.append(sum(a == b for a, b in pairs) / len(pairs))
            shares.append([np.mean(labels == k) for k in range(7)])
    if not shares:
        return math.nan
    chance = float((np.mean(shares, axis=0) ** 2).sum())
    return math.nan if chance == 1 else float((np.mean(pair_agreement) - chance) / (1 - chance))


@pytest.mark.slow
@given(wide=tables)
def test_fleiss_kappa_is_the_mean_over_texts_of_agreeing_pairs(wide: NDArray[Any]) -> None:
    ours = fleiss_kappa(Annotations.from_wide(wide, classes=range(7)))
    np.testing.assert_allclose(ours.value, naive_fleiss(wide), atol=1e-9)
    assert math.isnan(ours.value) == (ours.reason is not None)
    assert ours.n_texts == ((~np.isnan(wide)).sum(axis=1) > 1).sum()


@pytest.mark.slow
@given(wide=tables, n_labels=st.integers(2, 9))
def test_fleiss_kappa_of_equal_numbers_is_that_of_statsmodels(wide: NDArray[Any], n_labels: int) -> None:
    from statsmodels.stats import inter_rater

    n_labels = min(n_labels, wide.shape[1])
    rng = np.random.default_rng(n_labels)
    filled = np.where(np.isnan(wide), rng.integers(2, size=wide.shape), wide)
    drop = rng.random(filled.shape).argsort(axis=1) >= n_labels
    annotations = Annotations.from_wide(np.where(drop, np.nan, filled), classes=range(7))
    ours = fleiss_kappa(annotations)
    if ours.reason is None:
        np.testing.assert_allclose(ours.value, inter_rater.fleiss_kappa(annotations.counts), atol=1e-9)
    else:
        assert (annotations.counts.sum(axis=0) > 0).sum() == 1


@pytest.mark.slow
@settings(max_examples=50)
@given(wide=tables)
def test_cohen_kappa_of_every_pair_is_that_of_scikit_learn(wide: NDArray[Any]) -> None:
    from sklearn.metrics import cohen_kappa_score

    pairs = cohen_kappa(Annotations.from_wide(wide, classes=range(7)))
    np.testing.assert_array_equal(pairs.kappa, pairs.kappa.T)
    for j, k in itertools.combinations_with_replacement(range(wide.shape[1]), 2):
        shared = ~np.isnan(wide[:, j]) & ~np.isnan(wide[:, k])
        assert pairs.overlap[j, k] == shared.sum()
        first, second = wide[shared, j].astype(int), wide[shared, k].astype(int)
        assert (pairs.reason(j, k) is None) == (len({*first, *second}) > 1)
        expected = cohen_kappa_score(first, second) if len({*first, *second}) > 1 else math.nan
        np.testing.assert_allclose(pairs.kappa[j, k], expected, atol=1e-9)


def test_scikit_learn_finds_the_same_pair_undefined() -> None:
    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        assert math.isnan(cohen_kappa_score([1, 1], [1, 1], labels=[0, 1]))
    pairs = cohen_kappa(Annotations.from_wide([[1.0, 1.0, math.nan], [1.0, 1.0, 0.0]]))
    assert np.isnan(pairs.kappa[0, 1])
    assert (
        pairs.reason(0, 1)
        == "annotators 0 and 1 gave one and the same class to all texts that both labelled (2)"
    )
    assert pairs.kappa[1, 2] == 0
    assert pairs.reason(1, 2) is None


@pytest.mark.parametrize("measure", [krippendorff_alpha, fleiss_kappa])
def test_undefined_agreement_says_why(measure: Any) -> None:
    single = Annotations.from_wide([["no", ""], ["", "yes"], ["", ""]])
    assert math.isnan(measure(single).value)
    assert measure(single).reason == "no text has labels of two annotators"
    unanimous = Annotations.from_wide([["no", "no"], ["no", "no"], ["yes", ""]])
    assert math.isnan(measure(unanimous).value)
    assert "'no'" in measure(unanimous).reason
    nothing = Annotations.from_indices([], [], [], texts=0, annotators=0, classes=2)
    assert math.isnan(measure(nothing).value)


def test_cohen_kappa_without_annotations_is_empty() -> None:
    pairs = cohen_kappa(Annotations.from_indices([], [], [], texts=3, annotators=2, classes=2))
    assert np.isnan(pairs.kappa).all()
    assert pairs.overlap.tolist() == [[0, 0], [0, 0]]
    assert pairs.reason(0, 1) == "annotators 0 and 1 labelled no text in common"


def test_unknown_level_is_refused() -> None:
    with pytest.raises(InputError, match=r"level is 'ratio', expected 'nominal'"):
        krippendorff_alpha(Annotations.from_wide([[0, 1]]), level="ratio")  # type: ignore[arg-type]


@pytest.mark.slow
@given(wide=tables, seed=st.integers(0, 1000))
def test_order_names_and_empty_rows_change_nothing(wide: NDArray[Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    annotator_order = rng.permutation(wide.shape[1])
    changed = wide[rng.permutation(len(wide))][:, annotator_order]
    names = rng.permutation(7)
    changed = np.where(np.isnan(changed), np.nan, names[np.nan_to_num(changed).astype(int)])
    changed = np.pad(changed, 1, constant_values=np.nan)
    before, after = (Annotations.from_wide(table, classes=range(7)) for table in (wide, changed))
    for measure in (krippendorff_alpha, fleiss_kappa):
        np.testing.assert_allclose(measure(after).value, measure(before).value, atol=1e-12)
    kappa, overlap = cohen_kappa(before).kappa, cohen_kappa(before).overlap
    inner = slice(1, -1)
    reordered = np.ix_(annotator_order, annotator_order)
    np.testing.assert_array_equal(cohen_kappa(after).overlap[inner, inner], overlap[reordered])
    np.testing.assert_allclose(cohen_kappa(after).kappa[inner, inner], kappa[reordered], atol=1e-12)
