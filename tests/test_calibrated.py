"""Probabilities rescaled to the annotators' labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from jurybox.arrays import Floats
from jurybox.classifiers.base import Fitted
from jurybox.classifiers.calibrated import calibrate
from jurybox.errors import InputError


@dataclass
class Known:
    """A classifier that says what it is told to."""

    out_of_sample: Floats

    def predict_proba(self, x: object) -> Floats:
        return np.asarray(x, dtype=np.float64)


def draw(n: int, k: int, scale: float, shift: Floats) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, k)) * 2
    counts = np.stack([rng.multinomial(3, softmax(scale * z + shift)) for z in logits])
    return softmax(logits, axis=1), counts.astype(np.float64)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("scale", [0.4, 1.0, 2.0])
def test_it_finds_the_scale_and_offsets_that_made_the_labels(k: int, scale: float) -> None:
    shift = np.linspace(-0.5, 0.5, k)
    p, counts = draw(3000, k, scale, shift)
    calibrated = calibrate(Known(p), counts)
    assert calibrated.alone.scales[0] == pytest.approx(scale, abs=0.1)
    np.testing.assert_allclose(calibrated.alone.offsets - calibrated.alone.offsets.mean(), shift, atol=0.12)


def test_it_is_the_minimum() -> None:
    p, counts = draw(60, 3, 0.7, np.zeros(3))
    found = calibrate(Known(p), counts)
    log_p = np.log(p)

    def loss(theta: Floats) -> float:
        q = softmax(theta[0] * log_p + theta[1:], axis=1)
        pull = 1e-3 * counts.sum() * (0.1 * (theta[0] - 1) ** 2 + (theta[1:] ** 2).sum())
        return float(-(counts * np.log(q)).sum() + pull / 2)

    best = minimize(loss, np.array([1.0, 0, 0, 0]), method="BFGS", options={"gtol": 1e-6}).x
    np.testing.assert_allclose([*found.alone.scales, *found.alone.offsets], best, atol=1e-4)


def test_predictions_are_rescaled_like_what_was_out_of_sample() -> None:
    p, counts = draw(50, 3, 0.7, np.zeros(3))
    calibrated = calibrate(Known(p), counts)
    assert isinstance(calibrated, Fitted)
    np.testing.assert_allclose(calibrated.predict_proba(p), calibrated.out_of_sample)
    np.testing.assert_allclose(calibrated.out_of_sample.sum(axis=1), 1)


def test_mean_probabilities_are_the_label_shares() -> None:
    p, counts = draw(2000, 3, 0.5, np.array([1.0, 0, -1]))
    mean = (counts.sum(axis=1, keepdims=True) * calibrate(Known(p), counts).out_of_sample).sum(axis=0)
    np.testing.assert_allclose(mean / mean.sum(), counts.sum(axis=0) / counts.sum(), atol=0.003)


@pytest.mark.parametrize("p", [np.eye(2)[[0, 1, 0]], np.full((3, 2), 0.5), np.eye(2)[[1, 1, 1]]])
@pytest.mark.parametrize("counts", [np.eye(2)[[0, 0, 0]], np.eye(2)[[1, 0, 1]], np.diag([1, 1, 1])[:, :2]])
def test_degenerate_labels_and_probabilities_stay_finite(p: Floats, counts: Floats) -> None:
    q = calibrate(Known(p), counts).out_of_sample
    assert np.isfinite(q).all()
    assert (q > 0).all()


def test_a_model_that_is_always_wrong_is_not_turned_round() -> None:
    p = np.tile([[0.9, 0.1], [0.1, 0.9]], (50, 1))
    calibrated = calibrate(Known(p), np.tile([[0, 1], [1, 0]], (50, 1)))
    assert 0 < calibrated.alone.scales[0] < 0.1


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        calibrate(Known(np.eye(2)), np.eye(3))
    with pytest.raises(InputError, match="a label"):
        calibrate(Known(np.eye(2)), np.zeros((2, 2)))
