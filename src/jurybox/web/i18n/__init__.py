"""The words of the pages, a JSON file a language, and numbers, dates and plurals after Unicode CLDR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TypeAlias

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal

from jurybox.numerals import UNKNOWN

__all__ = ["LANGUAGES", "Catalogue", "choose_language", "get_catalogue"]

Message: TypeAlias = str | Mapping[str, str]

LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "ar": "العربية"}
"""Languages by code, each by its own name."""


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
        return "rtl" if self._locale.text_direction == "rtl" else "ltr"

    def knows(self, key: str) -> bool:
        """Whether there is such a message."""
        return key in self.messages

    def text(self, key: str, **values: object) -> str:
        """Return a message, its placeholders filled in.

        Examples
        --------
        >>> get_catalogue("en").text("overview.finished_note", all=10)
        'of 10'
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
        form = forms.get(self._locale.plural_form(n), forms["other"])
        return form.format_map({"n": self.number(n), **values})

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number as this language does; a dash for None.

        Examples
        --------
        >>> get_catalogue("de").number(1234.5, 1), get_catalogue("en").number(None)
        ('1.234,5', '–')
        """
        return UNKNOWN if value is None else self._written(value, "#,##0", digits)

    def percent(self, value: float | None, digits: int = 0) -> str:
        """Write a share as a percentage; a dash for None.

        Examples
        --------
        >>> get_catalogue("en").percent(0.873), get_catalogue("de").percent(0.5).split()
        ('87%', ['50', '%'])
        """
        pattern = self._locale.percent_formats[None].pattern
        return UNKNOWN if value is None else self._written(value, pattern, digits)

    def probability(self, value: float | None) -> str:
        """Write an estimated probability as a percentage, which never says that anything is certain.

        Examples
        --------
        >>> [get_catalogue("en").probability(value) for value in (0.999, 0.42, 0.0)]
        ['>99%', '42%', '<1%']
        """
        if value is None or 0.01 <= value <= 0.99:
            return self.percent(value)
        return self._kept(f">{self.percent(0.99)}" if value > 0.99 else f"<{self.percent(0.01)}")

    def seconds(self, value: float | None) -> str:
        """Write a duration.

        Examples
        --------
        >>> get_catalogue("en").seconds(3.14), get_catalogue("en").seconds(None)
        ('3.1 s', '–')
        """
        return UNKNOWN if value is None else self.text("unit.seconds", n=self.number(value, 1))

    def moment(self, value: float | datetime | None) -> str:
        """Write a time, in UTC and to the minute; a dash for None.

        Examples
        --------
        >>> get_catalogue("en").moment(0.0)
        'Jan 1, 1970, 00:00 UTC'
        """
        if value is None:
            return UNKNOWN
        time = value if isinstance(value, datetime) else datetime.fromtimestamp(value, tz=UTC)
        time = time.astimezone(UTC)
        day = format_date(time.date(), "medium", locale=self._locale)
        written = f"{day}, {format_time(time, 'HH:mm', locale=self._locale)} UTC"
        return self._kept(written)

    def hour(self, value: datetime) -> str:
        """Write the day and the hour of a time, in UTC.

        Examples
        --------
        >>> get_catalogue("en").hour(datetime(2026, 11, 27, 17, 5, tzinfo=UTC))
        'Nov 27, 17:00'
        """
        time = value.astimezone(UTC).replace(minute=0)
        day = format_skeleton("MMMd", time, locale=self._locale)
        return f"{day}, {format_time(time, 'HH:mm', locale=self._locale)}"

    def _kept(self, written: str) -> str:
        """Keep the order of what is written: from right to left, the words around it would turn it round."""
        if self.direction == "ltr":
            return written
        return f"\N{FIRST STRONG ISOLATE}{written}\N{POP DIRECTIONAL ISOLATE}"

    @cached_property
    def _locale(self) -> Locale:
        return Locale.parse(self.language)

    def _written(self, value: float, pattern: str, digits: int) -> str:
        """Write a number by a pattern of Unicode's, with so many digits behind the point."""
        exact = pattern.replace("0", f"0.{'0' * digits}") if digits else pattern
        return format_decimal(value, exact, self._locale).replace("-", "\N{MINUS SIGN}")


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
