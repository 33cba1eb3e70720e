"""How labels, annotators and consensus of one data set are judged, in the frames that cleanlab returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import entr

from jurybox.arrays import Floats, Ints, total_by
from jurybox.compat.checks import WideLabels, as_cleanlab_counts, remark_lost_classes, remark_no_overlap
from jurybox.consensus.crowdlab import (
    Combination,
    annotator_quality,
    best_quality_labels,
    calibrated,
    combine,
)
from jurybox.consensus.majority import majority_labels
from jurybox.consensus.result import describe_annotators, mean_per_annotator, summarise
from jurybox.errors import InputError

__all__ = ["CrowdVerdict", "Judge", "label_quality"]

_EPSILON = 1e-6
_NO_THRESHOLD = 2.0  # of a class that nobody was given: above every probability


def label_quality(
    labels: Ints,
    probabilities: Floats,
    group: Ints,
    n_groups: int,
    *,
    method: str = "self_confidence",
    adjust_pred_probs: bool = False,
) -> Floats:
    """Score L labels given the class probabilities of the labelled text.

    Parameters
    ----------
    labels : ndarray of int, shape (L,)
        The labels.
    probabilities : ndarray, shape (L, K)
        Class probabilities of the text of each label.
    group : ndarray of int, shape (L,)
        To which of ``n_groups`` sets of labels, such as those of one annotator, each belongs.
    method
        ``self_confidence``: p at the label. ``normalized_margin``: (p at the label - best other + 1) / 2.
        ``confidence_weighted_entropy``: log(x + 1) / x with x = (H / log K) / p at the label.
    adjust_pred_probs
        Subtract first, per group, each class's mean probability among the labels of that class.

    Returns
    -------
    ndarray, shape (L,)
        Scores between 0 and 1, low for labels that are likely wrong.

    Raises
    ------
    InputError
        If ``method`` is unknown, or adjusted entropy is asked for.
    """
    if adjust_pred_probs and method == "confidence_weighted_entropy":
        raise InputError(f"adjust_pred_probs is not currently supported for {method}.")
    p = _subtract_thresholds(labels, probabilities, group, n_groups) if adjust_pred_probs else probabilities
    at_label = p[np.arange(len(labels)), labels]
    if method == "self_confidence":
        return at_label
    if method == "normalized_margin":
        others = p.copy()
        others[np.arange(len(labels)), labels] = -np.inf
        return np.asarray((at_label - others.max(axis=1) + 1) / 2)
    if method == "confidence_weighted_entropy":
        normalised_entropy = entr(p).sum(axis=1) / np.log(p.shape[1])
        x = normalised_entropy / np.maximum(at_label, _EPSILON)
        return np.asarray(np.log1p(x) / np.maximum(x, _EPSILON))
    raise InputError(
        f"{method!r} is not a valid scoring method; choose self_confidence, normalized_margin or "
        "confidence_weighted_entropy"
    )


def _subtract_thresholds(labels: Ints, p: Floats, group: Ints, n_groups: int) -> Floats:
    """Return p minus each group's class thresholds, shifted to be positive and normalised."""
    shape = n_groups, p.shape[1]
    cell = group.astype(np.int64) * shape[1] + labels
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    total = total_by(cell, p[np.arange(len(labels)), labels], len(count))
    threshold = np.where(count > 0, total / np.maximum(count, 1), _NO_THRESHOLD).reshape(shape)
    threshold = np.maximum(threshold, 2 * _EPSILON)
    shifted: Floats = p - threshold[group] + threshold.max(axis=1)[group][:, None]
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


@dataclass(frozen=True)
class CrowdVerdict:
    """One consensus method's labels (N,), what they were weighed from, and their quality (N,)."""

    labels: Ints
    fit: Combination
    agreement: Floats
    quality: Floats


class Judge:
    """Judges labels, annotators and consensus of one data set."""

    def __init__(
        self,
        labels: WideLabels,
        pred_probs: NDArray[Any],
        quality_method: str,
        calibrate: bool,
        score_kwargs: Mapping[str, Any] | None,
        cleanlab_counts: bool,
    ) -> None:
        p = np.asarray(pred_probs, dtype=np.float64)
        self.wide = labels
        self.annotations = labels.to_annotations(p.shape[2])
        self.counted = as_cleanlab_counts(self.annotations) if cleanlab_counts else self.annotations
        self.p = calibrated(self.counted, p) if calibrate else p
        self.by_agreement = quality_method == "agreement"
        self.score_kwargs = dict(score_kwargs or {})
        self.majority = majority_labels(self.annotations, self.p.mean(axis=0), np.random.default_rng(0))

    def verdict(self, method: str) -> CrowdVerdict:
        """Return the consensus by one method."""
        labels = self.majority
        fit = self._weigh(labels)
        if method == "best_quality":
            labels = best_quality_labels(fit.posterior, labels)
            fit = self._weigh(labels)
        agreement = summarise(self.annotations, labels)
        quality = agreement if self.by_agreement else self._score(labels, fit.posterior)
        return CrowdVerdict(labels, fit, agreement, quality)

    def report(
        self, verdicts: Mapping[str, CrowdVerdict], detailed: bool, stats: bool, verbose: bool
    ) -> dict[str, Any]:
        """Return the frames that were asked for; the first verdict is the main one."""
        if verbose and not self.by_agreement:
            remark_no_overlap(self.annotations)
        verdict, *_ = verdicts.values()
        columns = {
            "consensus_label": verdict.labels,
            "consensus_quality_score": verdict.quality,
            "annotator_agreement": verdict.agreement,
            "num_annotations": self.annotations.n_labels,
        }
        for method, other in list(verdicts.items())[1:]:
            columns[f"consensus_label_{method}"] = other.labels
            columns[f"consensus_quality_score_{method}"] = other.quality
            columns[f"annotator_agreement_{method}"] = other.agreement
        if verbose:
            for method, each in verdicts.items():
                remark_lost_classes(self.annotations, each.labels, method)
        report: dict[str, Any] = {"label_quality": pd.DataFrame(columns, index=self.wide.index)}
        scores = self._annotation_scores(verdict, self.score_kwargs if detailed else {})
        if detailed:
            report["detailed_label_quality"] = self._wide_scores(scores)
        if stats:
            report["annotator_stats"] = self._annotator_stats(verdict, scores)
        return report

    def _weigh(self, labels: Ints) -> Combination:
        if self.by_agreement:
            shares = self.counted.counts / self.annotations.n_labels[:, None]
            return Combination(shares, np.array([]), np.array([]))
        return combine(self.annotations, self.p, labels)

    def _score(self, labels: Ints, posterior: Floats) -> Floats:
        return label_quality(labels, posterior, np.zeros_like(labels), 1, **self.score_kwargs)

    def _annotation_scores(self, verdict: CrowdVerdict, score_kwargs: Mapping[str, Any]) -> Floats:
        return label_quality(
            self.annotations.label.astype(np.int64),
            verdict.fit.posterior[self.annotations.text],
            self.annotations.annotator.astype(np.int64),
            self.annotations.n_annotators,
            **score_kwargs,
        )

    def _wide_scores(self, scores: Floats) -> pd.DataFrame:
        cells = np.full(self.wide.cells.shape, np.nan)
        cells[self.annotations.text, self.annotations.annotator] = scores
        frame = pd.DataFrame(cells, index=self.wide.index, columns=self.wide.annotators)
        return frame.add_prefix("quality_annotator_")

    def _annotator_stats(self, verdict: CrowdVerdict, scores: Floats) -> pd.DataFrame:
        if self.by_agreement:
            shared = self.annotations.n_labels[self.annotations.text] > 1
            agrees = self.annotations.label == verdict.labels[self.annotations.text]
            quality = mean_per_annotator(self.annotations, agrees, shared)
        else:
            quality = annotator_quality(self.annotations, verdict.labels, verdict.fit, scores)
        stats = describe_annotators(self.annotations, verdict.labels, verdict.quality, quality)
        frame = pd.DataFrame(
            {
                "annotator_quality": stats.quality,
                "agreement_with_consensus": stats.agreement_with_consensus,
                "worst_class": stats.worst_class,
                "num_examples_labeled": stats.n_annotations,
            },
            index=self.wide.annotators,
        )
        return frame.sort_values(by=["annotator_quality", "agreement_with_consensus"])
