"""Every route refuses whoever should not be there; sessions, tokens, forged requests, bounds and headers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from jurybox.store.records import Role
from jurybox.web import api, pages
from jurybox.web.access import safe_path
from jurybox.web.app import create_app, openapi_router
from jurybox.web.tokens import AttemptLimiter, hash_token
from support.web import OWNER_TOKEN, PEOPLE, Stage, csrf_token, session_cookie, stage, token_of, web_settings

PUBLIC = {
    "GET /healthz",
    "GET /join/{token}",
    "GET /sign-in",
    "POST /sign-in",
    "POST /preferences",
    "GET /api/v1/openapi.json",
}
ANNOTATORS = {
    "GET /",
    "GET /guidelines",
    "GET /help",
    "GET /label",
    "POST /label",
    "POST /label/read",
    "POST /label/skip",
    "POST /label/undo",
    "POST /sign-out",
    "GET /projects",
    "POST /projects",
    "GET /api/v1/decisions",
    "GET /api/v1/me",
    "GET /api/v1/progress",
    "GET /api/v1/project",
    "POST /api/v1/annotations",
    "POST /api/v1/decisions/change",
    "POST /api/v1/decisions/undo",
    "POST /api/v1/flags",
    "POST /api/v1/skips",
    "POST /api/v1/tasks",
    "POST /api/v1/tasks/release",
    "POST /api/v1/tasks/renew",
}
REVIEWERS = {
    "GET /manage/annotations",
    "GET /manage/cases",
    "GET /manage/events",
    "GET /manage/review",
    "GET /manage/text",
    "GET /manage/texts",
    "POST /manage/adjudicate",
    "POST /manage/flags",
    "POST /manage/review/undo",
    "GET /api/v1/annotations",
    "GET /api/v1/annotators",
    "GET /api/v1/annotators/{name:path}",
    "GET /api/v1/cases",
    "GET /api/v1/consensus",
    "GET /api/v1/flags",
    "GET /api/v1/learner",
    "GET /api/v1/quality",
    "GET /api/v1/questions",
    "GET /api/v1/queue",
    "GET /api/v1/rounds",
    "GET /api/v1/settings",
    "GET /api/v1/status",
    "GET /api/v1/texts",
    "GET /api/v1/texts/{text_id:path}",
    "POST /api/v1/adjudications",
    "PUT /api/v1/flags/{number}",
}
RANK = {None: -1, Role.ANNOTATOR: 0, Role.REVIEWER: 1, Role.OWNER: 2}


def all_routes() -> list[str]:
    """Method and path of every route of the app; those that no list above names are the owner's."""
    routers: list[tuple[str, APIRouter]] = [("", openapi_router)]
    routers += [("", router) for router in pages.routers]
    routers += [("/api/v1", router) for router in api.routers]
    return sorted(
        f"{method} {prefix}{route.path}"
        for prefix, router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    )


def needed(route: str) -> Role | None:
    if route in PUBLIC:
        return None
    if route in ANNOTATORS:
        return Role.ANNOTATOR
    return Role.REVIEWER if route in REVIEWERS else Role.OWNER


def call(client: TestClient, route: str) -> int:
    method, path = route.split(" ")
    path = re.sub(r"\{name.*?\}", "ana", path)
    path = re.sub(r"\{number.*?\}", "0" * 16, path)
    path = re.sub(r"\{\w+.*?\}", "t1", path)
    return client.request(method, path).status_code


def unbounded(schema: Any, place: str) -> Iterator[str]:
    """Where whole numbers may be of any size, by the JSON schema of what a request carries."""
    if isinstance(schema, dict):
        if schema.get("type") == "integer" and not {"maximum", "exclusiveMaximum"} & schema.keys():
            yield place
        for name, part in schema.items():
            yield from unbounded(part, f"{place}.{name}")
    elif isinstance(schema, list):
        for part in schema:
            yield from unbounded(part, place)


def test_no_number_that_a_request_carries_is_of_any_size() -> None:
    routers = [*pages.routers, *api.routers]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    found: list[str] = []
    for route in routes:
        asked = [route.dependant]
        while asked:
            part = asked.pop()
            asked += part.dependencies
            for field in (*part.body_params, *part.query_params, *part.path_params):
                kind: TypeAdapter[Any] = TypeAdapter(Annotated[field.field_info.annotation, field.field_info])  # type: ignore[arg-type]
                found += unbounded(kind.json_schema(), f"{route.path} {field.name}")
    assert routes
    assert not found, "a database takes no number of any size"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage that tests only look at."""
    with stage(str(tmp_path_factory.mktemp("web") / "p.db"), sign_in_attempts=10**6) as made:
        made.app.state.news.close()  # its stream would never end
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db")) as made:
        yield made


def test_the_lists_name_routes_that_exist() -> None:
    assert not (PUBLIC | ANNOTATORS | REVIEWERS) - set(all_routes())


@pytest.mark.slow
def test_the_api_document_has_every_api_route(shown: Stage) -> None:
    paths = shown.client().get("/api/v1/openapi.json").json()["paths"]
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    undocumented = {"GET /api/v1/openapi.json"}
    routes = {route.replace(":path", "") for route in all_routes() if "/api/" in route}
    assert routes - undocumented == documented


@pytest.mark.slow  # all routes, together
@pytest.mark.parametrize("route", [route for route in all_routes() if route not in PUBLIC])
def test_a_route_refuses_whoever_should_not_be_there(shown: Stage, route: str) -> None:
    method, path = route.split(" ")
    anonymous = call(shown.client(), route)
    assert anonymous == (303 if method == "GET" and not path.startswith("/api/") else 401)
    assert call(TestClient(shown.app, headers={"Authorization": "Bearer wrong"}), route) == 401
    for name, role in PEOPLE.items():
        if RANK[role] < RANK[needed(route)]:
            assert call(shown.client(name), route) == 403
            assert call(shown.browser(name, csrf=False), route) == 403
        elif method == "GET":
            assert call(shown.client(name), route) not in (401, 403), f"{name} may"


@pytest.mark.slow  # all routes, together
@pytest.mark.parametrize("route", [route for route in all_routes() if route not in PUBLIC])
def test_a_change_without_the_csrf_token_is_refused(shown: Stage, route: str) -> None:
    if route.startswith("GET "):
        pytest.skip("changes nothing")
    browser = shown.browser("owner", csrf=False)
    assert call(browser, route) == 403
    browser.headers["X-CSRF-Token"] = "0" * 64
    assert call(browser, route) == 403


@pytest.mark.slow  # all routes, together
@pytest.mark.parametrize("route", [route for route in all_routes() if route.startswith("GET ")])
def test_reading_changes_nothing(own: Stage, route: str) -> None:
    own.project.people.add("owner", role=Role.OWNER)  # a first sign-in with the owner's token finds an owner
    before = (own.project.status(), own.project.people.all(), own.project.settings)
    own.app.state.news.close()  # or the stream of changes would not end
    call(own.client("olga"), route)
    lent = {"GET /label"}  # opening the page borrows a text
    if route not in lent:
        assert (own.project.status(), own.project.people.all(), own.project.settings) == before


@pytest.mark.slow
def test_the_csrf_token_comes_as_header_or_field(own: Stage) -> None:
    browser = own.browser("ana")
    assert browser.post("/api/v1/tasks", json={}).status_code == 200
    browser = own.browser("ana", csrf=False)
    assert browser.post("/sign-out", data={"csrf_token": "0"}).status_code == 403
    assert browser.post("/sign-out", data={"csrf_token": csrf_token(browser)}).status_code == 303
    assert browser.get("/api/v1/me").status_code == 401


@pytest.mark.slow
def test_the_csrf_token_of_another_session_is_refused(own: Stage) -> None:
    browser = own.browser("ana")
    browser.headers["X-CSRF-Token"] = csrf_token(own.browser("bo"))
    assert browser.post("/api/v1/tasks", json={}).status_code == 403


@pytest.mark.slow
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(own: Stage) -> None:
    cookie = own.client().get(f"/join/{token_of('ana')}").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    with TestClient(own.app, base_url="https://testserver", follow_redirects=False) as client:
        assert "Secure" in client.get(f"/join/{token_of('ana')}").headers["set-cookie"]


@pytest.mark.slow
def test_a_session_that_was_tampered_with_is_none(own: Stage) -> None:
    name, cookie = session_cookie(own.browser("ana")) or ("", "")
    body, _, signature = cookie.rpartition(".")
    assert own.client().get("/api/v1/me", headers={"Cookie": f"{name}={cookie}"}).status_code == 200
    for forged in (f"{body}x.{signature}", f"{body}.{signature[:-4]}AAA=", body, "", ".", "é", "a.b.c"):
        headers = [(b"cookie", f"{name}={forged}".encode("latin-1"))]
        assert own.client().get("/api/v1/me", headers=headers).status_code == 401


@pytest.mark.slow
def test_a_new_token_ends_the_old_one_and_its_sessions(own: Stage) -> None:
    browser, program = own.browser("ana"), own.client("ana")
    assert program.get("/api/v1/me").json() == {"name": "ana", "role": "annotator"}
    made = own.client("olga").post("/api/v1/tokens", json={"name": "ana"}).json()
    assert browser.get("/api/v1/me").status_code == program.get("/api/v1/me").status_code == 401
    assert own.client().get(made["link"]).status_code == 303
    assert own.client("olga").delete("/api/v1/tokens", params={"name": "ana"}).status_code == 204
    assert own.client().get(made["link"]).status_code == 401


@pytest.mark.slow
def test_a_role_that_is_taken_away_is_gone_at_once(own: Stage) -> None:
    browser = own.browser("rita")
    assert browser.get("/api/v1/status").status_code == 200
    own.project.people.set_role("rita", Role.ANNOTATOR)
    assert browser.get("/api/v1/status").status_code == 403


def test_tokens_are_stored_as_hashes(own: Stage) -> None:
    made = own.client("olga").post("/api/v1/annotators", json={"name": "new"}).json()
    stored = Path(own.location).read_bytes() + Path(f"{own.location}-wal").read_bytes()
    assert made["token"].encode() not in stored
    assert hash_token(made["token"]).encode() in stored


@pytest.mark.slow
def test_wrong_tokens_are_counted_by_address(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db"), sign_in_attempts=3) as made:
        client = made.client()
        assert [client.get(f"/join/wrong{n}").status_code for n in range(5)] == [401, 401, 401, 429, 429]
        assert made.client("ana").get("/api/v1/me").status_code == 200  # a valid one is let in all the same
        assert made.client().get(f"/join/{token_of('bo')}").status_code == 303
        refused = client.post("/sign-in", data={"token": "wrong"})
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0


def test_attempts_are_forgotten_in_time() -> None:
    now = [0.0]
    limiter = AttemptLimiter(2, 60.0, clock=lambda: now[0])
    limiter.failed("a")
    now[0] = 30.0
    limiter.failed("a")
    assert limiter.wait("a") == 30.0
    now[0] = 60.0
    assert limiter.wait("a") == 0.0
    limiter.failed("a")
    assert limiter.wait("a") == 30.0


def test_signing_in_leads_nowhere_else(own: Stage) -> None:
    client = own.client()
    answer = client.post("/sign-in", data={"token": token_of("ana"), "next": "//evil.example/"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    answer = client.post("/sign-in", data={"token": f" {token_of('ana')} ", "next": "/label?x=1"})
    assert answer.headers["location"] == "/label?x=1"


@pytest.mark.parametrize("path", ["", "label", "//x", "/\\x", "http://x", "/a\nb", "javascript:x", "///x"])
def test_paths_that_lead_elsewhere(path: str) -> None:
    assert safe_path(path) == "/"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/sign-in", "/healthz", "/nothing", "/api/v1/me", "/static/nothing"])
def test_headers_are_on_every_answer(shown: Stage, path: str) -> None:
    headers = shown.client().get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert path.startswith("/static") or headers["Cache-Control"] == "no-store"


def test_a_crash_says_nothing_and_has_the_headers(own: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(type(own.project), "status", fail)
    client = TestClient(own.app, raise_server_exceptions=False)
    answer = client.get("/api/v1/status", headers={"Authorization": f"Bearer {OWNER_TOKEN}"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Content-Security-Policy" in answer.headers
    assert "secret" not in answer.text
    page = client.get("/manage", headers={"Authorization": f"Bearer {OWNER_TOKEN}", "Accept-Language": "de"})
    assert page.status_code == 500
    assert "Das Protokoll des Servers sagt mehr" in page.text
    assert "its log says more" not in page.text, "once is enough, and in the language of the page"


@pytest.mark.slow
def test_requests_are_bounded(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db"), max_body=1000, max_upload=5000) as made:
        client = made.client("olga")
        body = json.dumps({"text": "x" * 2000})
        assert client.put("/api/v1/guidelines", content=body).status_code == 413
        parts = (part.encode() for part in [body[:900], body[900:1800], body[1800:]])
        assert client.put("/api/v1/guidelines", content=parts).status_code == 413
        upload = "/api/v1/import?filename=x.csv"
        assert client.post(upload, content=b"id,text\n1," + b"x" * 3000).status_code == 200
        assert client.post(upload, content=b"id,text\n2," + b"x" * 6000).status_code == 413
        assert made.project.status().texts == 13


def test_an_upload_is_not_read_before_it_is_known_who_sends_it(own: Stage) -> None:
    def endless() -> Iterator[bytes]:
        yield b"id,text\n"
        raise AssertionError("the body was read")

    client = TestClient(own.app)
    assert client.post("/api/v1/import?filename=x.csv", content=b"id,text\n1,x").status_code == 401
    assert own.project.status().texts == 12


@pytest.mark.slow
def test_errors_are_pages_for_people_and_problems_for_programs(shown: Stage) -> None:
    page = shown.browser("ana").get("/manage")
    assert page.status_code == 403
    assert page.headers["content-type"].startswith("text/html")
    problem = shown.client("ana").get("/api/v1/status")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == 403
    assert set(problem.json()) == {"type", "title", "status", "detail"}


def test_what_a_page_says_is_escaped(shown: Stage) -> None:
    page = shown.browser("rita").get("/manage/text", params={"id": "<script>alert(1)</script>"})
    assert "<script>alert" not in page.text


@pytest.mark.slow
def test_a_server_without_a_project_waits_for_its_owner(tmp_path: Path) -> None:
    app = create_app(tmp_path / "new.db", settings=web_settings())
    client = TestClient(app, follow_redirects=False)
    assert client.get("/healthz").json()["status"] == "no project yet"
    headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
    assert client.get("/api/v1/status", headers=headers).status_code == 409
    assert client.post("/api/v1/project", json={"classes": ["a", "b"]}).status_code == 401
    client.get(f"/join/{OWNER_TOKEN}")
    assert client.get("/manage").headers["location"] == "/setup"
    made = client.post("/api/v1/project", json={"classes": ["a", "b"], "name": "new"}, headers=headers)
    assert (made.status_code, made.json()["classes"]) == (201, ["a", "b"])
    assert client.post("/api/v1/project", json={"classes": ["a", "b"]}, headers=headers).status_code == 409
    assert client.get("/api/v1/me").json() == {"name": "owner", "role": "owner"}
    app.state.server.close()


def test_the_api_router_is_complete() -> None:
    folder = Path(api.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "fields"}
    assert modules == {"browsing", "editing", "labelling", "people", "project", "transfer"}


@pytest.mark.slow
def test_owners_name_gold_texts_on_pages_and_admit_who_failed(own: Stage) -> None:
    owner, reviewer = own.browser("olga"), own.browser("rita")
    assert "Known label" in owner.get("/manage/text?id=t1").text
    assert "Known label" not in reviewer.get("/manage/text?id=t1").text
    for text, label in (("t1", "yes"), ("t2", "no"), ("t2", "")):
        token = csrf_token(owner)
        form = {"text_id": text, "label": label, "csrf_token": token}
        assert owner.post("/manage/gold", data=form).status_code == 303
    assert own.project.gold.labels() == {"t1": "yes"}
    assert '<option value="yes" selected' in owner.get("/manage/text?id=t1").text
    own.project.configure(qualification_texts=1)
    own.project.submit("t1", "no", annotator="ana")
    assert "did not reach the accuracy" in own.browser("ana").get("/label").text
    people = owner.get("/manage/people").text
    assert "Did not qualify" in people
    assert "0 of 1 gold texts right" in people
    owner.post("/manage/people/qualify", data={"name": "ana", "csrf_token": csrf_token(owner)})
    assert own.project.people.get("ana").qualified is True
    assert "Did not qualify" not in owner.get("/manage/people").text
