"""What beliefs rest on: the annotations and the round of one moment, and what is drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox import __version__
from jurybox.annotations import Annotations
from jurybox.answers import NOT_ASKED
from jurybox.arrays import Bools
from jurybox.consensus import EstimatedConsensus, draw_consensus, estimate_consensus
from jurybox.consensus.prior import AnnotatorPrior
from jurybox.consensus.several import habits_at
from jurybox.consensus.text_types import TextTypes
from jurybox.questions import Facet, Question
from jurybox.store import machines, people, responses, rounds, state
from jurybox.store.machines import Machine
from jurybox.store.overview import count_paid, read_at_once
from jurybox.store.places import count_room
from jurybox.store.provenance import read_independent
from jurybox.store.records import AnnotatorInfo, RoundInfo
from jurybox.store.said import Responses, read_responses, responses_at
from jurybox.store.settings import ProjectSettings
from jurybox.store.snapshots import (
    StandingLabels,
    one_moment,
    read_evidence,
    read_fingerprint,
)
from jurybox.trust.copying import Copycats
from jurybox.trust.estimates import CROWDS, MOST_TEXTS
from jurybox.trust.observed import Observed
from jurybox.trust.suspects import find_copycats
from jurybox.whole import answer_codes, answers_at, answers_in_common
from jurybox.written import all_facets

_STREAM = 7  # of chance, beside those of the rounds and of the audit


@dataclass(frozen=True)
class Basis:
    """Which annotations and which round a figure rests on.

    Attributes
    ----------
    labels, texts
        Annotations that stood, and texts that had one.
    round
        Number of the round that held; 0 before the first.
    until
        When the last of the annotations was given, Unix time in seconds; None without any.
    version
        Of everything that figures depend on: the same version, the same figures.
    """

    labels: int
    texts: int
    round: int
    until: float | None
    version: str


@dataclass(frozen=True, eq=False)
class Moment:
    """Everything that beliefs are made from, as it was at one moment.

    Attributes
    ----------
    basis
        The moment.
    evidence
        The annotations, when they were given, and by whom.
    pred_probs : ndarray, shape (N, K), optional
        The last round's out-of-sample probabilities; None before the first round. Texts and classes that it
        did not know have equal shares and zeros.
    n_predicted
        Texts that this round knew.
    independent : ndarray of int, shape (L, 4)
        As `jurybox.store.provenance.read_independent` returns them.
    settings, people, rounds
        What was set, who took part, what was played.
    machines, machine_prices, responses
        Language models and rules, what each has cost, and what they said.
    paid
        Labels that are paid for, as `jurybox.store.overview.count_paid` counts them.
    at_once
        Names under which labels were given to whole clusters.
    room
        Labels that texts outside the audit sample may still get, as the settings are.
    questions
        Those of a project with several: then the annotations' classes are answers to all of them, and the
        probabilities those of all facets side by side: `jurybox.project.facets` has what is about one.
    facet, whole
        What of several questions this is about, and all that is about them; see `at`.
    """

    basis: Basis
    evidence: StandingLabels
    pred_probs: NDArray[np.float32] | None
    n_predicted: int
    independent: NDArray[np.int64]
    settings: ProjectSettings
    people: tuple[AnnotatorInfo, ...]
    rounds: tuple[RoundInfo, ...]
    machines: tuple[Machine, ...]
    machine_prices: tuple[float, ...]
    responses: Responses
    paid: int
    at_once: frozenset[str]
    room: int
    questions: tuple[Question, ...] = ()
    facet: Facet | None = None
    whole: Moment | None = None

    @property
    def annotations(self) -> Annotations:
        """The annotations that stood, over all texts."""
        return self.evidence.annotations

    @property
    def experts(self) -> Bools:
        """Whose labels all count as an expert's, shape (M,)."""
        return self.evidence.experts

    @cached_property
    def heard(self) -> Observed:
        """What people with labels have said: who was only invited moves nothing that is drawn by chance."""
        evidence = self.evidence
        heard = np.flatnonzero(evidence.annotations.labels_per_annotator)
        return Observed(
            evidence.annotations.subset(annotators=heard),
            self.pred_probs,
            experts=evidence.experts[heard],
            times=evidence.times,
            seconds=evidence.seconds,
            copycats=None if self.copycats is None else self.copycats.of(heard),
        )

    @cached_property
    def present(self) -> Bools:
        """Which texts are not deleted, shape (N,)."""
        found = np.ones(self.annotations.n_texts, dtype=bool)
        found[self.evidence.withdrawn] = False
        return found

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes."""
        return tuple(str(name) for name in self.annotations.classes)

    @cached_property
    def copycats(self) -> Copycats | None:
        """Who copies whom, by all that they say of a text; None in a project with one question.

        Whoever copies takes over answers as they are: that is a matter of the person, and the same at each
        question and each of its classes.
        """
        if self.whole is not None:
            return self.whole.copycats
        if not self.questions:
            return None
        held = self.evidence
        answers, rows = answers_in_common(self.questions, held.annotations)
        said = Observed(answers, experts=held.experts, times=held.times[rows])
        return find_copycats(said, rng=self.rng())

    @cached_property
    def crowds(self) -> tuple[TextTypes, ...] | None:
        """Draws of what the annotations leave possible, for all that is estimated by them.

        None without labels, or where there are so many texts that each estimate looks at some of them.
        """
        heard, rng = self.heard, self.rng(_STREAM)
        if heard.annotations.n_classes < 2 or not 0 < self.basis.texts <= MOST_TEXTS:
            return None
        given = heard.annotations, heard.pred_probs
        return tuple(draw_consensus(*given, experts=heard.experts, n_draws=CROWDS, rng=rng))

    @cached_property
    def habits(self) -> Mapping[str, AnnotatorPrior | None]:
        """What people are like at all classes of each question that may have several, by its name."""
        labelled = np.flatnonzero(self.annotations.labelled)
        found = {}
        for question in self.questions:
            if len(question.facets) > 1:
                parts = [self.at(facet) for facet in question.facets]
                found[question.name] = habits_at(
                    [part.annotations.subset(texts=labelled) for part in parts],
                    [None if part.pred_probs is None else part.pred_probs[labelled] for part in parts],
                    experts=self.experts,
                )
        return found

    def at(self, facet: Facet) -> Moment:
        """Return what is about one facet, as of a project that asks nothing else."""
        questions, held, drawn = self.questions, self.evidence, self.independent
        place = all_facets(questions).index(facet)
        sizes = [len(question.facet_classes) for question in questions for _ in question.facets]
        codes = answer_codes(questions, self.classes)[:, place]
        rows = np.flatnonzero(codes[self.annotations.label] != NOT_ASKED)
        own = answers_at(questions, self.annotations, facet)
        said = drawn.copy()
        said[:, 2] = codes[drawn[:, 2]]
        start, K = sum(sizes[:place]), sizes[place]
        times, p = held.times[rows], self.pred_probs
        return replace(
            self,
            basis=replace(
                self.basis,
                labels=own.n_annotations,
                texts=int(own.labelled.sum()),
                until=float(times.max()) if len(times) else None,
            ),
            evidence=replace(
                held, annotations=own, times=times, seconds=held.seconds[rows], suggested=held.suggested[rows]
            ),
            pred_probs=None if p is None else stretched(p[:, start : start + K], own.n_texts, K),
            independent=said[said[:, 2] != NOT_ASKED],
            responses=responses_at(self.responses, self.machines, questions, self.classes, facet),
            rounds=tuple(
                replace(info, diagnostics={**info.diagnostics, **_told_of(info, facet)})
                for info in self.rounds
            ),
            questions=(),
            facet=facet,
            whole=self,
        )

    def rng(self, stream: int | None = None) -> np.random.Generator:
        """Return a source of chance that is the same each time: the same data give the same figures."""
        return np.random.default_rng([self.settings.seed, self.basis.labels if stream is None else stream])


def read_version(connection: Connection) -> str:
    """Return the version of everything that figures depend on, the code that makes them included."""
    return f"{__version__}-{read_fingerprint(connection)}"


def read_inputs(connection: Connection) -> Moment:
    """Read everything as of one moment; nothing was read in this transaction before."""
    one_moment(connection)
    stored = state.read_state(connection)
    evidence = read_evidence(connection)
    annotations = evidence.annotations
    asked = tuple(machines.read_machines(connection))
    known = rounds.read_array(connection, stored.current_round, "pred_probs")
    return Moment(
        basis=Basis(
            labels=annotations.n_annotations,
            texts=int(annotations.labelled.sum()),
            round=stored.current_round,
            until=float(evidence.times.max()) if len(evidence.times) else None,
            version=read_version(connection),
        ),
        evidence=evidence,
        pred_probs=known
        if known is None or stored.questions
        else stretched(known, annotations.n_texts, annotations.n_classes),
        n_predicted=0 if known is None else len(known),
        independent=read_independent(
            connection,
            first_labels=stored.settings.first_labels,
            audit_labels=stored.settings.audit_labels,
        ),
        settings=stored.settings,
        people=tuple(people.read_annotators(connection)),
        rounds=tuple(rounds.read_rounds(connection)),
        machines=asked,
        machine_prices=tuple(responses.read_tally(connection, machine).price for machine in asked),
        responses=read_responses(connection, asked),
        paid=count_paid(connection),
        at_once=frozenset(read_at_once(connection)),
        room=count_room(connection),
        questions=stored.questions,
    )


def _told_of(info: RoundInfo, facet: Facet) -> Mapping[str, Any]:
    """Return what a round says of a facet; one that it did not know has no model."""
    return cast("Mapping[str, Any]", info.diagnostics["facets"].get(str(facet), {"trained_on": 0}))


def estimate_texts(inputs: Moment) -> EstimatedConsensus:
    """Return the consensus of all annotations, aided by the last round's probabilities.

    Reviewers, and owners if the settings say so, are experts, and so is whoever decides in a review: what
    they say outweighs a few others.
    """
    habits = None
    if inputs.facet is not None and inputs.whole is not None:
        habits = inputs.whole.habits.get(inputs.facet.question)
    return estimate_consensus(
        inputs.annotations, inputs.pred_probs, experts=inputs.experts, habits=habits, check=False
    )


def observe(inputs: Moment) -> Observed:
    """Return what annotators with labels are judged by, drawn from once."""
    return replace(inputs.heard, crowds=inputs.crowds, draws=inputs.heard.drawn(inputs.rng()))


def stretched(known: NDArray[np.float32], N: int, K: int) -> NDArray[np.float32]:
    """Return probabilities (N, K) of a round that knew fewer texts and classes, as `Moment` has them."""
    probs = np.full((N, K), 1 / K, dtype=np.float32)
    probs[: len(known)] = 0
    probs[: len(known), : known.shape[1]] = known
    return probs
