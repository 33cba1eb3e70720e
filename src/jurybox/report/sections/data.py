"""What was labelled, and with what: texts, classes, guidelines, settings, versions."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from jurybox.project import Project
from jurybox.report.view import View

__all__ = ["Data", "Environment", "LabelCount", "Spread", "describe_data", "describe_environment", "spread"]

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


def describe_data(project: Project, view: View) -> Data:
    """Read all texts once and describe them."""
    characters, words = [], []
    seen: Counter[bytes] = Counter()
    for record in project.texts():
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
        classes=status.classes,
        guidelines=view.names.within(project.guidelines),
        guideline_versions=project.guideline_versions(),
    )


def describe_environment(project: Project, _view: View) -> Environment:
    """Return settings and versions."""
    played = project.rounds()
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

    found = {"jurybox": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
