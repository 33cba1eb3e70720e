"""A server on loopback that speaks as OpenAI's does, and behaves as badly as a test wants."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jurybox.errors import ConflictError
from jurybox.project import Project
from jurybox.project.asking import AskOptions

TOKENS = (100, 10)  # read and written, of every answer


@dataclass
class ChatServer:
    """What the server does, and what it has seen.

    `behaviour` gets the number of the request, from 0, and its body; it returns what the model says, or a
    (status, body) pair, or None for a connection that is cut without an answer.
    """

    behaviour: Callable[[int, dict[str, Any]], Any] = lambda _n, _body: '{"label": "yes"}'
    remembers: bool = True  # answers under a known Idempotency-Key from memory, or waits for who came first
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paid: Counter[str] = field(default_factory=Counter)
    memory: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    turns: dict[str, threading.Lock] = field(default_factory=dict)

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any] | None:
        """Return status and body of a response."""
        key = headers.get("idempotency-key", "")
        with self.lock:
            n = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(headers)
            turn = self.turns.setdefault(key, threading.Lock()) if key and self.remembers else nullcontext()
        with turn:
            with self.lock:
                if self.remembers and key in self.memory:
                    return 200, self.memory[key]
            said = self.behaviour(n, body)
            if said is None or isinstance(said, tuple):
                return said
            reply = said if isinstance(said, dict) else completion(said)
            with self.lock:
                self.paid[key] += 1
                self.memory[key] = reply
            return 200, reply


def completion(said: str, **more: Any) -> dict[str, Any]:
    """Return a response of the interface."""
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, **more}],
        "usage": {"prompt_tokens": TOKENS[0], "completion_tokens": TOKENS[1]},
    }


def text_of(body: dict[str, Any]) -> str:
    """Return the text that a request is about."""
    shown = next(m["content"] for m in reversed(body["messages"]) if m["content"].startswith('{"text"'))
    return str(json.JSONDecoder().raw_decode(shown)[0]["text"])


@contextmanager
def serving(server: ChatServer) -> Iterator[ChatServer]:
    """Serve on a free port until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = server.answer(body, {name.lower(): value for name, value in self.headers.items()})
            if found is None:
                self.close_connection = True
                return
            status, reply = found
            data = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that are killed are the point."""

    httpd = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}/v1"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def ask_when_free(project: Project, name: str) -> None:
    """Ask a machine as soon as nobody else does: PostgreSQL may not know yet that who did was killed."""
    while True:
        try:
            project.machines.ask(name, options=AskOptions(budget=1000.0))
        except ConflictError:
            time.sleep(0.01)
        else:
            return
