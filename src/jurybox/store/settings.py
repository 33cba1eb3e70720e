"""The settings of a project: one frozen object, stored as JSON."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from jurybox.errors import InputError

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
    ask
        With several questions: whether annotators are asked ``all`` of them, or of each text only the
        questions and classes that are ``unsure``: those whose answers settle most errors a second.
    reading_effort
        Where only what is unsure is asked: how many answers take as long as reading a text.
    share_copies
        Whether what is said of a text counts for its copies, too, of which the first alone is asked for; and
        for near-duplicates, as far as labels of both agree.
    owners_review
        Whether owners' labels count as a reviewer's, which outweigh those of a few annotators. What an owner
        decides in a review does in any case.
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
    ask: Literal["all", "unsure"] = "all"
    reading_effort: float = 5.0
    share_copies: bool = True
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
            check_setting("labels_per_text", self.labels_per_text)
            for name in _FIXED:
                value = None if name == "enough_agreement" else self.labels_per_text
                object.__setattr__(self, name, value)
        for field in fields(self):
            check_setting(field.name, getattr(self, field.name))
        if self.target not in ("class", "shares"):
            raise _impossible("target", self.target, "class or shares")
        if self.ask not in ("all", "unsure"):
            raise _impossible("ask", self.ask, "all or unsure")
        if self.target == "shares" and self.strategy not in ("default", "random"):
            raise _impossible("strategy", self.strategy, "default or random, which know shares")

    @property
    def ending_agreement(self) -> int | None:
        """How many labels that are all the same finish a text; None where that does not finish it.

        Where what is unsure alone is asked, each question and class ends by itself, with the next round.
        """
        return self.enough_agreement if self.target == "class" and self.ask == "all" else None

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


_COUNT, _SIZE, _LABELS = {"ge": 1, "le": 10**9}, {"ge": 0, "le": 10**9}, {"ge": 1, "le": 32_000}
_SHARE, _PRICE = {"ge": 0, "le": 1}, {"ge": 0, "le": 1e9}

LIMITS: Mapping[str, Mapping[str, Any]] = {
    "batch": _COUNT,
    "labels_per_text": _LABELS,
    "max_labels": _LABELS,
    "enough_agreement": _LABELS,
    "least_gain": _SHARE,
    "first_labels": _LABELS,
    "overlap": {"ge": 0, "le": BEGINNING},
    "audit_size": _SIZE,
    "audit_share": _SHARE,
    "audit_labels": _LABELS,
    "lease_seconds": {"gt": 0, "le": 1e8},
    "random_share": _SHARE,
    "target_accuracy": {"gt": 0, "lt": 1},
    "budget": _COUNT,
    "cost_per_label": _PRICE,
    "machine_budget": _PRICE,
    "reading_effort": {"ge": 0, "le": 10_000},
    "max_share": {"gt": 0, "le": 1},
    "gold_share": _SHARE,
    "qualification_texts": _SIZE,
    "qualification_accuracy": _SHARE,
    "seed": _SIZE,
}
"""What the numbers among the settings are held to, wherever they are set; ge, gt, le, lt as in `operator`."""

_KINDS = {field.name: str(field.type) for field in fields(ProjectSettings)}
_WORDS = {"ge": "from", "gt": "above", "le": "up to", "lt": "and below"}


def check_setting(name: str, value: object) -> None:
    """Raise InputError unless a value is a number within `LIMITS`, or a switch."""
    kind = _KINDS[name]
    if kind == "bool" and not isinstance(value, bool):
        raise _impossible(name, value, "true or false")
    if name not in LIMITS or (value is None and kind.endswith("None")):
        return
    whole = kind.startswith("int")
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else int | float)
        or not all(getattr(operator, one)(value, bound) for one, bound in LIMITS[name].items())
    ):
        bounds = " ".join(f"{_WORDS[one]} {bound:,.0f}" for one, bound in LIMITS[name].items())
        none = ", or None" if kind.endswith("None") else ""
        raise _impossible(name, value, f"a {'whole ' if whole else ''}number {bounds}{none}")


def _impossible(name: str, value: object, expected: str) -> InputError:
    return InputError(f"{name} is {value!r}, expected {expected}", code="setting", name=name)
