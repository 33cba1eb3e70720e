from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurybox import selection
from jurybox.annotations import Annotations
from jurybox.consensus import crowdlab
from jurybox.consensus.crowdlab import fit_temperature, scale_probabilities
from jurybox.errors import InputError
from support.strategies import annotation_sets, random_probabilities

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.slow
@given(annotation_sets(), seeds)
def test_activelab_equals_a_naive_loop(annotations: Annotations, seed: int) -> None:
    raw = random_probabilities(annotations, seed)
    p = scale_probabilities(raw, fit_temperature(annotations, raw))
    consensus = crowdlab(annotations, p)
    w, w_model = consensus.annotator_weights, consensus.model_weights[0]
    people = np.unique(annotations.annotator)
    w_mean = w[people].mean() if len(people) else 1.0
    for i, score in enumerate(selection.activelab(annotations, raw)):
        total = w[annotations.annotator[annotations.text == i]].sum() + w_model
        quality = consensus.quality[i] if annotations.n_labels[i] else p[i].max()
        expected = (total * quality + w_mean / annotations.n_classes) / (total + w_mean)
        assert score == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@given(annotation_sets(), seeds)
def test_an_ensemble_of_twins_ranks_as_one_model(annotations: Annotations, seed: int) -> None:
    p = random_probabilities(annotations, seed)
    one = selection.activelab(annotations, p[None])
    np.testing.assert_allclose(one, selection.activelab(annotations, p), rtol=0, atol=1e-12)


@given(annotation_sets(max_texts=100), seeds, st.integers(1, 50), st.integers(1, 6))
def test_batches_keep_the_caps(annotations: Annotations, seed: int, size: int, max_labels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(annotations.n_texts).round(1)
    batch = selection.select_batch(scores, annotations, size=size, max_labels=max_labels, rng=rng)
    wanting = annotations.n_labels < max_labels
    assert len(batch) == len(set(batch.tolist())) == min(size, wanting.sum())
    assert wanting[batch].all()
    left = np.setdiff1d(np.flatnonzero(wanting), batch)
    if len(left) and len(batch):
        assert scores[batch].max() <= scores[left].min()


def test_ties_are_broken_by_the_seed_not_by_position() -> None:
    annotations = Annotations.from_indices([], [], [], texts=1000, annotators=1, classes=2)
    means = [
        selection.select_batch(np.zeros(1000), annotations, size=100, rng=np.random.default_rng(s)).mean()
        for s in range(20)
    ]
    assert 450 < np.mean(means) < 550
    first = selection.rank(np.zeros(1000), np.random.default_rng(3))
    np.testing.assert_array_equal(first, selection.rank(np.zeros(1000), np.random.default_rng(3)))


@given(seeds, st.integers(1, 80))
def test_ordering_the_first_alone_gives_these_and_leaves_nobody_out(seed: int, first: int) -> None:
    drawn = np.random.default_rng(seed)
    scores, eligible = drawn.random(60).round(1), drawn.random(60) < 0.8
    whole, few = (
        selection.rank(scores, np.random.default_rng(seed), eligible=eligible, first=n) for n in (None, first)
    )
    np.testing.assert_array_equal(few[:first], whole[:first])
    np.testing.assert_array_equal(np.sort(few), np.flatnonzero(eligible))


def test_only_eligible_texts_are_asked() -> None:
    annotations = Annotations.from_wide([[0, 1], [0, None], [1, 1]])
    eligible = np.array([True, False, True])
    rng = np.random.default_rng(0)
    batch = selection.select_batch([0.3, 0.1, 0.2], annotations, size=9, rng=rng, eligible=eligible)
    assert batch.tolist() == [2, 0]


@given(annotation_sets(), seeds)
def test_scores_are_low_where_least_is_known(annotations: Annotations, seed: int) -> None:
    p = random_probabilities(annotations, seed)
    p[0] = 1 / annotations.n_classes
    p.setflags(write=False)
    for score in (selection.least_confidence, selection.margin, selection.entropy):
        values = score(p)
        assert values.shape == (annotations.n_texts,)
        assert values.argmin() == 0
    assert selection.random_scores(5, np.random.default_rng(seed)).shape == (5,)
    values = selection.disagreement(annotations)
    assert ((values >= -1e-12) & (values <= 1)).all()
    assert (values[annotations.n_labels < 2] == 1).all()


def test_wrong_input_is_refused() -> None:
    annotations = Annotations.from_wide([[0, 1], [1, 1]])
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="1 NaN"):
        selection.rank([0.1, np.nan], rng)
    with pytest.raises(InputError, match=r"eligible has shape \(1,\)"):
        selection.rank([0.1, 0.2], rng, eligible=np.array([True]))
    with pytest.raises(InputError, match=r"scores has shape \(3,\), expected \(2,\)"):
        selection.select_batch([1, 2, 3], annotations, size=1, rng=rng)
    with pytest.raises(InputError, match="size is 0"):
        selection.select_batch([1, 2], annotations, size=0, rng=rng)
    with pytest.raises(InputError, match="max_labels is 0"):
        selection.select_batch([1, 2], annotations, size=1, max_labels=0, rng=rng)
    with pytest.raises(InputError, match="has 1 class, expected at least 2"):
        selection.margin([[1.0]])
    with pytest.raises(InputError, match="row 0"):
        selection.entropy([[0.2, 0.2]])
