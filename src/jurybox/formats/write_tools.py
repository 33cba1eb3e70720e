"""Whole projects in the formats of other tools: each text with the labels of all people."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from jurybox.errors import InputError
from jurybox.formats.records import AnnotationRecord, Export, SkipRecord, TextRecord
from jurybox.formats.tools.controls import asked_whole
from jurybox.formats.values import as_json, as_name
from jurybox.formats.write_forms import write_google_forms, write_inception, write_qualtrics
from jurybox.formats.write_nested import write_argilla, write_label_studio
from jurybox.formats.write_tables import Column, OutTable, grouped, write_csv, write_rows
from jurybox.questions import Question

__all__ = ["TASK_FORMATS", "TOOL_WRITERS", "ToolWriter", "write_tasks"]

_FLUSH = 1 << 20
_UNSAFE = set('/\\:*?"<>|\0')


@dataclass(frozen=True)
class ToolWriter:
    """How a project is written for a tool.

    Parameters
    ----------
    write
        Writes a file.
    suffix
        How its name ends.
    carries
        What of each label comes back besides text, person and class: ``time``, ``seconds``, ``comment``, and
        ``skips``, ``metadata``, and ``unlabelled`` texts.
    """

    write: Callable[[Export, Path], None]
    suffix: str
    carries: frozenset[str]


def _moment(record: AnnotationRecord | SkipRecord) -> str | None:
    return None if record.time is None else record.time.isoformat()


def _known(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _write_objects(objects: Iterator[object], path: Path, *, head: str = "[\n", foot: str = "\n]\n") -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(head)
        for at, one in enumerate(objects):
            file.write((",\n" if at else "") + json.dumps(one, ensure_ascii=False))
        file.write(foot)


def _write_lines(objects: Iterator[object], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


def _write_json(export: Export, path: Path) -> None:
    def objects() -> Iterator[object]:
        for text, _, labels, skips in grouped(export):
            given = [
                _known(
                    annotator=one.annotator,
                    label=one.label,
                    seconds=one.seconds,
                    comment=one.comment,
                    time=_moment(one),
                )
                for one in labels
            ]
            seen = [
                {"label": None, **_known(annotator=one.annotator, comment=one.reason, time=_moment(one))}
                for one in skips
            ]
            yield {
                "id": text.id,
                "text": text.text,
                "metadata": as_json(text.metadata or {}),
                "annotations": [*given, *seen],
            }

    _write_objects(objects(), path)


def _write_prodigy(export: Export, path: Path) -> None:
    """Write lines as ``prodigy db-in`` takes them: a choice among all classes a line."""
    options = [{"id": name, "text": name} for name in export.classes]

    def line(text: TextRecord, one: AnnotationRecord | SkipRecord) -> dict[str, object]:
        labelled = isinstance(one, AnnotationRecord)
        return {
            **_task(text),
            "options": options,
            "accept": [one.label] if isinstance(one, AnnotationRecord) else [],
            "answer": "accept" if labelled else "ignore",
            **_known(
                _annotator_id=one.annotator,
                _session_id=one.annotator,
                _timestamp=None if one.time is None else one.time.timestamp(),
                comment=one.comment if isinstance(one, AnnotationRecord) else one.reason,
                seconds=one.seconds if isinstance(one, AnnotationRecord) else None,
            ),
        }

    def objects() -> Iterator[object]:
        for text, _, labels, skips in grouped(export):
            given: list[AnnotationRecord | SkipRecord] = [*labels, *skips]
            yield from (line(text, one) for one in given) if given else [_task(text)]

    _write_lines(objects(), path)


def _task(text: TextRecord) -> dict[str, object]:
    return {"id": text.id, "text": text.text, "meta": as_json(text.metadata or {})}


def _write_lighttag(export: Export, path: Path) -> None:
    def objects() -> Iterator[object]:
        for text, _, labels, _ in grouped(export):
            yield {
                "example_id": text.id,
                "content": text.text,
                "metadata": as_json(text.metadata or {}),
                "classifications": [
                    {
                        "classname": one.label,
                        "annotated_by": [_known(annotator=one.annotator, timestamp=_moment(one))],
                    }
                    for one in labels
                ],
                "annotations": [],
            }

    _write_objects(objects(), path, head='{"examples": [\n', foot="\n]}\n")


def _write_lewidi(export: Export, path: Path) -> None:
    """Write an object of texts by id, with annotators and annotations side by side."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        separator = "{\n"
        for text, _, labels, _ in grouped(export):
            people, given = [one.annotator for one in labels], [one.label for one in labels]
            record = {
                "text": text.text,
                "number of annotations": len(labels),
                "annotators": _side_by_side(people, given) or people,
                "annotations": _side_by_side(given, people) or given,
                "metadata": as_json(text.metadata or {}),
            }
            file.write(
                f"{separator}{json.dumps(text.id, ensure_ascii=False)}: "
                f"{json.dumps(record, ensure_ascii=False)}"
            )
            separator = ",\n"
        file.write("{}\n" if separator == "{\n" else "\n}\n")


def _side_by_side(names: Sequence[str], others: Sequence[str]) -> str:
    """Return names with commas between, or nothing where one of either list would not come back from that."""
    plain = all(
        name and name == name.strip(" '\"\t\r\n") and not set(name) & set(",;|[]()")
        for name in (*names, *others)
    )
    return ",".join(names) if plain else ""


def _names_a_file(name: str) -> bool:
    """Whether every system can have a file of this name."""
    return not (
        set(name) & _UNSAFE or name.startswith((".", "__")) or name.endswith(".") or not name.isprintable()
    )


def _write_by_person(
    export: Export,
    path: Path,
    name_of: Callable[[str], str],
    line: Callable[[TextRecord, AnnotationRecord | None], object],
) -> None:
    """Write an archive with a file of lines for each person; texts without labels are in one for nobody."""
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        waiting: dict[str, list[str]] = {}
        size = 0

        def flush() -> None:
            for name, lines in waiting.items():
                held = files.setdefault(name, Path(folder) / str(len(files)))
                with held.open("a", encoding="utf-8", newline="\n") as file:
                    file.writelines(lines)
            waiting.clear()

        for text, _, labels, _ in grouped(export):
            given: list[AnnotationRecord | None] = [*labels]
            for one in given or [None]:
                name = name_of(
                    one.annotator if one is not None and _names_a_file(one.annotator) else "unknown"
                )
                waiting.setdefault(name, []).append(json.dumps(line(text, one), ensure_ascii=False) + "\n")
                size += len(text.text) + 100
                if size > _FLUSH:
                    flush()
                    size = 0
        flush()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, held in sorted(files.items()):
                archive.write(held, name)


_OF_DOCCANO = frozenset({"id", "text", "data", "label", "Comments", "annotator", "metadata", "meta"})
"""Fields that metadata of the same name would overwrite, and so are apart."""


def _write_doccano(export: Export, path: Path) -> None:
    """Write a list of labels a text, of the only question."""
    if len(export.questions) > 1:
        names = ", ".join(each.name for each in export.questions)
        raise InputError(
            f"format is 'doccano', which has one list of labels a text; the questions are {names}"
        )

    def of(label: str) -> list[str]:
        if not export.questions:
            return [label]
        return asked_whole(export.questions, label, "doccano")[export.questions[0].name]

    def line(text: TextRecord, one: AnnotationRecord | None) -> object:
        """Name the annotator in the line, too: not every name can be that of a file."""
        held = {name: as_json(value) for name, value in (text.metadata or {}).items()}
        apart = {name: value for name, value in held.items() if name in _OF_DOCCANO}
        own: dict[str, object] = {"id": text.id, "text": text.text}
        own |= {"metadata": apart} if apart else {}
        own |= {name: value for name, value in held.items() if name not in apart}
        if one is None:
            return {**own, "label": [], "Comments": []}
        return {
            **own,
            "label": of(one.label),
            "Comments": [one.comment] if one.comment else [],
            "annotator": one.annotator,
        }

    _write_by_person(export, path, lambda name: f"{name}.jsonl", line)


def _write_potato(export: Export, path: Path) -> None:
    def line(text: TextRecord, one: AnnotationRecord | None) -> object:
        spent = "" if one is None or one.seconds is None else f"Time spent: {one.seconds!r} s"
        return {
            "id": text.id,
            "displayed_text": text.text,
            "label_annotations": {} if one is None else {"label": {one.label: "1"}},
            "span_annotations": {},
            "behavioral_data": _known(time_string=spent),
            "metadata": as_json(text.metadata or {}),
            **({} if one is None else {"user": one.annotator}),
        }

    _write_by_person(export, path, lambda name: f"{name}/annotated_instances.jsonl", line)


def _table(export: Export, columns: Mapping[str, str]) -> OutTable:
    """Return a table with a row a label, of columns that are called otherwise; ``=x`` is a constant."""

    def rows() -> Iterator[Sequence[object]]:
        for text, _, labels, skips in grouped(export):
            given: list[AnnotationRecord | SkipRecord | None] = [*labels, *skips]
            for one in given or [None]:
                known = {"id": text.id, "text": text.text}
                if one is not None:
                    known |= {"annotator": one.annotator, "time": _moment(one) or ""}
                if isinstance(one, AnnotationRecord):
                    known |= {
                        "label": one.label,
                        "seconds": "" if one.seconds is None else repr(one.seconds),
                        "comment": one.comment,
                    }
                elif isinstance(one, SkipRecord):
                    known |= {"comment": one.reason}
                yield [role[1:] if role.startswith("=") else known.get(role, "") for role in columns.values()]

    return OutTable("labels", tuple(Column(name) for name in columns), rows)


_MTURK = {
    "HITId": "id",
    "WorkerId": "annotator",
    "AssignmentStatus": "=Approved",
    "SubmitTime": "time",
    "WorkTimeInSeconds": "seconds",
}
_MTURK |= {"Input.id": "id", "Input.text": "text", "Answer.label": "label", "Answer.comment": "comment"}
_TOLOKA = {"INPUT:id": "id", "INPUT:text": "text", "OUTPUT:result": "label", "OUTPUT:comment": "comment"}
_TOLOKA |= {
    "ASSIGNMENT:worker_id": "annotator",
    "ASSIGNMENT:status": "=APPROVED",
    "ASSIGNMENT:submitted": "time",
}
_APPEN = {
    "_unit_id": "id",
    "_created_at": "time",
    "_worker_id": "annotator",
    "label": "label",
    "id": "id",
    "text": "text",
}


_CROWD_KIT = {"task": "id", "worker": "annotator", "label": "label", "text": "text"}
_CROWD_KIT |= {"seconds": "seconds", "comment": "comment", "time": "time"}


def _write_wide(export: Export, path: Path) -> None:
    """Write a row a text and a column a person."""
    people = sorted({one.annotator for one in export.annotations})
    names = ["id", "text", *map(as_name, people)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"format is 'wide', in which two columns would be called {twice!r}; take another one"
        )

    def rows() -> Iterator[Sequence[object]]:
        for text, _, labels, _ in grouped(export):
            given = {one.annotator: one.label for one in labels}
            yield [text.id, text.text, *(given.get(name, "") for name in people)]

    write_csv(OutTable("wide", tuple(map(Column, ("id", "text", *people))), rows), path)


_ALL = frozenset({"time", "seconds", "comment", "skips", "metadata", "unlabelled"})

TOOL_WRITERS: dict[str, ToolWriter] = {
    "label-studio": ToolWriter(write_label_studio, ".json", _ALL),
    "json": ToolWriter(_write_json, ".json", _ALL),
    "doccano": ToolWriter(_write_doccano, ".zip", frozenset({"comment", "metadata", "unlabelled"})),
    "argilla": ToolWriter(write_argilla, ".json", frozenset({"metadata", "unlabelled"})),
    "prodigy": ToolWriter(_write_prodigy, ".jsonl", _ALL),
    "potato": ToolWriter(_write_potato, ".zip", frozenset({"seconds", "metadata", "unlabelled"})),
    "lighttag": ToolWriter(_write_lighttag, ".json", frozenset({"time", "metadata", "unlabelled"})),
    "lewidi": ToolWriter(_write_lewidi, ".json", frozenset({"metadata", "unlabelled"})),
    "mturk": ToolWriter(
        lambda export, path: write_csv(_table(export, _MTURK), path), ".csv", _ALL - {"metadata"}
    ),
    "toloka": ToolWriter(
        lambda export, path: write_csv(_table(export, _TOLOKA), path, delimiter="\t"),
        ".tsv",
        _ALL - {"metadata", "seconds"},
    ),
    "appen": ToolWriter(
        lambda export, path: write_csv(_table(export, _APPEN), path),
        ".csv",
        frozenset({"time", "skips", "unlabelled"}),
    ),
    "wide": ToolWriter(_write_wide, ".csv", frozenset({"unlabelled"})),
    "google-forms": ToolWriter(write_google_forms, ".csv", frozenset({"time", "unlabelled"})),
    "qualtrics": ToolWriter(write_qualtrics, ".csv", frozenset({"time", "unlabelled"})),
    "inception": ToolWriter(write_inception, ".zip", _ALL - {"metadata"}),
    "crowd-kit": ToolWriter(
        lambda export, path: write_csv(_table(export, _CROWD_KIT), path), ".csv", _ALL - {"metadata"}
    ),
}
"""The files that whole projects are written into, by format."""

TASK_FORMATS = ("label-studio", "prodigy", "csv")
"""What texts that wait for a label can be written as, for another tool to show them."""


def write_tasks(
    texts: Sequence[TextRecord],
    classes: Sequence[str],
    form: str,
    out: TextIO,
    questions: Sequence[Question] = (),
) -> None:
    """Write texts without labels in one of `TASK_FORMATS`; the labels come back as an export of the tool.

    Several questions have a column each, in the format ``csv``.

    Raises
    ------
    InputError
        If there is no such format.
    """
    if form == "label-studio":
        tasks = [
            {"data": {"id": text.id, "text": text.text, "metadata": as_json(text.metadata or {})}}
            for text in texts
        ]
        out.write(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    elif form == "prodigy":
        options = [{"id": name, "text": name} for name in classes]
        out.writelines(
            json.dumps({**_task(text), "options": options}, ensure_ascii=False) + "\n" for text in texts
        )
    elif form == "csv":
        asked = [each.name for each in questions] or ["label"]
        columns = tuple(map(Column, ("id", "text", *asked, "comment")))
        empty = ("",) * (len(asked) + 1)
        rows = OutTable("tasks", columns, lambda: iter([(text.id, text.text, *empty) for text in texts]))
        write_rows(rows, out)
    else:
        raise InputError(f"format is {form!r}, expected one of {', '.join(TASK_FORMATS)}")
