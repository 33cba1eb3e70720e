"""What the columns of a table mean: which holds the text, which the label, which are annotators."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from jurybox.formats.names import (
    JUDGMENT_IDS,
    NAMES,
    ROLES,
    WEAK_ANNOTATORS,
    is_result,
    plain_name,
)
from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import Finding, finding
from jurybox.formats.records import Table
from jurybox.formats.rows import (
    Layout,
    check_given,
    check_header,
    check_layout,
    compared_with_plan,
    holds_objects,
)
from jurybox.formats.spreadsheet import ESCAPED_COLUMN
from jurybox.formats.survey import (
    ColumnSurvey,
    Survey,
    class_valued,
    has_words,
    is_worded,
    same_for_each,
    unread,
    voters,
)
from jurybox.formats.times import TimeStyle, parse_seconds, parse_time, reads
from jurybox.formats.tools.base import TableTool
from jurybox.formats.values import LabelReader, as_name, as_text

__all__ = ["guess_layout"]

_ORDER = ("annotator", "id", "text", "seconds", "time", "comment")
_PEEK = 50_000


def guess_layout(
    table: Table,
    found: Survey,
    options: ReadOptions,
    labels: LabelReader,
    *,
    tool: TableTool | None = None,
    delimiter: str | None = None,
) -> Layout:
    """Tell the meaning of columns from their names and all that they hold; what is given is not guessed.

    Raises
    ------
    FormatError
        If the table holds neither texts nor annotations as far as can be told.
    InputError
        If a given column does not exist.
    """
    check_header(table.columns, table.file)
    check_given(table.columns, options, table.file)
    return _Guess(table, found, options, labels, tool, delimiter).layout()


class _Guess:
    """The columns of one table that still are free to be taken, and what was taken."""

    def __init__(
        self,
        table: Table,
        found: Survey,
        options: ReadOptions,
        labels: LabelReader,
        tool: TableTool | None,
        delimiter: str | None,
    ) -> None:
        self.table, self.found, self.options, self.labels = table, found, options, labels
        self.tool, self.delimiter = tool, delimiter
        self.given = options.columns
        self.findings: list[Finding] = []
        self.ignored: dict[str, str] = dict.fromkeys(options.ignore, "as asked for")
        self.kept = [at for at, name in enumerate(table.columns) if name in set(options.keep)]
        self.free = {
            at: name
            for at, name in enumerate(table.columns)
            if name and name not in self.ignored and at not in self.kept
        }
        self.roles: dict[str, int | None] = dict.fromkeys(ROLES)

    def layout(self) -> Layout:
        self.findings += compared_with_plan(self.table.columns, self.options)
        escaped = self._take([ESCAPED_COLUMN])
        if not all(self.table.columns):
            self._say("unnamed", "columns without a name are not imported")
        for role in _ORDER:
            self.roles[role] = self._find(role)
        wide = self._label_or_voters()
        self._find_text()
        self._drop_ids_of_judgments()
        styles = self._readable_times() if self.roles["label"] is not None else {}
        self._drop_bookkeeping(long=self.roles["label"] is not None)
        roles = self.roles
        layout = Layout(
            self.table.columns,
            id=roles["id"],
            text=roles["text"],
            annotator=roles["annotator"],
            label=roles["label"],
            seconds=roles["seconds"],
            comment=roles["comment"],
            time=roles["time"],
            wide=wide,
            escaped=escaped,
            time_style=styles.get("time", TimeStyle()),
            seconds_style=styles.get("seconds", TimeStyle()),
            guessed=frozenset(role for role in ROLES if role not in self.given),
            exact=self.options.exact or escaped is not None,
        )
        layout = self._with_metadata(layout)
        self.findings += unread(
            layout.shape,
            self._unread(layout),
            self.labels,
            self.table.columns,
            asked=bool(self.options.annotator_columns),
        )
        layout = replace(layout, ignored=self.ignored, findings=tuple(self.findings))
        check_layout(layout, self.table.file)
        return layout

    def _take(self, names: Sequence[str]) -> int | None:
        taken = next((at for name in names for at, column in self.free.items() if column == name), None)
        if taken is not None:
            del self.free[taken]
        return taken

    def _candidates(self, role: str) -> list[int]:
        """Return the free columns whose names speak of a role: those that the tool names, then the surest."""
        spoken_for = {*self.given.values(), *self.options.annotator_columns}
        free = {at: name for at, name in self.free.items() if name not in spoken_for}
        found = [] if self.tool is None else self.tool.named(role, free)
        plain = {at: plain_name(name) for at, name in free.items() if plain_name(name) in NAMES[role]}
        surest = sorted(plain, key=lambda at: (free[at].startswith("_"), NAMES[role].index(plain[at])))
        return list(dict.fromkeys([*found, *surest]))

    def _find(self, role: str) -> int | None:
        if role in self.given:
            return self._take([self.given[role]])
        if role == "annotator" and (self.options.annotator is not None or self.options.annotator_columns):
            return None
        found = next(iter(self._candidates(role)), None)
        if found is not None:
            del self.free[found]
        return found

    def _say(self, code: str, sentence: str, option: str = "", **about: Any) -> None:
        self.findings.append(finding(code, sentence, option, **about))

    def _give_back(self, *roles: str) -> None:
        for role in roles:
            at = self.roles[role]
            if at is not None and role not in self.given:
                self.free[at] = self.table.columns[at]
                self.roles[role] = None

    def _label_or_voters(self) -> tuple[int, ...]:
        """Find the column of labels where somebody gave them, else the columns that are annotators."""
        named = bool(self.options.annotator_columns)
        somebody = self.roles["annotator"] is not None or self.options.annotator is not None
        weak = (
            self.roles["annotator"] is not None
            and "annotator" not in self.given
            and (plain_name(self.table.columns[self.roles["annotator"]]) in WEAK_ANNOTATORS)
        )
        if "label" in self.given or (somebody and not named):
            votes = self._voters() if weak and "label" not in self.given else ()
            self.roles["label"] = None if len(votes) > 1 else self._label(sure=not weak)
            if any(finding.loses_labels for finding in self.findings):
                return ()
            if self.roles["label"] is not None:
                if not somebody:
                    self._nobody(self.roles["label"])
                    self._give_back("label")
                    self.roles["label"] = None
                else:
                    return ()
        self._give_back("annotator", "seconds", "time", "comment")
        wide = self._voters()
        for at in wide:
            del self.free[at]
        return wide

    def _nobody(self, at: int) -> None:
        name = self.table.columns[at]
        self.free[at] = name
        self._say(
            "nobody_column",
            "column {column} holds labels, and nothing says who gave them",
            "--annotator NAME if one person did, or --column annotator=NAME",
            loses_labels=True,
            column=[name],
        )

    def _voters(self) -> tuple[int, ...]:
        columns = {at: self.found.columns[at] for at in self._possible(())}
        if self.options.annotator_columns:
            wanted = set(self.options.annotator_columns)
            return tuple(at for at, column in columns.items() if column.name in wanted)
        return voters(columns, self.found.rows, self.labels)

    def _possible(self, named: Sequence[int]) -> list[int]:
        """Return the free columns that may hold labels: what a tool keeps books of never does."""
        tool = self.tool
        return [
            at
            for at in sorted(self.free)
            if tool is None or at in named or not tool.is_bookkeeping(self.free[at])
        ]

    def _label(self, *, sure: bool) -> int | None:
        """Take the column of labels: of those that hold classes, the one whose name speaks of labels."""
        if "label" in self.given:
            return self._take([self.given["label"]])
        named = self._candidates("label")
        holding = [at for at in self._possible(named) if class_valued(self.found.columns[at], self.labels)]
        both = [at for at in named if at in holding]
        certain = sure and has_words(self.labels)
        others = [at for at in holding if not is_result(self.table.columns[at], of_words=certain)]
        alike = [] if self.tool is None else self.tool.alike("label", {at: self.free[at] for at in both})
        rivals = alike if len(alike) > 1 else others if sure and not both else []
        if len(rivals) > 1:
            self._say(
                "several",
                "several columns hold labels: {columns}",
                "--column label=NAME for the one to import",
                loses_labels=True,
                columns=[self.table.columns[at] for at in rivals],
            )
            return None
        if both or len(others) == 1:
            chosen: int | None = (both or others)[0]
        elif certain and holding:
            self._say(
                "only_results",
                "columns that hold classes are called like results, not like somebody's labels: {columns}",
                "--column label=NAME to import one, or --keep NAME",
                loses_labels=True,
                columns=[self.table.columns[at] for at in holding],
            )
            return None
        else:
            vague = ("score", "value", "output", "result")
            clear = [at for at in named if plain_name(self.table.columns[at]) not in vague]
            chosen = clear[0] if clear and sure and not (holding and self.labels.classes) else None
        if chosen is not None:
            del self.free[chosen]
        return chosen

    def _find_text(self) -> None:
        """Take a column called `comment` for the text if there is none, else the only column.

        Beside labels, that is a column of several words which are the same for all labels of a text, as a
        remark on a label is not.
        """
        if self.roles["text"] is not None:
            return
        if self.roles["label"] is None:
            called = [at for at, name in self.free.items() if plain_name(name) in NAMES["comment"]]
            possible: list[int] = called or ([*self.free] if len(self.table.columns) == 1 else [])
        else:
            remark = None if "comment" in self.given else self.roles["comment"]
            beside = [at for at in (*self.free, remark) if at is not None]
            worded = [at for at in beside if is_worded(self.table.sample, at)]
            sure = self.roles["id"] is not None and len(worded) == 1 and self._is_about_text(worded[0])
            possible = worded if sure else []
            if possible == [remark]:
                self._give_back("comment")
        if possible:
            self.roles["text"] = possible[0]
            name = self.free.pop(possible[0])
            if self.roles["label"] is not None:
                option = f"--ignore {name} if the texts are known already"
                self._say("text_guessed", "column {column} is taken for the text", option, column=[name])

    def _drop_ids_of_judgments(self) -> None:
        """Let a text have one id, where a column numbers the judgments, each with another number."""
        at, text, who = self.roles["id"], self.roles["text"], self.roles["annotator"]
        if at is None or text is None or who is None or "id" in self.given:
            return
        if self.tool is not None and self.tool.named("id", {at: self.table.columns[at]}):
            return  # the tool knows its ids
        peek = [(as_name(row[at]), as_text(row[text]), as_name(row[who])) for row in self._peek()]
        n_texts = len({text for _, text, _ in peek})
        of_judgments = len({number for number, _, _ in peek}) == len(peek) > n_texts
        plainly = len(peek) >= 1.5 * n_texts or plain_name(self.table.columns[at]) in JUDGMENT_IDS
        plainly = plainly or self.table.columns[at].startswith("_") or bool(self._candidates("id"))
        if of_judgments and plainly and len({(text, who) for _, text, who in peek}) == len(peek):
            name = self.table.columns[at]
            self.ignored[name] = "numbers the judgments, not the texts"
            others = [other for other in self._candidates("id") if not self._unique(other)]
            self.roles["id"] = others[0] if others else None
            if others:
                del self.free[others[0]]
            self._say(
                "judgments",
                "column {column} numbers the judgments: its {judgments} are of {texts} texts",
                f"--column id={name} to take it as the id of the text all the same",
                column=[name],
                judgments=len(peek),
                texts=n_texts,
            )

    def _unique(self, at: int) -> bool:
        values = [as_name(row[at]) for row in self._peek()]
        return len(set(values)) == len(values)

    def _peek(self) -> Iterator[Sequence[object]]:
        return itertools.islice(filter(None, self.table.rows()), _PEEK)

    def _readable_times(self) -> dict[str, TimeStyle]:
        """Tell how times and durations are written; leave out what nobody asked for and cannot be read."""
        styles = {}
        for role in ("time", "seconds"):
            at = self.roles[role]
            if at is None:
                continue
            column = self.found.columns[at]
            month_first = None if self.tool is None else self.tool.month_first
            style = styles[role] = TimeStyle.of(
                column.values, delimiter=self.delimiter, name=column.name, month_first=month_first
            )
            if role not in self.given:
                self._drop_unreadable(role, column, style)
            if role == "time" and self.roles["time"] is not None and style.assumed:
                problem = "column {column} is read as month/day/year; no date tells"
                option = f"--ignore {column.name} to leave it out"
                self._say("month_first", problem, option, column=[column.name])
        self._keep_time_of_text()
        return styles

    def _keep_time_of_text(self) -> None:
        at = self.roles["time"]
        if at is None or "time" in self.given or self.tool is not None or self.roles["text"] is None:
            return
        if not self._is_about_text(at):
            return
        problem = "column {column} is the same for all labels of a text, and is kept as its metadata"
        self._say("time_of_text", problem, column=[self.table.columns[at]])
        self._give_back("time")

    def _drop_unreadable(self, role: str, column: ColumnSurvey, style: TimeStyle) -> None:
        read: Callable[[object, TimeStyle], object] = parse_time if role == "time" else parse_seconds
        values = [value for value in column.values if not self.labels.is_missing(value)]
        wrong = [value for value in values if not reads(read, value, style)]
        if wrong and 2 * len(wrong) >= len(values):
            kind = "a time" if role == "time" else "a number of seconds"
            self.roles[role] = None
            self.ignored[column.name] = f"{wrong[0]!r} cannot be read as {kind}"
            problem = f"column {{column}} is left out: {{value}} cannot be read as {kind}"
            option = f"--keep {column.name} to keep it as metadata of the text"
            code = "no_time" if role == "time" else "no_seconds"
            self._say(code, problem, option, column=[column.name], value=[wrong[0]])

    def _is_about_text(self, at: int) -> bool:
        key = self.roles["id"] if self.roles["id"] is not None else self.roles["text"]
        return key is not None and same_for_each(self._peek(), key, at, self.found.rows)

    def _drop_bookkeeping(self, *, long: bool) -> None:
        for at, name in list(self.free.items()):
            by_tool = self.tool is not None and self.tool.is_bookkeeping(name)
            if by_tool or (plain_name(name) in JUDGMENT_IDS and (long or plain_name(name) == "unnamed0")):
                self.ignored[name] = (
                    f"belongs to {self.tool.title}"
                    if by_tool and self.tool is not None
                    else "numbers the judgments, not the texts"
                )
                del self.free[at]

    def _with_metadata(self, layout: Layout) -> Layout:
        """Make metadata of the columns that are free, and say what is worth saying about it."""
        called = (at for at, name in self.free.items() if name == "metadata")
        nested = next((at for at in called if holds_objects(self.table.sample, at)), None)
        metadata = tuple(sorted({*self.kept, *(at for at in self.free if at != nested)}))
        names = [layout.columns[at] for at in metadata]
        if layout.text is None:
            if names:
                self._say(
                    "no_texts",
                    "not imported, since there is no column of texts: {columns}",
                    columns=names,
                )
            self.ignored.update(dict.fromkeys(names, "there is no column of texts that it could belong to"))
            return layout
        if layout.shape == "long" and metadata:
            self._say(
                "metadata", "kept as metadata of the text, from its first row: {columns}", columns=names
            )
        return replace(layout, metadata=metadata, nested_metadata=nested)

    def _unread(self, layout: Layout) -> list[ColumnSurvey]:
        return [
            self.found.columns[at]
            for at in sorted(self.free)
            if at != layout.nested_metadata
            and not any(f.loses_labels and repr(layout.columns[at]) in f.problem for f in self.findings)
        ]
