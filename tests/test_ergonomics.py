"""What a notebook stumbles over: labelled objects go in and their labels count, labelled objects come out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import jurybox as jb
from jurybox.arrays import Floats
from jurybox.datasets import Dataset
from jurybox.doubts import find_doubt
from jurybox.encoders import get_encoders
from jurybox.formats import write
from jurybox.inputs import table
from jurybox.labelled import probabilities
from jurybox.strategies import STRATEGIES, get_strategy

N = 120
IDS = [f"t{number}" for number in range(N)]


def crowd(seed: int = 0, right: float = 0.8, classes: tuple[str, str] = ("no", "yes")) -> jb.Annotations:
    """Return labels of three annotators of all texts."""
    rng = np.random.default_rng(seed)
    truth = np.arange(N) % 2
    labels = np.where(rng.random((N, 3)) < right, truth[:, None], 1 - truth[:, None])
    frame = pd.DataFrame(np.array(classes)[labels], index=IDS, columns=["ana", "bo", "cy"])
    return jb.Annotations.from_wide(frame, classes=classes)


def model(seed: int = 0, right: float = 0.85) -> pd.DataFrame:
    """Return honest probabilities, labelled by text and class."""
    rng = np.random.default_rng(seed + 100)
    hit = rng.random(N) < right
    p = np.where(hit, 0.8, 0.2)
    yes = np.where(np.arange(N) % 2 == 1, p, 1 - p)
    return pd.DataFrame({"no": 1 - yes, "yes": yes}, index=IDS)


METHODS: list[Callable[..., Any]] = [
    lambda a, p: jb.crowdlab(a, p).posterior,
    lambda a, p: jb.estimate_consensus(a, p).posterior,
    lambda a, p: jb.dawid_skene(a, p).posterior,
    lambda a, p: jb.majority_vote(a, p).labels,
    lambda a, p: jb.activelab(a, p).to_numpy(),
]


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_of_probabilities_is_aligned_by_texts_and_classes(method: Callable[..., Any]) -> None:
    annotations, p = crowd(), model()
    shuffled = p.sample(frac=1, random_state=3)[["yes", "no"]]
    np.testing.assert_array_equal(method(annotations, shuffled), method(annotations, p.to_numpy()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.drop(columns="no"), "no column for class 'no'"),
        (lambda p: p.rename(columns={"no": "maybe"}), "no column for class 'no'"),
        (lambda p: p.assign(maybe=0.0), "column 'maybe' is none of the 2 classes"),
        (lambda p: p.reset_index(drop=True), "no row for text 't0'.*make the texts' ids the index"),
        (lambda p: p.iloc[:-1], "no row for text 't119'"),
        (lambda p: pd.concat([p, p.iloc[:1]]), "text 't0' has two rows"),
        (lambda p: p.rename(index={"t3": "u3"}), "no row for text 't3'"),
        (
            lambda p: pd.concat([p, p.iloc[:1].rename(index={"t0": "new"})]),
            "row 'new' is none of the 120 texts",
        ),
    ],
)
def test_what_cannot_be_aligned_is_an_error(change: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(jb.InputError, match=message):
        jb.crowdlab(crowd(), change(model()))


def test_columns_that_are_positions_and_index_labels_that_are_numbers_in_text_form_are_understood() -> None:
    p = model()
    named = probabilities(p, np.array(IDS), ("no", "yes"))
    np.testing.assert_array_equal(
        probabilities(p.set_axis([0, 1], axis=1), np.array(IDS), ("no", "yes")), named
    )
    numbered = p.set_axis([str(number) for number in range(N)], axis=0)
    np.testing.assert_array_equal(probabilities(numbered.iloc[::-1], np.arange(N), ("no", "yes")), named)


LONG = {"task": ["t1", "t1", "t2"], "worker": ["a", "b", "a"], "answer": ["x", "y", "x"]}
NAMES = {"text": "task", "annotator": "worker", "label": "answer"}


def tables() -> dict[str, Any]:
    """Return one and the same table in all its kinds."""
    datasets = pytest.importorskip("datasets")
    polars, arrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = pd.DataFrame(LONG)
    coded = datasets.Dataset.from_dict(LONG).cast_column("answer", datasets.ClassLabel(names=["x", "y"]))
    return {
        "pandas": frame,
        "categories": frame.astype("category"),
        "polars": polars.DataFrame(LONG),
        "lazy": polars.LazyFrame(LONG),
        "arrow": arrow.table(LONG),
        "hugging face": datasets.Dataset.from_dict(LONG),
        "class labels": coded,
        "records": frame.to_dict("records"),
        "dict": LONG,
    }


@pytest.mark.slow
def test_every_kind_of_table_gives_the_same_annotations() -> None:
    wanted = jb.Annotations.from_long(LONG["task"], LONG["worker"], LONG["answer"]).to_frame()
    for name, data in tables().items():
        got = jb.Annotations.from_long(data, columns=NAMES)
        assert got.classes == ("x", "y"), name
        pd.testing.assert_frame_equal(got.to_frame(), wanted)
    rows = list(zip(*LONG.values(), strict=True))
    pd.testing.assert_frame_equal(jb.Annotations.from_long(rows).to_frame(), wanted)


@pytest.mark.slow
def test_arrays_of_other_libraries_are_arrays() -> None:
    torch = pytest.importorskip("torch")
    annotations, p = crowd(), model()
    wanted = jb.crowdlab(annotations, p).posterior
    np.testing.assert_allclose(jb.crowdlab(annotations, torch.tensor(p.to_numpy())).posterior, wanted)
    np.testing.assert_allclose(jb.crowdlab(annotations, csr_array(p.to_numpy())).posterior, wanted)
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {"id": IDS[::-1], "yes": p["yes"].to_list()[::-1], "no": p["no"].to_list()[::-1]}
    )
    np.testing.assert_allclose(jb.crowdlab(annotations, frame).posterior, wanted)
    both = jb.crowdlab(annotations, [p, p.iloc[::-1]])
    np.testing.assert_allclose(both.posterior, jb.crowdlab(annotations, np.stack([p, p])).posterior)
    triplets = [torch.tensor(part) for part in ([0, 1], [0, 0], [1, 0])]
    assert len(jb.Annotations.from_indices(*triplets, texts=2, annotators=1, classes=2)) == 2


def test_what_a_sparse_matrix_stores_are_labels_zeros_too() -> None:
    stored = csr_array(([0, 1], ([0, 1], [0, 1])), shape=(3, 2))
    assert jb.Annotations.from_wide(stored).n_labels.tolist() == [1, 1, 0]


@pytest.mark.parametrize("column", ["text", "uid"])
def test_a_column_of_texts_or_ids_is_refused_and_may_be_named(column: str) -> None:
    frame = pd.DataFrame({column: IDS, "ana": ["no", "yes"] * 60, "bo": ["no", "no"] * 60})
    with pytest.raises(jb.InputError, match=f"column '{column}' has 120 different values.*row 0: 't0'"):
        jb.Annotations.from_wide(frame)
    annotations = jb.Annotations.from_wide(frame, columns={"text": column})
    assert annotations.texts.tolist() == IDS
    assert annotations.annotators.tolist() == ["ana", "bo"]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([1, 2, 3, 4, 5], (1, 2, 3, 4, 5)), ([0, 2], (0, 1, 2)), ([1, 1], (0, 1)), ([1.0, 3.0], (1, 3))],
)
def test_numbers_become_no_phantom_classes(labels: list[Any], classes: tuple[int, ...]) -> None:
    annotations = jb.Annotations.from_long([f"t{i}" for i in range(len(labels))], ["a"] * len(labels), labels)
    assert annotations.classes == classes
    assert [annotations.classes[k] for k in annotations.label] == labels


def test_numbers_that_leave_most_classes_empty_are_refused() -> None:
    with pytest.raises(jb.InputError, match=r"pass classes=\[0, 5, 10\]"):
        jb.Annotations.from_long(["t", "u", "v"], ["a"] * 3, [0, 5, 10])


def test_lists_in_cells_are_refused_by_row() -> None:
    with pytest.raises(jb.InputError, match=r"row 0: label \[0, 1\] is a list; expected one label a text"):
        jb.Annotations.from_wide(pd.DataFrame({"a": [[0, 1], [1]], "b": [[0], [1]]}))


def test_missing_markers_are_missing_counted_and_reported_unless_named() -> None:
    frame = pd.DataFrame([["1", "1", "NA"], ["1", "1", "1"], ["2", "NA", "2"]])
    annotations = jb.Annotations.from_wide(frame)
    assert jb.krippendorff_alpha(annotations).value == 1
    assert "missing: 2 'NA'" in repr(annotations)
    assert jb.Annotations.from_wide(frame, classes=["1", "2", "NA"]).n_annotations == 9


def test_alpha_takes_numbers_in_text_form_for_numbers() -> None:
    labels = np.random.default_rng(3).choice([1, 2, 3, 10], (30, 4))
    for level, right in (("ordinal", -0.0682), ("interval", -0.0685)):
        for form in (labels, labels.astype(str).astype(object)):
            value = jb.krippendorff_alpha(jb.Annotations.from_wide(form), level=level).value  # type: ignore[arg-type]
            assert round(value, 4) == right


def warned(annotations: jb.Annotations, p: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jb.crowdlab(annotations, p)
    assert all(each.filename == __file__ for each in caught), "the line to blame is the caller's"
    return [str(each.message) for each in caught if issubclass(each.category, jb.PredProbsWarning)]


def test_exchanged_columns_shuffled_rows_and_in_sample_probabilities_are_warned_of_once() -> None:
    annotations, p = crowd(), model()
    assert warned(annotations, p) == []
    exchanged = warned(annotations, p.to_numpy()[:, ::-1])
    assert len(exchanged) == 1
    assert "columns were exchanged: where people say 'yes' they say 'no'" in exchanged[0]
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=600)
    said = np.where(rng.random((600, 2)) < 0.75, truth[:, None], 1 - truth[:, None]).astype(object)
    said[200:, 1] = None  # most texts have one label, and a model that saw it repeats it
    learnt: Floats = np.eye(2)[said[:, 0].astype(int)] * 0.98 + 0.01
    (in_sample,) = warned(jb.Annotations.from_wide(said), learnt)
    assert "look in-sample" in in_sample
    three = np.arange(N) % 3
    many = jb.Annotations.from_wide(np.column_stack([three, three]))
    off = np.full((N, 3), 0.1) + 0.7 * np.eye(3)[np.where(np.arange(N) % 2, (three + 1) % 3, (three + 2) % 3)]
    (worse,) = warned(many, off)
    assert "worse than chance" in worse or "exchanged" in worse


@pytest.mark.slow
def test_honest_probabilities_are_not_doubted() -> None:
    for seed in range(20):
        for right in (0.6, 0.75, 0.95):
            annotations = crowd(seed, right)
            for good in (0.55, 0.8, 1.0):
                assert find_doubt(annotations, model(seed, good).to_numpy()) is None


def test_sure_of_labelled_texts_alone_looks_in_sample() -> None:
    annotations = crowd(right=1.0)
    half = annotations.extend([], [], []).subset(annotators=[0])
    few = jb.Annotations.from_indices(
        half.text[:40],
        half.annotator[:40],
        half.label[:40],
        texts=half.texts,
        annotators=["ana"],
        classes=half.classes,
    )
    p = np.where(few.labelled[:, None], np.eye(2)[np.arange(N) % 2] * 0.98 + 0.01, [0.4, 0.6])
    assert "far surer of labelled texts" in str(find_doubt(few, p))


def small(order: list[str], people: list[str]) -> jb.Annotations:
    return jb.Annotations.from_long(
        ["a", "b"], ["ana", "bo"], ["no", "yes"], texts=order, annotators=people, classes=["no", "yes"]
    )


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (small(["b", "a"], ["ana", "bo"]), r"initial.texts\[0\] is 'b' and texts\[0\] 'a'"),
        (
            small(["a", "b"], ["bo", "ana"]),
            r"initial.annotators\[0\] is 'bo' and answers.annotators\[0\] 'ana'",
        ),
    ],
)
def test_parts_of_a_data_set_in_another_order_are_refused(initial: jb.Annotations, message: str) -> None:
    with pytest.raises(jb.InputError, match=message):
        Dataset(
            name="small",
            texts=np.array(["a", "b"], dtype=object),
            pool_texts=("fine", "bad"),
            initial=initial,
            answers=small(["a", "b"], ["ana", "bo"]),
            test_ids=np.array(["c"]),
            test_texts=("good",),
            test_labels=np.array([1]),
        )


@pytest.mark.slow
def test_data_sets_from_frames_are_those_of_the_parts() -> None:
    demo = jb.datasets.load("demo")
    texts = pd.DataFrame({"id": demo.texts, "text": demo.pool_texts})
    test = pd.DataFrame(
        {"id": demo.test_ids, "text": demo.test_texts, "label": np.array(demo.classes)[demo.test_labels]}
    )
    made = Dataset.from_frames(
        texts.sample(frac=1, random_state=0), demo.answers.to_frame(), test=test, classes=demo.classes
    )
    row = made.texts.tolist().index(demo.texts[7])
    assert made.pool_texts[row] == demo.pool_texts[7]
    assert made.answers.counts[row].tolist() == demo.answers.counts[7].tolist()
    assert made.test_labels.tolist() == demo.test_labels.tolist()
    held = Dataset.from_frames(texts, demo.answers)
    assert len(held.texts) + len(held.test_ids) == len(demo.texts)
    with pytest.raises(jb.InputError, match=r"test, row 0: label 'meh' is not one of"):
        Dataset.from_frames(texts, demo.answers, test={"id": ["x"], "text": ["y"], "label": ["meh"]})


@pytest.mark.slow
def test_a_project_takes_frames_of_texts_and_annotations_and_refuses_others(tmp_path: Path) -> None:
    texts = pd.DataFrame({"id": ["a", "b"], "text": ["fine", "bad"], "source": ["mail", "web"]})
    said = pd.DataFrame({"text": ["a", "b"], "annotator": ["ana", "ana"], "label": ["yes", "no"]})
    with jb.Project.create(tmp_path / "p.db", texts=texts, classes=["no", "yes"]) as project:
        assert project.reading.text("a").metadata == {"source": "mail"}
        assert project.add_annotations(said).annotations == 2
        assert (
            project.add_annotations(
                said.assign(annotator="bo").rename(columns={"text": "task"}), columns={"text": "task"}
            ).annotations
            == 2
        )
        assert project.add_annotations(project.annotations().subset(annotators=[0])).annotations == 0
        project.add_texts([("c", "never seen")])
        frame = project.to_frame()
    assert list(frame[["text", "label", "is_guess"]].loc["a"]) == ["fine", "yes", False]
    assert frame.loc["c", "n_annotations"] == 0
    with pytest.raises(jb.InputError, match="expected text and, where texts have one, id"):
        jb.Project.create(
            tmp_path / "q.db", texts=said.rename(columns={"text": "task"}), classes=["no", "yes"]
        )
    assert not (tmp_path / "q.db").exists()


def test_results_are_one_line_and_a_table() -> None:
    annotations, p = crowd(), model()
    consensus = jb.estimate_consensus(annotations, p)
    played = jb.play_round(annotations, p.to_numpy(), jb.Settings(batch=5), 0)
    pairs, alpha = jb.cohen_kappa(annotations), jb.krippendorff_alpha(annotations)
    for result in (annotations, consensus, consensus.annotators, played, played.ranking, pairs, alpha):
        assert len(repr(result)) < 300, repr(result)
        assert "\n" not in repr(result)
        assert "<table" in result._repr_html_()
    frame = consensus.to_frame()
    assert frame.index.tolist() == IDS
    assert frame["label"].tolist() == [annotations.classes[k] for k in consensus.labels]
    np.testing.assert_array_equal(frame[["p(no)", "p(yes)"]].to_numpy(), consensus.posterior)
    assert played.to_frame().index.tolist() == [IDS[at] for at in played.batch]
    assert played.ranking.to_frame()["score"].is_monotonic_increasing
    assert annotations.summary()["labels"].sum() == len(annotations)


def test_scores_come_by_text_where_texts_have_names() -> None:
    annotations, p = crowd(), model()
    scores = jb.activelab(annotations, p)
    assert scores.index.tolist() == IDS
    batch = jb.select_batch(scores, annotations, size=5, rng=0)
    shuffled = scores.sample(frac=1, random_state=1)
    assert jb.select_batch(shuffled, annotations, size=5, rng=0).tolist() == batch.tolist()
    assert jb.margin(p).index.tolist() == IDS
    assert isinstance(jb.margin(p.to_numpy()), np.ndarray)
    assert isinstance(jb.disagreement(jb.Annotations.from_wide([[0, 1]])), np.ndarray)
    with pytest.raises(jb.InputError, match="no value for text 't0'"):
        jb.select_batch(scores.iloc[1:], annotations, size=5, rng=0)


def test_a_seed_is_as_good_as_a_generator() -> None:
    annotations, p = crowd(), model()
    for method in (jb.crowdlab, jb.activelab, jb.majority_vote, jb.dawid_skene):
        one, two = method(annotations, p, rng=7), method(annotations, p, rng=np.random.default_rng(7))
        a, b = (one, two) if method is jb.activelab else (one.labels, two.labels)
        assert np.array_equal(np.asarray(a), np.asarray(b))
    assert jb.random_scores(5, 1).tolist() == jb.random_scores(5, np.random.default_rng(1)).tolist()


@pytest.mark.slow
def test_objects_are_taken_wherever_names_are() -> None:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    demo = jb.datasets.load("demo")
    mine = get_strategy("margin").__class__(**{**vars(STRATEGIES["margin"]), "name": "mine"})
    settings = jb.Settings(strategy=mine, classifier=LogisticRegression())
    seen: list[int] = []
    curves = jb.simulate(
        demo,
        [mine, "random"],
        rounds=2,
        seeds=1,
        encoder=HashingVectorizer(n_features=64),
        settings=settings,
        progress=lambda *_: seen.append(1),
    )
    assert curves.strategies == ("mine", "random")
    assert len(seen) == 4
    assert curves.to_frame()["annotations"].tolist() == [200, 225, 200, 225]
    assert len(repr(curves)) < 300
    assert curves.plot()._repr_svg_().startswith("<svg")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("svg")
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert curves.plot(ax=ax) is ax
    assert len(ax.lines) == 2
    assert jb.majority_vote(demo.initial).plot(ax=Figure().add_subplot()).get_ylabel() == "texts"


def test_functions_and_objects_encode() -> None:
    (encoder,) = get_encoders(lambda texts: [[len(text), 1.0] for text in texts])  # type: ignore[arg-type]
    views = jb.fit_views([encoder], ["a", "bb", "ccc"])
    assert len(views.rows(["dddd"])) == 1
    (other,) = get_encoders(lambda texts: [[len(text), 2.0] for text in texts])  # type: ignore[arg-type]
    assert other.name != encoder.name, "two functions are not one in the cache"


@pytest.mark.slow
def test_the_hub_export_marks_guesses(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    texts = [(name, f"text {name}") for name in "abc"]
    said = pd.DataFrame({"text": ["a", "b"], "annotator": ["ana", "ana"], "label": ["yes", "no"]})
    with jb.Project.create(tmp_path / "p.db", texts=texts, classes=["no", "yes"]) as project:
        project.add_annotations(said)
        project.configure(encoder="tfidf", audit_size=0)
        project.refit()
        write(project.export(), tmp_path / "out", format="huggingface")
        with pytest.raises(jb.InputError, match="push_to_hub"):
            write(project.export(), tmp_path / "csv", push_to_hub="me/data")
    rows = datasets.load_from_disk(str(tmp_path / "out"))["train"]
    assert rows["is_guess"] == [False, False, True]
    assert table(rows)["label"].notna().all()  # type: ignore[index]


def test_some_misses_in_a_few_labels_are_no_doubt() -> None:
    said = np.arange(32) % 5
    annotations = jb.Annotations.from_wide(said[:, None], classes=range(5))
    other = np.where(np.arange(32) == 0, said, (said + np.arange(32) % 4 + 1) % 5)
    assert (other == said).mean() < 0.05  # by chance 0.2 of them, with an error of 0.07
    assert find_doubt(annotations, np.eye(5)[other] * 0.5 + 0.1) is None
