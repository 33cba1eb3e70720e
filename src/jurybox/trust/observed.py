"""What is known of annotators at work: their labels, who they are, when they answered and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Rng, generator
from jurybox.consensus.estimate import check_experts
from jurybox.consensus.evidence import FEW_CLASSES
from jurybox.consensus.text_types import TextTypes
from jurybox.errors import InputError
from jurybox.labelled import probabilities
from jurybox.trust.copying import Copycats
from jurybox.trust.posterior import Draws, draw_posterior

__all__ = ["Observed"]


@dataclass(frozen=True, eq=False)
class Observed:
    """Annotations and what is known beside them; what is unknown may be left out.

    Attributes
    ----------
    annotations
        Annotations of N texts by M annotators in K >= 2 classes.
    pred_probs : table or array, shape (N, K), optional
        A classifier's out-of-sample probabilities.
    experts : ndarray of bool, shape (M,), optional
        Annotators, such as reviewers, who are taken to be right nearly always.
    times, seconds : ndarray, shape (L,), optional
        When each annotation was given, and how long it took; NaN where unknown.
    draws
        What `draw_posterior` gave for the same, where it is at hand.
    copycats
        Who copies whom, where other answers of theirs have told.
    crowds
        What `jurybox.consensus.draw_consensus` gave for the same, where it is at hand.
    """

    annotations: Annotations
    pred_probs: Any = None
    experts: Bools | None = None
    times: Floats | None = None
    seconds: Floats | None = None
    draws: Draws | None = None
    copycats: Copycats | None = None
    crowds: Sequence[TextTypes] | None = None

    def drawn(self, rng: Rng) -> Draws:
        """Return the draws, made now where they are not at hand; of few classes, see `in_few_classes`."""
        rng = generator(rng)
        if self.draws is not None:
            return self.draws
        few = self.in_few_classes()
        annotations, experts = _apart(few.annotations, self.experts)
        M, known = annotations.n_annotators, slice(few.annotations.n_annotators)
        copycats = None if self.copycats is None else self.copycats.among(M)
        draws = draw_posterior(annotations, few.pred_probs, experts=experts, copycats=copycats, rng=rng)
        return replace(draws, confusion=draws.confusion[:, known], kinds=draws.kinds[:, known])

    def in_few_classes(self) -> Observed:
        """Return the same with classes taken together, about as many labels in each of 12 groups.

        Whether somebody looks at the texts shows in which group they choose as well as in which class: two
        who choose at random meet in one group of 12 once in 12 times. With up to 12 classes nothing changes.
        """
        a = self.annotations
        if a.n_classes <= FEW_CLASSES:
            return self
        often = np.bincount(a.label, minlength=a.n_classes)
        group = np.empty(a.n_classes, dtype=np.int64)
        load = np.zeros(FEW_CLASSES)
        for k in np.argsort(-often, kind="stable"):
            group[k] = load.argmin()
            load[group[k]] += often[k] + 1
        together = Annotations.from_indices(
            a.text, a.annotator, group[a.label], texts=a.texts, annotators=a.annotators, classes=FEW_CLASSES
        )
        together = replace(together, decided=a.decided)
        p = None
        if self.pred_probs is not None:
            p = probabilities(self.pred_probs, a.texts, a.classes) @ np.eye(FEW_CLASSES)[group]
        return replace(self, annotations=together, pred_probs=p)

    def measured(self) -> tuple[Floats | None, Floats | None]:
        """Return times and seconds as floats (L,), or None where nothing was measured.

        Raises
        ------
        InputError
            If either is not of shape (L,).
        """
        return self._checked(self.times, "times"), self._checked(self.seconds, "seconds")

    def _checked(self, values: Floats | None, name: str) -> Floats | None:
        if values is None:
            return None
        measured = np.asarray(values, dtype=np.float64)
        expected = len(self.annotations)
        if measured.shape != (expected,):
            raise InputError(f"{name} has shape {measured.shape}, expected ({expected},), one per annotation")
        return measured if np.isfinite(measured).any() else None


def _apart(annotations: Annotations, experts: Bools | None) -> tuple[Annotations, Bools]:
    """Let whoever decided and is no expert do so as an annotator of their own, who is one; with all experts.

    Examples
    --------
    >>> both = Annotations.from_wide([[0, 1], [1, 1]])
    >>> apart, experts = _apart(replace(both, decided=np.array([False, True, False, False])), None)
    >>> apart.annotator.tolist(), experts.tolist()
    ([0, 2, 0, 1], [False, False, True])
    """
    M = annotations.n_annotators
    mask = check_experts(experts, M)
    if annotations.decided is None:
        return annotations, mask
    decided = annotations.decided & ~mask[annotations.annotator]
    who, place = np.unique(annotations.annotator[decided], return_inverse=True)
    annotator = np.array(annotations.annotator)
    annotator[decided] = M + place
    apart = Annotations.from_indices(
        annotations.text,
        annotator,
        annotations.label,
        texts=annotations.texts,
        annotators=M + len(who),
        classes=annotations.classes,
        scale=annotations.scale,
    )
    return apart, np.append(mask, np.ones(len(who), dtype=bool))
