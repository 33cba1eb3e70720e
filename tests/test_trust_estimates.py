"""Estimates from an audit sample with imperfect labels: against exact posteriors, and by their coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, binom

from jurybox import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.errors import InputError
from jurybox.trust import estimates, tables
from jurybox.trust.estimates import (
    AuditEvidence,
    audit_evidence,
    estimate_from_audit,
    estimate_of_consensus,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def evidence(majority: Floats, draws: int = 30) -> AuditEvidence:
    """Make evidence of A texts (A, K) that is the same in every draw of the crowd."""
    A = len(majority)
    return AuditEvidence(np.arange(A), np.full(A, 3), np.repeat(majority[None], draws, axis=0))


def labelled(
    truth: Ints, accuracy: Floats, each: int, generator: np.random.Generator, n_classes: int = 2
) -> Annotations:
    """Have every text labelled by so many of M annotators, who err in all directions alike."""
    people = np.argsort(generator.random((len(truth), len(accuracy))), axis=1)[:, :each].ravel()
    texts = np.repeat(np.arange(len(truth)), each)
    wrong = (truth[texts] + generator.integers(1, n_classes, len(texts))) % n_classes
    labels = np.where(generator.random(len(texts)) < accuracy[people], truth[texts], wrong)
    return Annotations.from_indices(
        texts, people, labels, texts=len(truth), annotators=len(accuracy), classes=n_classes
    )


def test_known_classes_leave_a_dirichlet_distribution() -> None:
    truth, predicted = np.array([0] * 24 + [1] * 16), np.array([0] * 20 + [1] * 20)
    found = evidence(np.eye(2)[truth], draws=100).judge(np.arange(40), predicted, rng=rng())
    right = beta(36 + tables._RIGHT, 4 + tables._WRONG)
    low, high = found.accuracy.low, found.accuracy.high
    assert right.cdf(high) - right.cdf(low) == pytest.approx(0.95, abs=0.015)
    assert high - low < right.ppf(0.975) - right.ppf(0.025)
    assert found.class_shares[0].estimate == pytest.approx(24 / 40, abs=0.02)
    assert sum(share.estimate for share in found.class_shares) == pytest.approx(1)


def test_doubtful_classes_leave_the_mixture_over_all_that_they_may_be() -> None:
    majority = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1]])
    predicted = np.array([0, 0, 1, 0, 1, 0])
    found = evidence(majority, draws=300).judge(np.arange(6), predicted, rng=rng())
    theta, weight = np.empty((2**6 * 2_000, 2, 2)), np.empty(2**6 * 2_000)
    for place, classes in enumerate(np.ndindex(*[2] * 6)):
        rows = slice(2_000 * place, 2_000 * (place + 1))
        count = np.zeros((2, 2))
        np.add.at(count, (predicted, np.array(classes)), 1)
        theta[rows] = rng(place).dirichlet((tables._prior(2) + count).ravel(), 2_000).reshape(-1, 2, 2)
        weight[rows] = majority[np.arange(6), np.array(classes)].prod()
    right = np.einsum("skk->sk", theta)
    weight = weight * np.where(right.sum(axis=1) > 0.5, 1.0, tables._BELOW_CHANCE)
    f1 = (2 * right / (theta.sum(axis=1) + theta.sum(axis=2))).mean(axis=1)
    assert found.accuracy.estimate == pytest.approx(np.average(right.sum(axis=1), weights=weight), abs=0.02)
    assert found.macro_f1.estimate == pytest.approx(np.average(f1, weights=weight), abs=0.02)
    share = np.average(theta[:, :, 0].sum(axis=1), weights=weight)
    assert found.class_shares[0].estimate == pytest.approx(share, abs=0.02)


def test_where_no_error_was_seen_nothing_is_excluded_above() -> None:
    truth = np.arange(30) % 2
    found = evidence(np.eye(2)[truth]).judge(np.arange(30), truth, rng=rng())
    assert found.accuracy.high == found.macro_f1.high == 1.0
    assert found.accuracy.low > 0.8
    absent = evidence(np.eye(3)[truth]).judge(np.arange(30), truth, rng=rng())
    assert absent.class_shares[2].low == 0.0
    assert absent.class_shares[0].low > 0.2


def test_a_model_is_hardly_worse_than_chance_unless_the_sample_says_so() -> None:
    nothing = evidence(np.full((30, 2), 0.5)).judge(np.arange(30), np.arange(30) % 2, rng=rng())
    assert nothing.accuracy.low > 0.4
    truth = np.arange(10) % 2
    wrong = evidence(np.eye(2)[truth]).judge(np.arange(10), 1 - truth, rng=rng())
    assert wrong.accuracy.high < 0.4


@pytest.mark.slow
def test_imperfect_labels_are_not_held_against_the_model() -> None:
    """A model that is right on 95 % looks worse by far when it is compared with labels that are not.

    How far it errs where they err cannot be seen here, so that the interval is wide.
    """
    generator = rng(3)
    truth = generator.integers(0, 2, 1500)
    annotations = labelled(truth, np.full(12, 0.75), 3, generator)
    audit = np.arange(400)
    everywhere = np.where(generator.random(1500) < 0.95, truth, 1 - truth)
    predicted, p = everywhere[:400], np.where(np.arange(2) == everywhere[:, None], 0.9, 0.1)
    found = estimate_from_audit(annotations, audit, predicted, p, rng=rng())
    majority = annotations.counts[:400].argmax(axis=1)
    assert (majority == predicted).mean() < 0.86
    assert (predicted == truth[:400]).mean() in found.accuracy
    assert found.accuracy.low > 0.65
    alone = estimate_from_audit(annotations, audit, predicted, rng=rng())
    assert alone.accuracy.high < found.accuracy.estimate  # nothing speaks for it


@pytest.mark.slow
@pytest.mark.parametrize(("n_texts", "accuracy"), [(10, 0.7), (20, 0.85), (20, 0.98), (50, 0.9)])
def test_the_intervals_cover(n_texts: int, accuracy: float) -> None:
    runs, generator, quality = 100, rng(n_texts), 0.85
    covered = 0
    for _ in range(runs):
        truth = generator.integers(0, 2, n_texts)
        predicted = np.where(generator.random(n_texts) < accuracy, truth, 1 - truth)
        right = generator.binomial(3, quality, n_texts)
        odds = (quality / (1 - quality)) ** (2 * right - 3.0)
        say = (accuracy / (1 - accuracy)) ** np.linspace(0, 1, 25)
        majority = np.where(np.arange(2) == truth[:, None], odds[:, None], 1.0)
        majority = majority * np.where(np.arange(2) == predicted[:, None], say[:, None, None], 1.0)
        majority /= majority.sum(axis=2, keepdims=True)
        found = AuditEvidence(np.arange(n_texts), np.full(n_texts, 3), majority)
        covered += accuracy in found.judge(np.arange(n_texts), predicted, rng=generator).accuracy
    assert covered >= binom.ppf(1e-3, runs, 0.94)


@pytest.mark.slow
def test_order_and_texts_without_labels_do_not_count() -> None:
    truth = rng(5).integers(0, 3, 90)
    annotations = labelled(truth, np.full(6, 0.8), 3, rng(6), n_classes=3)
    stretched = Annotations.from_indices(
        annotations.text, annotations.annotator, annotations.label, texts=95, annotators=8, classes=3
    )
    audit = np.arange(30)
    found = estimate_from_audit(annotations, audit, truth[:30], rng=rng())
    order = rng(7).permutation(33)
    positions = np.append(audit, [92, 93, 94])[order]
    again = estimate_from_audit(stretched, positions, np.append(truth[:30], [0, 0, 0])[order], rng=rng())
    assert found == again
    assert (found.n_texts, found.n_labels) == (30, 90)


@pytest.mark.slow
def test_models_are_judged_by_one_evidence_and_in_part() -> None:
    truth = rng(8).integers(0, 2, 100)
    annotations = labelled(truth, np.full(5, 0.9), 3, rng(9))
    shared = audit_evidence(annotations, np.arange(40), rng=rng())
    good = shared.judge(np.arange(40), truth[:40], rng=rng())
    bad = shared.judge(np.arange(40), 1 - truth[:40], rng=rng())
    assert good.accuracy.low > bad.accuracy.high
    assert good.class_shares[0].estimate == pytest.approx(bad.class_shares[0].estimate, abs=0.05)
    part = shared.judge(np.arange(10), truth[:10], rng=rng())
    assert (part.n_texts, part.n_labels) == (10, 30)
    assert part.accuracy.high - part.accuracy.low > good.accuracy.high - good.accuracy.low


@pytest.mark.slow
def test_reviewers_make_the_audit_surer() -> None:
    truth = rng(10).integers(0, 2, 120)
    annotations = labelled(truth, np.array([0.97, 0.6, 0.6, 0.6]), 4, rng(11))
    everywhere = np.where(rng(12).random(120) < 0.8, truth, 1 - truth)
    predicted, p = everywhere[:50], np.where(np.arange(2) == everywhere[:, None], 0.8, 0.2)

    def width(experts: Any) -> float:
        found = estimate_from_audit(annotations, np.arange(50), predicted, p, experts=experts, rng=rng())
        return found.accuracy.high - found.accuracy.low

    assert width(np.array([True, False, False, False])) < width(None)


@pytest.mark.slow
def test_of_a_large_project_a_sample_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = rng(13).integers(0, 2, 600)
    annotations = labelled(truth, np.full(8, 0.85), 3, rng(14))
    consensus = annotations.counts.argmax(axis=1)
    accuracy = float((consensus == truth).mean())
    whole = estimate_of_consensus(annotations, consensus, rng=rng())
    monkeypatch.setattr(estimates, "MOST_TEXTS", 100)
    part = estimate_of_consensus(annotations, consensus, rng=rng())
    assert accuracy in whole.accuracy
    assert accuracy in part.accuracy
    assert (part.n_texts, part.n_labels) == (whole.n_texts, whole.n_labels) == (600, 1800)
    assert part.accuracy.high - part.accuracy.low > whole.accuracy.high - whole.accuracy.low
    assert audit_evidence(annotations, np.arange(20), rng=rng()).majority.shape[1:] == (20, 2)


@pytest.mark.slow
def test_a_classifier_that_is_right_makes_the_consensus_surer() -> None:
    truth = rng(15).integers(0, 2, 200)
    annotations = labelled(truth, np.full(8, 0.7), 2, rng(16))
    p = np.where(np.arange(2) == truth[:, None], 0.95, 0.05)
    consensus = p.argmax(axis=1)
    alone = estimate_of_consensus(annotations, consensus, rng=rng())
    aided = estimate_of_consensus(annotations, consensus, p, rng=rng())
    assert aided.accuracy.estimate > alone.accuracy.estimate


@pytest.mark.slow
def test_a_classifier_helps_to_judge_the_annotators() -> None:
    truth = rng(17).integers(0, 2, 600)
    annotations = labelled(truth, np.full(30, 0.75), 1, rng(18))
    p = np.where(np.arange(2) == truth[:, None], 0.9, 0.1)
    audit, predicted = np.arange(50), truth[:50]
    alone = estimate_from_audit(annotations, audit, predicted, rng=rng())
    aided = estimate_from_audit(annotations, audit, predicted, p, rng=rng())
    assert aided.accuracy.estimate > alone.accuracy.estimate + 0.01  # every prediction is right


@pytest.mark.slow
def test_so_many_judges_differ_more_often_than_a_large_crowd() -> None:
    truth = rng(19).integers(0, 2, 300)
    annotations = labelled(truth, np.full(10, 0.75), 3, rng(20))
    consensus = annotations.counts.argmax(axis=1)
    one, three, many = (
        estimate_of_consensus(annotations, consensus, judges=judges, rng=rng()).accuracy.estimate
        for judges in (np.ones(300, dtype=int), np.full(300, 3), None)
    )
    assert one < three < many
    with pytest.raises(InputError, match="judges has shape"):
        estimate_of_consensus(annotations, consensus, judges=[1, 2], rng=rng())


@pytest.mark.slow
def test_what_cannot_be_judged_is_refused() -> None:
    annotations = Annotations.from_wide([[0, 0], [1, 1], [None, None]])
    with pytest.raises(InputError, match="no text of the audit sample has a label"):
        estimate_from_audit(annotations, [2], [0], rng=rng())
    with pytest.raises(InputError, match="expected one class for each of different texts"):
        estimate_from_audit(annotations, [0, 1], [0], rng=rng())
    with pytest.raises(InputError, match="expected one class for each of different texts"):
        estimate_from_audit(annotations, [0, 0], [0, 1], rng=rng())
    with pytest.raises(InputError, match="class 2 is out of range"):
        estimate_from_audit(annotations, [0], [2], rng=rng())
    with pytest.raises(InputError, match="text 3 is out of range"):
        estimate_from_audit(annotations, [3], [0], rng=rng())
    with pytest.raises(InputError, match="experts has shape"):
        estimate_from_audit(annotations, [0], [0], experts=np.ones(3, dtype=bool), rng=rng())
    with pytest.raises(InputError, match="labels has shape"):
        estimate_of_consensus(annotations, [0, 1], rng=rng())
    with pytest.raises(InputError, match="no text has a label"):
        estimate_of_consensus(Annotations.from_wide([[None], [None]], classes=[0, 1]), [0, 0], rng=rng())
