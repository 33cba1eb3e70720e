"""How soon a server and its learner are back after they were killed, while people label.

SIGKILL ends in turn the server, which is started again, and the learner, which the server starts again. What
is left of labels is measured by `torture.py`.

    python benchmarks/restarts.py --kills 50
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import threading
import time
from pathlib import Path
from typing import Any

from jurybox.learner import learner_state
from jurybox.project import Project
from jurybox.web.serving import open_socket
from serving import (
    Running,
    Tally,
    end_server,
    make_project,
    place,
    start_annotators,
    start_server,
    summary,
    wait_until_up,
)

OUT = Path(__file__).parent / "results" / "restarts.json"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with open_socket("127.0.0.1", 0) as listening:
        return int(listening.getsockname()[1])


def learner_process(project: Project) -> int | None:
    """Return the number of the learner's process, where it is alive."""
    process = learner_state(project).process.rpartition(":")[2]
    if not process or process == str(os.getpid()):
        return None
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return None
    return int(process)


def wait_for_learner(project: Project, *, other_than: int | None = None, patience: float = 300.0) -> float:
    """Return the seconds until another learner is at work."""
    start = time.monotonic()
    while time.monotonic() - start < patience:
        process = learner_process(project)
        if process is not None and process != other_than:
            return time.monotonic() - start
        time.sleep(0.05)
    raise SystemExit(f"no learner after {patience} seconds")


def kill_learner(project: Project) -> int | None:
    """End the learner by SIGKILL, if there is one; return the number of its process."""
    process = learner_process(project)
    if process is not None:
        os.kill(process, signal.SIGKILL)
    return process


def restart_server(location: str, running: Running, restarts: list[float]) -> Running:
    """End the server by SIGKILL and start it again; note how long that took, in milliseconds."""
    end_server(running, signal.SIGKILL)
    start = time.monotonic()
    running = start_server(location, port=running.port)
    wait_until_up(running.port)
    restarts.append(1000 * (time.monotonic() - start))
    return running


def measure(store: str, options: argparse.Namespace) -> dict[str, Any]:
    """Kill everything in turn on one kind of store."""
    restarts: list[float] = []
    learners: list[float] = []
    with place(store) as location:
        tokens = make_project(location, options.texts, options.annotators)
        running = start_server(location, port=free_port())
        tally, stop = Tally(), threading.Event()
        people = start_annotators(tokens, running.port, options.pace, tally, stop)
        with Project.open(location) as project:
            for kill in range(options.kills):
                time.sleep(options.between)
                if kill % 2 == 0:
                    running = restart_server(location, running, restarts)
                else:
                    wait_for_learner(project)
                    before = kill_learner(project)
                    learners.append(1000 * wait_for_learner(project, other_than=before))
            time.sleep(options.between)
            stop.set()
            for person in people:
                person.join(timeout=30)
        end_server(running)
        return {
            "store": store,
            "server_restart_ms": summary(restarts),
            "learner_restart_ms": summary(learners),
        }


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--between", type=float, default=2.0, help="seconds between two kills")
    parser.add_argument("--texts", type=int, default=5_000)
    parser.add_argument("--annotators", type=int, default=20)
    parser.add_argument("--pace", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    stores = ["sqlite", "postgresql"] if options.store == "both" else [options.store]
    runs = [measure(store, options) for store in stores]
    result = {
        "settings": {name: value for name, value in vars(options).items() if name != "out"},
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
        },
        "stores": runs,
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
