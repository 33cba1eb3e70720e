"""How a data set is divided: the annotations to start from, and the texts to test on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Rng, generator

__all__ = ["TEST_SHARE", "draw_initial", "majority"]

N_INITIAL = 100
LABELS_PER_INITIAL = 2
TEST_SHARE = 0.2


def majority(annotations: Annotations) -> NDArray[np.int64]:
    """Most frequent label of each text, -1 where there is none; ties go to the class frequent overall.

    Examples
    --------
    >>> majority(Annotations.from_wide([[0, 1], [1, 1], [None, None]]))
    array([ 1,  1, -1])
    """
    counts = annotations.counts
    share = counts.sum(axis=0) / max(counts.sum(), 1)
    winner: NDArray[np.int64] = np.argmax(counts + 0.5 * share, axis=1)
    return np.where(annotations.n_labels > 0, winner, -1)


def draw_initial(
    answers: Annotations,
    rng: Rng,
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
    rng = generator(rng)
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
        scale=answers.scale,
    )


def _rank_within_text(answers: Annotations, rng: np.random.Generator) -> NDArray[np.int64]:
    """Count the annotations of each text from 0, in random order, shape (L,)."""
    order = np.lexsort((rng.random(answers.n_annotations), answers.text))
    rank = np.empty(answers.n_annotations, dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(answers.n_labels)[:-1]])
    rank[order] = np.arange(answers.n_annotations) - first[answers.text[order]]
    return rank
