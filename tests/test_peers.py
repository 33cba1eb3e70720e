"""The benchmark beside other tools: what it measures of each, and the table that shows it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import peers
from peers_tools import TOOLS, Jurybox, Tool

SHORT = argparse.Namespace(seconds=3.0, pace=0.3)


def run(name: str, people: int, **more: object) -> dict[str, object]:
    times = {"n": 9, "p50": 4.4, "p95": 11.6}
    return {"people": people, "next_ms": times, "acknowledged": 9, "stored": 8, "errors": {name: 2}, **more}


def test_the_table_says_what_was_measured_and_what_failed(tmp_path: Path) -> None:
    result = {
        "date": "2026-11-27",
        "settings": {"people": [1, 50], "seconds": 60.0, "pace": 2.0},
        "machine": {"cores": 2},
        "load": [0.5, 0.5, 0.5],
        "tools": [
            {
                "tool": "one",
                "version": "1.2",
                "runs": [
                    run("late", 1, memory_mb=120.4, seconds_to_start=3.21),
                    {"people": 50, "failed": "it fell over"},
                ],
                "browser": {"next_ms": {"n": 3, "p50": 20.2, "p95": 30.0}, "error": ""},
            },
            {"tool": "other", "failed": "it cannot be installed: no disk"},
        ],
    }
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{peers.START}\nold\n{peers.END}\n\nafter\n")
    peers.write_table(result, page)
    peers.write_table(result, page)
    said = page.read_text()
    assert said.startswith("before\n")
    assert said.endswith("\n\nafter\n")
    assert "old" not in said
    for line in (
        "| | one 1.2 | other |",
        "| 1 person: label sent to next text, ms, median (95 %) | 4 (12) | – |",
        "| 1 person: labels acknowledged / stored | 9 / 8 | – |",
        "| 1 person: requests that failed | 2 | – |",
        "| 1 person: memory of the server, MB | 120 | – |",
        "| in Chromium, 1 person: key to next text, ms, median (95 %) | 20 (30) | – |",
        "| from the command to the first answer, s | 3.2 | – |",
        "- one: 50 people: it fell over",
        "- other: it cannot be installed: no disk",
    ):
        assert said.count(f"{line}\n") == 1, line


def check(made: Tool, people: int) -> None:
    found = peers.measure(made, people, SHORT)
    assert found["errors"] == {}
    assert found["signed_in"] == people
    assert found["acknowledged"] == found["stored"] >= people
    assert found["next_ms"]["n"] == found["acknowledged"]
    assert found["memory_mb"] > 10


@pytest.mark.slow
def test_people_label_here_and_nothing_is_lost(tmp_path: Path) -> None:
    made = Jurybox(tmp_path, tmp_path)
    made.environment = Path(sys.prefix)
    check(made, 3)


@pytest.mark.long
@pytest.mark.timeout(0)  # environments are made, and servers of others take minutes to start
@pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.name)
def test_each_tool_is_driven_by_requests_and_in_a_browser(kind: type[Tool], tmp_path: Path) -> None:
    environments = peers.ENVIRONMENTS
    try:
        peers.install(kind, environments)
    except (OSError, subprocess.CalledProcessError, SystemExit) as error:
        pytest.skip(f"no environment for {kind.name} can be made here: {error}")
    for folder in ("requests", "browser"):
        (tmp_path / folder).mkdir()
    check(kind(environments, tmp_path / "requests"), 2)
    with ThreadPoolExecutor(1) as thread:  # the tests of pages hold a browser in this one
        seen = thread.submit(peers.watch, kind(environments, tmp_path / "browser"), 3).result()
    if "skipped" in seen:
        pytest.skip(seen["skipped"])
    assert (seen["error"], seen["labels"], seen["stored"]) == ("", 3, 3)
