"""Who may do what: sessions of people, tokens of programs, roles, and forged requests refused.

A person opens an invite link once and is known by a signed cookie from then on; a program sends the same
token as ``Authorization: Bearer TOKEN``. What a route asks for is in its signature:

>>> from jurybox.web.access import Reviewer
>>> def flags(user: Reviewer) -> str:
...     return f"{user.name} may see the flags"

Requests that change something and come with a cookie must carry the session's CSRF token, as the header
``X-CSRF-Token`` or the form field ``csrf_token``. That is checked here, for every route that asks for a role.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from jurybox.errors import JuryboxError, NotFoundError
from jurybox.store.records import AnnotatorInfo, Role
from jurybox.web.state import Server, get_server
from jurybox.web.tokens import hash_token, open_sealed, same, seal

__all__ = [
    "COOKIE",
    "CSRF_FIELD",
    "CSRF_HEADER",
    "Annotator",
    "ForbiddenError",
    "Owner",
    "Reviewer",
    "SignInError",
    "TooManyAttemptsError",
    "User",
    "WrongTokenError",
    "annotator_only",
    "client_address",
    "current_user",
    "end_session",
    "may",
    "owner_only",
    "public",
    "require_role",
    "reviewer_only",
    "safe_path",
    "sign_in",
    "start_session",
]

COOKIE = "jurybox_session"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"

_RANK = {Role.ANNOTATOR: 0, Role.REVIEWER: 1, Role.OWNER: 2}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
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


def sign_in(server: Server, token: str, address: str) -> User:
    """Find out whose token this is.

    Raises
    ------
    WrongTokenError
        If it is nobody's.
    TooManyAttemptsError
        If too many wrong ones came from this address.
    """
    if (seconds := server.limiter.wait(address)) > 0:
        raise TooManyAttemptsError(seconds)
    hashed = hash_token(token)
    if same(hashed, server.owner_hash):
        return User(server.owner_name(), Role.OWNER)
    person = server.project.annotator_by_token(hashed) if server.has_project else None
    if person is None:
        server.limiter.failed(address)
        raise WrongTokenError(
            "this token is not valid (any more); ask the owner of the project for a new link"
        )
    return User(person.name, person.role)


def start_session(request: Request, response: Response, token: str) -> User:
    """Sign a person in with a token and give the response the cookie of the new session."""
    server = get_server(request)
    user = sign_in(server, token, client_address(request))
    hashed = hash_token(token)
    by_owner = same(hashed, server.owner_hash)
    # The hash is looked up at each request: a token that is replaced ends its sessions. The owner's token
    # changes with each start of the server, which should not sign the owner out.
    values: dict[str, object] = {"n": user.name, "t": None if by_owner else hashed, "at": int(time.time())}
    response.set_cookie(
        COOKIE,
        seal(values, server.secret),
        max_age=server.settings.session_seconds,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # strict would lose the cookie on the way from an invite link in a mail
    )
    return user


def end_session(response: Response) -> None:
    """Sign a person out."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")


def current_user(request: Request) -> User | None:
    """Dependency: whoever the request comes from, None if it does not say.

    Raises
    ------
    WrongTokenError
        If it carries a wrong token.
    """
    if not hasattr(request.state, _USER):
        setattr(request.state, _USER, _bearer(request) or _session(request))
    user: User | None = getattr(request.state, _USER)
    return user


async def sent_csrf_token(request: Request, user: Annotated[User | None, Depends(current_user)]) -> str:
    """Dependency: the CSRF token that came with the request; empty if there was none."""
    header = request.headers.get(CSRF_HEADER)
    if header is not None or request.method in _SAFE or user is None:
        return header or ""
    if not request.headers.get("content-type", "").lower().startswith(_FORMS):
        return ""
    form: FormData = await request.form()
    field = form.get(CSRF_FIELD, "")
    return field if isinstance(field, str) else ""


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
        if user is None:
            raise SignInError("sign in first: open your invite link, or send a token with the request")
        if user.csrf_token and request.method not in _SAFE and not same(csrf_token, user.csrf_token):
            raise ForbiddenError(
                "this request did not come from a page of this app; reload the page and try again"
            )
        if not may(user, role):
            raise ForbiddenError(f"{user.name!r} is {user.role}; this needs the role {role}")
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


def _session(request: Request) -> User | None:
    cookie = request.cookies.get(COOKIE)
    server = get_server(request)
    values = None if cookie is None else open_sealed(cookie, server.secret)
    if cookie is None or values is None or not _is_fresh(values.get("at"), server.settings.session_seconds):
        return None
    person = _person(server, values)
    return None if person is None else User(person.name, person.role, _csrf_token(cookie, server.secret))


def _person(server: Server, values: dict[str, object]) -> User | AnnotatorInfo | None:
    name, hashed = values.get("n"), values.get("t")
    if isinstance(hashed, str):
        return server.project.annotator_by_token(hashed) if server.has_project else None
    if not isinstance(name, str):
        return None
    if not server.has_project:
        return User(name, Role.OWNER)
    try:
        person = server.project.annotator(name)
    except NotFoundError:  # signed in before the project was set up
        return User(server.owner_name(), Role.OWNER)
    return person if person.role == Role.OWNER else None


def _is_fresh(at: object, seconds: int) -> bool:
    return isinstance(at, int) and time.time() - seconds < at


def _csrf_token(cookie: str, secret: bytes) -> str:
    return hmac.new(secret, b"jurybox csrf " + cookie.encode("latin-1", "replace"), "sha256").hexdigest()
