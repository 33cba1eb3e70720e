"""Clusters of texts: the words that tell them apart, their texts, and a label for all of them at once."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.errors import NotFoundError
from jurybox.project.pool import MOST_CLUSTERS
from jurybox.web.access import Owner
from jurybox.web.pages.editing import back_to, done_view
from jurybox.web.pages.labelling import answers_sent, asked_on_page, form_sent
from jurybox.web.render import After, catalogue_of, render
from jurybox.web.state import get_project

router = APIRouter(prefix="/manage", include_in_schema=False)

_PAGE = 50
_ALL, _ONE = "/manage/clusters", "/manage/cluster"

Number = Annotated[int, Query(ge=0, lt=MOST_CLUSTERS)]


@router.get("/clusters")
def clusters_page(request: Request, _owner: Owner) -> HTMLResponse:
    """List the clusters that were found last, the largest first."""
    project = get_project(request)
    values = {
        "clusters": project.pool.clusters(),
        "most": MOST_CLUSTERS,
        "may_find": project.reading.pulse().current_round > 0,  # from then on the texts are encoded
    }
    return render(request, "manage/clusters.html", values)


@router.post("/clusters")
def find_clusters(
    request: Request, _owner: Owner, n: Annotated[str, Form(pattern=r"^\d{0,3}$")] = ""
) -> RedirectResponse:
    """Find clusters among all texts."""
    get_project(request).pool.find_clusters(int(n) if n else None)
    return RedirectResponse(_ALL, 303)


@router.get("/cluster")
def cluster_page(
    request: Request,
    _owner: Owner,
    number: Number,
    start: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    done: After = None,
    none: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """List the texts of a cluster, those nearest to its middle first."""
    project = get_project(request)
    found, questions = project.pool.clusters(), project.questions
    texts = project.pool.cluster_texts(number, start, _PAGE + 1)
    if number >= len(found):
        raise NotFoundError(f"there is no cluster {number}")
    here, last = f"{_ONE}?{urlencode({'number': number})}", start + len(texts[:_PAGE])
    place = catalogue_of(request).text("pager.place", first=start + 1, last=last)
    values = {
        "cluster": found[number],
        "texts": texts[:_PAGE],
        "class_options": [] if questions else [(name, name) for name in project.classes],
        "questions": [
            {**one, "whole": one["kind"] != "several"} for one in asked_on_page(questions)
        ],  # yes or no to each class: of texts that one has not read, no is to be said as such
        "done": done_view(request, done),
        "unchanged": none,
        "back": here,
        "pager": {
            "place": place if start or len(texts) > _PAGE else "",
            "first": here if start else "",
            "next": f"{here}&start={last}" if len(texts) > _PAGE else "",
        },
    }
    return render(request, "manage/cluster.html", values)


@router.post("/cluster")
def label_cluster(
    request: Request,
    owner: Owner,
    number: Annotated[int, Form(ge=0, lt=MOST_CLUSTERS)],
    form: Annotated[FormData, Depends(form_sent)],
    found_at: Annotated[float, Form()],
    label: Annotated[str, Form(max_length=1000)] = "",
    most: Annotated[str, Form(pattern=r"^\d{0,9}$")] = "",
) -> RedirectResponse:
    """Give the texts of a cluster a label at once."""
    project = get_project(request)
    before = project.edit.history.last_number()
    chosen = int(most) if most else None
    said = label if label else answers_sent(project.questions, form)
    project.pool.label_cluster(number, said, most=chosen, found_at=found_at, by=owner.name)
    return back_to(_ONE, {"number": str(number)}, project, before)
