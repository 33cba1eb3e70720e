"""Exports of annotation tools as they write them, made by hand: the same two texts with the same labels."""

# ruff: noqa: E501 - rows of tables are not broken

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

POLITE, RUDE = "Could you take a look at this when you have time?", "What is wrong with you?"
ANA_BO = {("ana", POLITE, "polite"), ("bo", POLITE, "rude"), ("ana", RUDE, "rude")}
"""Who said what of which text in most of the exports: three labels."""


class Sample(NamedTuple):
    """A file, and what is in it."""

    name: str
    content: bytes
    labels: frozenset[tuple[str, str, str]] = frozenset(ANA_BO)
    classes: tuple[str, ...] = ("polite", "rude")
    skips: int = 0


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _lines(*values: object) -> bytes:
    return b"".join(_json(value) + b"\n" for value in values)


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """Return an archive with these files by name."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def _zip(**files: bytes | str) -> bytes:
    return packed({name.replace("__", "/").replace("_DOT_", "."): held for name, held in files.items()})


_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def xlsx(sheets: Mapping[str, Sequence[Sequence[str | float]]]) -> bytes:
    """Return a spreadsheet with these rows by the name of the sheet."""

    def cell(value: str | float) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    rows = {name: ["".join(map(cell, row)) for row in held] for name, held in sheets.items()}
    numbered = list(enumerate(rows, 1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r" '
        f'Type="{_LINK}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_LINK}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{at}" r:id="r{at}"/>' for at, name in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{at}" Type="{_LINK}/worksheet" Target="worksheets/s{at}.xml"/>'
            for at, _ in numbered
        )
        + "</Relationships>",
        **{
            f"xl/worksheets/s{at}.xml": f'<worksheet xmlns="{_SHEET}"><sheetData>'
            + "".join(f"<row>{row}</row>" for row in rows[name])
            + "</sheetData></worksheet>"
            for at, name in numbered
        },
    }
    return packed(parts)


def _result(control: str, kind: str, value: object) -> dict[str, object]:
    return {"from_name": control, "to_name": "text", "type": kind, "value": {kind: value}}


def _annotation(who: object, *results: object, **more: object) -> dict[str, object]:
    return {
        "completed_by": who,
        "result": list(results),
        "lead_time": 4.5,
        "created_at": "2024-05-02T09:12:33Z",
        **more,
    }


def _task(number: int, text: str, *annotations: object, **more: object) -> dict[str, object]:
    return {"id": number, "data": {"text": text}, "annotations": list(annotations), **more}


def _choice(label: str) -> dict[str, object]:
    return _result("tone", "choices", [label])


_REMARK = {"from_name": "why", "to_name": "text", "type": "textarea", "value": {"text": ["sarcastic?"]}}
_ARGILLA_FIELDS = [{"fields": {"text": POLITE}}, {"fields": {"text": RUDE}}]


def _response(who: str, label: object, status: str = "submitted") -> dict[str, object]:
    return {"user_id": who, "value": label, "status": status}


def _prodigy(text: str, who: str, answer: str, at: int, **more: object) -> dict[str, object]:
    hashes = {"_input_hash": len(text), "_task_hash": at, "_view_id": "choice"}
    return {
        "text": text,
        "answer": answer,
        "_annotator_id": who,
        "_session_id": who,
        "_timestamp": 1714640000 + at,
        **hashes,
        **more,
    }


_OPTIONS = [{"id": "polite", "text": "Polite"}, {"id": "rude", "text": "Rude"}]
_POTATO_HEAD = "user\tinstance_id\tdisplayed_text\ttone:::polite\ttone:::rude\n"
_MTURK_HEAD = (
    '"HITId","AssignmentId","WorkerId","AssignmentStatus","SubmitTime","WorkTimeInSeconds","Input.text"'
)
_WEBANNO = """#FORMAT=WebAnno TSV 3.3
#T_SP=webanno.custom.Tone|label


#Text=Could you take a look at this when you have time?
1-1\t0-5\tCould\t{0}[1]\t
1-2\t6-9\tyou\t{0}[1]\t

#Text=What is wrong with you?
2-1\t50-54\tWhat\t{1}\t
2-2\t55-57\tis\t{1}\t

"""
_GIVEN = ((POLITE, "ana", "polite"), (POLITE, "bo", "rude"), (RUDE, "ana", "rude"))


def _table(head: str, row: str, delimiter: str = ",") -> bytes:
    """Return a table with a row a label; n numbers the rows, t the texts."""
    rows = [
        row.format(n=n, t=1 + (text == RUDE), text=f'"{text}"', who=who, label=label)
        for n, (text, who, label) in enumerate(_GIVEN, 1)
    ]
    return "\n".join([head, *rows, ""]).encode()


SAMPLES: dict[str, Sample] = {
    "label-studio": Sample(
        "tasks.json",
        _json(
            [
                _task(
                    7,
                    POLITE,
                    _annotation(
                        {"id": 1, "email": "ana"}, _choice("rude"), created_at="2024-05-01T09:00:00Z"
                    ),
                    _annotation({"id": 1, "email": "ana"}, _choice("polite"), _REMARK),
                    _annotation("bo", _choice("rude")),
                    _annotation("cy", was_cancelled=True),
                    drafts=[{"user": "ana", "result": []}],
                    predictions=[{"model_version": "m1", "result": [_choice("polite")]}],
                ),
                _task(8, RUDE, _annotation("ana", _choice("rude"))),
            ]
        ),
        skips=1,
    ),
    "label-studio ratings": Sample(
        "tasks.json",
        _json(
            [
                _task(
                    7,
                    POLITE,
                    _annotation("ana", _result("stars", "rating", 4)),
                    _annotation("bo", _result("stars", "rating", 3)),
                )
            ]
        ),
        frozenset({("ana", POLITE, "4"), ("bo", POLITE, "3")}),
        ("3", "4"),
    ),
    "label-studio taxonomy": Sample(
        "tasks.json",
        _json([_task(7, POLITE, _annotation("ana", _result("tax", "taxonomy", [["tone", "polite"]])))]),
        frozenset({("ana", POLITE, "polite")}),
    ),
    "label-studio storage": Sample(
        "storage.zip",
        _zip(
            **{
                str(n): _json(
                    {
                        **_annotation(who, _choice(label)),
                        "task": {"id": 1 + (text == RUDE), "data": {"text": text}},
                    }
                )
                for n, (text, who, label) in enumerate(_GIVEN)
            }
        ),
    ),
    "label-studio min": Sample(
        "min.json",
        _json(
            [
                {
                    "id": 1 + (text == RUDE),
                    "text": text,
                    "tone": label,
                    "annotator": who,
                    "annotation_id": n,
                    "lead_time": 4.5,
                    "created_at": "2024-05-02T09:12:33Z",
                    "updated_at": "2024-05-02T09:12:33Z",
                }
                for n, (text, who, label) in enumerate(_GIVEN)
            ]
        ),
    ),
    "label-studio csv": Sample(
        "ls.csv",
        _table(
            "annotation_id,annotator,created_at,id,lead_time,tone,text,updated_at",
            "{n},{who},2024-05-02T09:12:33Z,{t},4.5,{label},{text},2024-05-02T09:12:33Z",
        ),
    ),
    "label-studio csv ratings": Sample(
        "ls.csv",
        _table(
            "annotation_id,annotator,created_at,id,lead_time,tone,text,updated_at",
            '{n},{who},2024-05-02T09:12:33Z,{t},4.5,"[{{""choices"": [""{label}""]}}]",{text},',
        ),
    ),
    "doccano": Sample(
        "export.zip",
        _zip(
            ana_DOT_jsonl=_lines(
                {"id": 1, "text": POLITE, "label": ["polite"], "Comments": ["sure"]},
                {"id": 2, "text": RUDE, "label": ["rude"]},
            ),
            bo_DOT_jsonl=_lines(
                {"id": 1, "text": POLITE, "label": ["rude"]}, {"id": 2, "text": RUDE, "label": []}
            ),
        ),
    ),
    "doccano csv": Sample(
        "export.zip",
        _zip(
            ana_DOT_csv=f"id,data,label,Comments\n1,{POLITE},polite,sure\n2,{RUDE},rude,\n",
            bo_DOT_csv=f"id,data,label,Comments\n1,{POLITE},rude,\n",
        ),
    ),
    "doccano fasttext": Sample(
        "export.zip",
        _zip(
            ana_DOT_txt=f"__label__polite {POLITE}\n__label__rude {RUDE}\n",
            bo_DOT_txt=f"__label__rude {POLITE}\n",
        ),
    ),
    "argilla v1 server": Sample(
        "records.json",
        _json(
            [
                {
                    **_ARGILLA_FIELDS[0],
                    "external_id": "r1",
                    "metadata": {"k": 1},
                    "responses": [
                        {"user_id": "ana", "status": "submitted", "values": {"tone": {"value": "polite"}}},
                        {"user_id": "bo", "status": "submitted", "values": {"tone": {"value": "rude"}}},
                    ],
                },
                {
                    **_ARGILLA_FIELDS[1],
                    "external_id": "r2",
                    "responses": [
                        {"user_id": "ana", "status": "submitted", "values": {"tone": {"value": "rude"}}},
                        {"user_id": "bo", "status": "discarded", "values": {}},
                        {"user_id": "cy", "status": "draft", "values": {"tone": {"value": "polite"}}},
                    ],
                },
            ]
        ),
        skips=1,
    ),
    "argilla v1 data set": Sample(
        "records.json",
        _json(
            [
                {
                    "text": POLITE,
                    "tone": [_response("ana", "polite"), _response("bo", "rude")],
                    "tone-suggestion": "polite",
                    "external_id": "r1",
                },
                {
                    "text": RUDE,
                    "tone": {
                        "user_id": ["ana", "bo"],
                        "value": ["rude", None],
                        "status": ["submitted", "discarded"],
                    },
                    "external_id": "r2",
                },
            ]
        ),
        skips=1,
    ),
    "argilla before 1.8": Sample(
        "records.json",
        _json(
            [
                {
                    "text": POLITE,
                    "annotation": "polite",
                    "annotation_agent": "ana",
                    "prediction": [{"label": "rude", "score": 0.5}],
                    "status": "Validated",
                    "id": "x",
                }
            ]
        ),
        frozenset({("ana", POLITE, "polite")}),
    ),
    "argilla v2": Sample(
        "records.json",
        _json(
            [
                {
                    "id": "a",
                    **_ARGILLA_FIELDS[0],
                    "metadata": {},
                    "suggestions": {"tone": {"value": "rude", "agent": "m"}},
                    "responses": {
                        "tone": [{"value": "polite", "user_id": "ana"}, {"value": "rude", "user_id": "bo"}]
                    },
                    "vectors": {},
                    "status": "completed",
                    "_server_id": "s1",
                },
                {
                    "id": "b",
                    **_ARGILLA_FIELDS[1],
                    "metadata": {},
                    "suggestions": {},
                    "responses": {"tone": [{"value": "rude", "user_id": "ana"}]},
                    "vectors": {},
                    "status": "pending",
                    "_server_id": "s2",
                },
            ]
        ),
    ),
    "argilla v2 data set": Sample(
        "records.jsonl",
        _lines(
            {
                "id": "a",
                "status": "completed",
                "_server_id": "s1",
                "text": POLITE,
                "tone.responses": ["polite", "rude"],
                "tone.responses.users": ["ana", "bo"],
                "tone.responses.status": ["submitted", "submitted"],
                "tone.suggestion": "rude",
            },
            {
                "id": "b",
                "status": "pending",
                "_server_id": "s2",
                "text": RUDE,
                "tone.responses": ["rude"],
                "tone.responses.users": ["ana"],
                "tone.responses.status": ["submitted"],
                "tone.suggestion": None,
            },
        ),
    ),
    "prodigy": Sample(
        "binary.jsonl",
        _lines(
            _prodigy(POLITE, "ana", "accept", 1, label="polite"),
            _prodigy(POLITE, "bo", "reject", 2, label="polite"),
            _prodigy(RUDE, "ana", "reject", 3, label="polite"),
            _prodigy(RUDE, "bo", "ignore", 4, label="polite"),
        ),
        skips=1,
    ),
    "prodigy choice": Sample(
        "choice.jsonl",
        _lines(
            _prodigy(POLITE, "ana", "accept", 1, options=_OPTIONS, accept=["polite"]),
            _prodigy(POLITE, "bo", "accept", 2, options=_OPTIONS, accept=["rude"]),
            _prodigy(RUDE, "ana", "accept", 3, options=_OPTIONS, accept=["rude"]),
            _prodigy(RUDE, "bo", "ignore", 4, options=_OPTIONS, accept=[]),
        ),
        skips=1,
    ),
    "potato": Sample(
        "output.zip",
        _zip(
            ana__annotated_instances_DOT_jsonl=_lines(
                {
                    "id": "1",
                    "displayed_text": POLITE,
                    "label_annotations": {"tone": {"polite": "1"}},
                    "span_annotations": {},
                    "behavioral_data": {"time_string": "Time spent: 0d 0h 0m 8s "},
                },
                {
                    "id": "2",
                    "displayed_text": RUDE,
                    "label_annotations": {"tone": {"rude": "rude"}},
                    "span_annotations": {},
                    "behavioral_data": {},
                },
            ),
            bo__annotated_instances_DOT_jsonl=_lines(
                {
                    "id": "1",
                    "displayed_text": POLITE,
                    "label_annotations": {"tone": {"rude": "true"}},
                    "span_annotations": {},
                }
            ),
        ),
    ),
    "potato tsv": Sample(
        "annotated_instances.tsv",
        (_POTATO_HEAD + f"ana\t1\t{POLITE}\t1\t\nbo\t1\t{POLITE}\t\t2\nana\t2\t{RUDE}\t\t2\n").encode(),
    ),
    "mturk": Sample(
        "Batch_1_batch_results.csv",
        _table(
            f'{_MTURK_HEAD},"Answer.tone.label"',
            '"H{t}","A{n}","{who}","Approved","Thu May 02 09:12:33 PDT 2024","20",{text},"{label}"',
        )
        + f'"H2","A9","bo","Rejected","Thu May 02 09:12:33 PDT 2024","2","{RUDE}","polite"\n'.encode(),
    ),
    "mturk json": Sample(
        "Batch_2_batch_results.csv",
        _table(
            f'{_MTURK_HEAD},"Answer.taskAnswers"',
            '"H{t}","A{n}","{who}","Submitted","","20",{text},"[{{""tone"":{{""label"":""{label}""}}}}]"',
        ),
    ),
    "mturk radio": Sample(
        "Batch_3_batch_results.csv",
        (
            f'{_MTURK_HEAD},"Answer.tone.polite","Answer.tone.rude"\n'
            f'"H1","A1","ana","Submitted","","20","{POLITE}","true","false"\n"H1","A2","bo","Submitted","","20","{POLITE}","false","true"\n'
            f'"H2","A3","ana","Submitted","","20","{RUDE}","false","true"\n'
        ).encode(),
    ),
    "toloka": Sample(
        "assignments.tsv",
        (
            "INPUT:id\tINPUT:text\tOUTPUT:result\tGOLDEN:result\tASSIGNMENT:assignment_id\tASSIGNMENT:worker_id\tASSIGNMENT:status\tASSIGNMENT:started\tASSIGNMENT:submitted\n"
            + "".join(
                f"{1 + (text == RUDE)}\t{text}\t{label}\t\ta{n}\t{who}\tAPPROVED\t2024-05-02T09:12:33.1\t2024-05-02T09:13:33.1\n"
                for n, (text, who, label) in enumerate(_GIVEN)
            )
            + f"2\t{RUDE}\tpolite\t\ta9\tbo\tREJECTED\t2024-05-02T09:12:33.1\t2024-05-02T09:13:33.1\n"
        ).encode(),
    ),
    "appen": Sample(
        "f1.csv",
        _table(
            "_unit_id,_created_at,_golden,_id,_started_at,_tainted,_trust,_worker_id,tone,tone_gold,text",
            "90{t},5/2/2024 09:12:33,false,{n},5/2/2024 09:12:13,false,0.9,{who},{label},,{text}",
        )
        + f'902,5/2/2024 09:12:33,false,9,5/2/2024 09:12:13,true,0.1,bo,polite,,"{RUDE}"\n'.encode(),
    ),
    "appen json": Sample(
        "job_1.json",
        _lines(
            *(
                {
                    "id": number,
                    "data": {"text": text, "topic": "x"},
                    "results": {
                        "judgments": [
                            {
                                "id": 10 * number + at,
                                "created_at": "2024-05-02T09:12:33+00:00",
                                "worker_id": who,
                                "tainted": who == "cy",
                                "data": {"tone": label, "why": "tone of voice"},
                            }
                            for at, (who, label) in enumerate(given)
                        ],
                        "tone": {"agg": "polite", "confidence": 0.5},
                    },
                    "state": "finalized",
                }
                for number, text, given in (
                    (1, POLITE, (("ana", "polite"), ("bo", "rude"), ("cy", "rude"))),
                    (2, RUDE, (("ana", "rude"),)),
                )
            )
        ),
    ),
    "google forms": Sample(
        "Tone (Responses).csv",
        f'Timestamp,Username,"{POLITE}","{RUDE}"\n2024/05/02 9:12:33 AM GMT+2,ana,polite,rude\n2024/05/02 9:14:33 AM GMT+2,bo,rude,\n'.encode(),
    ),
    "qualtrics": Sample(
        "Tone.csv",
        (
            "StartDate,EndDate,Status,Duration (in seconds),Finished,ResponseId,Q1,Q2\n"
            f'Start Date,End Date,Response Type,Duration (in seconds),Finished,Response ID,"{POLITE}","{RUDE}"\n'
            '"{""ImportId"":""startDate""}","{""ImportId"":""endDate""}","{""ImportId"":""status""}","{""ImportId"":""duration""}","{""ImportId"":""finished""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"\n'
            "2024-05-02 09:12:33,2024-05-02 09:14:33,IP Address,120,True,ana,polite,rude\n"
            "2024-05-02 09:12:33,2024-05-02 09:14:33,IP Address,120,True,bo,rude,\n"
            "2024-05-02 09:12:33,2024-05-02 09:14:33,Survey Preview,3,True,cy,rude,rude\n"
        ).encode(),
    ),
    "lighttag": Sample(
        "lighttag.json",
        _json(
            {
                "examples": [
                    {
                        "example_id": "1",
                        "content": POLITE,
                        "classifications": [
                            {
                                "classname": "polite",
                                "annotated_by": [{"annotator": "ana", "timestamp": "2024-05-02T09:12:33Z"}],
                            },
                            {"classname": "rude", "annotated_by": [{"annotator": "bo"}]},
                        ],
                        "annotations": [],
                    },
                    {
                        "example_id": "2",
                        "content": RUDE,
                        "classifications": [{"classname": "rude", "annotated_by": [{"annotator": "ana"}]}],
                        "annotations": [],
                    },
                ],
                "relations": [],
            }
        ),
    ),
    "inception": Sample(
        "project.zip",
        _zip(
            annotation__doc_DOT_txt__ana_DOT_tsv=_WEBANNO.format("polite", "rude[2]"),
            annotation__doc_DOT_txt__bo_DOT_tsv=_WEBANNO.format("rude", "_"),
            curation__doc_DOT_txt__CURATION__USER_DOT_tsv=_WEBANNO.format("polite", "rude[2]"),
        ),
    ),
    "lewidi": Sample(
        "ed2.json",
        _json(
            {
                "1": {
                    "text": POLITE,
                    "annotation task": "tone",
                    "number of annotations": 2,
                    "annotations": "polite,rude",
                    "annotators": "ana,bo",
                    "hard_label": "polite",
                    "soft_label": {"polite": 0.5},
                },
                "2": {
                    "text": RUDE,
                    "annotation task": "tone",
                    "number of annotations": 1,
                    "annotations": "rude",
                    "annotators": "ana",
                    "hard_label": "rude",
                    "soft_label": {"rude": 1.0},
                },
            }
        ),
    ),
    "lewidi of 2025": Sample(
        "ed3.json",
        _json(
            {
                "1": {"text": POLITE, "annotations": {"ana": "polite", "bo": "rude"}, "annotators": "ana,bo"},
                "2": {"text": RUDE, "annotations": {"ana": "rude"}, "annotators": "ana"},
            }
        ),
    ),
    "parallel lists": Sample(
        "lists.jsonl",
        _lines(
            {"text": POLITE, "annotators": ["ana", "bo"], "labels": ["polite", "rude"]},
            {"text": RUDE, "annotators": ["ana"], "labels": ["rude"]},
        ),
    ),
    "parallel lists in cells": Sample(
        "lists.csv",
        f"text,annotators,labels\n\"{POLITE}\",\"['ana', 'bo']\",\"['polite', 'rude']\"\n\"{RUDE}\",['ana'],['rude']\n".encode(),
    ),
    "annotations by name": Sample(
        "named.jsonl",
        _lines(
            {"id": 1, "text": POLITE, "annotations": {"ana": "polite", "bo": "rude"}},
            {"id": 2, "text": RUDE, "annotations": {"ana": "rude"}},
        ),
    ),
    "annotations in a list": Sample(
        "listed.jsonl",
        _lines(
            {
                "id": 1,
                "text": POLITE,
                "annotations": [{"annotator": "ana", "label": "polite"}, {"user": "bo", "label": "rude"}],
            },
            {"id": 2, "text": RUDE, "annotations": [{"annotator": "ana", "label": "rude"}]},
        ),
    ),
    **{
        f"pandas {orient}": Sample("frame.json", _json(value))
        for orient, value in {
            "records": [{"text": text, "worker": who, "label": label} for text, who, label in _GIVEN],
            "index": {
                str(n): {"text": text, "worker": who, "label": label}
                for n, (text, who, label) in enumerate(_GIVEN)
            },
            "columns": {
                name: {str(n): row[at] for n, row in enumerate(_GIVEN)}
                for at, name in enumerate(("text", "worker", "label"))
            },
            "split": {
                "columns": ["text", "worker", "label"],
                "index": [0, 1, 2],
                "data": [list(row) for row in _GIVEN],
            },
            "table": {
                "schema": {"fields": []},
                "data": [
                    {"index": n, "text": text, "worker": who, "label": label}
                    for n, (text, who, label) in enumerate(_GIVEN)
                ],
            },
        }.items()
    },
    "a column a person": Sample(
        "wide.csv",
        f'id,text,annotator_1,annotator_2\n1,"{POLITE}",1,0\n2,"{RUDE}",0,0\n'.encode(),
        frozenset(
            {
                ("annotator_1", POLITE, "1"),
                ("annotator_2", POLITE, "0"),
                ("annotator_1", RUDE, "0"),
                ("annotator_2", RUDE, "0"),
            }
        ),
        ("0", "1"),
    ),
    "a sheet a person": Sample(
        "labels.xlsx",
        xlsx(
            {
                "About": [["Labels of the spring campaign"]],
                "ana": [["id", "text", "label"], [1, POLITE, "polite"], [2, RUDE, "rude"]],
                "bo": [["id", "text", "label"], [1.0, POLITE, "rude"]],
            }
        ),
    ),
    "crowd-kit": Sample("frame.csv", _table("task,worker,label,text", "{t},{who},{label},{text}")),
}
