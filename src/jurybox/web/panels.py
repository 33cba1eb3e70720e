"""Charts and words of the owner's pages: from records to drawings in the language of whoever looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from jurybox.drawing import (
    Bar,
    Mark,
    Series,
    Whisker,
    bars,
    colour_of,
    columns,
    curves,
    spread_ticks,
    steps,
    whiskers,
)
from jurybox.learner import LearnerPhase
from jurybox.project.basis import Basis
from jurybox.project.beliefs import Beliefs, ProjectBelief
from jurybox.project.stopping import RoundVerdicts
from jurybox.project.texts import Bin
from jurybox.store.records import Status
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import Savings
from jurybox.trust.stopping import Verdict
from jurybox.web.i18n import Catalogue

_CLASSES, _PEOPLE = 10, 60
_SURE = 0.9
_AXIS = (0.0, 0.25, 0.5, 0.75, 1.0)
_AHEAD = 2  # times the labels so far, that a chart looks ahead


@dataclass(frozen=True)
class Chart:
    """A drawn chart and its figures.

    Attributes
    ----------
    svg
        The drawing, with a text alternative.
    table_title, columns, rows
        The same figures as a table.
    """

    svg: Markup
    table_title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class FigurePanel:
    """A chart with its title; `empty` says why there is none yet."""

    title: str
    note: str
    empty: str
    chart: Chart | None


@dataclass(frozen=True)
class RuleView:
    """What a stop rule says now, and since which round it has said so."""

    name: str
    stop: bool
    why: str
    since: int | None


def panels(
    catalogue: Catalogue, beliefs: Beliefs, kept: ProjectBelief | None, status: Status
) -> list[FigurePanel]:
    """Return the charts of a project."""
    rtl = catalogue.direction == "rtl"
    return [
        _panel(catalogue, "overview.course", lambda: _course(catalogue, beliefs, kept)),
        _panel(catalogue, "overview.balance", lambda: _balance(catalogue, status, rtl)),
        _panel(catalogue, "overview.bins", lambda: _qualities(catalogue, beliefs.consensus.bins, rtl)),
    ]


def trust_panels(catalogue: Catalogue, kept: ProjectBelief) -> list[FigurePanel]:
    """Return the charts: how good it is, how good everyone is, class shares, what more labels bring."""
    return [
        _panel(catalogue, "trust.audit", lambda: _audit(catalogue, kept)),
        _panel(catalogue, "trust.people", lambda: _people(catalogue, kept)),
        _panel(catalogue, "trust.shares", lambda: _shares(catalogue, kept)),
        _panel(catalogue, "trust.forecast", lambda: _forecast(catalogue, kept)),
    ]


def rules(catalogue: Catalogue, history: Sequence[RoundVerdicts]) -> list[RuleView]:
    """Return what each stop rule says after the last round."""
    if not history:
        return []
    return [_rule(catalogue, verdict, history) for verdict in history[-1].verdicts]


def savings(catalogue: Catalogue, found: Savings | None) -> str:
    """Return what choosing texts has saved against random choice, as a sentence."""
    if found is None or found.better is None:
        return catalogue.text("trust.savings_unknown")
    better, labels = catalogue.percent(found.better), catalogue.number(found.labels)
    needed = found.needed
    if needed is None:
        return catalogue.text("trust.savings_unclear", labels=labels, better=better)
    if not isfinite(needed.low):
        return catalogue.text("trust.savings_far", labels=labels, better=better)
    low = catalogue.number(needed.low)
    if not isfinite(needed.high):
        return catalogue.text("trust.savings_open", labels=labels, low=low, better=better)
    high = catalogue.number(needed.high)
    return catalogue.text("trust.savings_known", labels=labels, low=low, high=high, better=better)


def basis_words(catalogue: Catalogue, basis: Basis, today: Basis, phase: LearnerPhase) -> str:
    """Say which labels and which round figures rest on, and whether they are old."""
    t, number = catalogue.text, catalogue.number
    place = t("basis.round", n=number(basis.round)) if basis.round else t("basis.no_round")
    if basis.version == today.version:
        return t("basis.now", n=number(basis.labels), round=place)
    at_work = phase in (LearnerPhase.WAITING, LearnerPhase.FITTING)
    refreshed = t("basis.refreshed" if at_work else "basis.not_refreshed")
    if basis.labels < today.labels:
        counts = {"n": number(basis.labels), "all": number(today.labels)}
        return t("basis.some", round=place, refreshed=refreshed, **counts)
    return t("basis.changed", n=number(basis.labels), round=place, refreshed=refreshed)


def range_words(catalogue: Catalogue, one: Interval) -> str:
    """Write the bounds of an interval."""
    return catalogue.text("chart.range", low=catalogue.percent(one.low), high=catalogue.percent(one.high))


def _panel(catalogue: Catalogue, name: str, draw: Callable[[], Chart | None]) -> FigurePanel:
    t = catalogue.text
    return FigurePanel(t(name), t(f"{name}_note"), t(f"{name}_empty"), draw())


def _course(catalogue: Catalogue, beliefs: Beliefs, kept: ProjectBelief | None) -> Chart | None:
    """Draw the accuracy so far, continued by the forecast, with the target and the budget as lines."""
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    accuracy = () if kept is None else kept.accuracy
    if kept is None or not accuracy:
        return None
    first, last, settings = accuracy[0], accuracy[-1], beliefs.inputs.settings
    past = [Mark(one.n_annotations, one.estimate, one.low, one.high) for one in accuracy]
    ahead = kept.forecast.points if kept.forecast is not None else ()
    shown = [one for one in ahead if one.labels <= max(ahead[0].labels, _AHEAD * last.n_annotations)]
    future = [
        Mark(last.n_annotations + one.labels, one.accuracy.estimate, one.accuracy.low, one.accuracy.high)
        for one in shown
    ]
    end = future[-1].x if future else last.n_annotations
    budget = settings.budget if settings.budget and settings.budget <= _AHEAD * end else None
    least = min(point.low for point in past + future if point.low is not None)
    places = sorted({point.x for point in past + future} | ({budget} if budget else set()))
    alternative = t(
        "overview.course_alt",
        first=percent(first.estimate),
        n_first=number(first.n_annotations),
        last=percent(last.estimate),
        n_last=number(last.n_annotations),
        range=t("chart.range", low=percent(last.low), high=percent(last.high)),
    )
    drawn = curves(
        [Series(past), *([Series([past[-1], *future], "second forecast")] if future else [])],
        alternative=alternative,
        ticks=[(share, percent(share)) for share in steps(min(least, settings.target_accuracy or 1))],
        below=_labels_below(catalogue, spread_ticks(places)),
        goal=settings.target_accuracy,
        upright=None if budget is None else (budget, t("overview.budget", n=number(budget))),
        rtl=catalogue.direction == "rtl",
    )
    between = [
        *((number(one.n_annotations), one.round, one.estimate, one.low, one.high) for one in accuracy),
        *((number(point.x), 0, point.y, point.low, point.high) for point in future),
    ]
    return Chart(
        drawn,
        t("chart.table"),
        [t("chart.annotations"), t("chart.round"), t("chart.accuracy"), t("chart.interval")],
        [
            [
                labels,
                number(played) if played else t("overview.expected"),
                percent(middle, 1),
                t("chart.range", low=percent(low), high=percent(high)),
            ]
            for labels, played, middle, low, high in between
        ],
    )


def _labels_below(catalogue: Catalogue, places: Sequence[float]) -> list[tuple[float, str]]:
    """Write numbers of labels below a drawing; the last one says what they are."""
    written = [(x, catalogue.number(x)) for x in places]
    return [*written[:-1], (places[-1], catalogue.plural("chart.n_labels", round(places[-1])))]


def _balance(catalogue: Catalogue, status: Status, rtl: bool) -> Chart | None:
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    counts = sorted(status.class_counts.items(), key=lambda item: -item[1])
    place = {name: k for k, name in enumerate(status.class_counts)}
    total = sum(status.class_counts.values())
    if total == 0:
        return None
    label, most = counts[0]
    alternative = t("overview.balance_alt", label=label, share=percent(most / total), n=number(total))
    shown = [
        Bar(name, n / total, f"{percent(n / total)} · {number(n)}", place[name])
        for name, n in counts[:_CLASSES]
    ]
    return Chart(
        bars(shown, alternative=alternative, rtl=rtl),
        t("chart.table"),
        [t("chart.class"), t("chart.annotations"), t("chart.share")],
        [[name, number(n), percent(n / total, 1)] for name, n in counts],
    )


def _qualities(catalogue: Catalogue, bins: Sequence[Bin], rtl: bool) -> Chart | None:
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    total, most = sum(one.texts for one in bins), max(one.texts for one in bins)
    if total == 0:
        return None
    sure = sum(one.texts for one in bins if one.low >= _SURE)
    alternative = t("overview.bins_alt", n=number(sure), all=number(total))
    shown = [Bar("", one.texts / most, number(one.texts)) for one in bins]
    return Chart(
        columns(shown, alternative=alternative, edges=_edges(catalogue, bins), rtl=rtl),
        t("chart.table"),
        [t("chart.quality"), t("chart.texts")],
        [[t("chart.range", low=percent(one.low), high=percent(one.high)), number(one.texts)] for one in bins],
    )


def _edges(catalogue: Catalogue, bins: Sequence[Bin]) -> list[str]:
    return [*(catalogue.number(100 * one.low) for one in bins), catalogue.percent(bins[-1].high)]


def _audit(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    rows = [
        (catalogue.text(f"trust.{of}_{measure}"), found)
        for of, estimate in (("model", kept.audit.model), ("consensus", kept.audit.consensus))
        if estimate is not None
        for measure, found in (("accuracy", estimate.accuracy), ("macro_f1", estimate.macro_f1))
    ]
    return _chart(catalogue, rows)


def _shares(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    model = kept.audit.model
    if model is None:
        return None
    rows = list(zip(kept.audit.classes, model.class_shares, strict=True))
    return _chart(catalogue, rows, [colour_of(k) for k in range(len(rows))])


def _forecast(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    if kept.forecast is None:
        return None
    rows = [(catalogue.text("trust.today"), kept.forecast.now)]
    for point in kept.forecast.points:
        name = catalogue.text("trust.more", n=catalogue.number(point.labels))
        if point.cost is not None:
            name = f"{name} · {catalogue.number(point.cost, 2)}"
        rows.append((name, point.accuracy))
    return _chart(catalogue, rows)


def _people(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    known = [(one.name, one.quality) for one in kept.annotators if one.quality is not None]
    return _chart(catalogue, sorted(known, key=lambda row: row[1].estimate)[:_PEOPLE])


def _chart(
    catalogue: Catalogue, rows: Sequence[tuple[str, Interval]], colours: Sequence[str] = ()
) -> Chart | None:
    """Draw shares with intervals on one axis, that of all charts of the page, and the same as a table."""
    if not rows:
        return None
    percent = catalogue.percent
    ticks = [(share, percent(share)) for share in _AXIS]
    drawn = [
        Whisker(name, one.estimate, one.low, one.high, percent(one.estimate, 1), colour)
        for (name, one), colour in zip(rows, colours or [""] * len(rows), strict=True)
    ]
    name, first = rows[0]
    alternative = catalogue.text(
        "trust.chart_alt",
        n=catalogue.number(len(rows)),
        name=name,
        value=percent(first.estimate, 1),
        low=percent(first.low, 1),
        high=percent(first.high, 1),
    )
    return Chart(
        whiskers(drawn, alternative=alternative, ticks=ticks, rtl=catalogue.direction == "rtl"),
        catalogue.text("chart.table"),
        ["", catalogue.text("trust.estimate"), catalogue.text("trust.interval")],
        [[name, percent(one.estimate, 1), range_words(catalogue, one)] for name, one in rows],
    )


def _rule(catalogue: Catalogue, verdict: Verdict, history: Sequence[RoundVerdicts]) -> RuleView:
    name, value = verdict.rule, verdict.value
    digits = 0 if name == "budget" else 1
    written = catalogue.number if name in ("budget", "stable") else catalogue.percent
    why = catalogue.text("rule.unknown")
    if value is not None:
        digits = 3 if name == "stable" else digits
        why = catalogue.text(
            f"rule.{name}.why",
            value=written(value, digits),
            threshold=written(verdict.threshold, digits),
        )
    return RuleView(catalogue.text(f"rule.{name}"), verdict.stop, why, _since(name, history))


def _since(name: str, history: Sequence[RoundVerdicts]) -> int | None:
    """Return the first round of those up to now in which a rule has said to stop without a break."""
    since = None
    for played in reversed(history):
        if not any(verdict.rule == name and verdict.stop for verdict in played.verdicts):
            break
        since = played.round
    return since
