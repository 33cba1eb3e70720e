"""Answers to several questions, or with several classes, about the same texts by the same people."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jurybox.annotations import Annotations, Duplicates
from jurybox.answers import (
    NOT_ASKED,
    Answerers,
    FacetAnnotations,
    as_words,
    as_yes,
    class_columns,
    read_sets,
    seen_questions,
)
from jurybox.arrays import DataFrame, Ints
from jurybox.coding import encode
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.inputs import named_columns, table
from jurybox.numerals import count
from jurybox.questions import Facet, Question, declared_questions

__all__ = ["AnswerSheet"]

_COLUMNS = ("text", "annotator", "question", "answer")
_ASKED = "asked"

R = TypeVar("R")


@dataclass(frozen=True, eq=False, repr=False)
class AnswerSheet(Shown):
    """What M annotators answered to questions about N texts: one `Annotations` for each facet.

    Build one with `from_long`, `from_columns` or `of`. Not asked is not "no": who answers a question with
    several classes says yes or no to each class that was asked for, and nothing about the others.

    Attributes
    ----------
    questions : tuple of Question
        What is asked, with its classes.
    facets : mapping of Facet to Annotations
        For a question with one answer its annotations, for each class of one with several those of ("no",
        "yes"). All have the same N texts and M annotators.

    Examples
    --------
    >>> sheet = AnswerSheet.from_long(
    ...     ["t1", "t1", "t2"], ["ana", "bo", "bo"], ["topics"] * 3, ["price|service", "price", "|"]
    ... )
    >>> sheet
    AnswerSheet(2 texts, 2 annotators, topics: several of 2 classes, 6 answers)
    >>> sheet["topics", "service"].counts
    array([[1, 1],
           [1, 0]])
    """

    questions: tuple[Question, ...]
    facets: Mapping[Facet, Annotations]

    def __post_init__(self) -> None:
        expected = [facet for question in self.questions for facet in question.facets]
        if not expected or list(self.facets) != expected:
            raise InputError(
                f"facets are {', '.join(map(str, self.facets)) or 'none'}, expected those of the questions, "
                f"in order: {', '.join(map(str, expected)) or 'at least one'}"
            )
        first = self.facets[expected[0]]
        for facet, each in self.facets.items():
            for name in ("texts", "annotators"):
                if not np.array_equal(getattr(each, name), getattr(first, name)):
                    raise InputError(f"{facet} has other {name} than {expected[0]}, expected the same")

    def headline(self) -> str:
        """Return the sizes."""
        asked = "; ".join(
            f"{question.name}: {question.kind} of {count(len(question.classes), 'class', 'classes')}"
            for question in self.questions
        )
        sizes = f"{count(self.n_texts, 'text')}, {count(self.n_annotators, 'annotator')}"
        return f"AnswerSheet({sizes}, {asked}, {count(len(self), 'answer')})"

    def __len__(self) -> int:
        return sum(len(each) for each in self.facets.values())

    def __getitem__(self, key: str | Facet | tuple[str, Hashable]) -> Annotations:
        """Return the annotations of a question, or of one class of a question with several."""
        facet = key if isinstance(key, Facet) else Facet(key) if isinstance(key, str) else Facet(*key)
        if facet not in self.facets:
            raise InputError(f"there is no {facet}, expected one of {', '.join(map(str, self.facets))}")
        return self.facets[facet]

    @property
    def _first(self) -> Annotations:
        return next(iter(self.facets.values()))

    @property
    def texts(self) -> NDArray[Any]:
        """Identifiers of the texts, shape (N,)."""
        return self._first.texts

    @property
    def annotators(self) -> NDArray[Any]:
        """Identifiers of the annotators, shape (M,)."""
        return self._first.annotators

    @property
    def n_texts(self) -> int:
        """N."""
        return self._first.n_texts

    @property
    def n_annotators(self) -> int:
        """M."""
        return self._first.n_annotators

    def question(self, name: str) -> Question:
        """Return a question by name.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        for question in self.questions:
            if question.name == name:
                return question
        known = ", ".join(each.name for each in self.questions)
        raise InputError(f"there is no question {name!r}, expected one of {known}")

    def each(
        self, function: Callable[..., R], *further: Mapping[Facet, Any] | None, **given: Any
    ) -> dict[Facet, R]:
        """Apply to each facet what exists for annotations of one question.

        Parameters
        ----------
        function
            Of `Annotations`, then of what ``further`` holds for the facet, and of the arguments ``given``.

        Examples
        --------
        >>> from jurybox import majority_vote
        >>> sheet = AnswerSheet.from_long([("t1", "ana", "topics", ["price"]), ("t1", "ana", "mood", "good")])
        >>> {str(facet): found.labels.tolist() for facet, found in sheet.each(majority_vote).items()}
        {'topics:price': [1], 'mood': [0]}
        """
        return {
            facet: function(each, *(None if one is None else one[facet] for one in further), **given)
            for facet, each in self.facets.items()
        }

    @classmethod
    def of(cls, annotations: Mapping[str, Annotations]) -> AnswerSheet:
        """Take annotations of the same texts by the same people, by question; on a scale if they are."""
        questions = tuple(
            Question(name, "single" if each.scale is None else "scale", each.classes, each.scale)
            for name, each in annotations.items()
        )
        return cls(questions, {Facet(name): each for name, each in annotations.items()})

    @classmethod
    def from_long(
        cls,
        data: Any,
        annotator: Iterable[Any] | None = None,
        question: Iterable[Any] | None = None,
        answer: Iterable[Any] | None = None,
        *,
        questions: Sequence[Question | str] | None = None,
        columns: Mapping[str, Hashable] | None = None,
        texts: Sequence[Any] | NDArray[Any] | None = None,
        annotators: Sequence[Any] | NDArray[Any] | None = None,
        duplicates: Duplicates = "error",
    ) -> AnswerSheet:
        """Build from one row per answer.

        Parameters
        ----------
        data
            A table of any kind that `jurybox.inputs.table` knows, with the columns ``text``, ``annotator``,
            ``question``, ``answer`` and perhaps ``asked``; rows of the first four; or four sequences. The
            answer to a question with several classes is a list, or text with pipes between them; an empty
            list or a lone pipe says that none applies. ``asked`` names, in the same way, the classes that
            were asked for; default: all. A row without an answer is none.
        questions
            What is asked, as `Question` or as `Question.parse` takes it. Default: the questions that occur,
            in order of appearance: of several classes where a cell holds a list or a pipe, else of one.
        columns, texts, annotators, duplicates
            As in `Annotations.from_long`.

        Raises
        ------
        InputError
            As `Annotations.from_long`; and for a question that is not among those given, a class that a
            question does not have, or that was not asked for.

        Examples
        --------
        >>> rows = [("t1", "ana", "stars", 4), ("t1", "ana", "topics", ["price"])]
        >>> declared = ["stars=scale:1..5", "topics=several:price,service"]
        >>> sheet = AnswerSheet.from_long(
        ...     rows, questions=[Question("stars", "scale", (1, 2, 3, 4, 5)), declared[1]]
        ... )
        >>> sheet["stars"].scale, sheet["topics", "service"].label
        ((1.0, 2.0, 3.0, 4.0, 5.0), array([0], dtype=int32))
        """
        found = named_columns(data, (annotator, question, answer), columns, _COLUMNS, (_ASKED,))
        text, who, of, said = (found[name] for name in _COLUMNS)
        of = as_words(of)
        if not len(text) == len(who) == len(of) == len(said):
            raise InputError(
                f"{', '.join(_COLUMNS)} have lengths {len(text)}, {len(who)}, {len(of)} and {len(said)}, "
                "expected the same length"
            )
        asked = found.get(_ASKED, np.full(len(of), None, dtype=object))
        declared = declared_questions(questions) if questions is not None else seen_questions(of, said)
        names, _ = encode(of, [each.name for each in declared], "question")
        people = Answerers.of(text, who, texts, annotators, duplicates)
        parts = []
        for position, each in enumerate(declared):
            rows = np.flatnonzero(names == position)
            if each.kind == "several":
                parts.append(people.several(*read_sets(each, said, asked, rows)))
            else:
                parts.append(people.one(each, said, rows))
        return _joined(parts)

    @classmethod
    def from_columns(
        cls,
        data: Any,
        questions: Sequence[Question | str],
        *,
        columns: Mapping[str, Hashable] | None = None,
        texts: Sequence[Any] | NDArray[Any] | None = None,
        annotators: Sequence[Any] | NDArray[Any] | None = None,
        duplicates: Duplicates = "error",
    ) -> AnswerSheet:
        """Build from one row for each text and annotator, and a column for each question or class.

        Parameters
        ----------
        data
            A table with the columns ``text`` and ``annotator``; for each question a column of its name, with
            answers as in `from_long`; or, for one with several classes, a column for each class, called as
            the class or ``question:class``, which holds 1 or 0, yes or no, or nothing where the class was not
            asked for.
        questions
            What is asked, as in `from_long`; a question whose columns are its classes has to name them.
        columns, texts, annotators, duplicates
            As in `Annotations.from_long`.

        Raises
        ------
        InputError
            As `from_long`; and if a question has neither a column nor one for each class, or a cell of a
            class is neither yes nor no.

        Examples
        --------
        >>> rows = {"text": ["t1", "t2"], "annotator": ["ana", "ana"], "price": [1, 0], "service": [None, 1]}
        >>> sheet = AnswerSheet.from_columns(rows, ["topics=several:price,service"])
        >>> sheet["topics", "service"].n_labels
        array([0, 1])
        """
        frame = table(data)
        if frame is None:
            raise InputError(
                f"got {type(data).__name__}, expected a table with the columns text and annotator"
            )
        declared = declared_questions(questions)
        found = named_columns(frame, (), columns, ("text", "annotator"))
        people = Answerers.of(found["text"], found["annotator"], texts, annotators, duplicates)
        rows = np.arange(len(frame))
        nothing = np.full(len(frame), None, dtype=object)
        parts = []
        for each in declared:
            if each.name in frame.columns:
                cells = named_columns(frame, (), None, (each.name,))[each.name]
                if each.kind == "several":
                    parts.append(people.several(*read_sets(each, cells, nothing, rows)))
                else:
                    parts.append(people.one(each, cells, rows))
            else:
                own = class_columns(each, list(frame.columns))
                said = np.column_stack([as_yes(frame[name].to_numpy(), name) for name in own])
                parts.append(people.several(each, said, rows))
        return _joined(parts)

    def subset(
        self, *, texts: ArrayLike | slice | None = None, annotators: ArrayLike | slice | None = None
    ) -> AnswerSheet:
        """Keep some texts or annotators, in the order given: see `Annotations.subset`."""
        return replace(self, facets=self.each(Annotations.subset, texts=texts, annotators=annotators))

    def extend(
        self,
        answers: Mapping[Facet, tuple[ArrayLike, ArrayLike, ArrayLike]],
        *,
        duplicates: Duplicates = "error",
    ) -> AnswerSheet:
        """Return these and further answers: positions of texts, annotators and classes, by facet.

        Raises
        ------
        InputError
            As `Annotations.extend`; or for a facet that there is not.
        """
        facets = dict(self.facets)
        for facet, triplets in answers.items():
            facets[facet] = self[facet].extend(*triplets, duplicates=duplicates)
        return replace(self, facets=facets)

    def sets(self, name: str) -> Annotations:
        """Return the answers to a question with several classes as sets, which are the classes then.

        Only answers in which every class was asked for are sets; the others say nothing of the rest.

        Raises
        ------
        InputError
            If the question has one answer.

        Examples
        --------
        >>> sheet = AnswerSheet.from_long([("t1", "ana", "topics", "a|b"), ("t1", "bo", "topics", "a")])
        >>> [sorted(each) for each in sheet.sets("topics").classes]
        [['a'], ['a', 'b']]
        """
        question = self.question(name)
        if question.kind != "several":
            raise InputError(
                f"question {name!r} is of kind {question.kind!r}, expected one of kind 'several'"
            )
        text, annotator, said = self._said(question)
        whole = (said != NOT_ASKED).all(axis=1)
        found, label = np.unique(said[whole], axis=0, return_inverse=True)
        classes = [
            frozenset(name for name, yes in zip(question.classes, row, strict=True) if yes) for row in found
        ]
        return Annotations.from_indices(
            text[whole],
            annotator[whole],
            label.ravel(),
            texts=self.texts,
            annotators=self.annotators,
            classes=classes,
        )

    def _said(self, question: Question) -> tuple[Ints, Ints, NDArray[np.int8]]:
        """Return text and annotator of each answer, both (n,), and what it says of each class (n, C)."""
        key = [
            self[facet].text.astype(np.int64) * self.n_annotators + self[facet].annotator
            for facet in question.facets
        ]
        answers = np.unique(np.concatenate(key))
        said = np.full((len(answers), len(key)), NOT_ASKED, dtype=np.int8)
        for k, (facet, own) in enumerate(zip(question.facets, key, strict=True)):
            said[np.searchsorted(answers, own), k] = self[facet].label
        return answers // self.n_annotators, answers % self.n_annotators, said

    def to_frame(self) -> DataFrame:
        """Return one row per answer as `from_long` takes it; ``asked`` is None where all classes were."""
        import pandas as pd

        parts = []
        for question in self.questions:
            if question.kind != "several":
                part = self[question.name].to_frame().rename(columns={"label": "answer"})
                parts.append(part.astype({"answer": object}).assign(question=question.name, asked=None))
                continue
            text, annotator, said = self._said(question)
            names = question.classes
            of_row: dict[str, Any] = {
                "text": self.texts[text],
                "annotator": self.annotators[annotator],
                "question": question.name,
                "answer": [[n for n, yes in zip(names, row, strict=True) if yes == 1] for row in said],
                _ASKED: [
                    None
                    if all(row != NOT_ASKED)
                    else [n for n, s in zip(names, row, strict=True) if s != NOT_ASKED]
                    for row in said
                ],
            }
            parts.append(pd.DataFrame(of_row))
        return pd.concat(parts, ignore_index=True)[[*_COLUMNS, _ASKED]]


def _joined(parts: Sequence[FacetAnnotations]) -> AnswerSheet:
    return AnswerSheet(
        tuple(question for question, _ in parts),
        {facet: each for _, facets in parts for facet, each in facets.items()},
    )
