"""What text types do to the loop: `default` beside itself with the EM that was its consensus before.

Both arms have the same features (TF-IDF), head, calibration, first labels and held-out texts. One takes
targets, consensus and score from text types, the other from ``frozen_em``. Batches of 75 give as many labels
in all as ``label_efficiency.py`` has. Stored of each seed are means over the rounds: accuracy and macro-F1
on test texts, accuracy of the consensus of the arm's own labelled texts, and accuracy on held-out texts.

    python benchmarks/loop_consensus.py demo ../shared/data/stanford-politeness ../shared/data/hs-brexit
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frozen_em import frozen_em
from jurybox import Annotations, Consensus, Settings, datasets, simulate, strategies
from jurybox.consensus.result import describe_annotators, summarise
from real_crowds import machine

OUT = Path(__file__).resolve().parent / "results" / "loop_consensus.json"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "label-efficiency.md"
START, END = "<!-- loop consensus: start -->", "<!-- loop consensus: end -->"
ROUNDS, BATCH, FIRST_SEED = 9, 75, 300
Floats = NDArray[np.float64]


def main() -> None:
    """Measure, print, store, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", help="data sets: names or folders")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    default = strategies.STRATEGIES["default"]
    strategies.STRATEGIES["em"] = replace(
        default, name="em", targets=em_targets, consensus=em_consensus, score=default.score
    )
    report: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {"sets": {}}
    for name in arguments.data:
        curves = simulate(
            datasets.load(name),
            ["default", "em"],
            rounds=ROUNDS,
            batch=BATCH,
            seeds=range(FIRST_SEED, FIRST_SEED + arguments.seeds),
            encoder="tfidf",
            settings=Settings(),
            hold_out=0.2,
        )
        report["machine"] = machine()
        report["sets"][curves.dataset] = {
            arm: {
                measure: curves.curve(arm, measure).mean(axis=1).tolist()
                for measure in ("accuracy", "macro_f1", "consensus_accuracy", "held_out_accuracy")
            }
            for arm in ("default", "em")
        }
        print(curves.dataset, report["sets"][curves.dataset], flush=True)
        OUT.write_text(json.dumps(report, indent=1) + "\n")
    text = DOCS.read_text(encoding="utf-8")
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    DOCS.write_text("\n".join([before, "", *table(report), "", after]), encoding="utf-8")


def table(report: dict[str, Any]) -> list[str]:
    """Return one row a set: means of text types and of the EM, and the standard error of their difference."""
    lines = [
        "| data | seeds | accuracy, EM → types | macro-F1 | consensus | held-out texts |",
        "|---|---|---|---|---|---|",
    ]
    for name, arms in sorted(report["sets"].items()):
        cells = []
        for measure in arms["em"]:
            old, new = (np.array(arms[arm][measure]) for arm in ("em", "default"))
            off = (new - old).std(ddof=1) / np.sqrt(len(new))
            cells.append(f"{old.mean():.3f} → {new.mean():.3f} (± {off:.3f})")
        lines.append(f"| {name} | {len(arms['em']['accuracy'])} | {' | '.join(cells)} |")
    return lines


def em_targets(annotations: Annotations, p: Floats | None, experts: Any, rng: np.random.Generator) -> Floats:
    """Train on the EM's posterior, in which the last model has half its say."""
    if p is None:
        return strategies.label_shares(annotations, p, experts, rng)
    half = np.sqrt(p)
    return frozen_em(annotations, half / half.sum(axis=1, keepdims=True))[0]


def em_consensus(annotations: Annotations, p: Floats | None, _e: Any, _rng: np.random.Generator) -> Consensus:
    """Take the EM's posterior."""
    q, confusion = frozen_em(annotations, p)
    labels, quality = q.argmax(axis=1), q.max(axis=1)
    skill = np.diagonal(confusion, axis1=1, axis2=2).mean(axis=1)
    return Consensus(
        method="em",
        labels=labels,
        posterior=q,
        quality=quality,
        agreement=summarise(annotations, labels),
        n_annotations=annotations.n_labels,
        annotators=describe_annotators(annotations, labels, quality, skill),
    )


if __name__ == "__main__":
    main()
