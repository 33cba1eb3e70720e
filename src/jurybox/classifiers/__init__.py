"""Classifiers: the probabilistic head on features, any scikit-learn estimator, a fine-tuned transformer.

Every one meets the contract in `jurybox.classifiers.base`.
"""

from __future__ import annotations

from jurybox.classifiers.base import Classifier, Fitted, check_targets

__all__ = ["Classifier", "Fitted", "check_targets"]
