"""The functions of ``cleanlab.multiannotator``, by name and result, on jurybox's core.

Replace ``from cleanlab.multiannotator import …`` by ``from jurybox.compat.cleanlab import …``: arguments,
returned types, columns and ordering are the same, and so are the results, except where cleanlab 2.9.0 counts
labels wrongly: in the temperature, and with it in ActiveLab's scores and in calibrated results, and in
``quality_method="agreement"``. Unlike there, no argument is ever modified, and ensembles of one model and
empty arrays are accepted. Ties that cleanlab breaks with NumPy's global random state are broken by a fixed
seed. ``cleanlab_counts=True`` counts as cleanlab 2.9.0 does, and gives its own figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jurybox.arrays import Floats, Ints
from jurybox.compat.checks import (
    Labels,
    WideLabels,
    as_cleanlab_counts,
    check_labels,
    check_probability_arrays,
    read_labels,
    remark_lost_classes,
)
from jurybox.compat.judging import Judge
from jurybox.consensus.majority import majority_labels
from jurybox.errors import InputError
from jurybox.selection import score_activelab

__all__ = [
    "convert_long_to_wide_dataset",
    "get_active_learning_scores",
    "get_active_learning_scores_ensemble",
    "get_label_quality_multiannotator",
    "get_label_quality_multiannotator_ensemble",
    "get_majority_vote_label",
]

_METHODS = ("majority_vote", "best_quality")


def get_label_quality_multiannotator(
    labels_multiannotator: Labels,
    pred_probs: NDArray[Any],
    *,
    consensus_method: str | list[str] = "best_quality",
    quality_method: str = "crowdlab",
    calibrate_probs: bool = False,
    return_detailed_quality: bool = True,
    return_annotator_stats: bool = True,
    return_weights: bool = False,
    verbose: bool = True,
    label_quality_score_kwargs: Mapping[str, Any] | None = None,
    cleanlab_counts: bool = False,
) -> dict[str, Any]:
    """Return consensus labels and the quality of labels and annotators.

    Parameters
    ----------
    labels_multiannotator : DataFrame or ndarray, shape (N, M)
        Class positions, NaN where an annotator did not label an example.
    pred_probs : ndarray, shape (N, K)
        Out-of-sample class probabilities.
    consensus_method
        ``"best_quality"``, ``"majority_vote"`` or a list: the first is the main one, the others add columns.
    quality_method
        ``"crowdlab"`` or ``"agreement"``, the share of annotators who agree.
    calibrate_probs
        Fit a temperature first.
    return_detailed_quality, return_annotator_stats, return_weights
        What to return beside ``label_quality``.
    verbose
        Print remarks on annotators without overlap and on classes lost from the consensus.
    label_quality_score_kwargs
        ``method`` and ``adjust_pred_probs`` of the label quality score.
    cleanlab_counts
        Whether to count labels as cleanlab 2.9.0 does, see above.

    Returns
    -------
    dict
        ``label_quality``, ``detailed_label_quality``, ``annotator_stats`` (frames), ``model_weight`` (float)
        and ``annotator_weight`` (ndarray, shape (M,)).

    Raises
    ------
    InputError
        A ``ValueError``: for wrong labels, probabilities of another shape or unknown methods.
    InputTypeError
        A ``TypeError``: if ``pred_probs`` is no array.
    """
    labels = read_labels(labels_multiannotator)
    if return_weights and quality_method != "crowdlab":
        raise InputError(
            "Model and annotator weights are only applicable to the crowdlab quality method; set "
            "return_weights=False or quality_method='crowdlab'"
        )
    if quality_method not in ("crowdlab", "agreement"):
        raise InputError(f"{quality_method} is not a valid quality method: choose 'crowdlab' or 'agreement'")
    methods = consensus_method if isinstance(consensus_method, list) else [consensus_method]
    for method in methods:
        if method not in _METHODS:
            raise InputError(f"{method} is not a valid consensus method: choose one of {list(_METHODS)}")
    check_labels(labels, pred_probs)
    judge = Judge(
        labels, pred_probs[None], quality_method, calibrate_probs, label_quality_score_kwargs, cleanlab_counts
    )
    verdicts = {method: judge.verdict(method) for method in methods}
    report = judge.report(verdicts, return_detailed_quality, return_annotator_stats, verbose)
    if return_weights:
        weights = verdicts[methods[0]].fit
        report["model_weight"] = float(weights.model_weights[0])
        report["annotator_weight"] = weights.annotator_weights
    return report


def get_label_quality_multiannotator_ensemble(
    labels_multiannotator: Labels,
    pred_probs: NDArray[Any],
    *,
    calibrate_probs: bool = False,
    return_detailed_quality: bool = True,
    return_annotator_stats: bool = True,
    return_weights: bool = False,
    verbose: bool = True,
    label_quality_score_kwargs: Mapping[str, Any] | None = None,
    cleanlab_counts: bool = False,
) -> dict[str, Any]:
    """Return what `get_label_quality_multiannotator` does, from the probabilities of P models.

    Parameters
    ----------
    labels_multiannotator, calibrate_probs, return_detailed_quality, return_annotator_stats, return_weights, \
verbose, label_quality_score_kwargs, cleanlab_counts
        As there.
    pred_probs : ndarray, shape (P, N, K)
        Out-of-sample class probabilities of each model.

    Returns
    -------
    dict
        As there, ``model_weight`` being an array of shape (P,).

    Raises
    ------
    InputError, InputTypeError
        As there.
    """
    labels = read_labels(labels_multiannotator)
    check_labels(labels, pred_probs, ensemble=True)
    judge = Judge(
        labels, pred_probs, "crowdlab", calibrate_probs, label_quality_score_kwargs, cleanlab_counts
    )
    verdict = judge.verdict("best_quality")
    report = judge.report({"best_quality": verdict}, return_detailed_quality, return_annotator_stats, verbose)
    if return_weights:
        weights = verdict.fit
        report["model_weight"] = weights.model_weights
        report["annotator_weight"] = weights.annotator_weights
    return report


def get_active_learning_scores(
    labels_multiannotator: Labels | None = None,
    pred_probs: NDArray[Any] | None = None,
    pred_probs_unlabeled: NDArray[Any] | None = None,
    *,
    cleanlab_counts: bool = False,
) -> tuple[Floats, Floats]:
    """Return ActiveLab's scores of labelled and of unlabelled examples; low means *label next*.

    Parameters
    ----------
    labels_multiannotator : DataFrame or ndarray, shape (N, M), optional
        Labels; needed with ``pred_probs``.
    pred_probs : ndarray, shape (N, K), optional
        Out-of-sample class probabilities of the labelled examples.
    pred_probs_unlabeled : ndarray, shape (U, K), optional
        Class probabilities of the unlabelled examples.
    cleanlab_counts
        Whether to count labels as cleanlab 2.9.0 does, see above.

    Returns
    -------
    ndarray, shape (N,)
        Scores of the labelled examples.
    ndarray, shape (U,)
        Scores of the unlabelled ones.

    Raises
    ------
    InputError, InputTypeError
        As `get_label_quality_multiannotator`.
    """
    check_probability_arrays(pred_probs, pred_probs_unlabeled, ensemble=False)
    return _activelab(
        labels_multiannotator,
        None if pred_probs is None else pred_probs[None],
        None if pred_probs_unlabeled is None else pred_probs_unlabeled[None],
        cleanlab_counts,
    )


def get_active_learning_scores_ensemble(
    labels_multiannotator: Labels | None = None,
    pred_probs: NDArray[Any] | None = None,
    pred_probs_unlabeled: NDArray[Any] | None = None,
    *,
    cleanlab_counts: bool = False,
) -> tuple[Floats, Floats]:
    """Return what `get_active_learning_scores` does, from the probabilities of P models.

    Parameters
    ----------
    labels_multiannotator
        As there.
    pred_probs : ndarray, shape (P, N, K), optional
        Out-of-sample class probabilities of the labelled examples.
    pred_probs_unlabeled : ndarray, shape (P, U, K), optional
        Class probabilities of the unlabelled examples.
    cleanlab_counts
        Whether to count labels as cleanlab 2.9.0 does, see above.

    Returns
    -------
    ndarray, shape (N,)
        Scores of the labelled examples.
    ndarray, shape (U,)
        Scores of the unlabelled ones.

    Raises
    ------
    InputError, InputTypeError
        As there.
    """
    check_probability_arrays(pred_probs, pred_probs_unlabeled, ensemble=True)
    return _activelab(labels_multiannotator, pred_probs, pred_probs_unlabeled, cleanlab_counts)


def get_majority_vote_label(
    labels_multiannotator: Labels, pred_probs: NDArray[Any] | None = None, verbose: bool = True
) -> Ints:
    """Return the label that most annotators chose, shape (N,).

    Parameters
    ----------
    labels_multiannotator : DataFrame or ndarray, shape (N, M)
        Class positions, NaN for none.
    pred_probs : ndarray, shape (N, K), optional
        Class probabilities, which break ties first.
    verbose
        Check the arguments, and print which classes the majority labels lack.

    Raises
    ------
    InputError, InputTypeError
        As `get_label_quality_multiannotator`, if ``verbose``.
    """
    labels = read_labels(labels_multiannotator)
    if verbose:
        check_labels(labels, pred_probs)
    n_classes = int(np.nanmax(labels.cells)) + 1 if pred_probs is None else pred_probs.shape[1]
    annotations = labels.to_annotations(n_classes)
    p = None if pred_probs is None else np.asarray(pred_probs, dtype=np.float64)
    majority = majority_labels(annotations, p, np.random.default_rng(0))
    if verbose:
        remark_lost_classes(annotations, majority, "majority_vote")
    return majority


def convert_long_to_wide_dataset(labels_multiannotator_long: pd.DataFrame) -> pd.DataFrame:
    """Turn columns ``task``, ``annotator``, ``label`` into a row per task and a column per annotator.

    Parameters
    ----------
    labels_multiannotator_long
        One row per annotation.

    Examples
    --------
    >>> long = pd.DataFrame({"task": [0, 0, 1], "annotator": ["a", "b", "a"], "label": [1, 1, 0]})
    >>> convert_long_to_wide_dataset(long)
         a    b
    0  1.0  1.0
    1  0.0  NaN
    """
    wide = labels_multiannotator_long.pivot(index="task", columns="annotator", values="label")
    return wide.rename_axis(index=None, columns=None)


def _activelab(
    labels_multiannotator: Labels | None,
    labelled: NDArray[Any] | None,
    unlabelled: NDArray[Any] | None,
    cleanlab_counts: bool,
) -> tuple[Floats, Floats]:
    """Score the labelled (P, N, K) and the unlabelled texts (P, U, K) as one pool."""
    parts = [np.asarray(part, dtype=np.float64) for part in (labelled, unlabelled) if part is not None]
    p = np.concatenate(parts, axis=1)
    n_labelled = 0 if labelled is None else labelled.shape[1]
    if labelled is None:
        labels = WideLabels(np.empty((0, 0)))
    elif labels_multiannotator is None:
        raise InputError(
            "labels_multiannotator cannot be None when passing in pred_probs; to score unlabelled examples "
            "only, pass just pred_probs_unlabeled"
        )
    else:
        labels = read_labels(labels_multiannotator)
        single = (np.sum(~np.isnan(labels.cells), axis=1) == 1).all()
        check_labels(labels, labelled, ensemble=True, allow_single_label=bool(single))
    annotations = labels.to_annotations(p.shape[2], n_unlabelled=p.shape[1] - n_labelled)
    counted = as_cleanlab_counts(annotations) if cleanlab_counts else None
    scores = score_activelab(annotations, p, counted=counted)
    return scores[:n_labelled], scores[n_labelled:]
