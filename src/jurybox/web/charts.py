"""Charts as SVG: drawn on the server, coloured by the style sheet, each with a text alternative and a table.

Horizontal places are percentages and vertical ones pixels, so that a chart fills its panel at any width and
its words keep their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

__all__ = [
    "Bar",
    "Chart",
    "HeatCell",
    "HeatRow",
    "HeatTable",
    "Point",
    "Whisker",
    "bars",
    "columns",
    "curve",
    "heat_table",
    "whiskers",
]

_SERIES = 8
_LEFT, _RIGHT, _MARGIN = 2.0, 98.0, 13.0
_TOP, _BOTTOM = 18.0, 186.0
_HEIGHT = 216
_ROW = 46
_HEATS = 10
_NAME = 24
"""Characters of a name that fit on a phone beside the value."""


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
class Point:
    """One point of a curve: where it is, its height, and the interval around it, if known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    name: str = ""


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its length from 0 to 1, and what is written at its end."""

    name: str
    share: float
    value: str


@dataclass(frozen=True)
class Whisker:
    """One estimate with its interval: its name, its place, its bounds, and what is written at its end."""

    name: str
    share: float
    low: float
    high: float
    value: str


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


def curve(
    points: Sequence[Point], *, alternative: str, ticks: Sequence[tuple[float, str]], rtl: bool = False
) -> Markup:
    """Draw a curve with its band.

    Parameters
    ----------
    points
        In order of x; at least one.
    ticks
        Heights at which there is a line, and what is written on it; the first and last bound the drawing.

    Examples
    --------
    >>> ticks = [(0, "0%"), (1, "100%")]
    >>> str(curve([Point(1, 0.5), Point(2, 0.9)], alternative="rises", ticks=ticks)).count("<circle")
    2
    """
    place = _Plot(points, ticks, rtl)
    parts: list[Markup] = []
    for height, text in ticks:
        ends = (0, 100 - _MARGIN + 2) if rtl else (_MARGIN - 2, 100)
        parts.append(_line("gridline", ends[0], place.y(height), ends[1], place.y(height)))
        parts.append(_text(100 if rtl else 0, place.y(height) + 4, "end" if rtl else "start", text))
    parts.append(_band(points, place))
    for before, after in pairwise(points):
        parts.append(_line("curve", place.x(before.x), place.y(before.y), place.x(after.x), place.y(after.y)))
    for point in points:
        circle = Markup('<circle class="dot" cx="{}%" cy="{}" r="4"/>')
        parts.append(circle.format(place.x(point.x), place.y(point.y)))
    for point, anchor in _named(points, rtl):
        parts.append(_text(place.x(point.x), _BOTTOM + 22, anchor, point.name))
    return _svg(parts, _HEIGHT, alternative)


def bars(rows: Sequence[Bar], *, alternative: str, rtl: bool = False) -> Markup:
    """Draw horizontal bars, each below its name.

    Examples
    --------
    >>> 'width="25.00%"' in bars([Bar("<polite>", 0.25, "25%")], alternative="one bar")
    True
    """
    start, end = ("end", "start") if rtl else ("start", "end")
    near, far = (100, 0) if rtl else (0, 100)
    parts: list[Markup] = []
    for number, row in enumerate(rows):
        top = number * _ROW
        width = 100 * min(max(row.share, 0), 1)
        parts += (
            _text(near, top + 15, start, _shortened(row.name), "value"),
            _text(far, top + 15, end, row.value),
            _rect("track", 0, top + 23, 100, 10),
            _rect(f"series-{number % _SERIES + 1}", 100 - width if rtl else 0, top + 23, width, 10),
        )
    return _svg(parts, max(_ROW * len(rows) - 8, 1), alternative)


def columns(rows: Sequence[Bar], *, alternative: str, rtl: bool = False) -> Markup:
    """Draw columns side by side; shares are relative to the tallest.

    Examples
    --------
    >>> str(columns([Bar("a", 1, "3"), Bar("b", 0, "0")], alternative="two")).count("<rect")
    2
    """
    step = (_RIGHT - _LEFT) / max(len(rows), 1)
    parts = [_line("axis", _LEFT, _BOTTOM, _RIGHT, _BOTTOM)]
    for number, row in enumerate(reversed(rows) if rtl else rows):
        height = (_BOTTOM - _TOP - 8) * min(max(row.share, 0), 1)
        left, middle = _LEFT + number * step, _LEFT + (number + 0.5) * step
        parts += (
            _rect("series-1", left + 0.12 * step, _BOTTOM - height, 0.76 * step, height, radius=3),
            _text(middle, _BOTTOM - height - 6, "middle", row.value, "value"),
            _text(middle, _BOTTOM + 20, "middle", row.name),
        )
    return _svg(parts, _HEIGHT, alternative)


def whiskers(
    rows: Sequence[Whisker], *, alternative: str, ticks: Sequence[tuple[float, str]], rtl: bool = False
) -> Markup:
    """Draw estimates as dots on their intervals, each below its name.

    Parameters
    ----------
    ticks
        Places at which there is a line down the drawing, and what is written below it, in order; the first
        and last bound the drawing.

    Examples
    --------
    >>> ticks = [(0, "0%"), (1, "100%")]
    >>> drawn = whiskers([Whisker("ana", 0.8, 0.7, 0.9, "80%")], alternative="one", ticks=ticks)
    >>> 'x1="69.2%"' in drawn, 'cx="78.80%"' in drawn
    (True, True)
    """
    start, end = ("end", "start") if rtl else ("start", "end")
    near, far = (100, 0) if rtl else (0, 100)
    floor = _ROW * len(rows)

    def x(value: float) -> float:
        low, high = ticks[0][0], ticks[-1][0]
        place = _LEFT + (_RIGHT - _LEFT) * (min(max(value, low), high) - low) / ((high - low) or 1)
        return round(100 - place if rtl else place, 2)

    parts: list[Markup] = []
    for value, text in ticks:
        parts.append(_line("gridline", x(value), 0, x(value), floor))
        parts.append(_text(x(value), floor + 18, _anchor(value, ticks, rtl), text))
    for number, row in enumerate(rows):
        top = number * _ROW
        parts += (
            _text(near, top + 15, start, _shortened(row.name), "value"),
            _text(far, top + 15, end, row.value),
            _line("whisker", x(row.low), top + 30, x(row.high), top + 30),
            *(_line("whisker", x(at), top + 25, x(at), top + 35) for at in (row.low, row.high)),
            Markup('<circle class="dot full" cx="{:.2f}%" cy="{}" r="5"/>').format(x(row.share), top + 30),
        )
    return _svg(parts, floor + 26, alternative)


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


class _Plot:
    """Where on the drawing a point is."""

    def __init__(self, points: Sequence[Point], ticks: Sequence[tuple[float, str]], rtl: bool) -> None:
        self.first, self.last = points[0].x, points[-1].x
        self.low, self.high = ticks[0][0], ticks[-1][0]
        self.rtl = rtl

    def x(self, value: float) -> float:
        span = self.last - self.first
        place = _MARGIN + (_RIGHT - _MARGIN) * ((value - self.first) / span if span else 0.5)
        return round(100 - place if self.rtl else place, 2)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)


def _svg(parts: Sequence[Markup], height: float, alternative: str) -> Markup:
    head = Markup('<svg role="img" width="100%" height="{}" aria-label="{}">').format(height, alternative)
    return head + Markup("").join(parts) + Markup("</svg>")


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}%" y1="{}" x2="{}%" y2="{}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, anchor: str, text: str, kind: str = "") -> Markup:
    tag = Markup('<text class="{}" x="{:.2f}%" y="{:.1f}" text-anchor="{}">{}</text>')
    return tag.format(kind, x, y, anchor, text)


def _rect(kind: str, x: float, y: float, width: float, height: float, radius: int = 5) -> Markup:
    tag = Markup('<rect class="{}" x="{:.2f}%" y="{:.1f}" width="{:.2f}%" height="{:.1f}" rx="{}"/>')
    return tag.format(kind, x, y, width, height, radius)


def _band(points: Sequence[Point], place: _Plot) -> Markup:
    known = [point for point in points if point.low is not None and point.high is not None]
    if len(known) < 2:
        return Markup("")
    upper = [(place.x(point.x), place.y(point.high or 0)) for point in known]
    lower = [(place.x(point.x), place.y(point.low or 0)) for point in reversed(known)]
    corners = " ".join(f"{x},{y}" for x, y in upper + lower)
    return Markup(
        '<svg width="100%" height="{0}" viewBox="0 0 100 {0}" preserveAspectRatio="none">'
        '<polygon class="band" points="{1}"/></svg>'
    ).format(_HEIGHT, corners)


def _named(points: Sequence[Point], rtl: bool) -> list[tuple[Point, str]]:
    """Return the points whose names are written below: the first, the last, and one between."""
    if len(points) == 1:
        return [(points[0], "middle")]
    first, last = ("end", "start") if rtl else ("start", "end")
    named = [(points[0], first), (points[-1], last)]
    if len(points) > 4:
        named.append((points[len(points) // 2], "middle"))
    return named


def _anchor(value: float, ticks: Sequence[tuple[float, str]], rtl: bool) -> str:
    """Return where the words of a tick begin, so that those at the ends stay inside the drawing."""
    if value == ticks[0][0]:
        return "end" if rtl else "start"
    if value == ticks[-1][0]:
        return "start" if rtl else "end"
    return "middle"


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
