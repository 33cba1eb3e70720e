"""Names and units of what is fitted: see `jurybox.consensus.fitting`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jurybox.arrays import Floats
from jurybox.consensus.evidence import Evidence
from jurybox.consensus.prior import TypesPrior

__all__ = ["CURVATURE", "Point", "Wrong", "standard_deviations"]

_SINGLE_MIXING, _SINGLE_CROWD, _SINGLE_CROWD_WITH_MODEL = 0.05, 0.5, 0.02

# of the penalised likelihood per label or text, roughly
CURVATURE = {
    "crowd": 0.1,
    "discrimination": 0.1,
    "bias": 0.1,
    "mixing": 0.05,
    "ability": 0.1,
    "abilities": 0.1,
    "slope": 0.1,
    "gate": 0.1,
    "gates": 0.1,
    "nearer": 0.2,
    "tilt": 0.3,
    "weight": 0.1,
}


@dataclass(frozen=True, eq=False)
class Point:
    """Parameters in their own units; shapes as in `TextTypes`. ``near``: how fast wrong answers get rarer."""

    discrimination: Floats
    crowd: float
    bias: Floats
    mixing: Floats
    psi: Floats
    weight: Floats
    slope: float
    gate: Floats
    near: float


@dataclass(frozen=True, eq=False)
class Wrong:
    """How a crowd's members spread their wrong answers: v (M, K, K) or (B,), and its sums (U,)."""

    spread: Floats
    total: Floats


def standard_deviations(e: Evidence, prior: TypesPrior) -> dict[str, tuple[int, float]]:
    """Return how many unknowns of each kind there are, and the standard deviation that holds them.

    Where texts have one label, nothing tells how good the crowd is, and it is held to the prior more firmly.
    """
    K, D = e.n_classes, len(prior.right)
    less = 1.0 if e.asked_model else 1 / np.sqrt(1 + _SINGLE_MIXING * e.single)
    steady = _SINGLE_CROWD_WITH_MODEL if e.asked_model else _SINGLE_CROWD
    per_class = K if e.few else 0
    on_scale = e.rank is not None
    return {
        "crowd": (1, prior.crowd / np.sqrt(1 + steady * e.single)),
        "discrimination": (e.n_annotators, prior.discrimination),
        "bias": (len(e.bias_class), prior.bias),
        "mixing": (K * (K - 1) if e.mixing is not None else 0, prior.mixing * less),
        "ability": (D, prior.ability * less),
        "abilities": (per_class, prior.ability * less),
        "slope": (1, prior.slopes),
        "gate": (D, prior.gate),
        "gates": (per_class * D, prior.gate),
        "nearer": (int(on_scale), prior.nearer * less),
        "tilt": (e.n_annotators if on_scale else 0, prior.tilt * less),
        "weight": (max(per_class, 1) * D, 1.0),
    }
