"""Temperature scaling against the formula, text by text."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.consensus.crowdlab import fit_temperature, scale_probabilities
from jurybox.errors import InputError

COARSE = [0.1, 0.2, 0.5, 0.8, 1, 2, 3, 5, 8]


def softmax(p: NDArray[Any], temperature: float) -> NDArray[Any]:
    powers = np.exp(np.log(p) / temperature)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def loss(wide: NDArray[Any], p: NDArray[Any], temperature: float) -> float:
    terms = []
    for row, scaled in zip(wide, softmax(p, temperature), strict=True):
        labels = row[~np.isnan(row)].astype(int)
        if len(labels):
            terms.append(-np.log(np.maximum(scaled[labels], 1e-30)).mean())
    return float(np.mean(terms))


def naive_temperature(wide: NDArray[Any], p: NDArray[Any]) -> float:
    best = int(np.argmin([loss(wide, p, t) for t in COARSE]))
    fine: list[float] = []
    if best > 0:
        fine += np.linspace(COARSE[best - 1], COARSE[best], 4, endpoint=False).tolist()
    if best < len(COARSE) - 1:
        fine += np.linspace(COARSE[best], COARSE[best + 1], 5).tolist()
    return fine[int(np.argmin([loss(wide, p, t) for t in fine]))]


@pytest.mark.slow
@given(
    seed=st.integers(0, 2**32 - 1),
    n_texts=st.integers(2, 60),
    n_classes=st.integers(2, 9),
    sharpness=st.sampled_from([0.3, 1.0, 4.0]),
)
def test_the_temperature_is_that_of_a_loop(seed: int, n_texts: int, n_classes: int, sharpness: float) -> None:
    rng = np.random.default_rng(seed)
    wide = rng.integers(n_classes, size=(n_texts, 3)).astype(float)
    wide[rng.random(wide.shape) < 0.3] = np.nan
    wide[0] = 0
    p = softmax(np.exp(rng.normal(size=(n_texts, n_classes))), 1 / sharpness)
    annotations = Annotations.from_wide(wide, classes=range(n_classes))
    ours, theirs = fit_temperature(annotations, p), naive_temperature(wide, p)
    assert ours == theirs or abs(loss(wide, p, ours) - loss(wide, p, theirs)) < 1e-12


def test_texts_beyond_one_chunk_count_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    annotations = Annotations.from_wide(rng.integers(3, size=(50, 2)))
    p = rng.dirichlet(np.ones(3), size=50)
    whole = fit_temperature(annotations, p)
    monkeypatch.setattr(sys.modules[fit_temperature.__module__], "_CHUNK", 20)
    assert fit_temperature(annotations, p) == whole == naive_temperature(annotations.to_wide().to_numpy(), p)


def test_of_temperatures_that_fit_perfectly_the_lowest_is_taken() -> None:
    annotations = Annotations.from_wide(np.array([[1, np.nan], [1, 1], [np.nan, 1]]), classes=[0, 1])
    p = np.array([[2.03355201e-04, 9.99796645e-01], [3.32296961e-03, 9.96677030e-01], [5e-04, 9.995e-01]])
    assert fit_temperature(annotations, p) == 0.1


def test_without_a_second_label_the_temperature_is_one() -> None:
    single = Annotations.from_wide(np.array([[0, np.nan], [np.nan, 1]]))
    assert fit_temperature(single, np.array([[0.9, 0.1], [0.9, 0.1]])) == 1


@pytest.mark.slow
@given(seed=st.integers(0, 1000), temperature=st.floats(0.1, 8))
def test_scaling_is_the_softmax_and_stays_a_probability(seed: int, temperature: float) -> None:
    p = np.random.default_rng(seed).dirichlet(np.ones(4), size=(2, 5))
    p.setflags(write=False)
    scaled = scale_probabilities(p, temperature)
    np.testing.assert_allclose(scaled, softmax(p, temperature), atol=1e-12)
    np.testing.assert_allclose(scaled.sum(axis=-1), 1)


def test_certain_probabilities_and_extreme_temperatures_stay_finite() -> None:
    p = np.array([[1.0, 0.0], [0.5, 0.5], [0.4, 0.6]])
    for temperature, exact in itertools.product((1e-3, 0.1, 1.0, 100.0), (p, p[:, ::-1])):
        scaled = scale_probabilities(exact, temperature)
        assert np.isfinite(scaled).all()
        np.testing.assert_allclose(scaled.sum(axis=1), 1)
    np.testing.assert_array_equal(scale_probabilities(p, 1)[1], [0.5, 0.5])


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"pred_probs has shape \(1, 2\), expected \(2, 2\)"):
        fit_temperature(Annotations.from_wide([[0, 1], [1, 1]]), np.array([[0.5, 0.5]]))
