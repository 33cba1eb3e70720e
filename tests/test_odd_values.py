"""Arrays and tables as people have them: with masks, mixed types, levels of an index, and odd names."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import jurybox as jb
from jurybox.compat import cleanlab
from jurybox.errors import ConflictError, InputError
from jurybox.formats import AnnotationRecord
from jurybox.project import Project
from jurybox.spellings import LabelsWarning

UNTYPED: Any = jb
P = np.array([[0.6, 0.4], [0.2, 0.8]])
AGREED = jb.Annotations.from_wide([[0, 0], [1, 1]])
MASKED = [[False, True], [False, False]]


class Tone(Enum):
    """Classes that are no words."""

    POLITE = 1
    RUDE = 2


@pytest.mark.parametrize("cells", [[[0, 1], [1, 0]], [[0.0, 1.0], [1.0, 0.0]], [["a", "b"], ["b", "a"]]])
def test_what_an_array_masks_is_no_label(cells: list[list[Any]]) -> None:
    annotations = jb.Annotations.from_wide(np.ma.masked_array(cells, mask=MASKED))
    assert annotations.n_labels.tolist() == [1, 2]
    assert annotations.missing == {}


def test_masks_count_for_probabilities_and_cleanlabs_functions_too() -> None:
    masked = np.ma.masked_array(P, mask=MASKED)
    with pytest.raises(InputError, match=r"row 0: got .0\.6, nan."):
        jb.crowdlab(AGREED, masked)
    labels = np.ma.masked_array([[0, 1, 0], [1, 1, 1]], mask=[[False, True, False], [False] * 3])
    found = cleanlab.get_label_quality_multiannotator(labels, P, verbose=False)
    assert found["label_quality"]["num_annotations"].tolist() == [2, 3]
    with pytest.raises(InputError, match="none may be NaN"):
        cleanlab.get_label_quality_multiannotator(labels, masked, verbose=False)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([[0.0, np.inf]], "inf is not a whole number|inf is too large"),
        ([[2**70, 1]], "too large for the number of a class"),
        (np.array([[0, 1j]]), "complex number"),
        ({"t1": {"ana": 0}, "t2": {"ana": 1}}, "got a dict of dicts, the first called 't1'"),
        (pd.DataFrame({"a": [0, 1]}, index=["t1", None]), "text 1 is missing"),
    ],
)
def test_labels_that_are_none_are_refused_by_name(labels: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        UNTYPED.Annotations.from_wide(labels)


def test_any_object_can_be_a_class() -> None:
    annotations = jb.Annotations.from_wide([[Tone.POLITE, Tone.RUDE], [Tone.RUDE, None]])
    assert annotations.classes == (Tone.POLITE, Tone.RUDE)
    assert jb.Annotations.from_wide([[Decimal(1), 0], [0, 1]]).classes == (0, 1)


def test_levels_of_an_index_and_fields_of_an_array_are_columns() -> None:
    frame = pd.DataFrame({"text": ["t1", "t1"], "annotator": ["ana", "bo"], "label": ["x", "y"]})
    expected = jb.Annotations.from_long(frame).counts.tolist()
    assert (
        jb.Annotations.from_long(frame.set_index(["text", "annotator"])).counts.tolist()
        == expected
        == [[1, 1]]
    )
    fields = np.array([("t1", "ana", "x")], dtype=[("text", "U9"), ("annotator", "U9"), ("label", "U9")])
    assert jb.Annotations.from_long(fields).annotators.tolist() == ["ana"]
    twice = pd.DataFrame([["t1", "ana", "x", "y"]], columns=["text", "annotator", "label", "label"])
    with pytest.raises(InputError, match="two columns are called 'label'"):
        jb.Annotations.from_long(twice)


@pytest.mark.parametrize(
    ("labels", "how"),
    [
        (["0", "0.0"], "how one number is written"),
        (["é", "e\N{COMBINING ACUTE ACCENT}"], "signs for accents"),
        (["a", "a "], "case or blanks"),
        (["['a', 'b']", "a"], "a list that was written as text"),
    ],
)
def test_labels_that_are_one_but_for_their_spelling_are_warned_of(labels: list[str], how: str) -> None:
    with pytest.warns(LabelsWarning, match=how):
        jb.Annotations.from_long(["t1", "t2"], ["ana", "ana"], labels)


def test_people_and_texts_that_are_one_by_another_type_or_spelling_are_named() -> None:
    with pytest.warns(LabelsWarning, match="annotators 'ana' and 'ana ' differ"):
        jb.Annotations.from_long(["t1", "t2"], ["ana", "ana "], ["x", "y"])
    with pytest.raises(InputError, match=r"text 7 .a number. and text '7' would be two"):
        jb.Annotations.from_long([7, "7"], ["ana", "bo"], ["x", "y"])


@pytest.mark.parametrize("function", [jb.fleiss_kappa, jb.disagreement, jb.krippendorff_alpha])
def test_nothing_labelled_yet_is_no_error(function: Any) -> None:
    nothing = jb.Annotations.from_wide(np.full((2, 3), np.nan))
    assert nothing.counts.shape == (2, 0)
    function(nothing)


def test_probabilities_that_are_no_numbers_are_refused_by_name() -> None:
    for wrong, problem in (([["60%", "40%"]] * 2, "pred_probs holds no numbers.*60%"), (P + 0j, "complex")):
        for function in (jb.crowdlab, jb.majority_vote, jb.estimate_consensus):
            with pytest.raises(InputError, match=problem):
                function(AGREED, wrong)


def test_a_batch_is_chosen_by_whole_numbers_and_masks() -> None:
    rng = np.random.default_rng(0)
    assert len(UNTYPED.select_batch([0.1, 0.2], AGREED, size=1.0, rng=rng)) == 1
    with pytest.raises(InputError, match=r"size is 1\.5, expected a whole number"):
        UNTYPED.select_batch([0.1, 0.2], AGREED, size=1.5, rng=rng)
    with pytest.raises(InputError, match=r"eligible is of type int64 and shape .1,., expected bool"):
        UNTYPED.select_batch([0.1, 0.2], AGREED, size=1, rng=rng, eligible=[0])


@pytest.mark.parametrize("make", [np.array, pd.Series, pd.Index])
def test_classes_are_taken_from_arrays_and_series(make: Any) -> None:
    assert UNTYPED.Loop(["good", "bad"], make(["no", "yes"]), encoder="tfidf").classes == ("no", "yes")


def test_metadata_of_a_frame_keep_their_kinds(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": [1, 2],
            "text": ["good", "bad"],
            "n": pd.array([1, None], dtype="Int64"),
            "flag": [np.bool_(True), None],
            "parts": [np.array([1.5, 2.5]), None],
            "when": pd.to_datetime(["2024-05-02", "NaT"]),
        }
    )
    with Project.create(tmp_path / "p.db", classes=("no", "yes"), texts=frame) as project:
        held = [record.metadata for record in project.export().texts]
    assert held == [{"n": 1, "flag": True, "parts": [1.5, 2.5], "when": "2024-05-02T00:00:00"}, None]


def test_annotations_are_added_as_rows_and_nothing_else_in_silence(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p.db", classes=("no", "yes"), texts=[("1", "good")]) as project:
        untyped: Any = project
        assert untyped.add_annotations([("1", "ana", "yes")]).annotations == 1
        with pytest.raises(InputError, match="annotations is str, expected records"):
            untyped.add_annotations(iter(["1"]))
        records = iter([AnnotationRecord("1", "bo", "no")])
        assert project.add_annotations(records).annotations == 1


@pytest.mark.parametrize("twin", ["yes ", "y\N{COMBINING ACUTE ACCENT}s", "1.0"])
def test_classes_that_files_cannot_tell_apart_are_refused(tmp_path: Path, twin: str) -> None:
    with pytest.raises(ConflictError, match="there is a class"):
        Project.create(tmp_path / "p.db", classes=("yes", "ýs", "1", twin))
