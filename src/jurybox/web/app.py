"""The app: routes, access, bounds and errors put together; `docs/architecture.md` says how to add a page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import PathLike, fspath
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from jurybox import __version__
from jurybox.web import api, openapi, pages
from jurybox.web.admission import Admission
from jurybox.web.config import WebSettings
from jurybox.web.errors import add_error_handlers
from jurybox.web.security import KnownHosts, SecurityHeaders, ServerTiming
from jurybox.web.state import Server
from jurybox.web.vitals import Vitals
from jurybox.web.webhooks import Courier

__all__ = ["create_app"]

STATIC = Path(__file__).with_name("static")


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
    hosts = settings.hosts if settings.public_host is None else (*settings.hosts, settings.public_host)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks: list[Vitals | Courier] = [vitals, *([Courier(server)] if settings.webhooks else [])]
        for task in tasks:
            task.start()
        yield
        for task in tasks:
            task.stop()
        server.close()

    app = FastAPI(
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
            Middleware(KnownHosts, hosts=hosts),
            Middleware(Admission, settings=settings),
        ],
    )
    app.state.server = server
    app.state.vitals = vitals
    add_error_handlers(app)
    app.include_router(api.router)
    app.include_router(openapi.router)
    for router in pages.routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")
    return app
