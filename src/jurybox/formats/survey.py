"""What the columns of a table hold, over all rows, and which columns of a wide table are people who vote."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jurybox.formats.inside import unpacked
from jurybox.formats.names import NAMES, family_of_labels, is_result, names_annotator, plain_name
from jurybox.formats.plan import Finding, finding
from jurybox.formats.records import Table
from jurybox.formats.values import LabelReader, as_list, as_name, as_text

__all__ = [
    "ColumnSurvey",
    "Survey",
    "class_valued",
    "has_words",
    "is_worded",
    "same_for_each",
    "survey",
    "unread",
    "voters",
]

_CHUNK = 4096
_MOST_VALUES = 400
_LONGEST_VALUE = 80


@dataclass
class ColumnSurvey:
    """What one column holds.

    Attributes
    ----------
    name
        Its name.
    filled
        Cells that are not empty.
    values
        How often it holds each value, without blanks around it; of many, the first 400 or so.
    many
        Whether it holds more or longer values than that.
    nested
        How many cells hold lists or objects.
    inner
        How often the first of these lists and objects hold each value; in lists of objects, by their fields.
    """

    name: str
    filled: int = 0
    values: Counter[str] = field(default_factory=Counter)
    many: bool = False
    nested: int = 0
    _looked: int = 0
    inner: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, cells: Sequence[object]) -> None:
        """Take in some cells."""
        if self.many:
            self.filled += len(cells) - cells.count("") - cells.count(None)
            return
        try:
            counts: Mapping[object, int] = Counter(cells)
        except TypeError:
            lists = [cell for cell in cells if isinstance(cell, list | dict)]
            self.nested += len(lists)
            for cell in lists[: _MOST_VALUES if self._looked < 10 * _MOST_VALUES else 0]:
                self._look_into(cell)
            counts = Counter("" if isinstance(cell, list | dict) else as_text(cell) for cell in cells)
            self.filled += len(lists)
        for value, n in counts.items():
            text = value if isinstance(value, str) else as_text(value)
            if text:
                self.filled += n
                self._count(text.strip(), n)
                held = unpacked(text) if self._looked < _MOST_VALUES else None
                if isinstance(held, list | dict):
                    self._look_into(held)

    def _look_into(self, cell: list[object] | dict[str, object]) -> None:
        self._looked += 1
        for one in itertools.islice(cell.values() if isinstance(cell, dict) else cell, _MOST_VALUES):
            fields = one if isinstance(one, dict) else {"": one}
            for name, value in fields.items():
                for inner in value if isinstance(value, list) else [value]:
                    if isinstance(inner, str | int | float) and (name in self.inner or len(self.inner) < 20):
                        self.inner[name][as_text(inner).strip()[:_LONGEST_VALUE]] += 1

    def _count(self, text: str, n: int) -> None:
        if len(text) > _LONGEST_VALUE or (len(self.values) >= _MOST_VALUES and text not in self.values):
            self.many = True
        elif text:
            self.values[text] += n


@dataclass(frozen=True)
class Survey:
    """All columns of a table, and how many rows it has."""

    rows: int
    columns: tuple[ColumnSurvey, ...]


def survey(table: Table) -> Survey:
    """Walk over a table once."""
    columns = tuple(ColumnSurvey(name) for name in table.columns)
    rows = 0
    for chunk in _chunks(table.rows()):
        rows += len(chunk)
        for column, cells in zip(columns, zip(*filter(None, chunk), strict=True), strict=False):
            column.add(cells)
    return Survey(rows, columns)


def _chunks(rows: Iterable[Sequence[object]]) -> Iterable[list[Sequence[object]]]:
    walked = iter(rows)
    while chunk := list(itertools.islice(walked, _CHUNK)):
        yield chunk


def same_for_each(rows: Iterable[Sequence[object]], key: int, at: int, n_rows: int) -> bool:
    """Whether a column has one value for each value of another one, which comes more than once."""
    seen: dict[str, str] = {}
    again = False
    for row in rows:
        value, name = as_text(row[at]), as_name(row[key])
        if seen.setdefault(name, value) != value:
            return False
        again = again or (name in seen and len(seen) < n_rows)
    return again and len(seen) < n_rows


def is_worded(rows: Iterable[Sequence[object]], at: int) -> bool:
    """Whether nearly all cells of a column hold several words."""
    cells = [as_text(row[at]).strip() for row in rows if row]
    return sum(" " in cell for cell in cells) > 0.9 * len(cells)


_MOST_CLASSES = 20
_GENERIC = {"true", "false", "yes", "no", "y", "n", "t", "f", "x", "on", "off"}


def class_valued(column: ColumnSurvey, labels: LabelReader) -> bool:
    """Whether at least half of what a column holds are classes, upper and lower case aside."""
    return not (column.many or column.nested) and _mostly_classes(column.values, labels)


def _mostly_classes(values: Mapping[str, int], labels: LabelReader) -> bool:
    if labels.classes is None:
        return False
    held = {value: n for value, n in values.items() if not labels.is_missing(value)}
    known = sum(n for value, n in held.items() if labels.knows(value) or labels.nearly(value))
    return known > 0 and 2 * known >= sum(held.values())


def _lists_classes(column: ColumnSurvey, labels: LabelReader) -> bool:
    """Whether a column holds lists of classes, as JSON has them or written as text."""
    inner = [*column.inner.values()]
    if not inner:
        written = (as_list(value) for value in column.values)
        inner = [Counter(as_text(one) for held in written if len(held) > 1 for one in held)]
    named = has_words(labels) or plain_name(column.name) in _LISTS
    return named and any(_mostly_classes(values, labels) for values in inner)


_LISTS = ("annotations", "labels", "votes", "ratings", "answers", "judgments", "judgements")


def voters(columns: Mapping[int, ColumnSurvey], rows: int, labels: LabelReader) -> tuple[int, ...]:
    """Return the positions of the columns that surely are annotators; none where it cannot be known.

    Words such as "polite" are labels wherever they stand; 0 and 1, yes and no may as well be features of the
    text. Their columns vote if their names say so, or if cells are missing, as where not everybody labelled
    everything. Results, counts and features known by name never vote.
    """
    if labels.classes is None:
        return _by_repetition(columns, labels)
    holding = {at: column for at, column in columns.items() if class_valued(column, labels)}
    family = set(family_of_labels([column.name for column in holding.values()]))
    people = {at for at, column in holding.items() if names_annotator(column.name) or column.name in family}
    possible = {at for at, column in holding.items() if at in people or not is_result(column.name)}
    if has_words(labels):
        if len(possible) < 2:  # "topic_ana" is no feature where nobody else votes
            possible = {
                at for at, column in holding.items() if not is_result(column.name, of_words=True)
            } | people
        chosen = possible if len(possible) > 1 else people
    elif people:
        chosen = people
    else:
        sparse = any(_n_labels(columns[at], labels) < rows for at in possible)
        rival = any(plain_name(column.name) in NAMES["label"] for column in holding.values())
        chosen = possible if len(possible) > 1 and sparse and not rival else set()
    idle = {
        at
        for at, column in columns.items()
        if chosen
        and not _n_labels(column, labels)
        and (column.filled or names_annotator(column.name))
        and not column.many
        and not column.nested
        and not is_result(column.name)
    }
    return tuple(sorted(chosen | idle))


def has_words(labels: LabelReader) -> bool:
    """Whether classes are words that speak for themselves, unlike 0 and 1 or yes and no."""
    return not all(
        name.casefold() in _GENERIC or name.lstrip("+-").replace(".", "").isdigit()
        for name in labels.classes or ()
    )


def _n_labels(column: ColumnSurvey, labels: LabelReader) -> int:
    return sum(n for value, n in column.values.items() if not labels.is_missing(value))


def _by_repetition(columns: Mapping[int, ColumnSurvey], labels: LabelReader) -> tuple[int, ...]:
    """Return columns that share few short values, where the classes are not known yet."""
    family = set(family_of_labels([column.name for column in columns.values()]))
    possible = {
        at: {value for value in column.values if not labels.is_missing(value)}
        for at, column in columns.items()
        if not column.many
        and not column.nested
        and max(map(len, column.values), default=0) <= 40
        and (column.name in family or not is_result(column.name))
    }
    vocabulary = {labels.plain(value) for values in possible.values() for value in values}
    marks = sum(_n_labels(columns[at], labels) for at in possible)
    if not 2 <= len(vocabulary) <= _MOST_CLASSES or marks < 2 * len(vocabulary):
        return ()
    return tuple(possible) if sum(bool(values) for values in possible.values()) >= 2 else ()


def _counts_class(column: ColumnSurvey, labels: LabelReader) -> bool:
    """Whether a column is called like a class and holds numbers."""
    numbers = [value for value in column.values if not labels.is_missing(value)]
    named = labels.classes is not None and has_words(labels) and labels.knows(column.name)
    return named and not column.many and bool(numbers) and all(value.isdecimal() for value in numbers)


def unread(
    shape: str, columns: Sequence[ColumnSurvey], labels: LabelReader, names: Sequence[str], *, asked: bool
) -> list[Finding]:
    """Say which columns hold classes that nobody reads; in a table without annotators they are lost."""
    holding = [column for column in columns if class_valued(column, labels)]
    if labels.classes is None:
        holding = [
            column for column in columns if plain_name(column.name) in ("label", "labels") and column.filled
        ]
    results = [
        column.name
        for column in holding
        if is_result(column.name, of_words=has_words(labels) and shape != "wide")
        and (shape != "texts" or plain_name(column.name) not in NAMES["label"])
    ]
    rest = [column.name for column in holding if column.name not in results]
    findings = []
    if results:
        findings.append(
            finding(
                "results",
                "taken for results or features, nobody's votes, and kept as metadata: {columns}",
                columns=results,
            )
        )
    lists = [column.name for column in columns if shape == "texts" and _lists_classes(column, labels)]
    if lists:
        problem = "labels would be lost: nothing says who gave those in the lists of {columns}"
        option = "a second list of annotators, or --keep COLUMN to keep it as metadata"
        findings.append(finding("nobody_lists", problem, option, loses_labels=True, columns=lists))
    known = any(plain_name(name) == "split" for name in names)  # a data set: its labels are known ones
    counts = [column.name for column in columns if shape == "texts" and _counts_class(column, labels)]
    if len(counts) > 1 and not known:
        problem = "labels would be lost: nothing says who gave those counted by class in {columns}"
        option = "--keep COLUMN for each to keep it as metadata"
        findings.append(finding("nobody_counts", problem, option, loses_labels=True, columns=counts))
    if rest and not asked and (shape == "wide" or (shape == "texts" and not known)):
        problem = "labels would be lost: nothing says who gave what is in {columns}"
        option = (
            "--annotator-column NAME for each column that is an annotator, --annotator NAME with "
            "--column label=COLUMN if one person gave the labels of a column, or --keep COLUMN "
            "to keep it as metadata"
        )
        findings.append(finding("nobody", problem, option, loses_labels=True, columns=rest))
    elif rest and shape == "texts":
        problem = "labels are kept as metadata: no column says who gave them: {columns}"
        findings.append(finding("labels_kept", problem, "--annotator-column NAME to import it", columns=rest))
    elif rest:
        problem = "holds classes and is kept as metadata, nobody's votes: {columns}"
        findings.append(
            finding("classes_kept", problem, "--annotator-column NAME to import it", columns=rest)
        )
    return findings
