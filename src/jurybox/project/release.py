"""Which labels may stand without a person, and whether a machine may replace one.

Of several questions a label is the answer to all of them: it is wrong where it is at any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jurybox.arrays import Floats, Ints
from jurybox.errors import ConflictError
from jurybox.project.basis import Basis, Moment
from jurybox.trust.release import ReleasePlan, plan_release
from jurybox.trust.replacement import Replacement, alternative_annotator_test
from jurybox.trust.shares import ClassShare, power_tuned_shares
from jurybox.written import all_facets


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
    audit sample gave it; of several questions, where that is so at any.

    Raises
    ------
    ConflictError
        If no round has a model, or no text of the audit sample has a label.
    """
    labels, sure = _model(inputs)
    parts = _parts(inputs)
    audit = _labelled_audit(parts)
    wrong = np.zeros(len(audit), dtype=bool)
    for part, label in zip(parts, labels.T, strict=True):
        counts = part.annotations.counts[audit]
        wrong |= counts[np.arange(len(audit)), label[audit]] / counts.sum(axis=1) <= 0.5
    wanted = _unlabelled(inputs)
    plan = plan_release(sure[audit], wrong, sure, allowed=allowed, wanted=wanted)
    return ReleaseBelief(
        inputs.basis, plan, int((wanted & (sure >= plan.threshold)).sum()), int(wanted.sum())
    )


def releasable(inputs: Moment, plan: ReleasePlan) -> tuple[Ints, Ints, Floats]:
    """Return the texts that a plan releases (n,), their label as code (n, F), and its probability (n,).

    F is 1 where there is one question, and the code the class.
    """
    labels, sure = _model(inputs)
    chosen = np.flatnonzero(_unlabelled(inputs) & (sure >= plan.threshold))
    return chosen, labels[chosen], sure[chosen]


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
    p, audit = _probabilities(inputs), _labelled_audit([inputs])
    counts = inputs.annotations.counts[audit]
    rest = np.setdiff1d(np.flatnonzero(inputs.present), audit)
    return power_tuned_shares(counts / counts.sum(axis=1, keepdims=True), p[audit], p[rest])


def _parts(inputs: Moment) -> list[Moment]:
    """Return what is about each of several questions, or all of it."""
    return [inputs.at(facet) for facet in all_facets(inputs.questions)] or [inputs]


def _model(inputs: Moment) -> tuple[Ints, Floats]:
    """Return what the last round's model says of each part of a text (N, F), and how sure it is of all."""
    labels, sure = [], np.ones(inputs.annotations.n_texts)
    for part in _parts(inputs):
        p = _probabilities(part)
        said = (p / np.array(part.rounds[-1].diagnostics.get("thresholds", 1.0))).argmax(axis=1)
        labels.append(said)
        sure *= p[np.arange(len(p)), said]
    return np.column_stack(labels), sure


def _probabilities(inputs: Moment) -> Floats:
    """Return the last round's probabilities of the texts that it knew, shape (N, K); of the rest nothing."""
    if inputs.pred_probs is None:
        raise ConflictError("no round has been played yet; jurybox round plays one")
    return np.asarray(inputs.pred_probs, dtype=np.float64)


def _labelled_audit(parts: Sequence[Moment]) -> Ints:
    """Return the texts of the audit sample that have a label, of each of several questions."""
    audit = parts[0].evidence.audit
    labelled = audit[np.logical_and.reduce([part.annotations.labelled[audit] for part in parts])]
    if len(labelled) < 2:
        raise ConflictError(
            f"{len(labelled)} texts of the audit sample have labels, expected at least 2: they tell how "
            "often the model is wrong"
        )
    return np.asarray(labelled, dtype=np.int64)


def _unlabelled(inputs: Moment) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    known = np.arange(inputs.annotations.n_texts) < inputs.n_predicted
    return np.asarray(~inputs.annotations.labelled & known & inputs.present)
