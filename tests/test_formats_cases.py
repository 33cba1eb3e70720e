"""Files that people brought and jurybox once misread, each with what is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jurybox import formats
from jurybox.cli.app import app, run
from jurybox.errors import FormatError, InputError
from jurybox.formats import AnnotationRecord, ReadOptions, RecordBatch
from jurybox.project import Project

CASES = Path(__file__).parent / "cases"
TONE = ("polite", "rude")
HÖFLICH = ("höflich", "unhöflich")
BOTH = {"ana": 1, "bo": 1}
EACH = {"polite": 1, "rude": 1}

RIGHT: list[tuple[str, tuple[str, ...], int, dict[str, int], dict[str, int]]] = [
    ("wide_na.csv", TONE, 3, {"ana": 2, "bo": 2, "cy": 2}, {"polite": 4, "rude": 2}),
    ("binary.jsonl", TONE, 2, {"tone-ana": 2, "tone-bo": 1}, {"polite": 1, "rude": 2}),
    ("rating.json", ("3", "4"), 1, {"2": 1, "5": 1}, {"4": 1, "3": 1}),
    ("appen.csv", TONE, 2, {"44": 2, "45": 1}, {"polite": 1, "rude": 2}),
    ("spaces_ann.csv", TONE, 3, {"ana": 2, "Ana": 1}, {"polite": 1, "rude": 2}),
    ("argilla_v1.json", TONE, 2, {"11111111-aaaa": 2, "22222222-bbbb": 1}, {"polite": 1, "rude": 2}),
    ("lewidi.json", ("0", "1"), 2, {"Ann1": 2, "Ann2": 1, "Ann3": 1}, {"1": 1, "0": 3}),
    ("noheader_texts.txt", TONE, 3, {}, {}),
    ("commas_unquoted.txt", TONE, 3, {}, {}),
    ("time1.csv", TONE, 1, {"ana": 1}, {"polite": 1}),
    ("semicolon_bom.csv", HÖFLICH, 2, {"ana": 2, "bo": 1}, {"höflich": 1, "unhöflich": 2}),
    ("doccano.zip", TONE, 2, {"admin": 2, "bea": 2}, {"polite": 1, "rude": 3}),
    ("pd.csv.zip", TONE, 3, {"w1": 2, "w2": 1}, {"polite": 2, "rude": 1}),
    ("x_renamed.csv", TONE, 1, {}, {}),
    ("twice.json", TONE, 1, {"2": 1}, {"rude": 1}),
    ("sep.csv", HÖFLICH, 2, {"ana": 2, "bo": 1}, {"höflich": 1, "unhöflich": 2}),
    ("mturk.csv", TONE, 2, {"WA": 2, "WB": 1}, {"polite": 1, "rude": 2}),
    ("long_empty.csv", TONE, 2, {"ana": 1, "bo": 1}, {"polite": 1, "rude": 1}),
    ("user.csv", TONE, 1, {"ana": 1, "bo": 1}, {"polite": 1, "rude": 1}),
    ("json_min.csv", TONE, 2, {"2": 2, "5": 1}, {"polite": 1, "rude": 2}),
    ("json_min.json", TONE, 2, {"2": 2, "5": 1}, {"polite": 1, "rude": 2}),
    ("topic.csv", ("sports", "politics"), 2, BOTH, {"sports": 1, "politics": 1}),
    ("taxonomy.csv", TONE, 1, {"1": 1, "2": 1}, EACH),
    ("nothing_answered.csv", TONE, 2, {"WA": 1}, {"polite": 1}),
    ("columns.json", TONE, 2, {"ana": 2, "bo": 1}, {"polite": 1, "rude": 2}),
    ("splits.json", TONE, 2, BOTH, EACH),
    ("inside.json", TONE, 1, BOTH, EACH),
    ("sentences.json", TONE, 2, {"ana": 2, "bo": 1}, {"polite": 1, "rude": 2}),
    ("goemotions.csv", ("anger", "joy", "neutral"), 2, {"1": 1, "37": 1}, {"joy": 1, "anger": 1}),
    ("marks_of_x.csv", TONE, 2, BOTH, EACH),
    ("write_table.txt", TONE, 2, BOTH, EACH),
    ("write_table.tsv", TONE, 2, BOTH, EACH),
    ("bare_quotes.tsv", TONE, 2, BOTH, EACH),
    ("swallowed.tsv", TONE, 3, {"ana": 1, "bo": 2}, {"polite": 1, "rude": 2}),
    ("backslashes.csv", TONE, 2, BOTH, EACH),
    ("list_cells.csv", TONE, 2, BOTH, EACH),
    ("two_letters.csv", HÖFLICH, 2, {"Jörg": 2}, {"höflich": 1, "unhöflich": 1}),
    ("unseen_signs.csv", ("مهذب", "وقح"), 2, {"ليلى": 1, "דנה": 1}, {"مهذب": 1, "وقح": 1}),
    ("booleans.csv", ("True", "False"), 2, {"rater_a": 2, "rater_b": 1}, {"True": 1, "False": 2}),
    ("username.jsonl", TONE, 1, {"ana": 1}, {"polite": 1}),
    ("query.csv", TONE, 1, BOTH, EACH),
    ("comment.csv", TONE, 1, BOTH, EACH),
    ("other_name.json", TONE, 1, BOTH, EACH),
    ("lower.csv", TONE, 1, {"wa": 1}, {"polite": 1}),
    ("pairs.csv", TONE, 2, {"ana": 2, "bo": 1, "cy": 1}, {"polite": 1, "rude": 3}),
    ("pairs_seconds.csv", TONE, 2, {"W1": 1, "W2": 1, "W3": 1}, {"polite": 1, "rude": 2}),
    ("pairs.jsonl", TONE, 1, BOTH, EACH),
    ("cell_dict.csv", TONE, 2, BOTH, EACH),
    ("cell_python.csv", TONE, 2, BOTH, EACH),
    ("cell_studio.csv", TONE, 1, {"1": 1}, {"polite": 1}),
    ("text_once.csv", TONE, 1, BOTH, EACH),
    ("heading.csv", TONE, 2, {"ana": 2, "bo": 1}, {"polite": 1, "rude": 2}),
    ("rows.json", TONE, 2, {"ana": 2}, EACH),
    ("strings.json", TONE, 2, {}, {}),
    ("tokens.json", ("hatespeech", "normal"), 1, {"1": 1, "2": 1}, {"hatespeech": 1, "normal": 1}),
]


@pytest.mark.parametrize(
    ("name", "classes", "texts", "people", "labels"), RIGHT, ids=[case[0] for case in RIGHT]
)
def test_a_file_that_was_misread_is_read(
    name: str, classes: tuple[str, ...], texts: int, people: dict[str, int], labels: dict[str, int]
) -> None:
    plan = formats.read(CASES / name, ReadOptions(classes=classes)).plan
    assert (plan.texts, dict(plan.annotators), dict(plan.classes)) == (texts, people, labels)
    assert plan.losses == ()


LOST = {
    "batches.zip": (TONE, "nothing says who gave what is in 'label'"),
    "counts.csv": (TONE, "nothing says who gave those counted by class"),
    "quality.csv": (("good", "bad"), "are called like results"),
    "nobody.json": (("0", "1"), "nothing says who gave those in the lists of 'annotations'"),
    "judgments_of_nobody.json": (TONE, "nothing says who gave those in the lists of 'judgments'"),
    "marks_of_nobody.csv": (TONE, "nothing says who gave what is in 'label'"),
    "topic_only.csv": (("sports", "politics"), "nothing says who gave what is in 'topic'"),
    "label_inside.jsonl": (TONE, "nothing says who gave those in the lists of 'result'"),
}


@pytest.mark.parametrize("name", LOST)
def test_labels_that_would_be_lost_are_named(name: str) -> None:
    classes, problem = LOST[name]
    losses = formats.read(CASES / name, ReadOptions(classes=classes)).plan.losses
    assert losses
    assert all(problem in str(one) and "--keep" in str(one) for one in losses)


def test_answers_about_several_texts_of_one_assignment_are_not_chosen_from() -> None:
    (loss,) = formats.read(CASES / "mturk_texts.csv", ReadOptions(classes=TONE)).plan.losses
    assert "several columns hold labels: 'Answer.tone1', 'Answer.tone2'" in str(loss)
    first = ReadOptions(classes=TONE, columns={"text": "Input.text1", "label": "Answer.tone1"})
    labels = labels_in(CASES / "mturk_texts.csv", first)
    assert [(label.annotator, label.label) for label in labels] == [("W1", "polite"), ("W2", "rude")]


REFUSED = {
    "name_twice.json": (TONE, "an object has two values of the name 'label'"),
    "uneven.jsonl": (TONE, "has 2 labels by 3 annotators; expected as many"),
    "none.csv": (("None", "some"), "'none'.*is 'None' meant"),
    "login.csv": (TONE, "is a web page, not the file itself"),
    "pointer.csv": (TONE, "is a pointer of Git LFS"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_was_misread_is_refused_by_name(name: str) -> None:
    classes, problem = REFUSED[name]
    with pytest.raises(FormatError, match=problem):
        labels_in(CASES / name, ReadOptions(classes=classes))


REMARKS = {
    "grid.csv": "are left out: 'Comments'",
    "na_person.csv": "annotators are called 'NA'",
    "footer.csv": "empty texts: 1",
    "header_only.csv": "holds no rows",
    "nothing.json": "holds no rows",
    "query.csv": "column 'query' is taken for the text",
}


@pytest.mark.parametrize("name", REMARKS)
def test_what_looks_wrong_is_said(name: str) -> None:
    plan = formats.read(CASES / name, ReadOptions(classes=TONE, turn=name == "grid.csv")).plan
    assert any(REMARKS[name] in str(finding) for finding in plan.findings)


def test_people_and_times_of_a_questionnaire_have_their_names_in_other_languages() -> None:
    labels = labels_in(CASES / "formular.csv", ReadOptions(classes=HÖFLICH, turn=True))
    assert [(label.annotator, str(label.time)) for label in labels] == [
        ("ana@x.org", "2024-05-02 09:12:33+00:00"),
        ("ana@x.org", "2024-05-02 09:12:33+00:00"),
        ("bo@x.org", "2024-05-02 09:15:33+00:00"),
    ]


def test_marks_of_several_classes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text("text,coder,polite,rude\na b,ana,1,1\n")
    with pytest.raises(FormatError, match=r"row 1, column 'rude'.*several labels"):
        labels_in(path, ReadOptions(classes=TONE))


def labels_in(path: Path, options: ReadOptions) -> list[AnnotationRecord]:
    return [label for batch in formats.read(path, options).batches() for label in batch.annotations]


def test_comments_are_kept() -> None:
    labels = labels_in(CASES / "doc_comments.jsonl", ReadOptions(classes=TONE, annotator="ana"))
    assert [(label.annotator, label.label, label.comment) for label in labels] == [
        ("ana", "polite", "not sure, sarcastic?")
    ]


def test_times_and_durations_are_read() -> None:
    (label,) = labels_in(CASES / "time1.csv", ReadOptions(classes=TONE))
    assert label.time is not None
    assert label.time.timestamp() == 1714640000
    seconds = [
        label.seconds for label in labels_in(CASES / "semicolon_bom.csv", ReadOptions(classes=HÖFLICH))
    ]
    assert seconds == [3.5, 12.25, 1204.5]
    assert [label.seconds for label in labels_in(CASES / "mturk.csv", ReadOptions(classes=TONE))] == [
        20,
        20,
        20,
    ]


def test_times_without_signs_and_those_of_javascript_and_sheets_are_read() -> None:
    labels = labels_in(CASES / "time2.csv", ReadOptions(classes=TONE))
    assert [label.time.isoformat() for label in labels if label.time is not None] == [
        "2024-05-02T09:12:33+00:00",
        "2024-05-02T09:12:33+02:00",
        "2024-05-02T00:00:00+00:00",
    ]
    seconds = [label.seconds for label in labels_in(CASES / "pairs_seconds.csv", ReadOptions(classes=TONE))]
    assert seconds == [3.5, 4, 2]


def test_columns_of_who_and_what_are_named_in_the_plan() -> None:
    (file,) = formats.read(CASES / "pairs.csv", ReadOptions(classes=TONE)).plan.files
    assert {column.name: column.becomes for column in file.columns} == {
        "id": "id",
        "text": "text",
        "annotator1": "annotator",
        "label1": "label",
        "annotator2": "annotator",
        "label2": "label",
    }


def test_a_cell_that_is_no_object_as_those_above_it_is_an_error_at_that_cell(tmp_path: Path) -> None:
    rows = "".join(f"{n},text {n},\"{{'ana': 'polite'}}\"\n" for n in range(1500))
    (tmp_path / "late.csv").write_text(f"id,text,labels\n{rows}x,text,ana: polite\n")
    with pytest.raises(FormatError, match=r"row 1501, column 'labels', value 'ana: polite'.*no JSON object"):
        labels_in(tmp_path / "late.csv", ReadOptions(classes=TONE))


def test_what_was_left_out_is_stated() -> None:
    stated = [
        finding.problem
        for finding in formats.read(CASES / "mturk.csv", ReadOptions(classes=TONE)).plan.findings
    ]
    assert any(problem.startswith("1 × rejected assignments left out") for problem in stated)
    skipped = formats.read(CASES / "long_empty.csv", ReadOptions(classes=TONE)).plan
    assert skipped.skips == 1
    folded = formats.read(CASES / "spaces_ann.csv", ReadOptions(classes=TONE)).plan
    assert any("ana, Ana" in finding.problem for finding in folded.findings)


def test_labels_that_first_come_late_count(tmp_path: Path) -> None:
    lines = [json.dumps({"id": n, "text": f"text {n}"}) for n in range(3000)]
    lines.append(json.dumps({"id": 3000, "text": "last", "annotator": "ana", "label": "polite"}))
    (tmp_path / "late.jsonl").write_text("\n".join(lines))
    assert formats.read(tmp_path / "late.jsonl", ReadOptions(classes=TONE)).plan.annotators == {"ana": 1}


def test_one_odd_cell_is_an_error_at_that_cell() -> None:
    with pytest.raises(FormatError, match=r"row 1, column 'cy', value 'Polite'.*is 'polite' meant"):
        labels_in(CASES / "wide_case.csv", ReadOptions(classes=TONE))


Run = Callable[..., str]


@pytest.fixture
def jurybox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty folder; return what it prints, or the one line of its error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path, code: int = 0) -> str:
        capsys.readouterr()
        assert run(app, list(map(str, arguments))) == code
        printed = capsys.readouterr()
        if code:
            assert len(printed.err.splitlines()) == 1
        return printed.err if code else printed.out

    return call


@pytest.mark.slow
def test_features_and_labels_of_nobody_do_not_vote(jurybox: Run, tmp_path: Path) -> None:
    command = ("init", "p.db", "--texts", CASES / "feat.csv", "-l", "0", "-l", "1")
    error = jurybox(*command, code=1)
    assert "'label'" in error
    assert "--annotator NAME with --column label=COLUMN" in error
    assert not (tmp_path / "p.db").exists()
    assert "3 texts, 0 annotations" in jurybox(*command, "--yes")
    jurybox(*("init", "q.db", *command[2:], "--keep", "label"))
    assert "3 annotations" in jurybox("init", "r.db", *command[2:], "--annotator", "ana")


def test_texts_of_a_folder_come_before_labels_whatever_their_files_are_called(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "answers.csv").write_text("id,annotator,label\n1,ana,rude\n")
    (tmp_path / "d" / "posts.csv").write_text("id,text\n1,first\n")
    with Project.create(tmp_path / "p.db", classes=TONE) as project:
        added = project.add_file(tmp_path / "d")
        assert (added.texts, added.annotations) == (1, 1)


def test_an_array_that_begins_with_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "null.json").write_text('[null, {"text": "aa"}]')
    with pytest.raises(FormatError, match=r"row 1.*is not a JSON object"):
        labels_in(tmp_path / "null.json", ReadOptions(classes=TONE))


def test_a_blank_text_of_a_known_id_is_that_text(tmp_path: Path) -> None:
    (tmp_path / "late.csv").write_text("id,text,annotator,label\n1,,ana,rude\n")
    with Project.create(tmp_path / "p.db", classes=TONE, texts=[("1", "first")]) as project:
        added = project.add_file(tmp_path / "late.csv")
        assert (added.texts, added.known_texts, added.annotations) == (0, 1, 1)
        assert [text.text for text in project.export().texts] == ["first"]
        (tmp_path / "late.csv").write_text("id,text,annotator,label\n1,second,bo,rude\n")
        with pytest.raises(FormatError, match="known with another text"):
            project.add_file(tmp_path / "late.csv")


def test_metadata_called_like_fields_of_doccano_do_not_overwrite_them(tmp_path: Path) -> None:
    held = {"id": 5, "label": "x", "text": "mm", "source": "web"}
    export = formats.Export(
        "tone", TONE, [formats.TextRecord("007", "first", held)], [AnnotationRecord("007", "ana", "rude")]
    )
    (batch,) = formats.read(
        formats.write(export, tmp_path / "out", format="doccano"), ReadOptions(classes=TONE)
    ).batches()
    assert [(text.id, text.text, text.metadata) for text in batch.texts] == [("007", "first", held)]
    assert [(label.text_id, label.annotator, label.label) for label in batch.annotations] == [
        ("007", "ana", "rude")
    ]


@pytest.mark.parametrize("people", [["id"], ["ana", "ana "]])
def test_columns_of_one_name_are_not_written(tmp_path: Path, people: list[str]) -> None:
    labels = [AnnotationRecord("1", name, "rude") for name in people]
    export = formats.Export("tone", TONE, [formats.TextRecord("1", "first")], labels)
    with pytest.raises(InputError, match="two columns would be called"):
        formats.write(export, tmp_path / "out.csv", format="wide")
    assert not (tmp_path / "out.csv").exists()


def test_numbered_classes_have_their_names_at_any_depth(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    label = {"names": [*TONE], "_type": "ClassLabel"}
    person = {"dtype": "string", "_type": "Value"}
    features = {"text": person, "annotations": [{"annotator": person, "label": label}]}
    table = arrow.table(
        {
            "text": ["aa"],
            "annotations": [[{"annotator": "ana", "label": 1}, {"annotator": "bo", "label": -1}]],
        }
    )
    kept = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(table.replace_schema_metadata(kept), tmp_path / "deep.parquet")
    labels = labels_in(tmp_path / "deep.parquet", ReadOptions(classes=TONE))
    assert [(label.annotator, label.label) for label in labels] == [("ana", "rude")]


@pytest.mark.slow
def test_a_label_added_from_a_file_ends_its_loan(jurybox: Run, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("id,text\n1,first\n2,second\n3,third\n")
    (tmp_path / "labels.csv").write_text("id,annotator,label\n1,ana,polite\n2,ana,rude\n3,ana,polite\n")
    jurybox("init", "p.db", "--texts", "texts.csv", "-l", "polite", "-l", "rude", "--set", "encoder=tfidf")
    assert len(json.loads(jurybox("next", "p.db", "--annotator", "ana", "-n", "3", "--json"))) == 3
    assert jurybox("next", "p.db", "--annotator", "bo", "-n", "3") == ""
    jurybox("add", "p.db", "labels.csv")
    assert json.loads(jurybox("next", "p.db", "--annotator", "ana", "-n", "3", "--json")) == []
    assert len(json.loads(jurybox("next", "p.db", "--annotator", "bo", "-n", "3", "--json"))) == 3


@pytest.mark.slow
def test_texts_go_out_to_another_tool_and_their_labels_come_back(jurybox: Run, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("id,text,topic\n1,=first,x\n2,second,y\n")
    jurybox("init", "p.db", "--texts", "texts.csv", "-l", "polite", "-l", "rude", "--set", "encoder=tfidf")
    lend = ("next", "p.db", "--annotator", "ana", "-n", "2")
    tasks = json.loads(jurybox(*lend, "--format", "label-studio"))
    assert sorted(task["data"]["text"] for task in tasks) == ["=first", "second"]
    choice = {"from_name": "tone", "to_name": "text", "type": "choices", "value": {"choices": ["rude"]}}
    done = [
        {**task, "id": 70 + at, "annotations": [{"completed_by": {"email": "ana"}, "result": [choice]}]}
        for at, task in enumerate(tasks)
    ]
    (tmp_path / "export.json").write_text(json.dumps(done))
    lines = jurybox(*lend, "--format", "prodigy").splitlines()
    assert [option["id"] for option in json.loads(lines[0])["options"]] == ["polite", "rude"]
    (tmp_path / "tasks.csv").write_text(jurybox(*lend, "--format", "csv"), encoding="utf-8")
    assert "0 annotations" in jurybox("add", "p.db", "tasks.csv", "--annotator", "ana")
    assert "2 annotations" in jurybox("add", "p.db", "export.json")
    assert jurybox(*lend) == ""
    assert "expected one of label-studio, prodigy, csv" in jurybox(*lend, "--format", "xlsx", code=1)


def test_skips_and_known_labels_end_loans_too(location: str) -> None:
    with Project.create(location, classes=TONE, texts=[("1", "first"), ("2", "second")]) as project:
        project.next_tasks("ana", 2)
        label = AnnotationRecord("1", "ana", "polite")
        project.add_annotations([label])
        assert [task.text_id for task in project.next_tasks("ana", 2).tasks] == ["2"]
        added = project.add([RecordBatch((), (label,), skips=(formats.SkipRecord("2", "ana"),))])
        assert (added.known_annotations, added.skips) == (1, 1)
        assert project.next_tasks("ana", 2).tasks == ()
        assert [(skip.text_id, skip.annotator) for skip in project.export().skips] == [("2", "ana")]
        assert project.add([RecordBatch((), (), skips=(formats.SkipRecord("2", "ana"),))]).skips == 0


def test_a_folder_as_a_project_is_refused_by_name(jurybox: Run, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("id,text\n1,first\n")
    assert "is a folder; name a file in it" in jurybox(
        "init", ".", "--texts", "texts.csv", "-l", "a", "-l", "b", code=1
    )


def test_a_contradiction_names_the_option(jurybox: Run, tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("id,text,annotator,label\n1,hi,ana,polite\n1,hi,ana,rude\n")
    command = ("init", "p.db", "--texts", "twice.csv", "-l", "polite", "-l", "rude")
    assert "--replace" in jurybox(*command, code=1)
    assert "1 annotation," in jurybox(*command, "--replace")


@pytest.mark.slow
def test_a_plan_is_kept_and_reused(jurybox: Run, tmp_path: Path) -> None:
    (tmp_path / "first.csv").write_text(
        "nr;said;who;tone;flag\n1;hi;ana;polite;0\n2;ho;bo;NA;1\n", encoding="utf-8"
    )
    (tmp_path / "second.csv").write_text("nr;said;who;tone;extra\n3;he;ana;rude;x\n", encoding="utf-8")
    command = (
        "-l",
        "polite",
        "-l",
        "rude",
        "--column",
        "id=nr",
        "--column",
        "text=said",
        "--column",
        "annotator=who",
    )
    jurybox("init", "p.db", "--texts", "first.csv", *command, "--plan", "plan.toml")
    kept = (tmp_path / "plan.toml").read_text(encoding="utf-8")
    assert 'label = "tone"' in kept
    assert 'keep = ["flag"]' in kept
    jurybox("add", "p.db", "second.csv", "--plan", "plan.toml")
    assert (tmp_path / "plan.toml").read_text(encoding="utf-8") == kept
    assert json.loads(jurybox("status", "p.db", "--json"))["annotations"] == 2
    plan = json.loads(jurybox("inspect", "second.csv", "-l", "rude", "--plan", "plan.toml", "--json"))
    assert any("the plan does not know: 'extra'" in finding["problem"] for finding in plan["findings"])
    assert any("the file lacks: 'flag'" in finding["problem"] for finding in plan["findings"])


def test_strict_refuses_whatever_looks_wrong(jurybox: Run) -> None:
    command = ("-l", "polite", "-l", "rude")
    assert "rejected assignments" in jurybox(
        "init", "p.db", "--texts", CASES / "mturk.csv", *command, "--strict", code=1
    )
    jurybox("init", "p.db", "--texts", CASES / "user.csv", *command, "--strict")


@pytest.mark.slow
def test_classes_come_from_a_file_or_a_column(jurybox: Run, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("polite\nrude\n\n")
    assert "classes polite, rude" in jurybox(
        "init", "p.db", "--texts", CASES / "user.csv", "--classes-from", "classes.txt"
    )
    assert "classes polite, rude" in jurybox(
        "init", "q.db", "--texts", CASES / "user.csv", "--classes-from", "label"
    )


def test_inspect_of_a_file_that_is_not_there_says_so(jurybox: Run) -> None:
    assert "labels.csv: there is no such file or folder" in jurybox("inspect", "labels.csv", code=1)


@pytest.mark.slow
def test_hundreds_of_classes_are_not_all_listed(jurybox: Run, tmp_path: Path) -> None:
    rows = "".join(f"{n},text {n},ana,class {n:03d}\n" for n in range(300))
    (tmp_path / "many.csv").write_text(f"id,text,annotator,label\n{rows}")
    printed = jurybox("init", "p.db", "--texts", "many.csv", "--classes-from", "label")
    assert "class 019 and 280 more" in printed


def test_inspect_prints_the_plan_alone(jurybox: Run) -> None:
    printed = jurybox("inspect", CASES / "mturk.csv", "-l", "polite", "-l", "rude")
    assert "Answer.tone.label" in printed
    assert "belongs to Mechanical Turk" in printed


def test_the_library_refuses_a_loss_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("id,text,label\n1,hi,polite\n")
    with Project.create(tmp_path / "p.db", classes=TONE) as project:
        with pytest.raises(FormatError, match=r"labels would be lost.*--keep") as caught:
            project.add_file(tmp_path / "labels.csv")
        assert caught.value.code == "labels_lost"
        assert project.add_file(tmp_path / "labels.csv", yes=True).texts == 1
        assert project.add_file(tmp_path / "labels.csv", ReadOptions(annotator="ana")).annotations == 1
