"""What `jurybox inspect` shows of a data set, and of a file that is to be imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jurybox.cli import importing
from jurybox.cli.output import fields, one_line, print_json, say, table
from jurybox.numerals import number

if TYPE_CHECKING:
    from jurybox.annotations import Annotations
    from jurybox.datasets import Dataset
    from jurybox.formats import ReadOptions

_HEAD = 5
_EXAMPLES = 3
_MOST_ANNOTATORS = 8


def summary(data: Dataset) -> dict[str, Any]:
    """Return the figures of a data set as plain values."""
    return {
        "dataset": data.name,
        "classes": [str(name) for name in data.classes],
        "texts": data.answers.n_texts,
        "test_texts": len(data.test_texts),
        "annotators": data.answers.n_annotators,
        "initial": _figures(data.initial),
        "all": _figures(data.answers),
        "test_labels": {
            str(name): int(count)
            for name, count in zip(data.classes, _counts(data.test_labels, len(data.classes)), strict=True)
        },
    }


def show_plan(file: str, options: ReadOptions, kept: Path | None, *, as_json: bool) -> None:
    """Print how a file would be imported, and keep that if asked to."""
    from jurybox import formats
    from jurybox.formats.options import write_plan
    from jurybox.formats.plain import plain

    source = formats.read(file, options)
    plan = source.plan
    if kept is not None and not kept.exists():
        write_plan(kept, plan, options)
    if as_json:
        print_json(plain(plan))
        return
    importing.state(plan)
    importing.show_columns(plan)


def show(data: Dataset) -> None:
    """Print a data set part by part."""
    start, everything = data.initial, data.answers
    labelled = int(start.labelled.sum())
    classes = ", ".join(map(str, data.classes))
    fields(
        {
            "classes": classes,
            "pool": f"{start.n_texts:,} texts: {labelled:,} labelled, {start.n_texts - labelled:,} not",
            "test": f"{len(data.test_texts):,} texts",
            "annotators": f"{everything.n_annotators:,}",
            "annotations": f"{len(start):,} at the start, {len(everything):,} known",
        },
        title=data.name,
    )
    _labelled_head(data)
    _unlabelled_head(data)
    _extra_annotations(data)
    _examples(data)
    _per_text(data)
    _agreement(data)


def _labelled_head(data: Dataset) -> None:
    """Show the first labelled texts with a column for each annotator who labelled one of them."""
    a = data.initial
    rows = np.flatnonzero(a.labelled)[:_HEAD]
    labels = {
        (int(t), int(m)): str(a.classes[k]) for t, m, k in zip(a.text, a.annotator, a.label, strict=True)
    }
    people = list(dict.fromkeys(m for row in rows for (t, m) in labels if t == row))
    shown = people[:_MOST_ANNOTATORS]
    say()
    table(
        [("id", "left"), ("text", "left"), *((str(a.annotators[m]), "right") for m in shown)],
        [
            (
                str(data.texts[row]),
                one_line(data.pool_texts[row], 60),
                *(labels.get((int(row), m), "") for m in shown),
            )
            for row in rows
        ],
        title=f"Labelled texts (first {len(rows)}; {len(shown)} of {a.n_annotators} annotators)",
    )


def _unlabelled_head(data: Dataset) -> None:
    rows = np.flatnonzero(~data.initial.labelled)[:_HEAD]
    say()
    table(
        [("id", "left"), ("text", "left")],
        [(str(data.texts[row]), one_line(data.pool_texts[row], 90)) for row in rows],
        title=f"Texts without a label (first {len(rows)})",
    )


def _extra_annotations(data: Dataset) -> None:
    """Show some of the answers that simulated annotators have ready."""
    a, given = data.answers, data.initial
    known = set(zip(given.text.tolist(), given.annotator.tolist(), strict=True))
    lines: dict[int, list[str]] = {}
    for t, m, k in zip(a.text.tolist(), a.annotator.tolist(), a.label.tolist(), strict=True):
        if (t, m) not in known and (t in lines or len(lines) < _HEAD):
            lines.setdefault(t, []).append(f"{a.annotators[m]}: {a.classes[k]}")
    say()
    table(
        [("id", "left"), ("answers not asked for yet", "left")],
        [(str(data.texts[t]), ", ".join(answers)) for t, answers in lines.items()],
        title="What simulated annotators would say",
    )


def _examples(data: Dataset) -> None:
    rows = []
    for k, name in enumerate(data.classes):
        found = np.flatnonzero(data.test_labels == k)[:_EXAMPLES]
        rows += [(str(name), one_line(data.test_texts[at], 90)) for at in found]
    say()
    table([("class", "left"), ("text", "left")], rows, title="Examples of each class (test set)")


def _per_text(data: Dataset) -> None:
    start, everything = data.initial.n_labels, data.answers.n_labels
    values = sorted({*start.tolist(), *everything.tolist()})
    say()
    table(
        [("annotations of a text", "right"), ("texts at the start", "right"), ("texts in all", "right")],
        [
            (number(value), number(int((start == value).sum())), number(int((everything == value).sum())))
            for value in values
        ],
    )


def _agreement(data: Dataset) -> None:
    from jurybox.agreement import fleiss_kappa, krippendorff_alpha

    rows = []
    for name, a in (("at the start", data.initial), ("all annotations", data.answers)):
        alpha, kappa = krippendorff_alpha(a), fleiss_kappa(a)
        rows.append((name, number(alpha.value), number(kappa.value), number(len(a))))
    say()
    table(
        [
            ("agreement", "left"),
            ("Krippendorff's α", "right"),
            ("Fleiss' κ", "right"),
            ("annotations", "right"),
        ],
        rows,
    )


def _figures(a: Annotations) -> dict[str, Any]:
    from jurybox.agreement import fleiss_kappa, krippendorff_alpha

    counts = np.bincount(a.n_labels)
    return {
        "labelled_texts": int(a.labelled.sum()),
        "annotations": len(a),
        "annotators": int((a.labels_per_annotator > 0).sum()),
        "class_counts": {str(name): int(n) for name, n in zip(a.classes, a.counts.sum(axis=0), strict=True)},
        "annotations_per_text": {str(value): int(n) for value, n in enumerate(counts) if n},
        "krippendorff_alpha": _known(krippendorff_alpha(a).value),
        "fleiss_kappa": _known(fleiss_kappa(a).value),
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _counts(labels: Any, n_classes: int) -> Any:
    return np.bincount(labels[labels >= 0], minlength=n_classes)
