"""What the overview shows: figures of the whole project, estimated once for each of its states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from jurybox.project import Project
from jurybox.project.auditing import Accuracy
from jurybox.store.records import RoundInfo
from jurybox.web.knowledge import Knowledge, knowledge
from jurybox.web.state import Server

__all__ = ["BINS", "Figures", "figures"]

BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Edges of the bins that qualities are counted in."""


@dataclass(frozen=True)
class Figures:
    """What is known about a project as a whole.

    Attributes
    ----------
    accuracy
        Of each round that has labelled audit texts, as far as the learner has judged them.
    alpha
        Krippendorff's α; None where it is not defined.
    quality
        Mean quality of the consensus over the labelled texts; None without any.
    qualities
        Number of labelled texts in each bin of `BINS`.
    seconds
        Median over the annotators of their median time on task; None where unknown.
    rounds
        All rounds that were published.
    labellers
        How many people have labelled something.
    """

    accuracy: tuple[Accuracy, ...]
    alpha: float | None
    quality: float | None
    qualities: tuple[int, ...]
    seconds: float | None
    rounds: tuple[RoundInfo, ...]
    labellers: int


def figures(server: Server) -> Figures:
    """Return the figures, estimated anew when there are new annotations or a new round."""
    known = knowledge(server)
    estimated = server.remembered("figures", lambda: _estimate(server.project, known))
    summary = server.project.trust_summary()  # the learner's, which comes some time after what it judges
    return replace(estimated, accuracy=() if summary is None else summary.accuracy)


def _estimate(project: Project, known: Knowledge) -> Figures:
    qualities = known.quality[np.isfinite(known.quality)]
    times = [person.seconds for person in known.people.values() if person.seconds is not None]
    return Figures(
        accuracy=(),
        alpha=known.alpha,
        quality=float(qualities.mean()) if len(qualities) else None,
        qualities=tuple(np.histogram(qualities, bins=BINS)[0].tolist()),
        seconds=median(times) if times else None,
        rounds=tuple(project.rounds()),
        labellers=len(known.people),
    )
