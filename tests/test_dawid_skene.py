"""Dawid-Skene against crowd-kit, against a loop, and by what must not change it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.consensus import Consensus, Smoothing, dawid_skene
from jurybox.errors import InputError

NONE = Smoothing(0, 0, 0)
Array = NDArray[Any]


@dataclass(frozen=True)
class Crowd:
    """Labels (N, M), NaN where there is none, of K classes; every class is used."""

    wide: Array
    n_classes: int

    @property
    def annotations(self) -> Annotations:
        return Annotations.from_wide(self.wide, classes=range(self.n_classes))

    def probabilities(self) -> Array:
        shape = len(self.wide), self.n_classes
        return np.random.default_rng(self.n_classes).dirichlet(np.ones(self.n_classes), size=shape[0])


def make_crowd(seed: int, n_texts: int, n_annotators: int, n_classes: int, share: float) -> Crowd:
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=(n_texts, 1))
    right = rng.random((n_texts, n_annotators)) < rng.uniform(0.4, 0.95, n_annotators)
    wide = np.where(right, truth, rng.integers(n_classes, size=right.shape)).astype(float)
    wide[rng.random(wide.shape) > share] = np.nan
    wide[:n_classes, 0] = np.arange(n_classes)
    return Crowd(wide, n_classes)


crowds = st.builds(
    make_crowd,
    seed=st.integers(0, 2**32 - 1),
    n_texts=st.integers(8, 50),
    n_annotators=st.integers(2, 8),
    n_classes=st.integers(2, 5),
    share=st.floats(0.2, 1.0),
)
smoothings = st.builds(Smoothing, st.floats(0.01, 5), st.floats(0.01, 5), st.floats(0.01, 5))


def crowdkit_fit(crowd: Crowd, iterations: int, one_coin: bool) -> Any:
    from crowdkit.aggregation import DawidSkene, OneCoinDawidSkene  # takes a second to load

    frame = crowd.annotations.to_frame().set_axis(["task", "worker", "label"], axis=1)
    method = OneCoinDawidSkene if one_coin else DawidSkene
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(n_iter=iterations, tol=-np.inf).fit(frame)


@pytest.mark.slow
@settings(max_examples=25)
@given(crowd=crowds, iterations=st.integers(1, 12), one_coin=st.booleans())
def test_maximum_likelihood_is_that_of_crowdkit(crowd: Crowd, iterations: int, one_coin: bool) -> None:
    theirs = crowdkit_fit(crowd, iterations, one_coin)
    ours = dawid_skene(
        crowd.annotations, one_coin=one_coin, smoothing=None, max_iterations=iterations, tolerance=0
    )
    probabilities = theirs.probas_[list(range(crowd.n_classes))]
    np.testing.assert_allclose(ours.posterior[probabilities.index], probabilities, atol=1e-9)
    confusion = ours.annotators.confusion
    assert confusion is not None
    for (worker, label), row in theirs.errors_[list(range(crowd.n_classes))].iterrows():
        np.testing.assert_allclose(confusion[worker, :, label], row, atol=1e-9)


def naive_skills(crowd: Crowd, posterior: Array, pseudo: Smoothing, one_coin: bool) -> Array:
    """Confusions (M, K, K), annotation by annotation."""
    n_annotators, n_classes = crowd.wide.shape[1], crowd.n_classes
    confusion = np.zeros((n_annotators, n_classes, n_classes))
    for j in range(n_annotators):
        table = np.full((n_classes, n_classes), pseudo.wrong / (n_classes - 1))
        np.fill_diagonal(table, pseudo.correct)
        right, total = pseudo.correct, pseudo.correct + pseudo.wrong
        for i, label in enumerate(crowd.wide[:, j]):
            if not np.isnan(label):
                table[:, int(label)] += posterior[i]
                right, total = right + posterior[i, int(label)], total + 1
        if one_coin:
            table = np.full((n_classes, n_classes), (total - right) / (n_classes - 1))
            np.fill_diagonal(table, right)
        confusion[j] = table / table.sum(axis=1, keepdims=True)
    return confusion


def naive_frequencies(crowd: Crowd, posterior: Array, pseudo: Smoothing) -> Array:
    labelled = ~np.isnan(crowd.wide).all(axis=1)
    mass = posterior[labelled].sum(axis=0) + pseudo.classes / crowd.n_classes
    return np.asarray(mass / mass.sum())


def naive_joint(crowd: Crowd, confusion: Array, prior: Array) -> Array:
    """Probability of each text's annotations and each class, (N, K)."""
    joint = np.tile(prior, (len(crowd.wide), 1)) if prior.ndim == 1 else prior.copy()
    for i, j in zip(*np.nonzero(~np.isnan(crowd.wide)), strict=True):
        joint[i] *= confusion[j, :, int(crowd.wide[i, j])]
    return joint


@pytest.mark.slow
@settings(max_examples=40)
@given(
    crowd=crowds,
    pseudo=smoothings,
    iterations=st.integers(1, 6),
    one_coin=st.booleans(),
    with_model=st.booleans(),
)
def test_smoothed_estimates_are_those_of_a_loop(
    crowd: Crowd, pseudo: Smoothing, iterations: int, one_coin: bool, with_model: bool
) -> None:
    p = crowd.probabilities() if with_model else None
    posterior = crowd.annotations.counts / np.maximum(crowd.annotations.n_labels, 1)[:, None]
    for _ in range(iterations):
        confusion = naive_skills(crowd, posterior, pseudo, one_coin)
        joint = naive_joint(crowd, confusion, naive_frequencies(crowd, posterior, pseudo) if p is None else p)
        posterior = joint / joint.sum(axis=1, keepdims=True)
    confusion = naive_skills(crowd, posterior, pseudo, one_coin)
    frequencies = naive_frequencies(crowd, posterior, pseudo)
    result = dawid_skene(
        crowd.annotations, p, one_coin=one_coin, smoothing=pseudo, max_iterations=iterations, tolerance=0
    )
    np.testing.assert_allclose(result.posterior, posterior, atol=1e-9)
    assert result.annotators.confusion is not None
    np.testing.assert_allclose(result.annotators.confusion, confusion, atol=1e-9)
    quality = np.einsum("jkk,k->j", confusion, frequencies)
    quality[np.isnan(crowd.wide).all(axis=0)] = np.nan
    np.testing.assert_allclose(result.annotators.quality, quality, atol=1e-9)


def objective(crowd: Crowd, posterior: Array, pseudo: Smoothing, one_coin: bool) -> float:
    """Log-likelihood plus log-prior of the parameters that a posterior leads to."""
    confusion = naive_skills(crowd, posterior, pseudo, one_coin)
    frequencies = naive_frequencies(crowd, posterior, pseudo)
    n_classes = crowd.n_classes
    likelihood = np.log(naive_joint(crowd, confusion, frequencies).sum(axis=1)).sum()
    belief = pseudo.classes / n_classes * np.log(frequencies).sum()
    if one_coin:
        s = confusion[:, 0, 0]
        return float(likelihood + belief + (pseudo.correct * np.log(s) + pseudo.wrong * np.log1p(-s)).sum())
    weights = np.full((n_classes, n_classes), pseudo.wrong / (n_classes - 1))
    np.fill_diagonal(weights, pseudo.correct)
    return float(likelihood + belief + (weights * np.log(confusion)).sum())


@pytest.mark.slow
@settings(max_examples=20)
@given(crowd=crowds, pseudo=smoothings, one_coin=st.booleans())
def test_no_iteration_lowers_the_objective(crowd: Crowd, pseudo: Smoothing, one_coin: bool) -> None:
    values = [
        objective(
            crowd,
            dawid_skene(
                crowd.annotations, one_coin=one_coin, smoothing=pseudo, max_iterations=n, tolerance=0
            ).posterior,
            pseudo,
            one_coin,
        )
        for n in range(1, 12)
    ]
    assert (np.diff(values) > -1e-9 * abs(values[0])).all()


def run(crowd: Crowd, **options: Any) -> Consensus:
    return dawid_skene(crowd.annotations, max_iterations=8, tolerance=0, **options)


@pytest.mark.slow
@given(crowd=crowds, one_coin=st.booleans(), smoothing=st.sampled_from([NONE, Smoothing()]))
def test_order_names_and_empty_rows_change_nothing(
    crowd: Crowd, one_coin: bool, smoothing: Smoothing
) -> None:
    rng = np.random.default_rng(len(crowd.wide))
    texts, annotators = (rng.permutation(size) for size in crowd.wide.shape)
    names = rng.permutation(crowd.n_classes)
    wide = crowd.wide[texts][:, annotators]
    wide = np.where(np.isnan(wide), np.nan, names[np.nan_to_num(wide).astype(int)])
    changed = Crowd(np.pad(wide, 1, constant_values=np.nan), crowd.n_classes)
    before, after = (run(each, one_coin=one_coin, smoothing=smoothing) for each in (crowd, changed))
    inner = slice(1, -1)
    np.testing.assert_allclose(after.posterior[inner][:, names], before.posterior[texts], atol=1e-8)
    np.testing.assert_allclose(
        after.annotators.quality[inner], before.annotators.quality[annotators], atol=1e-8
    )
    assert (after.labels[[0, -1]] == -1).all()
    assert np.isnan(after.quality[[0, -1]]).all()
    np.testing.assert_allclose(after.posterior[[0, -1]].sum(axis=1), 1)


@pytest.mark.slow
@given(crowd=crowds, one_coin=st.booleans(), with_model=st.booleans())
def test_smoothing_keeps_everything_finite(crowd: Crowd, one_coin: bool, with_model: bool) -> None:
    p = np.eye(crowd.n_classes)[np.arange(len(crowd.wide)) % crowd.n_classes] if with_model else None
    classes = range(crowd.n_classes + (not with_model))
    annotations = Annotations.from_wide(crowd.wide, classes=classes)
    result = dawid_skene(annotations, p, one_coin=one_coin)
    assert np.isfinite(result.posterior).all()
    np.testing.assert_allclose(result.posterior.sum(axis=1), 1)
    assert result.annotators.confusion is not None
    assert np.isfinite(result.annotators.confusion).all()
    np.testing.assert_allclose(result.annotators.confusion.sum(axis=2), 1)
    known = annotations.labels_per_annotator > 0
    assert np.isfinite(result.annotators.quality[known]).all()


@pytest.mark.parametrize("one_coin", [False, True])
def test_skills_of_a_known_crowd_are_found(one_coin: bool) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=(3000, 1))
    skill = np.array([0.95, 0.8, 0.6, 0.4, 0.9])
    wrong = (truth + rng.integers(1, 3, size=(3000, 5))) % 3
    annotations = Annotations.from_wide(np.where(rng.random((3000, 5)) < skill, truth, wrong))
    result = dawid_skene(annotations, one_coin=one_coin)
    assert result.converged
    np.testing.assert_allclose(result.annotators.quality, skill, atol=0.03)
    accuracy = (result.labels == truth[:, 0]).mean()
    majority = (annotations.counts.argmax(axis=1) == truth[:, 0]).mean()
    assert accuracy > majority + 0.02


def test_it_says_whether_it_converged() -> None:
    crowd = make_crowd(3, 50, 6, 3, 0.6)
    short = dawid_skene(crowd.annotations, max_iterations=2)
    assert (short.converged, short.iterations) == (False, 2)
    done = dawid_skene(crowd.annotations, max_iterations=1000, tolerance=1e-6)
    assert done.converged
    assert done.iterations is not None
    assert done.iterations < 1000
    further = dawid_skene(crowd.annotations, max_iterations=done.iterations + 1, tolerance=0)
    np.testing.assert_allclose(further.posterior, done.posterior, atol=1e-6)


def test_a_model_labels_the_texts_without_labels_and_tips_the_others() -> None:
    annotations = Annotations.from_wide(np.array([[0, 1], [1, 0], [np.nan, np.nan]]))
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    result = dawid_skene(annotations, p)
    assert result.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(result.posterior[2], p[2])
    assert result.quality[2] == pytest.approx(0.7)
    assert np.isnan(result.agreement[2])


def test_a_tie_falls_as_the_majority_vote_breaks_it() -> None:
    rare_class_wins = Annotations.from_wide([[0, 1, 1], [1, 0, 0], [0, 1, 1], [1, 0, 0]])
    tied = Annotations.from_wide(np.array([[0.0, 1.0], [1.0, 0.0]]))
    for seed in range(5):
        labels = [dawid_skene(tied, rng=np.random.default_rng(s)).labels.tolist() for s in (seed, seed)]
        assert labels[0] == labels[1]
    assert len({tuple(dawid_skene(tied, rng=np.random.default_rng(s)).labels) for s in range(20)}) > 1
    assert dawid_skene(rare_class_wins).labels.tolist() == [1, 0, 1, 0]


def test_without_any_annotation_nothing_is_known() -> None:
    annotations = Annotations.from_indices([], [], [], texts=2, annotators=1, classes=2)
    for smoothing in (None, Smoothing()):
        result = dawid_skene(annotations, smoothing=smoothing)
        np.testing.assert_array_equal(result.posterior, np.full((2, 2), 0.5))
        assert result.labels.tolist() == [-1, -1]
        assert np.isnan(result.annotators.quality).all()


def test_a_confusion_beyond_the_limit_is_left_out() -> None:
    crowd = make_crowd(5, 30, 30, 3, 0.3)
    annotations = Annotations.from_wide(crowd.wide, classes=range(2000))
    result = dawid_skene(annotations)
    assert result.annotators.confusion is None
    assert np.isfinite(result.annotators.quality).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_iterations": 0}, "max_iterations is 0, expected at least 1"),
        ({"tolerance": -1.0}, "tolerance is -1.0"),
        ({"tolerance": np.nan}, "tolerance is nan"),
        ({"pred_probs": np.full((3, 2), 0.5)}, r"pred_probs has shape \(3, 2\), expected \(1, 2\)"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dawid_skene(Annotations.from_wide([[0, 1]]), **options)


def test_one_class_and_negative_counts_are_refused() -> None:
    with pytest.raises(InputError, match="1 class, expected at least 2"):
        dawid_skene(Annotations.from_wide([[0, 0]]))
    with pytest.raises(InputError, match=r"smoothing\.wrong is -1"):
        Smoothing(wrong=-1)


def test_arguments_are_not_modified() -> None:
    crowd = make_crowd(6, 20, 4, 3, 0.7)
    p = crowd.probabilities()
    p.setflags(write=False)
    before = p.copy()
    dawid_skene(crowd.annotations, p)
    np.testing.assert_array_equal(p, before)
