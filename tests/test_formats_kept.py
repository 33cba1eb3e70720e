"""What a file holds arrives as it is: nothing is left out in silence, and nothing goes to somebody else."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

import pytest

from jurybox import formats
from jurybox.errors import FormatError
from jurybox.formats import AnnotationRecord, ReadOptions, containers
from jurybox.formats.opening import Part, open_part
from jurybox.formats.records import Export, TextRecord
from jurybox.formats.tools.inception import LAYER
from jurybox.web.i18n import LANGUAGES, get_catalogue
from jurybox.web.render import found_words
from support.exports import packed, xlsx

TONE = ("polite", "rude")
OPTIONS = ReadOptions(classes=TONE)
Rows: TypeAlias = Sequence[Sequence[str | float]]
HEAD = ["id", "text", "label"]


def labels_in(path: Path) -> list[AnnotationRecord]:
    return [label for batch in formats.read(path, OPTIONS).batches() for label in batch.annotations]


def people_in(path: Path) -> Counter[str]:
    return Counter(label.annotator for label in labels_in(path))


def filled(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def document(title: str, label: str) -> str:
    """Return a document of INCEpTION whose label is of the whole text, without a person."""
    sofa = {"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaString": f"text of {title}"}
    about = {"%ID": 2, "%TYPE": "DocumentMetaData", "begin": 0, "end": 50, "documentTitle": title}
    mark = {"%ID": 3, "%TYPE": LAYER, "@sofa": 1, "label": label}
    return json.dumps({"%TYPES": {}, "%FEATURE_STRUCTURES": [sofa, about, mark], "%VIEWS": {}})


def webanno(label: str) -> str:
    return f"#FORMAT=WebAnno TSV 3.3\n#T_SP=custom.Tone|label\n\n\n#Text=hi\n1-1\t0-2\thi\t{label}\t\n"


def rows(label: str) -> str:
    return f"id,text,label\n1,hi,{label}\n2,ho,{label}\n"


@pytest.mark.parametrize("inner", ["", "project/"])
def test_in_a_folder_of_documents_the_file_names_the_person(tmp_path: Path, inner: str) -> None:
    places = itertools.product(("one.txt", "two.txt"), ("ana", "bo"))
    files = {f"{inner}annotation/{text}/{who}.json": document(text, "polite") for text, who in places}
    assert people_in(filled(tmp_path / "folder", files)) == {"ana": 2, "bo": 2}
    (tmp_path / "all.zip").write_bytes(packed(files))
    assert people_in(tmp_path / "all.zip") == {"ana": 2, "bo": 2}


def test_a_document_as_text_names_the_person_too(tmp_path: Path) -> None:
    files = {f"annotation/{text}/ana.tsv": webanno("polite") for text in ("one.txt", "two.txt")}
    assert set(people_in(filled(tmp_path, files))) == {"ana"}


def test_files_of_one_person_side_by_side_are_theirs(tmp_path: Path) -> None:
    files = {"camp/ana.may.csv": rows("polite"), "camp/ana.june.csv": rows("polite")}
    assert set(people_in(filled(tmp_path, files))) == {"ana"}


@pytest.mark.parametrize("folder", ["camp", "annotation"])
def test_the_same_name_in_several_folders_leaves_the_folder_to_name_the_person(
    tmp_path: Path, folder: str
) -> None:
    files = {f"{folder}/ana/tone.csv": rows("polite"), f"{folder}/bo/tone.csv": rows("rude")}
    assert people_in(filled(tmp_path, files)) == {"ana": 2, "bo": 2}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_texts_of_ours_that_look_like_no_texts_come_back(tmp_path: Path, form: str) -> None:
    texts = [TextRecord(" ", ""), TextRecord("id", "text"), TextRecord("2", " ")]
    labels = [AnnotationRecord(" ", "ana", "polite"), AnnotationRecord("id", "ana", "rude")]
    export = Export(name="Tone", classes=TONE, texts=texts, annotations=labels)
    source = formats.read(formats.write(export, tmp_path / "out", format=form))
    batches = list(source.batches())
    assert [(text.id, text.text) for batch in batches for text in batch.texts] == [text[:2] for text in texts]
    assert [(one.text_id, one.label) for batch in batches for one in batch.annotations] == [
        (" ", "polite"),
        ("id", "rude"),
    ]


@pytest.mark.parametrize("name", ["", "."])
def test_an_archive_with_a_file_without_a_name_is_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / "labels.zip"
    member = zipfile.ZipInfo("labels.csv")
    member.filename = name
    with zipfile.ZipFile(path, "w") as archive, archive.open(member, "w") as file:
        file.write(b"id,text\n1,one\n")
    with pytest.raises(FormatError, match="has no name"):
        formats.read(path, OPTIONS)


def test_an_archive_whose_names_are_no_text_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "labels.zip"
    path.write_bytes(packed({"é.csv": rows("polite")}).replace("é".encode(), b"\xff\xff"))
    with pytest.raises(FormatError, match="damaged"):
        formats.read(path, OPTIONS)


@pytest.mark.parametrize("form", ["csv", "qualtrics", "google-forms"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_quotes_around_a_delimiter_in_a_text_do_not_make_it_that_of_the_file(
    tmp_path: Path, form: str, delimiter: str
) -> None:
    texts = [TextRecord(text, text) for text in ("id", f'"{delimiter}"', f'text"{delimiter}"label')]
    export = Export("Tone", TONE, texts, [AnnotationRecord(text.id, "ana", "polite") for text in texts])
    source = formats.read(formats.write(export, tmp_path / "out.csv", format=form))
    held = [text.text for batch in source.batches() for text in batch.texts]
    assert held == [text.text for text in texts]


@pytest.mark.parametrize(("limit", "most"), [("_MOST_BYTES", 5_000), ("_MOST_FILES", 5)])
def test_archives_in_an_archive_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    def archive(inner: int) -> Path:
        path = tmp_path / f"{inner}.zip"
        held = {f"{at}.zip": packed({f"{at}{n}.txt": "x" * 400 for n in range(2)}) for at in range(inner)}
        path.write_bytes(packed(held))
        return path

    monkeypatch.setattr(containers, limit, most)
    assert len(containers.unpack(archive(2)).files) == 4
    with pytest.raises(FormatError, match="unpacks to too much"):
        containers.unpack(archive(4))


def workbook(path: Path, sheets: Mapping[str, Rows]) -> Path:
    path.write_bytes(xlsx(sheets))
    return path


@pytest.mark.parametrize(
    ("sheet", "why"),
    [
        ([[*HEAD, "text"], [1, "hi", "rude", "hi"]], "column 'text': two columns have this name"),
        ([["id", "label"], [1, "rude"], [2, "polite"]], "nothing says who"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_no_sheet_without_labels(
    tmp_path: Path, sheet: Rows, why: str
) -> None:
    ana: Rows = [HEAD, [1, "hi", "polite"], [2, "ho", "rude"]]
    plan = formats.read(
        workbook(tmp_path / "t.xlsx", {"ana": ana, "bo": sheet, "About": [["by us"]]}), OPTIONS
    ).plan
    (lost,) = plan.losses
    assert lost.code == "sheet_unread"
    assert str(lost).startswith("sheet bo cannot be read: ")
    assert why in str(lost)
    assert str(tmp_path) not in str(lost)
    with pytest.raises(FormatError, match="sheet bo cannot be read"):
        plan.approve()
    names = next(one for one in plan.findings if one.code == "sheets").values
    assert "bo" not in cast("tuple[str, ...]", dict(names)["names"])
    said = {found_words(get_catalogue(language), lost) for language in LANGUAGES}
    assert len(said) == len(LANGUAGES)
    assert all("bo" in words for words in said)


def test_a_sheet_about_texts_without_labels_loses_none(tmp_path: Path) -> None:
    ana: Rows = [HEAD, [1, "hi", "polite"], [2, "ho", "rude"]]
    sheets: dict[str, Rows] = {"ana": ana, "Seen": [["id", "date"], ["a", "2026-03-01"], ["b", "2026-03-02"]]}
    plan = formats.read(workbook(tmp_path / "t.xlsx", sheets), OPTIONS).plan
    assert plan.losses == ()
    assert [dict(one.values)["names"] for one in plan.findings if one.code == "sheets"] == [("Seen",)]


def test_a_sheet_without_a_name_is_the_files_and_the_others_keep_their_people(tmp_path: Path) -> None:
    sheets: dict[str, Rows] = {
        "Sheet1": [HEAD, [1, "hi", "polite"], [2, "ho", "rude"]],
        "bo": [HEAD, [1, "hi", "rude"]],
        "Pilot": [["id", "text", "annotator", "label"], [1, "hi", "cy", "polite"], [2, "ho", "cy", "rude"]],
    }
    workbook(tmp_path / "ana.xlsx", sheets)
    assert people_in(tmp_path) == {"ana": 2, "bo": 1, "cy": 2}
    plan = formats.read(tmp_path, OPTIONS).plan
    assert [dict(one.values)["name"] for one in plan.findings if one.code == "person_of_file"] == ["ana"]


def lines(tmp_path: Path, first: str, last: str) -> Part:
    path = tmp_path / "tone.txt"
    path.write_text("\n".join([*[first] * 1_500, last]) + "\n", encoding="utf-8")
    return open_part(path, "lines", ReadOptions(classes=TONE, annotator="ana"))


@pytest.mark.parametrize("first", ["polite\thi", "hi\tpolite"])
def test_a_later_line_without_a_label_is_refused_with_its_place(tmp_path: Path, first: str) -> None:
    with pytest.raises(FormatError, match=r"row 1501, column 'label'.*no tab"):
        list(lines(tmp_path, first, "no tab").read())


@pytest.mark.parametrize(("first", "last"), [("rude\thi", "polite\ta\tb"), ("hi\trude", "a\tb\tpolite")])
def test_a_tab_in_a_later_text_stays_in_it(tmp_path: Path, first: str, last: str) -> None:
    *_, text, label = lines(tmp_path, first, last).read()
    assert isinstance(text, TextRecord)
    assert isinstance(label, AnnotationRecord)
    assert (text.text, label.label) == ("a\tb", "polite")


def test_numbered_classes_have_their_names_beside_a_column_of_lists(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    tone = {"names": list(TONE), "_type": "ClassLabel"}
    features = {"tags": [{"dtype": "string", "_type": "Value"}], "label": tone, "votes": [tone]}
    table = arrow.table(
        {
            "id": [1, 2, 3],
            "text": ["hi", "ho", "hu"],
            "annotator": ["ana"] * 3,
            "label": [0, 1, 0],
            "tags": [["a"]] * 3,
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert [label.label for label in labels_in(tmp_path / "t.parquet")] == ["polite", "rude", "polite"]


def test_numbered_classes_in_lists_have_their_names(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    features = {"labels": [{"names": list(TONE), "_type": "ClassLabel"}]}
    table = arrow.table(
        {"text": ["hi", "ho"], "annotators": [["ana", "bo"]] * 2, "labels": [[0, 1], [1, 1]]}
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert sorted(label.label for label in labels_in(tmp_path / "t.parquet")) == ["polite", *["rude"] * 3]


def test_known_labels_in_lists_are_said_to_be_known_on_pages_too(tmp_path: Path) -> None:
    texts = "".join(json.dumps({"id": n, "text": f"text {n}", "votes": [*TONE]}) + "\n" for n in range(3))
    filled(tmp_path, {"texts.jsonl": texts, "annotations.csv": "id,annotator,label\n1,ana,polite\n"})
    plan = formats.read(tmp_path, OPTIONS).plan
    assert plan.losses == ()
    (known,) = (one for one in plan.findings if "known labels" in one.problem)
    assert known.code == "known"
    assert "Known labels" in found_words(get_catalogue("en"), known)


def test_classes_between_pipes_are_no_names_of_columns(tmp_path: Path) -> None:
    rows = [f"t{n},text {n},ana,c{n % 3}|c4|c5" for n in range(9)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,text,annotator,topics", *rows, ""]))
    read = list(formats.read(tmp_path / "labels.csv", ReadOptions()).batches())
    assert [text.text for batch in read for text in batch.texts] == [f"text {n}" for n in range(9)]
