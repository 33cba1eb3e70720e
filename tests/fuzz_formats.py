# ruff: noqa: T201 - its output is what was asked for
"""Give every reader of files a million odd inputs, chosen by atheris; stop at the first that raises anything.

Run with ``make fuzz``, or ``python tests/fuzz_formats.py [--inputs N] [--reader NAME] [--plain]``. Each
reader runs in a process of its own, since atheris never returns. With ``--plain`` inputs are drawn without
atheris: no coverage is measured, which is faster. The counts are printed and written as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "fuzz.json"


def main() -> int:
    """Run all readers, and print how many inputs each one was given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--reader", action="append", help="only this one; may be repeated")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return (
            plain(arguments.child, arguments.inputs)
            if arguments.plain
            else guided(arguments.child, arguments.inputs)
        )
    from support.fuzzing import READERS

    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "guided": not arguments.plain,
        "readers": {},
    }
    for name in arguments.reader or READERS:
        command = [sys.executable, __file__, "--child", name, "--inputs", str(arguments.inputs)]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, *(["--plain"] if arguments.plain else [])], capture_output=True, text=True
        )
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-4000:], f"{name}: failed", sep="\n")
            return 1
        report["readers"][name] = {
            "inputs": arguments.inputs,
            "seconds": round(time.perf_counter() - began, 1),
        }
        print(f"{name}: {arguments.inputs:,} inputs, no traceback", flush=True)
    total = sum(found["inputs"] for found in report["readers"].values())
    print(f"{len(report['readers'])} readers, {total:,} inputs")
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def plain(name: str, inputs: int) -> int:
    """Draw inputs by chance."""
    from support.fuzzing import READERS, fuzz

    for number in range(inputs):
        fuzz(READERS[name], (name, number))
    return 0


def guided(name: str, inputs: int) -> int:
    """Let atheris choose the bytes that inputs are drawn from, by the branches that they reach."""
    import atheris

    with atheris.instrument_imports(include=["jurybox.formats"]):
        from support.fuzzing import READERS, fuzz

    def one(data: bytes) -> None:
        fuzz(READERS[name], data)

    atheris.Setup([sys.argv[0], f"-runs={inputs}", "-max_len=64", "-verbosity=0"], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
