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
    recipes, played = (
        json.loads((HERE / "results" / name).read_text(encoding="utf-8"))
        for name in ("second_gear_recipes.json", "second_gear.json")
    )
    recipes = recipes["found"]
    plays = {key: played["found"][key] for key in played["whole"]}
    for name, table in (
        ("recipes", recipe_table(recipes)),
        ("sizes", size_table(recipes)),
        ("gears", gear_table({**{k: v for k, v in recipes.items() if k.startswith("ceiling")}, **plays})),
        ("last round", last_round(plays)),
        ("selection", selection_table(plays)),
        ("encoding", encoding_table(played["found"]["encoding"])),
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
            accuracy = np.array([m["accuracy"] for m in seeds.values()])
            f1 = np.mean([m["macro_f1"] for m in seeds.values()])
            ceiling = ceilings.get(data, {}).get("mix" if gear == "second" else "head")
            gap = "–"
            if ceiling is not None and "0" in seeds:  # the ceiling is that of the first seed's draw
                same = seeds["0"]["accuracy"]
                gap = f"{np.maximum(0, ceiling[0] - np.array(same)).mean():.3f}"
            lines.append(
                f"| {data} | {name} | {gear} | {len(seeds)} | {accuracy.mean():.4f} | {f1:.3f} "
                f"| {accuracy[:, -1].mean():.3f} | {gap} |"
            )
    return "\n".join(lines)


def last_round(found: dict[str, Any]) -> str:
    """Say by how much the second gear changes the errors of ``default`` in the last round."""
    ends: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for (_, data, _, name, recipe), measures in of_kind(found, "play"):
        if name == "default":
            ends[data, bool(recipe)].append(1 - measures["accuracy"][-1])
    ratios = [np.mean(ends[data, True]) / np.mean(ends[data, False]) for data in SETS]
    shown = ", ".join(f"{data} {ratio:.2f}" for data, ratio in zip(SETS, ratios, strict=True))
    mean = np.exp(np.mean(np.log(ratios)))
    return f"Test errors with 800 labels, second gear ÷ first: {shown}; geometric mean {mean:.2f}."


def selection_table(found: dict[str, Any]) -> str:
    """Tabulate, under the second gear, errors of strategies over those of ``default``, by accuracy and by F1.

    Geometric means over the seeds that a strategy has a whole run of; in brackets the least and the most.
    """
    names = ("margin", "entropy", "badge", "random", "activelab")
    lines = ["| data | " + " | ".join(names) + " |", "| --- | " + " | ".join("---" for _ in names) + " |"]
    errors = {
        (data, seed, name): np.array([1 - np.mean(m["accuracy"]), 1 - np.mean(m["macro_f1"])])
        for (_, data, seed, name, recipe), m in of_kind(found, "play")
        if recipe
    }
    means: dict[str, list[Any]] = defaultdict(list)
    for data in SETS:
        cells = []
        for name in names:
            logs = np.log(
                [
                    errors[data, seed, name] / errors[data, seed, "default"]
                    for seed in "012"
                    if (data, seed, name) in errors
                ]
            )
            means[name].append(logs.mean(axis=0))
            low, high = np.exp(logs[:, 0].min()), np.exp(logs[:, 0].max())
            accuracy, f1 = np.exp(logs.mean(axis=0))
            cells.append(f"{accuracy:.2f} ({low:.2f} to {high:.2f}); {f1:.2f}")
        lines.append(f"| {data} | {' | '.join(cells)} |")
    overall = (np.exp(np.mean(means[name], axis=0)) for name in names)
    lines.append("| all | " + " | ".join(f"{accuracy:.2f}; {f1:.2f}" for accuracy, f1 in overall) + " |")
    return "\n".join(lines)


def order(item: tuple[tuple[str, str], Any]) -> tuple[int, str, str]:
    """Sort ours first."""
    (name, gear), _ = item
    return name != "default", name, gear


def encoding_table(found: dict[str, float]) -> str:
    """Tabulate texts a second on the GPU."""
    lines = ["| encoder | texts a second |", "| --- | --- |"]
    best = max(rate for name, rate in found.items() if name.startswith("theirs"))
    said = f"Ours, projected as a project does, is {found['ours, projected'] / best:.1f} × their best."
    return "\n".join([*lines, *(f"| {name} | {rate:,.0f} |" for name, rate in found.items()), "", said])


if __name__ == "__main__":
    main()
