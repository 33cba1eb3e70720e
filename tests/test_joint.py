"""One round for several questions: that of one question is as ever, and every part against a naive form."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurybox import (
    Annotations,
    AnswerSheet,
    Question,
    Settings,
    estimate_answers,
    estimate_consensus,
    most_per_second,
    play_questions,
    play_round,
)
from jurybox.classifiers.head import Head, row_space
from jurybox.classifiers.thresholds import Measure, best_divisors, best_thresholds, weight_of_yes
from jurybox.consensus.prior import AnnotatorPrior
from jurybox.consensus.several import habits_at
from jurybox.errors import InputError
from jurybox.questions import Facet
from jurybox.scales import distances

N, M, C = 40, 6, 3


def crowd(seed: int, bias: Any = 0.0, per_text: int = 3) -> tuple[AnswerSheet, Any, Any]:
    """Three classes that the first three features tell, said by people with habits of their own."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 12))
    true = x[:, :C] > 0.3
    text = np.repeat(np.arange(N), per_text)
    who = np.concatenate([rng.choice(M, per_text, replace=False) for _ in range(N)])
    odds = np.where(true[text], 2.0, -2.0) + np.broadcast_to(bias, M)[who, None]
    said = rng.random((len(text), C)) < 1 / (1 + np.exp(-odds))
    question = Question("q", "several", ("a", "b", "c"))
    facets = {
        facet: Annotations.from_indices(
            text, who, said[:, k].astype(int), texts=N, annotators=M, classes=("no", "yes")
        )
        for k, facet in enumerate(question.facets)
    }
    return AnswerSheet((question,), facets), x, true


@pytest.mark.parametrize("strategy", ["default", "activelab", "random"])
def test_one_single_question_plays_the_round_that_annotations_play(strategy: str) -> None:
    sheet, x, _ = crowd(0)
    own = sheet["q", "a"].subset(texts=slice(None))
    chosen, rng = Settings(strategy, batch=5, random_share=0.3), np.random.default_rng
    ours = play_questions(AnswerSheet.of({"q": own}), x, chosen, rng(1))
    theirs = play_round(own, x, chosen, rng(1))
    played = ours.rounds[Facet("q")]
    np.testing.assert_array_equal(played.pred_probs, theirs.pred_probs)
    np.testing.assert_array_equal(played.consensus.posterior, theirs.consensus.posterior)
    np.testing.assert_array_equal(ours.ranking.texts, theirs.ranking.texts)
    np.testing.assert_array_equal(ours.batch, theirs.batch)
    assert ours.ranking.reasons == theirs.ranking.reasons


def test_a_text_is_asked_for_by_what_its_items_want_together() -> None:
    sheet, x, _ = crowd(1)
    may = np.ones((N, C), dtype=bool)
    may[:10, 0], may[0] = False, False
    played = play_questions(
        sheet, x, Settings(batch=7), np.random.default_rng(0), eligible=may, measure="micro_f1"
    )
    expected = np.zeros((N, C))
    for k, each in enumerate(played.rounds.values()):
        expected[:, k] = np.where(may[:, k], 1 - each.consensus.posterior.max(axis=1), 0.0)
    np.testing.assert_allclose(played.expected_errors, expected, atol=1e-12)
    assert 0 not in played.ranking.texts
    np.testing.assert_allclose(played.ranking.scores, np.sort(-expected.sum(axis=1)[1:]), atol=1e-12)
    assert len(played.batch) == 7
    assert played.to_frame().columns.tolist()[-3:] == ["q:a", "q:b", "q:c"]


def on_two_scales(seed: int) -> tuple[AnswerSheet, Any]:
    """Return answers on 1..5 to two questions, of half of the texts more than one."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 12))
    text = np.concatenate([np.arange(N), np.arange(N // 2)])
    who = np.repeat([0, 1], [N, N // 2])
    said = np.clip(np.rint(2 + x[text, :2] + rng.normal(0, 0.5, (len(text), 2))), 0, 4).astype(int)
    facets = {
        name: Annotations.from_indices(
            text, who, said[:, k], texts=N, annotators=M, classes=(1, 2, 3, 4, 5), scale=True
        )
        for k, name in enumerate(("food", "staff"))
    }
    return AnswerSheet.of(facets), x


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["default", "margin", "entropy", "activelab", "random"])
def test_what_errors_are_expected_to_cost_goes_by_the_consensus_of_every_strategy(strategy: str) -> None:
    sheet, x, _ = crowd(11)
    played = play_questions(sheet, x, Settings(strategy), 0, measure="micro_f1")
    expected = [1 - each.consensus.posterior.max(axis=1) for each in played.rounds.values()]
    np.testing.assert_allclose(played.expected_errors, np.column_stack(expected), atol=1e-12)
    scales, features = on_two_scales(12)
    played = play_questions(scales, features, Settings(strategy), 0)
    off = distances((1, 2, 3, 4, 5)) / 4
    for at, each in enumerate(played.rounds.values()):
        cost = (each.consensus.posterior @ off)[np.arange(N), each.consensus.labels]
        np.testing.assert_allclose(played.expected_errors[:, at], cost, atol=1e-12)
    rate, asked = most_per_second(played.expected_errors)
    assert (rate >= 0).all()
    assert asked.any()


@pytest.mark.parametrize("strategy", ["margin", "entropy", "random", "activelab"])
def test_a_strategy_with_a_score_of_its_own_asks_by_it(strategy: str) -> None:
    sheet, x = on_two_scales(13)
    played = play_questions(sheet, x, Settings(strategy), 0)
    score = np.zeros(N)
    for each in played.rounds.values():
        own = np.zeros(N)
        own[each.ranking.texts] = each.ranking.scores
        score += own - max(own.max(), 1)
    np.testing.assert_allclose(played.ranking.scores, np.sort(score), atol=1e-9)
    np.testing.assert_allclose(played.ranking.scores, score[played.ranking.texts], atol=1e-9)
    if strategy in ("margin", "entropy"):
        assert set(played.ranking.texts[: N // 2]) == set(range(N // 2, N)), "new texts come first"


def test_an_error_at_a_rare_class_counts_more_for_macro_f1_alone() -> None:
    rare, common = np.repeat([0.0, 1.0], [95, 5]), np.repeat([0.0, 1.0], [50, 50])
    assert weight_of_yes(rare, "macro_f1") > 5 * weight_of_yes(common, "macro_f1")
    assert weight_of_yes(rare, "micro_f1") == weight_of_yes(common, "subset_accuracy") == 1


def test_a_facet_without_answers_has_a_spread_and_others_their_model() -> None:
    sheet, x, _ = crowd(2)
    empty = Annotations.from_indices([], [], [], texts=N, annotators=M, classes=3)
    both = AnswerSheet(
        (*sheet.questions, Question("mood", "single", (0, 1, 2))), {**sheet.facets, Facet("mood"): empty}
    )
    played = play_questions(both, x, Settings(), np.random.default_rng(0))
    np.testing.assert_allclose(played.expected_errors[:, -1], 2 / 3)
    assert (played.predict_proba(x)[Facet("mood")] == 1 / 3).all()
    again = play_questions(both, x, Settings(), np.random.default_rng(0), previous=played)
    assert len(again.ranking) == N
    with pytest.raises(InputError, match=r"eligible has shape \(3,\)"):
        play_questions(both, x, Settings(), 0, eligible=np.ones(3, dtype=bool))
    with pytest.raises(InputError, match="measure is 'f1'"):
        play_questions(both, x, Settings(), 0, measure="f1")  # type: ignore[arg-type]


def test_heads_that_share_the_rows_space_are_what_each_is_alone() -> None:
    sheet, _, _ = crowd(3)
    wide = np.random.default_rng(0).normal(size=(N, 60)).cumsum(axis=1)
    played = play_questions(sheet, wide, Settings(strategy="random"), np.random.default_rng(0))
    assert played.basis is not None
    assert played.basis.shape == (60, N)
    for facet, each in played.rounds.items():
        alone = play_round(sheet[facet], wide, Settings(strategy="random"), np.random.default_rng(0))
        assert alone.classifier is not None
        np.testing.assert_allclose(
            played.predict_proba(wide[:5])[facet], alone.classifier.predict_proba(wide[:5]), atol=1e-6
        )
        np.testing.assert_allclose(each.pred_probs, alone.pred_probs, atol=1e-6)


def test_classifiers_that_are_not_the_same_on_turned_features_get_them_as_they_are() -> None:
    sheet, _, _ = crowd(3)
    wide = np.random.default_rng(0).normal(size=(N, 60))
    chosen = Settings(strategy="random", classifier="sklearn:tree.DecisionTreeClassifier")
    played = play_questions(sheet, wide, chosen, np.random.default_rng(0))
    for facet, each in played.rounds.items():
        alone = play_round(sheet[facet], wide, chosen, np.random.default_rng(0))
        np.testing.assert_array_equal(each.pred_probs, alone.pred_probs)


@pytest.mark.slow
def test_what_is_kept_out_of_training_moves_no_prediction() -> None:
    sheet, x, _ = crowd(4, np.array([2.5, 0, 0, 0, 0, -2.5]))
    trainable = np.arange(N) >= N // 3
    flipped = AnswerSheet(
        sheet.questions,
        {
            facet: Annotations.from_indices(
                each.text,
                each.annotator,
                np.where(trainable[each.text], each.label, 1 - each.label),
                texts=each.texts,
                annotators=each.annotators,
                classes=each.classes,
            )
            for facet, each in sheet.facets.items()
        },
    )
    first = second = None
    for _ in range(2):
        first = play_questions(sheet, x, Settings(), 0, previous=first, trainable=trainable)
        second = play_questions(flipped, x, Settings(), 0, previous=second, trainable=trainable)
        for facet in sheet.facets:
            np.testing.assert_array_equal(first.rounds[facet].pred_probs, second.rounds[facet].pred_probs)


def test_habits_are_looked_for_where_a_strategy_goes_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet, x, _ = crowd(5)
    found: list[Any] = []
    monkeypatch.setattr("jurybox.facet_targets.habits_at", lambda *_, **__: found.append(1))
    play_questions(sheet, x, Settings("activelab"), 0)
    assert not found
    play_questions(sheet, x, Settings(), 0)
    assert found


def test_a_round_of_other_facets_is_refused() -> None:
    rows = [("t1", "ana", "q", "a|b"), ("t2", "bo", "q", "b"), ("t3", "bo", "q", "a")]
    x, texts = np.eye(4), ["t1", "t2", "t3", "t4"]
    before = play_questions(AnswerSheet.from_long(rows, texts=texts), x, Settings(), 0)
    more = AnswerSheet.from_long([*rows, ("t4", "ana", "q", "c|a")], texts=texts)
    with pytest.raises(InputError, match="previous is a round of q:a, q:b, expected one of q:a, q:b, q:c"):
        play_questions(more, x, Settings(), 0, previous=before)


def test_the_row_space_of_some_rows_serves_fewer() -> None:
    x = np.random.default_rng(1).normal(size=(15, 40)).cumsum(axis=0)
    basis = row_space(x)
    assert basis is not None
    targets = np.eye(2)[np.arange(9) % 2]
    alone, shared = Head().fit(x[:9], targets), Head().fit(x[:9] @ basis, targets)
    assert shared.log2_strength == alone.log2_strength
    np.testing.assert_allclose(shared.out_of_sample, alone.out_of_sample, atol=1e-6)
    np.testing.assert_allclose(basis @ shared.coefficients, alone.coefficients, atol=1e-6)


def expected_measure(p: Any, q: Any, t: Any, measure: str) -> float:
    said = p >= t
    if measure == "subset_accuracy":
        return float(np.where(said, q, 1 - q).prod(axis=1).mean())
    axis = None if measure == "micro_f1" else 0
    return float((2 * (q * said).sum(axis) / (said.sum(axis) + q.sum(axis))).mean())


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["macro_f1", "micro_f1", "subset_accuracy"]))
def test_thresholds_are_the_best_of_all(seed: int, measure: Any) -> None:
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 6, (7, 2)) / 6 + 0.05  # with ties
    q = rng.uniform(0.01, 1, (7, 2)) if seed % 2 else rng.integers(0, 2, (7, 2)).astype(float)
    q[0] = 1.0
    found = expected_measure(p, q, best_thresholds(p, q, measure), measure)
    cuts = np.append(np.arange(7) / 6 + 0.02, 2.0)
    every = itertools.product(cuts, cuts) if measure != "micro_f1" else zip(cuts, cuts, strict=True)
    best = max(expected_measure(p, q, np.array(t), measure) for t in every)
    if measure == "subset_accuracy":  # one class after the other: at least as good as one half
        assert expected_measure(p, q, 0.5, measure) - 1e-12 <= found <= best + 1e-12
    else:
        assert found == pytest.approx(best, abs=1e-12)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_divisors_are_no_worse_than_the_likeliest_class_and_the_best_of_two_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def macro(p: Any, q: Any, t: Any) -> float:
        said = np.eye(p.shape[1])[(p / t).argmax(axis=1)]
        return float((2 * (q * said).sum(axis=0) / (said.sum(axis=0) + q.sum(axis=0))).mean())

    three = rng.dirichlet([4, 2, 1], 9)
    assert macro(three, three, best_divisors(three, three)) >= macro(three, three, np.ones(3)) - 1e-12
    two = rng.dirichlet([3, 1], 8)
    best = max(macro(two, two, np.array([1 - cut, cut])) for cut in np.linspace(0.001, 0.999, 999))
    assert macro(two, two, best_divisors(two, two)) >= best - 1e-12
    assert (best_divisors(two, two, "micro_f1") == 1).all()


def test_thresholds_leave_out_what_is_not_known() -> None:
    p, q = np.array([[0.9], [0.8], [0.2]]), np.array([[1.0], [np.nan], [0.0]])
    for measure in get_args(Measure):
        assert best_thresholds(p, q, measure) == pytest.approx([0.55])
    assert best_thresholds(p, np.full((3, 1), np.nan)) == [0.5]
    with pytest.raises(InputError, match=r"expected \(n, C\) of both"):
        best_thresholds(p, q[:2])


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 30), st.floats(0.1, 10))
def test_the_items_asked_for_settle_most_a_second(seed: int, reading: float, answering: float) -> None:
    errors = np.random.default_rng(seed).random((3, 4)) * (np.random.default_rng(seed).random((3, 4)) > 0.2)
    rate, chosen = most_per_second(errors, reading=reading, answering=answering)
    for row in range(3):
        every = (np.array(one, dtype=bool) for one in itertools.product([0, 1], repeat=4) if any(one))
        best = max(float(errors[row, one].sum()) / (reading + answering * one.sum()) for one in every)
        assert rate[row] == pytest.approx(best)
    assert not chosen[errors == 0].any()
    with pytest.raises(InputError, match="reading is -1"):
        most_per_second(errors, reading=-1)


def test_habits_move_a_class_with_few_answers_towards_the_annotators_own() -> None:
    bias = np.array([2.5, 0, 0, 0, 0, -2.5])
    sheet, _, _ = crowd(5, bias, per_text=4)
    few = sheet["q", "c"].subset(texts=np.arange(N) < 6)
    facets = {**sheet.facets, Facet("q", "c"): Annotations.from_indices(
        few.text, few.annotator, few.label, texts=N, annotators=M, classes=("no", "yes")
    )}  # fmt: skip
    thin = AnswerSheet(sheet.questions, facets)
    own, alone = (
        estimate_answers(thin, own_share=share)[Facet("q", "c")].annotators.confusion for share in (0.5, 0)
    )
    assert own is not None
    assert alone is not None
    # how much likelier than the others the first says yes to a "no", and the last no to a "yes"
    assert own[0, 0, 1] > alone[0, 0, 1]
    assert own[5, 1, 0] > alone[5, 1, 0]


def test_without_a_share_of_their_own_classes_are_estimated_each_by_itself() -> None:
    sheet, _, _ = crowd(6)
    found = estimate_answers(sheet, own_share=0)
    for facet, each in sheet.each(estimate_consensus).items():
        np.testing.assert_array_equal(found[facet].posterior, each.posterior)


def test_what_was_decided_tells_no_habits_of_those_who_were_asked() -> None:
    """It weighs as an expert's answers do, of whom nothing is learnt, whoever decided."""
    sheet, _, _ = crowd(11)
    classes = list(sheet.facets.values())
    theirs = [replace(each, decided=each.annotator == 2) for each in classes]
    found, expected, asked = (
        habits_at(parts, [None] * len(parts), experts=experts)
        for parts, experts in ((theirs, None), (classes, np.arange(M) == 2), (classes, None))
    )
    assert found is not None
    assert expected is not None
    assert asked is not None
    np.testing.assert_allclose(found.bias, expected.bias)
    assert np.abs(found.bias - asked.bias).max() > 0.05


def test_the_order_of_texts_and_annotators_says_nothing() -> None:
    sheet, _, _ = crowd(7)
    texts, people = np.random.default_rng(0).permutation(N), np.random.default_rng(1).permutation(M)
    before, after = estimate_answers(sheet), estimate_answers(sheet.subset(texts=texts, annotators=people))
    for facet in sheet.facets:
        np.testing.assert_allclose(after[facet].posterior, before[facet].posterior[texts], atol=2e-3)


def test_habits_of_others_are_refused() -> None:
    sheet, _, _ = crowd(8)
    with pytest.raises(InputError, match="habits has biases of shape"):
        estimate_consensus(sheet["q", "a"], habits=AnnotatorPrior(np.zeros(2), np.zeros((2, 2)), 0.5))


def test_a_facet_keeps_the_consensus_of_the_texts_that_have_answers_to_it() -> None:
    whole, x, _ = crowd(14)
    answered = {facet: each.text % 5 != k for k, (facet, each) in enumerate(whole.facets.items())}
    sheet = AnswerSheet(
        whole.questions,
        {
            facet: each.with_triplets(*(c[answered[facet]] for c in (each.text, each.annotator, each.label)))
            for facet, each in whole.facets.items()
        },
    )
    played = play_questions(sheet, x, Settings("random"), 0)
    for at, (facet, each) in enumerate(played.rounds.items()):
        alone = play_round(sheet[facet], x, Settings("random"), 0)
        rows = np.flatnonzero(sheet[facet].labelled)
        assert 0 < len(rows) < N
        np.testing.assert_array_equal(each.consensus.labels, alone.consensus.labels[rows])
        np.testing.assert_array_equal(each.consensus.posterior, alone.consensus.posterior[rows])
        sure = alone.consensus.posterior.max(axis=1)
        weight = weight_of_yes(alone.consensus.posterior[:, 1], "macro_f1")
        np.testing.assert_allclose(played.expected_errors[:, at], weight * (1 - sure), rtol=1e-5)


def test_the_types_of_a_consensus_of_labelled_texts_are_theirs() -> None:
    sheet, x, _ = crowd(15, per_text=1)
    a = sheet["q", "a"].subset(texts=slice(None))
    few = a.with_triplets(*(c[a.text % 3 == 0] for c in (a.text, a.annotator, a.label)))
    p = play_round(few, x, Settings(), 0).pred_probs
    found, rows = estimate_consensus(few, p), np.flatnonzero(few.labelled)
    kept = found.of_labelled()
    most, shares = kept.types.predict(p[rows], len(rows), 1.0)
    np.testing.assert_array_equal(most, kept.posterior)
    np.testing.assert_array_equal(shares, kept.shares)
    scales, features = on_two_scales(16)
    on_scale = scales["food"].with_triplets([3, 9], [0, 1], [1, 4])
    known = estimate_consensus(on_scale, play_round(on_scale, features, Settings(), 0).pred_probs)
    assert known.position is not None
    assert known.of_labelled().position.mean.tolist() == known.position.mean[[3, 9]].tolist()  # type: ignore[union-attr]


def test_predictions_follow_the_thresholds() -> None:
    sheet, x, true = crowd(9)
    played = play_questions(sheet, x, Settings(), np.random.default_rng(0))
    said, p = played.predict(x), played.predict_proba(x)
    for k, facet in enumerate(played.rounds):
        np.testing.assert_array_equal(said[facet] == 1, p[facet][:, 1] > played.thresholds[facet][1])
        assert (said[facet] == true[:, k]).mean() > 0.75


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_that_leaves_a_class_nothing_of_its_own_is_refused(share: float) -> None:
    sheet, _, _ = crowd(10)
    with pytest.raises(InputError, match=r"own_share is .*, expected a share from 0 to below 1"):
        estimate_answers(sheet, own_share=share)
    with pytest.raises(InputError, match=r"share is .*, expected a share from 0 to below 1"):
        AnnotatorPrior(np.zeros(2), np.zeros((2, 2)), share)
