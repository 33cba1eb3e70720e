"""Texts like another one, clusters and their words, and what a project does with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurybox.clusters import Clusters, find_clusters, most_similar
from jurybox.encoders.by_number import PoolRows, RowShelf
from jurybox.errors import InputError


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 1000))
def test_the_most_similar_are_those_of_a_loop(n_texts: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, size=(n_texts, 3)).astype(np.float64)
    place = int(rng.integers(n_texts))
    others = [at for at in range(n_texts) if at != place]
    expected = sorted((cosine(rows[at], rows[place]) for at in others), reverse=True)[:n]
    found = most_similar(rows, place, n)
    assert place not in found.places
    assert np.allclose(found.similarity, expected, atol=1e-6)
    assert np.allclose([cosine(rows[at], rows[place]) for at in found.places], found.similarity, atol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).standard_normal((300, 8))
    whole = most_similar(rows, 7, 20)
    found = find_clusters(rows, lambda places: [f"word{at % 5}" for at in places], 4)
    members = found.members(rows, 2).places
    monkeypatch.setattr("jurybox.clusters._BLOCK", 17)
    assert most_similar(rows, 7, 20).places.tolist() == whole.places.tolist()
    assert found.members(rows, 2).places.tolist() == members.tolist()


def test_clusters_are_those_that_were_planted() -> None:
    rng = np.random.default_rng(3)
    of = np.arange(600) % 3
    rows = np.eye(5)[of] + 0.1 * rng.standard_normal((600, 5))
    names = ["soup", "waiter", "music"]
    found = find_clusters(rows, lambda places: [f"the {names[of[at]]} was {at}" for at in places], 3)
    assert found.sizes.tolist() == [200, 200, 200]
    assert sorted(words[0] for words in found.words) == sorted(names)
    cluster, near = found.nearest(rows)
    assert len(np.unique(cluster[of == 1])) == 1
    members = found.members(rows, int(cluster[1])).places
    assert np.array_equal(np.sort(members), np.flatnonzero(of == 1))
    assert (np.diff(near[members]) <= 0).all(), "the nearest first"


def test_words_that_all_clusters_have_tell_less() -> None:
    rows = np.repeat(np.eye(2), 4, axis=0)
    texts = ["the soup here", "the soup", "the soup", "the soup", "the waiter", "the waiter", "the waiter", "the"]
    found = find_clusters(rows, lambda places: [texts[at] for at in places], 2)
    assert {words[0] for words in found.words} == {"soup", "waiter"}


def test_only_chosen_texts_have_clusters() -> None:
    rows = np.repeat(np.eye(3), 4, axis=0)
    found = find_clusters(rows, lambda places: ["word"] * len(places), 3, among=np.arange(8))
    assert found.sizes.tolist() == [4, 4]


def test_texts_without_words_have_clusters() -> None:
    found = find_clusters(np.eye(4), lambda places: ["?!"] * len(places), 2)
    assert found.words == ((), ())
    assert found.sizes.sum() == 4


def test_equal_texts_are_one_cluster() -> None:
    assert find_clusters(np.ones((5, 2)), lambda places: ["same"] * len(places), 3).sizes.tolist() == [5]


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="0 texts"):
        find_clusters(np.zeros((0, 2)), lambda _: [], 2)
    with pytest.raises(InputError, match="1 clusters"):
        find_clusters(np.ones((5, 2)), lambda _: [], 1)


def test_rows_of_files_and_of_an_array_are_the_same(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float16)
    shelf = RowShelf(tmp_path, lambda _: "a")
    shelf.add(0, rows[:30])
    shelf.add(30, rows[30:])
    pool = PoolRows((tuple(shelf.shards(50)),), (1.0,))
    found = find_clusters(pool, lambda places: [f"w{at}" for at in places], 3)
    again = find_clusters(rows.astype(np.float32), lambda places: [f"w{at}" for at in places], 3)
    assert isinstance(found, Clusters)
    assert found.words == again.words
    assert found.headline() == f"Clusters({len(found.sizes)} of 50 texts)"
    assert most_similar(pool, 3).places.tolist() == most_similar(rows, 3).places.tolist()
