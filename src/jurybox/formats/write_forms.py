"""Writing projects as answers to a questionnaire, a column a text, and as documents of INCEpTION."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from jurybox.errors import InputError
from jurybox.formats.records import AnnotationRecord, Export, SkipRecord, TextRecord
from jurybox.formats.tools.forms import question_of
from jurybox.formats.tools.inception import LAYER
from jurybox.formats.write_tables import Column, OutTable, grouped, write_csv

__all__ = ["write_google_forms", "write_inception", "write_qualtrics"]

_MOST_TEXTS = 16_000
"""A spreadsheet has at most 16,384 columns."""
_UNSAFE = set('/\\:*?"<>|\0')


def write_google_forms(export: Export, path: Path) -> None:
    """Write the responses of a form: a row a submission, with the time, the person and a column a text.

    Raises
    ------
    InputError
        If there are more texts than a table has columns.
    """
    _write_responses(export, path, ("Timestamp", "Username"), headers=False)


def write_qualtrics(export: Export, path: Path) -> None:
    """Write a table of Qualtrics, which has its questions in a second row and their ids in a third one.

    Raises
    ------
    InputError
        If there are more texts than a table has columns.
    """
    _write_responses(export, path, _QUALTRICS, headers=True)


_QUALTRICS = ("RecordedDate", "ExternalReference", "StartDate", "EndDate", "ResponseId", "Status")


def _write_responses(export: Export, path: Path, about: Sequence[str], *, headers: bool) -> None:
    """Write a row a submission; ``headers``: names of columns are numbers, below them questions and ids."""
    texts = _few(export)
    questions = [question_of(text.id, text.text) for text in texts]
    numbers = {text.id: at for at, text in enumerate(texts)}
    names = [f"Q{at}" for at in range(1, len(questions) + 1)] if headers else questions

    def rows() -> Iterator[Sequence[object]]:
        if headers:
            yield [*about, *questions]
            yield [json.dumps({"ImportId": f"QID{at}"}) for at in range(len(about) + len(questions))]
        for at, (who, moment, given) in enumerate(_submissions(export), 1):
            known = {"Timestamp": moment, "Username": who, "ExternalReference": who, "Status": "IP Address"}
            known |= dict.fromkeys(("RecordedDate", "StartDate", "EndDate"), moment)
            answers = [""] * len(questions)
            for text_id, label in given:
                answers[numbers[text_id]] = label
            yield [*(known.get(name, f"R_{at}") for name in about), *answers]

    write_csv(OutTable("responses", tuple(Column(name) for name in (*about, *names)), rows), path)


def _few(export: Export) -> list[TextRecord]:
    texts = list(export.texts)
    if len(texts) > _MOST_TEXTS:
        raise InputError(
            f"the project has {len(texts):,} texts, and such a table has a column a text: at most "
            f"{_MOST_TEXTS:,}; export as csv instead"
        )
    return texts


def _submissions(export: Export) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Yield who gave which labels at which time; labels of one person and time are one submission."""
    together: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in export.annotations:
        moment = "" if one.time is None else one.time.isoformat()
        together.setdefault((one.annotator, moment), []).append((one.text_id, one.label))
    for (who, moment), given in together.items():
        yield who, moment, given


def write_inception(export: Export, path: Path) -> None:
    """Write an archive of UIMA CAS JSON, a document a text and in it a file a person.

    The label covers the whole document; its layer has features for the person, the time and the rest.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, (text, _, labels, skips) in enumerate(grouped(export), 1):
            folder = f"annotation/{at}.txt"
            given: list[AnnotationRecord | SkipRecord] = [*labels, *skips]
            for number, one in enumerate(given, 1):
                plain = _names_a_file(one.annotator)
                name = f"{folder}/{one.annotator if plain else f'person {number}'}.json"
                archive.writestr(name, json.dumps(_document(text, [_mark(text, one)]), ensure_ascii=False))
            if not given:
                archive.writestr(f"{folder}/INITIAL_CAS.json", json.dumps(_document(text, [])))


def _names_a_file(name: str) -> bool:
    return not (set(name) & _UNSAFE or name.startswith(".") or name.endswith(".")) and name.isprintable()


def _document(text: TextRecord, marks: Sequence[dict[str, object]]) -> dict[str, object]:
    about = {
        "%ID": 2,
        "%TYPE": "de.tudarmstadt.ukp.dkpro.core.api.metadata.type.DocumentMetaData",
        "@sofa": 1,
        "begin": 0,
        "end": _size(text),
        "documentTitle": text.id,
    }
    sofa = {"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaNum": 1, "sofaID": "_InitialView", "mimeType": "text"}
    members = list(range(2, 3 + len(marks)))
    return {
        "%TYPES": {},
        "%FEATURE_STRUCTURES": [{**sofa, "sofaString": text.text}, about, *marks],
        "%VIEWS": {"_InitialView": {"%SOFA": 1, "%INDEX": 1, "%MEMBERS": members}},
    }


def _mark(text: TextRecord, one: AnnotationRecord | SkipRecord) -> dict[str, object]:
    given = {"annotator": one.annotator, "time": None if one.time is None else one.time.isoformat()}
    if isinstance(one, AnnotationRecord):
        given |= {"label": one.label, "comment": one.comment}
        given |= {"seconds": None if one.seconds is None else repr(one.seconds)}
    else:
        given |= {"comment": one.reason}
    known = {name: value for name, value in given.items() if value}
    return {"%ID": 3, "%TYPE": LAYER, "@sofa": 1, "begin": 0, "end": _size(text), **known}


def _size(text: TextRecord) -> int:
    """Return the length of a text as UIMA counts: in units of UTF-16."""
    return len(text.text.encode("utf-16-le")) // 2
