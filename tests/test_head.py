"""The head: approximate against brute-force leave-one-out, optimality, degenerate input."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax

from jurybox.arrays import Floats
from jurybox.classifiers import curvature
from jurybox.classifiers import head as head_module
from jurybox.classifiers.base import Classifier, Fitted
from jurybox.classifiers.head import Head, HeadFitted
from jurybox.errors import InputError


def draw(n: int, d: int, k: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    logits = x @ rng.normal(size=(d, k)) * 1.5 / np.sqrt(d)
    t = np.array([rng.dirichlet(0.5 + 4 * np.exp(z) / np.exp(z).sum()) for z in logits])
    return x, t, rng.uniform(0.5, 4, size=n)


def leave_one_out(x: Floats, t: Floats, w: Floats, log2_strength: float) -> Floats:
    """Refit without each row in turn, at the same penalty."""
    unit = head_module._Problem.of(x, t, w).unit
    left = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        own = head_module._Problem.of(x[rest], t[rest], w[rest]).unit
        fitted = Head(strength=log2_strength + np.log2(unit / own)).fit(x[rest], t[rest], w[rest])
        left.append(fitted.predict_proba(x[i : i + 1])[0])
    return np.array(left)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "k"), [(60, 8, 2), (40, 90, 2), (60, 8, 3), (40, 45, 4)])
@pytest.mark.parametrize("strength", [-2.0, 1.0, 4.0])
def test_alo_is_brute_force_leave_one_out_to_one_percent(n: int, d: int, k: int, strength: float) -> None:
    x, t, w = draw(n, d, k)
    fitted = Head(strength=strength).fit(x, t, w)
    exact = leave_one_out(x, t, w, strength)
    error = np.abs(fitted.out_of_sample - exact)
    moved = np.abs(fitted.predict_proba(x) - exact)
    assert error.max() < 0.03
    assert error.mean() < 0.003
    assert error.mean() < moved.mean() / 20
    assert np.corrcoef(fitted.out_of_sample.ravel(), exact.ravel())[0, 1] > 0.9995


def test_blockwise_alo_of_many_unknowns_stays_close(monkeypatch: pytest.MonkeyPatch) -> None:
    x, t, w = draw(60, 8, 4)
    whole = Head(strength=0).fit(x, t, w)
    monkeypatch.setattr(curvature, "_EXACT_SIZE", 1)
    blocks = Head(strength=0).fit(x, t, w)
    np.testing.assert_allclose(blocks.coefficients, whole.coefficients, atol=1e-4)
    assert np.corrcoef(blocks.out_of_sample.ravel(), whole.out_of_sample.ravel())[0, 1] > 0.99


@pytest.mark.slow
def test_alo_by_class_is_close_to_leave_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    x, t, w = draw(60, 8, 12)
    left_out = leave_one_out(x, t, w, 1)
    monkeypatch.setattr(curvature, "_EXACT_SIZE", 1)
    fitted = Head(strength=1).fit(x, t, w)
    moved = np.abs(fitted.predict_proba(x) - left_out).mean()
    assert np.abs(fitted.out_of_sample - left_out).mean() < moved / 10
    ours, exact, trained = (
        float(-(w[:, None] * t * np.log(p)).sum() / w.sum())
        for p in (fitted.out_of_sample, left_out, fitted.predict_proba(x))
    )
    assert abs(ours - exact) < 0.01 < exact - trained


def test_three_hundred_classes_need_no_more_than_tables_of_classes() -> None:
    x, t, w = draw(600, 30, 300)
    tracemalloc.start()
    Head(strength=1).fit(x, t, w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * t.nbytes  # rows of classes by classes would be 300 of them


@pytest.mark.parametrize("k", [2, 3])
def test_the_solution_is_the_minimum_of_the_penalised_loss(k: int) -> None:
    x, t, w = draw(50, 4, k)
    fitted = Head(strength=1).fit(x, t, w)
    mean = np.average(x, axis=0, weights=w)
    penalty = 2.0 * np.average(((x - mean) ** 2).sum(axis=1), weights=w)

    def loss(flat: Floats) -> float:
        coefficients = flat.reshape(5, k)
        log_p = log_softmax(np.hstack([x - mean, np.ones((50, 1))]) @ coefficients, axis=1)
        return float(
            -(w[:, None] * t * log_p).sum()
            + penalty * (coefficients[:-1] ** 2).sum() / 2
            + head_module._OFFSET_PENALTY * (coefficients[-1] ** 2).sum() / 2
        )

    best = minimize(loss, np.zeros(5 * k), method="BFGS", options={"gtol": 1e-6}).x.reshape(5, k)
    np.testing.assert_allclose(fitted.coefficients, best[:-1], atol=1e-4)


def test_a_weight_counts_as_copies_of_a_row() -> None:
    x, t, _ = draw(30, 5, 3)
    copies = np.arange(30) % 3 + 1
    weighted = Head(strength=0).fit(x, t, copies.astype(float))
    repeated = Head(strength=0).fit(np.repeat(x, copies, axis=0), np.repeat(t, copies, axis=0))
    np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, atol=1e-6)


def test_a_row_of_weight_zero_changes_nothing() -> None:
    x, t, w = draw(30, 5, 2)
    more = Head(strength=0).fit(np.vstack([x, x[:1] + 9]), np.vstack([t, t[:1]]), np.append(w, 0.0))
    without = Head(strength=0).fit(x, t, w)
    np.testing.assert_allclose(more.coefficients, without.coefficients, atol=1e-6)
    np.testing.assert_allclose(more.out_of_sample[-1:], more.predict_proba(x[:1] + 9), atol=1e-9)


def test_scale_and_origin_of_the_features_do_not_matter() -> None:
    x, t, w = draw(40, 6, 3)
    one, other = Head().fit(x, t, w), Head().fit(1000 * x + 7, t, w)
    assert one.log2_strength == other.log2_strength
    np.testing.assert_allclose(one.out_of_sample, other.out_of_sample, atol=1e-5)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_permuting_the_classes_permutes_the_columns(seed: int, k: int) -> None:
    x, t, w = draw(25, 4, k, seed)
    order = np.random.default_rng(seed).permutation(k)
    one, other = Head(strength=0).fit(x, t, w), Head(strength=0).fit(x, t[:, order], w)
    np.testing.assert_allclose(one.out_of_sample[:, order], other.out_of_sample, atol=1e-5)


def test_the_chosen_strength_is_the_least_alo_loss_with_its_prior() -> None:
    x, t, w = draw(200, 30, 2)
    head = Head()
    chosen = head.fit(x, t, w).log2_strength
    losses = {
        octave: -(w[:, None] * t * np.log(Head(strength=octave).fit(x, t, w).out_of_sample)).sum() / w.sum()
        + head.prior * (octave - head.centre) ** 2
        for octave in range(head.lowest, head.highest + 1)
    }
    assert chosen == min(losses, key=lambda octave: losses[octave])


def test_strength_is_damped_between_rounds() -> None:
    x, t, w = draw(200, 30, 2)
    free = Head().fit(x, t, w).log2_strength
    previous = Head(strength=6).fit(x, t, w)
    assert Head().fit(x, t, w, previous=previous).log2_strength == pytest.approx((6 + free) / 2)


def test_any_other_previous_object_is_ignored() -> None:
    class Other:
        out_of_sample = np.ones((1, 2)) / 2

        def predict_proba(self, x: object) -> Floats:  # noqa: ARG002
            return self.out_of_sample

    x, t, w = draw(20, 3, 2)
    np.testing.assert_array_equal(
        Head().fit(x, t, w, previous=Other()).out_of_sample, Head().fit(x, t, w).out_of_sample
    )


@pytest.mark.parametrize(
    ("x", "t"),
    [
        (np.ones((1, 3)), [[0.0, 1.0, 0.0]]),
        (np.zeros((4, 2)), np.eye(2)[[0, 1, 0, 1]]),
        (np.random.default_rng(0).normal(size=(5, 2)), np.eye(3)[[0, 0, 0, 0, 0]]),
        (np.random.default_rng(0).normal(size=(5, 2)), np.ones((5, 1))),
        (np.array([[1e6, 0.0], [-1e6, 1e-9]]), np.eye(2)),
        (np.arange(8).reshape(4, 2), np.eye(2)[[0, 1, 0, 1]]),
        (np.zeros((3, 0)), np.eye(2)[[0, 1, 1]]),
    ],
    ids=["one row", "constant", "one class seen", "one class", "huge", "integers", "no columns"],
)
def test_degenerate_input_gives_probabilities(x: Floats, t: Floats) -> None:
    targets = np.asarray(t)
    fitted = Head().fit(x, targets)
    for p in (fitted.out_of_sample, fitted.predict_proba(x)):
        assert p.shape == targets.shape
        assert np.isfinite(p).all()
        np.testing.assert_allclose(p.sum(axis=1), 1)


def test_a_class_that_nobody_chose_is_improbable() -> None:
    x, _, _ = draw(60, 4, 2)
    fitted = Head().fit(x, np.eye(3)[np.arange(60) % 2])
    assert fitted.predict_proba(x)[:, 2].max() < 0.01


def test_it_meets_the_contract_and_freezes_its_arrays() -> None:
    x, t, w = draw(20, 3, 2)
    assert isinstance(Head(), Classifier)
    fitted = Head().fit(x, t, w)
    assert isinstance(fitted, Fitted)
    assert isinstance(fitted, HeadFitted)
    with pytest.raises(ValueError, match="read-only"):
        fitted.coefficients[0] = 0


def test_names_tell_heads_apart() -> None:
    assert Head().name == "head"
    assert Head(strength=0).name == "head(strength=0)"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(3), "shape"),
        (["a text"], "encoder"),
        (np.array([[np.nan], [1.0]]), "finite"),
    ],
)
def test_wrong_features_are_refused(x: Floats, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Head().fit(x, np.eye(2))


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="damping"):
        Head(damping=0)
    with pytest.raises(InputError, match="centre"):
        Head(centre=99)
    x, t, w = draw(20, 3, 2)
    with pytest.raises(InputError, match="2 columns"):
        Head().fit(x, t, w).predict_proba(x[:, :2])
