"""Crowdsourcing platforms: work that was rejected is left out, and its bookkeeping is no part of a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from jurybox.formats.plan import Finding
from jurybox.formats.records import Row, Table
from jurybox.formats.times import TimeStyle, parse_time
from jurybox.formats.tools.base import Context, TableTool
from jurybox.formats.values import as_text

__all__ = ["APPEN", "MTURK", "TOLOKA"]


def _without(
    table: Table, reason: Callable[[Mapping[str, str]], str | None], columns: Sequence[str], about: Context
) -> Table:
    """Leave out the rows that have a reason, which is told from some columns, and count them."""
    positions = {name: table.columns.index(name) for name in columns if name in table.columns}

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table.rows(), 1):
            why = reason({name: as_text(row[at]).strip() for name, at in positions.items()})
            if why is not None:
                about.tally.note(Finding(why), number)
            yield row if why is None else ()

    return Table(table.file, table.columns, table.sample, rows)


def _mturk(table: Table, about: Context) -> Table:
    """Leave out rejected work, and read answers that stand in JSON or in a column a class."""

    def reason(cells: Mapping[str, str]) -> str | None:
        rejected = cells.get("AssignmentStatus", "").lower() == "rejected" or (
            cells.get("Reject") and not cells.get("Approve")
        )
        return "rejected assignments left out" if rejected else None

    kept = _without(table, reason, ("AssignmentStatus", "Reject", "Approve"), about)
    return _with_answers(kept, about)


def _with_answers(table: Table, about: Context) -> Table:
    """Add the column `Answer.label` where the answer is one of JSON, or the radio button that is on."""
    whole = [
        at
        for at, name in enumerate(table.columns)
        if name.lower() in ("answer.taskanswers", "answer.taskanswer")
    ]
    buttons = [
        (at, name.rpartition(".")[2])
        for at, name in enumerate(table.columns)
        if name.startswith("Answer.") and about.labels.knows(name.rpartition(".")[2])
    ]
    lists = [
        at for at, name in enumerate(table.columns) if name.startswith("Answer.") and name.endswith(".labels")
    ]
    if not (whole or buttons or lists) or "label" in about.given:
        return table

    def label_of(row: Row, number: int) -> str:
        on = [
            name
            for at, name in buttons
            if as_text(row[at]).strip().lower() in ("true", "on", "1", "checked", name.lower())
        ]
        found = on or [label for at in (*whole, *lists) for label in _in_json(as_text(row[at]), about)]
        if len(set(found)) > 1:
            raise about.wrong("holds several labels; expected one label a text", number, "Answer", found)
        return found[0] if found else ""

    def rows() -> Iterator[Row]:
        return ((*row, label_of(row, number)) if row else () for number, row in enumerate(table.rows(), 1))

    return Table(table.file, (*table.columns, "Answer.label"), [(*row, "") for row in table.sample], rows)


def _in_json(cell: str, about: Context) -> list[str]:
    """Return the classes anywhere in a JSON value: {"tone": {"label": "polite"}}, {"polite": true}."""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    waiting = [value]
    while waiting:
        held = waiting.pop()
        if isinstance(held, dict):
            found += [name for name, one in held.items() if one is True and about.labels.knows(name)]
            waiting += [one for one in held.values() if not isinstance(one, bool)]
        elif isinstance(held, list):
            waiting += held
        elif about.labels.knows(as_text(held)):
            found.append(as_text(held))
    return found


MTURK = TableTool(
    name="mturk",
    title="Mechanical Turk",
    documentation="https://docs.aws.amazon.com/AWSMechTurk/latest/RequesterUI/UnderstandingResultsFile.html",
    signs=("hitid", "workerid"),
    roles={
        "annotator": ("workerid",),
        "id": ("input.id", "input.*id", "hitid"),
        "text": ("input.text", "input.*text*", "input.sentence", "input.*"),
        "label": ("answer.label", "answer.*label", "answer.*"),
        "seconds": ("worktimeinseconds",),
        "time": ("submittime",),
        "comment": ("answer.comment*", "answer.*comment*", "answer.feedback"),
    },
    bookkeeping=(
        *(
            "hit*",
            "title",
            "description",
            "keywords",
            "reward",
            "creationtime",
            "maxassignments",
            "requester*",
            "assignment*",
        ),
        *(
            "autoapproval*",
            "expiration",
            "numberofsimilarhits",
            "lifetime*",
            "accepttime",
            "approvaltime",
            "rejectiontime",
        ),
        *(
            "submittime",
            "worktimeinseconds",
            "last30days*",
            "last7days*",
            "approve",
            "reject",
            "answer.*",
            "worker*",
        ),
    ),
    convert=_mturk,
    month_first=True,
)


def _toloka(table: Table, about: Context) -> Table:
    def reason(cells: Mapping[str, str]) -> str | None:
        status = cells.get("ASSIGNMENT:status", "").upper()
        refused = cells.get("ACCEPT:verdict", "").strip() == "-"
        if refused or status in ("REJECTED", "SKIPPED", "EXPIRED", "ACTIVE"):
            return f"{'rejected' if refused else status.lower()} assignments left out"
        return None

    return _without(table, reason, ("ASSIGNMENT:status", "ACCEPT:verdict"), about)


TOLOKA = TableTool(
    name="toloka",
    title="Toloka",
    documentation="https://toloka.ai/docs/guide/result-aggregation/",
    signs=("output:*", "assignment:worker_id"),
    roles={
        "annotator": ("assignment:worker_id",),
        "id": ("input:id", "input:*_id", "input:*id", "assignment:task_id"),
        "text": ("input:text", "input:*text*", "input:*"),
        "label": ("output:result", "output:label", "output:*"),
        "time": ("assignment:submitted",),
        "comment": ("output:comment*",),
    },
    bookkeeping=("assignment:*", "golden:*", "hint:*", "accept:*", "output:*"),
    convert=_toloka,
)


def _appen(table: Table, about: Context) -> Table:
    """Leave out judgments of untrusted contributors, and add how long each took."""
    spam = ("_tainted",)

    def reason(cells: Mapping[str, str]) -> str | None:
        return (
            "judgments of untrusted contributors (_tainted) left out"
            if cells.get("_tainted", "").lower() == "true"
            else None
        )

    kept = _without(table, reason, spam, about)
    if not {"_created_at", "_started_at"} <= set(table.columns) or "_seconds" in table.columns:
        return kept
    end, start = table.columns.index("_created_at"), table.columns.index("_started_at")
    style = TimeStyle(month_first=True)

    def seconds(row: Row) -> object:
        try:
            return max((parse_time(row[end], style) - parse_time(row[start], style)).total_seconds(), 0.0)
        except (ValueError, OverflowError):
            return ""

    def rows() -> Iterator[Row]:
        return ((*row, seconds(row)) if row else () for row in kept.rows())

    return Table(table.file, (*table.columns, "_seconds"), [(*row, "") for row in table.sample], rows)


APPEN = TableTool(
    name="appen",
    title="Appen",
    documentation="https://success.appen.com/hc/en-us/articles/202703195-Guide-to-Reports-Page",
    signs=("_unit_id", "_worker_id"),
    roles={
        "annotator": ("_worker_id",),
        "id": ("id", "*_id_text", "_unit_id"),
        "time": ("_created_at",),
        "seconds": ("_seconds",),
    },
    bookkeeping=("_*", "orig__*", "*_gold", "*_gold_reason"),
    convert=_appen,
    month_first=True,
)
