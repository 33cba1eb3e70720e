"""Records that hold a text with all of its annotations: Label Studio tasks, doccano lines, our own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from jurybox.errors import FormatError
from jurybox.formats.records import AnnotationRecord, TextRecord
from jurybox.formats.tables import Record
from jurybox.formats.values import (
    LabelReader,
    as_json,
    as_seconds,
    as_text,
    as_time,
    checked,
    id_of_text,
)

__all__ = ["NestedReader", "is_nested"]

_ANNOTATORS = ("annotator", "annotator_id", "user", "username", "completed_by", "worker", "created_username")
_TEXTS = ("text", "sentence", "document", "content", "body", "message", "review", "comment", "data")


def is_nested(sample: Sequence[Mapping[str, object]]) -> str | None:
    """Tell whether objects hold lists: as ``label-studio`` tasks, ``doccano`` lines or other ``json`` do."""
    for found in sample:
        if isinstance(found.get("data"), Mapping):
            return "label-studio"
        if isinstance(found.get("label"), list) or isinstance(found.get("labels"), list):
            return "doccano"
        if isinstance(found.get("annotations"), list):
            return "json"
    return None


class NestedReader:
    """Turns such objects into records.

    Parameters
    ----------
    labels
        Reads the labels.
    file
        Named in errors.
    given
        Names of fields by role (`id`, `text`, `label`), where they are not the usual ones.
    annotator
        Who gave labels that name nobody.
    ignore
        Fields that are not kept as metadata.
    """

    def __init__(
        self,
        labels: LabelReader,
        *,
        file: str,
        given: Mapping[str, str],
        annotator: str | None,
        ignore: Sequence[str],
    ) -> None:
        self._labels = labels
        self._file = file
        self._given = given
        self._annotator = annotator
        self._ignore = set(ignore)

    def records(self, objects: Iterator[Mapping[str, object]]) -> Iterator[Record]:
        """Yield the records of all objects; raises FormatError at the first that is wrong."""
        for number, found in enumerate(objects, 1):
            fields = found["data"] if isinstance(found.get("data"), Mapping) else found
            is_task = fields is not found
            if not isinstance(fields, Mapping):
                raise self._wrong("is no object", number, "data", fields)
            text_id, text = self._text(found, fields, number)
            if text is not None:
                yield text
            annotations = found.get("annotations", found.get("completions") if is_task else None)
            if annotations is not None:
                if not isinstance(annotations, list):
                    raise self._wrong("is no list of annotations", number, "annotations", annotations)
                yield from self._annotations(annotations, text_id, number)
            elif not is_task:
                yield from self._bare_labels(found, text_id, number)

    def _text(
        self, found: Mapping[str, object], fields: Mapping[str, object], number: int
    ) -> tuple[str, TextRecord | None]:
        field = self._given.get("text") or next(
            (name for name in _TEXTS if isinstance(fields.get(name), str)), None
        )
        id_field = self._given.get("id", "id")
        text_id = self._string(fields.get(id_field, found.get(id_field)), number, id_field)
        if field is None or field not in fields:
            if not text_id or fields is not found:
                raise self._wrong(
                    "has no text that could be told; name its field", number, field or "text", None
                )
            return text_id, None
        value = fields[field]
        if value is None or isinstance(value, Mapping | list):
            raise self._wrong("is no text", number, field, value)
        text = self._string(value, number, field)
        return (
            text_id or id_of_text(text),
            TextRecord(
                text_id or id_of_text(text),
                text,
                self._metadata(found, fields, {field, id_field}, number),
                number,
            ),
        )

    def _metadata(
        self, found: Mapping[str, object], fields: Mapping[str, object], used: set[str], number: int
    ) -> dict[str, object] | None:
        own = {*used, *self._ignore, "metadata"}
        if fields is found:
            own |= {"annotations", "label", "labels", "comments", "Comments"}
        held: dict[str, object] = {}
        nested = fields.get("metadata")
        if isinstance(nested, str) and nested.startswith("{"):
            try:
                nested = json.loads(nested)
            except (ValueError, RecursionError):
                raise self._wrong("is no JSON object", number, "metadata", nested) from None
        if isinstance(nested, Mapping):
            held.update({name: as_json(value) for name, value in nested.items()})
        elif nested not in (None, ""):
            held["metadata"] = as_json(nested)
        for name, value in fields.items():
            if name not in own and value is not None:
                held[name] = as_json(value)
        if held:
            checked(json.dumps(held, ensure_ascii=False), (self._file, number, "metadata"))
        return held or None

    def _annotations(
        self, annotations: Sequence[object], text_id: str, number: int
    ) -> Iterator[AnnotationRecord]:
        for annotation in annotations:
            if not isinstance(annotation, Mapping):
                raise self._wrong("is no annotation", number, "annotations", annotation)
            if annotation.get("was_cancelled"):
                continue
            if "result" in annotation:
                yield from self._results(annotation, text_id, number)
            else:
                yield self._annotation(annotation, annotation, annotation.get("label"), text_id, number)

    def _results(
        self, annotation: Mapping[str, object], text_id: str, number: int
    ) -> Iterator[AnnotationRecord]:
        """Yield the label of a Label Studio annotation: the choices of its only (or the named) control."""
        results = annotation["result"] if isinstance(annotation["result"], list) else []
        wanted = self._given.get("label")
        chosen = [
            result
            for result in results
            if isinstance(result, Mapping)
            and isinstance(value := result.get("value"), Mapping)
            and "choices" in value
            and wanted in (None, result.get("from_name"))
        ]
        if len(chosen) > 1:
            names = ", ".join(sorted({as_text(result.get("from_name")) for result in chosen}))
            raise self._wrong(
                f"has several choices ({names}); name the control of the label", number, "result", None
            )
        for result in chosen:
            meta = result.get("meta") if isinstance(result.get("meta"), Mapping) else {}
            yield self._annotation(annotation, meta, result["value"]["choices"], text_id, number)

    def _annotation(
        self,
        annotation: Mapping[str, object],
        meta: object,
        label: object,
        text_id: str,
        number: int,
    ) -> AnnotationRecord:
        details = meta if isinstance(meta, Mapping) else {}
        seconds = annotation.get("seconds", annotation.get("lead_time"))
        moment = details.get("time", annotation.get("time", annotation.get("created_at")))
        return AnnotationRecord(
            text_id,
            self._who(details, annotation, number),
            self._label(label, number, "annotations"),
            as_seconds(seconds, (self._file, number, "seconds")),
            self._string(details.get("comment", annotation.get("comment")), number, "comment"),
            as_time(moment, (self._file, number, "time")),
            number,
        )

    def _who(self, details: Mapping[str, object], annotation: Mapping[str, object], number: int) -> str:
        for source in (details, annotation):
            for name in _ANNOTATORS:
                who = source.get(name)
                if isinstance(who, Mapping):
                    who = who.get("email") or who.get("username") or who.get("id")
                if as_text(who):
                    return self._string(who, number, name)
        if self._annotator is None:
            raise self._wrong(
                "does not say who gave the label; name the annotator", number, "annotations", None
            )
        return self._annotator

    def _bare_labels(
        self, found: Mapping[str, object], text_id: str, number: int
    ) -> Iterator[AnnotationRecord]:
        field = self._given.get("label") or next(
            (name for name in ("label", "labels") if name in found), None
        )
        label = found.get(field) if field is not None else None
        if field is None or label is None or label == [] or label == "":
            return
        if self._annotator is None:
            raise self._wrong("does not say who gave the label; name the annotator", number, field, label)
        yield AnnotationRecord(text_id, self._annotator, self._label(label, number, field), row=number)

    def _label(self, value: object, number: int, column: str) -> str:
        if isinstance(value, list):
            if len(value) != 1:
                raise self._wrong("holds several labels or none; expected one", number, column, value)
            value = value[0]
        if isinstance(value, Mapping | list) or value is None:
            raise self._wrong("is no label", number, column, value)
        return self._labels(as_text(value), number, column)

    def _string(self, value: object, number: int, column: str) -> str:
        if isinstance(value, Mapping | list):
            raise self._wrong("is no text", number, column, value)
        return checked(as_text(value), (self._file, number, column))

    def _wrong(self, problem: str, number: int, column: str, value: object) -> FormatError:
        return FormatError(problem, file=self._file, row=number, column=column, value=value)
