"""What is known of the machines of a project: each by itself, and how far they say the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.classifiers.panel import Panel, effective_votes, source_correlation
from jurybox.consensus import EstimatedConsensus
from jurybox.labelled import annotations_at
from jurybox.project.basis import Basis, Moment
from jurybox.project.stopping import AccuracyForecast
from jurybox.project.whom import LEAST_KNOWN, QuestionOutlook, WhomToAsk, whom_to_ask
from jurybox.store.machines import Machine
from jurybox.trust.intervals import Interval, wilson

_MIX_UPS = 3
_TINY = 1e-12


@dataclass(frozen=True)
class MachineMixUp:
    """How often people said one class where a machine said another."""

    people: str
    machine: str
    labels: int


@dataclass(frozen=True)
class MachineBelief:
    """What people's labels say of a machine.

    Attributes
    ----------
    name, version, kind
        Which one.
    answers
        Texts in which it named a class.
    texts, labels
        Those of them that people have labelled, and their labels.
    agreement
        Share of people's labels that are what the machine said, each text counting once, with a 95 %
        interval; None without any.
    earlier, later
        The same of the first and of the second half of its answers, in time; None for fewer than 20 texts.
    confusion
        Labels of people, by the class that people gave (rows) and the class that the machine named.
    mix_ups
        The commonest pairs of classes on which they differ.
    calibration_error
        Mean distance between the probability that the machine states and the share in which people agree, in
        ten bins; None where it states none.
    voice
        What it counts among the others, from 0 to 1: six that always say the same count a sixth each.
    correlation
        Of its answers with those of each machine, in order (Gorodkin 2004).
    same_as_before
        Share of texts in which it says what the version before says; None for the first.
    worth
        Nats a label by which people's labels are foretold worse without it; None where that was not tried.
    price
        What its answers cost; of one question among several, to all of them.
    """

    name: str
    version: int
    kind: str
    answers: int
    texts: int
    labels: int
    agreement: Interval | None
    earlier: Interval | None
    later: Interval | None
    confusion: tuple[tuple[int, ...], ...]
    mix_ups: tuple[MachineMixUp, ...]
    calibration_error: float | None
    voice: float
    correlation: tuple[float, ...]
    same_as_before: float | None
    worth: float | None
    price: float


@dataclass(frozen=True)
class PanelBelief:
    """What is known of all machines together.

    Attributes
    ----------
    basis
        What it rests on.
    machines
        Each version of each, in the order in which they came.
    effective_votes
        As how many machines that are independent of each other they count.
    say
        Share of the weight that they have in the last round's probabilities, beside the classifier.
    whom
        What a person's label and a machine's answer bring for their price; None before the first label. Of
        one question among several, what they bring there: `Machines.whom` has what they bring at all.
    """

    basis: Basis
    machines: tuple[MachineBelief, ...]
    effective_votes: float
    say: float
    whom: WhomToAsk | None


def judge_machines(
    inputs: Moment, consensus: EstimatedConsensus, forecast: AccuracyForecast | None
) -> PanelBelief:
    """Return what is known of the machines, by labels that people gave without a model's opinion in view."""
    people = _unprompted(inputs)
    N, K = people.counts.shape
    S = len(inputs.machines)
    last = inputs.rounds[-1].diagnostics if inputs.rounds else {}
    said = last.get("machines_say")
    say = float(said) if isinstance(said, int | float) else 0.0
    if not S:
        return PanelBelief(inputs.basis, (), 0.0, say, None)
    votes = inputs.responses.votes(S, N, K)
    voices, correlation = effective_votes(votes, S), source_correlation(votes, S)
    worth = _worths(votes, S, people, inputs.evidence.audit)
    said = np.full((N, S), -1, dtype=np.int64)
    named = (inputs.responses.label >= 0) & (inputs.responses.text < N)
    said[inputs.responses.text[named], inputs.responses.machine[named]] = inputs.responses.label[named]
    found = []
    for s, machine in enumerate(inputs.machines):
        mine = np.flatnonzero(inputs.responses.machine == s)
        counts = _confusion(people, said[:, s])
        rows = np.flatnonzero((said[:, s] >= 0) & people.labelled)
        agreed = _agreed(people, rows, said[:, s])
        halves = _halves(inputs, mine, rows, agreed)
        found.append(
            MachineBelief(
                name=machine.name,
                version=machine.version,
                kind=machine.kind,
                answers=int((said[:, s] >= 0).sum()),
                texts=len(rows),
                labels=int(counts.sum()),
                agreement=_share(agreed),
                earlier=halves[0],
                later=halves[1],
                confusion=tuple(tuple(int(n) for n in row) for row in counts),
                mix_ups=_mix_ups(counts, inputs.classes),
                calibration_error=_calibration_error(inputs, mine, agreed, rows),
                voice=float(voices[s]),
                correlation=tuple(float(r) for r in correlation[s]),
                same_as_before=_same(inputs.machines, said, s),
                worth=None if worth is None else worth[s],
                price=inputs.machine_prices[s],
            )
        )
    answering = votes.reshape(N, S, K).any(axis=(0, 2))
    whom = whom_to_ask([QuestionOutlook(inputs, consensus, forecast)])
    return PanelBelief(inputs.basis, tuple(found), float(voices[answering].sum()), say, whom)


def _unprompted(inputs: Moment) -> Annotations:
    """Return the labels that were given without a model's opinion on the screen."""
    return annotations_at(inputs.annotations, ~inputs.evidence.suggested)


def _confusion(people: Annotations, said: Ints) -> Ints:
    """Count people's labels by their class and the machine's, shape (K, K)."""
    K = people.n_classes
    machine = said[people.text]
    known = machine >= 0
    pairs = people.label[known].astype(np.int64) * K + machine[known]
    return np.bincount(pairs, minlength=K * K).reshape(K, K)


def _agreed(people: Annotations, rows: Ints, said: Ints) -> Floats:
    """Return the share of people's labels of each text that the machine named, shape (n,)."""
    counts = people.counts[rows]
    return np.asarray(counts[np.arange(len(rows)), said[rows]] / np.maximum(counts.sum(axis=1), 1))


def _share(agreed: Floats) -> Interval | None:
    return wilson(float(agreed.sum()), len(agreed)) if len(agreed) else None


def _halves(
    inputs: Moment, mine: Ints, rows: Ints, agreed: Floats
) -> tuple[Interval | None, Interval | None]:
    if len(rows) < LEAST_KNOWN:
        return None, None
    when = np.full(inputs.annotations.n_texts, np.nan)
    texts = inputs.responses.text[mine]
    inside = texts < len(when)
    when[texts[inside]] = inputs.responses.answered_at[mine[inside]]
    order = np.argsort(when[rows], kind="stable")
    half = len(rows) // 2
    return _share(agreed[order[:half]]), _share(agreed[order[half:]])


def _mix_ups(counts: Ints, classes: tuple[str, ...]) -> tuple[MachineMixUp, ...]:
    off = counts - np.diag(np.diag(counts))
    first = np.argsort(-off, axis=None, kind="stable")[:_MIX_UPS]
    pairs = [divmod(int(at), len(counts)) for at in first]
    return tuple(MachineMixUp(classes[a], classes[b], int(off[a, b])) for a, b in pairs if off[a, b])


def _calibration_error(inputs: Moment, mine: Ints, agreed: Floats, rows: Ints) -> float | None:
    stated = {
        int(inputs.responses.text[row]): max(inputs.responses.probabilities[row])
        for row in mine.tolist()
        if row in inputs.responses.probabilities
    }
    known = np.array([text in stated for text in rows.tolist()], dtype=bool)
    if not known.any():
        return None
    p = np.array([stated[text] for text in rows[known].tolist()])
    bins = np.minimum((10 * p).astype(np.int64), 9)
    gap = np.bincount(bins, weights=p - agreed[known], minlength=10)
    return float(np.abs(gap).sum() / len(p))


def _same(machines: tuple[Machine, ...], said: Ints, s: int) -> float | None:
    """Return how far a version says what the one before it says."""
    before = [t for t in range(s) if machines[t].name == machines[s].name]
    if not before:
        return None
    both = (said[:, s] >= 0) & (said[:, before[-1]] >= 0)
    return float((said[both, s] == said[both, before[-1]]).mean()) if both.any() else None


def _worths(votes: NDArray[np.float32], S: int, people: Annotations, audit: Ints) -> list[float] | None:
    """Return by how much the panel foretells people's labels worse without each machine, in nats a label."""
    trained = people.labelled.copy()
    trained[audit] = False
    rows = np.flatnonzero(trained & votes.any(axis=1))
    counts = people.counts[rows].astype(np.float64)
    if S < 2 or len(rows) < LEAST_KNOWN:
        return None
    whole = _loss(votes[rows], S, counts)
    K = votes.shape[1] // S
    by_machine = votes[rows].reshape(len(rows), S, K)
    return [
        _loss(np.delete(by_machine, s, axis=1).reshape(len(rows), -1), S - 1, counts) - whole
        for s in range(S)
    ]


def _loss(votes: NDArray[np.float32], S: int, counts: Floats) -> float:
    n = counts.sum(axis=1)
    p = Panel(S).fit(votes, counts / n[:, None], n).out_of_sample
    return float(-(counts * np.log(np.maximum(p, _TINY))).sum() / n.sum())
