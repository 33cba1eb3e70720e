"""Labels you can trust from annotators you can't: active learning with several annotators."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jurybox import datasets
    from jurybox.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
    from jurybox.annotations import Annotations
    from jurybox.asking import Batch
    from jurybox.client import Client
    from jurybox.consensus import (
        AnnotatorStats,
        Consensus,
        crowdlab,
        dawid_skene,
        estimate_answers,
        estimate_consensus,
        estimate_opinions,
        majority_vote,
    )
    from jurybox.doubts import PredProbsWarning
    from jurybox.encoders import FeatureCache, Views, fit_views, get_encoders
    from jurybox.errors import InputError, JuryboxError
    from jurybox.estimators import EncoderTransformer, JuryClassifier
    from jurybox.interactive import Loop
    from jurybox.items import most_per_second
    from jurybox.joint import JointRound, play_questions
    from jurybox.loop import Round, Settings, play_round
    from jurybox.project import Project
    from jurybox.questions import Question
    from jurybox.ranking import Ranking
    from jurybox.selection import (
        activelab,
        disagreement,
        entropy,
        least_confidence,
        margin,
        random_scores,
        select_batch,
    )
    from jurybox.sheets import AnswerSheet
    from jurybox.simulation import simulate

__version__ = "0.2.0"

__all__ = [
    "Annotations",
    "AnnotatorStats",
    "AnswerSheet",
    "Batch",
    "Client",
    "Consensus",
    "EncoderTransformer",
    "FeatureCache",
    "InputError",
    "JointRound",
    "JuryClassifier",
    "JuryboxError",
    "Loop",
    "PredProbsWarning",
    "Project",
    "Question",
    "Ranking",
    "Round",
    "Settings",
    "Views",
    "activelab",
    "cohen_kappa",
    "crowdlab",
    "datasets",
    "dawid_skene",
    "disagreement",
    "entropy",
    "estimate_answers",
    "estimate_consensus",
    "estimate_opinions",
    "fit_views",
    "fleiss_kappa",
    "get_encoders",
    "krippendorff_alpha",
    "least_confidence",
    "majority_vote",
    "margin",
    "most_per_second",
    "play_questions",
    "play_round",
    "random_scores",
    "select_batch",
    "simulate",
]

_HOMES = {
    "agreement": ("cohen_kappa", "fleiss_kappa", "krippendorff_alpha"),
    "annotations": ("Annotations",),
    "client": ("Client",),
    "consensus": (
        *("AnnotatorStats", "Consensus", "crowdlab", "dawid_skene", "estimate_consensus", "majority_vote"),
        *("estimate_answers", "estimate_opinions"),
    ),
    "encoders": ("FeatureCache", "Views", "fit_views", "get_encoders"),
    "doubts": ("PredProbsWarning",),
    "errors": ("InputError", "JuryboxError"),
    "estimators": ("EncoderTransformer", "JuryClassifier"),
    "asking": ("Batch",),
    "interactive": ("Loop",),
    "items": ("most_per_second",),
    "joint": ("JointRound", "play_questions"),
    "loop": ("Round", "Settings", "play_round"),
    "ranking": ("Ranking",),
    "project": ("Project",),
    "questions": ("Question",),
    "sheets": ("AnswerSheet",),
    "selection": (
        *("activelab", "disagreement", "entropy", "least_confidence", "margin", "random_scores"),
        "select_batch",
    ),
    "simulation": ("simulate",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what somebody asks for when they do: NumPy and a database take longer than ``--help`` may."""
    if name not in __all__:
        raise AttributeError(f"module 'jurybox' has no attribute {name!r}")
    if name not in _HOME:
        return import_module(f"jurybox.{name}")
    globals()[name] = found = getattr(import_module(f"jurybox.{_HOME[name]}"), name)
    return found


def __dir__() -> list[str]:
    return list(__all__)
