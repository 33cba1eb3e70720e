"""How far the labels can be trusted: the owner's page, and one for each annotator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from jurybox.learner import learner_state
from jurybox.project.advice import advise
from jurybox.project.annotators import AnnotatorBelief
from jurybox.project.beliefs import ProjectBelief
from jurybox.trust.intervals import Interval
from jurybox.web.access import owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.panels import basis_words, range_words, rules, savings, trust_panels
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_beliefs, get_project
from jurybox.web.verdict import verdict_of

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])


_HEATS = 10


@dataclass(frozen=True)
class HeatCell:
    """One cell of a heat table: what is written in it, and how warm it is, from 0 to `_HEATS`."""

    text: str
    heat: int
    diagonal: bool


@dataclass(frozen=True)
class HeatRow:
    """The cells of one class."""

    name: str
    cells: Sequence[HeatCell]


@dataclass(frozen=True)
class HeatTable:
    """Shares of pairs of classes, for the macro ``heat_table``: a table, so it needs no text alternative.

    Attributes
    ----------
    caption
        What it shows.
    down, across
        What the rows and the columns stand for.
    names
        Of the columns.
    """

    caption: str
    down: str
    across: str
    names: Sequence[str]
    rows: Sequence[HeatRow]


@dataclass(frozen=True)
class PersonView:
    """One annotator in words and figures."""

    name: str
    suspicion: str
    facts: Sequence[tuple[str, str]]
    evidence: Sequence[tuple[str, str]]
    confusion: HeatTable | None


@router.get("/trust")
def trust_page(request: Request) -> HTMLResponse:
    """Show how good the labels are, when to stop, and who is reliable, as the learner last found out."""
    catalogue = catalogue_of(request)
    kept = get_beliefs(request).kept()
    verdict = verdict_of(catalogue, advise(get_beliefs(request).recent().inputs, kept))
    if kept is None:
        return render(request, "manage/trust.html", {"kept": None, "verdict": verdict})
    values = {
        "kept": kept,
        "basis": _basis(request, kept),
        "verdict": verdict,
        "panels": trust_panels(catalogue, kept),
        "rules": rules(catalogue, kept.verdicts),
        "savings": savings(catalogue, kept.savings),
        "suspects": [
            {"name": one.name, "words": _suspicion(catalogue, one)}
            for one in kept.annotators
            if one.suspect is not None
        ],
        "people": [one.name for one in kept.annotators if one.n_annotations],
    }
    return render(request, "manage/trust.html", values)


@router.get("/person")
def person_page(request: Request, name: Annotated[str, Query(max_length=1000)]) -> HTMLResponse:
    """Show everything that is known of one person's labels."""
    project, catalogue = get_project(request), catalogue_of(request)
    person, kept = project.people.get(name), get_beliefs(request).kept()
    known = [one for one in kept.annotators if one.name == name and one.n_annotations] if kept else []
    values = {
        "person": person,
        "view": _person_view(catalogue, known[0]) if known else None,
        "basis": "" if kept is None else _basis(request, kept),
    }
    return render(request, "manage/person.html", values)


def heat_table(
    shares: Sequence[Sequence[float]],
    names: Sequence[str],
    written: Sequence[Sequence[str]],
    *,
    caption: str,
    down: str,
    across: str,
) -> HeatTable:
    """Return a confusion matrix as a table whose cells are the warmer the larger their share.

    Parameters
    ----------
    shares
        Array-like of shape (K, K); each row sums to 1.
    names
        The K classes.
    written
        What is written in each cell, shape (K, K).
    caption, down, across
        What the table shows, and what its rows and columns stand for.

    Examples
    --------
    >>> written = [["9", "1"], ["0", "5"]]
    >>> table = heat_table([[0.9, 0.1], [0, 1]], ["a", "b"], written, caption="", down="", across="")
    >>> [[cell.heat for cell in row.cells] for row in table.rows]
    [[9, 1], [0, 10]]
    """
    rows = [
        HeatRow(
            name,
            [
                HeatCell(text, min(max(round(_HEATS * float(share)), 0), _HEATS), k == column)
                for column, (share, text) in enumerate(zip(row, texts, strict=True))
            ],
        )
        for k, (name, row, texts) in enumerate(zip(names, shares, written, strict=True))
    ]
    return HeatTable(caption, down, across, names, rows)


def _basis(request: Request, kept: ProjectBelief) -> str:
    project = get_project(request)
    today, phase = get_beliefs(request).recent().basis, learner_state(project).phase
    return basis_words(catalogue_of(request), kept.basis, today, phase)


def _suspicion(catalogue: Catalogue, person: AnnotatorBelief) -> str:
    """Return why a person's labels deserve a look; empty where they do not."""
    suspect = person.suspect
    if suspect is None:
        return ""
    words = catalogue.text(f"suspect.{suspect.kind}", name=person.name, other=suspect.other or "")
    return catalogue.text("trust.suspect", words=words, probability=catalogue.percent(suspect.probability))


def _person_view(catalogue: Catalogue, person: AnnotatorBelief) -> PersonView:
    """Return everything that is known of one annotator."""
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    facts = [(t("column.annotations"), number(person.n_annotations))]
    facts += [
        (t(name), with_range(catalogue, found))
        for name, found in (
            ("people.quality", person.quality),
            ("people.agreement", person.agreement_with_consensus),
        )
        if found is not None
    ]
    if person.median_seconds is not None:
        facts.append((t("people.seconds"), catalogue.seconds(person.median_seconds)))
    if (drift := person.drift) is not None:
        before, after = percent(drift.before.estimate), percent(drift.after.estimate)
        change = t("trust.drift_change", before=before, after=after)
        facts.append((t("trust.drift"), f"{t(f'drift.{drift.verdict}')} · {change}"))
    if (effect := person.effect) is not None:
        facts.append((t("trust.effect"), catalogue.plural("trust.effect_note", effect.changed)))
    facts += [
        (t("trust.mix_up", right=mix.right, said=mix.said), with_range(catalogue, mix.share))
        for mix in person.mix_ups
    ]
    evidence = [] if person.suspect is None else list(person.suspect.evidence.items())
    return PersonView(
        name=person.name,
        suspicion=_suspicion(catalogue, person),
        facts=facts,
        evidence=[(t(f"evidence.{name}"), _written(catalogue, name, value)) for name, value in evidence],
        confusion=_confusion(catalogue, person.confusion),
    )


def _confusion(catalogue: Catalogue, confusion: Mapping[str, Mapping[str, float]]) -> HeatTable | None:
    if not confusion:
        return None
    names = list(confusion)
    shares = [[confusion[right][said] for said in names] for right in names]
    return heat_table(
        shares,
        names,
        [[catalogue.percent(share) for share in row] for row in shares],
        caption=catalogue.text("trust.confusion"),
        down=catalogue.text("trust.right"),
        across=catalogue.text("trust.said"),
    )


def _written(catalogue: Catalogue, name: str, value: float) -> str:
    if name in ("shared", "wrong_shared"):
        return catalogue.number(value, 1 if value % 1 else 0)
    if name == "seconds":
        return catalogue.seconds(value)
    if name in ("kappa", "speed"):
        return catalogue.number(value, 2)
    return catalogue.percent(value)


def with_range(catalogue: Catalogue, one: Interval) -> str:
    """Return a share with its interval, in words."""
    return f"{catalogue.percent(one.estimate)} ({range_words(catalogue, one)})"
