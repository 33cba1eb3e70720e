"""Slips that come naturally in a notebook: put right where it is clear what is meant, refused elsewhere."""

from __future__ import annotations

import contextlib
import runpy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import jurybox as jb
from jurybox.datasets import Dataset
from jurybox.encoders import get_encoders
from jurybox.labelled import ensemble
from jurybox.spellings import LabelsWarning

UNTYPED: Any = jb
"""As a notebook calls them: nothing looks at types before."""

SAID = pd.DataFrame(
    {
        "text": ["t1", "t1", "t2", "t2", "t3"],
        "annotator": ["ana", "bo", "ana", "bo", "ana"],
        "label": ["no", "no", "yes", "no", "yes"],
    }
)
TEXTS = pd.DataFrame({"id": ["t1", "t2", "t3"], "text": ["one", "two", "three"]})


def rows(annotations: jb.Annotations) -> list[tuple[Any, ...]]:
    return sorted(annotations.to_frame().itertuples(index=False, name=None), key=str)


ORDER = ["low", "mid", "high"]
WANTED = rows(jb.Annotations.from_long(SAID))


# ---- what goes in as annotations --------------------------------------------------------------------------


def test_a_table_is_taken_for_annotations_and_all_else_refused_by_name() -> None:
    pairs = UNTYPED.cohen_kappa(SAID)
    assert pairs.overlap[0, 1] == 2
    for name in ("majority_vote", "estimate_consensus", "krippendorff_alpha", "disagreement"):
        method = getattr(UNTYPED, name)
        assert repr(method(SAID)) == repr(method(UNTYPED.Annotations.from_long(SAID)))
    wide = pd.DataFrame({"ana": ["no", "yes"], "bo": ["no", "no"]})
    for wrong in (wide, np.zeros((3, 2)), ["no", "yes"], None):
        with pytest.raises(TypeError, match="expected Annotations: make them with"):
            UNTYPED.crowdlab(wrong, np.full((3, 2), 0.5))


def test_shuffled_series_of_three_frames_are_refused() -> None:
    shuffled = SAID.sample(frac=1, random_state=1)
    with pytest.raises(jb.InputError, match="label has another index than text: pass one frame"):
        jb.Annotations.from_long(SAID["text"], SAID["annotator"], shuffled["label"])
    same = jb.Annotations.from_long(shuffled["text"], shuffled["annotator"], shuffled["label"])
    assert rows(same) == WANTED
    plain = [SAID[name].to_numpy() for name in ("text", "annotator", "label")]
    assert rows(jb.Annotations.from_long(*plain)) == WANTED


def test_generators_map_objects_and_views_of_dicts_are_lists() -> None:
    parts = [SAID[name].tolist() for name in ("text", "annotator", "label")]
    lazily = jb.Annotations.from_long(*((value for value in part) for part in parts))
    assert rows(lazily) == WANTED
    assert rows(UNTYPED.Annotations.from_long(*map(iter, parts), classes=iter(["no", "yes"]))) == WANTED
    assert jb.Annotations.from_long(iter(SAID.itertuples(index=False, name=None))).n_texts == 3
    loop = UNTYPED.Loop(
        (text for text in TEXTS["text"]), dict.fromkeys(["no", "yes"]).keys(), encoder="tfidf"
    )
    assert loop.classes == ("no", "yes")
    assert loop.texts == ("one", "two", "three")
    p = (row for row in [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    assert jb.majority_vote(jb.Annotations.from_long(SAID), p).labels.tolist() == [0, 1, 1]


def test_what_has_no_order_is_refused() -> None:
    for classes in ({"no", "yes"}, "no", 2):
        with pytest.raises(jb.InputError, match=r"classes is a (set|str|int), expected names in their order"):
            UNTYPED.Annotations.from_long(SAID, classes=classes)
        with pytest.raises(jb.InputError, match="classes is a"):
            UNTYPED.Loop(["a", "b"], classes)
    with pytest.raises(jb.InputError, match="texts is a DataFrame, expected names in their order"):
        UNTYPED.Annotations.from_long(SAID, texts=TEXTS)
    with pytest.raises(jb.InputError, match="a set, which has no order"):
        jb.Loop({"one", "two"}, ["no", "yes"])


def test_a_project_refuses_classes_without_order(tmp_path: Path) -> None:
    for classes in ({"no", "yes"}, "no"):
        with pytest.raises(jb.InputError, match="classes is a"):
            UNTYPED.Project.create(tmp_path / "p.db", texts=["a"], classes=classes)
    assert not (tmp_path / "p.db").exists()


# ---- labels -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tensors_and_their_elements_are_numbers() -> None:
    torch = pytest.importorskip("torch")
    labels = torch.tensor([0, 0, 1, 0, 1])
    numbers = SAID.assign(label=[0, 0, 1, 0, 1])
    wanted = rows(jb.Annotations.from_long(numbers))
    for given in (labels, list(labels), labels.to(torch.int8), tuple(labels)):
        got = jb.Annotations.from_long(SAID["text"].tolist(), SAID["annotator"].tolist(), given)
        assert rows(got) == wanted
    assert jb.Annotations.from_wide(torch.tensor([[0, 1], [1, 1]])).n_annotations == 4
    p = torch.tensor([[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]], dtype=torch.bfloat16, requires_grad=True)
    assert jb.margin(p).shape == (3,)
    assert jb.margin(list(p.detach().float())).shape == (3,)


def test_numbers_and_the_same_in_text_form_are_no_two_classes() -> None:
    with pytest.raises(jb.InputError, match=r"labels 1 \(a number\) and '1' \(a text\) would be two classes"):
        jb.Annotations.from_long(SAID.assign(label=["1", 1, 2, "2", "3"]))


def test_two_spellings_of_a_class_are_warned_of_on_the_callers_line() -> None:
    said = SAID.assign(label=["polite", "Polite", "rude", " rude", "rude"])
    with pytest.warns(LabelsWarning, match="labels 'Polite' and 'polite' differ by case or blanks") as caught:
        annotations = jb.Annotations.from_long(said)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert annotations.n_classes == 4
    assert jb.Annotations.from_long(said, classes=annotations.classes).n_classes == 4, "named: no warning"


def test_words_in_the_order_of_the_alphabet_are_no_order() -> None:
    said = SAID.assign(label=["low", "mid", "high", "high", "low"])
    with pytest.warns(LabelsWarning, match="that of the alphabet, high, low, mid") as caught:
        jb.krippendorff_alpha(jb.Annotations.from_long(said), level="ordinal")
    assert caught[0].filename == __file__
    with pytest.warns(LabelsWarning, match="alphabet"):
        jb.cohen_kappa(jb.Annotations.from_long(said), weights="quadratic")
    jb.krippendorff_alpha(jb.Annotations.from_long(said))
    jb.krippendorff_alpha(jb.Annotations.from_long(said, classes=ORDER), level="ordinal")
    jb.krippendorff_alpha(jb.Annotations.from_long(said, classes=ORDER, scale=True), level="ordinal")


@pytest.mark.slow
def test_truth_values_are_no_positions_of_named_classes(tmp_path: Path) -> None:
    said = SAID.assign(label=[True, True, False, True, False])
    assert jb.Annotations.from_long(said).classes == (0, 1)
    with pytest.raises(jb.InputError, match="labels are True and False, expected classes by name"):
        jb.Annotations.from_long(said, classes=["yes", "no"])
    with jb.Project.create(tmp_path / "p.db", texts=TEXTS, classes=["yes", "no"]) as project:
        with pytest.raises(jb.InputError, match="labels are True and False"):
            project.add_annotations(said)
        assert len(project.annotations()) == 0


def test_classes_that_are_declared_keep_their_order_and_those_not_used() -> None:
    known = pd.Categorical(["mid", "low", "low", None, "mid"], categories=ORDER, ordered=True)
    annotations = jb.Annotations.from_long(SAID.assign(label=known))
    assert annotations.classes == tuple(ORDER)
    assert annotations.n_annotations == 4
    assert jb.Annotations.from_long(SAID.assign(label=known), scale=True).scale == (0, 1, 2)
    kind = pd.CategoricalDtype(ORDER, ordered=True)
    wide = pd.DataFrame({"ana": ["mid", "low"], "bo": ["low", "low"]}, index=["t1", "t2"]).astype(kind)
    assert jb.Annotations.from_wide(wide).classes == tuple(ORDER)
    plain = jb.Annotations.from_long(SAID.assign(label=known).astype({"label": str}).iloc[[0, 1, 2, 4]])
    assert plain.classes == ("low", "mid")
    unordered = SAID.assign(label=pd.Categorical(["mid", "low", "low", "low", "mid"], categories=ORDER))
    assert jb.Annotations.from_long(unordered).classes == ("low", "mid")


@pytest.mark.slow
def test_declared_classes_of_other_libraries_keep_their_order() -> None:
    polars, datasets = pytest.importorskip("polars"), pytest.importorskip("datasets")
    labels = ["mid", "low", "low", None, "mid"]
    frame = polars.DataFrame(
        {**SAID.to_dict("list"), "label": polars.Series(labels, dtype=polars.Enum(ORDER))}
    )
    assert jb.Annotations.from_long(frame).classes == tuple(ORDER)
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "annotator": datasets.Value("string"),
            "label": datasets.ClassLabel(names=ORDER),
        }
    )
    held = datasets.Dataset.from_dict({**SAID.to_dict("list"), "label": [1, 0, 0, None, 1]}, features)
    annotations = jb.Annotations.from_long(held)
    assert annotations.classes == tuple(ORDER), "as the columns of a model that was trained on these"
    assert annotations.n_annotations == 4
    assert jb.Annotations.from_long(held.to_iterable_dataset()).n_annotations == 4
    with pytest.raises(TypeError, match="choose a split"):
        jb.Annotations.from_long(datasets.DatasetDict({"train": held}))
    columns = [datasets.Dataset.from_dict(SAID.to_dict("list"))[name] for name in SAID.columns]
    assert rows(jb.Annotations.from_long(*columns)) == WANTED


def test_nullable_types_of_pandas_are_as_good_as_plain_ones() -> None:
    nullable = SAID.assign(label=pd.array([0, 0, 1, pd.NA, 1], dtype="Int64")).convert_dtypes()
    assert jb.Annotations.from_long(nullable).n_annotations == 4
    assert jb.Annotations.from_long(nullable).classes == (0, 1)
    wide = pd.DataFrame({"ana": [0, 1, pd.NA], "bo": [1, 1, 0]}).convert_dtypes()
    assert jb.Annotations.from_wide(wide).n_annotations == 5


def test_ids_left_among_the_labels_are_refused_in_small_frames_and_arrays_too() -> None:
    small = pd.DataFrame({"id": ["t1", "t2", "t3"], "ana": ["no", "yes", "no"], "bo": ["no", "no", "yes"]})
    with pytest.raises(jb.InputError, match="column 'id' has 3 different values"):
        jb.Annotations.from_wide(small)
    counted = pd.DataFrame({"nr": range(30), "ana": [0, 1] * 15, "bo": [1, 0] * 15})
    with pytest.raises(jb.InputError, match=r"column 'nr' has 30 different values in 30 rows.*2 of them"):
        jb.Annotations.from_wide(counted)
    with pytest.raises(jb.InputError, match="column 0 has 30 different values"):
        jb.Annotations.from_wide(counted.to_numpy())
    assert jb.Annotations.from_wide(counted.set_index("nr")).n_annotators == 2
    many = pd.DataFrame(np.random.default_rng(0).integers(77, size=(60, 4)), columns=list("abcd"))
    assert jb.Annotations.from_wide(many).n_annotators == 4, "many classes are no ids"


def test_lists_in_cells_are_refused_wherever_they_stand() -> None:
    for given in ([[["no"], "yes"], ["no", "no"]], [[["no"], ["yes"]], [["no"], ["no"]]]):
        with pytest.raises(jb.InputError, match=r"row 0: label \['no'\] is a list"):
            jb.Annotations.from_wide(given)
    with pytest.raises(jb.InputError, match=r"row 1 is \['yes'\], expected a cell for each annotator"):
        jb.Annotations.from_wide([["no", "yes"], ["yes"]])
    with pytest.raises(jb.InputError, match=r"row 2: label \['yes'\] is a list"):
        UNTYPED.Annotations.from_long(SAID.assign(label=["no", "no", ["yes"], "no", "yes"]))  # type: ignore[list-item]
    with pytest.raises(jb.InputError, match=r"row 1: text is \['a', 'fine', 'day'\], expected a text"):
        jb.Loop(["one", ["a", "fine", "day"]], ["no", "yes"])
    with pytest.raises(jb.InputError, match="row 1: text is None"):
        jb.Loop(["one", None], ["no", "yes"])


# ---- order ------------------------------------------------------------------------------------------------


def test_a_loop_keeps_the_ids_of_a_shuffled_or_filtered_frame() -> None:
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(8)]})
    chosen = frame[frame.index % 2 == 1].sample(frac=1, random_state=0)
    loop = jb.Loop(chosen, ["no", "yes"], annotations=[(5, "ana", "yes")], encoder="tfidf")
    assert loop.text_ids.tolist() == chosen.index.tolist()
    labelled = loop.annotations.texts[loop.annotations.labelled].tolist()
    assert labelled == [5]
    assert loop.texts[loop.text_ids.tolist().index(5)] == "text 5"
    series = frame.set_axis([f"t{i}" for i in range(8)])["text"]
    assert jb.Loop(series, ["no", "yes"]).text_ids[3] == "t3"
    assert jb.Loop({"t1": "one", "t2": "two"}, ["no", "yes"]).text_ids.tolist() == ["t1", "t2"]
    assert jb.Loop(frame, ["no", "yes"]).text_ids.tolist() == list(range(8))
    again = pd.concat([frame, frame])  # an index that is there twice is none of ids
    assert jb.Loop(again, ["no", "yes"]).text_ids.tolist() == list(range(16))
    with pytest.raises(jb.InputError, match="text 't1' appears twice"):
        jb.Loop([("t1", "one"), ("t1", "two")], ["no", "yes"])


def test_features_as_a_frame_are_aligned_by_their_index() -> None:
    annotations = jb.Annotations.from_long(SAID, texts=["t1", "t2", "t3", "t4"])
    x = pd.DataFrame({"a": [0.0, 1.0, 0.9, 0.1], "b": [1.0, 0.0, 0.1, 0.9]}, index=["t1", "t2", "t3", "t4"])
    plain = jb.play_round(annotations, x.to_numpy(), jb.Settings(batch=2), 0)
    mixed = jb.play_round(annotations, x.iloc[::-1], jb.Settings(batch=2), 0)
    np.testing.assert_array_equal(plain.pred_probs, mixed.pred_probs)
    loop = jb.Loop([(i, i) for i in x.index], ["no", "yes"], annotations=annotations, features=x.iloc[::-1])
    np.testing.assert_array_equal(loop.round.pred_probs, plain.pred_probs)
    with pytest.raises(jb.InputError, match="features has 3 rows, expected 4: one a text"):
        jb.play_round(annotations, x.iloc[:3], jb.Settings(), 0)
    with pytest.raises(jb.InputError, match="features: no row for text 't4'"):
        jb.play_round(annotations, x.rename(index={"t4": "t5"}), jb.Settings(), 0)


def test_opinions_align_a_frame_of_probabilities_as_every_other_method_does() -> None:
    annotations = jb.Annotations.from_long(SAID)
    p = pd.DataFrame({"no": [0.9, 0.2, 0.3], "yes": [0.1, 0.8, 0.7]}, index=["t1", "t2", "t3"])
    one, two = (
        jb.estimate_opinions(annotations, p),
        jb.estimate_opinions(annotations, p[["yes", "no"]].iloc[::-1]),
    )
    np.testing.assert_array_equal(one.shares, two.shares)
    assert one.to_frame().index.tolist() == ["t1", "t2", "t3"]
    assert len(repr(one)) < 200


@pytest.mark.slow
def test_an_estimator_finds_the_annotations_of_a_shuffled_part_by_its_index() -> None:
    demo = jb.datasets.load("demo")
    texts = pd.Series(demo.pool_texts, index=demo.texts)
    part = texts.sample(300, random_state=0)
    order = [demo.texts.tolist().index(text_id) for text_id in part.index]
    fitted = jb.JuryClassifier(encoder="tfidf").fit(part, demo.answers)
    plain = jb.JuryClassifier(encoder="tfidf").fit(part.tolist(), demo.answers.subset(texts=order))
    np.testing.assert_array_equal(fitted.out_of_sample_, plain.out_of_sample_)
    with pytest.raises(jb.InputError, match="X, row 0: the annotations have no text 'nobody'"):
        jb.JuryClassifier(encoder="tfidf").fit(part.set_axis(["nobody", *part.index[1:]]), demo.answers)
    with pytest.raises(jb.InputError, match="y, row 1: the label is missing"):
        jb.JuryClassifier(encoder="tfidf").fit(["a", "b", "c"], ["no", None, "yes"])


# ---- projects and data sets -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_project_takes_frames_as_they_are_and_says_what_it_cannot_use(tmp_path: Path) -> None:
    with jb.Project.create(tmp_path / "p.db", classes=["EU", "NA", "none"]) as project:
        assert project.add_texts({"t1": "one", "t2": "two"}).texts == 2
        assert project.add_texts(pd.Series(["three"], index=["t3"])).texts == 1
        said = SAID.assign(label=["EU", "NA", "NA", None, "none"])  # type: ignore[list-item]
        assert project.add_annotations(said).annotations == 4
        labels = dict(zip(project.annotations().texts, project.annotations().counts.tolist(), strict=True))
        assert labels == {"t1": [1, 1, 0], "t2": [0, 1, 0], "t3": [0, 0, 1]}, "NA is a class of this project"
        other = SAID.assign(annotator="cy", label=["EU", "NA", "NA", None, "none"])  # type: ignore[list-item]
        with pytest.raises(jb.InputError, match="t1"):
            project.add_annotations(other)
        assert "cy" not in [one.name for one in project.people.all()]
        assert project.add_annotations(other, duplicates="last").annotations >= 3
        with pytest.raises(jb.InputError, match="the text is missing"):
            project.add_annotations(SAID.assign(text=["t1", None, "t2", "t3", "t1"]))  # type: ignore[list-item]


@pytest.mark.slow
def test_numbers_are_classes_of_their_names_before_they_are_positions(tmp_path: Path) -> None:
    said = SAID.assign(label=[0, 0, 10, 5, 10.0])
    with jb.Project.create(tmp_path / "p.db", texts=TEXTS, classes=["0", "5", "10"]) as project:
        project.add_annotations(said)
        frame = project.annotations().to_frame()
    assert sorted(frame["label"]) == ["0", "0", "10", "10", "5"]


def test_gold_labels_that_are_missing_are_missing() -> None:
    texts = TEXTS.assign(label=["no", "NA", ""])
    test = {"id": ["x"], "text": ["new"], "label": ["yes"]}
    data = Dataset.from_frames(texts, SAID, test=test)
    assert data.gold is not None
    assert data.gold.tolist() == [0, -1, -1]
    assert repr(data).startswith("Dataset(frames: 3 texts and 1 to test on, 2 annotators")
    assert "<table" in data._repr_html_()
    with pytest.raises(jb.InputError, match="texts: id 't1' appears twice"):
        Dataset.from_frames(pd.concat([TEXTS, TEXTS]), SAID, test=test)


# ---- encoders ---------------------------------------------------------------------------------------------


def test_functions_that_use_other_models_are_other_encoders() -> None:
    def encoder_with(model: dict[str, float]) -> Any:
        return lambda texts: [[model["weight"] * len(text)] for text in texts]

    names = [get_encoders(encoder_with({"weight": w}))[0].name for w in (1.0, 2.0, 1.0)]
    assert names[0] == names[2], "the same is found in the cache"
    assert names[0] != names[1], "or features of another model would be"


def test_records_of_probabilities_are_a_table_and_several_tables_an_ensemble() -> None:
    records = [{"id": "t2", "yes": 0.9, "no": 0.1}, {"id": "t1", "yes": 0.2, "no": 0.8}]
    columns = {"id": ["t2", "t1"], "yes": [0.9, 0.2], "no": [0.1, 0.8]}
    texts, one = np.array(["t1", "t2"]), [[0.8, 0.2], [0.1, 0.9]]
    for given, models in ((records, 1), (columns, 1), ([records, columns], 2), ([columns], 1)):
        found = ensemble(given, texts, ("no", "yes"))
        assert found.tolist() == [one] * models
    with pytest.raises(jb.InputError, match="no row for text 't3'"):
        ensemble(records, np.array(["t1", "t3"]), ("no", "yes"))


def test_encoders_are_told_apart_by_what_is_used_inside_of_them() -> None:
    named = """
weight = {weight}
def times(text):
    return helped(text, 1) * weight
def helped(text, left):
    return len(text) if not left else helped(text, left - 1)
{encoder}
"""
    ways = (
        "encoder = lambda texts: [[(lambda: weight)() * len(text)] for text in texts]",
        "encoder = lambda texts: list(map(lambda text: [weight * len(text)], texts))",
        "encoder = lambda texts: [[times(text)] for text in texts]",
    )
    for way in ways:
        names = []
        for weight in (1.0, 2.0, 1.0):
            notebook: dict[str, Any] = {"__name__": "notebook"}
            exec(named.format(weight=weight, encoder=way), notebook)  # noqa: S102 — as a cell is run
            names.append(get_encoders(notebook["encoder"])[0].name)
        assert names[0] == names[2] != names[1], way


# ---- what else the notebook is promised -------------------------------------------------------------------


def test_a_progress_bar_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    loop = jb.Loop([f"text {i}" for i in range(12)], ["no", "yes"], encoder="tfidf", batch=4)
    loop.run(lambda text: "yes" if "1" in text else "no", budget=8, progress=True)
    assert "labels: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("case", ["18-alpha-string-numbers", "19-na-strings-api", "20-list-cells-api"])
def test_cases_that_people_met_have_their_right_outcome(
    shared_data: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("krippendorff")
    (script,) = (shared_data.parent / "cases" / case).glob("*.py")
    if case.startswith("20"):
        with pytest.raises(
            jb.InputError, match=r"row 0: label \[0, 1\] is a list; expected one label a text"
        ):
            runpy.run_path(str(script))
        return
    with warnings.catch_warnings(), contextlib.suppress(jb.InputError):  # its last line misses an id
        runpy.run_path(str(script))
    printed = capsys.readouterr().out
    if case.startswith("19"):
        assert printed == "1.0\n"
        return
    for line in printed.splitlines()[:3]:
        _, _, right, _, integers, _, strings, *_, given = line.split()
        assert right == integers == strings == given, line
