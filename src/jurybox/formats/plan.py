"""What an import will do, stated before anything is written: one record behind every door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jurybox.coding import is_missing
from jurybox.errors import FormatError
from jurybox.formats.records import AnnotationRecord, GoldRecord, SkipRecord, TextRecord

__all__ = ["ColumnPlan", "FilePlan", "Finding", "ImportPlan", "Tally", "count", "finding", "listed"]

_MOST_NAMES = 100_000
_MOST_PAIRS = 200_000


@dataclass(frozen=True)
class Finding:
    """Something about a file that a person should know.

    Parameters
    ----------
    problem
        What was found.
    option
        What decides it otherwise.
    loses_labels
        Whether labels would be lost, so that nothing is imported before somebody has decided.
    code
        What is wrong as one word, by which programs and other languages know it.
    values
        What the sentence speaks of, by name.
    n, row
        How often it was seen, and where first; 0 where it was not counted.
    file
        Which of several files it is about.
    """

    problem: str
    option: str = ""
    loses_labels: bool = False
    code: str = ""
    values: tuple[tuple[str, str | int | tuple[str, ...]], ...] = ()
    n: int = 0
    row: int = 0
    file: str = ""

    def __str__(self) -> str:
        return f"{self.problem} ({self.option})" if self.option else self.problem


def finding(
    code: str,
    sentence: str,
    option: str = "",
    *,
    loses_labels: bool = False,
    **values: str | int | Sequence[str],
) -> Finding:
    """Return a finding whose sentence has placeholders for its values.

    Examples
    --------
    >>> str(finding("nobody", "nothing says who gave what is in {columns}", columns=["a", "b"]))
    "nothing says who gave what is in 'a', 'b'"
    """
    kept = {name: one if isinstance(one, str | int) else tuple(one) for name, one in values.items()}
    shown = {
        name: f"{one:,}" if isinstance(one, int) else one if isinstance(one, str) else listed(one)
        for name, one in kept.items()
    }
    return Finding(sentence.format_map(shown), option, loses_labels, code, tuple(kept.items()))


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names one after the other, the first dozen of them.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


class Tally:
    """Counts what is left out while a file is read, by reason."""

    def __init__(self) -> None:
        self._seen: dict[Finding, tuple[int, int]] = {}

    def note(self, found: Finding, row: int) -> None:
        """Count one more; the row of the first is remembered."""
        n, first = self._seen.get(found, (0, row))
        self._seen[found] = (n + 1, first)

    def clear(self) -> None:
        """Start anew: a file is read more than once."""
        self._seen.clear()

    def findings(self) -> tuple[Finding, ...]:
        """Return what was counted, with how often and where first."""
        return tuple(
            replace(one, problem=f"{n:,} × {one.problem}, first in row {row}", n=n, row=row)
            for one, (n, row) in self._seen.items()
        )


@dataclass(frozen=True)
class ColumnPlan:
    """A column or field of a file, and what becomes of it.

    Parameters
    ----------
    name
        Its name.
    becomes
        ``text``, ``id``, ``annotator``, ``label``, ``label of NAME``, ``seconds``, ``comment``, ``time``,
        ``metadata`` or ``ignored``.
    filled
        How many of its cells hold something.
    reason
        Why it is ignored.
    """

    name: str
    becomes: str
    filled: int = 0
    reason: str = ""


@dataclass(frozen=True)
class FilePlan:
    """How one file is read.

    Parameters
    ----------
    file, format, encoding, delimiter
        What it is; encoding and delimiter only where there are such.
    shape
        ``texts``, ``long``, ``wide`` or ``nested``.
    columns
        Each column and what becomes of it.
    rows
        How many rows or objects it has.
    findings
        What a person should know of these choices.
    """

    file: str
    format: str
    shape: str
    encoding: str | None = None
    delimiter: str | None = None
    columns: tuple[ColumnPlan, ...] = ()
    rows: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def roles(self) -> dict[str, str]:
        """Names of columns by role."""
        kinds = ("id", "text", "annotator", "label", "seconds", "comment", "time")
        return {column.becomes: column.name for column in self.columns if column.becomes in kinds}

    @property
    def annotators(self) -> tuple[str, ...]:
        """The columns that are annotators."""
        return tuple(column.name for column in self.columns if column.becomes.startswith("label of "))

    @property
    def metadata(self) -> tuple[str, ...]:
        """The columns that are kept as metadata of the text."""
        return tuple(column.name for column in self.columns if column.becomes == "metadata")


@dataclass(frozen=True)
class ImportPlan:
    """What an import will do.

    Parameters
    ----------
    files
        How each file is read.
    texts, annotations, skips
        How many there are.
    annotators, classes
        How many labels each one gave, and each class got.
    findings
        What looks wrong, of all files.
    """

    files: tuple[FilePlan, ...]
    texts: int = 0
    annotations: int = 0
    skips: int = 0
    annotators: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def losses(self) -> tuple[Finding, ...]:
        """Where labels would be lost."""
        return tuple(finding for finding in self.findings if finding.loses_labels)

    def approve(self, *, yes: bool = False, strict: bool = False, replace: bool = False) -> None:
        """Let an import go on, or refuse it.

        Parameters
        ----------
        yes
            Go on where labels would be lost.
        strict
            Refuse whatever looks wrong.
        replace
            Whether a later label of an annotator replaces the earlier one.

        Raises
        ------
        FormatError
            With what decides it; code ``labels_lost`` where labels would be lost.
        """
        wrong = (
            [] if yes else [found for found in self.losses if not (replace and found.code == "two_labels")]
        )
        if strict and not wrong:
            wrong = list(self.findings)
        if wrong:
            more = f" (and {len(wrong) - 1} more, see jurybox inspect)" if len(wrong) > 1 else ""
            decide = f"; decide with {wrong[0].option}" if wrong[0].option else ""
            file = self.files[0].file
            if wrong[0].loses_labels:
                problem = f"{wrong[0].problem}{decide}; --yes to go on without them{more}"
                raise FormatError(problem, file=file, code="labels_lost")
            raise FormatError(f"{wrong[0].problem}{decide}{more}", file=file)


class _Counts:
    """What is counted on one walk over all records, in bounded memory: of many, the rest is not compared."""

    def __init__(self) -> None:
        self.texts = self.annotations = self.skips = self.rows = 0
        self.annotators: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.empty = 0
        self.repeated = self.again = self.contradicting = self.row_of_contradiction = 0
        self._ids: set[int] = set()
        self._texts: set[int] = set()
        self._pairs: dict[int, str] = {}

    def text(self, record: TextRecord) -> None:
        key, name = hash(record.text), hash(record.id)
        if name in self._ids:
            return
        self.texts += 1
        self.empty += not record.text.strip()
        if len(self._ids) < _MOST_PAIRS:
            self._ids.add(name)
        if key in self._texts:
            self.repeated += 1
        elif len(self._texts) < _MOST_PAIRS:
            self._texts.add(key)

    def annotation(self, record: AnnotationRecord) -> None:
        pair = hash((record.text_id, record.annotator))
        known = self._pairs.get(pair)
        if known == record.label:
            self.again += 1
            return
        self.annotations += 1
        for names, name in ((self.annotators, record.annotator), (self.classes, record.label)):
            if name in names or len(names) < _MOST_NAMES:
                names[name] += 1
        if known is None:
            if len(self._pairs) < _MOST_PAIRS:
                self._pairs[pair] = record.label
        else:
            self.contradicting += 1
            self.row_of_contradiction = self.row_of_contradiction or record.row

    def findings(self) -> Iterable[Finding]:
        if self.contradicting:
            yield finding(
                "two_labels",
                "labels that contradict an earlier one of the same annotator for the same text (another "
                "label already): {labels}, first in row {first}",
                "--replace to keep the later one",
                loses_labels=True,
                labels=self.contradicting,
                first=self.row_of_contradiction,
            )
        if self.again:
            yield finding(
                "labels_again", "labels that are stated again, and count once: {labels}", labels=self.again
            )
        if self.repeated:
            yield finding(
                "texts_repeated",
                "texts that repeat an earlier one under another id: {texts}",
                texts=self.repeated,
            )
        if self.empty:
            yield finding("empty_texts", "empty texts: {texts}", texts=self.empty)
        if self.skips:
            yield finding(
                "skips", "skips, of people who saw a text and gave it no label: {skips}", skips=self.skips
            )
        unnamed = [name for name in self.annotators if is_missing(name)]
        if unnamed:
            sentence = "annotators are called {names}, as programs write where there is no name"
            yield finding("unnamed_people", sentence, names=unnamed)
        by_case: dict[str, list[str]] = {}
        for name in self.annotators:
            by_case.setdefault(name.casefold(), []).append(name)
        for names in by_case.values():
            if len(names) > 1:
                yield finding(
                    "case",
                    "annotators differ in upper and lower case only, and are taken for different people: "
                    "{names}",
                    names=", ".join(names),
                )


def count(
    files: Iterable[
        tuple[FilePlan, Iterable[TextRecord | AnnotationRecord | SkipRecord | GoldRecord], Tally]
    ],
) -> ImportPlan:
    """Walk over all records once, and say what they are.

    Raises
    ------
    FormatError
        At the first thing that is wrong, naming file, row, column and value.
    """
    counts = _Counts()
    plans: list[FilePlan] = []
    findings: list[Finding] = []
    for plan, records, tally in files:
        tally.clear()
        for record in records:
            if isinstance(record, AnnotationRecord):
                counts.annotation(record)
            elif isinstance(record, TextRecord):
                counts.text(record)
            elif isinstance(record, SkipRecord):
                counts.skips += 1
        found = (*plan.findings, *tally.findings())
        plans.append(replace(plan, findings=found))
        idle = [name for name in plan.annotators if name not in counts.annotators]
        if idle:
            found = (
                *found,
                finding("idle", "annotators without labels: {names}", names=", ".join(idle[:12])),
            )
        name = Path(plan.file).name if plans[1:] else ""
        findings += [
            replace(one, problem=f"{name}: {one.problem}" if name else one.problem, file=name)
            for one in found
        ]
    return ImportPlan(
        tuple(plans),
        counts.texts,
        counts.annotations,
        counts.skips,
        dict(counts.annotators),
        dict(counts.classes),
        (*findings, *counts.findings()),
    )
