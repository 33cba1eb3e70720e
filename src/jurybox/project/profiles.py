"""Everything that is known about each person of a stored project, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np

from jurybox.project.trust import Trust
from jurybox.store import people
from jurybox.store.records import AnnotatorInfo
from jurybox.trust.annotators import AnnotatorAssessment, Drift, Effect, PairwiseAgreement, Speed
from jurybox.trust.intervals import Interval
from jurybox.trust.suspects import Suspect

__all__ = ["Colleague", "NamedMixUp", "Profile", "Profiles"]

_SUSPICIONS = {
    "random": "answers without regard to the text",
    "constant": "nearly always gives the same label",
    "swapped": "exchanges classes",
    "copycat": "gives the labels of {other}",
}


@dataclass(frozen=True)
class NamedMixUp:
    """A class that is taken for another, by name, and the share of its texts."""

    right: str
    said: str
    share: Interval


@dataclass(frozen=True)
class Colleague:
    """How far two people agree on the texts that both labelled; None where undefined."""

    name: str
    shared: int
    agreement: float | None
    kappa: float | None


@dataclass(frozen=True)
class Profile:
    """One person.

    Attributes
    ----------
    name, role, standing
        Who it is.
    n_annotations
        Annotations that stand.
    quality
        Probability of a right label; None without annotations.
    confusion
        ``confusion[right][said]``, by class name; empty without annotations.
    agreement_with_consensus, mix_ups, drift, effect, seconds
        As in `jurybox.trust.annotators.AnnotatorAssessment`.
    suspect
        Why this person's labels deserve a look; None where they do not.
    suspicion
        The same in words.
    colleagues
        Agreement with everyone else.
    """

    name: str
    role: str
    standing: str
    n_annotations: int
    quality: Interval | None
    confusion: Mapping[str, Mapping[str, float]]
    agreement_with_consensus: Interval | None
    mix_ups: tuple[NamedMixUp, ...]
    drift: Drift | None
    effect: Effect | None
    seconds: Speed | None
    suspect: Suspect | None
    suspicion: str
    colleagues: tuple[Colleague, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the profile as plain values; what is no finite number is None."""
        suspect = None
        if self.suspect is not None:
            suspect = {
                **asdict(self.suspect),
                "annotator": self.name,
                "evidence": dict(self.suspect.evidence),
            }
        own = asdict(self) | {"suspect": suspect}
        own["quality"] = None if self.quality is None else self.quality.estimate
        own["quality_interval"] = None if self.quality is None else asdict(self.quality)
        agreement = self.agreement_with_consensus
        own["agreement_with_consensus"] = None if agreement is None else agreement.estimate
        own["agreement_interval"] = None if agreement is None else asdict(agreement)
        own["median_seconds"] = None if self.seconds is None else self.seconds.median
        own["worst_class"] = self._worst_class()
        return own

    def _worst_class(self) -> str | None:
        """Return the class that this person is least likely to get right."""
        if not self.confusion:
            return None
        return min(self.confusion, key=lambda name: self.confusion[name][name])


class Profiles(Trust):
    """Describes the people of a project."""

    def profiles(self) -> list[Profile]:
        """Return everything that is known about everyone, in the order in which they came."""
        with self.store.read() as connection:
            everyone = people.read_annotators(connection)
        names = [str(name) for name in self._known().evidence.annotations.annotators]
        classes = [str(name) for name in self._known().evidence.annotations.classes]
        suspects = {str(one.annotator): one for one in self.suspects()}
        pairs = self.pairwise_agreement()
        return [
            _profile(person, one, classes, suspects.get(person.name), _colleagues(names, pairs, j))
            for j, (person, one) in enumerate(zip(everyone, self.assess_annotators(), strict=False))
        ]


def _profile(
    person: AnnotatorInfo,
    one: AnnotatorAssessment,
    classes: list[str],
    suspect: Suspect | None,
    colleagues: tuple[Colleague, ...],
) -> Profile:
    known = one.n_annotations > 0
    return Profile(
        name=person.name,
        role=str(person.role),
        standing=str(person.standing),
        n_annotations=one.n_annotations,
        quality=one.quality if known else None,
        confusion=_by_name(classes, one.confusion) if known else {},
        agreement_with_consensus=one.agreement_with_consensus,
        mix_ups=tuple(NamedMixUp(classes[mix.right], classes[mix.said], mix.share) for mix in one.mix_ups),
        drift=one.drift,
        effect=one.effect if known else None,
        seconds=one.seconds,
        suspect=suspect,
        suspicion="" if suspect is None else _SUSPICIONS[suspect.kind].format(other=suspect.other),
        colleagues=colleagues,
    )


def _by_name(classes: list[str], confusion: np.ndarray[Any, Any]) -> dict[str, dict[str, float]]:
    return {
        right: dict(zip(classes, row.tolist(), strict=True))
        for right, row in zip(classes, confusion, strict=True)
    }


def _colleagues(names: list[str], pairs: PairwiseAgreement, j: int) -> tuple[Colleague, ...]:
    return tuple(
        Colleague(
            names[other],
            int(pairs.shared[j, other]),
            _known(pairs.agreement[j, other]),
            _known(pairs.kappa[j, other]),
        )
        for other in np.flatnonzero(pairs.shared[j])
        if other != j
    )


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
