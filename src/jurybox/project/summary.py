"""What a research lead must know of a project, as one note that pages read and a learner writes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jurybox.formats.plain import plain
from jurybox.project.auditing import Accuracy
from jurybox.project.profiles import Profiles
from jurybox.project.stopping import Stopping
from jurybox.store import services
from jurybox.store.state import read_state
from jurybox.trust.intervals import Interval

__all__ = ["Summaries", "TrustSummary", "read_summary"]

_NOTE = "trust"


@dataclass(frozen=True)
class TrustSummary:
    """How far the labels can be trusted, as of a moment.

    Attributes
    ----------
    made_at
        Unix time in seconds.
    round
        Number of the round that held.
    annotations
        Annotations that stood.
    seconds
        What it took to find out.
    accuracy
        As `Project.accuracy` returned it.
    people, suspects, guidelines, audit, forecast, rules, savings
        JSON values of `Project.profiles` (colleagues left out), the names of the suspect,
        `guideline_problems`, `audit_estimate`, `forecast`, `stop_verdicts` and `savings`.
    """

    made_at: float
    round: int
    annotations: int
    seconds: float
    people: list[dict[str, Any]]
    suspects: list[str]
    guidelines: list[dict[str, Any]]
    accuracy: tuple[Accuracy, ...]
    audit: Mapping[str, Any]
    forecast: Mapping[str, Any] | None
    rules: list[dict[str, Any]]
    savings: Mapping[str, Any] | None


class Summaries(Profiles, Stopping):
    """Sums up what is known, and remembers it."""

    def summarise_trust(self) -> TrustSummary:
        """Work out everything now; seconds to minutes of work on a large project."""
        start = time.perf_counter()
        with self.store.read() as connection:
            current = read_state(connection).current_round
        profiles = self.profiles()
        expected, saved = self.forecast(), self.savings()
        return TrustSummary(
            made_at=self._clock(),
            round=current,
            annotations=sum(one.n_annotations for one in profiles),
            people=[plain({**one.to_json(), "colleagues": []}) for one in profiles],
            suspects=[one.name for one in profiles if one.suspect is not None],
            guidelines=[plain(one) for one in self.guideline_problems()],
            accuracy=tuple(self.accuracy()),
            audit=plain(self.audit_estimate()),
            forecast=None if expected is None else plain(expected),
            rules=[plain(one) for one in self.stop_verdicts()],
            savings=None if saved is None else plain(saved),
            seconds=time.perf_counter() - start,
        )

    def keep_trust(self) -> TrustSummary:
        """Sum up, and keep it for `trust_summary`."""
        summary = self.summarise_trust()
        with self.store.write() as connection:
            services.write_note(connection, _NOTE, plain(summary), now=self._clock())
        return summary

    def trust_summary(self) -> TrustSummary | None:
        """Return what was kept last; None if nothing was."""
        with self.store.read() as connection:
            note = services.read_note(connection, _NOTE)
        return None if note is None else read_summary(note.value)


def read_summary(value: Mapping[str, Any]) -> TrustSummary:
    """Return the summary that was made plain."""
    accuracy = (Accuracy(**{**one, "macro_f1": Interval(**one["macro_f1"])}) for one in value["accuracy"])
    return TrustSummary(**{**value, "accuracy": tuple(accuracy)})
