"""Opening one file: as a table whose columns are understood, or as objects of a tool."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jurybox.errors import FormatError
from jurybox.formats.answered import LABEL, with_answers
from jurybox.formats.columns import guess_layout
from jurybox.formats.detect import is_guess, sniff_encoding
from jurybox.formats.inside import objects_in_cells, paired
from jurybox.formats.marks import with_marked_labels
from jurybox.formats.names import is_known
from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import ColumnPlan, FilePlan, Finding, Tally, finding
from jurybox.formats.read_binary import objects_of, open_feather, open_huggingface, open_parquet, open_sheets
from jurybox.formats.read_csv import SAMPLE_ROWS, labelled_lines, open_csv, open_lines
from jurybox.formats.read_json import iter_objects, table_of_objects
from jurybox.formats.records import Record, Table, later_only
from jurybox.formats.rows import columns_of, read_table
from jurybox.formats.survey import Survey, survey
from jurybox.formats.tools import OBJECT_TOOLS, TABLE_TOOLS, object_tool, table_tool
from jurybox.formats.tools.base import Context, ObjectTool, TableTool, fields_of, read_items
from jurybox.formats.tools.controls import SEVERAL_TOOLS
from jurybox.formats.tools.forms import (
    FORMS,
    QUALTRICS,
    TURNED,
    asks_for_texts,
    is_turned,
    turned,
    without_preamble,
)
from jurybox.formats.tools.inception import webanno_objects
from jurybox.formats.values import LabelReader

__all__ = ["Opening", "Part", "open_part", "open_parts"]

NO_ROWS = finding("no_rows", "holds no rows")
_Objects = Callable[[], Iterator[Mapping[str, object]]]


@dataclass(frozen=True)
class Part:
    """One file of a source.

    Parameters
    ----------
    plan
        How it is read.
    read
        Returns its records, anew at each call.
    tally
        Counts what is left out while it is read.
    nobody
        Whether it holds labels of which it does not say who gave them.
    values
        What the columns of a table hold, of those that hold few values.
    """

    plan: FilePlan
    read: Callable[[], Iterator[Record]]
    tally: Tally = field(default_factory=Tally)
    nobody: bool = False
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def remarked(self, *findings: Finding) -> Part:
        """Return the part with more things that a person should know."""
        return replace(self, plan=replace(self.plan, findings=(*self.plan.findings, *findings)))

    def renamed(self, file: str, shown: Callable[[str], str]) -> Part:
        """Return the part of a file by another name, also in its errors."""

        def records() -> Iterator[Record]:
            try:
                yield from self.read()
            except FormatError as error:
                raise error.within(file, shown(error.problem)) from error

        return replace(self, plan=replace(self.plan, file=file), read=records)


def open_parts(path: Path, form: str, options: ReadOptions) -> list[Part]:
    """Open a file: of a spreadsheet every sheet, those with texts first.

    A sheet that says nothing of who labelled is of the person whom its name names, unless that is the
    program's. Sheets that hold neither texts nor labels are left out with a remark; of those that cannot be
    read, labels would be lost.

    Raises
    ------
    FormatError
        If it cannot be read, or what its columns are cannot be told.
    """
    sheets = open_sheets(path) if form == "sheet" else {}
    if len(sheets) < 2:
        return [open_part(path, form, options)]
    parts: list[Part] = []
    left: list[str] = []
    remarks: list[Finding] = []
    for name, table in sheets.items():
        opening = Opening(Path(table.file), form, options.format, options)
        if not table.sample or (len(table.columns) == 1 and not is_known(table.columns[0])):
            left.append(name)  # words about the other sheets
            continue
        try:
            part = opening.table(table)
            if part.nobody and options.annotator is None and not _PROGRAMS_NAME.fullmatch(name):
                theirs = replace(options, annotator=name)
                part = Opening(Path(table.file), form, options.format, theirs).table(table)
                part = part.remarked(
                    finding(
                        "person_of_sheet",
                        "the name of the sheet is taken for the annotator: {name}",
                        name=name,
                    )
                )
            parts.append(part)
        except FormatError as error:
            if error.code in ("no_text_column", "no_label_column"):
                left.append(name)
            else:
                remarks.append(_unread(name, error))
    if not parts:
        return [open_part(path, form, options)]
    if left:
        problem = "sheets left out, which hold neither texts nor labels: {names}"
        remarks.append(finding("sheets", problem, names=left))
    parts[0] = parts[0].remarked(*remarks)
    return sorted(parts, key=lambda part: "text" not in part.plan.roles)


def _unread(name: str, error: FormatError) -> Finding:
    column = "" if error.column is None else f"column {error.column!r}: "
    return finding(
        "sheet_unread",
        "sheet {name} cannot be read: {problem}",
        loses_labels=True,
        name=name,
        problem=f"{column}{error.problem}",
    )


def _first_sheet(path: Path) -> Table:
    return next(iter(open_sheets(path).values()))


_PROGRAMS_NAME = re.compile(
    r"(?:sheet|tabelle|feuil|feuille|hoja|planilha|foglio|blad|лист|ورقة|data|labels?|annotations?|texts?)"
    r"[ _]?\d*",
    re.IGNORECASE,
)


def open_part(path: Path, form: str, options: ReadOptions, *, known_labels: bool = False) -> Part:
    """Open a file that is written in some form.

    Parameters
    ----------
    form
        What `sniff_format` said of it; a form or tool in the options counts more.
    known_labels
        Whether its labels are known ones, nobody's votes: texts of a data set.

    Raises
    ------
    FormatError
        If it cannot be read, or what its columns are cannot be told.
    """
    asked = options.format
    tools = {*(tool.name for tool in OBJECT_TOOLS), *(tool.name for tool in TABLE_TOOLS), "google-forms"}
    if asked not in ("auto", *tools) or asked == "json":
        form = asked
    opening = Opening(path, form, asked, options, known_labels)
    if form in ("csv", "tsv", "lines", "webanno", "json", "jsonl"):
        opening.encoding = options.encoding or sniff_encoding(path)
    if form in ("csv", "tsv"):
        table, opening.delimiter = open_csv(
            path, opening.encoding or "", options.delimiter, "\t" if form == "tsv" else None
        )
        return opening.table(table)
    if form == "lines":
        return opening.table(labelled_lines(open_lines(path, opening.encoding or ""), opening.labels))
    if form == "webanno":
        return opening.objects(lambda: webanno_objects(path, opening.encoding or ""))
    openers = {
        "parquet": open_parquet,
        "arrow": open_feather,
        "huggingface": open_huggingface,
        "sheet": _first_sheet,
    }
    if form in openers:
        return opening.table(openers[form](path))
    return opening.objects(lambda: iter_objects(path, opening.encoding or ""))


@dataclass
class Opening:
    """One file on its way to being understood."""

    path: Path
    form: str
    asked: str
    options: ReadOptions
    known_labels: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    preamble: int = 0
    marks: tuple[ColumnPlan, ...] = ()

    def __post_init__(self) -> None:
        self.labels = LabelReader(self.options.classes, str(self.path), self.options.missing)
        self.tally = Tally()

    def context(self) -> Context:
        """Return what readers of objects are told."""
        return Context(
            str(self.path),
            self.labels,
            self.options.columns,
            self.options.annotator,
            frozenset(self.options.ignore),
            self.tally,
            self.options.exact,
            questions=tuple(self.options.questions),
        )

    def objects(self, read: _Objects) -> Part:
        """Open objects: of a tool, or else the rows of a table."""
        sample, rows = _sample(itertools.islice(read(), SAMPLE_ROWS) if self.options.exact else read())
        if all(value == [] for found in sample for value in found.values()):  # as in {"examples": []}
            return Part(
                FilePlan(
                    str(self.path), self.form, "texts", self.encoding, findings=(*self.about_file(), NO_ROWS)
                ),
                lambda: iter(()),
            )
        tool = None if self.options.exact else object_tool(self.asked, sample)
        if tool is not None and self.options.questions and not self._holds_several(tool):
            tool = None
        if tool is None:
            return self.table(table_of_objects(read, self.path))
        return self.items(tool, read, sample, rows)

    def _holds_several(self, tool: ObjectTool) -> bool:
        """Whether objects of a tool are read as such in a project with several questions.

        doccano's are like rows of a table, with lists in their cells: they are its own where it is named.
        """
        return tool.name in SEVERAL_TOOLS and tool.name in (self.asked, "label-studio", "argilla")

    def items(
        self, tool: ObjectTool, read: _Objects, sample: Sequence[Mapping[str, object]], rows: int
    ) -> Part:
        """Open the objects of a tool, of which there are so many."""
        about = self.context()
        columns, nobody = fields_of(tool, sample, replace(about, tally=Tally(), annotator=None))
        plan = FilePlan(
            str(self.path),
            tool.name,
            "nested",
            self.encoding,
            columns=columns,
            rows=rows,
            findings=self.about_file(),
        )

        def records() -> Iterator[Record]:
            return read_items(tool.items(read(), about), about)

        latest = (lambda: later_only(records, self.tally.clear)) if tool.name == "prodigy" else records
        return Part(plan, latest, self.tally, nobody)

    def table(self, table: Table) -> Part:
        """Open a table: some have lists in their cells, as objects have, and some several answers a row."""
        self.preamble = table.preamble
        if self.options.questions:
            table, answered = with_answers(table, self.options.questions, self.labels.is_missing)
            roles = {LABEL: LABEL} if answered else {}
            self.options = replace(self.options, columns={**roles, **self.options.columns})
            return self.understood(table, survey(table), None)
        sample: Sequence[Mapping[str, object]] = [
            dict(zip(table.columns, row, strict=True)) for row in table.sample[:SAMPLE_ROWS]
        ]
        ours = self.form == "lines" or (self.options.exact and self.form != "huggingface")
        rows: int | None = None
        if self.form in _WITH_LISTS and not ours:
            sample, rows = _sample(objects_of(table))
        tool = None if ours else object_tool(self.asked, sample)
        if tool is not None:
            rows = sum(1 for _ in table.rows()) if rows is None else rows
            return self.items(tool, lambda: objects_of(table), sample, rows)
        known = None if ours else table_tool(self.asked, table.columns)
        if not (known or ours) and (part := self._with_answers_inside(table)) is not None:
            return part
        about = self.context()
        if known is QUALTRICS:
            table = without_preamble(table, about)
        elif known is not None and known.convert is not None:
            table = known.convert(table, about)
        found = survey(table)
        if known is None and not ours and "label" not in self.options.columns:
            asked = (*self.options.keep, *self.options.ignore, *self.options.annotator_columns)
            marked, marks = with_marked_labels(table, found, self.labels, asked)
            if marks:
                words = [found.columns[at] for at in marks]
                self.marks = tuple(
                    ColumnPlan(one.name, "label", one.filled, "marks a class") for one in words
                )
                return self.understood(marked, survey(marked), None)
        return self.understood(table, found, known)

    def _with_answers_inside(self, table: Table) -> Part | None:
        """Open a table whose rows have several annotations each as objects of a tool; None for any other."""
        found = paired(table, self.labels, self.options)
        read = objects_in_cells(table) if found is None else found[0]
        sample, rows = ([], 0) if read is None else _sample(read())
        if read is None or (tool := object_tool(self.asked, sample)) is None:
            return None
        part = self.items(tool, read, sample, rows)
        plan, (_, columns) = part.plan, found or (read, ())
        kept = [one for one in plan.columns if not columns or one.name != "annotations"]
        return replace(part, plan=replace(plan, columns=(*kept, *columns)))

    def understood(self, table: Table, found: Survey, tool: TableTool | None) -> Part:
        """Open a table by what its columns hold."""
        findings = self.about_file()
        if not found.rows:
            findings = (*findings, NO_ROWS)
        form = self.form if tool is None else tool.name
        if self.asked == "google-forms" or is_turned(table, found, self.labels):
            sure = self.asked in ("google-forms", "qualtrics") or asks_for_texts(table.columns)
            if not (self.options.turn or sure):
                plan = FilePlan(
                    str(self.path),
                    form,
                    "texts",
                    self.encoding,
                    self.delimiter,
                    rows=found.rows,
                    findings=(*findings, TURNED),
                )
                return Part(plan, lambda: iter(()), self.tally)
            table, left = turned(table, found, self.labels)
            if left:
                problem = "columns that are neither texts nor say who answered when are left out: {columns}"
                findings = (*findings, finding("not_turned", problem, columns=left))
            form = FORMS.name if tool is None else form
            found, tool = survey(table), FORMS
        layout = guess_layout(table, found, self.options, self.labels, tool=tool, delimiter=self.delimiter)
        nobody = any(one.loses_labels for one in layout.findings)
        if self.known_labels:
            layout = replace(layout, findings=tuple(_as_known(found) for found in layout.findings))
        plan = FilePlan(
            str(self.path),
            form,
            layout.shape,
            self.encoding,
            self.delimiter,
            (*self.marks, *columns_of(layout, found)),
            found.rows,
            (*findings, *layout.findings),
        )

        def records() -> Iterator[Record]:
            return read_table(table, layout, self.labels, self.tally, annotator=self.options.annotator)

        values = {
            column.name: [value for value in column.values if not self.labels.is_missing(value)]
            for column in found.columns
            if not column.many
        }
        resubmits = tool is not None and tool.resubmits
        latest = (lambda: later_only(records, self.tally.clear)) if resubmits else records
        return Part(plan, latest, self.tally, nobody, values)

    def about_file(self) -> tuple[Finding, ...]:
        """Say that the encoding was guessed and rows were passed over, where it is so."""
        findings = []
        if self.encoding is not None and self.options.encoding is None and is_guess(self.encoding):
            problem = "is not UTF-8; its encoding is guessed to be {encoding}"
            option = "--encoding NAME if letters look wrong"
            findings.append(finding("encoding", problem, option, encoding=self.encoding))
        if self.preamble:
            problem = "rows above the names of the columns left out: {rows}"
            findings.append(finding("preamble", problem, rows=self.preamble))
        return tuple(findings)


_WITH_LISTS = ("parquet", "arrow", "huggingface")


def _sample(objects: Iterator[Mapping[str, object]]) -> tuple[list[Mapping[str, object]], int]:
    """Return the first objects and later ones that have a new field or kind of value, and how many there are.

    Labels may come late: in a file that was sorted by them, thousands of objects have none.
    """
    sample: list[Mapping[str, object]] = []
    seen: set[tuple[str, type, bool]] = set()
    rows = 0
    for rows, found in enumerate(objects, 1):
        if rows > SAMPLE_ROWS and len(sample) >= 2 * SAMPLE_ROWS:
            continue
        kinds = {(name, type(value), bool(value)) for name, value in found.items()}
        if rows <= SAMPLE_ROWS or not kinds <= seen:
            sample.append(found)
            seen |= kinds
    return sample, rows


def _as_known(found: Finding) -> Finding:
    code = "known" if found.code in ("nobody", "nobody_lists", "nobody_counts") else found.code
    problem = found.problem.replace(
        "labels would be lost: nothing says", "known labels, nobody's votes: nothing says"
    )
    return replace(found, loses_labels=False, problem=problem, code=code)
