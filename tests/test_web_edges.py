"""The edges of the server: who is listened to, for how long, under which name, and what nobody is told."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from jurybox.errors import InputError, RedactedFormatter, redacted
from jurybox.project import Project
from jurybox.web.app import create_app
from jurybox.web.config import WebSettings
from jurybox.web.connections import Bounds, bounded_protocol
from jurybox.web.serving import open_socket, web_config
from support.web import OWNER_TOKEN, Stage, stage, token_of, web_settings

UPLOADS = WebSettings().upload_paths


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db")) as made:
        yield made


def statuses(app: Any, path: str, headers: dict[str, str], client: str = "testclient") -> tuple[int, int]:
    """Post to an app; the status of the answer, and how many parts of the body the app has asked for."""
    asked, answers = [], []

    async def receive() -> dict[str, Any]:
        asked.append(path)
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"filename=x.csv",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": (client, 1),
        "server": ("testserver", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    asyncio.run(app(scope, receive, send))
    return answers[0]["status"], len(asked)


@pytest.mark.slow
@pytest.mark.parametrize("length", ["chunked", str(10**8), "300"])
@pytest.mark.parametrize("path", [*UPLOADS, "/manage/people", "/api/v1/annotations", "/nowhere"])
def test_nothing_is_read_of_whoever_may_not_send_it(own: Stage, path: str, length: str) -> None:
    headers = {"Host": "testserver", "Content-Type": "multipart/form-data; boundary=x"}
    headers |= {"Transfer-Encoding": length} if length == "chunked" else {"Content-Length": length}
    assert statuses(own.app, path, headers) == (401, 0)
    assert statuses(own.app, path, {**headers, "Authorization": "Bearer wrong"}) == (401, 0)
    if path in UPLOADS:
        for name in ("ana", "rita"):
            known = {**headers, "Authorization": f"Bearer {token_of(name)}"}
            assert statuses(own.app, path, known) == (403, 0)


@pytest.mark.slow
def test_what_people_send_before_they_sign_in_is_small(own: Stage) -> None:
    client = own.client()
    assert client.post("/sign-in", data={"token": "x" * 70_000}).status_code == 413
    assert client.post("/preferences", data={"theme": "dark", "next": "/x"}).status_code == 303


@pytest.mark.slow
def test_the_paths_that_are_named_exist(own: Stage) -> None:
    settings, owner = WebSettings(), own.client("olga")
    for path in settings.public_forms:
        assert own.client().post(path).status_code in (303, 422)
    for path in settings.upload_paths:
        assert owner.post(path).status_code not in (404, 405)


@pytest.mark.slow
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8765", "localhost.evil.example", "", "10.0.0.1"),
        *("localhost:80/sign-in?", "localhost:80@evil.example", "[::1]evil.example", "[]", ":80"),
    ],
)
def test_a_name_that_the_server_was_not_told_is_refused(own: Stage, host: str) -> None:
    client = own.client("olga")
    for path in ("/", "/healthz", "/api/v1/texts", "/static/frame.js"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "--public-url" in answer.text
    problem = client.get("/api/v1/me", headers={"Host": host})
    assert problem.json()["code"] == "unknown_host"


@pytest.mark.slow
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "x.localhost",
        "127.0.0.1:8765",
        "127.9.9.9",
        "[::1]:80",
        "labels.example:1",
    ],
)
def test_names_of_this_machine_and_those_it_was_told_are_served(tmp_path: Path, host: str) -> None:
    with stage(str(tmp_path / "p.db"), public_url="https://labels.example") as made:
        assert made.client("ana").get("/api/v1/me", headers={"Host": host}).status_code == 200


def test_a_server_on_every_address_has_every_address_but_no_name(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db"), hosts=("*",)) as made:
        client = made.client("ana")
        codes = [
            client.get("/api/v1/me", headers={"Host": host}).status_code
            for host in ("192.168.0.7:8765", "[2001:db8::1]", "evil.example", "*")
        ]
        assert codes == [200, 200, 421, 421]


@pytest.mark.slow
def test_behind_a_proxy_links_and_cookies_are_as_people_reach_the_server(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db"), public_url="https://labels.example/") as made:
        browser = TestClient(made.app, base_url="http://labels.example", follow_redirects=False)
        assert "Secure" in browser.get(f"/join/{token_of('olga')}").headers["set-cookie"]
        local = made.client().get(f"/join/{token_of('olga')}", headers={"Host": "localhost"})
        assert "Secure" not in local.headers["set-cookie"]
        page = made.browser("olga").post("/manage/people", data={"name": "new"}).text
        assert 'value="https://labels.example/join/' in page


@pytest.mark.parametrize(
    "url", ["labels.example", "ftp://x.example", "https://x.example/y", "https://u@x.example"]
)
def test_public_urls_that_are_none(url: str) -> None:
    with pytest.raises(InputError, match="public URL"):
        WebSettings(public_url=url)


def test_addresses_of_clients_are_believed_of_trusted_proxies_only(own: Stage) -> None:
    with pytest.raises(InputError, match="proxy"):
        WebSettings(trusted_proxies=("proxy.example",))
    for proxies, expected in (((), [401, 401, 429, 429]), (("10.0.0.0/8",), [401] * 4)):
        app = create_app(own.location, settings=web_settings(sign_in_attempts=2, trusted_proxies=proxies))
        config = web_config(app, app.state.server.settings, Bounds(10, 10))
        config.load()
        found = [
            statuses(
                config.loaded_app,
                "/api/v1/annotations",
                {
                    "Host": "testserver",
                    "Content-Length": "5",
                    "Authorization": "Bearer wrong",
                    "X-Forwarded-For": f"192.0.2.{number}",
                },
                client="10.1.2.3",
            )[0]
            for number in range(4)
        ]
        assert found == expected
        app.state.server.close()


def test_all_addresses_of_a_network_of_ipv6_count_as_one(own: Stage) -> None:
    limiter = own.app.state.server.limiter
    for number in range(10):
        limiter.failed(f"2001:db8:1:2::{number:x}")
    assert limiter.wait("2001:db8:1:2:ffff::1") > 0
    assert limiter.wait("2001:db8:1:3::1") == 0


@contextmanager
def listening(app: Any, **bounds: Any) -> Iterator[tuple[str, int]]:
    """Serve an app in a thread, within bounds."""
    protocol = bounded_protocol(Bounds(**{"connections": 100, "backlog": 10, **bounds}))
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, log_level="critical", lifespan="off"))
    with open_socket("127.0.0.1", 0) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield bound.getsockname()
        server.should_exit = True
        thread.join()


def ends(connection: socket.socket) -> bool:
    """Whether the server ends a connection, having said nothing that is worth a test."""
    connection.settimeout(60)
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.slow
def test_whoever_keeps_the_server_waiting_is_left() -> None:
    left_by_server = threading.Event()

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more and scope["method"] == "POST":
            message = await receive()
            more = message["type"] == "http.request" and message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/big":
            await send({"type": "http.response.body", "body": b"x" * 30_000_000, "more_body": True})
        await send(
            {"type": "http.response.body", "body": b""}
        )  # as soon as the rest is taken, or never will be
        if scope["path"] == "/big":
            left_by_server.set()

    header = b"GET / HTTP/1.1\r\nHost: x\r\n"
    with listening(plain, header_seconds=0.4, idle_seconds=0.4) as place:
        for beginning in (
            b"",
            b"GET",
            header,
            header + b"\r\n" + header,
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        ):
            with socket.create_connection(place) as connection:
                connection.sendall(beginning)
                assert ends(connection), beginning
        with socket.create_connection(place) as connection:  # a header that never ends, a byte at a time
            connection.settimeout(0.05)
            connection.sendall(header)
            left = False
            while not left:
                try:
                    connection.sendall(b"X")
                    left = not connection.recv(1000)
                except TimeoutError:
                    continue
                except ConnectionError:
                    left = True
        with socket.create_connection(place) as connection:  # an answer that nobody takes
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            left_by_server.wait()
            taken = 0
            try:
                while part := connection.recv(2**20):
                    taken += len(part)
            except ConnectionError:
                pass
            assert taken < 30_000_000


@pytest.mark.slow
def test_an_answer_that_takes_long_is_waited_for() -> None:
    go = threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    with listening(slow, header_seconds=0.1, idle_seconds=0.1) as (host, port):
        timer = threading.Timer(1.0, go.set)
        timer.start()
        assert httpx.get(f"http://{host}:{port}/", timeout=300).text == "done"


def test_of_too_many_connections_the_idle_ones_of_whoever_has_most_end() -> None:
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    with listening(plain, connections=20) as (host, port), ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection((host, port))) for _ in range(60)]
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        assert httpx.get(f"http://{host}:{port}/", timeout=300).text == "done"
        assert ends(held[0]), "the oldest"


@pytest.mark.slow
def test_unfinished_headers_do_not_stop_the_service(tmp_path: Path) -> None:
    """A real server that may have 160 descriptors, and 400 connections that say half a header."""
    location = str(tmp_path / "p.db")
    Project.create(location, classes=["no", "yes"], texts=["one"]).close()
    command = f'ulimit -n 160; exec "{sys.executable}" -m jurybox serve "{location}" --port 0 --no-learner'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        host, port = url.removeprefix("http://").split(":")
        with ExitStack() as stack:
            for _ in range(400):
                connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=300))
                try:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-")
                except ConnectionError:
                    continue
            for _ in range(5):
                assert httpx.get(f"{url}/healthz", timeout=300).json()["status"] == "ready"
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "é" * 150 + ".csv", "x" * 90 + "." + "y" * 300])
def test_a_long_name_of_a_file_is_no_crash(own: Stage, name: str) -> None:
    owner, program = own.browser("olga"), own.client("olga")
    page = owner.post("/import", files={"file": (name, b"id,text\nn1,new\n")})
    assert page.status_code in (200, 422)
    answer = program.post("/api/v1/import", params={"filename": name}, content=b"id,text\nn2,new\n")
    assert answer.status_code in (200, 422)
    if name.endswith(".csv"):
        assert (page.status_code, answer.status_code) == (200, 200)


@pytest.mark.slow
def test_a_number_that_no_column_holds_is_no_crash(location: str) -> None:
    with stage(location) as own:
        owner, program, most = own.browser("olga"), own.client("olga"), 2**62
        for cap in (2**31, 2**63, 2**65):
            assert owner.post("/manage/people/cap", data={"name": "ana", "cap": cap}).status_code == 422
            assert program.patch("/api/v1/annotators/ana", json={"cap": cap}).status_code == 422
        for number in (2**63, 2**65):
            answer = owner.post("/manage/annotations/change", data={"number": number})
            assert answer.status_code == 422
        assert owner.post("/manage/annotations/change", data={"number": most}).status_code == 303
        for path in ("/api/v1/texts", "/api/v1/annotations", "/api/v1/consensus"):
            assert program.get(path, params={"after": most}).json() == {"items": [], "next": None}, path
        for path in ("/manage/texts", "/manage/annotations", "/manage/history"):
            assert owner.get(path, params={"after": most, "before": most}).status_code == 200, path
        for path in ("/manage/duplicates", "/manage/cluster"):
            page = owner.get(path, params={"start": 2**31 - 1, "number": 0})
            assert page.status_code in (200, 404), path
        body = {"answer": "yes"}
        assert program.put(f"/api/v1/flags/{most}", json=body).status_code == 404


@pytest.mark.slow
def test_of_what_changes_about_a_person_all_is_done_or_nothing(own: Stage) -> None:
    olga, people = own.client("olga"), own.project.people
    for change in ({"role": "annotator"}, {"max_share": 2}, {"nonsense": 1}):
        assert not olga.patch("/api/v1/annotators/olga", json={"cap": 3, **change}).is_success
    own.project.edit.remove_person("bo")
    assert olga.patch("/api/v1/annotators/bo", json={"cap": 3, "standing": "paused"}).status_code == 409
    assert [people.get(name).cap for name in ("olga", "bo")] == [None, None]
    done = olga.patch("/api/v1/annotators/ana", json={"cap": 3, "standing": "paused", "role": "reviewer"})
    ana = people.get("ana")
    assert done.json()["cap"] == ana.cap == 3
    assert (ana.standing, ana.role) == ("paused", "reviewer")


@pytest.mark.slow
@pytest.mark.parametrize("charset", ["unicode_escape", "idna", "utf-7", "none"])
def test_a_form_in_an_odd_encoding_is_no_crash(own: Stage, charset: str) -> None:
    owner = own.browser("olga")
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    for name in ("\\ud800.csv", "a.\\udc80csv", "a.csv"):
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = f"{head}id,text\nn1,new\n\r\n--x--\r\n".encode()
        assert owner.post("/import", content=body, headers={"Content-Type": kind}).status_code in (200, 422)
    body = b'--x\r\nContent-Disposition: form-data; name="text_id"\r\n\r\n\\ud800\r\n--x--\r\n'
    answer = own.browser("ana").post("/label/skip", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (409, 422)


@pytest.mark.slow
def test_a_long_name_of_a_project_is_no_crash(tmp_path: Path) -> None:
    location = str(tmp_path / "p.db")
    Project.create(location, classes=["a", "b"], texts=["one"], name="x" * 1000).close()
    app = create_app(location, settings=web_settings())
    client = TestClient(app, headers={"Authorization": f"Bearer {OWNER_TOKEN}"})
    for form in ("csv", "label-studio"):
        assert client.get("/api/v1/export", params={"format": form}).status_code == 200
    app.state.server.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("strategy", "sabotage"),
        ("encoder", "../../model"),
        ("encoder", "someone/model-of-theirs"),
        ("classifier", "sklearn:naive_bayes.GaussianNB"),
        ("classifier", ""),
    ],
)
def test_settings_are_checked_as_on_the_page(own: Stage, setting: str, value: str) -> None:
    before = own.project.settings
    answer = own.client("olga").patch("/api/v1/settings", json={setting: value})
    assert answer.status_code == 422
    assert own.browser("olga").post("/manage/settings", data={setting: value}).status_code == 422
    assert own.project.settings == before
    assert own.client("olga").patch("/api/v1/settings", json={"strategy": "margin"}).status_code == 200
    assert own.project.settings.strategy == "margin"


SECRETS = re.compile(r"a-secret-token|somebody|127\.0\.0\.1|\b1023\b|a-database|pa55word")


def test_nobody_is_told_of_tokens_and_databases(caplog: pytest.LogCaptureFixture) -> None:
    place = "postgresql://somebody:pa55word@127.0.0.1:1023/a-database?schema=s&connect_timeout=2"
    app = create_app(place, settings=WebSettings(hosts=("testserver",)))
    client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
    with caplog.at_level(logging.DEBUG, "jurybox"):
        answers = [
            client.get("/join/a-secret-token"),
            client.post("/sign-in", data={"token": "a-secret-token"}),
            client.get("/api/v1/me", headers={"Authorization": "Bearer a-secret-token"}),
            client.get("/label"),
        ]
    assert [answer.status_code for answer in answers] == [503] * 4
    for answer in answers:
        assert not SECRETS.search(answer.text), answer.text
    assert len(caplog.records) >= 4
    lines = [RedactedFormatter("%(message)s").format(record) for record in caplog.records]
    for record, line in zip(caplog.records, lines, strict=True):
        assert not SECRETS.search(record.getMessage()), "even where another formatter writes it"
        assert not SECRETS.search(line)
    assert any("Connection refused" in line for line in lines), "the cause is told"


@pytest.mark.parametrize(
    "text",
    [
        'connection to server at "127.0.0.1", port 1023 failed: FATAL: no user "somebody"',
        'connection to server at "db.pa55word" (127.0.0.1), port 1023 failed: Connection refused',
        "failed to resolve host 'pa55word.example': [Errno -2] Name or service not known",
        'no pg_hba.conf entry for host "127.0.0.1", user "somebody", database "a-database", no encryption',
        'connection to server on socket "/run/pa55word/.s.PGSQL.1023" failed: No such file or directory',
        "cannot open postgresql+psycopg://somebody:pa55word@127.0.0.1:1023/a-database",
        "GET /join/a-secret-token?x=1: failed",
        "{'Authorization': 'Bearer a-secret-token'}",
        "(psycopg.Error) duplicate key\nDETAIL: Key (token_hash)=(pa55word) already exists.",
        "[SQL: SELECT 1]\n[parameters: {'token': 'pa55word'}]\n(Background on this error)",
    ],
)
def test_what_logs_do_not_tell(text: str) -> None:
    assert not SECRETS.search(redacted(text))
    try:
        raise RuntimeError(text)
    except RuntimeError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    line = RedactedFormatter("%(message)s").format(record)
    assert "RuntimeError" in line
    # The source of this very test is no part of what the traceback quotes.
    assert not SECRETS.search(line)
