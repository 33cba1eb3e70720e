"""What labels are judged by: a consensus in which the classifier has more say than in the default one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.consensus import EstimatedConsensus, estimate_consensus

__all__ = ["above_chance", "judge"]

_TRUST = (
    1.75  # the classifier predicts imperfect annotators, and so is less sure than it should be of the truth
)
_TINY = 1e-9


def judge(
    annotations: Annotations, pred_probs: ArrayLike | None, experts: ArrayLike | None
) -> EstimatedConsensus:
    """Return the consensus that labels are judged by; arguments as in `estimate_consensus`."""
    return estimate_consensus(annotations, pred_probs, trust=_TRUST, experts=experts)


def above_chance(consensus: EstimatedConsensus, K: int) -> Floats:
    """Return each annotator's quality above chance as a share of what is possible, shape (M,)."""
    quality = np.nan_to_num(consensus.annotators.quality, nan=1 / K)
    return np.asarray((quality - 1 / K) / max(1 - 1 / K, _TINY))
