"""One round for several questions: every facet plays its round, and texts are asked for by what all want.

A text's score is what the errors of its items are expected to cost together. It may be asked for all of them
or for the unsure ones alone (`jurybox.items`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, DataFrame, Floats, Ints, Rng, freeze, generator
from jurybox.classifiers.head import Head, row_space
from jurybox.classifiers.pooled import MachineVotes
from jurybox.classifiers.thresholds import (
    Measure,
    best_divisors,
    best_thresholds,
    check_measure,
    weight_of_yes,
)
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.facet_targets import answered, by_facet, strategy_at
from jurybox.items import ItemTotals, most_per_second
from jurybox.loop import Round, Settings, play_round, single_threaded
from jurybox.questions import Facet, Question
from jurybox.ranking import Ranking, rank_texts
from jurybox.sheets import AnswerSheet
from jurybox.strategies import Strategy, Target, by_consensus, by_shares, get_strategy

__all__ = ["JointRound", "play_questions"]

_MOST_TEXTS = 20_000  # from which thresholds are chosen
_LEAST = 1e-9
_FRONT = 1_000
_SHARING = 200_000


@dataclass(frozen=True, eq=False, repr=False)
class JointRound(Shown):
    """What a round found out about all questions.

    Attributes
    ----------
    questions : tuple of Question
        What is asked.
    rounds : mapping of Facet to Round
        Of each facet, as of a question of its own; of several, rankings have the first thousand texts, and
        consensuses those that have answers to it. What is believed of others, the probabilities say.
    ranking : Ranking
        The texts that want an answer, the most wanted first; `reasons` are those of texts.
    expected_errors : ndarray, shape (N, F)
        What the error of each item is expected to cost, in the order of the facets, by the strategy's
        consensus; where shares are wanted, by how much an answer is expected to lessen theirs; 0 where none
        is wanted.
    thresholds : mapping of Facet to ndarray, shape (K,)
        What probabilities are divided by before the class with the largest is said: for a class of a question
        with several, that of "yes" is 1 - that of "no", and the probability from which on a text has it.
        Where shares are wanted, all classes are treated alike.
    size : int
        Texts of the batch.
    asked : ndarray of bool, shape (N, F), or None
        What of each text is worth asking for; None: all of it.
    basis : ndarray, shape (D, n), or None
        Directions of the features that the classifiers know; None: all.
    """

    questions: tuple[Question, ...]
    rounds: Mapping[Facet, Round]
    ranking: Ranking
    expected_errors: NDArray[np.float32]
    thresholds: Mapping[Facet, Floats]
    size: int
    basis: Floats | None
    asked: Bools | None = None

    def __post_init__(self) -> None:
        freeze(self.expected_errors)

    @property
    def batch(self) -> Ints:
        """Positions of the texts of this round's batch, shape (B,)."""
        return self.ranking.texts[: self.size]

    @property
    def known(self) -> Bools | None:
        """Which texts want no answer for what is known of them, (N,); None where nothing says so.

        Where items are asked for alone, or shares are wanted and those of all items are known.
        """
        if self.asked is None:
            all_known = np.logical_and.reduce([each.known for each in self.rounds.values()])
            return all_known if all_known.any() else None
        known = np.ones(len(self.asked), dtype=bool)
        known[self.ranking.texts] = False
        return known

    def headline(self) -> str:
        """Return the questions, and how much is to be asked."""
        names = ", ".join(each.name for each in self.questions)
        return f"JointRound({names}: {len(self.rounds)} facets, {self.size} texts to ask next)"

    def to_frame(self) -> DataFrame:
        """Return the batch: score, reason, and the expected error of each item."""
        import pandas as pd

        batch = self.ranking.to_frame().head(self.size)
        errors = pd.DataFrame(
            self.expected_errors[self.batch], index=batch.index, columns=[str(facet) for facet in self.rounds]
        )
        return batch.join(errors)

    def predict_proba(self, features: NDArray[np.floating]) -> dict[Facet, Floats]:
        """Return the classes' probabilities of new texts, shape (n, K), by facet.

        Uniform for a facet that nothing could be trained for.
        """
        x = features if self.basis is None else features @ self.basis
        return {
            facet: np.full((len(x), each.pred_probs.shape[1]), 1 / each.pred_probs.shape[1])
            if each.classifier is None
            else np.asarray(each.classifier.predict_proba(x))
            for facet, each in self.rounds.items()
        }

    def predict(self, features: NDArray[np.floating]) -> dict[Facet, Ints]:
        """Return the class of new texts, shape (n,), by facet, as is best for the measure that is wanted.

        On a scale that is the likeliest.
        """
        return {
            facet: (p / self.thresholds[facet]).argmax(axis=1)
            for facet, p in self.predict_proba(features).items()
        }


@single_threaded
def play_questions(
    sheet: AnswerSheet,
    features: Any,
    settings: Settings,
    rng: Rng,
    *,
    previous: JointRound | None = None,
    trainable: Bools | None = None,
    eligible: Bools | None = None,
    experts: Bools | None = None,
    tuned: NDArray[np.floating] | None = None,
    measure: Measure = "macro_f1",
    reading: float | None = None,
    group: Ints | None = None,
    machines: Mapping[Facet, MachineVotes] | None = None,
) -> JointRound:
    """Train on what the annotators answered, and rank what to ask next.

    Every facet plays `jurybox.play_round`. A sheet with one question that has one answer gives that round.

    Parameters
    ----------
    sheet
        Answers about the pool of N texts.
    features, settings, rng, trainable, experts, group
        As in `jurybox.play_round`; how far near-duplicates share answers each facet finds out by itself.
    previous
        The round before, of the same facets.
    eligible : ndarray of bool, shape (N,) or (N, F), optional
        Texts, or items, that may be asked; default: all.
    tuned : ndarray, shape (N, C), optional
        Probabilities of an encoder that was tuned on answers to all questions (`jurybox.facet_targets`), of
        all facets side by side; each facet finds out by itself how far they help, as in `jurybox.play_round`.
    measure
        What is wanted of questions with several classes: it chooses their thresholds, and says how much an
        expected error of theirs counts.
    reading
        Ask of each text only for the items that are worth it, where reading it takes as long as so many
        answers (`most_per_second`), and rank texts by what is settled a second; None: all of each text is
        asked for. Texts that are drawn at random are asked for whole in any case.
    machines
        What language models and rules say of each facet, as in `jurybox.play_round`.

    Returns
    -------
    JointRound
        Before any text has an answer the ranking is a spread over the pool.

    Raises
    ------
    InputError
        As `jurybox.play_round`; and if ``eligible`` or ``tuned`` has another shape, the measure is unknown or
        ``previous`` has other facets, as it has where a class that was not declared has come.
    """
    rng = generator(rng)
    check_measure(measure)
    facets = list(sheet.facets)
    may = _eligible(eligible, sheet.n_texts, len(facets))
    if previous is not None and list(previous.rounds) != facets:
        raise InputError(
            f"previous is a round of {', '.join(map(str, previous.rounds))}, expected one of "
            f"{', '.join(map(str, facets))}: declare the classes of all questions, or leave previous out"
        )
    strategy = get_strategy(settings.strategy, settings.target)
    said = None if tuned is None else by_facet(sheet, tuned)
    known = None if previous is None else {f: each.pred_probs for f, each in previous.rounds.items()}
    basis = _shared_basis(sheet, features, trainable, settings)
    x = features if basis is None else features @ basis
    rounds: dict[Facet, Round] = {}
    believed: dict[Facet, Floats] = {}
    found = ItemTotals.of(sheet.n_texts, len(facets), keep_wants=reading is not None)
    for question in sheet.questions:
        own = replace(settings, strategy=strategy_at(sheet, question, strategy, known, trainable, experts))
        for facet in question.facets:
            annotations = replace(sheet[facet])  # counts that it makes of all texts go with it
            played = play_round(
                annotations,
                x,
                own,
                rng,
                previous=None if previous is None else previous.rounds[facet],
                trainable=trainable,
                eligible=None if may is None else may[:, facets.index(facet)],
                experts=experts,
                tuned=None if said is None else said[facet],
                group=group,
                ordered=None if len(facets) == 1 else _FRONT,
                machines=None if machines is None else machines.get(facet),
            )
            errors = _expected_errors(annotations, played, settings.target, rng)
            found.add(
                facets.index(facet),
                annotations.n_labels,
                played,
                errors,
                _wants(played, strategy, errors),
                1.0 if settings.target == "shares" else _weight(facet, played, measure),
            )
            believed[facet] = played.consensus.posterior[_some(sheet)].copy()
            rounds[facet] = played if len(facets) == 1 else _kept(played, settings.batch)
    ranking, size, asked = _ranking(sheet, rounds, found, settings, reading, rng)
    return JointRound(
        questions=sheet.questions,
        rounds=rounds,
        ranking=ranking,
        expected_errors=found.errors,
        thresholds=_thresholds(sheet, rounds, believed, measure, settings.target),
        size=size,
        basis=basis,
        asked=asked,
    )


def _kept(played: Round, batch: int) -> Round:
    """Return what is kept of a facet's round: of many facets all would take much room.

    That is the front of its ranking, and the consensus of the texts that have answers.
    """
    ranking, n = played.ranking, max(batch, _FRONT)
    front = replace(
        ranking,
        texts=ranking.texts[:n].copy(),
        scores=ranking.scores[:n].copy(),
        probability=ranking.probability[:n].copy(),
        reasons=ranking.reasons[:n],
    )
    return replace(played, ranking=front, consensus=played.consensus.of_labelled())


def _eligible(eligible: Bools | None, n_texts: int, n_facets: int) -> Bools | None:
    if eligible is None:
        return None
    may = np.asarray(eligible, dtype=bool)
    if may.shape not in ((n_texts,), (n_texts, n_facets)):
        raise InputError(f"eligible has shape {may.shape}, expected ({n_texts},) or ({n_texts}, {n_facets})")
    return may if may.ndim == 2 else np.tile(may[:, None], (1, n_facets))


def _shared_basis(
    sheet: AnswerSheet, features: Any, trainable: Bools | None, settings: Settings
) -> Floats | None:
    """Return the row space of all texts that some facet's head is trained on, where several share it."""
    if len(sheet.facets) < 2 or not isinstance(features, np.ndarray):
        return None
    if not isinstance(settings.classifier, Head):  # no other is the same on turned features
        return None
    if sheet.n_texts > _SHARING:  # turned features of so many texts take more room than factorisations time
        return None
    trained = answered(sheet, trainable)
    return row_space(features[trained]) if trained.any() else None


def _expected_errors(
    annotations: Annotations, played: Round, target: Target, rng: np.random.Generator
) -> Floats:
    """Return how wrong each of a facet's items is expected to be (N,); 0 where none is wanted.

    That is the probability that it is wrong; on a scale, the expected distance as a share of the scale; where
    shares are wanted, by how much an answer is expected to make their error smaller.
    """
    wanting, scale = played.ranking.texts, annotations.scale
    score = by_consensus if target == "class" else by_shares
    scores = score(annotations, played.pred_probs, played.consensus, rng)[wanting]
    errors = np.zeros(annotations.n_texts)
    if scale is not None and target == "class":
        errors[wanting] = -scores / (scale[-1] - scale[0])
    else:
        errors[wanting] = 1 - scores
    return errors


def _wants(played: Round, strategy: Strategy, errors: Floats) -> Floats:
    """Return how much a strategy wants each of a facet's items (N,): by its score, 0 where none is wanted."""
    untrained = played.classifier is None and not played.diagnostics["machines"]  # whose scores are a spread
    if untrained or (strategy.score in (by_consensus, by_shares) and played.classifier is not None):
        return errors
    wants = np.zeros(len(errors))
    wants[played.ranking.texts] = played.ranking.scores.max(initial=1.0) - played.ranking.scores
    return wants


def _weight(facet: Facet, played: Round, measure: Measure) -> float:
    """Return how much an error counts: that of a class as the measure weighs it."""
    return 1.0 if facet.option is None else weight_of_yes(played.consensus.posterior[:, 1], measure)


def _ranking(
    sheet: AnswerSheet,
    rounds: Mapping[Facet, Round],
    found: ItemTotals,
    settings: Settings,
    reading: float | None,
    rng: np.random.Generator,
) -> tuple[Ranking, int, Bools | None]:
    """Rank texts by how much their items are wanted together, or by the most that they settle a second."""
    played = list(rounds.values())
    if len(played) == 1:
        return played[0].ranking, int(played[0].diagnostics["batch"]), None
    gains = found.gains
    asked: Bools | None = None
    if reading is not None and found.wants is not None:
        gains, asked = most_per_second(found.wants, reading=reading)
    ranking, size = rank_texts(
        sheet.texts,
        found.n_labels,
        -gains,
        found.wanting,
        rng,
        batch=settings.batch,
        random_share=settings.random_share,
        spread=all(each.classifier is None for each in played),
    )
    if asked is not None:
        asked[ranking.texts[:size][np.array(ranking.reasons[:size]) == "random"]] = True
    return ranking, size, asked


def _some(sheet: AnswerSheet) -> slice:
    """Return the texts that thresholds are chosen by: all of the pool, or some of it."""
    return slice(None, None, sheet.n_texts // _MOST_TEXTS + 1)


def _thresholds(
    sheet: AnswerSheet,
    rounds: Mapping[Facet, Round],
    believed: Mapping[Facet, Floats],
    measure: Measure,
    target: Target,
) -> dict[Facet, Floats]:
    """Return what probabilities are divided by, from what is believed of some texts."""
    found: dict[Facet, Floats] = {}
    for question in sheet.questions:
        if target == "shares" or question.kind == "scale":
            K = len(question.facet_classes)
            found |= dict.fromkeys(question.facets, np.full(K, 0.5 if question.kind == "several" else 1.0))
            continue
        p = [rounds[facet].pred_probs[_some(sheet)] for facet in question.facets]
        q = [believed[facet] for facet in question.facets]
        if question.kind == "several":
            said, right = (np.column_stack([each[:, 1] for each in one]) for one in (p, q))
            for facet, threshold in zip(question.facets, best_thresholds(said, right, measure), strict=True):
                found[facet] = np.clip([1 - threshold, threshold], _LEAST, None)
        else:
            found[question.facets[0]] = best_divisors(p[0], q[0], measure)
    return found
