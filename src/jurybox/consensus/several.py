"""Consensus on several questions, and on questions that may have several classes.

Each class of a question with several is answered yes or no, so it has a consensus like any question of two
classes, with `jurybox.estimate_consensus`. What an annotator is like at one class is believed to be partly
what they are like at all of them: somebody who says yes too readily does so at most classes. All classes of
the question are therefore fitted once as if they were one, which gives each annotator's habits
(discrimination e_j and biases b_jl, see `jurybox.consensus.text_types`). The fit of a single class then
shrinks the annotator to these, and what is known of neither to the crowd of that class:

    b_jl of a class ~ Normal(habit_jl, (1 - r) s^2),   e_j of a class ~ Normal(1 + habit_j, (1 - r) s^2)

r the share of the variance s^2 among annotators that is their own over all classes. What it is worth on
labels that were held back is in ``docs/several-answers.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.consensus.estimate import EstimatedConsensus, estimate_consensus
from jurybox.consensus.prior import AnnotatorPrior, check_share
from jurybox.labelled import probabilities
from jurybox.questions import Facet
from jurybox.sheets import AnswerSheet

__all__ = ["OWN_SHARE", "estimate_answers", "habits_at"]

OWN_SHARE = 0.5
"""r: of what tells annotators apart at one class, how much does so at all."""


def estimate_answers(
    sheet: AnswerSheet,
    pred_probs: Mapping[Facet, Any] | None = None,
    *,
    experts: ArrayLike | None = None,
    own_share: float = OWN_SHARE,
    check: bool = True,
) -> dict[Facet, EstimatedConsensus]:
    """Estimate the answer to every question, and yes or no to every class of those that have several.

    Parameters
    ----------
    sheet
        Answers about N texts.
    pred_probs : mapping of Facet to table or array of shape (N, K), optional
        A classifier's out-of-sample probabilities of each facet.
    experts, check
        As in `jurybox.estimate_consensus`.
    own_share
        r, from 0 (each class by itself) to below 1.

    Returns
    -------
    dict
        By facet, what `jurybox.estimate_consensus` returns of its annotations. Texts about which a class was
        never asked have no label there, unless a classifier gives them one.

    Raises
    ------
    InputError
        As `jurybox.estimate_consensus`; and if ``own_share`` is below 0, or not below 1.

    Examples
    --------
    >>> said = [
    ...     ("t1", "ana", "topics", "price"),
    ...     ("t1", "bo", "topics", "price"),
    ...     ("t2", "bo", "topics", "food"),
    ... ]
    >>> sheet = AnswerSheet.from_long(said, questions=["topics=several:price,food"])
    >>> found = estimate_answers(sheet)
    >>> found[Facet("topics", "price")].labels.tolist()
    [1, 0]
    """
    found = {}
    for question in sheet.questions:
        facets = [sheet[facet] for facet in question.facets]
        p = [None if pred_probs is None else pred_probs[facet] for facet in question.facets]
        habits = habits_at(facets, p, experts=experts, own_share=own_share) if len(facets) > 1 else None
        for facet, own, each in zip(question.facets, facets, p, strict=True):
            found[facet] = estimate_consensus(own, each, experts=experts, habits=habits, check=check)
    return found


def habits_at(
    classes: Sequence[Annotations],
    pred_probs: Sequence[Any],
    *,
    experts: ArrayLike | None = None,
    own_share: float = OWN_SHARE,
) -> AnnotatorPrior | None:
    """Return what the same annotators are like at all of several classes; None where nobody has answered.

    Parameters
    ----------
    classes
        Of each class, the annotations "no" and "yes" of the same N texts by the same M annotators.
    pred_probs
        Of each, probabilities (N, 2), or None.
    experts, own_share
        As of `estimate_answers`.

    Raises
    ------
    InputError
        As `estimate_answers`.
    """
    check_share(own_share, "own_share")
    if not own_share or not any(len(each) for each in classes):
        return None
    first = classes[0]
    rows = [np.unique(each.text) for each in classes]  # no other text says what people are like
    starts = np.cumsum([0, *map(len, rows)])
    p: Floats | None = None
    if all(each is not None for each in pred_probs):
        p = np.vstack(
            [
                probabilities(each, first.texts, first.classes)[own]
                for each, own in zip(pred_probs, rows, strict=True)
            ]
        )
    places = zip(classes, rows, starts[:-1], strict=True)
    stacked = Annotations.from_indices(
        np.concatenate([start + np.searchsorted(own, each.text) for each, own, start in places]),
        np.concatenate([each.annotator for each in classes]),
        np.concatenate([each.label for each in classes]),
        texts=int(starts[-1]),
        annotators=first.annotators,
        classes=first.classes,
    )
    if any(each.decided is not None for each in classes):  # rows are in the order of their classes
        decided = [np.zeros(len(each), bool) if each.decided is None else each.decided for each in classes]
        stacked = replace(stacked, decided=np.concatenate(decided))
    types = estimate_consensus(stacked, p, experts=experts, check=False).types
    biases = types.bias[:-1].reshape(first.n_annotators, first.n_classes)
    return AnnotatorPrior(types.discrimination / types.crowd - 1, biases, own_share)
