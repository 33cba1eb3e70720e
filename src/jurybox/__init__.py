"""Labels you can trust from annotators you can't: active learning with several annotators."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jurybox import datasets
from jurybox.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from jurybox.annotations import Annotations
from jurybox.consensus import (
    AnnotatorStats,
    Consensus,
    crowdlab,
    dawid_skene,
    estimate_consensus,
    majority_vote,
)
from jurybox.encoders import FeatureCache, Views, fit_views, get_encoders
from jurybox.errors import InputError, JuryboxError
from jurybox.loop import Ranking, Round, Settings, play_round
from jurybox.selection import (
    activelab,
    disagreement,
    entropy,
    least_confidence,
    margin,
    random_scores,
    select_batch,
)
from jurybox.simulate import simulate

if TYPE_CHECKING:
    from jurybox.client import Client
    from jurybox.project import Project

__version__ = "0.1.0"

__all__ = [
    "Annotations",
    "AnnotatorStats",
    "Client",
    "Consensus",
    "FeatureCache",
    "InputError",
    "JuryboxError",
    "Project",
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
    "estimate_consensus",
    "fit_views",
    "fleiss_kappa",
    "get_encoders",
    "krippendorff_alpha",
    "least_confidence",
    "majority_vote",
    "margin",
    "play_round",
    "random_scores",
    "select_batch",
    "simulate",
]

_ON_FIRST_USE = {"Client": "jurybox.client", "Project": "jurybox.project"}


def __getattr__(name: str) -> Any:
    """Import what needs a database or a network only when somebody asks for it."""
    if name in _ON_FIRST_USE:
        return getattr(import_module(_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module 'jurybox' has no attribute {name!r}")
