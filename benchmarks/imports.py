"""How long labels wait while a large file of texts comes in.

A server with a small project; people label over HTTP while a file is added, once by the command line and once
through the server, on SQLite and on PostgreSQL. Measured is how long a label waits from the first attempt to
the receipt, and how long ``/healthz`` takes; also for a while before the import, which tells the machine's
share.

    python benchmarks/imports.py --texts 200000
    python benchmarks/imports.py --table docs/store.md      only write the table from the results

With the source of another version in ``PYTHONPATH`` and ``--version before``, its figures go beside those of
this one.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jurybox.project import Project
from real_crowds_report import between
from serving import Annotator, Tally, end_server, make_project, make_texts, place, start_server, wait_until_up

OUT = Path(__file__).parent / "results" / "imports.json"
TOKEN = "the owner of a benchmark"  # noqa: S105
WAYS = ("command line", "web")
_MARKS = ("<!-- imports -->", "<!-- end imports -->")


class Labeller(Annotator):
    """Labels, and notes how long each answer took, repeated attempts included; in seconds."""

    def __init__(self, *values: Any) -> None:
        super().__init__(*values)
        self.waits: dict[str, list[float]] = {"next": [], "submit": []}

    def post(self, what: str, path: str, body: dict[str, Any], *, key: str = "") -> Any:
        """Post until there is an answer, and note how long that took."""
        start = time.perf_counter()
        answer = super().post(what, path, body, key=key)
        self.waits[what].append(time.perf_counter() - start)
        return answer


class Asker(threading.Thread):
    """Asks for the server's health again and again."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.port, self.stop_event, self.waits, self.failed = port, stop, [0.0][:0], 0

    def run(self) -> None:
        """Ask until told to stop."""
        while not self.stop_event.wait(0.1):
            start = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            connection.request("GET", "/healthz")
            self.failed += connection.getresponse().status != 200
            connection.close()
            self.waits.append(time.perf_counter() - start)


def measure(store: str, way: str, file: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Let a file in while people label, and return how long they waited."""
    with place(store) as location:
        tokens = make_project(location, 2_000, options.people)
        server = start_server(location, learner=False)
        wait_until_up(server.port)
        stop, tally = threading.Event(), Tally()
        people = [
            Labeller(name, token, server.port, options.pace, tally, stop) for name, token in tokens.items()
        ]
        asker = Asker(server.port, stop)
        for thread in (*people, asker):
            thread.start()
        time.sleep(options.quiet)
        alone = {**_waits(people), "healthz": asker.waits}
        for person in people:
            person.waits = {"next": [], "submit": []}
        asker.waits = []
        start = time.perf_counter()
        added = _by(way)(location, server.port, file)
        seconds = time.perf_counter() - start
        stop.set()
        for thread in (*people, asker):
            thread.join()
        with Project.open(location) as project:
            status = project.status()
        end_server(server)
    waits = {
        what: sorted(wait for person in people for wait in person.waits[what]) for what in ("next", "submit")
    }
    return {
        "texts": added["texts"],
        "seconds": round(seconds, 1),
        "texts_in_project": status.texts,
        "lost_labels": len(tally.acknowledged) - status.annotations,
        "labels": len(waits["submit"]),
        "submit": _summary(waits["submit"]),
        "next": _summary(waits["next"]),
        "healthz": _summary(asker.waits),
        "healthz_not_ready": asker.failed,
        "before_the_import": {what: _summary(values) for what, values in alone.items()},
        "longest_wait_share": round(max(waits["submit"] + waits["next"]) / seconds, 3),
        "errors": dict(tally.errors),
    }


def _waits(people: Sequence[Labeller]) -> dict[str, list[float]]:
    return {what: [wait for person in people for wait in person.waits[what]] for what in ("next", "submit")}


def _by(way: str) -> Callable[[str, int, Path], dict[str, Any]]:
    return _by_command_line if way == "command line" else _by_web


def _by_command_line(location: str, _port: int, file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "jurybox", "add", location, str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _by_web(_location: str, port: int, file: Path) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    connection.request("POST", f"/api/v1/import?filename={file.name}", file.read_bytes(), headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"the import was refused: {answer.status} {content[:300].decode()}")
    found: dict[str, Any] = json.loads(content)
    return found


def _summary(waits: Sequence[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the longest, in seconds."""
    values = np.asarray(waits) if len(waits) else np.array([np.nan])
    found = (*np.percentile(values, [50, 99]), values.max())
    return dict(zip(("p50", "p99", "longest"), (round(float(x), 4) for x in found), strict=True))


def write_file(path: Path, n: int) -> Path:
    """Write n texts that the project does not have."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        rows.writerows((f"new-{number}", text) for number, text in make_texts(n, seed=1))
    return path


def table(results: Mapping[str, Any]) -> str:
    """Return what was measured as Markdown."""
    head = ["store, way", "version", "import", "labels", "label, median", "99th percentile", "without import"]
    head += ["longest", "as a share of the import", "`/healthz`, 99th percentile", "without import"]
    lines = [head, ["---"] * len(head)]
    for store in ("sqlite", "postgresql"):
        for way in WAYS:
            for version in ("before", "now"):
                found = results.get(version, {}).get(store, {}).get(way)
                if found is not None:
                    lines.append([f"{store}, {way}", version, *_cells(found)])
    shown = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{results['texts']:,} texts ({results['machine']}), by `benchmarks/imports.py`:\n\n{shown}"


def _cells(found: Mapping[str, Any]) -> list[str]:
    submit, alone = found["submit"], found["before_the_import"]
    waits = (submit["p50"], submit["p99"], alone["submit"]["p99"], submit["longest"])
    return [
        f"{found['seconds']:.0f} s",
        str(found["labels"]),
        *(f"{1000 * wait:,.0f} ms" for wait in waits),
        f"{100 * found['longest_wait_share']:.0f} %",
        *(f"{1000 * part['healthz']['p99']:,.0f} ms" for part in (found, alone)),
    ]


def write_table(page: Path, results: Mapping[str, Any]) -> None:
    """Put the table between its marks on a page."""
    lines = iter(["", table(results), ""])
    page.write_text(between(page.read_text(encoding="utf-8"), *_MARKS, lines), encoding="utf-8")


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--stores", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--pace", type=float, default=0.5, help="seconds between two labels of one person")
    parser.add_argument("--quiet", type=float, default=15.0, help="seconds of labelling before the import")
    parser.add_argument("--version", default="now", choices=["now", "before"])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", type=Path, help="write the table into this page, and measure nothing")
    options = parser.parse_args()
    known = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    if options.table is not None:
        write_table(options.table, known)
        return
    os.environ["JURYBOX_TOKEN"] = TOKEN
    known["texts"] = options.texts
    known["machine"] = f"{os.cpu_count()} cores, shared with other work, {platform.system()}"
    with tempfile.TemporaryDirectory(prefix="jurybox-imports-") as folder:
        file = write_file(Path(folder) / "texts.csv", options.texts)
        for store in options.stores:
            for way in options.ways:
                found = measure(store, way, file, options)
                known.setdefault(options.version, {}).setdefault(store, {})[way] = found
                print(store, way, json.dumps(found), flush=True)
                options.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
