"""How the labels of a project came about, and how far those who gave them agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.project.basis import Basis, Inputs
from jurybox.project.handle import Handle
from jurybox.store import snapshots
from jurybox.store.snapshots import Provenance
from jurybox.trust.agreement import AgreementEstimate, estimate_agreement

__all__ = ["Agreements", "Origins", "Times", "estimate_agreements"]


@dataclass(frozen=True)
class Agreements:
    """Agreement among annotators who did not see each other's labels; reviewers' decisions are left out.

    Attributes
    ----------
    basis
        What it rests on.
    all_texts
        Over all texts. Those that the selection asked for a second look are harder than others, so this
        understates how far annotators agree on the texts at large.
    by_chance
        Over labels that were drawn by chance alone: the audit sample, and the first labels of texts that came
        in random order. This estimates agreement on the texts at large.
    """

    basis: Basis
    all_texts: AgreementEstimate
    by_chance: AgreementEstimate


@dataclass(frozen=True)
class Times:
    """When the project was made, and its first and last annotation given; Unix times, None without any."""

    made: float
    first: float | None
    last: float | None


def estimate_agreements(inputs: Inputs) -> Agreements:
    """Return coefficients of agreement with 95 % intervals, over all texts and over random ones.

    The same annotations give the same intervals: their seed is the project's.
    """
    annotations, rows = inputs.annotations, inputs.independent

    def estimate(chosen: NDArray[np.int64]) -> AgreementEstimate:
        text, annotator, label, _ = chosen.T
        given = Annotations.from_indices(
            text,
            annotator,
            label,
            texts=annotations.n_texts,
            annotators=annotations.n_annotators,
            classes=annotations.classes,
        )
        return estimate_agreement(given, rng=inputs.rng(len(chosen)))

    return Agreements(inputs.basis, all_texts=estimate(rows), by_chance=estimate(rows[rows[:, 3] == 1]))


class Origins(Handle):
    """Says where the annotations come from."""

    def provenance(self) -> list[Provenance]:
        """Count the annotations that stand by origin, reason, round and annotator."""
        with self.store.read() as connection:
            return snapshots.count_provenance(connection)

    def times(self) -> Times:
        """Return when the project was made and labelled."""
        with self.store.read() as connection:
            return Times(*snapshots.project_times(connection))

    def guideline_versions(self) -> int:
        """Return how often the guidelines were written."""
        with self.store.read() as connection:
            return snapshots.guideline_versions(connection)
