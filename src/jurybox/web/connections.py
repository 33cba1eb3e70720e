"""Connections that cannot be held for ever: a limit to their number, and times within which clients must act.

Whoever opens connections and says nothing would otherwise use up the descriptors of the process, and with
them the service to everybody else.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST = 4000
_RESERVE = 256
"""Descriptors for the databases of 40 threads, files and the learner."""


@dataclass(frozen=True)
class Bounds:
    """How many connections there may be, and how long one may keep the server waiting.

    Attributes
    ----------
    connections
        The most at a time; one more ends one of whoever has the most open, that is silent for longest.
    backlog
        The most that are taken at once, before they are counted.
    header_seconds
        From the start of a connection, or of a further request, to the end of the header.
    idle_seconds
        Between two parts of a body, in either direction.
    """

    connections: int
    backlog: int
    header_seconds: float = 10.0
    idle_seconds: float = 30.0

    @classmethod
    def of_process(cls) -> Bounds:
        """Return bounds that fit the number of descriptors that this process may have."""
        descriptors = _descriptors()
        reserve = min(_RESERVE, descriptors // 2)
        return cls(connections=min(_MOST, descriptors - reserve), backlog=max(16, reserve // 2))


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, within bounds."""

    bounds: ClassVar[Bounds]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count a new connection, and end another one where there are too many."""
        super().connection_made(transport)
        self._heard = self.loop.time()
        self._waiting_since = self._heard
        self._held = 0
        self._watch: asyncio.TimerHandle | None = None
        self._look_later()
        if len(self.connections) > self.bounds.connections:
            _end_one_above(self.bounds.connections, list(_bounded(self.connections)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note that the client has said something."""
        self._heard = self.loop.time()
        if self.is_waiting and not self.conn.trailing_data[0]:
            self._waiting_since = self._heard  # the first bytes of a further request
        super().data_received(data)

    @property
    def is_waiting(self) -> bool:
        """Whether the header of a request has not come to its end."""
        return self.conn.their_state is h11.IDLE

    @property
    def is_answering(self) -> bool:
        """Whether a request is here as a whole, and its answer is not on its way as a whole."""
        body_is_here = self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)
        return body_is_here and self.cycle is not None and not self.cycle.response_complete

    @property
    def heard(self) -> float:
        """When the client last said something, or took something, by the clock of the event loop."""
        return self._heard

    def _look_later(self) -> None:
        seconds = min(self.bounds.header_seconds, self.bounds.idle_seconds) / 4
        self._watch = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        if self._is_overdue(now):
            self.transport.abort()  # not close: what is written and never read would keep it open
        else:
            self._look_later()

    def _is_overdue(self, now: float) -> bool:
        held = self.transport.get_write_buffer_size()
        if held != self._held:  # the client takes what is written to it, or there is more of it
            self._held, self._heard = held, now
        if held or self.transport.is_closing():
            return now - self._heard > self.bounds.idle_seconds
        if self.is_waiting:
            said_something = self.cycle is None or bool(self.conn.trailing_data[0])
            return said_something and now - self._waiting_since > self.bounds.header_seconds
        if self.is_answering or self.flow.read_paused:  # it is the server who is slow
            return False
        return now - self._heard > self.bounds.idle_seconds


def bounded_protocol(bounds: Bounds) -> type[BoundedProtocol]:
    """Return the protocol with certain bounds, as uvicorn takes it: as a class."""
    return type("BoundedProtocol", (BoundedProtocol,), {"bounds": bounds})


def _end_one_above(most: int, connections: list[BoundedProtocol]) -> None:
    """End a connection that no answer is due on, of whoever has most of them: the one silent for longest."""
    open_ones = [one for one in connections if not one.transport.is_closing()]
    per_address = Counter(map(_address, open_ones))
    idle = [one for one in open_ones if not one.is_answering]
    if idle and len(open_ones) > most:
        chosen = max(idle, key=lambda one: (per_address[_address(one)], -one.heard))
        chosen.transport.abort()


def _address(connection: BoundedProtocol) -> str:
    return connection.client[0] if connection.client else ""


def _bounded(connections: set[Any]) -> Iterator[BoundedProtocol]:
    return (one for one in connections if isinstance(one, BoundedProtocol))


if sys.platform == "win32":  # pragma: no cover

    def _descriptors() -> int:
        return 2 * _RESERVE  # what select takes

else:
    import resource

    def _descriptors() -> int:
        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return 2**20 if soft == resource.RLIM_INFINITY else soft
