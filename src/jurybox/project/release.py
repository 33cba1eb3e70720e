"""Which labels may stand without a person, and whether a machine may replace one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jurybox.arrays import Floats, Ints
from jurybox.errors import ConflictError
from jurybox.project.basis import Basis, Moment
from jurybox.trust.release import ReleasePlan, plan_release
from jurybox.trust.replacement import Replacement, alternative_annotator_test
from jurybox.trust.shares import ClassShare, power_tuned_shares


@dataclass(frozen=True)
class ReleaseBelief:
    """What may be released, and what is known of its error.

    Attributes
    ----------
    basis
        What it rests on.
    plan
        From what probability on, under which bound.
    texts
        How many texts without a person's label that are.
    pool
        Of how many without one.
    """

    basis: Basis
    plan: ReleasePlan
    texts: int
    pool: int


def plan_of(inputs: Moment, allowed: float) -> ReleaseBelief:
    """Return what may be released so that, with 95 %, at most a share of these labels is wrong.

    A label of the model counts as wrong where not more than half of the people who labelled the text of the
    audit sample gave it.

    Raises
    ------
    ConflictError
        If no round has a model, or no text of the audit sample has a label.
    """
    p = _model(inputs)
    labels, sure = p.argmax(axis=1), p.max(axis=1)
    audit = _labelled_audit(inputs)
    counts = inputs.annotations.counts[audit]
    share = counts[np.arange(len(audit)), labels[audit]] / counts.sum(axis=1)
    wanted = _unlabelled(inputs)
    plan = plan_release(sure[audit], share <= 0.5, sure, allowed=allowed, wanted=wanted)
    return ReleaseBelief(
        inputs.basis, plan, int((wanted & (sure >= plan.threshold)).sum()), int(wanted.sum())
    )


def releasable(inputs: Moment, plan: ReleasePlan) -> list[tuple[int, int, float]]:
    """Return number, class and probability of each text that a plan releases."""
    p = _model(inputs)
    chosen = np.flatnonzero(_unlabelled(inputs) & (p.max(axis=1) >= plan.threshold))
    return [(int(i), int(p[i].argmax()), float(p[i].max())) for i in chosen]


def judge_replacement(inputs: Moment, machine: int, *, allowance: float) -> Replacement:
    """Return whether a machine, by its place, may replace a person."""
    said = np.full(inputs.annotations.n_texts, -1, dtype=np.int64)
    mine = (inputs.responses.machine == machine) & (inputs.responses.text < len(said))
    said[inputs.responses.text[mine]] = inputs.responses.label[mine]
    return alternative_annotator_test(inputs.annotations, said, allowance=allowance)


def judge_shares(inputs: Moment) -> tuple[ClassShare, ...]:
    """Return the shares of the classes among people's labels, with the model's help where that narrows them.

    Raises
    ------
    ConflictError
        As `plan_of`.
    """
    p, audit = _model(inputs), _labelled_audit(inputs)
    counts = inputs.annotations.counts[audit]
    rest = np.setdiff1d(np.flatnonzero(inputs.present), audit)
    return power_tuned_shares(counts / counts.sum(axis=1, keepdims=True), p[audit], p[rest])


def _model(inputs: Moment) -> Floats:
    """Return the last round's probabilities of the texts that it knew, shape (N, K); of the rest nothing."""
    if inputs.pred_probs is None:
        raise ConflictError("no round has been played yet; jurybox round plays one")
    return np.asarray(inputs.pred_probs, dtype=np.float64)


def _labelled_audit(inputs: Moment) -> Ints:
    audit = inputs.evidence.audit
    labelled = audit[inputs.annotations.labelled[audit]]
    if len(labelled) < 2:
        raise ConflictError(
            f"{len(labelled)} texts of the audit sample have labels, expected at least 2: they tell how "
            "often the model is wrong"
        )
    return np.asarray(labelled, dtype=np.int64)


def _unlabelled(inputs: Moment) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    known = np.arange(inputs.annotations.n_texts) < inputs.n_predicted
    return np.asarray(~inputs.annotations.labelled & known & inputs.present)
