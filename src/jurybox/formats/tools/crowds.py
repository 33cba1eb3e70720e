"""Crowdsourcing platforms: work that was rejected is left out, and its bookkeeping is no part of a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from jurybox.formats.plan import finding
from jurybox.formats.records import Row, Table
from jurybox.formats.times import TimeStyle, parse_time
from jurybox.formats.tools.base import Answer, Context, Item, TableTool, only_of_classes
from jurybox.formats.tools.fields import who
from jurybox.formats.values import as_text

__all__ = ["APPEN", "CROWD_KIT", "MTURK", "TOLOKA", "AppenJson"]


_LEFT_OUT = {
    "rejected": finding("work_rejected", "rejected assignments left out"),
    "skipped": finding("work_skipped", "skipped assignments left out"),
    "expired": finding("work_expired", "expired assignments left out"),
    "active": finding("work_active", "active assignments left out"),
    "untrusted": finding("untrusted", "judgments of untrusted contributors (_tainted) left out"),
}
"""Work that does not count, by why."""


def _without(
    table: Table, reason: Callable[[Mapping[str, str]], str | None], columns: Sequence[str], about: Context
) -> Table:
    """Leave out the rows that have a reason, which is told from some columns, and count them."""
    lower = [name.lower() for name in table.columns]
    positions = {name: lower.index(name.lower()) for name in columns if name.lower() in lower}

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table.rows(), 1):
            why = reason({name: as_text(row[at]).strip() for name, at in positions.items()})
            if why is not None:
                about.tally.note(_LEFT_OUT[why], number)
            yield row if why is None else ()

    return Table(table.file, table.columns, table.sample, rows)


def _mturk(table: Table, about: Context) -> Table:
    """Leave out rejected work, and read answers that stand in JSON or in a column a class."""

    def reason(cells: Mapping[str, str]) -> str | None:
        rejected = cells.get("AssignmentStatus", "").lower() == "rejected" or (
            cells.get("Reject") and not cells.get("Approve")
        )
        return "rejected" if rejected else None

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
            return "rejected" if refused else status.lower()
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
        return "untrusted" if cells.get("_tainted", "").lower() == "true" else None

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


CROWD_KIT = TableTool(
    name="crowd-kit",
    title="crowd-kit",
    documentation="https://crowd-kit.readthedocs.io/en/latest/classification/",
    signs=("task", "worker", "label"),
    roles={"id": ("task",), "annotator": ("worker",), "label": ("label",), "text": ("text",)},
)


class AppenJson:
    """Units with the judgments of all contributors in their `results`."""

    name = "appen"
    title = "Appen"
    documentation = APPEN.documentation

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects are such units."""
        return any(_judgments(found) is not None for found in sample)

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with its judgments; those of untrusted contributors are left out."""
        for row, found in enumerate(objects, 1):
            data = found.get("data")
            if not isinstance(data, Mapping):
                raise about.wrong("is no object", row, "data", data)
            field = about.text_field(data, _APPEN_TEXTS, row)
            judgments = [one for one in _judgments(found) or () if isinstance(one, Mapping)]
            given: dict[str, list[tuple[Mapping[str, object], object]]] = {}
            for one in judgments:
                answers = one.get("data")
                if one.get("tainted") is True or one.get("rejected") is True:
                    about.tally.note(_LEFT_OUT["untrusted"], row)
                elif isinstance(answers, Mapping):
                    for question, label in answers.items():
                        given.setdefault(as_text(question), []).append((one, label))
            wanted = about.given.get("label")
            asked = {name: held for name, held in given.items() if wanted in (None, name)}
            if len(asked) > 1:
                asked = only_of_classes(
                    asked, lambda held: [label for _, label in held], row, "results", about
                )
            yield (
                row,
                Item(
                    data[field],
                    [
                        Answer(who(one), label, time=one.get("created_at"), field="results")
                        for held in asked.values()
                        for one, label in held
                    ],
                    data.get(about.given.get("id", "id"), found.get("id")),
                    about.metadata(data, [field, about.given.get("id", "id")], row),
                    field,
                ),
            )


_APPEN_TEXTS = ("text", "sentence", "content", "tweet", "comment", "review", "document", "message")


def _judgments(found: Mapping[str, object]) -> list[object] | None:
    results = found.get("results")
    held = results.get("judgments") if isinstance(results, Mapping) else None
    return held if isinstance(held, list) else None
