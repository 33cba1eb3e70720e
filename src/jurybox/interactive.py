"""`Loop`: active learning in a notebook or a script, round by round, with annotators of any kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame, Ints, Rng, generator
from jurybox.asking import (
    Batch,
    Oracle,
    batch_of,
    believed_frame,
    exhausted,
    first_answer,
    likely_frame,
    next_round,
    own_probabilities,
    read_state,
    stored,
    with_ids,
    write_state,
)
from jurybox.consensus import Consensus
from jurybox.display import Shown, watching
from jurybox.encoders import FeatureCache, Views, fit_views, get_encoders
from jurybox.errors import ConflictError, InputError
from jurybox.joint import JointRound
from jurybox.labelled import rows_by_text
from jurybox.loop import Round, Settings
from jurybox.numerals import count
from jurybox.questions import Question
from jurybox.told import as_told, check_count, many, one_or_several, read_texts, start_annotations

if TYPE_CHECKING:
    from jurybox.strategies import Strategy

__all__ = ["Loop"]

_RULES = ("batch", "max_labels", "random_share")


class Loop(Shown):
    """Ask, tell, learn: rounds of active learning over texts in memory.

    Parameters
    ----------
    texts
        Strings, (id, text) pairs, or a table with ``text`` and, where texts have one, ``id``. Strings are
        numbered.
    classes
        Names of the K >= 2 classes.
    questions
        In place of classes, what is asked of a text: as `jurybox.Question`, or as its `parse` takes it. Of
        several questions a label is an answer to all, by question or in writing, as in a stored project.
    annotations
        What is known already: `Annotations`, or a table as `Annotations.from_long` takes it; of several
        questions also an `AnswerSheet`, or a table as its `from_long` or `from_columns` takes it.
    strategy, classifier, encoder
        By name or as objects, as in `Settings` and `jurybox.get_encoders`.
    pred_probs
        In place of a classifier of ours: out-of-sample probabilities of a model, or of several, or a function
        from the annotations so far to these, called before each round. Not of several questions.
    features : table or array, shape (N, D), optional
        In place of an encoder; a pandas frame is aligned by its index.
    batch, max_labels, random_share
        As in `Settings`.
    reading
        Of several questions, ask of each text for what is worth it alone: as in `jurybox.play_questions`.
    cache
        Folder where features are kept; default: nowhere.
    rng
        Source of all randomness.

    Raises
    ------
    InputError
        For texts, classes, questions or annotations that do not fit together, and for ``pred_probs`` with
        several questions or ``reading`` with one.

    Examples
    --------
    >>> texts = ["what a fine day", "a bad day", "fine food", "bad service", "fine staff", "bad rooms"]
    >>> loop = Loop(texts, ["no", "yes"], encoder="tfidf", batch=2)
    >>> for batch in loop:
    ...     loop.tell(batch.text_ids, "ana", ["yes" if "fine" in text else "no" for text in batch.texts])
    ...     if len(loop.annotations) >= 4:
    ...         break
    >>> loop
    Loop(6 texts, classes no, yes: 4 annotations by 1 annotator, 2 rounds)
    """

    def __init__(
        self,
        texts: Any,
        classes: Sequence[Hashable] | None = None,
        *,
        questions: Sequence[Question | str] = (),
        annotations: Any = None,
        strategy: str | Strategy = "default",
        classifier: Any = "head",
        encoder: Any = "auto",
        pred_probs: Any = None,
        features: Any = None,
        batch: int = 25,
        max_labels: int = 5,
        random_share: float = 0.0,
        reading: float | None = None,
        cache: str | PathLike[str] | None = None,
        rng: Rng = 0,
    ) -> None:
        self.questions, names, is_scale = one_or_several(questions, classes)
        check_count(self.questions, pred_probs, reading)
        self.text_ids, self.texts = read_texts(texts)
        self.settings = Settings(strategy, batch, max_labels, random_share, classifier)
        self._names = {"strategy": strategy, "classifier": classifier, "encoder": encoder}
        self._pred_probs, self._reading = pred_probs, reading
        rows = None if features is None else rows_by_text(features, self.text_ids, "features")
        self._features = None if rows is None else np.asarray(rows)
        self._cache = None if cache is None else FeatureCache(Path(cache))
        self._views: Views | None = None
        self._rows: Any = None
        self._rng = generator(rng)
        self._place = {text_id: at for at, text_id in enumerate(self.text_ids.tolist())}
        self._annotations = start_annotations(annotations, self.text_ids, names, self.questions, is_scale)
        self._skipped = np.zeros(len(self.texts), dtype=bool)
        self._round: Round | JointRound | None = None
        self._fresh_for: tuple[Any, ...] | None = None
        self._asked: Ints | None = None
        self.n_rounds = 0

    @property
    def annotations(self) -> Annotations:
        """All annotations so far; of several questions, whole answers in writing."""
        return self._annotations

    @property
    def classes(self) -> tuple[Hashable, ...]:
        """Names of the classes; of several questions, the answers that were given."""
        return self._annotations.classes

    @property
    def round(self) -> Round:
        """The round that goes by all annotations so far; ConflictError where there are several questions."""
        played = self._now()
        if isinstance(played, Round):
            return played
        raise ConflictError("this loop has several questions: see joint_round, and its rounds of each")

    @property
    def joint_round(self) -> JointRound:
        """The round of several questions, as `round` is that of one; ConflictError where there is one."""
        played = self._now()
        if isinstance(played, JointRound):
            return played
        raise ConflictError("this loop has one question: see round")

    @property
    def consensus(self) -> Consensus:
        """Labels, posterior and annotators, by all annotations so far; of one question, as `round`."""
        return self.round.consensus

    def ask(self, annotators: str | Iterable[Any] | None = None) -> Batch:
        """Return the texts to label next; empty where no text wants a label.

        Parameters
        ----------
        annotators
            Who can be asked: of texts that all of them have labelled nothing is to be learnt. Default:
            everybody who has labelled so far.
        """
        names = (annotators,) if isinstance(annotators, str) else annotators
        played = self._played_for(self._known() if names is None else tuple(names))
        return batch_of(played, self.text_ids, self.texts, self.questions)

    def tell(self, text_ids: Any, annotator: Any, labels: Any, *, replace: bool = False) -> None:
        """Take labels.

        Parameters
        ----------
        text_ids
            One text, or several.
        annotator
            Who labelled them, known or new: a name, or one a text.
        labels
            Names of classes, one a text; positions where the classes are no numbers. Of several questions,
            answers: ``{"food": "good", "topics": ["price"]}``, or in writing.
        replace
            Whether a label takes the place of an earlier one by the same annotator; else that is an error.

        Raises
        ------
        InputError
            For an unknown text or class, different lengths, or a second label by the same annotator.
        """
        self._annotations = as_told(
            self._annotations, text_ids, annotator, labels, self.questions, replaced=replace
        )
        self._fresh_for, self._asked = None, None

    def skip(self, text_ids: Any) -> None:
        """Never ask about these texts (again); InputError for one that there is not."""
        ids = list(text_ids) if many(text_ids) else [text_ids]
        self._skipped[[self._at(text_id) for text_id in ids]] = True
        self._fresh_for, self._asked = None, None

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._asked is not None:
            raise ConflictError("nothing was told since the last batch: call tell(), skip() or ask()")
        asked = self.ask()
        if not len(asked):
            raise StopIteration
        self._asked = self._now().batch
        return asked

    def run(
        self,
        oracle: Oracle | Mapping[str, Oracle],
        *,
        budget: int,
        annotator: str = "oracle",
        progress: bool | Callable[[int, int], None] = False,
    ) -> Self:
        """Ask a function, or several in turn, until a number of labels is paid for; return the loop.

        Parameters
        ----------
        oracle
            A function from a text (or from a text and its id) to a label, to (annotator, label), or to None
            where there is no answer; or several by name of the annotator, each of whom labels a text once.
        budget
            Labels to buy in this call; fewer where no text wants one.
        annotator
            Name of a single function.
        progress
            True: a progress bar; or called with labels bought and budget.

        Raises
        ------
        InputError
            If the budget is below 1, or an answer is no label.
        """
        if budget < 1:
            raise InputError(f"budget is {budget}, expected at least 1 label")
        several = dict(oracle) if isinstance(oracle, Mapping) else {annotator: oracle}
        asking = {name: with_ids(function) for name, function in several.items()}
        watch, bought = watching(progress, "labels"), 0
        while bought < budget and len(batch := self.ask(tuple(asking))):
            for text_id, text in list(batch)[: budget - bought]:
                answer = first_answer(asking, self._annotations, self._at(text_id), text, text_id)
                if answer is None:
                    self.skip(text_id)
                else:
                    self.tell(text_id, *answer)
                    bought += 1
            if watch is not None:
                watch(bought, budget)
        return self

    def predict_proba(self, texts: Iterable[str]) -> DataFrame:
        """Return the classifier's probabilities of other texts, a column a class.

        Of several questions a column is called ``question:class``; where several classes may apply, it holds
        the probability that this one does.

        Raises
        ------
        InputError
            Where there is no classifier: nothing is labelled yet, or the probabilities are your own.
        """
        played, new = self._now(), list(texts)
        found = None
        if self._features is None and self._pred_probs is None:
            x = new if self.settings.classifier.takes == "texts" else self._fitted_views().rows(new)
            found = likely_frame(played, x, self.classes)
        if found is None:
            raise InputError("no classifier of texts: label some, or ask the model that you brought along")
        return found

    def headline(self) -> str:
        """Return sizes and rounds."""
        a = self._annotations
        told = f"{count(len(a), 'annotation')} by {count(len(self._known()), 'annotator')}"
        asked = (
            "; ".join(one.declared for one in self.questions) or f"classes {', '.join(map(str, a.classes))}"
        )
        return f"Loop({count(a.n_texts, 'text')}, {asked}: {told}, {count(self.n_rounds, 'round')})"

    def to_frame(self) -> DataFrame:
        """Return one row per text: the text, and what is believed of it by all annotations so far.

        Of several questions: a column for the answer to each, and for how likely each part of it is right.
        """
        return believed_frame(self._now(), self.texts, self._annotations)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the loop into a file; a loop that is loaded goes on as this one would.

        Raises
        ------
        InputError
            If an object that was given cannot be pickled, such as a function in a notebook.
        """
        own = () if isinstance(self._names["strategy"], str) else ("_round",)
        state = {
            name: value
            for name, value in vars(self).items()
            if name not in ("_views", "_rows", "settings", *own)
        }
        if callable(self._pred_probs):
            state["_pred_probs"] = None
        state["_rules"] = {name: getattr(self.settings, name) for name in _RULES}
        write_state(Path(path), state)

    @classmethod
    def load(cls, path: str | PathLike[str], *, pred_probs: Any = None) -> Self:
        """Read a loop that was saved. It holds pickles: load what you or people you trust have written.

        Parameters
        ----------
        path
            The file.
        pred_probs
            Your function again, where the loop had one.

        Raises
        ------
        InputError
            If the file is none of a loop.
        """
        state = read_state(Path(path))
        loop = cls.__new__(cls)
        rules = state.pop("_rules")
        vars(loop).update({"_round": None, **state, "_views": None, "_rows": None})
        if loop._round is None:
            loop._fresh_for = None
        if pred_probs is not None:
            loop._pred_probs = pred_probs
        chosen = {name: loop._names[name] for name in ("strategy", "classifier")}
        loop.settings = Settings(**chosen, **rules)
        return loop

    def to_project(self, location: str | PathLike[str], **settings: Any) -> Any:
        """Make a stored project of the texts and annotations, for the web app and the command line.

        Parameters
        ----------
        location
            As of `Project.create`.
        **settings
            Further settings by name, as of `Project.configure`.

        Raises
        ------
        InputError
            If strategy, classifier or encoder is an object: a project knows them by name alone.
        """
        known = {**self._names, **{name: getattr(self.settings, name) for name in _RULES}}
        known |= {"ask": "unsure", "reading_effort": self._reading} if self._reading is not None else {}
        return stored(location, self.texts, self.questions, self._annotations, {**known, **settings})

    def _known(self) -> tuple[Any, ...]:
        a = self._annotations
        return tuple(a.annotators[a.labels_per_annotator > 0].tolist())

    def _now(self) -> Round | JointRound:
        """Return the round that goes by all annotations so far, whoever it asks."""
        if self._round is not None and self._fresh_for is not None:
            return self._round
        return self._played_for(self._known())

    def _played_for(self, people: tuple[Any, ...]) -> Round | JointRound:
        """Return the round that goes by all annotations and asks these people, played if need be."""
        if self._round is None or self._fresh_for != people:
            self._round = self._play(people)
            self._fresh_for, self.n_rounds = people, self.n_rounds + 1
        return self._round

    def _play(self, people: tuple[Any, ...]) -> Round | JointRound:
        a = self._annotations
        p = own_probabilities(self._pred_probs, a)
        x = np.zeros((a.n_texts, 0)) if p is not None else self._inputs()
        return next_round(
            a,
            self.questions,
            x,
            self.settings,
            self._rng,
            previous=self._round,
            eligible=~(self._skipped | exhausted(a, people)),
            pred_probs=p,
            reading=self._reading,
        )

    def _inputs(self) -> Any:
        if self._features is not None:
            return self._features
        if self.settings.classifier.takes == "texts":
            return list(self.texts)
        if self._rows is None:
            self._rows = self._fitted_views().rows(self.texts)
        return self._rows

    def _fitted_views(self) -> Views:
        if self._views is None:
            self._views = fit_views(get_encoders(self._names["encoder"]), self.texts, cache=self._cache)
        return self._views

    def _at(self, text_id: Any) -> int:
        if text_id not in self._place:
            raise InputError(f"there is no text {text_id!r}; ids start with {self.text_ids[:3].tolist()}")
        return self._place[text_id]
