"""Label Studio: tasks with annotations (JSON and storage files), and tables of them (JSON_MIN, CSV, TSV)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from jurybox.formats.plan import finding
from jurybox.formats.records import Row, Table
from jurybox.formats.tools.base import (
    DRAFTS,
    PREDICTIONS,
    SPANS_BESIDE,
    Answer,
    Context,
    Item,
    TableTool,
    only_of_classes,
    other_answers,
    span_problem,
)
from jurybox.formats.tools.fields import TEXTS, who
from jurybox.formats.values import as_text

__all__ = ["LABEL_STUDIO_TABLE", "LabelStudio"]

_TEXTS = (*TEXTS, "html", "$undefined$")
_RESUBMITTED = finding("resubmitted", "submitted anew by the same annotator; the later one counts")


class LabelStudio:
    """Tasks: `data` with the text, `annotations` with the `result`s of each annotator."""

    name = "label-studio"
    title = "Label Studio"
    documentation = "https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects are tasks, or annotations that hold their task as target storage does."""
        return any(isinstance(found.get("data"), Mapping) or _is_stored(found) for found in sample)

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with the answers of all who labelled it."""
        for row, found in enumerate(objects, 1):
            yield row, _item(_task_of(found), row, about)


def _is_stored(found: Mapping[str, object]) -> bool:
    return isinstance(found.get("result"), list) and isinstance(found.get("task"), Mapping)


def _task_of(found: Mapping[str, object]) -> Mapping[str, object]:
    """Return the task: of a storage file, which is an annotation, the one that it holds."""
    task = found.get("task")
    return (
        {**task, "annotations": [found], "drafts": None}
        if _is_stored(found) and isinstance(task, Mapping)
        else found
    )


def _item(task: Mapping[str, object], row: int, about: Context) -> Item:
    data = task.get("data")
    if not isinstance(data, Mapping):
        raise about.wrong("is no object", row, "data", data)
    field = about.text_field(data, _TEXTS, row)
    id_field = about.given.get("id", "id")
    annotations = task.get("annotations", task.get("completions")) or []
    if not isinstance(annotations, list):
        raise about.wrong("is no list of annotations", row, "annotations", annotations)
    for kept, found in (("predictions", PREDICTIONS), ("drafts", DRAFTS)):
        held = task.get(kept)
        for prediction in held if isinstance(held, list) else ():
            if not (isinstance(prediction, Mapping) and prediction.get("model_version") == "jurybox"):
                about.tally.note(found, row)
    metadata = about.metadata(data, [field, id_field], row)
    return Item(
        data[field],
        _answers(annotations, row, about),
        data.get(id_field, task.get(id_field)),
        metadata,
        field,
    )


def _answers(annotations: Sequence[object], row: int, about: Context) -> list[Answer]:
    """Return one answer a person: the one that was submitted last."""
    last: dict[str, tuple[str, Answer]] = {}
    nobody = []
    for annotation in annotations:
        if not isinstance(annotation, Mapping):
            raise about.wrong("is no annotation", row, "annotations", annotation)
        answer = _answer(annotation, row, about)
        submitted = as_text(annotation.get("updated_at") or annotation.get("created_at"))
        name = as_text(answer.annotator)
        if not name:
            nobody.append(answer)
        elif name not in last or submitted >= last[name][0]:
            if name in last:
                about.tally.note(_RESUBMITTED, row)
            last[name] = (submitted, answer)
    return [*(answer for _, answer in last.values()), *nobody]


def _answer(annotation: Mapping[str, object], row: int, about: Context) -> Answer:
    results = annotation.get("result")
    results = [held for held in results if isinstance(held, Mapping)] if isinstance(results, list) else []
    read = _by_control if about.questions else _label
    label, chosen = (None, {}) if annotation.get("was_cancelled") else read(results, row, about)
    details = chosen.get("meta", annotation.get("meta"))
    details = details if isinstance(details, Mapping) else {}
    return Answer(
        who(details) or who(annotation),
        annotation.get("label") if "result" not in annotation else label,
        annotation.get("lead_time", annotation.get("seconds")),
        details.get("comment", annotation.get("comment")) or _remark(results),
        details.get("time", annotation.get("time", annotation.get("created_at"))),
        "annotations",
    )


def _label(
    results: Sequence[Mapping[str, object]], row: int, about: Context
) -> tuple[object, Mapping[str, object]]:
    """Return the label that the only control of labels gave, or the one that was named."""
    wanted = about.given.get("label")
    found: dict[str, tuple[object, Mapping[str, object]]] = {}
    spans = []
    for result in results:
        control, value = as_text(result.get("from_name")), result.get("value")
        if wanted not in (None, control) or not isinstance(value, Mapping):
            continue
        label = _value(value, about)
        if _is_span(value):
            spans.append(control)
        elif label is not None:
            if control in found:
                raise about.wrong(
                    f"has several results of control {control!r}; expected one", row, "result", label
                )
            found[control] = (label, result)
    if len(found) > 1:
        found = only_of_classes(found, lambda one: [one[0]], row, "result", about)
    if spans and not found:
        raise span_problem(about, row, "result", None, f" (control {spans[0]!r})")
    for _ in spans:
        about.tally.note(SPANS_BESIDE, row)
    return next(iter(found.values()), (None, {}))


def _by_control(
    results: Sequence[Mapping[str, object]], row: int, about: Context
) -> tuple[object, Mapping[str, object]]:
    """Return what each control says, by name, and the first result, which says by whom.

    Where choices are empty none of them applies; which of them were asked for may stand beside.
    """
    found: dict[str, object] = {}
    chosen: Mapping[str, object] = {}
    for result in results:
        control, value = as_text(result.get("from_name")), result.get("value")
        if not isinstance(value, Mapping):
            continue
        if _is_span(value):
            about.tally.note(SPANS_BESIDE, row)
            continue
        label = _value(value, about)
        if label is None:
            continue
        if control in found:
            raise about.wrong(
                f"has several results of control {control!r}; expected one", row, "result", label
            )
        meta = result.get("meta")
        asked = meta.get("asked") if isinstance(meta, Mapping) else None
        if isinstance(asked, list) and isinstance(label, list):
            label = {"yes": label, "asked": [*dict.fromkeys([*asked, *label])]}
        found[control] = label
        chosen = chosen or result
    known = {each.name for each in about.questions}
    for name in found.keys() - known if len(found) > 1 else ():
        about.tally.note(other_answers(name), row)
    return found or None, chosen


def _is_span(value: Mapping[str, object]) -> bool:
    return "start" in value or any(name.endswith("labels") for name in map(as_text, value))


def _value(value: Mapping[str, object], about: Context) -> object:
    """Return the label that a result states; None where it is none, such as a text that was typed."""
    if "taxonomy" in value:
        paths = value["taxonomy"] if isinstance(value["taxonomy"], list) else []
        above = [path[:-1] for path in paths if isinstance(path, list)]  # branches of what was chosen
        return [_leaf(path, about) for path in paths if path not in above] or None
    return next((value[kind] for kind in ("choices", "rating", "number", "selected") if kind in value), None)


def _leaf(path: object, about: Context) -> object:
    """Return a path of a taxonomy as the class of that name, or that of its last part, or ``a / b``."""
    parts = [as_text(part) for part in path] if isinstance(path, list) else [as_text(path)]
    joined = [separator.join(parts) for separator in (" / ", "/", " > ", ">", "::", ".")]
    return next((name for name in (*joined, *parts[-1:]) if about.labels.knows(name)), " / ".join(parts))


def _remark(results: Sequence[Mapping[str, object]]) -> str:
    typed = [
        as_text(line)
        for result in results
        if isinstance(value := result.get("value"), Mapping)
        and "choices" not in value
        and "start" not in value
        for line in (value["text"] if isinstance(value.get("text"), list) else [])
    ]
    return "\n".join(typed)


_KINDS = frozenset({"choices", "rating", "number", "taxonomy", "selected", "start"})


def _results(cell: object) -> list[Mapping[str, object]]:
    """Return the results that JSON_MIN and CSV leave in a cell; none if it holds anything else."""
    if isinstance(cell, str):
        if not cell.startswith(("[{", '{"')):
            return []
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return []
    held = cell if isinstance(cell, list) else [cell]
    results = [one for one in held if isinstance(one, Mapping) and one.keys() & _KINDS]
    return results if len(results) == len(held) else []


def _labels_in(results: Sequence[Mapping[str, object]], about: Context) -> list[object]:
    held = [_value(one, about) for one in results]
    return [label for one in held for label in (one if isinstance(one, list) else [one])]


def _convert(table: Table, about: Context) -> Table:
    """Read what is wrapped: ``[{"rating": 4}]`` is 4. Several labels and spans are refused by name."""
    wanted = about.given.get("label")
    labelled = about.labels.classes is None or any(
        about.labels.knows(as_text(label))
        for row in table.sample
        for cell in row
        for label in (_labels_in(_results(cell), about) or [cell])
        if not isinstance(label, list | Mapping)
    )

    def plain(cell: object, number: int, name: str) -> object:
        results = _results(cell)
        if not results or wanted not in (None, name):
            return cell
        if any(map(_is_span, results)):
            if wanted == name or not labelled:
                raise span_problem(about, number, name, None)
            about.tally.note(SPANS_BESIDE, number)
            return cell
        given = _labels_in(results, about)
        if len(given) == 1:
            return given[0]
        if wanted == name or any(about.labels.knows(as_text(label)) for label in given):
            raise about.wrong("holds several labels; expected one label a text", number, name, given)
        return cell

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table.rows(), 1):
            yield tuple(plain(cell, number, name) for cell, name in zip(row, table.columns, strict=True))

    return Table(table.file, table.columns, table.sample, rows)


LABEL_STUDIO_TABLE = TableTool(
    name="label-studio",
    title="Label Studio",
    documentation="https://labelstud.io/guide/export#JSON_MIN",
    signs=("annotation_id", "lead_time"),
    roles={
        "annotator": ("annotator",),
        "id": ("id",),
        "seconds": ("lead_time",),
        "time": ("updated_at", "created_at"),
    },
    bookkeeping=("annotation_id", "updated_at", "created_at", "agreement"),
    convert=_convert,
    resubmits=True,
)
