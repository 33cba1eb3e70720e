"""Webhooks: signed, sent again, to public addresses only, and never in the way."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jurybox.errors import InputError, NotFoundError
from jurybox.project import Project
from jurybox.web.config import WebSettings
from jurybox.web.security import is_private_name, is_public
from jurybox.web.state import Server
from jurybox.web.webhooks import (
    AddressError,
    Courier,
    Event,
    add_hook,
    deliver,
    list_hooks,
    remove_hook,
    try_hook,
)
from support.waiting import until
from support.web import SETTINGS, Stage, stage

EVERYTHING = list(Event)


class Receiver:
    """A server that notes what it gets and answers as told, 200 in the end."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?x=1"


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    receiver = Receiver(*statuses)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


def genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a delivery as the documentation tells receivers to."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "serving.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        if "def genuine" in block:
            exec(block, names)  # noqa: S102
    verdict: bool = names["genuine"](secret, headers, body)
    return verdict


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    path = tmp_path / "p.db"
    texts = [f"a {'good' if number % 2 else 'bad'} thing {number}" for number in range(8)]
    Project.create(path, classes=["bad", "good"], texts=texts, settings=SETTINGS).close()
    made = Server(str(path), WebSettings(webhooks=True, webhooks_to_private_addresses=True))
    yield made
    made.close()


class Watched(Courier):
    """Counts how often it has looked for news from beginning to end."""

    looks = 0

    def _tell(self) -> None:
        super()._tell()
        self.looks += 1

    def look(self) -> None:
        """Wait until it has looked once more."""
        before = self.looks
        until(lambda: self.looks >= before + 2)


@contextmanager
def telling(server: Server) -> Iterator[Watched]:
    courier = Watched(server, interval=0.02, pause=0.02)
    courier.start()
    yield courier
    courier.stop()


def finish(project: Project, *names: str) -> None:
    for name in names:
        while task := project.next_task(name):
            project.submit(task, "good" if "good" in task.text else "bad")


@pytest.mark.slow
def test_rounds_and_the_end_are_told_and_signed(server: Server) -> None:
    project = server.project
    finish(project, "ana")
    with receiving(500, 302) as receiver, telling(server) as courier:
        made = add_hook(project, receiver.url, EVERYTHING, allow_private=True)
        project.refit()
        until(lambda: len(receiver.got) == 3)
        headers, body = receiver.got[2]
        content, number = json.loads(body), headers["webhook-id"]
        assert content["type"] == "round.finished"
        assert {got["webhook-id"] for got, _ in receiver.got} == {number}
        assert genuine(made.secret, headers, body)
        assert not genuine(made.secret, {**headers, "webhook-id": "another"}, body)
        assert not genuine(made.secret, headers, body + b" ")
        assert content["data"]["round"]["number"] == 1
        until(lambda: list_hooks(project)[0].last_result == "ok")
        finish(project, "bo", "cy")
        until(lambda: len(receiver.got) == 4)
        assert json.loads(receiver.got[3][1])["type"] == "project.complete"
        courier.look()
        assert len(receiver.got) == 4
    with receiving() as receiver, telling(server) as courier:  # after a restart, nothing is told again
        courier.look()
        assert receiver.got == []


@pytest.mark.slow
def test_what_happened_before_is_no_news(server: Server) -> None:
    project = server.project
    finish(project, "ana", "bo", "cy")
    project.refit()
    with receiving() as receiver, telling(server) as courier:
        add_hook(project, receiver.url, EVERYTHING, allow_private=True)
        courier.look()
        assert receiver.got == []
        project.refit()
        until(lambda: len(receiver.got) == 1)


@pytest.mark.slow
def test_a_receiver_that_is_away_is_noted_and_holds_up_nobody(server: Server) -> None:
    project = server.project
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    add_hook(project, f"http://127.0.0.1:{port}/", [Event.ROUND_FINISHED], allow_private=True)
    with telling(server):
        finish(project, "ana")
        project.refit()
        finish(project, "bo")
        until(lambda: "refused" in (list_hooks(project)[0].last_result or ""))


@pytest.mark.slow
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://[fe80::1]/",
        "http://100.64.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://localhost./",
        "http://[::127.0.0.1]/",
        "http://[::ffff:0:127.0.0.1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[64:ff9b:1::10.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:7f00:1::1]/",
        "http://[2a00:1450:4001::5efe:10.0.0.1]/",
        "http://[2a00:1450:4001::200:5efe:10.0.0.1]/",
        "http://[fec0::1]/",
        "http://[fc00::1]/",
        "http://[ff02::1]/",
        "http://[100::1]/",
        "http://[2001:db8::1]/",
        "http://192.0.0.8/",
        "http://192.88.99.1/",
        "http://198.18.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
    ],
)
def test_private_addresses_are_refused(server: Server, url: str) -> None:
    with pytest.raises(InputError, match="private"):
        add_hook(server.project, url, EVERYTHING)
    with pytest.raises((AddressError, socket.gaierror)):  # not all resolvers take every form
        deliver(url, {}, b"")


@pytest.mark.parametrize(
    "private",
    [
        "192.168.0.1",
        "::ffff:192.168.0.1",
        "::127.0.0.1",
        "64:ff9b::c0a8:1",
        "2002:c0a8:1::1",
        "2001::c0a8:1",
        "fec0::1",
        "fe80::1%eth0",
    ],
)
def test_names_that_lead_to_private_addresses_are_refused(
    monkeypatch: pytest.MonkeyPatch, private: str
) -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))
        return [public, (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (private, 80, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(AddressError, match=re.escape(private)):
        deliver("http://hook.example/", {}, b"")


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::5eff:1:1"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)
    assert not is_private_name(address)


def test_a_redirect_is_not_followed() -> None:
    with receiving(302) as receiver:
        assert deliver(receiver.url, {}, b"{}", allow_private=True) == 302
        assert len(receiver.got) == 1


@pytest.mark.slow
def test_a_receiver_that_answers_a_little_at_a_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jurybox.web.webhooks._TIMEOUT", 0.2)
    ended = threading.Event()

    def trickle(listening: socket.socket) -> None:
        said, _ = listening.accept()
        with said:
            for _ in range(200):
                if ended.wait(0.05):
                    return
                said.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            said.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle, args=(listening,))
        thread.start()
        with pytest.raises((OSError, http.client.HTTPException)):
            deliver(f"http://127.0.0.1:{listening.getsockname()[1]}/", {}, b"{}", allow_private=True)
        ended.set()
        thread.join()


@pytest.mark.slow
def test_of_webhooks_that_are_added_at_once_none_is_lost(server: Server) -> None:
    def add(number: int) -> str:
        return add_hook(server.project, f"https://hook.example/{number}", EVERYTHING).hook.id

    with ThreadPoolExecutor(8) as pool:
        added = {*pool.map(add, range(16))}
    assert {hook.id for hook in list_hooks(server.project)} == added
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda number: remove_hook(server.project, number), added)]
    assert list_hooks(server.project) == []


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "http://", "http://user@x.example/", "x", "http://x:99999/", "http://[x/"]
)
def test_urls_that_are_none(server: Server, url: str) -> None:
    with pytest.raises(InputError):
        add_hook(server.project, url, EVERYTHING, allow_private=True)


@pytest.mark.slow
def test_adding_and_removing(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db"), webhooks=True) as made:
        client = made.client("olga")
        body = {"url": "https://hook.example/x", "events": ["round.finished"]}
        added = client.post("/api/v1/webhooks", json=body).json()
        listed = client.get("/api/v1/webhooks").json()
        assert listed == [{**body, "id": added["hook"]["id"], "last_result": None}]
        assert added["secret"] not in client.get("/api/v1/webhooks").text
        assert client.post("/api/v1/webhooks", json={"url": "http://127.0.0.1/"}).status_code == 422
        assert client.delete(f"/api/v1/webhooks/{added['hook']['id']}").status_code == 204
        with pytest.raises(NotFoundError):
            remove_hook(made.project, added["hook"]["id"])


@pytest.mark.slow
def test_they_are_off_by_default(tmp_path: Path) -> None:
    made: Stage
    with stage(str(tmp_path / "p.db")) as made:
        answer = made.client("olga").post("/api/v1/webhooks", json={"url": "https://hook.example/x"})
        assert answer.status_code == 409


@pytest.mark.slow
def test_news_are_told_by_the_next_server_where_one_ended_before_they_arrived(server: Server) -> None:
    project = server.project
    for name in ("ana", "bo"):
        finish(project, name)
    with receiving(500) as receiver:
        add_hook(project, receiver.url, EVERYTHING, allow_private=True)
        courier = Watched(server, interval=0.02, pause=60.0)
        courier.start()
        finish(project, "cy")
        until(lambda: len(receiver.got) == 1)
        courier.stop()
        with telling(server):
            until(lambda: list_hooks(project)[0].last_result == "ok")
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        assert json.loads(receiver.got[-1][1])["type"] == "project.complete"


@pytest.mark.parametrize("url", ["http://a..b/", f"http://{'x' * 70}.org/", "{url}&a=é"])
def test_an_address_that_cannot_be_asked_for_holds_up_no_other(server: Server, url: str) -> None:
    project = server.project
    with receiving() as receiver:
        wrong = add_hook(project, url.format(url=receiver.url), EVERYTHING, allow_private=True)
        assert try_hook(project, wrong.hook.id, allow_private=True).startswith("failed: ")
