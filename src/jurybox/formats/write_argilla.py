"""Whole projects as Argilla's records: each question is one there, with a list where several apply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from jurybox.formats.records import Export
from jurybox.formats.tools.several import apart_by_question, asked_whole
from jurybox.formats.values import as_json
from jurybox.formats.write_tables import grouped

__all__ = ["write_argilla"]


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
