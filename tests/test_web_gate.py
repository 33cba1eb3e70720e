"""Hostile annotators on all routes: nothing is stored or shown that the owner's settings forbid."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jurybox.store.gate import IN_HAND, REMARKS_ON_A_TEXT
from support.store import Clock
from support.web import TEXTS, Stage, stage

pytestmark = pytest.mark.slow

HOSTILE = ("ana", "bo")
MORE = [(f"m{number}", f"more text {number}") for number in range(28)]
IDS = [text for text, _ in (*TEXTS, *MORE)]
GOLD = IDS[:4]
GRACE = 3
WRITES = int(os.environ.get("JURYBOX_WRITES", "300"))
SHARES = (None, 0.2, 0.6)
KEYS = (None, "k1", "k2", "k3")


@dataclass(frozen=True)
class Facts:
    """What the database says of a person, asked in SQL of the test's own."""

    rows: tuple[int, ...]
    n: int
    held: frozenset[str]
    failed: bool
    tested: bool
    all_labels: int


@dataclass
class Play:
    """An app, hostile annotators, an owner who changes their mind, and an account of what may be."""

    stage: Stage
    draw: random.Random
    clock: Clock = field(default_factory=lambda: Clock(1_700_000_000.0))
    paused: set[str] = field(default_factory=set)
    most: dict[str, int | None] = field(default_factory=dict)
    cap: dict[str, int | None] = field(default_factory=dict)
    share: float | None = None
    seen: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    attempts: int = 0
    stored: int = 0

    def __post_init__(self) -> None:
        self.stage.project._clock = self.clock
        self.stage.project.add_texts(MORE)
        self.clients = {name: self.stage.client(name) for name in (*HOSTILE, "olga", "rita")}
        self.browsers = {name: self.stage.browser(name) for name in HOSTILE}
        self.most = dict.fromkeys(HOSTILE)
        self.cap = dict.fromkeys(HOSTILE)
        assert (
            self.clients["olga"].post("/api/v1/gold", json={"labels": dict.fromkeys(GOLD, "yes")}).is_success
        )

    # What the owner does

    def own(self) -> None:
        name = self.draw.choice(HOSTILE)
        olga = self.clients["olga"]
        path = f"/api/v1/annotators/{name}"
        what = self.draw.choice(
            ["pause", "resume", "resume", "cap", "share", "test", "qualify", "label", "clock"]
        )
        if what in ("pause", "resume"):
            olga.patch(path, json={"standing": "paused" if what == "pause" else "active"})
            (self.paused.add if what == "pause" else self.paused.discard)(name)
        elif what == "cap":
            self.cap[name] = self.draw.choice([None, 0, 1, 3, 6])
            olga.patch(path, json={"cap": self.cap[name]})
        elif what == "share":
            self.share = self.draw.choice(SHARES)
            olga.patch("/api/v1/settings", json={"max_share": self.share})
        elif what == "test":
            olga.patch("/api/v1/settings", json={"qualification_texts": self.draw.choice([0, 2])})
        elif what == "qualify":
            olga.patch(path, json={"qualified": self.draw.choice([True, False, None])})
        elif what == "label":
            text = self.draw.choice(IDS)
            body = {"text_id": text, "label": "yes", "annotator": name}
            if olga.post("/api/v1/annotations", json=body).is_success:
                self.seen[name].add(text)
            if self.draw.random() < 0.2:
                self.clients["rita"].post("/api/v1/adjudications", json={"text_id": text, "label": "no"})
        else:
            self.clock.now += self.draw.choice([601, 601, 3_600, -3_600, 31 * 86_400, -31 * 86_400])
        for person in HOSTILE:  # what is in hand may be answered, whatever the owner says now
            facts, cap = self.facts(person), self.cap[person]
            self.most[person] = None if cap is None else max(cap, facts.n + len(facts.held))

    # What annotators do

    def attack(self) -> None:
        name = self.draw.choice(HOSTILE)
        verb = self.draw.choice(list(_VERBS))
        text = self._text(name)
        before = self.facts(name)
        answer = _VERBS[verb](self, name, text)
        after = self.facts(name)
        self.attempts += verb not in ("decisions", "page")
        if after.rows != before.rows:
            self.stored += 1
            self._check_write(name, verb, text, before, after)
        if verb in ("tasks", "page") and after.held > before.held:
            self._check_loans(name, after)
        assert len(after.held) <= IN_HAND
        self._check_reading(name, verb, answer)

    def _check_write(self, name: str, verb: str, text: str, before: Facts, after: Facts) -> None:
        assert name not in self.paused, (verb, "while paused")
        assert not before.failed, (verb, "without having passed the test")
        if verb in ("label", "form", "skip", "form_skip", "flag"):
            assert text in self.seen[name], (verb, "of a text that was never lent")
        if verb in ("label", "form"):
            assert text in GOLD or not before.tested, "an ordinary text during the test"
        if after.n > before.n:
            most = self.most[name]
            assert most is None or after.n <= most, "beyond the cap"
            if text not in before.held:
                self._check_share(after)

    def _check_loans(self, name: str, after: Facts) -> None:
        most = self.most[name]
        assert most is None or after.n + len(after.held) <= most, "lent beyond the cap"
        assert name not in self.paused
        assert not after.failed
        self._check_share(after)

    def _check_share(self, facts: Facts) -> None:
        mine, held = facts.n + len(facts.held), len(facts.held)
        if self.share is not None:
            assert mine <= max(GRACE, self.share * (facts.all_labels + held) + 1e-9), "beyond the share"

    def _check_reading(self, name: str, verb: str, answer: Any) -> None:
        if verb in ("tasks", "undo") and answer.is_success:
            body = answer.json()
            new = {task["text_id"] for task in body.get("tasks", [body])}
            if verb == "undo":
                assert new <= self.seen[name], "handed out by undo, and never lent"
            self.seen[name] |= new
        elif verb == "decisions" and answer.is_success:
            assert {one["text_id"] for one in answer.json()} <= self.seen[name], "read, and never lent"
        elif verb == "page":
            self.seen[name] |= self.facts(name).held  # the page shows one of them

    def _text(self, name: str) -> str:
        seen = sorted(self.seen[name])
        other = sorted(self.seen["bo" if name == "ana" else "ana"])
        kinds = [["nope"], IDS, seen or IDS, seen or IDS, seen or IDS, other or IDS]
        return self.draw.choice(self.draw.choice(kinds))

    def post(self, name: str, path: str, body: dict[str, Any]) -> Any:
        key = self.draw.choice(KEYS)
        if self.draw.random() < 0.05:
            body = {**body, "annotator": "bo" if name == "ana" else "ana"}
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.clients[name].post(f"/api/v1{path}", json=body, headers=headers)

    def form(self, name: str, path: str, data: dict[str, str]) -> Any:
        return self.browsers[name].post(path, data=data)

    def facts(self, name: str) -> Facts:
        now = self.clock.now
        mine = f"FROM {{}} WHERE annotator_id = (SELECT id FROM annotators WHERE name = '{name}')"  # noqa: S608
        standing = "retired_by IS NULL AND class_id IS NOT NULL"
        held = " UNION ALL ".join(
            f"SELECT external_id {mine.format(f'{table} JOIN texts ON texts.id = text_id')} "
            f"AND expires_at > {now} AND expires_at <= {now} + seconds + 60"
            for table in ("leases", "gold_leases")
        )
        queries = (
            f"SELECT count(*) {mine.format('annotations')}",
            f"SELECT count(*) {mine.format('skips')}",
            f"SELECT count(*) {mine.format('skips')} AND retired_at IS NOT NULL",
            f"SELECT count(*) {mine.format('flags')}",
            f"SELECT count(*) {mine.format('annotations')} AND {standing}",
            f"SELECT count(*) FROM annotations WHERE {standing}",  # noqa: S608
        )
        with self.stage.project.store.read() as connection:
            *rows, n, everyone = [connection.exec_driver_sql(query).scalar_one() for query in queries]
            texts = frozenset(connection.exec_driver_sql(held).scalars())
            qualified = connection.exec_driver_sql(
                f"SELECT qualified FROM annotators WHERE name = '{name}'"  # noqa: S608
            ).scalar_one()
        tests = self.stage.project.settings.qualification_texts > 0
        failed = tests and qualified is not None and not qualified
        return Facts(tuple(rows), n, texts, failed, tests and qualified is None, everyone)

    def step(self) -> None:
        self.own() if self.draw.random() < 0.08 else self.attack()

    def end(self) -> None:
        """Look once more at all that is stored."""
        assert not any(self.stage.project.people.get(name).role != "annotator" for name in HOSTILE)
        flags: Counter[tuple[str, str]] = Counter()
        for flag in self.stage.project.review.flags():
            flags[flag.annotator, flag.text_id] += 1
        assert max(flags.values(), default=0) <= REMARKS_ON_A_TEXT


def _label(play: Play, name: str, text: str) -> Any:
    body = {"text_id": text, "label": play.draw.choice(["no", "yes"])}
    return play.post(name, "/annotations", body)


def _tasks(play: Play, name: str, _text: str) -> Any:
    body = {"n": play.draw.choice([1, 2, 50]), "resume": play.draw.random() < 0.5}
    if play.draw.random() < 0.1:
        body |= {"lend_limit": 500, "seconds": 80_000}
    return play.post(name, "/tasks", body)


def _undo(play: Play, name: str, text: str) -> Any:
    return play.post(name, "/decisions/undo", {"text_id": text} if play.draw.random() < 0.5 else {})


def _others(play: Play, name: str, text: str) -> Any:
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/adjudications", {"text_id": text, "label": "yes"}),
        ("/gold", {"labels": {text: "yes"}}),
        ("/annotators", {"name": "eve"}),
        ("/tokens", {"name": "olga"}),
    ]
    path, body = play.draw.choice(requests)
    answer = play.post(name, path, body)
    assert answer.status_code in (403, 422)
    return answer


_VERBS: dict[str, Callable[[Play, str, str], Any]] = {
    "tasks": _tasks,
    "label": _label,
    "skip": lambda play, name, text: play.post(name, "/skips", {"text_id": text, "reason": "x"}),
    "flag": lambda play, name, text: play.post(name, "/flags", {"text_id": text, "comment": "x"}),
    "undo": _undo,
    "change": lambda play, name, text: play.post(
        name, "/decisions/change", {"text_id": text, "label": play.draw.choice(["no", "yes"])}
    ),
    "renew": lambda play, name, text: play.post(name, "/tasks/renew", {"text_id": text}),
    "release": lambda play, name, text: play.post(name, "/tasks/release", {"text_id": text}),
    "decisions": lambda play, name, _text: play.clients[name].get("/api/v1/decisions?limit=100"),
    "page": lambda play, name, _text: play.browsers[name].get("/label"),
    "form": lambda play, name, text: play.form(name, "/label", {"text_id": text, "label": "yes"}),
    "form_skip": lambda play, name, text: play.form(name, "/label/skip", {"text_id": text}),
    "form_undo": lambda play, name, text: play.form(name, "/label/undo", {"text_id": text}),
    "others": _others,
}


@pytest.fixture(autouse=True)
def small_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let shares count from the fourth label on: the project has few texts."""
    monkeypatch.setattr("jurybox.store.people.SHARE_GRACE", GRACE)


@pytest.fixture
def place(location: str) -> Callable[[], str]:
    """Return what names a new place on the store each time."""
    numbers = count()
    return lambda: f"{location}_{next(numbers)}"


@settings(
    max_examples=4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(draw=st.randoms(use_true_random=False), steps=st.integers(20, 50))
def test_whatever_annotators_try_nothing_forbidden_is_stored(
    place: Callable[[], str], draw: random.Random, steps: int
) -> None:
    with stage(place()) as own:
        play = Play(own, draw)
        for _ in range(steps):
            play.step()
        play.end()


@pytest.mark.long  # a few are made above
@pytest.mark.timeout(7200)
def test_many_writes_of_hostile_annotators(place: Callable[[], str]) -> None:
    """As many as JURYBOX_WRITES says; of those that are stored none is forbidden."""
    attempts = stored = seed = 0
    while attempts < WRITES:
        with stage(place()) as own:
            play = Play(own, random.Random(seed))
            while play.attempts < min(WRITES, 500):
                play.step()
            play.end()
        attempts, stored, seed = attempts + play.attempts, stored + play.stored, seed + 1
    assert stored > attempts / 20
    print(f"{attempts:,} writes tried, {stored:,} stored, 0 of them forbidden")  # noqa: T201
