"""When to stop: do forecasts keep their word, what do stop rules save and cost, what is known of savings.

Run with ``python benchmarks/stopping.py --data ../shared/data [--seeds 5] [--crowd 3] [--arms 2]``. Runs are
played and audited once and kept under ``benchmarks/cache/stopping``; the command may be stopped and given
again. ``--summarise`` plays nothing. Writes ``benchmarks/results/stopping.json``.

Protocol: the data sets and variants of `label_efficiency.py`, 25 rounds of 25 labels from 200, strategies
`default` and `random`; truth and audit samples as in `stopping_runs.py` and `stopping_audits.py`. The prior
of learning curves is learnt on seeds 0 and 1 (`DEVELOPED`); for each data set it is learnt on the others.
Figures are those of the other seeds; the crowd's audits and savings, of which nothing is learnt, of all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit
from scipy.stats import norm

from jurybox.arrays import Floats
from jurybox.trust.forecast import (
    CURVES,
    CurvePrior,
    audit_covariance,
    curve_covariance,
    curve_posterior,
)
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import estimate_savings
from jurybox.trust.stopping import Exhausted, RoundFacts, Stable, StopRule, TargetAccuracy
from stopping_audits import (
    REPLICATES,
    SIZES,
    Audited,
    audited,
    audited_by_crowd,
    draw_audit,
    is_stored,
    judge_by_truth,
    judged,
    stabilities,
)
from stopping_runs import ARM_ROUNDS, PLAYED, plan, play, play_arm, read, stored, write

OUT = Path(__file__).resolve().parent / "results" / "stopping.json"
DEVELOPED = (0, 1)
MAIN = ("default", "random")
LEVEL = 0.8
_ORIGINS, _AHEAD = (4, 8, 12, 16), (0, 4, 8, 12)
RULES: dict[str, StopRule] = {
    "stable, kappa 0.99": Stable(0.99),
    "stable, kappa 0.97": Stable(0.97),
    "stable, kappa 0.95": Stable(0.95),
    "exhausted, 200 labels below 0.02": Exhausted(200, 0.02),
    "exhausted, 200 labels below 0.01": Exhausted(200, 0.01),
    "exhausted, 500 labels below 0.02": Exhausted(500, 0.02),
    "exhausted, 500 labels below 0.03": Exhausted(500, 0.03),
    "target 0.7": TargetAccuracy(0.7),
    "target 0.8": TargetAccuracy(0.8),
}
FIXED = (300, 400, 500, 600)


def main() -> None:
    """Play and audit what is missing, then evaluate and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=5, help="of default and random")
    parser.add_argument(
        "--crowd", type=int, default=3, help="seeds whose audits are judged by the crowd, too"
    )
    parser.add_argument("--arms", type=int, default=2, help="seeds for savings")
    parser.add_argument("--summarise", action="store_true", help="play nothing, evaluate what is stored")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    if not arguments.summarise:
        play_missing(arguments.data, arguments.seeds, arguments.crowd, arguments.arms)
    priors = learn_priors()
    report = {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()},
        "developed_on_seeds": DEVELOPED,
        "priors_without": {name: asdict(prior) for name, prior in priors.items()},
        "forecast": {
            f"{judge}, {size} texts": forecasts(fresh(judge, size), priors)
            for judge in ("truth", "crowd")
            for size in SIZES
        },
        "rules": evaluate_stopping(priors),
        "savings": savings(arguments.data),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: report[name] for name in ("forecast", "rules", "savings")}, indent=1))


def play_missing(root: Path, seeds: int, crowd: int, arms: int) -> None:
    """Play every run, audit those that the crowd judges, and train on the random arms."""
    plans = [*plan(range(seeds), MAIN), *plan(range(arms), ("random selection", "random arm"))]
    for case, strategy, seed in plans:
        if not is_stored(case, strategy, seed):
            write(play(root, case, strategy, seed), stored(case, strategy, seed))
            print(case.name, strategy, seed, flush=True)
    for case, strategy, seed in plan(range(crowd), MAIN):
        audited_by_crowd(case, strategy, seed, SIZES[0])
    for case, _, seed in plan(range(arms), ("random arm",)):
        play_arm(root, case, seed)


def fresh(judge: str, size: int, strategies: tuple[str, ...] = MAIN) -> list[Audited]:
    """Return the audited runs of the seeds that nothing was learnt on; of the crowd's audits, of all seeds.

    Nothing at all was learnt from what the crowd says, and priors are those of the other data sets.
    """
    runs = [each for each in plan(range(100), strategies) if is_stored(*each)]
    if judge == "crowd":
        return [audited_by_crowd(*each, size) for each in runs if judged(*each).exists()]
    runs = [each for each in runs if each[2] not in DEVELOPED]
    return [audited(*each, size, replicate) for each in runs for replicate in range(REPLICATES)]


# --- the prior of learning curves


def learn_priors() -> dict[str, CurvePrior]:
    """Return the prior learnt without each data set, and without none, from the seeds to learn on."""
    runs = [
        audited(*each, size, replicate)
        for each in plan(range(max(DEVELOPED) + 1), MAIN)
        if is_stored(*each)
        for size in SIZES
        for replicate in range(REPLICATES)
    ]
    names = sorted({run.case.data for run in runs})
    return {name: learn_prior([run for run in runs if run.case.data != name]) for name in (*names, "none")}


def learn_prior(runs: Sequence[Audited]) -> CurvePrior:
    """Maximise the density of later accuracies as forecast from the rounds before, over all but the level."""
    bounds = np.array([[[each.low, each.high] for each in run.accuracy] for run in runs])
    low, high = np.moveaxis(logit(np.clip(bounds, 1e-4, 1 - 1e-4)), 2, 0)
    z, error = (low + high) / 2, (high - low) / (2 * norm.ppf(0.975))
    n = np.array([run.n_truth for run in runs])[:, None]
    truth = (np.array([run.truth for run in runs]) * n + 0.5) / (n + 1)
    y, noise = logit(truth), 1 / (n * truth * (1 - truth))
    t = np.log(runs[0].labels / runs[0].labels[0])

    def loss(values: Floats) -> float:
        prior = to_prior(values)
        total = 0.0
        for origin in _ORIGINS:
            ahead = sorted({min(origin + more, len(t) - 1) for more in (*_AHEAD, len(t))})
            mean, variance = predict(prior, t, z[:, : origin + 1], error[:, : origin + 1], t[ahead])
            variance = variance + noise[:, ahead]
            total += float((np.log(variance) + (y[:, ahead] - mean) ** 2 / variance).mean()) / 2
        return total / len(_ORIGINS) + float(np.sum((values - _START) ** 2)) / 1000

    return to_prior(minimize(loss, _START, method="L-BFGS-B", options={"maxiter": 40}).x)


_START = np.array([0.3, -1.5, -3.0, 0.0, -1.5])


def to_prior(values: Floats) -> CurvePrior:
    """Read a prior from five free numbers."""
    slope, slope_sd, wander, shared, reach = values
    return replace(
        CURVES,
        slope=float(slope),
        slope_sd=float(np.exp(slope_sd)),
        wander=float(np.exp(wander)),
        shared=float(expit(shared)),
        reach=float(np.exp(reach)),
    )


def predict(prior: CurvePrior, t: Floats, z: Floats, error: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance (B, F) at log labels (F,) for B runs, as `curve_posterior` does for one."""
    t = t[: z.shape[1]]
    unit = audit_covariance(t, np.ones(len(t)), prior)
    K = curve_covariance(t, t, prior) + unit * error[:, :, None] * error[:, None, :]
    K_at = curve_covariance(at, t, prior)
    residual = (z - prior.level - prior.slope * t)[:, :, None]
    solved = np.linalg.solve(
        K, np.concatenate([np.broadcast_to(K_at.T, (len(z), *K_at.T.shape)), residual], axis=2)
    )
    mean = prior.level + prior.slope * at + solved[:, :, -1] @ K_at.T
    spread = np.einsum("fn,bnf->bf", K_at, solved[:, :, :-1])
    return mean, np.diag(curve_covariance(at, at, prior)) - spread


# --- forecasts


def forecasts(runs: Sequence[Audited], priors: dict[str, CurvePrior]) -> dict[str, Any]:
    """Return how often the interval forecast at half of the budget holds the final accuracy; its width."""
    rows = [(run.case, run.strategy, *forecast_one(run, priors[run.case.data])) for run in runs]
    groups: dict[str, list[Any]] = {"all": rows}
    for row in rows:
        for name in (row[0].data, f"strategy {row[1]}", f"case {row[0].name}"):
            groups.setdefault(name, []).append(row)
    return {name: summarise(found) for name, found in groups.items() if found}


def forecast_one(run: Audited, prior: CurvePrior) -> Floats:
    """Return (held, held with the truth's own error, width, error, baseline held, its width)."""
    now, end = run.half, len(run.labels) - 1
    at = run.labels[[now, end]].astype(np.float64)
    labels = run.labels[: now + 1].astype(np.float64)
    posterior = curve_posterior(labels, run.accuracy[: now + 1], at, prior=prior)
    posterior = posterior.starting_from(run.accuracy[now])
    found, truth = posterior.interval(1, LEVEL), float(run.truth[end])
    smoothed = (truth * run.n_truth + 0.5) / (run.n_truth + 1)
    variance = posterior.covariance[1, 1] + 1 / (run.n_truth * smoothed * (1 - smoothed))
    covered = abs(logit(smoothed) - posterior.mean[1]) <= norm.ppf((1 + LEVEL) / 2) * np.sqrt(variance)
    last = run.accuracy[now]
    ratio = norm.ppf((1 + LEVEL) / 2) / norm.ppf(0.975)
    low, high = logit(np.clip([last.low, last.high], 1e-4, 1 - 1e-4))
    middle, half = (low + high) / 2, ratio * (high - low) / 2
    below, above = expit(middle - half), expit(middle + half)
    return np.array(
        [
            truth in found,
            covered,
            found.high - found.low,
            found.estimate - truth,
            below <= truth <= above,
            above - below,
        ]
    )


def summarise(rows: Sequence[Any]) -> dict[str, float]:
    """Average what `forecast_one` returned."""
    values = np.array([row[2:] for row in rows], dtype=np.float64)
    mean = values.mean(axis=0)
    return {
        "runs": len(rows),
        "held": round(float(mean[0]), 3),
        "held_with_the_truths_own_error": round(float(mean[1]), 3),
        "width": round(float(mean[2]), 3),
        "mean_error": round(float(mean[3]), 3),
        "root_mean_square_error": round(float(np.sqrt((values[:, 3] ** 2).mean())), 3),
        "last_estimate_held": round(float(mean[4]), 3),
        "last_estimate_width": round(float(mean[5]), 3),
    }


# --- stop rules


def evaluate_stopping(priors: dict[str, CurvePrior]) -> dict[str, Any]:
    """Return labels saved against the full budget and accuracy lost, of `default`, by rule and seeds."""
    groups = {"developed": DEVELOPED, "fresh": [seed for seed in range(100) if seed not in DEVELOPED]}
    return {name: stopping_of(seeds, priors) for name, seeds in groups.items()}


def stopping_of(seeds: Iterable[int], priors: dict[str, CurvePrior]) -> dict[str, Any]:
    """Judge every round of every run of some seeds by every rule."""
    stops: dict[str, list[Floats]] = {}
    for seed in seeds:
        for case in PLAYED:
            if is_stored(case, "default", seed):
                run = audited(case, "default", seed, SIZES[0])
                kappas = stabilities(read(case, "default", seed))
                for name, stop in stops_of(run, kappas, priors[case.data]).items():
                    stops.setdefault(name, []).append(outcome(run, stop))
    return {name: {"runs": len(found), **stopped(np.array(found))} for name, found in stops.items()}


def stops_of(run: Audited, kappas: Sequence[float | None], prior: CurvePrior) -> dict[str, int]:
    """Return the round at which each rule stops first, the last round where it never does."""
    history = [
        RoundFacts(int(labels), accuracy, kappa)
        for labels, accuracy, kappa in zip(run.labels, run.accuracy, kappas, strict=True)
    ]
    rules = {
        name: replace(rule, prior=prior) if isinstance(rule, Exhausted) else rule
        for name, rule in RULES.items()
    }
    last = len(history) - 1
    found = {
        name: next((r for r in range(last) if rule.judge(history[: r + 1]).stop), last)
        for name, rule in rules.items()
    }
    return found | {f"fixed, {labels} labels": int(np.searchsorted(run.labels, labels)) for labels in FIXED}


def outcome(run: Audited, stop: int) -> Floats:
    """Return (labels saved, accuracy lost, whether it stopped early, accuracy at the stop)."""
    saved = run.labels[-1] - run.labels[stop]
    lost = run.truth[-3:].mean() - run.truth[max(stop - 1, 0) : stop + 2].mean()
    return np.array([saved, lost, saved > 0, run.truth[stop]], dtype=np.float64)


def stopped(found: Floats) -> dict[str, float]:
    """Average outcomes; accuracies are means over neighbouring rounds, against the noise of single ones."""
    early = found[:, 2] == 1
    return {
        "stopped_early": round(float(early.mean()), 3),
        "labels_saved": round(float(found[:, 0].mean()), 1),
        "accuracy_lost": round(float(found[:, 1].mean()), 4),
        "accuracy_lost_90_percent": round(float(np.quantile(found[:, 1], 0.9)), 4),
        "reached_0.7_where_stopped": round(float((found[early, 3] >= 0.7).mean()), 3) if early.any() else -1,
        "reached_0.8_where_stopped": round(float((found[early, 3] >= 0.8).mean()), 3) if early.any() else -1,
    }


# --- savings


def savings(root: Path) -> dict[str, Any]:
    """Return how often the interval of labels that random choice needs holds those it did need."""
    rows = []
    for case, _, seed in plan(range(100), ("random arm",)):
        if is_stored(case, "random arm", seed) and is_stored(case, "random selection", seed):
            rows += [savings_one(root, case, seed, number) for number in ARM_ROUNDS]
    return {
        str(labels): summarise_savings([row for row in rows if row["labels"] == labels])
        for labels in sorted({row["labels"] for row in rows})
    } | {"runs": rows}


def savings_one(root: Path, case: Any, seed: int, number: int) -> dict[str, Any]:
    """Estimate the labels that random choice needs for the accuracy of one round, and look them up."""
    project, chance = read(case, "random arm", seed), read(case, "random selection", seed)
    audit = draw_audit(project, case, "random arm", seed, 0)
    arm = play_arm(root, case, seed)
    predicted = np.zeros((len(arm[f"labels-{number}"]), int(project.shape[0])), dtype=np.int8)
    predicted[:, project.apart] = arm[f"predicted-{number}"]
    curve = judge_by_truth(project, predicted, audit)
    today: Interval = judge_by_truth(project, project.predicted[[number]], audit)[0]
    labels = int(project.n_annotations[number])
    rng = np.random.default_rng([seed, 6])
    found = estimate_savings(labels, today, arm[f"labels-{number}"], curve, rng=rng)
    near = slice(max(number - 1, 0), number + 2)
    reached = float(project.accuracy(audit)[0][near].mean())
    below = int((isotonic_regression(chance.accuracy(audit)[0]).x < reached).sum())
    needed = int(chance.n_annotations[below]) if below < len(chance.n_annotations) else None
    return {
        "case": case.name,
        "seed": seed,
        "labels": labels,
        "random_labels": int(arm[f"labels-{number}"][-1]),
        "needed": needed,
        "at_most_known": int(chance.n_annotations[-1]),
        "low": found.needed.low if found.needed else None,
        "high": found.needed.high if found.needed and np.isfinite(found.needed.high) else None,
        "better": found.better,
        "unknown": found.unknown,
    }


def summarise_savings(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Count what was known, what was held, and how wide the intervals are."""
    known = [row for row in rows if row["unknown"] is None]
    return {
        "runs": len(rows),
        "known": len(known),
        "held": round(float(np.mean([is_held(row) for row in known])), 3) if known else None,
        "median_factor_between_bounds": float(
            np.median([row["high"] / row["low"] if row["high"] else np.inf for row in known])
        )
        if known
        else None,
        "said_to_need_more_than_paid": round(float(np.mean([row["better"] for row in rows])), 3),
        "needed_more_than_paid": round(
            float(np.mean([row["needed"] is None or row["needed"] > row["labels"] for row in rows])), 3
        ),
    }


def is_held(row: dict[str, Any]) -> bool:
    """Say whether the labels needed are within the bounds; 200, a run's first, also stand for fewer."""
    needed = np.inf if row["needed"] is None else row["needed"]
    high = np.inf if row["high"] is None else row["high"]
    if row["needed"] is None:
        return bool(high >= row["at_most_known"])
    first = 200
    return bool((row["low"] <= needed or needed <= first) and (needed <= high or needed <= first))


if __name__ == "__main__":
    main()
