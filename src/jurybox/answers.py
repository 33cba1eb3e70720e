"""From cells of a table to annotations of facets: lists, words with pipes, columns of 0 and 1."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations, Duplicates
from jurybox.arrays import Bools, Ints
from jurybox.coding import encode, in_order, is_missing, missing_labels, missing_values
from jurybox.errors import InputError
from jurybox.questions import NO_YES, Facet, Question, declared_questions
from jurybox.spellings import as_number

__all__ = [
    "NOT_ASKED",
    "Answerers",
    "FacetAnnotations",
    "as_set",
    "as_words",
    "as_yes",
    "class_columns",
    "read_sets",
    "seen_questions",
]

NOT_ASKED = -1
_BETWEEN = "|"
_YES_NO = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0}


def is_list(value: Any) -> bool:
    """Whether a cell holds several classes: a list of any kind, or words with pipes between them.

    Examples
    --------
    >>> is_list(["a"]), is_list("a|b"), is_list("a")
    (True, True, False)
    """
    if isinstance(value, str):
        return _BETWEEN in value
    return isinstance(value, list | tuple | set | frozenset | np.ndarray)


def as_set(value: Any, names: Sequence[Hashable] | None = None) -> frozenset[Hashable] | None:
    """Return the classes that a cell names; None where it holds no answer.

    Parameters
    ----------
    value
        A list of classes, an empty one where none applies; or words with pipes between them, a lone pipe
        where none applies; or one class.
    names
        The classes where they are known, which what means "no answer" depends on: see
        `jurybox.coding.is_missing`.

    Examples
    --------
    >>> sorted(as_set("price | service")), as_set("|"), as_set(""), as_set([])
    (['price', 'service'], frozenset(), None, frozenset())
    """
    if value is None:  # the most frequent of all: whatever was not asked
        return None
    if is_list(value) and not isinstance(value, str):
        return frozenset(value.tolist() if isinstance(value, np.ndarray) else value)
    if not isinstance(value, str):
        return None if missing_values(np.array([value], dtype=object))[0] else frozenset([value])
    if _BETWEEN in value:
        return frozenset(part.strip() for part in value.split(_BETWEEN) if part.strip())
    words = None if names is None else {name for name in names if isinstance(name, str)}
    return None if is_missing(value, words) else frozenset([value.strip()])


def as_yes(cells: NDArray[Any], column: object) -> NDArray[np.int8]:
    """Return what cells of a column of 0 and 1 say (n,): 1, 0, or -1 where nothing was asked.

    Raises
    ------
    InputError
        If a cell is neither yes nor no.

    Examples
    --------
    >>> as_yes(np.array([1.0, 0.0, np.nan]), "price"), as_yes(np.array(["yes", ""], dtype=object), "price")
    (array([ 1,  0, -1], dtype=int8), array([ 1, -1], dtype=int8))
    """
    asked: Bools = ~missing_values(cells)
    said = np.full(len(cells), NOT_ASKED, dtype=np.int8)
    values = cells.tolist()
    for row in np.flatnonzero(asked):
        word = str(values[row]).strip().lower()
        if word in _YES_NO:
            said[row] = _YES_NO[word]
        elif not is_missing(word):
            raise InputError(
                f"row {row}: column {column!r} holds {values[row]!r}, expected 1 or 0, yes or no, or nothing "
                "where the class was not asked for"
            )
    return said


def _as_typed(classes: tuple[Hashable, ...], labels: Collection[Any]) -> tuple[Hashable, ...]:
    """Return declared classes (K,) as the answers have them: "1" is 1 where all answers are numbers."""
    numbers = [as_number(name) for name in classes]
    if not labels or any(isinstance(label, str) for label in labels) or None in numbers:
        return classes
    return tuple(int(number) if number == int(number) else number for number in numbers if number is not None)


def as_words(names: NDArray[Any]) -> NDArray[Any]:
    """Return names of questions (n,) as words, where some are numbers; missing ones stay so.

    Examples
    --------
    >>> as_words(np.array([1, 2]))
    array(['1', '2'], dtype=object)
    """
    missing = missing_values(names)
    words = [name if none else str(name) for name, none in zip(names, missing, strict=True)]
    return np.array(words, dtype=object)


def read_sets(
    question: Question, said: NDArray[Any], asked: NDArray[Any], rows: Ints
) -> tuple[Question, NDArray[np.int8], Ints]:
    """Return the question with its classes, what rows say of each (n, C), and those that say something (n,).

    Parameters
    ----------
    question
        Of kind several; without classes, they are those that occur.
    said, asked : ndarray, shape (L,)
        Cells as `as_set` takes them: the classes that apply, and those that were asked for (None: all).
    rows : ndarray of int
        The cells that are about this question.

    Raises
    ------
    InputError
        For a class that the question does not have or that was not asked for, or where there is none at all.
    """
    names = question.classes or None
    sets = [as_set(said[row], names) for row in rows]
    wanted = [as_set(asked[row], names) for row in rows]
    kept = [at for at, found in enumerate(sets) if found is not None]
    seen: set[Hashable] = set().union(*(sets[at] or () for at in kept), *(wanted[at] or () for at in kept))
    if names is None and not seen:
        raise InputError(f"no answer to question {question.name!r} names a class: pass its classes")
    question = question.with_classes(sorted(seen, key=str) if names is None else _as_typed(names, seen))
    place = {name: k for k, name in enumerate(question.classes)}
    found = np.zeros((len(kept), len(place)), dtype=np.int8)
    for n, at in enumerate(kept):
        yes, only = sets[at] or frozenset(), wanted[at]
        for name in (*yes, *(only or ())):
            if name not in place:
                raise InputError(
                    f"row {rows[at]}: {name!r} is no class of question {question.name!r}, expected some of "
                    f"{', '.join(map(str, place))}"
                )
        if only is not None:
            if yes - only:
                name = sorted(yes - only, key=str)[0]
                raise InputError(
                    f"row {rows[at]}: the answer names {name!r}, which asked says was not asked for"
                )
            found[n] = NOT_ASKED
            found[n, [place[name] for name in only]] = 0
        found[n, [place[name] for name in yes]] = 1
    return question, found, rows[kept]


def seen_questions(of: NDArray[Any], said: NDArray[Any]) -> tuple[Question, ...]:
    """Return the questions that occur: with several classes where a cell holds a list."""
    lists: dict[Any, bool] = {}
    for name, cell in zip(of.tolist(), said, strict=True):
        lists[name] = lists.get(name, False) or is_list(cell)
    return declared_questions(
        [Question(str(name), "several" if several else "single") for name, several in lists.items()]
    )


def class_columns(question: Question, names: Sequence[Any]) -> list[Any]:
    """Return the name of each class's column (C,): as the class, or ``question:class``.

    Raises
    ------
    InputError
        If a class has none.
    """
    if question.kind != "several" or not question.classes:
        raise InputError(
            f"there is no column {question.name!r} among {list(names)}: only a question of kind 'several' "
            "whose classes are declared may have a column for each of them"
        )
    found = []
    for facet in question.facets:
        own = [name for name in (str(facet), facet.option, str(facet.option)) if name in names]
        if not own:
            raise InputError(
                f"there is no column {question.name!r} for question {question.name!r}, nor {str(facet)!r} or "
                f"{facet.option!r} for its class; the columns are {list(names)}"
            )
        found.append(own[0])
    return found


FacetAnnotations: TypeAlias = tuple[Question, dict[Facet, Annotations]]


@dataclass(frozen=True)
class Answerers:
    """Who says what about which text: a position for each row of a table (n,), and what these stand for."""

    text: Ints
    annotator: Ints
    texts: NDArray[Any]
    annotators: NDArray[Any]
    duplicates: Duplicates

    @classmethod
    def of(cls, text: Any, annotator: Any, texts: Any, annotators: Any, duplicates: Duplicates) -> Answerers:
        """Encode both columns, over all texts and annotators there are; default: those that occur."""
        of_text, text_ids = encode(text, texts, "text")
        of_annotator, annotator_ids = encode(annotator, annotators, "annotator")
        return cls(of_text, of_annotator, text_ids, annotator_ids, duplicates)

    def one(self, question: Question, cells: NDArray[Any], rows: Ints) -> FacetAnnotations:
        """Return the annotations of a question with one answer, from the cells in some rows."""
        labels = np.full(len(cells), None, dtype=object)
        labels[rows] = cells[rows]
        missing, _ = missing_labels(labels, question.classes or None)
        found = Annotations.from_long(
            self.texts[self.text],
            self.annotators[self.annotator],
            labels,
            texts=self.texts,
            annotators=self.annotators,
            classes=_as_typed(question.classes, labels[~missing].tolist()) or None,
            duplicates=self.duplicates,
            scale=False if question.kind != "scale" else question.scale or True,
        )
        named = question.with_classes(found.classes, found.scale)
        return named, {Facet(question.name): found}

    def several(self, question: Question, said: NDArray[np.int8], rows: Ints) -> FacetAnnotations:
        """Return the annotations of each class, from what some rows say of it (n, C)."""
        facets = {}
        for k, facet in enumerate(question.facets):
            asked = np.flatnonzero(said[:, k] != NOT_ASKED)
            at = rows[asked]
            triplet = self.text[at], self.annotator[at], said[asked, k].astype(np.int64)
            order = in_order(*triplet, self.texts, self.annotators, self.duplicates == "last", at)
            facets[facet] = Annotations.from_indices(
                *(column[order] for column in triplet),
                texts=self.texts,
                annotators=self.annotators,
                classes=NO_YES,
            )
        return question, facets
