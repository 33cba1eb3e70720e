"""The parts of a report: each gathers its facts from a project, as far as a report may show them."""

from __future__ import annotations

import hashlib
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jurybox.project import Project
from jurybox.project.annotators import Agreements, AnnotatorBelief, PairBelief
from jurybox.project.auditing import Accuracy, AuditReport
from jurybox.project.doubts import ContestedText, GuidelineNote, Vote
from jurybox.project.gold import GoldScore
from jurybox.project.opinions import SharesBelief
from jurybox.project.stopping import AccuracyForecast, RoundVerdicts
from jurybox.project.texts import ConsensusBelief
from jurybox.training import installed_versions
from jurybox.trust.savings import Savings
from jurybox.trust.suspects import Suspect


class Names:
    """What annotators are called in a report.

    Parameters
    ----------
    names
        Everyone's name, in the order in which they came.
    hidden
        Whether they are called A1, A2, … in that order instead.

    Examples
    --------
    >>> names = Names(["Ana", "Ben", "Ana Maria"], hidden=True)
    >>> names["Ben"], names.all(["Ana Maria", "Ana"]), names.within("as ana maria said; see banana")
    ('A2', ('A3', 'A1'), 'as A3 said; see banana')
    """

    def __init__(self, names: Sequence[str], *, hidden: bool) -> None:
        self.hidden = hidden
        self._shown = {name: f"A{n}" if hidden else name for n, name in enumerate(names, start=1)}
        longest_first = sorted(names, key=len, reverse=True)
        self._somebody = re.compile(
            "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first), re.IGNORECASE
        )
        self._folded = {name.casefold(): shown for name, shown in self._shown.items()}

    def __getitem__(self, name: str) -> str:
        return self._shown[name]

    def all(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return what several annotators are called."""
        return tuple(self._shown[name] for name in names)

    def within(self, text: str) -> str:
        """Return a text written by somebody, the names in it hidden likewise."""
        if not self.hidden or not self._folded:
            return text
        return self._somebody.sub(lambda found: self._folded.get(found[0].casefold(), "A?"), text)


@dataclass(frozen=True)
class ReportView:
    """What a report may show.

    Attributes
    ----------
    names
        What annotators are called.
    examples
        Contested texts in the sample.
    texts
        Whether texts and comments are shown, or only ids.
    question
        Which of several questions the figures are of; None in a project with one.
    """

    names: Names
    examples: int = 20
    texts: bool = True
    question: str | None = None


_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "sqlalchemy", "transformers", "torch")


@dataclass(frozen=True)
class Spread:
    """The five numbers of a distribution, and its mean."""

    least: float
    lower_quartile: float
    median: float
    upper_quartile: float
    most: float
    mean: float


@dataclass(frozen=True)
class LabelCount:
    """Texts with so many annotations, and their share of all."""

    labels: int
    texts: int
    share: float


@dataclass(frozen=True)
class Data:
    """What was labelled.

    Attributes
    ----------
    texts, labelled_texts, finished_texts
        All texts, those with an annotation, and those that want no more.
    characters, words
        Lengths; words are what blanks separate. None without texts.
    repeated
        Texts that repeat an earlier one but for blanks and upper case.
    labels_per_text
        Texts by their number of annotations, from 0 on.
    classes
        In the order in which annotators see them.
    guidelines, guideline_versions
        What annotators are told now, and how often that was written.
    """

    texts: int
    labelled_texts: int
    finished_texts: int
    characters: Spread | None
    words: Spread | None
    repeated: int
    labels_per_text: tuple[LabelCount, ...]
    classes: tuple[str, ...]
    guidelines: str
    guideline_versions: int


@dataclass(frozen=True)
class Environment:
    """What figures depend on besides the labels.

    Attributes
    ----------
    settings
        All settings that hold now, the seed of everything random among them.
    versions
        Of Python, jurybox and the packages that compute, as installed where this was written.
    system
        Of the machine that this was written on.
    encoder, encoder_reason, classifier
        As really used by the last round; None before the first. The encoder is None, too, where the
        classifier takes texts.
    """

    settings: Mapping[str, object]
    versions: Mapping[str, str]
    system: str
    encoder: str | None
    encoder_reason: str | None
    classifier: str | None


def describe_data(project: Project, view: ReportView) -> Data:
    """Read all texts once and describe them."""
    characters, words = [], []
    seen: Counter[bytes] = Counter()
    for record in project.reading.texts():
        parts = record.text.split()
        characters.append(len(record.text))
        words.append(len(parts))
        seen[hashlib.blake2b(" ".join(parts).casefold().encode(), digest_size=12).digest()] += 1
    status = project.status()
    return Data(
        texts=status.texts,
        labelled_texts=status.labelled_texts,
        finished_texts=status.finished_texts,
        characters=spread(characters),
        words=spread(words),
        repeated=len(characters) - len(seen),
        labels_per_text=tuple(
            LabelCount(labels, n, n / max(status.texts, 1))
            for labels, n in enumerate(np.bincount(project.annotations().n_labels, minlength=1).tolist())
        ),
        classes=project.facets.of(view.question).now().inputs.classes,
        guidelines=view.names.within(project.guidelines),
        guideline_versions=len(project.reading.guideline_versions()),
    )


def describe_environment(project: Project, _view: ReportView) -> Environment:
    """Return settings and versions."""
    played = project.reading.rounds()
    made = played[-1].diagnostics if played else {}
    encoder, reason, classifier = (made.get(name) for name in ("encoder", "encoder_reason", "classifier"))
    return Environment(
        settings=project.settings.to_dict(),
        versions=_versions(),
        system=f"{platform.system()} {platform.machine()}",
        encoder=None if encoder is None else str(encoder),
        encoder_reason=None if reason is None else str(reason),
        classifier=None if classifier is None else str(classifier),
    )


def spread(values: Sequence[float]) -> Spread | None:
    """Return the five numbers and the mean of some values; None without any.

    Examples
    --------
    >>> spread([1, 2, 3, 4, 10])
    Spread(least=1.0, lower_quartile=2.0, median=3.0, upper_quartile=4.0, most=10.0, mean=4.0)
    """
    if not len(values):
        return None
    least, lower, median, upper, most = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
    return Spread(least, lower, median, upper, most, float(np.mean(values)))


def _versions() -> dict[str, str]:
    from jurybox import __version__

    return {"jurybox": __version__, "python": platform.python_version(), **installed_versions(_PACKAGES)}


@dataclass(frozen=True)
class Outlooks:
    """What is to come; forecast and savings are None before they can be said.

    Attributes
    ----------
    forecast
        What more labels would bring, and cost.
    verdicts
        What each rule said after each round.
    savings
        Labels that random choice would have needed.
    """

    forecast: AccuracyForecast | None
    verdicts: tuple[RoundVerdicts, ...]
    savings: Savings | None


def describe_labels(project: Project, view: ReportView) -> ConsensusBelief:
    """Return what the labels came to."""
    return project.facets.of(view.question).now().consensus


def describe_agreement(project: Project, view: ReportView) -> Agreements:
    """Return the coefficients over all texts, and over those drawn by chance."""
    return project.facets.of(view.question).now().agreement


def describe_annotators(project: Project, view: ReportView) -> tuple[AnnotatorBelief, ...]:
    """Return what is believed of everyone, in the order in which they came; nothing names who is hidden."""
    return tuple(
        replace(
            one,
            name=view.names[one.name],
            suspect=None if one.suspect is None else _hidden(one.suspect, view),
            suspicion=view.names.within(one.suspicion),
        )
        for one in project.facets.of(view.question).now().annotators
    )


def describe_pairs(project: Project, view: ReportView) -> tuple[PairBelief, ...]:
    """Return how far every two people agree."""
    return tuple(
        replace(one, names=(view.names[one.names[0]], view.names[one.names[1]]))
        for one in project.facets.of(view.question).now().pairs
    )


def describe_gold(project: Project, view: ReportView) -> tuple[GoldScore, ...]:
    """Return how everyone did on texts with a known label."""
    return tuple(replace(one, annotator=view.names[one.annotator]) for one in project.gold.report())


def describe_curve(project: Project, view: ReportView) -> tuple[Accuracy, ...]:
    """Return the accuracy of each round's model on the audit sample."""
    return project.facets.of(view.question).now().accuracy


def describe_audit(project: Project, view: ReportView) -> AuditReport:
    """Return how good the last round's model and today's consensus are."""
    return project.facets.of(view.question).now().audit


def describe_shares(project: Project, view: ReportView) -> SharesBelief | None:
    """Return how well the shares of people who would say each class are known; None where not asked for."""
    return project.facets.of(view.question).now().shares


def describe_stopping(project: Project, view: ReportView) -> Outlooks:
    """Return forecast, verdicts and savings."""
    beliefs = project.facets.of(view.question).now()
    return Outlooks(beliefs.forecast, beliefs.verdicts, beliefs.savings)


def describe_contested(project: Project, view: ReportView) -> tuple[ContestedText, ...]:
    """Return the texts whose consensus is most likely wrong, the most likely first."""
    return tuple(
        replace(
            one,
            text=one.text if view.texts else "",
            votes=tuple(_shown(vote, view) for vote in one.votes),
        )
        for one in (project.facets.of(view.question).now().contested(view.examples) if view.examples else ())
    )


def describe_guidelines(project: Project, view: ReportView) -> tuple[GuidelineNote, ...]:
    """Return the pairs of classes on which good annotators disagree systematically."""
    return tuple(
        replace(one, annotators=(view.names.all(one.annotators[0]), view.names.all(one.annotators[1])))
        for one in project.facets.of(view.question).now().guidelines
    )


def _hidden(suspect: Suspect, view: ReportView) -> Suspect:
    other = None if suspect.other is None else view.names[str(suspect.other)]
    return replace(suspect, annotator=view.names[str(suspect.annotator)], other=other)


def _shown(vote: Vote, view: ReportView) -> Vote:
    comment = view.names.within(vote.comment) if view.texts else ""
    return replace(vote, annotator=view.names[vote.annotator], comment=comment)
