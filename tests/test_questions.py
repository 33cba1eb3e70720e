"""Several questions and several classes: what is read, what is asked, and that one question is as ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jurybox import Annotations, AnswerSheet, Question, estimate_consensus, krippendorff_alpha, majority_vote
from jurybox.errors import InputError
from jurybox.questions import Facet
from support.strategies import annotation_sets

ROWS: list[dict[str, Any]] = [
    {"text": "t1", "annotator": "ana", "question": "topics", "answer": "price|food"},
    {"text": "t1", "annotator": "bo", "question": "topics", "answer": ["price"]},
    {"text": "t2", "annotator": "ana", "question": "topics", "answer": "|"},
    {"text": "t2", "annotator": "bo", "question": "topics", "answer": "food", "asked": "food"},
    {"text": "t2", "annotator": "bo", "question": "mood", "answer": "good"},
    {"text": "t1", "annotator": "ana", "question": "mood", "answer": "NA"},
]
DECLARED = ["topics=several:price,service,food", "mood=single:bad,good"]


def rows_of(annotations: Annotations) -> list[tuple[int, int, int]]:
    return list(
        zip(
            annotations.text.tolist(), annotations.annotator.tolist(), annotations.label.tolist(), strict=True
        )
    )


def test_pipes_lists_and_what_was_asked() -> None:
    sheet = AnswerSheet.from_long(ROWS, questions=DECLARED)
    assert rows_of(sheet["topics", "price"]) == [(0, 0, 1), (0, 1, 1), (1, 0, 0)]
    assert rows_of(sheet["topics", "service"]) == [(0, 0, 0), (0, 1, 0), (1, 0, 0)]
    assert rows_of(sheet["topics", "food"]) == [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)]
    assert rows_of(sheet["mood"]) == [(1, 1, 1)]
    assert sheet["mood"].missing == {"NA": 1}
    assert len(sheet) == 11


def test_the_same_sheet_from_columns_of_each_kind() -> None:
    long = AnswerSheet.from_long(ROWS, questions=DECLARED)
    wide = {
        "text": ["t1", "t1", "t2", "t2"],
        "annotator": ["ana", "bo", "ana", "bo"],
        "mood": [None, None, None, "good"],
        "price": [1, 1, 0, None],
        "service": ["no", "no", "no", None],
        "topics:food": [True, False, False, True],
    }
    by_class = AnswerSheet.from_columns(pd.DataFrame(wide), DECLARED)
    by_question = AnswerSheet.from_columns(
        {
            "id": wide["text"],
            "annotator": wide["annotator"],
            "mood": wide["mood"],
            "topics": ["price|food", ["price"], [], None],
        },
        DECLARED,
        columns={"text": "id"},
    )
    for facet in long.facets:
        assert rows_of(by_class[facet]) == rows_of(long[facet]), facet
        if facet != Facet("topics", "food"):
            assert rows_of(by_question[facet]) == rows_of(long[facet]), facet


def test_a_sheet_comes_back_from_its_frame() -> None:
    sheet = AnswerSheet.from_long(ROWS, questions=DECLARED)
    again = AnswerSheet.from_long(
        sheet.to_frame(), questions=sheet.questions, texts=sheet.texts, annotators=sheet.annotators
    )
    assert [rows_of(each) for each in again.facets.values()] == [
        rows_of(each) for each in sheet.facets.values()
    ]


def test_kinds_and_classes_are_found_where_none_are_declared() -> None:
    sheet = AnswerSheet.from_long(ROWS)
    assert [(each.name, each.kind, each.classes) for each in sheet.questions] == [
        ("topics", "several", ("food", "price")),
        ("mood", "single", ("good",)),
    ]


def test_a_scale_has_its_numbers() -> None:
    rows = [("t1", "ana", "stars", 2), ("t1", "bo", "stars", 5)]
    for declared in (["stars=scale:1..5"], [Question("stars", "scale", (1, 2, 3, 4, 5))]):
        assert AnswerSheet.from_long(rows, questions=declared)["stars"].scale == (1, 2, 3, 4, 5)


def test_numbers_answer_questions_whose_classes_were_declared_as_words() -> None:
    said = [("t1", "ana", "q", [1]), ("t2", "ana", "q", [2, 3])]
    sheet = AnswerSheet.from_long(said, questions=["q=several:1,2,3"])
    assert [sheet["q", k].label.tolist() for k in (1, 2, 3)] == [[1, 0], [0, 1], [0, 1]]
    for nothing in ("NA", "", None, float("nan")):
        rows = [("t1", "ana", "q", 1), ("t2", "ana", "q", nothing), ("t3", "ana", "q", 3)]
        frame = AnswerSheet.from_long(rows, questions=["q=single:1,2,3"])["q"].to_frame()
        assert frame["label"].tolist() == [1, 3], "not the classes at these positions"


@pytest.mark.parametrize("questions", [None, ["1=single:bad,good", "2=several:price,food"]])
def test_questions_may_be_numbered(questions: list[str] | None) -> None:
    frame = pd.DataFrame(
        {"text": ["t1", "t1"], "annotator": "ana", "question": [1, 2], "answer": ["good", "price|food"]}
    )
    sheet = AnswerSheet.from_long(frame, questions=questions)
    assert [str(facet) for facet in sheet.facets][:2] == ["1", "2:food" if questions is None else "2:price"]
    with pytest.raises(InputError, match="row 1: the question is missing"):
        AnswerSheet.from_long(frame.assign(question=pd.Series([1, None])), questions=questions)


@pytest.mark.parametrize(
    ("rows", "questions", "message"),
    [
        (
            [*ROWS, {**ROWS[0], "answer": "prize"}],
            DECLARED,
            "row 6: 'prize' is no class of question 'topics'",
        ),
        ([*ROWS, {**ROWS[0], "question": "tone"}], DECLARED, "row 6: question 'tone' is not among the 2"),
        ([*ROWS, ROWS[0]], DECLARED, "row 6: annotator 'ana' already labelled text 't1' in row 0"),
        ([*ROWS, ROWS[4]], DECLARED, "row 6: annotator 'bo' already labelled text 't2' in row 4"),
        ([{**ROWS[0], "asked": ["food"]}], DECLARED, "row 0: the answer names 'price', which asked says"),
        ([{**ROWS[4], "answer": ["good"]}], DECLARED, "row 0: label \\['good'\\] is a list"),
        (ROWS, ["topics=many:a"], "question is 'topics=many:a', expected name=kind:class,class"),
        (ROWS, ["topics=several:a", "topics=several:b"], "got question 'topics' twice"),
        (ROWS, ["topics=single:a"], "has the one class 'a', expected at least 2"),
        (ROWS, [], "got no question"),
    ],
)
def test_what_is_wrong_is_said(rows: Any, questions: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AnswerSheet.from_long(rows, questions=questions)


def test_columns_that_are_missing_or_hold_something_else_are_said() -> None:
    table = {"text": ["t"], "annotator": ["a"], "price": [2]}
    with pytest.raises(InputError, match="row 0: column 'price' holds 2, expected 1 or 0"):
        AnswerSheet.from_columns(table, ["topics=several:price"])
    with pytest.raises(InputError, match="no column 'topics' for question 'topics', nor 'topics:food'"):
        AnswerSheet.from_columns(table, ["topics=several:food"])
    with pytest.raises(InputError, match="there is no column 'mood' among"):
        AnswerSheet.from_columns(table, [Question("mood")])


@pytest.mark.slow
@settings(max_examples=20)
@given(annotation_sets())
def test_one_single_question_is_what_annotations_are(annotations: Annotations) -> None:
    assume(annotations.n_classes > 1)
    frame = annotations.to_frame().rename(columns={"label": "answer"}).assign(question="q")
    declared = Question("q", "single", annotations.classes)
    pool: dict[str, Any] = {"texts": annotations.texts, "annotators": annotations.annotators}
    sheet = AnswerSheet.from_long(frame, questions=[declared], **pool)
    assert rows_of(sheet["q"]) == rows_of(annotations)
    assert sheet["q"].classes == annotations.classes
    ours, theirs = sheet.each(majority_vote)[Facet("q")], majority_vote(annotations)
    np.testing.assert_array_equal(ours.labels, theirs.labels)


@st.composite
def said(draw: st.DrawFn) -> Any:
    """Draw what M annotators say of each of C classes of N texts: 1, 0, or -1 for not asked."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3)))
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(-1, 2, shape)


def sheet_of(cells: Any, order: Any = None) -> AnswerSheet:
    N, M, C = cells.shape
    rows = [
        {"text": i, "annotator": j, "question": "q", "answer": [k for k in range(C) if cells[i, j, k] == 1],
         "asked": [k for k in range(C) if cells[i, j, k] >= 0]}
        for i in range(N) for j in range(M)
    ]  # fmt: skip
    chosen = rows if order is None else [rows[at] for at in order]
    question = Question("q", "several", tuple(range(C)))
    return AnswerSheet.from_long(chosen, questions=[question], texts=range(N), annotators=range(M))


@pytest.mark.slow
@settings(max_examples=20)
@given(said(), st.integers(0, 2**32 - 1))
def test_not_asked_is_not_no_and_the_order_of_rows_says_nothing(cells: Any, seed: int) -> None:
    N, M, C = cells.shape
    shuffled = sheet_of(cells, np.random.default_rng(seed).permutation(N * M))
    for k in range(C):
        own = shuffled["q", k]
        expected = [(i, j, cells[i, j, k]) for i in range(N) for j in range(M) if cells[i, j, k] >= 0]
        assert rows_of(own) == expected
    whole = [(i, j) for i in range(N) for j in range(M) if (cells[i, j] >= 0).all()]
    sets = shuffled.sets("q")
    assert [(i, j, sets.classes[s]) for i, j, s in rows_of(sets)] == [
        (i, j, frozenset(np.flatnonzero(cells[i, j] == 1).tolist())) for i, j in whole
    ]


@pytest.mark.slow
@settings(max_examples=10)
@given(said())
def test_a_class_that_was_not_asked_for_leaves_the_others_as_they_are(cells: Any) -> None:
    fewer = cells.copy()
    fewer[:, :, 0] = -1
    for k in range(1, cells.shape[2]):
        assert rows_of(sheet_of(fewer)["q", k]) == rows_of(sheet_of(cells)["q", k])
    assert len(sheet_of(fewer)["q", 0]) == 0


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["masi", "jaccard"]))
def test_agreement_on_sets_is_that_of_the_references(seed: int, level: Any) -> None:
    from nltk.metrics.agreement import AnnotationTask
    from nltk.metrics.distance import jaccard_distance, masi_distance

    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 2, (12, 3, 4))
    cells[..., 0] |= cells.sum(axis=2) == 0  # NLTK divides by zero where both sets are empty
    gone = rng.random((12, 3)) < 0.3
    cells[gone] = -1
    sets = sheet_of(cells).sets("q")
    rows = [(int(j), int(i), sets.classes[s]) for i, j, s in rows_of(sets)]
    several = [row for row in rows if sum(other[1] == row[1] for other in rows) > 1]
    found = krippendorff_alpha(sets, level=level)
    if len({row[2] for row in several}) < 2:
        assert found.reason
        return
    task = AnnotationTask(several, distance={"masi": masi_distance, "jaccard": jaccard_distance}[level])
    assert found.value == pytest.approx(task.alpha(), abs=1e-9)


def test_agreement_on_sets_is_that_of_krippendorff_with_our_distances() -> None:
    import krippendorff

    from jurybox.scales import set_distances

    cells = np.random.default_rng(3).integers(0, 2, (30, 4, 3))
    sets = sheet_of(cells).sets("q")
    apart = set_distances(sets.classes, masi=True)
    reference: Any = krippendorff.alpha
    oracle = reference(
        value_counts=sets.counts,
        value_domain=np.arange(sets.n_classes),
        level_of_measurement=lambda v1, v2, **_: apart[v1.astype(int), v2.astype(int)],
    )
    assert krippendorff_alpha(sets, level="masi").value == pytest.approx(float(oracle), abs=1e-12)


def test_agreement_on_sets_wants_sets() -> None:
    with pytest.raises(InputError, match="expected frozensets to compare as sets"):
        krippendorff_alpha(Annotations.from_wide([[0, 1], [1, 1]]), level="masi")
    with pytest.raises(InputError, match="is of kind 'single'"):
        AnswerSheet.of({"q": Annotations.from_wide([[0, 1]])}).sets("q")


def test_what_exists_for_annotations_works_on_every_facet() -> None:
    sheet = AnswerSheet.from_long(ROWS, questions=DECLARED)
    found = sheet.each(estimate_consensus)
    assert found[Facet("topics", "price")].labels.tolist() == [1, 0]
    assert found[Facet("mood")].labels.tolist() == [-1, 1]
