"""What is believed of each text of a project, and which labels of it are probably wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.arrays import Floats, Ints, finite
from jurybox.consensus import Consensus
from jurybox.consensus.opinions import Opinions
from jurybox.consensus.positions import LEVEL
from jurybox.project.basis import Basis, Moment
from jurybox.store.browse import AnnotationFilter, find_annotations
from jurybox.store.overview import read_text
from jurybox.trust.intervals import Interval
from jurybox.trust.labels import Contested, LabelErrors, contested_texts, guideline_problems, label_errors

__all__ = [
    "BINS",
    "Bin",
    "ClassCount",
    "ConsensusBelief",
    "ContestedText",
    "DoubtfulAnnotation",
    "Doubts",
    "GuidelineNote",
    "TextBelief",
    "TextBeliefs",
    "Vote",
    "describe_consensus",
    "find_doubts",
    "note_guidelines",
    "read_contested",
    "read_doubtful",
]

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


@dataclass(frozen=True, eq=False)
class TextBeliefs(Sequence[TextBelief]):
    """What is believed of all texts, in their order; records are made as they are asked for."""

    basis: Basis
    classes: tuple[str, ...]
    consensus: Consensus
    ids: NDArray[Any]
    n_predicted: int
    opinions: Opinions | None

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> TextBelief: ...
    @overload
    def __getitem__(self, place: slice) -> list[TextBelief]: ...
    def __getitem__(self, place: int | slice) -> TextBelief | list[TextBelief]:
        """Return the belief about the text at a place, or at several."""
        if isinstance(place, slice):
            return [self._belief(i) for i in range(*place.indices(len(self)))]
        return self._belief(range(len(self))[place])

    def __iter__(self) -> Iterator[TextBelief]:
        return map(self._belief, range(len(self)))

    def find(self, text_id: str) -> TextBelief | None:
        """Return the belief about a text; None where it came later."""
        place = self._places.get(text_id)
        return None if place is None else self._belief(place)

    @cached_property
    def doubtful(self) -> Ints:
        """Places of the labelled texts, the least sure first."""
        labelled = np.flatnonzero(self.consensus.n_annotations)
        return labelled[np.argsort(self.consensus.quality[labelled], kind="stable")]

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {str(text_id): place for place, text_id in enumerate(self.ids)}

    def _belief(self, i: int) -> TextBelief:
        consensus, label = self.consensus, int(self.consensus.labels[i])
        n = int(consensus.n_annotations[i])
        believed = label >= 0 and (n > 0 or i < self.n_predicted)
        where = consensus.position if believed else None
        return TextBelief(
            basis=self.basis,
            text_id=str(self.ids[i]),
            label=self.classes[label] if believed else None,
            quality=finite(consensus.quality[i]) if believed else None,
            agreement=finite(consensus.agreement[i]),
            n_annotations=n,
            probabilities=tuple(consensus.posterior[i].tolist()) if self.n_predicted else (),
            position=None if where is None else Interval(*where.at(i), LEVEL),
            shares=tuple(self.opinions.shares[i].tolist()) if self.opinions and believed else (),
            share_error=finite(self.opinions.error[i]) if self.opinions and believed else None,
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


@dataclass(frozen=True)
class Vote:
    """One annotation of a contested text.

    Attributes
    ----------
    annotator, label, comment
        Who said what.
    error
        Probability that the label is wrong.
    """

    annotator: str
    label: str
    comment: str
    error: float


@dataclass(frozen=True)
class ContestedText:
    """A text whose consensus may be wrong, with everything that is known about it.

    Attributes
    ----------
    text_id, text
        The text.
    label
        Its consensus.
    error
        Probability that the consensus is wrong, as `jurybox.trust.labels` estimates it: another estimate than
        the quality of the consensus, and better at finding wrong labels.
    kind
        ``"ambiguous"`` where reliable annotators stay split, else ``"mislabelled"``.
    distance
        On a scale, how far off the consensus is expected to be, by which these texts are sorted; else None.
    votes
        Its annotations, the most doubtful first.
    model
        Probability of each class by the last round's classifier; None before the first round.
    """

    text_id: str
    text: str
    label: str
    error: float
    kind: str
    distance: float | None
    votes: tuple[Vote, ...]
    model: Mapping[str, float] | None


@dataclass(frozen=True)
class DoubtfulAnnotation:
    """A single label that may be wrong.

    Attributes
    ----------
    text_id, text, annotator, label, comment
        The annotation.
    consensus
        What the text is believed to be.
    error
        Probability that the label is wrong.
    distance
        On a scale, how far off it is expected to be, by which these labels are sorted; else None.
    """

    text_id: str
    text: str
    annotator: str
    label: str
    comment: str
    consensus: str
    error: float
    distance: float | None


@dataclass(frozen=True)
class GuidelineNote:
    """A pair of classes that good annotators tell apart differently.

    Attributes
    ----------
    classes
        The two.
    share
        Of their texts, the share on which reliable annotators disagree about the two.
    n_texts
        Texts that it rests on.
    annotators
        Who leans to the first class, and who to the second.
    examples
        Ids of texts to decide, and to put into the guidelines.
    """

    classes: tuple[str, str]
    share: Interval
    n_texts: int
    annotators: tuple[tuple[str, ...], tuple[str, ...]]
    examples: tuple[str, ...]


Doubts: TypeAlias = tuple[LabelErrors, tuple[Contested, ...]]
"""How likely every label is wrong, and the labelled texts, the most likely wrong consensus first."""


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


def find_doubts(inputs: Moment) -> Doubts:
    """Judge every label."""
    annotations, p, experts = inputs.annotations, inputs.pred_probs, inputs.experts
    found = contested_texts(annotations, p, experts=experts, limit=annotations.n_texts)
    return label_errors(annotations, p, experts=experts), found


def read_contested(
    connection: Connection, inputs: Moment, doubts: Doubts, limit: int
) -> tuple[ContestedText, ...]:
    """Return the texts whose consensus is most likely wrong, the most likely first, with their words."""
    errors, found = doubts
    names = inputs.annotations.texts
    return tuple(
        ContestedText(
            text_id=str(names[one.text]),
            text=read_text(connection, str(names[one.text])).text,
            label=inputs.classes[one.label],
            error=one.error,
            kind=one.kind,
            distance=None if inputs.annotations.scale is None else one.distance,
            votes=_votes(connection, inputs, one.text, errors.annotations),
            model=_by_class(inputs, one.text),
        )
        for one in found[:limit]
    )


def read_doubtful(
    connection: Connection, inputs: Moment, doubts: Doubts, limit: int
) -> tuple[DoubtfulAnnotation, ...]:
    """Return the single labels that are most likely wrong, the most likely first, with their words."""
    annotations, errors = inputs.annotations, doubts[0]
    worst = np.argsort(-errors.distances, kind="stable")[:limit]
    texts = [str(annotations.texts[text]) for text in annotations.text[worst]]
    comments = {text_id: _comments(connection, text_id) for text_id in dict.fromkeys(texts)}
    people = [str(annotations.annotators[j]) for j in annotations.annotator[worst]]
    return tuple(
        DoubtfulAnnotation(
            text_id=text_id,
            text=read_text(connection, text_id).text,
            annotator=person,
            label=inputs.classes[annotations.label[row]],
            comment=comments[text_id].get(person, ""),
            consensus=inputs.classes[errors.labels[annotations.text[row]]],
            error=float(errors.annotations[row]),
            distance=None if annotations.scale is None else float(errors.distances[row]),
        )
        for row, text_id, person in zip(worst, texts, people, strict=True)
    )


def note_guidelines(inputs: Moment) -> tuple[GuidelineNote, ...]:
    """Return the pairs of classes on which good annotators disagree systematically."""
    annotations, classes = inputs.annotations, inputs.classes
    problems = guideline_problems(annotations, inputs.pred_probs, experts=inputs.experts, rng=inputs.rng())
    return tuple(
        GuidelineNote(
            classes=(classes[one.first], classes[one.second]),
            share=one.share,
            n_texts=one.n_texts,
            annotators=(
                _names(annotations.annotators, one.leaning[0]),
                _names(annotations.annotators, one.leaning[1]),
            ),
            examples=_names(annotations.texts, one.examples),
        )
        for one in problems
    )


def _votes(connection: Connection, inputs: Moment, text: int, errors: Floats) -> tuple[Vote, ...]:
    annotations = inputs.annotations
    comments = _comments(connection, str(annotations.texts[text]))
    first, last = np.searchsorted(annotations.text, [text, text + 1])
    rows = first + np.argsort(-errors[first:last], kind="stable")
    people = [str(annotations.annotators[j]) for j in annotations.annotator[rows]]
    return tuple(
        Vote(person, inputs.classes[annotations.label[row]], comments.get(person, ""), float(errors[row]))
        for row, person in zip(rows, people, strict=True)
    )


def _comments(connection: Connection, text_id: str) -> Mapping[str, str]:
    rows = find_annotations(connection, AnnotationFilter(text_id=text_id), limit=_MOST_VOTES).items
    return {row.annotator: row.comment for row in rows}


def _by_class(inputs: Moment, text: int) -> Mapping[str, float] | None:
    if inputs.pred_probs is None:
        return None
    return dict(zip(inputs.classes, inputs.pred_probs[text].tolist(), strict=True))


def _names(names: Any, positions: Sequence[int] | Ints) -> tuple[str, ...]:
    return tuple(str(names[position]) for position in positions)
