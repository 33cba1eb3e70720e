"""Pages that keep themselves current: one stream of server-sent events, which says when something changed.

What has changed a page finds out by asking for itself again. The database is looked at once a second however
many pages are open, and not at all where none is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from jurybox.errors import JuryboxError
from jurybox.learner import learner_state
from jurybox.store.records import Role
from jurybox.web.access import is_still_admitted, reviewer_only
from jurybox.web.state import Server

router = APIRouter(prefix="/manage", include_in_schema=False)

_EVERY = 1.0
_SIGN_OF_LIFE = 15.0
_MOST_STREAMS = 100


class News:
    """What tells one state of a project from another, read at most once a second.

    Parameters
    ----------
    server
        Whose project it is.
    every
        Seconds between two looks.
    """

    def __init__(self, server: Server, *, every: float = _EVERY) -> None:
        self.every = every
        self.streams = 0
        self.is_over = False
        self._server = server
        self._version = ""
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def version(self) -> str:
        """Return the state of now, or of a second ago."""
        async with self._lock:
            if time.monotonic() >= self._read_at + self.every:
                self._version = await run_in_threadpool(self._read)
                self._read_at = time.monotonic()
        return self._version

    def close(self) -> None:
        """End all streams: the server is about to stop."""
        self.is_over = True

    def _read(self) -> str:
        try:
            project = self._server.project
            learner = replace(learner_state(project), heard_at=None)  # a sign of life is no news
            return f"{project.reading.fingerprint()} {learner}"
        except JuryboxError:  # the pages themselves say what is wrong
            return self._version


async def stream(news: News, is_gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
    """Write an event whenever something has changed, and a comment now and then, until the page is left."""
    news.streams += 1
    try:
        seen, said_at = await news.version(), time.monotonic()
        yield "retry: 5000\n\n"
        while not (news.is_over or await is_gone()):
            found = await news.version()
            if found != seen:
                seen, said_at = found, time.monotonic()
                yield "event: change\ndata: 1\n\n"
            elif time.monotonic() > said_at + _SIGN_OF_LIFE:
                said_at = time.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(news.every)
    finally:
        news.streams -= 1


def gone_from(request: Request, news: News) -> Callable[[], Awaitable[bool]]:
    """Return what asks whether a page was left, or its session has ended; of that, when there are news."""
    seen = ""

    async def is_gone() -> bool:
        """Say so."""
        nonlocal seen
        if await request.is_disconnected():
            return True
        before, seen = seen, await news.version()
        return seen != before and not await run_in_threadpool(is_still_admitted, request, Role.REVIEWER)

    return is_gone


@router.get("/events", dependencies=[reviewer_only])
async def events(request: Request) -> Response:
    """Tell a page when something has changed; without room for a stream, it asks by itself."""
    news: News = request.app.state.news
    if news.streams >= _MOST_STREAMS:
        return Response(status_code=204)  # tells a browser not to try again
    return StreamingResponse(
        stream(news, gone_from(request, news)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
