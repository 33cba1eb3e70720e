"""Whom to ask next: a person or a machine, by what an answer of each is expected to set right.

An answer to several questions sets right what it does at each of them, added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Bools, Floats, Ints
from jurybox.classifiers.panel import source_correlation
from jurybox.consensus import EstimatedConsensus
from jurybox.consensus.opinions import types_of
from jurybox.errors import ConflictError
from jurybox.project.basis import Moment
from jurybox.project.stopping import AccuracyForecast
from jurybox.store.machines import Machine
from jurybox.trust.value import added_voice, answers_of_machine, gain_per_answer

LEAST_KNOWN = 20
"""Answers about texts that people have labelled, from which on a machine's answer is given a worth."""

_SHOWN = 10
_FREE = 1e-12  # a price so low that what costs nothing comes first, by what it sets right


@dataclass(frozen=True)
class Offer:
    """What one more answer of somebody is expected to bring.

    Attributes
    ----------
    machine
        Name and version; None: a label of a person.
    texts
        Texts that they may be asked about.
    gain
        Texts whose consensus is set right by an answer, on average over the texts of a batch about which it
        brings most; None where that is not known yet.
    teaching
        The part of it that a label brings to other texts, through the model, by the forecast of its accuracy;
        0 for machines, which teach it nothing, and None before there is a forecast.
    price
        Of an answer; None where it is not known.
    per_money
        Gain for one unit of money; None where gain or price is not known, or nothing is paid.
    """

    machine: str | None
    texts: int
    gain: float | None
    teaching: float | None
    price: float | None
    per_money: float | None


@dataclass(frozen=True)
class NextAnswer:
    """An answer that brings more for its price than any other about this text."""

    text_id: str
    machine: str | None
    gain: float
    per_money: float | None


@dataclass(frozen=True, eq=False)
class QuestionOutlook:
    """What is known of one question: what it is made from, the consensus, and what more labels will bring."""

    inputs: Moment
    consensus: EstimatedConsensus
    forecast: AccuracyForecast | None


@dataclass(frozen=True)
class WhomToAsk:
    """What answers bring for their price.

    Attributes
    ----------
    offers
        A person first, then machines that are not stopped.
    first
        The answers that bring most for their price, the best first; free ones before others. Empty where no
        price of a label is set (``cost_per_label``).
    """

    offers: tuple[Offer, ...]
    first: tuple[NextAnswer, ...]


@dataclass(frozen=True)
class Waiting:
    """Numbers and texts that a machine is to be asked about next, and how many are not worth its price."""

    texts: tuple[tuple[int, str], ...]
    left_out: int

    def first(self, limit: int | None) -> Waiting:
        """Return no more than so many of them."""
        return replace(self, texts=self.texts[:limit])


def whom_to_ask(outlooks: Sequence[QuestionOutlook]) -> WhomToAsk | None:
    """Return what a label and what answers of machines bring; None before anybody has labelled a text.

    Parameters
    ----------
    outlooks
        Of every question that an answer is about.
    """
    known = [one for one in outlooks if one.inputs.annotations.n_annotations]
    if not known:
        return None
    inputs, teaching = known[0].inputs, _teaching(known)
    gains = [_of_person(known) + (teaching or 0.0), *_of_machines(known)]
    prices = [inputs.settings.cost_per_label, *_prices(inputs)]
    names = [None, *(machine.title for machine in inputs.machines)]
    asked = [s for s in range(len(names)) if s == 0 or inputs.machines[s - 1].stopped_at is None]
    offers = [_offer(inputs, names[s], gains[s], prices[s], teaching if s == 0 else 0.0) for s in asked]
    first = () if prices[0] is None else _first(inputs, names, gains, prices, asked)
    return WhomToAsk(tuple(offers), first)


def texts_for(
    outlooks: Sequence[QuestionOutlook], machine: Machine, waiting: Sequence[tuple[int, str]], *, worth: bool
) -> Waiting:
    """Put texts in the order in which a machine is to be asked about them.

    Those first that people have labelled, since they tell what its answers are worth, then those of which an
    answer is expected to set most right.

    Parameters
    ----------
    outlooks
        Of every question that an answer is about.
    waiting
        Numbers and texts that it was not asked about.
    worth
        Leave out those of which a person's label sets right more for its price. Where too little is known of
        the machine, just as many labelled texts are left as tell what it is worth.

    Raises
    ------
    ConflictError
        If that is asked for, and what a label costs is not set.
    """
    inputs = outlooks[0].inputs
    price = inputs.settings.cost_per_label
    if worth and not price:
        raise ConflictError(
            f"cost_per_label is {price}, expected a price: without it nothing tells what an answer is worth "
            "beside a person's label; set it on the page Settings, or by project.configure(cost_per_label=…)"
        )
    N, place = inputs.annotations.n_texts, [one.id for one in inputs.machines].index(machine.id)
    has_label = np.logical_or.reduce([one.inputs.annotations.labelled for one in outlooks])
    known = [one for one in outlooks if one.inputs.annotations.n_annotations]
    gain = _of_machines(known)[place] if known else np.full(N, np.nan)
    labelled = {number for number, _ in waiting if number < N and has_label[number]}
    brings = {number: float(np.nan_to_num(gain[number])) for number, _ in waiting if number < N}
    ordered = sorted(waiting, key=lambda one: (one[0] not in labelled, -brings.get(one[0], 0.0)))
    if not worth:
        return Waiting(tuple(ordered), 0)
    own = _prices(inputs)[place]
    if own is None or not np.isfinite(gain).any():
        answered = np.zeros(N, dtype=bool)
        for one in outlooks:
            said = one.inputs.responses.text[one.inputs.responses.machine == place]
            answered[said[said < N]] = True
        more = max(LEAST_KNOWN - int((answered & has_label).sum()), 0)
        chosen = [one for one in ordered if one[0] in labelled][:more]
    else:
        teaching = _teaching(known)
        person = _offer(inputs, None, _of_person(known) + (teaching or 0.0), price, teaching)
        rival = person.per_money or 0.0
        chosen = [one for one in ordered if brings.get(one[0], 0.0) > rival * own]
    return Waiting(tuple(chosen), len(ordered) - len(chosen))


def gains_of_machines(
    consensus: EstimatedConsensus,
    pred_probs: Floats | None,
    votes: NDArray[np.float32],
    said: Ints,
    asked: Bools,
) -> list[Floats]:
    """Return what an answer of each machine about each text is expected to set right, S arrays of shape (N,).

    NaN where it has answered, and everywhere for a machine of which too little is known.

    Parameters
    ----------
    consensus, pred_probs
        What is believed of the texts, and the probabilities (N, K) that it was made from.
    votes : ndarray, shape (N, S * K)
        The answers, see `jurybox.classifiers.panel.votes_of`.
    said : ndarray of int, shape (N, S)
        The class that each machine named, -1 where none.
    asked : ndarray of bool, shape (N, S)
        Whether it has answered at all.
    """
    K, S = consensus.posterior.shape[1], said.shape[1]
    states, outcome, _ = _states(consensus, pred_probs)
    correlation = source_correlation(votes, S)
    found = []
    for s in range(S):
        known = np.flatnonzero((consensus.n_annotations > 0) & (said[:, s] >= 0))
        gain = np.full(len(said), np.nan)
        if len(known) >= LEAST_KNOWN:
            counts = np.zeros((K, K))
            np.add.at(counts.T, said[known, s], consensus.posterior[known])
            answering = (said[:, s] >= 0).sum() / asked[:, s].sum()
            voice = added_voice(said >= 0, correlation, s)
            gain = answering * voice * gain_per_answer(states, outcome @ answers_of_machine(counts), outcome)
            gain[asked[:, s]] = np.nan
        found.append(gain)
    return found


def gain_of_person(consensus: EstimatedConsensus, pred_probs: Floats | None) -> Floats:
    """Return what a label of somebody new is expected to set right of each text itself, shape (N,)."""
    states, outcome, answers = _states(consensus, pred_probs)
    return gain_per_answer(states, answers, outcome)


def _states(consensus: EstimatedConsensus, p: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Return states of the texts (N, T), what the majority says of them and what one person does, (T, K).

    A state is a class and a difficulty, where classes are few; else a class.
    """
    types = consensus.types
    N, K = consensus.posterior.shape
    if not types.evidence.few:
        return consensus.posterior, np.eye(K), consensus.crowd
    q = types_of(consensus, p, np.arange(N)).reshape(N, -1)
    return q, types.majority.reshape(-1, K), types.answers.reshape(-1, K)


def _of_machines(outlooks: Sequence[QuestionOutlook]) -> list[Floats]:
    """Return what an answer of each machine sets right, at all questions together."""
    by_question = [_gains_at(one) for one in outlooks]
    return [_together(gains) for gains in zip(*by_question, strict=True)]


def _gains_at(outlook: QuestionOutlook) -> list[Floats]:
    inputs = outlook.inputs
    N, K = inputs.annotations.counts.shape
    S, responses = len(inputs.machines), inputs.responses
    inside = responses.text < N
    place = responses.text[inside], responses.machine[inside]
    said, asked = np.full((N, S), -1, dtype=np.int64), np.zeros((N, S), dtype=bool)
    said[place], asked[place] = responses.label[inside], True
    votes = responses.votes(S, N, K)
    gains = gains_of_machines(outlook.consensus, _probabilities(inputs), votes, said, asked)
    return [np.where(inputs.present, gain, np.nan) for gain in gains]


def _of_person(outlooks: Sequence[QuestionOutlook]) -> Floats:
    """Return what a label brings; NaN of texts that have theirs, and of the audit, whose labels judge."""
    found = []
    for one in outlooks:
        inputs = one.inputs
        gain = gain_of_person(one.consensus, _probabilities(inputs))
        gain[inputs.annotations.n_labels >= inputs.settings.max_labels] = np.nan
        gain[inputs.evidence.audit] = np.nan
        gain[~inputs.present] = np.nan
        found.append(gain)
    return _together(found)


def _together(gains: Sequence[Floats]) -> Floats:
    """Return the sum over questions (N,); NaN where nothing is known of any.

    Examples
    --------
    >>> _together([np.array([1.0, np.nan, np.nan]), np.array([2.0, 3.0, np.nan])]).tolist()
    [3.0, 3.0, nan]
    """
    all_gains = np.stack(gains)
    return np.where(np.isnan(all_gains).all(axis=0), np.nan, np.nansum(all_gains, axis=0))


def _probabilities(inputs: Moment) -> Floats | None:
    return None if inputs.pred_probs is None else np.asarray(inputs.pred_probs, dtype=np.float64)


def _teaching(outlooks: Sequence[QuestionOutlook]) -> float | None:
    """Return how many texts without a label one more label sets right, through the model."""
    found = [
        (one.inputs, one.forecast) for one in outlooks if one.forecast is not None and one.forecast.points
    ]
    return sum(_taught(*each) for each in found) if found else None


def _taught(inputs: Moment, forecast: AccuracyForecast) -> float:
    next_ = forecast.points[0]
    better = (next_.accuracy.estimate - forecast.now.estimate) / next_.labels
    return float(max(better, 0.0) * (~inputs.annotations.labelled & inputs.present).sum())


def _prices(inputs: Moment) -> list[float | None]:
    """Return the price of an answer of each machine: the mean so far."""
    n = np.bincount(inputs.responses.machine, minlength=len(inputs.machines))
    return [
        0.0 if machine.price.is_free else float(paid / answers) if answers else None
        for machine, paid, answers in zip(inputs.machines, inputs.machine_prices, n, strict=True)
    ]


def _offer(
    inputs: Moment, name: str | None, gain: Floats, price: float | None, teaching: float | None
) -> Offer:
    best = np.sort(gain[~np.isnan(gain)])[::-1]
    mean = float(best[: inputs.settings.batch].mean()) if len(best) else None
    worth = mean / price if mean is not None and price else None
    return Offer(name, len(best), mean, teaching, price, worth)


def _first(
    inputs: Moment,
    names: list[str | None],
    gains: list[Floats],
    prices: list[float | None],
    asked: list[int],
) -> tuple[NextAnswer, ...]:
    known = [s for s in asked if prices[s] is not None]
    paid = np.array([prices[s] for s in known], dtype=np.float64)
    gain = np.nan_to_num(np.array([gains[s] for s in known]))
    worth = gain / np.maximum(paid, _FREE)[:, None]
    best = worth.argmax(axis=0)
    order = np.argsort(-worth.max(axis=0), kind="stable")[:_SHOWN]
    return tuple(
        NextAnswer(
            str(inputs.annotations.texts[i]),
            names[known[best[i]]],
            float(gain[best[i], i]),
            float(worth[best[i], i]) if paid[best[i]] > 0 else None,
        )
        for i in order
        if worth[best[i], i] > 0
    )
