"""How far annotators agree: coefficients, also by class, time and guidelines, and every two people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from jurybox.learner import LearnerPhase
from jurybox.numerals import UNKNOWN
from jurybox.project.annotators import AgreementPart, PairBelief, agreement_parts
from jurybox.trust.coefficients import AgreementEstimate
from jurybox.trust.intervals import Interval
from jurybox.web.access import owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.pages.trust import HeatTable, heat_table
from jurybox.web.panels import basis_words, range_words
from jurybox.web.render import catalogue_of, render, when
from jurybox.web.state import get_beliefs, get_project

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])

_PEOPLE = 12


@dataclass(frozen=True)
class PairRow:
    """Coefficients over some texts, in words."""

    name: str
    note: str
    alpha: str
    kappa: str
    percent: str
    texts: str


@router.get("/agreement")
def agreement_page(request: Request) -> HTMLResponse:
    """Show how far annotators agree."""
    catalogue = catalogue_of(request)
    beliefs = get_beliefs(request).recent()
    found = beliefs.agreement
    values = {
        "basis": basis_words(catalogue, beliefs.basis, beliefs.basis, LearnerPhase.WAITING),
        "rows": [
            _row(catalogue, "agreement.by_chance", found.by_chance),
            _row(catalogue, "agreement.all_texts", found.all_texts),
        ],
        "parts": [_part_row(catalogue, part) for part in _parts(request)],
        "pairs": _matrix(catalogue, beliefs.pairs),
    }
    return render(request, "manage/agreement.html", values)


def _parts(request: Request) -> tuple[AgreementPart, ...]:
    """Return the agreement by class, time and guidelines, which are estimated when somebody looks."""
    beliefs = get_beliefs(request).recent()
    versions = sorted(one.time for one in get_project(request).reading.guideline_versions())
    name = f"agreement parts {versions}"
    return beliefs.once(name, lambda: agreement_parts(beliefs.inputs, versions))


def _part_row(catalogue: Catalogue, part: AgreementPart) -> PairRow:
    """Write a part of the labels as a row: a class by its name, a time by its ends."""
    t = catalogue.text
    name = part.name if part.kind == "class" else t(f"agreement.{part.kind}", version=part.name)
    note: str = t("agreement.class.note")
    if part.start is not None and part.end is not None:
        ends = {"start": when(catalogue, part.start), "end": when(catalogue, part.end)}
        note = Markup(escape(t("agreement.between"))).format(**ends)  # noqa: S704 - escaped
    return _written(catalogue, name, note, part.found)


def _row(catalogue: Catalogue, name: str, found: AgreementEstimate) -> PairRow:
    return _written(catalogue, catalogue.text(name), catalogue.text(f"{name}.note"), found)


def _written(catalogue: Catalogue, name: str, note: str, found: AgreementEstimate) -> PairRow:
    percent = UNKNOWN if found.percent is None else catalogue.percent(found.percent.estimate)
    between = "" if found.percent is None else f" ({range_words(catalogue, found.percent)})"
    return PairRow(
        name,
        note,
        _coefficient(catalogue, found.alpha),
        _coefficient(catalogue, found.kappa),
        f"{percent}{between}",
        catalogue.number(found.n_texts),
    )


def _coefficient(catalogue: Catalogue, one: Interval | None) -> str:
    if one is None:
        return UNKNOWN
    low, high = (catalogue.number(bound, 2) for bound in (one.low, one.high))
    return f"{catalogue.number(one.estimate, 2)} ({catalogue.text('chart.range', low=low, high=high)})"


def _matrix(catalogue: Catalogue, pairs: Sequence[PairBelief]) -> HeatTable | None:
    """Return the agreement of the people who share most texts, with the numbers of these texts."""
    shared: Counter[str] = Counter()
    for pair in pairs:
        shared.update(dict.fromkeys(pair.names, pair.shared))
    names = [name for name, _ in shared.most_common(_PEOPLE)]
    known = {frozenset(pair.names): pair for pair in pairs}
    if not names:
        return None
    cells = [[known.get(frozenset((one, other))) for other in names] for one in names]
    table = heat_table(
        [[0.0 if cell is None else cell.agreement or 0.0 for cell in row] for row in cells],
        names,
        [[UNKNOWN if cell is None else _pair(catalogue, cell) for cell in row] for row in cells],
        caption=catalogue.text("agreement.pairs_note"),
        down="",
        across="",
    )
    agreeing = [
        replace(row, cells=[replace(cell, diagonal=True) for cell in row.cells]) for row in table.rows
    ]
    return replace(table, rows=agreeing)  # here more is better, off the diagonal, too


def _pair(catalogue: Catalogue, pair: PairBelief) -> str:
    return f"{catalogue.percent(pair.agreement)} · {catalogue.number(pair.shared)}"
