"""Potato: a line or a row a text in the folder of each user, with what they chose by scheme."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from jurybox.formats.records import Row, Table
from jurybox.formats.times import TimeStyle, parse_seconds
from jurybox.formats.tools.base import Answer, Context, Item, TableTool, only_of_classes
from jurybox.formats.tools.fields import who
from jurybox.formats.values import as_text

__all__ = ["POTATO_TABLE", "Potato"]

_TEXTS = ("displayed_text", "text", "sentence", "content")
_UNCHOSEN = ("", "0", "false", "none", "nan", "null")
SEPARATOR = ":::"
_TYPED = ("text_box", "textbox", "free_response")
"""What Potato calls a field for words of one's own."""


class Potato:
    """Lines with `label_annotations`: the schemes, each with the labels that were chosen."""

    name = "potato"
    title = "Potato"
    documentation = "https://potato-annotation.readthedocs.io/"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects have such labels."""
        return any("label_annotations" in found for found in sample)

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with the answer of its user."""
        for row, found in enumerate(objects, 1):
            chosen = _by_scheme(found.get("label_annotations"))
            typed = "\n".join(value for pairs in chosen.values() for name, value in pairs if name in _TYPED)
            label = _one(_without_typed(chosen), row, about)
            has_text = any(isinstance(found.get(name), str) for name in _TEXTS)
            field = (
                about.text_field(found, _TEXTS, row)
                if has_text or "text" in about.given
                else "displayed_text"
            )
            person = who(found)
            answers = (
                [
                    Answer(
                        person, label, _spent(found.get("behavioral_data")), typed, field="label_annotations"
                    )
                ]
                if chosen or person
                else []
            )
            text_id = found.get(about.given.get("id", "id"), found.get("instance_id"))
            used = [
                "label_annotations",
                "span_annotations",
                "behavioral_data",
                "id",
                "instance_id",
                "user",
                "user_id",
                "annotator",
                field,
            ]
            yield (
                row,
                Item(
                    found.get(field),
                    answers,
                    text_id,
                    about.metadata(found, used, row),
                    field,
                    {"user": "annotator", "behavioral_data": "seconds"},
                ),
            )


def _by_scheme(labels: object) -> dict[str, list[tuple[str, str]]]:
    """Return what was chosen by scheme, as (name, value)."""
    schemes: dict[str, list[tuple[str, str]]] = {}
    if isinstance(labels, Mapping):
        for scheme, held in labels.items():
            pairs = held.items() if isinstance(held, Mapping) else [(as_text(held), "1")]
            schemes[as_text(scheme)] = [(as_text(name), as_text(value)) for name, value in pairs]
    elif isinstance(labels, list):
        for held in labels:
            if isinstance(held, Mapping):
                name = as_text(held.get("name") or held.get("label"))
                schemes.setdefault(as_text(held.get("schema")), []).append(
                    (name, as_text(held.get("value", "1")))
                )
    return {
        scheme: [pair for pair in pairs if pair[1].strip().lower() not in _UNCHOSEN[:3]]
        for scheme, pairs in schemes.items()
    }


def _without_typed(schemes: Mapping[str, list[tuple[str, str]]]) -> dict[str, list[tuple[str, str]]]:
    return {
        scheme: [pair for pair in pairs if pair[0] not in _TYPED]
        for scheme, pairs in schemes.items()
        if not pairs or any(pair[0] not in _TYPED for pair in pairs)
    }


def _one(schemes: Mapping[str, list[tuple[str, str]]], row: int, about: Context) -> object:
    wanted = about.given.get("label")
    asked = {scheme: pairs for scheme, pairs in schemes.items() if wanted in (None, scheme) and pairs}
    if len(asked) > 1:
        asked = only_of_classes(asked, itertools.chain.from_iterable, row, "label_annotations", about)
    return [_meant(pair, about) for pairs in asked.values() for pair in pairs] or None


def _meant(pair: tuple[str, str], about: Context) -> str:
    """Return the label of (name, value): radio buttons name it, scales have it as their value."""
    name, value = pair
    return value if about.labels.knows(value) and not about.labels.knows(name) else name


def _spent(behaviour: object) -> object:
    said = as_text(behaviour.get("time_string")) if isinstance(behaviour, Mapping) else ""
    spent = said.partition(":")[2].strip() or said
    try:
        return parse_seconds(spent, TimeStyle()) if spent else None
    except ValueError:
        return None


def _convert(table: Table, about: Context) -> Table:
    """Add the column `label` to a table with a column a class, called ``scheme:::class``."""
    wanted = about.given.get("label")
    marks = [
        (at, name.partition(SEPARATOR)[0], name.partition(SEPARATOR)[2])
        for at, name in enumerate(table.columns)
        if SEPARATOR in name
    ]
    typed = [at for at, _, name in marks if name in _TYPED]
    marks = [mark for mark in marks if mark[0] not in typed]
    schemes = {scheme for _, scheme, _ in marks}

    def label_of(row: Row, number: int) -> str:
        chosen: dict[str, list[tuple[str, str]]] = {scheme: [] for scheme in schemes}
        for at, scheme, name in marks:
            value = as_text(row[at]).strip()
            if value.lower() not in _UNCHOSEN:
                chosen[scheme].append((name, value))
        label = _one(chosen, number, about)
        if isinstance(label, list) and len(label) > 1:
            raise about.wrong("holds several labels; expected one label a text", number, "label", label)
        return label[0] if isinstance(label, list) else ""

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table.rows(), 1):
            remarks = [as_text(row[at]).strip() for at in typed]
            yield (*row, label_of(row, number), *(["\n".join(filter(None, remarks))] if typed else []))

    name = wanted if wanted in schemes else "label"
    more = (str(name), *(["comment"] if typed else []))
    sample = [(*row, *([""] * len(more))) for row in table.sample]
    return Table(table.file, (*table.columns, *more), sample, rows)


POTATO_TABLE = TableTool(
    name="potato",
    title="Potato",
    documentation="https://potato-annotation.readthedocs.io/",
    signs=(f"*{SEPARATOR}*",),
    roles={
        "annotator": ("user", "user_id", "username"),
        "id": ("instance_id", "id"),
        "text": ("displayed_text", "text"),
        "label": ("label",),
        "comment": ("comment",),
    },
    bookkeeping=(f"*{SEPARATOR}*", "behavioral_data", "span_annotations"),
    convert=_convert,
)
