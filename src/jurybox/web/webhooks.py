"""Events told to other servers: signed, sent again after a failure, never in the way of labelling.

A delivery is a POST of JSON, ``{"type": "round.finished", "timestamp": …, "data": {…}}``, with the headers of
Standard Webhooks (https://www.standardwebhooks.com), by which the receiver knows that it comes from here and
is no replay::

    webhook-id: stays the same when it is sent again
    webhook-timestamp: Unix time
    webhook-signature: v1,HMAC-SHA256(secret, id + "." + timestamp + "." + body), in base64

The secret is 32 random bytes, written as ``whsec_`` and base64.

Deliveries come from a thread of its own. What was told is noted in the project, so that a restart does not
tell it again, and only one of several servers on one project tells at a time.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import logging
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jurybox.errors import InputError, JuryboxError, NotFoundError
from jurybox.project import Project
from jurybox.store.services import Pulse
from jurybox.web.security import is_private_name, is_public
from jurybox.web.state import Server

_NOTE, _TOLD = "webhooks", "webhooks.told"
_SECRET = "whsec_"  # noqa: S105 - how secrets begin
_TIMEOUT = 10.0
_ATTEMPTS = 6
_MOST_HOOKS = 20
_log = logging.getLogger("jurybox.web")


class Event(StrEnum):
    """What can be told."""

    ROUND_FINISHED = "round.finished"
    PROJECT_COMPLETE = "project.complete"


@dataclass(frozen=True)
class Hook:
    """Where events go.

    Attributes
    ----------
    last_result
        How the last delivery went: ``ok``, or what was wrong; None before the first.
    """

    id: str
    url: str
    events: tuple[Event, ...]
    last_result: str | None = None


@dataclass(frozen=True)
class NewHook:
    """A webhook that was just added, with the secret that its deliveries are signed with."""

    hook: Hook
    secret: str


@dataclass(frozen=True)
class _Delivery:
    event: str
    number: str
    body: bytes


class AddressError(JuryboxError):
    """The address of a webhook is not one that events may be sent to."""


def list_hooks(project: Project) -> list[Hook]:
    """Return the webhooks of a project."""
    note = project.notes.read(_TOLD)
    results: dict[str, str] = {} if note is None else note.value["results"]
    return [_hook(stored, results.get(stored["id"])) for stored in _stored(project)]


def add_hook(project: Project, url: str, events: Sequence[Event], *, allow_private: bool = False) -> NewHook:
    """Add a webhook.

    Raises
    ------
    InputError
        If the URL is none, if its host is an address of a private network and that is not allowed, or if
        there are too many webhooks.
    """
    parts = _split(url)
    if not allow_private and is_private_name(str(parts.hostname)):
        raise InputError(
            f"the host {parts.hostname!r} is an address of this machine or a private network; "
            "start the server with --webhooks-to-private to allow that"
        )
    hook = {
        "id": secrets.token_hex(8),
        "url": url,
        "events": list(dict.fromkeys(events)),
        "secret": _SECRET + base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    if not _stored(project):  # what happened before there was anyone to tell is no news
        pulse = project.reading.pulse()
        told = {"round": pulse.current_round, "complete": pulse.is_done, "results": {}}
        project.notes.write(_TOLD, told)

    def added(held: Mapping[str, Any]) -> dict[str, Any]:
        """Return the webhooks with one more."""
        hooks = held.get("hooks", [])
        if len(hooks) >= _MOST_HOOKS:
            raise InputError(f"there are {len(hooks)} webhooks already; remove one first")
        return {"hooks": [*hooks, hook]}

    project.notes.change(_NOTE, added)
    return NewHook(_hook(hook), str(hook["secret"]))


def remove_hook(project: Project, number: str) -> None:
    """Remove a webhook; NotFoundError if there is none of this number."""

    def left(held: Mapping[str, Any]) -> dict[str, Any]:
        """Return the webhooks without one."""
        hooks = held.get("hooks", [])
        if number not in [hook["id"] for hook in hooks]:
            raise NotFoundError(f"there is no webhook {number!r}")
        return {"hooks": [hook for hook in hooks if hook["id"] != number]}

    project.notes.change(_NOTE, left)


def try_hook(project: Project, number: str, *, allow_private: bool = False) -> str:
    """Send an event named ``test`` once and return how that went: ``ok``, or what was wrong.

    Raises
    ------
    NotFoundError
        If there is no webhook of this number.
    """
    found = [hook for hook in _stored(project) if hook["id"] == number]
    if not found:
        raise NotFoundError(f"there is no webhook {number!r}")
    delivery = _delivery("test", f"test-{secrets.token_hex(8)}", {"project": project.name})
    try:
        return _attempt(found[0], delivery, allow_private=allow_private)
    except AddressError as error:
        return str(error)


def sign(secret: str, number: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a delivery.

    Examples
    --------
    >>> sign("whsec_c2VjcmV0", "round-1", 1, b"{}")
    'v1,uKOPVeVdOVwiamwcN8JhyxN9+jlvAtvs5NMfb3igHeE='
    """
    key = base64.b64decode(secret.removeprefix(_SECRET))
    digest = hmac.digest(key, f"{number}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def deliver(url: str, headers: dict[str, str], body: bytes, *, allow_private: bool = False) -> int:
    """Post to a URL and return the status. Redirects are not followed.

    The name is resolved once and the connection goes to the address that was checked, so that a name cannot
    lead elsewhere in between. A receiver that answers a little at a time has no longer than one that does
    not answer.

    Raises
    ------
    AddressError
        If the host resolves to no address that is allowed.
    OSError, http.client.HTTPException
        If nobody answers in time.
    """
    parts = _split(url)
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    address = _resolve(host, port, allow_private)
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    sock = socket.create_connection((address, port), timeout=_TIMEOUT)
    held = sock.dup()  # ends the connection, whatever is laid over it
    limit = threading.Timer(_TIMEOUT, _hang_up, [held])
    limit.daemon = True
    limit.start()
    try:
        if parts.scheme == "https":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        connection.sock = sock
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        limit.cancel()
        connection.close()
        sock.close()
        held.close()


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        sock.shutdown(socket.SHUT_RDWR)


class Courier:
    """Looks for news every few seconds and tells them, in a thread of its own.

    Parameters
    ----------
    server
        Whose project it is.
    interval
        Seconds between two looks.
    pause
        Seconds before the first repetition of a delivery that failed; each further one waits twice as long.
    """

    def __init__(self, server: Server, *, interval: float = 2.0, pause: float = 1.0) -> None:
        self._server = server
        self._interval = interval
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to look for news."""
        self._thread.start()

    def stop(self) -> None:
        """End; a delivery under way is not waited for."""
        self._stop.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                if self._server.has_project and _stored(self._server.project):
                    self._tell()
            except Exception:
                _log.exception("webhooks could not be told")

    def _tell(self) -> None:
        project = self._server.project
        with project.store.exclusive("webhooks") as acquired:
            if not acquired:
                return
            note = project.notes.read(_TOLD)
            if note is None:
                return
            told = dict(note.value)
            pulse = project.reading.pulse()
            news = _news(project, told, pulse)
            for delivery in news:
                for hook in _stored(project):
                    if delivery.event in hook["events"]:
                        result = self._send(hook, delivery)
                        if result is None:
                            return
                        told["results"] = {**told["results"], hook["id"]: result}
            if news or told["complete"] != pulse.is_done:
                told.update(round=pulse.current_round, complete=pulse.is_done)
                project.notes.write(_TOLD, told)

    def _send(self, hook: dict[str, Any], delivery: _Delivery) -> str | None:
        """Send, again after a failure, and return how it went; None where the server ends before."""
        result = "not sent"
        for attempt in range(_ATTEMPTS):
            if attempt and self._stop.wait(self._pause * 2 ** (attempt - 1)):
                return None
            allow_private = self._server.settings.webhooks_to_private_addresses
            try:
                result = _attempt(hook, delivery, allow_private=allow_private)
            except AddressError as error:
                return str(error)
            if result == "ok":
                return result
        _log.warning("webhook to %s: %s", hook["url"], result)
        return result


def _attempt(hook: dict[str, Any], delivery: _Delivery, *, allow_private: bool) -> str:
    """Send once; return ``ok``, or why it is worth another attempt."""
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "jurybox",
        "webhook-id": delivery.number,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(hook["secret"], delivery.number, timestamp, delivery.body),
    }
    try:
        status = deliver(hook["url"], headers, delivery.body, allow_private=allow_private)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: names that are none
        return f"failed: {error or type(error).__name__}"
    return "ok" if 200 <= status < 300 else f"failed: the receiver answered {status}"


def _news(project: Project, told: dict[str, Any], pulse: Pulse) -> list[_Delivery]:
    """Return what was not told yet; told again, it has the same number."""
    name, uid = project.name, project.people.sessions.key().project
    news = [
        _delivery(
            Event.ROUND_FINISHED,
            f"{uid}-round-{info.number}",
            {"project": name, "round": _public(asdict(info))},
        )
        for info in project.reading.rounds()
        if told["round"] < info.number <= pulse.current_round
    ]
    if pulse.is_done and not told["complete"]:
        news.append(_delivery(Event.PROJECT_COMPLETE, f"{uid}-complete-{pulse.last}", {"project": name}))
    return news


def _public(info: dict[str, Any]) -> dict[str, Any]:
    return {key: info[key] for key in ("number", "started_at", "published_at", "n_annotations")}


def _delivery(event: str, number: str, data: dict[str, Any]) -> _Delivery:
    now = datetime.now(tz=UTC).isoformat(timespec="seconds")
    return _Delivery(event, number, json.dumps({"type": event, "timestamp": now, "data": data}).encode())


def _stored(project: Project) -> list[dict[str, Any]]:
    note = project.notes.read(_NOTE)
    return [] if note is None else list(note.value["hooks"])


def _hook(stored: dict[str, Any], result: str | None = None) -> Hook:
    return Hook(stored["id"], stored["url"], tuple(Event(event) for event in stored["events"]), result)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port out of range
    except ValueError as error:
        raise InputError(f"url is {url!r:.80}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise InputError(f"url is {url!r:.80}, expected one like https://example.org/hook")
    return parts


def _resolve(host: str, port: int, allow_private: bool) -> str:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise AddressError(f"refused: {host} leads to {address}, which is no public address")
    return addresses[0]
