"""A server and its learner, from start to end."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from jurybox.errors import InputError, JuryboxError, RedactedFormatter
from jurybox.learner import note_death
from jurybox.web.access import link_path
from jurybox.web.app import create_app
from jurybox.web.config import WebSettings
from jurybox.web.connections import Bounds, bounded_protocol
from jurybox.web.hub import Hub
from jurybox.web.state import Server

PORT = 8765
_TRIED_PORTS = 20
_SOON = 0.05
_NICE = 10
_TURN_SECONDS = 0.001
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
_log = logging.getLogger("jurybox.web")


@dataclass(frozen=True)
class Started:
    """A server that takes connections.

    Attributes
    ----------
    url
        Where it is.
    owner_link
        The link that signs the owner in.
    """

    url: str
    owner_link: str


class LearnerKeeper:
    """Starts the learner as a process of its own once there is a project, and again if it ends by itself.

    Parameters
    ----------
    server
        Whose project it is.
    command
        How the learner is started; it finds the project in ``JURYBOX_PROJECT``.
    after
        Whether the time has come to start it: a server that begins to answer has the machine to itself.
    first_pause, longest_pause
        Seconds until it is started again; doubled each time, from the start once it has run for a minute.
    """

    def __init__(
        self,
        server: Server,
        *,
        command: tuple[str, ...] = (sys.executable, "-m", "jurybox.learner"),
        after: Callable[[], bool] = lambda: True,
        first_pause: float = 1.0,
        longest_pause: float = 60.0,
    ) -> None:
        self._server = server
        self._command = command
        self._after = after
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._process: subprocess.Popen[bytes] | None = None
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="learner keeper", daemon=True)

    def start(self) -> None:
        """Begin to keep a learner."""
        self._thread.start()

    def stop(self, *, patience: float = 5.0) -> None:
        """End the learner: ask it by a signal, and kill it where it does not listen."""
        self._stop.set()
        process = self._process
        if process is not None and not _end(process, patience):
            _log.warning("the learner did not end within %g s and was killed; no round is lost", patience)
        self._thread.join(timeout=patience)

    @property
    def process_id(self) -> int | None:
        """The number of the learner's process, if there is one."""
        return self._process.pid if self._process is not None else None

    def _run(self) -> None:
        pause = self._first_pause
        while not self._after() and not self._stop.wait(_SOON):
            pass
        while not self._stop.is_set():
            if not self._found_project():
                self._stop.wait(0.5)
                continue
            code, seconds = self._watch()
            if self._stop.is_set():
                return
            pause = self._first_pause if seconds > 60 else pause
            self._report(f"the learner's process ended by itself ({_ending(code)})")
            self._stop.wait(pause)
            pause = min(2 * pause, self._longest_pause)

    def _found_project(self) -> bool:
        try:
            return self._server.has_project
        except JuryboxError as error:
            if str(error) != self._problem:  # once, not at every look
                _log.error("the learner waits for the project: %s", error)
            self._problem = str(error)
            return False

    def _watch(self) -> tuple[int, float]:
        start = time.monotonic()
        environment = {**learner_threads(), **os.environ, "JURYBOX_PROJECT": self._server.location}
        # Its input is a pipe that nobody writes to: it closes when this process ends, however it ends.
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=environment)  # noqa: S603
        if hasattr(os, "setpriority"):  # people come first, from its first import on
            with suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
        if self._stop.is_set():
            _end(self._process, 1.0)
        code = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
        return code, time.monotonic() - start

    def _report(self, reason: str) -> None:
        _log.error("%s", reason)
        with suppress(JuryboxError):
            note_death(self._server.project, reason)


def learner_threads() -> dict[str, str]:
    """Return the environment in which the learner's threads leave a core to the people who label.

    A round keeps to one anyway (`jurybox.loop`); encoders and the mapping of their features do not.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, cores - 1))}


def serve(
    location: str,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    settings: WebSettings | None = None,
    learner: bool = True,
    on_start: Callable[[Started], None] | None = None,
) -> None:
    """Serve a project until a signal ends it.

    Parameters
    ----------
    location
        Path or URL of the project, which may be set up in the browser; or a folder with several.
    host, port
        Where to listen; without a port, 8765 or the next one that is free.
    learner
        Whether to keep a learner, too.
    on_start
        Called when the server takes connections.

    Raises
    ------
    InputError
        If it cannot listen there.
    StoreError
        If the project cannot be opened; one of several is told of, and the others are served.
    """
    settings = settings or WebSettings()
    settings = replace(settings, hosts=(*settings.hosts, "*" if host in _EVERY_ADDRESS else host))
    app, apps = _made(location, settings)
    open_projects(apps, several=isinstance(app, Hub))
    listening = open_socket(host, port)
    web_server = uvicorn.Server(web_config(app, settings, Bounds.of_process()))

    def stop(_number: int, _frame: FrameType | None) -> None:
        for one in apps:
            one.state.news.close()
        web_server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)  # uvicorn handles both later on, and raises them again at its end
    # How often a thread that computes, such as an import, gives way: the event loop needs several turns to
    # answer.
    sys.setswitchinterval(_TURN_SECONDS)
    # And no thread gives way while garbage is sought: not among the modules, which stay.
    gc.freeze()
    keepers: list[LearnerKeeper] = []

    def keep(one: FastAPI) -> None:
        keeper = LearnerKeeper(one.state.server, after=lambda: web_server.started)
        one.state.vitals.learner = lambda: keeper.process_id is not None
        keepers.append(keeper)
        keeper.start()

    def keep_new(one: FastAPI) -> None:
        apps.append(one)
        if learner:
            keep(one)

    if isinstance(app, Hub):
        app.on_new = keep_new
    for one in list(apps) if learner else ():
        keep(one)
    try:
        if on_start is not None:
            url = _url(host, listening.getsockname()[1])
            base = settings.public_url or url
            source = app if isinstance(app, Hub) else app.state.server
            on_start(Started(url, f"{base}{link_path(source.new_owner_link())}"))
        web_server.run(sockets=[listening])
    finally:
        for keeper in keepers:
            keeper.stop()
        for one in apps:
            one.state.server.close()
        listening.close()


def _made(location: str, settings: WebSettings) -> tuple[FastAPI | Hub, list[FastAPI]]:
    """Return the app of a project, or of all projects of a folder, and the apps of the projects."""
    if Path(location).is_dir():
        hub = Hub(Path(location), settings)
        return hub, list(hub.apps.values())
    app = create_app(location, settings=settings)
    return app, [app]


def open_projects(apps: list[FastAPI], *, several: bool) -> None:
    """Open each project, and give it an owner; of several, one that cannot be read is told of and left."""
    for one in apps:
        server: Server = one.state.server
        try:
            server.owner_name()
        except JuryboxError as error:
            if not several:
                raise
            _log.error("%s is not served: %s", Path(server.location).name, error)


def open_socket(host: str, port: int | None) -> socket.socket:
    """Listen on a port; without one, on the first that is free from 8765 on.

    Raises
    ------
    InputError
        If that is not possible.
    """
    ports = (port,) if port is not None else range(PORT, PORT + _TRIED_PORTS)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in ports:
        # Named a TCP socket: only then asyncio sends small answers at once (TCP_NODELAY).
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, candidate))
            listening.listen(2048)
        except (OSError, OverflowError) as error:
            listening.close()
            failure = error
        else:
            return listening
    shown = f"port {port}" if port is not None else f"any port from {PORT} to {PORT + _TRIED_PORTS - 1}"
    raise InputError(f"cannot listen on {shown} of {host}: {failure}; choose another one with --port")


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server that listens there.

    Examples
    --------
    >>> is_local("127.0.0.1"), is_local("0.0.0.0")
    (True, False)
    """
    return host in ("localhost", "::1") or host.startswith("127.")


def web_config(app: FastAPI | Hub, settings: WebSettings, bounds: Bounds) -> uvicorn.Config:
    """Return how the app is served over HTTP."""
    return uvicorn.Config(
        app,
        http=bounded_protocol(bounds),
        backlog=bounds.backlog,
        log_config=_log_config(),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )


def _log_config() -> dict[str, Any]:
    """Write warnings to the terminal, without tokens and the places of databases in them."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"()": RedactedFormatter, "fmt": "%(levelname)s: %(message)s"}},
        "handlers": {"terminal": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "loggers": {
            name: {"handlers": ["terminal"], "level": "WARNING", "propagate": False}
            for name in ("uvicorn", "jurybox", "asyncio")
        },
    }


def _end(process: subprocess.Popen[bytes], patience: float) -> bool:
    """Ask a process to end, and kill it where it does not; whether it ended by itself."""
    process.terminate()
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _url(host: str, port: int) -> str:
    shown = _EVERY_ADDRESS.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
