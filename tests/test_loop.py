"""Rounds and simulations, with a small classifier that is quick and exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from jurybox import datasets
from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.classifiers.base import Fitted, Inputs
from jurybox.consensus import crowdlab, majority_vote
from jurybox.curves import macro_f1
from jurybox.errors import InputError
from jurybox.loop import Settings, play_round
from jurybox.selection import activelab
from jurybox.simulation import simulate
from jurybox.strategies import STRATEGIES
from support.strategies import annotation_sets


@dataclass(frozen=True)
class Centroids:
    """Softmax of the negative squared distance to each class's mean; a class without weight gets none."""

    name: str = "centroids"
    takes: Literal["features", "texts"] = "features"

    def fit(
        self,
        x: Inputs,
        targets: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        *,
        previous: Fitted | None = None,  # noqa: ARG002
    ) -> FittedCentroids:
        assert isinstance(x, np.ndarray)
        w = targets if weights is None else targets * weights[:, None]
        mass, total = w.sum(axis=0), w.T @ x
        centroids = np.divide(total, mass[:, None], out=np.full(total.shape, np.inf), where=mass[:, None] > 0)
        out = np.empty(targets.shape)
        for i in range(len(x)):
            m = mass - w[i]
            t = total - w[i][:, None] * x[i]
            without = np.divide(t, m[:, None], out=np.full(t.shape, np.inf), where=m[:, None] > 1e-9)
            out[i] = closeness(x[i : i + 1], without)[0]
        return FittedCentroids(centroids, out)


@dataclass(frozen=True)
class FittedCentroids:
    centroids: Floats
    out_of_sample: Floats

    def predict_proba(self, x: Inputs) -> Floats:
        assert isinstance(x, np.ndarray)
        return closeness(x, self.centroids)


def closeness(x: NDArray[np.floating], centroids: Floats) -> Floats:
    known = np.isfinite(centroids).all(axis=1)
    if not known.any():
        return np.full((len(x), len(centroids)), 1 / len(centroids))
    distance = np.full((len(x), len(centroids)), np.inf)
    distance[:, known] = ((x[:, None] - centroids[None, known]) ** 2).sum(axis=2)
    p = np.exp(-(distance - distance.min(axis=1, keepdims=True)))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def features_for(annotations: Annotations, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(annotations.n_texts, 3))


seeds = st.integers(0, 2**32 - 1)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=25)
@given(annotations=annotation_sets(max_texts=30), seed=seeds)
def test_every_strategy_plays_every_round(strategy: str, annotations: Annotations, seed: int) -> None:
    """No labels, one label, one class: every step works, within the caps, and says what it did."""
    x = features_for(annotations, seed)
    x.setflags(write=False)
    plan = Settings(strategy, batch=4, max_labels=2, classifier=Centroids())
    eligible = np.random.default_rng(seed).random(annotations.n_texts) < 0.8
    played = play_round(annotations, x, plan, np.random.default_rng(seed), eligible=eligible)
    wanting = (annotations.n_labels < 2) & eligible
    assert sorted(played.ranking.texts) == np.flatnonzero(wanting).tolist()
    assert len(played.batch) == min(4, wanting.sum())
    np.testing.assert_allclose(played.pred_probs.sum(axis=1), 1)
    np.testing.assert_allclose(played.consensus.posterior.sum(axis=1), 1)
    assert (played.classifier is None) == (len(annotations) == 0)
    if len(annotations) == 0:
        assert "no labelled text" in played.diagnostics["remarks"][0]
        assert set(played.ranking.reasons) <= {"spread"}
    elif len(np.unique(annotations.label)) == 1:
        assert "every label so far is" in played.diagnostics["remarks"][0]
    again = play_round(annotations, x, plan, np.random.default_rng(seed), eligible=eligible)
    np.testing.assert_array_equal(again.ranking.texts, played.ranking.texts)
    following = play_round(annotations, x, plan, np.random.default_rng(seed), previous=played)
    np.testing.assert_allclose(following.pred_probs.sum(axis=1), 1)


@settings(max_examples=25)
@given(annotations=annotation_sets(max_texts=30), seed=seeds)
def test_activelab_is_played_as_published(annotations: Annotations, seed: int) -> None:
    if len(annotations) == 0:
        return
    x, rng = features_for(annotations, seed), np.random.default_rng(seed)
    plan = Settings("activelab", max_labels=9, classifier=Centroids())
    first = play_round(annotations, x, plan, rng)
    second = play_round(annotations, x, plan, rng, previous=first)
    rows = np.flatnonzero(annotations.labelled)
    labels = crowdlab(annotations, first.pred_probs).labels
    fitted = Centroids().fit(x[rows], np.eye(annotations.n_classes)[labels[rows]])
    p = fitted.predict_proba(x)
    p[rows] = fitted.out_of_sample
    drawn_ties = annotations.counts == annotations.counts.max(axis=1, keepdims=True)
    if (drawn_ties[rows].sum(axis=1) > 1).any():
        return  # the majority votes of the first round may draw lots
    np.testing.assert_allclose(second.pred_probs, p, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        second.ranking.scores, np.sort(activelab(annotations, p)[second.ranking.texts]), rtol=0, atol=1e-9
    )


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_a_round_keeps_its_linear_algebra_to_one_thread() -> None:
    found: list[int] = []

    @dataclass(frozen=True)
    class Watched(Centroids):
        def fit(self, *args: Any, **kwargs: Any) -> FittedCentroids:
            found.extend(blas_threads())
            return super().fit(*args, **kwargs)

    annotations = Annotations.from_wide([[0, 1], [1, 1], [0, 0]])
    watching = Settings(classifier=Watched())
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        play_round(annotations, features_for(annotations, 0), watching, np.random.default_rng(0))
        assert blas_threads() == before
    assert found
    assert set(found) == {1}


def test_texts_kept_out_of_training_do_not_change_the_classifier() -> None:
    annotations = Annotations.from_wide([[0, 0], [1, 1], [1, 1], [0, None]])
    x = np.array([[0.0, 0], [1, 1], [0, 0.2], [5, 5]])
    trainable = np.array([True, True, False, False])
    plan = Settings(classifier=Centroids())
    without = play_round(annotations, x, plan, np.random.default_rng(0), trainable=trainable)
    flipped = Annotations.from_wide([[0, 0], [1, 1], [0, 0], [1, None]])
    again = play_round(flipped, x, plan, np.random.default_rng(0), trainable=trainable)
    np.testing.assert_array_equal(without.pred_probs, again.pred_probs)
    assert without.diagnostics["trained_on"] == 2


@pytest.mark.slow
def test_the_random_share_is_drawn_and_its_probability_stated() -> None:
    annotations = Annotations.from_indices([0, 1], [0, 0], [0, 1], texts=200, annotators=1, classes=2)
    x = np.random.default_rng(0).normal(size=(200, 3))
    plan = Settings("entropy", batch=20, random_share=0.5, classifier=Centroids())
    hits, expected = np.zeros(200), np.zeros(200)
    for seed in range(300):
        played = play_round(annotations, x, plan, np.random.default_rng(seed))
        assert len(played.batch) == 20
        assert {"new", "random"} == set(played.ranking.reasons[:20])
        hits[played.batch] += 1
        expected[played.ranking.texts] += played.ranking.probability
    rarely = expected < 150
    assert abs(hits[rarely].sum() - expected[rarely].sum()) < 1e-6 + 0.05 * hits.sum()
    assert hits.sum() == 300 * 20


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"strategy": "oracle"}, "strategy is 'oracle', expected one of default"),
        ({"batch": 0}, "batch is 0"),
        ({"max_labels": 0}, "max_labels 0"),
        ({"random_share": 2.0}, "random_share is 2"),
    ],
)
def test_wrong_settings_are_refused(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**kwargs)  # type: ignore[arg-type]


def test_wrong_input_is_refused() -> None:
    annotations = Annotations.from_wide([[0, 1], [1, 1]])
    plan, rng = Settings(classifier=Centroids()), np.random.default_rng(0)
    with pytest.raises(InputError, match="features has 3 rows, expected 2"):
        play_round(annotations, np.zeros((3, 1)), plan, rng)
    with pytest.raises(InputError, match="1 class, expected at least 2"):
        play_round(Annotations.from_wide([[0]]), np.zeros((1, 1)), plan, rng)


def test_macro_f1_equals_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    for n_classes in (2, 3, 6):
        labels, predicted = rng.integers(n_classes, size=(2, 50))
        expected = f1_score(labels, predicted, average="macro")
        assert macro_f1(labels, predicted, n_classes) == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_a_simulation_keeps_the_protocol() -> None:
    demo = datasets.load("demo", seed=3)
    plan = Settings(max_labels=3, classifier=Centroids())
    curves = simulate(
        demo, ["entropy", "random"], rounds=4, batch=30, seeds=2, encoder="tfidf", settings=plan
    )
    for run in curves.runs:
        assert [played.annotations for played in run.rounds] == [200, 230, 260, 290]
        asked = [(choice.text, choice.annotator) for played in run.rounds for choice in played.selections]
        assert len(set(asked)) == len(asked) == 120
        frame = demo.answers.to_frame().set_index(["text", "annotator"])["label"]
        given = {(choice.text, choice.annotator): choice.label for p in run.rounds for choice in p.selections}
        assert all(frame[key] == label for key, label in given.items())
        before = set(demo.initial.to_frame().set_index(["text", "annotator"]).index)
        assert not before & set(asked)
        known = set(demo.initial.annotators[demo.initial.labels_per_annotator > 0].tolist())
        assert {choice.annotator for p in run.rounds for choice in p.selections} <= known
    again = simulate(demo, ["entropy", "random"], rounds=4, batch=30, seeds=2, encoder="tfidf", settings=plan)
    for measure in ("accuracy", "consensus_accuracy", "macro_f1"):
        np.testing.assert_array_equal(curves.curve("entropy", measure), again.curve("entropy", measure))
    assert [r.rounds[0].selections for r in again.runs] == [r.rounds[0].selections for r in curves.runs]
    plain = curves.to_json()["strategies"]["entropy"]
    assert plain["annotations"] == [200, 230, 260, 290]
    assert np.shape(plain["accuracy"]) == (2, 4)
    assert plain["held_out_accuracy"] == [[None] * 4] * 2


@pytest.mark.slow
def test_held_out_texts_are_never_asked() -> None:
    demo = datasets.load("demo", seed=3)
    plan = Settings(classifier=Centroids())
    curves = simulate(
        demo, ["random"], rounds=3, batch=200, seeds=1, encoder="tfidf", settings=plan, hold_out=0.9
    )
    asked = {choice.text for played in curves.runs[0].rounds for choice in played.selections}
    fresh = (~demo.initial.labelled).sum()
    assert len(asked - set(demo.texts[demo.initial.labelled])) <= 0.1 * fresh + 1
    assert (curves.curve("random", "held_out_accuracy") > 0.4).all()


def test_a_simulation_ends_when_nobody_has_an_answer_left() -> None:
    plan = Settings(classifier=Centroids())
    curves = simulate(tiny(), ["random"], rounds=4, batch=2, seeds=1, encoder="tfidf", settings=plan)
    assert curves.curve("random", "annotations").tolist() == [[1, 3, 5, 5]]


def tiny() -> datasets.Dataset:
    answers = Annotations.from_wide([[0, 1], [1, 1], [0, None]])
    return datasets.Dataset(
        name="tiny",
        texts=answers.texts,
        pool_texts=("a b", "b c", "c d"),
        initial=first_answer(answers),
        answers=answers,
        test_ids=np.array([0]),
        test_texts=("a c",),
        test_labels=np.array([0]),
    )


def first_answer(answers: Annotations) -> Annotations:
    return Annotations.from_indices(
        [0], [0], [0], texts=answers.texts, annotators=answers.annotators, classes=answers.classes
    )


def test_wrong_simulations_are_refused() -> None:
    data, plan = tiny(), Settings(classifier=Centroids())
    with pytest.raises(InputError, match="strategy is 'oracle'"):
        simulate(data, ["oracle"])
    with pytest.raises(InputError, match="0 rounds"):
        simulate(data, rounds=0)
    with pytest.raises(InputError, match="hold_out is 1"):
        simulate(data, hold_out=1)
    curves = simulate(data, ["random"], rounds=1, seeds=[4], encoder="tfidf", settings=plan)
    with pytest.raises(InputError, match="was not simulated"):
        curves.curve("default")


def test_majority_is_the_consensus_of_random() -> None:
    annotations = Annotations.from_wide([[0, 0, 1], [1, 1, None]])
    played = play_round(
        annotations, np.eye(2), Settings("random", classifier=Centroids()), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(played.consensus.labels, majority_vote(annotations).labels)
