"""What holds for every consensus method, and the cases that cleanlab cannot be asked about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.consensus import Consensus, crowdlab, majority_vote
from jurybox.errors import InputError
from jurybox.selection import activelab
from support.strategies import annotation_sets, random_probabilities

# Random probabilities may agree with people's labels as little as they like.
pytestmark = pytest.mark.filterwarnings("ignore::jurybox.doubts.PredProbsWarning")

Method = Callable[[Annotations, Floats], Consensus]
METHODS: dict[str, Method] = {
    "majority_vote": majority_vote,
    "crowdlab": crowdlab,
    "crowdlab by majority": lambda a, p: crowdlab(a, p, consensus="majority_vote"),
    "calibrated crowdlab": lambda a, p: crowdlab(a, p, calibrate=True),
    "ensemble": lambda a, p: crowdlab(a, np.stack([p, p**2 / (p**2).sum(axis=1, keepdims=True)])),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
seeds = st.integers(0, 2**32 - 1)


def assert_same_texts(got: Consensus, expected: Consensus) -> None:
    np.testing.assert_allclose(got.posterior, expected.posterior, rtol=0, atol=1e-9)
    np.testing.assert_allclose(got.quality, expected.quality, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(got.labels, expected.labels)
    np.testing.assert_allclose(got.agreement, expected.agreement, rtol=0, atol=1e-9)


@pytest.mark.slow
@every_method
@given(annotations=annotation_sets(min_texts=2), seed=seeds)
def test_reordering_texts_reorders_the_result(method: Method, annotations: Annotations, seed: int) -> None:
    p = random_probabilities(annotations, seed)
    order = np.random.default_rng(seed).permutation(annotations.n_texts)
    plain, reordered = method(annotations, p), method(annotations.subset(texts=order), p[order])
    np.testing.assert_allclose(reordered.posterior, plain.posterior[order], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(reordered.labels, plain.labels[order])
    np.testing.assert_allclose(reordered.annotators.quality, plain.annotators.quality, rtol=0, atol=1e-9)


@pytest.mark.slow
@every_method
@given(annotations=annotation_sets(), seed=seeds)
def test_reordering_annotators_changes_no_text(method: Method, annotations: Annotations, seed: int) -> None:
    p = random_probabilities(annotations, seed)
    order = np.random.default_rng(seed).permutation(annotations.n_annotators)
    plain, reordered = method(annotations, p), method(annotations.subset(annotators=order), p)
    assert_same_texts(reordered, plain)
    np.testing.assert_allclose(
        reordered.annotators.quality, plain.annotators.quality[order], rtol=0, atol=1e-9
    )
    np.testing.assert_array_equal(reordered.annotators.worst_class, plain.annotators.worst_class[order])


@pytest.mark.slow
@every_method
@given(annotations=annotation_sets(), seed=seeds)
def test_renaming_classes_renames_the_result(method: Method, annotations: Annotations, seed: int) -> None:
    p = random_probabilities(annotations, seed)
    new_name = np.random.default_rng(seed).permutation(annotations.n_classes)
    renamed = Annotations.from_indices(
        annotations.text,
        annotations.annotator,
        new_name[annotations.label],
        texts=annotations.n_texts,
        annotators=annotations.n_annotators,
        classes=annotations.n_classes,
    )
    plain, result = method(annotations, p), method(renamed, p[:, new_name.argsort()])
    np.testing.assert_allclose(result.posterior[:, new_name], plain.posterior, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(result.labels, new_name[plain.labels])


@pytest.mark.slow
@every_method
@given(annotations=annotation_sets(), seed=seeds)
def test_an_annotator_without_labels_changes_nothing(
    method: Method, annotations: Annotations, seed: int
) -> None:
    p = random_probabilities(annotations, seed)
    more = Annotations.from_indices(
        annotations.text,
        annotations.annotator + 1,
        annotations.label,
        texts=annotations.n_texts,
        annotators=annotations.n_annotators + 1,
        classes=annotations.n_classes,
    )
    plain, result = method(annotations, p), method(more, p)
    assert_same_texts(result, plain)
    np.testing.assert_allclose(result.annotators.quality[1:], plain.annotators.quality, rtol=0, atol=1e-9)
    assert result.annotators.n_annotations[0] == 0
    assert result.annotators.worst_class[0] == -1
    assert np.isnan(result.annotators.quality[0])
    np.testing.assert_allclose(activelab(more, p), activelab(annotations, p), rtol=0, atol=1e-9)


@pytest.mark.slow
@every_method
@given(annotations=annotation_sets(), seed=seeds)
def test_an_unlabelled_text_changes_no_other_and_gets_the_model(
    method: Method, annotations: Annotations, seed: int
) -> None:
    p = random_probabilities(annotations, seed)
    more = Annotations.from_indices(
        annotations.text,
        annotations.annotator,
        annotations.label,
        texts=annotations.n_texts + 1,
        annotators=annotations.n_annotators,
        classes=annotations.n_classes,
    )
    last = np.full((1, annotations.n_classes), 0.5 / (annotations.n_classes - 1))
    last[0, 1] = 0.5
    plain, result = method(annotations, p), method(more, np.vstack([p, last]))
    np.testing.assert_allclose(result.posterior[:-1], plain.posterior, rtol=0, atol=1e-9)
    assert result.labels[-1] == 1 or annotations.n_classes == 2
    assert result.posterior[-1].argmax() == result.labels[-1]
    assert np.isnan(result.agreement[-1])
    extended = activelab(more, np.vstack([p, last]))
    np.testing.assert_allclose(extended[:-1], activelab(annotations, p), rtol=0, atol=1e-9)


@pytest.mark.slow
@every_method
@given(annotations=annotation_sets(), seed=seeds)
def test_no_argument_is_modified(method: Method, annotations: Annotations, seed: int) -> None:
    p = random_probabilities(annotations, seed)
    p.setflags(write=False)
    before = p.copy()
    result = method(annotations, p)
    np.testing.assert_array_equal(p, before)
    with pytest.raises(ValueError, match="read-only"):
        result.posterior[0, 0] = 1
    np.testing.assert_allclose(result.posterior.sum(axis=1), 1)
    assert not np.isnan(result.quality).any()


@pytest.mark.slow
@given(annotations=annotation_sets(), seed=seeds)
def test_posterior_equals_a_naive_loop(annotations: Annotations, seed: int) -> None:
    if annotations.n_labels.max(initial=0) <= 1:
        return
    p = random_probabilities(annotations, seed)
    result = crowdlab(annotations, p)
    shared = annotations.n_labels > 1
    likelihood = result.agreement[shared].mean()
    w, w_model = result.annotator_weights, result.model_weights[0]
    for i in range(annotations.n_texts):
        expected = w_model * p[i]
        total = w_model
        for j, label in zip(
            annotations.annotator[annotations.text == i],
            annotations.label[annotations.text == i],
            strict=True,
        ):
            opinion = np.full(annotations.n_classes, (1 - likelihood) / (annotations.n_classes - 1))
            opinion[label] = likelihood
            expected = expected + w[j] * opinion
            total += w[j]
        np.testing.assert_allclose(result.posterior[i], expected / total, rtol=0, atol=1e-9)


@every_method
def test_what_is_kept_of_labelled_texts_is_theirs(method: Method) -> None:
    a = Annotations.from_wide([[0, 1], [None, None], [1, 1], [None, None], [2, 0]], classes=(0, 1, 2))
    found = method(a, random_probabilities(a, 0))
    kept, rows = found.of_labelled(), [0, 2, 4]
    assert type(kept) is type(found)
    frame = found.to_frame()
    assert kept.to_frame().equals(frame.iloc[rows])
    assert kept.annotators is found.annotators


def test_majority_without_a_model_leaves_unlabelled_texts_unknown() -> None:
    result = majority_vote(Annotations.from_wide([[0, 0], [None, None]]))
    assert result.labels.tolist() == [0, -1]
    assert result.posterior.tolist() == [[1.0], [1.0]]
    assert np.isnan(result.quality[1])


def test_last_ties_are_drawn_by_the_seed_not_by_position() -> None:
    tied = Annotations.from_wide([[0, 1]] * 400)
    labels = majority_vote(tied, rng=np.random.default_rng(1)).labels
    assert 150 < labels.sum() < 250
    np.testing.assert_array_equal(labels, majority_vote(tied, rng=np.random.default_rng(1)).labels)
    assert (labels != majority_vote(tied, rng=np.random.default_rng(2)).labels).any()


def test_all_texts_labelled_once() -> None:
    annotations = Annotations.from_wide([[0, None], [None, 1], [None, None]])
    p = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    result = crowdlab(annotations, p)
    assert result.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(result.quality, [0.8, 0.4, 0.7])
    assert result.annotator_weights.tolist() == [1, 1]


def test_no_labels_at_all() -> None:
    empty = Annotations.from_long([], [], [], texts=[1, 2], classes=["no", "yes"])
    p = np.array([[0.8, 0.2], [0.3, 0.7]])
    assert crowdlab(empty, p).labels.tolist() == [0, 1]
    np.testing.assert_allclose(activelab(empty, p), [(0.8 + 0.5) / 2, (0.7 + 0.5) / 2])


def test_wrong_input_is_refused() -> None:
    annotations = Annotations.from_wide([[0, 1], [1, 1]])
    with pytest.raises(InputError, match=r"pred_probs has shape \(1, 2\), expected \(2, 2\)"):
        crowdlab(annotations, np.array([[0.5, 0.5]]))
    with pytest.raises(InputError, match=r"pred_probs, row 1: got .* that sum to 1"):
        crowdlab(annotations, np.array([[0.5, 0.5], [0.5, np.nan]]))
    with pytest.raises(InputError, match="pred_probs, row 0"):
        majority_vote(annotations, np.array([[0.5, 0.9], [0.5, 0.5]]))
    with pytest.raises(InputError, match="consensus is 'oracle'"):
        crowdlab(annotations, np.full((2, 2), 0.5), consensus="oracle")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="holds no model"):
        crowdlab(annotations, np.empty((0, 2, 2)))
    with pytest.raises(InputError, match="have 1 class, expected at least 2"):
        crowdlab(Annotations.from_wide([[0, 0]]), np.ones((1, 1)))


def test_annotators_as_a_frame() -> None:
    frame = majority_vote(Annotations.from_wide([[0, 0, 1], [1, 1, 1]])).annotators.to_frame()
    assert frame.loc[2].to_dict() == {
        "quality": 0.5,
        "agreement_with_consensus": 0.5,
        "worst_class": 1,
        "n_annotations": 2,
    }
