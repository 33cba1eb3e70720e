"""What the columns of a table mean: which holds the text, which the label, which are annotators."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from jurybox.errors import FormatError, InputError
from jurybox.formats.spreadsheet import ESCAPED_COLUMN
from jurybox.formats.values import LabelReader, as_text

__all__ = ["ROLES", "Layout", "guess_layout"]

ROLES = ("id", "text", "annotator", "label", "seconds", "comment", "time")

_NAMES: Mapping[str, tuple[str, ...]] = {
    "annotator": (
        *("annotator", "annotatorid", "annotatorname", "worker", "workerid", "rater", "raterid"),
        *("labeler", "labeller", "labelerid", "coder", "judge", "completedby"),
    ),
    "id": (
        *(
            "id",
            "textid",
            "itemid",
            "exampleid",
            "documentid",
            "docid",
            "taskid",
            "sentenceid",
            "commentid",
            "tweetid",
        ),
        *("postid", "uid", "uuid", "item", "task", "key"),
    ),
    "text": (
        *(
            "text",
            "texts",
            "sentence",
            "document",
            "content",
            "body",
            "utterance",
            "message",
            "tweet",
            "post",
        ),
        *("review", "question", "input", "example"),
    ),
    "label": (
        "label",
        "labels",
        "class",
        "category",
        "answer",
        "rating",
        "choice",
        "annotation",
        "judgment",
        "judgement",
    ),
    "seconds": ("seconds", "leadtime", "duration", "timespent", "elapsed", "elapsedseconds"),
    "time": ("time", "timestamp", "createdat", "annotatedat", "labelledat", "labeledat", "date", "datetime"),
    "comment": ("comment", "comments", "note", "notes", "remark"),
}
_NEVER_ANNOTATORS = {"split", "gold", "goldlabel", "consensus", "truth", "target", "fold", *_NAMES["label"]}
_MOST_CLASSES = 20


@dataclass(frozen=True)
class Layout:
    """Where in a row each thing is: positions, or None where the table has no such column.

    Parameters
    ----------
    columns
        The names of all columns.
    id, text, annotator, label, seconds, comment, time
        The position of each.
    wide
        Positions of the columns that are annotators.
    metadata, nested_metadata
        Positions of columns that become metadata, and of one that holds a JSON object of it.
    escaped
        Position of the column that names the cells which `spreadsheet.escape` changed.
    notes
        What a user should know of these choices.
    """

    columns: tuple[str, ...]
    id: int | None = None
    text: int | None = None
    annotator: int | None = None
    label: int | None = None
    seconds: int | None = None
    comment: int | None = None
    time: int | None = None
    wide: tuple[int, ...] = ()
    metadata: tuple[int, ...] = ()
    nested_metadata: int | None = None
    escaped: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> str:
        """One of ``texts``, ``long`` and ``wide``."""
        return "wide" if self.wide else "long" if self.label is not None else "texts"

    @property
    def roles(self) -> dict[str, str]:
        """The names of the columns by role."""
        positions = {role: getattr(self, role) for role in ROLES}
        return {role: self.columns[at] for role, at in positions.items() if at is not None}


def guess_layout(
    columns: Sequence[str],
    sample: Sequence[Sequence[object]],
    *,
    file: str,
    given: Mapping[str, str],
    annotator_columns: Sequence[str],
    annotator: str | None,
    ignore: Iterable[str],
    labels: LabelReader,
) -> Layout:
    """Guess the meaning of columns from their names and some rows; what is given is not guessed.

    Raises
    ------
    FormatError
        If the table holds neither texts nor annotations as far as can be told.
    InputError
        If a given column does not exist.
    """
    _check_header(columns, file)
    _check_given(columns, [*given.values(), *annotator_columns, *ignore], given, file)
    free = {at: name for at, name in enumerate(columns) if name and name not in set(ignore)}
    escaped = _take(free, [ESCAPED_COLUMN])
    roles: dict[str, int | None] = {}
    for role in ("annotator", "id", "text", "label", "seconds", "time", "comment"):
        roles[role] = _find(free, role, given, annotator_columns)
    wide: tuple[int, ...] = ()
    if annotator_columns or (annotator is None and roles["annotator"] is None):
        _give_back(free, roles, columns, ("annotator", "label", "seconds", "time", "comment"), keep=given)
        wide = _annotators(free, sample, annotator_columns, labels)
    free = {at: name for at, name in free.items() if at not in wide}
    if not wide and roles["label"] is None:
        _give_back(free, roles, columns, ("annotator", "seconds", "time", "comment"), keep={})
    _find_text(free, roles, columns)
    layout = _with_metadata(_layout(columns, roles, wide, escaped), free, sample)
    _check(layout, file)
    return layout


def _layout(
    columns: Sequence[str], roles: Mapping[str, int | None], wide: tuple[int, ...], escaped: int | None
) -> Layout:
    return Layout(
        tuple(columns),
        id=roles["id"],
        text=roles["text"],
        annotator=roles["annotator"],
        label=roles["label"],
        seconds=roles["seconds"],
        comment=roles["comment"],
        time=roles["time"],
        wide=wide,
        escaped=escaped,
    )


def _with_metadata(layout: Layout, free: Mapping[int, str], sample: Sequence[Sequence[object]]) -> Layout:
    """Make metadata of the columns that are free, and say what is worth saying about it."""
    nested = next(
        (at for at, name in free.items() if name == "metadata" and _holds_objects(sample, at)), None
    )
    metadata = tuple(at for at in sorted(free) if at != nested)
    named = ", ".join(layout.columns[at] for at in metadata)
    notes = [] if all(layout.columns) else ["columns without a name are not imported"]
    if layout.text is None:
        notes += [f"not imported, since there is no column of texts: {named}"] if metadata else []
        return replace(layout, notes=tuple(notes))
    if layout.shape == "long" and metadata:
        notes.append(f"kept as metadata of the text, from its first row: {named}")
    if layout.shape == "texts" and any(_plain(layout.columns[at]) in _NAMES["label"] for at in metadata):
        notes.append(
            "labels are kept as metadata: no column says who gave them; name the annotator to import them"
        )
    return replace(layout, metadata=metadata, nested_metadata=nested, notes=tuple(notes))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _check_header(columns: Sequence[str], file: str) -> None:
    named = [name for name in columns if name]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise FormatError("two columns have this name; rename one", file=file, column=twice)
    if not named:
        raise FormatError("has no names of columns in its first row", file=file)


def _check_given(columns: Sequence[str], named: Sequence[str], given: Mapping[str, str], file: str) -> None:
    wrong = [role for role in given if role not in ROLES]
    if wrong:
        raise InputError(
            f"{wrong[0]!r} is nothing that a column can hold; expected one of {', '.join(ROLES)}"
        )
    missing = next((name for name in named if name not in columns), None)
    if missing is not None:
        raise FormatError(f"has no column {missing!r}; its columns are {_listed(columns)}", file=file)


def _listed(columns: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(repr(name) for name in columns[:most])
    return shown if len(columns) <= most else f"{shown} and {len(columns) - most} more"


def _take(free: dict[int, str], names: Sequence[str]) -> int | None:
    found = next((at for name in names for at, column in free.items() if column == name), None)
    if found is not None:
        del free[found]
    return found


def _find(
    free: dict[int, str], role: str, given: Mapping[str, str], annotator_columns: Sequence[str]
) -> int | None:
    if role in given:
        return _take(free, [given[role]])
    spoken_for = {*given.values(), *annotator_columns}
    for candidate in _NAMES[role]:
        for at, name in free.items():
            if name not in spoken_for and _plain(name) == candidate:
                del free[at]
                return at
    return None


def _give_back(
    free: dict[int, str],
    roles: dict[str, int | None],
    columns: Sequence[str],
    which: Sequence[str],
    keep: Mapping[str, str],
) -> None:
    for role in which:
        at = roles[role]
        if at is not None and role not in keep:
            free[at] = columns[at]
            roles[role] = None


def _find_text(free: dict[int, str], roles: dict[str, int | None], columns: Sequence[str]) -> None:
    """Take a column called `comment` for the text if there is none, or the only column whatever its name."""
    if roles["text"] is not None or roles["label"] is not None:
        return
    comment = next((at for at, name in free.items() if _plain(name) in _NAMES["comment"]), None)
    only = next(iter(free)) if len(columns) == 1 and free else None
    found = comment if comment is not None else only
    if found is not None:
        roles["text"] = found
        del free[found]


def _annotators(
    free: Mapping[int, str], sample: Sequence[Sequence[object]], named: Sequence[str], labels: LabelReader
) -> tuple[int, ...]:
    """Return the columns that hold labels only: at least two, unless they are named."""
    if named:
        wanted = set(named)
        return tuple(at for at, name in sorted(free.items()) if name in wanted)
    seen: dict[int, set[str]] = {}
    for at, name in sorted(free.items()):
        if _plain(name) not in _NEVER_ANNOTATORS:
            seen[at] = {value for row in sample if (value := as_text(row[at])).strip()}
    if labels.classes is None:
        possible = {at: values for at, values in seen.items() if all(len(value) <= 40 for value in values)}
        vocabulary = {labels.plain(value) for values in possible.values() for value in values}
        marks = sum(bool(as_text(row[at]).strip()) for row in sample for at in possible)
        if not 2 <= len(vocabulary) <= _MOST_CLASSES or marks < 2 * len(vocabulary):
            return ()
    else:
        possible = {at: values for at, values in seen.items() if all(labels.knows(value) for value in values)}
    return tuple(possible) if sum(bool(values) for values in possible.values()) >= 2 else ()


def _holds_objects(sample: Sequence[Sequence[object]], at: int) -> bool:
    cells = [row[at] for row in sample if row[at] not in (None, "")]
    return all(isinstance(cell, dict) or _is_json_object(cell) for cell in cells)


def _is_json_object(cell: object) -> bool:
    if not isinstance(cell, str) or not cell.startswith("{"):
        return False
    try:
        return isinstance(json.loads(cell), dict)
    except (ValueError, RecursionError):
        return False


def _check(layout: Layout, file: str) -> None:
    found = f"its columns are {_listed(layout.columns)}"
    if layout.text is None and layout.id is None:
        problem = f"has no column of texts or of text ids that could be told; {found}; name it"
        raise FormatError(problem, file=file, code="no_text_column", columns=_listed(layout.columns))
    if layout.text is None and layout.shape == "texts":
        raise FormatError(f"has no texts and no labels that could be told; {found}; name them", file=file)
