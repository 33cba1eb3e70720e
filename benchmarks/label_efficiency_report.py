"""Tables and charts of ``benchmarks/label_efficiency.py``, which calls this."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from jurybox.arrays import Floats
from jurybox.display import standalone
from jurybox.drawing import Mark, Series, Whisker, curves, spread_ticks, whiskers

Runs: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Floats]]]
"""Case → strategy → measure → (seeds, rounds)."""

PROTOCOL = "stanford-politeness-protocol"
IMBALANCED = ("hs-brexit", "imbalance")
MAIN = ("default", "activelab", "random")
CEILING = "all labels"
"""Not a strategy: one round of the default with every answer that there is, of held-out texts, too."""
LEAST_GAP = 0.01
"""Below this, ActiveLab has reached all that can be learnt, and a ratio to its gap says nothing."""
FIXED = tuple(f"activelab, strength 2^{octave}" for octave in (-1, 0, 1))
FREE = tuple(f"{rival}, strength by ALO alone" for rival in MAIN[1:])
COLOURS = {
    "default": "series-1",
    "activelab": "series-2",
    "random": "series-0",
    "ActiveLab, published (fine-tuned DistilBERT)": "series-5",
    "random, published (fine-tuned DistilBERT)": "series-8",
}


def write_report(runs: Runs, data: Path, results: Path, docs: Path) -> None:
    """Write the JSON file, the charts, and the tables into the document."""
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(summary(runs), indent=1) + "\n", encoding="utf-8")
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    if PROTOCOL in runs:
        chart = protocol_chart(runs[PROTOCOL], data)
        (images / "label-efficiency-politeness.svg").write_text(chart, encoding="utf-8")
    (images / "label-efficiency-ratios.svg").write_text(ratio_chart(runs), encoding="utf-8")
    page = docs / "label-efficiency.md"
    text = page.read_text(encoding="utf-8")
    for name, table in (
        ("protocol", protocol_table(runs, data)),
        ("main", comparison_table(runs, MAIN[1:])),
        ("free", comparison_table(runs, FREE)),
        ("imbalanced", imbalanced_table(runs)),
        ("labels", labels_table(runs)),
        ("gaps", gap_table(runs)),
        ("ablation", ablation_table(runs)),
    ):
        text = _between(text, name, table)
    page.write_text(text, encoding="utf-8")


def summary(runs: Runs) -> dict[str, Any]:
    """Return mean curves, the mean over the rounds of every seed, and where it was computed."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("numpy", "scipy", "scikit-learn")},
        },
        "machine": platform.machine(),
        "cases": {
            case: {
                strategy: {
                    "seeds": [int(seed) for seed in measures["seed"][:, 0]],
                    "annotations": measures["annotations"][0].astype(int).tolist(),
                    **{
                        name: {
                            "per_round": _rounded(values.mean(axis=0)),
                            "per_seed": _rounded(values.mean(axis=1)),
                        }
                        for name, values in measures.items()
                        if name not in ("annotations", "seed")
                    },
                }
                for strategy, measures in strategies.items()
            }
            for case, strategies in runs.items()
        },
    }


def paired(
    strategies: Mapping[str, Mapping[str, Floats]], one: str, other: str, measure: str
) -> tuple[Floats, Floats]:
    """Return the error 1 - measure, averaged over the rounds, of two strategies under their common seeds."""
    a, b = strategies[one], strategies[other]
    common = np.intersect1d(a["seed"][:, 0], b["seed"][:, 0])
    errors = [1 - s[measure][np.isin(s["seed"][:, 0], common)].mean(axis=1) for s in (a, b)]
    return errors[0], errors[1]


def ratio(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Return the ratio of mean errors, and its 95 % interval by a bootstrap of paired seeds."""
    draws = np.random.default_rng(0).integers(len(ours), size=(4000, len(ours)))
    ratios = ours[draws].mean(axis=1) / theirs[draws].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(ours.mean() / theirs.mean()), float(low), float(high)


def protocol_table(runs: Runs, data: Path) -> str:
    """Tabulate politeness by the guide's protocol."""
    rows = []
    for strategy in (*MAIN, *FREE, *FIXED):
        measures = runs.get(PROTOCOL, {}).get(strategy)
        if measures is None:
            continue
        accuracy = measures["accuracy"]
        rows.append(
            [
                strategy,
                _mean(accuracy.mean(axis=1)),
                *(f"{accuracy[:, at].mean():.3f}" for at in (0, 4, -1)),
                f"{_labels_until(accuracy.mean(axis=0), measures['annotations'][0], 0.95)}",
                f"{measures['consensus_accuracy'][:, -1].mean():.3f}",
            ]
        )
    for name, (labels, accuracy) in published_curves(data).items():
        cells = [name, _mean(accuracy.mean(axis=1))]
        cells += [f"{accuracy[:, at].mean():.3f}" for at in (0, 4, -1)]
        rows.append([*cells, _labels_until(accuracy.mean(axis=0), labels, 0.95), "–"])
    head = [
        "strategy",
        "mean of 25 rounds",
        "at 200",
        "at 300",
        "at 800",
        "labels to .95",
        "consensus at 800",
    ]
    return _table(head, rows)


def comparison_table(runs: Runs, rivals: Sequence[str]) -> str:
    """Tabulate accuracies, and our error ÷ that of each rival, with the geometric mean over the cases."""
    rows = []
    ratios: dict[tuple[str, str], list[float]] = {}
    for case, strategies in runs.items():
        if not {"default", *rivals} <= set(strategies):
            continue
        cells = [case, str(len(paired(strategies, "default", rivals[0], "accuracy")[0]))]
        cells += [f"{strategies[s]['accuracy'].mean():.4f}" for s in ("default", *rivals)]
        for measure, other in _columns(rivals):
            errors = paired(strategies, "default", other, measure)
            if np.isnan(errors[0]).any():
                cells.append("–")
            else:
                values = ratio(*errors)
                ratios.setdefault((measure, other), []).append(values[0])
                cells.append(_interval(values))
        rows.append(cells)
    means = (f"**{np.exp(np.log(ratios.get(c, [np.nan])).mean()):.2f}**" for c in _columns(rivals))
    rows.append(["**geometric mean**", *[""] * (2 + len(rivals)), *means])
    head = ["data, variant", "seeds", "default", *(rival.partition(",")[0] for rival in rivals)]
    head += ["test: ÷ activelab", "÷ random", "held out: ÷ activelab", "÷ random"]
    return _table(head, rows)


def _columns(rivals: Sequence[str]) -> list[tuple[str, str]]:
    return [(measure, other) for measure in ("accuracy", "held_out_accuracy") for other in rivals]


def imbalanced_table(runs: Runs) -> str:
    """Tabulate macro F1 where one class is rare."""
    rows = []
    for case, strategies in _complete(runs):
        if any(word in case for word in IMBALANCED):
            cells = [case, *(f"{strategies[s]['macro_f1'].mean():.3f}" for s in MAIN)]
            cells += [_interval(ratio(*paired(strategies, "default", s, "macro_f1"))) for s in MAIN[1:]]
            rows.append(cells)
    return _table(["data, variant", *MAIN, "error of F1 ÷ activelab", "÷ random"], rows)


def labels_table(runs: Runs) -> str:
    """Tabulate the accuracy of the consensus labels of the labelled texts, and of the model elsewhere."""
    rows = []
    for case, strategies in _complete(runs):
        cells = [case]
        for measure in ("consensus_accuracy", "held_out_accuracy"):
            values = [strategies[s][measure] for s in MAIN]
            cells += [f"{v.mean():.3f}" if not np.isnan(v).any() else "–" for v in values]
        rows.append(cells)
    head = ["data, variant", *(f"consensus: {s}" for s in MAIN), *(f"held out: {s}" for s in MAIN)]
    return _table(head, rows)


def gap_table(runs: Runs) -> str:
    """Tabulate how far below the accuracy with all labels the strategies are, in the mean of the rounds."""
    rows, ratios = [], []
    for case, strategies in _complete(runs):
        if CEILING not in strategies:
            continue
        ceiling = dict(
            zip(strategies[CEILING]["seed"][:, 0], strategies[CEILING]["accuracy"][:, 0], strict=True)
        )
        gaps = [_gaps(strategies[name], ceiling) for name in MAIN]
        cells = [case, str(len(gaps[0])), f"{np.mean([*ceiling.values()]):.3f}"]
        cells += [f"{gap.mean():.3f}" for gap in gaps]
        enough = gaps[1].mean() >= LEAST_GAP
        ratios += [gaps[0].mean() / gaps[1].mean()] if enough else []
        rows.append([*cells, _interval(ratio(gaps[0], gaps[1])) if enough else "–"])
    mean = f"**{np.exp(np.log(ratios).mean()):.2f}**" if ratios else "–"
    rows.append(["**geometric mean**", *[""] * 5, mean])
    return _table(["data, variant", "seeds", CEILING, *MAIN, "default ÷ activelab"], rows)


def _gaps(measures: Mapping[str, Floats], ceiling: Mapping[float, float]) -> Floats:
    """Return the mean over the rounds of max(0, accuracy with all labels - accuracy), per seed."""
    seeds = measures["seed"][:, 0]
    at = [row for row, seed in enumerate(seeds) if seed in ceiling]
    tops = np.array([ceiling[seeds[row]] for row in at])
    gaps: Floats = np.maximum(0, tops[:, None] - measures["accuracy"][at]).mean(axis=1)
    return gaps


def ablation_table(runs: Runs) -> str:
    """Tabulate the default with one part swapped: error ÷ the default's, on the test and held-out texts."""
    known = {*MAIN, *FREE, *FIXED, CEILING}
    cases = [(c, s) for c, s in runs.items() if set(s) - known and "default" in s]
    names = list(dict.fromkeys(name for _, s in cases for name in s if name not in known))
    rows = []
    for name in names:
        cells = [name]
        for _, strategies in cases:
            for measure in ("accuracy", "held_out_accuracy"):
                if name in strategies:
                    cells.append(_interval(ratio(*paired(strategies, name, "default", measure))))
                else:
                    cells.append("–")
        rows.append(cells)
    head = ["swapped", *(f"{case}, {where}" for case, _ in cases for where in ("test", "held out"))]
    return _table(head, rows)


def protocol_chart(strategies: Mapping[str, Mapping[str, Floats]], data: Path) -> str:
    """Draw accuracy over annotations, the published curves beside ours."""
    found = {s: (strategies[s]["annotations"][0], strategies[s]["accuracy"]) for s in MAIN if s in strategies}
    found |= published_curves(data)
    series = [
        Series(
            [
                Mark(float(n), max(mean, 0.75), max(mean - sd, 0.75), min(mean + sd, 1.0))
                for n, mean, sd in zip(
                    labels, accuracy.mean(axis=0).tolist(), accuracy.std(axis=0).tolist(), strict=True
                )
            ],
            COLOURS[name],
            name.replace(" (fine-tuned DistilBERT)", ""),
        )
        for name, (labels, accuracy) in found.items()
    ]
    drawn = curves(
        series,
        alternative="accuracy on the test set over annotations paid for",
        ticks=[(share / 100, f"{share} %") for share in range(75, 101, 5)],
        below=[(x, f"{x:,.0f}") for x in spread_ticks([point.x for point in series[0].points])],
        height=380,
    )
    note = "accuracy on the test set over annotations paid for; mean ± standard deviation over the seeds"
    return standalone(drawn, 380, title="Stanford politeness, the guide's protocol", note=note, width=760)


def published_curves(data: Path) -> dict[str, tuple[Floats, Floats]]:
    """Return name → (annotations, accuracy (runs, rounds)) of the guide's own runs."""
    published = json.loads((data / "stanford-politeness" / "published_curves.json").read_text("utf-8"))
    start, step = published["initial_annotations"], published["annotations_per_round"]
    curves = {}
    for name, key in (("ActiveLab", "activelab"), ("random", "random")):
        accuracy = np.array(published[key])
        label = f"{name}, published (fine-tuned DistilBERT)"
        curves[label] = (start + step * np.arange(accuracy.shape[1], dtype=np.float64), accuracy)
    return curves


def ratio_chart(runs: Runs) -> str:
    """Draw the ratio of errors to ActiveLab's and to random's, with intervals, per case, on a log axis."""
    rows = []
    for case, strategies in _complete(runs):
        for other in MAIN[1:]:
            found = ratio(*paired(strategies, "default", other, "accuracy"))
            middle, low, high = np.log(found).tolist()
            # names that say both would be cut off
            name = case.removeprefix("stanford-") if other == MAIN[1] else f"÷ {other}"
            rows.append(Whisker(name, middle, low, high, _interval(found), COLOURS[other]))
    ticks = [(float(np.log(value)), f"{value:g}") for value in (0.2, 0.35, 0.6, 1, 1.7)]
    drawn = whiskers(rows, alternative="error of default ÷ that of activelab and of random", ticks=ticks)
    note = f"below 1: default is better (95 % interval over the seeds); beside each name: ÷ {MAIN[1]}"
    title = "Error of default ÷ that of activelab and of random"
    return standalone(drawn, 46 * len(rows) + 26, title=title, note=note)


def _complete(runs: Runs) -> Iterator[tuple[str, Mapping[str, Mapping[str, Floats]]]]:
    yield from ((case, strategies) for case, strategies in runs.items() if set(MAIN) <= set(strategies))


def _labels_until(accuracy: Floats, annotations: Floats, goal: float) -> str:
    """Say after how many labels the mean curve stays at or above a goal."""
    below = np.flatnonzero(accuracy < goal)
    first = 0 if not len(below) else int(below[-1]) + 1
    return str(int(annotations[first])) if first < len(accuracy) else "not reached"


def _mean(values: Floats) -> str:
    """Return a mean over seeds with the half-width of its 95 % interval."""
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.4f} ± {half:.4f}"


def _interval(values: tuple[float, float, float]) -> str:
    return "{:.2f} ({:.2f}–{:.2f})".format(*values)


def _rounded(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 5) for value in values]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _between(text: str, name: str, content: str) -> str:
    """Replace what stands between a pair of markers."""
    start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n\n{content}\n\n{end}{after}"
