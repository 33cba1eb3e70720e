"""Answers to several questions in the formats of other tools, there and back, and what these cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jurybox import formats
from jurybox.cli.app import app
from jurybox.errors import FormatError, InputError
from jurybox.formats import ReadOptions
from jurybox.project import Project
from jurybox.store.settings import ProjectSettings
from jurybox.written import writable_questions

pytestmark = pytest.mark.slow

ASKED = ("food=single:bad,good", "topics=several:price,service,noise", "stars=scale:1..5")
ONE = ("topics=several:price,service,noise",)
SAID = {
    ("t1", "ana"): "food=good; topics=price|service; stars=4",
    ("t1", "bo"): "topics=|; stars=5",
    ("t2", "ana"): "food=bad",
}


def made(path: Path, questions: tuple[str, ...], said: dict[tuple[str, str], str]) -> Project:
    project = Project.create(
        path,
        texts=[("t1", "Cheap, slow."), ("t2", "Fine."), ("t3", "Nobody's.")],
        questions=questions,
        settings=ProjectSettings(encoder="tfidf", audit_size=0),
    )
    for (text_id, name), label in said.items():
        if name not in [one.name for one in project.people.all()]:
            project.people.add(name)
        project.submit(text_id, label, annotator=name, comment="why" if name == "ana" else "")
    return project


def read_back(path: Path, questions: tuple[str, ...], **options: Any) -> dict[tuple[str, str], str]:
    source = formats.read(path, ReadOptions(questions=writable_questions(questions), **options))
    return {
        (one.text_id, one.annotator): one.label for batch in source.batches() for one in batch.annotations
    }


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with made(tmp_path / "p.db", ASKED, SAID) as held:
        yield held


def test_label_studio_holds_each_question_and_what_was_not_asked(project: Project, tmp_path: Path) -> None:
    project.submit("t2", "topics=price<price|noise", annotator="bo")
    out = formats.write(project.export(), tmp_path / "ls.json", format="label-studio")
    assert read_back(out, ASKED) == {**SAID, ("t2", "bo"): "topics=price<price|noise"}
    task = json.loads(out.read_text(encoding="utf-8"))[0]
    controls = [result["from_name"] for result in task["annotations"][0]["result"]]
    assert controls == ["food", "topics", "stars"]


def test_argilla_holds_each_question(project: Project, tmp_path: Path) -> None:
    out = formats.write(project.export(), tmp_path / "argilla.json", format="argilla")
    assert read_back(out, ASKED) == SAID
    record = json.loads(out.read_text(encoding="utf-8"))[0]
    assert record["responses"]["topics"] == [
        {"value": ["price", "service"], "user_id": "ana"},
        {"value": [], "user_id": "bo"},
    ]
    project.submit("t2", "topics=price<price", annotator="bo")
    with pytest.raises(InputError, match="some classes alone"):
        formats.write(project.export(), tmp_path / "two.json", format="argilla")


def test_doccano_holds_the_classes_of_one_question(project: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one list of labels"):
        formats.write(project.export(), tmp_path / "no.zip", format="doccano")
    said = {("t1", "ana"): "topics=price|noise", ("t1", "bo"): "topics=|", ("t2", "bo"): "topics=price"}
    with made(tmp_path / "one.db", ONE, said) as one:
        out = formats.write(one.export(), tmp_path / "d.zip", format="doccano")
    assert read_back(out, ONE, format="doccano") == said


def test_label_studio_as_the_tool_writes_it(tmp_path: Path) -> None:
    """Choices with several, made by the tool: control and person are named, nothing else is ours."""

    def result(control: str, *choices: str) -> dict[str, Any]:
        return {"from_name": control, "to_name": "t", "type": "choices", "value": {"choices": [*choices]}}

    tasks = [
        {
            "id": 1,
            "data": {"text": "Cheap, slow."},
            "annotations": [
                {
                    "completed_by": {"email": "ana@x.org"},
                    "lead_time": 3.5,
                    "result": [
                        result("topics", "price", "noise"),
                        result("food", "good"),
                        result("mood", "x"),
                    ],
                },
                {"completed_by": {"email": "bo@x.org"}, "was_cancelled": True, "result": []},
            ],
        }
    ]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    assert read_back(path, ASKED) == {("1", "ana@x.org"): "food=good; topics=price|noise"}
    source = formats.read(path, ReadOptions(questions=writable_questions(ASKED)))
    assert [one.annotator for batch in source.batches() for one in batch.skips] == ["bo@x.org"]
    assert any("mood" in str(one) for one in source.plan.findings)
    tasks[0]["annotations"][0]["result"] = [result("choice", "price", "noise")]  # type: ignore[index]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    assert read_back(path, ONE) == {("1", "ana@x.org"): "topics=price|noise"}
    for wrong, message in (
        (result("food", "bad", "good"), "one answer"),
        (result("topics", "taste"), "taste"),
    ):
        tasks[0]["annotations"][0]["result"] = [wrong]  # type: ignore[index]
        path.write_text(json.dumps(tasks), encoding="utf-8")
        with pytest.raises(FormatError, match=message):
            read_back(path, ASKED)


def test_argilla_as_the_tool_writes_it(tmp_path: Path) -> None:
    records = [
        {
            "id": "r1",
            "fields": {"text": "Cheap, slow."},
            "metadata": {},
            "suggestions": {},
            "responses": {
                "topics": [{"value": ["price"], "user_id": "u1", "status": "submitted"}],
                "food": [
                    {"value": "good", "user_id": "u1", "status": "submitted"},
                    {"value": "bad", "user_id": "u2", "status": "draft"},
                ],
            },
        }
    ]
    path = tmp_path / "records.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    assert read_back(path, ASKED) == {("r1", "u1"): "food=good; topics=price"}


def test_other_formats_are_refused_in_words(project: Project, tmp_path: Path) -> None:
    for name in ("prodigy", "potato", "mturk", "huggingface"):
        with pytest.raises(InputError, match="several questions"):
            formats.write(project.export(), tmp_path / name, format=name)


def test_a_file_of_another_tool_makes_and_fills_a_project(project: Project, tmp_path: Path) -> None:
    out = formats.write(project.export(), tmp_path / "ls.json", format="label-studio")
    run = CliRunner().invoke
    options = [part for asked in ASKED for part in ("--question", asked)]
    made_ = run(app, ["init", str(tmp_path / "two.db"), "--texts", str(out), *options])
    assert made_.exit_code == 0, made_.output
    with Project.open(tmp_path / "two.db") as two:
        assert {(one.text_id, one.annotator): one.label for one in two.reading.annotation_records()} == SAID
    shown = run(app, ["next", str(tmp_path / "two.db"), "-a", "cy", "-n", "2", "--format", "label-studio"])
    assert shown.exit_code == 0, shown.output
    assert {task["data"]["id"] for task in json.loads(shown.stdout)} <= {"t1", "t2", "t3"}
