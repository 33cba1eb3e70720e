"""Duplicates: how well they are found, and what sharing labels among them is worth; see docs/pool.md.

Run with ``python benchmarks/duplicates.py ../shared/data`` (with the folders ``cebab-stars``,
``cebab-aspects`` and ``stanford-politeness``), then ``python benchmarks/duplicates.py --table [--check]``.

- CEBaB has reviews and edits of them that were made to change the answer; `original` says of which review
  each text is one. The threshold was chosen on its training part; the test part judges.
- On the same reviews a round with groups is played beside one without: sharing has to switch itself off.
- Among politeness texts, copies and near-copies of 40 % of them are planted: how many labels does each of
  three ways need for the same accuracy of the consensus?
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import jurybox as jb
from jurybox.arrays import Floats, Ints
from jurybox.datasets import load
from jurybox.duplicates import THRESHOLD, TextGroups, find_duplicates, sameness, shared
from jurybox.encoders import fit_views, get_encoders

HERE = Path(__file__).resolve().parent
OUT = HERE / "results" / "duplicates.json"
PAGE = HERE.parent / "docs" / "pool.md"
START, END = "<!-- made by benchmarks/duplicates.py -->", "<!-- end -->"
ASPECTS = ("food", "service", "ambiance", "noise")


def same_pairs(groups: Ints, truth: Ints) -> dict[str, float]:
    """Return precision and recall of the pairs of texts that groups put together, and the largest group."""

    def pairs(counts: Ints) -> int:
        return int((counts * (counts - 1) // 2).sum())

    found, real = pairs(np.bincount(groups)), pairs(np.bincount(truth))
    both = pairs(np.unique(groups * (truth.max() + 1) + truth, return_counts=True)[1])
    return {
        "precision": both / max(found, 1),
        "recall": both / real,
        "largest": int(np.bincount(groups).max()),
    }


def read_cebab(folder: Path) -> pd.DataFrame:
    """Return the texts of CEBaB with their splits and originals."""
    return pd.read_csv(folder / "texts.csv", dtype=str, keep_default_na=False)


def finding(texts: pd.DataFrame) -> list[dict[str, Any]]:
    """Judge groups at some thresholds, on the part they were chosen on and on the other."""
    rows = []
    for split in ("train", "test"):
        part = texts[texts["split"] == split]
        truth = part["original"].factorize()[0]
        for threshold in (0.3, THRESHOLD, 0.6):
            start = time.process_time()
            found = find_duplicates(part["text"].tolist(), threshold=threshold)
            seconds = time.process_time() - start
            judged = same_pairs(found.group, truth)
            rows.append({"split": split, "threshold": threshold, **judged, "seconds": seconds})
            rows[-1]["texts"] = len(part)
    return rows


def majority(annotations: jb.Annotations, rng: np.random.Generator) -> Ints:
    """Return the class that most annotators gave to each text, a tie by lot."""
    return np.asarray((annotations.counts + rng.random(annotations.counts.shape) / 2).argmax(axis=1))


def learnt(folder: Path, texts: pd.DataFrame, found: TextGroups) -> dict[str, Any]:
    """Return what all labels say of near-duplicates, for stars and each aspect."""
    asked = {"stars": pd.read_csv(folder / "cebab-stars" / "annotations.csv", dtype=str)}
    aspects = pd.read_csv(folder / "cebab-aspects" / "annotations.csv", dtype=str)
    asked |= {name: aspects[aspects["question"] == name] for name in ASPECTS}
    told = {}
    for name, rows in asked.items():
        said = jb.Annotations.from_long(
            rows["id"], rows["annotator"], rows["label"], texts=texts["id"].tolist()
        )
        held = np.flatnonzero(said.labelled)
        told[name] = vars(
            sameness(jb.estimate_consensus(said.subset(texts=held)).posterior, found.group[held])
        )
    return told


def one_label_each(said: jb.Annotations, texts: Ints, rng: np.random.Generator) -> jb.Annotations:
    """Return one of the labels of each of some texts, by lot."""
    rows = np.array([rng.choice(np.flatnonzero(said.text == text)) for text in texts])
    return said.with_triplets(said.text[rows], said.annotator[rows], said.label[rows])


def on_cebab(folder: Path, originals: int, labels: int, seeds: int) -> list[dict[str, Any]]:
    """Play rounds with groups and without on reviews whose edits change the answer."""
    texts = read_cebab(folder / "cebab-stars")
    texts = texts[texts["split"] == "train"]
    texts = texts[texts["original"].isin(texts["original"].unique()[:originals])].reset_index(drop=True)
    rows = pd.read_csv(folder / "cebab-stars" / "annotations.csv", dtype=str)
    rows = rows[rows["id"].isin(texts["id"])]
    said = jb.Annotations.from_long(
        rows["id"], rows["annotator"], rows["label"], texts=texts["id"].tolist(), scale=True
    )
    pool = texts["text"].tolist()
    features = fit_views(get_encoders("tfidf"), pool).rows(pool)
    group = find_duplicates(pool).group
    told = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        gold = majority(said, rng)
        audit = rng.choice(len(pool), 90, replace=False)
        asked = rng.choice(np.setdiff1d(np.arange(len(pool)), audit), labels, replace=False)
        given = one_label_each(said, np.union1d(asked, audit), rng)
        in_audit = np.isin(np.arange(len(pool)), audit)
        held_out = np.isin(group, group[audit])
        alone = np.where(held_out, np.arange(len(pool)), group)
        settings = jb.Settings()
        fresh = ~np.isin(np.arange(len(pool)), np.union1d(asked, audit)) & ~held_out
        p: dict[str, Floats] = {}
        for name, trainable, groups in (("none", ~in_audit, None), ("groups", ~held_out, alone)):
            played = jb.play_round(given, features, settings, rng=seed, trainable=trainable, group=groups)
            p[name] = played.pred_probs
            if groups is not None:
                weight = played.diagnostics["near_duplicates"]
        labelled = np.flatnonzero(given.labelled)
        posterior = jb.estimate_consensus(given.subset(texts=labelled)).posterior
        p["always"] = shared(p["groups"], posterior, labelled, alone, weight["estimate"])
        for name, each in p.items():
            right = each.argmax(axis=1) == gold
            told.append(
                {
                    "seed": seed,
                    "way": name,
                    "accuracy": float(right[fresh].mean()),
                    "on_audit": float(right[audit].mean()),
                    "weight": weight["weight"] if name == "groups" else None,
                    "estimate": weight["estimate"],
                    "pairs": weight["pairs"],
                    "held_out": int(held_out.sum()),
                    "texts": len(pool),
                }
            )
    return told


def near_copy(text: str, words: list[str], rng: np.random.Generator) -> str:
    """Return a text with one word in place of another, and one more at the end."""
    own = text.split()
    own[int(rng.integers(len(own)))] = words[int(rng.integers(len(words)))]
    return " ".join([*own, words[int(rng.integers(len(words)))]])


def planted(data: Any, n: int, rng: np.random.Generator) -> tuple[list[str], Ints]:
    """Return n texts with copies and near-copies of some of them, and which text each is of."""
    pool, of = list(data.pool_texts[:n]), list(range(n))
    words = sorted({word for text in pool for word in text.split()})
    for row in rng.choice(n, int(0.4 * n), replace=False).tolist():
        for _ in range(int(rng.integers(1, 4))):
            is_copy = rng.random() < 0.5
            pool.append(f"{pool[row]} \n" if is_copy else near_copy(pool[row], words, rng))
            of.append(row)
    order = rng.permutation(len(pool))
    return [pool[row] for row in order], np.asarray(of)[order]


def play(
    way: str,
    said: jb.Annotations,
    of: Ints,
    gold: Ints,
    features: Any,
    found: TextGroups,
    budget: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Ask for labels until the budget is used up; return the consensus's accuracy after each batch."""
    rng, N = np.random.default_rng(seed), len(of)
    copy_of = np.arange(N) if way == "none" else found.copy_of
    group = found.group if way == "groups" else None
    people = {text: said.annotator[said.text == text] for text in np.unique(of).tolist()}
    label = {(t, a): k for t, a, k in zip(said.text, said.annotator, said.label, strict=True)}
    given: set[tuple[int, int]] = set()
    previous, curve = None, []
    settings = jb.Settings(batch=50, max_labels=3)
    names = (said.annotators, said.classes)
    while True:
        rows = np.array(sorted(given)).reshape(-1, 2).astype(int)
        told = [label[int(of[text]), person] for text, person in rows.tolist()]
        annotations = jb.Annotations.from_indices(
            rows[:, 0], rows[:, 1], told, texts=N, annotators=names[0], classes=names[1]
        )
        previous = jb.play_round(
            annotations,
            features,
            settings,
            rng=rng,
            previous=previous,
            eligible=copy_of == np.arange(N),
            group=group,
        )
        right = (previous.consensus.labels[copy_of] == gold[of]).mean()
        curve.append({"labels": len(given), "accuracy": float(right)})
        if len(given) >= budget or not len(previous.batch):
            return curve
        for text in previous.batch.tolist():
            free = [p for p in people[int(of[text])].tolist() if (text, p) not in given]
            if free:
                given.add((text, int(rng.choice(free))))


def labels_for(curves: list[list[dict[str, Any]]], accuracy: float) -> float | None:
    """Return the mean number of labels at which curves first reach an accuracy; None where one does not."""
    reached = [next((at["labels"] for at in curve if at["accuracy"] >= accuracy), None) for curve in curves]
    return None if None in reached else float(np.mean([n for n in reached if n is not None]))


def on_planted(folder: Path, n: int, budget: int, seeds: int) -> dict[str, Any]:
    """Ask for labels in three ways on texts with planted copies; return curves and the labels needed."""
    data = load(folder / "stanford-politeness")
    said = data.answers.subset(texts=np.arange(n))
    curves: dict[str, list[list[dict[str, Any]]]] = {"none": [], "copies": [], "groups": []}
    judged = []
    sizes = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        pool, of = planted(data, n, rng)
        gold = majority(said, rng)
        features = fit_views(get_encoders("tfidf"), pool).rows(pool)
        found = find_duplicates(pool)
        judged.append(same_pairs(found.group, of))
        sizes.append(len(pool))
        for way, each in curves.items():
            each.append(play(way, said, of, gold, features, found, budget, seed))
    last = [min(curve[-1]["accuracy"] for curve in each) for each in zip(*curves.values(), strict=True)]
    levels = sorted({round(float(np.mean(last)) - lower, 3) for lower in (0.0, 0.02, 0.04)})
    return {
        "texts": n,
        "with_copies": float(np.mean(sizes)),
        "budget": budget,
        "seeds": seeds,
        "found": {name: float(np.mean([one[name] for one in judged])) for name in ("precision", "recall")},
        "curves": curves,
        "needed": [
            {"accuracy": level, **{way: labels_for(each, level) for way, each in curves.items()}}
            for level in levels
        ],
        "at_the_end": {
            way: float(np.mean([curve[-1]["accuracy"] for curve in each])) for way, each in curves.items()
        },
    }


def tables(found: dict[str, Any]) -> str:
    """Return the tables of the page."""
    lines = ["| part of CEBaB | threshold | precision | recall | largest group | seconds of processor |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {one['split']}, {one['texts']:,} texts | {one['threshold']} | {one['precision']:.3f} | "
        f"{one['recall']:.3f} | {one['largest']} | {one['seconds']:.1f} |"
        for one in found["finding"]
    ]
    lines += [
        "",
        "| asked | pairs | of which agree | s, estimate | s, low | weight |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['pairs']:,} | {one['agreeing'] / one['pairs']:.0%} | {one['estimate']:.2f} | "
        f"{one['low']:.2f} | {one['weight']:.2f} |"
        for name, one in found["learnt"].items()
    ]
    lines += ["", "| way | accuracy of the model | on the audit sample | weight |", "|---|---|---|---|"]
    ways = {"none": "no groups", "groups": "groups", "always": "groups, sharing not switched off"}
    for way, name in ways.items():
        rows = [one for one in found["cebab"] if one["way"] == way]
        mean, audit = (np.mean([one[key] for one in rows]) for key in ("accuracy", "on_audit"))
        weight = np.mean([one["weight" if way == "groups" else "estimate"] for one in rows])
        lines.append(f"| {name} | {mean:.3f} | {audit:.3f} | {'' if way == 'none' else f'{weight:.2f}'} |")
    lines += [
        "",
        "| accuracy of the consensus | no groups | copies share | near-copies, too |",
        "|---|---|---|---|",
    ]
    for row in found["planted"]["needed"]:
        cells = [
            "not reached" if row[way] is None else f"{row[way]:,.0f} labels"
            for way in ("none", "copies", "groups")
        ]
        lines.append(f"| {row['accuracy']:.3f} | {' | '.join(cells)} |")
    end = found["planted"]["at_the_end"]
    cells = [f"{end[way]:.3f}" for way in ("none", "copies", "groups")]
    lines.append(f"| with {found['planted']['budget']:,} labels | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, or write the tables into the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", help="the folder of the data sets")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="write the tables into docs/pool.md")
    parser.add_argument("--check", action="store_true", help="with --table: fail where the page has others")
    arguments = parser.parse_args()
    if arguments.table:
        before, rest = PAGE.read_text(encoding="utf-8").split(START)
        made = f"{before}{START}\n\n{tables(json.loads(OUT.read_text()))}\n\n{END}{rest.split(END)[1]}"
        if arguments.check:
            return int(made != PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if arguments.data is None:
        parser.error("name the folder of the data sets")
    texts = read_cebab(arguments.data / "cebab-stars")
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    }
    parts: dict[str, Callable[[], Any]] = {
        "planted": lambda: on_planted(arguments.data, n=200, budget=500, seeds=arguments.seeds),
        "cebab": lambda: on_cebab(arguments.data, originals=300, labels=400, seeds=arguments.seeds),
        "finding": lambda: finding(texts),
        "learnt": lambda: learnt(arguments.data, texts, find_duplicates(texts["text"].tolist())),
    }
    for name, measure in parts.items():
        found[name] = measure()
        sys.stderr.write(f"{name} measured, {time.process_time():.0f} s of processor\n")
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(tables(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
