"""Do the promises about machines hold on real answers: released labels, shares, replacing a person.

Run with ``python benchmarks/machine_trust.py --data ../shared/data/alttest [--replays 500] [--out FILE]``, on
the folders of `benchmarks/machines.py`. On each, a panel of all models is fitted once to 200 human labels,
one an item. Then, in every replay, an audit sample of other items is drawn at random, and

- labels of the panel are released under an error of 10 % and of 20 %: is the error of all labels from the
  threshold on, over the items, within what was allowed, and which share of the items is released? Beside it,
  releasing what the panel calls at least 90 or 80 % sure;
- the shares of the classes are estimated with and without the panel: is the share over the items in the
  interval, and how wide is it?

The truth is the only majority of people. The alternative annotator test is run once for each model, on all
labels. ``--page docs/machines.md`` writes the tables into the documentation.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from jurybox.arrays import Floats, Ints
from jurybox.trust.release import plan_release
from jurybox.trust.replacement import alternative_annotator_test
from jurybox.trust.shares import power_tuned_shares
from machines import Answers, draw, folders, panel_views, people_of, read, replace_between

HERE = Path(__file__).resolve().parent
OUT = HERE / "results" / "machine_trust.json"
LABELS, AUDIT = 200, 150
ERRORS = (0.1, 0.2)


def main() -> None:
    """Replay on all folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--replays", type=int, default=500)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, help="a page of the documentation to write the tables into")
    arguments = parser.parse_args()
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "replays": arguments.replays,
        "labels": LABELS,
        "audit": AUDIT,
        "sets": {},
    }
    for folder in folders(arguments.data):
        answers = read(folder)
        report["sets"][answers.name] = replay(answers, arguments.replays)
        print(answers.name, json.dumps(report["sets"][answers.name]), flush=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.page:
        write_tables(report, arguments.page)


def replay(answers: Answers, replays: int) -> dict[str, Any]:
    """Return how often the promises hold on a folder."""
    n_classes, truth = len(answers.classes), answers.truth
    given = draw(answers, LABELS, np.random.default_rng(0))
    people = people_of(answers, given)
    p = panel_views(people, answers.machines)[1]  # what the consensus states, as the figures were made
    rest = np.flatnonzero((truth >= 0) & ~people.labelled)
    p, truth = p[rest], truth[rest]
    size = min(AUDIT, len(rest) // 2)
    released: dict[float, list[tuple[float, float]]] = {error: [] for error in ERRORS}
    covered: list[tuple[bool, bool, float]] = []
    true_shares = np.bincount(truth, minlength=n_classes) / len(truth)
    for seed in range(replays):
        audit = np.random.default_rng(seed).choice(len(rest), size, replace=False)
        for error in ERRORS:
            released[error].append(outcome(p, truth, audit, error))
        others = np.setdiff1d(np.arange(len(rest)), audit)
        found = power_tuned_shares(np.eye(n_classes)[truth[audit]], p[audit], p[others])
        for one, share in zip(found, true_shares, strict=True):
            narrower = (one.share.high - one.share.low) / (one.plain.high - one.plain.low)
            covered.append((share in one.share, share in one.plain, narrower))
    everyone = people_of(answers, np.arange(len(answers.item)))
    return {
        "items": len(rest),
        "audit": size,
        "release": {
            f"{error:.0%}": {
                "held": float(np.mean([wrong <= error for _, wrong in runs])),
                "share_released": float(np.mean([out for out, _ in runs])),
                "error": float(np.mean([wrong for _, wrong in runs])),
                "fixed": fixed(p, truth, error),
            }
            for error, runs in released.items()
        },
        "shares": {
            "covered": float(np.mean([one[0] for one in covered])),
            "covered_plain": float(np.mean([one[1] for one in covered])),
            "width": float(np.mean([one[2] for one in covered])),
        },
        "replacement": {
            name: alternative_annotator_test(everyone, answers.machines[:, place]).verdict
            for place, name in enumerate(answers.sources)
        },
    }


def outcome(p: Floats, truth: Ints, audit: Ints, error: float) -> tuple[float, float]:
    """Return the share of the items that is released, and the error of their labels."""
    sure, wrong = p.max(axis=1), p.argmax(axis=1) != truth
    plan = plan_release(sure[audit], wrong[audit], sure, allowed=error)
    out = sure >= plan.threshold
    return float(out.mean()), float(wrong[out].mean()) if out.any() else 0.0


def fixed(p: Floats, truth: Ints, error: float) -> dict[str, float]:
    """Return the same of all items of which the panel calls itself sure enough."""
    out = p.max(axis=1) >= 1 - error
    wrong = p.argmax(axis=1) != truth
    return {"share_released": float(out.mean()), "error": float(wrong[out].mean()) if out.any() else 0.0}


def write_tables(report: dict[str, Any], page: Path) -> None:
    """Write the figures into the documentation, between their marks."""
    lines = [
        f"Measured by `benchmarks/machine_trust.py`, {report['replays']} replays a set, {report['date']}: "
        f"a panel fitted to {report['labels']} human labels, audit samples of up to {report['audit']} items.",
        "",
        "| set | error allowed | bound held | released | their error | fixed threshold | its error |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in report["sets"].items():
        for error, one in found["release"].items():
            rest = one["fixed"]
            lines.append(
                f"| {name} | {error} | {one['held']:.1%} | {one['share_released']:.0%} | {one['error']:.1%} "
                f"| {rest['share_released']:.0%} | {rest['error']:.1%} |"
            )
    lines += ["", "| set | shares covered | plain | width against plain |", "|---|---|---|---|"]
    for name, found in report["sets"].items():
        one = found["shares"]
        lines.append(f"| {name} | {one['covered']:.1%} | {one['covered_plain']:.1%} | {one['width']:.2f} |")
    lines += ["", "| set | models that pass the alternative annotator test |", "|---|---|"]
    for name, found in report["sets"].items():
        verdicts = found["replacement"]
        passed = [model for model, verdict in verdicts.items() if verdict.startswith("passed")]
        unknown = all(verdict.startswith("unknown") for verdict in verdicts.values())
        told = "unknown: fewer than three people with 30 items" if unknown else ", ".join(passed) or "none"
        lines.append(f"| {name} | {told} |")
    replace_between(page, "trust figures", lines)


if __name__ == "__main__":
    main()
