"""Machines that are asked several questions: in one request, and at each as where it is the only one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from jurybox.cli.app import app, run
from jurybox.errors import ConflictError, InputError
from jurybox.formats.plain import plain
from jurybox.joint import play_questions
from jurybox.loop import Settings
from jurybox.machines import Keywords, LanguageModel, Price
from jurybox.machines.chat import Chat, Pace, price_at_most, request_body
from jurybox.machines.parts import parts_of
from jurybox.machines.prompts import first_messages, label_probabilities, read_said
from jurybox.machines.rules import answer_of, python_function
from jurybox.project import Project
from jurybox.project.asking import AskOptions
from jurybox.questions import NO_YES, Facet, Question
from jurybox.sheets import AnswerSheet
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from jurybox.web.app import create_app
from jurybox.web.tokens import hash_token
from support.chat_server import TOKENS, ChatServer, completion, serving, text_of
from support.store import label_audit
from support.web import token_of, web_settings

pytestmark = pytest.mark.slow

ASKED = ("food=single:bad,good", "topics=several:price,noise", "stars=scale:1..3")
QUESTIONS = tuple(Question.parse(each) for each in ASKED)
KEYS = ("food", "topics:price", "topics:noise", "stars")
WHOLE = {"food": "good", "topics:price": "yes", "topics:noise": "no", "stars": "3"}
PRICE = Price(input=10.0, output=20.0)
COST = PRICE.of(*TOKENS)
SETTINGS = ProjectSettings(encoder="tfidf", audit_size=0, machine_budget=1000.0, tuning=False)
N = 12


def said_of(text: str) -> dict[str, str]:
    """Return what the server's model says: of "text 3" that it is about price, and not about noise."""
    n = int(text.split()[1])
    return {
        "food": ("bad", "good")[n % 2],
        "topics:price": NO_YES[n % 3 == 0],
        "topics:noise": NO_YES[n % 4 == 0],
        "stars": str(1 + n % 3),
    }


def echo(_n: int, body: dict[str, Any]) -> str:
    return json.dumps(said_of(text_of(body)))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(ChatServer(echo)) as running:
        yield running


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(location, questions=ASKED, texts=texts, settings=SETTINGS) as project:
        yield project


def model(server: ChatServer, **more: Any) -> LanguageModel:
    return LanguageModel("m", (), "Read it.", base_url=server.url, questions=QUESTIONS, **more)


def ask(server: ChatServer, **more: Any) -> Any:
    chat = Chat(model(server, **more), PRICE, pace=Pace(None), retries=0)
    try:
        return chat.ask("text 3", "key")
    finally:
        chat.close()


def answers_at(project: Project, name: str) -> dict[str, str | None]:
    """Return what the only machine says of each text that it has answered, at one question."""
    inputs = project.facets.of(name).now().inputs
    names = inputs.classes
    return {
        f"t{text}": names[label] if label >= 0 else None
        for text, label in zip(inputs.responses.text, inputs.responses.label, strict=True)
    }


# ---- what is asked, and how it is read -------------------------------------------------------------------


def test_one_request_states_all_questions_and_is_held_to_an_answer_for_each(server: ChatServer) -> None:
    answer = ask(server, examples=(("text 1", "topics=price; food=good; stars=2"),))
    assert (answer.said, len(server.bodies)) == (said_of("text 3"), 1)
    assert answer.price == pytest.approx(COST)
    body = server.bodies[0]
    schema = body["response_format"]["json_schema"]["schema"]
    assert {key: of["enum"] for key, of in schema["properties"].items()} == {
        "food": ["bad", "good"],
        "topics:price": ["no", "yes"],
        "topics:noise": ["no", "yes"],
        "stars": ["1", "2", "3"],
    }
    assert schema["required"] == list(KEYS)
    shown = body["messages"][-1]["content"]
    assert '"topics:price", "topics:noise" is each one of: "no", "yes"' in shown
    example = json.loads(body["messages"][2]["content"])
    assert example == {"food": "good", "topics:price": "yes", "topics:noise": "no", "stars": "2"}


def test_what_cannot_be_read_is_open_and_never_no(server: ChatServer) -> None:
    broken = {**said_of("text 3"), "topics:noise": "perhaps"}
    del broken["stars"]
    server.behaviour = lambda _n, _b: json.dumps(broken)
    answer = ask(server)
    assert answer.said == {"food": "good", "topics:price": "yes"}
    assert len(server.bodies) == 2  # it was asked for the rest once more
    assert 'no answer to "topics:noise", "stars"' in server.bodies[1]["messages"][-1]["content"]
    assert answer.price == pytest.approx(2 * COST)
    assert answer.price <= price_at_most(model(server), PRICE, "text 3")


def test_a_repair_adds_to_what_was_said(server: ChatServer) -> None:
    server.behaviour = lambda n, _b: json.dumps({"stars": "2"} if n else {"food": "bad", "stars": 7})
    assert ask(server).said == {"food": "bad", "stars": "2"}


@pytest.mark.parametrize("raw", ["yes", '["price"]', '{"topics": ["price"]}', '{"topics:price": true}', "{"])
def test_what_is_not_as_it_was_asked_for_says_nothing(raw: str) -> None:
    assert read_said(raw, parts_of((), QUESTIONS)) == {}


def test_probabilities_are_those_of_each_place() -> None:
    words: list[tuple[str, list[tuple[str, float]]]] = [
        ('{"food": "', []),
        ("good", [("good", -0.1), ("bad", -2.4)]),
    ]
    words += [('", "topics:price": "', []), ("no", [("no", -0.7), ("yes", -0.7)]), ('"}', [])]
    found = label_probabilities(words, parts_of((), QUESTIONS))
    assert found["topics:price"] == {"no": 0.5, "yes": 0.5}
    assert found["food"]["good"] > 0.9
    assert set(found) == {"food", "topics:price"}


def test_a_long_answer_has_the_tokens_that_it_takes(server: ChatServer) -> None:
    many = (
        Question(
            "topics", "several", tuple(f"a rather long topic, number {n}".replace(",", "") for n in range(30))
        ),
    )
    long = LanguageModel("m", (), "?", questions=many)
    assert long.max_tokens > len(
        json.dumps(dict.fromkeys((f"topics:{name}" for name in many[0].classes), "no"))
    )
    assert model(server).max_tokens >= 64
    assert request_body(long, first_messages(long, "x"))["max_tokens"] == long.max_tokens
    assert LanguageModel("m", ("no", "yes"), "?").max_tokens == 64


def test_a_model_is_told_classes_or_questions() -> None:
    for wrong in ({"classes": ("a", "b"), "questions": QUESTIONS}, {"classes": ()}):
        with pytest.raises(InputError, match="expected at least 2 names or a question"):
            LanguageModel("m", instructions="?", **wrong)
    with pytest.raises(InputError, match="great"):
        LanguageModel("m", (), "?", questions=QUESTIONS, examples=(("x", "food=great"),))


def test_rules_name_classes_by_their_question(tmp_path: Path) -> None:
    words = answer_of(
        Keywords({"food:good": ("tasty",), "topics:noise": ("loud",), "stars:3": ("best",)}), (), QUESTIONS
    )
    assert words("tasty and loud").said == {"food": "good", "topics:noise": "yes"}
    assert words("quiet").said == {}  # a word that is not there says nothing
    with pytest.raises(InputError, match="'noise' is no class"):
        answer_of(Keywords({"noise": ("loud",)}), (), QUESTIONS)
    code = tmp_path / "rules.py"
    code.write_text(
        "def label(text):\n"
        "    return {'a': {'food': 'good', 'topics': ['price'], 'stars': {'1': 1, '3': 3}},\n"
        "            'b': 'topics=|',\n"
        "            'c': {'topics': {'price': 0.25}}, 'd': {'food': 'great'}}.get(text)\n"
    )
    answer = answer_of(python_function(f"{code}:label"), (), QUESTIONS)
    assert answer("a").said == WHOLE
    assert answer("a").probabilities == {"stars": {"1": 0.25, "2": 0.0, "3": 0.75}}
    assert answer("b").said == {"topics:price": "no", "topics:noise": "no"}
    assert answer("c").said == {"topics:price": "no"}
    assert answer("c").probabilities == {"topics:price": {"no": 0.75, "yes": 0.25}}
    assert answer("e").said == {}
    with pytest.raises(InputError, match="great"):
        answer("d")


# ---- asked once, paid once -------------------------------------------------------------------------------


def test_answers_are_kept_at_each_question_and_are_no_annotations(
    project: Project, server: ChatServer
) -> None:
    def partly(n: int, body: dict[str, Any]) -> str:
        said = said_of(text_of(body))
        if text_of(body) in ("text 4", "text 5"):
            del said["topics:price"]
        return json.dumps(said) if text_of(body) != "text 6" else "nothing"

    server.behaviour = partly
    project.machines.add("mini", model(server), price=PRICE)
    asked = project.machines.ask("mini")
    assert (asked.answers, asked.items, asked.without_label) == (N, 4 * N, 2 + 4)
    (report,) = project.machines.reports()
    assert (report.tally.answers, report.tally.labels, report.unread) == (N, N - 1, 6)
    assert project.machines.ask("mini").answers == 0
    assert max(server.paid.values()) == 1
    assert project.status().annotations == 0
    assert [*project.classes] == []  # what machines say is not offered to people
    project.people.add("ana")
    project.submit("t1", "food=bad", annotator="ana")
    assert [*project.classes] == ["food=bad"]
    project.undo("ana")
    for name in KEYS:
        expected: dict[str, str | None] = {f"t{i}": said_of(f"text {i}")[name] for i in range(N)}
        expected["t6"] = None
        if name == "topics:price":
            expected |= {"t4": None, "t5": None}
        assert answers_at(project, name) == expected


def test_the_budget_is_never_passed_and_a_batch_is_paid_once(
    project: Project, server: ChatServer, tmp_path: Path
) -> None:
    project.machines.add("mini", model(server), price=PRICE)
    quote = project.machines.quote("mini", limit=1)
    assert '"topics:price"' in quote.prompts[0][-1][1]
    asked = project.machines.ask("mini", options=AskOptions(budget=quote.most + 2.5 * COST, concurrency=1))
    assert asked.ended == "budget"
    assert sum(server.paid.values()) * COST <= quote.most + 2.5 * COST
    questions, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    rest = project.machines.write_batch("mini", questions)
    assert rest == N - asked.answers
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    told = [
        {"custom_id": row["custom_id"], "response": {"body": completion(echo(0, row["body"]))}}
        for row in rows[:-1]
    ]
    told.append({"custom_id": rows[-1]["custom_id"], "error": {"code": "expired"}})
    answers.write_text("".join(json.dumps(line) + "\n" for line in told))
    assert project.machines.read_batch("mini", answers).items == 4 * (rest - 1)
    assert project.machines.read_batch("mini", answers).answers == 0
    assert project.machines.reports()[0].tally.price == pytest.approx((N - 1) * COST)
    assert project.machines.ask("mini").answers == 1
    assert answers_at(project, "stars") == {f"t{i}": said_of(f"text {i}")["stars"] for i in range(N)}


def test_a_model_is_asked_some_questions_and_only_those_of_the_project(
    project: Project, server: ChatServer
) -> None:
    project.machines.add("one", LanguageModel("m", (), "?", base_url=server.url, questions=QUESTIONS[:1]))
    asked = project.machines.ask("one")
    assert (asked.items, asked.without_label) == (N, 0)
    assert answers_at(project, "food")["t1"] == "good"
    assert answers_at(project, "stars") == {}
    for wrong in (
        LanguageModel("m", ("no", "yes"), "?"),
        LanguageModel("m", (), "?", questions=("food=single:bad,great",)),
    ):
        with pytest.raises(InputError, match="no classes of this project"):
            project.machines.add("x", wrong)
    with pytest.raises(InputError, match="no class"):
        project.machines.add("x", Keywords({"good": ("tasty",)}))


def test_examples_leave_no_question_open(project: Project) -> None:
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate("t0", "food=good", reviewer="rita")
    project.adjudicate("t1", "food=good; topics=price; stars=1", reviewer="rita")
    assert project.machines.examples(1) == (("text 1", "food=good; topics=price; stars=1"),)
    with pytest.raises(ConflictError, match="decided 1 texts"):
        project.machines.examples(2)


# ---- classes change --------------------------------------------------------------------------------------


def test_answers_and_probabilities_follow_their_classes(project: Project, tmp_path: Path) -> None:
    code = tmp_path / "rules.py"
    code.write_text(
        "def label(text):\n"
        "    n = int(text.split()[1])\n"
        "    return {'topics': {'price': n % 2, 'noise': 0.25}, 'stars': {'1': 0.2, '2': 0.3, '3': 0.5}}\n"
    )
    project.machines.add("rule", python_function(f"{code}:label"))
    project.machines.ask("rule")

    def held() -> Any:
        found = {}
        for name, source in project.facets.each().items():
            own = source.now().inputs.responses
            found[name] = (
                own.label.tolist(),
                {at: np.round(p, 6).tolist() for at, p in own.probabilities.items()},
            )
        return found

    before = held()
    assert before["topics:price"][0] == [i % 2 for i in range(N)]
    assert before["stars"][1][0] == [0.2, 0.3, 0.5]
    assert before["food"] == ([-1] * N, {})
    project.edit.rename_class("topics:price", "cost")
    assert held() == {name.replace("price", "cost"): found for name, found in before.items()}
    project.add_class("topics:parking")
    assert held()["topics:parking"][0] == [-1] * N
    assert held()["stars"] == before["stars"]
    project.edit.merge_classes("topics:noise", "topics:cost")
    merged = held()
    assert merged["topics:cost"][0] == before["topics:price"][0]  # either of them, and noise was no
    assert merged["topics:cost"][1][0] == pytest.approx([0.75, 0.25])
    project.edit.merge_classes("stars:2", "stars:1")
    assert held()["stars"][1][0] == [0.5, 0.5]
    for _ in range(2):
        event = next(
            one
            for one in project.edit.history.last()
            if one.verb == "merge classes" and one.undone_by is None
        )
        project.edit.history.undo(event.number)
    assert held()["topics:noise"][0] == before["topics:noise"][0]
    assert held()["topics:cost"][0] == before["topics:price"][0]


def test_a_model_that_was_told_other_classes_is_not_asked(project: Project, server: ChatServer) -> None:
    project.machines.add("mini", model(server))
    project.edit.rename_class("food:good", "fine")
    for call in (project.machines.ask, project.machines.quote):
        with pytest.raises(InputError, match="add the machine again"):
            call("mini")
    assert server.bodies == []


# ---- in rounds and in what is believed -------------------------------------------------------------------

MANY = 60
POOL = [(f"t{i}", f"text {i}") for i in range(MANY)]


def numbers(*rest: int, of: int) -> tuple[str, ...]:
    """Return the numbers of texts as words, which no classifier of texts can learn."""
    return tuple(str(i) for i in range(MANY) if i % of in rest)


def filled(
    location: str | Path, asked: Mapping[str, Any], texts: list[tuple[str, str]], write: Any
) -> Project:
    settings = replace(SETTINGS, audit_size=4, first_labels=1)
    project = Project.create(location, texts=texts, settings=settings, **asked)
    project.people.add("ana", role=Role.OWNER)
    for i in range(40):
        project.submit(f"t{i}", write(i), annotator="ana")
    return project


TWO = {"questions": ("food=single:bad,good", "level=single:calm,loud")}


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Project, Project]]:
    """A project with two questions, and one that asks the first of them alone; each with two machines."""

    def food(i: int) -> str:
        return "good" if i % 2 and i % 5 else "bad"

    many = filled(
        tmp_path / "two.db", TWO, POOL[:45], lambda i: f"food={food(i)}; level={'loud' if i % 3 else 'calm'}"
    )
    one = filled(tmp_path / "one.db", {"classes": ("bad", "good")}, POOL[:45], food)
    with many, one:
        for project, at in ((many, "food:"), (one, "")):
            thirds = numbers(1, 2, of=3), numbers(0, of=3)
            more = {"level:loud": thirds[0], "level:calm": thirds[1]} if at else {}
            odd = {f"{at}good": numbers(1, of=2), f"{at}bad": numbers(0, of=2), **more}
            project.machines.add("words", Keywords(odd))
            dear = Keywords({f"{at}good": thirds[0], f"{at}bad": thirds[1]})
            project.machines.add("dear", dear, price=Price(answer=0.1))
            in_order = AskOptions(concurrency=1)  # the earlier half of the answers is the same in both
            for name in ("words", "dear"):
                project.machines.ask(name, options=in_order)
            project.add_texts(POOL[45:])
            project.machines.ask("words", options=in_order)
        yield many, one


def test_at_each_question_they_are_what_they_are_where_it_is_the_only_one(
    both: tuple[Project, Project],
) -> None:
    many, one = both
    for project in both:
        project.configure(cost_per_label=0.5)
    at, alone = many.facets.of("food").now(), one.beliefs.now()
    assert at.machines.machines == alone.machines.machines
    assert at.machines.effective_votes == alone.machines.effective_votes
    assert at.machines.whom == alone.machines.whom
    assert at.machines.machines[0].confusion == ((20, 4), (0, 16))
    assert many.machines.may_replace("words", question="food") == one.machines.may_replace("words")
    assert many.status().annotations == one.status().annotations == 40
    played = [project.refit().diagnostics for project in both]
    told = played[0]["facets"]["food"]
    assert (told["machines"], played[1]["machines"]) == (2, 2)
    assert told["machines_say"] == pytest.approx(played[1]["machines_say"], abs=0.02)
    assert told["machines_say"] > 0.1
    p = [source.now().inputs.pred_probs for source in (many.facets.of("food"), one.beliefs)]
    assert p[0] == pytest.approx(p[1], abs=0.02)


def test_whom_to_ask_is_about_all_questions(both: tuple[Project, Project]) -> None:
    many, _ = both
    many.configure(cost_per_label=0.5)
    whom = many.machines.whom()
    assert whom is not None
    parts = [source.now().machines.whom for source in many.facets.each().values()]
    gains = {
        each.machine: [part.offers[k].gain for part in parts if part is not None]
        for k, each in enumerate(whom.offers)
    }
    words, dear = whom.offers[1:]
    assert (words.machine, words.texts, dear.texts) == ("words v1", 0, MANY - 45)
    assert dear.gain == pytest.approx(gains["dear v1"][0])  # of the other question it says nothing
    assert gains["dear v1"][1] is None
    person = whom.offers[0]
    assert person.gain is not None
    assert person.gain >= max(gain for gain in gains[None] if gain is not None)
    worth = AskOptions(worth=True)
    many.machines.add("new", Keywords({"level:loud": ("loud", "x")}), price=Price(answer=0.01))
    assert many.machines.ask("new", options=worth).ended == "worth"


def test_before_any_label_their_doubts_order_the_texts() -> None:
    facets = [Facet("a"), Facet("b")]
    empty = AnswerSheet.of(
        {each.question: _nothing(5) for each in facets},
    )
    from jurybox.classifiers.panel import votes_of
    from jurybox.classifiers.pooled import MachineVotes

    said = {
        facets[0]: np.array([[0, 0], [0, 1], [1, 1], [0, 1], [1, 1]]),
        facets[1]: np.array([[0, 0], [0, 1], [1, 1], [0, 0], [1, 1]]),
    }
    votes = {facet: MachineVotes(2, votes_of(each, 2)) for facet, each in said.items()}
    features = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    played = play_questions(empty, features, Settings(batch=2), np.random.default_rng(0), machines=votes)
    assert played.ranking.texts.tolist()[:2] == [1, 3]  # both questions are in doubt, then one


def _nothing(n: int) -> Any:
    from jurybox import Annotations

    return Annotations.from_indices([], [], [], texts=n, annotators=1, classes=2)


def test_answers_are_released_whole_and_marked(tmp_path: Path) -> None:
    n = 300
    texts = [(f"t{i}", f"{'good' if i % 2 else 'bad'} {'loud' if i % 3 else 'calm'} {i}") for i in range(n)]
    settings = replace(SETTINGS, audit_size=60, audit_share=0.5)

    def answer(text_id: str) -> str:
        i = int(text_id[1:])
        return f"food={'good' if i % 2 else 'bad'}; topics={'noise' if i % 3 else '|'}"

    asked = ("food=single:bad,good", "topics=several:noise")
    with Project.create(tmp_path / "p.db", questions=asked, texts=texts, settings=settings) as project:
        words = {
            "food:good": ("good",),
            "food:bad": ("bad",),
            "topics:noise": ("loud",),
            "topics:noise:no": ("calm",),
        }
        project.machines.add("words", Keywords(words))
        project.machines.ask("words")
        label_audit(project, n, answer)
        project.refit()
        found = project.machines.plan_release(0.1)
        assert found.plan.error_bound is not None
        assert found.pool == n - 100
        assert project.machines.release(0.1).texts == len(project.machines.released()) == found.texts > 0
        for one in project.machines.released():
            assert one.label == answer(one.text_id)
        rows = {row.text_id: row for row in project.export().consensus}
        assert rows[project.machines.released()[0].text_id].label_by == "released"
        assert project.machines.may_replace("words", question="topics:noise").passed
        with pytest.raises(ConflictError, match="several questions"):
            project.machines.shares()
        shares = project.machines.shares("topics:noise")
        assert shares["yes"].share.estimate == pytest.approx(2 / 3, abs=0.1)
        project.machines.withdraw()
        assert project.machines.released() == []


# ---- doors -----------------------------------------------------------------------------------------------


def test_the_commands(
    project: Project, server: ChatServer, location: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def jurybox(*words: str) -> str:
        assert run(app, ["machine", words[0], location, *words[1:]]) == 0
        return capsys.readouterr().out

    project.people.add("ana", role=Role.OWNER)
    for i in range(4):
        project.submit(f"t{i}", "food=good; topics=price; stars=1", annotator="ana")
    assert "mini v1 (llm)" in jurybox("add", "mini", "--model", "m", "--base-url", server.url)
    assert "words v1" in jurybox(
        "add", "words", "--keywords", "topics:price=text,2", "--keywords", "food:good=3"
    )
    dry = jurybox("ask", "mini", "--dry-run")
    assert '- "topics:price", "topics:noise": "yes" or "no" for each' in dry
    assert "12 answers, price" in jurybox("ask", "mini")
    assert "12 answers, 11 of their 24 parts without a class" in jurybox("ask", "words")
    listed = jurybox("list")
    assert "topics:noise" in listed
    assert "whom to ask next" in listed
    told = json.loads(jurybox("list", "--json"))
    assert [one["unread"] for one in told["machines"]] == [0, 11]
    assert told["questions"] == {
        name: plain(source.now().machines) for name, source in project.facets.each().items()
    }
    assert told["whom"] == plain(project.machines.whom())
    one = json.loads(jurybox("list", "--question", "stars", "--json"))
    assert one["panel"] == told["questions"]["stars"]
    assert "effective votes" in jurybox("list", "--question", "stars")
    assert run(app, ["machine", "replace", location, "mini"]) != 0
    assert "several questions" in capsys.readouterr().err
    assert "with probability" in jurybox("replace", "mini", "--question", "food")


def test_pages_and_programs_see_each_question(tmp_path: Path, server: ChatServer) -> None:
    path = tmp_path / "p.db"
    with Project.create(
        path, questions=ASKED, texts=[(f"t{i}", f"text {i}") for i in range(N)], settings=SETTINGS
    ) as project:
        project.people.add("olga", role=Role.OWNER)
        for i in range(4):
            project.submit(f"t{i}", "food=good; topics=price; stars=1", annotator="olga")
        project.machines.add("mini", model(server))
        project.machines.ask("mini")
        project.facets.keep()
        project.people.set_token("olga", hash_token(token_of("olga")))
        served = create_app(str(path), settings=web_settings())
        olga = TestClient(served, headers={"Authorization": f"Bearer {token_of('olga')}"})
        try:
            for name in KEYS:
                told = olga.get("/api/v1/machines", params={"question": name}).json()
                assert told == plain(project.facets.of(name).now().machines)
            assert olga.get("/api/v1/machines").status_code == 409
            page = olga.get("/manage/machines", params={"question": "topics:price"}).text
            assert "mini v1" in page
            assert "question=stars" in page
            assert ">yes<" in page
            trust = olga.get("/manage/trust", params={"question": "stars"}).text
            assert 'href="/manage/machines?question=stars"' in trust
        finally:
            served.state.server.close()
