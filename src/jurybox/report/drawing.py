"""Drawings of a report as SVG: coloured by the page's style, readable at any width, on screen and on paper.

Horizontal places are percentages and vertical ones pixels, so that a drawing fills its column and its words
keep their size. Each drawing has a text alternative; the figures themselves are in a table beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

from markupsafe import Markup

__all__ = ["Point", "Series", "curve", "stack", "steps", "whisker"]

_LEFT, _RIGHT = 9.0, 97.0
_TOP, _BOTTOM, _HEIGHT = 18.0, 226.0, 254.0
_ROW = 20


@dataclass(frozen=True)
class Point:
    """A point of a curve: labels paid for, accuracy, and the interval around it."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """A curve with its band; `kind` is a class of the page's style."""

    kind: str
    points: Sequence[Point]


def curve(series: Sequence[Series], *, alternative: str) -> Markup:
    """Draw curves of shares over numbers of labels, with their bands.

    Parameters
    ----------
    series
        Each with at least one point, in order of x.
    alternative
        What the drawing shows, in words.

    Examples
    --------
    >>> rising = Series("measured", [Point(100, 0.7, 0.6, 0.8), Point(200, 0.8, 0.7, 0.9)])
    >>> drawn = str(curve([rising], alternative="from 70 % to 80 %"))
    >>> drawn.count("<circle"), drawn.count('class="grid"')
    (2, 5)
    """
    points = [point for one in series for point in one.points]
    heights = steps(min(point.low for point in points))
    first, last = min(point.x for point in points), max(point.x for point in points)

    def x(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * ((value - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        share = (min(max(value, heights[0]), 1.0) - heights[0]) / (1.0 - heights[0])
        return _BOTTOM - (_BOTTOM - _TOP) * share

    parts: list[Markup] = []
    for height in heights:
        parts.append(_line("grid", 0, y(height), 100, y(height)))
        parts.append(_text(0, y(height) - 4, "start", f"{100 * height:.0f} %"))
    parts += [_band(one, x, y) for one in series]
    for one in series:
        parts += [_line(f"line {one.kind}", x(a.x), y(a.y), x(b.x), y(b.y)) for a, b in pairwise(one.points)]
        parts += [_dot(one.kind, x(point.x), y(point.y), 3.5) for point in one.points]
    for value, anchor in _named(sorted({point.x for point in points})):
        unit = " labels" if anchor == "end" else ""
        parts.append(_text(x(value), _BOTTOM + 20, anchor, f"{value:,.0f}{unit}"))
    return _svg("drawing", parts, _HEIGHT, alternative)


def whisker(estimate: float, low: float, high: float, *, axis: tuple[float, float] = (0.0, 1.0)) -> Markup:
    """Draw an estimate with its interval on an axis, for a cell of a table that says the same in numbers.

    Examples
    --------
    >>> 'x1="25.00%"' in whisker(0.5, 0.25, 0.75)
    True
    """
    low_x, x, high_x = (
        100 * min(max((value - axis[0]) / (axis[1] - axis[0]), 0.0), 1.0) for value in (low, estimate, high)
    )
    middle = _ROW / 2
    return Markup('<svg class="whisker" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        _ROW,
        Markup("").join(
            [
                _line("axis", 0, middle, 100, middle),
                _line("range", low_x, middle, high_x, middle),
                _dot("estimate", x, middle, 4),
            ]
        ),
    )


def stack(counts: Sequence[tuple[str, int]], whole: int) -> Markup:
    """Draw counts as parts of one bar, for a cell of a table that says the same in numbers.

    Examples
    --------
    >>> str(stack([("audit", 1), ("new", 3)], 8)).count("<rect")
    2
    """
    parts, start = [], 0.0
    for kind, count in counts:
        width = 100 * count / max(whole, 1)
        parts.append(
            Markup('<rect class="part {}" x="{:.2f}%" y="4" width="{:.2f}%" height="12"/>').format(
                kind.replace(" ", "-"), start, width
            )
        )
        start += width
    return Markup('<svg class="stack" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        _ROW, Markup("").join(parts)
    )


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


def _named(values: Sequence[float]) -> list[tuple[float, str]]:
    """Return the values that are written below a drawing: the first, the last, and one near the middle.

    Examples
    --------
    >>> _named([100, 125, 300, 500]), _named([100, 120, 500])
    ([(100, 'start'), (500, 'end'), (300, 'middle')], [(100, 'start'), (500, 'end')])
    """
    first, last = values[0], values[-1]
    if first == last:
        return [(first, "middle")]
    middle = min(values, key=lambda value: abs(value - (first + last) / 2))
    apart = abs(middle - (first + last) / 2) < 0.25 * (last - first)
    return [(first, "start"), (last, "end"), *([(middle, "middle")] if apart else [])]


def _svg(kind: str, parts: Sequence[Markup], height: float, alternative: str) -> Markup:
    return Markup('<svg class="{}" role="img" width="100%" height="{}" aria-label="{}">{}</svg>').format(
        kind, height, alternative, Markup("").join(parts)
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    tag = Markup('<line class="{}" x1="{:.2f}%" y1="{:.1f}" x2="{:.2f}%" y2="{:.1f}"/>')
    return tag.format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, anchor: str, text: str) -> Markup:
    return Markup('<text x="{:.2f}%" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _dot(kind: str, x: float, y: float, radius: float) -> Markup:
    return Markup('<circle class="{}" cx="{:.2f}%" cy="{:.1f}" r="{}"/>').format(kind, x, y, radius)


def _band(series: Series, x: Callable[[float], float], y: Callable[[float], float]) -> Markup:
    """Draw what is between the bounds; a nested drawing stretches, which polygons in per cent cannot."""
    upper = [(x(point.x), y(point.high)) for point in series.points]
    lower = [(x(point.x), y(point.low)) for point in reversed(series.points)]
    if len(upper) == 1:
        (at, top), (_, bottom) = upper[0], lower[0]
        return _line(f"range {series.kind}", at, top, at, bottom)
    corners = " ".join(f"{px:.2f},{py:.1f}" for px, py in upper + lower)
    return Markup(
        '<svg width="100%" height="{0}" viewBox="0 0 100 {0}" preserveAspectRatio="none">'
        '<polygon class="band {1}" points="{2}"/></svg>'
    ).format(_HEIGHT, series.kind, corners)
