"""The people of a project: invite them, see how they do, pause them, leave their labels out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import segno
from fastapi import APIRouter, Form, Query, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.drawing import whisker
from jurybox.errors import ConflictError, InputError
from jurybox.learner import learner_state
from jurybox.project.annotators import AnnotatorBelief
from jurybox.store.overview import HourOfLabels
from jurybox.store.records import AnnotatorInfo, Role, Standing
from jurybox.web.access import Owner, end_of_link, invite, link_url, owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.pages.editing import done_view
from jurybox.web.pages.trust import HeatCell, HeatRow, HeatTable
from jurybox.web.panels import basis_words
from jurybox.web.render import catalogue_of, explain, hour_words, render
from jurybox.web.state import get_beliefs, get_project
from jurybox.web.verdict import suspicion_words

router = APIRouter(prefix="/manage/people", include_in_schema=False)

Name = Annotated[str, Form(min_length=1, max_length=1000)]
Cap = Annotated[str, Form(max_length=20)]
Days = Annotated[str, Form(max_length=20)]

_MOST_DAYS = 3650
_MOST_PEOPLE = 200


@dataclass(frozen=True)
class SentInvitation:
    """Somebody's link, which is shown once: as words and as a QR code."""

    name: str
    url: str
    code: Markup


@dataclass(frozen=True)
class ColumnHead:
    """A column of the table: its key, whether it holds numbers, and how it sorts the rows now."""

    name: str
    kind: str
    href: str
    sorted: str


_Row = Mapping[str, Any]
_UNKNOWN = -1.0
_ORDERS: Mapping[str, Callable[[_Row], Any]] = {
    "people.name": lambda row: row["name"].casefold(),
    "column.annotations": lambda row: row["n_annotations"],
    "people.shared": lambda row: _UNKNOWN if row["shared"] is None else row["shared"],
    "people.quality": lambda row: row["quality"].estimate if row["quality"] else _UNKNOWN,
    "people.agreement": lambda row: row["agreement"].estimate if row["agreement"] else _UNKNOWN,
    "people.seconds": lambda row: _UNKNOWN if row["seconds"] is None else row["seconds"],
}
"""Columns that sort the table, and by what."""


@router.get("", dependencies=[owner_only])
def people_page(
    request: Request,
    sort: Annotated[str, Query(max_length=40)] = "",
    down: Annotated[bool, Query()] = False,
    withdrawn: Annotated[str, Query(max_length=1000)] = "",
    made: Annotated[bool, Query()] = False,
    done: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> HTMLResponse:
    """List everyone, in the order in which they came or as a column sorts them."""
    return _page(request, sort=sort, down=down, withdrawn=withdrawn, done=done, made=made)


@router.post("")
def add_person(
    request: Request,
    owner: Owner,
    name: Name,
    role: Annotated[Role, Form()] = Role.ANNOTATOR,
    cap: Cap = "",
    days: Days = "",
) -> HTMLResponse:
    """Invite someone, and show the link this once."""
    project = get_project(request)
    try:
        until = _days(request, days)
        _check_new(request, [name.strip()])
        project.people.add(name.strip(), role=role, cap=_cap(request, cap), by=owner.name)
    except (ConflictError, InputError) as error:
        return _page(request, problem=explain(catalogue_of(request), error), status=409)
    return _page(request, link=_link(request, name.strip(), until))


@router.post("/several")
def add_several(
    request: Request,
    owner: Owner,
    names: Annotated[str, Form(max_length=50_000)],
    cap: Cap = "",
    days: Days = "",
) -> HTMLResponse:
    """Invite several people, a line each, and show their links this once: all of them, or none."""
    project, catalogue = get_project(request), catalogue_of(request)
    wanted = [line.strip() for line in names.splitlines() if line.strip()]
    try:
        until, most = _days(request, days), _cap(request, cap)
        _check_new(request, wanted)
        for name in wanted:
            project.people.add(name, cap=most, by=owner.name)
    except (ConflictError, InputError) as error:
        return _page(request, problem=explain(catalogue, error), status=409, names=names)
    ends_at = end_of_link(until)
    links = [(name, link_url(request, invite(project, name, ends_at=ends_at))) for name in wanted]
    return _page(request, invitations=links)


@router.post("/link", dependencies=[owner_only])
def new_link(request: Request, name: Name, days: Days = "") -> HTMLResponse:
    """Make a new link, which ends the old one."""
    return _page(
        request, link=_link(request, get_project(request).people.get(name).name, _days(request, days))
    )


@router.post("/withdraw")
def withdraw(request: Request, owner: Owner, name: Name) -> RedirectResponse:
    """End someone's link and sessions."""
    project = get_project(request)
    project.people.withdraw(project.people.get(name).name, by=owner.name)
    return RedirectResponse(f"/manage/people?withdrawn={quote(name, safe='')}", 303)


@router.post("/pause")
def pause(request: Request, owner: Owner, name: Name) -> RedirectResponse:
    """Give someone no more texts."""
    get_project(request).people.pause(name, by=owner.name)
    return RedirectResponse("/manage/people", 303)


@router.post("/resume")
def resume(request: Request, owner: Owner, name: Name) -> RedirectResponse:
    """Give someone texts again."""
    get_project(request).people.resume(name, by=owner.name)
    return RedirectResponse("/manage/people", 303)


@router.post("/leave-out")
def leave_out(request: Request, owner: Owner, name: Name) -> RedirectResponse:
    """Let someone's labels count for nothing; their texts go back to the queue."""
    get_project(request).people.leave_out(name, by=owner.name)
    return RedirectResponse("/manage/people", 303)


@router.post("/count")
def count_again(request: Request, owner: Owner, name: Name) -> RedirectResponse:
    """Let the labels count of someone who was left out."""
    get_project(request).people.count_again(name, by=owner.name)
    return RedirectResponse("/manage/people", 303)


@router.post("/message")
def write_to(
    request: Request, owner: Owner, name: Name, message: Annotated[str, Form(max_length=5000)]
) -> RedirectResponse:
    """Write to somebody, who reads it on the labelling page."""
    get_project(request).people.write_to(name, message.strip(), by=owner.name)
    return RedirectResponse(f"/manage/person?name={quote(name, safe='')}", 303)


@router.post("/qualify", dependencies=[owner_only])
def qualify(request: Request, name: Name) -> RedirectResponse:
    """Let someone label who failed the test."""
    get_project(request).people.qualify(name)
    return RedirectResponse("/manage/people", 303)


@router.post("/cap", dependencies=[owner_only])
def set_cap(request: Request, name: Name, cap: Cap = "") -> Response:
    """Limit how many labels someone gives; an empty field lifts the limit."""
    try:
        get_project(request).people.set_cap(name, _cap(request, cap))
    except InputError as error:
        return _page(request, problem=explain(catalogue_of(request), error), status=422)
    return RedirectResponse("/manage/people", 303)


def _pace(catalogue: Catalogue, hours: Sequence[HourOfLabels]) -> HeatTable | None:
    """Return labels by person and hour as a table, the warmer the more."""
    if not hours:
        return None
    starts = sorted({one.start for one in hours})
    given = {(one.annotator, one.start): one.n for one in hours}
    most = max(given.values())
    rows = [
        HeatRow(
            name,
            [
                HeatCell(catalogue.number(n) if n else "", round(10 * n / most), diagonal=True)
                for n in (given.get((name, start), 0) for start in starts)
            ],
        )
        for name in dict.fromkeys(one.annotator for one in hours)
    ]
    names = [hour_words(catalogue, start) for start in starts]
    return HeatTable(caption=catalogue.text("people.hour"), down="", across="", names=names, rows=rows)


def _check_new(request: Request, names: Sequence[str]) -> None:
    """Raise InputError unless there are names, each new whatever its case: "Ana" and "ana" are one person."""
    t = catalogue_of(request).text
    known = {person.name.casefold(): person.name for person in get_project(request).people.all()}
    if not 0 < len(names) <= _MOST_PEOPLE:
        raise InputError(t("people.how_many", most=_MOST_PEOPLE))
    for name in names:
        if name.casefold() in known:
            raise InputError(t("people.known", name=name, known=known[name.casefold()]))
        known[name.casefold()] = name


def _invitations(links: Sequence[tuple[str, str]]) -> list[SentInvitation]:
    """Draw the links; a camera reads dark on light in dark pages, too."""
    codes = (segno.make(url, micro=False).svg_inline(scale=3, dark="#000", light="#fff") for _, url in links)
    return [
        SentInvitation(name, url, Markup(code))  # noqa: S704 - drawn from a URL of ours
        for (name, url), code in zip(links, codes, strict=True)
    ]


def _table(links: Sequence[tuple[str, str]]) -> str:
    """Return the links as the address of a CSV file, which the browser saves: the server keeps none."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["name", "link"])
    rows.writerows(links)
    return f"data:text/csv;charset=utf-8,{quote(text.getvalue())}"


def _cap(request: Request, value: str) -> int | None:
    if not value.strip():
        return None
    if not value.strip().isdecimal():
        t = catalogue_of(request).text
        raise InputError(t("settings.not_whole", name=t("people.cap")))
    return int(value)


def _days(request: Request, value: str) -> float | None:
    if not value.strip():
        return None
    if not value.strip().isdecimal() or not 0 < int(value) <= _MOST_DAYS:
        t = catalogue_of(request).text
        raise InputError(t("people.not_days", most=_MOST_DAYS))
    return float(value)


def _link(request: Request, name: str, days: float | None) -> dict[str, Any]:
    ends_at = end_of_link(days)
    token = invite(get_project(request), name, ends_at=ends_at)
    return {"name": name, "url": link_url(request, token), "ends_at": ends_at}


def _row(person: AnnotatorInfo, belief: AnnotatorBelief | None) -> dict[str, Any]:
    quality = belief.quality if belief else None
    return {
        "name": person.name,
        "role": person.role.value,
        "paused": person.standing == Standing.PAUSED,
        "left_out": person.left_out,
        "failed": person.qualified is False,
        "cap": person.cap,
        "link_ends": person.token_ends_at,
        "n_annotations": person.n_annotations,
        "n_skips": person.n_skips,
        "shared": belief.shared if belief else None,
        "quality": quality,
        "drawn": whisker(quality.estimate, quality.low, quality.high) if quality else "",
        "agreement": belief.agreement_with_consensus if belief else None,
        "mix_up": next(iter(belief.mix_ups), None) if belief else None,
        "seconds": belief.median_seconds if belief else None,
    }


def _heads(sort: str, *, down: bool) -> list[ColumnHead]:
    """Return the columns that sort the table; the one that sorts it now turns the order round."""
    heads = []
    for name in _ORDERS:
        here = name == sort
        turned = "&down=1" if here and not down else ""
        order = ("descending" if down else "ascending") if here else ""
        kind = "" if name == "people.name" else "number"
        heads.append(ColumnHead(name, kind, f"/manage/people?sort={name}{turned}", order))
    return heads


def _page(
    request: Request,
    *,
    link: dict[str, Any] | None = None,
    problem: str = "",
    status: int = 200,
    sort: str = "",
    down: bool = False,
    withdrawn: str = "",
    done: int | None = None,
    made: bool = False,
    invitations: Sequence[tuple[str, str]] = (),
    names: str = "",
) -> HTMLResponse:
    project, kept = get_project(request), get_beliefs(request).kept()
    catalogue = catalogue_of(request)
    judged = {one.name: one for one in kept.annotators} if kept is not None else {}
    golden = {score.annotator: score for score in project.gold.report()}
    people: list[dict[str, Any]] = []
    for person in project.people.all():
        if person.standing == Standing.REMOVED:
            continue
        belief = judged.get(person.name)
        flag = suspicion_words(catalogue, belief) if belief and not person.left_out else ""
        people.append({**_row(person, belief), "gold": golden.get(person.name), "flag": flag})
    if sort in _ORDERS:
        people.sort(key=_ORDERS[sort], reverse=down)
    basis = catalogue.text("trust.none")
    if kept is not None:
        today, phase = get_beliefs(request).recent().basis, learner_state(project).phase
        basis = basis_words(catalogue, kept.basis, today, phase)
    values = {
        "people": people,
        "heads": _heads(sort, down=down),
        "link": link,
        "code": _invitations([(link["name"], link["url"])])[0].code if link else "",
        "invitations": _invitations(invitations),
        "table": _table(invitations) if invitations else "",
        "names": names,
        "withdrawn": withdrawn,
        "made": catalogue.plural("setup.made", project.status().texts) if made else "",
        "pace": _pace(catalogue, project.reading.pace()),
        "done": done_view(request, done),
        "problem": problem,
        "basis": basis,
    }
    return render(request, "manage/people.html", values, status=status)
