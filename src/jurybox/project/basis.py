"""What beliefs rest on: the annotations and the round of one moment, and what is drawn from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox import __version__
from jurybox.annotations import Annotations
from jurybox.arrays import Bools
from jurybox.consensus import EstimatedConsensus, estimate_consensus
from jurybox.questions import Question
from jurybox.store import machines, people, responses, rounds, state
from jurybox.store.machines import Machine
from jurybox.store.provenance import read_independent
from jurybox.store.records import AnnotatorInfo, RoundInfo
from jurybox.store.responses import Responses
from jurybox.store.settings import ProjectSettings
from jurybox.store.snapshots import (
    StandingLabels,
    one_moment,
    read_evidence,
    read_fingerprint,
)
from jurybox.trust.observed import Observed


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
    questions
        Those of a project with several: then the annotations' classes are answers to all of them, and the
        probabilities those of all facets side by side: `jurybox.project.facets` has what is about one.
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
    questions: tuple[Question, ...] = ()

    @property
    def paid(self) -> int:
        """Labels paid for: those that count, and those of people who are left out."""
        return self.basis.labels + sum(person.n_annotations for person in self.people if person.left_out)

    @property
    def annotations(self) -> Annotations:
        """The annotations that stood, over all texts."""
        return self.evidence.annotations

    @property
    def experts(self) -> Bools:
        """Whose labels all count as an expert's, shape (M,)."""
        return self.evidence.experts

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
        responses=responses.read_responses(connection, asked),
        questions=stored.questions,
    )


def estimate_texts(inputs: Moment) -> EstimatedConsensus:
    """Return the consensus of all annotations, aided by the last round's probabilities.

    Reviewers, and owners if the settings say so, are experts, and so is whoever decides in a review: what
    they say outweighs a few others.
    """
    return estimate_consensus(inputs.annotations, inputs.pred_probs, experts=inputs.experts, check=False)


def observe(inputs: Moment) -> Observed:
    """Return what annotators are judged by, drawn from once."""
    evidence = inputs.evidence
    observed = Observed(
        evidence.annotations,
        inputs.pred_probs,
        experts=evidence.experts,
        times=evidence.times,
        seconds=evidence.seconds,
    )
    return replace(observed, draws=observed.drawn(inputs.rng()))


def stretched(known: NDArray[np.float32], N: int, K: int) -> NDArray[np.float32]:
    """Return probabilities (N, K) of a round that knew fewer texts and classes, as `Moment` has them."""
    probs = np.full((N, K), 1 / K, dtype=np.float32)
    probs[: len(known)] = 0
    probs[: len(known), : known.shape[1]] = known
    return probs
