"""What a reader is told instead of having to guess, and the TOML file that keeps it for the next delivery."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jurybox.atomic import new_file
from jurybox.errors import FormatError, InputError
from jurybox.formats.plan import FilePlan, ImportPlan
from jurybox.questions import Question

__all__ = ["ReadOptions", "read_delimiter", "read_plan", "read_roles", "write_plan"]


@dataclass(frozen=True)
class ReadOptions:
    """What the reader is told instead of having to guess.

    Parameters
    ----------
    format
        One of `detect.FORMATS`, or ``auto``.
    encoding, delimiter
        Of a text file; None detects them.
    columns
        Names of columns by role: id, text, annotator, label, seconds, comment, time.
    annotator_columns
        The columns of a wide table that are annotators.
    annotator
        Who gave the labels of a file that does not say so.
    ignore
        Columns that are not read.
    keep
        Columns that become metadata of the text, whatever they look like.
    missing
        What means "no label", besides empty cells, NA and the like.
    turn
        Whether a table with a row a person and a column a text may be turned round.
    planned
        Whether all this is from a kept plan: a column that it names may be missing, and others are news.
    exact
        Whether ids and names are taken letter by letter, as our own exports have them.
    classes
        The classes of the project; any other label is an error. None takes every label.
    questions
        Those of a project with several, whose tables have answers to all of them.
    """

    format: str = "auto"
    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    annotator_columns: Sequence[str] = ()
    annotator: str | None = None
    ignore: Sequence[str] = ()
    keep: Sequence[str] = ()
    missing: Sequence[str] = ()
    turn: bool = False
    planned: bool = False
    exact: bool = False
    classes: Sequence[str] | None = None
    questions: Sequence[Question] = ()


def read_roles(given: Iterable[str]) -> dict[str, str]:
    """Return names of columns by role, from words such as ``text=body``.

    Raises
    ------
    InputError
        For a word that is not of this form.

    Examples
    --------
    >>> read_roles(["text=body", "label=what = it is"])
    {'text': 'body', 'label': 'what = it is'}
    """
    roles: dict[str, str] = {}
    for each in given:
        role, equals, name = each.partition("=")
        if not equals or not name:
            raise InputError(f"column is {each!r}, expected ROLE=NAME such as text=body")
        roles[role.strip()] = name
    return roles


def read_delimiter(given: str | None) -> str | None:
    """Return the delimiter that is meant: a tab has a name."""
    return {"tab": "\t", "\\t": "\t"}.get(given or "", given)


_LISTS = ("annotator_columns", "ignore", "keep", "missing")
_TEXTS = ("encoding", "delimiter", "annotator")


def write_plan(path: Path, plan: ImportPlan, options: ReadOptions) -> None:
    """Write what decides how a file is read: what was asked for, and what was told of a single file.

    Raises
    ------
    FormatError
        If the file is there already, or cannot be written.
    """
    alone = plan.files[0] if len(plan.files) == 1 else None
    decided = options if alone is None else _decided(alone, options)
    lines = [
        "# How jurybox reads a file: jurybox add PROJECT FILE --plan THIS. Change what is wrong.",
        f"# Made for {json.dumps(Path(plan.files[0].file).name)}: {plan.texts} texts, "
        f"{plan.annotations} annotations by {len(plan.annotators)} annotators.",
        *(f"# {' '.join(str(finding).split())}" for finding in plan.findings),
        f"format = {_toml(decided.format)}",
        *(f"{name} = {_toml(value)}" for name in _TEXTS if (value := getattr(decided, name)) is not None),
        *(f"{name} = [{', '.join(map(_toml, getattr(decided, name)))}]" for name in _LISTS),
        f"turn = {'true' if decided.turn else 'false'}",
        "",
        "[columns]",
        *(f"{role} = {_toml(name)}" for role, name in decided.columns.items()),
    ]
    with new_file(path, overwrite=False) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _decided(file: FilePlan, options: ReadOptions) -> ReadOptions:
    """Return options that name what was told from the file, so that the next delivery is not guessed."""
    if file.shape == "nested":
        return replace(options, format=file.format, encoding=file.encoding)
    ignored = [column.name for column in file.columns if column.becomes == "ignored" and column.name]
    made = {
        column.name
        for column in file.columns
        if column.name in ("_seconds", "Answer.label") and column.becomes != "ignored"
    }
    return replace(
        options,
        format=file.format,
        encoding=file.encoding,
        delimiter=file.delimiter,
        columns={role: name for role, name in file.roles.items() if name not in made and not options.turn},
        annotator_columns=file.annotators,
        ignore=() if options.turn else [*ignored],
        keep=() if options.turn else file.metadata,
    )


def read_plan(path: Path, given: ReadOptions) -> ReadOptions:
    """Return the options that a file states, where none are given.

    Raises
    ------
    FormatError
        If the file is no plan.
    """
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"is no readable plan: {error}", file=str(path)) from error
    unknown = sorted(held.keys() - {"format", "turn", "columns", *_TEXTS, *_LISTS})
    if unknown:
        raise FormatError(f"states {unknown[0]!r}, which no plan has", file=str(path))
    wrong = [
        name
        for name, kind in (
            ("format", str),
            ("turn", bool),
            ("columns", dict),
            *((n, str) for n in _TEXTS),
            *((n, list) for n in _LISTS),
        )
        if name in held and not isinstance(held[name], kind)
    ]
    if wrong:
        raise FormatError(
            f"states {wrong[0]} = {held[wrong[0]]!r}, which is of the wrong kind", file=str(path)
        )
    return replace(
        given,
        format=given.format if given.format != "auto" else str(held.get("format", "auto")),
        turn=given.turn or held.get("turn") is True,
        columns={**{role: str(name) for role, name in held.get("columns", {}).items()}, **given.columns},
        encoding=given.encoding or held.get("encoding"),
        delimiter=given.delimiter or held.get("delimiter"),
        annotator=given.annotator or held.get("annotator"),
        annotator_columns=given.annotator_columns or tuple(map(str, held.get("annotator_columns", ()))),
        ignore=(*given.ignore, *map(str, held.get("ignore", ()))),
        keep=(*given.keep, *map(str, held.get("keep", ()))),
        missing=(*given.missing, *map(str, held.get("missing", ()))),
        planned=True,
    )


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
