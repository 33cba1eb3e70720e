"""How well the shares of people who would say each class are predicted, on real crowds.

A fifth of the texts of each set is held out, whole groups of near-duplicates together; all labels of these
texts are the truth. The others get 1, 2, 3 or all of their labels, drawn at random, and features of MiniLM.
Predicted are the shares of the held-out texts ("new"), those of the labels held back of the texts that got
some ("labelled"), and what the annotators said, one by one. The errors that jurybox states of its shares are
held against those found, freed of the noise of few labels.

    python benchmarks/opinions.py --data ../shared/data --seeds 5

Chosen on Stanford Politeness and CEBaB's food, judged on the others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowd_sets import CrowdSet
from jurybox import Annotations
from jurybox.classifiers.calibrated import calibrate
from jurybox.classifiers.head import Head
from jurybox.consensus.majority import majority_vote
from jurybox.consensus.opinions import Opinions, cross_entropy, estimate_opinions, manhattan
from jurybox.strategies import expected_shares
from real_crowds import divided, machine, sets_in

OUT = Path(__file__).resolve().parent / "results" / "opinions.json"
GIVEN = (1, 2, 3, 0)  # labels a text; 0: all
HELD_OUT = 0.2
FEWEST_TEXTS = 200
LEAST = 0.01  # of each class, where a baseline would say 0: a cross-entropy has to be finite

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Predicted: TypeAlias = tuple[Floats, Floats]
"""Shares of the texts that got labels, out of sample, and of the new texts."""


def main() -> None:
    """Measure, print and write as asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=[Path("../shared/data")])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=(), metavar="SET", help="of the sets; default: all")
    parser.add_argument("--given", type=int, nargs="+", default=GIVEN, help="labels a text; 0: all")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "sets": {}}
    if arguments.only and arguments.out.exists():
        report["sets"] = json.loads(arguments.out.read_text())["sets"]
    for found in sets_in(arguments.data):
        if arguments.only and found.name not in arguments.only:
            continue
        report["sets"][found.name] = judged(
            found, groups_of(found, arguments.data), arguments.given, arguments.seeds
        )
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
        print("\n".join(table(found.name, report["sets"][found.name])), flush=True)


def groups_of(found: CrowdSet, folders: list[Path]) -> Ints:
    """Return the group of near-duplicates that each text belongs to, (N,); a column ``original`` tells."""
    ids = [str(one) for one in found.annotations.texts]
    for folder in folders:
        for file in (folder / "texts.csv", *sorted(folder.glob("*/texts.csv"))):
            if file.exists() and found.name.split(" ")[0] == file.parent.name:
                table = pd.read_csv(file, dtype=str, keep_default_na=False).drop_duplicates("id")
                if "original" in table:
                    return np.unique(table.set_index("id")["original"].loc[ids], return_inverse=True)[1]
    return np.arange(len(ids))


def judged(found: CrowdSet, groups: Ints, labels: Sequence[int], seeds: int) -> dict[str, Any]:
    """Return the figures of every method by the number of labels given."""
    features = found.features()
    figures: dict[str, Any] = {"texts": found.annotations.n_texts, "seeds": seeds, "k": {}}
    for k in labels:
        wanted = found.annotations.n_labels > (k or 1)
        if wanted.sum() < FEWEST_TEXTS:
            continue
        runs: dict[str, list[dict[str, float]]] = {}
        for seed in range(seeds):
            rng = np.random.default_rng([seed, k])
            held_out = rng.random(groups.max() + 1)[groups] < HELD_OUT
            one = _Split.of(found.annotations, features, wanted, held_out, k, rng)
            for name, method in METHODS.items():
                runs.setdefault(name, []).append(one.figures(method(one)))
            runs["jurybox"][-1] |= one.figures_of_people()
        figures["k"][str(k or "all")] = {
            name: {key: float(np.nanmean([run[key] for run in each])) for key in each[0]}
            for name, each in runs.items()
        }
    return figures


class _Split:
    """Labels that are given of some texts, those held back of them, and all of texts that are new."""

    def __init__(
        self, given: Annotations, held: Annotations, new: Annotations, x: Floats, x_new: Floats
    ) -> None:
        self.given, self.held, self.new, self.x, self.x_new = given, held, new, x, x_new
        self.opinions: Opinions | None = None

    @classmethod
    def of(
        cls,
        annotations: Annotations,
        features: Floats,
        wanted: NDArray[np.bool_],
        held_out: NDArray[np.bool_],
        k: int,
        rng: np.random.Generator,
    ) -> _Split:
        """Divide texts and labels; everybody stays in all parts."""
        old, new = np.flatnonzero(wanted & ~held_out), np.flatnonzero(held_out & wanted)
        given, held = divided(annotations.subset(texts=old), k or int(annotations.n_labels.max()), rng)
        return cls(given, held, annotations.subset(texts=new), features[old], features[new])

    def figures(self, predicted: Predicted) -> dict[str, float]:
        """Return the figures of predicted shares."""
        labelled, new = predicted
        return {
            **_distances("new", self.new, new),
            **(_distances("labelled", self.held, labelled) if len(self.held) else {}),
        }

    def figures_of_people(self) -> dict[str, float]:
        """Return how well each single answer is foretold, and how true the stated errors are."""
        found = self.opinions
        assert found is not None  # noqa: S101
        N = self.given.n_texts
        texts, people, said = self.new.text + N, self.new.annotator, self.new.label
        ours, crowd = found.answers(texts, people), found.shares[texts]
        row = np.arange(len(said))
        shares, n = self.new.counts / self.new.n_labels[:, None], self.new.n_labels
        predicted, error = found.shares[N:], found.error[N:]
        noise = (1 - np.square(shares).sum(axis=1)) / np.maximum(n - 1, 1)  # of shares of n labels, unbiased
        beyond = np.square(shares - predicted).sum(axis=1) - noise
        return {
            "person_log_loss": float(-np.log(ours[row, said]).mean()),
            "crowd_log_loss": float(-np.log(crowd[row, said]).mean()),
            "person_accuracy": float((ours.argmax(axis=1) == said).mean()),
            "crowd_accuracy": float((crowd.argmax(axis=1) == said).mean()),
            "stated_error": float(np.sqrt(np.square(error).mean())),
            "found_error": float(np.sqrt(max(beyond[n > 1].mean() / 2, 0.0))),
        }


def _distances(what: str, truth: Annotations, predicted: Floats) -> dict[str, float]:
    rows = np.flatnonzero(truth.labelled)
    shares = truth.counts[rows] / truth.n_labels[rows, None]
    return {
        f"{what}_cross_entropy": float(cross_entropy(shares, predicted[rows]).mean()),
        f"{what}_manhattan": float(manhattan(shares, predicted[rows]).mean()),
    }


def most_frequent(split: _Split) -> Predicted:
    """Everybody says what is said most often."""
    K = split.given.n_classes
    p = np.full(K, LEAST)
    p[split.given.counts.sum(axis=0).argmax()] = 1 - (K - 1) * LEAST
    return np.tile(p, (split.given.n_texts, 1)), np.tile(p, (split.new.n_texts, 1))


def overall_shares(split: _Split) -> Predicted:
    """Every text gets the answers that all get together."""
    p = split.given.counts.sum(axis=0) + 1.0
    p /= p.sum()
    return np.tile(p, (split.given.n_texts, 1)), np.tile(p, (split.new.n_texts, 1))


def majority_head(split: _Split) -> Predicted:
    """Take the probabilities of a head that is trained on majority votes."""
    fitted = Head().fit(split.x, np.eye(split.given.n_classes)[majority_vote(split.given).labels])
    return fitted.out_of_sample, fitted.predict_proba(split.x_new)


def label_shares(split: _Split) -> Predicted:
    """Take a text's own labels, with one label's worth of all; new texts get the answers of all."""
    p, new = overall_shares(split)
    return (split.given.counts + p) / (split.given.n_labels + 1)[:, None], new


def share_head(split: _Split) -> Predicted:
    """Take the probabilities of a head that is trained on the shares of the labels."""
    n = split.given.n_labels
    fitted = calibrate(Head().fit(split.x, split.given.counts / n[:, None], n * 1.0), split.given.counts)
    return fitted.out_of_sample, fitted.predict_proba(split.x_new)


def jurybox(split: _Split) -> Predicted:
    """Take what `jurybox.estimate_opinions` expects, by the classifier that a round would train."""
    N, n = split.given.n_texts, split.given.n_labels * 1.0
    p = split.given.counts / n[:, None]
    for _ in range(2):
        targets = expected_shares(split.given, p, None, np.random.default_rng(0))
        fitted = calibrate(Head().fit(split.x, targets, n), split.given.counts)
        p = fitted.out_of_sample
    both = np.vstack([p, fitted.predict_proba(split.x_new)])
    given = Annotations.from_indices(
        split.given.text,
        split.given.annotator,
        split.given.label,
        texts=len(both),
        annotators=split.given.n_annotators,
        classes=split.given.classes,
    )
    split.opinions = estimate_opinions(given, both)
    return split.opinions.shares[:N], split.opinions.shares[N:]


METHODS: dict[str, Callable[[_Split], Predicted]] = {
    "most frequent": most_frequent,
    "overall shares": overall_shares,
    "majority head": majority_head,
    "label shares": label_shares,
    "share head": share_head,
    "jurybox": jurybox,
}


def table(name: str, figures: dict[str, Any]) -> list[str]:
    """Return the figures of a set in lines."""
    lines = [f"{name}: {figures['texts']} texts"]
    for k, methods in figures["k"].items():
        for method, one in methods.items():
            values = " ".join(f"{key} {value:.3f}" for key, value in one.items())
            lines.append(f"  {k:3} {method:16} {values}")
    return lines


if __name__ == "__main__":
    main()
