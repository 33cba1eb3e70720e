"""What is believed of crowds before their first label, and how firmly: see `jurybox.consensus.text_types`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from jurybox.arrays import Floats, Ints, freeze
from jurybox.consensus.evidence import Evidence
from jurybox.errors import InputError

__all__ = [
    "CURVATURE",
    "DEFAULT_PRIOR",
    "AnnotatorPrior",
    "Point",
    "TypesPrior",
    "Wrong",
    "check_share",
    "majority_for",
    "standard_deviations",
]


@dataclass(frozen=True)
class TypesPrior:
    """What is believed before the first label.

    Attributes
    ----------
    right : tuple of D float
        a_d, the share of a crowd's answers that a text of difficulty d commands beyond chance.
    frequency : tuple of D float
        Of the difficulties.
    texts, per_single : float
        How many texts this frequency counts as, and how many more for each text with one label.
    per_single_with_model : float
        The same where a classifier speaks, whose misfit tells something of the crowd.
    discrimination, bias, mixing, ability : float
        Standard deviations: of an annotator's discrimination around the crowd's, of their biases, of the
        confusions u, and of how far classes and difficulties depart from a.
    crowd : float
        Of the crowd's mean log discrimination.
    slope, slopes : float
        alpha of a text with a = 1, and the standard deviation of its logarithm.
    gate : float
        Of alpha's departure from that, for each difficulty and each class.
    nearness, nearer : float
        On a scale: how much rarer wrong answers are the further off, by standard deviation of the classes'
        places, and the standard deviation of its logarithm.
    tilt : float
        On a scale: standard deviation of how far annotators answer high or low.
    """

    right: tuple[float, ...] = (0.97, 0.80, 0.55, 0.25)
    frequency: tuple[float, ...] = (0.4, 0.25, 0.2, 0.15)
    texts: float = 10.0
    per_single: float = 0.5
    per_single_with_model: float = 0.1
    discrimination: float = 0.3
    bias: float = 0.5
    mixing: float = 1.0
    ability: float = 0.3
    crowd: float = 0.3
    slope: float = 1.0
    slopes: float = 0.3
    gate: float = 0.3
    nearness: float = 1.5
    nearer: float = 0.5
    tilt: float = 0.3


DEFAULT_PRIOR = TypesPrior()


def majority_for(shares: Floats, prior: TypesPrior) -> Ints:
    """Return what the majority says of texts of each type, as believed before any label, (K, D)."""
    K, right = len(shares), np.array(prior.right)
    answers = (1 - right)[:, None] * np.tile(shares, (K, len(right), 1))
    answers[np.arange(K), :, np.arange(K)] += right
    return np.asarray(answers.argmax(axis=2))


def check_share(share: float, name: str) -> None:
    """Refuse a share of the variance among annotators that leaves none for a single question.

    Raises
    ------
    InputError
        If it is not from 0 to below 1.
    """
    if not 0 <= share < 1:
        raise InputError(f"{name} is {share}, expected a share from 0 to below 1")


@dataclass(frozen=True, eq=False)
class AnnotatorPrior:
    """What annotators' answers to other questions of the same kind tell of them.

    They take the place of the crowd's centre, from which annotators are believed to depart: by less, the more
    of what tells them apart is their own over all questions.

    Attributes
    ----------
    discrimination : ndarray, shape (M,)
        How far e_j departs from the crowd's, relative to it.
    bias : ndarray, shape (M, K)
        b_jl.
    share : float
        Share of the variance among annotators that is their own over all questions: from 0 to below 1.

    Raises
    ------
    InputError
        If ``share`` is not.
    """

    discrimination: Floats
    bias: Floats
    share: float

    def __post_init__(self) -> None:
        check_share(self.share, "share")
        freeze(self.discrimination)
        freeze(self.bias)

    def narrowed(self, prior: TypesPrior) -> TypesPrior:
        """Return what is believed once they are known."""
        rest = float(np.sqrt(1 - self.share))
        return replace(prior, discrimination=rest * prior.discrimination, bias=rest * prior.bias)


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
