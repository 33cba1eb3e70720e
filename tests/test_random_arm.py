"""Models of the texts drawn at random: what they are trained on, and what keeps out of them."""

from __future__ import annotations

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.loop import Settings, play_round
from jurybox.simulation import play_random_arm


def pool() -> tuple[Annotations, Floats]:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    features = truth[:, None] * 1.5 + rng.normal(size=(60, 5))
    labels = np.where(rng.random((60, 2)) < 0.9, truth[:, None], 1 - truth[:, None]).astype(float)
    labels[40:] = np.nan
    return Annotations.from_wide(labels, classes=[0, 1]), features


def test_sizes_grow_to_all_labels() -> None:
    drawn, features = pool()
    points = play_random_arm(drawn, features, Settings(), np.random.default_rng(1), points=3)
    assert [point.labels for point in points] == [20, 40, 80]
    assert all(point.pred_probs.shape == (60, 2) for point in points)


def test_the_last_model_is_that_of_a_round_on_all_of_them() -> None:
    drawn, features = pool()
    last = play_random_arm(drawn, features, Settings(), np.random.default_rng(1))[-1]
    alone = play_round(drawn, features, Settings(), np.random.default_rng(2))
    np.testing.assert_allclose(last.pred_probs, alone.pred_probs, atol=1e-6)


def test_what_is_not_trainable_is_kept_out() -> None:
    drawn, features = pool()
    trainable = np.arange(60) >= 20
    last = play_random_arm(drawn, features, Settings(), np.random.default_rng(1), trainable=trainable)[-1]
    assert last.labels == 40
    alone = play_round(drawn, features, Settings(), np.random.default_rng(2), trainable=trainable)
    np.testing.assert_allclose(last.pred_probs, alone.pred_probs, atol=1e-6)


def test_without_a_text_there_is_no_model() -> None:
    drawn, features = pool()
    nothing = np.zeros(60, dtype=bool)
    assert play_random_arm(drawn, features, Settings(), np.random.default_rng(1), trainable=nothing) == ()
