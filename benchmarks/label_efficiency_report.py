"""Tables and charts of ``benchmarks/label_efficiency.py``, which calls this."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import altair
import numpy as np

from jurybox.arrays import Floats
from jurybox.report import save_chart

alt: Any = altair  # its data classes carry no types

Runs: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Floats]]]
"""Case → strategy → measure → (seeds, rounds)."""

PROTOCOL = "stanford-politeness-protocol"
IMBALANCED = ("hs-brexit", "imbalance")
MAIN = ("default", "activelab", "random")
FIXED = tuple(f"activelab, strength 2^{octave}" for octave in (-1, 0, 1))
FREE = tuple(f"{rival}, strength by ALO alone" for rival in MAIN[1:])
COLOURS = {
    "default": "#0072b2",
    "activelab": "#d55e00",
    "random": "#6e6e6e",
    "ActiveLab, published (fine-tuned DistilBERT)": "#e69f00",
    "random, published (fine-tuned DistilBERT)": "#b8b8b8",
}


def write_report(runs: Runs, data: Path, results: Path, docs: Path) -> None:
    """Write the JSON file, the charts, and the tables into the document."""
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(summary(runs), indent=1) + "\n", encoding="utf-8")
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    if PROTOCOL in runs:
        save_chart(protocol_chart(runs[PROTOCOL], data), images / "label-efficiency-politeness.svg")
    save_chart(ratio_chart(runs), images / "label-efficiency-ratios.svg")
    page = docs / "label-efficiency.md"
    text = page.read_text(encoding="utf-8")
    for name, table in (
        ("protocol", protocol_table(runs, data)),
        ("main", comparison_table(runs, MAIN[1:])),
        ("free", comparison_table(runs, FREE)),
        ("imbalanced", imbalanced_table(runs)),
        ("labels", labels_table(runs)),
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


def ablation_table(runs: Runs) -> str:
    """Tabulate the default with one part swapped: error ÷ the default's, on the test and held-out texts."""
    known = {*MAIN, *FREE, *FIXED}
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


def protocol_chart(strategies: Mapping[str, Mapping[str, Floats]], data: Path) -> Any:
    """Draw accuracy over annotations, the published curves beside ours."""
    curves = {
        s: (strategies[s]["annotations"][0], strategies[s]["accuracy"]) for s in MAIN if s in strategies
    }
    curves |= published_curves(data)
    points = [
        {"strategy": name, "annotations": int(n), "mean": mean, "low": mean - sd, "high": min(1, mean + sd)}
        for name, (annotations, accuracy) in curves.items()
        for n, mean, sd in zip(
            annotations, accuracy.mean(axis=0).tolist(), accuracy.std(axis=0).tolist(), strict=True
        )
    ]
    names = list(curves)
    colour = alt.Color(
        "strategy:N",
        scale=alt.Scale(domain=names, range=[COLOURS[name] for name in names]),
        legend=alt.Legend(title=None, orient="bottom", columns=3, labelLimit=320, symbolOpacity=1),
    )
    x = alt.X("annotations:Q", title="annotations paid for", scale=alt.Scale(zero=False, nice=False))
    domain = alt.Scale(domain=[0.75, 1.0], clamp=True)
    base = alt.Chart(alt.Data(values=points)).encode(x=x, color=colour)
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", scale=domain), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(
        y=alt.Y("mean:Q", scale=domain, title="accuracy on the test set", axis=alt.Axis(format="%"))
    )
    title = "Stanford politeness, the guide's protocol: mean ± standard deviation over the seeds"
    return alt.layer(band, line).properties(width=640, height=360, title=title)


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


def ratio_chart(runs: Runs) -> Any:
    """Draw the ratio of errors to ActiveLab's and to random's, with intervals, per case."""
    points = []
    for case, strategies in _complete(runs):
        for other in MAIN[1:]:
            middle, low, high = ratio(*paired(strategies, "default", other, "accuracy"))
            points.append({"case": case, "against": other, "ratio": middle, "low": low, "high": high})
    order = [case for case, _ in _complete(runs)]
    scale = alt.Scale(type="log", nice=False)
    base = alt.Chart(alt.Data(values=points)).encode(
        y=alt.Y("case:N", sort=order, title=None, axis=alt.Axis(labelLimit=320)),
        yOffset="against:N",
        color=alt.Color(
            "against:N",
            scale=alt.Scale(domain=list(MAIN[1:]), range=[COLOURS[name] for name in MAIN[1:]]),
            legend=alt.Legend(title="error of default ÷ that of", orient="top"),
        ),
    )
    one = alt.Chart(alt.Data(values=[{"x": 1}])).mark_rule(strokeDash=[4, 4], color="#444")
    title = "below 1: default is better (95 % interval over the seeds)"
    return alt.layer(
        base.mark_rule().encode(x=alt.X("low:Q", scale=scale, title=title), x2="high:Q"),
        base.mark_point(filled=True, size=45).encode(x=alt.X("ratio:Q", scale=scale)),
        one.encode(x=alt.X("x:Q", scale=scale)),
    ).properties(width=520, height=26 * len(order))


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
