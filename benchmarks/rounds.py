"""Seconds of one round, features made: on a pool of 1,500 texts, and on 100,000 texts × 384 features.

Run with ``python benchmarks/rounds.py [--repeats R] [--out FILE]``; the pools are generated, seed 0. A round
is what the learner does after each batch: train, combine, rank. Wall-clock and processor time are given: the
first depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jurybox as jb
from jurybox.arrays import Floats
from jurybox.encoders.base import fit_feature_map

OUT = Path(__file__).parent / "results" / "rounds.json"


@dataclass(frozen=True)
class Case:
    """A pool, and the labels it has so far."""

    texts: int
    features: int
    classes: int
    labelled: int
    labels_per_text: int
    annotators: int


CASES = (
    Case(texts=1_500, features=2_688, classes=2, labelled=400, labels_per_text=2, annotators=200),
    Case(texts=1_500, features=2_688, classes=6, labelled=400, labels_per_text=2, annotators=200),
    Case(texts=100_000, features=384, classes=2, labelled=1_000, labels_per_text=2, annotators=50),
    Case(texts=100_000, features=384, classes=6, labelled=1_000, labels_per_text=2, annotators=50),
)


def main() -> None:
    """Measure every case and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    report = {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()},
        "cases": [measure(case, arguments.repeats) for case in CASES],
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """Play rounds, each after the one before; the first is a cold start."""
    annotations, features = generate(case, np.random.default_rng(0))
    start = time.perf_counter()
    mapped = fit_feature_map(features)(features)
    mapping = time.perf_counter() - start
    rng, settings = np.random.default_rng(1), jb.Settings()
    wall, processor, previous = [], [], None
    for _ in range(repeats + 1):
        start, start_processor = time.perf_counter(), time.process_time()
        previous = jb.play_round(annotations, mapped, settings, rng, previous=previous)
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    return {
        "case": vars(case),
        "features_seconds": mapping,
        "first_round_seconds": wall[0],
        "round_seconds_median": statistics.median(wall[1:]),
        "round_processor_seconds_median": statistics.median(processor[1:]),
    }


def generate(case: Case, rng: np.random.Generator) -> tuple[jb.Annotations, Floats]:
    """Make texts as points around class centres, and annotators who are right four times in five."""
    truth = rng.integers(case.classes, size=case.texts)
    centres = rng.normal(size=(case.classes, case.features)) * 0.2
    features = centres[truth] + rng.normal(size=(case.texts, case.features))
    text = np.repeat(rng.permutation(case.texts)[: case.labelled], case.labels_per_text)
    first = rng.integers(case.annotators, size=case.labelled)
    annotator = (first[:, None] + np.arange(case.labels_per_text)).ravel() % case.annotators
    wrong = rng.random(len(text)) > 0.8
    label = np.where(wrong, rng.integers(case.classes, size=len(text)), truth[text])
    annotations = jb.Annotations.from_indices(
        text, annotator, label, texts=case.texts, annotators=case.annotators, classes=case.classes
    )
    return annotations, features


if __name__ == "__main__":
    main()
