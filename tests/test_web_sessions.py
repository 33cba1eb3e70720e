"""Sessions belong to a project and end: on the server, for good, whoever kept the cookie."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from jurybox.cli.app import app as commands
from jurybox.errors import ConflictError, InputError, StoreError
from jurybox.project import Project
from jurybox.store import schema
from jurybox.store.records import Role
from jurybox.web.app import create_app
from jurybox.web.config import WebSettings
from jurybox.web.tokens import Session, open_sealed, seal
from support.web import (
    OWNER_TOKEN,
    Stage,
    csrf_token,
    make_project,
    session_cookie,
    stage,
    staged,
    token_of,
    web_settings,
)


@pytest.fixture
def own(location: str) -> Iterator[Stage]:
    with stage(location) as made:
        yield made


@contextmanager
def second_server(own: Stage, **settings: object) -> Iterator[Stage]:
    """Another server of the same project, as after a restart or beside it."""
    app = create_app(own.location, settings=web_settings(**settings))
    yield Stage(app, own.location)
    app.state.server.close()


def moved(browser: TestClient, to: Stage) -> TestClient:
    """A browser with the cookies of another one."""
    client = to.client()
    for cookie in browser.cookies.jar:
        client.cookies.set(cookie.name, cookie.value or "")
    return client


def status(client: TestClient) -> int:
    code: int = client.get("/api/v1/me").status_code
    return code


def run(*arguments: str) -> str:
    result = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def other_place(location: str, tmp_path: Path) -> str:
    """A place for another project: beside the file, or another database of the same server."""
    if "://" not in location:
        return str(tmp_path / "other" / "project.db")
    engine = sa.create_engine(location.replace("postgresql:", "postgresql+psycopg:").split("&schema")[0])
    own = make_url(location)
    name = f"other_{own.database}_{own.query['schema']}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return own.set(database=name).render_as_string(hide_password=False)


@pytest.mark.slow
def test_a_cookie_opens_no_other_project_even_of_the_same_name(own: Stage, tmp_path: Path) -> None:
    place = other_place(own.location, tmp_path)
    (tmp_path / "other").mkdir()
    make_project(place)  # no copy, which would be the same project
    with staged(place) as other:
        browser = own.browser("owner")
        name, cookie = session_cookie(browser) or ("", "")
        foreign = other.client()
        foreign.cookies.set(name, cookie)
        other_name, _ = session_cookie(other.browser("owner")) or ("", "")
        foreign.cookies.set(other_name, cookie)
        assert name != other_name
        assert status(browser) == 200
        assert status(foreign) == 401
        assert foreign.get("/api/v1/export").status_code == 401


@pytest.mark.slow
def test_two_projects_on_one_host_do_not_sign_each_other_out(own: Stage, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    place = str(tmp_path / "other" / "p.db")
    make_project(place)
    with staged(place) as other:
        client = own.client()
        for one in (own, other):
            answer = one.client().get(f"/join/{token_of('ana')}")
            name, value = answer.headers["set-cookie"].split(";")[0].split("=", 1)
            client.cookies.set(name, value)
        assert [status(moved(client, one)) for one in (own, other)] == [200, 200]
        both = moved(client, other)
        both.post("/sign-out", headers={"X-CSRF-Token": csrf_token(both)})
        assert [status(moved(client, one)) for one in (own, other)] == [200, 401]


@pytest.mark.slow
def test_signing_out_ends_the_session_on_every_server(own: Stage) -> None:
    for name in ("ana", "owner"):
        browser, again = own.browser(name), own.browser(name)
        kept = moved(browser, own)
        with second_server(own) as beside:
            kept_beside = moved(browser, beside)
            assert [status(kept), status(kept_beside)] == [200, 200]
            assert browser.post("/sign-out").status_code == 303
            assert [status(browser), status(kept), status(kept_beside)] == [401, 401, 401]
            assert status(again) == 200


@pytest.mark.slow
def test_what_was_ended_long_ago_is_forgotten(own: Stage) -> None:
    ended = sa.select(sa.func.count()).select_from(schema.ended_sessions)
    with second_server(own, session_seconds=-1) as brief:
        brief.app.state.server.end_session("0" * 32)
    own.browser("ana").post("/sign-out")
    with own.project.store.look() as connection:
        assert connection.scalar(ended) == 1


@pytest.mark.slow
def test_signing_everybody_out_leaves_only_whoever_does_it(own: Stage) -> None:
    ana, olga, elsewhere = own.browser("ana"), own.browser("olga"), own.browser("olga")
    kept = moved(olga, own)
    answer = olga.post("/sign-out/everybody")
    assert answer.status_code == 303
    assert "Everybody is signed out" in olga.get(answer.headers["location"]).text
    assert status(olga) == 200
    assert [status(one) for one in (ana, elsewhere, kept)] == [401, 401, 401]
    assert status(own.browser("ana")) == status(own.client("ana")) == 200  # links and tokens stay
    with second_server(own) as beside:
        program = beside.client("olga")
        ana = own.browser("ana")
        assert program.delete("/api/v1/sessions").status_code == 204
        assert status(ana) == 401, "also on a server that has the key of before in mind"
        assert status(own.browser("ana")) == 200, "which signs with the new one"


@pytest.mark.slow
def test_a_new_owner_token_ends_all_sessions(own: Stage) -> None:
    browsers = [own.browser(name) for name in ("ana", "olga", "owner")]
    own.project.people.set_token("olga", None)
    made = run("token", own.location).split()[0]
    assert [status(browser) for browser in browsers] == [200, 401, 200], "olga had a token that is gone"
    with pytest.raises(ConflictError, match="--new"):  # only the hash of the one there is known
        run("token", own.location)
    program = own.client()
    program.headers["Authorization"] = f"Bearer {made}"
    assert program.get("/api/v1/me").json() == {"name": "olga", "role": "owner"}
    newer = run("token", own.location, "--new").split()[0]
    assert [status(browser) for browser in browsers] == [401, 401, 401]
    assert status(program) == 401
    program.headers["Authorization"] = f"Bearer {newer}"
    assert status(program) == 200


def test_a_token_is_made_where_there_is_no_owner(location: str) -> None:
    Project.create(location, classes=["a", "b"]).close()
    made = run("token", location).split()[0]
    app = create_app(location, settings=WebSettings(hosts=("testserver",)))
    answer = TestClient(app).get("/api/v1/me", headers={"Authorization": f"Bearer {made}"})
    assert answer.json() == {"name": "owner", "role": "owner"}
    app.state.server.close()


@pytest.mark.slow
def test_another_token_of_the_operator_ends_all_sessions(own: Stage) -> None:
    browsers = [own.browser(name) for name in ("ana", "owner")]
    with second_server(own) as again:
        assert [status(moved(browser, again)) for browser in browsers] == [200, 200]
    with second_server(own, owner_token="quite another owner token") as again:  # noqa: S106
        assert [status(moved(browser, again)) for browser in browsers] == [401, 401]
        assert again.client().get(f"/join/{OWNER_TOKEN}").status_code == 401
    assert [status(browser) for browser in browsers] == [401, 401]


@pytest.mark.slow
def test_without_the_operators_token_its_sessions_end(own: Stage) -> None:
    ana, owner = own.browser("ana"), own.browser("owner")
    with second_server(own, owner_token=None) as again:
        assert [status(moved(browser, again)) for browser in (ana, owner)] == [200, 401]


@pytest.mark.slow
def test_the_owners_link_works_once_and_the_session_outlives_a_restart(own: Stage) -> None:
    link = own.app.state.server.new_owner_link()
    browser, late = own.client(), own.client()
    assert browser.get(f"/join/{link}").status_code == 303
    assert late.get(f"/join/{link}").status_code == 401
    assert late.post("/sign-in", data={"token": link}).status_code == 401
    assert late.get("/api/v1/me", headers={"Authorization": f"Bearer {link}"}).status_code == 401
    assert browser.get("/api/v1/me").json() == {"name": "olga", "role": "owner"}
    with second_server(own, owner_token=None) as again:
        kept = moved(browser, again)
        assert status(kept) == 200
        kept.post("/sign-out", headers={"X-CSRF-Token": csrf_token(kept)})
        assert status(kept) == status(browser) == 401


@pytest.mark.slow
def test_of_many_who_open_the_owners_link_at_once_one_gets_in(own: Stage) -> None:
    link, codes = own.app.state.server.new_owner_link(), []
    start = threading.Barrier(4)

    def visit() -> None:
        client = own.client()
        start.wait()
        codes.append(client.get(f"/join/{link}").status_code)

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [303, 401, 401, 401]


def test_a_link_can_have_an_end(own: Stage) -> None:
    owner = own.client("olga")
    made = owner.post("/api/v1/annotators", json={"name": "new", "days": 2}).json()
    assert made["annotator"]["token_ends_at"] > made["annotator"]["n_skips"]
    early, late, program = own.client(), own.client(), own.client()
    program.headers["Authorization"] = f"Bearer {made['token']}"
    assert [early.get(made["link"]).status_code, status(early), status(program)] == [303, 200, 200]
    with own.project.store.write() as connection:
        connection.execute(sa.update(schema.annotators).values(token_ends_at=1.0))
    assert [late.get(made["link"]).status_code, status(program)] == [401, 401]
    assert status(early) == 200, "whoever is in by then stays"
    again = owner.post("/api/v1/tokens", json={"name": "new"})
    assert again.status_code == 401, "the link of whoever asks has ended, too"


@pytest.mark.slow
def test_a_link_with_an_end_is_made_on_the_page(own: Stage) -> None:
    owner = own.browser("olga")
    page = owner.post("/manage/people", data={"name": "new", "days": "3"}).text
    assert "It lets people in until" in page
    assert "Link until" in page
    for days in ("0", "-1", "1.5", "x", "99999"):
        assert owner.post("/manage/people", data={"name": "never", "days": days}).status_code == 409
    assert "never" not in [person.name for person in own.project.people.all()]


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_key_that_can_be_guessed_is_refused(own: Stage, length: int) -> None:
    browser = own.browser("ana")
    with own.project.store.write() as connection:
        connection.execute(sa.update(schema.project).values(session_key=bytes(length)))
    with pytest.raises(StoreError, match="--new"):
        own.project.people.sessions.key()
    with pytest.raises(ValueError, match="32"):
        seal(Session({}), bytes(length))
    with pytest.raises(ValueError, match="32"):
        open_sealed("", bytes(length), 60)
    with second_server(own) as again:
        assert status(moved(browser, again)) == 503
        assert again.client().get(f"/join/{token_of('ana')}").status_code == 503
        assert status(again.client("ana")) == 200
        run("token", own.location, "--new")
        assert status(moved(browser, again)) == 401
        assert status(again.browser("ana")) == 200


@pytest.mark.slow
def test_a_session_asks_the_database_once(own: Stage) -> None:
    browsers, statements = [own.browser(name) for name in ("ana", "owner")], []
    engine = own.project.store.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert [status(browser) for browser in browsers] == [200, 200]
    assert len(statements) == 2, statements


@pytest.mark.slow
def test_the_owner_stays_signed_in_when_the_project_is_set_up(location: str) -> None:
    app = create_app(location, settings=WebSettings(hosts=("testserver",)))
    early, gone = (TestClient(app, follow_redirects=False) for _ in range(2))
    for client in (early, gone):
        assert client.get(f"/join/{app.state.server.new_owner_link()}").status_code == 303
        assert status(client) == 200
    kept = TestClient(app, cookies=dict(gone.cookies))
    gone.post("/sign-out", headers={"X-CSRF-Token": csrf_token(gone)})
    assert status(kept) == 401
    early.headers["X-CSRF-Token"] = csrf_token(early)
    made = early.post("/api/v1/project", json={"classes": ["a", "b"]})
    assert made.status_code == 201
    assert early.get("/api/v1/me").json() == {"name": "owner", "role": "owner"}
    assert status(kept) == 401
    app.state.server.close()
    again = create_app(location, settings=WebSettings(hosts=("testserver",)))
    assert status(TestClient(again, cookies=dict(early.cookies))) == 200
    again.state.server.close()


def test_sessions_of_before_do_not_open_a_project_that_others_made(location: str) -> None:
    app = create_app(location, settings=WebSettings(hosts=("testserver",)))
    client = TestClient(app, follow_redirects=False)
    client.get(f"/join/{app.state.server.new_owner_link()}")
    assert status(client) == 200
    with Project.create(location, classes=["a", "b"]) as project:
        project.people.add("owner", role=Role.OWNER)
    assert status(client) == 401
    app.state.server.close()


@pytest.mark.parametrize("token", ["", "short", "x" * 19])
def test_an_operators_token_that_can_be_guessed_is_refused(token: str) -> None:
    with pytest.raises(InputError, match="20"):
        WebSettings(owner_token=token)


@pytest.mark.parametrize("verb", ["submit", "skip", "undo", "next_tasks", "next_task"])
def test_whoever_has_signed_in_acts_whatever_they_are_called_by_the_time_it_is_written(
    own: Stage, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    project, ana = own.project, own.browser("ana")
    (task,) = ana.post("/api/v1/tasks", json={}).json()["tasks"]
    text = {"text_id": task["text_id"]}
    if verb == "undo":
        assert ana.post("/api/v1/annotations", json={**text, "label": "yes"}).status_code == 201
    act = getattr(Project, verb)

    def meanwhile(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(Project, verb, act)
        for old, new in (("ana", "x"), ("bo", "ana"), ("x", "bo")):
            project.edit.rename_person(old, new)
        return act(*given, **named)

    monkeypatch.setattr(Project, verb, meanwhile)
    answer = {
        "submit": lambda: ana.post("/api/v1/annotations", json={**text, "label": "yes"}),
        "skip": lambda: ana.post("/api/v1/skips", json=text),
        "undo": lambda: ana.post("/api/v1/decisions/undo", json={}),
        "next_tasks": lambda: ana.post("/api/v1/tasks", json={}),
        "next_task": lambda: ana.get("/label"),
    }[verb]()
    assert answer.status_code < 300, answer.text
    people = {person.name: person.n_annotations + person.n_skips for person in project.people.all()}
    assert people == {"bo": int(verb in ("submit", "skip")), "ana": 0, "rita": 0, "olga": 0}
    if verb not in ("submit", "skip"):
        assert project.next_task("bo").text_id == task["text_id"]  # type: ignore[union-attr]
        assert task["text"] in answer.text


def test_a_name_that_was_erased_does_not_come_back_by_a_request_on_its_way(
    own: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, act = own.client("ana"), Project.next_tasks

    def meanwhile(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(Project, "next_tasks", act)
        own.project.edit.erase_person("ana")
        return act(*given, **named)

    monkeypatch.setattr(Project, "next_tasks", meanwhile)
    assert ana.post("/api/v1/tasks", json={}).json()["tasks"] == []
    assert "ana" not in [person.name for person in own.project.people.all()]
