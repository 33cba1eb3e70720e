"""Whether a cumulative-logit head would foretell labels on a scale better than our multinomial one.

Run with ``python benchmarks/ordinal_head.py --data FOLDER ... [--seeds 2] [--out FILE.json]``. Of every set
on a scale, 1, 2 or 3 random labels of each text are given, as in ``benchmarks/real_crowds.py``, and figures
are the log loss of the labels that are held back. Ours is judged as it is used: by approximate leave-one-out,
its penalty chosen by that, calibrated. The other, ``P(y <= l) = sigmoid(t_l - w x)`` with a ridge on w, is
judged by five folds and given the best of five penalties in hindsight, which favours it; that it is trained
on four fifths of the texts does not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from crowd_methods import Floats
from jurybox import Annotations
from real_crowds import FEWEST_TEXTS, GIVEN, divided, machine, probabilities, sets_in

OUT = Path(__file__).resolve().parent / "results" / "ordinal_head.json"
PENALTIES = (1.0, 4.0, 16.0, 64.0, 256.0)
FOLDS = 5


def main() -> None:
    """Compare both heads on every scale, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=[Path("../shared/data")])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    report = {"machine": machine(), "seeds": arguments.seeds, "sets": {}}
    for found in sets_in(arguments.data):
        if found.annotations.scale is None:
            continue
        features, by_k = found.features(), {}
        for k in GIVEN:
            texts = np.flatnonzero(found.annotations.n_labels > k)
            if len(texts) < FEWEST_TEXTS:
                continue
            runs = []
            for seed in range(arguments.seeds):
                rng = np.random.default_rng([seed, k])
                given, held = divided(found.annotations.subset(texts=texts), k, rng)
                ours = log_loss(probabilities(features[texts], given), held)
                runs.append((ours, min(cumulative(features[texts], given, held).values())))
            by_k[str(k)] = dict(zip(("multinomial", "cumulative"), np.mean(runs, axis=0), strict=True))
            print(found.name, k, by_k[str(k)], flush=True)
        report["sets"][found.name] = by_k
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


def log_loss(p: Floats, held: Annotations) -> float:
    """Return the mean log loss of held-back labels by probabilities (N, K)."""
    return float(-np.log(np.maximum(p[held.text, held.label], 1e-9)).mean())


def cumulative(x: Floats, given: Annotations, held: Annotations) -> dict[float, float]:
    """Return the log loss of the cumulative-logit head by penalty."""
    scaled, counts = x / x.std(axis=0).max(), given.counts.astype(np.float64)
    fold = np.random.default_rng(0).integers(0, FOLDS, len(x))
    found = {}
    for penalty in PENALTIES:
        p = np.zeros_like(counts)
        for left_out in range(FOLDS):
            rest = fold != left_out
            p[~rest] = predict(scaled[~rest], *fit(scaled[rest], counts[rest], penalty))
        found[penalty] = log_loss(p, held)
    return found


def fit(x: Floats, counts: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Fit weights (D,) and cut points (K - 1,) to features (N, D) and counts of labels (N, K)."""
    D = x.shape[1]
    below = counts.sum(axis=0).cumsum()[:-1] / counts.sum()
    cuts = np.log(below / (1 - below))
    start = np.concatenate([np.zeros(D), cuts[:1], np.log(np.maximum(np.diff(cuts), 0.05))])

    def parts(unknown: Floats) -> tuple[Floats, Floats]:
        return unknown[:D], np.cumsum(np.append(unknown[D], np.exp(unknown[D + 1 :])))

    def loss(unknown: Floats) -> tuple[float, Floats]:
        w, t = parts(unknown)
        p = predict(x, w, t)
        below = expit(t - (x @ w)[:, None])
        by_p = -counts / p
        by_cut = (by_p[:, :-1] - by_p[:, 1:]) * below * (1 - below)
        after = by_cut.sum(axis=0)[::-1].cumsum()[::-1]  # a gap moves all cuts behind it
        gradient = np.concatenate(
            [penalty * w - x.T @ by_cut.sum(axis=1), after[:1], after[1:] * np.exp(unknown[D + 1 :])]
        )
        return float(-(counts * np.log(p)).sum() + penalty / 2 * w @ w), gradient

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 150})
    return parts(found.x)


def predict(x: Floats, w: Floats, t: Floats) -> Floats:
    """Return probabilities of the classes, shape (N, K)."""
    below = expit(t - (x @ w)[:, None])
    edges = np.hstack([np.zeros((len(x), 1)), below, np.ones((len(x), 1))])
    return np.maximum(np.diff(edges, axis=1), 1e-12)


if __name__ == "__main__":
    main()
