"""Rounds: refit on what is there, publish the ranking."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.errors import ConflictError
from jurybox.project.auditing import audit_record
from jurybox.project.handle import Handle
from jurybox.store import overview, rounds
from jurybox.store.engine import Store
from jurybox.store.records import RoundInfo
from jurybox.store.rounds import Snapshot
from jurybox.store.settings import ProjectSettings
from jurybox.store.state import read_state

if TYPE_CHECKING:
    from jurybox.loop import Round

__all__ = ["Rounds"]

Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Features:
    """What the encoder makes of the first N texts; texts never change, so it holds while there are N."""

    setting: str
    encoder: str
    reason: str
    features: NDArray[np.float64]


class Rounds(Handle):
    """Plays rounds and remembers them."""

    def __init__(self, store: Store, *, cache: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(store, cache=cache, clock=clock)
        self._features: _Features | None = None
        self._previous: Round | None = None

    def rounds(self) -> list[RoundInfo]:
        """Return the rounds that were published, in order."""
        with self.store.read() as connection:
            return rounds.read_rounds(connection)

    def refit(self, *, progress: Progress | None = None) -> RoundInfo:
        """Play one round on what is there and publish its ranking; labelling goes on meanwhile.

        The audit sample is never trained on, and its texts are asked for apart from the ranking.

        Parameters
        ----------
        progress
            Called with what is being done, how much of it is done, and how much there is.

        Raises
        ------
        ConflictError
            If another process plays a round of this project.
        InputError
            If the project has fewer than two classes.
        FitError
            If the classifier cannot be fitted; the last ranking holds.
        """
        with self.store.exclusive("round") as alone:
            if not alone:
                raise ConflictError("another round of this project is being played; wait for it to end")
            return self._refit(progress or _quiet)

    def _refit(self, progress: Progress) -> RoundInfo:
        with self.store.read() as connection:
            settings = read_state(connection).settings
        snapshot = rounds.read_snapshot(self.store)
        number = rounds.begin_round(self.store, snapshot, settings.to_dict(), now=self._clock())
        try:
            played, made = self._play(snapshot, settings, number, progress)
        except Exception as error:
            rounds.abandon(self.store, number, f"{type(error).__name__}: {error}")
            raise
        progress("publish", 0, 1)
        outcome = rounds.Outcome(
            order=played.ranking.texts,
            scores=played.ranking.scores,
            selection_probability=played.ranking.probability,
            reasons=played.ranking.reasons,
            pred_probs=played.pred_probs,
            diagnostics=_plain(
                {**played.diagnostics, **made, "audit": audit_record(snapshot.audit, played.pred_probs)}
            ),
        )
        rounds.publish(self.store, number, snapshot, outcome, now=self._clock())
        progress("publish", 1, 1)
        self._previous = played
        return self.rounds()[-1]

    def _play(
        self, snapshot: Snapshot, settings: ProjectSettings, number: int, progress: Progress
    ) -> tuple[Round, Mapping[str, str]]:
        from jurybox.classifiers import get_classifier
        from jurybox.loop import Settings, play_round

        annotations = snapshot.annotations
        classifier = get_classifier(settings.classifier)
        made: Mapping[str, str] = {}
        inputs: NDArray[np.float64] | Sequence[str]
        if classifier.takes == "texts":
            inputs = self._pool_texts(annotations.n_texts)
        else:
            encoded = self._encoded(settings.encoder, annotations.n_texts, progress)
            inputs = encoded.features
            made = {"encoder": encoded.encoder, "encoder_reason": encoded.reason}
        progress("fit", 0, 1)
        in_audit = np.zeros(annotations.n_texts, dtype=bool)
        in_audit[snapshot.audit] = True
        played = play_round(
            annotations,
            inputs,
            Settings(
                strategy=settings.strategy,
                batch=settings.batch,
                max_labels=settings.max_labels,
                classifier=classifier,
            ),
            np.random.default_rng([settings.seed, number]),
            previous=self._fitting(annotations.n_texts, annotations.n_classes),
            trainable=~in_audit,
            eligible=rounds.wants_label(snapshot, settings) & ~in_audit,
            experts=snapshot.experts,
        )
        progress("fit", 1, 1)
        return played, made

    def _fitting(self, N: int, K: int) -> Round | None:
        """Return the last round that this object played, its probabilities stretched to new texts."""
        previous = self._previous
        if previous is None or previous.pred_probs.shape[1] != K:
            return None
        probs = np.full((N, K), 1 / K)
        probs[: len(previous.pred_probs)] = previous.pred_probs
        return replace(previous, pred_probs=probs)

    def _encoded(self, encoder: str, N: int, progress: Progress) -> _Features:
        """Return the features of the first N texts, from memory where they are known."""
        from jurybox.classifiers.features import fit_feature_map
        from jurybox.encoders import FeatureCache, get_encoder

        known = self._features
        if known is not None and known.setting == encoder and len(known.features) == N:
            return known
        found = get_encoder(encoder)
        features = FeatureCache(self.cache).features(
            found, self._pool_texts(N), lambda done, total: progress("encode", done, total)
        )
        mapped = fit_feature_map(features)(features)
        self._features = _Features(encoder, found.name, found.reason, mapped)
        return self._features

    def _pool_texts(self, N: int) -> list[str]:
        with self.store.read() as connection:
            return overview.pool_texts(connection, N)


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def _plain(value: Any) -> Any:
    """Turn what a round says about itself into JSON values; what is no finite number becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
