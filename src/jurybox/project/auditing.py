"""How good the model is, estimated on the audit sample: texts drawn at random and never trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.project.handle import Handle
from jurybox.store import rounds

__all__ = ["Accuracy", "Auditing", "audit_record", "credit", "wilson_interval"]

_Z = 1.959963984540054  # of the normal distribution, for 95 %


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of one round's model on the audit sample.

    Attributes
    ----------
    round
        Number of the round.
    n_annotations
        Annotations the round could learn from.
    estimate
        Share of labelled audit texts for which the model and most annotators agree.
    low, high
        95 % interval (Wilson's score interval).
    n_texts
        Labelled audit texts that it rests on.
    """

    round: int
    n_annotations: int
    estimate: float
    low: float
    high: float
    n_texts: int


class Auditing(Handle):
    """Estimates accuracy on texts that no model has seen."""

    def accuracy(self) -> list[Accuracy]:
        """Return the accuracy of each round's model, by all audit labels known today.

        A text counts once it has a label; where annotators are split evenly, a hit counts in part. Rounds
        without a trained model or any labelled audit text are left out.
        """
        with self.store.read() as connection:
            played = rounds.read_rounds(connection)
            annotations = rounds.read_annotations(connection)
        found = []
        for info in played:
            if not info.diagnostics.get("trained_on"):
                continue
            hits = credit(annotations, info.diagnostics.get("audit"))
            if len(hits):
                low, high = wilson_interval(float(hits.sum()), len(hits))
                found.append(
                    Accuracy(info.number, info.n_annotations, float(hits.mean()), low, high, len(hits))
                )
        return found


def audit_record(audit: NDArray[np.integer], pred_probs: NDArray[np.floating]) -> dict[str, list[int]]:
    """Return what a round remembers of its audit sample: positions of texts, and the classes predicted.

    Parameters
    ----------
    audit : ndarray of int, shape (A,)
        Positions of the audit sample.
    pred_probs : ndarray, shape (N, K)
        The round's probabilities.

    Examples
    --------
    >>> audit_record(np.array([2]), np.array([[1, 0], [1, 0], [0.2, 0.8]]))
    {'texts': [2], 'predicted': [1]}
    """
    predicted = pred_probs[audit].argmax(axis=1) if len(audit) else np.empty(0, dtype=np.int64)
    return {"texts": audit.tolist(), "predicted": predicted.tolist()}


def credit(annotations: Annotations, record: Mapping[str, Sequence[int]] | Any) -> NDArray[np.float64]:
    """Return for each labelled audit text how right the prediction is: 1, 0, or a part where labels tie.

    Parameters
    ----------
    annotations
        All annotations that stand.
    record
        What `audit_record` returned; None counts as no audit sample.

    Returns
    -------
    ndarray, shape (at most A,)

    Examples
    --------
    >>> labels = Annotations.from_indices(
    ...     [0, 1, 1], [0, 0, 1], [0, 0, 1], texts=2, annotators=2, classes=(0, 1)
    ... )
    >>> credit(labels, {"texts": [0, 1], "predicted": [0, 0]})
    array([1. , 0.5])
    """
    if not isinstance(record, Mapping):
        return np.empty(0)
    texts = np.asarray(record["texts"], dtype=np.int64)
    predicted = np.asarray(record["predicted"], dtype=np.int64)
    labelled = annotations.n_labels[texts] > 0
    counts = annotations.counts[texts[labelled]]
    commonest = counts == counts.max(axis=1, keepdims=True)
    right = commonest[np.arange(len(counts)), predicted[labelled]]
    return np.asarray(right / commonest.sum(axis=1), dtype=np.float64)


def wilson_interval(successes: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a proportion.

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson_interval(45, 50)]
    [0.786, 0.957]

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22.
    """
    p, z2 = successes / n, _Z * _Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)
