"""Wrong labels: their ranking against a naive formula, kinds of contested texts, problems of guidelines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints
from jurybox.consensus import crowdlab, estimate_consensus
from jurybox.errors import InputError
from jurybox.trust.labels import contested_texts, guideline_problems, label_errors
from support.strategies import annotation_sets, random_probabilities

# Random probabilities may agree with people's labels as little as they like.
pytestmark = pytest.mark.filterwarnings("ignore::jurybox.doubts.PredProbsWarning")

M = 12


def crowd(
    seed: int,
    *,
    n_classes: int = 2,
    per_text: int = 5,
    spammers: int = 0,
    ambiguous: float = 0.0,
    n: int = 400,
) -> tuple[Annotations, Ints, Bools, Floats]:
    """Texts by twelve annotators, the first of whom may spam; truth, ambiguous texts, probabilities."""
    rng = np.random.default_rng(seed)
    K = n_classes
    truth = rng.integers(K, size=n)
    other = (truth + rng.integers(1, K, size=n)) % K
    split = rng.random(n) < ambiguous
    annotator = np.argsort(rng.random((n, M)), axis=1)[:, :per_text].ravel()
    text = np.repeat(np.arange(n), per_text)
    seen = np.where(split[text] & (rng.random(len(text)) < 0.5), other[text], truth[text])
    slip = rng.random(len(text)) > rng.uniform(0.8, 0.95, size=M)[annotator]
    label = np.where(slip, (seen + rng.integers(1, K, size=len(text))) % K, seen)
    spam = annotator < spammers
    label[spam] = rng.integers(K, size=int(spam.sum()))
    p = np.full((n, K), 0.25 / (K - 1))
    p[np.arange(n), np.where(rng.random(n) < 0.85, truth, other)] = 0.75
    p[split] = 1 / K
    return Annotations.from_indices(text, annotator, label, texts=n, annotators=M, classes=K), truth, split, p


@pytest.mark.slow
@settings(max_examples=40)
@given(annotation_sets(), st.booleans())
def test_errors_are_probabilities_of_the_consensus(annotations: Annotations, with_model: bool) -> None:
    p = random_probabilities(annotations, 0) if with_model else None
    found = label_errors(annotations, p)
    labels = estimate_consensus(annotations, p).labels
    labelled = annotations.labelled
    np.testing.assert_array_equal(found.labels[labelled], labels[labelled])
    assert (found.labels[~labelled] == -1).all()
    assert np.isnan(found.texts[~labelled]).all()
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    for i in np.flatnonzero(labelled):
        assert found.texts[i] == pytest.approx(1 - found.posterior[i, labels[i]])
    for row, (i, label) in enumerate(zip(annotations.text, annotations.label, strict=True)):
        assert found.annotations[row] == pytest.approx(1 - found.posterior[i, label])


def test_the_posterior_is_the_mean_of_two_in_log_odds() -> None:
    annotations, _, _, p = crowd(0)
    ours = estimate_consensus(annotations, p).posterior
    other = crowdlab(annotations, p, calibrate=True).posterior
    mean = np.sqrt((ours + 1e-9) * (other + 1e-9))
    np.testing.assert_allclose(
        label_errors(annotations, p).posterior, mean / mean.sum(axis=1, keepdims=True), atol=1e-9
    )


@pytest.mark.parametrize("n_classes", [2, 4])
def test_wrong_labels_are_found_sooner_than_by_crowdlab_or_disagreement(n_classes: int) -> None:
    from sklearn.metrics import average_precision_score

    gains = []
    for seed in range(4):
        annotations, truth, _, p = crowd(seed, n_classes=n_classes, per_text=3, spammers=4)
        found = label_errors(annotations, p)
        text, label, rows = annotations.text, annotations.label, np.arange(annotations.n_texts)
        other = crowdlab(annotations, p).posterior
        share = annotations.counts / annotations.n_labels[:, None]
        wrong_text, wrong_label = found.labels != truth, label != truth[text]
        gains += [
            [
                average_precision_score(wrong_text, found.texts)
                - average_precision_score(wrong_text, -rival[rows, found.labels]),
                average_precision_score(wrong_label, found.annotations)
                - average_precision_score(wrong_label, -rival[text, label]),
            ]
            for rival in (other, share)
        ]
    assert (np.reshape(gains, (4, 2, 2)).mean(axis=0) > 0).all()


def test_an_expert_settles_the_text_and_contradicts_the_others() -> None:
    annotations, _, _, p = crowd(1)
    clear = int(np.flatnonzero(annotations.counts.max(axis=1) == 5)[0])
    said = int(annotations.counts[clear].argmax())
    free = int(np.setdiff1d(np.arange(M), annotations.annotator[annotations.text == clear])[0])
    more = annotations.extend([clear], [free], [1 - said])
    experts = np.arange(M) == free
    before, after = label_errors(more, p), label_errors(more, p, experts=experts)
    rows = (more.text == clear) & (more.annotator != free)
    assert (before.labels[clear], after.labels[clear]) == (said, 1 - said)
    assert after.annotations[rows].min() > 0.9 > before.annotations[rows].max()
    assert after.texts[clear] < 0.1


def test_ambiguous_texts_are_told_from_mislabelled_ones() -> None:
    calls: list[tuple[bool, bool]] = []
    for seed in range(4):
        annotations, truth, split, p = crowd(seed, per_text=5, spammers=4, ambiguous=0.08)
        calls += [
            (bool(split[found.text]), found.kind == "ambiguous")
            for found in contested_texts(annotations, p, limit=50)
            if split[found.text] or found.label != truth[found.text]
        ]
    is_split, called = np.array(calls).T
    assert called[is_split].mean() > called[~is_split].mean() + 0.1
    assert (is_split & called).sum() > 0.6 * called.sum()


def test_who_splits_a_text_decides_what_it_is() -> None:
    """Two good annotators against two: ambiguous; good ones against those who click at random: not so."""
    annotations, _, _, p = crowd(3, per_text=8, spammers=4, n=300)
    kept = annotations.subset(texts=np.arange(2, 300))

    def with_split(one: list[int], two: list[int]) -> tuple[str, float]:
        text = np.concatenate([kept.text, np.full(len(one + two), 298)])
        annotator = np.concatenate([kept.annotator, one, two])
        label = np.concatenate([kept.label, np.zeros(len(one), int), np.ones(len(two), int)])
        made = Annotations.from_indices(text, annotator, label, texts=299, annotators=M, classes=2)
        probabilities = np.vstack([p[2:], [[0.5, 0.5]]])
        found = {one.text: one for one in contested_texts(made, probabilities, limit=299)}[298]
        return found.kind, found.spread

    among_good, by_spammers = with_split([4, 5, 6, 7], [8, 9, 10, 11]), with_split([4, 5, 6, 7], [0, 1, 2, 3])
    assert among_good[0] == "ambiguous"
    assert among_good[1] > 0.4 > 0.25 > by_spammers[1]


def test_contested_texts_are_ranked_and_limited() -> None:
    annotations, _, _, p = crowd(2, ambiguous=0.1)
    found = contested_texts(annotations, p, limit=20)
    errors = [one.error for one in found]
    assert errors == sorted(errors, reverse=True)
    assert len(found) == 20
    assert errors[0] == pytest.approx(np.nanmax(label_errors(annotations, p).texts))
    assert contested_texts(annotations, p, limit=0) == ()
    with pytest.raises(InputError, match="limit is -1"):
        contested_texts(annotations, p, limit=-1)
    nothing = Annotations.from_indices([], [], [], texts=3, annotators=2, classes=2)
    assert contested_texts(nothing) == ()


def divided(annotations: Annotations, truth: Ints, seed: int) -> tuple[Annotations, Bools]:
    """Let the even annotators give a quarter of two classes' texts the first class, the odd the second."""
    rng = np.random.default_rng(seed)
    border = (truth < 2) & (rng.random(len(truth)) < 0.25)
    hit = border[annotations.text] & (rng.random(len(annotations)) < 0.9)
    label = np.where(hit, annotations.annotator % 2, annotations.label)
    made = Annotations.from_indices(
        annotations.text,
        annotations.annotator,
        label,
        texts=annotations.n_texts,
        annotators=M,
        classes=annotations.n_classes,
    )
    return made, border


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_guideline_problem_is_found_with_its_sides_and_texts(n_classes: int) -> None:
    for seed in range(3):
        annotations, truth, _, p = crowd(seed, n_classes=n_classes)
        made, border = divided(annotations, truth, seed)
        (found,) = guideline_problems(made, p, rng=np.random.default_rng(0))
        assert (found.first, found.second) == (0, 1)
        evens, odds = (set(side) for side in found.leaning)
        assert len(evens) >= 4
        assert len(odds) >= 4
        assert evens <= set(range(0, M, 2))
        assert odds <= set(range(1, M, 2))
        split = (made.counts[:, 0] > 0) & (made.counts[:, 1] > 0)
        assert sorted(found.examples) == np.flatnonzero(split).tolist()
        assert border[list(found.examples[:10])].mean() > 0.7
        concerned = (made.counts[:, 0] > 0) | (made.counts[:, 1] > 0)
        assert found.n_texts == concerned.sum()
        assert split[concerned].mean() in found.share


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("spammers", [0, 4])
def test_careless_annotators_are_no_guideline_problem(n_classes: int, spammers: int) -> None:
    for seed in range(4):
        annotations, _, _, p = crowd(seed, n_classes=n_classes, spammers=spammers)
        assert guideline_problems(annotations, p, rng=np.random.default_rng(0)) == ()


def test_guidelines_without_two_reliable_annotators_are_not_judged() -> None:
    rng = np.random.default_rng(0)
    few = Annotations.from_wide([[0, 1], [1, 0], [0, 0]])
    assert guideline_problems(few, rng=rng) == ()
    nothing = Annotations.from_indices([], [], [], texts=3, annotators=2, classes=2)
    assert guideline_problems(nothing, rng=rng) == ()
