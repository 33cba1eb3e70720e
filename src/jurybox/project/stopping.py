"""When to stop a stored project: forecast, stop rules from round to round, what choosing texts has saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jurybox.annotations import Annotations
from jurybox.project.auditing import Accuracy, Auditing
from jurybox.project.rounds import Rounds
from jurybox.store import provenance, services, state
from jurybox.store.evidence import read_evidence
from jurybox.store.records import RoundInfo
from jurybox.store.services import Pulse
from jurybox.trust.estimates import audit_evidence
from jurybox.trust.forecast import Forecast, forecast
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import Savings, estimate_savings
from jurybox.trust.stopping import RoundFacts, Verdict, evaluate_rules, rules_for

__all__ = ["RoundVerdicts", "Stopping"]

MORE = (100, 500, 1_000)


@dataclass(frozen=True)
class RoundVerdicts:
    """What every stop rule said after a round.

    Attributes
    ----------
    round
        Number of the round.
    labels
        Labels that it learnt from.
    verdicts
        One a rule.
    """

    round: int
    labels: int
    verdicts: tuple[Verdict, ...]


class Stopping(Rounds, Auditing):
    """Says what further labels would bring, and whether it is time to stop."""

    _history_last: tuple[Pulse, list[tuple[int, RoundInfo, Accuracy | None]]] | None = None

    def forecast(self, more: Sequence[int] = MORE) -> Forecast | None:
        """Return what more labels will bring; None before a round has been judged by the audit sample.

        Parameters
        ----------
        more
            Numbers of labels from today.
        """
        judged = [(labels, one) for labels, _, one in self._history() if one is not None]
        if not judged:
            return None
        return forecast([labels for labels, _ in judged], [_interval(one) for _, one in judged], more)

    def stop_verdicts(self) -> list[RoundVerdicts]:
        """Return what every stop rule said after each round with a model, by all labels known today."""
        with self.store.read() as connection:
            settings = state.read_state(connection).settings
        rules = rules_for(target_accuracy=settings.target_accuracy, budget=settings.budget)
        history = [
            (
                info.number,
                RoundFacts(labels, None if one is None else _interval(one), _stability(info)),
            )
            for labels, info, one in self._history()
        ]
        facts = [fact for _, fact in history]
        return [
            RoundVerdicts(number, fact.labels, evaluate_rules(facts[: place + 1], rules))
            for place, (number, fact) in enumerate(history)
        ]

    def savings(self) -> Savings | None:
        """Return how many labels random choice would have needed; None before a round has been judged.

        Trains the classifier on the texts that were drawn at random alone, at several sizes, and judges it by
        the same audit sample as the last round.
        """
        history = [(labels, one) for labels, _, one in self._history() if one is not None]
        if not history:
            return None
        labels, last = history[-1]
        sizes, accuracy = self._random_curve()
        rng = np.random.default_rng([self._seed(), labels])
        return estimate_savings(labels, _interval(last), sizes, accuracy, rng=rng)

    def _history(self) -> list[tuple[int, RoundInfo, Accuracy | None]]:
        """Return labels, round and accuracy of the rounds that trained a model, the labels rising."""
        with self.store.read() as connection:
            pulse = services.read_pulse(connection)
        if self._history_last is None or self._history_last[0] != pulse:
            self._history_last = pulse, self._read_history()
        return self._history_last[1]

    def _read_history(self) -> list[tuple[int, RoundInfo, Accuracy | None]]:
        judged = {one.round: one for one in self.accuracy()}
        found: dict[int, tuple[int, RoundInfo, Accuracy | None]] = {}
        for info in self.rounds():
            if info.diagnostics.get("trained_on"):
                labels = _training_labels(info)
                found[labels] = (labels, info, judged.get(info.number))
        return [found[labels] for labels in sorted(found)]

    def _random_curve(self) -> tuple[list[int], list[Interval]]:
        """Return sizes of nested random samples of labels, and the accuracy of what is trained on them."""
        with self.store.read() as connection:
            known = read_evidence(connection)
        points = self.random_arm(self._drawn(known.annotations), known.audit, known.experts)
        if not points:
            return [], []
        p = self._probabilities(known.annotations)
        judged = audit_evidence(known.annotations, known.audit, p, experts=known.experts, rng=self._rng())
        return [labels for labels, _ in points], [
            judged.judge(known.audit, predicted, rng=self._rng()).accuracy for _, predicted in points
        ]

    def _drawn(self, annotations: Annotations) -> Annotations:
        """Return those of the annotations whose texts were drawn by chance."""
        with self.store.read() as connection:
            settings = state.read_state(connection).settings
            rows = provenance.read_independent(connection, first_labels=settings.first_labels)
        by_chance = (rows[:, 3] == 1) & (rows[:, 0] < annotations.n_texts)
        by_chance &= (rows[:, 1] < annotations.n_annotators) & (rows[:, 2] < annotations.n_classes)
        text, annotator, label, _ = rows[by_chance].T
        return Annotations.from_indices(
            text,
            annotator,
            label,
            texts=annotations.texts,
            annotators=annotations.annotators,
            classes=annotations.classes,
        )

    def _seed(self) -> int:
        with self.store.read() as connection:
            return state.read_state(connection).settings.seed


def _training_labels(info: RoundInfo) -> int:
    """Return how many labels a round learnt from; rounds of earlier versions count the audit's, too."""
    noted = info.diagnostics.get("training_labels")
    return noted if isinstance(noted, int) else info.n_annotations


def _stability(info: RoundInfo) -> float | None:
    noted = info.diagnostics.get("stability")
    return float(noted) if isinstance(noted, int | float) else None


def _interval(one: Accuracy) -> Interval:
    return Interval(one.estimate, one.low, one.high)
