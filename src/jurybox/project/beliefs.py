"""What a project believes: every figure computed once for each state of the project, for whoever asks.

Command line, REST interface, pages, report, export and client read the records of this module and compute
nothing themselves. What is slow, the learner computes and keeps in the project, so that pages need not wait;
its record says what it rests on.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from sqlalchemy.engine import Connection

from jurybox import __version__
from jurybox.consensus import EstimatedConsensus
from jurybox.consensus.opinions import Opinions
from jurybox.formats.plain import plain, read_plain
from jurybox.project.advice import Advice, advise
from jurybox.project.annotators import (
    Agreements,
    AnnotatorBelief,
    PairBelief,
    compare_pairs,
    describe_people,
    estimate_agreements,
)
from jurybox.project.audit import AuditPlan, plan_audit
from jurybox.project.auditing import (
    Accuracy,
    AuditReport,
    JudgedRound,
    accuracy_by_round,
    judge_rounds,
    report_audit,
    weigh_audit,
)
from jurybox.project.basis import Basis, Moment, estimate_texts, observe, read_version
from jurybox.project.doubts import (
    ContestedText,
    DoubtfulAnnotation,
    Doubts,
    GuidelineNote,
    find_doubts,
    note_guidelines,
    read_contested,
    read_doubtful,
)
from jurybox.project.opinions import SharesBelief, describe_shares, read_opinions
from jurybox.project.panel import PanelBelief, judge_machines
from jurybox.project.stopping import (
    AccuracyForecast,
    Effort,
    RandomArm,
    RoundVerdicts,
    forecast_accuracy,
    judge_rules,
    judge_savings,
    measure_effort,
    steps_ahead,
)
from jurybox.project.texts import ConsensusBelief, TextBeliefs, describe_consensus
from jurybox.store import services
from jurybox.store.engine import Store
from jurybox.trust.estimates import AuditEvidence
from jurybox.trust.savings import Savings

Value = TypeVar("Value")

_LONG, _REST = 1.0, 10.0
"""What took more seconds than this to compute may rest for so many times that long."""


@dataclass(frozen=True)
class ProjectBelief:
    """All figures of a project, as of one moment.

    Attributes
    ----------
    basis
        What all of them rest on.
    made_at, seconds
        When they were computed, Unix time, and how long that took.
    consensus, agreement, effort
        What the labels came to, how far annotators agree, what the labels took.
    shares
        How well the shares of people who would say each class are known; None where classes are wanted.
    accuracy
        How good each round's model is by the audit sample.
    audit
        How good the last one is, and the consensus.
    audit_plan
        What the audit sample tells, and what a larger one would.
    forecast, savings
        What more labels will bring, and what choosing texts has saved; None before a round was audited.
    verdicts
        What the stop rules said after each round.
    annotators
        Everyone, in the order in which they came.
    guidelines
        Pairs of classes that good annotators tell apart differently.
    machines
        What people's labels say of language models and rules.
    """

    basis: Basis
    made_at: float
    seconds: float
    consensus: ConsensusBelief
    shares: SharesBelief | None
    agreement: Agreements
    effort: Effort
    accuracy: tuple[Accuracy, ...]
    audit: AuditReport
    audit_plan: AuditPlan
    forecast: AccuracyForecast | None
    verdicts: tuple[RoundVerdicts, ...]
    savings: Savings | None
    annotators: tuple[AnnotatorBelief, ...]
    guidelines: tuple[GuidelineNote, ...]
    machines: PanelBelief


class _Once(Generic[Value]):
    """A property that is computed when somebody first asks for it.

    Whoever asks meanwhile waits, and nobody who asks for another one. What one property needs of another is
    never circular, so that whoever computes one and waits for another is not waited for.
    """

    def __init__(self, compute: Callable[[Beliefs], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, beliefs: Beliefs, _owner: type | None = None) -> Value:
        return beliefs.once(self._name, lambda: self._compute(beliefs))


class Beliefs:
    """What is believed of a project at one moment: each figure is computed once, when it is first asked for.

    Attributes
    ----------
    inputs
        What all of it is made from.
    """

    def __init__(
        self, inputs: Moment, store: Store, random_arm: RandomArm, note: str = services.BELIEFS
    ) -> None:
        self.inputs = inputs
        self._store = store
        self._note = note
        self._random_arm = random_arm
        self._values: dict[str, Any] = {}
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._longest = 0.0

    @property
    def basis(self) -> Basis:
        """What all of it rests on."""
        return self.inputs.basis

    @_Once
    def posterior(self) -> EstimatedConsensus:
        """The consensus of all texts, as arrays."""
        return estimate_texts(self.inputs)

    @_Once
    def texts(self) -> TextBeliefs:
        """What is believed of each text, in the order of the texts."""
        found = self.inputs
        return TextBeliefs(
            found.basis,
            found.classes,
            self.posterior,
            found.annotations.texts,
            found.n_predicted,
            self.opinions,
            found.present,
            found.evidence.kin.copy_of,
        )

    @_Once
    def opinions(self) -> Opinions | None:
        """What share of people would say each class, as arrays; None where classes are wanted."""
        return read_opinions(self.inputs, self.posterior)

    @_Once
    def shares(self) -> SharesBelief | None:
        """How well these shares are known and foretold; None where classes are wanted."""
        return describe_shares(self.inputs, self.opinions)

    @_Once
    def consensus(self) -> ConsensusBelief:
        """What the labels came to."""
        return describe_consensus(self.inputs, self.posterior)

    @_Once
    def agreement(self) -> Agreements:
        """How far annotators agree, on all texts and on those drawn by chance."""
        return estimate_agreements(self.inputs)

    @_Once
    def effort(self) -> Effort:
        """What the labels took."""
        return measure_effort(self.inputs)

    @_Once
    def pairs(self) -> tuple[PairBelief, ...]:
        """How far every two people agree who have labelled the same texts."""
        return compare_pairs(self.inputs)

    @_Once
    def annotators(self) -> tuple[AnnotatorBelief, ...]:
        """What is believed of everyone, in the order in which they came."""
        if self._kept is not None:
            return self._kept.annotators
        drawn = self.inputs.annotations.n_annotations > 0 and len(self.inputs.classes) > 1
        return describe_people(self.inputs, observe(self.inputs) if drawn else None)

    @_Once
    def guidelines(self) -> tuple[GuidelineNote, ...]:
        """Pairs of classes on which good annotators disagree systematically."""
        return note_guidelines(self.inputs) if self._kept is None else self._kept.guidelines

    @_Once
    def machines(self) -> PanelBelief:
        """What people's labels say of language models and rules, and how far these say the same."""
        if self._kept is not None:
            return self._kept.machines
        return judge_machines(self.inputs, self.posterior, self.forecast)

    @_Once
    def accuracy(self) -> tuple[Accuracy, ...]:
        """How good each round's model is by the audit sample; rounds without a model are left out."""
        return accuracy_by_round(self._judged) if self._kept is None else self._kept.accuracy

    @_Once
    def audit(self) -> AuditReport:
        """How good the last model and the consensus are: accuracy, macro-F1 and class shares."""
        kept = self._kept
        return report_audit(self.inputs, self._judged, self.posterior) if kept is None else kept.audit

    @_Once
    def advice(self) -> Advice:
        """How the project stands, and what to do next."""
        return advise(self.inputs, self)

    @_Once
    def audit_plan(self) -> AuditPlan:
        """What the audit sample tells, and what a larger one would."""
        return plan_audit(self.inputs, self.accuracy)

    @_Once
    def forecast(self) -> AccuracyForecast | None:
        """What more labels will bring; None before a round has been judged by the audit sample."""
        ahead = steps_ahead(self.inputs.room)
        return self.forecast_of(ahead) if self._kept is None else self._kept.forecast

    @_Once
    def verdicts(self) -> tuple[RoundVerdicts, ...]:
        """What every stop rule said after each round with a model, by all labels known today."""
        return judge_rules(self.inputs, self._judged) if self._kept is None else self._kept.verdicts

    @_Once
    def savings(self) -> Savings | None:
        """How many labels random choice would have needed; trains models where nothing is kept."""
        if self._kept is not None:
            return self._kept.savings
        return judge_savings(self.inputs, self._judged, self._evidence, self._random_arm)

    def forecast_of(self, more: Sequence[int]) -> AccuracyForecast | None:
        """Return what given numbers of further labels will bring; None before a round has been judged."""
        return forecast_accuracy(self.inputs, self._judged, more)

    def contested(self, limit: int = 50) -> tuple[ContestedText, ...]:
        """Return what no reviewer has decided and is most likely wrong, the most likely first."""
        with self._store.read() as connection:
            return read_contested(connection, self.inputs, self._doubts, limit)

    def doubtful_annotations(self, limit: int = 50) -> tuple[DoubtfulAnnotation, ...]:
        """Return the single labels that are most likely wrong, the most likely first."""
        with self._store.read() as connection:
            return read_doubtful(connection, self.inputs, self._doubts, limit)

    def once(self, name: str, compute: Callable[[], Value]) -> Value:
        """Return what was computed under a name, computed now where it was not."""
        with self._locks[name]:
            if name not in self._values:
                start = time.monotonic()
                self._values[name] = compute()
                self._longest = max(self._longest, time.monotonic() - start)
            return cast("Value", self._values[name])

    @property
    def rest(self) -> float:
        """Seconds for which this is new enough for whoever would rather not wait."""
        return _REST * self._longest if self._longest > _LONG else 0.0

    @_Once
    def _judged(self) -> tuple[JudgedRound, ...]:
        return judge_rounds(self.inputs, self._evidence)

    @_Once
    def _evidence(self) -> AuditEvidence | None:
        return weigh_audit(self.inputs)

    @_Once
    def _doubts(self) -> Doubts:
        return find_doubts(self.inputs)

    @_Once
    def _kept(self) -> ProjectBelief | None:
        """What was kept of this very moment."""
        with self._store.read() as connection:
            found = _read_note(connection, self._note, whole=True)
        return found if found is not None and found.basis == self.basis else None


class BeliefSource:
    """Where the beliefs of one project come from; one object may be shared by threads.

    In a project with several questions, each facet has its own (`jurybox.project.facets`).

    Parameters
    ----------
    read
        Reads what beliefs are made from, in a transaction that nothing was read in.
    note
        Under which name they are kept.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        random_arm: RandomArm,
        read: Callable[[Connection], Moment],
        note: str = services.BELIEFS,
    ) -> None:
        self._store, self._clock = store, clock
        self._read = read
        self._note = note
        self._random_arm = random_arm
        self._last: Beliefs | None = None
        self._made_at = 0.0
        self._lock = threading.Lock()

    def now(self) -> Beliefs:
        """Return the beliefs of this moment: the last ones, as long as nothing has changed."""
        with self._store.read() as connection:
            version = read_version(connection)
        with self._lock:
            if self._last is None or self._last.basis.version != version:
                with self._store.read() as connection:
                    inputs = self._read(connection)
                self._last = Beliefs(inputs, self._store, self._random_arm, self._note)
                self._made_at = time.monotonic()
            return self._last

    def recent(self) -> Beliefs:
        """Return the last beliefs where computing them took long, not long ago; else those of this moment."""
        last = self._last
        if last is not None and time.monotonic() < self._made_at + last.rest:
            return last
        return self.now()

    def keep(self) -> ProjectBelief:
        """Compute all figures, which may take minutes, and keep them for `kept`.

        Where none are kept, those come first that train no model: all but the savings.
        """
        beliefs = self.now()
        for whole in [True] if self.kept() else [False, True]:
            belief = self._everything(beliefs, whole=whole)
            note = {"version": __version__, "belief": plain(belief), "whole": whole}
            with self._store.write() as connection:
                services.write_note(connection, self._note, note, now=self._clock())
        return belief

    def kept(self) -> ProjectBelief | None:
        """Return the figures that were kept last, by this version of jurybox; None if nothing was."""
        with self._store.read() as connection:
            return _read_note(connection, self._note)

    def _everything(self, beliefs: Beliefs, *, whole: bool) -> ProjectBelief:
        start = time.perf_counter()
        return ProjectBelief(
            basis=beliefs.basis,
            made_at=self._clock(),
            consensus=beliefs.consensus,
            shares=beliefs.shares,
            agreement=beliefs.agreement,
            effort=beliefs.effort,
            accuracy=beliefs.accuracy,
            audit=beliefs.audit,
            audit_plan=beliefs.audit_plan,
            forecast=beliefs.forecast,
            verdicts=beliefs.verdicts,
            savings=beliefs.savings if whole else None,
            annotators=beliefs.annotators,
            guidelines=beliefs.guidelines,
            machines=beliefs.machines,
            seconds=time.perf_counter() - start,
        )


def _read_note(connection: Connection, name: str, *, whole: bool = False) -> ProjectBelief | None:
    note = services.read_note(connection, name)
    if note is None or note.value["version"] != __version__ or (whole and not note.value["whole"]):
        return None
    return read_plain(ProjectBelief, note.value["belief"])
