"""How good a classifier becomes per label: our strategy, published ActiveLab, random, and each part swapped.

Run with ``python benchmarks/label_efficiency.py --data ../shared/data [--seeds 10] [--only NAME ...]``. Every
(data set, variant, strategy, seed) is one run, stored under ``benchmarks/cache/label_efficiency`` when it is
done; what is stored is not played again, so the command may be stopped and given again. At the end it writes
``benchmarks/results/label_efficiency.json``, the charts ``docs/images/label-efficiency-*.svg`` and the tables
between the markers of ``docs/label-efficiency.md``.

Protocol: 25 rounds of 25 annotations from 100 texts with 2 labels each, at most 5 labels a text, known
annotators first. Features, head and random numbers are the same for all strategies of a seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from jurybox import datasets
from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.classifiers.head import Head
from jurybox.datasets import Dataset
from jurybox.datasets.frames import draw_initial
from jurybox.encoders import FeatureCache, Layers, fit_views, get_encoders
from jurybox.loop import Settings
from jurybox.simulation import PoolInputs, simulate_run
from jurybox.strategies import (
    STRATEGIES,
    Strategy,
    by_activelab,
    by_chance,
    crowdlab_consensus,
    get_strategy,
    hard,
    label_shares,
    majority_consensus,
)
from label_efficiency_report import CEILING, MAIN, write_report

HERE = Path(__file__).resolve().parent
CACHE = HERE / "cache" / "label_efficiency"
RESULTS = HERE / "results" / "label_efficiency.json"
ROUNDS, BATCH, HOLD_OUT = 25, 25, 0.2
MEASURES = ("annotations", "accuracy", "macro_f1", "held_out_accuracy", "consensus_accuracy", "seconds")


@dataclass(frozen=True)
class Case:
    """A data set in one of its variants, and what its texts are encoded with."""

    data: str
    variant: str = ""
    encoder: str = "minilm+tfidf"
    hold_out: float = HOLD_OUT

    @property
    def name(self) -> str:
        """For people and file names."""
        return "-".join(part for part in (self.data, self.variant) if part)


PROTOCOL = Case("stanford-politeness", "protocol", hold_out=0.0)
SLOW = Case("sarcasm"), Case("cebab-stars")  # five or six classes take longest
CASES = (
    PROTOCOL,
    Case("stanford-politeness"),
    Case("hs-brexit"),
    Case("demo", encoder="tfidf"),
    *(
        Case(data, variant, encoder)
        for variant in ("flips", "adversarial", "spammer", "imbalance", "two")
        for data, encoder in (
            ("stanford-politeness", "minilm+tfidf"),
            ("demo", "tfidf"),
            ("hs-brexit", "minilm+tfidf"),
        )
        if (data, variant) != ("hs-brexit", "imbalance")  # it is that imbalanced as it comes
    ),
    *SLOW,
)
ABLATED = ("stanford-politeness", "hs-brexit", "demo", "stanford-politeness-flips")


def ablations() -> Iterator[Strategy]:
    """Yield the default with one part swapped each."""
    default = get_strategy("default")
    yield replace(default, name="random selection", score=by_chance)
    yield replace(default, name="ActiveLab score", score=by_activelab)
    yield replace(get_strategy("entropy"), name="entropy, new texts only")
    yield replace(default, name="label shares", targets=label_shares, asks_model=False)
    yield replace(
        default,
        name="hard labels",
        targets=partial(hard, majority_consensus),
        weighted=False,
        asks_model=False,
    )
    yield replace(default, name="CROWDLAB labels", targets=partial(hard, crowdlab_consensus), weighted=False)
    yield replace(default, name="not calibrated", calibrated=False)


STRATEGIES.update({strategy.name: strategy for strategy in ablations()})
HEADS = {
    "strength by ALO alone": Head(prior=0.0),
    "strength drawn to 2^1.5": Head(centre=1.5),
    "no emphasis": Head(),
    "last layer only": Head(),
}
# Our strength has a prior that was chosen for our strategy; without it ActiveLab does better on clean labels.
FREE = {f"{rival}, strength by ALO alone": rival for rival in ("activelab", "random")}
FIXED = {f"activelab, strength 2^{octave}": "activelab" for octave in (-1, 0, 1)}
HEADS |= {name: Head(prior=0.0) for name in FREE}
HEADS |= {name: Head(strength=octave) for name, octave in zip(FIXED, (-1, 0, 1), strict=True)}
SWAPPED = (
    *(strategy.name for strategy in ablations()),
    *(name for name in HEADS if name not in FREE | FIXED),
)


def main() -> None:
    """Run what is missing, then write results, charts and tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="of cases; default: all")
    parser.add_argument("--summarise", action="store_true", help="play nothing, write what is stored")
    arguments = parser.parse_args()
    plans = list(plan(arguments.seeds, tuple(arguments.only)))
    missing = [] if arguments.summarise else [p for p in plans if not stored(*p).exists()]
    for number, (case, strategy, seed) in enumerate(missing, 1):
        played = play(arguments.data, case, strategy, seed)
        path = stored(case, strategy, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(played), encoding="utf-8")
        accuracy = np.mean(played["accuracy"])
        print(f"{number}/{len(missing)} {case.name} {strategy} {seed}: {accuracy:.4f}", flush=True)
    write_report(collect(plans), arguments.data, RESULTS, HERE.parent / "docs")


def plan(seeds: int, only: tuple[str, ...]) -> Iterator[tuple[Case, str, int]]:
    """Yield every run, the ones that claims rest on first."""
    cases = [case for case in CASES if not only or case.name in only]
    for seed in range(seeds):
        yield from ((case, strategy, seed) for case in cases if case not in SLOW for strategy in MAIN)
        yield from (
            (case, strategy, seed)
            for case in cases
            if case.name in ABLATED
            for strategy in SWAPPED
            if not (strategy == "last layer only" and case.encoder == "tfidf")
        )
    for first in (True, False):
        for seed in range(seeds):
            yield from (
                (case, strategy, seed)
                for case in cases
                if case not in SLOW and first == (case == PROTOCOL or case.name in ABLATED)
                for strategy in (*FREE, *(FIXED if case == PROTOCOL else ()))
            )
    yield from (
        (case, strategy, seed) for seed in range(seeds) for case in cases if case in SLOW for strategy in MAIN
    )
    yield from ((case, CEILING, seed) for seed in range(seeds) for case in cases)


def stored(case: Case, strategy: str, seed: int) -> Path:
    """Return where a run is kept."""
    return CACHE / case.name / strategy.replace(" ", "-") / f"{seed}.json"


def play(root: Path, case: Case, strategy: str, seed: int) -> dict[str, list[float]]:
    """Play one run; return each measure per round."""
    dataset = vary(load(root, case.data, seed), case.variant, np.random.default_rng([seed, 1]))
    settings = Settings(
        strategy=strategy if strategy in STRATEGIES else (FREE | FIXED).get(strategy, "default"),
        batch=BATCH,
        classifier=HEADS.get(strategy, Head()),
    )
    inputs, rounds = encode(dataset, case.encoder, strategy), ROUNDS
    if strategy == CEILING:
        dataset, rounds = replace(dataset, initial=dataset.answers), 1
    run = simulate_run(dataset, inputs, settings, rounds=rounds, seed=seed, hold_out=case.hold_out)
    return {measure: run.curve(measure).tolist() for measure in MEASURES}


def load(root: Path, name: str, seed: int) -> Dataset:
    """Load a data set, with its gold where it has none: the only majority of all (uncorrupted) answers."""
    dataset = datasets.load(name if name == "demo" else str(root / name), seed=seed)
    counts = dataset.answers.counts
    most = counts == counts.max(axis=1, keepdims=True)
    majority = np.where(most.sum(axis=1) == 1, counts.argmax(axis=1), -1)
    return dataset if dataset.gold is not None else replace(dataset, gold=majority)


def encode(dataset: Dataset, name: str, strategy: str) -> PoolInputs:
    """Encode pool and test texts, and map the features."""
    inputs = _rows(
        dataset.pool_texts, dataset.test_texts, name, "last" if strategy == "last layer only" else "all"
    )
    if strategy != "no emphasis":
        return inputs
    # a column's deviation is that of its component to the power of 1.5, of which emphasis made 0.5
    pool, test = np.asarray(inputs.pool), np.asarray(inputs.test)
    plain = pool.std(axis=0) ** (1 / 3)
    return PoolInputs(pool / plain, test / plain, inputs.encoder)


@lru_cache(maxsize=8)
def _rows(pool_texts: tuple[str, ...], test_texts: tuple[str, ...], name: str, layers: Layers) -> PoolInputs:
    encoders = get_encoders(name, layers=layers)
    views = fit_views(encoders, pool_texts, cache=FeatureCache(CACHE / "features"))
    return PoolInputs(views.rows(pool_texts), views.rows(test_texts), views.name)


def vary(dataset: Dataset, variant: str, rng: np.random.Generator) -> Dataset:
    """Return a variant of a data set; test labels and gold stay as they are."""
    if variant in ("", "protocol"):
        return dataset
    return VARIANTS[variant](dataset, rng)


def flips(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """Change every fifth answer to another class."""
    return _corrupted(dataset, rng.random(dataset.answers.n_annotations) < 0.2, rng)


def adversarial(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """Let every fifth annotator, at least one, always answer another class."""
    M = dataset.answers.n_annotators
    bad = rng.choice(M, size=max(1, round(M / 5)), replace=False)
    return _corrupted(dataset, np.isin(dataset.answers.annotator, bad), rng)


def spammer(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """Add an annotator who answers every text, at random, and gave every tenth initial annotation.

    Known annotators are asked first, so one who starts without an annotation would hardly be asked.
    """
    a, start, N, M = dataset.answers, dataset.initial, dataset.answers.n_texts, dataset.answers.n_annotators
    noise = rng.integers(a.n_classes, size=N)
    added = _answering(
        dataset,
        np.concatenate([a.text, np.arange(N)]),
        np.concatenate([a.annotator, np.full(N, M)]),
        np.concatenate([a.label, noise]),
        annotators=[*a.annotators, "spammer"],
    )
    first = np.unique(start.text, return_index=True)[1]  # one annotation of every text
    by_spammer = np.zeros(start.n_annotations, dtype=bool)
    by_spammer[rng.choice(first, size=start.n_annotations // 10, replace=False)] = True
    initial = Annotations.from_indices(
        start.text,
        np.where(by_spammer, M, start.annotator),
        np.where(by_spammer, noise[start.text], start.label),
        texts=added.answers.texts,
        annotators=added.answers.annotators,
        classes=a.classes,
    )
    return replace(added, initial=initial)


def two(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """Keep two answers a text, the initial ones among them."""
    a = dataset.answers
    order = np.lexsort((rng.random(a.n_annotations), ~_given(a, dataset.initial), a.text))
    first = np.concatenate([[0], np.cumsum(a.n_labels)[:-1]])
    kept = order[np.arange(a.n_annotations) - first[a.text[order]] < 2]
    return _answering(dataset, a.text[kept], a.annotator[kept], a.label[kept])


def imbalance(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """Thin out all classes but the first until there is one of them to ten of it, in pool and test."""
    gold = dataset.gold
    assert gold is not None  # noqa: S101
    pool, test = (_thinned(labels, rng) for labels in (gold, dataset.test_labels))
    answers = dataset.answers.subset(texts=pool)
    return replace(
        dataset,
        texts=dataset.texts[pool],
        pool_texts=tuple(dataset.pool_texts[i] for i in pool),
        initial=draw_initial(answers, rng),
        answers=answers,
        test_ids=dataset.test_ids[test],
        test_texts=tuple(dataset.test_texts[i] for i in test),
        test_labels=dataset.test_labels[test],
        gold=gold[pool],
    )


VARIANTS: dict[str, Callable[[Dataset, np.random.Generator], Dataset]] = {
    "flips": flips,
    "adversarial": adversarial,
    "spammer": spammer,
    "imbalance": imbalance,
    "two": two,
}


def _thinned(labels: Ints, rng: np.random.Generator) -> Ints:
    common, rare = np.flatnonzero(labels <= 0), np.flatnonzero(labels > 0)
    kept = rng.choice(rare, size=min(len(rare), max(1, len(common) // 10)), replace=False)
    return np.sort(np.concatenate([common, kept]))


def _corrupted(dataset: Dataset, wrong: Any, rng: np.random.Generator) -> Dataset:
    a = dataset.answers
    label = a.label.astype(np.int64)
    label[wrong] = (label[wrong] + rng.integers(1, a.n_classes, size=int(wrong.sum()))) % a.n_classes
    return _answering(dataset, a.text, a.annotator, label)


def _answering(dataset: Dataset, text: Any, annotator: Any, label: Any, annotators: Any = None) -> Dataset:
    """Replace the answers; the initial annotations are those of the same texts and annotators as before."""
    a = dataset.answers
    known: dict[str, Any] = {
        "texts": a.texts,
        "annotators": a.annotators if annotators is None else annotators,
        "classes": a.classes,
    }
    answers = Annotations.from_indices(text, annotator, label, **known)
    kept = _given(answers, dataset.initial)
    initial = answers.with_triplets(answers.text[kept], answers.annotator[kept], answers.label[kept])
    return replace(dataset, answers=answers, initial=initial)


def _given(answers: Annotations, initial: Annotations) -> Any:
    """Say which answers (L,) are by an annotator who labelled that text initially."""
    M = answers.n_annotators
    return np.isin(
        answers.text.astype(np.int64) * M + answers.annotator,
        initial.text.astype(np.int64) * M + initial.annotator,
    )


def collect(plans: list[tuple[Case, str, int]]) -> dict[str, dict[str, dict[str, Floats]]]:
    """Return case → strategy → measure → (seeds, rounds), of the seeds that are stored for it."""
    runs: dict[str, dict[str, dict[str, list[list[float]]]]] = {}
    for case, strategy, seed in plans:
        path = stored(case, strategy, seed)
        if path.exists():
            played = json.loads(path.read_text(encoding="utf-8"))
            measures = runs.setdefault(case.name, {}).setdefault(strategy, {m: [] for m in MEASURES})
            for measure in MEASURES:
                measures[measure].append(played[measure])
            measures.setdefault("seed", []).append([float(seed)])
    return {
        case: {s: {m: np.array(v) for m, v in measures.items()} for s, measures in strategies.items()}
        for case, strategies in runs.items()
    }


if __name__ == "__main__":
    main()
