"""Whom to ask next: labels and answers bought by what they are expected to set right for their price.

Run with ``python benchmarks/whom.py --data ../shared/data/alttest [--seeds 3] [--out FILE]
[--page docs/machines.md]``, on the folders of `benchmarks/machines.py`.

A label of a person costs 1; an answer of a model costs 0.05 or 0.5. Three models can be asked. 40 items drawn
at random begin with a label of a person and the answers of all three. Then money is spent in steps of 30, up
to 240; after each step the panel and the consensus are fitted anew, and what is measured is the accuracy of
all items, those with labels included, against the only majority of all people. Ways to spend:

- people: labels alone, where a label is expected to set most right;
- machines first: every model about every item in turn, as far as the money goes, then people;
- by value: whatever is expected to set most right for its price, `jurybox.project.whom`. What a label teaches
  about other items is left out, since a forecast needs an audit.

Nothing was chosen on any of the sets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import jurybox as jb
from jurybox.arrays import Bools, Floats, Ints
from jurybox.classifiers.panel import votes_of
from jurybox.consensus import EstimatedConsensus
from jurybox.project.whom import gain_of_person, gains_of_machines
from machines import Answers, folders, interval, panel_probabilities, people_of, read, replace_between

HERE = Path(__file__).resolve().parent
OUT = HERE / "results" / "whom.json"
MODELS = ("gpt-4o-mini", "llama-31", "mistral-v03")
PRICES = (0.05, 0.5)
FIRST, STEP, END = 40, 30, 240


@dataclass
class Purse:
    """What has been bought in one run."""

    answers: Answers
    machines: Ints
    price: float
    rng: np.random.Generator
    money: float = 0.0
    taken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asked: Bools = np.zeros(self.machines.shape, dtype=bool)
        order = self.rng.permutation(len(self.answers.item))
        self.left: dict[int, list[int]] = {i: [] for i in range(len(self.machines))}
        for at in order.tolist():
            self.left[int(self.answers.item[at])].append(at)

    def person(self, item: int) -> bool:
        """Buy a label of an item; false where there is none."""
        if not self.left[item]:
            return False
        self.taken.append(self.left[item].pop())
        self.money += 1
        return True

    def machine(self, item: int, source: int) -> bool:
        """Buy an answer about an item; false where it was bought before."""
        if self.asked[item, source]:
            return False
        self.asked[item, source] = True
        self.money += self.price
        return True

    def believed(self) -> tuple[EstimatedConsensus, Floats, NDArray[np.float32], Ints]:
        """Fit panel and consensus; return them with the probabilities and what was said.

        An item without an answer has the shares of the labels: the panel knows nothing of it.
        """
        said = np.where(self.asked, self.machines, -1)
        people = people_of(self.answers, np.array(self.taken))
        p = panel_probabilities(people, said)
        shares = people.counts.sum(axis=0) + 0.5
        p[~self.asked.any(axis=1)] = shares / shares.sum()
        votes = votes_of(said, people.n_classes)
        return jb.estimate_consensus(people, p, check=False), p, votes, said


Way = Callable[[Purse, float], None]


def buy_people(purse: Purse, until: float) -> None:
    """Buy labels where they are expected to set most right; ties fall by chance."""
    consensus, p, _, _ = purse.believed()
    gain = gain_of_person(consensus, p) + 1e-9 * purse.rng.random(len(p))
    for item in np.argsort(-gain):
        if purse.money >= until:
            return
        purse.person(int(item))


def buy_machines(purse: Purse, until: float) -> None:
    """Buy answers of every model about every item in turn, then labels."""
    for item in purse.rng.permutation(len(purse.machines)):
        for source in range(purse.machines.shape[1]):
            if purse.money >= until:
                return
            purse.machine(int(item), source)
    buy_people(purse, until)


def buy_by_value(purse: Purse, until: float) -> None:
    """Buy whatever sets most right for its price, no item twice in a step."""
    consensus, p, votes, said = purse.believed()
    machines = gains_of_machines(consensus, p, votes, said, purse.asked)
    worth = np.stack([gain_of_person(consensus, p), *(gain / purse.price for gain in machines)])
    worth = np.nan_to_num(worth) + 1e-9 * purse.rng.random(worth.shape)
    who = worth.argmax(axis=0)
    for item in np.argsort(-worth.max(axis=0)):
        if purse.money >= until:
            return
        if who[item]:
            purse.machine(int(item), int(who[item]) - 1)
        else:
            purse.person(int(item))


WAYS: dict[str, Way] = {"people": buy_people, "machines first": buy_machines, "by value": buy_by_value}


def main() -> None:
    """Spend on all folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, help="a page of the documentation to write the table into")
    arguments = parser.parse_args()
    report: dict[str, Any] = {
        "made": datetime.now(UTC).date().isoformat(),
        "seeds": arguments.seeds,
        "sets": {},
    }
    for folder in folders(arguments.data):
        answers = read(folder)
        report["sets"][answers.name] = {
            str(price): compared(answers, price, arguments.seeds) for price in PRICES
        }
        print(answers.name, json.dumps(report["sets"][answers.name]), flush=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.page:
        write_table(report, arguments.page)


def compared(answers: Answers, price: float, seeds: int) -> dict[str, Any]:
    """Return the mean accuracy of each way over the steps, and how far by value is ahead of the others."""
    runs = [{name: spend(answers, price, way, seed) for name, way in WAYS.items()} for seed in range(seeds)]
    means = {name: float(np.mean([run[name] for run in runs])) for name in WAYS}
    ends = {name: float(np.mean([run[name][-1] for run in runs])) for name in WAYS}
    ahead = {
        name: interval([float(np.mean(run["by value"]) - np.mean(run[name])) for run in runs])
        for name in WAYS
        if name != "by value"
    }
    return {"mean": means, "end": ends, "ahead": ahead}


def spend(answers: Answers, price: float, way: Way, seed: int) -> list[float]:
    """Return the accuracy after each step of spending."""
    chosen = [answers.sources.index(name) for name in MODELS]
    purse = Purse(answers, answers.machines[:, chosen], price, np.random.default_rng(seed))
    for item in purse.rng.permutation(len(purse.machines))[:FIRST].tolist():
        if purse.person(item):
            for source in range(len(chosen)):
                purse.machine(item, source)
    known = answers.truth >= 0
    found = []
    for until in np.arange(purse.money + STEP, END + STEP, STEP):
        way(purse, float(until))
        labels = purse.believed()[0].labels
        found.append(float((labels[known] == answers.truth[known]).mean()))
    return found


def _seeds(number: int) -> str:
    return "one seed" if number == 1 else f"{number} seeds"


def write_table(report: dict[str, Any], page: Path) -> None:
    """Write the figures into the documentation."""
    many = report["seeds"] > 1
    lines = [
        f"Measured by `benchmarks/whom.py`, {_seeds(report['seeds'])}, {report['made']}: a label of a person "
        f"costs 1. Accuracy of all items, mean over the steps of {STEP} up to {END} / at the end. In "
        "brackets, how far spending by value is ahead of the way on average"
        + (", with its 95 % interval over seeds." if many else "."),
        "",
        f"| set, price of an answer | {' | '.join(WAYS)} |",
        f"|---|{'---|' * len(WAYS)}",
    ]
    for name, prices in report["sets"].items():
        for price, found in prices.items():
            cells = []
            for way in WAYS:
                cell = f"{found['mean'][way]:.3f} / {found['end'][way]:.3f}"
                if way in found["ahead"]:
                    gap = found["ahead"][way]
                    between = f", {gap['low']:+.3f} to {gap['high']:+.3f}" if many else ""
                    cell += f" ({gap['mean']:+.3f}{between})"
                cells.append(cell)
            lines.append(f"| {name}, {price} | {' | '.join(cells)} |")
    replace_between(page, "whom figures", lines)


if __name__ == "__main__":
    main()
