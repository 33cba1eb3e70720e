"""JuryClassifier is an estimator of scikit-learn, and encoders are transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import jurybox as jb

pytestmark = pytest.mark.slow

TEXTS = [f"a {'fine' if n % 2 else 'bad'} day number {n}" for n in range(40)]
LABELS = ["yes" if n % 2 else "no" for n in range(40)]


@parametrize_with_checks([jb.JuryClassifier()])  # type: ignore[untyped-decorator]
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_accepts_it(estimator: Any, check: Any) -> None:
    check(estimator)


def test_it_learns_labels_distributions_and_annotations_alike() -> None:
    said = jb.Annotations.from_wide(pd.DataFrame({"a": LABELS, "b": LABELS}), classes=["no", "yes"])
    soft = pd.DataFrame({"no": [0.9, 0.2] * 20, "yes": [0.1, 0.8] * 20})
    for y in (LABELS, soft, said):
        fitted = jb.JuryClassifier(encoder="tfidf").fit(TEXTS, y)
        assert fitted.classes_.tolist() == ["no", "yes"]
        assert fitted.predict(["a fine thing", "a bad thing"]).tolist() == ["yes", "no"]
        assert fitted.out_of_sample_.shape == (40, 2)
    few = said.subset(texts=range(39))
    with pytest.raises(jb.InputError, match="X has 40 rows and y 39"):
        jb.JuryClassifier(encoder="tfidf").fit(TEXTS, few)


def test_it_works_in_pipelines_and_searches() -> None:
    classifier = jb.JuryClassifier(encoder="tfidf")
    assert clone(classifier).get_params() == classifier.get_params()
    p = cross_val_predict(classifier, TEXTS, LABELS, cv=4, method="predict_proba")
    assert (p.argmax(axis=1) == np.arange(40) % 2).mean() > 0.9
    pipeline = make_pipeline(jb.EncoderTransformer("tfidf"), jb.JuryClassifier())
    choices = {"juryclassifier__classifier": ["head", "sklearn:naive_bayes.GaussianNB"]}
    search = GridSearchCV(pipeline, choices, cv=3)
    assert search.fit(TEXTS, LABELS).best_score_ > 0.9
