"""Views: fitted on a sample, the same when texts come, several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jurybox.encoders import (
    FeatureCache,
    Features,
    Progress,
    TfidfEncoder,
    drift_note,
    fit_views,
    language_note,
)
from jurybox.encoders.base import FeatureMap, text_digest
from jurybox.errors import InputError


@dataclass(frozen=True)
class Counting:
    """A frozen encoder that keeps what it was asked to encode."""

    name: str = "counting"
    reason: str = "for the test"
    is_fitted: bool = True
    is_english: bool = True
    asked: list[str] = field(default_factory=list, compare=False)

    def fit(self, pool: Sequence[str]) -> Counting:  # noqa: ARG002
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Counting:  # noqa: ARG002
        return self

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None, project: FeatureMap | None = None
    ) -> Features:
        self.asked.extend(texts)
        if progress is not None:
            progress(len(texts), len(texts))
        found = np.array([list(text_digest(text)[:12]) for text in texts], np.float32).reshape(-1, 12)
        return found if project is None else project(found).astype(np.float32)


WORDS = ["good", "bad", "soup", "bread", "train", "bus", "late", "early", "warm", "cold", "lamp", "tent"]


def texts(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=6)) + f" {seed}.{i}" for i in range(n)]


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def test_a_text_more_encodes_a_text_more(cache: FeatureCache) -> None:
    pool, encoder = texts(50), Counting()
    before = fit_views([encoder], pool, cache=cache)
    rows = before.rows(pool)
    assert sorted(encoder.asked) == sorted(pool)
    after = fit_views([encoder], [*pool, "one more"], cache=cache)
    assert after.name == before.name
    assert np.array_equal(after.rows([*pool, "one more"])[:50], rows)
    assert encoder.asked[50:] == ["one more"]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [Counting(), TfidfEncoder(dimensions=8)])
def test_a_view_is_the_same_in_another_process(cache: FeatureCache, encoder: Any) -> None:
    pool = texts(1200)  # enough that rare terms are dropped
    made, found = (fit_views([encoder], part, cache=cache) for part in (pool, [*pool, *texts(200, 1)]))
    new = ["good soup of 7", "", "unheard of"]
    assert found.name == made.name
    assert found.fitted_on == made.fitted_on == 1200
    assert np.array_equal(made.views[0].rows(new), found.views[0].rows(new))
    np.testing.assert_allclose(made.rows(pool), fit_views([encoder], pool).rows(pool), atol=2e-3)


def test_a_small_pool_that_doubles_is_fitted_anew(cache: FeatureCache) -> None:
    pool = texts(40)
    small = fit_views([Counting()], pool[:20], cache=cache)
    assert fit_views([Counting()], pool[:39], cache=cache).name == small.name
    large = fit_views([Counting()], pool, cache=cache)
    assert small.outgrown(40)
    assert large.name != small.name
    assert large.fitted_on == 40


def test_a_large_sample_is_never_outgrown() -> None:
    pool = [f"t{i}" for i in range(5000)]
    views = fit_views([Counting()], pool)
    assert not views.outgrown(10_000_000)
    assert len(views.views[0].encoder.asked) == 4096  # type: ignore[attr-defined]


def test_another_pool_has_views_of_its_own(cache: FeatureCache) -> None:
    one, other = (fit_views([TfidfEncoder(dimensions=4)], texts(30, seed), cache=cache) for seed in (1, 2))
    assert one.name != other.name
    assert fit_views([TfidfEncoder(dimensions=5)], texts(30, 1), cache=cache).name != one.name


def test_views_stand_side_by_side_with_weights(cache: FeatureCache) -> None:
    pool = texts(60)
    seen: list[tuple[int, int]] = []
    both = fit_views([Counting(), TfidfEncoder(dimensions=4)], pool, cache=cache)
    rows = both.rows(pool, lambda done, of: seen.append((done, of)))
    alone = fit_views([TfidfEncoder(dimensions=4)], pool).rows(pool)
    assert both.weights == (1.0, 0.5)
    np.testing.assert_allclose(rows[:, -alone.shape[1] :], alone / 2, atol=1e-3)
    assert rows.dtype == np.float32
    assert both.reason == "for the test; TF-IDF of words and characters: asked for by name"
    assert all(done <= of == 120 for done, of in seen)


@pytest.mark.slow
def test_rows_take_little_room(cache: FeatureCache) -> None:
    rng = np.random.default_rng(0)
    pool = [f"{rng.integers(1 << 60)} {i}" for i in range(6000)]
    views = fit_views([TfidfEncoder()], pool, cache=cache)
    assert views.rows(pool).shape == (6000, 128)
    segments = sum(path.stat().st_size for path in cache.folder.glob("*/*.npz"))
    assert segments / len(pool) <= 300


def test_a_damaged_view_is_fitted_anew(cache: FeatureCache, caplog: pytest.LogCaptureFixture) -> None:
    pool = texts(30)
    before = fit_views([TfidfEncoder(dimensions=4)], pool, cache=cache)
    rows = before.rows(pool)
    (path,) = cache.folder.glob("*/view.fitted")
    path.write_bytes(path.read_bytes()[:-300])
    after = fit_views([TfidfEncoder(dimensions=4)], pool, cache=cache)
    assert "damaged" in caplog.text
    assert after.name == before.name
    assert np.array_equal(after.rows(pool), rows)


def test_drift_is_noticed() -> None:
    pool = texts(300)
    views = fit_views([TfidfEncoder(dimensions=16)], pool)
    alike = views.drift(views.rows([*pool, *texts(300, 1)]))
    other = views.drift(views.rows([*pool, *(f"bread {i}" for i in range(300))]))
    assert drift_note(alike) is None
    assert "another kind" in str(drift_note(other))
    assert views.drift(views.rows([*pool, "bread", "bread"])) == 0  # two texts say nothing


def test_other_languages_are_noticed() -> None:
    english = [f"This is the best soup that I have had in {i} years" for i in range(200)]
    german = [f"Das ist die beste Suppe seit {i} Jahren, sagt mein Onkel" for i in range(200)]
    chinese = [f"这 是 {i} 年 来 最 好 的 汤" for i in range(200)]
    assert language_note(Counting(), english) is None
    assert language_note(Counting(), [*english, *german[:50]]) is None
    for foreign in (german, chinese):
        note = language_note(Counting(), [*english[:100], *foreign])
        assert note is not None
        assert "not in English" in note
        assert language_note(TfidfEncoder(), foreign) is None


def test_no_encoder_and_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="0 encoders"):
        fit_views([], ["a"])
    with pytest.raises(InputError, match="0 texts"):
        fit_views([Counting()], [])
