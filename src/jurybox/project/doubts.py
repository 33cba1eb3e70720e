"""Which labels of a project are probably wrong, with all votes, and classes that guidelines confuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy.engine import Connection

from jurybox.arrays import Floats, Ints
from jurybox.project.basis import Moment
from jurybox.store.overview import read_texts
from jurybox.store.remarks import read_comments, read_decided
from jurybox.trust.intervals import Interval
from jurybox.trust.labels import Contested, LabelErrors, contested_texts, guideline_problems, label_errors


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


def find_doubts(inputs: Moment) -> Doubts:
    """Judge every label."""
    annotations, p, experts = inputs.annotations, inputs.pred_probs, inputs.experts
    found = contested_texts(annotations, p, experts=experts, limit=annotations.n_texts)
    return label_errors(annotations, p, experts=experts), found


def read_contested(
    connection: Connection, inputs: Moment, doubts: Doubts, limit: int
) -> tuple[ContestedText, ...]:
    """Return the texts whose consensus is most likely wrong, the most likely first, with their words.

    What a reviewer has decided by now is left out, though the figures may be older than the decision.
    """
    errors, found = doubts
    names, decided = inputs.annotations.texts, read_decided(connection)
    waiting = (one for one in found if str(names[one.text]) not in decided)
    shown = [*islice(waiting, limit)]
    texts = read_texts(connection, (str(names[one.text]) for one in shown))
    comments = read_comments(connection, texts)
    return tuple(
        ContestedText(
            text_id=text.id,
            text=text.text,
            label=inputs.classes[one.label],
            error=one.error,
            kind=one.kind,
            distance=None if inputs.annotations.scale is None else one.distance,
            votes=_votes(inputs, one.text, errors.annotations, comments),
            model=_by_class(inputs, one.text),
        )
        for one, text in zip(shown, texts.values(), strict=True)
    )


def read_doubtful(
    connection: Connection, inputs: Moment, doubts: Doubts, limit: int
) -> tuple[DoubtfulAnnotation, ...]:
    """Return the single labels that are most likely wrong, the most likely first, with their words."""
    annotations, errors = inputs.annotations, doubts[0]
    worst = np.argsort(-errors.distances, kind="stable")[:limit]
    ids = [str(annotations.texts[text]) for text in annotations.text[worst]]
    texts, comments = read_texts(connection, ids), read_comments(connection, ids)
    people = [str(annotations.annotators[j]) for j in annotations.annotator[worst]]
    return tuple(
        DoubtfulAnnotation(
            text_id=text_id,
            text=texts[text_id].text,
            annotator=person,
            label=inputs.classes[annotations.label[row]],
            comment=comments.get((text_id, person), ""),
            consensus=inputs.classes[errors.labels[annotations.text[row]]],
            error=float(errors.annotations[row]),
            distance=None if annotations.scale is None else float(errors.distances[row]),
        )
        for row, text_id, person in zip(worst, ids, people, strict=True)
    )


def note_guidelines(inputs: Moment) -> tuple[GuidelineNote, ...]:
    """Return the pairs of classes on which good annotators disagree systematically."""
    heard, classes = inputs.heard, inputs.classes
    annotations, p = heard.annotations, heard.pred_probs
    problems = guideline_problems(annotations, p, experts=heard.experts, rng=inputs.rng())
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


def _votes(
    inputs: Moment, text: int, errors: Floats, comments: Mapping[tuple[str, str], str]
) -> tuple[Vote, ...]:
    annotations = inputs.annotations
    text_id = str(annotations.texts[text])
    first, last = np.searchsorted(annotations.text, [text, text + 1])
    rows = first + np.argsort(-errors[first:last], kind="stable")
    people = [str(annotations.annotators[j]) for j in annotations.annotator[rows]]
    return tuple(
        Vote(
            person,
            inputs.classes[annotations.label[row]],
            comments.get((text_id, person), ""),
            float(errors[row]),
        )
        for row, person in zip(rows, people, strict=True)
    )


def _by_class(inputs: Moment, text: int) -> Mapping[str, float] | None:
    if inputs.pred_probs is None:
        return None
    return dict(zip(inputs.classes, inputs.pred_probs[text].tolist(), strict=True))


def _names(names: Any, positions: Sequence[int] | Ints) -> tuple[str, ...]:
    return tuple(str(names[position]) for position in positions)
