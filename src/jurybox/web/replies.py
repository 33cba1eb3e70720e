"""Replies kept for a while, so that a request that is sent again is not carried out again.

Labels need none of this: their keys are in the database. The rest is kept in the memory of the server.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel

from jurybox.errors import ConflictError
from jurybox.web.access import User

__all__ = ["Replies", "once"]

Result = TypeVar("Result")

_MOST = 10_000
_SECONDS = 86_400.0


@dataclass
class _Reply:
    request: object
    at: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False
    result: Any = None


class Replies:
    """The replies of one server by user, route and key."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._replies: OrderedDict[tuple[str, str, str], _Reply] = OrderedDict()

    def once(self, name: tuple[str, str, str], request: object, act: Callable[[], Result]) -> Result:
        """Act at the first call of a name, and return the same result at later ones; a failure is not kept.

        Raises
        ------
        ConflictError
            If the name was used with another request.

        Examples
        --------
        >>> replies, log = Replies(), []
        >>> for _ in range(2):
        ...     replies.once(("ana", "/flags", "key"), "a flag", lambda: log.append("flagged"))
        >>> log
        ['flagged']
        """
        reply = self._reply(name, request)
        if reply.request != request:
            raise ConflictError(
                f"the key {name[-1]!r} was used for another request; use a new key for each one"
            )
        with reply.lock:
            if not reply.done:
                reply.result = act()
                reply.done = True
            result: Result = reply.result
            return result

    def _reply(self, name: tuple[str, str, str], request: object) -> _Reply:
        now = self._clock()
        with self._lock:
            while self._replies:
                oldest = next(iter(self._replies.values()))
                if len(self._replies) < _MOST and oldest.at > now - _SECONDS:
                    break
                self._replies.popitem(last=False)
            return self._replies.setdefault(name, _Reply(request, now))


def once(request: Request, user: User, key: str | None, body: BaseModel, act: Callable[[], Result]) -> Result:
    """Act, but only once for each key of a user; without a key, always."""
    if key is None:
        return act()
    replies: Replies = request.app.state.replies
    return replies.once((user.name, request.url.path, key), body, act)
