"""Work on many: what an owner does to selected texts or labels, names, classes, people; and the history."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.project import Project
from jurybox.project.editing import ACTS
from jurybox.project.history import UNDOABLE
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.history import HistoryEvent
from jurybox.web.access import Owner, owner_only, safe_path
from jurybox.web.api.editing import Number
from jurybox.web.api.transfer import export_file
from jurybox.web.i18n import Catalogue
from jurybox.web.pages.settings import changes_in_words
from jurybox.web.render import After, Before, catalogue_of, explain, pager, render
from jurybox.web.state import get_project

router = APIRouter(prefix="/manage", include_in_schema=False)

OFFERED = (*ACTS[:-1], "export", ACTS[-1])
"""What can be done to texts that are selected, what destroys most last."""

_PAGE = 50

Name = Annotated[str, Form(min_length=1, max_length=1000)]
Short = Annotated[str, Form(max_length=1000)]


@router.get("/history", dependencies=[owner_only])
def history_page(request: Request, after: After = None, before: Before = 0) -> HTMLResponse:
    """List what was done, the latest first."""
    return _history(request, after, before)


@router.post("/history")
def undo_event(
    request: Request,
    owner: Owner,
    event: Annotated[int, Form(ge=1, le=2**62)],
    back: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    """Undo one event; from a list, the list follows."""
    try:
        get_project(request).edit.history.undo(event, by=owner.name)
    except (ConflictError, InputError, NotFoundError) as error:
        return _history(request, problem=explain(catalogue_of(request), error))
    return RedirectResponse(safe_path(back) if back else "/manage/history", 303)


@router.post("/texts/change")
def change_texts(
    request: Request,
    owner: Owner,
    act: Annotated[str, Form(max_length=20)],
    ids: Annotated[list[str] | None, Form(alias="id", max_length=10_000)] = None,
    everything: Annotated[str, Form(alias="all", max_length=5)] = "",
    q: Short = "",
    state: Short = "",
    label: Short = "",
    annotator: Short = "",
    labels: Annotated[int, Form(ge=1, le=100)] = 1,
    to: Short = "",
    known: Short = "",
) -> Response:
    """Do something to the texts that are selected, or to all that fit the search."""
    project = get_project(request)
    query = {
        name: v for name, v in (("q", q), ("state", state), ("label", label), ("annotator", annotator)) if v
    }
    chosen = list(ids or ())
    if everything:
        how = TextState(state) if state in {*TextState} else None
        chosen = project.edit.matching(TextFilter(q, how, label or None, annotator or None))
    if not chosen:
        return RedirectResponse(f"/manage/texts?{urlencode({**query, 'none': 1})}", 303)
    if act == "export":
        return export_file(project, "csv", only=chosen)
    before = project.edit.history.last_number()
    project.edit.change_texts(act, chosen, labels=labels, to=to, known=known or None, by=owner.name)
    return back_to("/manage/texts", query, project, before)


@router.post("/searches")
def keep_search(
    owner: Owner,
    request: Request,
    name: Annotated[str, Form(min_length=1, max_length=200)],
    q: Short = "",
    state: Short = "",
    label: Short = "",
    annotator: Short = "",
    act: Annotated[str, Form(max_length=10)] = "keep",
) -> Response:
    """Keep a search under a name, or forget one."""
    asked = (("q", q), ("state", state), ("label", label), ("annotator", annotator))
    query = urlencode({key: value for key, value in asked if value})
    edit = get_project(request).edit
    if act == "keep" and query:
        edit.keep_search(name.strip(), query, by=owner.name)
    elif act == "drop":
        edit.drop_search(name, by=owner.name)
    return RedirectResponse(f"/manage/texts?{query}", 303)


@router.post("/annotations/change")
def delete_labels(
    request: Request,
    owner: Owner,
    numbers: Annotated[list[Number] | None, Form(alias="number", max_length=10_000)] = None,
    everything: Annotated[str, Form(alias="all", max_length=5)] = "",
    q: Short = "",
    label: Short = "",
    annotator: Short = "",
) -> Response:
    """Take the labels back that are selected, or all that fit the search."""
    project = get_project(request)
    query = {name: value for name, value in (("q", q), ("label", label), ("annotator", annotator)) if value}
    chosen = list(numbers or ())
    if everything:
        wanted = AnnotationFilter(annotator=annotator or None, label=label or None, search=q)
        chosen = project.edit.matching_annotations(wanted)
    if not chosen:
        return RedirectResponse(f"/manage/annotations?{urlencode({**query, 'none': 1})}", 303)
    before = project.edit.history.last_number()
    project.edit.delete_labels(chosen, by=owner.name)
    return back_to("/manage/annotations", query, project, before)


@router.post("/name")
def rename_project(request: Request, owner: Owner, name: Name) -> Response:
    """Give the project another title."""
    get_project(request).edit.rename(name.strip(), by=owner.name)
    return RedirectResponse("/manage/settings?saved=1", 303)


@router.post("/classes/rename")
def rename_class(request: Request, owner: Owner, old: Name, new: Name) -> Response:
    """Give a class another name."""
    get_project(request).edit.rename_class(old, new.strip(), by=owner.name)
    return RedirectResponse("/manage/settings?saved=1", 303)


@router.post("/classes/merge")
def merge_classes(request: Request, owner: Owner, old: Name, into: Name) -> Response:
    """Make two classes one."""
    get_project(request).edit.merge_classes(old, into, by=owner.name)
    return RedirectResponse("/manage/settings?saved=1", 303)


@router.post("/people/rename")
def rename_person(request: Request, owner: Owner, old: Name, new: Name) -> Response:
    """Give somebody another name."""
    get_project(request).edit.rename_person(old, new.strip(), by=owner.name)
    return RedirectResponse(f"/manage/person?{urlencode({'name': new.strip()})}", 303)


@router.post("/people/remove")
def remove_person(
    request: Request, owner: Owner, name: Name, labels: Annotated[str, Form(max_length=5)] = ""
) -> Response:
    """Take somebody off the project, with their labels where that is asked for."""
    project = get_project(request)
    before = project.edit.history.last_number()
    project.edit.remove_person(name, labels=bool(labels), by=owner.name)
    return back_to("/manage/people", {}, project, before)


@router.post("/people/erase")
def erase_person(request: Request, owner: Owner, name: Name) -> Response:
    """Forget who somebody is; the labels stay under a pseudonym."""
    project = get_project(request)
    before = project.edit.history.last_number()
    project.edit.erase_person(name, by=owner.name)
    return back_to("/manage/people", {}, project, before)


def event_words(catalogue: Catalogue, event: HistoryEvent) -> str:
    """Say what somebody did."""
    if event.verb == "settings":
        changes = changes_in_words(catalogue, event.detail["before"], event.detail["after"])
        return catalogue.text("history.settings", changes=changes)
    named = ("before", "after", "into", "name")
    values = {name: event.detail[name] for name in named if isinstance(event.detail.get(name), str)}
    if event.verb in ("create project", "add"):
        values |= {kind: catalogue.number(event.detail[kind]) for kind in ("texts", "annotations")}
    return catalogue.text(f"history.{event.verb}", subject=event.subject, **values)


def done_view(request: Request, event: int | None) -> dict[str, object] | None:
    """Return what a list says of the act that has just been done, with what undoes it; None without one."""
    if event is None:
        return None
    try:
        found = get_project(request).edit.history.event(event)
    except NotFoundError:
        return None
    if found.undone_by is not None:
        return None
    return {"number": found.number, "words": event_words(catalogue_of(request), found)}


def back_to(path: str, query: dict[str, str], project: Project, before: int) -> RedirectResponse:
    """Go back to a list, which says what was done since an event; that may be nothing."""
    last = project.edit.history.last_number()
    said = {"done": str(last)} if last > before else {"none": "unchanged"}
    return RedirectResponse(f"{path}?{urlencode({**query, **said})}", 303)


def _history(
    request: Request, after: int | None = None, before: int = 0, *, problem: str = ""
) -> HTMLResponse:
    catalogue = catalogue_of(request)
    found = get_project(request).edit.history.last(_PAGE + 1, before=after, brief=True)
    events = [
        {"event": event, "words": event_words(catalogue, event), "undoable": event.verb in UNDOABLE}
        for event in found[:_PAGE]
    ]
    following = found[_PAGE - 1].number if len(found) > _PAGE else None
    pages = pager(catalogue, "/manage/history", {}, before, len(events), following)
    values = {"events": events, "problem": problem, "pager": pages}
    return render(request, "manage/history.html", values, status=409 if problem else 200)
