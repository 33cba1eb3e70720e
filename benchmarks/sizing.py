"""Memory and disk that a project needs: server, learner, ten people who label, on SQLite with TF-IDF.

Run with ``python benchmarks/sizing.py [--texts 10000 100000 1000000] [--minutes 2]``. Texts are short ones of
`serving.py`. The memory is the most that server and learner held together at one time (proportional set
size, looked at every second); the disk is that of the project's file and of its cache of features. Without
``--texts`` the table in ``docs/install.md`` is written alone.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from jurybox.project import Project
from serving import Tally, end_server, make_project, place, start_annotators, start_server, summary, warm_up

OUT = Path(__file__).parent / "results" / "sizing.json"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "install.md"
START, END = "<!-- sizing -->", "<!-- end sizing -->"
PEOPLE, PACE = 10, 2.0
MIB = 2**20


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--texts", type=int, nargs="*", default=())
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    stored = json.loads(options.out.read_text()) if options.out.exists() else {"sizes": {}}
    for n in options.texts:
        stored["sizes"][str(n)] = found = measure(n, options.minutes)
        print(n, found, flush=True)
        options.out.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    page = DOCS.read_text("utf-8")
    before, _, rest = page.partition(START)
    after = rest.partition(END)[2]
    DOCS.write_text(f"{before}{START}\n\n{table(stored['sizes'])}\n\n{END}{after}", encoding="utf-8")


def measure(n_texts: int, minutes: float) -> dict[str, Any]:
    """Let people label a project of so many texts, and look at what it takes."""
    with place("sqlite") as location:
        tokens = make_project(location, n_texts, PEOPLE)
        tally, stop = Tally(), threading.Event()
        warm_up(location, list(tokens), tally)
        running = start_server(location)
        people = start_annotators(tokens, running.port, PACE, tally, stop)
        memory = most_memory(60 * minutes)
        stop.set()
        for person in people:
            person.join(timeout=30)
        with Project.open(location) as project:
            rounds = len(list(project.reading.rounds()))
        end_server(running)
        folder = Path(location).parent
        files = [path for path in folder.rglob("*") if path.is_file()]
        database = sum(size(path) for path in files if path.name.startswith(Path(location).name + "-"))
        database += size(Path(location))
        return {
            **memory,
            "database_mib": round(database / MIB, 1),
            "features_mib": round(sum(map(size, files)) / MIB - database / MIB, 1),
            "rounds": rounds,
            "next_ms": summary(tally.server["next"]),
            "labels": len(tally.acknowledged),
        }


def most_memory(seconds: float) -> dict[str, float]:
    """Wait, and return the most MiB held at one time by the server's processes, and by the learner's."""
    ends = time.monotonic() + seconds
    most = {"server_mib": 0.0, "learner_mib": 0.0, "together_mib": 0.0}
    while time.monotonic() < ends:
        held = {"server_mib": 0.0, "learner_mib": 0.0}
        for process in psutil.Process(os.getpid()).children(recursive=True):
            with suppress(psutil.Error):
                part = "learner_mib" if "learner" in " ".join(process.cmdline()) else "server_mib"
                held[part] += process.memory_full_info().pss / MIB
        held["together_mib"] = sum(held.values())
        most = {part: round(max(most[part], held[part]), 1) for part in most}
        time.sleep(1)
    return most


def size(path: Path) -> int:
    """Bytes of a file, 0 where it has just gone."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def table(sizes: dict[str, Any]) -> str:
    """Return a row for each number of texts."""
    head = (
        "| texts | server and learner, MiB | of that the learner | database, MiB | features, MiB "
        "| next text, 99th percentile, ms |"
    )
    lines = [head, "| --- " * 6 + "|"]
    for n, found in sorted(sizes.items(), key=lambda item: int(item[0])):
        cells: Sequence[str] = (
            f"{int(n):,}",
            *(
                f"{found[part]:,.0f}"
                for part in ("together_mib", "learner_mib", "database_mib", "features_mib")
            ),
            f"{found['next_ms']['p99']:.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
