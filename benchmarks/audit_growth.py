"""How often the audit's interval holds the truth before and after the sample has grown.

A run is a pool of texts in two classes, annotators who err, and a strategy that chooses what is labelled. The
audit sample is drawn at random, then grown by texts drawn from all others, most of which have been chosen and
trained on by then. Judged are the model before, the model that was refitted without the drawn texts, and, for
comparison, what is to be avoided: the model before, judged by the drawn texts that it has learnt from, by its
predictions for texts that it was trained on. The truth is the share of right predictions among fresh texts,
which no round sees: the classifier is asked about them afterwards. What is in the file already is not played
again, so that a stopped benchmark goes on where it was.

    python benchmarks/audit_growth.py --runs 500
    python benchmarks/audit_growth.py --table  # write the table of docs/trust.md from the last results
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.classifiers.calibrated import CalibratedFitted
from jurybox.loop import Round, Settings, play_round
from jurybox.trust.estimates import estimate_from_audit
from jurybox.trust.intervals import wilson

POOL, FRESH, DIMENSIONS = 240, 2000, 40
FIRST, GROWN, LABELS = 20, 80, 3
ROUNDS, BATCH = 4, 45
OUT = Path(__file__).parent / "results" / "audit_growth.json"
DOCS = Path(__file__).parents[1] / "docs" / "trust.md"
BEGIN, END = "<!-- audit growth -->\n", "<!-- end of audit growth -->\n"


@dataclass(frozen=True)
class Judged:
    """An estimate with its interval, and the truth."""

    estimate: float
    low: float
    high: float
    truth: float

    @property
    def holds(self) -> bool:
        """Whether the truth is inside."""
        return self.low <= self.truth <= self.high


@dataclass(frozen=True)
class World:
    """Texts as points, their classes, and who labels them."""

    x: NDArray[np.float32]
    right: Ints
    skill: Floats

    def label(self, text: int, annotator: int, rng: np.random.Generator) -> int:
        """Draw what an annotator says of a text."""
        return int(self.right[text] ^ (rng.random() > self.skill[annotator]))


def make_world(rng: np.random.Generator) -> World:
    """Draw two clouds that overlap, so that a good model is right on eight or nine texts of ten."""
    N = POOL + FRESH
    right = rng.integers(2, size=N)
    apart = rng.uniform(0.8, 1.4)
    x = rng.normal(size=(N, DIMENSIONS)).astype(np.float32)
    x[:, 0] += apart * (2 * right - 1)
    return World(x, right, rng.uniform(0.75, 0.95, size=5))


def collect(
    world: World, rows: list[tuple[int, int, int]], texts: Ints, wanted: int, rng: np.random.Generator
) -> None:
    """Let people label texts until each has so many labels."""
    for text in texts.tolist():
        had = {annotator for known, annotator, _ in rows if known == text}
        free = [m for m in range(len(world.skill)) if m not in had]
        rng.shuffle(free)
        rows += [(text, m, world.label(text, m, rng)) for m in free[: max(wanted - len(had), 0)]]


def run(seed: int) -> dict[str, Judged]:
    """Play one project; return what is judged by name."""
    rng = np.random.default_rng(seed)
    world = make_world(rng)
    rows: list[tuple[int, int, int]] = []
    audit = np.sort(rng.choice(POOL, size=FIRST, replace=False))
    collect(world, rows, audit, LABELS, rng)
    previous, order = None, rng.permutation(np.setdiff1d(np.arange(POOL), audit))
    for _ in range(ROUNDS):
        for text in order[:BATCH].tolist():
            collect(world, rows, np.array([text]), sum(known == text for known, _, _ in rows) + 1, rng)
        previous = play(world, rows, audit, rng, previous)
        order = previous.ranking.texts
    if previous is None or not isinstance(previous.classifier, CalibratedFitted):
        raise TypeError("expected a round of the default classifier")
    before = previous.classifier.predict_proba(world.x[POOL:])
    found = {"before": judge(world, rows, audit, previous.pred_probs, before, rng)}

    more = rng.choice(np.setdiff1d(np.arange(POOL), audit), size=GROWN - FIRST, replace=False)
    grown = np.sort(np.concatenate([audit, more]))
    collect(world, rows, grown, LABELS, rng)
    refitted = play(world, rows, grown, rng, None)
    if refitted.classifier is None:
        raise TypeError("expected a round of the default classifier")
    after = refitted.classifier.predict_proba(world.x[POOL:])
    found["after growing"] = judge(world, rows, grown, refitted.pred_probs, after, rng)
    kept = previous.classifier.predict_proba(world.x[:POOL])  # what it says of texts that it was trained on
    found["drawn texts left in training"] = judge(world, rows, grown, kept, before, rng)
    return found


def play(
    world: World,
    rows: list[tuple[int, int, int]],
    audit: Ints,
    rng: np.random.Generator,
    previous: Round | None,
) -> Round:
    """Play a round over the pool that learns from no audit text."""
    out = np.zeros(POOL, dtype=bool)
    out[audit] = True
    return play_round(
        annotations_of(world, rows), world.x[:POOL], Settings(batch=BATCH), rng,
        previous=previous, trainable=~out, eligible=~out,
    )  # fmt: skip


def annotations_of(world: World, rows: list[tuple[int, int, int]]) -> Annotations:
    """Return all labels, over the pool."""
    text, annotator, label = np.array(rows).T
    return Annotations.from_indices(
        text, annotator, label,
        texts=np.arange(POOL), annotators=np.arange(len(world.skill)), classes=["no", "yes"],
    )  # fmt: skip


def judge(
    world: World,
    rows: list[tuple[int, int, int]],
    audit: Ints,
    p: Floats,
    fresh: Floats,
    rng: np.random.Generator,
) -> Judged:
    """Estimate a model's accuracy from the audit sample, beside the share of fresh texts it has right.

    Parameters
    ----------
    p, fresh
        Probabilities of the pool's texts and of the fresh ones, shapes (POOL, 2) and (FRESH, 2).
    """
    predicted = p.argmax(axis=1)
    found = estimate_from_audit(annotations_of(world, rows), audit, predicted[audit], p, rng=rng).accuracy
    truth = float((fresh.argmax(axis=1) == world.right[POOL:]).mean())
    return Judged(found.estimate, found.low, found.high, truth)


def main() -> None:
    """Run, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        write_table(json.loads(given.out.read_text()))
        return
    played: dict[str, Any] = json.loads(given.out.read_text()).get("played", {}) if given.out.exists() else {}
    for seed in range(given.runs):
        if str(seed) in played:
            continue
        start = time.process_time()
        played[str(seed)] = {name: asdict(one) for name, one in run(seed).items()}
        played[str(seed)]["seconds"] = round(time.process_time() - start, 1)
        given.out.write_text(json.dumps(summary(played), indent=1) + "\n")
        print(seed, played[str(seed)]["seconds"], flush=True)
    for name, one in summary(played)["judged"].items():
        print(name, one)


def write_table(found: dict[str, Any]) -> None:
    """Write the results between the marks of the documentation."""
    lines = [
        f"{found['runs']} simulated projects of `benchmarks/audit_growth.py` ({POOL} texts, {FIRST} audit "
        f"texts that grow to {GROWN}); the truth is the accuracy on fresh texts:",
        "",
        "| judged | accuracy | 95 % interval holds it | estimate minus truth | half the width |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {one['accuracy']:.3f} | {one['coverage']:.1%} ({one['coverage_low']:.1%} to "
            f"{one['coverage_high']:.1%}) | {one['bias']:+.3f} | {one['half_width']:.3f} |"
            for name, one in found["judged"].items()
        ),
        "",
    ]
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(before + BEGIN + "\n".join(lines) + END + after, encoding="utf-8")


def summary(played: dict[str, Any]) -> dict[str, Any]:
    """Summarise what was judged, by name, and keep the runs that it rests on."""
    judged = {}
    for name in ("before", "after growing", "drawn texts left in training"):
        found = [Judged(**one[name]) for one in played.values()]
        holds = wilson(sum(one.holds for one in found), len(found))
        judged[name] = {
            "coverage": round(holds.estimate, 3),
            "coverage_low": round(holds.low, 3),
            "coverage_high": round(holds.high, 3),
            "bias": round(float(np.mean([one.estimate - one.truth for one in found])), 4),
            "half_width": round(float(np.mean([(one.high - one.low) / 2 for one in found])), 3),
            "accuracy": round(float(np.mean([one.truth for one in found])), 3),
        }
    plan = {"pool": POOL, "audit": [FIRST, GROWN], "labels": LABELS, "rounds": ROUNDS, "batch": BATCH}
    machine = platform.platform()
    seconds = round(sum(one["seconds"] for one in played.values()))
    return {
        "runs": len(played), "plan": plan, "processor_seconds": seconds, "machine": machine,
        "judged": judged, "played": played,
    }  # fmt: skip


if __name__ == "__main__":
    main()
