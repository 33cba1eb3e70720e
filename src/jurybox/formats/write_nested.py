"""Texts with all of their annotations: as a Hugging Face folder, Label Studio tasks, Argilla records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jurybox.errors import InputError, require
from jurybox.formats.records import POSITION, AnnotationRecord, ConsensusRecord, Export, SkipRecord
from jurybox.formats.tools.controls import apart_by_question, asked_whole
from jurybox.formats.values import as_json
from jurybox.formats.write_tables import grouped
from jurybox.questions import Question

__all__ = ["LABEL_CONTROL", "write_argilla", "write_huggingface", "write_label_studio"]

LABEL_CONTROL = "label"
"""Name of the control with the choices in a Label Studio labelling configuration."""


def write_huggingface(export: Export, folder: Path, *, push_to_hub: str | None = None) -> None:
    """Fill a folder that ``datasets.load_from_disk`` opens: one split, `train`, one row a text.

    A label that no annotation speaks for is marked as a guess of the model: ``is_guess``. ``push_to_hub``
    names a data set of the Hugging Face hub that gets the rows, too; it is private unless it exists.

    Raises
    ------
    MissingExtraError
        If datasets is not installed.
    InputError
        If there are no texts: the library writes data sets without rows, but cannot read them; or if the hub
        does not take them.
    """
    datasets = require("datasets", extra="hub")
    writer_of = require("datasets.arrow_writer", extra="hub").ArrowWriter
    text, number = datasets.Value("string"), datasets.Value("float64")
    annotation = {"annotator": text, "label": text, "seconds": number, "comment": text, "time": text}
    features = datasets.Features(
        {
            "id": text,
            "text": text,
            "label": datasets.ClassLabel(names=list(export.classes)),
            "is_guess": datasets.Value("bool"),
            "quality": number,
            "agreement": number,
            "n_annotations": datasets.Value("int64"),
            "label_by": text,
            "probabilities": datasets.Sequence(number),
            **({"shares": datasets.Sequence(number), "share_error": number} if export.shares else {}),
            "annotations": [annotation],
            "metadata": text,
            **(dict.fromkeys(POSITION, number) if export.scale else {}),
        }
    )
    table = folder / "rows.arrow"
    bars_were_off = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with writer_of(path=str(table), features=features) as writer:
            for row in _rows(export):
                writer.write(row)
            n_rows, _ = writer.finalize()
        if not n_rows:
            raise InputError(
                "the project has no texts, and a Hugging Face data set cannot be empty; add texts first"
            )
        held = datasets.Dataset.from_file(str(table))
        splits = datasets.DatasetDict({"train": held})
        splits.save_to_disk(str(folder))
        if push_to_hub is not None:
            _push(splits, push_to_hub)
        del held, splits
    finally:
        if not bars_were_off:
            datasets.enable_progress_bars()
        table.unlink(missing_ok=True)


def _push(splits: Any, repository: str) -> None:
    """Push to the hub; whatever its library raises is said to be the hub's, not the folder's."""
    try:
        splits.push_to_hub(repository, private=True)
    except Exception as error:
        raise InputError(
            f"push_to_hub: {repository!r} was not pushed: {error!s:.300}; nothing was written here either"
        ) from error


def _rows(export: Export) -> Iterator[Mapping[str, object]]:
    number = {name: position for position, name in enumerate(export.classes)}
    nowhere = (None,) * len(POSITION)
    for text, consensus, labels, skips in grouped(export):
        yield {
            "id": text.id,
            "text": text.text,
            "label": None if consensus.label is None else number[consensus.label],
            "is_guess": consensus.label is not None and consensus.n_annotations == 0,
            "quality": consensus.quality,
            "agreement": consensus.agreement,
            "n_annotations": consensus.n_annotations,
            "label_by": consensus.label_by,
            "probabilities": list(consensus.probabilities),
            **(
                {"shares": list(consensus.shares), "share_error": next(iter(consensus.share_errors), None)}
                if export.shares
                else {}
            ),
            "annotations": [_annotation(label) for label in labels] + [_skip(skip) for skip in skips],
            "metadata": json.dumps(as_json(text.metadata)) if text.metadata else None,
            **(dict(zip(POSITION, consensus.position or nowhere, strict=True)) if export.scale else {}),
        }


def _annotation(record: AnnotationRecord) -> dict[str, object]:
    return {
        "annotator": record.annotator,
        "label": record.label,
        "seconds": record.seconds,
        "comment": record.comment,
        "time": None if record.time is None else record.time.isoformat(),
    }


def _skip(record: SkipRecord) -> dict[str, object]:
    time = None if record.time is None else record.time.isoformat()
    return {
        "annotator": record.annotator,
        "label": None,
        "seconds": None,
        "comment": record.reason,
        "time": time,
    }


def write_label_studio(export: Export, path: Path) -> None:
    """Write Label Studio tasks with their annotations; the consensus is a prediction.

    Label Studio refuses annotations by people it does not know, so the annotator stands in the `meta` of the
    choice, which it keeps, and not in `completed_by`.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        separator = "[\n"
        for text, consensus, labels, skips in grouped(export):
            task = {
                "data": {"id": text.id, "text": text.text, "metadata": as_json(text.metadata or {})},
                "annotations": [_completed(label, export.questions) for label in labels]
                + [_cancelled(skip) for skip in skips],
                "predictions": _predictions(consensus, export.questions),
            }
            file.write(separator + json.dumps(task, ensure_ascii=False))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


def _completed(record: AnnotationRecord, questions: Sequence[Question]) -> dict[str, object]:
    meta = {"annotator": record.annotator, "comment": record.comment}
    if record.time is not None:
        meta["time"] = record.time.isoformat()
    result = [{**one, "meta": {**meta, **one.get("meta", {})}} for one in _choices(record.label, questions)]
    return {"result": result, "lead_time": record.seconds}


def _cancelled(record: SkipRecord) -> dict[str, object]:
    meta = {"annotator": record.annotator, "comment": record.reason}
    if record.time is not None:
        meta["time"] = record.time.isoformat()
    return {"result": [], "was_cancelled": True, "meta": meta}


def _predictions(consensus: ConsensusRecord, questions: Sequence[Question]) -> list[dict[str, object]]:
    if consensus.label is None:
        return []
    result = _choices(consensus.label, questions)
    return [{"model_version": "jurybox", "score": consensus.quality, "result": result}]


def _choices(label: str, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return a label as results: one, or of several questions one a question, whose name the control has."""
    if not questions:
        return [_choice(LABEL_CONTROL, [label])]
    return [
        _choice(name, yes) | ({} if asked is None else {"meta": {"asked": asked}})
        for name, (yes, asked) in apart_by_question(questions, label).items()
    ]


def _choice(control: str, labels: list[str]) -> dict[str, Any]:
    return {"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": labels}}


def write_argilla(export: Export, path: Path) -> None:
    """Write records as ``rg.Dataset.records.from_json`` takes them; the only question is called label."""
    lists = {each.name for each in export.questions if each.kind == "several"}

    def values(found: Mapping[str, list[str]]) -> dict[str, object]:
        return {name: yes if name in lists else yes[0] for name, yes in found.items()}

    def said(label: str) -> dict[str, object]:
        if not export.questions:
            return {"label": label}
        return values(asked_whole(export.questions, label, "argilla"))

    def believed(label: str) -> dict[str, object]:
        """Return what is known of whole questions: a suggestion may leave others out."""
        if not export.questions:
            return {"label": label}
        found = apart_by_question(export.questions, label)
        return values({name: yes for name, (yes, asked) in found.items() if asked is None})

    def objects() -> Iterator[object]:
        for text, consensus, labels, _ in grouped(export):
            own = {"score": consensus.quality, "agent": "jurybox"}
            guess = {} if consensus.label is None else believed(consensus.label)
            responses: dict[str, list[object]] = {} if export.questions else {"label": []}
            for one in labels:
                for name, value in said(one.label).items():
                    responses.setdefault(name, []).append({"value": value, "user_id": one.annotator})
            yield {
                "id": text.id,
                "fields": {"text": text.text},
                "metadata": as_json(text.metadata or {}),
                "suggestions": {name: {"value": value, **own} for name, value in guess.items()},
                "responses": responses,
            }

    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[\n")
        for at, one in enumerate(objects()):
            file.write((",\n" if at else "") + json.dumps(one, ensure_ascii=False))
        file.write("\n]\n")
