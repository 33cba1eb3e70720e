"""Browsing texts and annotations, and one text with everything that is known about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.drawing import Bar, bars
from jurybox.project import Project
from jurybox.project.texts import TextBelief, TextBeliefs
from jurybox.scales import CLASS_KEYS, class_keys
from jurybox.store.browse import TextRow
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.records import Fault, Role, Standing
from jurybox.web.access import Owner, Reviewer, may
from jurybox.web.i18n import Catalogue
from jurybox.web.pages.editing import OFFERED, done_view
from jurybox.web.pages.labelling import asked_on_page
from jurybox.web.panels import Chart
from jurybox.web.render import After, Before, catalogue_of, pager, render
from jurybox.web.state import get_beliefs, get_project

router = APIRouter(prefix="/manage", include_in_schema=False)

_PAGE, _SIMILAR = 50, 10
MOST_COUNTED = 10_000
"""So many rows of a list are counted; beyond, a page says that there are more."""

_NEXT = "n"
_FAULT_KEYS = ("c", "g", "h")
_KEYS = [key if key != _NEXT else "" for key in CLASS_KEYS]
"""Keys of the classes as on the labelling page, but for the one that goes to the next text."""


@dataclass(frozen=True)
class ListedText:
    """A text in a list, with what is believed about it."""

    text_id: str
    text: str
    labels: Sequence[tuple[str, int]]
    consensus: str | None
    quality: float | None


@router.get("/texts")
def texts_page(
    request: Request,
    user: Reviewer,
    q: Annotated[str, Query(max_length=1000)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    label: Annotated[str, Query(max_length=1000)] = "",
    annotator: Annotated[str, Query(max_length=1000)] = "",
    after: After = None,
    before: Before = 0,
    done: After = None,
    none: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """List texts that fit a search."""
    project, catalogue = get_project(request), catalogue_of(request)
    known = state if state in set(TextState) else ""
    chosen = TextFilter(
        search=q.replace("\x00", ""),
        state=TextState(known) if known else None,
        label=label or None,
        annotator=annotator or None,
    )
    page = project.reading.find_texts(chosen, after=after, limit=_PAGE)
    query = {"q": q, "state": known, "label": label, "annotator": annotator}
    edits = may(user, Role.OWNER)
    values = {
        **_editing(request, "/manage/texts", query, done, none),
        "n_match": project.reading.count_texts(chosen, MOST_COUNTED) if edits and page.items else 0,
        "acts": OFFERED,
        "searches": project.reading.searches(),
        "searched": any(query.values()),
        "rows": _listed(get_beliefs(request).recent().texts, page.items),
        "filter": query,
        "states": [
            ("", catalogue.text("state.all")),
            *((s, catalogue.text(f"state.{s}")) for s in TextState),
        ],
        "class_options": [(name, name) for name in project.classes],
        "annotator_options": _whose(project),
        "assignees": _present(project),
        "pager": pager(catalogue, "/manage/texts", query, before, len(page.items), page.next),
    }
    return render(request, "manage/texts.html", values)


@router.get("/annotations")
def annotations_page(
    request: Request,
    user: Reviewer,
    q: Annotated[str, Query(max_length=1000)] = "",
    label: Annotated[str, Query(max_length=1000)] = "",
    annotator: Annotated[str, Query(max_length=1000)] = "",
    after: After = None,
    before: Before = 0,
    done: After = None,
    none: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """List annotations that fit a search, the latest first."""
    project, catalogue = get_project(request), catalogue_of(request)
    chosen = AnnotationFilter(search=q.replace("\x00", ""), label=label or None, annotator=annotator or None)
    page = project.reading.find_annotations(chosen, after=after, limit=_PAGE)
    query = {"q": q, "label": label, "annotator": annotator}
    edits = may(user, Role.OWNER)
    values = {
        **_editing(request, "/manage/annotations", query, done, none),
        "n_match": project.reading.count_annotations(chosen, MOST_COUNTED) if edits and page.items else 0,
        "rows": page.items,
        "texts": project.reading.some_texts(row.text_id for row in page.items),
        "filter": query,
        "class_options": [(name, name) for name in project.classes],
        "annotator_options": _whose(project),
        "pager": pager(catalogue, "/manage/annotations", query, before, len(page.items), page.next),
    }
    return render(request, "manage/annotations.html", values)


@router.get("/text")
def text_page(
    request: Request,
    user: Reviewer,
    text_id: Annotated[str, Query(alias="id", max_length=10_000)],
    saved: Annotated[str, Query(max_length=5)] = "",
    similar: Annotated[str, Query(max_length=5)] = "",
) -> HTMLResponse:
    """Show one text with everything that is known about it; texts like it where they are asked for."""
    project, edits = get_project(request), may(user, Role.OWNER)
    classes = [(name, name) for name in project.classes]
    belief = get_beliefs(request).recent().texts.find(text_id)
    first = belief.copy_of if belief and belief.copy_of else text_id
    values = {
        **text_view(request, text_id),
        "saved": bool(saved),
        "similar": project.pool.similar(text_id, _SIMILAR) if similar else [],
        "may_compare": project.reading.pulse().current_round > 0,  # from then on the texts are encoded
        "edits": edits,
        "acts": OFFERED,
        "class_options": classes,
        "assignees": _present(project) if edits else [],
        "gold_options": [("", catalogue_of(request).text("text.gold_none")), *classes],
        "gold": project.gold.labels().get(first, "") if edits else "",
    }
    return render(request, "manage/text.html", values)


def text_view(request: Request, text_id: str) -> dict[str, Any]:
    """Return what is shown of one text: its labels, remarks, and what is believed of it.

    Raises
    ------
    NotFoundError
        If there is no such text.
    """
    project, catalogue = get_project(request), catalogue_of(request)
    text = project.reading.text(text_id)
    believed = get_beliefs(request).recent().texts
    belief = believed.find(text_id)
    classes, on_scale, questions = project.classes, project.scale is not None, project.questions
    annotations = project.reading.find_annotations(AnnotationFilter(text_id=text_id), limit=500).items
    asked = asked_on_page(questions, keys=[key for key in _KEYS if key])
    keys = class_keys(classes, _KEYS, on_scale=on_scale)
    if questions:  # to choose among the answers that were given about this text, too
        classes = tuple(dict.fromkeys(one.label for one in annotations))
        keys = [""] * len(classes)
    return {
        "text": text,
        "words": project.settings.highlights,
        "metadata": (text.metadata or {}).items(),
        "classes": list(zip(classes, keys, strict=True)),
        "questions": asked,
        "faults": [(fault.value, key) for fault, key in zip(Fault, _FAULT_KEYS, strict=True)],
        "position": belief.position if belief else None,
        "annotations": annotations,
        "consensus": belief.label if belief and belief.n_annotations else None,
        "quality": belief.quality if belief else None,
        "people_say": _people_say(catalogue, believed.classes, belief),
        "belief": _belief_chart(
            catalogue, project.reading.probabilities(text_id), in_order=on_scale or bool(questions)
        ),
        "flags": project.review.flags(text_id=text_id),
    }


@router.post("/gold")
def set_gold(
    request: Request,
    owner: Owner,
    text_id: Annotated[str, Form(max_length=10_000)],
    label: Annotated[str, Form(max_length=1000)] = "",
) -> RedirectResponse:
    """Say what a text's label is known to be; without a label, that it is not."""
    get_project(request).edit.change_gold({text_id: label or None}, by=owner.name)
    return RedirectResponse(f"/manage/text?{urlencode({'id': text_id})}", 303)


def _editing(
    request: Request, path: str, query: Mapping[str, str], done: int | None, none: str
) -> dict[str, object]:
    """Return what a list needs to say what was done to its rows, and to lead back to it."""
    kept = {name: value for name, value in query.items() if value}
    return {
        "done": done_view(request, done),
        "unchanged": none,
        "back": f"{path}?{urlencode(kept)}" if kept else path,
        "most": MOST_COUNTED,
    }


def _present(project: Project) -> list[tuple[str, str]]:
    """Return everybody who is not removed, as options."""
    people = project.people.all()
    return [(one.name, one.name) for one in people if one.standing != Standing.REMOVED]


def _whose(project: Project) -> list[tuple[str, str]]:
    """Return everybody whose labels can be searched for, as options: also who is removed and has some."""
    people = project.people.all()
    return [(one.name, one.name) for one in people if one.standing != Standing.REMOVED or one.n_annotations]


def _listed(beliefs: TextBeliefs, rows: Sequence[TextRow]) -> list[ListedText]:
    found = [(row, beliefs.find(row.text_id)) for row in rows]
    return [
        ListedText(
            row.text_id,
            row.text,
            sorted(row.labels.items(), key=lambda item: -item[1]),
            belief.label if belief and belief.n_annotations else None,
            belief.quality if belief and belief.n_annotations else None,
        )
        for row, belief in found
    ]


def _people_say(catalogue: Catalogue, classes: Sequence[str], belief: TextBelief | None) -> str:
    """Return what share of people would say each class; empty where that is not asked for, or not known."""
    if belief is None or belief.share_error is None:
        return ""
    pairs = sorted(zip(classes, belief.shares, strict=True), key=lambda pair: -pair[1])
    shares = " · ".join(f"{name} {catalogue.percent(share)}" for name, share in pairs[:10])
    return catalogue.text("text.shares", shares=shares, error=catalogue.percent(belief.share_error))


def _belief_chart(
    catalogue: Catalogue, probabilities: Mapping[str, float] | None, *, in_order: bool
) -> Chart | None:
    """Draw the likeliest ten classes; on a scale, and of several questions, all of them in their order."""
    if not probabilities:
        return None
    place = {name: k for k, name in enumerate(probabilities)}
    pairs = sorted(probabilities.items(), key=lambda pair: -pair[1])
    label, share = pairs[0]
    if in_order:
        pairs = list(probabilities.items())
    drawn = bars(
        [Bar(name, p, catalogue.percent(p), place[name]) for name, p in (pairs if in_order else pairs[:10])],
        alternative=catalogue.text("text.belief_alt", label=label, share=catalogue.percent(share)),
        rtl=catalogue.direction == "rtl",
    )
    return Chart(
        drawn,
        catalogue.text("chart.table"),
        [catalogue.text("chart.class"), catalogue.text("chart.probability")],
        [[name, catalogue.percent(p, 1)] for name, p in pairs],
    )
