"""How labels, annotators and consensus of one data set are judged, in the frames that cleanlab returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jurybox.arrays import Floats, Ints
from jurybox.compat.checks import WideLabels, as_cleanlab_counts, remark_lost_classes, remark_no_overlap
from jurybox.compat.label_quality import label_quality
from jurybox.consensus.crowdlab import (
    Combination,
    annotator_quality,
    best_quality_labels,
    calibrated,
    combine,
)
from jurybox.consensus.majority import majority_labels
from jurybox.consensus.result import describe_annotators, mean_per_annotator, summarise

__all__ = ["CrowdVerdict", "Judge"]


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
