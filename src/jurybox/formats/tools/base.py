"""What the readers of tools have in common: items with answers, or tables whose columns are known."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeVar

from jurybox.errors import FormatError
from jurybox.formats.plan import ColumnPlan, Finding, Tally, finding
from jurybox.formats.records import AnnotationRecord, Record, SkipRecord, Table, TextRecord
from jurybox.formats.times import TimeStyle, parse_seconds, parse_time
from jurybox.formats.tools.controls import whole_answer
from jurybox.formats.tools.fields import are_tokens
from jurybox.formats.values import LabelReader, as_json, as_name, as_text, checked, id_of_text
from jurybox.questions import Question

__all__ = ["Answer", "Context", "Item", "ObjectTool", "TableTool", "fields_of", "only_of_classes"]
__all__ += ["other_answers", "read_items", "span_problem"]

T = TypeVar("T")

DRAFTS = finding("drafts", "drafts left out")
PREDICTIONS = finding("predictions", "predictions of models left out: people vote, machines do not")
SPANS_BESIDE = finding("spans", "spans beside a label left out")
SPANS = "jurybox labels whole texts, not spans; export the classification, or leave the spans out"


class Answer(NamedTuple):
    """What one person said of a text; `label` may be a list of one, None is a skip."""

    annotator: object
    label: object
    seconds: object = None
    comment: object = None
    time: object = None
    field: str = "annotations"


class Item(NamedTuple):
    """A text with all of its answers, as a tool writes it; `roles` says what other fields were read as."""

    text: object
    answers: Sequence[Answer] = ()
    id: object = None
    metadata: Mapping[str, object] | None = None
    field: str = "text"
    roles: Mapping[str, str] = {}


@dataclass(frozen=True)
class Context:
    """What a reader of objects is told.

    Parameters
    ----------
    file
        Named in errors.
    labels
        Reads the labels.
    given
        Names of fields by role, where they are not the usual ones.
    annotator
        Who gave labels that name nobody.
    ignore
        Fields that are not kept as metadata.
    tally
        Counts what is left out.
    exact
        Whether ids and names are taken letter by letter.
    merged
        Fields whose objects are metadata themselves.
    questions
        Those of a project with several; then `Answer.label` has what was said by name.
    """

    file: str
    labels: LabelReader
    given: Mapping[str, str] = field(default_factory=dict)
    annotator: str | None = None
    ignore: frozenset[str] = frozenset()
    tally: Tally = field(default_factory=Tally)
    exact: bool = False
    merged: tuple[str, ...] = ("metadata",)
    questions: tuple[Question, ...] = ()

    def name(self, value: str) -> str:
        """Return an id or a name without blanks around it, unless they are taken letter by letter."""
        return value if self.exact else as_name(value)

    def wrong(self, problem: str, row: int, column: str, value: object = None) -> FormatError:
        """Return the error that names the place."""
        return FormatError(problem, file=self.file, row=row, column=column, value=value)

    def metadata(
        self, found: Mapping[str, object], used: Sequence[str], row: int
    ) -> dict[str, object] | None:
        """Return the fields that are not used, and those of a field `metadata` or `meta`."""
        own = {*used, *self.ignore}
        held: dict[str, object] = {}
        for name in ("metadata", "meta"):
            inner = found.get(name) if name not in own else None
            if isinstance(inner, str) and inner.lstrip().startswith("{"):
                try:
                    inner = json.loads(inner)
                except (ValueError, RecursionError):
                    raise self.wrong("is no JSON object", row, name, inner) from None
            if isinstance(inner, Mapping) and name in self.merged:
                held.update({as_text(key): as_json(value) for key, value in inner.items()})
            elif inner not in (None, "", {}):
                held[name] = as_json(inner)
        for name, value in found.items():
            if name not in own and name not in ("metadata", "meta") and value is not None:
                held[as_text(name)] = as_json(value)
        if held:
            checked(json.dumps(held, ensure_ascii=False), (self.file, row, "metadata"))
        return held or None

    def text_field(self, found: Mapping[str, object], names: Sequence[str], row: int) -> str:
        """Return the name of the field of the text: the one given, the first of these, or the only one."""
        given = self.given.get("text")
        if given is not None:
            if given not in found:
                raise self.wrong(
                    f"there is no field {given!r}; its fields are {', '.join(map(str, found))}", row, given
                )
            return given
        known = next((name for name in names if isinstance(found.get(name), str)), None)
        known = known or next((name for name, value in found.items() if are_tokens(name, value)), None)
        if known is not None:
            return known
        texts = [name for name, value in found.items() if isinstance(value, str)]
        if len(texts) == 1:
            return texts[0]
        raise self.wrong(
            "has no text that could be told; name its field, e.g. --column text=NAME", row, "text"
        )


class ObjectTool(Protocol):
    """Reads objects of a tool, each a text with its answers."""

    name: str
    title: str
    documentation: str

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether these objects were written by it."""

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield the row and the item of each object."""


def fields_of(
    tool: ObjectTool, sample: Sequence[Mapping[str, object]], about: Context
) -> tuple[tuple[ColumnPlan, ...], bool]:
    """Return what becomes of the fields of some objects, and whether there are labels that nobody gave.

    What is wrong with them is found when they are read; here it only ends the looking.
    """
    filled: dict[str, int] = {}
    for found in sample:
        for name, value in found.items():
            filled[str(name)] = filled.get(str(name), 0) + (value not in (None, "", [], {}))
    becomes: dict[str, str] = {}
    nobody = False
    try:
        for _, item in tool.items(iter(sample), about):
            becomes.update(dict.fromkeys(item.metadata or (), "metadata"))
            becomes[item.field] = "text"
            becomes.update({name: role for name, role in item.roles.items() if filled.get(name)})
            for answer in item.answers:
                becomes[answer.field] = "label"
                nobody = nobody or (answer.annotator in (None, "") and answer.label not in (None, "", []))
    except FormatError:
        pass
    for name in ("id", "external_id", "example_id", "instance_id"):
        if filled.get(name) and name not in becomes:
            becomes[name] = "id"
            break
    names = dict.fromkeys([*filled, *becomes])
    return tuple(
        ColumnPlan(
            name,
            becomes.get(name, "ignored"),
            filled.get(name, 0),
            "" if name in becomes else f"belongs to {tool.title}",
        )
        for name in names
    ), nobody


@dataclass(frozen=True)
class TableTool:
    """A tool whose tables have known columns; patterns are as in file names, upper and lower case aside.

    Parameters
    ----------
    name, title, documentation
        What it is called, and where its format is described.
    signs
        Patterns of columns that tables of it have, all of them.
    roles
        Patterns of the columns by role, the surest first.
    bookkeeping
        Patterns of columns that say nothing of the text.
    convert
        Leaves out rows and adds columns.
    month_first
        How it writes dates.
    resubmits
        Whether a later answer of the same person replaces the earlier one.
    """

    name: str
    title: str
    documentation: str
    signs: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]
    bookkeeping: tuple[str, ...] = ()
    convert: Callable[[Table, Context], Table] | None = None
    month_first: bool | None = None
    resubmits: bool = False

    def recognises(self, columns: Sequence[str]) -> bool:
        """Whether these columns are of the tool."""
        return all(any(_matches(name, sign) for name in columns) for sign in self.signs)

    def named(self, role: str, free: Mapping[int, str]) -> list[int]:
        """Return the positions of columns that have a role, the surest first."""
        return [
            at for pattern in self.roles.get(role, ()) for at, name in free.items() if _matches(name, pattern)
        ]

    def alike(self, role: str, free: Mapping[int, str]) -> list[int]:
        """Return the positions of columns that have a role by the same pattern, the surest there is."""
        found = ([at for at in free if _matches(free[at], one)] for one in self.roles.get(role, ()))
        return next(filter(None, found), [])

    def is_bookkeeping(self, name: str) -> bool:
        """Whether a column says nothing of the text."""
        return any(_matches(name, pattern) for pattern in self.bookkeeping)


@lru_cache(maxsize=1 << 14)  # each column is asked about each sign of each tool, at each file
def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def read_items(items: Iterator[tuple[int, Item]], about: Context) -> Iterator[Record]:
    """Turn items into records; raises FormatError at the first that is wrong."""
    for row, item in items:
        text = None if item.text is None else _string(about, item.text, row, item.field)
        text_id = about.name(_string(about, item.id, row, "id"))
        if text is not None:
            text_id = text_id or id_of_text(text)
            yield TextRecord(text_id, text, item.metadata, row)
        elif not text_id:
            raise about.wrong(
                "has no text that could be told; name its field, e.g. --column text=NAME", row, item.field
            )
        for answer in item.answers:
            record = _judgment(answer, text_id, row, about)
            if record is not None:
                yield record


def _judgment(answer: Answer, text_id: str, row: int, about: Context) -> AnnotationRecord | SkipRecord | None:
    name = about.name(_string(about, answer.annotator, row, answer.field)) or about.annotator
    read = whole_answer if about.questions else _label
    label = read(answer.label, row, answer.field, about)
    if name is None:
        if label is None:
            return None
        raise about.wrong(
            "does not say who gave the label; name the annotator, e.g. --annotator NAME", row, answer.field
        )
    place = (about.file, row, answer.field)
    time = _read(answer.time, row, "time", parse_time, about)
    comment = _string(about, answer.comment, row, "comment")
    if label is None:
        return SkipRecord(text_id, checked(name, place), comment, time, row)
    seconds = _read(answer.seconds, row, "seconds", parse_seconds, about)
    return AnnotationRecord(text_id, checked(name, place), label, seconds, comment, time, row)


def _label(value: object, row: int, field: str, about: Context) -> str | None:
    if isinstance(value, list | tuple):
        if len(value) > 1:
            raise about.wrong("holds several labels; expected one label a text", row, field, value)
        value = value[0] if value else None
    if isinstance(value, Mapping | list | bytes):
        raise about.wrong("is no label", row, field, value)
    return about.labels(as_text(value), row, field)


_STYLE = TimeStyle()


def _read(
    value: object, row: int, column: str, read: Callable[[object, TimeStyle], T], about: Context
) -> T | None:
    """Read a time or duration that nobody asked for: what cannot be read is left out and counted."""
    if value is None or value == "" or value != value:
        return None
    try:
        return read(value, _STYLE)
    except ValueError:
        about.tally.note(
            finding("unreadable", "{field} left out, because they cannot be read", field=column), row
        )
        return None


def _string(about: Context, value: object, row: int, column: str) -> str:
    if isinstance(value, Mapping | list | bytes):
        raise about.wrong("is no text", row, column, value)
    return checked(as_text(value), (about.file, row, column))


def only_of_classes(
    found: Mapping[str, T], labels_of: Callable[[T], Iterable[object]], row: int, column: str, about: Context
) -> dict[str, T]:
    """Return, of several questions that were answered, the only one whose answers are classes.

    Raises
    ------
    FormatError
        If there is none such, or more than one.
    """
    known = {
        name: one
        for name, one in found.items()
        if any(
            about.labels.knows(as_text(label))
            for held in labels_of(one)
            for label in (held if isinstance(held, list) else [held])
            if not isinstance(label, list | Mapping)
        )
    }
    if len(known) != 1:
        names = ", ".join(sorted(found))
        raise about.wrong(
            f"has several questions ({names}); name the one of the label, e.g. --column label={min(found)}",
            row,
            column,
        )
    for name in found.keys() - known.keys():
        about.tally.note(other_answers(name), row)
    return known


def other_answers(question: str) -> Finding:
    """Return the remark that answers to a question are left out."""
    problem = "answers to {name} left out: they are none of the classes"
    return finding("other_answers", problem, f"--column label={question} to read them", name=[question])


def span_problem(about: Context, row: int, column: str, value: object, control: str = "") -> FormatError:
    """Return the error for marks of parts of a text."""
    return about.wrong(f"holds spans{control}; {SPANS}", row, column, value)
