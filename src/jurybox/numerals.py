"""Numbers as people read them in English, on terminals and in reports; pages use Unicode data."""

from __future__ import annotations

from typing import Protocol

UNKNOWN = "–"
"""Stands for what is not known."""


class _Bounded(Protocol):
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class _Estimated(_Bounded, Protocol):
    @property
    def estimate(self) -> float: ...


def number(value: float | None, digits: int = 3) -> str:
    """Write a number, with so many digits behind the point unless it is a whole one by its type.

    Examples
    --------
    >>> number(1234), number(0.5, 2), number(None)
    ('1,234', '0.50', '–')
    """
    if value is None or value != value:
        return UNKNOWN
    return f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"


def count(n: int, noun: str, nouns: str = "") -> str:
    """Write how many there are of something, in the singular where there is one.

    Examples
    --------
    >>> count(1, "text"), count(2000, "text"), count(0, "copy", "copies")
    ('1 text', '2,000 texts', '0 copies')
    """
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def share(value: float | None) -> str:
    """Write a share in per cent.

    Examples
    --------
    >>> share(0.5912)
    '59.1 %'
    """
    return UNKNOWN if value is None or value != value else f"{100 * value:.1f} %"


def shares(interval: _Bounded | None) -> str:
    """Write an interval of shares.

    Examples
    --------
    >>> from jurybox.trust.intervals import Interval
    >>> shares(Interval(0.6, 0.5, 0.7))
    '50.0 % to 70.0 %'
    """
    return UNKNOWN if interval is None else f"{share(interval.low)} to {share(interval.high)}"


def estimate(found: _Estimated | None) -> str:
    """Write the share that is estimated.

    Examples
    --------
    >>> estimate(None)
    '–'
    """
    return share(None if found is None else found.estimate)


def between(found: _Estimated) -> str:
    """Write the share that is estimated, and its interval.

    Examples
    --------
    >>> from jurybox.trust.intervals import Interval
    >>> between(Interval(0.6, 0.5, 0.7))
    '60.0 % (50.0 % to 70.0 %)'
    """
    return f"{estimate(found)} ({shares(found)})"


def points(change: float) -> str:
    """Write a change of a share, in points of per cent.

    Examples
    --------
    >>> points(0.0123), points(-0.05)
    ('+1.2', '-5.0')
    """
    return f"{100 * change:+.1f}"
