"""The second gear without a GPU: the guide's protocol with a budget of processor seconds a round.

Run with ``python benchmarks/second_gear_cpu.py --data FOLDER [--seeds 3] [--sets NAME ...] [--every 6]``. One
thread tunes with the recipe of the product before every sixth of 25 rounds, as the product does beside people
who label; the mean of its processor seconds over all rounds is the budget that the table states. Beside each
run with the second gear stands the same run without it. What is in the file already is not played again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import second_gear
from jurybox.encoders.transformer import minilm_folder
from second_gear import Job, Options, encode, play

OUT = Path(__file__).resolve().parent / "results" / "second_gear_cpu.json"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "label-efficiency.md"
START, END = "<!-- second gear on a processor -->", "<!-- end second gear on a processor -->"
SETS = ("stanford-politeness", "hs-brexit")


def main() -> None:
    """Play what is not in the file yet, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="folder of data sets; without it the table is written alone")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"every": arguments.every, "runs": {}}
    if arguments.out.exists():
        report = json.loads(arguments.out.read_text())
    if arguments.data:
        torch.set_num_threads(1)
        second_gear.EVERY = arguments.every
        second_gear.clock = time.process_time  # others may be at work on this machine
        with tempfile.TemporaryDirectory(prefix="second-gear-") as features:
            options = Options(arguments.data, str(minilm_folder()), features, tiny=False, weight=0.5)
            encode(list(arguments.sets), options)
            for seed in range(arguments.seeds):
                for name in arguments.sets:
                    for recipe in ("", "base"):
                        run(options, Job("play", name, seed, "default", recipe), report, arguments.out)
    DOCS.write_text(with_table(DOCS.read_text("utf-8"), report["runs"]), encoding="utf-8")


def run(options: Options, job: Job, report: dict[str, Any], out: Path) -> None:
    """Play one run and store it, unless it is there."""
    if job.key in report["runs"]:
        return
    found: dict[str, Any] = {}
    begin = time.perf_counter()
    play(options, job, lambda measures, _done: found.update(measures))
    report["runs"][job.key] = {**found, "wall_seconds": round(time.perf_counter() - begin, 1)}
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    accuracy, tuning = np.mean(found["accuracy"]), np.mean(found.get("tuning_seconds", [0]))
    print(f"{job.key}: accuracy {accuracy:.4f}, tuning {tuning:.1f} s a round", flush=True)


def with_table(page: str, runs: dict[str, Any]) -> str:
    """Return the page with the table of these runs between its two comments."""
    lines = [
        "| data | seed | first gear | second gear | macro-F1, first | second | last round, first | second "
        "| processor seconds a round |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, second in sorted(runs.items()):
        _, data, seed, _, recipe = key.split("|")
        if not recipe:
            continue
        first = runs[key.removesuffix(recipe)]
        cells = [
            f"{value:.4f}"
            for measure in ("accuracy", "macro_f1")
            for value in (np.mean(first[measure]), np.mean(second[measure]))
        ]
        cells += [f"{first['accuracy'][-1]:.3f}", f"{second['accuracy'][-1]:.3f}"]
        cells.append(f"{np.mean(second['tuning_seconds']):.0f}")
        lines.append(f"| {data} | {seed} | {' | '.join(cells)} |")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n" + "\n".join(lines) + f"\n\n{END}{after}"


if __name__ == "__main__":
    main()
