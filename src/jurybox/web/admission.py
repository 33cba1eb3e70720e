"""Whose requests are read, and how much of them: who sends something is known before its body is read."""

from __future__ import annotations

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jurybox.errors import JuryboxError
from jurybox.store.records import Role
from jurybox.web.access import SAFE_METHODS, admitted, current_user
from jurybox.web.config import WebSettings
from jurybox.web.errors import answer_error

__all__ = ["Admission"]

_MOST_PUBLIC = 1 << 16
"""Bytes of what somebody sends who has not signed in."""


class Admission:
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
        path = request.url.path
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
