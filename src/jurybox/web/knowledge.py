"""What the pages know about texts and people: estimated once for each state, on labelled texts alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from jurybox.agreement import krippendorff_alpha
from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.consensus import Consensus, estimate_consensus
from jurybox.project import Project
from jurybox.web.state import Server

__all__ = ["Knowledge", "Person", "knowledge"]


@dataclass(frozen=True)
class Person:
    """How well somebody does; None where unknown."""

    quality: float | None
    agreement: float | None
    worst_class: str | None
    seconds: float | None


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is believed about labelled texts and those who labelled them.

    Attributes
    ----------
    classes
        The K classes.
    labels : ndarray of int, shape (L,)
        Consensus class of each labelled text.
    quality : ndarray, shape (L,)
        Probability that it is right.
    texts
        Ids of the labelled texts with their positions in `labels` and `quality`.
    people
        By name.
    alpha
        Krippendorff's α; None where it is not defined.
    """

    classes: tuple[str, ...]
    labels: Ints
    quality: Floats
    texts: Mapping[str, int]
    people: Mapping[str, Person]
    alpha: float | None

    def label(self, text_id: str) -> str | None:
        """Return the consensus of a text; None without labels."""
        at = self.texts.get(text_id)
        return None if at is None or self.labels[at] < 0 else self.classes[self.labels[at]]

    def quality_of(self, text_id: str) -> float | None:
        """Return the probability that the consensus of a text is right; None without labels."""
        at = self.texts.get(text_id)
        return None if at is None else _known(self.quality[at])

    def doubtful(self, n: int) -> list[str]:
        """Return the ids of the n labelled texts that are least sure, the least sure first."""
        ids = list(self.texts)
        return [ids[at] for at in np.argsort(self.quality, kind="stable")[:n]]


def knowledge(server: Server) -> Knowledge:
    """Return what is known, estimated anew when there are new annotations or a new round."""
    return server.remembered("knowledge", lambda: _estimate(server.project))


def _estimate(project: Project) -> Knowledge:
    annotations, p = project.annotations(), project.pred_probs()
    labelled = np.flatnonzero(annotations.n_labels)
    annotations = annotations.subset(texts=labelled)
    seconds = project.median_seconds()
    classes = tuple(str(name) for name in annotations.classes)
    if len(labelled) == 0:
        return Knowledge(classes, np.empty(0, dtype=np.int64), np.empty(0), {}, {}, None)
    consensus = estimate_consensus(
        annotations, None if p is None else p[labelled], experts=project.experts(annotations)
    )
    return Knowledge(
        classes=classes,
        labels=consensus.labels,
        quality=consensus.quality,
        texts={str(name): at for at, name in enumerate(annotations.texts)},
        people=_people(annotations, consensus, classes, seconds),
        alpha=_known(krippendorff_alpha(annotations).value),
    )


def _people(
    annotations: Annotations, consensus: Consensus, classes: tuple[str, ...], seconds: Mapping[str, float]
) -> dict[str, Person]:
    stats = consensus.annotators
    return {
        str(name): Person(
            quality=_known(stats.quality[j]),
            agreement=_known(stats.agreement_with_consensus[j]),
            worst_class=classes[stats.worst_class[j]] if stats.worst_class[j] >= 0 else None,
            seconds=seconds.get(str(name)),
        )
        for j, name in enumerate(annotations.annotators)
        if stats.n_annotations[j]
    }


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
