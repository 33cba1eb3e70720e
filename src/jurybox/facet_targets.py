"""What the classifiers of several questions are trained on: apart in a round, together in one encoder.

Arrays of all facets have their classes side by side, C columns, in the order of the facets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Bools, Floats, Rng, generator
from jurybox.consensus.prior import AnnotatorPrior
from jurybox.consensus.several import habits_at
from jurybox.errors import InputError
from jurybox.questions import Facet, Question
from jurybox.sheets import AnswerSheet
from jurybox.strategies import (
    SoftLabels,
    Strategy,
    Target,
    get_strategy,
    hears_habits,
    knowing,
    soft_labels,
)

__all__ = ["answered", "by_facet", "classes_of", "soft_answers", "strategy_at"]


def soft_answers(
    sheet: AnswerSheet,
    strategy: str | Strategy,
    rng: Rng,
    *,
    pred_probs: NDArray[np.floating] | None = None,
    trainable: Bools | None = None,
    experts: Bools | None = None,
    target: Target = "class",
) -> SoftLabels:
    """Return what a round would train all its classifiers on, for one encoder that is tuned on all questions.

    Parameters
    ----------
    sheet, rng, trainable, experts
        As in `jurybox.play_questions`.
    strategy, target
        As in `jurybox.strategies.soft_labels`.
    pred_probs : ndarray, shape (N, C), optional
        Probabilities of the round before.

    Returns
    -------
    SoftLabels
        Its rows are texts with an answer to any question, its targets have shape (n, C), and its weights,
        shape (n, F), are 0 where an item has no answer.

    Examples
    --------
    >>> rows = [("t1", "ana", "food", "bad"), ("t1", "bo", "food", "bad"), ("t2", "ana", "stars", "2")]
    >>> sheet = AnswerSheet.from_long(rows, questions=["food=single:bad,good", "stars=scale:1..3"])
    >>> found = soft_answers(sheet, "default", 0)
    >>> found.targets.tolist(), found.weights.tolist()
    ([[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]])
    """
    rng, chosen = generator(rng), get_strategy(strategy, target)
    known = None if pred_probs is None else by_facet(sheet, pred_probs)
    rows = np.flatnonzero(answered(sheet, trainable))
    targets, weights = np.zeros((len(rows), sum(classes_of(sheet)))), np.zeros((len(rows), len(sheet.facets)))
    columns = by_facet(sheet, targets)
    for question in sheet.questions:
        own = strategy_at(sheet, question, chosen, known, trainable, experts)
        for facet in question.facets:
            if not _trained(sheet[facet].labelled, trainable).any():
                continue
            labels = soft_labels(
                sheet[facet],
                own,
                rng,
                pred_probs=None if known is None else known[facet],
                trainable=trainable,
                experts=experts,
            )
            places = np.searchsorted(rows, labels.rows)
            columns[facet][places] = labels.targets
            weights[places, list(sheet.facets).index(facet)] = labels.weights
    return SoftLabels(rows, targets, weights)


def strategy_at(
    sheet: AnswerSheet,
    question: Question,
    strategy: Strategy,
    known: Mapping[Facet, Floats] | None,
    trainable: Bools | None,
    experts: Bools | None,
) -> Strategy:
    """Return a strategy that knows, at each class of a question with several, what people are like at all.

    Parameters
    ----------
    sheet, trainable, experts
        As in `jurybox.play_questions`.
    known : mapping of Facet to ndarray, shape (N, K), optional
        Probabilities of the round before.
    """
    habits = _habits(sheet, question, known, trainable, experts) if hears_habits(strategy) else None
    return knowing(strategy, habits)


def classes_of(sheet: AnswerSheet) -> tuple[int, ...]:
    """Return K of each facet."""
    return tuple(each.n_classes for each in sheet.facets.values())


def by_facet(sheet: AnswerSheet, values: NDArray[Any]) -> dict[Facet, NDArray[Any]]:
    """Return what an array (N, C) has of each facet (N, K), as views of it.

    Raises
    ------
    InputError
        If it has another shape.
    """
    sizes = classes_of(sheet)
    if values.ndim != 2 or values.shape[1] != sum(sizes):
        raise InputError(
            f"got probabilities of shape {values.shape}, expected {sum(sizes)} columns: the classes of "
            f"{', '.join(map(str, sheet.facets))}"
        )
    return dict(zip(sheet.facets, np.split(values, np.cumsum(sizes)[:-1], axis=1), strict=True))


def answered(sheet: AnswerSheet, trainable: Bools | None) -> Bools:
    """Return which texts that may be trained on have an answer to any question, shape (N,)."""
    found = np.zeros(sheet.n_texts, dtype=bool)
    for each in sheet.facets.values():
        found[each.text] = True
    return _trained(found, trainable)


def _trained(labelled: Bools, trainable: Bools | None) -> Bools:
    return labelled if trainable is None else labelled & trainable


def _habits(
    sheet: AnswerSheet,
    question: Question,
    known: Mapping[Facet, Floats] | None,
    trainable: Bools | None,
    experts: Bools | None,
) -> AnnotatorPrior | None:
    """Return what annotators are like at all classes of a question; None for one with one answer.

    What is kept out of training has no part in it: the targets go by it.
    """
    facets = question.facets
    if len(facets) < 2:
        return None
    kept = np.flatnonzero(answered(sheet, trainable))
    p = [None if known is None else known[facet][kept] for facet in facets]
    return habits_at([sheet[facet].subset(texts=kept) for facet in facets], p, experts=experts)
