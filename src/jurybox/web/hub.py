"""Several projects of a folder on one server: an app in front of the app of each.

Which project a request is for says a cookie, which the page with all projects sets; programs are known by
their token, or name the project in a header. Each project keeps sessions of its own, signed with its own
key: who signs in here opens all projects whose token they have sent at once, and who signs out leaves all.
A form that was opened in one project is no form of another one: its CSRF token is that of the session of
the first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jurybox.errors import InputError, JuryboxError, NotFoundError
from jurybox.store.records import AnnotatorInfo
from jurybox.web.access import safe_path, start_session
from jurybox.web.app import create_app
from jurybox.web.config import WebSettings
from jurybox.web.errors import answer_error
from jurybox.web.pages.projects import PROJECT_COOKIE
from jurybox.web.security import KnownHosts, SecurityHeaders
from jurybox.web.sessions import person_in, read_session
from jurybox.web.state import Server
from jurybox.web.tokens import cookie_name, hash_token, new_token

PROJECT_HEADER = "X-Jurybox-Project"

_FIRST = "project"
_MOST_FORM = 1 << 16
_MOST_NAME = 150
"""Bytes of a project's name: file systems take 255, and files beside the project's have longer names."""
_JOIN = "/join/"


@dataclass(frozen=True)
class ProjectEntry:
    """A project of the folder as somebody sees it: its file's name, its title, and who they are in it."""

    name: str
    title: str
    person: AnnotatorInfo


class Hub:
    """Serves every project of a folder.

    Parameters
    ----------
    folder
        Where the projects' files are, ``NAME.db`` each; in an empty one a first project is to be set up.
    settings
        What the operator decides, for all of them.
    """

    def __init__(self, folder: Path, settings: WebSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.apps: dict[str, FastAPI] = {}
        self.on_new: Callable[[FastAPI], None] = _nothing
        self._stack = AsyncExitStack()
        self._lock = threading.Lock()
        # What is answered here is answered on the same terms as what a project's app answers.
        self._edge: ASGIApp = SecurityHeaders(KnownHosts(self._answer, hosts=settings.names))
        for name in sorted(path.stem for path in folder.glob("*.db")) or [_FIRST]:
            self._make(name)

    @property
    def servers(self) -> Iterator[Server]:
        """What the requests of each project share."""
        return (app.state.server for app in self.apps.values())

    def new_owner_link(self) -> str:
        """Make a token that signs the owner of all projects in once."""
        token = new_token()
        for server in self.servers:
            server.use_owner_link(token)
        return token

    def is_operator(self, request: Request) -> bool:
        """Whether somebody has signed in with the link or the token of whoever runs the server."""
        found = read_session(request)
        return found is not None and (found.session.token is None or found.session.by_operator)

    async def add(self, name: str) -> str:
        """Serve a project that is still to be set up; return the token that signs its owner in once.

        Raises
        ------
        InputError
            For a name that is no plain name of a file, or too long for one, or is taken.
        """
        if len(name.encode(errors="replace")) > _MOST_NAME:
            raise InputError(f"the name has {len(name)} characters, expected at most {_MOST_NAME} bytes")
        if not name or name != Path(name).name or name.startswith(".") or "\\" in name or "\x00" in name:
            raise InputError(f"the name is {name!r}, expected a plain name of a file, without its ending")
        with self._lock:
            if name in self.apps or (self.folder / f"{name}.db").exists():
                raise InputError(f"there is a project {name!r} already")
            app = self._make(name)
        await self._start(app)
        self.on_new(app)
        server: Server = app.state.server
        return server.new_owner_link()

    def entries(self, request: Request) -> list[ProjectEntry]:
        """Return the projects that somebody has signed in to, by name."""
        found = []
        for name, app in self.apps.items():
            person = _person(request.scope, app)
            if person is not None:
                server: Server = app.state.server
                title = server.project.name if server.has_project else name
                found.append(ProjectEntry(name, title, person))
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._edge(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if method == "GET" and path.startswith(_JOIN):
            response = await run_in_threadpool(self._sign_in, scope, path.removeprefix(_JOIN), "/projects")
            if response is not None:
                await response(scope, receive, send)
                return
        if method == "POST" and path == "/sign-in" and _has_small_form(scope):
            body = await Request(scope, receive).body()
            receive = _once_more(body)
            form = parse_qs(body.decode("utf-8", "replace"))
            token, then = form.get("token", [""])[0].strip(), form.get("next", ["/projects"])[0]
            then = safe_path(then) if then != "/" else "/projects"
            response = await run_in_threadpool(self._sign_in, scope, token, then)
            if response is not None:
                await response(scope, receive, send)
                return
        try:
            app = await run_in_threadpool(self._chosen, scope)
        except NotFoundError as error:
            request = _request(scope, next(iter(self.apps.values())))
            response = await run_in_threadpool(answer_error, request, error)
            await response(scope, receive, send)
            return
        if method == "POST" and path == "/sign-out":
            send = self._leaving_all(scope, app, send)
        await app(scope, receive, send)

    def _make(self, name: str) -> FastAPI:
        app = create_app(self.folder / f"{name}.db", settings=self.settings)
        app.state.hub = self
        self.apps = {**self.apps, name: app}  # requests in other threads may be going through those before
        return app

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._stack:
            for app in self.apps.values():
                await self._start(app)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, app: FastAPI) -> None:
        await self._stack.enter_async_context(app.router.lifespan_context(app))

    def _chosen(self, scope: Scope) -> FastAPI:
        """Return the app that a request is for; NotFoundError where it names a project that is not there."""
        headers = Headers(scope=scope)
        if scope["path"] == "/healthz":  # as bad as the worst
            return next((a for a in self.apps.values() if _is_ill(a)), next(iter(self.apps.values())))
        kind, _, token = headers.get("authorization", "").partition(" ")
        if (named := headers.get(PROJECT_HEADER)) is not None:  # no other one will do
            if unquote(named) not in self.apps:
                raise NotFoundError(f"there is no project {unquote(named)!r} on this server")
            return self.apps[unquote(named)]
        here = self.apps.get(_named(scope))
        if kind.lower() == "bearer":
            return self._of_token(token.strip(), here)
        if here is not None and _person(scope, here) is not None:
            return here
        signed_in = (app for app in self.apps.values() if _person(scope, app) is not None)
        return next(signed_in, here or next(iter(self.apps.values())))

    def _of_token(self, token: str, otherwise: FastAPI | None) -> FastAPI:
        hashed = hash_token(token)
        for app in self.apps.values():
            server: Server = app.state.server
            with suppress(JuryboxError):
                if server.has_project and server.project.people.by_token(hashed) is not None:
                    return app
        return otherwise or next(iter(self.apps.values()))

    def _sign_in(self, scope: Scope, token: str, then: str) -> Response | None:
        """Open all projects that a token opens; None where it opens none, for a project's app to say so.

        A project that cannot be read keeps nobody out of the others.
        """
        response = RedirectResponse(then, 303)
        opened: list[str] = []
        for name, app in self.apps.items():
            with suppress(JuryboxError):
                start_session(_request(scope, app), response, token)
                opened.append(name)
        if not opened:
            return None
        named = _named(scope)
        if then == "/projects" and (len(opened) == 1 or named in opened):
            response.headers["location"] = "/"
        name = named if named in opened else opened[0]
        response.set_cookie(PROJECT_COOKIE, quote(name), httponly=True, samesite="lax")
        return response

    def _leaving_all(self, scope: Scope, here: FastAPI, send: Send) -> Send:
        """Return what sends on an answer, and ends the sessions of the other projects if one has ended."""

        def leave(message: Message) -> None:
            headers = MutableHeaders(raw=message["headers"])
            for app in self.apps.values():
                with suppress(JuryboxError):  # a project that cannot be read lets nobody in
                    found = None if app is here else read_session(_request(scope, app))
                    if found is not None:
                        app.state.server.end_session(found.session.id)
                        gone = Response()
                        gone.delete_cookie(cookie_name(found.key.project), httponly=True, samesite="lax")
                        headers.append("set-cookie", gone.headers["set-cookie"])

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 303:
                await run_in_threadpool(leave, message)
            await send(message)

        return send_on


def _nothing(_app: FastAPI) -> None:
    """Keep no learner."""


def _request(scope: Scope, app: FastAPI) -> Request:
    """Return a request as the app of a project would get it; what it finds out is not kept for others."""
    return Request({**scope, "app": app, "state": {}})


def _person(scope: Scope, app: FastAPI) -> AnnotatorInfo | None:
    """Return who has signed in to a project in this browser, if anybody."""
    request = _request(scope, app)
    with suppress(JuryboxError):
        found = read_session(request)
        return None if found is None else person_in(app.state.server, found)
    return None


def _is_ill(app: FastAPI) -> bool:
    vitals: Any = app.state.vitals
    return vitals.has_beaten and not vitals.health().is_well


def _named(scope: Scope) -> str:
    """Return the name in the cookie that says which project the requests of a browser are for."""
    return unquote(Request(scope).cookies.get(PROJECT_COOKIE, ""))


def _has_small_form(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    kind = headers.get("content-type", "").lower()
    return (
        length.isdecimal()
        and int(length) <= _MOST_FORM
        and "transfer-encoding" not in headers
        and kind.startswith("application/x-www-form-urlencoded")
    )


def _once_more(body: bytes) -> Receive:
    """Return what gives a body that was read already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
