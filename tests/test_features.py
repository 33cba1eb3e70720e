"""The map from an encoder's features to the head's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from jurybox.arrays import Floats
from jurybox.encoders import base as features_module
from jurybox.encoders.base import fit_feature_map
from jurybox.errors import InputError


def correlated(n: int, d: int, seed: int = 0) -> Floats:
    """Rows that vary in a few directions, in columns of different units."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, 5)) @ rng.normal(size=(5, d)) + 0.3 * rng.normal(size=(n, d))
    return mixed * rng.uniform(0.1, 50, size=d) + 3


@pytest.mark.parametrize(("n", "d"), [(80, 30), (40, 200)])
def test_columns_are_centred_uncorrelated_and_of_mean_squared_norm_one(n: int, d: int) -> None:
    mapped = fit_feature_map(correlated(n, d), n_components=10)(correlated(n, d))
    covariance = np.cov(mapped.T, bias=True)
    np.testing.assert_allclose(mapped.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-10)
    assert (np.diff(np.diag(covariance)) <= 1e-12).all()
    assert (mapped**2).sum(axis=1).mean() == pytest.approx(1)


def test_the_unit_of_a_column_does_not_matter() -> None:
    x = correlated(100, 20)
    units = np.geomspace(0.01, 100, 20)
    one, other = fit_feature_map(x)(x), fit_feature_map(x * units)(x * units)
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-8)


def test_emphasis_raises_the_spread_of_components_to_a_power() -> None:
    x = correlated(100, 20)
    plain, more = (fit_feature_map(x, n_components=4, emphasis=e)(x).std(axis=0) for e in (0.0, 1.0))
    np.testing.assert_allclose(more / more[0], (plain / plain[0]) ** 2, rtol=1e-8)
    white = fit_feature_map(x, n_components=4, emphasis=-1.0)(x).std(axis=0)
    np.testing.assert_allclose(white, white[0], rtol=1e-8)


def test_columns_that_an_encoder_rotated_keep_their_spread() -> None:
    rng = np.random.default_rng(0)
    spread = np.geomspace(1, 0.01, 30)
    x = rng.normal(size=(2000, 30)) * spread
    mapped = fit_feature_map(x, n_components=30, emphasis=0.0)(x)
    np.testing.assert_allclose(mapped.std(axis=0) / mapped.std(axis=0)[0], spread / spread[0], rtol=0.1)


def test_labels_of_new_rows_come_from_the_same_map() -> None:
    x = correlated(60, 12)
    mapped = fit_feature_map(x)
    np.testing.assert_allclose(mapped(x)[7:9], mapped(x[7:9]), atol=1e-12)


def test_long_pools_are_mapped_in_pieces_and_fitted_on_some(monkeypatch: pytest.MonkeyPatch) -> None:
    x = correlated(500, 12)
    whole = fit_feature_map(x, n_components=3)
    monkeypatch.setattr(features_module, "_CHUNK", 64)
    np.testing.assert_allclose(fit_feature_map(x, n_components=3)(x), whole(x), atol=1e-10)
    monkeypatch.setattr(features_module, "_FITTED_ON", 200)
    fewer = fit_feature_map(x, n_components=3)(x)
    assert abs(np.corrcoef(fewer[:, 0], whole(x)[:, 0])[0, 1]) > 0.99


@pytest.mark.parametrize(
    "pool",
    [np.ones((1, 4)), np.ones((6, 4)), np.arange(6).reshape(6, 1), np.zeros((2, 3), dtype=np.float32)],
)
def test_degenerate_pools_give_finite_features(pool: NDArray[np.floating]) -> None:
    mapped = fit_feature_map(pool)(pool)
    assert len(mapped) == len(pool)
    assert np.isfinite(mapped).all()


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((0, 3)), "at least one row"),
        ([["a"]], "type"),
        ([[0.0], [np.inf]], "row 1"),
    ],
)
def test_wrong_pools_are_refused(pool: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_feature_map(pool)  # type: ignore[arg-type]


def test_wrong_use_is_refused() -> None:
    with pytest.raises(InputError, match="n_components"):
        fit_feature_map(np.eye(3), n_components=0)
    with pytest.raises(InputError, match="2 columns"):
        fit_feature_map(correlated(20, 3))(np.zeros((1, 2)))
