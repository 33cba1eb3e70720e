"""Times and durations as files write them, whatever the country and the program.

A single value may be ambiguous: 3/5/2024 is in March or in May, and 1,204 is one second or twenty minutes. So
a column is read as a whole: `TimeStyle.of` looks at its values before any of them is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache

from dateutil import parser

__all__ = ["TimeStyle", "parse_seconds", "parse_time", "reads"]

_ISO = re.compile(r"\d{4}-\d\d|(?:19|20)\d{6}(?:T\d+|$)")
_COMPACT = re.compile(r"((?:19|20)\d{6})(\d{4})(?:(\d\d)(\d{3})?)?")
"""20240502091233, with or without seconds: before the year 2100 no count of milliseconds is like it."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE]\+?\d+)?")
_DATE = re.compile(r"(?<!\d)(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
_MONTH = re.compile(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b", re.IGNORECASE)
_OF_SHEETS = re.compile(r"(?<!\d)(\d{1,2}-[A-Za-z]{3})-(\d\d)(?!\d)")
"""2-May-24, as spreadsheets write dates."""

_WITH_YEAR = re.compile(r"(?<!\d)(19|20)\d\d(?!\d)")
_CLOCK = re.compile(r"(?:(\d+)\s*d\w*\s+)?(\d+):([0-5]?\d)(?::([0-5]?\d(?:[.,]\d+)?))?")
_MINUTES = re.compile(r"(\d+):([0-5]?\d[.,]\d+)")
_UNITS = re.compile(
    r"(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)\s*(ms|milliseconds?|d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)\b\.?,?\s*"
)
_ISO_DURATION = re.compile(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
_ZONES = {
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "WET": 0,
    "BST": 1,
    "WEST": 1,
    "CET": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "IST": 5.5,
    "JST": 9,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
    "AEST": 10,
    "AEDT": 11,
}
_SECONDS_EAST = {name: int(3600 * hours) for name, hours in _ZONES.items()}
_TICKS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
_OLDEST = 1e8


@dataclass(frozen=True)
class TimeStyle:
    """How the times and numbers of a column are written.

    Parameters
    ----------
    month_first
        Whether 3/5/2024 is the fifth of March.
    decimal_comma
        Whether 1,204 is a little more than one.
    assumed
        Whether the order of month and day could not be told from the values.
    milliseconds
        Whether durations count thousandths.
    """

    month_first: bool = True
    decimal_comma: bool = False
    assumed: bool = False
    milliseconds: bool = False

    @classmethod
    def of(
        cls,
        values: Iterable[str],
        *,
        delimiter: str | None = None,
        name: str = "",
        month_first: bool | None = None,
    ) -> TimeStyle:
        """Tell the style from the values of a column, its name and the delimiter of its file.

        Examples
        --------
        >>> (
        ...     TimeStyle.of(["3/5/2024", "23/5/2024"]).month_first,
        ...     TimeStyle.of(["3,5", "1.204,5"]).decimal_comma,
        ... )
        (False, True)
        """
        known = list(values)
        dates = [found for value in known if (found := _DATE.search(value)) is not None]
        day_first = any(int(found[1]) > 12 for found in dates)
        second_is_day = any(int(found[3]) > 12 for found in dates)
        dotted = any(found[2] in ".-" for found in dates)
        unsure = bool(dates) and month_first is None and not (day_first or second_is_day or dotted)
        first = month_first if month_first is not None else second_is_day or not (day_first or dotted)
        commas = any(re.fullmatch(r"\d{1,3}(\.\d{3})*,\d+", value.strip()) for value in known)
        points = any(re.fullmatch(r"\d+\.\d+|\d{1,3}(,\d{3})+\.\d+", value.strip()) for value in known)
        thousands = all(
            re.fullmatch(r"\d{1,3}(,\d{3})+", value.strip()) for value in known if "," in value
        ) and delimiter in (",", None)
        ends_in_ms = bool(re.search(r"(?:_ms|Ms|millis\w*|msec\w*|\(ms\))\s*$", name))
        return cls(
            first,
            (commas and not (points or thousands))
            or any("," in v and "." in v and v.rfind(",") > v.rfind(".") for v in known),
            unsure,
            ends_in_ms,
        )


def parse_time(value: object, style: TimeStyle) -> datetime:
    """Return a time with its zone, UTC where it states none.

    Raises
    ------
    ValueError
        If it is none: neither ISO 8601, nor seconds, milliseconds or so since 1970, nor a date of Europe or
        the United States with a year.

    Examples
    --------
    >>> parse_time("Thu May 02 09:12:33 PDT 2024", TimeStyle()).isoformat()
    '2024-05-02T09:12:33-07:00'
    >>> parse_time(1714640000123, TimeStyle()).isoformat()
    '2024-05-02T08:53:20.123000+00:00'
    """
    if isinstance(value, datetime):
        return _zoned(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, bool):
        raise ValueError("a truth value is no time")
    written = str(value).strip()
    if _ISO.match(written):
        try:
            return _zoned(datetime.fromisoformat(written))
        except ValueError:
            pass
    return _worded(written, style)


@lru_cache(maxsize=1 << 14)  # a file is read twice, and many rows have the same time
def _worded(written: str, style: TimeStyle) -> datetime:
    if (clock := _COMPACT.fullmatch(written)) is not None:
        day, minute, second, millis = clock.groups(default="")
        try:
            return _zoned(datetime.fromisoformat(f"{day}T{minute}{second or '00'}.{millis or '000'}"))
        except ValueError:
            pass
    if _NUMBER.fullmatch(written):
        return _since_1970(float(written))
    written = _OF_SHEETS.sub(r"\1-20\2", written)
    if not (
        _DATE.search(written)
        or (_WITH_YEAR.search(written) and (_MONTH.search(written) or re.match(r"\d{4}\D", written)))
    ):
        raise ValueError("is no time")
    try:
        # Google Forms writes GMT+2, which dateutil would read as POSIX does: west of Greenwich.
        # JavaScript writes the name of the zone behind it, in brackets.
        plain = re.sub(r"\b(?:GMT|UTC)(?=[+-]\d)|\s\([^()]*\)$", "", written)
        return _zoned(parser.parse(plain, dayfirst=not style.month_first, tzinfos=_zone))
    except (ValueError, OverflowError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError("is no time") from error


def _zone(name: str | None, offset: int | None) -> tzinfo:
    """Return a zone by its name or its seconds east of Greenwich; dateutil would ignore other names."""
    seconds = offset if offset is not None else _SECONDS_EAST.get(name or "UTC")
    if seconds is None:
        raise ValueError(f"{name} is no zone")
    return timezone(timedelta(seconds=seconds))


def _zoned(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _since_1970(ticks: float) -> datetime:
    """Read a number by its size: from 1973 to 5138, seconds, milliseconds and so on do not overlap.

    Days since the end of 1899, as spreadsheets count them, are smaller than all of these: 1982 to 2064.
    """
    if 30_000 <= ticks < 60_000:
        return datetime(1899, 12, 30, tzinfo=UTC) + timedelta(seconds=round(ticks * 86400, 3))
    if not _OLDEST <= ticks < _TICKS[-1][0]:
        raise ValueError("is no time since 1970")
    scale = next(scale for most, scale in _TICKS if ticks < most)
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=ticks / scale)


def parse_seconds(value: object, style: TimeStyle) -> float:
    """Return a duration in seconds.

    Raises
    ------
    ValueError
        If it is none, is negative or has no end.

    Examples
    --------
    >>> [parse_seconds(value, TimeStyle()) for value in ("0:01:30", "2 min 5 s", "PT3.5S", 12)]
    [90.0, 125.0, 3.5, 12.0]
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, time):
        seconds = value.hour * 3600.0 + value.minute * 60 + value.second + value.microsecond / 1e6
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = _float(value) / (1000 if style.milliseconds else 1)
    elif isinstance(value, str):
        seconds = _seconds_of(value.strip(), style)
    else:
        raise ValueError("is no number of seconds")
    if not 0 <= seconds < math.inf:
        raise ValueError("is no number of seconds")
    return seconds


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("is no number of seconds") from None


def _seconds_of(written: str, style: TimeStyle) -> float:
    if (clock := _CLOCK.fullmatch(written)) is not None:
        days, first, second, third = clock.groups()
        parts = (first, second, third) if third is not None else ("0", first, second)
        hours, minutes, seconds = (float(part.replace(",", ".")) for part in parts)
        return float(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds
    if (clock := _MINUTES.fullmatch(written)) is not None:
        return int(clock[1]) * 60 + float(clock[2].replace(",", "."))
    if (
        written.startswith("P")
        and (iso := _ISO_DURATION.fullmatch(written)) is not None
        and any(iso.groups())
    ):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        return days * 86400 + hours * 3600 + minutes * 60 + seconds
    if _UNITS.match(written) and not _UNITS.sub("", written):
        return sum(_unit(name) * float(number.replace(",", ".")) for number, name in _UNITS.findall(written))
    number = written.replace("\u202f", "").replace("\xa0", "").replace(" ", "").replace("'", "")
    number = number.replace(".", "").replace(",", ".") if style.decimal_comma else _without_thousands(number)
    return float(number) / (1000 if style.milliseconds else 1)


def _without_thousands(number: str) -> str:
    return number.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", number) else number


def _unit(name: str) -> float:
    if name.startswith(("ms", "mil")):
        return 1e-3
    return {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}[name[0]]


def reads(read: Callable[[object, TimeStyle], object], value: object, style: TimeStyle) -> bool:
    """Whether a value can be read as a time or a duration."""
    try:
        read(value, style)
    except ValueError:
        return False
    return True
