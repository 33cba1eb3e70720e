"""Break everything while people label: kill, cut, fill, remove, step the clock; then look what is left.

    python benchmarks/torture.py                    the whole, on both kinds of store
    python benchmarks/torture.py --scale 0.01       at least one event of each kind
    python benchmarks/torture.py --more --seed 1    some more, counted together with those of earlier runs
    python benchmarks/torture.py --table            write the table of the last run into docs/store.md

Fifty people label over HTTP, change, take back, skip and remark, and each keeps an account of what was
acknowledged (`torture_people.py`). One event after the other breaks what they work with. After each one the
accounts are compared with the database:

- **lost**: acknowledged and not stored, or stored and not as acknowledged;
- **doubled**: stored more often than it was asked for;
- **wrong**: anything else: an import that is in by half, an answer that cannot be, a damaged file, a counter
  that is off, a text without a place in the queue.

The exit status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jurybox.project import Project
from jurybox.store import schema
from store import inconsistencies
from torture_events import IMPORT, KINDS, Kind, Torture
from torture_people import judge
from torture_stage import Stage

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "torture.json"
PAGE = ROOT / "docs" / "store.md"
BEGIN, END = "<!-- torture: written by benchmarks/torture.py --table -->", "<!-- torture: end -->"


@dataclass
class Tally:
    """What became of all events of a kind."""

    events: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)


def measure(store: str, options: argparse.Namespace, *, clock: bool) -> dict[str, Any]:
    """Let all events that need a clock that can be set, or all others, happen in random order."""
    rng = random.Random(options.seed)  # noqa: S311
    stage = Stage(store, n_texts=options.texts, n_people=options.people, pace=options.pace, clock=clock)
    try:
        wanted = [kind for kind in KINDS if kind.clock == clock and options.only in ("", kind.name)]
        kinds = [kind for kind in wanted if kind.possible(stage)]
        events = [kind for kind in kinds for _ in range(max(1, round(options.scale * kind.events)))]
        rng.shuffle(events)
        torture = Torture(stage, rng)
        tallies = {kind.name: Tally() for kind in kinds}
        known: set[str] = set()
        start, counted = time.monotonic(), 0
        for number, kind in enumerate(events, start=1):
            if time.monotonic() - start > 60 * options.minutes:
                break
            tally = tallies[kind.name]
            try:
                _happen(torture, kind)
                counted = _check(torture, tally, known, counted)
            except TimeoutError as error:  # nothing comes back: that is the worst that can be wrong
                tally.events, tally.wrong = tally.events + 1, tally.wrong + 1
                tally.examples.append(str(error))
                break
            finally:
                print(f"{store} {number}/{len(events)} {kind.name}: {tally}", file=sys.stderr, flush=True)
        return {
            "store": store,
            "settings": {name: getattr(options, name) for name in _SETTINGS},
            "kinds": {name: asdict(tally) for name, tally in tallies.items()},
            "not_possible_here": [kind.name for kind in wanted if kind not in kinds],
            "rounds": stage.rounds(),
            "imports_acknowledged": sum(torture.imports.values()),
            "refusals": dict(stage.crowd.refusals),
            "unsure": sum(len(person.account.unsure) for person in stage.crowd.people),
            "seconds": round(time.monotonic() - start),
        }
    finally:
        stage.close()


def _happen(torture: Torture, kind: Kind) -> None:
    """Let one event happen, and wait until people can label again."""
    kind.act(torture)
    torture.stage.recover()
    torture.stage.tidy()


def _check(torture: Torture, tally: Tally, known: set[str], counted: int) -> int:
    """Compare while everybody is quiet; return how many requests were acknowledged by then."""
    stage = torture.stage
    with stage.crowd.quiet(), Project.open(stage.location) as project:
        acknowledged = stage.crowd.acknowledged
        faults = judge(project, stage.crowd, known)
        faults.wrong += _inconsistent(torture, project, known)
    faults.wrong += torture.wrong
    torture.wrong = []
    faults.lost += ["acknowledged after the file was removed or replaced"] * torture.void
    torture.void = 0
    tally.events += 1
    tally.acknowledged += acknowledged - counted
    tally.lost += len(faults.lost)
    tally.doubled += len(faults.doubled)
    tally.wrong += len(faults.wrong)
    tally.examples += [*faults.lost, *faults.doubled, *faults.wrong][:3]
    return acknowledged


def _inconsistent(torture: Torture, project: Project, known: set[str]) -> list[str]:
    """Return what is wrong with the database itself, and imports that are in by half."""
    found = [f"{n} {what}" for what, n in inconsistencies(project).items() if n]
    per_import = Counter(text.partition("-")[0] for text in _text_ids(project))
    for prefix, acknowledged in torture.imports.items():
        n = per_import[prefix]
        if n not in (0, IMPORT) or (acknowledged and n == 0):
            found.append(f"{n} of {IMPORT} texts of {prefix}, acknowledged: {acknowledged}")
    found = [fault for fault in found if fault not in known]
    known.update(found)
    return found


def _text_ids(project: Project) -> list[str]:
    with project.store.read() as connection:
        return list(connection.scalars(sa.select(schema.texts.c.external_id)))


def table(result: dict[str, Any]) -> str:
    """Return the table of a result, as Markdown."""
    lines = [
        "| event | store | events | acknowledged | lost | doubled | wrong |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    sums = {run["store"]: Counter[str]() for run in result["stores"]}
    for kind in KINDS:
        for run in result["stores"]:
            if kind.name in run["kinds"]:
                row = run["kinds"][kind.name]
                sums[run["store"]].update({name: row[name] for name in _COLUMNS})
                lines.append(_row(kind.name, run["store"], row))
    lines += [_row("**all**", store, row) for store, row in sums.items()]
    return "\n".join(lines)


_SETTINGS = ("scale", "minutes", "texts", "people", "pace", "seed")
_COLUMNS = ("events", "acknowledged", "lost", "doubled", "wrong")


def _row(name: str, store: str, row: Any) -> str:
    shown = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[store]
    return f"| {name} | {shown} | " + " | ".join(f"{row[column]:,}" for column in _COLUMNS) + " |"


def write_table(result: dict[str, Any], page: Path) -> None:
    """Put the table between the two marks of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{table(result)}\n{END}{after}")


def together(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the events of several runs together, a store each; what else is known is that of the last run."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        earlier = found.get(run["store"], {"kinds": {}, "seconds": 0, "not_possible_here": []})
        kinds = {
            name: {what: tally[what] + earlier["kinds"].get(name, asdict(Tally()))[what] for what in tally}
            for name, tally in run["kinds"].items()
        }
        found[run["store"]] = {
            **run,
            "kinds": {**earlier["kinds"], **kinds},
            "seconds": earlier["seconds"] + run["seconds"],
            "not_possible_here": sorted({*earlier["not_possible_here"], *run.get("not_possible_here", [])}),
        }
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and write down the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the events of each kind")
    parser.add_argument(
        "--minutes", type=float, default=120.0, help="no further events after so long, a store"
    )
    parser.add_argument("--only", default="", help="the one kind of event to let happen")
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--pace", type=float, default=1.0, help="seconds between two things a person does")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", action="store_true", help="count together with the results of earlier runs")
    parser.add_argument("--table", action="store_true", help="only write the table into docs/store.md")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    if options.table:
        write_table(json.loads(options.out.read_text()), PAGE)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that disks and servers are put away
    stores = ["sqlite", "postgresql"] if options.store == "both" else [options.store]
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    clocks = sorted({kind.clock for kind in KINDS if options.only in ("", kind.name)})
    runs = [measure(store, options, clock=clock) for store in stores for clock in clocks]
    earlier = json.loads(options.out.read_text())["stores"] if options.out.exists() else []
    kept = [run for run in earlier if options.more or run["store"] not in stores]
    result: dict[str, Any] = {"machine": machine, "stores": together([*kept, *runs])}
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))
    return int(any(t[w] for run in result["stores"] for t in run["kinds"].values() for w in _COLUMNS[2:]))


if __name__ == "__main__":
    sys.exit(main())
