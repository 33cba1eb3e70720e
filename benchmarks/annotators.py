"""Whether intervals of annotators' quality hold the truth, and whether bad annotators are found and named.

Run with ``python benchmarks/annotators.py --data ../shared/data [--runs 500] [--first-seed 10000]``. Each
run is a project whose truth is known: texts of the generated demo corpus or of Stanford Politeness (the
truth is the only majority of all known annotations), each labelled 2 to 5 times by simulated annotators.
At random per run: data set, 5 to 50 annotators, 10 to 40 % of them bad, 5 to 500 annotations each on
average, a classifier's out-of-sample probabilities or none, times and seconds of annotations or none. The
honest are right 60 to 97 times in 100 (a quarter of them at most 70), a little differently per class; the
bad answer without looking (evenly or not), always alike, with classes exchanged, or copy a colleague.
Without times a pair counts as found whichever of both is named. Further runs have three to six classes and
generated features in place of texts, and are reported apart. Runs are kept under
``benchmarks/cache/annotators`` and not repeated; the report is written to
``benchmarks/results/annotators.json``.

Development used seeds below 10,000; the report uses seeds from 10,000 on, for more classes from 20,000 on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from jurybox import datasets
from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints
from jurybox.datasets.demo import load_demo
from jurybox.encoders import fit_views, get_encoders
from jurybox.loop import Settings, play_round
from jurybox.trust.annotators import assess_annotators
from jurybox.trust.observed import Observed
from jurybox.trust.posterior import draw_posterior
from jurybox.trust.suspects import Suspect, find_suspects

HERE = Path(__file__).resolve().parent
CACHE = HERE / "cache" / "annotators"
RESULTS = HERE / "results" / "annotators.json"
ANNOTATORS = (5, 10, 20, 50)
EACH = (5, 15, 30, 60, 150, 500)
BAD = (0.1, 0.2, 0.3, 0.4)
TWO_CLASSES = ("demo", "politeness")
MORE_CLASSES = ("generated-3", "generated-4", "generated-6")
KINDS = ("random", "constant", "swapped", "copycat")
BINS = (0, 10, 30, 60, 150, 10**9)


def main() -> None:
    """Run what is missing, then report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=str(HERE.parent.parent / "shared" / "data"))
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--first-seed", type=int, default=10_000)
    parser.add_argument("--runs-of-more-classes", type=int, default=150)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.runs)
    people = [person for seed in seeds for person in measured(seed, arguments.data, TWO_CLASSES)]
    first = arguments.first_seed + 10_000
    more_seeds = range(first, first + arguments.runs_of_more_classes)
    more = [person for seed in more_seeds for person in measured(seed, arguments.data, MORE_CLASSES)]
    report = {
        "runs": arguments.runs,
        "first_seed": arguments.first_seed,
        "machine": machine(),
        "coverage": coverage_report(people),
        "suspects": suspects_report(people),
        "more_classes": {
            "runs": arguments.runs_of_more_classes,
            "first_seed": first,
            "coverage": coverage_report(more),
            "suspects": suspects_report(more),
        },
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts as features, and their classes."""

    features: Floats
    truth: Ints


@dataclass(frozen=True, eq=False)
class Case:
    """A simulated project, and what is true of it."""

    annotations: Annotations
    truth: Ints
    quality: Floats
    kind: tuple[str, ...]
    model: Floats | None
    seconds: Floats | None
    times: Floats | None
    description: dict[str, Any]


@lru_cache
def corpus(name: str, folder: str) -> Corpus:
    """Encode the texts whose class is known."""
    if name in MORE_CLASSES:
        return generated(int(name.split("-")[1]))
    if name == "demo":
        data = load_demo(n_pool=8000, n_test=1)
        truth = np.asarray(data.gold)
    else:
        data = datasets.load(f"{folder}/stanford-politeness")
        counts = data.answers.counts
        top = counts == counts.max(axis=1, keepdims=True)
        truth = np.where(top.sum(axis=1) == 1, counts.argmax(axis=1), -1)
    known = np.flatnonzero(truth >= 0)
    rows = fit_views(get_encoders("tfidf"), data.pool_texts).rows(data.pool_texts)
    return Corpus(rows[known].astype(np.float64), truth[known])


def generated(K: int) -> Corpus:
    """Draw features of texts of K classes, some rarer than others."""
    rng = np.random.default_rng([K, 0x616E6E])
    truth = rng.choice(K, size=8000, p=rng.dirichlet(np.full(K, 8.0)))
    centres = rng.normal(size=(K, 20))
    return Corpus(centres[truth] + rng.normal(0, 2.0, size=(len(truth), 20)), truth)


def simulate(seed: int, folder: str, names: Sequence[str]) -> Case:
    """Draw a project on one of some corpora."""
    rng = np.random.default_rng([seed, 0x616E6E])
    name = str(rng.choice(names))
    M, each, bad = (int(rng.choice(ANNOTATORS)), int(rng.choice(EACH)), float(rng.choice(BAD)))
    with_model, with_seconds = rng.random(2) < 0.5
    texts = corpus(name, folder)
    sizes = rng.integers(2, min(5, M) + 1, size=M * each)
    n_texts = min(int(np.searchsorted(sizes.cumsum(), M * each)) + 1, len(texts.truth))
    rows = rng.permutation(len(texts.truth))[:n_texts]
    truth, K = texts.truth[rows], int(texts.truth.max()) + 1
    kinds = draw_kinds(M, max(1, round(bad * M)), rng)
    draw = draw_confusion if K == 2 else partial(draw_wide_confusion, K)
    confusion = np.stack([draw(kind, rng) for kind in kinds])
    text, annotator = assign(sizes[:n_texts], M, rng)
    cumulative = confusion[annotator, truth[text]].cumsum(axis=1)
    label = (rng.random((len(text), 1)) > cumulative).sum(axis=1).clip(max=K - 1)
    shares = np.bincount(truth, minlength=K) / n_texts
    quality = np.einsum("jkk,k->j", confusion, shares)
    text, annotator, label = copy(K, kinds, text, annotator, label, quality, rng)
    annotations = Annotations.from_indices(text, annotator, label, texts=n_texts, annotators=M, classes=K)
    model = None
    if with_model:
        model = play_round(annotations, texts.features[rows], Settings(), rng).pred_probs
    return Case(
        annotations=annotations,
        truth=truth,
        quality=quality,
        kind=kinds,
        model=model,
        seconds=draw_seconds(kinds, annotations, rng) if with_seconds else None,
        times=draw_times(kinds, annotations, rng) if with_seconds else None,
        description={
            "data": name,
            "annotators": M,
            "each": each,
            "bad": bad,
            "model": bool(with_model),
            "seconds": bool(with_seconds),
        },
    )


def draw_kinds(M: int, n_bad: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw who is bad, and in which way."""
    kinds = np.full(M, "honest", dtype=object)
    kinds[rng.permutation(M)[:n_bad]] = rng.choice(KINDS, size=n_bad)
    return tuple(kinds)


def draw_confusion(kind: str, rng: np.random.Generator) -> Floats:
    """Draw how someone answers texts of either class, shape (2, 2)."""
    if kind == "random":
        second = 0.5 if rng.random() < 0.5 else rng.uniform(0.25, 0.75)
        return np.array([[1 - second, second]] * 2)
    if kind == "constant":
        rare = rng.uniform(0, 0.05)
        return np.array([[1 - rare, rare] if rng.random() < 0.5 else [rare, 1 - rare]] * 2)
    low = rng.random() < 0.25 and kind == "honest"
    right = (rng.uniform(0.6, 0.7) if low else rng.uniform(0.7, 0.97)) + rng.uniform(-0.06, 0.06, size=2)
    right = np.clip(right, 0, 0.995)
    if kind == "swapped":
        right = 1 - right
    return np.array([[right[0], 1 - right[0]], [1 - right[1], right[1]]])


def draw_wide_confusion(K: int, kind: str, rng: np.random.Generator) -> Floats:
    """Draw how someone answers texts of each of K > 2 classes, shape (K, K)."""
    if kind == "random":
        return np.tile(np.full(K, 1 / K) if rng.random() < 0.5 else rng.dirichlet(np.full(K, 4.0)), (K, 1))
    if kind == "constant":
        rare = rng.uniform(0, 0.05)
        row = np.full(K, rare / (K - 1))
        row[rng.integers(K)] = 1 - rare
        return np.tile(row, (K, 1))
    low = rng.random() < 0.25 and kind == "honest"
    right = (rng.uniform(0.6, 0.7) if low else rng.uniform(0.7, 0.97)) + rng.uniform(-0.06, 0.06, size=K)
    right = np.clip(right, 0, 0.995)
    off = ~np.eye(K, dtype=bool)
    confusion = np.diag(right)
    confusion[off] = (rng.dirichlet(np.ones(K - 1), size=K) * (1 - right)[:, None]).ravel()
    if kind == "swapped":
        pair = rng.choice(K, size=2, replace=False)
        confusion[pair] = confusion[pair[::-1]]
    return confusion


def assign(sizes: Ints, M: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw so many different annotators for each text; some are more active than others."""
    activity = rng.normal(0, 0.3, size=M)
    order = np.argsort(-(activity + rng.gumbel(size=(len(sizes), M))), axis=1)
    text, place = np.nonzero(np.arange(M) < sizes[:, None])
    return text, order[text, place]


def copy(
    K: int,
    kinds: Sequence[str],
    text: Ints,
    annotator: Ints,
    label: Ints,
    quality: Floats,
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints]:
    """Let copycats answer texts of an honest colleague, with the colleague's label 19 times in 20."""
    honest = np.flatnonzero(np.array(kinds) == "honest")
    for j in np.flatnonzero(np.array(kinds) == "copycat"):
        n = (annotator == j).sum()
        other = rng.choice(honest)
        kept = annotator != j
        text, annotator, label = text[kept], annotator[kept], label[kept]
        source = rng.permutation(np.flatnonzero(annotator == other))[:n]
        slip = rng.random(len(source)) < 0.05
        copied = np.where(slip, rng.integers(K, size=len(source)), label[source])
        text = np.concatenate([text, text[source]])
        annotator = np.concatenate([annotator, np.full(len(source), j)])
        label = np.concatenate([label, copied])
        quality[j] = 0.95 * quality[other] + 0.05 / K
    return text, annotator, label


def draw_seconds(kinds: Sequence[str], annotations: Annotations, rng: np.random.Generator) -> Floats:
    """Draw seconds per annotation: eight in the median, a third of that for most who do not look."""
    lazy = np.array([kind in ("random", "constant", "copycat") for kind in kinds])
    median = 8 * np.exp(rng.normal(0, 0.35, size=len(kinds)))
    median = np.where(lazy & (rng.random(len(kinds)) < 0.7), median / 3, median)
    return np.asarray(median[annotations.annotator] * np.exp(rng.normal(0, 0.6, size=len(annotations))))


def draw_times(kinds: Sequence[str], annotations: Annotations, rng: np.random.Generator) -> Floats:
    """Draw when each annotation was given: copies after all else."""
    later = np.array([kind == "copycat" for kind in kinds])
    return np.asarray(rng.random(len(annotations)) + later[annotations.annotator])


def measured(seed: int, folder: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what a run says of each annotator, from the cache where it is there."""
    path = CACHE / f"{seed}.json"
    if not path.exists():
        path.write_text(json.dumps(measure(simulate(seed, folder, names), seed)))
    return list(json.loads(path.read_text()))


def measure(case: Case, seed: int) -> list[dict[str, Any]]:
    """Assess a simulated project, and compare with the truth, annotator by annotator."""
    rng = np.random.default_rng(seed)
    start = process_time()
    draws = draw_posterior(case.annotations, case.model, rng=rng)
    observed = Observed(case.annotations, case.model, times=case.times, seconds=case.seconds, draws=draws)
    assessed = assess_annotators(observed, rng=rng)
    suspects = find_suspects(observed, rng=rng)
    seconds = process_time() - start
    said: Mapping[int, str] = {int(suspect.annotator): suspect.kind for suspect in suspects}
    if case.times is None:
        said = credit_pairs(said, suspects, case.kind)
    return [
        case.description
        | {
            "seed": seed,
            "n": each.n_annotations,
            "annotations": bin_of(each.n_annotations),
            "kind": kind,
            "truth": truth,
            "said": said.get(j, "honest"),
            "estimate": each.quality.estimate,
            "low": each.quality.low,
            "high": each.quality.high,
            "cpu": seconds,
        }
        for j, (each, kind, truth) in enumerate(zip(assessed, case.kind, case.quality.tolist(), strict=True))
    ]


def credit_pairs(
    said: Mapping[int, str], suspects: Sequence[Suspect], kinds: Sequence[str]
) -> dict[int, str]:
    """Count a pair as found where, without times, the source was named as the copycat of its copycat."""
    credited = dict(said)
    for suspect in suspects:
        if suspect.kind == "copycat" and suspect.other is not None:
            named, other = int(suspect.annotator), int(suspect.other)
            if kinds[named] == "honest" and kinds[other] == "copycat":
                del credited[named]
                credited.setdefault(other, "copycat")
    return credited


def coverage_report(people: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Report how often the interval of quality holds the truth, and how wide it is."""
    keys = ("annotations", "data", "annotators", "each", "bad", "model", "kind")
    return {
        "all": coverage(people),
        "mean_over_runs": float(
            np.mean([coverage(run)["covered"] for run in split(people, "seed").values()])
        ),
        **{key: {name: coverage(group) for name, group in split(people, key).items()} for key in keys},
    }


def coverage(people: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the share of intervals that hold the truth, their mean width, and the mean error."""
    truth, estimate, low, high = (
        np.array([person[key] for person in people]) for key in ("truth", "estimate", "low", "high")
    )
    return {
        "covered": float(((low <= truth) & (truth <= high)).mean()),
        "too_high": float((low > truth).mean()),
        "too_low": float((high < truth).mean()),
        "width": float((high - low).mean()),
        "error": float((estimate - truth).mean()),
        "annotators": len(people),
    }


def suspects_report(people: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Report precision and recall, by number of annotations and, from 30 on, by kind and circumstances."""
    many = [person for person in people if person["n"] >= 30]
    low = [person for person in many if person["kind"] == "honest" and person["truth"] < 0.7]
    of_kind = split(people, "kind")
    keys = ("annotators", "bad", "model", "seconds", "data")
    return {
        "from_30_annotations": detection(many),
        "annotations": {name: detection(group) for name, group in split(people, "annotations").items()},
        **{key: {name: detection(group) for name, group in split(many, key).items()} for key in keys},
        "recall_by_kind": {
            kind: {
                name: detection(group)["recall"]
                for name, group in split(of_kind[kind], "annotations").items()
            }
            for kind in KINDS
            if kind in of_kind
        },
        "named_from_30_annotations": {
            kind: {
                said: sum(person["kind"] == kind and person["said"] == said for person in many)
                for said in ("honest", *KINDS)
            }
            for kind in ("honest", *KINDS)
        },
        "honest_below_0.7_suspected": detection(low)["suspected"],
        "honest_below_0.7": len(low),
    }


def detection(people: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Return precision and recall of suspecting the bad, and how often the kind is right."""
    bad = np.array([person["kind"] != "honest" for person in people], dtype=bool)
    named = np.array([person["said"] != "honest" for person in people], dtype=bool)
    right = np.array([person["said"] == person["kind"] for person in people], dtype=bool)
    return {
        "precision": share(bad, named),
        "recall": share(named, bad),
        "right_kind": share(right, bad & named),
        "bad": int(bad.sum()),
        "suspected": int(named.sum()),
    }


def share(hits: Bools, among: Bools) -> float | None:
    """Return the share of hits among some, None where there are none."""
    return float(hits[among].mean()) if among.any() else None


def bin_of(n: int) -> str:
    """Name the range that a number of annotations is in."""
    place = int(np.digitize(n, BINS)) - 1
    return f"{BINS[place]}-{BINS[place + 1] - 1}" if place < len(BINS) - 2 else f"{BINS[place]}+"


def split(people: Sequence[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    """Group annotators by a description, numbers in order."""
    order = "n" if key == "annotations" else key
    groups: dict[str, list[dict[str, Any]]] = {}
    for person in sorted(people, key=lambda one: one[order]):
        groups.setdefault(str(person[key]), []).append(person)
    return groups


def machine() -> dict[str, Any]:
    """Say where and with what the figures were measured."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
    }


if __name__ == "__main__":
    main()
