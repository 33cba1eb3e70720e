"""Language models beside people: people alone, the best model, all models as voters, and our panel.

Run with ``python benchmarks/machines.py --data ../shared/data/alttest [--data FOLDER ...] [--draws 20]
[--out FILE] [--page docs/machines.md] [--runs FILE]``. A folder holds ``people.csv`` and ``llms.csv`` (item,
annotator, label), or such folders. One draw is made of every set before the next, and what is known is
written after each; with ``--runs``, a file of JSON lines, each draw is kept as it comes, and those that the
file holds are not made again.

Truth is the majority of all people's labels of an item, ties left out. A draw gives some items labels of
people: 50, 200 or 800 labels, one an item on at most 80 % of the items, then second ones and so on, so that
items without human labels are left; on these (and, apart, on all items) it measures accuracy, log loss and
expected calibration error (10 bins) of

- people: the shares of the human labels, for every item the same;
- best_llm: the model that agrees best with the human labels, as sure as it agrees with them;
- llm_majority: the shares of the models' answers, smoothed by half an answer;
- dawid_skene: people and models as annotators alike;
- crowdlab: people as annotators, the shares of the models' answers as classifier;
- panel: ours. The models' answers are features of `jurybox.classifiers.panel`, fitted to the human labels
  alone; what it says, out of sample, is what the consensus of people starts from: how likely the majority
  of a large crowd says each class, which is what a project shows.

Beside it ("panel, before the consensus"), what the panel itself says of items without labels. Which of the
two is ours was chosen on cebab_stars and lgbteen, by the calibration error of 20 draws with 200 labels (.075
and .049 against .109 and .057); the other two sets judge. The comparisons of sources below are before the
consensus.

Intervals are bootstrap intervals over draws, paired with people and with best_llm. Besides: what the panel
loses with one source more (answers at random, or the worst model twice), and six copies of the best model
against that model alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import jurybox as jb
from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.classifiers.panel import Panel, effective_votes, votes_of

HERE = Path(__file__).resolve().parent
OUT = HERE / "results" / "machines.json"
BUDGETS = (50, 200, 800)
MEASURES = ("accuracy", "log_loss", "ece")
MOST_LABELLED = 0.8
BINS = 10
Scores: TypeAlias = dict[str, float]
Run: TypeAlias = dict[str, tuple[Scores, Scores]]
Runs: TypeAlias = dict[tuple[str, int, int], Run]


@dataclass(frozen=True)
class Answers:
    """Who answered what in a folder.

    Attributes
    ----------
    item, person, label : ndarray of int, shape (L,)
        Labels of people.
    machines : ndarray of int, shape (N, S)
        Answers of models, -1 where there is none.
    """

    name: str
    classes: list[str]
    people: list[str]
    sources: list[str]
    item: Ints
    person: Ints
    label: Ints
    machines: Ints

    @property
    def truth(self) -> Ints:
        """The only majority of all people's labels, shape (N,); -1 where there is none."""
        counts = np.zeros((len(self.machines), len(self.classes)))
        np.add.at(counts, (self.item, self.label), 1)
        best = counts.max(axis=1)
        return np.where((counts == best[:, None]).sum(axis=1) == 1, counts.argmax(axis=1), -1)


def main() -> None:
    """Measure every folder, a draw of each in turn, and write after each what is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, action="append")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--runs", type=Path, help="a file to keep each draw in, and to go on from")
    parser.add_argument("--page", type=Path, help="a page of the documentation to write the table into")
    arguments = parser.parse_args()
    named = arguments.data or [HERE.parent.parent / "shared" / "data" / "alttest"]
    sets = [read(folder) for folder in folders(named)]
    runs = kept_runs(arguments.runs)
    for seed in range(arguments.draws):
        for answers in sets:
            for budget in BUDGETS:
                if (answers.name, budget, seed) not in runs:
                    runs[answers.name, budget, seed] = run = measure(answers, budget, seed)
                    keep_run(arguments.runs, answers.name, budget, seed, run)
        report = summarise(sets, runs, seed + 1)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(f"draw {seed + 1}: {json.dumps(report['sets'])}", flush=True)
    if arguments.page:
        write_table(report, arguments.page)


def kept_runs(path: Path | None) -> Runs:
    """Return the draws that a file holds."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["set"], row["budget"], row["seed"]): row["run"] for row in rows}


def keep_run(path: Path | None, name: str, budget: int, seed: int, run: Run) -> None:
    """Add a draw to a file."""
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"set": name, "budget": budget, "seed": seed, "run": run}) + "\n")


def folders(named: list[Path]) -> Iterator[Path]:
    """Yield the folders that hold labels, in those named."""
    for folder in named:
        inner = [folder] if (folder / "people.csv").exists() else sorted(folder.glob("*/"))
        found = [path for path in inner if (path / "people.csv").exists() and (path / "llms.csv").exists()]
        if not found:
            raise SystemExit(f"{folder} holds no people.csv and llms.csv, nor folders that do")
        yield from found


def read(folder: Path) -> Answers:
    """Read a folder, and call models' answers by people's words."""
    people, machines = (table(folder / name) for name in ("people.csv", "llms.csv"))
    items, persons, classes = (sorted({row[k] for row in people}) for k in range(3))
    sources = sorted({row[1] for row in machines})
    words = same_words({row[2] for row in machines}, classes)
    at = {name: i for i, name in enumerate(items)}
    answers = np.full((len(items), len(sources)), -1)
    for item, source, word in machines:
        if item in at and words.get(word) is not None:
            answers[at[item], sources.index(source)] = words[word]
    item, person, label = np.array([(at[i], persons.index(p), classes.index(k)) for i, p, k in people]).T
    return Answers(folder.name, classes, persons, sources, item, person, label, answers)


def table(path: Path) -> list[tuple[str, str, str]]:
    """Read item, annotator and label."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["item"], row["annotator"], row["label"].strip()) for row in csv.DictReader(file)]


def same_words(words: set[str], classes: list[str]) -> dict[str, int]:
    """Find which class each word of the models means: its word, its number, or the only one left."""

    def plain(word: str) -> str:
        try:
            return str(float(word))
        except ValueError:
            return word.casefold()

    known = {plain(name): k for k, name in enumerate(classes)}
    found = {word: known[plain(word)] for word in words if plain(word) in known}
    odd = words - set(found)
    free = set(range(len(classes))) - set(found.values())
    if len(odd) == len(free) == 1:
        found[odd.pop()] = free.pop()
    return found


def measure(answers: Answers, budget: int, seed: int) -> Run:
    """Return the scores of each method in a draw, on items without human labels and on all."""
    truth = answers.truth
    given = draw(answers, budget, np.random.default_rng(seed))
    known = truth >= 0
    rest = known & ~np.isin(np.arange(len(truth)), answers.item[given])
    return {
        name: (scores(p[rest], truth[rest]), scores(p[known], truth[known]))
        for name, p in predictions(answers, given, len(answers.classes)).items()
    }


def summarise(sets: list[Answers], runs: Runs, draws: int) -> dict[str, Any]:
    """Return means and paired differences of so many draws."""
    report: dict[str, Any] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.platform(),
        "draws": draws,
        "sets": {},
        "all_items": {},
        "beside": {},
        "differences": {},
        "sources": {},
    }
    for answers in sets:
        for budget in BUDGETS:
            mine = [runs[answers.name, budget, seed] for seed in range(draws)]
            unlabelled, everywhere = (means([{m: run[m][at] for m in run} for run in mine]) for at in (0, 1))
            place = answers.name, str(budget)
            _put(report["sets"], place, {name: unlabelled[name] for name in METHODS})
            _put(report["all_items"], place, everywhere)
            _put(report["beside"], place, unlabelled[BESIDE])
            found = {
                f"{name} - {rival}": {
                    what: interval([run[name][0][what] - run[rival][0][what] for run in mine])
                    for what in MEASURES
                }
                for name, rival in DIFFERENCES
            }
            _put(report["differences"], place, found)
        votes = votes_of(answers.machines, len(answers.classes))
        report["sources"][answers.name] = {
            "classes": answers.classes,
            "effective_votes": float(effective_votes(votes, len(answers.sources)).sum()),
        }
    return report


def _put(report: dict[str, Any], place: tuple[str, str], found: Any) -> None:
    report.setdefault(place[0], {})[place[1]] = found


def draw(answers: Answers, budget: int, rng: np.random.Generator) -> Ints:
    """Draw which labels of people are given (B,): first labels of 80 % of the items, then second ones."""
    n_items = len(answers.machines)
    order = rng.permutation(len(answers.item))
    rank = np.empty(n_items)
    rank[rng.permutation(n_items)] = np.arange(n_items)
    turn = np.zeros(n_items, dtype=int)
    which = np.empty(len(order), dtype=int)
    for at in order:  # the how-manieth label of its item
        which[at] = turn[answers.item[at]]
        turn[answers.item[at]] += 1
    allowed = rank[answers.item] < MOST_LABELLED * n_items
    ranked = np.lexsort((rank[answers.item], which))
    return ranked[allowed[ranked]][:budget]


def predictions(answers: Answers, given: Ints, n_classes: int) -> dict[str, Floats]:
    """Return each method's probabilities of all items, (N, K)."""
    n_items = len(answers.machines)
    people = people_of(answers, given)
    votes = votes_of(answers.machines, n_classes).reshape(n_items, -1, n_classes)
    shares = (votes.sum(axis=1) + 0.5 / n_classes) / (votes.sum(axis=(1, 2)) + 0.5)[:, None]
    best = chosen(answers, people)
    worst_twice = np.column_stack(
        [answers.machines, answers.machines[:, chosen(answers, people, worst=True)]]
    )
    noise = np.random.default_rng(len(given)).integers(0, n_classes, (n_items, 1))
    only = answers.machines[:, [best]]
    both_views = panel_views(people, answers.machines)
    return {
        "people": np.tile(smoothed(people.counts.sum(axis=0)), (n_items, 1)),
        "best_llm": sure(answers.machines[:, best], people),
        "llm_majority": shares,
        "dawid_skene": jb.dawid_skene(both(answers, given, n_classes)).posterior,
        "crowdlab": jb.crowdlab(people, shares).posterior,
        "panel": both_views[1],
        BESIDE: both_views[0],
        "panel, worst model twice": panel(people, worst_twice),
        "panel, a source at random more": panel(people, np.hstack([answers.machines, noise])),
        "panel, best model alone": panel(people, only),
        "panel, best model six times": panel(people, np.repeat(only, 6, axis=1)),
    }


METHODS = ("people", "best_llm", "llm_majority", "dawid_skene", "crowdlab", "panel")
BESIDE = "panel, before the consensus"
DIFFERENCES = (
    ("panel", "people"),
    ("panel", "best_llm"),
    (BESIDE, "panel"),
    ("panel, worst model twice", BESIDE),
    ("panel, a source at random more", BESIDE),
    ("panel, best model six times", "panel, best model alone"),
)


def panel(people: Annotations, machines: Ints) -> Floats:
    """Return what our panel says of items without labels, and the consensus of the others, (N, K)."""
    return panel_views(people, machines)[0]


def panel_views(people: Annotations, machines: Ints) -> tuple[Floats, Floats]:
    """Return the same, and what the consensus says of all items."""
    p = panel_probabilities(people, machines)
    consensus = jb.estimate_consensus(people, p).posterior
    return np.where(people.labelled[:, None], consensus, p), consensus


def people_of(answers: Answers, given: Ints) -> Annotations:
    """Return the labels of people that are given (B,), over all items."""
    return Annotations.from_indices(
        answers.item[given],
        answers.person[given],
        answers.label[given],
        texts=len(answers.machines),
        annotators=len(answers.people),
        classes=len(answers.classes),
    )


def panel_probabilities(people: Annotations, machines: Ints) -> Floats:
    """Return what the panel itself says of all items (N, K), out of sample where people labelled them."""
    votes = votes_of(machines, people.n_classes)
    rows = np.flatnonzero(people.labelled)
    counts = people.counts[rows].astype(np.float64)
    n_labels = counts.sum(axis=1)
    fitted = Panel.of(votes, machines.shape[1]).fit(votes[rows], counts / n_labels[:, None], n_labels)
    p = np.array(fitted.predict_proba(votes))
    p[rows] = fitted.out_of_sample
    return p


def chosen(answers: Answers, people: Annotations, *, worst: bool = False) -> int:
    """Return the model that agrees best, or worst, with the human labels."""
    right = (answers.machines[people.text] == people.label[:, None]).mean(axis=0)
    return int(right.argmin() if worst else right.argmax())


def sure(answers: Ints, people: Annotations) -> Floats:
    """Give a model's answers the probability with which they equal human labels, one more of each assumed."""
    right = ((answers[people.text] == people.label).sum() + 1) / (len(people.label) + 2)
    p = np.full((len(answers), people.n_classes), (1 - right) / (people.n_classes - 1))
    answered = answers >= 0
    p[answered, answers[answered]] = right
    p[~answered] = 1 / people.n_classes
    return p


def both(answers: Answers, given: Ints, n_classes: int) -> Annotations:
    """Return people's labels and models' answers as those of annotators alike."""
    item, source = np.nonzero(answers.machines >= 0)
    return Annotations.from_indices(
        np.concatenate([answers.item[given], item]),
        np.concatenate([answers.person[given], len(answers.people) + source]),
        np.concatenate([answers.label[given], answers.machines[item, source]]),
        texts=len(answers.machines),
        annotators=len(answers.people) + answers.machines.shape[1],
        classes=n_classes,
    )


def smoothed(counts: Ints) -> Floats:
    """Return shares with half a label more of each class."""
    return np.asarray((counts + 0.5) / (counts + 0.5).sum())


def scores(p: Floats, truth: Ints) -> Scores:
    """Return accuracy, log loss and expected calibration error of probabilities (n, K)."""
    p = np.clip(p, 1e-12, 1)
    p = p / p.sum(axis=1, keepdims=True)
    top, right = p.max(axis=1), p.argmax(axis=1) == truth
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=top - right, minlength=BINS)
    return {
        "accuracy": float(right.mean()),
        "log_loss": float(-np.log(p[np.arange(len(p)), truth]).mean()),
        "ece": float(np.abs(gap).sum() / len(p)),
    }


def means(runs: list[dict[str, Scores]]) -> dict[str, Scores]:
    """Average each measure of each method."""
    return {
        name: {what: float(np.mean([run[name][what] for run in runs])) for what in MEASURES}
        for name in runs[0]
    }


def interval(differences: list[float]) -> dict[str, float]:
    """Return the mean of paired differences with its 95 % bootstrap interval."""
    d = np.asarray(differences)
    rng = np.random.default_rng(0)
    drawn = d[rng.integers(0, len(d), (2000, len(d)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"mean": float(d.mean()), "low": float(low), "high": float(high)}


def write_table(report: dict[str, Any], page: Path) -> None:
    """Write the figures of items without human labels, and what became of the goals, into a page."""
    lines = [
        f"Measured by `benchmarks/machines.py`, {report['draws']} draws, on items without human labels: "
        "accuracy / ECE. In brackets the panel's accuracy against the best model's, with its 95 % interval. "
        "The panel's is what the consensus makes of it, how likely the majority of a large crowd says so; "
        "the last column is what the panel itself says.",
        "",
        f"| set, human labels | {' | '.join([*METHODS, BESIDE])} |",
        f"|---|{'---|' * (len(METHODS) + 1)}",
    ]
    for name, budgets in report["sets"].items():
        for budget, found in budgets.items():
            gap = report["differences"][name][budget]["panel - best_llm"]["accuracy"]
            ones = [*(found[m] for m in METHODS), report["beside"][name][budget]]
            cells = [f"{one['accuracy']:.3f} / {one['ece']:.3f}" for one in ones]
            cells[-2] += f" ({gap['mean']:+.3f}, {gap['low']:+.3f} to {gap['high']:+.3f})"
            lines.append(f"| {name}, {budget} | {' | '.join(cells)} |")
    lines += ["", "| goal | missed at |", "|---|---|"]
    lines += [f"| {goal} | {', '.join(missed) or 'none'} |" for goal, missed in goals(report).items()]
    replace_between(page, "panel figures", lines)


def goals(report: dict[str, Any]) -> dict[str, list[str]]:
    """Return what was to be reached, and where it was not."""
    places = [(name, budget) for name in report["sets"] for budget in report["sets"][name]]

    def below(difference: str) -> list[str]:
        found = {place: report["differences"][place[0]][place[1]][difference]["accuracy"] for place in places}
        return [
            f"{name} {budget} ({gap['mean']:+.3f}, {gap['low']:+.3f} to {gap['high']:+.3f})"
            for (name, budget), gap in found.items()
            if gap["high"] < 0
        ]

    uncalibrated = {name: found["200"]["panel"]["ece"] for name, found in report["sets"].items()}
    return {
        "never below people alone by more than the interval": below("panel - people"),
        "never below the chosen best model by more than the interval": below("panel - best_llm"),
        "ECE at most .08 at 200 labels": [
            f"{n} ({ece:.3f})" for n, ece in uncalibrated.items() if ece > 0.08
        ],
        "the worst model twice costs no more than its interval": below(
            f"panel, worst model twice - {BESIDE}"
        ),
        "a source at random costs no more than its interval": below(
            f"panel, a source at random more - {BESIDE}"
        ),
        "six copies of the best model equal one": below(
            "panel, best model six times - panel, best model alone"
        ),
    }


def replace_between(page: Path, what: str, lines: list[str]) -> None:
    """Write lines between two marks of a page."""
    text = page.read_text(encoding="utf-8")
    start = text.index("-->\n", text.index(f"<!-- {what}")) + len("-->\n")
    end = text.index(f"<!-- end of {what} -->")
    page.write_text(text[:start] + "\n" + "\n".join(lines) + "\n\n" + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main()
