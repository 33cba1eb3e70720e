"""What text types do to the loop: `default` beside itself with the EM that was its consensus before.

Both arms have the same features (TF-IDF), head, calibration, first labels and held-out texts. One takes
targets, consensus and score from text types, the other from ``frozen_em``. Rounds, batches and what is held
out are those of ``label_efficiency.py``. Stored of each seed are means over the rounds: accuracy and macro-F1
on test texts, accuracy of the consensus of the arm's own labelled texts, and accuracy on held-out texts.

That accuracy of the consensus is no fair comparison: arms ask about different texts, some of them harder,
and the truth is the majority of all answers, the given ones among them, without ties. So both are also
made of the *same* labels, those of each arm in turn, and judged by the labels that were not given: what share
of these equals the consensus, on texts with a label ("labelled") and on all ("pool"). On a scale: how far
they are from it, on average, since text types give the label nearest to the mean there. ("last") is the same
of texts that have all of their labels, four or more, but one: what this one says of majority vote, too.

Three or more classes that are numbers are an ordered scale, which text types know and the EM does not; there
quadratic kappas are stored, too. Of texts that are edited copies of each other (a column ``original``) one is
taken. A folder with questions is named with one of them: ``cebab-aspects:food``.

``--arms shares`` plays `default` with the expected shares of people's answers for targets, in place of the
probabilities of the majority's.

    python benchmarks/loop_consensus.py demo ../shared/data/stanford-politeness ../shared/data/hs-brexit
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frozen_em import frozen_em
from jurybox import Annotations, Consensus, Settings, datasets, estimate_consensus, simulate, strategies
from jurybox.consensus.result import describe_annotators, summarise
from jurybox.datasets import Dataset
from jurybox.datasets.folder import ANNOTATIONS, TEXTS, class_names
from jurybox.scales import distances
from jurybox.strategies import majority_consensus
from real_crowds import machine

OUT = Path(__file__).resolve().parent / "results" / "loop_consensus.json"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "label-efficiency.md"
START, END = "<!-- loop consensus: start -->", "<!-- loop consensus: end -->"
ROUNDS, BATCH, FIRST_SEED = 25, 25, 300
FEWEST_BEFORE_LAST = 4
MEASURES = ("accuracy", "macro_f1", "consensus_accuracy", "held_out_accuracy")
ON_SCALES = ("kappa", "consensus_kappa")
Floats: TypeAlias = NDArray[np.float64]
ARMS = ("default", "em")
Method: TypeAlias = Callable[[Annotations, Floats | None, Any, Any], Consensus]


def main() -> None:
    """Measure, print, store, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", help="data sets: names or folders")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--arms", nargs="+", default=ARMS, choices=(*ARMS, "shares"), help="stored beside others"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    report: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"sets": {}}
    for name in arguments.data:
        runs = [played(name, FIRST_SEED + seed, arguments.arms) for seed in range(arguments.seeds)]
        report["machine"] = machine()
        report["sets"].setdefault(runs[0][0], {}).update(
            {
                arm: {
                    measure: [of_arm[arm][measure] for _, of_arm in runs]
                    for measure in runs[0][1][arm]
                    if all(measure in of_arm[arm] for _, of_arm in runs)
                }
                for arm in arguments.arms
            }
        )
        print(runs[0][0], report["sets"][runs[0][0]], flush=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.out != OUT:
        return
    text = DOCS.read_text(encoding="utf-8")
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    DOCS.write_text("\n".join([before, "", *table(report), "", after]), encoding="utf-8")


def played(name: str, seed: int, names: Sequence[str]) -> tuple[str, dict[str, dict[str, float]]]:
    """Play some arms; return the set's name, and every arm's means over the rounds by measure."""
    data = loaded(name, seed)
    both = {arm: _Both(data) for arm in names}
    default = strategies.STRATEGIES["default"]
    own: dict[str, dict[str, Any]] = {
        "default": {},
        "shares": {"targets": strategies.expected_shares},
        "em": {"targets": em_targets, "score": by_surest},
    }
    arms = [
        replace(
            default,
            name=name,
            consensus=partial(both[name].consensus, em_consensus if name == "em" else estimated),
            **own[name],
        )
        for name in names
    ]
    curves = simulate(
        data,
        arms,
        rounds=ROUNDS,
        batch=BATCH,
        seeds=[seed],
        encoder="tfidf",
        settings=Settings(),
        hold_out=0.2,
    )
    measures = MEASURES + (ON_SCALES if curves.on_scale else ())
    return data.name, {
        arm: {measure: float(np.nanmean(curves.curve(arm, measure))) for measure in measures}
        | both[arm].means()
        for arm in names
    }


class _Both:
    """Both consensus methods on the labels that one arm has paid for, round by round."""

    def __init__(self, data: Dataset) -> None:
        self._answers = data.answers
        scale = data.answers.scale
        # of a label where somebody answers any other: whether they are equal, how far apart they are
        self._compared = np.eye(len(data.classes)) if scale is None else distances(scale)
        self._rounds: list[dict[str, float]] = []

    def consensus(
        self, method: Method, annotations: Annotations, p: Floats | None, experts: Any, rng: Any
    ) -> Consensus:
        """Return the arm's own consensus, and measure both by the labels that were not given."""
        unseen = self._answers.counts - annotations.counts
        left = unseen.sum(axis=1)
        shares = unseen / np.maximum(left, 1)[:, None]
        some, last = left > 0, (left == 1) & (annotations.n_labels >= FEWEST_BEFORE_LAST)
        measured = {}
        for name, other in (("types", estimated), ("em", em_consensus), ("majority", majority_consensus)):
            labels = other(annotations, p, experts, np.random.default_rng(0)).labels
            right = (shares * self._compared[labels]).sum(axis=1)
            for which, rows in (("labelled", annotations.labelled & some), ("pool", some), ("last", last)):
                measured[f"{which}_{name}"] = float(right[rows].mean()) if rows.any() else np.nan
        self._rounds.append(measured)
        return method(annotations, p, experts, rng)

    def means(self) -> dict[str, float]:
        """Return the means over the rounds, of what there was."""
        table = pd.DataFrame(self._rounds).mean().dropna()
        return {str(key): float(value) for key, value in table.items()}


def loaded(name: str, seed: int) -> Dataset:
    """Load a set; what it leaves open is drawn by the seed."""
    path, _, question = name.partition(":")
    table = Path(path) / TEXTS
    copies = table.exists() and "original" in table.open(encoding="utf-8").readline()
    data = without_copies(Path(path), question, seed) if copies else datasets.load(name, seed=seed)
    ordered = len(data.classes) > 2 and all(isinstance(one, int) for one in data.classes)
    return data.on_scale() if ordered else data


def without_copies(folder: Path, question: str, seed: int) -> Dataset:
    """Return a set with one random text of each original; test texts are those that the folder names."""
    texts = pd.read_csv(folder / TEXTS, dtype=str, keep_default_na=False)
    texts = texts.sample(frac=1, random_state=seed).drop_duplicates("original")
    said = pd.read_csv(folder / ANNOTATIONS, dtype=str, keep_default_na=False)
    said = said[said["id"].isin(texts["id"]) & (said["label"] != "")]
    if question:
        said = said[said["question"] == question]
    names, numeric = class_names(said["label"].unique())
    said = said.assign(label=said["label"].astype(int) if numeric else said["label"])
    said = said.rename(columns={"id": "text"})[["text", "annotator", "label"]]
    said = said.drop_duplicates(["text", "annotator"])
    texts = texts[texts["id"].isin(said["text"])]
    in_test = texts["split"] == "test"
    known = Annotations.from_long(said["text"], said["annotator"], said["label"], classes=list(names))
    majority = dict(zip(known.texts, (names[k] for k in known.counts.argmax(axis=1)), strict=True))
    test = texts[in_test].assign(label=texts["id"].map(majority))[["id", "text", "label"]]
    return Dataset.from_frames(
        texts[~in_test][["id", "text"]],
        said[said["text"].isin(texts[~in_test]["id"])],
        test=test,
        classes=list(names),
        name=f"{folder.resolve().name} {question}".strip(),
        seed=seed,
    )


def table(report: dict[str, Any]) -> list[str]:
    """Return one row a set: means of text types and of the EM, and the standard error of their difference."""
    lines = [
        "| data | seeds | accuracy, EM → types | macro-F1 | consensus | held-out texts |",
        "|---|---|---|---|---|---|",
    ]
    for name, arms in sorted(report["sets"].items()):
        seeds = min(len(arms[arm]["accuracy"]) for arm in ARMS)
        cells = [paired(arms["em"][measure], arms["default"][measure]) for measure in MEASURES]
        lines.append(f"| {name} | {seeds} | {' | '.join(cells)} |")
    lines += [
        "",
        "| data | unseen labels of labelled texts: EM's labels | types' labels | of the pool | "
        "last labels: majority, EM, types | kappa of the model | of the consensus |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, arms in sorted(report["sets"].items()):
        cells = [paired(arms[arm]["labelled_em"], arms[arm]["labelled_types"]) for arm in ("em", "default")]
        cells.append(paired(arms["em"]["pool_em"], arms["default"]["pool_types"]))
        last = [np.mean(arms["default"].get(f"last_{one}", [np.nan])) for one in ("majority", "em", "types")]
        cells.append(", ".join(f"{value:.3f}" for value in last) if np.isfinite(last).all() else "–")
        cells += [
            paired(arms["em"][kappa], arms["default"][kappa]) if kappa in arms["em"] else "–"
            for kappa in ON_SCALES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "| data | seeds | accuracy, trained on posterior → on shares | macro-F1 "
        "| consensus | held-out texts |",
        "|---|---|---|---|---|---|",
    ]
    for name, arms in sorted(report["sets"].items()):
        if "shares" in arms:
            cells = [paired(arms["default"][measure], arms["shares"][measure]) for measure in MEASURES]
            lines.append(f"| {name} | {len(arms['shares']['accuracy'])} | {' | '.join(cells)} |")
    return lines


def paired(old: list[float], new: list[float]) -> str:
    """Return both means over the seeds that both have, and the standard error of the difference."""
    n = min(len(old), len(new))
    old, new = old[:n], new[:n]
    difference = np.array(new) - np.array(old)
    off = difference.std(ddof=1) / np.sqrt(len(difference))
    return f"{np.mean(old):.3f} → {np.mean(new):.3f} (± {off:.3f})"


def estimated(
    annotations: Annotations, p: Floats | None, experts: Any, _rng: np.random.Generator
) -> Consensus:
    """Take what `default` takes."""
    return estimate_consensus(annotations, p, experts=experts, check=False)


def by_surest(_a: Annotations, _p: Floats, consensus: Consensus, _rng: np.random.Generator) -> Floats:
    """Ask where the EM is least sure, as before there were scales."""
    return np.asarray(consensus.posterior.max(axis=1))


def em_targets(annotations: Annotations, p: Floats | None, experts: Any, rng: np.random.Generator) -> Floats:
    """Train on the EM's posterior, in which the last model has half its say."""
    if p is None:
        return strategies.label_shares(annotations, p, experts, rng)
    half = np.sqrt(p)
    return frozen_em(annotations, half / half.sum(axis=1, keepdims=True))[0]


def em_consensus(annotations: Annotations, p: Floats | None, _e: Any, _rng: np.random.Generator) -> Consensus:
    """Take the EM's posterior."""
    q, confusion = frozen_em(annotations, p)
    labels, quality = q.argmax(axis=1), q.max(axis=1)
    skill = np.diagonal(confusion, axis1=1, axis2=2).mean(axis=1)
    return Consensus(
        method="em",
        labels=labels,
        posterior=q,
        quality=quality,
        agreement=summarise(annotations, labels),
        n_annotations=annotations.n_labels,
        annotators=describe_annotators(annotations, labels, quality, skill),
    )


if __name__ == "__main__":
    main()
