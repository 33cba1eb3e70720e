"""Classifiers: the probabilistic head on features, any scikit-learn estimator, a fine-tuned transformer.

Every one meets the contract in `jurybox.classifiers.base`. `get_classifier` finds one by name, and imports
what that one needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jurybox.classifiers.base import Classifier, Fitted, check_targets
from jurybox.errors import InputError
from jurybox.plugins import brought, names_of

__all__ = ["Classifier", "Fitted", "check_targets", "get_classifier"]


def get_classifier(name: str | Any = "head", *, model: str | Path = "minilm", seed: int = 0) -> Classifier:
    """Find a classifier by name.

    Parameters
    ----------
    name
        ``"head"``: logistic regression on features, the default; ``"sklearn:"`` and a name within
        scikit-learn, such as ``"sklearn:ensemble.RandomForestClassifier"``, or an instance of a classifier;
        ``"transformer"``: a fine-tuned Hugging Face transformer; a name that an installed package brings
        along (`jurybox.plugins`). A classifier is returned as it is.
    model
        What ``"transformer"`` starts from: a folder, a hub id, or ``"minilm"`` for the packaged weights.
    seed
        Draws folds, and whatever else the classifier leaves to chance.

    Raises
    ------
    InputError
        Where there is no classifier of that name.
    MissingExtraError
        Where the ``transformers`` extra is needed and not installed.

    Examples
    --------
    >>> get_classifier("head").name
    'head'
    >>> get_classifier("sklearn:naive_bayes.GaussianNB").name
    'sklearn:GaussianNB():5:0'
    """
    if isinstance(name, Classifier):
        return name
    if name == "head":
        from jurybox.classifiers.head import Head

        return Head()
    if isinstance(name, str) and (found := brought("classifiers", name, "fit")) is not None:
        return get_classifier(found, seed=seed)
    if name == "transformer":
        from jurybox.classifiers.recipes import TrainingSettings
        from jurybox.classifiers.transformer_classifier import TransformerClassifier

        return TransformerClassifier(model, training=TrainingSettings(seed=seed))
    from jurybox.classifiers.estimator import EstimatorClassifier, estimator_by_name

    if not isinstance(name, str):
        return EstimatorClassifier(name, seed=seed)
    if name.startswith("sklearn:"):
        return EstimatorClassifier(estimator_by_name(name.removeprefix("sklearn:")), seed=seed)
    others = "".join(f"{other!r}, " for other in names_of("classifiers"))
    raise InputError(
        f"classifier {name!r} is unknown; expected 'head', 'transformer', {others}'sklearn:' and the name of "
        "a classifier such as 'sklearn:ensemble.RandomForestClassifier', or an instance"
    )
