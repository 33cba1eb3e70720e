from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurybox.annotations import Annotations
from jurybox.errors import InputError
from support.strategies import annotation_sets


def same(a: Annotations, b: Annotations) -> bool:
    return (
        all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("text", "annotator", "label"))
        and a.texts.tolist() == b.texts.tolist()
        and a.annotators.tolist() == b.annotators.tolist()
        and a.classes == b.classes
    )


@pytest.mark.slow
@given(annotation_sets(), st.randoms())
def test_the_order_of_rows_does_not_matter(annotations: Annotations, random: Any) -> None:
    rows = list(zip(annotations.text, annotations.annotator, annotations.label, strict=True))
    random.shuffle(rows)
    text, annotator, label = zip(*rows, strict=True) if rows else ((), (), ())
    again = Annotations.from_long(
        text,
        annotator,
        label,
        texts=annotations.texts,
        annotators=annotations.annotators,
        classes=annotations.classes,
    )
    assert same(again, annotations)


@pytest.mark.slow
@given(annotation_sets())
def test_long_and_wide_forms_give_the_same_annotations(annotations: Annotations) -> None:
    pool: dict[str, Any] = {
        "texts": annotations.texts,
        "annotators": annotations.annotators,
        "classes": annotations.classes,
    }
    assert same(Annotations.from_long(annotations.to_frame(), **pool), annotations)
    assert same(Annotations.from_wide(annotations.to_wide(), classes=annotations.classes), annotations)


@given(annotation_sets())
def test_counts_equal_a_naive_loop(annotations: Annotations) -> None:
    counts = np.zeros((annotations.n_texts, annotations.n_classes), dtype=int)
    for text, label in zip(annotations.text, annotations.label, strict=True):
        counts[text, label] += 1
    np.testing.assert_array_equal(annotations.counts, counts)
    np.testing.assert_array_equal(annotations.n_labels, counts.sum(axis=1))
    assert annotations.labels_per_annotator.sum() == len(annotations) == counts.sum()


@pytest.mark.slow
@given(annotation_sets(), st.integers(0, 2**32 - 1))
def test_subset_keeps_the_chosen_texts_in_the_order_given(annotations: Annotations, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(annotations.n_texts)[: rng.integers(annotations.n_texts + 1)]
    people = rng.random(annotations.n_annotators) < 0.5
    part = annotations.subset(texts=chosen, annotators=people)
    expected = annotations.to_wide().iloc[chosen, np.flatnonzero(people)]
    pd.testing.assert_frame_equal(part.to_wide(), expected)


def test_string_labels_and_names() -> None:
    frame = pd.DataFrame(
        {"text": ["t2", "t1", "t2"], "annotator": ["bo", "ana", "ana"], "label": ["polite", "rude", "rude"]}
    )
    annotations = Annotations.from_long(frame, texts=["t1", "t2", "t3"], annotators=["ana", "bo", "cy"])
    assert annotations.classes == ("polite", "rude")
    assert annotations.n_labels.tolist() == [1, 2, 0]
    assert annotations.labels_per_annotator.tolist() == [2, 1, 0]
    assert Annotations.from_long(frame).texts.tolist() == ["t2", "t1"]
    coded = frame.assign(label=[0, 1, 1])
    assert Annotations.from_long(coded, classes=["polite", "rude"]).label.tolist() == [0, 1, 1]


@pytest.mark.parametrize("empty", [None, np.nan, pd.NA, ""])
def test_every_way_of_saying_no_label(empty: Any) -> None:
    cells = np.array([["no", empty], [empty, empty], ["yes", "no"]], dtype=object)
    for labels in (cells, pd.DataFrame(cells)):
        annotations = Annotations.from_wide(labels)
        assert annotations.n_labels.tolist() == [1, 0, 2]
        assert annotations.classes == ("no", "yes")


def test_lists_may_mix_names_and_nan() -> None:
    assert Annotations.from_wide([["no", np.nan], ["yes", "no"]]).classes == ("no", "yes")


def test_integer_labels_without_classes_span_zero_to_the_highest() -> None:
    assert Annotations.from_wide(np.array([[2.0, np.nan], [0.0, 2.0]])).classes == (0, 1, 2)


def test_classes_that_are_numbers_keep_their_names() -> None:
    annotations = Annotations.from_long(["a", "b"], ["x", "x"], [6, 1], classes=[1, 2, 3, 4, 5, 6])
    assert annotations.label.tolist() == [5, 0]
    assert annotations.to_frame()["label"].tolist() == [6, 1]


def test_a_second_annotation_is_an_error_or_the_last_counts() -> None:
    columns = (["t", "u", "t"], ["ana", "ana", "ana"], [0, 1, 1])
    with pytest.raises(InputError, match="row 2: annotator 'ana' already labelled text 't' in row 0"):
        Annotations.from_long(*columns)
    assert Annotations.from_long(*columns, duplicates="last").label.tolist() == [1, 1]


def test_extending_adds_and_replaces() -> None:
    annotations = Annotations.from_wide([[0, None], [1, 1]])
    more = annotations.extend([0], [1], [1])
    assert more.n_labels.tolist() == [2, 2]
    assert annotations.n_labels.tolist() == [1, 2]
    assert annotations.extend([0], [0], [1], duplicates="last").label.tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="already labelled"):
        annotations.extend([0], [0], [1])


GOOD: dict[str, list[Any]] = {"text": ["t", "u"], "annotator": ["a", "b"], "label": ["no", "yes"]}


@pytest.mark.parametrize(
    ("change", "kwargs", "message"),
    [
        ({"label": ["no", "maybe"]}, {"classes": ["no", "yes"]}, "row 1: label 'maybe' is not one of"),
        ({"annotator": ["a", None]}, {}, "row 1: the annotator is missing"),
        ({"annotator": [np.nan, "b"]}, {}, "row 0: the annotator is missing"),
        ({"text": ["t", ""]}, {}, "row 1: the text is missing"),
        ({"label": ["no", ["no", "yes"]]}, {}, r"row 1: label \['no', 'yes'\] is a list"),
        ({"label": [0, 1.5]}, {}, "row 1: label 1.5 is not a whole number"),
        ({"label": [0, -1]}, {}, "row 1: label -1 is not one of"),
        ({"label": [0, 2]}, {"classes": ["no", "yes"]}, "row 1: label 2 is not one of"),
        ({}, {"texts": ["t"]}, "row 1: text 'u' is not among the 1 given as texts="),
        ({}, {"annotators": ["b"]}, "row 0: annotator 'a' is not among"),
        ({}, {"texts": ["t", "u", "t"]}, "text 't' appears twice"),
        ({}, {"classes": ["no", "yes", "no"]}, "class 'no' appears twice"),
        ({}, {"duplicates": "first"}, "duplicates is 'first'"),
    ],
)
def test_the_first_wrong_row_is_shown(change: dict[str, Any], kwargs: dict[str, Any], message: str) -> None:
    columns = {**GOOD, **change}
    with pytest.raises(InputError, match=message):
        Annotations.from_long(columns["text"], columns["annotator"], columns["label"], **kwargs)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="text, annotator and label have lengths 2, 1 and 2"):
        Annotations.from_long(["t", "u"], ["a"], [0, 1])
    with pytest.raises(InputError, match="label missing"):
        Annotations.from_long(pd.DataFrame({"text": [1], "annotator": [1]}))
    with pytest.raises(InputError, match="rows of these 3, or 3 sequences"):
        Annotations.from_long(["t"])
    with pytest.raises(InputError, match=r"1 dimension\(s\), expected 2"):
        Annotations.from_wide(np.array([0, 1]))
    with pytest.raises(InputError, match=r"row 0: label 0\.5 is not a whole number"):
        Annotations.from_wide([[None, 0.5]])
    with pytest.raises(InputError, match="row 1: text 3 is out of range, expected 0 to 2"):
        Annotations.from_indices([0, 3], [0, 0], [0, 0], texts=3, annotators=1, classes=2)
    with pytest.raises(InputError, match="expected integers"):
        Annotations.from_indices([0.0], [0], [0], texts=3, annotators=1, classes=2)
    with pytest.raises(InputError, match="names a position twice"):
        Annotations.from_wide([[0], [1]]).subset(texts=[0, 0])


def test_nothing_at_all() -> None:
    none = Annotations.from_long([], [], [], texts=["t"], classes=["no", "yes"])
    assert none.counts.tolist() == [[0, 0]]
    assert none.to_frame().empty
    assert Annotations.from_long([], [], []).n_classes == 0


def test_annotations_cannot_be_changed() -> None:
    texts = np.array(["t", "u"])
    annotations = Annotations.from_indices([0], [0], [1], texts=texts, annotators=1, classes=2)
    for name in ("text", "annotator", "label", "texts", "annotators", "counts", "n_labels"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(annotations, name)[0] = 0
    with pytest.raises(AttributeError):
        annotations.label = annotations.text  # type: ignore[misc]
    texts[0] = "v"
    assert annotations.texts[0] == "t"


def test_write_protected_input_is_accepted() -> None:
    arrays = [np.array(values) for values in ([0, 1], [0, 0], [1, 0])]
    for array in arrays:
        array.setflags(write=False)
    text, annotator, label = arrays
    annotations = Annotations.from_indices(text, annotator, label, texts=2, annotators=1, classes=2)
    assert same(Annotations.from_long(text, annotator, label, texts=[0, 1], classes=[0, 1]), annotations)
