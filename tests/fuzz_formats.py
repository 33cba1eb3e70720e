# ruff: noqa: T201 - its output is what was asked for
"""Give every reader of files a million odd inputs, chosen by atheris; stop at the first that raises anything.

Run with ``make fuzz``, or ``python tests/fuzz_formats.py [--inputs N] [--seconds S] [--reader NAME]``.
Each reader runs in a process of its own, since atheris never returns, until it has had its inputs or its
seconds. With ``--plain`` inputs are drawn without atheris: no coverage is measured, which is faster. The
counts are printed, added to those of earlier runs in a JSON file, and ``--table`` writes them into
docs/formats.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "fuzz.json"
PAGE = ROOT / "docs" / "formats.md"
START, END = "<!-- made by tests/fuzz_formats.py -->", "<!-- end of inputs -->"


def main() -> int:
    """Run all readers, and print how many inputs each one was given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=86_400, help="the most that a reader may take")
    parser.add_argument("--reader", action="append", help="only this one; may be repeated")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="only write the table of what was counted")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run = plain if arguments.plain else guided
        return run(arguments.child, arguments.inputs, arguments.seconds, arguments.seed)
    if arguments.table:
        write_table(arguments.out)
        return 0
    from support.fuzzing import READERS

    for name in arguments.reader or READERS:
        had = counts(arguments.out).get(name, {"inputs": 0, "seconds": 0.0})
        before = os.times()
        done = subprocess.run(
            [
                *(sys.executable, __file__, "--child", name, "--seed", str(had["inputs"])),
                *("--inputs", str(arguments.inputs), "--seconds", str(arguments.seconds)),
                *(["--plain"] if arguments.plain else []),
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-4000:], f"{name}: failed", sep="\n")
            return 1
        given = re.findall(r"number_of_executed_units:\s*(\d+)|inputs: (\d+)", done.stdout + done.stderr)
        inputs = int(max(given[-1])) if given else 0
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"{name}: {inputs:,} inputs in {spent:.1f} s of processor, no traceback", flush=True)
        kept = counts(arguments.out)
        kept[name] = {"inputs": had["inputs"] + inputs, "seconds": round(had["seconds"] + spent, 1)}
        report = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "readers": kept}
        arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    kept = counts(arguments.out)
    print(f"{len(kept)} readers, {sum(int(one['inputs']) for one in kept.values()):,} inputs in all runs")
    return 0


def counts(path: Path) -> dict[str, dict[str, float]]:
    """Return how many inputs each reader was given in all runs, and in how many seconds of processor."""
    if not path.exists():
        return {}
    readers: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))["readers"]
    return readers


def write_table(path: Path) -> None:
    """Write the table of inputs into the page."""
    kept = counts(path)
    total = sum(int(one["inputs"]) for one in kept.values())
    rows = [
        "| reader | inputs | inputs a second of processor |",
        "|---|---:|---:|",
        *(
            f"| {name} | {int(one['inputs']):,} | {one['inputs'] / max(one['seconds'], 0.1):,.0f} |"
            for name, one in kept.items()
        ),
        f"| all {len(kept)} | {total:,} | |",
    ]
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START)
    table = "\n".join(rows)
    PAGE.write_text(f"{before}{START}\n{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def plain(name: str, inputs: int, seconds: int, seed: int) -> int:
    """Draw inputs by chance."""
    from support.fuzzing import READERS, fuzz

    end = time.monotonic() + seconds
    number = 0
    while number < inputs and time.monotonic() < end:
        fuzz(READERS[name], random.Random(f"{name} {seed + number}"))
        number += 1
    print(f"inputs: {number}")
    return 0


def guided(name: str, inputs: int, seconds: int, seed: int) -> int:
    """Let atheris choose the bytes that inputs are drawn from, by the branches that they reach."""
    import atheris

    with atheris.instrument_imports(include=["jurybox.formats"]):
        from support.fuzzing import READERS, Choices, fuzz

    def one(data: bytes) -> None:
        fuzz(READERS[name], Choices(data))

    options = ("-max_len=1024", "-verbosity=0", "-print_final_stats=1", f"-seed={seed + 1}")
    atheris.Setup([sys.argv[0], f"-runs={inputs}", f"-max_total_time={seconds}", *options], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
