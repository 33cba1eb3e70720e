"""Draws that several data sets share: the annotations to start from, and texts to hold out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations

N_INITIAL = 100
LABELS_PER_INITIAL = 2


def draw_initial(
    answers: Annotations,
    rng: np.random.Generator,
    *,
    n_texts: int = N_INITIAL,
    labels_per_text: int = LABELS_PER_INITIAL,
) -> Annotations:
    """Draw the annotations to start from: a few of those of some texts, both at random.

    Texts with fewer annotations than wanted come in only when others do not suffice.

    Parameters
    ----------
    answers
        All annotations.
    n_texts, labels_per_text
        How many texts, and how many annotations of each; fewer where there are no more.

    Examples
    --------
    >>> answers = Annotations.from_wide([[0, 1, 1], [1, 1, None], [None, None, None]])
    >>> draw_initial(answers, np.random.default_rng(0), n_texts=2).n_labels
    array([2, 2, 0])
    """
    shuffled = rng.permutation(np.flatnonzero(answers.labelled))
    enough = answers.n_labels[shuffled] >= labels_per_text
    chosen = np.concatenate([shuffled[enough], shuffled[~enough]])[:n_texts]
    kept = np.isin(answers.text, chosen) & (_rank_within_text(answers, rng) < labels_per_text)
    return Annotations.from_indices(
        answers.text[kept],
        answers.annotator[kept],
        answers.label[kept],
        texts=answers.texts,
        annotators=answers.annotators,
        classes=answers.classes,
    )


def _rank_within_text(answers: Annotations, rng: np.random.Generator) -> NDArray[np.int64]:
    """Count the annotations of each text from 0, in random order, shape (L,)."""
    order = np.lexsort((rng.random(answers.n_annotations), answers.text))
    rank = np.empty(answers.n_annotations, dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(answers.n_labels)[:-1]])
    rank[order] = np.arange(answers.n_annotations) - first[answers.text[order]]
    return rank
