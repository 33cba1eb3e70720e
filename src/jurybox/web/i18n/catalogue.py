"""Catalogues: messages by key from a JSON file a language, with plural forms after Unicode CLDR."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeAlias

__all__ = ["LANGUAGES", "Catalogue", "choose_language", "get_catalogue", "plural_form"]

Message: TypeAlias = str | Mapping[str, str]

LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "ar": "العربية"}
"""Languages by code, each by its own name."""

_RIGHT_TO_LEFT = frozenset({"ar"})
_THOUSANDS = {"en": ",", "de": ".", "es": ".", "ar": ","}
_DECIMAL = {"en": ".", "de": ",", "es": ",", "ar": "."}
_PERCENT = {"en": "%", "de": "\N{NO-BREAK SPACE}%", "es": "\N{NO-BREAK SPACE}%", "ar": "%"}
_UNKNOWN = "–"


def _arabic(n: int) -> str:
    if n <= 2:
        return ("zero", "one", "two")[n]
    if 3 <= n % 100 <= 10:
        return "few"
    return "many" if n % 100 >= 11 else "other"


def _one_or_other(n: int) -> str:
    return "one" if n == 1 else "other"


_PLURALS: Mapping[str, Callable[[int], str]] = {"ar": _arabic}


def plural_form(language: str, n: int) -> str:
    """Return the plural category of a whole number (CLDR's, without those for fractions and millions).

    Examples
    --------
    >>> [plural_form("ar", n) for n in (0, 1, 2, 3, 11, 100)]
    ['zero', 'one', 'two', 'few', 'many', 'other']
    """
    return _PLURALS.get(language, _one_or_other)(n)


@dataclass(frozen=True)
class Catalogue:
    """The messages of one language.

    Attributes
    ----------
    language
        Its code.
    messages
        Text by key, or texts by plural form.
    """

    language: str
    messages: Mapping[str, Message]

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return "rtl" if self.language in _RIGHT_TO_LEFT else "ltr"

    def knows(self, key: str) -> bool:
        """Whether there is such a message."""
        return key in self.messages

    def text(self, key: str, **values: object) -> str:
        """Return a message, its placeholders filled in.

        Examples
        --------
        >>> get_catalogue("en").text("label.progress", done=3, all=10)
        '3 of 10 texts finished'
        """
        message = self.messages[key]
        if not isinstance(message, str):
            raise KeyError(f"{key} has plural forms")
        return message.format_map(values) if values else message

    def plural(self, key: str, n: int, **values: object) -> str:
        """Return the form of a message for a number.

        Examples
        --------
        >>> get_catalogue("en").plural("people.skips", 1)
        '1 skipped'
        """
        forms = self.messages[key]
        if isinstance(forms, str):
            raise KeyError(f"{key} has no plural forms")
        form = forms.get(plural_form(self.language, n), forms["other"])
        return form.format_map({"n": self.number(n), **values})

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number as this language does; a dash for None.

        Examples
        --------
        >>> get_catalogue("de").number(1234.5, 1), get_catalogue("en").number(None)
        ('1.234,5', '–')
        """
        if value is None:
            return _UNKNOWN
        marks = {",": _THOUSANDS[self.language], ".": _DECIMAL[self.language]}
        return "".join(marks.get(mark, mark) for mark in f"{value:,.{digits}f}").replace(
            "-", "\N{MINUS SIGN}"
        )

    def percent(self, value: float | None, digits: int = 0) -> str:
        """Write a share as a percentage; a dash for None.

        Examples
        --------
        >>> get_catalogue("en").percent(0.873), get_catalogue("de").percent(0.5).split()
        ('87%', ['50', '%'])
        """
        return _UNKNOWN if value is None else self.number(100 * value, digits) + _PERCENT[self.language]

    def probability(self, value: float | None) -> str:
        """Write an estimated probability as a percentage, which never says that anything is certain.

        Examples
        --------
        >>> [get_catalogue("en").probability(value) for value in (0.999, 0.42, 0.0)]
        ['>99%', '42%', '<1%']
        """
        if value is None or 0.01 <= value <= 0.99:
            return self.percent(value)
        return f">{self.percent(0.99)}" if value > 0.99 else f"<{self.percent(0.01)}"

    def seconds(self, value: float | None) -> str:
        """Write a duration.

        Examples
        --------
        >>> get_catalogue("en").seconds(3.14), get_catalogue("en").seconds(None)
        ('3.1 s', '–')
        """
        return _UNKNOWN if value is None else self.text("unit.seconds", n=self.number(value, 1))

    def moment(self, value: float | datetime | None) -> str:
        """Write a time, in UTC and to the minute; a dash for None.

        Examples
        --------
        >>> get_catalogue("en").moment(0.0)
        '1970-01-01 00:00 UTC'
        """
        if value is None:
            return _UNKNOWN
        time = value if isinstance(value, datetime) else datetime.fromtimestamp(value, tz=UTC)
        written = f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return (
            written
            if self.direction == "ltr"
            else f"\N{LEFT-TO-RIGHT ISOLATE}{written}\N{POP DIRECTIONAL ISOLATE}"
        )


@cache
def get_catalogue(language: str) -> Catalogue:
    """Return the catalogue of one of `LANGUAGES`."""
    path = Path(__file__).with_name(f"{language}.json")
    return Catalogue(language, json.loads(path.read_text(encoding="utf-8")))


def choose_language(chosen: str | None, accepted: str) -> str:
    """Return the language to answer in.

    Parameters
    ----------
    chosen
        What the person chose before, if anything.
    accepted
        The request's Accept-Language header.

    Examples
    --------
    >>> (
    ...     choose_language(None, "fr-CH, de;q=0.8, en;q=0.9"),
    ...     choose_language("ar", "de"),
    ...     choose_language("xx", ""),
    ... )
    ('en', 'ar', 'en')
    """
    if chosen in LANGUAGES:
        return chosen
    wishes: list[tuple[float, str]] = []
    for wish in accepted[:1000].split(","):
        name, _, rest = wish.partition(";")
        code = name.strip().lower().split("-")[0]
        wishes.append((_weight(rest), code))
    best = [
        code for weight, code in sorted(wishes, key=lambda wish: -wish[0]) if code in LANGUAGES and weight > 0
    ]
    return best[0] if best else "en"


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
