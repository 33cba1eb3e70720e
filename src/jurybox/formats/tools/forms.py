"""Google Forms and Qualtrics: tables with a row a person and a column a text, which are turned round."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from jurybox.formats.names import is_known, plain_name
from jurybox.formats.plan import finding
from jurybox.formats.records import Row, Table
from jurybox.formats.survey import Survey, class_valued
from jurybox.formats.tools.base import Context, TableTool
from jurybox.formats.values import LabelReader, as_text

__all__ = ["FORMS", "QUALTRICS", "TURNED", "is_turned", "question_of", "turned", "without_preamble"]
__all__ += ["asks_for_texts"]

_GRID = re.compile(r".*\[(.+)\]\s*", re.DOTALL)
_OURS = re.compile(r'Text ("(?:[^"\\]|\\.)*") \[(.*)\]', re.DOTALL)
"""How we write questions: with the id of the text, and the text."""
_PEOPLE = (
    *("username", "emailaddress", "email", "recipientemail", "respondent", "respondentid", "participant"),
    *("participantid", "prolificpid", "prolificid", "workerid", "name", "yourname", "externalreference"),
    *("annotator", "rater", "user", "id", "responseid"),
    *("emailadresse", "nutzername", "adresseemail", "nomdutilisateur", "direccióndecorreoelectrónico"),
    *("nombredeusuario", "عنوانالبريدالإلكتروني"),
)
_TIMES = (
    *("timestamp", "recordeddate", "enddate", "zeitstempel", "horodateur", "marcatemporal", "submittedat"),
    "طابعزمني",
)
_BOOKKEEPING = (
    *("startdate", "enddate", "status", "responsetype", "ipaddress", "progress", "durationinseconds"),
    *("finished", "recordeddate", "responseid", "recipientlastname", "recipientfirstname"),
    *("externalreference", "locationlatitude", "locationlongitude", "distributionchannel", "userlanguage"),
)
"""What Qualtrics says of each person."""
_FEWEST_TEXTS = 2
_PREVIEWS = finding("previews", "previews and spam left out")
TURNED = finding(
    "turn",
    "a row is a person and a column is a text, as in Google Forms and Qualtrics",
    "--turn to read it that way",
    loses_labels=True,
)

QUALTRICS = TableTool(
    name="qualtrics",
    title="Qualtrics",
    documentation="https://www.qualtrics.com/support/survey-platform/data-and-analysis-module/data/download-data/understanding-your-dataset/",
    signs=("startdate", "enddate", "responseid"),
    roles={},
)


FORMS = TableTool(
    name="google-forms",
    title="Google Forms",
    documentation="https://support.google.com/docs/answer/2917686",
    signs=(),  # a table is turned round first
    roles={"id": ("id",), "annotator": ("annotator",), "time": ("time",)},
)
"""A table of a questionnaire after it was turned round."""


def question_of(text_id: str, text: str) -> str:
    """Return the question about a text, from which id and text come back.

    Examples
    --------
    >>> question_of("7", "Get lost.")
    'Text "7" [Get lost.]'
    """
    return f"Text {json.dumps(text_id, ensure_ascii=False)} [{text}]"


def asks_for_texts(columns: Sequence[str]) -> bool:
    """Whether a table has questions as `question_of` writes them."""
    return any(_OURS.fullmatch(name) for name in columns)


def without_preamble(table: Table, about: Context) -> Table:
    """Return a Qualtrics table whose columns are called like the questions, without its further headers.

    Previews and spam are left out and counted.
    """
    first = next(iter(table.rows()), ())
    questions = [as_text(cell).strip() for cell in first]
    is_header = any(as_text(cell).startswith('{"ImportId"') for row in table.sample[:2] for cell in row)
    skipped = (
        1 + any(as_text(cell).startswith('{"ImportId"') for row in table.sample[1:2] for cell in row)
        if is_header
        else 0
    )
    names = list(table.columns)
    if skipped:
        long = [
            name if plain_name(name) in (*_PEOPLE, *_TIMES) or not question else question
            for name, question in zip(names, questions, strict=True)
        ]
        names = (
            long
            if len(set(long)) == len(long)
            else [
                question if long.count(question) == 1 else name
                for name, question in zip(names, long, strict=True)
            ]
        )
    status = next(
        (
            at
            for at, name in enumerate(table.columns)
            if plain_name(name) in ("status", "distributionchannel")
        ),
        None,
    )

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table.rows(), 1):
            if number <= skipped:
                yield ()
                continue
            if status is not None and as_text(row[status]).strip().lower() in (
                "survey preview",
                "preview",
                "spam",
                "survey test",
                "1",
            ):
                about.tally.note(_PREVIEWS, number)
                yield ()
                continue
            yield row

    return Table(table.file, tuple(names), table.sample[skipped:], rows)


def is_turned(table: Table, found: Survey, labels: LabelReader) -> bool:
    """Whether the columns of classes are called like texts: with words, and no column holds texts."""
    if asks_for_texts(table.columns):
        return True
    texts = _texts(table.columns, found, labels)
    named = any(plain_name(name) in ("text", "sentence", "document", "content") for name in table.columns)
    worded = sum(" " in _text_of(table.columns[at]).strip() for at in texts)
    return len(texts) >= _FEWEST_TEXTS and not named and 2 * worded > len(texts)


def _texts(columns: Sequence[str], found: Survey, labels: LabelReader) -> list[int]:
    if asks_for_texts(columns):
        return [at for at, name in enumerate(columns) if _OURS.fullmatch(name)]
    return [
        at
        for at, name in enumerate(columns)
        if name and class_valued(found.columns[at], labels) and not is_known(name)
    ]


def _text_of(name: str) -> str:
    """Return the text of a question: that in brackets at the end of a row of a grid.

    Examples
    --------
    >>> _text_of("How polite is this? [Get lost.]")
    'Get lost.'
    """
    grid = _GRID.fullmatch(name)
    return (grid[1] if grid is not None else name).strip()


def turned(table: Table, found: Survey, labels: LabelReader) -> tuple[Table, list[str]]:
    """Return the table with a row a label: text, annotator, label and time; ours have ids as well.

    Beside it are the names of the columns that are none of these, and hold something.
    """
    texts = _texts(table.columns, found, labels)
    plain = [plain_name(name) for name in table.columns]
    person = next(
        (
            at
            for at in (plain.index(name) for name in _PEOPLE if name in plain)
            if at not in texts and found.columns[at].filled
        ),
        None,
    )
    time = next((plain.index(name) for name in _TIMES if name in plain), None)
    ours = {at: held for at in texts if (held := _OURS.fullmatch(table.columns[at])) is not None}
    said = {
        at: (json.loads(ours[at][1]), ours[at][2]) if at in ours else (_text_of(table.columns[at]),)
        for at in texts
    }

    def rows() -> Iterator[Row]:
        for number, row in enumerate(filter(None, table.rows()), 1):
            name = as_text(row[person]).strip() if person is not None else ""
            for at in (at for at in texts if as_text(row[at]).strip()):
                moment = "" if time is None else row[time]
                yield (*said[at], name or f"person {number}", row[at], moment)
        for at in ours:
            if not found.columns[at].filled:  # a text without labels
                yield (*said[at], "", "", "")

    columns = (*(["id"] if ours else []), "text", "annotator", "label", "time")
    left = [
        name
        for at, name in enumerate(table.columns)
        if name
        and at not in (*texts, person, time)
        and found.columns[at].filled
        and plain_name(name) not in _BOOKKEEPING
    ]
    return Table(table.file, columns, [row for _, row in zip(range(100), rows(), strict=False)], rows), left
