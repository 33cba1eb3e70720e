"""What a loop in memory is told: texts, classes or questions, and annotations of tables and of people.

With several questions an annotation's class is a whole answer in writing, as in a stored project.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.coding import class_names, identifiers, refuse_unordered
from jurybox.errors import InputError
from jurybox.inputs import array, table
from jurybox.labelled import annotations_over
from jurybox.questions import Question
from jurybox.sheets import AnswerSheet
from jurybox.text_rows import text_rows
from jurybox.whole import whole_answers
from jurybox.written import answer_written, writable_questions

__all__ = ["as_told", "check_count", "many", "one_or_several", "read_texts", "start_annotations"]


def many(given: Any) -> bool:
    """Whether something is several values, not a single text or number."""
    return isinstance(given, Iterable) and not isinstance(given, str)


def read_texts(texts: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return ids and texts."""
    if isinstance(texts, str):
        raise InputError("texts is one string, expected several texts: pass [text] to label one")
    rows = text_rows(texts)
    if rows is not None:
        pairs: list[tuple[Any, Any]] = [(key, text) for key, text, _ in rows]
    else:
        pairs = [_pair(at, each) for at, each in enumerate(array(texts))]
    if all(key is None for key, _ in pairs):
        ids: NDArray[Any] = np.arange(len(pairs))
    else:
        ids = np.empty(len(pairs), dtype=object)
        ids[:] = [key for key, _ in pairs]
    for at, (_, text) in enumerate(pairs):
        if not isinstance(text, str):
            raise InputError(f"row {at}: text is {text!r:.40}, expected a text; replace missing ones by ''")
    return identifiers(ids, "text"), tuple(text for _, text in pairs)


def _pair(at: int, given: Any) -> tuple[Any, Any]:
    """Return id, or None, and text of what stands in a list of texts."""
    if isinstance(given, str):
        return None, given
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    raise InputError(f"row {at}: text is {given!r:.40}, expected a text, or a pair of id and text")


def one_or_several(
    questions: Sequence[Question | str], classes: Sequence[Hashable] | None
) -> tuple[tuple[Question, ...], Sequence[Hashable], bool]:
    """Return what is asked: several questions; or the classes of the only one, and whether they are a scale.

    One question with one answer needs no more than its classes.

    Raises
    ------
    InputError
        As `jurybox.written.writable_questions`; or for questions and classes at once, or neither.

    Examples
    --------
    >>> one_or_several(["stars=scale:1..3"], None)
    ((), ('1', '2', '3'), True)
    """
    if not questions and classes is None:
        raise InputError("got neither classes nor questions, expected either: what is asked of a text?")
    if not questions:
        refuse_unordered(classes, "classes")
        held = array(classes)
        return (), held.tolist() if isinstance(held, np.ndarray) else held, False
    if classes is not None and len(classes):
        raise InputError("got questions and classes, expected either: the classes are those of the questions")
    asked = writable_questions(questions)
    if len(asked) > 1 or asked[0].kind == "several":
        return asked, (), False
    return (), asked[0].classes, asked[0].kind == "scale"


def check_count(questions: Sequence[Question], pred_probs: Any, reading: float | None) -> None:
    """Raise InputError for what is given for one question where there are several, or the other way round."""
    if pred_probs is not None and questions:
        raise InputError("pred_probs are probabilities of one question, and this loop has several")
    if reading is not None and not questions:
        raise InputError("reading says which of several questions are worth asking, and this loop has one")


def start_annotations(
    annotations: Any,
    ids: NDArray[Any],
    named: Sequence[Hashable],
    questions: tuple[Question, ...] = (),
    scale: bool = False,
) -> Annotations:
    """Return what is known at the start, over the texts and classes of the loop, or answers in writing."""
    if questions and annotations is not None:
        given = _answers_given(annotations, ids, questions)
        names = tuple(answer_written(questions, str(name)) for name in given.classes)
        annotations, named = replace(given, classes=names), names
    classes = class_names(named)
    if annotations is None:
        return Annotations.from_indices([], [], [], texts=ids, annotators=[], classes=classes, scale=scale)
    if isinstance(annotations, Annotations):
        if annotations.texts.tolist() == ids.tolist() and annotations.classes == classes:
            return annotations
        return annotations_over(annotations, ids, classes)
    return Annotations.from_long(annotations, texts=ids, classes=classes, scale=scale)


def _answers_given(annotations: Any, ids: NDArray[Any], questions: tuple[Question, ...]) -> Annotations:
    """Return whole answers: those of a sheet, of a table in one of its two forms, or as they are."""
    if isinstance(annotations, Annotations):
        return annotations
    if not isinstance(annotations, AnswerSheet):
        frame = table(annotations)
        is_wide = frame is not None and "question" not in frame.columns
        read = AnswerSheet.from_columns if is_wide else AnswerSheet.from_long
        annotations = read(annotations, questions=questions, texts=ids)
    return whole_answers(annotations)


def as_told(
    known: Annotations,
    text_ids: Any,
    annotator: Any,
    labels: Any,
    questions: tuple[Question, ...],
    *,
    replaced: bool,
) -> Annotations:
    """Return annotations and what is told beside them, by people who may be new; as `Loop.tell` takes it.

    Raises
    ------
    InputError
        As `Loop.tell`.
    """
    ids = list(array(text_ids)) if many(text_ids) else [text_ids]
    people = list(annotator) if many(annotator) else [annotator] * len(ids)
    labels = list(array(labels)) if many(text_ids) else [labels]
    if not len(ids) == len(people) == len(labels):
        raise InputError(
            f"got {len(ids)} texts, {len(people)} annotators and {len(labels)} labels, expected as many of "
            "each"
        )
    classes = known.classes
    if questions:
        labels = [answer_written(questions, said) for said in labels]
        classes = tuple(dict.fromkeys([*classes, *labels]))
    rows = Annotations.from_long(ids, people, labels, texts=known.texts, classes=classes, duplicates="last")
    names = list(dict.fromkeys([*known.annotators.tolist(), *rows.annotators.tolist()]))
    place = {name: at for at, name in enumerate(names)}
    theirs = np.array([place[name] for name in rows.annotators.tolist()], dtype=np.int64)[rows.annotator]
    wider = Annotations.from_indices(
        [], [], [], texts=known.texts, annotators=names, classes=classes, scale=known.scale
    )
    return wider.with_triplets(known.text, known.annotator, known.label, decided=known.decided).extend(
        rows.text, theirs, rows.label, duplicates="last" if replaced else "error"
    )
