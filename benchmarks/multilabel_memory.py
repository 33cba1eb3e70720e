"""What a round of a question with several classes takes in memory, beside a single class of as many.

Run with ``python benchmarks/multilabel_memory.py [--texts 1000000] [--classes 20] [--out FILE.json]``. Both
rounds have the same features and as many answers. For each, the most memory that Python and NumPy held at
once beyond features and answers is measured (`tracemalloc`), and the CPU seconds. With ``--unsure`` the round
also says what of each text is worth asking for.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jurybox import Annotations, AnswerSheet, Question, Settings, play_questions, play_round

OUT = Path(__file__).resolve().parent / "results" / "multilabel_memory.json"
LABELLED, PEOPLE, FEATURES = 2_000, 20, 64


def main() -> None:
    """Measure both, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--unsure", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    features = rng.standard_normal((given.texts, FEATURES), dtype=np.float32)
    text = np.repeat(np.arange(LABELLED), 2)
    people = np.tile(np.arange(2), LABELLED) + 2 * rng.integers(0, PEOPLE // 2, LABELLED).repeat(2)
    weights = rng.standard_normal((FEATURES, given.classes))
    logits = features[text] @ weights + 2 * rng.standard_normal((len(text), given.classes))
    names = tuple(f"c{k}" for k in range(given.classes))
    one = Annotations.from_indices(
        text,
        people,
        logits.argmax(axis=1),
        texts=np.array([f"t{i}" for i in range(given.texts)], dtype=object),
        annotators=[f"a{j}" for j in range(PEOPLE)],
        classes=names,
    )
    of_class = replace(one, classes=("no", "yes"))
    question = Question("topics", "several", names)
    facets = {
        facet: of_class.with_triplets(text, people, (logits[:, k] > 8).astype(int))
        for k, facet in enumerate(question.facets)
    }
    sheet = AnswerSheet((question,), facets)

    def single() -> Any:
        return play_round(replace(one), features, Settings(), 0)  # whose counts go with the copy

    def several() -> Any:
        return play_questions(sheet, features, Settings(), 0, reading=5.0 if given.unsure else None)

    found = {name: measured(play) for name, play in (("single", single), ("several", several))}
    report = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "texts": given.texts,
        "classes": given.classes,
        "unsure": given.unsure,
        **found,
        "ratio": found["several"]["peak_mb"] / found["single"]["peak_mb"],
    }
    given.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


def measured(play: Callable[[], Any]) -> dict[str, float]:
    """Return the most megabytes that a round held at once, those that it keeps, and its seconds."""
    tracemalloc.start()
    start = time.process_time()
    round_ = play()
    seconds = time.process_time() - start
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del round_
    return {"peak_mb": peak / 1e6, "kept_mb": kept / 1e6, "cpu_seconds": seconds}


if __name__ == "__main__":
    main()
