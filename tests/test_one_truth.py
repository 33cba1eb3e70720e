"""Every figure is the same at every door: library, command line, REST, client, pages, report, export."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from jurybox.cli.app import app, run
from jurybox.formats import write_table
from jurybox.formats.plain import plain
from jurybox.project import Project
from jurybox.project.beliefs import Beliefs
from jurybox.report import gather
from jurybox.report.facts import to_json
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from jurybox.web.app import create_app
from jurybox.web.i18n import get_catalogue
from jurybox.web.tokens import hash_token
from support.web import web_settings

pytestmark = pytest.mark.slow

CLASSES = ("bad", "good")
TEXTS = [(f"t{n}", f"{'good fine' if n % 2 else 'bad awful'} thing number {n}") for n in range(70)]
SETTINGS = ProjectSettings(
    encoder="tfidf",
    audit_size=8,
    audit_share=0.25,
    audit_labels=2,
    batch=20,
    random_share=0.2,
    cost_per_label=0.15,
    budget=150,
    target_accuracy=0.9,
)
TOKEN = "token of the owner"  # noqa: S105
EN = get_catalogue("en")


@dataclass
class Doors:
    """One project and everything that shows figures of it."""

    project: Project
    location: str
    web: TestClient
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def command(self, *arguments: str) -> Any:
        self.capsys.readouterr()
        assert run(app, arguments) == 0
        return json.loads(self.capsys.readouterr().out)

    def rest(self, path: str, **params: object) -> Any:
        answer = self.web.get(f"/api/v1{path}", params=params, headers={"Authorization": f"Bearer {TOKEN}"})  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pages(self, path: str, **params: object) -> list[Any]:
        found, after = [], None
        while True:
            page = self.rest(path, limit=50, **params, **({} if after is None else {"after": after}))
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    def page(self, path: str) -> str:
        answer = self.web.get(path)
        assert answer.status_code == 200
        return html.unescape(answer.text)

    def table(self, name: str) -> list[Any]:
        file = write_table(self.project.export(), name, self.folder / f"{name}.jsonl", overwrite=True)
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def doors(location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Doors]:
    with Project.create(location, classes=CLASSES, texts=TEXTS, settings=SETTINGS) as project:
        project.people.add("olga", role=Role.OWNER)
        project.people.set_token("olga", hash_token(TOKEN))
        web = create_app(location, settings=web_settings())
        client = TestClient(web)
        assert client.get(f"/join/{TOKEN}").status_code in (200, 303)
        yield Doors(project, location, client, tmp_path, capsys)
        web.state.server.close()


def label(project: Project, n: int, rng: np.random.Generator) -> None:
    people, given = ("ana", "ben", "spam"), 0
    for turn in range(20 * n):
        if given == n:
            return
        name = people[turn % len(people)]
        if task := project.next_task(name):
            careful = name != "spam" and rng.random() < 0.9
            right = "good" if task.text.startswith("good") else "bad"
            project.submit(task, right if careful else str(rng.choice(CLASSES)), seconds=float(turn % 7 + 1))
            given += 1


def compare(doors: Doors) -> None:
    """Compare every figure that two doors show; the learner has judged this state."""
    kept = doors.project.beliefs.keep()
    beliefs, facts = doors.project.beliefs.now(), gather(doors.project, examples=5)
    assert doors.project.beliefs.kept() == kept
    told = json.loads(to_json(facts))
    rest = doors.rest("/beliefs")
    assert rest == plain(kept)
    compare_people(doors, beliefs, told, rest)
    compare_texts(doors, beliefs, told)
    compare_project(doors, beliefs, told, rest)
    paid = beliefs.basis.labels
    assert paid == doors.project.status().annotations == doors.project.annotations().n_annotations
    assert paid == sum(one.n_annotations for one in beliefs.annotators) == told["protocol"]["annotations"]
    assert beliefs.effort.cost == SETTINGS.cost_per_label * paid == told["protocol"]["cost"]  # type: ignore[operator]
    overview = doors.page("/manage")
    assert EN.number(beliefs.effort.cost, 2) in overview or not paid
    assert EN.text("basis.now", n=EN.number(paid), round=place(beliefs)) in overview
    assert EN.text("basis.now", n=EN.number(paid), round=place(beliefs)) in doors.page("/manage/trust")


def place(beliefs: Beliefs) -> str:
    number = beliefs.basis.round
    return EN.text("basis.round", n=number) if number else EN.text("basis.no_round")


def compare_people(doors: Doors, beliefs: Beliefs, told: Any, rest: Any) -> None:
    people = plain(beliefs.annotators)
    assert doors.command("annotators", doors.location, "--json") == people
    assert doors.rest("/quality") == rest["annotators"] == told["annotators"] == people
    rows = doors.table("annotators")
    assert [row["annotator"] for row in rows] == [one.name for one in beliefs.annotators]
    shown = doors.page("/manage/people")
    for row, one in zip(rows, beliefs.annotators, strict=True):
        assert row["n_annotations"] == one.n_annotations
        assert row.get("quality") == (None if one.quality is None else one.quality.estimate)
        agreement = one.agreement_with_consensus
        assert row.get("agreement_with_consensus") == (None if agreement is None else agreement.estimate)
        assert (row.get("worst_class"), row.get("median_seconds")) == (one.worst_class, one.median_seconds)
        for found in (one.quality, agreement):
            if found is not None:
                words = EN.text("chart.range", low=EN.percent(found.low), high=EN.percent(found.high))
                assert words in shown
                assert words in doors.page(f"/manage/person?name={one.name}")
    for one in beliefs.annotators[-1:]:
        (person,) = doors.command("annotators", doors.location, "--name", one.name, "--json")
        pairs = [pair for pair in told["pairs"] if one.name in pair["names"]]
        assert person == {**plain(one), "pairs": pairs}
    assert told["agreement"] == rest["agreement"] == plain(beliefs.agreement)
    alpha = beliefs.agreement.by_chance.alpha
    assert alpha is None or EN.number(alpha.estimate, 2) in doors.page("/manage")


def compare_texts(doors: Doors, beliefs: Beliefs, told: Any) -> None:
    texts = plain(list(beliefs.texts))
    assert doors.pages("/consensus") == texts
    for row, one in zip(doors.table("consensus"), beliefs.texts, strict=True):
        assert (row["id"], row.get("label")) == (one.text_id, one.label)
        assert (row.get("quality"), row.get("agreement")) == (one.quality, one.agreement)
        assert row["n_annotations"] == one.n_annotations
        assert tuple(row[f"p_{name}"] for name in CLASSES if f"p_{name}" in row) == one.probabilities
    array = doors.project.consensus()
    for place, one in enumerate(beliefs.texts):
        if one.label is not None:
            assert CLASSES[array.labels[place]] == one.label
            assert array.quality[place] == one.quality
    contested = plain(beliefs.contested(5))
    assert doors.command("review", doors.location, "--json", "-n", "5") == contested == told["contested"]
    review = doors.page("/manage/review")
    assert all(f"id={one['text_id']}" in review for one in contested)
    assert all(one["label"] == beliefs.texts.find(one["text_id"]).label for one in contested)  # type: ignore[union-attr]
    for one in contested[:1]:
        belief = beliefs.texts.find(one["text_id"])
        assert belief is not None
        words = EN.text("text.consensus", label=belief.label, share=EN.probability(belief.quality))
        assert words in doors.page(f"/manage/text?id={belief.text_id}")
    assert told["labels"] == plain(beliefs.consensus)
    if beliefs.consensus.quality is not None:  # else there is no tile: an empty one says nothing
        assert EN.percent(beliefs.consensus.quality) in doors.page("/manage")


def compare_project(doors: Doors, beliefs: Beliefs, told: Any, rest: Any) -> None:
    status = doors.command("status", doors.location, "--json", "--savings")
    last = rest["accuracy"][-1] if rest["accuracy"] else None
    assert told["curve"] == rest["accuracy"] == plain(beliefs.accuracy)
    assert status["accuracy"] == last
    assert told["audit"] == rest["audit"] == plain(beliefs.audit)
    assert told["stopping"]["forecast"] == rest["forecast"] == status["forecast"] == plain(beliefs.forecast)
    assert told["stopping"]["verdicts"] == rest["verdicts"] == plain(beliefs.verdicts)
    assert status["rules"] == (rest["verdicts"][-1]["verdicts"] if rest["verdicts"] else [])
    assert told["stopping"]["savings"] == rest["savings"] == status["savings"] == plain(beliefs.savings)
    assert status["effort"] == rest["effort"] == plain(beliefs.effort)
    guidelines = doors.command("review", doors.location, "--guidelines", "--json")
    assert guidelines == told["guidelines"] == rest["guidelines"] == plain(beliefs.guidelines)
    trust = doors.page("/manage/trust")
    for verdict in status["rules"]:
        if verdict["rule"] == "budget":
            assert verdict["value"] == beliefs.basis.labels
            assert EN.text("rule.budget.why", value=beliefs.basis.labels, threshold=150) in trust
    if last is None or beliefs.audit.model is None:
        assert beliefs.forecast is None
        return
    assert beliefs.forecast is not None
    model = beliefs.audit.model.accuracy
    assert (model.estimate, model.low, model.high) == (last["estimate"], last["low"], last["high"])
    assert beliefs.forecast.now == model
    assert all(point.accuracy.estimate >= model.estimate for point in beliefs.forecast.points)
    assert EN.percent(model.estimate, 1) in trust
    assert EN.percent(model.estimate) in doors.page("/manage")


@pytest.mark.timeout(600)
def test_every_door_shows_the_same_figures(doors: Doors) -> None:
    project, rng = doors.project, np.random.default_rng(1)
    compare(doors)  # new
    for name in ("ana", "ben", "spam"):
        project.people.add(name)
    label(project, 30, rng)
    compare(doors)  # before the first round
    project.refit()
    label(project, 45, rng)
    project.refit()
    compare(doors)  # after a round, its audit labelled
    label(project, 7, rng)
    compare(doors)  # in the middle of the next
    project.undo("ana")
    compare(doors)  # after an undo
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate(project.beliefs.now().contested(1)[0].text_id, "good", reviewer="rita")
    project.gold.set("t3", "good")
    compare(doors)  # with a reviewer and a gold text


def test_old_figures_say_what_they_rest_on(doors: Doors) -> None:
    project = doors.project
    project.people.add("ana")
    for n in range(6):
        project.submit(f"t{n}", "good" if n % 2 else "bad", annotator="ana")
    kept = project.beliefs.keep()
    project.submit("t7", "good", annotator="ana")
    words = {"round": EN.text("basis.no_round"), "refreshed": EN.text("basis.not_refreshed")}
    some = EN.text("basis.some", n=6, all=7, **words)
    for path in ("/manage", "/manage/trust", "/manage/people", "/manage/person?name=ana"):
        assert some in doors.page(path), path
    assert doors.rest("/beliefs")["basis"] == plain(kept.basis)
    assert project.beliefs.now().basis.labels == 7
    project.undo("ana")
    changed = EN.text("basis.changed", n=6, **words)
    assert changed in doors.page("/manage/trust"), "the same labels stand, but not the same rows"


def without(found: Any, *names: str) -> Any:
    """Leave some names out of whatever holds them."""
    if isinstance(found, dict):
        return {name: without(held, *names) for name, held in found.items() if name not in names}
    return [without(held, *names) for held in found] if isinstance(found, list) else found


def nearly(found: Any) -> Any:
    """Expect of numbers what a fit settles."""
    if isinstance(found, dict):
        return {name: nearly(held) for name, held in found.items()}
    if isinstance(found, list):
        return [nearly(held) for held in found]
    return pytest.approx(found, abs=1e-6) if isinstance(found, float) else found


def test_whoever_is_only_invited_moves_no_figure(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p.db", classes=CLASSES, texts=TEXTS, settings=SETTINGS) as project:
        for name in ("ana", "ben", "spam"):
            project.people.add(name)
        label(project, 60, np.random.default_rng(0))
        project.refit()

        def figures() -> Any:
            found = without(plain(project.beliefs.keep()), "basis", "made_at", "seconds")
            return {**found, "annotators": [one for one in found["annotators"] if one["n_annotations"]]}

        before = figures()
        assert before["annotators"][0]["quality"] is not None
        project.people.add("aaron")
        project.people.add("zoe", role=Role.REVIEWER)
        assert figures() == nearly(before)
