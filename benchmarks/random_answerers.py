"""By which label somebody who answers at random is named, and who is named without reason.

Each project has 300 texts in two classes with the default settings, three people who are right on 75 to 95 of
100 texts, and a fourth who answers at random in 0.2 seconds: either from the start, in turns with the others,
or after the others have given 60 labels each. Everybody is judged when they have given 60 labels. What the
shared first texts cost is the model's accuracy with and without them, with three such people and nobody else.
What is in the file already is not played again, so that a stopped benchmark goes on where it was.

    python benchmarks/random_answerers.py --projects 200
    python benchmarks/random_answerers.py --table  # write the table of docs/trust.md from the last results
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from jurybox import Project
from jurybox.arrays import Ints
from jurybox.store.records import Task
from jurybox.store.settings import ProjectSettings
from jurybox.trust.intervals import wilson

TEXTS, LABELS, BATCH = 300, 60, 60
HONEST = ("ana", "ben", "cem")
RANDOM = "dan"
OUT = Path(__file__).parent / "results" / "random_answerers.json"
DOCS = Path(__file__).parents[1] / "docs" / "trust.md"
BEGIN, END = "<!-- random answerers -->\n", "<!-- end of random answerers -->\n"
ARMS = {
    f"{'late' if late else 'from the start'}, overlap {overlap}": (late, overlap)
    for overlap in (8, 0)
    for late in (False, True)
}


def world(rng: np.random.Generator) -> tuple[Ints, list[tuple[str, str]]]:
    """Return the right classes of texts, and the texts with their ids."""
    right = rng.integers(2, size=TEXTS)
    words = (("awful", "poor", "sad", "broken"), ("good", "fine", "happy", "works"))
    return right, [
        (f"t{n}", " ".join(rng.choice(words[k if rng.random() < 0.85 else 1 - k], size=3)) + f" number {n}")
        for n, k in enumerate(right.tolist())
    ]


def careful(right: Ints, task: Task, skill: float, rng: np.random.Generator) -> str:
    """Return the label of somebody who is right with a probability."""
    return ("no", "yes")[int(right[int(task.text_id[1:])]) ^ int(rng.random() > skill)]


def cost(folder: Path, seed: int, overlap: str) -> dict[str, float]:
    """Return the model's accuracy on all texts after 60 and 120 labels of three honest people."""
    rng = np.random.default_rng(seed)
    right, texts = world(rng)
    skill = dict(zip(HONEST, rng.uniform(0.75, 0.95, size=3), strict=True))
    settings = ProjectSettings(encoder="tfidf", overlap=int(overlap), tuning=False, seed=seed)
    found = {}
    with Project.create(
        folder / f"cost-{seed}-{overlap}.db", texts=texts, classes=["no", "yes"], settings=settings
    ) as project:
        for name in HONEST:
            project.people.add(name)
        for place in range(120):
            name = HONEST[place % 3]
            task = project.next_task(name)
            if isinstance(task, Task):
                project.submit(task, careful(right, task, skill[name], rng))
            if place % 30 == 29:
                project.refit()
            if place in (59, 119):
                told = [
                    project.reading.probabilities(f"t{n}") or {"no": 1.0, "yes": 0.0} for n in range(TEXTS)
                ]
                said_yes = np.array([each["yes"] > each["no"] for each in told])
                found[str(place + 1)] = float((said_yes == right).mean())
    return found


def play(folder: Path, seed: int, *, late: bool, overlap: int) -> dict[str, object]:
    """Play one project; return who was named, with how many shared texts."""
    rng = np.random.default_rng(seed)
    right, texts = world(rng)
    skill = dict(zip(HONEST, rng.uniform(0.75, 0.95, size=3), strict=True))
    settings = ProjectSettings(encoder="tfidf", overlap=overlap, tuning=False, seed=seed)
    path = folder / f"{seed}-{late}-{overlap}.db"
    with Project.create(
        path, texts=texts, classes=["no", "yes"], settings=settings, cache=folder / "c"
    ) as project:
        for name in (*HONEST, RANDOM):
            project.people.add(name)
        turns = [name for _ in range(LABELS) for name in HONEST]
        turns = (
            [*turns, *[RANDOM] * LABELS] if late else [n for _ in range(LABELS) for n in (*HONEST, RANDOM)]
        )
        for place, name in enumerate(turns):
            task = project.next_task(name)
            if isinstance(task, Task):
                if name in skill:
                    said, seconds = careful(right, task, skill[name], rng), float(rng.lognormal(1.4, 0.5))
                else:
                    said, seconds = ("no", "yes")[int(rng.integers(2))], 0.2
                project.submit(task, said, seconds=seconds)
            if place % BATCH == BATCH - 1:
                project.refit()
        people = {one.name: one for one in project.beliefs.now().annotators}
    return {
        "named": people[RANDOM].suspect is not None,
        "shared": people[RANDOM].shared,
        "wrongly": sum(people[name].suspect is not None for name in HONEST),
    }


def main() -> None:
    """Play what is not in the file yet, or write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--cost", type=int, default=30, help="projects for the price of shared first texts")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        write_table(json.loads(given.out.read_text()))
        return
    before = json.loads(given.out.read_text()) if given.out.exists() else {"played": {}, "cost": {}}
    played: dict[str, Any] = before["played"]
    costs: dict[str, Any] = before["cost"]
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.cost):
            if str(seed) not in costs:
                costs[str(seed)] = {overlap: cost(Path(folder), seed, overlap) for overlap in ("8", "0")}
                given.out.write_text(json.dumps(results(played, costs), indent=1) + "\n")
        for seed in range(given.projects):
            for name, (late, overlap) in ARMS.items():
                if f"{name}|{seed}" in played:
                    continue
                start = time.process_time()
                found = play(Path(folder), seed, late=late, overlap=overlap)
                seconds = round(time.process_time() - start, 1)
                played[f"{name}|{seed}"] = {**found, "seconds": seconds}
                given.out.write_text(json.dumps(results(played, costs), indent=1) + "\n")
                print(name, seed, played[f"{name}|{seed}"], flush=True)


def results(played: dict[str, Any], costs: dict[str, Any]) -> dict[str, Any]:
    """Return the file's content: the arms' figures, and the projects that they rest on."""
    arms = {name: [row for key, row in played.items() if key.startswith(f"{name}|")] for name in ARMS}
    return {
        "labels": LABELS, "texts": TEXTS, "machine": platform.platform(),
        "arms": {name: summary(rows) for name, rows in arms.items() if rows}, "cost": costs, "played": played,
    }  # fmt: skip


def write_table(found: dict[str, Any]) -> None:
    """Write the results between the marks of the documentation."""
    lines = [
        "| who answers at random | shared first texts | projects | named by label 60 | shared then "
        "| honest people named |",
        "|---|---|---|---|---|---|",
        *(_line(name, one) for name, one in found["arms"].items()),
        "",
        _priced(found["cost"]),
        "",
    ]
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(before + BEGIN + "\n".join(lines) + END + after, encoding="utf-8")


def _priced(costs: dict[str, Any]) -> str:
    """Say what the shared first texts cost the model."""
    said = []
    for at in ("60", "120"):
        shared, free = (np.array([pair[arm][at] for pair in costs.values()]) for arm in ("8", "0"))
        error = (shared - free).std(ddof=1) / np.sqrt(len(costs))
        said.append(
            f"with {at} labels {shared.mean():.1%} and {free.mean():.1%} (± {error:.1%} of the difference)"
        )
    return (
        f"What sharing the first texts costs the model, in {len(costs)} such projects with the three careful "
        f"people alone: it is right, with it and without, {'; '.join(said)}."
    )


def _line(name: str, one: dict[str, float]) -> str:
    when, _, overlap = name.partition(", overlap ")
    named = f"{one['named']:.1%} ({one['named_low']:.1%} to {one['named_high']:.1%})"
    cells = [when, f"{overlap} of 20", f"{one['projects']:.0f}", named, f"{one['shared']:.0f}"]
    return f"| {' | '.join(cells)} | {one['honest_named']:.1%} |"


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Summarise the projects of one arm."""
    named = wilson(sum(bool(row["named"]) for row in rows), len(rows))
    return {
        "projects": len(rows),
        "named": round(named.estimate, 3),
        "named_low": round(named.low, 3),
        "named_high": round(named.high, 3),
        "shared": round(float(np.mean([row["shared"] for row in rows])), 1),
        "honest_named": round(float(np.mean([row["wrongly"] for row in rows])) / len(HONEST), 3),
    }


if __name__ == "__main__":
    main()
