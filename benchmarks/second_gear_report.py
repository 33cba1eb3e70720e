"""Write the tables of ``docs/label-efficiency.md`` on the second gear from what ``second_gear.py`` found.

Run with ``python benchmarks/second_gear_report.py``: it reads ``results/second_gear_recipes.json`` (recipes,
from the first run) and ``results/second_gear.json`` (strategies played by the guide's protocol) beside it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "label-efficiency.md"
SETS = ("stanford-politeness", "hs-brexit", "cebab-stars", "sarcasm", "demo")
CHOSEN_ON = ("stanford-politeness", "cebab-stars")
HEAD = "head 0.5"
MIX = ("mix ensemble", "mix")  # the first run knew averaged weights, too


def main() -> None:
    """Write both tables."""
    text = PAGE.read_text(encoding="utf-8")
    recipes, plays = (
        json.loads((HERE / "results" / name).read_text(encoding="utf-8"))["found"]
        for name in ("second_gear_recipes.json", "second_gear.json")
    )
    for name, table in (
        ("recipes", recipe_table(recipes)),
        ("sizes", size_table(recipes)),
        ("gears", gear_table({**{k: v for k, v in recipes.items() if k.startswith("ceiling")}, **plays})),
        ("selection", selection_table(plays)),
        ("encoding", encoding_table(plays.get("encoding", {}))),
    ):
        start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n\n{table}\n\n{end}{rest.partition(end)[2]}"
    PAGE.write_text(text, encoding="utf-8")


def of_kind(found: dict[str, Any], kind: str) -> Iterator[tuple[list[str], Any]]:
    """Yield results of a kind that went well."""
    for key, value in found.items():
        if key.startswith(f"{kind}|") and "error" not in value:
            yield key.split("|"), value


def mix_of(scores: dict[str, Any]) -> list[float]:
    """Return the measures of the mix."""
    return next(scores[way] for way in MIX if way in scores)


def recipe_table(found: dict[str, Any]) -> str:
    """Tabulate error and macro-F1 error of the mix, over those of the head alone."""
    heads = {
        (data, seed, size): scores[HEAD]
        for (_, data, seed, name, _), sizes in of_kind(found, "recipe")
        if name == "base"
        for size, scores in sizes.items()
    }
    ratios: dict[str, list[list[float]]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for (_, data, seed, name, _), sizes in of_kind(found, "recipe"):
        for size, scores in sizes.items():
            if (head := heads.get((data, seed, size))) is not None:
                ratios[name].append([np.log((1.005 - mix_of(scores)[m]) / (1.005 - head[m])) for m in (0, 1)])
                seconds[name].append(scores["seconds"])
    cells = max(map(len, ratios.values()))
    rows = sorted(
        (*np.exp(np.mean(values, axis=0)), name, np.mean(seconds[name]))
        for name, values in ratios.items()
        if len(values) == cells
    )
    lines = [
        f"| {name} | {error:.2f} | {f1:.2f} | {cost / rows[0][3]:.1f} |" for error, f1, name, cost in rows
    ]
    return "\n".join(
        [
            "| recipe | error ÷ head's | error of F1 ÷ head's | seconds ÷ first row's |",
            "| --- | --- | --- | --- |",
            *lines,
        ]
    )


def size_table(found: dict[str, Any]) -> str:
    """Tabulate accuracy and macro-F1 by number of labelled texts."""
    lines = ["| data | texts | head, MiniLM | head, both views | mix |", "| --- | --- | --- | --- | --- |"]
    for (_, data, seed, name, _), sizes in of_kind(found, "recipe"):
        if name == "base" and seed == "0":
            for size, scores in sizes.items():
                cells = (scores["head 0.0"], scores[HEAD], mix_of(scores))
                shown = " | ".join(f"{cell[0]:.3f} ({cell[1]:.3f})" for cell in cells)
                lines.append(f"| {data} | {size} | {shown} |")
    return "\n".join(lines)


def gear_table(found: dict[str, Any]) -> str:
    """Tabulate strategies with and without the second gear, over the rounds and seeds that all have."""
    runs: dict[str, dict[tuple[str, str], dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for (_, data, seed, name, recipe), measures in of_kind(found, "play"):
        if measures.get("accuracy"):
            runs[data][name, "second" if recipe else "first"][seed] = measures
    ceilings = {data: value for (_, data, *_), value in of_kind(found, "ceiling")}
    lines = [
        "| data | strategy | gear | seeds | accuracy | macro-F1 | accuracy at the end | gap to the ceiling |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for data in SETS:
        for (name, gear), seeds in sorted(runs[data].items(), key=order):
            complete = [m for m in seeds.values() if len(m["accuracy"]) == 25]
            if not complete:
                continue
            accuracy = np.array([m["accuracy"] for m in complete])
            f1 = np.mean([m["macro_f1"] for m in complete])
            ceiling = ceilings.get(data, {}).get("mix" if gear == "second" else "head")
            same = seeds.get("0", {"accuracy": []})[
                "accuracy"
            ]  # the ceiling is that of the first seed's draw
            gap = "–"
            if ceiling is not None and len(same) == 25:
                gap = f"{np.maximum(0, ceiling[0] - np.array(same)).mean():.3f}"
            lines.append(
                f"| {data} | {name} | {gear} | {len(complete)} | {accuracy.mean():.4f} | {f1:.3f} "
                f"| {accuracy[:, -1].mean():.3f} | {gap} |"
            )
    return "\n".join(lines)


def selection_table(found: dict[str, Any]) -> str:
    """Tabulate strategies under the second gear, seed 0, over the rounds that all of a row have."""
    names = ("default", "margin", "activelab", "random")
    lines = [
        "| data | rounds | " + " | ".join(names) + " |",
        "| --- | --- | " + " | ".join("---" for _ in names) + " |",
    ]
    runs: dict[str, dict[str, Any]] = defaultdict(dict)
    for (_, data, seed, name, recipe), measures in of_kind(found, "play"):
        if recipe and seed == "0" and measures.get("accuracy"):
            runs[data][name] = measures
    for data in SETS:
        if not set(names) <= runs[data].keys():
            continue
        rounds = min(len(runs[data][name]["accuracy"]) for name in names)
        cells = [
            f"{np.mean(runs[data][name]['accuracy'][:rounds]):.4f} "
            f"({np.mean(runs[data][name]['macro_f1'][:rounds]):.3f})"
            for name in names
        ]
        lines.append(f"| {data} | {rounds} | {' | '.join(cells)} |")
    return "\n".join(lines)


def order(item: tuple[tuple[str, str], Any]) -> tuple[int, str, str]:
    """Sort ours first."""
    (name, gear), _ = item
    return name != "default", name, gear


def encoding_table(found: dict[str, float]) -> str:
    """Tabulate texts a second on the GPU."""
    lines = ["| encoder | texts a second |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {rate:,.0f} |" for name, rate in found.items())])


if __name__ == "__main__":
    main()
