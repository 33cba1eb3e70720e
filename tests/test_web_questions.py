"""Projects with several questions over REST, on the pages and at the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import jurybox.web
from jurybox.cli.app import app
from jurybox.project import Project
from support.web import Stage, stage

pytestmark = pytest.mark.slow

ASKED = ("food=single:bad,good", "topics=several:price,service")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db"), questions=ASKED) as made:
        yield made


def label_all(project: Project) -> None:
    for name in ("ana", "bo"):
        for i in range(12):
            food, topics = ("good", "price") if i % 2 else ("bad", "|")
            if name == "bo" and i < 3:
                food = "bad"
            project.submit(f"t{i}", f"food={food}; topics={topics}", annotator=name)


def test_what_several_questions_need_is_loaded_where_there_are_several(own: Stage, tmp_path: Path) -> None:
    static = Path(jurybox.web.__file__).parent / "static" / "label"
    eager = {
        path.name
        for path in static.glob("*.js")
        if re.search(r'^import .*"./answers.js"', path.read_text(), re.M)
    }
    assert eager == set()
    with stage(str(tmp_path / "one.db")) as one:
        pages = [each.browser("ana").get("/label").text for each in (own, one)]
    assert ["answers.js" in page for page in pages] == [True, False]


def test_answers_go_over_rest_as_one_label(own: Stage) -> None:
    ana = own.client("ana")
    about = ana.get("/api/v1/project").json()
    assert about["classes"] == []
    assert about["questions"][1] == {"name": "topics", "kind": "several", "classes": ["price", "service"]}
    task = ana.post("/api/v1/tasks", json={"n": 1}).json()["tasks"][0]
    said = {"food": "good", "topics": ["service", "price"]}
    answer = ana.post("/api/v1/annotations", json={"text_id": task["text_id"], "label": said})
    assert (answer.status_code, answer.json()["label"]) == (201, "food=good; topics=price|service")
    again = ana.post(
        "/api/v1/annotations",
        json={"text_id": task["text_id"], "label": "topics=price|service; food=good"},
    )
    assert (again.status_code, again.json()["repeated"]) == (200, True)
    partly = {"topics": {"yes": ["price"], "asked": ["price"]}}
    changed = ana.post("/api/v1/decisions/change", json={"text_id": task["text_id"], "label": partly})
    assert changed.json()["label"] == "topics=price<price"
    for wrong in (
        {"food": "fine"},
        {"taste": "good"},
        {},
        "food=good; food=bad",
        {"topics": "price", "x": []},
    ):
        refused = ana.post("/api/v1/annotations", json={"text_id": task["text_id"], "label": wrong})
        assert refused.status_code == 422, wrong
    assert own.project.status().annotations == 1


def test_a_class_is_no_mapping_in_a_project_with_one_question(tmp_path: Path) -> None:
    with stage(str(tmp_path / "one.db")) as one:
        ana = one.client("ana")
        task = ana.post("/api/v1/tasks", json={"n": 1}).json()["tasks"][0]
        refused = ana.post("/api/v1/annotations", json={"text_id": task["text_id"], "label": {"a": "yes"}})
        assert refused.status_code == 422
        assert ana.get("/api/v1/project").json()["questions"] == []
        assert one.client("olga").get("/api/v1/questions").json() is None
        with pytest.raises(Exception, match="one question"):
            one.project.facets.of("food")


def test_figures_are_of_the_question_that_is_named(own: Stage) -> None:
    label_all(own.project)
    own.project.facets.keep()
    olga = own.client("olga")
    assert olga.get("/api/v1/beliefs").status_code == 409
    assert olga.get("/api/v1/beliefs", params={"question": "topics"}).status_code == 422
    food = olga.get("/api/v1/beliefs", params={"question": "food"}).json()
    assert list(food["consensus"]["classes"]) == ["bad", "good"]
    assert food["basis"]["labels"] == 24
    found = olga.get("/api/v1/questions").json()
    assert [one["question"] for one in found["facets"]] == ["food", "topics:price", "topics:service"]
    assert found["worst"] == "food"
    assert food["agreement"]["all_texts"]["alpha"]["estimate"] < 1
    assert food["agreement"]["by_chance"]["alpha"] is None, "no text was drawn by chance"
    assert found["facets"][0]["agreement"] is None
    texts = olga.get("/api/v1/consensus", params={"question": "topics:price"}).json()["items"]
    assert {one["label"] for one in texts} == {"yes", "no"}


PAGES = (
    "",
    "/trust",
    "/people",
    "/agreement",
    "/audit",
    "/review",
    "/texts",
    "/annotations",
    "/settings",
    "/queue",
)


def test_every_page_stands_and_says_which_question_it_is_about(own: Stage) -> None:
    label_all(own.project)
    own.project.refit()
    own.project.facets.keep()
    olga = own.browser("olga")
    for page in PAGES:
        for query in ("", "?question=topics:price"):
            answer = olga.get(f"/manage{page}{query}")
            assert answer.status_code == 200, (page, answer.text[-600:])
    assert "topics:service" in olga.get("/manage").text
    for page in (
        "/manage/text?id=t1",
        "/manage/person?name=ana",
        "/manage/export",
        "/manage/history",
        "/manage/machines",
    ):
        assert olga.get(page).status_code == 200, page
    assert "food=good; topics=price" in olga.get("/manage/text?id=t1").text


def test_classes_come_and_are_merged_at_every_door(own: Stage) -> None:
    olga, path = own.browser("olga"), own.location
    page = olga.get("/manage/settings").text
    assert '<select name="question">' in page
    form = {"question": "topics", "name": "noise"}
    assert olga.post("/manage/classes", data=form).status_code == 303
    assert olga.post("/manage/classes", data=form).status_code == 422
    merged = {"old": "topics:noise", "into": "topics:price"}
    assert olga.post("/manage/classes/merge", data=merged).status_code == 303
    client = own.client("olga")
    assert client.post("/api/v1/classes", json={"name": "food:fair"}).status_code == 201
    across = {"old": "food:fair", "into": "topics:price"}
    assert client.post("/api/v1/classes/mergers", json=across).status_code == 422
    told = CliRunner().invoke(app, ["edit", "merge", path, "food:fair", "food:good"])
    assert told.exit_code == 0, told.output
    assert "food=single:" in told.output
    about = client.get("/api/v1/project").json()["questions"]
    assert [one["classes"] for one in about] == [["bad", "good"], ["price", "service"]]


def test_the_page_asks_all_questions_and_takes_a_plain_form(own: Stage) -> None:
    ana = own.browser("ana")
    page = ana.get("/label").text
    assert page.count('class="question"') == 2
    text_id = page.split('name="text_id" id="text-id" value="')[1].split('"')[0]
    assert '<input type="hidden" name="shown_1" value="price|service">' in page
    shown = {"shown_1": "price|service"}
    answers = {"answer_0": "good", "answer_1": ["price", "service"]}
    sent = ana.post("/label", data={"text_id": text_id, **shown, **answers})
    assert sent.status_code == 303, sent.text
    page = ana.get("/label").text
    text_id = page.split('name="text_id" id="text-id" value="')[1].split('"')[0]
    own.project.add_class("topics:parking")  # which that page does not show
    assert ana.post("/label", data={"text_id": text_id, **shown, "answer_1": [""]}).status_code == 303
    labels = [one.label for one in own.project.reading.decisions("ana")]
    assert labels == ["topics=<price|service", "food=good; topics=price|service<price|service"]


def test_the_command_line_makes_labels_and_shows_such_a_project(tmp_path: Path) -> None:
    run = CliRunner().invoke
    texts = tmp_path / "texts.csv"
    texts.write_text("id,text\n" + "".join(f"t{i},text {i}\n" for i in range(4)), encoding="utf-8")
    path = str(tmp_path / "p.db")
    options = [part for asked in ASKED for part in ("--question", asked)]
    made = run(app, ["init", path, "--texts", str(texts), *options, "--set", "encoder=tfidf"])
    assert made.exit_code == 0, made.output
    lines = "2\n1\n2\n.\n1\n.\n-\n1\n.\nq\n"  # good, both; bad, none of them; open, price
    labelled = run(app, ["label", path, "--annotator", "ana"], input=lines)
    assert labelled.exit_code == 0, labelled.output
    with Project.open(path) as project:
        labels = [one.label for one in project.reading.decisions("ana")]
    assert labels == ["topics=price", "food=bad; topics=|", "food=good; topics=price|service"]
    shown = run(app, ["status", path, "--json"])
    assert shown.exit_code == 0, shown.output
    status = json.loads(shown.stdout)
    assert (status["classes"], status["annotations"]) == ([], 3)
    assert [one["question"] for one in status["facets"]["facets"]] == [
        "food",
        "topics:price",
        "topics:service",
    ]
    assert run(app, ["status", path]).exit_code == 0
    assert "topics:price" in str(run(app, ["annotators", path]).exception)
    assert run(app, ["annotators", path, "--question", "food"]).exit_code == 0
    out = tmp_path / "food.html"
    told = run(app, ["report", path, str(out), "--question", "food"])
    assert told.exit_code == 0, told.output
    assert "p: food" in out.read_text(encoding="utf-8")
    assert run(app, ["export", path, str(tmp_path / "out")]).exit_code == 0
    again = run(app, ["init", str(tmp_path / "two.db"), "--texts", str(tmp_path / "out")])
    assert again.exit_code == 0, again.output
    with Project.open(tmp_path / "two.db") as project:
        assert [one.name for one in project.questions] == ["food", "topics"]
