"""The guide's steps with cleanlab, as its tutorials on annotators and on active learning go."""

from __future__ import annotations

from typing import Any

import numpy as np
from cleanlab.multiannotator import (
    get_active_learning_scores,
    get_label_quality_multiannotator,
    get_majority_vote_label,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict


def agreement(wide: Any, pred_probs: Any) -> Any:
    """Return how far the annotators agree."""
    found = get_label_quality_multiannotator(wide, pred_probs, verbose=False)
    return found["label_quality"]["annotator_agreement"].mean()


def consensus(wide: Any, pred_probs: Any) -> Any:
    """Return a label for each text, and its quality."""
    found = get_label_quality_multiannotator(wide, pred_probs, verbose=False)["label_quality"]
    return found["consensus_label"], found["consensus_quality_score"]


def annotators(wide: Any, pred_probs: Any) -> Any:
    """Return how well each annotator labels."""
    found = get_label_quality_multiannotator(wide, pred_probs, verbose=False)
    return found["annotator_stats"]["annotator_quality"]


def rounds(texts: Any, x: Any, wide: Any, ask: Any, x_test: Any) -> Any:  # noqa: ARG001
    """Buy five times 25 labels, and return the classes of other texts."""
    model, labels, pred_probs = LogisticRegression(max_iter=1000), wide.copy(), None
    for played in range(6):
        known = ~np.isnan(labels).all(axis=1)
        given = labels[known][:, ~np.isnan(labels[known]).all(axis=0)]
        if pred_probs is None:
            target = get_majority_vote_label(given, verbose=False)
        else:
            found = get_label_quality_multiannotator(given, pred_probs[known], verbose=False)
            target = found["label_quality"]["consensus_label"].to_numpy()
        model.fit(x[known], target)
        if played == 5:
            return model.predict(x_test)
        pred_probs = model.predict_proba(x)
        pred_probs[known] = cross_val_predict(model, x[known], target, cv=5, method="predict_proba")
        scores = np.empty(len(x))
        scores[known], scores[~known] = get_active_learning_scores(
            given, pred_probs[known], pred_probs[~known]
        )
        for text in scores.argsort()[:25]:
            annotator, label = ask(text)
            labels[text, annotator] = label
    raise AssertionError
