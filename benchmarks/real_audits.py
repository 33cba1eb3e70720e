"""How often the audit sample's interval holds what a real crowd makes of the model.

    python benchmarks/real_audits.py --data FOLDER ...          every set of real labels, 25 runs each
    python benchmarks/real_audits.py --table                    write the table of docs/trust.md

A run is a project on one set of `crowd_sets.py`. A third of its texts is fresh: none of their labels is
given, no model sees them. Of the others an audit sample of 20, 50 or 90 is drawn, with three of its real
labels each; 60 texts get two of theirs; then the default strategy asks for 50 more labels in each of one to
four rounds, of texts that have any left. The last model is judged by the audit sample as a project does it,
and by the fresh texts, of which all real labels are known:

- ``crowd``: the mean probability that most of a large crowd would say what the model says, given all labels
  of the set and no model. This is what the interval is about; that probability is verified against held-back
  labels by `real_crowds.py`. A few hundred texts err, too, which is not added to the interval.
- ``labels``: the share of fresh texts whose own three to six labels have it as their majority, ties split. A
  few people are not a large crowd, so this is lower.

Beside it stands the usual estimate: agreement with the majority of the audit's labels, and Wilson's interval.
That the model has another share of its say in each draw was chosen by looking at runs with other seeds on
politeness, CEBaB's food and CEBaB's stars; the other sets were only judged. Sets that are in the file already
are not played again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from crowd_methods import Floats, Ints
from crowd_sets import CrowdSet
from estimates import figures, machine, scored, usual
from jurybox import Annotations
from jurybox.consensus import estimate_consensus
from jurybox.datasets.frames import rank_within_text
from jurybox.loop import Settings, play_round
from jurybox.trust.estimates import estimate_from_audit
from real_crowds import sets_in, ties_split

OUT = Path(__file__).resolve().parent / "results" / "real_audits.json"
DOCS = Path(__file__).resolve().parents[1] / "docs" / "trust.md"
START, END = "<!-- real audits: start -->\n", "<!-- real audits: end -->"
AUDITS, AUDIT_LABELS = (20, 50, 90), 3
FIRST_TEXTS, BATCH, MOST_ROUNDS = 60, 50, 4
FEWEST_TEXTS = 300
CHOSEN = ("cebab-aspects food", "cebab-stars", "stanford-politeness")


def main() -> None:
    """Play the runs of every set, and write JSON after each set; or write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=[Path("../shared/data")])
    parser.add_argument("--runs", type=int, default=25, help="on each set")
    parser.add_argument("--table", action="store_true", help="write the table of the last runs, and end")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    if arguments.table:
        write_table(json.loads(arguments.out.read_text()), DOCS)
        return
    report: dict[str, Any] = {"machine": machine(), "runs": arguments.runs, "sets": {}}
    if arguments.out.exists():
        earlier = json.loads(arguments.out.read_text())
        if earlier["runs"] != arguments.runs:
            parser.error(f"{arguments.out} has {earlier['runs']} runs a set: give as many, or another --out")
        report["sets"] = earlier["sets"]
    for found in sets_in(arguments.data):
        few = (found.annotations.n_labels >= AUDIT_LABELS).sum() < FEWEST_TEXTS
        if few or found.name in report["sets"]:
            continue
        features = found.features()
        crowd = estimate_consensus(found.annotations).posterior
        rows = [played(found, features, crowd, seed) for seed in range(arguments.runs)]
        report["sets"][found.name] = {
            kind: figures(np.array([row[kind] for row in rows])) for kind in rows[0]
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
        print(line(found.name, report["sets"][found.name]), flush=True)


def played(found: CrowdSet, features: Floats, crowd: Floats, seed: int) -> dict[str, Any]:
    """Play one project; return each interval with its truth."""
    rng = np.random.default_rng([seed, len(found.texts)])
    known = rng.permutation(np.flatnonzero(found.annotations.n_labels >= AUDIT_LABELS))
    fresh, pool = np.sort(known[: len(known) // 3]), np.sort(known[len(known) // 3 :])
    people = found.annotations.subset(texts=pool)
    order = rank_within_text(people, rng)
    place = rng.permutation(len(pool))
    size = int(rng.choice(AUDITS))
    audit, first = np.sort(place[:size]), place[size : size + FIRST_TEXTS]
    wanted = np.zeros(len(pool), dtype=np.int64)
    wanted[audit], wanted[first] = AUDIT_LABELS, 2
    learnt_from = np.ones(len(pool), dtype=bool)
    learnt_from[audit] = False
    x, last = features[pool], None
    for ask in [True] * int(rng.integers(1, MOST_ROUNDS + 1)) + [False]:
        given = asked(people, order, wanted)
        last = play_round(
            given, x, Settings(batch=BATCH), rng, previous=last, trainable=learnt_from,
            eligible=learnt_from & (wanted < people.n_labels),
        )  # fmt: skip
        if ask:
            wanted[last.batch] += 1
    assert last is not None  # noqa: S101
    assert last.classifier is not None  # noqa: S101
    predicted = last.pred_probs[audit].argmax(axis=1)
    says = last.classifier.predict_proba(features[fresh]).argmax(axis=1)
    rows = np.arange(len(fresh))
    by_crowd = float(crowd[fresh][rows, says].mean())
    by_labels = float(ties_split(found.annotations.counts[fresh])[rows, says].mean())
    model = estimate_from_audit(given, audit, predicted, last.pred_probs, rng=rng).accuracy
    simple = usual(given, audit, predicted)
    return {
        "crowd": scored(model, by_crowd),
        "usual, crowd": scored(simple, by_crowd),
        "labels": scored(model, by_labels),
        "usual, labels": scored(simple, by_labels),
    }


def asked(people: Annotations, order: Ints, wanted: Ints) -> Annotations:
    """Return so many of each text's real labels."""
    given = order < wanted[people.text]
    return people.with_triplets(people.text[given], people.annotator[given], people.label[given])


def line(name: str, found: dict[str, Any]) -> str:
    """Return a row of the table: the audit's interval and the usual one, both against the crowd."""
    values = " | ".join(
        f"{one['coverage']:.2f} | {one['mean_width']:.2f} | {one['mean_error']:+.3f} | "
        f"{one['root_mean_square_error']:.3f}"
        for one in (found["crowd"], found["usual, crowd"])
    )
    truth, labels = found["crowd"]["mean_truth"], found["labels"]["mean_truth"]
    return f"| {name} | {truth:.3f} | {labels:.3f} | {values} |"


def pooled(sets: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of several sets together, each with as many runs."""
    found: dict[str, Any] = {}
    for kind, figure in sets[0].items():
        found[kind] = {name: float(np.mean([one[kind][name] for one in sets])) for name in figure}
        squares = np.square([one[kind]["root_mean_square_error"] for one in sets])
        found[kind]["root_mean_square_error"] = float(np.sqrt(squares.mean()))
    return found


def write_table(report: dict[str, Any], page: Path) -> None:
    """Write all sets into a page, those that were only judged together, and all together."""
    sets = dict(sorted(report["sets"].items(), key=lambda item: item[0] not in CHOSEN))
    table = [
        f"{report['runs']} projects on each set; those with a star were looked at to choose the method.",
        "",
        "| set | accuracy, by the crowd | by held-back majorities | audit: holds it | width | error | RMSE "
        "| majority and Wilson: holds it | width | error | RMSE |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(line(f"{name}*" if name in CHOSEN else name, one) for name, one in sets.items()),
        line("only judged", pooled([one for name, one in sets.items() if name not in CHOSEN])),
        line("all", pooled([*sets.values()])),
    ]
    before, rest = page.read_text(encoding="utf-8").split(START)
    page.write_text(before + START + "\n".join(table) + "\n" + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
