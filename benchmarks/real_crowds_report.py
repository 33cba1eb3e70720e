"""Write the tables of ``benchmarks/results/real_crowds.json`` between the markers of ``docs/trust.md``.

Run with ``python benchmarks/real_crowds_report.py [FILE.json ...]``; sets of several files are put together.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "real_crowds.json"
DOCS = HERE.parent / "docs" / "trust.md"
START, END = "<!-- real crowds: start -->", "<!-- real crowds: end -->"
CHOSEN = ("stanford-politeness", "cebab-aspects food", "cebab-stars")
SCALES_START, SCALES_END = "<!-- scales: start -->", "<!-- scales: end -->"
ON_SCALES = (
    *("jurybox+head", "types without order+head", "EM before+head", "jurybox", "types without order"),
    *("majority", "Dawid-Skene", "median", "mean", "mean, shrunk bias"),
)
COMPARED = ("jurybox+head", "EM before+head", "jurybox", "EM before", "label shares", "majority")


def main() -> None:
    """Put results together, and write the tables."""
    files = [Path(name) for name in sys.argv[1:]] or [RESULTS]
    reports = [json.loads(path.read_text()) for path in files]
    report = reports[0] | {"sets": {k: v for one in reports for k, v in one["sets"].items()}}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    text = between(DOCS.read_text(), START, END, tables(report))
    DOCS.write_text(between(text, SCALES_START, SCALES_END, scales(report)))


def between(text: str, start: str, end: str, lines: Iterator[str]) -> str:
    """Put lines between two markers of a text."""
    before, after = text[: text.index(start) + len(start)], text[text.index(end) :]
    return before + "\n" + "\n".join(lines) + "\n" + after


def tables(report: dict[str, Any]) -> Iterator[str]:
    """Yield a table of beliefs and one of intervals."""
    yield f"Means over {report['seeds']} seeds; sets with a star are those on which the model was chosen.\n"
    yield "| set, labels a text | method | log loss | accuracy | expected | stated |"
    yield "|---|---|---|---|---|---|"
    for name, k, methods in rows(report):
        for method in COMPARED:
            one = methods[method]
            values = " | ".join(f"{one[key]:.3f}" for key in ("log_loss", "accuracy", "expected", "stated"))
            yield f"| {name}, {k} | {method} | {values} |"
    yield ""
    yield "| set, labels a text | method | consensus holds | width | annotators hold | width | shares hold |"
    yield "|---|---|---|---|---|---|---|"
    for name, k, methods in rows(report):
        for method in COMPARED:
            held, width = methods[method].get("coverage"), methods[method].get("width")
            if held:
                shown = (held["consensus"], width["consensus"], held["annotators"], width["annotators"])
                values = " | ".join(map(number, (*shown, held["shares"])))
                yield f"| {name}, {k} | {method} | {values} |"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number of a table; where there is none, a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def scales(report: dict[str, Any]) -> Iterator[str]:
    """Yield a table of labels and positions on scales."""
    yield "| set, labels a text | method | log loss | kappa | distance | holds |"
    yield "|---|---|---|---|---|---|"
    for name, k, methods in rows(report):
        for method in ON_SCALES:
            one = methods.get(method, {})
            if "kappa" in one:
                keys = ("log_loss", "kappa", "distance", "position")
                shown = " | ".join(number(one.get(key), 3) for key in keys)
                yield f"| {name}, {k} | {method} | {shown} |"


def rows(report: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield set, number of given labels, and figures by method."""
    for name, figures in sorted(report["sets"].items()):
        for k, methods in figures["k"].items():
            seeds = f" ({figures['seeds']} seed)" if "seeds" in figures else ""
            yield name + ("*" if name in CHOSEN else "") + seeds, k, methods


if __name__ == "__main__":
    main()
