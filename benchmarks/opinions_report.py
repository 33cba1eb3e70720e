"""Write the tables of ``benchmarks/results/opinions.json`` between the markers of ``docs/opinions.md``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "opinions.json"
DOCS = HERE.parent / "docs" / "opinions.md"
START, END = "<!-- opinions: start -->", "<!-- opinions: end -->"
CHOSEN = ("stanford-politeness", "cebab-aspects food")
METHODS = ("most frequent", "overall shares", "majority head", "label shares", "share head", "jurybox")
PEOPLE = ("person_log_loss", "crowd_log_loss", "person_accuracy", "crowd_accuracy")


def main() -> None:
    """Write the tables."""
    text = DOCS.read_text(encoding="utf-8")
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    report = json.loads(RESULTS.read_text(encoding="utf-8"))
    DOCS.write_text("\n".join([before, *tables(report), after]), encoding="utf-8")


def tables(report: dict[str, Any]) -> Iterator[str]:
    """Yield a table of new texts, one of labelled texts, and one of people and of stated errors."""
    for what, title in (("new", "new texts"), ("labelled", "labelled texts")):
        yield ""
        yield f"| {title} of, labels a text | {' | '.join(METHODS)} |"
        yield f"|---|{'---|' * len(METHODS)}"
        for name, methods in rows(report):
            if f"{what}_manhattan" in methods["jurybox"]:
                yield f"| {name} | {' | '.join(cell(methods[one], what) for one in METHODS)} |"
    yield ""
    yield "| set, labels a text | person: log loss | crowd | person: right | crowd | error stated | found |"
    yield "|---|---|---|---|---|---|---|"
    for name, methods in rows(report):
        one = methods["jurybox"]
        values = (f"{one[key]:.3f}" for key in (*PEOPLE, "stated_error", "found_error"))
        yield f"| {name} | {' | '.join(values)} |"
    yield ""


def cell(figures: dict[str, float], what: str) -> str:
    """Return cross-entropy and Manhattan distance."""
    return f"{figures[f'{what}_cross_entropy']:.3f}, {figures[f'{what}_manhattan']:.3f}"


def rows(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield set and number of given labels, and figures by method."""
    for name, figures in sorted(report["sets"].items()):
        for k, methods in figures["k"].items():
            star = "*" if name in CHOSEN else ""
            yield f"{name}{star}, {k}", methods


if __name__ == "__main__":
    main()
