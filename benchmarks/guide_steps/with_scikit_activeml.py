"""The guide's steps with scikit-activeml."""

from __future__ import annotations

from typing import Any

import numpy as np
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import UncertaintySampling
from skactiveml.pool.multiannotator import IntervalEstimationAnnotModel
from skactiveml.utils import majority_vote
from sklearn.linear_model import LogisticRegression


def consensus(wide: Any, pred_probs: Any) -> Any:  # noqa: ARG001 — as others take it
    """Return a label for each text; there is no quality."""
    return majority_vote(wide, random_state=0), None


def annotators(wide: Any, pred_probs: Any) -> Any:
    """Return how well each annotator labels."""
    model = IntervalEstimationAnnotModel(mode="mean", random_state=0).fit(pred_probs, wide)
    return model.predict_annotator_perf(pred_probs[:1])[0]


def rounds(texts: Any, x: Any, wide: Any, ask: Any, x_test: Any) -> Any:  # noqa: ARG001
    """Buy five times 25 labels, and return the classes of other texts."""
    labels, classes = wide.copy(), np.arange(int(np.nanmax(wide)) + 1)
    model = SklearnClassifier(LogisticRegression(max_iter=1000), classes=classes, random_state=0)
    strategy = UncertaintySampling(method="margin_sampling", random_state=0)
    for _ in range(5):
        majority = majority_vote(labels, classes=classes, random_state=0)
        for text in strategy.query(X=x, y=majority, clf=model, batch_size=25):
            annotator, label = ask(text)
            labels[text, annotator] = label
    return model.fit(x, majority_vote(labels, classes=classes, random_state=0)).predict(x_test)
