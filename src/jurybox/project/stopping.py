"""When to stop a stored project: forecast, stop rules from round to round, what choosing texts has saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Ints
from jurybox.errors import FitError
from jurybox.project.auditing import Accuracy, Auditing
from jurybox.project.rounds import Rounds
from jurybox.store import provenance, rounds, services, state
from jurybox.store.records import RoundInfo
from jurybox.store.services import Pulse
from jurybox.trust.estimates import audit_evidence
from jurybox.trust.forecast import Forecast, forecast
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import Savings, estimate_savings
from jurybox.trust.stopping import RoundFacts, Verdict, evaluate_rules, rules_for

__all__ = ["RoundVerdicts", "Stopping"]

MORE = (100, 500, 1_000)
_SIZES = 5  # of random choice's curve
_FEWEST = 20


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
                RoundFacts(
                    labels, None if one is None else _interval(one), info.diagnostics.get("stability")
                ),
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
                labels = int(info.diagnostics.get("training_labels", info.n_annotations))
                found[labels] = (labels, info, judged.get(info.number))
        return [found[labels] for labels in sorted(found)]

    def _random_curve(self) -> tuple[list[int], list[Interval]]:
        """Return sizes of nested random samples of labels, and the accuracy of what is trained on them."""
        snapshot = rounds.read_snapshot(self.store)
        sizes, accuracy = [], []
        evidence = None
        for sample in self._random_samples(snapshot.annotations, snapshot.audit):
            predicted = self._predictions(sample, snapshot.audit)
            if predicted is None:
                continue
            if evidence is None:
                experts = self.experts(snapshot.annotations)
                evidence = audit_evidence(
                    snapshot.annotations, snapshot.audit, experts=experts, rng=self._rng()
                )
            sizes.append(sample.n_annotations)
            accuracy.append(evidence.judge(snapshot.audit, predicted, rng=self._rng()).accuracy)
        return sizes, accuracy

    def _random_samples(self, annotations: Annotations, audit: Ints) -> Iterator[Annotations]:
        """Yield the labels of nested samples of the texts that chance has drawn, the audit's left out."""
        with self.store.read() as connection:
            settings = state.read_state(connection).settings
            rows = provenance.read_independent(connection, first_labels=settings.first_labels)
        rows = rows[(rows[:, 3] == 1) & ~np.isin(rows[:, 0], audit)]
        texts = np.random.default_rng(settings.seed).permutation(np.unique(rows[:, 0]))
        if len(texts) < _FEWEST:
            return
        for n in np.unique(np.geomspace(_FEWEST, len(texts), _SIZES).astype(int)):
            chosen = rows[np.isin(rows[:, 0], texts[:n])]
            yield Annotations.from_indices(
                chosen[:, 0],
                chosen[:, 1],
                chosen[:, 2],
                texts=annotations.texts,
                annotators=annotations.annotators,
                classes=annotations.classes,
            )

    def _predictions(self, annotations: Annotations, audit: Ints) -> Ints | None:
        """Return the class of each audit text (A,) by a model of these labels; None if none can be made."""
        try:
            played = self.try_round(annotations)
        except FitError:
            return None
        if played.classifier is None:
            return None
        predicted: Ints = played.pred_probs[audit].argmax(axis=1)
        return predicted

    def _seed(self) -> int:
        with self.store.read() as connection:
            return state.read_state(connection).settings.seed


def _interval(one: Accuracy) -> Interval:
    return Interval(one.estimate, one.low, one.high)
