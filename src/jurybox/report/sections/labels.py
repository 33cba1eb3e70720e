"""What the labels came to: shares of the classes, how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from jurybox.report.view import View

if TYPE_CHECKING:
    from jurybox.project import Project

__all__ = ["BINS", "Bin", "ClassCount", "Labels", "describe_labels"]

BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class ClassCount:
    """Labelled texts whose consensus is a class, their share, and the annotations of the class."""

    texts: int
    share: float
    annotations: int


@dataclass(frozen=True)
class Bin:
    """Texts whose consensus is right with a probability from `low` to `high`, and their share."""

    low: float
    high: float
    texts: int
    share: float


@dataclass(frozen=True)
class Labels:
    """The consensus of the labelled texts.

    Attributes
    ----------
    texts
        Labelled texts.
    classes
        By class. The shares are those among labelled texts, which were not all drawn at random.
    quality
        Mean probability that a consensus label is right; None without labels.
    bins
        Texts by that probability.
    unanimous, split
        Texts with several annotations that are all the same, and that are not.
    """

    texts: int
    classes: Mapping[str, ClassCount]
    quality: float | None
    bins: tuple[Bin, ...]
    unanimous: int
    split: int


def describe_labels(project: Project, _view: View) -> Labels:
    """Return what the labels came to."""
    consensus, annotations = project.consensus(), project.annotations()
    labelled = annotations.n_labels > 0
    labels, quality = consensus.labels[labelled], consensus.quality[labelled]
    texts = np.bincount(labels, minlength=annotations.n_classes)
    given = annotations.counts.sum(axis=0)
    several = annotations.n_labels > 1
    unanimous = several & (annotations.counts.max(axis=1, initial=0) == annotations.n_labels)
    n = int(labelled.sum())
    return Labels(
        texts=n,
        classes={
            str(name): ClassCount(int(texts[k]), float(texts[k]) / max(n, 1), int(given[k]))
            for k, name in enumerate(annotations.classes)
        },
        quality=float(quality.mean()) if n else None,
        bins=tuple(
            Bin(low, high, int(count), int(count) / max(n, 1))
            for (low, high), count in zip(pairwise(BINS), np.histogram(quality, bins=BINS)[0], strict=True)
        ),
        unanimous=int(unanimous.sum()),
        split=int(several.sum() - unanimous.sum()),
    )
