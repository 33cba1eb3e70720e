"""Asking for what is unsure alone: what a task says, what is stored, and when a text is finished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import jurybox as jb
from jurybox.cli.app import app
from jurybox.errors import ConflictError, InputError
from jurybox.items import most_per_second
from jurybox.project import Project
from jurybox.store.records import Task
from jurybox.store.settings import ProjectSettings
from jurybox.written import answer_code, answer_said, answer_written, gold_is_met, writable_questions
from support.web import Stage, stage

pytestmark = pytest.mark.slow

ASKED = ("food=single:bad,good", "topics=several:price,service,noise")
QUESTIONS = writable_questions(ASKED)
UNSURE = ProjectSettings(
    encoder="tfidf", ask="unsure", reading_effort=0.0, audit_size=0, gold_share=0.0, overlap=0, first_labels=1
)
WORDS = {"price": "cheap cost bill", "service": "waiter slow order", "noise": "loud music ears"}


def truth(i: int) -> dict[str, object]:
    yes = [name for k, name in enumerate(WORDS) if i >> k & 1]
    return {"food": "good" if i % 3 else "bad", "topics": yes}


def text_of(i: int) -> str:
    food = "tasty lovely" if i % 3 else "awful stale"
    return " ".join([food, *(WORDS[name] for name in truth(i)["topics"]), f"number {i}"])  # type: ignore[attr-defined]


TEXTS = [(f"t{i}", text_of(i)) for i in range(40)]


def said(task: Task) -> dict[str, object]:
    """Answer only what is asked."""
    whole = truth(int(task.text_id[1:]))
    if task.asked is None:
        return whole
    yes = whole["topics"]
    assert isinstance(yes, list)
    return {
        name: whole["food"] if name == "food" else "yes" if name.partition(":")[2] in yes else "no"
        for name in task.asked
    }


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "p.db", texts=TEXTS, questions=ASKED, settings=UNSURE) as made:
        yield made


def learn(project: Project, n: int = 20) -> None:
    for _ in range(n):
        task = project.next_task("ana")
        assert isinstance(task, Task)
        project.submit(task, said(task))
    project.refit()


def test_a_text_is_asked_for_whole_until_there_is_a_round(project: Project) -> None:
    task = project.next_task("ana")
    assert isinstance(task, Task)
    assert task.asked is None


def test_a_round_says_what_of_a_text_is_worth_asking(project: Project) -> None:
    learn(project)
    tasks = project.next_tasks("bo", 10).tasks
    asked = [task.asked for task in tasks]
    assert any(each is not None and len(each) < 4 for each in asked)
    assert {name for each in asked for name in each or ()} <= {"food", *(f"topics:{name}" for name in WORDS)}
    held = project.next_tasks("bo", 10).tasks  # in hand they are asked for in the same way
    assert [(one.text_id, one.asked) for one in held] == [(one.text_id, one.asked) for one in tasks]
    project.configure(ask="all")
    assert [one.asked for one in project.next_tasks("bo", 10).tasks] == [None] * 10


def test_what_was_not_asked_is_not_no(project: Project) -> None:
    learn(project)
    before = project.facets.sheet()
    task = next(one for one in project.next_tasks("bo", 10).tasks if one.asked)
    project.submit(task, said(task))
    after = project.facets.sheet()
    grown = {str(f) for f in after.facets if len(after[f]) > len(before[f])}
    assert grown == set(task.asked or ())
    code = answer_code(QUESTIONS, project.reading.decisions("bo")[0].label or "")
    names = [str(facet) for question in QUESTIONS for facet in question.facets]
    assert {name for name, label in zip(names, code, strict=True) if label >= 0} == set(task.asked or ())
    project.refit()  # learns from it


def test_texts_of_the_sample_and_drawn_at_random_are_asked_for_whole(tmp_path: Path) -> None:
    settings = UNSURE.updated({"audit_size": 8, "random_share": 0.5})
    with Project.create(tmp_path / "p.db", texts=TEXTS, questions=ASKED, settings=settings) as project:
        learn(project, 15)
        reasons: dict[str, list[tuple[str, ...] | None]] = {}
        for task in project.next_tasks("bo", 20).tasks:
            reasons.setdefault(task.reason, []).append(task.asked)
    assert {each for kind in ("audit", "random") for each in reasons.get(kind, ())} == {None}
    assert "random" in reasons
    assert any(reasons.get("new", ()))


def test_equal_partial_answers_finish_no_text_but_items_that_agree_do(project: Project) -> None:
    project.configure(enough_agreement=2, max_labels=5)
    for name in ("ana", "bo"):
        project.people.add(name)
        for i in range(20):
            project.submit(f"t{i}", {"topics:price": "yes" if i & 1 else "no"}, annotator=name)
    assert project.reading.text_row("t0").open
    for name in ("ana", "bo"):
        for i in (18, 19):
            project.change(name, f"t{i}", truth(i))
    project.refit()
    assert {i: project.reading.text_row(f"t{i}").open for i in (0, 1, 18, 19)} == {
        0: True,
        1: True,
        18: False,
        19: False,
    }
    lent = project.next_tasks("cy", 20, lend_limit=50).tasks
    asked = {task.text_id: task.asked for task in lent}
    assert all("topics:price" not in (asked[f"t{i}"] or ()) for i in range(18) if f"t{i}" in asked)


def test_a_gold_text_is_right_where_nothing_of_it_is_wrong(project: Project) -> None:
    project.gold.set("t1", "food=good; topics=price")
    for name, label in (
        ("ana", {"topics:price": "yes"}),
        ("bo", {"topics:price": "no"}),
        ("cy", {"food": "good", "topics": ["price"]}),
        ("di", {"food": "good", "topics:noise": True}),
    ):
        project.people.add(name)
        project.submit("t1", label, annotator=name)
    right = {one.annotator: one.accuracy and one.accuracy.estimate for one in project.gold.report()}
    assert right == {"ana": 1.0, "bo": 0.0, "cy": 1.0, "di": 0.0}
    assert gold_is_met((1, -1), (-1, 1))


def test_answers_class_by_class_are_answers() -> None:
    assert (
        answer_written(QUESTIONS, {"topics:price": "yes", "topics:noise": False})
        == "topics=price<price|noise"
    )
    assert answer_said(QUESTIONS, answer_code(QUESTIONS, {"topics:price": "no"})) == {
        "topics": {"yes": [], "asked": ["price"]}
    }
    every = {f"topics:{name}": "no" for name in WORDS}
    assert answer_written(QUESTIONS, every) == "topics=|"
    for wrong, message in (
        ({"topics:price": "perhaps"}, "yes or no"),
        ({"topics:price": "yes", "topics": []}, "twice"),
        ({"topics:taste": "yes"}, "topics:taste"),
    ):
        with pytest.raises(InputError, match=message):
            answer_written(QUESTIONS, wrong)


def test_one_question_is_asked_whole(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="one question"):
        Project.create(tmp_path / "one.db", classes=["a", "b"], settings=UNSURE)
    with Project.create(tmp_path / "one.db", classes=["a", "b"]) as one, pytest.raises(ConflictError):
        one.configure(ask="unsure")
    with pytest.raises(InputError, match="all or unsure"):
        ProjectSettings(ask="some")  # type: ignore[arg-type]


def test_a_round_in_memory_ranks_by_what_is_settled_a_second() -> None:
    rng = np.random.default_rng(0)
    rows = [(i, "ana", "topics", truth(i)["topics"]) for i in range(30)]
    sheet = jb.AnswerSheet.from_long(rows, questions=[ASKED[1]], texts=list(range(60)))
    x = rng.normal(size=(60, 5))
    whole, some = (
        jb.play_questions(sheet, x, jb.Settings(), np.random.default_rng(1), reading=reading)
        for reading in (None, 0.0)
    )
    assert whole.asked is None
    assert whole.known is None
    assert some.asked is not None
    assert (some.asked.sum(axis=1) <= 3).all()
    rate, chosen = most_per_second(some.expected_errors, reading=0.0)
    np.testing.assert_array_equal(some.asked, chosen)
    np.testing.assert_allclose(-some.ranking.scores, rate[some.ranking.texts])
    assert some.known is not None
    assert some.known.sum() == 60 - len(some.ranking)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db"), questions=ASKED) as made:
        made.project.configure(encoder="tfidf", ask="unsure", reading_effort=0, audit_size=0)
        for i in range(12):
            label = {"food": "good" if i % 2 else "bad", "topics": ["price"] * (i % 2)}
            made.project.submit(f"t{i}", label, annotator="bo")
        made.project.refit()
        yield made


def test_a_task_over_rest_says_what_is_asked_and_takes_that_alone(own: Stage) -> None:
    ana = own.client("ana")
    tasks = ana.post("/api/v1/tasks", json={"n": 5}).json()["tasks"]
    task = next(one for one in tasks if one["asked"])
    label = {name: "good" if name == "food" else "no" for name in task["asked"]}
    answer = ana.post("/api/v1/annotations", json={"text_id": task["text_id"], "label": label})
    assert answer.status_code == 201, answer.text
    code = answer_code(own.project.questions, answer.json()["label"])
    assert sum(part >= 0 for part in code) == len(task["asked"])
    olga = own.client("olga")
    assert olga.get("/api/v1/settings").json()["ask"] == "unsure"
    assert olga.patch("/api/v1/settings", json={"ask": "most"}).status_code == 422
    assert olga.patch("/api/v1/settings", json={"ask": "all"}).json()["ask"] == "all"


def test_the_page_asks_for_single_classes_and_takes_them_without_a_script(own: Stage) -> None:
    ana = own.browser("ana")
    page = ana.get("/label").text
    task = own.project.next_task("ana")
    assert isinstance(task, Task)
    assert page.count('class="question yes-no"') == 3
    shown = [
        part.split(">")[0] for part in page.split("<fieldset ")[1:] if part.startswith('class="question')
    ]
    visible = [part for part in shown if "hidden" not in part]
    single = [name for name in task.asked or () if name != "food"]
    if len(single) == 3 or task.asked is None:
        pytest.skip("the round wants all of the text")
    assert len(visible) == len(task.asked)
    names = [str(facet) for facet in own.project.questions[1].facets]
    data = {f"answer_1_{names.index(name)}": "yes" for name in single}
    data |= {"answer_0": "good"} if "food" in task.asked else {}
    assert ana.post("/label", data={"text_id": task.text_id, **data}).status_code == 303
    code = answer_code(own.project.questions, own.project.reading.decisions("ana")[0].label or "")
    assert sum(part >= 0 for part in code) == len(task.asked)
    settings = own.browser("olga").get("/manage/settings").text
    assert 'name="reading_effort"' in settings
    assert 'name="ask"' in settings


def test_the_command_line_asks_for_single_classes(own: Stage, tmp_path: Path) -> None:
    run = CliRunner().invoke
    path = str(tmp_path / "p.db")
    shown = run(app, ["next", path, "--annotator", "cy", "-n", "1", "--json"])
    task = json.loads(shown.stdout)[0]
    assert task["asked"]
    keys = ["2" if name == "food" else "y" for name in task["asked"]]
    labelled = run(app, ["label", path, "--annotator", "cy"], input="\n".join([*keys, "q"]) + "\n")
    assert labelled.exit_code == 0, labelled.output
    code = answer_code(own.project.questions, own.project.reading.decisions("cy")[0].label or "")
    assert sum(part >= 0 for part in code) == len(task["asked"])
