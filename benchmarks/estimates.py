"""How often the 95 % intervals of `jurybox.trust.estimates` hold the truth, in simulated projects.

Run with ``python benchmarks/estimates.py --data ../shared/data [--runs R] [--first SEED] [--out FILE]``. Each
run is a project on texts of known class: 5 to 50 annotators, 10 to 40 % of them spammers (half answer at
random, half nearly always the same), the others right on 60 to 95 % of each class; an audit sample of 10, 20
or 50 texts with 3 labels each; and one to four rounds of the default strategy. The last model is judged by
its accuracy, macro-F1 and class shares on all texts that were neither trained on nor in the audit sample, the
consensus by the true classes of the labelled texts. Beside it stands the usual estimate: agreement with the
majority of each audit text's labels (ties count in part), with Wilson's interval. The default seeds were used
for nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from jurybox import Annotations, datasets
from jurybox.consensus import estimate_consensus
from jurybox.curves import macro_f1
from jurybox.encoders import fit_views, get_encoders
from jurybox.loop import Settings, play_round
from jurybox.trust.estimates import estimate_from_audit, estimate_of_consensus
from jurybox.trust.intervals import Interval

OUT = Path(__file__).parent / "results" / "estimates.json"
FIRST_SEED = 600_000
POOL = 800
ANNOTATORS = (5, 10, 20, 50)
AUDITS = (10, 20, 50)
AUDIT_LABELS = 3
FIRST_TEXTS, BATCH = 60, 100


@dataclass(frozen=True)
class Corpus:
    """N texts as features (N, D), and their true classes (N,)."""

    name: str
    features: NDArray[np.float64]
    truth: NDArray[np.int64]

    @property
    def n_classes(self) -> int:
        """K."""
        return int(self.truth.max()) + 1


@dataclass(frozen=True)
class Crowd:
    """M annotators: their confusions (M, K, K), and how much of the work each does (M,)."""

    confusion: NDArray[np.float64]
    activity: NDArray[np.float64]

    @classmethod
    def draw(cls, n_annotators: int, n_classes: int, rng: np.random.Generator) -> Crowd:
        """Draw careful annotators and spammers."""
        K = n_classes
        right = rng.uniform(0.6, 0.95, (n_annotators, K))
        confusion = np.repeat((1 - right)[:, :, None] / (K - 1), K, axis=2)
        confusion[:, np.arange(K), np.arange(K)] = right
        spammers = rng.permutation(n_annotators)[: round(rng.uniform(0.1, 0.4) * n_annotators)]
        for turn, spammer in enumerate(spammers):
            answers = np.full(K, 1 / K)
            if turn % 2:
                answers = np.full(K, 0.05 / (K - 1))
                answers[rng.integers(K)] = 0.95
            confusion[spammer] = answers
        return cls(confusion, rng.lognormal(0, 0.5, n_annotators))

    def label(
        self, texts: NDArray[np.int64], truth: NDArray[np.int64], each: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Have each text labelled by so many different people; return texts, annotators and labels."""
        order = np.log(self.activity) + rng.gumbel(size=(len(texts), len(self.activity)))
        people = np.argsort(-order, axis=1)[:, :each].ravel()
        asked = np.repeat(texts, each)
        cumulative = self.confusion[people, truth[asked]].cumsum(axis=1)
        labels = (cumulative < rng.random((len(asked), 1))).sum(axis=1).clip(max=truth.max())
        return asked, people, labels


def main() -> None:
    """Play all runs, print the coverage and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=int, default=500, help="on each corpus")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first run")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    report: dict[str, Any] = {
        "machine": machine(),
        "protocol": {"runs": arguments.runs, "first_seed": arguments.first, "encoder": "tfidf"},
        "corpora": {},
    }
    corpora = (politeness(arguments.data), demo())
    rows: dict[str, list[dict[str, Any]]] = {corpus.name: [] for corpus in corpora}
    for done in range(1, arguments.runs + 1):
        for corpus in corpora:
            rows[corpus.name].append(play(corpus, arguments.first + done - 1))
        if done % 50 == 0 or done == arguments.runs:
            report["corpora"] = {
                corpus.name: {"texts": len(corpus.truth)} | summarise(rows[corpus.name]) for corpus in corpora
            }
            print("\n".join(table(name, found) for name, found in report["corpora"].items()), flush=True)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(report, indent=1) + "\n")


def politeness(data: Path) -> Corpus:
    """Read the politeness texts; the majority of the real labels, or their gold, is taken for the truth."""
    found = datasets.load(data / "stanford-politeness")
    counts = found.answers.counts
    clear = np.flatnonzero(counts.max(axis=1) * 2 > counts.sum(axis=1))
    texts = [*(found.pool_texts[i] for i in clear), *found.test_texts]
    return encoded("politeness", texts, np.concatenate([counts[clear].argmax(axis=1), found.test_labels]))


def demo() -> Corpus:
    """Generate reviews of known class."""
    found = datasets.load_demo(seed=FIRST_SEED, n_pool=4000, n_test=100)
    assert found.gold is not None  # noqa: S101
    return encoded("demo", found.pool_texts, found.gold)


def encoded(name: str, texts: Sequence[str], truth: NDArray[np.int64]) -> Corpus:
    """Turn texts into features."""
    rows = fit_views(get_encoders("tfidf"), texts).rows(texts)
    return Corpus(name, rows.astype(np.float64), truth.astype(np.int64))


def play(corpus: Corpus, seed: int) -> dict[str, Any]:
    """Play one project and judge it; return each interval with its truth."""
    rng = np.random.default_rng(seed)
    K, truth = corpus.n_classes, corpus.truth
    pool = rng.permutation(len(truth))
    n_audit, n_annotators = int(rng.choice(AUDITS)), int(rng.choice(ANNOTATORS))
    crowd = Crowd.draw(n_annotators, K, rng)
    audit, used = np.arange(n_audit), np.arange(POOL)
    classes, features = truth[pool], corpus.features[pool]
    given = [
        np.concatenate(parts)
        for parts in zip(
            crowd.label(audit, classes, AUDIT_LABELS, rng),
            crowd.label(np.arange(n_audit, n_audit + FIRST_TEXTS), classes, 2, rng),
            strict=True,
        )
    ]
    annotations = Annotations.from_indices(*given, texts=POOL, annotators=n_annotators, classes=K)
    played = None
    for _ in range(int(rng.integers(1, 5))):
        played = play_round(
            annotations, features[used], Settings(batch=BATCH), rng,
            previous=played, trainable=used >= n_audit, eligible=used >= n_audit,
        )  # fmt: skip
        annotations = extended(annotations, played.batch, classes, crowd, rng)
    played = play_round(
        annotations, features[used], Settings(batch=BATCH), rng, previous=played, trainable=used >= n_audit
    )
    assert played.classifier is not None  # noqa: S101
    fresh = np.arange(POOL, len(truth))
    fresh_predicted = played.classifier.predict_proba(features[fresh]).argmax(axis=1)
    predicted = played.pred_probs[audit].argmax(axis=1)
    consensus = estimate_consensus(annotations, played.pred_probs).labels
    labelled = np.flatnonzero(annotations.labelled)
    start = time.perf_counter()
    model = estimate_from_audit(annotations, audit, predicted, played.pred_probs, rng=rng)
    seconds = time.perf_counter() - start
    labels = estimate_of_consensus(annotations, consensus, played.pred_probs, rng=rng)
    accuracy = float((fresh_predicted == classes[fresh]).mean())
    true_consensus = float((consensus[labelled] == classes[labelled]).mean())
    f1 = macro_f1(classes[fresh], fresh_predicted, K)
    return {
        "audit": n_audit, "annotators": n_annotators, "seconds": seconds,
        "intervals": {
            "accuracy": scored(model.accuracy, accuracy),
            "accuracy, majority and Wilson": scored(usual(annotations, audit, predicted), accuracy),
            "macro-F1": scored(model.macro_f1, f1),
            "class share": scored(model.class_shares[1], float((classes[fresh] == 1).mean())),
            "consensus accuracy": scored(labels.accuracy, true_consensus),
            "consensus macro-F1": scored(
                labels.macro_f1, macro_f1(classes[labelled], consensus[labelled], K)
            ),
        },
    }  # fmt: skip


def extended(
    annotations: Annotations,
    texts: NDArray[np.int64],
    truth: NDArray[np.int64],
    crowd: Crowd,
    rng: np.random.Generator,
) -> Annotations:
    """Add one label to each of these texts, by someone who has not labelled it; nobody may be left."""
    asked, people, labels = crowd.label(texts, truth, len(crowd.activity), rng)
    key = asked * annotations.n_annotators + people
    known = annotations.text.astype(np.int64) * annotations.n_annotators + annotations.annotator
    free = np.flatnonzero(~np.isin(key, known))
    first = free[np.unique(asked[free], return_index=True)[1]]
    return annotations.extend(asked[first], people[first], labels[first])


def usual(annotations: Annotations, audit: NDArray[np.int64], predicted: NDArray[np.int64]) -> Interval:
    """Return the share of audit texts whose commonest label is predicted, with Wilson's interval."""
    counts = annotations.counts[audit]
    commonest = counts == counts.max(axis=1, keepdims=True)
    hits = (commonest[np.arange(len(audit)), predicted] / commonest.sum(axis=1)).sum()
    low, high = proportion_confint(hits, len(audit), method="wilson")
    return Interval(float(hits / len(audit)), float(low), float(high))


def scored(interval: Interval, truth: float) -> tuple[float, float, float, float]:
    """Return estimate, bounds and truth."""
    return interval.estimate, interval.low, interval.high, truth


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return coverage, width and bias of every interval, over all runs and by size."""
    groups: dict[str, Callable[[dict[str, Any]], bool]] = {"all": lambda _: True}
    groups |= {f"audit of {n}": lambda row, n=n: row["audit"] == n for n in AUDITS}  # type: ignore[misc]
    groups |= {f"{m} annotators": lambda row, m=m: row["annotators"] == m for m in ANNOTATORS}  # type: ignore[misc]
    found: dict[str, Any] = {
        "runs": len(rows),
        "median_seconds_per_estimate": float(np.median([row["seconds"] for row in rows])),
    }
    for name, belongs in groups.items():
        chosen = [row for row in rows if belongs(row)]
        if chosen:
            found[name] = {"runs": len(chosen)} | {
                kind: figures(np.array([row["intervals"][kind] for row in chosen]))
                for kind in chosen[0]["intervals"]
            }
    return found


def figures(values: NDArray[np.float64]) -> dict[str, float]:
    """Return what estimates, bounds and truths (R, 4) amount to."""
    estimate, low, high, truth = values.T
    return {
        "coverage": float(((low <= truth) & (truth <= high)).mean()),
        "too_high": float((low > truth).mean()),
        "too_low": float((high < truth).mean()),
        "mean_width": float((high - low).mean()),
        "mean_error": float((estimate - truth).mean()),
        "root_mean_square_error": float(np.sqrt(np.square(estimate - truth).mean())),
        "mean_truth": float(truth.mean()),
    }


def table(name: str, found: dict[str, Any]) -> str:
    """Return the figures in lines."""
    lines = [f"{name}, {found['runs']} runs, {found['median_seconds_per_estimate']:.2f} s per estimate"]
    for group, kinds in found.items():
        if isinstance(kinds, dict):
            lines += [line(group, kind, v) for kind, v in kinds.items() if isinstance(v, dict)]
    return "\n".join(lines)


def line(group: str, kind: str, v: dict[str, float]) -> str:
    """Return the figures of one interval in one group of runs."""
    missed = f"too high {v['too_high']:.3f}, too low {v['too_low']:.3f}"
    return (
        f"  {group:14} {kind:30} coverage {v['coverage']:.3f} ({missed}) width {v['mean_width']:.3f} "
        f"error {v['mean_error']:+.3f} truth {v['mean_truth']:.3f}"
    )


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
