"""Processor time and memory of `estimate_consensus`, beside the EM that was its consensus before.

Run with ``python benchmarks/consensus_speed.py [--repeats R] [--largest N]``. Labels are simulated: three to
a text, annotators right on .6 to .95 of them, a classifier on .7 of the texts. Sizes grow in texts with two
classes, then in classes with the same 3,000 labels. Each measurement is a process of its own, so that the
peak memory is its own; times are medians of processor seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from frozen_em import frozen_em
from jurybox import Annotations, estimate_consensus
from jurybox.loop import Settings, play_round
from jurybox.trust.annotators import assess_annotators
from jurybox.trust.observed import Observed

OUT = Path(__file__).resolve().parent / "results" / "consensus_speed.json"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "methods.md"
START, END = "<!-- consensus speed: start -->", "<!-- consensus speed: end -->"
TEXTS = (1_000, 10_000, 100_000, 1_000_000)
CLASSES = (3, 77, 300)
PER_TEXT = 3
METHODS = ("em", "estimate", "annotators", "round")


def main() -> None:
    """Measure every size, print, store, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--largest", type=int, default=max(TEXTS))
    parser.add_argument("--one", nargs=3, metavar=("METHOD", "TEXTS", "CLASSES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        method, texts, classes = arguments.one
        print(json.dumps(measured(method, int(texts), int(classes))))
        return
    sizes: list[tuple[int, int, tuple[str, ...]]] = [
        (N, 2, ("em", "estimate")) for N in TEXTS if arguments.largest >= N
    ]
    sizes += [(1_000, K, METHODS) for K in CLASSES]
    found = []
    for N, K, methods in sizes:
        entry: dict[str, Any] = {"texts": N, "labels": N * PER_TEXT, "classes": K}
        for _ in range(arguments.repeats if N < 1_000_000 else 1):
            for method in methods:
                entry.setdefault(method, []).append(child(method, N, K))
        found.append(entry)
        print(row(entry), flush=True)
    report = {"machine": platform.machine(), "sizes": found}
    OUT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    page = DOCS.read_text("utf-8")
    before, _, rest = page.partition(START)
    DOCS.write_text(f"{before}{START}\n\n{table(found)}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def child(method: str, N: int, K: int) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--one", method, str(N), str(K)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured(method: str, N: int, K: int) -> dict[str, float]:
    """Return processor seconds and the process's peak memory."""
    annotations, p = crowd(N, K)
    features = np.random.default_rng(1).normal(size=(N, 64)).astype(np.float32) if method == "round" else p
    run: dict[str, Callable[[], Any]] = {
        "em": lambda: frozen_em(annotations, p),
        "estimate": lambda: estimate_consensus(annotations, p),
        "annotators": lambda: assess_annotators(Observed(annotations, p), rng=np.random.default_rng(0)),
        "round": lambda: play_round(annotations, features, Settings(), np.random.default_rng(0)),
    }
    begin = time.process_time()
    run[method]()
    seconds = time.process_time() - begin
    return {"seconds": seconds, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def crowd(N: int, K: int) -> tuple[Annotations, np.ndarray[Any, Any]]:
    """Return annotations of one annotator for 60 labels, and probabilities of a classifier."""
    rng = np.random.default_rng(0)
    M = max(30, N * PER_TEXT // 60)
    truth = rng.integers(K, size=N)
    text = np.repeat(np.arange(N), PER_TEXT)
    annotator = (text * 7 + np.tile(np.arange(PER_TEXT), N) * (M // PER_TEXT) + text // M) % M
    right = rng.random(len(text)) < rng.uniform(0.6, 0.95, size=M)[annotator]
    label = np.where(right, truth[text], rng.integers(K, size=len(text)))
    p = np.full((N, K), 0.3 / max(K - 1, 1), dtype=np.float64)
    p[np.arange(N), np.where(rng.random(N) < 0.7, truth, rng.integers(K, size=N))] = 0.7
    annotations = Annotations(
        text=text.astype(np.int32),
        annotator=annotator.astype(np.int32),
        label=label.astype(np.int32),
        texts=np.arange(N),
        annotators=np.arange(M),
        classes=tuple(range(K)),
    )
    return annotations, p


def row(entry: dict[str, Any]) -> str:
    """Return a row of the table."""
    em = seconds(entry, "em")
    cells = [f"{entry['labels']:,}", str(entry["classes"]), f"{em:.3f}"]
    cells += [f"{seconds(entry, method):.3f}" if method in entry else "" for method in METHODS[1:]]
    cells.insert(4, f"{seconds(entry, 'estimate') / em:.1f}")
    cells.append(f"{max(run['mib'] for method in METHODS for run in entry.get(method, ())):.0f}")
    return f"| {' | '.join(cells)} |"


def seconds(entry: dict[str, Any], method: str) -> float:
    """Median processor seconds."""
    return float(statistics.median(run["seconds"] for run in entry[method]))


def table(found: list[dict[str, Any]]) -> str:
    """Return the table."""
    head = "| labels | classes | EM | text types | ratio | annotators | a round | most memory, MiB |"
    return "\n".join([head, "| --- " * 8 + "|", *map(row, found)])


if __name__ == "__main__":
    main()
