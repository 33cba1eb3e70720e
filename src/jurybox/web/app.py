"""The app: routes, access, bounds and errors put together.

How to add a page
-----------------
Put a module into `jurybox.web.pages` and its router into the tuple `jurybox.web.pages.routers`::

    from fastapi import APIRouter, Request
    from starlette.responses import HTMLResponse

    from jurybox.web.access import Owner  # or Reviewer, Annotator: whoever is at least that
    from jurybox.web.render import render
    from jurybox.web.state import get_project

    router = APIRouter()


    @router.get("/flags")
    def flags(request: Request, user: Owner) -> HTMLResponse:
        return render(request, "flags.html", {"flags": get_project(request).flags()})

- Use plain ``def`` routes: they run in threads and may call the `Project` directly.
- A parameter of type `Owner`, `Reviewer` or `Annotator` is the access check, and the `User` (name, role,
  csrf_token). A route that does not ask who it is says ``dependencies=[owner_only]`` (likewise
  `reviewer_only`, `annotator_only`), a route for everyone ``dependencies=[Depends(public)]``. One that
  says nothing fails a test.
- `render` looks into ``templates/`` and passes ``user``, ``csrf_token`` and ``request`` to every
  template. Forms send ``<input type="hidden" name="csrf_token" value="{{ csrf_token }}">``, scripts the
  header ``X-CSRF-Token`` (put the token into ``<meta name="csrf-token">``). The check is part of the
  role; pages do nothing for it.
- Raise exceptions of `jurybox.errors`; `jurybox.web.errors` turns them into ``error.html`` with
  ``status``, ``title`` and ``detail``. Whoever is not signed in is sent to ``GET /sign-in?next=…`` (a
  page; its form posts ``token`` and ``next`` to ``/sign-in``); without a project, pages lead to ``GET
  /setup``. ``POST /sign-out`` ends a session.
- A project made on a page: ``get_server(request).create(…)``.
- The policy allows no inline script and no inline style: files are in ``static/`` under ``/static/``.
  Paths that take uploads are in `WebSettings.upload_paths`; all others take 1 MiB. Who sends something is
  known before its body is read (`jurybox.web.admission`); what people send before they sign in is in
  `WebSettings.public_forms`.
"""

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
