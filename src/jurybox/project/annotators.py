"""What is believed of each person of a project, by name, and how far people agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, finite
from jurybox.consensus.estimate import by_experts
from jurybox.numerals import number, share
from jurybox.project.basis import Basis, Moment
from jurybox.store.records import AnnotatorInfo
from jurybox.trust.annotators import AnnotatorAssessment, Drift, Effect, assess_annotators, pairwise_agreement
from jurybox.trust.coefficients import AgreementEstimate, estimate_agreement
from jurybox.trust.intervals import Interval
from jurybox.trust.observed import Observed
from jurybox.trust.suspects import Suspect, find_suspects

_SUSPICIONS = {
    "random": "answers without regard to the text",
    "constant": "nearly always gives the same label",
    "swapped": "exchanges classes",
    "copycat": "gives the labels of {other}",
    "either": "or {other} answers without regard to the text",
}
_EVIDENCE: dict[str, tuple[str, Callable[[float], str]]] = {
    "kappa": ("agreement beyond chance", lambda value: number(value, 2)),
    "commonest": ("share of the commonest label", share),
    "expected": ("share that was expected", share),
    "exchanged": ("classes exchanged", share),
    "shared": ("texts in common", lambda value: number(value, 0)),
    "agreement": ("agreement on them", share),
    "wrong_shared": ("wrong alike", lambda value: number(value, 1)),
    "later": ("labelled after the other", share),
    "seconds": ("seconds a text", lambda value: number(value, 1)),
    "speed": ("times the crowd's", lambda value: number(value, 2)),
}


def evidence_in_words(suspect: Suspect) -> str:
    """Say what speaks against somebody.

    Examples
    --------
    >>> evidence = {"kappa": 0.031, "commonest": 0.91, "expected": 0.55}
    >>> evidence_in_words(Suspect("ana", "constant", 0.8, 11, evidence))
    'agreement beyond chance 0.03, share of the commonest label 91.0 %, share that was expected 55.0 %'
    """
    told = ((*_EVIDENCE[name], value) for name, value in suspect.evidence.items())
    return ", ".join(f"{words} {write(value)}" for words, write, value in told)


@dataclass(frozen=True)
class NamedMixUp:
    """A class that is taken for another, by name, and the share of its texts."""

    right: str
    said: str
    share: Interval


@dataclass(frozen=True)
class AnnotatorBelief:
    """What is believed of one person.

    Attributes
    ----------
    basis
        What it rests on.
    name, role, standing
        Who it is.
    n_annotations, shared
        Annotations that stand, and those of texts that somebody else labelled, too: what a person is judged
        by.
    quality
        Probability of a right label, decisions of a review left out; None without others, and for reviewers:
        what is taken to be right is no estimate.
    agreement_with_consensus
        Share of the labels that equal the consensus of everybody else, on texts that others labelled too;
        None without such a text.
    worst_class
        The class that this person is least likely to get right; None where quality is.
    confusion
        ``confusion[right][said]``, by class name; empty where quality is None, or with more than 12 classes.
    mix_ups, drift, effect
        As in `jurybox.trust.annotators.AnnotatorAssessment`.
    median_seconds, speed
        Median time on task, and how many times the median of the others' medians that is; None where unknown.
    suspect
        Why this person's labels deserve a look; None where they do not.
    suspicion
        The same in words.
    """

    basis: Basis
    name: str
    role: str
    standing: str
    n_annotations: int
    shared: int
    quality: Interval | None
    agreement_with_consensus: Interval | None
    worst_class: str | None
    confusion: Mapping[str, Mapping[str, float]]
    mix_ups: tuple[NamedMixUp, ...]
    drift: Drift | None
    effect: Effect | None
    median_seconds: float | None
    speed: float | None
    suspect: Suspect | None
    suspicion: str


@dataclass(frozen=True)
class PairBelief:
    """How far two people agree.

    Attributes
    ----------
    names
        The two, in the order in which they came.
    shared
        Texts that both labelled; at least one.
    agreement, kappa
        Share of them given the same class, and Cohen's kappa; None where undefined.
    """

    names: tuple[str, str]
    shared: int
    agreement: float | None
    kappa: float | None


def describe_people(inputs: Moment, observed: Observed | None) -> tuple[AnnotatorBelief, ...]:
    """Return what is believed of everyone, in the order in which they came.

    Parameters
    ----------
    inputs
        What it rests on.
    observed
        What those with labels have said, with its draws; None where nothing can be drawn, without labels or
        with a single class.
    """
    if observed is None:
        return tuple(_stranger(inputs.basis, person) for person in inputs.people)
    suspects = {str(one.annotator): one for one in find_suspects(observed, rng=inputs.rng())}
    assessed = {one.annotator: one for one in assess_annotators(observed, rng=inputs.rng())}
    annotations = inputs.annotations
    shared = np.bincount(
        annotations.annotator[annotations.n_labels[annotations.text] > 1], minlength=len(inputs.people)
    )
    found = (
        replace(_belief(inputs, person, assessed[name], suspects.get(person.name)), shared=int(n))
        if name in assessed else _stranger(inputs.basis, person)
        for person, name, n in zip(inputs.people, annotations.annotators, shared, strict=True)
    )  # fmt: skip
    decided = by_experts(annotations, inputs.experts)
    judged = np.bincount(annotations.annotator[~decided], minlength=len(inputs.people)) > 0
    return tuple(
        one if known else replace(one, quality=None, worst_class=None, confusion={}, mix_ups=())
        for one, known in zip(found, judged, strict=True)
    )


def compare_pairs(inputs: Moment) -> tuple[PairBelief, ...]:
    """Return how far every two people agree who have labelled the same texts."""
    pairs = pairwise_agreement(inputs.annotations)
    names = [person.name for person in inputs.people]
    return tuple(
        PairBelief(
            (names[i], names[j]),
            int(pairs.shared[i, j]),
            finite(pairs.agreement[i, j]),
            finite(pairs.kappa[i, j]),
        )
        for i, j in np.argwhere(np.triu(pairs.shared, k=1)).tolist()
    )


def _stranger(basis: Basis, person: AnnotatorInfo) -> AnnotatorBelief:
    return AnnotatorBelief(
        basis=basis,
        name=person.name,
        role=str(person.role),
        standing=str(person.standing),
        n_annotations=person.n_annotations,
        shared=0,
        quality=None,
        agreement_with_consensus=None,
        worst_class=None,
        confusion={},
        mix_ups=(),
        drift=None,
        effect=None,
        median_seconds=None,
        speed=None,
        suspect=None,
        suspicion="",
    )


def _belief(
    inputs: Moment, person: AnnotatorInfo, one: AnnotatorAssessment, suspect: Suspect | None
) -> AnnotatorBelief:
    classes = inputs.classes
    other = "" if suspect is None else str(suspect.other)
    if suspect is not None:
        suspect = replace(
            suspect, annotator=person.name, other=None if suspect.other is None else str(suspect.other)
        )
    return replace(
        _stranger(inputs.basis, person),
        n_annotations=one.n_annotations,
        quality=one.quality,
        agreement_with_consensus=one.agreement_with_consensus,
        worst_class=None if one.confusion is None else classes[int(np.diagonal(one.confusion).argmin())],
        confusion={} if one.confusion is None else _by_name(classes, one.confusion),
        mix_ups=tuple(NamedMixUp(classes[mix.right], classes[mix.said], mix.share) for mix in one.mix_ups),
        drift=one.drift,
        effect=one.effect,
        median_seconds=None if one.seconds is None else one.seconds.median,
        speed=None if one.seconds is None else one.seconds.ratio,
        suspect=suspect,
        suspicion="" if suspect is None else _SUSPICIONS[suspect.kind].format(other=other),
    )


def _by_name(classes: tuple[str, ...], confusion: Floats) -> dict[str, dict[str, float]]:
    return {
        right: dict(zip(classes, row.tolist(), strict=True))
        for right, row in zip(classes, confusion, strict=True)
    }


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


def estimate_agreements(inputs: Moment) -> Agreements:
    """Return coefficients of agreement with 95 % intervals, over all texts and over random ones.

    The same annotations give the same intervals: their seed is the project's.
    """
    rows = inputs.independent
    return Agreements(
        inputs.basis,
        all_texts=_agreement(inputs, rows),
        by_chance=_agreement(inputs, rows[rows[:, 3] == 1]),
    )


@dataclass(frozen=True)
class AgreementPart:
    """Agreement over a part of the labels of `Agreements.all_texts`.

    Attributes
    ----------
    kind
        ``"class"``: whether the label is this class or another one. ``"time"``: the texts whose last label
        came within this time. ``"guidelines"``: the labels given under this version.
    name
        The class, or the number of the time or the version, from 1.
    start, end
        Unix times of the first and last of these labels; None for a class.
    found
        The coefficients.
    """

    kind: str
    name: str
    start: float | None
    end: float | None
    found: AgreementEstimate


def agreement_parts(inputs: Moment, versions: Sequence[float]) -> tuple[AgreementPart, ...]:
    """Return the agreement by class, over time in at most four equal parts, and by version of the guidelines.

    Parameters
    ----------
    versions
        Unix times at which the versions of the guidelines began to hold, ascending.
    """
    rows, times = inputs.independent, _times(inputs)
    _, place, n_labels = np.unique(rows[:, 0], return_inverse=True, return_counts=True)
    shared = n_labels[place] > 1
    rows, times, place = rows[shared], times[shared], place[shared]
    if not len(rows):
        return ()
    by_class = [
        AgreementPart("class", name, None, None, _agreement(inputs, rows, against=k))
        for k, name in enumerate(inputs.classes)
        if len(inputs.classes) > 2 and (rows[:, 2] == k).any()
    ]
    timed = np.isfinite(times)
    rows, times, place = rows[timed], times[timed], place[timed]
    last = np.full(len(n_labels), -np.inf)
    np.maximum.at(last, place, times)
    known = np.sort(last[np.isfinite(last)])
    n = min(_PARTS, len(known) // _LEAST_SHARED)
    firsts = [part[0] for part in np.array_split(known, n)[1:]] if n > 1 else []
    bounds = np.unique([first for first in firsts if first > known[0]])  # what came at one time is one part
    spans = np.searchsorted(bounds, last[place], side="right")
    given = np.searchsorted(versions, times, side="right")
    over_time = [
        _part(inputs, "time", str(s + 1), rows[spans == s], times[spans == s])
        for s in range(len(bounds) + 1)
        if len(bounds)
    ]
    by_version = [
        _part(inputs, "guidelines", str(v), rows[given == v], times[given == v])
        for v in range(len(versions) + 1)
        if len(versions) > 1 and (given == v).any()
    ]
    return (*by_class, *over_time, *by_version)


_PARTS = 4
_LEAST_SHARED = 10
"""Texts with two labels or more in each part of the time."""


def _part(
    inputs: Moment, kind: str, name: str, rows: NDArray[np.int64], times: NDArray[np.float64]
) -> AgreementPart:
    return AgreementPart(kind, name, float(times.min()), float(times.max()), _agreement(inputs, rows))


def _times(inputs: Moment) -> NDArray[np.float64]:
    """Return when each of the independent labels was given, shape (L,)."""
    annotations, rows = inputs.annotations, inputs.independent
    if not len(annotations):
        return np.full(len(rows), -np.inf)
    keys = annotations.text.astype(np.int64) * annotations.n_annotators + annotations.annotator
    order = np.argsort(keys)
    wanted = rows[:, 0] * annotations.n_annotators + rows[:, 1]
    at = order[np.searchsorted(keys, wanted, sorter=order).clip(max=len(keys) - 1)]
    return np.where(keys[at] == wanted, inputs.evidence.times[at], -np.inf)


def _agreement(inputs: Moment, rows: NDArray[np.int64], *, against: int | None = None) -> AgreementEstimate:
    """Return the coefficients over labels as `Moment.independent` has them; of one class against the rest."""
    annotations = inputs.annotations
    text, annotator, label, _ = rows.T
    given = Annotations.from_indices(
        text,
        annotator,
        label if against is None else (label == against).astype(np.int64),
        texts=annotations.n_texts,
        annotators=annotations.n_annotators,
        classes=annotations.classes if against is None else ("another", inputs.classes[against]),
        scale=annotations.scale if against is None else None,
    )
    return estimate_agreement(given, rng=inputs.rng(len(rows)))
