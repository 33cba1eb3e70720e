"""What one encoder that is tuned for all questions is worth to each of them.

Run with ``python benchmarks/several_tuning.py --data ../shared/data/cebab-aspects [--seeds 3] [--page]``,
which writes the table into docs/several-answers.md. It takes some five minutes of one core a seed.

Each question of each text of the pool is answered once, as `benchmarks/multilabel.py` has people answer;
texts of the test, which are no edits of others, lie in the same pool without answers. Two rounds are played
without the second gear; then the encoder is tuned by the recipe of the product, and a third round is played
twice from the same state: without and with what it says. Seeds draw who answers, and training. Nothing is
chosen on the figures.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jurybox import Annotations, AnswerSheet, JointRound, Settings, play_questions
from jurybox.arrays import Floats
from jurybox.classifiers.cross_fitting import cross_fit, predict_own
from jurybox.classifiers.recipes import TuningSettings
from jurybox.encoders.transformer import minilm_folder
from jurybox.facet_targets import classes_of, soft_answers
from multilabel import PAGE, Corpus, Crowd, ratio, read_folder, scores
from real_crowds_report import between

OUT = Path(__file__).resolve().parent / "results" / "several_tuning.json"
START, END = (
    "<!-- made by benchmarks/several_tuning.py -->",
    "<!-- end of benchmarks/several_tuning.py -->",
)


def main() -> None:
    """Play every seed, and write JSON after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=450, help="of the pool, and as many for the test")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", action="store_true", help="write the table into the page")
    arguments = parser.parse_args()
    corpus = read_folder(arguments.data, arguments.texts, arguments.encoder)
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "data": corpus.name, "encoder": arguments.encoder, "texts": arguments.texts,
        "questions": [each.name for each in corpus.answers.questions], "runs": [],
    }  # fmt: skip
    for seed in range(arguments.seeds):
        report["runs"].append(play(corpus, seed))
        second, first = (
            np.array([np.log1p(-np.mean(run[f"macro_f1_{gear}"])) for run in report["runs"]])
            for gear in ("second", "first")
        )
        found = ratio(second - first)
        report["error_ratio"] = found if len(first) > 1 else found[:1]  # of one seed there is no interval
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(report["runs"][-1], report["error_ratio"], flush=True)
    if arguments.page:
        page = between(PAGE.read_text(encoding="utf-8"), START, END, lines(report))
        PAGE.write_text(page, encoding="utf-8")


def play(corpus: Corpus, seed: int) -> dict[str, Any]:
    """Return macro-F1 of each question without and with the second gear, and how much each believes it."""
    crowd = Crowd(corpus.answers, np.random.default_rng(seed))
    n = corpus.answers.n_texts
    crowd.ask([*range(n)], np.ones((n, len(corpus.answers.facets)), dtype=bool))
    sheet, x = widened(crowd.given, len(corpus.texts)), np.vstack([corpus.pool, corpus.test])
    before = None
    for _ in range(2):
        before = play_questions(sheet, x, Settings(), seed, previous=before)
    assert before is not None  # noqa: S101
    begin = time.process_time()
    tuned = tune(corpus, sheet, before, seed)
    seconds = time.process_time() - begin
    first, second = (
        play_questions(sheet, x, Settings(), seed, previous=before, tuned=said) for said in (None, tuned)
    )
    return {
        "seed": seed,
        "labels": len(sheet),
        "macro_f1_first": measured(corpus, first, n),
        "macro_f1_second": measured(corpus, second, n),
        "say": [each.diagnostics["second_gear"] for each in second.rounds.values()],
        "processor_seconds": round(seconds),
    }


def tune(corpus: Corpus, sheet: AnswerSheet, before: JointRound, seed: int) -> Floats:
    """Return what a tuned encoder says of all texts, out of sample, shape (N, C)."""
    from jurybox.classifiers.tuner import Tuner

    p = np.hstack([each.pred_probs for each in before.rounds.values()])
    labels = soft_answers(sheet, "default", seed, pred_probs=p)
    tuner = Tuner(minilm_folder(), classes_of(sheet), TuningSettings(device="cpu", seed=seed), threads=1)
    tokens = tuner.tokens([corpus.texts[row] for row in labels.rows])
    folds = cross_fit(tuner, tokens, labels.rows, labels.targets, labels.weights)
    return predict_own(tuner, folds, tuner.tokens(corpus.texts), np.arange(sheet.n_texts))


def widened(sheet: AnswerSheet, n_texts: int) -> AnswerSheet:
    """Return the same answers, in a pool with further texts behind those that they are about."""
    facets = {
        facet: Annotations.from_indices(
            each.text,
            each.annotator,
            each.label,
            texts=n_texts,
            annotators=each.annotators,
            classes=each.classes,
        )
        for facet, each in sheet.facets.items()
    }
    return AnswerSheet(sheet.questions, facets)


def measured(corpus: Corpus, played: JointRound, n: int) -> list[float]:
    """Return macro-F1 of each question on the texts behind the first n."""
    p = {facet: each.pred_probs[n:] for facet, each in played.rounds.items()}
    return scores(corpus, p, played.thresholds)


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the table, and what it rests on."""
    runs = report["runs"]
    yield "| question | macro-F1, first gear | second gear | the tuned encoder's say |"
    yield "|---|---:|---:|---:|"
    columns = [np.array([run[key] for run in runs]) for key in ("macro_f1_first", "macro_f1_second", "say")]
    for k, name in enumerate(report["questions"]):
        first, second, say = (each[:, k].mean() for each in columns)
        yield f"| {name} | {first:.3f} | {second:.3f} | {say:.0%} |"
    first, second, say = (each.mean() for each in columns)
    yield f"| mean | {first:.3f} | {second:.3f} | {say:.0%} |"
    labels, seconds = (np.mean([run[key] for run in runs]) for key in ("labels", "processor_seconds"))
    yield (
        f"\n{report['data']}, {len(runs)} seed{'s' * (len(runs) > 1)}, {report['texts']} texts in the pool "
        f"and in the test, {labels:,.0f} answers; {seconds:,.0f} seconds of one core a tuning. "
        f"Error (1 − mean macro-F1), second gear ÷ first: {_said(report['error_ratio'])}."
    )


def _said(found: list[float]) -> str:
    if len(found) == 1:
        return f"{found[0]:.3f}; one seed has no interval"
    return "{:.3f} ({:.3f} to {:.3f}, 95 % over seeds)".format(*found)


if __name__ == "__main__":
    main()
