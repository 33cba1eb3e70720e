"""What a loop in memory asks and finds: its rounds, batches, oracles, frames, and its file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from pickle import PicklingError
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, DataFrame, Floats, Ints, Rng
from jurybox.atomic import new_file
from jurybox.consensus.result import UNKNOWN
from jurybox.display import Shown
from jurybox.doubts import doubt
from jurybox.errors import InputError
from jurybox.joint import JointRound, play_questions
from jurybox.labelled import ensemble
from jurybox.loop import Round, Settings, play_round
from jurybox.questions import Question
from jurybox.whole import answer_sheet
from jurybox.written import all_facets, answer_said

__all__ = [
    "Batch",
    "Oracle",
    "batch_of",
    "believed_frame",
    "exhausted",
    "first_answer",
    "likely_frame",
    "next_round",
    "own_probabilities",
    "read_state",
    "stored",
    "with_ids",
    "write_state",
]

_VERSION = 2

Oracle: TypeAlias = Callable[..., Any]
"""From a text, or from a text and its id, to a label, to (annotator, label), or to None: no answer.

With several questions a label is an answer by question, or in writing (`jurybox.written.Answers`).
"""


@dataclass(frozen=True, eq=False, repr=False)
class Batch(Shown):
    """The texts to label next.

    Attributes
    ----------
    text_ids, texts : tuple of length B
        The texts, the most wanted first.
    scores : ndarray, shape (B,)
        Low = ask next.
    reasons : tuple of B str
        As in `jurybox.Ranking`.
    asked : tuple of B tuples of str, or None
        Of several questions, those (``food``) and the single classes (``topics:price``) that are asked of
        each text; None: all.
    """

    text_ids: tuple[Any, ...]
    texts: tuple[str, ...]
    scores: Floats
    reasons: tuple[str, ...]
    asked: tuple[tuple[str, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.text_ids)

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        return iter(zip(self.text_ids, self.texts, strict=True))

    def headline(self) -> str:
        """Return how many texts there are, and why."""
        kinds = ", ".join(f"{self.reasons.count(kind)} {kind}" for kind in dict.fromkeys(self.reasons))
        return f"Batch({len(self)} texts: {kinds})"

    def to_frame(self) -> DataFrame:
        """Return one row per text: the text, its score, why it is asked for, and perhaps what is asked."""
        import pandas as pd

        columns = {"text": list(self.texts), "score": self.scores, "reason": list(self.reasons)}
        columns |= {} if self.asked is None else {"asked": list(self.asked)}
        return pd.DataFrame(columns, index=pd.Index(list(self.text_ids), name="text_id"))


def with_ids(function: Oracle) -> Oracle:
    """Let a function of a text alone be called with its id, too."""
    try:
        signature = inspect.signature(function)
        signature.bind("", "")
    except (TypeError, ValueError):  # it takes no second value, or is built in and does not say
        return lambda text, _: function(text)
    required = [
        p
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return function if len(required) == 2 else lambda text, _: function(text)


def first_answer(
    asking: Mapping[str, Oracle], annotations: Annotations, at: int, text: str, text_id: Any
) -> tuple[Any, Any] | None:
    """Ask about the text at a position those who have not labelled it, who labelled least first.

    Returns
    -------
    (annotator, label) or None
        None where nobody answers.
    """
    a = annotations
    given = dict(zip(a.annotators.tolist(), a.labels_per_annotator.tolist(), strict=True))
    had = set(a.annotators[a.annotator[a.text == at]].tolist())
    for name in sorted(set(asking) - had, key=lambda name: (given.get(name, 0), name)):
        answer = asking[name](text, text_id)
        who, label = answer if isinstance(answer, tuple) else (name, answer)
        if label is not None and who not in had:
            return who, label
    return None


def exhausted(given: Annotations, people: Sequence[Any]) -> Bools:
    """Return which texts (N,) all of some people have labelled already; none where there is nobody.

    Examples
    --------
    >>> exhausted(Annotations.from_wide([[0, 1], [1, None]]), [0, 1])
    array([ True, False])
    """
    if not len(people):
        return np.zeros(given.n_texts, dtype=bool)
    places = [at for at, name in enumerate(given.annotators.tolist()) if name in people]
    theirs = np.isin(given.annotator, places)
    return np.bincount(given.text[theirs], minlength=given.n_texts) >= len(people)


def next_round(
    given: Annotations,
    questions: tuple[Question, ...],
    inputs: Any,
    settings: Settings,
    rng: Rng,
    *,
    previous: Round | JointRound | None,
    eligible: Bools,
    pred_probs: Floats | None,
    reading: float | None,
) -> Round | JointRound:
    """Play the round of one question, or of several from whole answers: as `play_round`, `play_questions`."""
    if not questions:
        last = previous if isinstance(previous, Round) else None
        return play_round(
            given, inputs, settings, rng, previous=last, eligible=eligible, pred_probs=pred_probs
        )
    return play_questions(
        answer_sheet(questions, given),
        inputs,
        settings,
        rng,
        previous=previous if isinstance(previous, JointRound) else None,
        eligible=eligible & (given.n_labels < settings.max_labels),  # an answer may leave some open
        reading=reading,
    )


def batch_of(
    played: Round | JointRound, text_ids: NDArray[Any], texts: Sequence[str], questions: Sequence[Question]
) -> Batch:
    """Return the texts to label next, by ids and texts (N,) of the pool."""
    at, first = played.batch, slice(0, len(played.batch))
    wanted = played.asked if isinstance(played, JointRound) else None
    facets = np.array([*map(str, all_facets(questions))])
    return Batch(
        tuple(text_ids[at].tolist()),
        tuple(texts[text] for text in at),
        played.ranking.scores[first],
        tuple(played.ranking.reasons[first]),
        None if wanted is None else tuple(tuple(facets[items].tolist()) for items in wanted[at]),
    )


def believed_frame(played: Round | JointRound, texts: Sequence[str], given: Annotations) -> DataFrame:
    """Return one row per text; of several questions the answers believed, and how likely each part is right.

    Parameters
    ----------
    texts
        N texts.
    given
        What was said of them: of several questions, whole answers.
    """
    import pandas as pd

    if isinstance(played, Round):
        found = played.consensus.to_frame().rename_axis("text_id")
        found.insert(0, "text", list(texts))
        return found
    labels, quality = zip(*(_of_all(each, given.texts) for each in played.rounds.values()), strict=True)
    said = [answer_said(played.questions, each) for each in np.column_stack(labels).tolist()]
    columns = {
        "text": list(texts),
        **{one.name: [each.get(one.name) for each in said] for one in played.questions},
        "n_annotations": given.n_labels,
        **{f"quality({facet})": one for facet, one in zip(played.rounds, quality, strict=True)},
    }
    return pd.DataFrame(columns, index=pd.Index(given.texts, name="text_id"))


def _of_all(played: Round, texts: NDArray[Any]) -> tuple[Ints, Floats]:
    """Return classes (N,) and how likely they are: the consensus, else what the classifier says."""
    p, told = np.asarray(played.pred_probs), np.isin(texts, np.asarray(played.consensus.texts))
    labels = np.full(len(texts), UNKNOWN) if played.classifier is None else p.argmax(axis=1)
    quality = p.max(axis=1)
    labels[told], quality[told] = played.consensus.labels, played.consensus.quality
    return labels, quality


def likely_frame(played: Round | JointRound, features: Any, classes: Sequence[Hashable]) -> DataFrame | None:
    """Return probabilities of new texts, a column a class; None where nothing could be trained.

    Of several questions it is called ``question:class``, and where several may apply, holds that of "yes".
    """
    import pandas as pd

    if isinstance(played, Round):
        fitted = played.classifier
        return None if fitted is None else pd.DataFrame(fitted.predict_proba(features), columns=list(classes))
    if all(each.classifier is None for each in played.rounds.values()):
        return None
    p, found = played.predict_proba(features), {}
    for question in played.questions:
        for facet in question.facets:
            if facet.option is not None:
                found[str(facet)] = p[facet][:, 1]
            else:
                found |= {f"{facet}:{name}": p[facet][:, k] for k, name in enumerate(question.classes)}
    return pd.DataFrame(found)


def own_probabilities(pred_probs: Any, given: Annotations) -> Floats | None:
    """Return probabilities (P, N, K) of models of one's own, or of a function from annotations to these."""
    if pred_probs is None:
        return None
    p = ensemble(pred_probs(given) if callable(pred_probs) else pred_probs, given.texts, given.classes)
    for each in p:
        doubt(given, each)
    return p


def stored(
    location: str | PathLike[str],
    texts: Sequence[str],
    questions: Sequence[Question],
    given: Annotations,
    settings: Mapping[str, Any],
) -> Any:
    """Return a new stored project of texts (N,) and what was said of them; see `Loop.to_project`."""
    for name in ("strategy", "classifier", "encoder"):
        if not isinstance(settings[name], str):
            raise InputError(f"{name} is an object, expected a name: pass {name}='…' to to_project")
    # a loop becomes a project and a project a loop; only one of them can import the other
    project = import_module("jurybox.project").Project
    rules = import_module("jurybox.store.settings").ProjectSettings
    made = project.create(
        location,
        texts=[(str(text_id), text) for text_id, text in zip(given.texts, texts, strict=True)],
        classes=None if questions else [str(name) for name in given.classes],
        questions=questions,
        settings=rules(**{"scale": given.scale is not None, **settings}),
    )
    if len(given):
        made.add_annotations(given)
    return made


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write what a loop goes on from; the file is whole or not there."""
    import joblib

    try:
        with new_file(path, overwrite=True) as draft:
            joblib.dump({"jurybox loop": _VERSION, "state": state}, draft, compress=3)
    except (PicklingError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"the loop cannot be saved: {error!s:.200}; give strategy, classifier and encoder by name, or "
            "by an entry point (jurybox.plugins)"
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote."""
    import joblib

    held = joblib.load(path)
    if not isinstance(held, dict) or held.get("jurybox loop") != _VERSION:
        raise InputError(f"{path} holds no loop of this version of jurybox")
    return dict(held["state"])
