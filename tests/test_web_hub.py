"""Several projects on one server: one sign-in, no way from one project into another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jurybox.errors import StoreError
from jurybox.project import Project
from jurybox.store.records import Role
from jurybox.web.access import CSRF_HEADER
from jurybox.web.hub import PROJECT_HEADER, Hub
from jurybox.web.serving import open_projects
from jurybox.web.tokens import hash_token
from support.web import OWNER_TOKEN, csrf_token, session_cookie, web_settings

pytestmark = pytest.mark.slow


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    for name in ("first", "second"):
        texts = [(f"t{n}", f"{name} {n}") for n in range(3)]
        with Project.create(tmp_path / f"{name}.db", classes=["no", "yes"], texts=texts) as project:
            for person, role in (("ana", Role.ANNOTATOR), ("olga", Role.OWNER)):
                project.people.add(person, role=role)
                own = name if person == "olga" else "both"
                project.people.set_token(person, hash_token(f"token of {person} in {own}, a long one"))
    hub = Hub(tmp_path, web_settings())
    yield hub
    for server in hub.servers:
        server.close()


def client(hub: Hub) -> TestClient:
    return TestClient(hub, follow_redirects=False)


def signed_in(hub: Hub, token: str) -> TestClient:
    browser = client(hub)
    assert browser.get(f"/join/{token}").status_code == 303
    browser.headers[CSRF_HEADER] = csrf_token(browser)
    return browser


def go(browser: TestClient, name: str) -> None:
    assert browser.post("/projects", data={"name": name}).headers["location"] == "/"
    browser.headers[CSRF_HEADER] = csrf_token(browser)


def project(hub: Hub, name: str) -> Project:
    found: Project = hub.apps[name].state.server.project
    return found


def test_one_sign_in_opens_all_projects_of_a_token(hub: Hub) -> None:
    ana = client(hub)
    answer = ana.post("/sign-in", data={"token": "token of ana in both, a long one"})
    assert answer.headers["location"] == "/projects"
    page = ana.get("/projects").text
    assert re.findall(r"<button><bdi>(\w+)<", page) == ["first", "second"]
    assert "New project" not in page
    ana.headers[CSRF_HEADER] = csrf_token(ana)
    for name in ("second", "first"):
        go(ana, name)
        assert f"{name} " in ana.get("/label").text


def test_a_token_of_one_project_opens_that_one_alone(hub: Hub) -> None:
    olga = signed_in(hub, "token of olga in second, a long one")
    assert re.findall(r"<button><bdi>(\w+)<", olga.get("/projects").text) == ["second"]
    assert olga.get("/manage").status_code == 200
    assert olga.post("/projects", data={"name": "first"}).status_code == 404
    olga.cookies.set("jurybox_project", "first")
    assert "second 1" in olga.get("/manage/texts").text  # naming a project opens nothing
    assert olga.post("/projects/new", data={"name": "third"}).status_code == 403
    wrong = client(hub).get("/join/nobody's")
    assert wrong.status_code == 401


def test_a_form_of_one_project_is_none_of_another(hub: Hub) -> None:
    ana = signed_in(hub, "token of ana in both, a long one")
    go(ana, "first")
    of_first = dict(ana.headers)
    go(ana, "second")
    ana.headers[CSRF_HEADER] = of_first[CSRF_HEADER.lower()]
    task = ana.post("/api/v1/tasks", json={"n": 1})
    assert task.status_code == 403
    assert project(hub, "second").status().annotations == 0


def test_programs_are_known_by_their_token_or_name_the_project(hub: Hub) -> None:
    bearer = {"Authorization": "Bearer token of olga in second, a long one"}
    assert client(hub).get("/api/v1/project", headers=bearer).json()["name"] == "second"
    operator = {"Authorization": f"Bearer {OWNER_TOKEN}"}
    for name in ("first", "second"):
        found = client(hub).get("/api/v1/project", headers={**operator, PROJECT_HEADER: name})
        assert found.json()["name"] == name
    assert client(hub).get("/api/v1/project", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_project_that_is_named_and_not_there_is_no_other_one(hub: Hub) -> None:
    bearer = {"Authorization": "Bearer token of olga in second, a long one"}
    for name in ("secnod", ""):
        named = {PROJECT_HEADER: name}
        for headers, program in (
            (bearer, client(hub)),
            ({}, signed_in(hub, "token of ana in both, a long one")),
        ):
            answer = program.post("/api/v1/tasks", json={"n": 1}, headers={**headers, **named})
            assert answer.status_code == 404
            assert answer.json()["detail"] == f"there is no project {name!r} on this server"
        page = client(hub).get("/manage", headers=named)
        assert (page.status_code, page.headers["x-content-type-options"]) == (404, "nosniff")
    assert [project(hub, one).status().on_loan for one in hub.apps] == [0, 0]
    olga = signed_in(hub, "token of olga in second, a long one")
    assert olga.get("/api/v1/project").json()["name"] == "second"
    assert olga.get("/api/v1/project", headers={PROJECT_HEADER: "first"}).status_code == 401
    assert client(hub).get("/healthz", headers={PROJECT_HEADER: "secnod"}).status_code == 200


def test_the_link_of_the_server_signs_in_to_all_once_and_signing_out_leaves_all(hub: Hub) -> None:
    link = hub.new_owner_link()
    owner = signed_in(hub, link)
    assert client(hub).get(f"/join/{link}").status_code == 401
    assert len(re.findall(r"<button><bdi>", owner.get("/projects").text)) == 2
    answer = owner.post("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert owner.get("/projects").status_code == 303
    for name in ("first", "second"):
        owner.cookies.set("jurybox_project", name)
        assert owner.get("/manage").status_code == 303


def test_whoever_runs_the_server_begins_a_project(hub: Hub, tmp_path: Path) -> None:
    with client(hub) as owner:
        owner.get(f"/join/{hub.new_owner_link()}")
        owner.headers[CSRF_HEADER] = csrf_token(owner)
        for wrong in ("first", "../x", ".hidden", "é" * 100):
            assert owner.post("/projects/new", data={"name": wrong}).status_code == 422
        answer = owner.post("/projects/new", data={"name": "third"})
        assert answer.headers["location"].startswith("/join/")
        assert owner.get(answer.headers["location"]).headers["location"] == "/"
        assert owner.get("/").headers["location"] == "/setup"
        assert owner.get("/healthz").status_code == 200


def test_in_an_empty_folder_a_first_project_is_set_up(tmp_path: Path) -> None:
    hub = Hub(tmp_path, web_settings())
    with client(hub) as owner:
        assert owner.get(f"/join/{hub.new_owner_link()}").headers["location"] == "/"
        assert owner.get("/").headers["location"] == "/setup"
        assert list(tmp_path.iterdir()) == []  # a file is made when it is set up


@pytest.mark.parametrize("cookie", ["a/b=1", "(x)=1; @y=2", "{}=3; ,x=1", "x"])
def test_cookies_of_others_on_this_host_are_in_nobodys_way(hub: Hub, cookie: str) -> None:
    ana = signed_in(hub, "token of ana in both, a long one")
    go(ana, "second")
    own = "; ".join(f"{one.name}={one.value}" for one in ana.cookies.jar)
    answer = client(hub).get("/api/v1/project", headers={"Cookie": f"{cookie}; {own}"})
    assert answer.json()["name"] == "second"


def test_what_the_hub_answers_itself_has_a_known_host_and_the_headers(hub: Hub) -> None:
    token = "token of ana in both, a long one"  # noqa: S105
    form = {"token": token}
    for method, path, data in (
        ("GET", f"/join/{token}", None),
        ("POST", "/sign-in", form),
        ("GET", "/label", None),
    ):
        answer = client(hub).request(method, path, data=data, headers={"Host": "evil.example"})
        assert (answer.status_code, "set-cookie" in answer.headers) == (421, False)
        answer = client(hub).request(method, path, data=data)
        assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_project_that_cannot_be_read_keeps_nobody_out_of_the_others(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    several = Hub(tmp_path, web_settings())
    assert [*several.apps] == ["broken", "first", "second"]
    open_projects([*several.apps.values()], several=True)  # as a server does before it listens
    with pytest.raises(StoreError, match="is not a database"):
        open_projects([several.apps["broken"]], several=False)
    for path in (f"/join/{several.new_owner_link()}", "/join/token of ana in both, a long one"):
        browser = client(several)
        assert browser.get(path).headers["location"] == "/projects"
        browser.headers[CSRF_HEADER] = csrf_token(browser)
        assert re.findall(r"<button><bdi>(\w+)<", browser.get("/projects").text) == ["first", "second"]
        assert browser.post("/sign-out").headers["location"] == "/sign-in"
        assert browser.get("/label").status_code in (303, 503)
        assert not session_cookie(browser)
    for server in several.servers:
        server.close()


def test_requests_go_on_while_a_project_comes(hub: Hub) -> None:
    servers = hub.servers
    next(servers)  # a request in another thread has come so far
    asyncio.run(hub.add("third"))
    assert len(list(servers)) == 1
    assert len(list(hub.servers)) == 3
