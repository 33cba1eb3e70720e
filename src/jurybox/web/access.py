"""Who may do what: invite links, sessions of people, tokens of programs, roles, and forged requests refused.

A person opens an invite link and is known by a signed cookie from then on; a program sends the same token as
``Authorization: Bearer TOKEN``. A session ends when its person signs out or gets another token, when the
project's key of sessions is replaced, and after 30 days. What a route asks for is in its signature:

>>> from jurybox.web.access import Reviewer
>>> def flags(user: Reviewer) -> str:
...     return f"{user.name} may see the flags"

Requests that change something and come with a cookie must carry the session's CSRF token, as the header
``X-CSRF-Token`` or the form field ``csrf_token``. That is checked here, for every route that asks for a role.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from jurybox.errors import ConflictError, JuryboxError
from jurybox.project import Project
from jurybox.store.records import Role
from jurybox.web.sessions import person_in, read_session, write_session
from jurybox.web.state import Server, ensure_owner, get_server
from jurybox.web.tokens import Session, csrf_token, hash_token, new_token, same

CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_RANK = {Role.ANNOTATOR: 0, Role.REVIEWER: 1, Role.OWNER: 2}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_USER = "jurybox_user"


class SignInError(JuryboxError):
    """The request does not say who it comes from."""


class WrongTokenError(SignInError):
    """The request carries a token that is nobody's."""


class ForbiddenError(JuryboxError):
    """The request comes from someone who may not do this."""


class TooManyAttemptsError(JuryboxError):
    """Too many wrong tokens came from one address.

    Parameters
    ----------
    seconds
        Until the next attempt.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"too many wrong tokens from this address; try again in {seconds:.0f} seconds")


@dataclass(frozen=True)
class User:
    """Whoever a request comes from.

    Attributes
    ----------
    name, role
        As stored in the project.
    csrf_token
        What the forms and scripts of this person's pages have to send back; empty for programs.
    """

    name: str
    role: Role
    csrf_token: str = ""


def may(user: User, role: Role) -> bool:
    """Whether someone has a role or a higher one: an owner is a reviewer, a reviewer is an annotator.

    Examples
    --------
    >>> may(User("ana", Role.REVIEWER), Role.ANNOTATOR), may(User("ana", Role.REVIEWER), Role.OWNER)
    (True, False)
    """
    return _RANK[user.role] >= _RANK[role]


def invite(project: Project, name: str, *, ends_at: float | None = None) -> str:
    """Give a person a new token, which ends the old one and its sessions, and return it.

    Parameters
    ----------
    ends_at
        Unix time from which on the token lets nobody in; who is in by then stays. None: it does not end.

    Raises
    ------
    NotFoundError
        If there is no such person.
    ConflictError
        If they are removed.
    """
    token = new_token()
    project.people.set_token(name, hash_token(token), ends_at=ends_at)
    return token


@dataclass(frozen=True)
class OwnerToken:
    """A lasting token of an owner, which nobody can show again."""

    owner: str
    token: str


def new_owner_token(project: Project, *, replace: bool = False) -> OwnerToken:
    """Make a lasting token of the first owner, who is added where there is none.

    Parameters
    ----------
    replace
        Also where there is one already; then all sessions of everybody end.

    Raises
    ------
    ConflictError
        If there is one and it is not to be replaced.
    """
    owner = ensure_owner(project)
    if not replace and project.people.has_token(owner):
        raise ConflictError(
            f"{owner!r} has a token or link already, of which only the hash is kept; --new makes another "
            "one, which ends it and signs everybody out"
        )
    made = OwnerToken(owner, invite(project, owner))
    if replace:
        project.people.sessions.end_all()
    return made


def end_of_link(days: float | None) -> float | None:
    """Return the Unix time at which a link ends that is good for so many days from now; None for no end."""
    return None if days is None else time.time() + 86_400 * days


def link_path(token: str) -> str:
    """Return the path of the link that signs a person in.

    Examples
    --------
    >>> link_path("abc")
    '/join/abc'
    """
    return f"/join/{token}"


def link_url(request: Request, token: str) -> str:
    """Return the whole link that signs a person in, as people reach the server."""
    base = get_server(request).settings.public_url or str(request.base_url).rstrip("/")
    return base + link_path(token)


def sign_in(server: Server, token: str, address: str) -> User:
    """Find out whose token this is. A valid one always gets in, whatever came from the same address before.

    Raises
    ------
    WrongTokenError
        If it is nobody's.
    TooManyAttemptsError
        If it is nobody's, and so were too many others from this address.
    """
    hashed = hash_token(token)
    if server.is_operators(hashed):
        return User(server.owner_name(), Role.OWNER)
    person = server.project.people.by_token(hashed) if server.has_project else None
    if person is not None:
        return User(person.name, person.role)
    if (seconds := server.limiter.wait(address)) > 0:
        raise TooManyAttemptsError(seconds)
    server.limiter.failed(address)
    raise WrongTokenError(
        "this link or token is not valid (any more); ask the owner of the project for a new one. The owner "
        "gets one from a restart of the server, or from: jurybox token"
    )


def start_session(request: Request, response: Response, token: str) -> User:
    """Sign a person in with a token and give the response the cookie of the new session."""
    server = get_server(request)
    key = server.session_key(fresh=True)
    opens, hashed = {key.project: key.generation}, hash_token(token)
    if server.is_owner_link(hashed):
        user = User(server.owner_name(), Role.OWNER)  # before the link is used up: the database may be away
        if server.redeem_owner_link(hashed):
            write_session(request, response, Session(opens), key)
            return user
    user = sign_in(server, token, client_address(request))
    session = Session(opens, token=hashed, by_operator=server.is_operators(hashed))
    write_session(request, response, session, key)
    return user


def known_user(request: Request) -> User | None:
    """Return whoever a request comes from, None if it does not say; it is found out once.

    Raises
    ------
    WrongTokenError
        If it carries a wrong token.
    """
    if not hasattr(request.state, _USER):
        try:
            found: User | JuryboxError | None = _bearer(request) or _by_session(request)
        except JuryboxError as error:
            found = error
        setattr(request.state, _USER, found)
    user: User | JuryboxError | None = getattr(request.state, _USER)
    if isinstance(user, JuryboxError):
        raise user
    return user


async def current_user(request: Request) -> User | None:
    """Dependency: as `known_user`, and no thread is needed for it once it is known."""
    if hasattr(request.state, _USER):
        return known_user(request)
    return await run_in_threadpool(known_user, request)


def is_still_admitted(request: Request, role: Role) -> bool:
    """Whether a request would be let in now, too; asked anew, for answers that take long."""
    try:
        user = _bearer(request) or _by_session(request)
    except JuryboxError:
        return False
    return user is not None and may(user, role)


async def sent_csrf_token(request: Request, user: Annotated[User | None, Depends(current_user)]) -> str:
    """Dependency: the CSRF token that came with the request; empty if there was none."""
    header = request.headers.get(CSRF_HEADER)
    if header is not None or request.method in SAFE_METHODS or user is None:
        return header or ""
    if not request.headers.get("content-type", "").lower().startswith(_FORMS):
        return ""
    form: FormData = await request.form()
    field = form.get(CSRF_FIELD, "")
    return field if isinstance(field, str) else ""


def admitted(user: User | None, role: Role) -> User:
    """Return the user, who has a role or a higher one.

    Raises
    ------
    SignInError
        If nobody is signed in.
    ForbiddenError
        If the person's role is lower.
    """
    if user is None:
        raise SignInError("sign in first: open your invite link, or send a token with the request")
    if not may(user, role):
        raise ForbiddenError(f"{user.name!r} is {user.role}; this needs the role {role}")
    return user


def require_role(role: Role) -> Callable[..., Awaitable[User]]:
    """Make the dependency that lets nobody below a role pass; it returns the `User`.

    Raises
    ------
    SignInError
        If nobody is signed in.
    ForbiddenError
        If the person's role is lower, or a change comes without the CSRF token.
    """

    async def check(
        request: Request,
        user: Annotated[User | None, Depends(current_user)],
        csrf_token: Annotated[str, Depends(sent_csrf_token)],
    ) -> User:
        """Return who asks, if they may."""
        user = admitted(user, role)
        if user.csrf_token and request.method not in SAFE_METHODS and not same(csrf_token, user.csrf_token):
            raise ForbiddenError(
                "this request did not come from a page of this app; reload the page and try again"
            )
        return user

    check.role = role  # type: ignore[attr-defined]
    return check


Annotator = Annotated[User, Depends(require_role(Role.ANNOTATOR))]
"""Parameter of a route that needs anyone who is signed in."""

Reviewer = Annotated[User, Depends(require_role(Role.REVIEWER))]
"""Parameter of a route that needs a reviewer or an owner."""

Owner = Annotated[User, Depends(require_role(Role.OWNER))]
"""Parameter of a route that needs an owner."""


annotator_only = Depends(require_role(Role.ANNOTATOR))
"""For the ``dependencies`` of a route that does not ask who it is; likewise below."""

reviewer_only = Depends(require_role(Role.REVIEWER))
owner_only = Depends(require_role(Role.OWNER))


async def public() -> None:
    """Dependency that says of a route: anyone may, signed in or not."""


def client_address(request: Request) -> str:
    """Return the address that a request came from."""
    return request.client.host if request.client is not None else "unknown"


def safe_path(path: str) -> str:
    r"""Return a path of this app to go on to, ``/`` in place of anything that leads elsewhere.

    Examples
    --------
    >>> (
    ...     safe_path("/label?x=1"),
    ...     safe_path("//evil.example"),
    ...     safe_path("https://evil.example"),
    ...     safe_path("/\\evil"),
    ... )
    ('/label?x=1', '/', '/', '/')
    """
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return "/"
    return "/" if any(ord(character) < 32 for character in path) else path


def _bearer(request: Request) -> User | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return sign_in(get_server(request), token.strip(), client_address(request))


def _by_session(request: Request) -> User | None:
    found = read_session(request)
    person = None if found is None else person_in(get_server(request), found)
    if found is None or person is None:
        return None
    return User(person.name, person.role, csrf_token(found.cookie, found.key.key))
