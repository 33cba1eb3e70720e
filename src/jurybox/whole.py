"""Annotations whose classes are whole answers in writing: taken apart by facet, and put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.answers import NOT_ASKED
from jurybox.arrays import Ints
from jurybox.questions import Facet, Question
from jurybox.sheets import AnswerSheet
from jurybox.written import all_facets, answer_code, answer_written, writable_questions

__all__ = ["answer_codes", "answer_sheet", "answers_at", "answers_in_common", "whole_answers"]


@lru_cache(maxsize=8)
def answer_codes(questions: tuple[Question, ...], written: tuple[str, ...]) -> NDArray[np.int16]:
    """Return what each of K answers in writing says of each of F facets, shape (K, F), as `answer_code`."""
    codes = np.array([answer_code(questions, each) for each in written], dtype=np.int16)
    codes = codes.reshape(len(written), len(all_facets(questions)))
    codes.setflags(write=False)  # it is everybody's
    return codes


def answers_at(questions: tuple[Question, ...], annotations: Annotations, facet: Facet) -> Annotations:
    """Return what annotations whose classes are answers in writing say of one facet, in their order."""
    question = next(each for each in questions if each.name == facet.question)
    codes = answer_codes(questions, tuple(map(str, annotations.classes)))
    label = codes[annotations.label, all_facets(questions).index(facet)]
    rows = np.flatnonzero(label != NOT_ASKED)
    found = Annotations.from_indices(
        annotations.text[rows],
        annotations.annotator[rows],
        label[rows],
        texts=annotations.texts,
        annotators=annotations.annotators,
        classes=question.facet_classes,
        scale=question.scale,
    )
    return _as_decided(found, annotations, rows)


def _as_decided(found: Annotations, of: Annotations, rows: Ints) -> Annotations:
    """Return annotations with what some rows of others say was decided."""
    return found if of.decided is None else replace(found, decided=of.decided[rows])


def answers_in_common(questions: tuple[Question, ...], annotations: Annotations) -> tuple[Annotations, Ints]:
    """Return what people say of each text as a whole, and in which rows of the annotations (L,).

    What somebody says is one class, of all that everybody was asked who answered about the text.

    Examples
    --------
    >>> asked = writable_questions(["food=single:bad,good", "topics=several:price,service"])
    >>> said = ["food=bad; topics=|", "food=bad", "food=good; topics=price"]
    >>> given = Annotations.from_indices(
    ...     [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 2, 2], texts=2, annotators=2, classes=said
    ... )
    >>> answers_in_common(asked, given)[0].counts.tolist()
    [[2, 0], [0, 2]]
    """
    codes = answer_codes(questions, tuple(map(str, annotations.classes)))[annotations.label]
    texts, first = np.unique(annotations.text, return_index=True)
    everybody = np.logical_and.reduceat(codes != NOT_ASKED, first) if len(first) else codes != NOT_ASKED
    codes = np.where(everybody[np.searchsorted(texts, annotations.text)], codes, NOT_ASKED)
    rows = np.flatnonzero((codes != NOT_ASKED).any(axis=1))
    different, label = np.unique(codes[rows], axis=0, return_inverse=True)
    found = Annotations.from_indices(
        annotations.text[rows],
        annotations.annotator[rows],
        label.ravel(),
        texts=annotations.texts,
        annotators=annotations.annotators,
        classes=max(len(different), 2),
    )
    return _as_decided(found, annotations, rows), rows


def answer_sheet(questions: Sequence[Question], annotations: Annotations) -> AnswerSheet:
    """Return annotations whose classes are answers in writing as answers to the questions."""
    asked = tuple(questions)
    return AnswerSheet(asked, {facet: answers_at(asked, annotations, facet) for facet in all_facets(asked)})


def whole_answers(sheet: AnswerSheet) -> Annotations:
    """Return what is said of each text as one answer in writing; `answer_sheet` takes it apart again.

    Examples
    --------
    >>> rows = [("t1", "ana", "topics", ["price"]), ("t1", "ana", "food", "good")]
    >>> asked = ["food=single:bad,good", "topics=several:price,service"]
    >>> whole_answers(AnswerSheet.from_long(rows, questions=asked)).classes
    ('food=good; topics=price',)
    """
    facets, M = list(sheet.facets.values()), sheet.n_annotators
    keys = [each.text.astype(np.int64) * M + each.annotator for each in facets]
    pairs = np.unique(np.concatenate(keys))
    codes = np.full((len(pairs), len(keys)), NOT_ASKED)
    decided = np.zeros(len(pairs), dtype=bool)
    for place, (key, each) in enumerate(zip(keys, facets, strict=True)):
        at = np.searchsorted(pairs, key)
        codes[at, place] = each.label
        decided[at] |= False if each.decided is None else each.decided
    questions = writable_questions(sheet.questions)
    different, label = np.unique(codes, axis=0, return_inverse=True)
    found = Annotations.from_indices(
        pairs // max(M, 1),
        pairs % max(M, 1),
        label.ravel(),
        texts=sheet.texts,
        annotators=sheet.annotators,
        classes=[answer_written(questions, code) for code in different.tolist()],
    )
    return replace(found, decided=decided) if decided.any() else found
