"""The app: routes, access, bounds and errors put together; `docs/architecture.md` says how to add a page.

Who sends something is known before its body is read, and how much of it will be read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jurybox import __version__
from jurybox.errors import JuryboxError
from jurybox.store.records import Role
from jurybox.web import api, pages
from jurybox.web.access import SAFE_METHODS, admitted, current_user, public
from jurybox.web.api.fields import ProblemDetails
from jurybox.web.config import WebSettings
from jurybox.web.errors import PROBLEM, add_error_handlers, answer_error
from jurybox.web.pages.live import News
from jurybox.web.security import KnownHosts, SecurityHeaders, ServerTiming
from jurybox.web.state import Server
from jurybox.web.tokens import cookie_name
from jurybox.web.vitals import Vitals
from jurybox.web.webhooks import Courier

_MOST_PUBLIC = 1 << 16
"""Bytes of what somebody sends who has not signed in."""


class KnownSenders:
    """Refuses requests of people who may not send any before it reads them, and requests that are too large.

    FastAPI reads a form to its end, files included, before it asks who sends it. Therefore this asks first.

    Parameters
    ----------
    app
        The app behind.
    settings
        How large requests may be, where owners upload files, and what people send who have not signed in.
    """

    def __init__(self, app: ASGIApp, *, settings: WebSettings) -> None:
        self.app = app
        self.settings = settings
        self.upload_paths = frozenset(settings.upload_paths)
        self.public_forms = frozenset(settings.public_forms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; whoever reads too much of its body gets an HTTPException."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most, announced, read = self._most(scope["path"]), _content_length(scope), 0
        if (announced or _is_chunked(scope)) and scope["method"] not in SAFE_METHODS:
            request = Request(scope)
            try:
                await self._admit(request)
            except JuryboxError as error:
                response = await run_in_threadpool(answer_error, request, error)
                # What comes all the same is thrown away; cut off, a browser would show no answer.
                if _is_chunked(scope) or announced > most:
                    response.headers["Connection"] = "close"
                await response(scope, receive, send)
                return

        async def receive_bounded() -> Message:
            nonlocal read
            if announced > most:
                raise _too_large(most)
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise _too_large(most)
            return message

        await self.app(scope, receive_bounded, send)

    def _most(self, path: str) -> int:
        if path in self.public_forms:
            return _MOST_PUBLIC
        return self.settings.max_upload if path in self.upload_paths else self.settings.max_body

    async def _admit(self, request: Request) -> None:
        path = request.scope["path"]  # not request.url.path, in which the client's Host header has a say
        if path in self.public_forms:
            return
        admitted(await current_user(request), Role.OWNER if path in self.upload_paths else Role.ANNOTATOR)


def _content_length(scope: Scope) -> int:
    value = Headers(scope=scope).get("content-length", "")
    return int(value) if value.isdecimal() else 0


def _is_chunked(scope: Scope) -> bool:
    return "transfer-encoding" in Headers(scope=scope)


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"the request is too large; the most is {most} bytes", {"Connection": "close"})


openapi_router = APIRouter(include_in_schema=False)

_STATUSES = {
    "400": "The request cannot be read",
    "401": "Nobody is signed in, or the token is wrong",
    "403": "Whoever is signed in may not do this, or the CSRF token is missing",
    "404": "There is no such thing in the project",
    "409": "This contradicts what is stored",
    "413": "The request is too large",
    "422": "The request is not as expected",
    "429": "Too many wrong tokens",
    "501": "This needs a library that is not installed on the server",
    "503": "The database cannot be used at present",
}
_DESCRIPTION = (
    "Programs send their token as `Authorization: Bearer TOKEN`. Requests with the cookie of a session that "
    "change something carry its CSRF token as `X-CSRF-Token`. Errors are problem details (RFC 9457). "
    "Lists come in pages: pass `next` as `after` to get the following one."
)


@openapi_router.get("/api/v1/openapi.json", dependencies=[Depends(public)])
def openapi_document(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    app: FastAPI = request.app
    if app.openapi_schema is None:
        app.openapi_schema = document()
    return JSONResponse(app.openapi_schema)


def document() -> dict[str, Any]:
    """Return the OpenAPI document of ``/api/v1``."""
    schema = get_openapi(
        title="jurybox",
        version=__version__,
        summary="Labels you can trust from annotators you can't.",
        description=_DESCRIPTION,
        routes=_routes(),
        separate_input_output_schemas=True,
    )
    components = schema.setdefault("components", {})
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components.setdefault("schemas", {})
    schemas["ProblemDetails"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie_name("PROJECT")},
    }
    schema["security"] = [{"token": []}, {"session": []}]
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for methods in schema["paths"].values():
        for operation in methods.values():
            for status, description in _STATUSES.items():
                operation["responses"][status] = {"description": description, "content": content}
    return schema


STATIC = Path(__file__).with_name("static")


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Return the routes of every app; FastAPI takes a third of a second to prepare them."""
    every = APIRouter()
    for router in (api.router, openapi_router, *pages.routers):
        every.include_router(router)
    return tuple(every.routes)


def create_app(project_location: str | PathLike[str], *, settings: WebSettings | None = None) -> FastAPI:
    """Make the app of one project.

    Parameters
    ----------
    project_location
        Path or URL of the project; where there is none yet, the owner is asked to set it up.
    settings
        What the operator decides.

    Raises
    ------
    StoreError
        If the project cannot be opened.
    """
    settings = settings or WebSettings()
    server = Server(fspath(project_location), settings)
    vitals = Vitals(server)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        """Keep what runs beside the requests going while the server does."""
        tasks: list[Vitals | Courier] = [vitals, *([Courier(server)] if settings.webhooks else [])]
        for task in tasks:
            task.start()
        yield
        for task in tasks:
            task.stop()
        server.close()

    app = FastAPI(
        routes=[*_routes()],
        title="jurybox",
        version=__version__,
        summary="Labels you can trust from annotators you can't.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        middleware=[
            Middleware(ServerTiming),
            Middleware(SecurityHeaders),
            Middleware(KnownHosts, hosts=settings.names),
            Middleware(KnownSenders, settings=settings),
        ],
    )
    app.state.server = server
    app.state.vitals = vitals
    app.state.news = News(server)
    add_error_handlers(app)
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")
    return app
