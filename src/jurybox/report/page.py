"""The report of a stored project: one HTML file that needs nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jurybox.agreement import krippendorff_alpha
from jurybox.formats.atomic import new_file
from jurybox.formats.records import ConsensusRecord
from jurybox.report.charts import accuracy_by_round, columns, to_svg

if TYPE_CHECKING:
    from jurybox.project import Project

__all__ = ["write_report"]

_DOUBTFUL = 20
_BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class _Doubtful:
    """A label that may be wrong, its text, and who said what."""

    record: ConsensusRecord
    text: str
    votes: str


def write_report(project: Project, out: Path, *, overwrite: bool = False) -> Path:
    """Write what is known about a project as an HTML file with charts, which loads nothing from anywhere.

    Raises
    ------
    FormatError
        If the file exists and is not to be overwritten, or cannot be written.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape

    pages = Environment(
        loader=PackageLoader("jurybox.report", "templates"), autoescape=select_autoescape(default=True)
    )
    pages.filters["percent"] = _percent
    records = [record for record in project.consensus_records() if record.n_annotations]
    known = project.accuracy()
    alpha = krippendorff_alpha(project.annotations()).value
    html = pages.get_template("report.html").render(
        status=project.status(),
        accuracy=known[-1] if known else None,
        alpha=None if np.isnan(alpha) else alpha,
        quality=_mean([record.quality for record in records]),
        annotators=sorted(
            project.annotator_report(), key=lambda person: (person.quality is None, person.quality or 0.0)
        ),
        doubtful=_doubtful(project, records),
        curve=_inline("curve", accuracy_by_round(known)) if known else None,
        qualities=_inline("q", columns(_counted(records), "Quality of the label", "Texts"))
        if records
        else None,
        balance=_inline("b", columns(_balance(project, records), "Class", "Texts")) if records else None,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    with new_file(out, overwrite=overwrite) as draft:
        draft.write_text(html, encoding="utf-8")
    return out


def _inline(name: str, chart: Any) -> str:
    """Return a chart as SVG whose ids are its own: all charts of a page share one space of ids."""
    return to_svg(chart).replace(' id="', f' id="{name}-').replace("url(#", f"url(#{name}-")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _counted(records: Sequence[ConsensusRecord]) -> list[tuple[str, int]]:
    qualities = [record.quality for record in records if record.quality is not None]
    counts = np.histogram(qualities, bins=_BINS)[0].tolist()
    names = [f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in pairwise(_BINS)]
    return list(zip(names, counts, strict=True))


def _balance(project: Project, records: Sequence[ConsensusRecord]) -> list[tuple[str, int]]:
    return [(name, sum(record.label == name for record in records)) for name in project.classes]


def _doubtful(project: Project, records: Sequence[ConsensusRecord]) -> list[_Doubtful]:
    sure = [record for record in records if record.quality is not None]
    found = heapq.nsmallest(_DOUBTFUL, sure, key=lambda record: record.quality or 0.0)
    votes: dict[str, list[str]] = {record.text_id: [] for record in found}
    for annotation in project.annotation_records():
        if annotation.text_id in votes:
            votes[annotation.text_id].append(f"{annotation.annotator}: {annotation.label}")
    return [
        _Doubtful(record, project.text(record.text_id).text, ", ".join(votes[record.text_id]))
        for record in found
    ]
