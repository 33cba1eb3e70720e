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

from jurybox.encoders import FeatureCache, Progress, TfidfEncoder, fit_views
from jurybox.encoders.base import text_digest
from jurybox.encoders.cache import Rows


@dataclass(frozen=True)
class Counting:
    """A view that keeps what it was asked to encode."""

    name: str = "counting"
    asked: list[str] = field(default_factory=list)

    def rows(self, texts: Sequence[str], progress: Progress | None = None) -> Rows:
        self.asked.extend(texts)
        if progress is not None:
            progress(len(texts), len(texts))
        return np.array([list(text_digest(text)[:4]) for text in texts], np.float16).reshape(-1, 4)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def segments(cache: FeatureCache) -> list[Path]:
    return sorted(cache.folder.glob("*/*.npz"))


def test_a_text_is_encoded_once(cache: FeatureCache) -> None:
    encoder = Counting()
    first = cache.rows(encoder, ["a", "b", "a"])
    assert encoder.asked == ["a", "b"]
    again = cache.rows(encoder, ["b", "c", "a"])
    assert encoder.asked == ["a", "b", "c"]
    assert np.array_equal(again[[2, 0, 2]], first)
    assert np.array_equal(again, Counting().rows(["b", "c", "a"]))


def test_another_encoder_has_its_own_features(cache: FeatureCache) -> None:
    cache.rows(Counting(), ["a"])
    other = Counting(name="counting/../other")
    cache.rows(other, ["a"])
    assert other.asked == ["a"]
    assert all(path.parent.parent == cache.folder for path in segments(cache))


def test_views_that_were_not_used_for_long_are_forgotten(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jurybox.encoders.cache._VIEWS_KEPT", 3)
    for number in range(6):
        fit_views([TfidfEncoder(dimensions=2)], [f"text {number}", "another"], cache=cache)
    assert len(list(cache.folder.iterdir())) == 3


@pytest.mark.slow
def test_leftovers_of_killed_writers_are_removed(cache: FeatureCache) -> None:
    encoder = Counting()
    cache.rows(encoder, ["first"])
    old, new = (segments(cache)[0].with_name(name) for name in ("old.tmp", "new.tmp"))
    old.write_bytes(b"half")
    new.write_bytes(b"being written")
    os.utime(old, (0, 0))
    for i in range(40):
        cache.rows(encoder, [f"text {i}"])
    assert not old.exists()
    assert new.exists()


def test_no_texts_and_odd_texts(cache: FeatureCache) -> None:
    encoder = Counting()
    assert cache.rows(encoder, []).shape == (0, 4)
    odd = ["", " ", "\ud800", "\x00", "😀"]
    assert np.array_equal(cache.rows(encoder, odd), cache.rows(encoder, odd))
    assert encoder.asked == odd


def test_progress_counts_only_what_is_encoded(cache: FeatureCache) -> None:
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))

    cache.rows(Counting(), ["a", "b"], progress)
    cache.rows(Counting(), ["a", "b"], progress)
    cache.rows(Counting(), ["a", "c"], progress)
    assert seen == [(2, 2), (1, 1)]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "no zip", "pickle"])
def test_a_damaged_segment_is_made_again(
    cache: FeatureCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"text {i}" for i in range(50)]
    expected = cache.rows(Counting(), texts)
    kept = cache.rows(Counting(), ["kept"])
    path = next(path for path in segments(cache) if path.stat().st_size > 1500)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    broken = {"cut": data[:-100], "flip": data, "empty": b"", "no zip": b"x" * 500, "pickle": b"\x80\x04."}
    path.write_bytes(bytes(broken[damage]))
    encoder = Counting()
    assert np.array_equal(cache.rows(encoder, texts), expected)
    assert encoder.asked == texts
    assert "damaged" in caplog.text
    assert not path.exists()
    assert np.array_equal(cache.rows(encoder, ["kept"]), kept)
    assert encoder.asked == texts


def test_an_interrupted_write_leaves_nothing_that_is_read(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            cache.rows(Counting(), ["a"])
    assert segments(cache) == []
    encoder = Counting()
    cache.rows(encoder, ["a"])
    assert encoder.asked == ["a"]


def test_an_interrupted_run_keeps_what_was_encoded(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jurybox.encoders.cache.CHUNK", 2)
    calls: list[int] = []

    def stop_at_four(done: int, total: int) -> None:
        calls.append(done)
        if done == 4:
            raise KeyboardInterrupt

    texts = list("abcdef")
    with pytest.raises(KeyboardInterrupt):
        cache.rows(Counting(), texts, stop_at_four)
    encoder = Counting()
    cache.rows(encoder, texts)
    assert encoder.asked == ["c", "d", "e", "f"]


@pytest.mark.slow
def test_many_small_additions_are_merged(cache: FeatureCache) -> None:
    encoder = Counting()
    texts = [f"text {i}" for i in range(100)]
    for text in texts:
        cache.rows(encoder, [text])
    assert len(segments(cache)) < 40
    assert encoder.asked == texts
    assert np.array_equal(cache.rows(encoder, texts), Counting().rows(texts))
    assert encoder.asked == texts


def test_deleting_the_cache_is_harmless(cache: FeatureCache) -> None:
    encoder = Counting()
    cache.rows(encoder, ["a"])
    for path in segments(cache):
        path.unlink()
    cache.rows(encoder, ["a"])
    assert encoder.asked == ["a", "a"]


def read_and_write(folder: Path, worker: int) -> None:
    for turn in range(40):
        texts = [f"text {i}" for i in range(turn, turn + 5)] + [f"own {worker} {turn}"]
        features = FeatureCache(folder).rows(Counting(), texts)
        if not np.array_equal(features, Counting().rows(texts)):
            raise AssertionError(f"wrong features in turn {turn}")


@pytest.mark.slow
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


@pytest.mark.slow
@given(calls=st.lists(st.lists(st.text(max_size=3), max_size=6), max_size=5))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_cache_changes_nothing(calls: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    cache, encoder = FeatureCache(tmp_path_factory.mktemp("cache")), Counting()
    for texts in calls:
        assert np.array_equal(cache.rows(encoder, texts), Counting().rows(texts))
    assert len(encoder.asked) == len(set(encoder.asked))
