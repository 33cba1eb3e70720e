"""People who label while everything around them breaks, each keeping an account of what was acknowledged.

A request that gets no answer, or a 5xx, is sent again as it was, until there is an answer: only then the
account changes. `judge` compares the accounts with what the database holds.
"""

from __future__ import annotations

import http.client
import json
import random
import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from jurybox.project import Project
from jurybox.store import schema
from serving import CLASSES, most_likely

__all__ = ["Crowd", "Faults", "judge"]

_TIMEOUT = 60.0
_PAUSE = 0.25


@dataclass
class _Request:
    """What is to be stored; `text` is the text that it is about."""

    kind: str
    path: str
    body: dict[str, Any]
    text: str
    key: str = field(default_factory=lambda: secrets.token_hex(12))
    tries: int = 0
    started: float = 0.0


@dataclass
class _Account:
    """What one person was told to be stored."""

    labels: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By text: the annotation that stands, and its label."""
    given: dict[int, tuple[str, str]] = field(default_factory=dict)
    """All annotations that there ever were: text and label."""
    undone: Counter[str] = field(default_factory=Counter)
    skipped: set[str] = field(default_factory=set)
    remarks: set[str] = field(default_factory=set)
    decided: list[str] = field(default_factory=list)
    """Texts in the order of the decisions that stand."""
    unsure: set[str] = field(default_factory=set)
    """Texts with a request that was refused after it had been sent once without an answer."""


@dataclass
class Faults:
    """What a comparison of accounts and database has found, as sentences."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Person(threading.Thread):
    """Labels, changes, takes back, skips and remarks, until told to stop."""

    def __init__(self, name: str, token: str, crowd: Crowd) -> None:
        super().__init__(name=name, daemon=True)
        self.account = _Account()
        self.pending: _Request | None = None
        self.busy = threading.Lock()
        self._token, self._crowd = token, crowd
        self._rng = random.Random(name)  # noqa: S311
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Do one thing after the other."""
        self._crowd.over.wait(self._rng.uniform(0, self._crowd.pace))
        while not self._crowd.over.is_set():
            self._crowd.open.wait()
            with self.busy:
                quick = self._crowd.open.is_set() and self._step()
            self._crowd.over.wait(self._crowd.pace if quick else _PAUSE)
        self._hang_up()

    def _step(self) -> bool:
        """Send what is to be stored, chosen first where nothing is left over; true if it was answered."""
        if self.pending is None:
            self.pending = self._choose()
        request = self.pending
        if request is None:
            return False
        decided = self.account.decided
        request.tries += 1
        request.started = request.started or time.monotonic()
        status, answer = self._post(request.path, request.body, request.key)
        if status == 0 or status >= 500:
            return False
        if status < 300:
            self._note(request, answer)
            self._crowd.acknowledge(request.started)
        elif request.tries > 1:
            self.account.unsure.add(request.text)
            if request.text in decided:
                decided.remove(request.text)
        else:
            self._crowd.refused(f"{request.kind}: {status} {answer.get('code', answer)}")
        self.pending = None
        return True

    def _choose(self) -> _Request | None:
        dice, decided = self._rng.random(), self.account.decided
        if dice < 0.08 and decided:
            last = decided[-1]
            by_order = self._rng.random() < 0.5 and not self.account.unsure
            body = {} if by_order else {"text_id": last}
            return _Request("undo", "/decisions/undo", body, last)
        if dice < 0.16 and decided and decided[-1] in self.account.labels:
            body = {"text_id": decided[-1], "label": self._rng.choice(CLASSES)}
            return _Request("change", "/decisions/change", body, decided[-1])
        status, answer = self._post("/tasks", {"n": 1}, "")
        if status != 200 or not answer["tasks"]:
            return None
        (task,) = answer["tasks"]
        text = task["text_id"]
        if dice < 0.20:
            return _Request("skip", "/skips", {"text_id": text, "reason": "cannot tell"}, text)
        if dice < 0.23:
            return _Request("remark", "/flags", {"text_id": text, "comment": secrets.token_hex(8)}, text)
        label = most_likely(task["text"]) if self._rng.random() < 0.85 else self._rng.choice(CLASSES)
        return _Request("label", "/annotations", {"text_id": text, "label": label, "seconds": 1.0}, text)

    def _note(self, request: _Request, answer: Mapping[str, Any]) -> None:
        account, text = self.account, request.text
        if request.kind == "remark":
            account.remarks.add(request.body["comment"])
        elif request.kind == "undo":
            if answer["text_id"] != text:
                self._crowd.wrong(f"{self.name} took back {text}, and {answer['text_id']} was taken back")
                account.unsure |= {text, answer["text_id"]}
            account.decided.remove(text)
            if text in account.labels:
                account.undone[text] += 1
            account.labels.pop(text, None)
            account.skipped.discard(text)
        elif request.kind == "skip":
            account.skipped.add(text)
            account.decided.append(text)
        else:
            label = request.body["label"]
            account.labels[text] = (answer["annotation"], label)
            account.given[answer["annotation"]] = (text, label)
            if request.kind == "label":
                account.decided.append(text)

    def _post(self, path: str, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        """Return status and answer; status 0 if there is none."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._crowd.port, timeout=_TIMEOUT)
            self._connection.request("POST", f"/api/v1{path}", json.dumps(body), headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return 0, {}
        if response.status >= 500:
            self._crowd.failed(response.status)
        return response.status, json.loads(content) if content else {}

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Crowd:
    """Everybody who labels at one server.

    Attributes
    ----------
    acknowledged
        How many requests were acknowledged.
    failures
        How many were answered by 5xx.
    refusals
        Why requests were refused that had not been sent before.
    """

    def __init__(self, tokens: Mapping[str, str], port: int, pace: float) -> None:
        self.port, self.pace = port, pace
        self.acknowledged = self.failures = 0
        self.refusals: Counter[str] = Counter()
        self.over, self.open = threading.Event(), threading.Event()
        self.open.set()
        self._lock = threading.Lock()
        self._wrong: list[str] = []
        self._since: float | None = None
        self._late = 0
        self.people = [Person(name, token, self) for name, token in tokens.items()]

    def start(self) -> None:
        """Let everybody begin."""
        for person in self.people:
            person.start()

    def stop(self) -> None:
        """Let everybody end."""
        self.over.set()
        self.open.set()
        for person in self.people:
            person.join()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Wait until nobody waits for an answer, and let nobody ask."""
        self.open.clear()
        for person in self.people:
            person.busy.acquire()
        try:
            yield
        finally:
            for person in self.people:
                person.busy.release()
            self.open.set()

    @contextmanager
    def into_the_void(self) -> Iterator[list[int]]:
        """Count what is acknowledged though there is nothing to store it in; the list holds the number."""
        late = [0]
        with self._lock:
            self._since, self._late = time.monotonic(), 0
        try:
            yield late
        finally:
            with self._lock:
                late[0], self._since = self._late, None

    def acknowledge(self, started: float) -> None:
        """Count an answer to a request that was sent at a time."""
        with self._lock:
            self.acknowledged += 1
            if self._since is not None and started > self._since:
                self._late += 1

    def failed(self, _status: int) -> None:
        """Count an answer by 5xx."""
        with self._lock:
            self.failures += 1

    def refused(self, why: str) -> None:
        """Note a refusal."""
        with self._lock:
            self.refusals[why] += 1

    def wrong(self, what: str) -> None:
        """Note an answer that cannot be."""
        with self._lock:
            self._wrong.append(what)

    def wrong_answers(self) -> list[str]:
        """Return the answers that cannot be, each once."""
        with self._lock:
            found, self._wrong = self._wrong, []
        return found


def judge(project: Project, crowd: Crowd, known: set[str]) -> Faults:
    """Compare everybody's account with the database while nobody labels.

    Parameters
    ----------
    known
        Faults that were found before, which are not found again; those found now are added.
    """
    faults = Faults(wrong=crowd.wrong_answers())
    with project.store.read() as connection:
        stored = _annotations(connection)
        skips = {(row.name, row.external_id) for row in connection.execute(_SKIPS)}
        remarks = Counter(connection.scalars(sa.select(schema.flags.c.comment)))
    for person in crowd.people:
        _compare(person, stored[person.name], faults)
        account, open_text = person.account, person.pending.text if person.pending else None
        for text in account.skipped - account.unsure - {open_text}:
            if (person.name, text) not in skips:
                faults.lost.append(f"{person.name} skipped {text}, which is not stored")
        for remark in account.remarks:
            if remarks[remark] == 0:
                faults.lost.append(f"{person.name} remarked {remark}, which is not stored")
    faults.doubled += [f"the remark {remark} is stored {n} times" for remark, n in remarks.items() if n > 1]
    for found in (faults.lost, faults.doubled, faults.wrong):
        found[:] = [fault for fault in found if fault not in known]
        known.update(found)
    return faults


@dataclass(frozen=True)
class _Stored:
    text: str
    label: str | None
    standing: bool


def _annotations(connection: sa.Connection) -> dict[str, dict[int, _Stored]]:
    """Return everybody's annotations by number, those taken back included."""
    found: dict[str, dict[int, _Stored]] = defaultdict(dict)
    for number, text, name, label, retired_by in connection.execute(_ANNOTATIONS):
        found[name][number] = _Stored(text, label, label is not None and retired_by is None)
    return found


def _compare(person: Person, stored: Mapping[int, _Stored], faults: Faults) -> None:
    account = person.account
    unclear = account.unsure | ({person.pending.text} if person.pending else set())
    for number, (text, label) in account.given.items():
        row = stored.get(number)
        if row is None or (row.text, row.label) != (text, label):
            faults.lost.append(f"{person.name} gave {text} {label!r} as {number}; stored is {row}")
    standing = {row.text: number for number, row in stored.items() if row.standing}
    for text in (account.labels.keys() | standing.keys()) - unclear:
        expected, found = account.labels.get(text, (None, None))[0], standing.get(text)
        if expected == found or (expected is not None and expected not in stored):
            continue  # as it should be, or lost as was found above
        said = f"{person.name}: {text} should stand as {expected}, it does as {found}"
        (faults.wrong if expected is None and found not in account.given else faults.lost).append(said)
    rows = Counter(row.text for number, row in stored.items() if row.label and number not in account.given)
    faults.doubled += [
        f"{person.name}: {n} annotations of {text} that nobody asked for"
        for text, n in rows.items()
        if text not in unclear
    ]
    undone = Counter(row.text for row in stored.values() if row.label is None)
    faults.doubled += [
        f"{person.name}: {text} was taken back {n} times instead of {account.undone[text]}"
        for text, n in undone.items()
        if n > account.undone[text] and text not in unclear
    ]


_ANNOTATIONS = sa.select(
    schema.annotations.c.id,
    schema.texts.c.external_id,
    schema.annotators.c.name,
    schema.classes.c.name,
    schema.annotations.c.retired_by,
).select_from(
    schema.annotations.join(schema.texts, schema.texts.c.id == schema.annotations.c.text_id)
    .join(schema.annotators, schema.annotators.c.id == schema.annotations.c.annotator_id)
    .outerjoin(schema.classes, schema.classes.c.id == schema.annotations.c.class_id)
)
_SKIPS = (
    sa.select(schema.annotators.c.name, schema.texts.c.external_id)
    .select_from(
        schema.skips.join(schema.texts, schema.texts.c.id == schema.skips.c.text_id).join(
            schema.annotators, schema.annotators.c.id == schema.skips.c.annotator_id
        )
    )
    .where(schema.skips.c.retired_at.is_(None))
)
