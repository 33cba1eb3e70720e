"""Seconds and memory of the second gear on this machine's processor, by number of labelled texts.

Run with ``python benchmarks/tuning.py --data FOLDER [--sizes 300 1000 3000] [--threads 1] [--steps 10]``.
Each size is measured in a process of its own: some optimizer steps and some predictions, from which the whole
tuning follows, as all steps are of 32 texts of similar length. The most memory is the whole process's.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jurybox import datasets
from jurybox.classifiers.recipes import TuningSettings
from jurybox.encoders.transformer import minilm_folder

OUT = Path(__file__).resolve().parent / "results" / "tuning.json"


def main() -> None:
    """Measure every size, or one of them in this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000, 3000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--one", action="store_true")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.data, arguments.sizes[0], arguments.threads, arguments.steps)))
        return
    found = []
    for size in arguments.sizes:
        command = [sys.executable, __file__, "--one", "--data", arguments.data, "--sizes", str(size)]
        command += ["--threads", str(arguments.threads), "--steps", str(arguments.steps)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(found[-1], flush=True)
    report = {"data": Path(arguments.data).name, "machine": platform.machine(), "sizes": found}
    OUT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(data: str, size: int, threads: int, steps: int) -> dict[str, Any]:
    """Time some steps and some predictions, on so many of the texts with labels, drawn at random."""
    from jurybox.classifiers.tuner import Tuner

    dataset = datasets.load(data)
    labelled = np.random.default_rng(0).permutation(np.flatnonzero(dataset.answers.labelled))[:size]
    counts = dataset.answers.counts[labelled].astype(float)
    settings = TuningSettings(device="cpu")
    whole = settings.folds * settings.steps(round(len(labelled) * (1 - 1 / settings.folds)))
    short = TuningSettings(device="cpu", passes=1e-9, least_steps=steps)
    tuner = Tuner(minilm_folder(), counts.shape[1:], short, threads=threads)
    tokens = tuner.tokens([dataset.pool_texts[row] for row in labelled])
    rows = np.arange(len(labelled))
    start, start_processor = time.perf_counter(), time.process_time()
    weights = tuner.train(
        tokens, rows, counts / counts.sum(axis=1, keepdims=True), counts.sum(axis=1), seed=0
    )
    wall, processor = time.perf_counter() - start, time.process_time() - start_processor
    start_processor, some = time.process_time(), rows[:200]
    tuner.predict(tokens, some, weights)
    predicting = (time.process_time() - start_processor) / len(some)
    return {
        "texts": len(labelled),
        "threads": threads,
        "steps": whole,
        "seconds_per_step": round(wall / steps, 3),
        "processor_seconds_per_step": round(processor / steps, 3),
        "processor_seconds": round(whole * processor / steps, 1),
        "processor_milliseconds_per_predicted_text": round(1000 * predicting, 2),
        "most_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
