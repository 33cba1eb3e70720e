"""What the requests of one server share: the project, the key of sessions, the owner's link, wrong tokens."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jurybox.errors import ConflictError, NotFoundError, StoreError
from jurybox.project import Project
from jurybox.project.beliefs import BeliefSource
from jurybox.store.records import Role, Standing
from jurybox.store.state import SessionKey, new_key
from jurybox.web.config import WebSettings
from jurybox.web.tokens import AttemptLimiter, hash_token, new_token, same
from jurybox.written import all_facets

OWNER = "owner"
"""Name of the person that the owner's token belongs to, where the project has no owner yet."""

_OPERATOR = "owner-token"
"""Name of the note that tells a token of the operator's from the one before."""


class NoProjectError(ConflictError):
    """The server was started on a project that is still to be set up."""


class Server:
    """One running app: its project, opened once and shared by all requests, or none yet."""

    def __init__(self, location: str, settings: WebSettings) -> None:
        self.location = location
        self.settings = settings
        self.owner_hash = None if settings.owner_token is None else hash_token(settings.owner_token)
        self.limiter = AttemptLimiter(settings.sign_in_attempts, settings.sign_in_seconds)
        self._project: Project | None = None
        self._lock = threading.Lock()
        self._link_hash: str | None = None
        self._key: SessionKey | None = None
        # Until there is a project the owner's sessions are signed with this one, which the project then gets.
        self._first_key = new_key()
        self._ended: set[str] = set()
        self._making = False

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

    def create(self, **values: Any) -> Project:
        """Make the project at the server's location, with what `Project.create` takes, and serve it.

        Raises
        ------
        ConflictError
            If there is one, or it is being made.
        """
        if self.has_project:
            raise ConflictError("this server has a project already")
        with self._lock:
            if self._making or self._project is not None:
                raise ConflictError("this server has a project already")
            # Its file is there before its sessions' key is: whoever asks meanwhile must not open it.
            self._making = True
        try:
            project = Project.create(self.location, by=OWNER, **values)
            project.people.sessions.use_key(self._first_key)
            for session in self._ended:
                project.people.sessions.end(session, until=time.time() + self.settings.session_seconds)
            self._heed_operator(project)
            self._project = project
        finally:
            self._making = False
        self.owner_name()
        return project

    def owner_name(self) -> str:
        """Return the name of whoever signs in with the owner's token; added to the project if need be."""
        return ensure_owner(self.project) if self.has_project else OWNER

    def is_operators(self, hashed: str) -> bool:
        """Whether a token is the one that the operator chose for the owner."""
        return self.owner_hash is not None and same(hashed, self.owner_hash)

    def new_owner_link(self) -> str:
        """Make a token that signs the owner in once; the one before is good no more."""
        token = new_token()
        with self._lock:
            self._link_hash = hash_token(token)
        return token

    def use_owner_link(self, token: str) -> None:
        """Let a token sign the owner in once that was made for several projects."""
        with self._lock:
            self._link_hash = hash_token(token)

    def is_owner_link(self, hashed: str) -> bool:
        """Whether a token is the one that signs the owner in, and nobody has used it."""
        return self._link_hash is not None and same(hashed, self._link_hash)

    def redeem_owner_link(self, hashed: str) -> bool:
        """Use the token that signs the owner in; true for the first who does."""
        with self._lock:
            if not self.is_owner_link(hashed):
                return False
            self._link_hash = None
            return True

    def session_key(self, *, fresh: bool = False) -> SessionKey:
        """Return the key of sessions: the project's, or the server's own where there is none yet.

        Parameters
        ----------
        fresh
            Ask the project again: another process may have made a new one.
        """
        if not self.has_project:
            return self._first_key
        if self._key is None or fresh:
            self._key = self.project.people.sessions.key()
        return self._key

    def end_session(self, session: str) -> None:
        """End a session on all servers of the project."""
        if self.has_project:
            until = time.time() + self.settings.session_seconds
            self.project.people.sessions.end(session, until=until)
        else:
            self._ended.add(session)

    def has_ended(self, session: str) -> bool:
        """Whether a session was ended before there was a project."""
        return session in self._ended

    def end_all_sessions(self) -> None:
        """End everybody's sessions, on all servers of the project."""
        if self.has_project:
            self._key = self.project.people.sessions.end_all()
        else:
            self._first_key = self._first_key.next()

    def close(self) -> None:
        """Close the project."""
        with self._lock:
            if self._project is not None:
                self._project.close()
                self._project = None

    def _find(self) -> Project | None:
        if self._project is None:
            with self._lock:
                if self._project is None and not self._making:
                    try:
                        project = Project.open(self.location)
                    except NotFoundError:
                        return None
                    self._heed_operator(project)
                    self._project = project
        return self._project

    def _heed_operator(self, project: Project) -> None:
        """End all sessions where the operator has chosen another token for the owner since."""
        if self.owner_hash is None:
            return
        note = project.notes.read(_OPERATOR)
        if note is not None and note.value["hash"] == self.owner_hash:
            return
        if note is not None:
            project.people.sessions.end_all()
        with suppress(StoreError):  # a project that cannot be written can still be looked at
            project.notes.write(_OPERATOR, {"hash": self.owner_hash})


def ensure_owner(project: Project) -> str:
    """Return the name of a project's first owner who is not removed; one is added where there is none."""
    people = project.people.all()
    owners = [p.name for p in people if p.role == Role.OWNER and p.standing != Standing.REMOVED]
    if owners:
        return owners[0]
    taken = {person.name for person in people}
    names = (OWNER, *(f"{OWNER} {number}" for number in range(2, len(taken) + 3)))
    return project.people.add(next(name for name in names if name not in taken), role=Role.OWNER).name


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


def get_beliefs(request: Request) -> BeliefSource:
    """Return where the figures of a page come from: of several questions, those of the one in its address."""
    return get_project(request).facets.of(chosen_question(request)[1])


def chosen_question(request: Request) -> tuple[tuple[str, ...], str | None]:
    """Return several questions, each class of one with several counted, and which one a page is about.

    Where its address names none, that is the first.
    """
    names = tuple(map(str, all_facets(get_project(request).questions)))
    named = request.query_params.get("question")
    return names, (named if named in names else names[0]) if names else None


async def _opened_project(request: Request) -> Project:
    """Dependency: as `get_project`, and no thread is needed for it once the project is open."""
    server = get_server(request)
    if server.opened is not None:
        return server.opened
    return await run_in_threadpool(lambda: server.project)


Stored = Annotated[Project, Depends(_opened_project)]
"""The project of a request, as a parameter of a route."""
