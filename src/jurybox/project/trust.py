"""Trust in a stored project: who is reliable, which labels are wrong, how good it is, when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Floats, Ints
from jurybox.project.results import Results
from jurybox.store.browse import AnnotationFilter, find_annotations
from jurybox.store.evidence import Evidence, read_evidence
from jurybox.store.state import read_state
from jurybox.trust.annotators import (
    AnnotatorAssessment,
    PairwiseAgreement,
    assess_annotators,
    pairwise_agreement,
)
from jurybox.trust.intervals import Interval
from jurybox.trust.labels import contested_texts, guideline_problems, label_errors
from jurybox.trust.observed import Observed
from jurybox.trust.suspects import Suspect, find_suspects

__all__ = ["ContestedText", "DoubtfulAnnotation", "GuidelineNote", "Trust", "Vote"]

_MOST_VOTES = 500


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
        Probability that the consensus is wrong.
    kind
        ``"ambiguous"`` where reliable annotators stay split, else ``"mislabelled"``.
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
    """

    text_id: str
    text: str
    annotator: str
    label: str
    comment: str
    consensus: str
    error: float


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


@dataclass(frozen=True, eq=False)
class Known:
    """What all of this rests on: read once, and drawn from once, for as long as nothing changes.

    Attributes
    ----------
    evidence
        The annotations, when they were given, and by whom.
    pred_probs : ndarray, shape (N, K), optional
        The last round's probabilities.
    seed
        The project's.
    """

    evidence: Evidence
    pred_probs: Floats | None
    seed: int

    def rng(self) -> np.random.Generator:
        """Return a source of chance that is the same each time: the same data give the same figures."""
        return np.random.default_rng([self.seed, self.evidence.annotations.n_annotations])

    @cached_property
    def observed(self) -> Observed:
        """What annotators are judged by, drawn from once."""
        evidence = self.evidence
        observed = Observed(
            evidence.annotations,
            self.pred_probs,
            experts=evidence.experts,
            times=evidence.times,
            seconds=evidence.seconds,
        )
        return replace(observed, draws=observed.drawn(self.rng()))

    def same(self, other: Known) -> bool:
        """Whether another reading found the same."""
        mine, others = self.evidence, other.evidence
        if (self.pred_probs is None) != (other.pred_probs is None):
            return False
        pairs: list[tuple[NDArray[Any], NDArray[Any]]] = [
            (mine.annotations.text, others.annotations.text),
            (mine.annotations.annotator, others.annotations.annotator),
            (mine.annotations.label, others.annotations.label),
            (mine.times, others.times),
            (mine.experts, others.experts),
        ]
        if self.pred_probs is not None and other.pred_probs is not None:
            pairs.append((self.pred_probs, other.pred_probs))
        return mine.annotations.classes == others.annotations.classes and all(
            np.array_equal(one, another) for one, another in pairs
        )


class Trust(Results):
    """Says who is reliable in a project, and which of its labels are wrong."""

    _known_last: Known | None = None

    def assess_annotators(self) -> tuple[AnnotatorAssessment, ...]:
        """Return how good everyone is, with intervals, in the order in which they came."""
        known = self._known()
        return assess_annotators(known.observed, rng=known.rng())

    def pairwise_agreement(self) -> PairwiseAgreement:
        """Return how often each two annotators agree on the texts that both have labelled."""
        return pairwise_agreement(self._known().evidence.annotations)

    def suspects(self) -> tuple[Suspect, ...]:
        """Return who labels at random, always alike, with classes exchanged, or copies; the surest first."""
        known = self._known()
        return find_suspects(known.observed, rng=known.rng())

    def contested(self, limit: int = 50) -> list[ContestedText]:
        """Return the texts whose consensus is most likely wrong, the most likely first."""
        known = self._known()
        annotations, experts = known.evidence.annotations, known.evidence.experts
        found = contested_texts(annotations, known.pred_probs, experts=experts, limit=limit)
        errors = label_errors(annotations, known.pred_probs, experts=experts).annotations
        return [
            ContestedText(
                text_id=str(annotations.texts[one.text]),
                text=self.text(str(annotations.texts[one.text])).text,
                label=str(annotations.classes[one.label]),
                error=one.error,
                kind=one.kind,
                votes=self._votes(known.evidence, one.text, errors),
                model=_by_class(annotations.classes, known.pred_probs, one.text),
            )
            for one in found
        ]

    def doubtful_annotations(self, limit: int = 50) -> list[DoubtfulAnnotation]:
        """Return the single labels that are most likely wrong, the most likely first."""
        known = self._known()
        annotations = known.evidence.annotations
        errors = label_errors(annotations, known.pred_probs, experts=known.evidence.experts)
        worst = np.argsort(-errors.annotations, kind="stable")[:limit]
        texts = [str(annotations.texts[text]) for text in annotations.text[worst]]
        comments = {text_id: self._comments(text_id) for text_id in dict.fromkeys(texts)}
        people = [str(annotations.annotators[j]) for j in annotations.annotator[worst]]
        return [
            DoubtfulAnnotation(
                text_id=text_id,
                text=self.text(text_id).text,
                annotator=person,
                label=str(annotations.classes[annotations.label[row]]),
                comment=comments[text_id].get(person, ""),
                consensus=str(annotations.classes[errors.labels[annotations.text[row]]]),
                error=float(errors.annotations[row]),
            )
            for row, text_id, person in zip(worst, texts, people, strict=True)
        ]

    def guideline_problems(self) -> list[GuidelineNote]:
        """Return the pairs of classes on which good annotators disagree systematically."""
        known = self._known()
        annotations = known.evidence.annotations
        problems = guideline_problems(
            annotations, known.pred_probs, experts=known.evidence.experts, rng=known.rng()
        )
        return [
            GuidelineNote(
                classes=(str(annotations.classes[one.first]), str(annotations.classes[one.second])),
                share=one.share,
                n_texts=one.n_texts,
                annotators=(
                    _names(annotations.annotators, one.leaning[0]),
                    _names(annotations.annotators, one.leaning[1]),
                ),
                examples=_names(annotations.texts, one.examples),
            )
            for one in problems
        ]

    def _known(self) -> Known:
        with self.store.read() as connection:
            evidence = read_evidence(connection)
            seed = read_state(connection).settings.seed
        N, K = evidence.annotations.counts.shape
        p = self.pred_probs()  # of texts that have come since, too
        found = Known(evidence, None if p is None else np.asarray(p[:N, :K], dtype=np.float64), seed)
        if self._known_last is None or not self._known_last.same(found):
            self._known_last = found
        return self._known_last

    def _votes(self, evidence: Evidence, text: int, errors: Floats) -> tuple[Vote, ...]:
        annotations = evidence.annotations
        comments = self._comments(str(annotations.texts[text]))
        first, last = np.searchsorted(annotations.text, [text, text + 1])
        rows = first + np.argsort(-errors[first:last], kind="stable")
        people = [str(annotations.annotators[j]) for j in annotations.annotator[rows]]
        return tuple(
            Vote(
                person,
                str(annotations.classes[annotations.label[row]]),
                comments.get(person, ""),
                float(errors[row]),
            )
            for row, person in zip(rows, people, strict=True)
        )

    def _comments(self, text_id: str) -> Mapping[str, str]:
        with self.store.read() as connection:
            rows = find_annotations(connection, AnnotationFilter(text_id=text_id), limit=_MOST_VOTES).items
        return {row.annotator: row.comment for row in rows}


def _by_class(classes: Sequence[Any], pred_probs: Floats | None, text: int) -> Mapping[str, float] | None:
    if pred_probs is None:
        return None
    return {str(name): float(p) for name, p in zip(classes, pred_probs[text], strict=True)}


def _names(names: Any, positions: Sequence[int] | Ints) -> tuple[str, ...]:
    return tuple(str(names[position]) for position in positions)
