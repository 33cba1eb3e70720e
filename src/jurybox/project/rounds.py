"""Rounds: refit on what is there, publish the ranking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.errors import ConflictError
from jurybox.formats.plain import plain
from jurybox.loop import Round
from jurybox.project.auditing import audit_record
from jurybox.project.encoding import Encoding, Telling, quiet
from jurybox.project.handle import ProjectPart
from jurybox.project.tuning import Tuned, Tuning, columns_of
from jurybox.questions import Facet
from jurybox.store import machines, rounds, said, snapshots, streams
from jurybox.store.engine import Store
from jurybox.store.overview import count_paid
from jurybox.store.records import RoundInfo
from jurybox.store.settings import ProjectSettings
from jurybox.store.snapshots import Snapshot
from jurybox.store.state import read_classes, read_questions, read_scale, read_state
from jurybox.trust.stopping import prediction_stability
from jurybox.written import all_facets

if TYPE_CHECKING:
    from jurybox.classifiers.pooled import MachineVotes
    from jurybox.joint import JointRound
    from jurybox.loop import Settings
    from jurybox.sheets import AnswerSheet

Key = TypeVar("Key", Facet, None)

_LARGE = 50_000
"""Texts from which on a round ranks a front, part by part."""


class Rounds(ProjectPart):
    """Plays rounds, with what the encoder learnt apart from them.

    Attributes
    ----------
    encoding
        What rounds are played on.
    """

    def __init__(self, store: Store, clock: Callable[[], float], cache: Path, tuning: Tuning) -> None:
        super().__init__(store, clock)
        self.encoding = Encoding(store, clock, cache)
        self._tuning = tuning
        self._previous: tuple[Round | JointRound, NDArray[np.int64]] | None = None
        self._number = 0  # of that round

    def play(self, progress: Telling | None, allowed: Callable[[], bool]) -> RoundInfo:
        """Play one round and publish it, see `jurybox.Project.refit`."""
        with self.store.exclusive("round") as alone:
            if not alone:
                raise ConflictError("another round of this project is being played; wait for it to end")
            return self._published(progress or quiet, lambda: alone.is_held() and allowed())

    def _published(self, progress: Telling, allowed: Callable[[], bool]) -> RoundInfo:
        with self.store.read() as connection:
            settings = read_state(connection).settings
        snapshot = snapshots.read_snapshot(self.store)
        with self.store.read() as connection:
            paid = count_paid(connection)
        number = rounds.begin_round(self.store, snapshot, settings.to_dict(), now=self._clock())
        try:
            played, made = self._play(snapshot, settings, number, progress)
        except Exception as error:
            rounds.abandon(self.store, number, f"{type(error).__name__}: {error}")
            raise
        progress("publish", 0, 1)
        told = self._told(played, snapshot)
        found = {
            **told,
            **made,
            "remarks": [*told["remarks"], *made.get("remarks", ())],
            "training_labels": snapshot.training_labels,
            "held_out": snapshot.held_out,
            "paid": paid,
        }
        outcome = rounds.Outcome(
            order=played.ranking.texts,
            scores=played.ranking.scores,
            selection_probability=played.ranking.probability,
            reasons=played.ranking.reasons,
            pred_probs=snapshot.kin.spread(_probabilities(played)),
            diagnostics=plain(found),
            known=played.known,
            asked=None if isinstance(played, Round) else played.asked,
            is_front=isinstance(played, Round) and len(played.ranking) < played.diagnostics["wanting"],
        )
        rounds.publish(self.store, number, snapshot, outcome, now=self._clock(), allowed=allowed)
        progress("publish", 1, 1)
        self._previous, self._number = (played, snapshot.held_out), number
        with self.store.read() as connection:
            return rounds.read_rounds(connection)[-1]

    def rank_new(self) -> int:
        """Put texts that came since among those that the last round ranked: `jurybox.Project.rank_new`."""
        from jurybox.pool.in_parts import goes_in_parts, say_of

        with self.store.read() as connection:
            state = read_state(connection)
        (played, audit), known = self._previous or (None, None), self.encoding.known
        if not isinstance(played, Round) or played.classifier is None or audit is None or known is None:
            return 0
        first, N, settings = len(played.pred_probs), state.n_placed, _loop_settings(state.settings)
        stands = self._number == state.current_round and known.setting == state.settings.encoder
        if first >= N or not stands or known.views.outgrown(N) or not goes_in_parts(settings):
            return 0
        with self.store.read() as connection:
            scale = read_scale(connection)
        p, scores = say_of(played, settings, scale, self.encoding.of(known.setting, N).rows[first:N])
        self._previous = replace(played, pred_probs=np.concatenate([played.pred_probs, p])), audit
        return streams.rank_arrivals(self.store, self._number, first, scores, p)

    def _play(
        self, snapshot: Snapshot, settings: ProjectSettings, number: int, progress: Telling
    ) -> tuple[Round | JointRound, Mapping[str, Any]]:
        from jurybox.encoders.by_number import PoolRows
        from jurybox.loop import play_round
        from jurybox.pool.in_parts import goes_in_parts, play_in_parts
        from jurybox.ranking import FRONT

        if snapshot.questions:
            return self._play_questions(snapshot, settings, number, progress)
        annotations = snapshot.annotations
        N, K = annotations.n_texts, annotations.n_classes
        inputs, made = self._inputs(settings, N, progress)
        progress("fit", 0, 1)
        in_audit, held_out = (np.zeros(N, dtype=bool) for _ in range(2))
        in_audit[snapshot.audit] = held_out[snapshot.held_out] = True
        tuned = self._tuned(snapshot, settings, inputs)
        given: dict[str, Any] = {
            "previous": self._fitting(N, K, snapshot.held_out),
            "trainable": ~held_out,
            "eligible": rounds.wants_label(snapshot, settings) & ~in_audit,
            "experts": snapshot.experts,
            "tuned": None if tuned is None else tuned.of_first(N),
        }
        rng, chosen = np.random.default_rng([settings.seed, number]), _loop_settings(settings)
        machines = self._machine_votes({None: annotations}).get(None)
        if isinstance(inputs, PoolRows) and machines is None and _LARGE <= N and goes_in_parts(chosen):
            played = play_in_parts(annotations, inputs, chosen, rng, size=FRONT, **given)
        else:
            given["group"] = _sharing(snapshot, settings, held_out)
            played = play_round(annotations, _whole(inputs), chosen, rng, machines=machines, **given)
        progress("fit", 1, 1)
        return played, {**made, **_told_of_tuning(tuned)}

    def _play_questions(
        self, snapshot: Snapshot, settings: ProjectSettings, number: int, progress: Telling
    ) -> tuple[JointRound, Mapping[str, Any]]:
        """Play a round of every question; an item is asked for while its text and it want an answer."""
        from jurybox.joint import play_questions

        sheet = snapshot.sheet
        inputs, made = self._inputs(settings, sheet.n_texts, progress)
        tuned = self._tuned(snapshot, settings, inputs)
        progress("fit", 0, 1)
        in_audit, held_out = (np.zeros(sheet.n_texts, dtype=bool) for _ in range(2))
        in_audit[snapshot.audit] = held_out[snapshot.held_out] = True
        wants = rounds.wants_label(snapshot, settings) & ~in_audit
        enough = settings.enough_agreement if settings.target == "class" else None
        agreed = np.column_stack([rounds.agreed_texts(each, enough) for each in sheet.facets.values()])
        played = play_questions(
            sheet,
            _whole(inputs),
            _loop_settings(settings),
            np.random.default_rng([settings.seed, number]),
            previous=self._fitting_questions(sheet, snapshot.held_out),
            trainable=~held_out,
            eligible=wants[:, None] & ~agreed,
            experts=snapshot.experts,
            tuned=None if tuned is None else tuned.of_first(sheet.n_texts),
            reading=settings.reading_effort if settings.ask == "unsure" else None,
            group=_sharing(snapshot, settings, held_out),
            machines=self._machine_votes(sheet.facets),
        )
        progress("fit", 1, 1)
        return played, {**made, **_told_of_tuning(tuned)}

    def _tuned(self, snapshot: Snapshot, settings: ProjectSettings, inputs: Any) -> Tuned | None:
        """Return what a tuned encoder says of the texts; None where there is none, or it is not wanted."""
        from jurybox.encoders.by_number import PoolRows

        if not (settings.tuning and isinstance(inputs, PoolRows)):
            return None
        columns = columns_of(snapshot.questions, snapshot.annotations.classes)
        return self._tuning.result(columns, snapshot.held_out)

    def _told(self, played: Round | JointRound, snapshot: Snapshot) -> dict[str, Any]:
        """Return what a round says of itself: of several questions, of each facet what it says of one."""
        with self.store.read() as connection:
            before = rounds.read_array(connection, read_state(connection).current_round, "pred_probs")
        if isinstance(played, Round):
            return _told_of(played, snapshot.audit, before)
        facets, start = {}, 0
        for facet, each in played.rounds.items():
            K = each.pred_probs.shape[1]
            own = None if before is None else before[:, start : start + K]
            facets[str(facet)] = {
                **_told_of(each, snapshot.audit, own),
                "thresholds": played.thresholds[facet].tolist(),
            }
            start += K
        remarks = dict.fromkeys(f"{name}: {r}" for name, one in facets.items() for r in one["remarks"])
        first = next(iter(facets.values()))
        return {
            "strategy": first["strategy"],
            "classifier": first["classifier"],
            "batch": played.size,
            "trained_on": max(one["trained_on"] for one in facets.values()),
            "second_gear": float(np.mean([one["second_gear"] for one in facets.values()])),
            "remarks": [*remarks],
            "facets": facets,
        }

    def random_arm(
        self, drawn: Annotations, audit: NDArray[np.int64], experts: NDArray[np.bool_]
    ) -> list[tuple[int, NDArray[np.int64]]]:
        """Train on growing parts of the texts that were drawn at random; nothing is stored.

        Parameters
        ----------
        drawn
            Annotations of texts that were drawn at random, over the project's first N texts.
        audit : ndarray of int, shape (A,)
            Positions of the audit sample, which is never trained on.
        experts : ndarray of bool, shape (M,)
            Whose labels all count as an expert's.

        Returns
        -------
        list of tuple
            How many labels a model was trained on, and the classes that it predicts for the audit sample,
            shape (A,); empty where a model of texts itself is trained: that takes too long for the side.
        """
        from jurybox.simulation import play_random_arm

        with self.store.read() as connection:
            settings, held_out = read_state(connection).settings, snapshots.read_held_out(connection)
        if not drawn.n_annotations or _loop_settings(settings).classifier.takes == "texts":
            return []
        inputs, _ = self._inputs(settings, drawn.n_texts, quiet)
        # Nobody asks for predictions of other texts, and on a large project these would take longest.
        rows = np.union1d(np.flatnonzero(drawn.labelled), audit)
        points = play_random_arm(
            drawn.subset(texts=rows),
            inputs[rows],
            _loop_settings(settings),
            np.random.default_rng([settings.seed, drawn.n_annotations]),
            trainable=~np.isin(rows, held_out),
            experts=experts,
        )
        places = np.searchsorted(rows, audit)
        return [(point.labels, point.pred_probs[places].argmax(axis=1)) for point in points]

    def _machine_votes(self, asked: Mapping[Key, Annotations]) -> dict[Key, MachineVotes]:
        """Return what machines say of the texts of each facet, or of the only question, which is None.

        Nothing of one of which they say nothing.
        """
        from jurybox.classifiers.pooled import MachineVotes

        with self.store.read() as connection:
            known = machines.read_machines(connection)
            if not known:
                return {}
            found = said.read_responses(connection, known)
            questions, names = read_questions(connection), read_classes(connection)
        votes: dict[Key, MachineVotes] = {}
        known_facets = all_facets(questions)  # classes may have changed since: then no round is published
        for facet, each in asked.items():
            own = found
            if facet is not None:
                if facet not in known_facets:
                    continue
                own = said.responses_at(found, known, questions, names, facet)
            if (own.label >= 0).any():
                votes[facet] = MachineVotes(len(known), own.votes(len(known), each.n_texts, each.n_classes))
        return votes

    def _inputs(self, settings: ProjectSettings, N: int, progress: Telling) -> tuple[Any, Mapping[str, Any]]:
        """Return what the classifier takes of the first N texts, and what made it."""
        from jurybox.classifiers import get_classifier

        if get_classifier(settings.classifier).takes == "texts":
            return self.encoding.texts(0, N), {}
        encoded = self.encoding.of(settings.encoder, N, progress)
        views = encoded.views
        return encoded.rows, {
            "encoder": views.name,
            "encoder_reason": views.reason,
            "remarks": encoded.notes,
        }

    def _fitting(self, N: int, K: int, audit: NDArray[np.int64]) -> Round | None:
        """Return the last round that this object played, its probabilities stretched to new texts.

        One that has learnt from a text that is in the audit sample by now is forgotten.
        """
        previous, left_out = self._previous or (None, audit)
        if not isinstance(previous, Round):
            return None
        learnt = audit[audit < len(previous.pred_probs)]
        if previous.pred_probs.shape[1] != K or not np.isin(learnt, left_out).all():
            return None
        return _longer(previous, N)

    def _fitting_questions(self, sheet: AnswerSheet, audit: NDArray[np.int64]) -> JointRound | None:
        """Return the last round of several questions, as `_fitting` does; none where a class was renamed."""
        previous, left_out = self._previous or (None, audit)
        if previous is None or isinstance(previous, Round) or previous.questions != sheet.questions:
            return None
        N, known = sheet.n_texts, len(previous.expected_errors)
        if not np.isin(audit[audit < known], left_out).all():
            return None
        return replace(previous, rounds={facet: _longer(each, N) for facet, each in previous.rounds.items()})


def _loop_settings(settings: ProjectSettings) -> Settings:
    from jurybox.classifiers import get_classifier
    from jurybox.loop import Settings

    return Settings(
        strategy=settings.strategy,
        batch=settings.batch,
        max_labels=settings.max_labels,
        random_share=settings.random_share,
        classifier=get_classifier(settings.classifier),
        target=settings.target,
        least_gain=settings.least_gain,
    )


def _told_of_tuning(tuned: Tuned | None) -> Mapping[str, Any]:
    return {} if tuned is None else {"tuning": tuned.describe()}


def _told_of(played: Round, audit: NDArray[np.int64], before: NDArray[np.floating] | None) -> dict[str, Any]:
    """Return what a round of one question says of itself, beside the probabilities of the one before."""
    p = played.pred_probs
    fitted = played.classifier is not None
    return {
        **played.diagnostics,
        "stability": prediction_stability(before, p) if fitted and before is not None else None,
        "audit": audit_record(audit, p),
    }


def _sharing(
    snapshot: Snapshot, settings: ProjectSettings, held_out: NDArray[np.bool_]
) -> NDArray[np.int64] | None:
    """Return the groups (N,) of near-duplicates that may share labels; None for none."""
    return snapshot.kin.sharing(held_out) if settings.share_copies else None


def _probabilities(played: Round | JointRound) -> NDArray[np.floating]:
    """Return the probabilities of all texts; of several facets side by side."""
    if isinstance(played, Round):
        return played.pred_probs
    return np.asarray(np.hstack([each.pred_probs for each in played.rounds.values()]))


def _whole(inputs: Any) -> Any:
    """Return what a classifier takes, all of it in memory."""
    from jurybox.encoders.by_number import PoolRows

    return inputs[:] if isinstance(inputs, PoolRows) else inputs


def _longer(played: Round, N: int) -> Round:
    """Return a round whose probabilities are of N texts, equal ones for those that it did not know."""
    known, K = played.pred_probs.shape
    if known == N:
        return played
    probs = np.full((N, K), 1 / K, dtype=played.pred_probs.dtype)
    probs[:known] = played.pred_probs
    return replace(played, pred_probs=probs)
