"""Files of every kind: what is recognised, what can be asked for, and what is refused with its place."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
import math
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from jurybox import formats
from jurybox.errors import FormatError, InputError
from jurybox.formats import AnnotationRecord, ReadOptions, RecordBatch, TextRecord


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def contents(
    path: Path, options: ReadOptions | None = None
) -> tuple[list[TextRecord], list[AnnotationRecord]]:
    batches = list(formats.read(path, options).batches())
    texts = [text._replace(row=0) for batch in batches for text in batch.texts]
    return texts, [label._replace(row=0) for batch in batches for label in batch.annotations]


LONG = "id,annotator,label\n1,ana,polite\n1,ben,impolite\n2,ana,polite\n"
LONG_LABELS = [
    AnnotationRecord("1", "ana", "polite"),
    AnnotationRecord("1", "ben", "impolite"),
    AnnotationRecord("2", "ana", "polite"),
]


def test_a_long_table(tmp_path: Path) -> None:
    assert contents(write(tmp_path, "labels.csv", LONG)) == ([], LONG_LABELS)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_detected(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, "labels.csv", LONG.replace(",", delimiter))
    assert formats.read(path).plans[0].delimiter == delimiter
    assert contents(path) == ([], LONG_LABELS)


def test_a_delimiter_can_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "labels.csv", "id:text\n1:a,b;c\n")
    assert contents(path, ReadOptions(delimiter=":"))[0] == [TextRecord("1", "a,b;c")]
    with pytest.raises(InputError, match="expected one character"):
        formats.read(path, ReadOptions(delimiter="::"))


def test_a_long_table_with_its_texts_repeats_no_text(tmp_path: Path) -> None:
    path = write(
        tmp_path, "all.csv", "text,worker_id,answer,year\nhi,ana,a,1999\nhi,ben,b,1999\nho,ana,a,2000\n"
    )
    texts, labels = contents(path)
    assert [(text.text, text.metadata) for text in texts] == [
        ("hi", {"year": "1999"}),
        ("ho", {"year": "2000"}),
    ]
    assert [label.text_id for label in labels] == [texts[0].id, texts[0].id, texts[1].id]
    assert "from its first row: 'year'" in formats.read(path).plans[0].findings[0].problem


def test_a_wide_table_is_recognised_by_its_classes(tmp_path: Path) -> None:
    path = write(tmp_path, "wide.csv", "id,text,ana,ben,split\n1,hi,1.0,,train\n2,ho,0.0,1.0,dev\n")
    source = formats.read(path, ReadOptions(classes=["0", "1"]))
    assert (source.plans[0].shape, source.plans[0].annotators) == ("wide", ("ana", "ben"))
    assert contents(path, ReadOptions(classes=["0", "1"])) == (
        [TextRecord("1", "hi", {"split": "train"}), TextRecord("2", "ho", {"split": "dev"})],
        [
            AnnotationRecord("1", "ana", "1"),
            AnnotationRecord("2", "ana", "0"),
            AnnotationRecord("2", "ben", "1"),
        ],
    )


def test_columns_that_hold_anything_else_are_metadata(tmp_path: Path) -> None:
    path = write(tmp_path, "wide.csv", "id,text,ana,ben,lang\n1,hi,a,,en\n2,ho,b,a,de\n")
    plan = formats.read(path, ReadOptions(classes=["a", "b"])).plans[0]
    assert (plan.annotators, plan.metadata) == (("ana", "ben"), ("lang",))


def test_annotator_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "wide.csv", "id,text,ana,ben\n1,hi,a,b\n")
    options = ReadOptions(annotator_columns=["ben"], classes=["a", "b"])
    texts, labels = contents(path, options)
    assert (texts[0].metadata, labels) == ({"ana": "a"}, [AnnotationRecord("1", "ben", "b")])


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "odd.csv", "nr,who,said,verdict,took\n1,ana,hi,a,2.5\n")
    columns = {"id": "nr", "annotator": "who", "text": "said", "label": "verdict", "seconds": "took"}
    assert contents(path, ReadOptions(columns=columns)) == (
        [TextRecord("1", "hi")],
        [AnnotationRecord("1", "ana", "a", 2.5)],
    )


def test_a_constant_annotator_owns_the_labels(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.csv", "text,label\nhi,a\nho,\n")
    texts, labels = contents(path, ReadOptions(annotator="ana"))
    assert [text.text for text in texts] == ["hi", "ho"]
    assert labels == [AnnotationRecord(texts[0].id, "ana", "a")]


def test_labels_of_nobody_are_metadata_and_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path, "gold.csv", "id,text,label\n1,hi,a\n")
    assert contents(path) == ([TextRecord("1", "hi", {"label": "a"})], [])
    finding = formats.read(path).plan.losses[0]
    assert "nothing says who gave what is in 'label'" in finding.problem
    assert "--annotator NAME" in finding.option


def test_seconds_comments_and_times(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "labels.csv",
        "id,annotator,label,lead_time,comment,created_at\n"
        "1,ana,a,2.5,hm,2026-03-01T12:30:00Z\n2,ana,b,,,2026-03-01 12:30\n",
    )
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert contents(path)[1] == [
        AnnotationRecord("1", "ana", "a", 2.5, "hm", moment),
        AnnotationRecord("2", "ana", "b", None, "", moment),
    ]


def test_texts_without_ids_get_the_same_ids_everywhere(tmp_path: Path) -> None:
    first = contents(write(tmp_path, "a.csv", "text\nhi\nho\n"))[0]
    second = contents(write(tmp_path, "b.jsonl", '{"text": "ho"}\n{"text": "hi"}\n'))[0]
    assert first == second[::-1]
    assert first[0].id != first[1].id


ENCODED = "id,text\n1,Müller fährt nach Köln\n2,café à la crème\n3,“smart” – it’s\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "texts.csv", ENCODED.encode(encoding))
    assert [text.text for text in contents(path)[0]] == [
        "Müller fährt nach Köln",
        "café à la crème",
        "“smart” – it’s",
    ]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Спасибо большое"),
        ("koi8_r", "Спасибо вам большое за помощь"),
        ("cp932", "ありがとうございます"),
        ("euc_jp", "ありがとうございます、とてもよい"),
        ("cp1250", "Žluťoučký kůň příliš úpěl"),
        ("gb18030", "谢谢你的帮助，这是一个好主意"),
        ("cp949", "감사합니다 정말 좋은 것이에요"),
        ("cp1253", "Καλημέρα σας, ευχαριστώ πολύ"),
        ("mac_roman", "Müller fährt nach Köln, café à la crème"),
    ],
)
def test_code_pages_are_guessed_and_the_guess_is_stated(tmp_path: Path, encoding: str, text: str) -> None:
    path = write(tmp_path, "texts.csv", f'id,text\n1,"{text}"\n2,"{text}"\n'.encode(encoding))
    source = formats.read(path)
    assert contents(path)[0][0].text == text
    assert f"guessed to be {encoding}" in source.plans[0].findings[0].problem
    assert contents(path, ReadOptions(encoding=encoding))[0][0].text == text


def test_an_encoding_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "texts.csv", b"id,text\n1," + bytes(range(0x80, 0x100)) + b"\n")
    with pytest.raises(FormatError, match=r"line 2.*encoding"):
        formats.read(path)


def test_broken_utf8_is_no_other_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, "texts.csv", ENCODED.encode() + b"4,caf\xe9\n5,na\xc3\xafve\n")
    with pytest.raises(FormatError, match=r"UTF-8 with wrong bytes .the first in line 5"):
        formats.read(path)


def test_a_wrong_encoding_names_the_row(tmp_path: Path) -> None:
    path = write(tmp_path, "texts.csv", b"id,text\n1,ok\n" + b"2,x\n" * 5000 + b"9,caf\xe9\n")
    with pytest.raises(FormatError, match=r"row .*no utf-8"):
        contents(path, ReadOptions(encoding="utf-8"))
    with pytest.raises(InputError, match="not the name of a text encoding"):
        contents(path, ReadOptions(encoding="klingon"))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    assert contents(write(tmp_path, "labels.csv.gz", pack(LONG.encode())))[1] == LONG_LABELS
    cut = write(tmp_path, "cut.csv.gz", pack(LONG.encode() * 1000)[:-9])
    with pytest.raises(FormatError, match=r"cut\.csv\.gz"):
        contents(cut)


def test_json_lines_keep_types_of_metadata(tmp_path: Path) -> None:
    lines = '{"id": 7, "text": "hi", "n": 3, "tags": ["x"]}\n\n{"id": 8, "text": "ho", "late": true}\n'
    assert contents(write(tmp_path, "texts.jsonl", lines))[0] == [
        TextRecord("7", "hi", {"n": 3, "tags": ["x"]}),
        TextRecord("8", "ho", {"late": True}),
    ]


def test_fields_that_turn_up_late_are_kept(tmp_path: Path) -> None:
    lines = [json.dumps({"id": n, "text": f"text {n}"}) for n in range(3000)]
    lines.append(json.dumps({"id": "last", "text": "x", "surprise": 1}))
    texts = contents(write(tmp_path, "texts.jsonl", "\n".join(lines)))[0]
    assert (texts[-1].metadata, texts[-2].metadata) == ({"surprise": 1}, None)


def test_a_json_array_and_typed_labels(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "labels.json",
        '[{"id": 1, "annotator": "ana", "label": 1}, {"id": 1, "annotator": 5, "label": true}]',
    )
    assert contents(path)[1] == [AnnotationRecord("1", "ana", "1"), AnnotationRecord("1", "5", "true")]


def test_a_json_mapping_of_texts_to_annotators_to_labels(tmp_path: Path) -> None:
    path = write(tmp_path, "extra.json", '{"t1": {"ana": 1, "ben": 0}, "t2": {}, "t3": {"ana": 1.0}}')
    assert contents(path)[1] == [
        AnnotationRecord("t1", "ana", "1"),
        AnnotationRecord("t1", "ben", "0"),
        AnnotationRecord("t3", "ana", "1"),
    ]


def test_a_json_array_larger_than_any_buffer_is_streamed(tmp_path: Path) -> None:
    rows = [{"id": n, "text": "x" * (n % 7000)} for n in range(2000)]
    texts = contents(write(tmp_path, "texts.json", json.dumps(rows, indent=1)))[0]
    assert [len(text.text) for text in texts] == [n % 7000 for n in range(2000)]


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "id": [1, 2],
            "text": ["hi", "ho"],
            "ana": [1.0, math.nan],
            "ben": [0.0, 1.0],
            "day": pd.to_datetime(["2026-01-01", "2026-01-02"]),
        }
    )
    frame.to_parquet(tmp_path / "wide.parquet")
    texts, labels = contents(tmp_path / "wide.parquet", ReadOptions(classes=["0", "1"]))
    assert texts[0] == TextRecord("1", "hi", {"day": "2026-01-01T00:00:00"})
    assert labels == [
        AnnotationRecord("1", "ana", "1"),
        AnnotationRecord("1", "ben", "0"),
        AnnotationRecord("2", "ben", "1"),
    ]


def test_a_huggingface_folder_of_anyone(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    parts = {
        name: datasets.Dataset.from_dict(
            {"text": [f"{name} {n}" for n in range(3)], "label": [0, 1, 1]}, features=features
        )
        for name in ("train", "test")
    }
    datasets.disable_progress_bars()
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    texts, _ = contents(tmp_path / "saved")
    assert (len(texts), texts[0].text, texts[0].metadata) == (
        6,
        "train 0",
        {"label": "bad", "split": "train"},
    )
    labels = contents(tmp_path / "saved", ReadOptions(annotator="ana", classes=["bad", "good"]))[1]
    assert [label.label for label in labels] == ["bad", "good", "good"] * 2


TASKS = [
    {
        "id": 11,
        "data": {"text": "Thanks!", "source": "talk"},
        "annotations": [
            {
                "id": 1,
                "completed_by": {"id": 3, "email": "ana@example.org"},
                "lead_time": 4.5,
                "created_at": "2026-03-01T12:30:00.250000Z",
                "result": [
                    {
                        "type": "choices",
                        "from_name": "tone",
                        "to_name": "text",
                        "value": {"choices": ["polite"]},
                    }
                ],
            },
            {"id": 2, "completed_by": 4, "was_cancelled": True, "result": []},
            {
                "id": 3,
                "completed_by": 4,
                "result": [
                    {
                        "type": "choices",
                        "from_name": "tone",
                        "to_name": "text",
                        "value": {"choices": ["impolite"]},
                    },
                    {"type": "textarea", "from_name": "why", "value": {"text": ["so"]}},
                ],
            },
        ],
        "predictions": [{"result": []}],
    },
    {"id": 12, "data": {"text": "What?"}, "annotations": []},
]


def test_label_studio_tasks(tmp_path: Path) -> None:
    path = write(tmp_path, "tasks.json", json.dumps(TASKS))
    assert formats.read(path).plans[0].format == "label-studio"
    assert contents(path) == (
        [TextRecord("11", "Thanks!", {"source": "talk"}), TextRecord("12", "What?")],
        [
            AnnotationRecord(
                *("11", "ana@example.org", "polite", 4.5, ""),
                datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC),
            ),
            AnnotationRecord("11", "4", "impolite", comment="so"),
        ],
    )


def test_doccano_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "admin.jsonl",
        '{"id": 1, "text": "Thanks!", "label": ["polite"], "Comments": []}\n'
        '{"id": 2, "text": "What?", "label": []}\n',
    )
    with pytest.raises(FormatError, match=r"row 1.*name the annotator"):
        contents(path)
    assert contents(path, ReadOptions(annotator="admin")) == (
        [TextRecord("1", "Thanks!"), TextRecord("2", "What?")],
        [AnnotationRecord("1", "admin", "polite")],
    )
    old = write(
        tmp_path,
        "old.jsonl",
        '{"id": 1, "text": "x", "annotations": [{"label": 2, "user": 5}], "meta": {"k": 1}}',
    )
    assert contents(old) == ([TextRecord("1", "x", {"meta": {"k": 1}})], [AnnotationRecord("1", "5", "2")])


def test_a_folder_of_texts_and_annotations(tmp_path: Path) -> None:
    write(tmp_path, "texts.csv", "id,text,split,label\n1,hi,train,polite\n2,ho,test,\n")
    write(tmp_path, "annotations.csv", LONG)
    texts, labels = contents(tmp_path)
    assert texts == [
        TextRecord("1", "hi", {"split": "train", "label": "polite"}),
        TextRecord("2", "ho", {"split": "test"}),
    ]
    assert labels == LONG_LABELS


def test_batches_name_their_file_and_rows(tmp_path: Path) -> None:
    write(tmp_path, "texts.csv", "id,text\n1,hi\n\n2,ho\n")
    write(tmp_path, "annotations.csv", LONG)
    batches: list[RecordBatch] = list(formats.read(tmp_path).batches())
    assert [Path(batch.file).name for batch in batches] == ["texts.csv", "annotations.csv"]
    assert [text.row for text in batches[0].texts] == [1, 2]
    assert [label.row for label in batches[1].annotations] == [1, 2, 3]


@pytest.mark.slow
def test_batches_are_bounded_by_rows_and_by_characters(tmp_path: Path) -> None:
    many = write(tmp_path, "many.csv", "id,text\n" + "".join(f"{n},x\n" for n in range(25_000)))
    assert [len(batch.texts) for batch in formats.read(many).batches()] == [10_000, 10_000, 5_000]
    large = write(tmp_path, "large.csv", "id,text\n" + "".join(f"{n},{'x' * 9_000_000}\n" for n in range(5)))
    assert [len(batch.texts) for batch in formats.read(large).batches()] == [4, 1]


REFUSED = [
    ("nothing.csv", "", "is empty"),
    ("blank.csv", "\n\n \n", "empty|no names"),
    ("nothing.jsonl", "", "is empty"),
    ("twice.csv", "id,text,text\n1,a,b\n", "two columns"),
    ("ragged.csv", "id,text\n1,a\n2,b,c\n", "row 2: has 3 cells, expected 2"),
    ("short.csv", "id,text\n1,a\n2\n", "row 2: has 1 cells, expected 2"),
    ("quote.csv", 'id,text\n1,"open\n2,b\n', "row 1: is no valid CSV"),
    ("noid.csv", "id,text\n1,a\n,b\n", "row 2, column 'id'.*is empty"),
    ("conflict.csv", "id,text\n1,a\n1,b\n", "row 2.*has another text than in row 1"),
    ("nul.csv", "id,text\n1,a\0b\n", "row 1, column 'text'.*NUL"),
    ("who.csv", "id,annotator,label\n1,,a\n", "row 1, column 'annotator'.*expected an annotator"),
    (
        "label.csv",
        "id,annotator,label\n1,ana,Polite\n",
        "row 1, column 'label', value 'Polite'.*is 'polite' meant",
    ),
    ("columns.csv", "foo,bar\n1,2\n", "no column of texts.*'foo', 'bar'"),
    ("labels.csv", "id,label\n1,polite\n", "no texts and no labels"),
    ("broken.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "te\n', "line 2.*no valid JSON"),
    ("scalar.jsonl", '{"id": 1, "text": "a"}\n5\n', "row 2, value 5: is not a JSON object"),
    ("prose.json", "hello", "neither"),
    ("tail.json", '[{"id": 1, "text": "a"}] x', "after the end"),
    ("comma.json", '[{"id": 1, "text": "a"} {"id": 2}]', "expected , or"),
    ("null.jsonl", '{"id": 1, "text": null}', "row 1, column 'text'.*null"),
    ("object.jsonl", '{"id": 1, "text": {"a": 1}}', "row 1, column 'text'.*expected a text"),
    ("surrogate.jsonl", '{"id": 1, "text": "\\ud800"}', "row 1, column 'text'.*surrogate"),
    ("deep.json", "[" * 100_000, "nested too deeply|no valid JSON"),
    ("number.json", "[" + "9" * 10_000 + "]", "too long|not a JSON object"),
    ("fake.parquet", "PAR1 not really", "no readable Parquet"),
    ("book.csv", b"PK\x03\x04rest", "is an archive"),
    ("several.jsonl", '{"id": 1, "text": "a", "labels": ["polite", "impolite"]}', "several labels"),
]


@pytest.mark.parametrize(("name", "content", "problem"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_is_wrong_is_refused_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, problem: str
) -> None:
    path = write(tmp_path, name, content)
    annotator = "ana" if name == "several.jsonl" else None
    with pytest.raises(FormatError, match=problem) as caught:
        contents(path, ReadOptions(classes=["polite", "impolite"], annotator=annotator))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("role", "cell", "problem"),
    [
        ("seconds", "soon", "no"),
        ("seconds", "-1", "not a number of seconds"),
        ("time", "yesterday", "ISO 8601"),
    ],
)
def test_a_time_that_cannot_be_read_stops_only_where_it_was_asked_for(
    tmp_path: Path, role: str, cell: str, problem: str
) -> None:
    path = write(tmp_path, "labels.csv", f"id,annotator,label,{role}\n1,ana,polite,{cell}\n")
    with pytest.raises(
        FormatError, match=rf"row 1, column '{role}', value '{cell}'.*{problem}.*--ignore {role}"
    ):
        contents(path, ReadOptions(columns={role: role}))
    assert contents(path)[1] == [AnnotationRecord("1", "ana", "polite")]
    assert f"column '{role}' is left out" in formats.read(path).plans[0].findings[0].problem


def test_a_missing_file_and_a_folder_of_other_things(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        formats.read(tmp_path / "none.csv")
    with pytest.raises(FormatError, match="neither texts"):
        formats.read(tmp_path)
    write(tmp_path, "texts.csv", "id,text\n")
    write(tmp_path, "texts.jsonl", "")
    with pytest.raises(FormatError, match=r"texts\.csv, texts\.jsonl"):
        formats.read(tmp_path)


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "texts.csv", "id,text\n1,a\n")
    with pytest.raises(InputError, match="expected auto or one of csv"):
        formats.read(path, ReadOptions(format="docx"))
    with pytest.raises(FormatError, match="no column 'body'; its columns are 'id', 'text'"):
        formats.read(path, ReadOptions(columns={"text": "body"}))
    with pytest.raises(InputError, match="nothing that a column can hold"):
        formats.read(path, ReadOptions(columns={"tekst": "text"}))


@pytest.mark.slow
def test_an_unclosed_quote_does_not_swallow_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path, "quote.csv", 'id,text\n1,"' + "line\n" * 4_000_000)
    with pytest.raises(FormatError, match="a quote may not be closed"):
        contents(path)
    single = write(tmp_path, "line.csv", "id,text\n1," + "x" * 17_000_000)
    with pytest.raises(FormatError, match="too long"):
        contents(single)


def test_a_field_beyond_the_default_limit_of_csv_is_read(tmp_path: Path) -> None:
    assert (
        len(contents(write(tmp_path, "huge.csv", f"id,text\n1,{'x' * 1_000_000}\n"))[0][0].text) == 1_000_000
    )


@pytest.mark.slow
def test_politeness_as_published(shared_data: Path) -> None:
    folder = shared_data / "stanford-politeness"
    texts, labels = contents(folder / "X_labeled_full.csv", ReadOptions(classes=["0", "1"]))
    assert (len(texts), len(labels), texts[0].metadata) == (100, 200, None)
    assert len(contents(folder / "X_unlabeled.csv")[0]) == 1400
    extra = contents(folder / "extra_annotations.json", ReadOptions(classes=["0", "1"]))[1]
    with (folder / "extra_annotations.json").open() as file:
        assert len(extra) == sum(map(len, json.load(file).values()))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_texts", "n_labels"), [("hs-brexit", 1120, 6720), ("sarcasm", 704, 3186)])
def test_long_folders_as_published(shared_data: Path, name: str, n_texts: int, n_labels: int) -> None:
    texts, labels = contents(shared_data / name)
    assert (len(texts), len(labels)) == (n_texts, n_labels)


def test_bytes_of_any_mark_are_no_part_of_the_header(tmp_path: Path) -> None:
    path = write(tmp_path, "texts.jsonl", codecs.BOM_UTF8 + b'{"id": "1", "text": "hi"}')
    assert contents(path)[0] == [TextRecord("1", "hi")]
