"""The calls of cleanlab's tutorials, by name from either library, on a crowd like theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from jurybox.compat import cleanlab as ours
from support.cleanlab_oracle import corrected_cleanlab

pytestmark = pytest.mark.slow

MEANS = np.array([[3.0, 2.0], [7.0, 7.0], [0.0, 8.0]])
SIZES = (150, 75, 75)
GOOD, BAD = 45, 5


def crowd(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], pd.DataFrame]:
    """Three clouds, of which each of 50 people labels about a tenth; the last five are hardly ever right."""
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(3), SIZES)
    x = MEANS[true] + rng.normal(scale=1.7, size=(len(true), 2))
    right = np.repeat([0.8, 0.35], [GOOD, BAD])
    others = (true[:, None] + rng.integers(1, 3, size=(len(true), GOOD + BAD))) % 3
    said = np.where(rng.random(others.shape) < right, true[:, None], others)
    frame = pd.DataFrame(said, columns=[f"A{at:04d}" for at in range(1, GOOD + BAD + 1)])
    frame = frame.mask(rng.random(frame.shape) < 0.9).astype("Int64")
    labelled = frame.notna().any(axis=1).to_numpy()
    return x[labelled], true[labelled], frame[labelled].reset_index(drop=True)


def improved(library: Any, x: NDArray[Any], labels: pd.DataFrame) -> dict[str, Any]:
    """Do what "Improve Consensus Labels for Multiannotator Data" does."""
    majority = library.get_majority_vote_label(labels)
    pred_probs = cross_val_predict(LogisticRegression(), x, majority, cv=5, method="predict_proba")
    results: dict[str, Any] = library.get_label_quality_multiannotator(labels, pred_probs, verbose=False)
    consensus = results["label_quality"]["consensus_label"].values
    again = cross_val_predict(LogisticRegression(), x, consensus, cv=5, method="predict_proba")
    return {**results, "majority": majority, "pred_probs": again}


def asked(library: Any, x: NDArray[Any], labels: pd.DataFrame, pool: NDArray[Any]) -> list[Any]:
    """Do what "Active Learning with Multiple Data Annotators" does: label worst texts, and learn anew."""
    rng, found = np.random.default_rng(0), []
    held = labels.copy()
    for at in range(3):
        consensus = library.get_majority_vote_label(held)
        model = LogisticRegression().fit(x, consensus)
        pred_probs = cross_val_predict(LogisticRegression(), x, consensus, cv=5, method="predict_proba")
        labelled, unlabelled = library.get_active_learning_scores(held, pred_probs, model.predict_proba(pool))
        found += [labelled, unlabelled]
        new = pd.Series(pd.NA, index=held.index, dtype="Int64")
        worst = np.argsort(np.round(labelled, 6), kind="stable")[:25]
        new.iloc[worst] = rng.integers(3, size=len(worst))
        held[f"B{at}"] = new
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_consensus_labels_are_improved_as_in_the_tutorial(seed: int) -> None:
    x, true, labels = crowd(seed)
    with corrected_cleanlab() as theirs:
        expected = improved(theirs, x, labels)
    got = improved(ours, x, labels)
    assert list(got) == list(expected)
    for name in ("label_quality", "detailed_label_quality"):
        pd.testing.assert_frame_equal(got[name], expected[name], check_exact=False, rtol=0, atol=1e-9)
    stats = got["annotator_stats"]
    pd.testing.assert_frame_equal(
        stats.sort_index(), expected["annotator_stats"].sort_index(), check_exact=False, rtol=0, atol=1e-9
    )
    np.testing.assert_array_equal(got["majority"], expected["majority"])
    np.testing.assert_allclose(got["pred_probs"], expected["pred_probs"], atol=1e-9)
    # what the tutorial shows of its crowd
    consensus, score = (got["label_quality"][name] for name in ("consensus_label", "consensus_quality_score"))
    assert np.mean(true == consensus) > np.mean(true == got["majority"])
    in_order = score.sort_values().index
    right = (true == consensus).to_numpy()
    assert right[in_order[:15]].mean() < right[in_order[15:]].mean()
    bad = stats.index.isin(labels.columns[-BAD:])
    assert stats[bad]["annotator_quality"].mean() < stats[~bad]["annotator_quality"].mean()


def test_texts_are_asked_for_as_in_the_tutorial() -> None:
    x, _, labels = crowd(2)
    pool, _, _ = crowd(3)
    with corrected_cleanlab() as theirs:
        expected = asked(theirs, x, labels, pool)
    for got, wanted in zip(asked(ours, x, labels, pool), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-9)
