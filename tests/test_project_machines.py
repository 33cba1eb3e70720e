"""Machines of a stored project: asked once, never paid twice, never beyond the budget."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jurybox.cli.app import app, run
from jurybox.errors import ConflictError, FormatError, InputError, NotFoundError
from jurybox.machines import Keywords, LanguageModel, Price
from jurybox.project import Project
from jurybox.project.asking import AskOptions
from jurybox.store.filters import TextFilter, TextState
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from support.chat_server import TOKENS, ChatServer, ask_when_free, completion, serving, text_of
from support.waiting import until

pytestmark = pytest.mark.slow

CLASSES = ("no", "yes")
SEVERAL = ("even=single:no,yes", "topics=several:price,noise")
PRICE = Price(input=10.0, output=20.0)
COST = PRICE.of(*TOKENS)
SETTINGS = ProjectSettings(audit_size=2, audit_share=0.2, machine_budget=1000.0)
N = 12


def _more_than(seen: list[Any], n: int) -> bool:
    return len(seen) > n


def echo(_n: int, body: dict[str, Any]) -> str:
    """Say yes to even texts, whatever is asked of them."""
    asked = body["response_format"]["json_schema"]["schema"]["properties"]
    return json.dumps({key: CLASSES[int(text_of(body).split()[1]) % 2 == 0] for key in asked})


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(ChatServer(echo)) as running:
        yield running


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    with Project.create(location, classes=CLASSES, texts=texts, settings=SETTINGS) as project:
        yield project


def model(server: ChatServer, **more: Any) -> LanguageModel:
    return LanguageModel("m", CLASSES, "Is it even?", base_url=server.url, **more)


def tally(project: Project) -> Any:
    return project.machines.reports()[-1].tally


def test_versions_stand_beside_each_other(project: Project) -> None:
    first = project.machines.add("words", Keywords({"yes": ("2",)}), made_by="ana")
    same = project.machines.add("words", Keywords({"yes": ("2",)}), price=Price(answer=0.1))
    other = project.machines.add("words", Keywords({"yes": ("2", "4")}))
    assert (first.version, same.id, other.version) == (1, first.id, 2)
    assert [report.machine.price.answer for report in project.machines.reports()] == [0.1, 0.0]
    assert project.machines.reports()[0].machine.made_by == "ana"
    with pytest.raises(NotFoundError, match="there are: words"):
        project.machines.ask("nobody")
    with pytest.raises(InputError, match="no class"):
        project.machines.add("x", Keywords({"maybe": ("2",)}))
    with pytest.raises(InputError, match="no classes of this project"):
        project.machines.add("x", LanguageModel("m", ("a", "b"), "?"))


def test_a_rule_answers_each_text_once_and_is_no_annotator(project: Project) -> None:
    project.machines.add("words", Keywords({"yes": ("2", "4"), "no": ("3",)}))
    asked = project.machines.ask("words", limit=5)
    assert (asked.answers, asked.ended) == (5, "limit")
    asked = project.machines.ask("words")
    assert (asked.answers, asked.without_label, asked.ended) == (N - 5, N - 5, "done")
    assert project.machines.ask("words").answers == 0
    assert (tally(project).answers, tally(project).labels) == (N, 3)
    assert project.status().annotations == 0
    project.add_texts([("new", "text 2")])
    assert project.machines.ask("words").answers == 1


def test_a_model_is_asked_first_about_what_people_have_labelled(project: Project, server: ChatServer) -> None:
    project.people.add("ana", role=Role.OWNER)
    project.submit("t7", "yes", annotator="ana")
    project.machines.add("mini", model(server), price=PRICE)
    asked = project.machines.ask("mini", limit=1)
    assert asked.price == pytest.approx(COST)
    assert text_of(server.bodies[0]) == "text 7"
    project.machines.ask("mini")
    assert sorted(map(text_of, server.bodies)) == sorted(f"text {i}" for i in range(N))
    assert max(server.paid.values()) == 1
    assert (tally(project).tokens_in, tally(project).price) == (N * TOKENS[0], pytest.approx(N * COST))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_budget_is_never_passed(project: Project, server: ChatServer, concurrency: int) -> None:
    project.machines.add("mini", model(server), price=PRICE)
    most = project.machines.quote("mini", limit=1).most
    budget = most + 3.5 * COST
    asked = project.machines.ask("mini", options=AskOptions(budget=budget, concurrency=concurrency))
    assert asked.ended == "budget"
    assert sum(server.paid.values()) * COST <= budget
    assert 1 <= asked.answers <= 4
    assert project.machines.ask("mini", options=AskOptions(budget=budget - most)).answers == 0
    project.configure(machine_budget=0.0)
    assert project.machines.ask("mini").ended == "budget"  # nothing is spent unless an owner says so
    project.machines.add("mini", model(server))
    assert project.machines.ask("mini").ended == "done"  # and what is free needs no budget


def test_a_dry_run_sends_nothing(project: Project, server: ChatServer) -> None:
    project.machines.add("mini", model(server), price=PRICE)
    quote = project.machines.quote("mini")
    assert quote.texts == N
    assert quote.most > N * COST
    assert quote.prompts[0][0] == ("system", "Is it even?")
    assert server.bodies == []


def test_it_stops_where_the_server_does_and_goes_on_later(project: Project, server: ChatServer) -> None:
    def tired(n: int, body: dict[str, Any]) -> Any:
        return echo(n, body) if n < 3 else (503, {"error": {"message": "tired"}})

    server.behaviour = tired
    project.machines.add("mini", model(server), price=PRICE)
    asked = project.machines.ask("mini", options=AskOptions(retries=0, concurrency=1))
    assert asked.answers == 3
    assert "tired" in asked.ended
    assert tally(project).lost == 0  # what was refused was not paid for
    server.behaviour = echo
    assert project.machines.ask("mini").answers == N - 3
    assert max(server.paid.values()) == 1


def test_a_text_that_the_server_refuses_does_not_stop_the_others(
    project: Project, server: ChatServer
) -> None:
    def picky(n: int, body: dict[str, Any]) -> Any:
        return (400, {"error": {"message": "too long"}}) if text_of(body) == "text 0" else echo(n, body)

    server.behaviour = picky
    project.machines.add("mini", model(server), price=PRICE)
    asked = project.machines.ask("mini")
    assert asked.answers == N - 1
    assert "too long" in asked.ended
    assert (tally(project).lost, tally(project).answers) == (0, N - 1)


def test_a_lost_answer_is_counted_and_not_asked_again(project: Project, server: ChatServer) -> None:
    def cut(n: int, body: dict[str, Any]) -> Any:
        return None if n == 2 else echo(n, body)

    server.behaviour = cut
    project.machines.add("mini", model(server), price=PRICE)
    options = AskOptions(concurrency=1)
    assert project.machines.ask("mini", options=options).lost == 1
    assert project.machines.ask("mini", options=options).answers == N - 3
    assert tally(project).lost == 1
    assert tally(project).price > (N - 1) * COST  # the lost one counts as paid
    assert project.machines.ask("mini", again=True).answers == 1
    assert (tally(project).lost, tally(project).answers) == (0, N)


def test_a_machine_that_is_stopped_asks_nothing_more(project: Project, server: ChatServer) -> None:
    project.machines.add("mini", model(server), price=PRICE)

    def behave(n: int, body: dict[str, Any]) -> Any:
        if n == 2:
            project.machines.stop("mini")
        return echo(n, body)

    server.behaviour = behave
    asked = project.machines.ask("mini", options=AskOptions(concurrency=1))
    assert (asked.answers, asked.ended) == (3, "stopped")
    project.machines.resume("mini")
    server.behaviour = echo
    assert project.machines.ask("mini").answers == N - 3


def test_one_process_asks_at_a_time(project: Project, server: ChatServer, location: str) -> None:
    project.machines.add("mini", model(server), price=PRICE)
    go, errors = threading.Event(), []

    def slow(n: int, body: dict[str, Any]) -> str:
        go.wait()
        return echo(n, body)

    server.behaviour = slow
    first = threading.Thread(target=lambda: project.machines.ask("mini"))
    first.start()
    until(lambda: len(server.bodies) > 0)
    try:
        with Project.open(location) as other:
            other.machines.ask("mini")
    except ConflictError as error:
        errors.append(error)
    finally:
        go.set()
        first.join()
    assert len(errors) == 1
    assert max(server.paid.values()) == 1


def test_examples_are_reviewed_texts_and_never_of_the_audit(project: Project, server: ChatServer) -> None:
    project.people.add("rita", role=Role.REVIEWER)
    with pytest.raises(ConflictError, match="decided 0 texts"):
        project.machines.examples(2)
    for i in range(N):
        project.adjudicate(f"t{i}", CLASSES[i % 2 == 0], reviewer="rita")
    audit = {row.text for row in project.reading.find_texts(TextFilter(state=TextState.AUDIT)).items}
    assert len(audit) == 2
    like = project.reading.find_texts(TextFilter(state=TextState.AUDIT)).items[0]
    alike = next(row for row in project.reading.find_texts(TextFilter()).items if row.text not in audit)
    project.pool.merge([like.text_id, alike.text_id])
    audit.add(alike.text)  # nothing like an audited text may be an example either
    shown = project.machines.examples(4)
    assert [label for _, label in shown].count("yes") == 2
    assert not audit & {text for text, _ in project.machines.examples(N - len(audit))}
    project.machines.add("mini", model(server, examples=shown))
    assert project.machines.ask("mini").answers == N - 4  # of its examples it was told the labels


def test_a_batch_is_written_read_and_paid_once(project: Project, server: ChatServer, tmp_path: Path) -> None:
    project.machines.add("mini", model(server), price=PRICE)
    questions, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    assert project.machines.write_batch("mini", questions, limit=4) == 4
    assert tally(project).batched == 4
    requests = [json.loads(line) for line in questions.read_text().splitlines()]
    assert {text_of(request["body"]) for request in requests} == {f"text {i}" for i in range(4)}
    lines = [
        {
            "custom_id": r["custom_id"],
            "response": {"status_code": 200, "body": completion(echo(0, r["body"]))},
        }
        for r in requests[:3]
    ]
    lines.append({"custom_id": requests[3]["custom_id"], "response": None, "error": {"code": "expired"}})
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert project.machines.read_batch("mini", answers).answers == 3
    assert project.machines.read_batch("mini", answers).answers == 0
    assert (tally(project).batched, tally(project).price) == (0, pytest.approx(3 * COST))
    assert project.machines.ask("mini").answers == N - 3
    answers.write_text(json.dumps({"custom_id": "other-1", "response": {}}) + "\n")
    with pytest.raises(FormatError, match="another machine"):
        project.machines.read_batch("mini", answers)


def test_the_commands(
    project: Project, server: ChatServer, location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def jurybox(*words: str) -> str:
        assert run(app, ["machine", words[0], location, *words[1:]]) == 0
        return capsys.readouterr().out

    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Is the number even?")
    prices = ("--price-input", "10", "--price-output", "20")
    model_words = ("--model", "m", "--base-url", server.url, "--prompt", str(prompt), *prices)
    assert "mini v1 (llm)" in jurybox("add", "mini", *model_words, "--by", "olga")
    assert "words v1 (keywords)" in jurybox("add", "words", "--keywords", "yes=2,4", "--keywords", "no=3")
    dry = jurybox("ask", "mini", "--dry-run")
    assert "[system]\nIs the number even?" in dry
    assert "text 0" in dry
    assert f"{N} texts, at most" in dry
    assert server.bodies == []
    assert run(app, ["machine", "ask", location, "mini", "--budget", "0"]) != 0
    assert "the budget allows for no further question" in capsys.readouterr().err
    assert "4 answers" in jurybox("ask", "mini", "--limit", "4", "--budget", "1")
    questions = tmp_path / "q.jsonl"
    assert "8 questions" in jurybox("ask", "mini", "--write-batch", str(questions), "--budget", "10")
    lines = [
        {
            "custom_id": row["custom_id"],
            "response": {"status_code": 200, "body": completion(echo(0, row["body"]))},
        }
        for row in map(json.loads, questions.read_text().splitlines())
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "8 answers" in jurybox("ask", "mini", "--read-batch", str(tmp_path / "a.jsonl"))
    assert "12 answers, 9 of them without a class" in jurybox("ask", "words")
    listed = jurybox("list")
    assert "mini v1" in listed
    assert "olga" in listed
    assert "2 machines" in listed
    assert "is stopped" in jurybox("stop", "mini")
    assert "stopped" in jurybox("list")


WORKERS = """
import os, sys
import jurybox.machines.chat, openai
from jurybox.project import Project
from support.chat_server import ask_when_free

for _ in sys.stdin:
    worker = os.fork()
    if not worker:
        with Project.open(sys.argv[1]) as project:
            ask_when_free(project, "mini")
        os._exit(0)
    print(worker, flush=True)
    _, status = os.waitpid(worker, 0)
    print("killed" if os.WIFSIGNALED(status) else "ended", flush=True)
"""
"""Asks in one process after the other, each a fork of one that has loaded everything."""


@dataclass
class Gate:
    """Lets answers of the server through when a test says so, whoever waits for them by then."""

    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    passed: list[int] = field(default_factory=list)

    def echo(self, n: int, body: dict[str, Any]) -> str:
        self.permits.acquire()
        self.passed.append(n)
        return echo(n, body)


def kill_again_and_again(location: str, server: ChatServer, gate: Gate, kills: int) -> int:
    """Kill workers after some more answers each time, or while these are on their way; return how many."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WORKERS, location]
    killed = through = 0
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for kill in range(kills):
            seen = len(server.bodies)
            parent.stdin.write("\n")
            worker = int(parent.stdout.readline())
            until(partial(_more_than, server.bodies, seen))
            answers = kill % 23
            through += answers
            for _ in range(answers):
                gate.permits.release()
            if kill % 2 and answers:
                until(partial(_more_than, gate.passed, through - 1))
            os.kill(worker, signal.SIGKILL)  # not waited for yet, so that it cannot be another process
            killed += parent.stdout.readline() == "killed\n"
        parent.stdin.close()
    return killed


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.long)])
@pytest.mark.parametrize("once", [True, False], ids=["a server that remembers", "a server that does not"])
@pytest.mark.parametrize("questions", [(), SEVERAL], ids=["one question", "several"])
def test_killed_workers_lose_nothing_and_pay_nothing_twice(
    location: str,
    server: ChatServer,
    kills: int,
    once: bool,
    questions: tuple[str, ...],
    record_property: Callable[[str, object], None],
) -> None:
    n = 30 * kills  # more than are let through, so that every worker has something left to ask
    gate = Gate()
    server.remembers, server.behaviour = once, gate.echo
    texts = [(f"t{i}", f"text {i}") for i in range(n)]
    asked: dict[str, Any] = {"questions": questions} if questions else {"classes": CLASSES}
    told = replace(model(server, once=once), **{"classes": (), **asked})
    with Project.create(location, texts=texts, **asked) as project:
        project.machines.add("mini", told, price=PRICE)
        killed = kill_again_and_again(location, server, gate, kills)
        server.behaviour = echo
        gate.permits.release(n)
        ask_when_free(project, "mini")
        found = tally(project)
        twice = sum(paid > 1 for paid in server.paid.values())
        for name, value in (("killed", killed), ("answers", found.answers), ("lost", found.lost)):
            record_property(name, value)
        came = f"{killed} killed: {found.answers} answers, {found.lost} counted as lost, {twice} paid twice"
        print(came)  # noqa: T201 - shown by -rP
        assert killed == kills
        assert found.answers + found.lost == n
        assert twice == 0
        assert found.lost == 0 or not once
        assert sum(server.paid.values()) * COST <= found.price + 1e-9
        assert found.labels == found.answers
        assert project.machines.reports()[0].unread == 0


def test_whatever_the_server_does_the_budget_holds_and_nothing_is_paid_twice(
    project: Project, server: ChatServer
) -> None:
    project.add_texts([(f"u{i}", f"text {i}") for i in range(N, 80)])
    rng = random.Random(0)

    def anyhow(n: int, body: dict[str, Any]) -> Any:
        return rng.choice(
            [
                echo(n, body),
                echo(n, body),
                '{"label": "hacked"}',
                "no JSON {",
                (200, "<html>out of order</html>"),
                (429, {"error": {"message": "later"}}),
                (500, {"error": {"message": "broken"}}),
                (400, {"error": {"message": "too long"}}),
                None,
            ]
        )

    server.behaviour = anyhow
    project.machines.add("mini", model(server), price=PRICE)
    most = project.machines.quote("mini", limit=1).most
    budget = 30 * most
    for _ in range(60):
        asked = project.machines.ask("mini", options=AskOptions(budget=budget, retries=0, concurrency=2))
        assert sum(server.paid.values()) * COST <= budget
        assert tally(project).price <= budget + 1e-9
        if asked.ended in ("budget", "done"):
            break
    assert asked.ended in ("budget", "done")
    assert max(server.paid.values()) == 1
    found = tally(project)
    assert sum(server.paid.values()) * COST <= found.price + 1e-9
    assert found.answers > 20
    assert found.lost > 0
