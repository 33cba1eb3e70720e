"""What the requests of one server share: the project, the key of its sessions, the wrong tokens so far."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jurybox.errors import ConflictError, NotFoundError
from jurybox.project import Project
from jurybox.store import lifecycle
from jurybox.store.engine import read_location
from jurybox.store.records import Role
from jurybox.web.config import WebSettings
from jurybox.web.tokens import hash_token, load_secret

__all__ = ["AttemptLimiter", "NoProjectError", "Server", "Stored", "get_project", "get_server"]

OWNER = "owner"
"""Name of the person that the owner's token belongs to, where the project has no owner yet."""

_ADDRESSES = 10_000


class NoProjectError(ConflictError):
    """The server was started on a project that is still to be set up."""


class AttemptLimiter:
    """Counts wrong tokens by address; remembers a bounded number of addresses.

    Examples
    --------
    >>> limiter = AttemptLimiter(attempts=2, seconds=60, clock=lambda: 0.0)
    >>> limiter.failed("a"), limiter.failed("a"), limiter.wait("a"), limiter.wait("b")
    (None, None, 60.0, 0.0)
    """

    def __init__(self, attempts: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._attempts = attempts
        self._seconds = seconds
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Return the seconds until the address may try again; 0 if it may now."""
        with self._lock:
            times = self._failures.get(address)
            now = self._clock()
            while times and times[0] <= now - self._seconds:
                times.popleft()
            if not times or len(times) < self._attempts:
                return 0.0
            return times[0] + self._seconds - now

    def failed(self, address: str) -> None:
        """Count a wrong token."""
        with self._lock:
            self._failures.setdefault(address, deque(maxlen=self._attempts)).append(self._clock())
            self._failures.move_to_end(address)
            while len(self._failures) > _ADDRESSES:
                self._failures.popitem(last=False)


class Server:
    """One running app: its project, opened once and shared by all requests, or none yet."""

    def __init__(self, location: str, settings: WebSettings) -> None:
        self.location = location
        self.settings = settings
        self.owner_hash = hash_token(settings.owner_token)
        self.secret = settings.secret or load_secret(lifecycle.cache_folder(read_location(location), None))
        self.limiter = AttemptLimiter(settings.sign_in_attempts, settings.sign_in_seconds)
        self._project: Project | None = None
        self._lock = threading.Lock()

    @property
    def has_project(self) -> bool:
        """Whether there is a project, made before the server started or since."""
        return self._find() is not None

    @property
    def project(self) -> Project:
        """The project.

        Raises
        ------
        NoProjectError
            If it is still to be set up.
        """
        project = self._find()
        if project is None:
            raise NoProjectError("this project is still to be set up; the owner does that at /setup")
        return project

    @property
    def opened(self) -> Project | None:
        """The project, where it is open already."""
        return self._project

    def adopt(self, project: Project) -> None:
        """Serve a project that was just made."""
        with self._lock:
            if self._project is not None:
                raise ConflictError("this server has a project already")
            self._project = project

    def create(self, **values: Any) -> Project:
        """Make the project at the server's location, with what `Project.create` takes, and serve it.

        Raises
        ------
        ConflictError
            If there is one.
        """
        if self.has_project:
            raise ConflictError("this server has a project already")
        project = Project.create(self.location, **values)
        self.adopt(project)
        return project

    def owner_name(self) -> str:
        """Return the name of whoever signs in with the owner's token; added to the project if need be."""
        if not self.has_project:
            return OWNER
        people = self.project.annotators()
        owners = [person.name for person in people if person.role == Role.OWNER]
        if owners:
            return owners[0]
        taken = {person.name for person in people}
        name = (
            OWNER
            if OWNER not in taken
            else next(f"{OWNER} {n}" for n in range(2, 10**6) if f"{OWNER} {n}" not in taken)
        )
        return self.project.add_annotator(name, role=Role.OWNER).name

    def close(self) -> None:
        """Close the project."""
        with self._lock:
            if self._project is not None:
                self._project.close()
                self._project = None

    def _find(self) -> Project | None:
        if self._project is None:
            with self._lock:
                if self._project is None:
                    try:
                        self._project = Project.open(self.location)
                    except NotFoundError:
                        return None
        return self._project


def get_server(request: Request) -> Server:
    """Dependency: what all requests share."""
    server: Server = request.app.state.server
    return server


def get_project(request: Request) -> Project:
    """Dependency: the project.

    Raises
    ------
    NoProjectError
        If it is still to be set up.
    """
    return get_server(request).project


async def _opened_project(request: Request) -> Project:
    """Dependency: as `get_project`, and no thread is needed for it once the project is open."""
    server = get_server(request)
    if server.opened is not None:
        return server.opened
    return await run_in_threadpool(lambda: server.project)


Stored = Annotated[Project, Depends(_opened_project)]
"""The project of a request, as a parameter of a route."""
