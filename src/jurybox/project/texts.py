"""What is believed of each text of a project, and of all its labels together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Bools, Ints, finite
from jurybox.consensus import Consensus
from jurybox.consensus.opinions import Opinions
from jurybox.consensus.result import LEVEL
from jurybox.project.basis import Basis, Moment
from jurybox.trust.intervals import Interval

BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Edges of the bins that qualities are counted in."""

_MOST_VOTES = 500


@dataclass(frozen=True)
class TextBelief:
    """What is believed of one text.

    Attributes
    ----------
    basis
        What it rests on.
    text_id
        The text.
    label
        Its consensus class; None where nothing is known yet.
    quality
        Probability that the majority of a large crowd would give the label.
    agreement
        Share of its annotations that agree with the label; None without annotations.
    n_annotations
        How many annotations it has.
    probabilities
        One a class, in the order of the classes; empty before the first round.
    position
        On a scale, what a large crowd would answer on average, in the classes' numbers; else None.
    shares, share_error
        As of `jurybox.consensus.Opinions`; empty and None where classes are wanted.
    copy_of
        The text that it is a copy of, of which all else is said; None where it is none.
    """

    basis: Basis
    text_id: str
    label: str | None
    quality: float | None
    agreement: float | None
    n_annotations: int
    probabilities: tuple[float, ...]
    position: Interval | None = None
    shares: tuple[float, ...] = ()
    share_error: float | None = None
    copy_of: str | None = None


@dataclass(frozen=True, eq=False)
class TextBeliefs(Sequence[TextBelief]):
    """What is believed of all texts, in their order; records are made as they are asked for.

    Deleted texts are none of them, though they have positions in the consensus.
    """

    basis: Basis
    classes: tuple[str, ...]
    consensus: Consensus
    ids: NDArray[Any]
    n_predicted: int
    opinions: Opinions | None
    present: Bools
    copy_of: Ints

    def __len__(self) -> int:
        return len(self._shown)

    @overload
    def __getitem__(self, place: int) -> TextBelief: ...
    @overload
    def __getitem__(self, place: slice) -> list[TextBelief]: ...
    def __getitem__(self, place: int | slice) -> TextBelief | list[TextBelief]:
        """Return the belief about the text at a place, or at several."""
        if isinstance(place, slice):
            return [self._belief(int(i)) for i in self._shown[place]]
        return self._belief(int(self._shown[place]))

    def __iter__(self) -> Iterator[TextBelief]:
        return (self._belief(int(i)) for i in self._shown)

    def find(self, text_id: str) -> TextBelief | None:
        """Return the belief about a text; None where it came later."""
        place = self._places.get(text_id)
        return None if place is None else self._belief(place)

    @cached_property
    def doubtful(self) -> Ints:
        """Places of the labelled texts in this sequence, the least sure first."""
        labelled = np.flatnonzero(self.consensus.n_annotations[self._shown])
        return labelled[np.argsort(self.consensus.quality[self._shown[labelled]], kind="stable")]

    @cached_property
    def _shown(self) -> Ints:
        """Positions of the texts that are not deleted."""
        return np.flatnonzero(self.present)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {str(self.ids[place]): int(place) for place in self._shown}

    def _belief(self, i: int) -> TextBelief:
        text, i = i, int(self.copy_of[i])
        consensus, label = self.consensus, int(self.consensus.labels[i])
        n = int(consensus.n_annotations[i])
        believed = label >= 0 and (n > 0 or i < self.n_predicted)
        where = consensus.position if believed else None
        return TextBelief(
            basis=self.basis,
            text_id=str(self.ids[text]),
            label=self.classes[label] if believed else None,
            quality=finite(consensus.quality[i]) if believed else None,
            agreement=finite(consensus.agreement[i]),
            n_annotations=n,
            probabilities=tuple(consensus.posterior[i].tolist()) if self.n_predicted else (),
            position=None if where is None else Interval(*where.at(i), LEVEL),
            shares=tuple(self.opinions.shares[i].tolist()) if self.opinions and believed else (),
            share_error=finite(self.opinions.error[i]) if self.opinions and believed else None,
            copy_of=None if i == text else str(self.ids[i]),
        )


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
class ConsensusBelief:
    """The consensus of the labelled texts.

    Attributes
    ----------
    basis
        What it rests on; `basis.texts` are the labelled texts.
    classes
        By class. The shares are those among labelled texts, which were not all drawn at random.
    quality
        Mean probability that a consensus label is right; None without labels.
    bins
        Texts by that probability.
    unanimous, split
        Texts with several annotations that are all the same, and that are not.
    """

    basis: Basis
    classes: Mapping[str, ClassCount]
    quality: float | None
    bins: tuple[Bin, ...]
    unanimous: int
    split: int


def describe_consensus(inputs: Moment, consensus: Consensus) -> ConsensusBelief:
    """Return what the labels came to."""
    annotations = inputs.annotations
    labelled = annotations.n_labels > 0
    labels, quality = consensus.labels[labelled], consensus.quality[labelled]
    texts = np.bincount(labels, minlength=annotations.n_classes)
    given = annotations.counts.sum(axis=0)
    several = annotations.n_labels > 1
    unanimous = several & (annotations.counts.max(axis=1, initial=0) == annotations.n_labels)
    n = inputs.basis.texts
    return ConsensusBelief(
        basis=inputs.basis,
        classes={
            name: ClassCount(int(texts[k]), float(texts[k]) / max(n, 1), int(given[k]))
            for k, name in enumerate(inputs.classes)
        },
        quality=float(quality.mean()) if n else None,
        bins=tuple(
            Bin(low, high, int(count), int(count) / max(n, 1))
            for (low, high), count in zip(pairwise(BINS), np.histogram(quality, bins=BINS)[0], strict=True)
        ),
        unanimous=int(unanimous.sum()),
        split=int(several.sum() - unanimous.sum()),
    )
