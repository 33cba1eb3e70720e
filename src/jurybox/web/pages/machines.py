"""The owner's page of language models and rules: what people's labels say of each, and whom to ask next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from jurybox.project.panel import MachineBelief, PanelBelief
from jurybox.project.whom import Offer, WhomToAsk
from jurybox.web.access import owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.pages.trust import HeatTable, heat_table, with_range
from jurybox.web.panels import range_words
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_beliefs

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])

_MOST_CLASSES = 12
"""Up to which the whole confusion matrix is shown; of more classes, the commonest mix-ups."""


@dataclass(frozen=True)
class MachineView:
    """One machine in words and figures."""

    name: str
    kind: str
    answers: str
    agreement: str
    range: str
    voice: str
    worth: str
    price: str
    facts: Sequence[tuple[str, str]]
    confusion: HeatTable | None


@dataclass(frozen=True)
class OfferView:
    """What an answer of somebody brings; a person's label where there is no machine."""

    machine: str | None
    texts: str
    gain: str
    price: str
    per_money: str


@router.get("/machines")
def machines_page(request: Request) -> HTMLResponse:
    """Show what is known of machines, as the learner last found out."""
    catalogue, source = catalogue_of(request), get_beliefs(request)
    kept = source.kept()
    panel = None if kept is None else kept.machines
    if panel is None or not panel.machines:
        return render(request, "manage/machines.html", {"machines": [], "votes": "", "whom": None})
    classes = source.recent().inputs.classes
    votes = catalogue.text(
        "machines.votes",
        machines=catalogue.number(len(panel.machines)),
        votes=catalogue.number(panel.effective_votes, 1),
    )
    values = {
        "machines": [_view(catalogue, panel, one, classes) for one in panel.machines],
        "votes": votes,
        "whom": panel.whom,
        "offers": _offers(catalogue, panel.whom),
    }
    return render(request, "manage/machines.html", values)


def _view(
    catalogue: Catalogue, panel: PanelBelief, one: MachineBelief, classes: Sequence[str]
) -> MachineView:
    known = one.agreement
    return MachineView(
        name=_title(one),
        kind=one.kind,
        answers=catalogue.number(one.answers),
        agreement=catalogue.percent(None if known is None else known.estimate),
        range="" if known is None else range_words(catalogue, known),
        voice=catalogue.number(one.voice, 2),
        worth=catalogue.number(one.worth, 3),
        price=catalogue.number(one.price, 2),
        facts=_facts(catalogue, panel, one),
        confusion=_confusion(catalogue, one, classes),
    )


def _facts(catalogue: Catalogue, panel: PanelBelief, one: MachineBelief) -> list[tuple[str, str]]:
    """Return what else is known of a machine: mix-ups, calibration, drift, whom it repeats."""
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    facts = [(t("machines.labels"), number(one.labels))]
    facts += [
        (t("machines.mix_up", people=mix.people, machine=mix.machine), number(mix.labels))
        for mix in one.mix_ups
    ]
    if one.calibration_error is not None:
        facts.append((t("machines.calibration"), percent(one.calibration_error)))
    facts += [
        (t(name), with_range(catalogue, half))
        for name, half in (("machines.earlier", one.earlier), ("machines.later", one.later))
        if half is not None
    ]
    if one.same_as_before is not None:
        facts.append((t("machines.same"), percent(one.same_as_before)))
    facts += [
        (t("machines.repeats", machine=_title(other)), number(r, 2))
        for other, r in zip(panel.machines, one.correlation, strict=True)
        if other is not one
    ]
    return facts


def _confusion(catalogue: Catalogue, one: MachineBelief, classes: Sequence[str]) -> HeatTable | None:
    """Return people's labels by the machine's answers; None where there are none, or too many classes."""
    counts = np.array(one.confusion)
    names = list(classes[: len(counts)])
    if not one.labels or len(names) > _MOST_CLASSES:
        return None
    return heat_table(
        counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),
        names,
        [[catalogue.number(int(n)) for n in row] for row in counts],
        caption=catalogue.text("machines.confusion"),
        down=catalogue.text("machines.people_said"),
        across=catalogue.text("machines.machine_said"),
    )


def _offers(catalogue: Catalogue, whom: WhomToAsk | None) -> list[OfferView]:
    return [] if whom is None else [_offer(catalogue, one) for one in whom.offers]


def _offer(catalogue: Catalogue, one: Offer) -> OfferView:
    free = one.price == 0 and one.gain is not None
    return OfferView(
        one.machine,
        catalogue.number(one.texts),
        catalogue.number(one.gain, 3),
        catalogue.number(one.price, 4),
        catalogue.text("machines.free") if free else catalogue.number(one.per_money, 2),
    )


def _title(one: MachineBelief) -> str:
    return f"{one.name} v{one.version}"
