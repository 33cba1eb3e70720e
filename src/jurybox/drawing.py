"""Drawings as SVG: charts of pages and reports.

Horizontal places are percentages and vertical ones pixels, so that a drawing fills its column at any width
and its words keep their size. Each has a text alternative; colours are those of the page, by class, and of
`jurybox.display.standalone` for a file. In languages from right to left drawings are mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

from markupsafe import Markup

__all__ = ["Bar", "Mark", "Series", "Whisker"]
__all__ += ["bars", "columns", "curves", "spread_ticks", "stack", "steps", "whisker", "whiskers"]

_SERIES = 8
_LEFT, _RIGHT, _MARGIN, _BESIDE = 2.0, 98.0, 13.0, 18.0
_TOP, _BOTTOM, _HEIGHT = 18.0, 186.0, 216.0
_ROW, _CELL = 46, 20
_APART = 15.0
_NAME, _LONG_NAME = 24, 48
"""Characters of a name that fit beside the value: on a phone, and in a wide column of a page."""


@dataclass(frozen=True)
class Mark:
    """A point of a curve: where it is, its height, and the interval around it, if known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A curve with its band: at least one point, in order of x; a class of the style; its name at its end."""

    points: Sequence[Mark]
    kind: str = ""
    name: str = ""


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its length from 0 to 1, and what is written at its end.

    `of` is the number of what it stands for, such as a class, whose colour is the same in all charts; without
    it, bars take the colours in turn.
    """

    name: str
    share: float
    value: str
    of: int | None = None


@dataclass(frozen=True)
class Whisker:
    """One estimate with its interval: name, place, bounds, what is written at its end, class of the style."""

    name: str
    place: float
    low: float
    high: float
    value: str
    kind: str = ""


@dataclass(frozen=True)
class _Scale:
    """Where on a drawing a value is: in per cent across, in pixels down."""

    first: float
    last: float
    low: float = 0.0
    high: float = 1.0
    left: float = _LEFT
    right: float = _RIGHT
    bottom: float = _BOTTOM
    rtl: bool = False

    def x(self, value: float) -> float:
        span = self.last - self.first
        share = (min(max(value, self.first), self.last) - self.first) / span if span else 0.5
        place = self.left + (self.right - self.left) * share
        return round(100 - place if self.rtl else place, 2)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return round(self.bottom - (self.bottom - _TOP) * share, 1)


def curves(
    series: Sequence[Series],
    *,
    alternative: str,
    ticks: Sequence[tuple[float, str]],
    below: Sequence[tuple[float, str]] = (),
    goal: float | None = None,
    upright: tuple[float, str] | None = None,
    height: float = _HEIGHT,
    rtl: bool = False,
) -> Markup:
    """Draw curves with their bands.

    Parameters
    ----------
    alternative
        What the drawing shows, in words.
    ticks
        Heights at which there is a line, and what is written on it; the first and last bound the drawing.
    below
        Places at which something is written below the drawing, and what, in order.
    goal
        A height with a line of its own.
    upright
        A place with a line of its own down the drawing, and what is written at its top.
    height
        Of the drawing, in pixels.

    Examples
    --------
    >>> rising = Series([Mark(100, 0.7, 0.6, 0.8), Mark(200, 0.8, 0.7, 0.9)])
    >>> drawn = curves([rising], alternative="rises", ticks=[(0, "0%"), (1, "100%")])
    >>> drawn.count("<circle"), drawn.count('class="gridline"')
    (2, 2)
    """
    points = [point for one in series for point in one.points]
    beside = _BESIDE if any(one.name for one in series) else 0.0
    places = [point.x for point in points] + ([] if upright is None else [upright[0]])
    across, down = (min(places), max(places)), (ticks[0][0], ticks[-1][0])
    bottom = height - (_HEIGHT - _BOTTOM)
    at = _Scale(*across, *down, left=_MARGIN, right=_RIGHT - beside, bottom=bottom, rtl=rtl)
    parts: list[Markup] = []
    ends = (beside, 100 - _MARGIN + 2) if rtl else (_MARGIN - 2, 100 - beside)
    for value, words in ticks:
        parts.append(_line("gridline", ends[0], at.y(value), ends[1], at.y(value)))
        parts.append(_text(100 if rtl else 0, at.y(value) + 4, "end" if rtl else "start", words))
    if goal is not None:
        parts.append(_line("goal", ends[0], at.y(goal), ends[1], at.y(goal)))
    if upright is not None:
        place = at.x(upright[0])
        parts.append(_line("goal", place, _TOP - 8, place, at.bottom))
        parts.append(_text(place, _TOP - 8, "start" if (place < 50) != rtl else "end", upright[1]))
    parts += [_band(one, at, height) for one in series]
    for one in series:
        parts += [
            _line(f"curve {one.kind}".strip(), at.x(a.x), at.y(a.y), at.x(b.x), at.y(b.y))
            for a, b in pairwise(one.points)
        ]
        parts += [_dot(f"dot {one.kind}".strip(), at.x(point.x), at.y(point.y), 4) for point in one.points]
    for value, words in below:
        parts.append(_text(at.x(value), at.bottom + 22, _anchor(value, below, rtl), words))
    return _svg(parts + _names(series, at), height, alternative)


def bars(rows: Sequence[Bar], *, alternative: str, rtl: bool = False) -> Markup:
    """Draw horizontal bars, each below its name.

    Examples
    --------
    >>> drawn = bars([Bar("<polite>", 0.25, "25%", of=2)], alternative="one bar")
    >>> 'width="25.00%"' in drawn, "series-3" in drawn
    (True, True)
    """
    parts: list[Markup] = []
    for number, row in enumerate(rows):
        top, width = number * _ROW, 100 * min(max(row.share, 0), 1)
        colour = colour_of(number if row.of is None else row.of)
        parts += (
            *_heading(row.name, row.value, top, rtl),
            _rect("track", 0, top + 23, 100, 10),
            _rect(colour, 100 - width if rtl else 0, top + 23, width, 10),
        )
    return _svg(parts, max(_ROW * len(rows) - 8, 1), alternative)


def colour_of(number: int) -> str:
    """Return the class of the style that gives the thing of a number its colour; colours repeat.

    Examples
    --------
    >>> colour_of(0), colour_of(9)
    ('series-1', 'series-2')
    """
    return f"series-{number % _SERIES + 1}"


def columns(rows: Sequence[Bar], *, alternative: str, edges: Sequence[str] = (), rtl: bool = False) -> Markup:
    """Draw columns above their names, or above the names of their edges; shares are relative to the tallest.

    Examples
    --------
    >>> columns([Bar("a", 1, "3"), Bar("b", 0, "0")], alternative="two").count("<rect")
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
    for number, words in enumerate(reversed(edges) if rtl else edges):
        parts.append(_text(_LEFT + number * step, _BOTTOM + 20, "middle", words))
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
    >>> 'x1="69.20%"' in drawn, 'cx="78.80%"' in drawn
    (True, True)
    """
    at, end = _Scale(ticks[0][0], ticks[-1][0], rtl=rtl), _ROW * len(rows)
    parts: list[Markup] = []
    for value, words in ticks:
        parts += (
            *(_line("gridline", at.x(value), y + 20, at.x(value), y + _ROW) for y in range(0, end, _ROW)),
            _text(at.x(value), end + 18, _anchor(value, ticks, rtl), words),
        )
    for number, row in enumerate(rows):
        top, kind = number * _ROW, f"whisker {row.kind}".strip()
        parts += (
            *_heading(row.name, row.value, top, rtl),
            _line(kind, at.x(row.low), top + 30, at.x(row.high), top + 30),
            *(_line(kind, at.x(end), top + 25, at.x(end), top + 35) for end in (row.low, row.high)),
            _dot(f"dot full {row.kind}".strip(), at.x(row.place), top + 30, 5),
        )
    return _svg(parts, end + 26, alternative)


def whisker(estimate: float, low: float, high: float) -> Markup:
    """Draw a share with its interval on an axis from 0 to 1, for a cell of a table that says it in numbers.

    Examples
    --------
    >>> 'x1="25.00%"' in whisker(0.5, 0.25, 0.75)
    True
    """
    at, middle = _Scale(0.0, 1.0, left=0.0, right=100.0), _CELL / 2
    interval = _line("range", at.x(low), middle, at.x(high), middle)
    dot = _dot("estimate", at.x(estimate), middle, 4)
    return _cell("whisker", [_line("axis", 0, middle, 100, middle), interval, dot])


def stack(counts: Sequence[tuple[str, int]], whole: int) -> Markup:
    """Draw counts as parts of one bar, for a cell of a table that says the same in numbers.

    Examples
    --------
    >>> stack([("audit", 1), ("new", 3)], 8).count("<rect")
    2
    """
    parts, start = [], 0.0
    for kind, count in counts:
        width = 100 * count / max(whole, 1)
        parts.append(_rect(f"part {kind.replace(' ', '-')}", start, 4, width, 12, radius=0))
        start += width
    return _cell("stack", parts)


def steps(least: float) -> list[float]:
    """Return round shares up to 1 that begin at or below a share, five to seven of them.

    Examples
    --------
    >>> steps(0.62), steps(0.31), steps(0.93)
    ([0.6, 0.7, 0.8, 0.9, 1.0], [0.2, 0.4, 0.6, 0.8, 1.0], [0.92, 0.94, 0.96, 0.98, 1.0])
    """
    step = next(size for size in (2, 5, 10, 20) if least >= 1 - 6 * size / 100 or size == 20)
    first = floor(100 * least + 1e-9) // step * step
    return [percent / 100 for percent in range(first + (100 - first) % step, 101, step)]


def spread_ticks(values: Sequence[float]) -> list[float]:
    """Return the values that are worth naming below a drawing: the first, one near the middle, the last.

    Examples
    --------
    >>> spread_ticks([100, 125, 300, 500]), spread_ticks([100, 120, 500]), spread_ticks([7])
    ([100, 300, 500], [100, 500], [7])
    """
    first, last = values[0], values[-1]
    middle = min(values, key=lambda value: abs(value - (first + last) / 2))
    between = [middle] if abs(middle - (first + last) / 2) < 0.25 * (last - first) else []
    return list(dict.fromkeys([first, *between, last]))


def _svg(parts: Sequence[Markup], height: float, alternative: str) -> Markup:
    tag = Markup('<svg role="img" width="100%" height="{:g}" aria-label="{}">{}</svg>')
    return tag.format(height, alternative, Markup("").join(parts))


def _cell(kind: str, parts: Sequence[Markup]) -> Markup:
    tag = Markup('<svg class="{}" width="100%" height="{}" aria-hidden="true">{}</svg>')
    return tag.format(kind, _CELL, Markup("").join(parts))


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    tag = Markup('<line class="{}" x1="{:.2f}%" y1="{:.1f}" x2="{:.2f}%" y2="{:.1f}"/>')
    return tag.format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, anchor: str, words: str, kind: str = "") -> Markup:
    tag = Markup('<text class="{}" x="{:.2f}%" y="{:.1f}" text-anchor="{}">{}</text>')
    return tag.format(kind, x, y, anchor, words)


def _rect(kind: str, x: float, y: float, width: float, height: float, radius: int = 5) -> Markup:
    tag = Markup('<rect class="{}" x="{:.2f}%" y="{:.1f}" width="{:.2f}%" height="{:.1f}" rx="{}"/>')
    return tag.format(kind, x, y, width, height, radius)


def _dot(kind: str, x: float, y: float, radius: float) -> Markup:
    return Markup('<circle class="{}" cx="{:.2f}%" cy="{:.1f}" r="{}"/>').format(kind, x, y, radius)


def _band(one: Series, at: _Scale, height: float) -> Markup:
    """Draw what is between the bounds; a nested drawing stretches, which polygons in per cent cannot."""
    known = [(point.x, point.low, point.high) for point in one.points if point.low is not None]
    upper = [(at.x(x), at.y(high)) for x, _, high in known if high is not None]
    lower = [(at.x(x), at.y(low)) for x, low, _ in reversed(known)]
    if not upper:
        return Markup("")
    if len(upper) == 1:
        return _line(f"range {one.kind}".strip(), *upper[0], *lower[0])
    corners = " ".join(f"{x:.2f},{y:.1f}" for x, y in upper + lower)
    return Markup(
        '<svg width="100%" height="{0:g}" viewBox="0 0 100 {0:g}" preserveAspectRatio="none">'
        '<polygon class="{1}" points="{2}"/></svg>'
    ).format(height, f"band {one.kind}".strip(), corners)


def _names(series: Sequence[Series], at: _Scale) -> list[Markup]:
    """Write each curve's name beside its end, apart enough from the others to be read; the lowest first."""
    parts, last = [], float("inf")
    for one in sorted((one for one in series if one.name), key=lambda one: one.points[-1].y):
        last = min(at.y(one.points[-1].y) + 4, last - _APART)
        parts.append(_text(at.x(one.points[-1].x) + 1.5, last, "start", one.name, one.kind))
    return parts


def _heading(name: str, value: str, top: float, rtl: bool) -> tuple[Markup, ...]:
    """Write a name and a value at both ends of a row; a long name twice, of which the page shows one."""
    (near, start), (far, end) = ((100, "end"), (0, "start")) if rtl else ((0, "start"), (100, "end"))
    short, long = (name if len(name) <= most else name[: most - 1] + "…" for most in (_NAME, _LONG_NAME))
    words = _text(far, top + 15, end, value)
    if short == long:
        return _text(near, top + 15, start, short, "value"), words
    hidden = Markup('<g class="long" display="none">{}</g>')
    longer = hidden.format(_text(near, top + 15, start, long, "value"))
    return _text(near, top + 15, start, short, "value short"), longer, words


def _anchor(value: float, ticks: Sequence[tuple[float, str]], rtl: bool) -> str:
    """Return where the words of a tick begin, so that those at the ends stay inside the drawing."""
    if len(ticks) < 2 or value not in (ticks[0][0], ticks[-1][0]):
        return "middle"
    return "start" if (value == ticks[0][0]) != rtl else "end"
