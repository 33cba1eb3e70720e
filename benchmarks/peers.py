"""How long annotators wait for the next text: jurybox, Potato and Label Studio, in turn, in one run.

Each tool gets an environment of its own below --environments, which this script makes itself (and leaves
there for the next run), an empty project of the same texts with one question, and a server of its own. Then
1, 10 and 50 people label by the requests that each tool's page sends, one every --pace seconds: measured is
the time from sending a label to having the next text, what was acknowledged, what lies in the tool's files
after the server has ended, and the memory of the server's processes. In Chromium, one person presses the
keys, and the time counts from the first key to the next text on the screen.

    python benchmarks/peers.py --seconds 60
    python benchmarks/peers.py --table
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from peers_tools import TOOLS, Labeller, RefusedError, Tool, free_port
from serving import CLASSES, make_texts, most_likely, summary

OUT = Path(__file__).parent / "results" / "peers.json"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "comparison.md"
ENVIRONMENTS = Path(tempfile.gettempdir()) / "peers"
START, END = "<!-- made by benchmarks/peers.py -->", "<!-- end -->"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Tally:
    """What the people at one tool measured; times in milliseconds."""

    submit: list[float] = field(default_factory=list)
    """From sending a label to its acknowledgement."""
    next: list[float] = field(default_factory=list)
    """From sending a label to having the next text."""
    errors: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, error: Exception) -> None:
        """Count what went wrong."""
        with self.lock:
            self.errors[str(error)[:160] or type(error).__name__] += 1


class Memory(threading.Thread):
    """The most resident memory of a process with all below it, in MB, looked at every half second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.most, self.over = pid, 0.0, threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        while not self.over.wait(0.5):
            self.most = max(self.most, sum(map(_resident, _with_children(self.pid))))

    def end(self) -> float:
        """Stop; return the most."""
        self.over.set()
        self.join()
        return round(self.most, 1)


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue  # it has ended
    return found


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6
    except (OSError, IndexError):
        return 0.0


def texts_of(n: int) -> list[tuple[str, str]]:
    """Return n texts, each with a number of its own in it, so that a page tells two apart."""
    return [(text_id, f"{text} ({number})") for number, (text_id, text) in enumerate(make_texts(n))]


def label_on(person: Labeller, tally: Tally, pace: float, until: float) -> None:
    """Label a text every `pace` seconds to the end; a refusal is counted, and the next text asked for."""
    due = time.monotonic()
    while person.text is not None and time.monotonic() < until:
        start = time.perf_counter()
        try:
            person.submit(CLASSES[0])
            acknowledged = time.perf_counter()
            with tally.lock:
                tally.submit.append(1000 * (acknowledged - start))
            person.proceed()
            with tally.lock:
                tally.next.append(1000 * (time.perf_counter() - start))
        except (RefusedError, httpx.HTTPError, ValueError) as error:
            tally.failed(error)
            try:
                person.proceed()
            except (RefusedError, httpx.HTTPError, ValueError) as again:
                tally.failed(again)
        due = max(due + pace, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def measure(made: Tool, people: int, options: argparse.Namespace) -> dict[str, Any]:
    """Let so many people label at a tool that has just been started."""
    names = [f"annotator {number}" for number in range(people)]
    texts = texts_of(max(300, int(people * (2 * options.seconds / options.pace + 10))))
    made.prepare(texts, names)
    started = made.start(free_port())
    assert made.process is not None  # noqa: S101
    memory, tally = Memory(made.process.pid), Tally()
    memory.start()
    present: list[Labeller] = []
    try:
        made.set_up(texts, names)
        present, absent = sign_in_all(made, names, tally)
        until = time.monotonic() + options.seconds
        threads = [
            threading.Thread(target=label_on, args=(one, tally, options.pace, until), daemon=True)
            for one in present
        ]
        for number, thread in enumerate(threads):
            thread.start()
            time.sleep(min(options.pace / len(threads), 0.5) if number < len(threads) - 1 else 0)
        for thread in threads:
            thread.join()
    finally:
        for one in present:
            one.http.close()
        most = memory.end()
        made.stop()
    return {
        "people": people,
        "texts": len(texts),
        "signed_in": people - absent,
        "seconds_to_start": round(started, 1),
        "submit_ms": summary(tally.submit),
        "next_ms": summary(tally.next),
        "memory_mb": most,
        "acknowledged": len(tally.submit),
        "stored": made.stored(),
        "errors": dict(tally.errors),
        "load": os.getloadavg(),
    }


def sign_in_all(made: Tool, names: Sequence[str], tally: Tally) -> tuple[list[Labeller], int]:
    """Let everybody open the page, four at a time; return who is in, and how many are not."""

    def sign_in(name: str) -> Labeller | None:
        try:
            return made.sign_in(name)
        except (RefusedError, httpx.HTTPError, ValueError, KeyError) as error:
            tally.failed(error)
            return None

    with ThreadPoolExecutor(4) as pool:
        found = [one for one in pool.map(sign_in, names) if one is not None]
    return found, len(names) - len(found)


def watch(made: Tool, labels: int) -> dict[str, Any]:
    """Let one person label in Chromium by keys; return the times from a key to the next text in sight."""
    from playwright.sync_api import Error, sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if program is None:
        return {"skipped": "there is no Chromium; `make browser` installs it"}
    texts = texts_of(labels + 20)
    made.prepare(texts, ["annotator 0"])
    made.start(free_port())
    waited: list[float] = []
    said = ""
    try:
        made.set_up(texts, ["annotator 0"])
        with sync_playwright() as playwright:
            options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=program, args=options)
            page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
            page.set_default_timeout(120_000)
            seen = made.open_page(page, "annotator 0")
            for _ in range(labels):
                before = page.evaluate(seen)
                page.wait_for_timeout(400)  # a person reads
                start = time.perf_counter()
                made.press(page, most_likely(str(before)))
                page.wait_for_function(
                    f"before => {{ const now = {seen}; return now && now !== before }}", arg=before
                )
                waited.append(1000 * (time.perf_counter() - start))
            browser.close()
    except Error as error:
        said = str(error).splitlines()[0][:200]
    finally:
        made.stop()
    return {"labels": len(waited), "next_ms": summary(waited), "stored": made.stored(), "error": said}


def install(kind: type[Tool], environments: Path) -> str:
    """Make a tool's environment unless it is there; return the version in it."""
    with tempfile.TemporaryDirectory(prefix="jurybox-peers-") as folder:
        return kind(environments, Path(folder)).install()


def run_tool(kind: type[Tool], options: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    """Measure one tool; what cannot be installed or does not start says why.

    Parameters
    ----------
    known
        What an earlier run has measured of it, which is not measured again.
    """

    def fresh() -> Tool:
        return kind(options.environments, Path(tempfile.mkdtemp(prefix="jurybox-peers-")))

    try:
        version = install(kind, options.environments)
    except (OSError, subprocess.CalledProcessError, SystemExit) as error:
        return {"tool": kind.name, "failed": f"it cannot be installed: {error}"}
    found: dict[str, Any] = {"tool": kind.name, "version": version, "runs": [], **known}
    for people in sorted(set(options.people) - {run["people"] for run in found["runs"]}):
        made = fresh()
        try:
            found["runs"].append(measure(made, people, options))
        except (SystemExit, RefusedError, httpx.HTTPError) as error:
            found["runs"].append({"people": people, "failed": str(error)[-500:]})
        finally:
            shutil.rmtree(made.folder, ignore_errors=True)
        print(json.dumps(found["runs"][-1]), file=sys.stderr)
    if options.browser and "browser" not in found:
        made = fresh()
        try:
            found["browser"] = watch(made, options.browser)
        except (SystemExit, RefusedError, httpx.HTTPError) as error:
            found["browser"] = {"failed": str(error)[-500:]}
        finally:
            shutil.rmtree(made.folder, ignore_errors=True)
        print(json.dumps(found["browser"]), file=sys.stderr)
    return found


def table(result: dict[str, Any]) -> str:
    """Return what was measured as a table of Markdown."""
    tools = result["tools"]
    named = [f"{one['tool']} {one.get('version', '')}".strip() for one in tools]
    lines = [f"| | {' | '.join(named)} |", f"|---|{'---|' * len(tools)}"]

    def row(name: str, cells: Sequence[str]) -> None:
        lines.append(f"| {name} | {' | '.join(cells)} |")

    for people in result["settings"]["people"]:
        runs: list[dict[str, Any]] = [
            next((run for run in one.get("runs", ()) if run["people"] == people), {}) for one in tools
        ]
        who = "1 person" if people == 1 else f"{people} people"
        row(
            f"{who}: label sent to next text, ms, median (95 %)", [_times(run.get("next_ms")) for run in runs]
        )
        row(f"{who}: labels acknowledged / stored", [_labels(run) for run in runs])
        row(
            f"{who}: requests that failed",
            [str(sum(run["errors"].values())) if "errors" in run else "–" for run in runs],
        )
        row(
            f"{who}: memory of the server, MB",
            [f"{run['memory_mb']:.0f}" if "memory_mb" in run else "–" for run in runs],
        )
    seen = [one.get("browser", {}) for one in tools]
    row(
        "in Chromium, 1 person: key to next text, ms, median (95 %)",
        [_times(one.get("next_ms")) for one in seen],
    )
    starts = [
        [run["seconds_to_start"] for run in one.get("runs", ()) if "seconds_to_start" in run] for one in tools
    ]
    row("from the command to the first answer, s", [f"{min(each):.1f}" if each else "–" for each in starts])
    failed = [f"{one['tool']}: {why}" for one in tools for why in _failures(one)]
    settings, machine = result["settings"], result["machine"]
    told = (
        f"Measured on {result['date']} by `benchmarks/peers.py` on {machine['cores']} cores, everything on "
        f"one machine, one tool after the other; everybody sends a label every {settings['pace']:g} s for "
        f"{settings['seconds']:g} s. Load of the machine before: {result['load'][0]:.1f}."
    )
    return "\n".join([told, "", *lines, *(["", *(f"- {one}" for one in failed)] if failed else [])])


def _times(found: dict[str, float] | None) -> str:
    return f"{found['p50']:.0f} ({found['p95']:.0f})" if found and found.get("n") else "–"


def _labels(run: dict[str, Any]) -> str:
    return f"{run['acknowledged']} / {run['stored']}" if "stored" in run else "–"


def _failures(one: dict[str, Any]) -> list[str]:
    found = [one["failed"]] if "failed" in one else []
    found += [f"{run['people']} people: {run['failed']}" for run in one.get("runs", ()) if "failed" in run]
    browser = one.get("browser", {})
    return found + [
        f"in Chromium: {browser[name]}" for name in ("failed", "error", "skipped") if browser.get(name)
    ]


def write_table(result: dict[str, Any], page: Path = PAGE) -> None:
    """Put the table between its marks in the page."""
    before, rest = page.read_text(encoding="utf-8").split(START)
    page.write_text(f"{before}{START}\n\n{table(result)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> None:
    """Measure and write down, or write the table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tools", nargs="+", choices=[kind.name for kind in TOOLS], help="default: all")
    parser.add_argument("--people", nargs="+", type=int, default=[1, 10, 50])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long people label")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds between two labels of one person")
    parser.add_argument("--browser", type=int, default=20, help="labels in Chromium; 0: none")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--more", action="store_true", help="keep what the file has, and measure the rest")
    parser.add_argument("--table", action="store_true", help="write the table of the last run into the page")
    parser.add_argument("--install", action="store_true", help="only make the environments")
    options = parser.parse_args()
    if options.table:
        write_table(json.loads(options.out.read_text()))
        return
    kinds = [kind for kind in TOOLS if options.tools is None or kind.name in options.tools]
    if options.install:
        for kind in kinds:
            print(kind.name, install(kind, options.environments))
        return
    shown = ("people", "seconds", "pace", "browser")
    result: dict[str, Any] = {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "settings": {name: getattr(options, name) for name in shown},
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
        },
        "load": os.getloadavg(),
        "tools": [],
    }
    known: dict[str, Any] = {}
    if options.more:
        earlier = json.loads(options.out.read_text())
        known = {one["tool"]: one for one in earlier["tools"]}
        result["settings"]["people"] = sorted({*earlier["settings"]["people"], *options.people})
        result["load"] = earlier["load"]
    options.out.parent.mkdir(exist_ok=True)
    for kind in kinds:
        result["tools"].append(run_tool(kind, options, known.get(kind.name, {})))
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
