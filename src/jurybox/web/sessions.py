"""The cookies of people who have signed in: written, read, and ended on the server.

A session ends when its person signs out or gets another token, when the project's key of sessions is
replaced, and 30 days after it began. Whether it still holds is asked of the database at each request, in the
statement that says who the person is: a session that was ended anywhere has ended everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from jurybox.store.records import AnnotatorInfo, Role, Standing
from jurybox.store.state import SessionKey
from jurybox.web.state import OWNER, Server, get_server
from jurybox.web.tokens import Session, cookie_name, open_sealed, seal


@dataclass(frozen=True)
class SignedIn:
    """A session whose signature is right, with the key and the cookie."""

    session: Session
    key: SessionKey
    cookie: str


def person_in(server: Server, found: SignedIn) -> AnnotatorInfo | None:
    """Return whose session it is; None if it has ended."""
    session, key = found.session, found.key
    if session.by_operator and not server.is_operators(session.token or ""):
        return None
    if not server.has_project:
        return None if server.has_ended(session.id) else _OWNER_TO_BE
    sessions = server.project.people.sessions
    if session.token is None or session.by_operator:
        return sessions.owner(key, session.id)
    return sessions.person(key, session.id, token_hash=session.token)


def read_session(request: Request) -> SignedIn | None:
    """Return the session of a cookie that the key which holds has signed, as far as this server knows it.

    That the key still holds is asked in the same statement as who the person is.
    """
    server = get_server(request)
    key = server.session_key()
    cookie = request.cookies.get(cookie_name(key.project))
    if cookie is None:
        return None
    session = open_sealed(cookie, key.key, server.settings.session_seconds)
    if session is None:  # another process may have made a new key
        key = server.session_key(fresh=True)
        session = open_sealed(cookie, key.key, server.settings.session_seconds)
    return None if session is None or not session.holds(key) else SignedIn(session, key, cookie)


def write_session(request: Request, response: Response, session: Session, key: SessionKey) -> None:
    """Give a response the cookie of a session."""
    settings = get_server(request).settings
    by_public_url = settings.public_host is not None and request.url.hostname == settings.public_host
    scheme = str(settings.public_url).partition(":")[0] if by_public_url else request.url.scheme
    response.set_cookie(
        cookie_name(key.project),
        seal(session, key.key),
        max_age=settings.session_seconds,
        secure=scheme == "https",
        httponly=True,
        samesite="lax",  # strict would lose the cookie on the way from an invite link in a mail
    )


def end_session(request: Request, response: Response) -> None:
    """Sign a person out: the session ends on the server, whoever has kept its cookie."""
    server = get_server(request)
    found = read_session(request)
    if found is not None:
        server.end_session(found.session.id)
        response.delete_cookie(cookie_name(found.key.project), httponly=True, samesite="lax")


def end_all_sessions(request: Request, response: Response) -> None:
    """Sign everybody out, and whoever asks for it in again."""
    server = get_server(request)
    found = read_session(request)
    server.end_all_sessions()
    if found is not None:
        key = server.session_key()
        session = Session({key.project: key.generation}, found.session.token, found.session.by_operator)
        write_session(request, response, session, key)


_OWNER_TO_BE = AnnotatorInfo(OWNER, Role.OWNER, Standing.ACTIVE, cap=None, n_annotations=0, n_skips=0)
