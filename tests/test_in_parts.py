"""A round that ranks a pool part by part finds what one over the whole pool finds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

import jurybox as jb
from jurybox.arrays import Ints
from jurybox.errors import InputError
from jurybox.pool.in_parts import goes_in_parts, play_in_parts

N, K = 400, 3


class Parts:
    """Rows in memory, given out in parts of some size."""

    def __init__(self, rows: NDArray[np.floating], size: int) -> None:
        self._rows, self._size = rows, size

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Ints | slice) -> NDArray[np.floating]:
        return self._rows[rows]

    def parts(self) -> Iterator[slice]:
        return (slice(at, min(at + self._size, len(self))) for at in range(0, len(self), self._size))


def pool(*, labelled: int = 60, scale: bool = False) -> tuple[jb.Annotations, NDArray[np.floating]]:
    rng = np.random.default_rng(3)
    truth = rng.integers(K, size=N)
    rows = (rng.normal(size=(K, 8))[truth] + rng.normal(size=(N, 8))).astype(np.float32)
    text = np.repeat(rng.permutation(N)[:labelled], 2)
    who = np.tile([0, 1], labelled)
    said = np.where(rng.random(len(text)) < 0.2, rng.integers(K, size=len(text)), truth[text])
    numbers = [1.0, 2.0, 5.0] if scale else None
    return (
        jb.Annotations.from_indices(text, who, said, texts=N, annotators=3, classes=K, scale=numbers),
        rows,
    )


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["default", "margin", "entropy"])
@pytest.mark.parametrize("scale", [False, True])
def test_parts_give_the_front_of_the_whole(strategy: str, scale: bool) -> None:
    annotations, rows = pool(scale=scale)
    settings = jb.Settings(strategy=strategy, batch=10, max_labels=3)
    rest = np.arange(N) % 7 > 0
    whole = jb.play_round(
        annotations, rows, settings, np.random.default_rng(0), trainable=rest, eligible=rest
    )
    for size in (1, 37, N):
        front = play_in_parts(
            annotations,
            Parts(rows, size),
            settings,
            np.random.default_rng(0),
            trainable=rest,
            eligible=rest,
            size=50,
        )
        if size > 1:  # a single row is multiplied in another way, which rounds otherwise
            assert front.ranking.texts.tolist() == whole.ranking.texts[:50].tolist()
        score = dict(zip(whole.ranking.texts.tolist(), whole.ranking.scores, strict=True))
        asked = [score[text] for text in front.ranking.texts.tolist()]
        for scores in (front.ranking.scores, asked):
            assert np.allclose(scores, whole.ranking.scores[:50], atol=1e-6)
        assert np.allclose(front.pred_probs, whole.pred_probs, atol=1e-6)
        assert front.ranking.reasons == whole.ranking.reasons[:50]
        assert front.batch.tolist() == whole.batch.tolist()
        for name in ("trained_on", "wanting", "batch", "remarks", "strategy", "classifier"):
            assert front.diagnostics[name] == whole.diagnostics[name]


def test_the_next_round_begins_where_the_last_one_ended() -> None:
    annotations, rows = pool()
    settings = jb.Settings(batch=10)
    first = play_in_parts(annotations, Parts(rows, 100), settings, np.random.default_rng(0))
    second = play_in_parts(annotations, Parts(rows, 100), settings, np.random.default_rng(1), previous=first)
    whole = jb.play_round(annotations, rows, settings, np.random.default_rng(1), previous=first)
    assert np.allclose(second.pred_probs, whole.pred_probs, atol=1e-6)


def test_a_pool_without_labels_is_asked_for_at_random() -> None:
    annotations, rows = pool(labelled=0)
    eligible = np.arange(N) < 300
    found = [
        play_in_parts(
            annotations, Parts(rows, 99), jb.Settings(), np.random.default_rng(s), eligible=eligible, size=50
        )
        for s in (0, 1)
    ]
    assert {*found[0].ranking.reasons} == {"spread"}
    assert len({*found[0].ranking.texts.tolist()}) == 50
    assert found[0].ranking.texts.max() < 300
    assert found[0].ranking.texts.tolist() != found[1].ranking.texts.tolist()


def test_some_of_a_batch_are_drawn_from_the_whole_pool() -> None:
    annotations, rows = pool()
    settings = jb.Settings(batch=20, random_share=0.5)
    found = play_in_parts(annotations, Parts(rows, 99), settings, np.random.default_rng(5), size=30)
    drawn = [
        text for text, why in zip(found.ranking.texts, found.ranking.reasons, strict=True) if why == "random"
    ]
    assert 0 < len(drawn) < 20
    assert len({*found.ranking.texts.tolist()}) == len(found.ranking.texts)
    chosen = 20 - len(drawn)
    assert found.ranking.probability[chosen] == pytest.approx(len(drawn) / (N - chosen))
    assert (found.ranking.probability[:chosen] == 1).all()


def test_texts_of_one_score_come_in_an_order_of_the_round_alone() -> None:
    annotations, rows = pool()
    settings = jb.Settings(strategy="random", batch=5)
    found = [
        play_in_parts(annotations, Parts(rows, size), settings, np.random.default_rng(seed), size=50)
        for size, seed in ((7, 0), (N, 0), (N, 1))
    ]
    first, same, other = (round_.ranking.texts.tolist() for round_ in found)
    assert first == same
    assert first != other


@pytest.mark.parametrize("changes", [{"strategy": "activelab"}, {"target": "shares"}])
def test_what_ranks_whole_pools_is_refused(changes: dict[str, str]) -> None:
    annotations, rows = pool()
    settings = jb.Settings(**changes)  # type: ignore[arg-type]
    assert not goes_in_parts(settings)
    with pytest.raises(InputError, match="ranks texts one by one"):
        play_in_parts(annotations, Parts(rows, 100), settings, np.random.default_rng(0))
    with pytest.raises(InputError, match="the annotations 400"):
        play_in_parts(annotations, Parts(rows[:9], 100), jb.Settings(), np.random.default_rng(0))
