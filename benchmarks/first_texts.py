"""Which texts to ask for first, while nobody has labelled any: at random, by k-means, or TypiClust.

Run with ``python benchmarks/first_texts.py --data FOLDER [--seeds 10] [--features FOLDER]``. Each way chooses
25 and 100 texts of the pool by their features alone (MiniLM and TF-IDF); each gets the label of one of
its annotators, drawn at random, and a model learns from these: its accuracy and macro-F1 on the test set are
the *start*. From there ten rounds of 25 labels are played by ``default``: their mean is the *course*.
Politeness and cebab-stars are there to choose a way on, the others to judge it. What is in the file already
is not played again.

References
----------
Hacohen, G., Dekel, A. and Weinshall, D. (2022). Active learning on a budget: opposite strategies suit high
and low budgets. *ICML*, 8175-8195 (TypiClust).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from sklearn.cluster import KMeans

from jurybox.arrays import Floats, Ints
from jurybox.datasets import Dataset
from jurybox.encoders.transformer import minilm_folder
from jurybox.loop import Settings
from jurybox.simulation import simulate_run
from second_gear import CHOOSE, JUDGE, Options, encode, inputs_of, load

HERE = Path(__file__).resolve().parent
OUT, DOCS = HERE / "results" / "first_texts.json", HERE.parent / "docs" / "label-efficiency.md"
START, END = "<!-- first texts -->", "<!-- end first texts -->"
SIZES = (25, 100)
NEIGHBOURS = 20
Way: TypeAlias = Callable[[Floats, int, np.random.Generator], Ints]


def main() -> None:
    """Play what is not in the file yet, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="folder of data sets; without it the table is written alone")
    parser.add_argument(
        "--sets", nargs="+", default=(*CHOOSE, *(name for name in JUDGE if name not in CHOOSE))
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--features", help="a folder where features are kept from one run to the next")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    runs: dict[str, Any] = json.loads(arguments.out.read_text())["runs"] if arguments.out.exists() else {}
    if arguments.data:
        with tempfile.TemporaryDirectory(prefix="first-texts-") as temporary:
            features = arguments.features or temporary
            options = Options(arguments.data, str(minilm_folder()), features, tiny=False, weight=0.5)
            made = {path.stem for path in Path(features).glob("*.npz")}
            encode([name for name in arguments.sets if name not in made | {"demo"}], options)
            for seed in range(arguments.seeds):
                for name in arguments.sets:
                    for way, size in ((way, size) for way in WAYS for size in SIZES):
                        key = f"{name}|{size}|{way}|{seed}"
                        if key not in runs:
                            runs[key] = play(options, name, way, size, seed, arguments.rounds)
                            arguments.out.write_text(json.dumps({"rounds": arguments.rounds, "runs": runs}))
                print(f"seed {seed} done", flush=True)
    page = DOCS.read_text("utf-8")
    before, _, rest = page.partition(START)
    DOCS.write_text(f"{before}{START}\n\n{table(runs)}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def play(options: Options, name: str, way: str, size: int, seed: int, rounds: int) -> dict[str, float]:
    """Return accuracy and macro-F1, at the start and in the mean of the rounds after it."""
    dataset, inputs = load(options, name, seed), inputs_of(options, name, seed)
    rng = np.random.default_rng([seed, size])
    answered = np.flatnonzero(dataset.answers.labelled)
    first = answered[WAYS[way](np.asarray(inputs.pool)[answered].astype(float), size, rng)]
    started = begun(dataset, first, rng)
    run = simulate_run(started, inputs, Settings(batch=25), rounds=rounds + 1, seed=seed)
    found = {measure: run.curve(measure) for measure in ("accuracy", "macro_f1")}
    start = {measure: float(curve[0]) for measure, curve in found.items()}
    return start | {f"{measure} course": float(curve[1:].mean()) for measure, curve in found.items()}


def begun(dataset: Dataset, first: Ints, rng: np.random.Generator) -> Dataset:
    """Return the data set with one label, drawn at random, of each of the first texts and no other."""
    a = dataset.answers
    order = rng.permutation(np.flatnonzero(np.isin(a.text, first)))
    one = order[np.unique(a.text[order], return_index=True)[1]]
    return replace(dataset, initial=a.with_triplets(a.text[one], a.annotator[one], a.label[one]))


def at_random(x: Floats, size: int, rng: np.random.Generator) -> Ints:
    """Return places of texts drawn at random."""
    return rng.choice(len(x), size=size, replace=False)


def by_k_means(x: Floats, size: int, rng: np.random.Generator) -> Ints:
    """Return the text nearest to each of as many centres."""
    means = clustered(x, size, rng)
    return np.unique([int(((x - centre) ** 2).sum(axis=1).argmin()) for centre in means.cluster_centers_])


def by_typicality(x: Floats, size: int, rng: np.random.Generator) -> Ints:
    """Return the most typical text of each of as many clusters: the least mean distance to its neighbours."""
    labels = clustered(x, size, rng).labels_
    return np.array([most_typical(x, np.flatnonzero(labels == k)) for k in np.unique(labels)])


def most_typical(x: Floats, members: Ints) -> int:
    """Return the member that is nearest, in the mean, to its nearest other members."""
    if len(members) == 1:
        return int(members[0])
    part = x[members]
    squared = (part**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squared[:, None] + squared - 2 * part @ part.T, 0))
    near = np.sort(distance, axis=1)[:, 1 : min(NEIGHBOURS, len(members) - 1) + 1]
    return int(members[near.mean(axis=1).argmin()])


def clustered(x: Floats, size: int, rng: np.random.Generator) -> KMeans:
    """Fit k-means."""
    return KMeans(size, n_init=1, random_state=int(rng.integers(2**31))).fit(x)


WAYS: dict[str, Way] = {"random": at_random, "k-means": by_k_means, "TypiClust": by_typicality}


def table(runs: dict[str, Any]) -> str:
    """Tabulate the means of random choice, and differences from it with their standard errors."""
    groups: dict[tuple[str, str], dict[tuple[str, str], dict[str, float]]] = {}
    for key, found in runs.items():
        name, size, way, seed = key.split("|")
        groups.setdefault((name, size), {})[way, seed] = found
    lines = [
        "| data | first texts | measure | start, random | k-means | TypiClust "
        "| course, random | k-means | TypiClust |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (name, size), found in groups.items():
        for measure in ("accuracy", "macro_f1"):
            cells = [cell for part in ("", " course") for cell in compared(found, measure + part)]
            lines.append(f"| {name} | {size} | {measure.replace('_f1', '-F1')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def compared(found: dict[tuple[str, str], dict[str, float]], measure: str) -> list[str]:
    """Return the mean of random choice, and the other ways' differences from it, paired by seed."""
    by_way = {way: {seed: m[measure] for (w, seed), m in found.items() if w == way} for way in WAYS}
    cells = [f"{np.mean([*by_way['random'].values()]):.3f}"]
    for way in list(WAYS)[1:]:
        gains = np.array([by_way[way][seed] - by_way["random"][seed] for seed in by_way[way]])
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
        cells.append(f"{gains.mean():+.3f} ± {error:.3f}")
    return cells


if __name__ == "__main__":
    main()
