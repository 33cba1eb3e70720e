"""jurybox.compat.cleanlab against cleanlab 2.9.0."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jurybox.compat import cleanlab as ours
from jurybox.compat.checks import read_labels
from jurybox.errors import InputError, InputTypeError
from support.cleanlab_oracle import Case, cases, corrected_cleanlab

pytestmark = pytest.mark.slow

NAN = np.nan
thorough = settings(max_examples=20, suppress_health_check=list(HealthCheck))


def protect(*arrays: NDArray[Any]) -> None:
    for array in arrays:
        array.setflags(write=False)


def assert_same(case: Case, got: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(got) == list(expected)
    for name, value in expected.items():
        if name == "annotator_stats":
            assert_same_annotators(case, got, expected)
        elif isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(got[name], value, check_exact=False, rtol=0, atol=1e-9)
        else:
            assert type(got[name]) in (type(value), float)
            assert_close(got[name], value)


def assert_same_annotators(case: Case, got: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare annotators; order and worst class may differ only where what decides is equal to rounding."""
    ours_, theirs = got["annotator_stats"], expected["annotator_stats"]
    assert (np.diff(ours_["annotator_quality"].dropna()) >= -1e-9).all()
    aligned = ours_.loc[theirs.index]
    decided = theirs.drop(columns="worst_class")
    pd.testing.assert_frame_equal(
        aligned.drop(columns="worst_class"), decided, check_exact=False, rtol=0, atol=1e-9
    )
    assert list(ours_.columns) == list(theirs.columns)
    consensus = expected["label_quality"]["consensus_label"].to_numpy()
    quality = expected["label_quality"]["consensus_quality_score"].to_numpy()
    columns = {name: column for column, name in enumerate(sorted(theirs.index, key=_column_number))}
    for name in theirs.index[aligned["worst_class"] != theirs["worst_class"]]:
        answers = case.labels[:, columns[name]]
        decisive = [
            ((consensus[chosen] == label).mean(), chosen.sum(), quality[chosen].mean())
            for label in (aligned.loc[name, "worst_class"], theirs.loc[name, "worst_class"])
            for chosen in [answers == label]
        ]
        assert_close(decisive[0], decisive[1])


def _column_number(name: Any) -> int:
    return int(str(name).removeprefix("anno_").removeprefix("a"))


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@pytest.mark.slow
@thorough
@given(cases(), st.booleans(), st.sampled_from(["best_quality", "majority_vote"]))
def test_label_quality_equals_corrected_cleanlab(case: Case, calibrate: bool, method: str) -> None:
    kwargs = {"consensus_method": method, "calibrate_probs": calibrate, "return_weights": True}
    with corrected_cleanlab() as theirs:
        expected = quietly(theirs.get_label_quality_multiannotator, case.labels, case.p[0], **kwargs)
    protect(case.labels, case.p)
    assert_same(
        case, quietly(ours.get_label_quality_multiannotator, case.labels, case.p[0], **kwargs), expected
    )


@pytest.mark.slow
@thorough
@given(
    cases(),
    st.sampled_from(["self_confidence", "normalized_margin", "confidence_weighted_entropy"]),
    st.booleans(),
    st.booleans(),
)
def test_label_quality_options_equal_corrected_cleanlab(
    case: Case, method: str, adjust: bool, detailed: bool
) -> None:
    kwargs = {
        "consensus_method": ["majority_vote", "best_quality"],
        "label_quality_score_kwargs": {
            "method": method,
            "adjust_pred_probs": adjust and method != "confidence_weighted_entropy",
        },
        "return_detailed_quality": detailed,
    }
    frame = pd.DataFrame(case.labels).add_prefix("anno_").set_axis([f"t{i}" for i in range(len(case.labels))])
    with corrected_cleanlab() as theirs:
        expected = quietly(theirs.get_label_quality_multiannotator, frame, case.p[0], **kwargs)
    assert_same(case, quietly(ours.get_label_quality_multiannotator, frame, case.p[0], **kwargs), expected)


@pytest.mark.slow
@thorough
@given(cases())
def test_agreement_quality_equals_corrected_cleanlab(case: Case) -> None:
    kwargs = {"quality_method": "agreement"}
    with corrected_cleanlab() as theirs:
        expected = quietly(theirs.get_label_quality_multiannotator, case.labels, case.p[0], **kwargs)
    assert_same(
        case, quietly(ours.get_label_quality_multiannotator, case.labels, case.p[0], **kwargs), expected
    )


@pytest.mark.slow
@thorough
@given(cases(models=3), st.booleans())
def test_ensemble_quality_equals_corrected_cleanlab(case: Case, calibrate: bool) -> None:
    kwargs = {"calibrate_probs": calibrate, "return_weights": True}
    protect(case.labels, case.p)
    with corrected_cleanlab() as theirs:
        expected = quietly(
            theirs.get_label_quality_multiannotator_ensemble, case.labels, case.p.copy(), **kwargs
        )
    got = quietly(ours.get_label_quality_multiannotator_ensemble, case.labels, case.p, **kwargs)
    assert_same(case, got, expected)


@pytest.mark.slow
@thorough
@given(cases())
def test_active_learning_scores_equal_corrected_cleanlab(case: Case) -> None:
    protect(case.labels, case.p, case.p_unlabelled)
    with corrected_cleanlab() as theirs:
        expected = quietly(theirs.get_active_learning_scores, case.labels, case.p[0], case.p_unlabelled[0])
    got = quietly(ours.get_active_learning_scores, case.labels, case.p[0], case.p_unlabelled[0])
    assert_close(got[0], expected[0])
    assert_close(got[1], expected[1])


@pytest.mark.slow
@thorough
@given(cases(models=3))
def test_ensemble_scores_equal_corrected_cleanlab(case: Case) -> None:
    protect(case.labels, case.p, case.p_unlabelled)
    with corrected_cleanlab() as theirs:
        expected = quietly(
            theirs.get_active_learning_scores_ensemble,
            case.labels,
            case.p.copy(),
            case.p_unlabelled.copy(),
        )
    got = quietly(ours.get_active_learning_scores_ensemble, case.labels, case.p, case.p_unlabelled)
    assert_close(got[0], expected[0])
    assert_close(got[1], expected[1])


@pytest.mark.slow
@thorough
@given(cases(models=2))
def test_scores_of_singly_labelled_texts_equal_cleanlab(case: Case) -> None:
    first = np.isnan(case.labels).argmin(axis=1)
    single = np.full(case.labels.shape, NAN)
    rows = np.arange(len(single))
    single[rows, first] = case.labels[rows, first]
    single = single[:, ~np.isnan(single).all(axis=0)]
    with corrected_cleanlab() as theirs:
        expected = theirs.get_active_learning_scores(single, case.p[0], case.p_unlabelled[0])
        ensemble = quietly(
            theirs.get_active_learning_scores_ensemble, single, case.p.copy(), case.p_unlabelled.copy()
        )
    for got, want in zip(
        ours.get_active_learning_scores(single, case.p[0], case.p_unlabelled[0]), expected, strict=True
    ):
        assert_close(got, want)
    for got, want in zip(
        ours.get_active_learning_scores_ensemble(single, case.p, case.p_unlabelled), ensemble, strict=True
    ):
        assert_close(got, want)


@pytest.mark.slow
@thorough
@given(cases(), st.booleans())
def test_majority_vote_equals_cleanlab_where_it_does_not_draw_lots(case: Case, with_model: bool) -> None:
    p = case.p[0] if with_model else None
    counts = read_labels(case.labels).to_annotations(case.p.shape[2]).counts
    assume((counts == counts.max(axis=1, keepdims=True)).sum(axis=1).min() == 1)  # else cleanlab crashes
    with warnings.catch_warnings(record=True) as caught, corrected_cleanlab() as theirs:
        warnings.simplefilter("always")
        expected = theirs.get_majority_vote_label(case.labels, p, verbose=False)
    got = ours.get_majority_vote_label(case.labels, p, verbose=False)
    lots = [str(warning.message) for warning in caught if str(warning.message).startswith("breaking ties")]
    drawn = [int(number) for text in lots for number in re.findall(r"(?<!int)\b\d+", text)]
    certain = np.setdiff1d(np.arange(len(expected)), drawn)
    np.testing.assert_array_equal(got[certain], expected[certain])


@pytest.mark.parametrize("models", [2, 3])
def test_only_unlabelled_texts_equal_cleanlab(models: int) -> None:
    p = np.random.default_rng(models).dirichlet(np.ones(4), size=(models, 30))
    with corrected_cleanlab() as theirs:
        _, expected = theirs.get_active_learning_scores(pred_probs_unlabeled=p[0].copy())
        _, ensemble = quietly(theirs.get_active_learning_scores_ensemble, pred_probs_unlabeled=p.copy())
    protect(p)
    labelled, scores = ours.get_active_learning_scores(pred_probs_unlabeled=p[0])
    assert len(labelled) == 0
    assert_close(scores, expected)
    assert_close(ours.get_active_learning_scores_ensemble(pred_probs_unlabeled=p)[1], ensemble)


def test_politeness_equals_corrected_cleanlab(shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "stanford-politeness" / "X_labeled_full.csv", index_col="id")
    labels = frame.drop(columns="text")
    rng = np.random.default_rng(0)
    p = rng.dirichlet([2, 2], size=len(labels))
    pool = rng.dirichlet([2, 2], size=1400)
    with corrected_cleanlab() as theirs:
        expected = quietly(theirs.get_label_quality_multiannotator, labels, p, calibrate_probs=True)
        scores = quietly(theirs.get_active_learning_scores, labels, p, pool)
    named = Case(labels.to_numpy(), p[None], pool[None])
    got = quietly(ours.get_label_quality_multiannotator, labels, p, calibrate_probs=True)
    assert_same(named, got, expected)
    for mine, theirs_ in zip(ours.get_active_learning_scores(labels, p, pool), scores, strict=True):
        assert_close(mine, theirs_)


def test_cleanlab_counts_float_labels_by_position() -> None:
    """The defect that the oracle is corrected for; when this fails, a release has mended it."""
    from cleanlab.internal.util import value_counts

    np.testing.assert_array_equal(value_counts(np.array([1.0, 1.0, 1.0]), num_classes=2), [3, 0])
    labels = np.array([[1.0, 1.0, NAN], [1.0, NAN, 1.0], [0.0, 0.0, 1.0]])
    p = np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    from cleanlab.multiannotator import get_active_learning_scores

    assert (
        np.abs(get_active_learning_scores(labels, p)[0] - ours.get_active_learning_scores(labels, p)[0]).max()
        > 1e-3
    )


@pytest.mark.slow
@thorough
@given(cases(), st.booleans(), st.sampled_from(["crowdlab", "agreement"]))
def test_counted_as_cleanlab_counts_the_figures_are_its_own(case: Case, calibrate: bool, method: str) -> None:
    from cleanlab import multiannotator as theirs

    kwargs = {"quality_method": method, "calibrate_probs": calibrate}
    expected = quietly(theirs.get_label_quality_multiannotator, case.labels, case.p[0], **kwargs)
    got = quietly(
        ours.get_label_quality_multiannotator, case.labels, case.p[0], **kwargs, cleanlab_counts=True
    )
    assert_same(case, got, expected)
    scores = quietly(theirs.get_active_learning_scores, case.labels, case.p[0])
    mine = quietly(ours.get_active_learning_scores, case.labels, case.p[0], cleanlab_counts=True)
    assert_close(mine[0], scores[0])


def test_worked_majority_example() -> None:
    votes = np.array(
        [
            [1, NAN, NAN, 2, NAN],
            [NAN, 1, 0, NAN, NAN],
            [NAN, NAN, 0, NAN, NAN],
            [NAN, 2, NAN, NAN, NAN],
            [2, NAN, 0, 2, NAN],
            [NAN, NAN, NAN, 2, 1],
        ]
    )
    assert quietly(ours.get_majority_vote_label, votes).tolist() == [1, 1, 0, 2, 2, 1]


def test_long_becomes_wide_as_with_cleanlab() -> None:
    from cleanlab.multiannotator import convert_long_to_wide_dataset

    long = pd.DataFrame({"task": [3, 3, 1, 2], "annotator": ["b", "a", "b", "c"], "label": [0, 1, 1, 0]})
    pd.testing.assert_frame_equal(ours.convert_long_to_wide_dataset(long), convert_long_to_wide_dataset(long))


@pytest.mark.parametrize("empty", [np.empty((0, 2)), None])
def test_no_unlabelled_texts(empty: NDArray[np.float64] | None) -> None:
    labels = np.array([[0, 0], [1, NAN]])
    scores, none = ours.get_active_learning_scores(labels, np.array([[0.9, 0.1], [0.4, 0.6]]), empty)
    assert scores.shape == (2,)
    assert none.shape == (0,)


def test_one_model_in_an_ensemble_is_that_model() -> None:
    labels = np.array([[0, 0], [1, 0], [1, NAN]])
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    one = ours.get_label_quality_multiannotator_ensemble(labels, p[None])["label_quality"]
    pd.testing.assert_frame_equal(one, ours.get_label_quality_multiannotator(labels, p)["label_quality"])


GOOD = np.array([[0, 0, NAN], [1, NAN, 1], [NAN, 1, 0]])
P = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])


@pytest.mark.parametrize(
    ("labels", "p", "message"),
    [
        (GOOD[:, 0], P, "must be a 2D array or dataframe"),
        ([[0, 1]], P, "either a NumPy array or Pandas DataFrame"),
        (np.array([["a", "b"]]), P, "cannot be strings"),
        (np.where(np.arange(3)[:, None] == 1, NAN, GOOD), P, r"Examples \[1\] do not have any labels"),
        (np.where(np.arange(3) == 2, NAN, GOOD), P, r"Annotators \[2\] did not label any examples"),
        (GOOD[:2, :1], P[:2], "more than one column"),
        (np.array([[0, NAN], [NAN, 1], [1, NAN]]), P, "only has one label"),
        (GOOD + 0.5, P, "zero-indexed integers"),
        (GOOD - 1, P, "zero-indexed integers"),
        (GOOD, P[None], "use the ensemble version"),
        (GOOD, P[:2], "same length"),
        (GOOD * 2, P, "at least 3 columns"),
        (GOOD, P * 2, "between 0 and 1"),
        (GOOD, np.where(P > 0.8, NAN, P), "between 0 and 1"),
        (GOOD, P[:, :1], "at least 2"),
    ],
)
def test_wrong_input_is_refused(labels: Any, p: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours.get_label_quality_multiannotator(labels, p)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputTypeError, match="must be a numpy array"):
        ours.get_label_quality_multiannotator(GOOD, P.tolist())
    with pytest.raises(ValueError, match="not a valid consensus method"):
        ours.get_label_quality_multiannotator(GOOD, P, consensus_method="oracle")
    with pytest.raises(ValueError, match="not a valid quality method"):
        ours.get_label_quality_multiannotator(GOOD, P, quality_method="oracle")
    with pytest.raises(ValueError, match="only applicable to the crowdlab quality method"):
        ours.get_label_quality_multiannotator(GOOD, P, quality_method="agreement", return_weights=True)
    with pytest.raises(ValueError, match="not a valid scoring method"):
        ours.get_label_quality_multiannotator(GOOD, P, label_quality_score_kwargs={"method": "oracle"})
    with pytest.raises(ValueError, match="use the non-ensemble version"):
        ours.get_label_quality_multiannotator_ensemble(GOOD, P)
    with pytest.raises(ValueError, match="cannot both be None"):
        ours.get_active_learning_scores(GOOD)
    with pytest.raises(ValueError, match="labels_multiannotator cannot be None"):
        ours.get_active_learning_scores(pred_probs=P)
    with pytest.raises(ValueError, match="same number of classes"):
        ours.get_active_learning_scores(GOOD, P, np.full((1, 3), 1 / 3))


def test_annotators_who_never_agree_are_remarked() -> None:
    with pytest.warns(UserWarning, match="do not agree"):
        ours.get_majority_vote_label(np.array([[2, 1, NAN, 0], [1, 0, 2, NAN]]))


def test_remarks_are_printed_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.array([[0, 0, 0, NAN], [0, 0, 1, NAN], [NAN, NAN, NAN, 0]])
    ours.get_label_quality_multiannotator(labels, np.array([[0.9, 0.1]] * 3))
    printed = capsys.readouterr().out
    assert "Annotator(s) [3] share no example" in printed
    assert "never takes the classes [1]" in printed
    ours.get_label_quality_multiannotator(labels, np.array([[0.9, 0.1]] * 3), verbose=False)
    assert capsys.readouterr().out == ""
