"""The owner's overview and the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.learner import LearnerPhase, LearnerState, learner_state
from jurybox.numerals import UNKNOWN
from jurybox.project import Project
from jurybox.project.advice import advise, of_concern
from jurybox.project.annotators import AnnotatorBelief
from jurybox.project.beliefs import Beliefs, ProjectBelief
from jurybox.project.doubts import ContestedText
from jurybox.project.facets import QuestionsBelief
from jurybox.project.tuning import gear_of
from jurybox.store.records import Role, Status
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.pages.trust import with_range
from jurybox.web.panels import basis_words, panels
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_beliefs, get_project
from jurybox.web.verdict import suspicion_words, verdict_of

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])

_NEXT = 5
_DECISIONS = 5
_DOUBTFUL = 0.3  # a consensus that is wrong with less than this wants no decision
_QUEUE = 100


@dataclass(frozen=True)
class Stat:
    """One figure, large, and what it means, small."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Concern:
    """Somebody whose labels deserve a look, and why."""

    name: str
    words: str


@dataclass(frozen=True)
class Notice:
    """What the owner should know, and the page where something can be done about it."""

    kind: str
    words: str
    href: str = ""


@router.get("")
def overview_page(request: Request) -> HTMLResponse:
    """Show how the project is doing."""
    project, catalogue = get_project(request), catalogue_of(request)
    source, status = get_beliefs(request), project.status()
    beliefs, kept = source.recent(), source.kept()
    settings = project.settings
    learner = learner_state(project)
    values = {
        "learner": f"{catalogue.text(f'learner.{learner.phase}')} {_gear(catalogue, status)}",
        "verdict": verdict_of(catalogue, advise(beliefs.inputs, kept)),
        "concerns": [] if kept is None else _concerns(catalogue, beliefs, kept),
        "decisions": () if kept is None else _decisions(beliefs),
        "flags": status.flags,
        "lead": _lead(catalogue, status, settings),
        "can_learn": status.new_annotations > 0,
        "notices": _notices(catalogue, project, learner, status, settings),
        "stats": [
            *_results(catalogue, beliefs, kept),
            *_progress(catalogue, beliefs, status),
        ],
        "basis": "" if kept is None else basis_words(catalogue, kept.basis, beliefs.basis, learner.phase),
        "panels": panels(catalogue, beliefs, kept, status),
        "queue": project.reading.queue(_NEXT),
        **_questions(catalogue, project.facets.describe()),
    }
    return render(request, "manage/overview.html", values)


def _questions(catalogue: Catalogue, found: QuestionsBelief | None) -> dict[str, Any]:
    """Return how several questions stand, as a table, and the worst of them and the mean in words."""
    if found is None:
        return {"asked": (), "asked_words": ""}
    t, percent = catalogue.text, catalogue.percent

    def share(one: float | None) -> str:
        return UNKNOWN if one is None else percent(one)

    rows = [
        {
            "name": one.question,
            "href": f"/manage/trust?{urlencode({'question': one.question})}",
            "answers": catalogue.number(one.answers),
            "agreement": UNKNOWN if one.agreement is None else catalogue.number(one.agreement, 2),
            "quality": share(one.quality),
            "macro_f1": UNKNOWN if one.macro_f1 is None else with_range(catalogue, one.macro_f1),
            "done": t("questions.done" if one.done else "trust.go_on"),
        }
        for one in found.facets
    ]
    means = {"quality": share(found.quality), "macro_f1": share(found.macro_f1)}
    words = t("questions.lead", worst=found.worst or UNKNOWN, **means)
    return {"asked": rows, "asked_words": words}


@router.post("/round")
def play_round_now(request: Request) -> RedirectResponse:
    """Ask the learner for a round."""
    get_project(request).notes.ask_for_round()
    return RedirectResponse("/manage", 303)


@router.get("/queue")
def queue_page(request: Request) -> HTMLResponse:
    """List what is asked for next, and why."""
    project, catalogue = get_project(request), catalogue_of(request)
    queue, reasons = project.reading.queue(_QUEUE), project.reading.queue_reasons()
    counts = {"n": catalogue.number(len(queue)), "all": catalogue.number(sum(reasons.values()))}
    values = {
        "queue": queue,
        "reasons": reasons.items(),
        "shown": catalogue.text("queue.shown", **counts) if len(queue) == _QUEUE else "",
    }
    return render(request, "manage/queue.html", values)


def _lead(catalogue: Catalogue, status: Status, settings: ProjectSettings) -> str:
    counts = {"labelled": catalogue.number(status.labelled_texts), "texts": catalogue.number(status.texts)}
    if status.last_round is not None:
        return catalogue.text("overview.lead", round=catalogue.number(status.last_round.number), **counts)
    if status.new_annotations >= settings.batch:
        return catalogue.text("overview.lead_soon", **counts)
    return catalogue.text("overview.lead_start", n=catalogue.number(settings.batch), **counts)


def _gear(catalogue: Catalogue, status: Status) -> str:
    """Say which gear the figures come from."""
    if status.last_round is None:
        return ""
    gear = gear_of(status.last_round.diagnostics)
    if not gear.share:
        return ""
    words = {"n": catalogue.number(gear.tuned_on), "share": catalogue.percent(gear.share)}
    return catalogue.text("gear.second_mean" if gear.facets > 1 else "gear.second", **words)


def _notices(
    catalogue: Catalogue, project: Project, learner: LearnerState, status: Status, settings: ProjectSettings
) -> Sequence[Notice]:
    notices = []
    if learner.phase in (LearnerPhase.FAILED, LearnerPhase.DIED):
        notices.append(Notice("bad", catalogue.text("overview.learner_failed", message=learner.failure)))
    if status.annotations and all(person.role == Role.OWNER for person in project.people.all()):
        notices.append(Notice("", catalogue.text("overview.hint_invite"), "/manage/people"))
    if settings.suggestions:
        notices.append(Notice("warn", catalogue.text("overview.suggestions"), "/manage/settings"))
    return notices


def _decisions(beliefs: Beliefs) -> list[ContestedText]:
    """Return what most wants a reviewer; before the first figures the next labels tell more than anybody."""
    return [one for one in beliefs.contested(_DECISIONS) if one.error >= _DOUBTFUL]


def _concerns(catalogue: Catalogue, beliefs: Beliefs, kept: ProjectBelief) -> list[Concern]:
    """Return the people who deserve a look: the suspects, and those who have become worse."""
    found = [
        Concern(one.name, suspicion_words(catalogue, one))
        for one in of_concern(beliefs.inputs, kept.annotators)
    ]
    return [*found, *(_worse(catalogue, one) for one in kept.annotators if _is_worse(one))]


def _is_worse(one: AnnotatorBelief) -> bool:
    return one.suspect is None and one.drift is not None and one.drift.verdict == "worse"


def _worse(catalogue: Catalogue, one: AnnotatorBelief) -> Concern:
    if one.drift is None:
        return Concern(one.name, "")
    before, after = (catalogue.percent(share.estimate) for share in (one.drift.before, one.drift.after))
    return Concern(one.name, catalogue.text("overview.worse", name=one.name, before=before, after=after))


def _results(catalogue: Catalogue, beliefs: Beliefs, kept: ProjectBelief | None) -> list[Stat]:
    t, percent = catalogue.text, catalogue.percent
    stats = []
    if kept is not None and kept.accuracy:
        last = kept.accuracy[-1]
        low, high, n = percent(last.low), percent(last.high), catalogue.number(last.n_texts)
        note = t("overview.accuracy_note", low=low, high=high, n=n)
        stats.append(Stat(t("overview.accuracy"), percent(last.estimate), note))
    if (quality := beliefs.consensus.quality) is not None:
        stats.append(Stat(t("overview.quality"), percent(quality), t("overview.quality_note")))
    if (alpha := beliefs.agreement.by_chance.alpha) is not None:
        written = catalogue.number(alpha.estimate, 2)
        stats.append(Stat(t("overview.agreement"), written, t("overview.agreement_note")))
    return stats


def _progress(catalogue: Catalogue, beliefs: Beliefs, status: Status) -> list[Stat]:
    t, number, effort = catalogue.text, catalogue.number, beliefs.effort
    annotations = catalogue.plural("overview.annotations_note", effort.annotators)
    if not beliefs.basis.labels:
        return []
    stats = [
        Stat(
            t("overview.finished"),
            number(status.finished_texts),
            t("overview.finished_note", all=number(status.texts)),
        ),
        Stat(t("overview.annotations"), number(beliefs.basis.labels), annotations),
    ]
    if effort.median_seconds is not None:
        words = catalogue.seconds(effort.median_seconds)
        stats.append(Stat(t("overview.seconds"), words, t("overview.seconds_note")))
    if effort.cost is not None:
        note = t("overview.cost_note", price=number(effort.price, 2))
        stats.append(Stat(t("overview.cost"), number(effort.cost, 2), note))
    return stats
