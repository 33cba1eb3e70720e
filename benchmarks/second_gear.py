"""What a tuned encoder adds, on one GPU: recipes compared, then strategies with and without it.

Run with ``python benchmarks/second_gear.py --data FOLDER --model FOLDER [--minutes 7.5] [--workers 15] [--out
FILE]``. Workers share the GPU, and what they found is written into one JSON file every few seconds, so that
little is lost when the time is up.

First, recipes: models tuned on all labels of 100, 300, 800 and 2,000 texts of politeness and cebab-stars,
drawn at random, measured on the test sets. The recipe with the least error there is taken for what follows
(``--recipe base`` takes the product's): strategies played by the guide's protocol (25 rounds of 25 labels),
and that recipe by number of texts, on these sets and on others on which nothing was chosen. ``--resume FILE``
goes on where an earlier run's time was up.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import queue
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from jurybox import datasets
from jurybox.arrays import Floats, Ints
from jurybox.classifiers.base import Inputs
from jurybox.classifiers.calibrated import calibrate
from jurybox.classifiers.cross_fitting import cross_fit, predict_mean, predict_own
from jurybox.classifiers.head import Head
from jurybox.classifiers.recipes import TuningSettings
from jurybox.curves import macro_f1
from jurybox.datasets import Dataset
from jurybox.encoders import TfidfEncoder, TransformerEncoder, fit_views
from jurybox.encoders.tokens import token_ids
from jurybox.loop import Settings
from jurybox.simulation import PoolInputs, TunedInputs, simulate_run
from jurybox.strategies import STRATEGIES, SoftLabels, get_strategy

CHOOSE = ("stanford-politeness", "cebab-stars")
JUDGE = ("stanford-politeness", "hs-brexit", "cebab-stars", "sarcasm", "demo")
SIZES = (100, 300, 800, 2000)
BATCH, EVERY = 25, 4
TINY = 1e-6
clock = time.perf_counter
BASE = TuningSettings()
RECIPES: dict[str, dict[str, Any]] = {
    "base": {},
    "passes 10": {"passes": 10},
    "passes 4": {"passes": 4},
    "rate 5e-5": {"encoder_rate": 5e-5},
    "rate 2e-4": {"encoder_rate": 2e-4},
    "one rate": {"layer_decay": 1.0},
    "top 3": {"frozen_layers": 3},
    "top 2, rate 2e-4": {"frozen_layers": 4, "encoder_rate": 2e-4},
    "folds 5": {"folds": 5},
    "folds 2": {"folds": 2},
    "steps 30": {"least_steps": 30},
    "steps 120": {"least_steps": 120},
    "batch 16": {"batch": 16},
    "hard": {"hard": True},
}
NOT_SETTINGS = ("hard",)
Tell: TypeAlias = Callable[[dict[str, Any], bool], None]
"""Takes what was found so far, and whether that is all."""


@dataclass(frozen=True)
class Options:
    """Where things are."""

    data: str
    model: str
    features: str
    tiny: bool
    weight: float


@dataclass(frozen=True)
class Job:
    """One thing to find out."""

    kind: str  # recipe, sizes, play, ceiling
    data: str
    seed: int
    name: str  # of the recipe, or the strategy
    recipe: str = ""  # of the second gear; empty: the fast gear alone

    @property
    def key(self) -> str:
        """Name among the results."""
        return "|".join((self.kind, self.data, str(self.seed), self.name, self.recipe))


def main() -> None:
    """Encode, compare recipes, choose, play."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--recipe-minutes", type=float, default=3.5)
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--weight", type=float, default=0.5, help="of TF-IDF beside MiniLM")
    parser.add_argument("--recipe", default="", help="take this one, compare none")
    parser.add_argument(
        "--strategies", nargs="*", default=("default", "activelab", "random", "margin", "entropy", "badge")
    )
    parser.add_argument("--encoding", action="store_true", help="compare encoding with sentence-transformers")
    parser.add_argument("--resume", type=Path, help="what an earlier run found, and whole, is not done again")
    parser.add_argument("--tiny", action="store_true", help="a few texts and rounds, to try the script")
    parser.add_argument("--out", type=Path, default=Path("second_gear.json"))
    arguments = parser.parse_args()
    start = time.monotonic()
    features = tempfile.mkdtemp(prefix="second-gear-")
    options = Options(arguments.data, arguments.model, features, arguments.tiny, arguments.weight)
    book = Book(arguments.out, {"minutes": arguments.minutes, "weight": arguments.weight, "every": EVERY})
    if arguments.resume:
        book.resume(arguments.resume)
    ends = start + 60 * arguments.minutes
    if arguments.encoding:  # before the workers are there: they take processors while they start
        try:
            book.found["encoding"] = encoding(options)
        except Exception:  # the runs are worth more
            traceback.print_exc()
        print(f"after {time.monotonic() - start:.0f} s: {book.found.get('encoding')}", flush=True)
    context = mp.get_context("spawn")
    jobs, results = context.Queue(), context.Queue()
    os.environ["OMP_NUM_THREADS"] = "1"
    workers = [
        context.Process(target=work, args=(options, jobs, results), daemon=True)
        for _ in range(arguments.workers)
    ]
    for worker in workers:
        worker.start()
    encode(sorted({*CHOOSE, *JUDGE} - {"demo"}), options)
    print(f"encoded after {time.monotonic() - start:.0f} s", flush=True)
    recipe = arguments.recipe
    if not recipe:
        pending = list(recipe_jobs(arguments.tiny))
        gather(pending, jobs, results, book, start + 60 * arguments.recipe_minutes)
        recipe = chosen(book.found)
        print(f"chosen after {time.monotonic() - start:.0f} s: {recipe}", flush=True)
    book.about["recipe"] = recipe
    gather(list(play_jobs(recipe, tuple(arguments.strategies), arguments.tiny)), jobs, results, book, ends)
    for worker in workers:
        worker.terminate()
    book.write()
    print(summary(book.found), flush=True)


def gather(pending: list[Job], jobs: Any, results: Any, book: Book, ends: float) -> None:
    """Hand out jobs and write down what comes back, until all are done or the time is up."""
    pending = [job for job in pending if job.key not in book.whole]
    for job in pending:
        jobs.put(job)
    left = {job.key for job in pending}
    while left and time.monotonic() < ends:
        try:
            key, found, done = results.get(timeout=1)
        except queue.Empty:
            continue
        book.found[key] = found
        if done:
            left.discard(key)
            book.whole.add(key)
        book.write_now_and_then()
    try:
        while True:
            jobs.get_nowait()
    except queue.Empty:
        pass


class Book:
    """What was found, on disk."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self.found: dict[str, Any] = {}
        self.whole: set[str] = set()
        self._written = 0.0

    def resume(self, path: Path) -> None:
        """Take what an earlier run found."""
        earlier = json.loads(path.read_text())
        self.found, self.whole = earlier["found"], set(earlier["whole"])

    def write_now_and_then(self) -> None:
        """Write where the last time is some seconds ago."""
        if time.monotonic() - self._written > 5:
            self.write()

    def write(self) -> None:
        """Write, whole or not at all."""
        text = json.dumps({"about": self.about, "whole": sorted(self.whole), "found": self.found})
        self.path.with_suffix(".part").write_text(text)
        self.path.with_suffix(".part").replace(self.path)
        self._written = time.monotonic()


def recipe_jobs(tiny: bool) -> Iterator[Job]:
    """Yield recipes, the ones that matter most first."""
    for seed in (0, 1):
        for name in RECIPES:
            yield from (Job("recipe", data, seed, name) for data in CHOOSE)
        if tiny:
            return


def play_jobs(recipe: str, strategies: tuple[str, ...], tiny: bool) -> Iterator[Job]:
    """Yield runs, the ones that claims rest on first."""
    main, others = strategies[:3], strategies[3:]
    seeds = range(1 if tiny else 3)
    for seed in seeds:
        yield from (Job("play", data, seed, "default", recipe) for data in JUDGE)
    for name in main:
        yield from (Job("play", data, seed, name, "") for seed in seeds for data in JUDGE)
    for seed in seeds:
        yield from (Job("play", data, seed, name, recipe) for name in main[1:] for data in JUDGE)
        yield from (Job("play", data, seed, name, recipe) for name in others for data in JUDGE)
    yield from (Job("ceiling", data, 0, "all labels", recipe) for data in JUDGE)
    yield from (Job("sizes", data, seed, recipe) for seed in seeds for data in JUDGE)


def work(options: Options, jobs: Any, results: Any) -> None:
    """Take jobs for ever."""
    import torch

    torch.set_num_threads(1)
    if torch.cuda.is_available():
        torch.zeros(1, device="cuda")
    while True:
        job = jobs.get()
        try:
            RUN[job.kind](options, job, lambda found, done: results.put((job.key, found, done)))  # noqa: B023
        except Exception:  # another job may go well
            results.put((job.key, {"error": traceback.format_exc()[-1500:]}, True))


# ---- data


@lru_cache(maxsize=4)
def load(options: Options, name: str, seed: int) -> Dataset:
    """Load a data set, with the majority of all answers as its gold where it has none."""
    dataset = datasets.load(name if name == "demo" else str(Path(options.data) / name), seed=seed)
    counts = dataset.answers.counts
    most = counts == counts.max(axis=1, keepdims=True)
    majority = np.where(most.sum(axis=1) == 1, counts.argmax(axis=1), -1)
    return dataset if dataset.gold is not None else replace(dataset, gold=majority)


def encode(names: list[str], options: Options) -> None:
    """Map both views of every data set once."""
    folder = Path(options.features)
    folder.mkdir(parents=True, exist_ok=True)
    encoder = TransformerEncoder(Path(options.model))
    for name in names:
        dataset = load(options, name, 0)
        pool, test = dataset.pool_texts, dataset.test_texts
        begin = time.perf_counter()
        minilm = fit_views([encoder], pool)
        rows = [minilm.rows(texts) for texts in (pool, test)]
        seconds = time.perf_counter() - begin
        tfidf = fit_views([TfidfEncoder()], pool)
        np.savez(
            folder / f"{name}.npz",
            minilm_pool=rows[0],
            minilm_test=rows[1],
            tfidf_pool=tfidf.rows(pool),
            tfidf_test=tfidf.rows(test),
        )
        print(f"{name}: {len(pool)} + {len(test)} texts, MiniLM {seconds:.1f} s", flush=True)


@lru_cache(maxsize=8)
def views(options: Options, name: str, weight: float) -> PoolInputs:
    """MiniLM and TF-IDF side by side."""
    path = Path(options.features) / f"{name}.npz"
    with np.load(path) as stored:
        pool, test = (
            np.hstack([stored[f"minilm_{part}"], weight * stored[f"tfidf_{part}"]]).astype(np.float32)
            for part in ("pool", "test")
        )
    return PoolInputs(pool, test, f"minilm+{weight}*tfidf")


def encoding(options: Options) -> dict[str, float]:
    """Return texts a second: of our encoder, and of sentence-transformers with batches of several sizes."""
    import torch
    from sentence_transformers import SentenceTransformer

    texts = list(load(options, "stanford-politeness", 0).pool_texts) * (1 if options.tiny else 10)
    ours = TransformerEncoder(Path(options.model))
    view = fit_views([ours], texts[:1500]).views[0]
    theirs = SentenceTransformer(options.model, device=ours.used_device)
    contenders: dict[str, Callable[[], Any]] = {
        "ours, projected": lambda: view.rows(texts),
        "ours, all layers": lambda: ours.encode(texts[: len(texts) // 4]),
        "ours, tokens alone": lambda: token_ids(ours._tokenizer, texts, 256),
    }
    for size in (32, 256, 1024):
        contenders[f"theirs, batch {size}"] = partial(theirs.encode, texts, batch_size=size)
    if ours.used_device != "cpu":
        half = SentenceTransformer(options.model, device=ours.used_device).half()
        contenders["theirs, half, batch 256"] = lambda: half.encode(texts, batch_size=256)
    found = {}
    for name, run in contenders.items():
        seconds = []
        for _ in range(3):
            begin = time.perf_counter()
            rows = len(run())
            if ours.used_device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
        found[name] = round(rows / min(seconds), 1)
    return found


# ---- recipes


def settings_of(recipe: str, tiny: bool) -> TuningSettings:
    """Return the settings of a recipe."""
    given = {k: v for k, v in RECIPES[recipe].items() if k not in NOT_SETTINGS}
    settings = replace(BASE, **given)
    return replace(settings, passes=1, least_steps=2, folds=2) if tiny else settings


@lru_cache(maxsize=2)
def tuner(options: Options, recipe: str, n_classes: int) -> Any:
    """Load the model to tune."""
    from jurybox.classifiers.tuner import Tuner

    return Tuner(Path(options.model), (n_classes,), settings_of(recipe, options.tiny), threads=1)


def try_recipe(options: Options, job: Job, tell: Tell) -> None:
    """Tune on growing parts of the pool; tell scores of each way to use what was tuned."""
    dataset = load(options, job.data, 0)
    order = np.random.default_rng(job.seed).permutation(np.flatnonzero(dataset.answers.labelled))
    tried = (20, 40) if options.tiny else SIZES[: 4 if job.seed == 0 else 3]
    sizes = sorted({min(size, len(order)) for size in tried})
    found: dict[str, Any] = {}
    for size in sizes:
        found[str(size)] = score_recipe(options, job, dataset, np.sort(order[:size]))
        tell(dict(found), size == sizes[-1])


def score_recipe(options: Options, job: Job, dataset: Dataset, rows: Ints) -> dict[str, Any]:
    """Return accuracy, macro-F1 and losses of each way to use what was tuned."""
    model = tuner(options, job.name, dataset.answers.n_classes)
    counts = dataset.answers.counts[rows].astype(float)
    targets = counts / counts.sum(axis=1, keepdims=True)
    if RECIPES[job.name].get("hard"):
        targets = np.eye(counts.shape[1])[counts.argmax(axis=1)]
    begin = time.perf_counter()
    tokens = model.tokens([dataset.pool_texts[row] for row in rows])
    folds = cross_fit(model, tokens, rows, targets, counts.sum(axis=1))
    known = predict_own(model, folds, tokens, rows)
    seconds = time.perf_counter() - begin
    new = predict_mean(model, folds, model.tokens(dataset.test_texts))
    measure = Measure(dataset.test_labels, counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    inputs = inputs_of(options, job.data, 0)
    found = {"seconds": seconds, "tuned": measure(new, known)}
    found["head"] = measure(*plain(inputs, rows, shares, counts))
    for weight in (0.0, 0.25, 0.5, 1.0) if job.kind == "recipe" and job.name == "base" else ():
        found[f"head {weight}"] = measure(*plain(views(options, job.data, weight), rows, shares, counts))
    head = Head().fit(_table(inputs.pool)[rows], shares, counts.sum(axis=1))
    mixed = calibrate(head, counts, known)
    found["scales"] = [] if mixed.mixed is None else mixed.mixed.scales.tolist()
    found["mix"] = measure(mixed.predict_proba(inputs.test, new), mixed.out_of_sample)
    pool, test = (
        np.hstack(pair)
        for pair in ((_table(inputs.pool)[rows], _logits(known)), (_table(inputs.test), _logits(new)))
    )
    stacked = PoolInputs(pool, test, "")
    found["stack"] = measure(*plain(stacked, np.arange(len(rows)), shares, counts))
    return found


def _table(inputs: Inputs) -> Floats:
    """Return features as a table; with a head, inputs are nothing else."""
    return np.asarray(inputs, dtype=np.float64)


def _logits(p: Floats) -> Floats:
    log_p = np.log(np.maximum(p, 1e-3))
    return np.asarray((log_p - log_p.mean(axis=1, keepdims=True)) / 3)


def plain(inputs: PoolInputs, rows: Ints, targets: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Fit the head and calibrate it; return its probabilities of the test texts, and out of sample."""
    fitted = calibrate(Head().fit(_table(inputs.pool)[rows], targets, counts.sum(axis=1)), counts)
    return fitted.predict_proba(inputs.test), fitted.out_of_sample


@dataclass(frozen=True, eq=False)
class Measure:
    """Measures by the labels of the test texts and the annotators' of the training texts."""

    truth: Ints
    counts: Floats

    def __call__(self, p: Floats, out_of_sample: Floats) -> list[float]:
        """Return accuracy, macro-F1, test loss, and the loss of labels out of sample."""
        predicted = p.argmax(axis=1)
        test = -np.log(np.maximum(p[np.arange(len(p)), self.truth], TINY)).mean()
        out = -(self.counts * np.log(np.maximum(out_of_sample, TINY))).sum() / self.counts.sum()
        return [
            round(float(value), 5)
            for value in (
                (predicted == self.truth).mean(),
                macro_f1(self.truth, predicted, p.shape[1]),
                test,
                out,
            )
        ]


def chosen(found: dict[str, Any]) -> str:
    """Return the recipe whose mix has the least error, relative to the base recipe's head."""
    return min(relative_errors(found).items(), key=lambda item: item[1][0])[0]


def relative_errors(found: dict[str, Any], way: str = "mix") -> dict[str, tuple[float, float, float, int]]:
    """Return, by recipe, the geometric mean over cells of error and F1-error, over those of the head."""
    heads = {
        (data, seed, size): scores["head 0.5"]
        for (_, data, seed, name, _), by_size in keyed(found, "recipe")
        if name == "base"
        for size, scores in by_size.items()
        if "head 0.5" in scores
    }
    ratios: dict[str, list[list[float]]] = defaultdict(list)
    for (_, data, seed, name, _), by_size in keyed(found, "recipe"):
        for size, scores in by_size.items():
            head = heads.get((data, seed, size))
            if head is not None and way in scores:
                ratios[name].append([np.log((1.005 - scores[way][m]) / (1.005 - head[m])) for m in (0, 1)])
    most = max(map(len, ratios.values()), default=0)
    complete = {name: np.array(r) for name, r in ratios.items() if len(r) >= 0.6 * most}
    return {
        name: (float(np.exp(r.mean())), float(np.exp(r[:, 0].mean())), float(np.exp(r[:, 1].mean())), len(r))
        for name, r in complete.items()
    } or {"base": (1.0, 1.0, 1.0, 0)}


def keyed(found: dict[str, Any], kind: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield results of a kind that went well."""
    for key, value in found.items():
        parts = tuple(key.split("|"))
        if parts[0] == kind and "error" not in value:
            yield parts, value


# ---- plays


def play(options: Options, job: Job, tell: Tell) -> None:
    """Play one run; tell its measures after every round."""
    dataset = load(options, job.data, job.seed)
    inputs = inputs_of(options, job.data, job.seed)
    name = job.name
    if name == "badge":
        STRATEGIES["badge"] = replace(get_strategy("margin"), name="badge", score=badge(_table(inputs.pool)))
    rounds = 4 if options.tiny else 25
    measures: dict[str, list[float]] = defaultdict(list)
    gear = Gear(options, job.recipe, dataset) if job.recipe else None

    def note(_strategy: str, _seed: int, _number: int, played: Any) -> None:
        measures["annotations"].append(played.annotations)
        measures["accuracy"].append(round(played.accuracy, 5))
        measures["macro_f1"].append(round(played.macro_f1, 5))
        measures["consensus_accuracy"].append(round(played.consensus_accuracy, 5))
        measures["seconds"].append(round(played.seconds, 4))
        if gear is not None:
            measures["tuning_seconds"].append(round(gear.seconds, 3))
        tell({name: list(values) for name, values in measures.items()}, len(measures["accuracy"]) == rounds)

    simulate_run(
        dataset,
        inputs,
        Settings(strategy=name, batch=BATCH),
        rounds=rounds,
        seed=job.seed,
        second_gear=gear,
        progress=note,
    )


def inputs_of(options: Options, name: str, seed: int) -> PoolInputs:
    """Both views of a data set."""
    return demo_views(options, seed) if name == "demo" else views(options, name, options.weight)


@lru_cache(maxsize=3)
def demo_views(options: Options, seed: int) -> PoolInputs:
    """Both views of the demo, whose texts are drawn anew with every seed."""
    dataset = load(options, "demo", seed)
    pool, test = dataset.pool_texts, dataset.test_texts
    both = fit_views([TransformerEncoder(Path(options.model)), TfidfEncoder()], pool)
    return PoolInputs(both.rows(pool), both.rows(test), "demo")


class Gear:
    """Tunes before every fourth round on what that round would be trained on."""

    def __init__(self, options: Options, recipe: str, dataset: Dataset) -> None:
        self._tuner = tuner(options, recipe, dataset.answers.n_classes)
        self._dataset = dataset
        self._pool = self._tuner.tokens(dataset.pool_texts)
        self._test = self._tuner.tokens(dataset.test_texts)
        self._inputs: TunedInputs | None = None
        self.seconds = 0.0

    def __call__(self, number: int, labels: Callable[[], SoftLabels]) -> TunedInputs | None:
        """Return what the models tuned last say."""
        self.seconds = 0.0
        if number % EVERY == 0:
            begin = clock()
            self._inputs = self.tune(labels())
            self.seconds = clock() - begin
        return self._inputs

    def tune(self, labels: SoftLabels) -> TunedInputs:
        """Tune, and predict pool and test."""
        tokens = self._tuner.tokens([self._dataset.pool_texts[row] for row in labels.rows])
        folds = cross_fit(self._tuner, tokens, labels.rows, labels.targets, labels.weights)
        pool = predict_own(self._tuner, folds, self._pool, np.arange(len(self._pool)))
        return TunedInputs(pool, predict_mean(self._tuner, folds, self._test))


def badge(features: Floats) -> Any:
    """Score texts without labels by BADGE: k-means++ on the gradients of the last layer.

    Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (ICLR).
    """
    x = np.hstack([features, np.ones((len(features), 1), np.float32)])
    norms = (x**2).sum(axis=1)

    def scores(annotations: Any, p: Floats, _: Any, rng: np.random.Generator) -> Floats:
        residual = p - np.eye(p.shape[1])[p.argmax(axis=1)]
        size = (residual**2).sum(axis=1) * norms
        found = np.zeros(len(p))
        distance = np.where(annotations.n_labels == 0, size, 0.0)
        pick = int(distance.argmax())
        for rank in range(BATCH):
            found[pick] = rank - BATCH
            gap = size + size[pick] - 2 * (residual @ residual[pick]) * (x @ x[pick])
            distance = np.minimum(distance, np.maximum(gap, 0.0))
            distance[pick] = 0.0
            if not distance.sum() > 0:
                break
            pick = int(rng.choice(len(p), p=distance / distance.sum()))
        return found

    return scores


def ceiling(options: Options, job: Job, tell: Tell) -> None:
    """Accuracy with all labels of all texts of the pool: of the head, and of the mix."""
    dataset = load(options, job.data, 0)
    inputs = inputs_of(options, job.data, 0)
    rows = np.flatnonzero(dataset.answers.labelled)[: 40 if options.tiny else None]
    counts = dataset.answers.counts[rows].astype(float)
    shares = counts / counts.sum(axis=1, keepdims=True)
    measure = Measure(dataset.test_labels, counts)
    found = {"head": measure(*plain(inputs, rows, shares, counts))}
    tell(dict(found), False)
    gear = Gear(options, job.recipe, dataset)
    tuned = gear.tune(SoftLabels(rows, shares, counts.sum(axis=1)))
    head = Head().fit(_table(inputs.pool)[rows], shares, counts.sum(axis=1))
    mixed = calibrate(head, counts, tuned.pool[rows])
    found["tuned"] = measure(tuned.test, tuned.pool[rows])
    found["mix"] = measure(mixed.predict_proba(inputs.test, tuned.test), mixed.out_of_sample)
    tell(found, True)


RUN: dict[str, Any] = {"recipe": try_recipe, "sizes": try_recipe, "play": play, "ceiling": ceiling}


def summary(found: dict[str, Any]) -> str:
    """Tabulate what was found."""
    found = {key: value for key, value in found.items() if "|" in key}
    lines = ["errors: " + str(sum("error" in value for value in found.values()))]
    lines += [f"{key}\n{value['error']}" for key, value in found.items() if "error" in value][:2]
    for way in ("mix", "tuned", "stack"):
        lines.append(f"-- {way}: error / head's (both, accuracy, macro-F1, cells)")
        ranked = sorted(relative_errors(found, way).items(), key=lambda item: item[1][0])
        lines += [f"{name:32s} " + " ".join(f"{x:.3f}" for x in values) for name, values in ranked]
    lines.append("-- by size: accuracy/F1 of head 0, head .5, tuned, mix, stack; seconds")
    for (_, data, seed, name, _), by_size in keyed(found, "recipe"):
        if name == "base":
            for size, s in by_size.items():
                cells = [s[way] for way in ("head 0.0", "head 0.5", "tuned", "mix", "stack")]
                text = " ".join(f"{cell[0]:.3f}/{cell[1]:.3f}" for cell in cells)
                lines.append(f"{data} {seed} {size}: {text}; {s['seconds']:.1f} s; {s['scales']}")
    for parts, value in keyed(found, "ceiling"):
        lines.append(f"ceiling {parts[1]}: {value}")
    groups: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for (_, data, _, name, recipe), value in keyed(found, "play"):
        groups[data, name, recipe].append(value)
    for (data, name, recipe), several in sorted(groups.items()):
        accuracy = [float(np.mean(s["accuracy"])) for s in several]
        f1 = [float(np.mean(s["macro_f1"])) for s in several]
        last = [s["accuracy"][-1] for s in several]
        tuning = [float(np.mean([x for x in s.get("tuning_seconds", [0]) if x] or [0])) for s in several]
        lines.append(
            f"{data:20s} {name:10s} {recipe or 'fast':12s} accuracy {np.mean(accuracy):.4f} "
            f"F1 {np.mean(f1):.4f} last {np.mean(last):.4f} seeds {len(several)} "
            f"tuning {np.mean(tuning):.1f} s"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
