"""Files as people and programs leave them: nothing of them is lost in silence, and no title is a text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from jurybox import formats
from jurybox.errors import FormatError
from jurybox.formats import AnnotationRecord, ReadOptions
from support.exports import SAMPLES, packed, xlsx

TONE = ("polite", "rude")
LONG = "id,text,annotator,label\n1,hi,ana,polite\n2,ho,bo,rude\n"
BOTH = {"ana": 1, "bo": 1}
POLITELY = ("вежливо", "грубо")


class Case(NamedTuple):
    """A file, and how many labels each person gave."""

    content: str | bytes
    people: dict[str, int]
    texts: int = 2
    classes: tuple[str, ...] = TONE
    says: str = ""


def lines(*objects: object) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


def label_studio(label: object, who: int) -> dict[str, object]:
    return {
        "id": 1,
        "text": "hi",
        "tone": label,
        "annotator": who,
        "annotation_id": who,
        "lead_time": 4.5,
        "updated_at": "2024-05-02T09:12:33Z",
    }


READ: dict[str, Case] = {
    "ratings.json": Case(
        json.dumps([label_studio([{"rating": 4}], 1), label_studio([{"rating": 3}], 2)]),
        {"1": 1, "2": 1},
        1,
        ("3", "4"),
    ),
    "taxonomy.json": Case(
        json.dumps([label_studio([{"taxonomy": [["tone", "rude"]]}], 1), label_studio("polite", 2)]),
        {"1": 1, "2": 1},
        1,
    ),
    "conversations.json": Case(
        json.dumps(
            {
                "1": {
                    "text": {"context": "Hi.", "response": "Oh great."},
                    "annotations": {"Ann1": "1", "Ann2": "0"},
                    "annotators": "Ann1,Ann2",
                }
            }
        ),
        {"Ann1": 1, "Ann2": 1},
        1,
        ("0", "1"),
    ),
    "numpy.csv": Case(
        "id,text,annotator_ids,labels\n1,hi,\"[3 5]\",\"['polite' 'rude']\"\n2,ho,[3],['rude']\n",
        {"3": 2, "5": 1},
    ),
    "lists_by_name.json": Case(
        json.dumps([{"text": "hi", "annotations": {"ana": ["polite"], "bo": ["rude"]}}]), BOTH, 1
    ),
    "object_of_lists.jsonl": Case(
        lines({"text": "hi", "annotations": {"annotator": ["ana", "bo"], "label": ["polite", "rude"]}}),
        BOTH,
        1,
    ),
    "field_of_any_name.jsonl": Case(
        lines({"text": "hi", "codings": [{"coder": "ana", "code": 1, "label": "rude"}]}), {"ana": 1}, 1
    ),
    "late_field.jsonl": Case(
        lines(
            *({"id": n, "text": f"text {n}"} for n in range(1500)),
            {"id": -1, "text": "last", "annotations": [{"annotator": "ana", "label": "polite"}]},
        ),
        {"ana": 1},
        1501,
    ),
    "two_kinds_of_lines.jsonl": Case(
        lines(
            {"id": 1, "text": "hi", "annotations": [{"annotator": "ana", "label": "polite"}]},
            {"id": 2, "text": "ho", "annotator": "bo", "label": "rude"},
        ),
        BOTH,
    ),
    "title.csv": Case(
        f"Labels of the spring campaign\n\n{LONG}", BOTH, says="above the names of the columns"
    ),
    "wide_title.csv": Case(
        "Labels of May 2024;;;\n;;;\nid;text;annotator;label\n1;hi, you;ana;polite\n",
        {"ana": 1},
        1,
        says="above the names",
    ),
    "comment_above.tsv": Case("# made by hand\n" + LONG.replace(",", "\t"), BOTH, says="above the names"),
    "blank_cells.csv": Case(
        "\n\nid,text,annotator,label\n,,,\n1,hi,ana,polite\n   ,,,\n2,ho,bo,rude\n\n",
        BOTH,
        says="2 × blank rows",
    ),
    "joined.csv": Case(LONG + LONG.replace("1,hi", "3,he"), {"ana": 2, "bo": 1}, 3, says="repeat the names"),
    "commas.tsv": Case(LONG, BOTH),
    "objects.csv": Case(
        json.dumps([{"id": 1, "text": "hi", "annotator": "ana", "label": "polite"}]), {"ana": 1}, 1
    ),
    "old_mac.csv": Case(LONG.replace("\n", "\r"), BOTH),
    "russian.csv": Case(
        "id,text,annotator,label\n1,Это очень хороший день,анна,вежливо\n2,Что с тобой,боб,грубо\n".encode(
            "cp1251"
        ),
        {"анна": 1, "боб": 1},
        classes=POLITELY,
        says="cp1251",
    ),
    "russian_mac.csv": Case(
        "id,text,annotator,label\n1,Это очень хороший день,Анна,вежливо\n2,Что с тобой,Боб,грубо\n".encode(
            "mac_cyrillic"
        ),
        {"Анна": 1, "Боб": 1},
        classes=POLITELY,
        says="mac_cyrillic",
    ),
    "utf16_lines.csv": Case(f"sep=;\r\n{LONG.replace(',', ';')}".encode("utf-16"), BOTH),
    "bare_utf16.tsv": Case(LONG.replace(",", "\t").encode("utf-16-le"), BOTH),
    "nested.zip": Case(packed({"may.zip": packed({"labels.csv": LONG})}), BOTH),
    "zip_a_person.zip": Case(
        packed(
            {
                "ana.zip": packed({"labels.csv": "id,text,label\n1,hi,polite\n"}),
                "bo.zip": packed({"labels.csv": "id,text,label\n1,hi,rude\n"}),
            }
        ),
        BOTH,
        1,
    ),
    "folder_a_person.zip": Case(
        packed({f"{who}/done.csv": "id,text,label\n1,hi,polite\n" for who in ("ana", "bo")}), BOTH, 1
    ),
    "packed_inside.zip": Case(
        packed({f"{who}.csv.gz": gzip.compress(b"id,text,label\n1,hi,rude\n") for who in ("ana", "bo")}),
        BOTH,
        1,
    ),
    "title.xlsx": Case(
        xlsx({"Tabelle1": [["Labels of May"], ["id", "text", "ana", "bo"], [1, "hi", "polite", "rude"]]}),
        BOTH,
        1,
        says="above the names",
    ),
    "texts_and_labels.xlsx": Case(
        xlsx(
            {
                "labels": [["id", "annotator", "label"], [1.0, "ana", "polite"], ["2", "bo", "rude"]],
                "texts": [["id", "text"], [1, "hi"], [2, "ho"]],
            }
        ),
        BOTH,
    ),
    "typed.tsv": Case(
        "user\tinstance_id\tdisplayed_text\ttone:::polite\ttone:::rude\ttone:::text_box\n"
        "ana\t1\thi\tx\t\tsure\nbo\t1\thi\t\tx\t\n",
        BOTH,
        1,
    ),
    "rejected.jsonl": Case(
        lines({"text": "hi", "label": "polite", "answer": "reject", "_annotator_id": "ana"}),
        {},
        1,
        ("polite", "rude", "other"),
        says="1 × rejected labels left out",
    ),
    "branches.json": Case(
        json.dumps(
            [
                {
                    "data": {"text": "hi"},
                    "annotations": [
                        {
                            "completed_by": 1,
                            "result": [{"type": "taxonomy", "value": {"taxonomy": [["t"], ["t", "rude"]]}}],
                        }
                    ],
                }
            ]
        ),
        {"1": 1},
        1,
    ),
    "two_schemes.tsv": Case(
        "user\tinstance_id\tdisplayed_text\ttone:::polite\ttone:::rude\tsure:::1\tsure:::2\n"
        "ana\t1\thi\tx\t\tx\t\nbo\t1\thi\t\tx\t\tx\n",
        BOTH,
        1,
        says="answers to 'sure' left out",
    ),
    "questions.json": Case(
        json.dumps(
            [
                {
                    "fields": {"text": "hi"},
                    "responses": {
                        "tone": [{"value": "polite", "user_id": "ana"}],
                        "why": [{"value": "the verb", "user_id": "ana"}],
                    },
                }
            ]
        ),
        {"ana": 1},
        1,
        says="answers to 'why' left out",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_a_messy_file_is_read_with_its_meaning(tmp_path: Path, name: str) -> None:
    case = READ[name]
    path = tmp_path / name
    path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    plan = formats.read(path, ReadOptions(classes=case.classes)).plan
    assert (plan.texts, dict(plan.annotators)) == (case.texts, case.people)
    assert plan.losses == ()
    assert case.says in "\n".join(str(finding) for finding in plan.findings)


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "several.json": (json.dumps([label_studio({"choices": ["polite", "rude"]}, 1)]), "several labels"),
    "spans.json": (
        json.dumps([label_studio([{"start": 0, "end": 2, "labels": ["PER"]}], 1)]),
        "not spans",
    ),
    "two.txt": ("__label__polite __label__rude hi there\n__label__rude ho\n", "'polite, rude'"),
    "deep.zip": (
        packed({"a.zip": packed({"b.zip": packed({"c.zip": packed({"d.zip": packed({"e.csv": LONG})})})})}),
        "unpacks to too much",
    ),
    "headless.csv": ("1,Could you look at this,ana,polite\n2,What now,bo,rude\n", "no column of texts"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_messy_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    content, problem = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError, match=problem) as caught:
        assert formats.read(path, ReadOptions(classes=TONE, annotator="me")).plan.losses == ()
    assert str(caught.value).startswith(str(path))


LOST: dict[str, str] = {
    "label_and_text.txt": "polite\tCould you look at this?\nrude\tWhat is wrong with you?\n",
    "votes_of_nobody.jsonl": lines({"text": "hi", "votes": ["polite", "rude", "rude"]}),
    "votes_in_cells.csv": "id,text,votes\n1,hi,\"['polite', 'rude']\"\n2,ho,\"['rude', 'rude']\"\n",
    "dense.csv": "id,text,ana\n1,hi,polite\n2,ho,rude\n",
    "labelled.csv": "text,label\nhi,polite\nho,rude\n",
}


@pytest.mark.parametrize("name", LOST)
def test_labels_that_nobody_is_named_for_are_not_lost_in_silence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(LOST[name])
    plan = formats.read(path, ReadOptions(classes=TONE)).plan
    assert plan.annotations == 0
    assert len(plan.losses) == 1
    assert "--" in plan.losses[0].option


def labels_in(path: Path, classes: tuple[str, ...] = TONE) -> list[AnnotationRecord]:
    return [
        label
        for batch in formats.read(path, ReadOptions(classes=classes)).batches()
        for label in batch.annotations
    ]


def test_days_of_spreadsheets_are_times(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("id,text,annotator,label,timestamp\n1,hi,ana,polite,45414.5\n2,ho,bo,rude,45415\n")
    assert [str(label.time) for label in labels_in(path)] == [
        "2024-05-02 12:00:00+00:00",
        "2024-05-03 00:00:00+00:00",
    ]


def test_what_was_typed_in_potato_is_a_comment(tmp_path: Path) -> None:
    path = tmp_path / "typed.tsv"
    path.write_bytes(str(READ["typed.tsv"].content).encode())
    assert [(label.annotator, label.comment) for label in labels_in(path)] == [("ana", "sure"), ("bo", "")]


def test_an_id_stays_where_two_texts_happen_to_be_alike(tmp_path: Path) -> None:
    rows = [f"{n},text {n // 2 if n < 2 else n},p{n},polite" for n in range(50)]
    path = tmp_path / "alike.csv"
    path.write_text("\n".join(["id,text,annotator,label", *rows]))
    plan = formats.read(path, ReadOptions(classes=TONE)).plan
    assert plan.texts == 50
    assert any("another id: 1" in str(finding) for finding in plan.findings)


def test_numbered_classes_of_a_hugging_face_file_have_their_names(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    feather = pytest.importorskip("pyarrow.feather")
    classes = {"names": list(TONE), "_type": "ClassLabel"}
    features = {"annotator1": classes, "annotator2": classes}
    table = arrow.table(
        {"id": [1, 2], "text": ["hi", "ho"], "annotator1": [0, 1], "annotator2": [1, -1]}
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, str(tmp_path / "t.arrow"))
    for path in (tmp_path / "t.parquet", tmp_path / "t.arrow"):
        assert {(one.text_id, one.annotator, one.label) for one in labels_in(path)} == {
            ("1", "annotator1", "polite"),
            ("2", "annotator1", "rude"),
            ("1", "annotator2", "rude"),
        }


def test_every_sheet_is_read_or_named(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(SAMPLES["a sheet a person"].content)
    stated = [str(finding) for finding in formats.read(path, ReadOptions(classes=TONE)).plan.findings]
    assert any("'About'" in one and "sheets left out" in one for one in stated)
    assert any("the name of the sheet is taken for the annotator: bo" in one for one in stated)
