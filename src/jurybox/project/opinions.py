"""How well a stored project knows the shares of people who would say each class, and foretells them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints
from jurybox.consensus import EstimatedConsensus
from jurybox.consensus.estimate import by_experts
from jurybox.consensus.opinions import Opinions, cross_entropy, manhattan, opinions_of
from jurybox.project.basis import Basis, Moment
from jurybox.trust.intervals import Interval

_LEVEL = 0.95


@dataclass(frozen=True)
class SharesBelief:
    """How well shares are known, and how well the last round's model foretells those of the audit sample.

    An audit text has a few labels, whose shares are a noisy picture of what people would say. That makes a
    Manhattan distance larger than the model's distance from the truth; it leaves cross-entropy, in which
    people's disagreement itself counts, comparable with what `usual_cross_entropy` says.

    Attributes
    ----------
    basis
        What it rests on.
    round
        The last round; None before the first.
    known, open
        Labelled texts of whose shares one more label would tell less than the project's `least_gain`, and the
        others.
    error
        Root mean square of the stated errors of the labelled texts; None without labels.
    n_texts
        Audit texts with labels of people who are no reviewers.
    cross_entropy, manhattan
        Mean over these texts of ``-sum_k t_k log p_k`` in nats and ``sum_k |t_k - p_k|``, t the shares of
        their labels and p those foretold, with 95 % intervals; None with fewer than two such texts, or
        no round.
    usual_cross_entropy, usual_manhattan
        The same of foretelling for every text what all other texts got together.
    """

    basis: Basis
    round: int | None
    known: int
    open: int
    error: float | None
    n_texts: int
    cross_entropy: Interval | None
    manhattan: Interval | None
    usual_cross_entropy: float | None
    usual_manhattan: float | None


def read_opinions(inputs: Moment, consensus: EstimatedConsensus) -> Opinions | None:
    """Return what people would say of all texts; None where classes are wanted."""
    if inputs.settings.target != "shares":
        return None
    p = None if inputs.pred_probs is None else inputs.pred_probs.astype(np.float64)
    return opinions_of(consensus, p)


def describe_shares(inputs: Moment, opinions: Opinions | None) -> SharesBelief | None:
    """Return how well shares are known and foretold; None where classes are wanted."""
    if opinions is None:
        return None
    annotations, p = inputs.annotations, inputs.pred_probs
    error, gain = opinions.error[annotations.labelled], opinions.gain[annotations.labelled]
    counts = _counts(annotations, ~by_experts(annotations, inputs.experts))
    audit = inputs.evidence.audit[counts[inputs.evidence.audit].sum(axis=1) > 0]
    judged = p is not None and len(audit) > 1
    t = counts[audit] / counts[audit].sum(axis=1, keepdims=True)
    rest = counts.sum(axis=0) - counts[audit].sum(axis=0) + 1.0
    usual = np.tile(rest / rest.sum(), (len(audit), 1))
    told = usual if p is None else p[audit].astype(np.float64)
    known = int((gain < inputs.settings.least_gain).sum())
    return SharesBelief(
        basis=inputs.basis,
        round=inputs.basis.round or None,
        known=known,
        open=len(error) - known,
        error=float(np.sqrt(np.square(error).mean())) if len(error) else None,
        n_texts=len(audit),
        cross_entropy=_mean(cross_entropy(t, told)) if judged else None,
        manhattan=_mean(manhattan(t, told)) if judged else None,
        usual_cross_entropy=float(cross_entropy(t, usual).mean()) if judged else None,
        usual_manhattan=float(manhattan(t, usual).mean()) if judged else None,
    )


def _counts(annotations: Annotations, chosen: Bools) -> Ints:
    """Count some annotations (L,) by text and class, shape (N, K)."""
    N, K = annotations.counts.shape
    cell = annotations.text[chosen].astype(np.int64) * K + annotations.label[chosen]
    return np.bincount(cell, minlength=N * K).reshape(N, K)


def _mean(values: Floats) -> Interval:
    """Return the mean of values (n,), and Student's interval of it."""
    off = float(stdtrit(len(values) - 1, (1 + _LEVEL) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
    mean = float(values.mean())
    return Interval(mean, max(mean - off, 0.0), mean + off, _LEVEL)
