"""The settings of a project: one frozen object, stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from jurybox.errors import InputError

__all__ = ["BEGINNING", "ProjectSettings", "check_max_share"]

BEGINNING = 20
"""Texts with which somebody begins, of which `overlap` are shared with others."""


@dataclass(frozen=True)
class ProjectSettings:
    """How a project asks for labels.

    Parameters
    ----------
    target
        What is wanted of a text: its ``class``, or the ``shares`` of people who would say each class, where
        a text may rightly be seen in several ways.
    strategy, encoder, classifier
        By name, as in `jurybox.loop`, `jurybox.encoders` and `jurybox.classifiers`.
    batch
        Annotations after which the next round is due.
    labels_per_text
        A fixed number of labels for every text, whatever they say: then `max_labels`, `first_labels` and
        `audit_labels` are this number and `enough_agreement` is None. None: more labels where they help.
    max_labels
        The most labels a text is asked for.
    enough_agreement
        A text is finished when it has this many labels and all are the same; None: only `max_labels` counts.
        Not where shares are wanted: that people agree is what is to be found out.
    least_gain
        Where shares are wanted: a text is finished when one more label would make their error smaller by
        less, as `jurybox.consensus.Opinions` expects it.
    first_labels
        Labels that each text gets in turn before the first round, when there is no ranking yet.
    overlap
        Of each person's first 20 texts, so many are texts that somebody else has labelled, as far as there
        are any: what tells early who is reliable.
    audit_size, audit_share
        The audit sample is this many texts, but no more than this share of the pool. Ninety tell an accuracy
        of three in four within ten points either way.
    audit_labels
        Labels that each text of the audit sample gets.
    lease_seconds
        How long a text stays with whoever opened it.
    random_share
        Share of each batch drawn at random from all texts that want a label: what tells, in the end, what
        choosing them has saved.
    target_accuracy
        The accuracy that is wanted; None: the stop rule ``target`` is silent.
    budget
        Labels that are to be paid for; None: the stop rule ``budget`` is silent.
    cost_per_label
        Price of a label, in the currency of the machines' prices: for reports, and to weigh people against
        machines.
    machine_budget
        What all language models of the project together may cost, in the currency of their prices.
    tuning
        Whether the encoder, too, learns from the labels, in the background, where the machine allows it.
    suggestions
        Whether annotators see the model's opinion.
    highlights
        Words that are marked in texts on the pages, whatever their case.
    owners_review
        Whether owners' labels count as a reviewer's, which outweigh those of a few annotators.
    scale
        Whether the classes are an ordered scale, at most 12: by their numbers, which ascend, or, where they
        are words, in the order in which they stand.
    max_share
        The largest share of all annotations that one person may give; None for no limit.
    gold_share
        Share of gold texts among the texts handed out, while there are any that the annotator has not had.
    qualification_texts
        Gold texts that a new annotator gets before any other; 0: nobody is tested.
    qualification_accuracy
        The share of these that must be right for the annotator to get any further text.
    seed
        Seed of everything drawn at random.

    Raises
    ------
    InputError
        For a value out of range.

    Examples
    --------
    >>> ProjectSettings().updated({"max_labels": 3}).max_labels
    3
    >>> fixed = ProjectSettings(labels_per_text=4)
    >>> fixed.max_labels, fixed.ending_agreement, fixed.updated({"labels_per_text": None}).max_labels
    (4, None, 5)
    """

    target: Literal["class", "shares"] = "class"
    strategy: str = "default"
    encoder: str = "auto"
    classifier: str = "head"
    batch: int = 25
    labels_per_text: int | None = None
    max_labels: int = 5
    enough_agreement: int | None = 3
    least_gain: float = 0.015
    first_labels: int = 2
    overlap: int = 8
    audit_size: int = 90
    audit_share: float = 0.3
    audit_labels: int = 3
    lease_seconds: float = 600.0
    random_share: float = 0.0
    target_accuracy: float | None = None
    budget: int | None = None
    cost_per_label: float | None = None
    machine_budget: float = 0.0
    tuning: bool = True
    suggestions: bool = False
    highlights: tuple[str, ...] = ()
    owners_review: bool = False
    scale: bool = False
    max_share: float | None = None
    gold_share: float = 0.05
    qualification_texts: int = 0
    qualification_accuracy: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        words: Any = self.highlights  # a list or a text, where somebody gave one
        if isinstance(words, str) or len(words) > _MOST_WORDS or not all(map(_is_word, words)):
            raise _impossible("highlights", words, f"at most {_MOST_WORDS} words, none of them empty")
        object.__setattr__(self, "highlights", tuple(words))  # a list, where they come from the store
        if self.labels_per_text is not None:
            _check_count("labels_per_text", self.labels_per_text, least=1)
            for name in _FIXED:
                value = None if name == "enough_agreement" else self.labels_per_text
                object.__setattr__(self, name, value)
        for name in ("batch", "max_labels", "first_labels", "audit_labels"):
            _check_count(name, getattr(self, name), least=1)
        for name in ("audit_size", "qualification_texts", "overlap", "seed"):
            _check_count(name, getattr(self, name), least=0)
        if self.overlap > BEGINNING:
            raise _impossible("overlap", self.overlap, f"a whole number from 0 to {BEGINNING}")
        if self.enough_agreement is not None:
            _check_count("enough_agreement", self.enough_agreement, least=1)
        if self.budget is not None:
            _check_count("budget", self.budget, least=1)
        for name in ("audit_share", "random_share", "gold_share", "qualification_accuracy"):
            if not 0 <= getattr(self, name) <= 1:
                raise _impossible(name, getattr(self, name), "a number from 0 to 1")
        check_max_share(self.max_share)
        if not isinstance(self.scale, bool):
            raise _impossible("scale", self.scale, "true or false")
        if self.target not in ("class", "shares"):
            raise _impossible("target", self.target, "class or shares")
        if self.target == "shares" and self.strategy not in ("default", "random"):
            raise _impossible("strategy", self.strategy, "default or random, which know shares")
        if not self.least_gain >= 0:
            raise _impossible("least_gain", self.least_gain, "a number of at least 0")
        if self.target_accuracy is not None and not 0 < self.target_accuracy < 1:
            expected = "a number above 0 and below 1, or None"
            raise _impossible("target_accuracy", self.target_accuracy, expected)
        if not self.lease_seconds > 0:
            raise _impossible("lease_seconds", self.lease_seconds, "a positive number of seconds")
        if not 0 <= self.machine_budget < float("inf"):
            raise _impossible("machine_budget", self.machine_budget, "an amount from 0 on")
        if self.cost_per_label is not None and not self.cost_per_label >= 0:
            raise _impossible("cost_per_label", self.cost_per_label, "a price or None")

    @property
    def ending_agreement(self) -> int | None:
        """How many labels that are all the same finish a text; None where that does not finish it."""
        return self.enough_agreement if self.target == "class" else None

    def updated(self, changes: Mapping[str, Any]) -> ProjectSettings:
        """Return the settings with some of them changed.

        Raises
        ------
        InputError
            For an unknown name or a value out of range.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise InputError(f"there is no setting {name!r}; settings are {', '.join(known)}")
        if self.labels_per_text is not None and changes.get("labels_per_text", 0) is None:
            # What the fixed number has set goes with it, unless it is set to something else.
            usual = {field.name: field.default for field in fields(self) if field.name in _FIXED}
            unset = {n: v for n, v in usual.items() if changes.get(n, getattr(self, n)) == getattr(self, n)}
            changes = {**changes, **unset}
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, as they are stored."""
        return asdict(self)


_MOST_WORDS = 1_000


def _is_word(word: object) -> bool:
    return isinstance(word, str) and 0 < len(word.strip()) <= 200 and "\x00" not in word


_FIXED = ("max_labels", "first_labels", "audit_labels", "enough_agreement")
"""Settings that a fixed number of labels for every text decides."""


def check_max_share(value: object) -> None:
    """Raise InputError unless a value is a share above 0, or None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value <= 1):  # type: ignore[operator]
        raise _impossible("max_share", value, "a number above 0 and up to 1, or None")


def _check_count(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise _impossible(name, value, f"a whole number of at least {least}")


def _impossible(name: str, value: object, expected: str) -> InputError:
    return InputError(f"{name} is {value!r}, expected {expected}", code="setting", name=name)
