"""The charts of the overview: from figures to drawings with words in the language of whoever looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor

from jurybox.learner import LearnerPhase
from jurybox.project.auditing import Accuracy
from jurybox.project.beliefs import Basis, Beliefs, ProjectBelief
from jurybox.project.texts import Bin
from jurybox.store.records import RoundInfo, Status
from jurybox.web.charts import Bar, Chart, Point, bars, columns, curve
from jurybox.web.i18n import Catalogue

__all__ = ["Panel", "basis_words", "panels"]

_CLASSES = 10
_SURE = 0.9


@dataclass(frozen=True)
class Panel:
    """A chart with its title; `empty` says why there is none yet."""

    title: str
    note: str
    empty: str
    chart: Chart | None


def panels(catalogue: Catalogue, beliefs: Beliefs, kept: ProjectBelief | None, status: Status) -> list[Panel]:
    """Return the charts of a project."""
    rtl = catalogue.direction == "rtl"
    accuracy = () if kept is None else kept.accuracy
    return [
        _panel(catalogue, "curve", lambda: _learning_curve(catalogue, accuracy, rtl)),
        _panel(catalogue, "growth", lambda: _growth(catalogue, beliefs.inputs.rounds, rtl)),
        _panel(catalogue, "balance", lambda: _balance(catalogue, status, rtl)),
        _panel(catalogue, "quality", lambda: _qualities(catalogue, beliefs.consensus.bins, rtl)),
    ]


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


def _panel(catalogue: Catalogue, name: str, draw: Callable[[], Chart | None]) -> Panel:
    title = "overview.quality_chart" if name == "quality" else f"overview.{name}"
    return Panel(
        catalogue.text(title),
        catalogue.text(f"{title}_note"),
        catalogue.text(f"overview.{name}_empty"),
        draw(),
    )


def _learning_curve(catalogue: Catalogue, accuracy: Sequence[Accuracy], rtl: bool) -> Chart | None:
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    if len(accuracy) < 2:
        return None
    first, last = accuracy[0], accuracy[-1]
    alternative = t(
        "overview.curve_alt",
        first=percent(first.estimate),
        n_first=number(first.n_annotations),
        last=percent(last.estimate),
        n_last=number(last.n_annotations),
    )
    points = [
        Point(one.n_annotations, one.estimate, one.low, one.high, number(one.n_annotations))
        for one in accuracy
    ]
    heights = _shares_above(min(one.low for one in accuracy))
    drawn = curve(points, alternative=alternative, ticks=[(y, percent(y)) for y in heights], rtl=rtl)
    return Chart(
        drawn,
        t("chart.table"),
        [t("chart.round"), t("chart.annotations"), t("chart.accuracy"), t("chart.interval")],
        [
            [
                number(one.round),
                number(one.n_annotations),
                percent(one.estimate, 1),
                t("chart.range", low=percent(one.low), high=percent(one.high)),
            ]
            for one in accuracy
        ],
    )


def _growth(catalogue: Catalogue, rounds: Sequence[RoundInfo], rtl: bool) -> Chart | None:
    t, number = catalogue.text, catalogue.number
    if not rounds:
        return None
    points = [Point(one.number, one.n_annotations, name=number(one.number)) for one in rounds]
    most = _round_number(max(one.n_annotations for one in rounds))
    last = rounds[-1]
    alternative = t("overview.growth_alt", n=number(last.n_annotations), round=number(last.number))
    ticks = [(most * step / 4, number(most * step / 4)) for step in range(5)]
    return Chart(
        curve(points, alternative=alternative, ticks=ticks, rtl=rtl),
        t("chart.table"),
        [t("chart.round"), t("chart.annotations")],
        [[number(one.number), number(one.n_annotations)] for one in rounds],
    )


def _balance(catalogue: Catalogue, status: Status, rtl: bool) -> Chart | None:
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    counts = sorted(status.class_counts.items(), key=lambda item: -item[1])
    total = sum(status.class_counts.values())
    if total == 0:
        return None
    label, most = counts[0]
    alternative = t("overview.balance_alt", label=label, share=percent(most / total), n=number(total))
    shown = [Bar(name, n / total, f"{percent(n / total)} · {number(n)}") for name, n in counts[:_CLASSES]]
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
    alternative = t("overview.quality_alt", n=number(sure), all=number(total))
    shown = [Bar(_bin_name(catalogue, one), one.texts / most, number(one.texts)) for one in bins]
    return Chart(
        columns(shown, alternative=alternative, rtl=rtl),
        t("chart.table"),
        [t("chart.quality"), t("chart.texts")],
        [[t("chart.range", low=percent(one.low), high=percent(one.high)), number(one.texts)] for one in bins],
    )


def _bin_name(catalogue: Catalogue, one: Bin) -> str:
    if one.low == 0:
        return f"<{catalogue.percent(one.high)}"
    return f"{catalogue.number(100 * one.low)}–{catalogue.number(100 * one.high)}"


def _shares_above(least: float) -> list[float]:
    """Return round shares up to 1 that begin at or below a share.

    Examples
    --------
    >>> _shares_above(0.52), _shares_above(0.31)
    ([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [0.2, 0.4, 0.6, 0.8, 1.0])
    """
    step = 1 if least >= 0.5 else 2
    first = floor(10 * least) // step * step
    return [tenths / 10 for tenths in range(first, 11, step)]


def _round_number(value: float) -> int:
    """Return the smallest number not below a value that can be quartered and is easy to read.

    Examples
    --------
    >>> [_round_number(n) for n in (3, 17, 90, 1234)]
    [4, 20, 100, 2000]
    """
    size = 1
    while True:
        for factor in (4, 8, 10, 20, 40, 80):
            if factor * size >= value and (factor * size) % 4 == 0:
                return factor * size
        size *= 10
