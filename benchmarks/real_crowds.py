"""What consensus methods say of real crowds, verified against labels that were held back.

Run with ``python benchmarks/real_crowds.py --data FOLDER ... [--seeds 5] [--peers] [--out FILE.json]``. A
folder is of long format (texts.csv, annotations.csv; with questions, each is a set) or holds such folders.
Of every text that has more than k labels, k random ones are given, k = 1, 2, 3, and the rest is held back.
With "+head" a method has the out-of-sample probabilities of our head on MiniLM's features, trained on the
shares of the given labels and calibrated to them; all have the same. For each method, set and k, means over
the seeds:

- log_loss: of a held-back label, given who gave it, for methods that know how single annotators answer;
- accuracy: how often the label is the majority of the held-back labels (ties split), and macro_f1 with these;
- expected: the mean probability, by the method's own belief, that it is: drawn from its belief of each text
  and of everybody who gave the held-back labels;
- stated: the mean quality of the labels;
- coverage (ours): how often 95 % intervals hold what was held back. ``consensus``: the interval of the
  accuracy against majorities of so many labels, and that accuracy. ``annotators``: the interval of the
  quality of everybody with 20 labels or more, and the share of their labels, given or not, that equal the
  majority of all others'. ``shares``: the interval of a class's share, and its share among the held-back
  majorities.
- on scales (three or more classes that are numbers): kappa, quadratic, of the label with the median of the
  held-back labels; distance, the mean absolute one, of the position to their mean; coverage.position: how
  often the mean of a text's held-back labels is between the 2.5 and 97.5 % quantiles of what the method
  believes of it. Here the median, the mean, and the mean less shrunk biases are compared, too.

The figures were chosen on politeness, CEBaB's food and CEBaB's stars; all others were only judged.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from crowd_methods import METHODS, ON_SCALES, PEERS, RATINGS, Belief, Floats, Ints
from crowd_sets import CrowdSet, read_sets
from jurybox import Annotations
from jurybox.classifiers.calibrated import calibrate
from jurybox.classifiers.head import Head
from jurybox.datasets.folder import ANNOTATIONS
from jurybox.datasets.frames import rank_within_text
from jurybox.scales import quadratic_kappa
from jurybox.trust.annotators import assess_annotators
from jurybox.trust.estimates import estimate_of_consensus
from jurybox.trust.observed import Observed

OUT = Path(__file__).resolve().parent / "results" / "real_crowds.json"
GIVEN = (1, 2, 3)
FEWEST_TEXTS = 50
DRAWS = 100
KNOWN = 20  # labels of an annotator whose interval is verified
COVERED = ("jurybox", "jurybox+head")


def main() -> None:
    """Judge every method on every set, and write JSON after each set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=[Path("../shared/data")])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="crowd-kit's methods, too, which are slow")
    parser.add_argument("--no-intervals", action="store_true", help="verify no intervals")
    parser.add_argument("--only", nargs="*", default=(), metavar="SET", help="of the sets; default: all")
    parser.add_argument("--centre", type=float, default=Head().centre, help="log2 of the head's strength")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    methods = METHODS | (PEERS if arguments.peers else {})
    report: dict[str, Any] = {"machine": machine(), "seeds": arguments.seeds, "sets": {}}
    for found in sets_in(arguments.data):
        if arguments.only and found.name not in arguments.only:
            continue
        report["sets"][found.name] = judged(
            found, methods, arguments.seeds, not arguments.no_intervals, Head(centre=arguments.centre)
        )
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
        print("\n".join(table(found.name, report["sets"][found.name])), flush=True)


def sets_in(folders: list[Path]) -> Iterator[CrowdSet]:
    """Yield the sets of folders, and of the folders in them."""
    for folder in folders:
        inside = [one for one in sorted(folder.iterdir()) if one.is_dir()] if folder.is_dir() else []
        for one in [folder] if is_set(folder) else inside:
            if is_set(one):
                yield from read_sets(one)


def is_set(folder: Path) -> bool:
    """Say whether a folder is a data set with texts."""
    return ((folder / "texts.csv").exists() and (folder / ANNOTATIONS).exists()) or (
        (folder / "extra_annotations.json").exists() or (folder / "extra_annotations.npy").exists()
    )


def judged(
    found: CrowdSet, methods: dict[str, Any], seeds: int, intervals: bool, head: Head
) -> dict[str, Any]:
    """Return the figures of every method by the number of given labels."""
    features = found.features()
    figures: dict[str, Any] = {
        "texts": found.annotations.n_texts,
        "annotators": found.annotations.n_annotators,
        "classes": [str(name) for name in found.annotations.classes],
        "k": {},
    }
    for k in GIVEN:
        texts = np.flatnonzero(found.annotations.n_labels > k)
        if len(texts) < FEWEST_TEXTS:
            continue
        runs: dict[str, list[dict[str, Any]]] = {}
        for seed in range(seeds):
            rng = np.random.default_rng([seed, k])
            given, held = divided(found.annotations.subset(texts=texts), k, rng)
            p = probabilities(features[texts], given, head)
            on_scale = given.scale is not None
            for name, (method, asks_head) in (methods | (ON_SCALES if on_scale else {})).items():
                belief = method(given, p if asks_head else None)
                measured: dict[str, Any] = measure(belief, held, np.random.default_rng(seed))
                if intervals and name in COVERED:
                    measured["coverage"] = coverage(
                        given, held, belief.labels, p if asks_head else None, np.random.default_rng(seed)
                    )
                runs.setdefault(name, []).append(measured)
            for name, rate in (RATINGS if on_scale else {}).items():
                runs.setdefault(name, []).append(measure_ratings(*rate(given), held))
        figures["k"][str(k)] = {name: mean(each) for name, each in runs.items()}
    return figures


def divided(annotations: Annotations, k: int, rng: np.random.Generator) -> tuple[Annotations, Annotations]:
    """Give k random labels of each text, and hold the rest back."""
    text, annotator, label = annotations.text, annotations.annotator, annotations.label
    given = rank_within_text(annotations, rng) < k
    return (
        annotations.with_triplets(text[given], annotator[given], label[given]),
        annotations.with_triplets(text[~given], annotator[~given], label[~given]),
    )


def probabilities(features: Floats, given: Annotations, head: Head | None = None) -> Floats:
    """Return out-of-sample probabilities (N, K) of a head trained on the shares of the given labels."""
    weights = given.n_labels.astype(np.float64)
    fitted = (head or Head()).fit(features, given.counts / weights[:, None], weights)
    return np.asarray(calibrate(fitted, given.counts).out_of_sample)


def measure(belief: Belief, held: Annotations, rng: np.random.Generator) -> dict[str, Any]:
    """Return the figures of one belief."""
    rows = np.arange(held.n_texts)
    of_label = np.einsum("lc,lc->l", belief.states[held.text], belief.answers[held.annotator, :, held.label])
    won = ties_split(held.counts)
    majority = won.argmax(axis=1)
    foretold, means = expected(belief, held, rng)
    figures: dict[str, Any] = {
        "log_loss": float(-np.log(np.maximum(of_label, 1e-9)).mean()),
        "accuracy": float(won[rows, belief.labels].mean()),
        "macro_f1": macro_f1(majority, belief.labels, held.n_classes),
        "stated": float(belief.quality.mean()),
        "expected": foretold,
    }
    if held.scale is not None:
        numbers = np.array(held.scale)
        own = numbers[belief.labels]
        figures |= measure_ratings(own, own if belief.position is None else belief.position, held)
        low, high = np.quantile(means @ numbers, (0.025, 0.975), axis=0)
        truth = held.counts @ numbers / held.n_labels
        figures["position"] = float(((truth > low - 1e-9) & (truth < high + 1e-9)).mean())
    return figures


def measure_ratings(labels: Floats, position: Floats, held: Annotations) -> dict[str, float]:
    """Compare the numbers of labels (N,), and positions (N,), with held-back labels of a scale."""
    numbers = np.array(held.scale)
    given = np.split(numbers[held.label], np.cumsum(held.n_labels)[:-1])
    truth = np.array([np.median(each) for each in given])
    mean = np.array([each.mean() for each in given])
    return {"kappa": quadratic_kappa(labels, truth), "distance": float(np.abs(position - mean).mean())}


def ties_split(counts: Ints) -> Floats:
    """Return what share of a majority each class has, by counts (..., K)."""
    most = counts == counts.max(axis=-1, keepdims=True)
    return np.asarray(most / most.sum(axis=-1, keepdims=True))


def expected(belief: Belief, held: Annotations, rng: np.random.Generator) -> tuple[float, Floats]:
    """Return the mean probability that the majority of the held-back labels is the label, by draws.

    And these draws, the shares of the classes among the held-back labels, shape (S, N, K).
    """
    K, N = held.n_classes, held.n_texts
    states = belief.states.cumsum(axis=1)
    answers = belief.answers.cumsum(axis=2)
    total, shares = 0.0, np.empty((DRAWS, N, K))
    for draw in range(DRAWS):
        state = (states < rng.random((N, 1)) * states[:, -1:]).sum(axis=1).clip(max=states.shape[1] - 1)
        said = answers[held.annotator, state[held.text]]
        label = (said < rng.random((len(said), 1)) * said[:, -1:]).sum(axis=1).clip(max=K - 1)
        counts = np.bincount(held.text * np.int64(K) + label, minlength=N * K).reshape(N, K)
        total += ties_split(counts)[np.arange(N), belief.labels].mean()
        shares[draw] = counts / held.n_labels[:, None]
    return float(total / DRAWS), shares


def macro_f1(truth: Ints, labels: Ints, n_classes: int) -> float:
    """Return the mean F1 of the classes that occur."""
    right = np.bincount(truth[truth == labels], minlength=n_classes)
    occurrence = np.bincount(truth, minlength=n_classes) + np.bincount(labels, minlength=n_classes)
    return float((2 * right[occurrence > 0] / occurrence[occurrence > 0]).mean())


def coverage(
    given: Annotations, held: Annotations, labels: Ints, p: Floats | None, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Return for each kind of interval how many held, how many there were, and their mean width."""
    found = estimate_of_consensus(given, labels, p, judges=held.n_labels, rng=rng)
    won = ties_split(held.counts)
    accuracy = float(won[np.arange(len(labels)), labels].mean())
    shares = won.mean(axis=0)
    truth, known = agreement_with_others(given, held)
    assessed = assess_annotators(Observed(given, p), rng=rng)
    return {
        "consensus": tally([(found.accuracy, accuracy)]),
        "annotators": tally([(assessed[j].quality, truth[j]) for j in known]),
        "shares": tally(list(zip(found.class_shares, shares, strict=True))),
    }


def tally(pairs: list[tuple[Any, float]]) -> list[float]:
    """Count intervals that hold their value."""
    held = sum(interval.low - 1e-9 <= value <= interval.high + 1e-9 for interval, value in pairs)
    return [held, len(pairs), float(sum(interval.high - interval.low for interval, _ in pairs))]


def agreement_with_others(given: Annotations, held: Annotations) -> tuple[Floats, Ints]:
    """Return how often everybody agrees with the majority of the others (M,), and who is known."""
    text, annotator, label = (
        np.concatenate([getattr(given, name), getattr(held, name)]).astype(np.int64)
        for name in ("text", "annotator", "label")
    )
    counts = np.array((given.counts + held.counts)[text])
    counts[np.arange(len(text)), label] -= 1
    hit = ties_split(counts)[np.arange(len(text)), label]
    n = np.bincount(annotator, minlength=given.n_annotators)
    share = np.bincount(annotator, hit, minlength=given.n_annotators) / np.maximum(n, 1)
    return share, np.flatnonzero((n >= KNOWN) & (given.labels_per_annotator > 0))


def mean(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over the runs; of intervals the share that held, and their width; None without any."""
    figures: dict[str, Any] = {
        name: float(np.mean([run[name] for run in runs])) for name in runs[0] if name != "coverage"
    }
    if "coverage" in runs[0]:
        totals = {
            kind: np.sum([run["coverage"][kind] for run in runs], axis=0) for kind in runs[0]["coverage"]
        }
        figures["coverage"] = {kind: float(t[0] / t[1]) if t[1] else None for kind, t in totals.items()}
        figures["width"] = {kind: float(t[2] / t[1]) if t[1] else None for kind, t in totals.items()}
    return figures


def table(name: str, figures: dict[str, Any]) -> list[str]:
    """Return the figures of a set in lines."""
    lines = [f"{name}: {figures['texts']} texts, {figures['annotators']} annotators"]
    for k, methods in figures["k"].items():
        for method, one in methods.items():
            values = " ".join(f"{key} {value:.3f}" for key, value in one.items() if isinstance(value, float))
            held = {key: value for key, value in one.get("coverage", {}).items() if value is not None}
            covered = " ".join(f"{key} {value:.2f}" for key, value in held.items())
            lines.append(f"  {k} {method:24} {values} {covered}")
    return lines


def machine() -> dict[str, Any]:
    """Say where and with what this ran."""
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "date": datetime.now(UTC).date().isoformat(),
    }


if __name__ == "__main__":
    main()
