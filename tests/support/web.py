"""What tests of the web app share: an app on a small project with one person of each role."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from jurybox.project import Project
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import CSRF_HEADER
from jurybox.web.app import create_app
from jurybox.web.config import WebSettings
from jurybox.web.tokens import hash_token
from support.copies import copied

OWNER_TOKEN = "owner token for tests"  # noqa: S105
PEOPLE = {"ana": Role.ANNOTATOR, "bo": Role.ANNOTATOR, "rita": Role.REVIEWER, "olga": Role.OWNER}
TEXTS = [(f"t{number}", f"text number {number}") for number in range(12)]
SETTINGS = ProjectSettings(audit_size=0, overlap=0, max_labels=3, encoder="tfidf")


@dataclass(frozen=True)
class Stage:
    """An app in a test."""

    app: FastAPI
    location: str

    @property
    def project(self) -> Project:
        project: Project = self.app.state.server.project
        return project

    def client(self, name: str | None = None) -> TestClient:
        """A program that sends the token of a person, or none."""
        headers = {} if name is None else {"Authorization": f"Bearer {token_of(name)}"}
        return TestClient(self.app, headers=headers, follow_redirects=False)

    def browser(self, name: str, *, csrf: bool = True) -> TestClient:
        """A browser in which a person has signed in; with `csrf`, its requests carry the CSRF token."""
        client = self.client()
        answer = client.get(f"/join/{token_of(name)}")
        assert answer.status_code == 303, answer.text
        assert session_cookie(client)
        if csrf:
            client.headers[CSRF_HEADER] = csrf_token(client)
        return client


def token_of(name: str) -> str:
    return OWNER_TOKEN if name == "owner" else f"token of {name}"


def session_cookie(client: TestClient) -> tuple[str, str] | None:
    """Name and value of the cookie of a browser's session; None where nobody is signed in."""
    found = [(cookie.name, cookie.value or "") for cookie in client.cookies.jar if "session" in cookie.name]
    return found[0] if found else None


def csrf_token(browser: TestClient) -> str:
    page = browser.get("/guidelines")
    page = browser.get("/setup") if page.status_code == 303 else page  # where there is no project yet
    found = re.search(r'name="csrf_token" value="(\w+)"', page.text)
    assert found is not None
    return found.group(1)


def web_settings(**settings: Any) -> WebSettings:
    """Settings of a server that tests call by the name that their client gives it."""
    return WebSettings(**{"owner_token": OWNER_TOKEN, "hosts": ("testserver",), **settings})


@contextmanager
def stage(location: str, *, questions: Sequence[str] = (), **settings: object) -> Iterator[Stage]:
    """Make a project with people and texts, and its app."""
    with staged(copied(make_project, location, *questions), **settings) as shown:
        yield shown


def make_project(location: str, *questions: str) -> None:
    """Make a project with people and texts."""
    classes = [] if questions else ["no", "yes"]
    with Project.create(
        location, classes=classes, questions=questions, texts=TEXTS, settings=SETTINGS
    ) as project:
        for name, role in PEOPLE.items():
            project.people.add(name, role=role)
            project.people.set_token(name, hash_token(token_of(name)))


@contextmanager
def staged(location: str, **settings: object) -> Iterator[Stage]:
    """Make the app of a project that is there."""
    app = create_app(location, settings=web_settings(**settings))
    try:
        yield Stage(app, location)
    finally:
        app.state.server.close()
