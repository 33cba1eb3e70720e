"""What it is worth to know at each class what an annotator is like at all of them.

Run with ``python benchmarks/several_consensus.py --data ../shared/data/cebab-aspects [--seeds 3] [--page]``,
which writes the table into docs/several-answers.md. The folder has questions, each with the same classes. Of
every class, "which questions are answered by it?" is a question with several classes that real people have
answered. One or two random labels of each text and class are given, the others are held back; figures are
their log loss, by the consensus and the annotators' confusions, and the macro-F1 of the consensus against
their majority. ``own_share`` 0 is each class by itself.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jurybox import Annotations, AnswerSheet, estimate_answers
from jurybox.curves import macro_f1
from jurybox.questions import Facet
from real_crowds_report import between

OUT = Path(__file__).resolve().parent / "results" / "several_consensus.json"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "several-answers.md"
START, END = (
    "<!-- made by benchmarks/several_consensus.py -->",
    "<!-- end of benchmarks/several_consensus.py -->",
)
SHARES = (0.0, 0.5, 0.8)
GIVEN = (1, 2)


def main() -> None:
    """Compare shares on every class, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cebab-aspects"))
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--classes", nargs="+", default=None, help="default: all")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", action="store_true", help="write the table into the page")
    arguments = parser.parse_args()
    rows = pd.read_csv(arguments.data / "annotations.csv", dtype=str, keep_default_na=False)
    rows = rows.drop_duplicates(["id", "annotator", "question"])
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "data": arguments.data.name, "texts": arguments.texts, "seeds": arguments.seeds, "sets": {},
    }  # fmt: skip
    for name in arguments.classes or sorted(rows["label"].unique()):
        by_k: dict[str, Any] = {}
        for k in GIVEN:
            runs = [compare(rows, name, k, arguments.texts, seed) for seed in range(arguments.seeds)]
            by_k[str(k)] = {
                str(share): {figure: [run[share][figure] for run in runs] for figure in runs[0][share]}
                for share in SHARES
            }
            print(name, k, {s: np.mean(f["log_loss"]).round(4) for s, f in by_k[str(k)].items()}, flush=True)
        report["sets"][name] = by_k
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.page:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(between(page, START, END, table_lines(report)), encoding="utf-8")


def table_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the table, and what it rests on; differences are to each class by itself, paired by seed."""
    yield "| class, answers given | own share | log loss | difference, and its standard error | macro-F1 |"
    yield "|---|---:|---:|---:|---:|"
    for name, by_k in report["sets"].items():
        for k, by_share in by_k.items():
            alone = np.array(by_share["0.0"]["log_loss"])
            for share, found in by_share.items():
                loss = np.array(found["log_loss"])
                apart = loss - alone
                error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.nan
                said = "" if share == "0.0" else f"{apart.mean():+.4f} ± {error:.4f}"
                macro = np.mean(found["macro_f1"])
                yield f"| {name}, {k} | {share} | {loss.mean():.4f} | {said} | {macro:.3f} |"
    yield f"\n{report['seeds']} seeds, {report['texts']} texts each."


def compare(rows: pd.DataFrame, name: str, k: int, n_texts: int, seed: int) -> dict[float, dict[str, float]]:
    """Return the figures of each share with k given labels of each text and class."""
    rng = np.random.default_rng([seed, k])
    ids = rng.choice(rows["id"].unique(), n_texts, replace=False)
    sheet, held = divided(rows[rows["id"].isin(ids)], name, k, rng)
    return {share: measure(sheet, held, share) for share in SHARES}


def divided(
    rows: pd.DataFrame, name: str, k: int, rng: np.random.Generator
) -> tuple[AnswerSheet, dict[Facet, Annotations]]:
    """Return k answers of each text to "which questions are answered by this class?", and all others."""
    drawn = rows.sample(frac=1, random_state=int(rng.integers(2**31)))
    first = drawn.groupby(["id", "question"]).cumcount() < k
    questions = sorted(rows["question"].unique())
    parts = []
    for part in (drawn[first], drawn[~first]):
        yes = part["label"] == name
        asked = pd.DataFrame({"text": part["id"], "annotator": part["annotator"], "question": "which"})
        asked["answer"] = [[q] if chosen else [] for q, chosen in zip(part["question"], yes, strict=True)]
        asked["asked"] = [[q] for q in part["question"]]
        parts.append(
            AnswerSheet.from_long(
                asked,
                questions=[f"which=several:{','.join(questions)}"],
                texts=rows["id"].unique(),
                annotators=rows["annotator"].unique(),
            )
        )
    return parts[0], dict(parts[1].facets)


def measure(sheet: AnswerSheet, held: dict[Facet, Annotations], share: float) -> dict[str, float]:
    """Return the log loss of held labels, and macro-F1 against their majority, averaged over classes."""
    loss, score = [], []
    for facet, found in estimate_answers(sheet, own_share=share, check=False).items():
        back, confusion = held[facet], found.annotators.confusion
        assert confusion is not None  # noqa: S101 - two classes
        p = (found.posterior[back.text] * confusion[back.annotator, :, back.label]).sum(axis=1)
        known = sheet[facet].labelled[back.text]
        loss.append(-np.log(np.maximum(p[known], 1e-9)))
        most = back.counts[:, 1] > back.counts[:, 0]
        texts = sheet[facet].labelled & (back.counts[:, 1] != back.counts[:, 0])
        score.append(macro_f1(most[texts].astype(np.int64), found.labels[texts], 2))
    return {"log_loss": float(np.concatenate(loss).mean()), "macro_f1": float(np.mean(score))}


if __name__ == "__main__":
    main()
