"""The cache of features: every text once, whatever happens to the files."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jurybox.encoders import FeatureCache, Features, Progress, TfidfEncoder
from jurybox.encoders.base import text_digest


@dataclass(frozen=True)
class Counting:
    """A frozen encoder that keeps what it was asked to encode."""

    name: str = "counting"
    reason: str = "for the test"
    is_fitted: bool = True
    asked: list[str] = field(default_factory=list)

    def fit(self, pool: Sequence[str]) -> Counting:  # noqa: ARG002
        return self

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> Features:
        self.asked.extend(texts)
        if progress is not None:
            progress(len(texts), len(texts))
        return np.array([list(text_digest(text)[:4]) for text in texts], np.float32).reshape(-1, 4)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def segments(cache: FeatureCache) -> list[Path]:
    return sorted(cache.folder.glob("*/*.npz"))


def test_a_text_is_encoded_once(cache: FeatureCache) -> None:
    encoder = Counting()
    first = cache.features(encoder, ["a", "b", "a"])
    assert encoder.asked == ["a", "b"]
    again = cache.features(encoder, ["b", "c", "a"])
    assert encoder.asked == ["a", "b", "c"]
    assert np.array_equal(again[[2, 0, 2]], first)
    assert np.array_equal(again, Counting().encode(["b", "c", "a"]))


def test_another_encoder_has_its_own_features(cache: FeatureCache) -> None:
    cache.features(Counting(), ["a"])
    other = Counting(name="counting/../other")
    cache.features(other, ["a"])
    assert other.asked == ["a"]
    assert all(path.parent.parent == cache.folder for path in segments(cache))


def test_fitted_encoders_are_kept_by_pool(cache: FeatureCache) -> None:
    texts = ["good soup", "bad soup", "late train"]
    fitted = TfidfEncoder(dimensions=2).fit(texts)
    assert np.array_equal(cache.features(TfidfEncoder(dimensions=2), texts), fitted.encode(texts))
    assert np.array_equal(cache.features(fitted, texts[:1]), fitted.encode(texts)[:1])
    assert len(segments(cache)) == 1
    cache.features(TfidfEncoder(dimensions=2), [*texts, "more"])
    assert len({path.parent for path in segments(cache)}) == 2


def test_features_of_old_pools_are_forgotten(cache: FeatureCache) -> None:
    frozen = Counting()
    cache.features(frozen, ["kept"])
    pool = ["good soup", "bad soup"]
    for i in range(12):
        pool.append(f"text {i}")
        latest = cache.features(TfidfEncoder(dimensions=2), pool)
    assert len({path.parent for path in segments(cache)}) == 9
    assert np.array_equal(cache.features(TfidfEncoder(dimensions=2), pool), latest)
    cache.features(frozen, ["kept"])
    assert frozen.asked == ["kept"]


def test_leftovers_of_killed_writers_are_removed(cache: FeatureCache) -> None:
    encoder = Counting()
    cache.features(encoder, ["first"])
    old, new = (segments(cache)[0].with_name(name) for name in ("old.tmp", "new.tmp"))
    old.write_bytes(b"half")
    new.write_bytes(b"being written")
    os.utime(old, (0, 0))
    for i in range(40):
        cache.features(encoder, [f"text {i}"])
    assert not old.exists()
    assert new.exists()


def test_no_texts_and_odd_texts(cache: FeatureCache) -> None:
    encoder = Counting()
    assert cache.features(encoder, []).shape == (0, 4)
    odd = ["", " ", "\ud800", "\x00", "😀"]
    assert np.array_equal(cache.features(encoder, odd), cache.features(encoder, odd))
    assert encoder.asked == odd


def test_progress_counts_only_what_is_encoded(cache: FeatureCache) -> None:
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))

    cache.features(Counting(), ["a", "b"], progress)
    cache.features(Counting(), ["a", "b"], progress)
    cache.features(Counting(), ["a", "c"], progress)
    assert seen == [(2, 2), (1, 1)]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "no zip", "pickle"])
def test_a_damaged_segment_is_made_again(
    cache: FeatureCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"text {i}" for i in range(50)]
    expected = cache.features(Counting(), texts)
    kept = cache.features(Counting(), ["kept"])
    path = next(path for path in segments(cache) if path.stat().st_size > 1500)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    broken = {"cut": data[:-100], "flip": data, "empty": b"", "no zip": b"x" * 500, "pickle": b"\x80\x04."}
    path.write_bytes(bytes(broken[damage]))
    encoder = Counting()
    assert np.array_equal(cache.features(encoder, texts), expected)
    assert encoder.asked == texts
    assert "damaged" in caplog.text
    assert not path.exists()
    assert np.array_equal(cache.features(encoder, ["kept"]), kept)
    assert encoder.asked == texts


def test_an_interrupted_write_leaves_nothing_that_is_read(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            cache.features(Counting(), ["a"])
    assert segments(cache) == []
    encoder = Counting()
    cache.features(encoder, ["a"])
    assert encoder.asked == ["a"]


def test_an_interrupted_run_keeps_what_was_encoded(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jurybox.encoders.cache._CHUNK", 2)
    calls: list[int] = []

    def stop_at_four(done: int, total: int) -> None:
        calls.append(done)
        if done == 4:
            raise KeyboardInterrupt

    texts = list("abcdef")
    with pytest.raises(KeyboardInterrupt):
        cache.features(Counting(), texts, stop_at_four)
    encoder = Counting()
    cache.features(encoder, texts)
    assert encoder.asked == ["c", "d", "e", "f"]


def test_many_small_additions_are_merged(cache: FeatureCache) -> None:
    encoder = Counting()
    texts = [f"text {i}" for i in range(100)]
    for text in texts:
        cache.features(encoder, [text])
    assert len(segments(cache)) < 40
    assert encoder.asked == texts
    assert np.array_equal(cache.features(encoder, texts), Counting().encode(texts))
    assert encoder.asked == texts


def test_deleting_the_cache_is_harmless(cache: FeatureCache) -> None:
    encoder = Counting()
    cache.features(encoder, ["a"])
    for path in segments(cache):
        path.unlink()
    cache.features(encoder, ["a"])
    assert encoder.asked == ["a", "a"]


def read_and_write(folder: Path, worker: int) -> None:
    for turn in range(40):
        texts = [f"text {i}" for i in range(turn, turn + 5)] + [f"own {worker} {turn}"]
        features = FeatureCache(folder).features(Counting(), texts)
        if not np.array_equal(features, Counting().encode(texts)):
            raise AssertionError(f"wrong features in turn {turn}")


def test_threads_share_a_cache(cache: FeatureCache) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            read_and_write(cache.folder, worker)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.slow
def test_processes_share_a_cache(cache: FeatureCache) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=read_and_write, args=(cache.folder, worker)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]


@given(calls=st.lists(st.lists(st.text(max_size=3), max_size=6), max_size=5))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_cache_changes_nothing(calls: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    cache, encoder = FeatureCache(tmp_path_factory.mktemp("cache")), Counting()
    for texts in calls:
        assert np.array_equal(cache.features(encoder, texts), Counting().encode(texts))
    assert len(encoder.asked) == len(set(encoder.asked))
