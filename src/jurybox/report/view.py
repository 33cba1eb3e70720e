"""What a report may show: names or none, texts or none, how many examples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Names", "View"]


class Names:
    """What annotators are called in a report.

    Parameters
    ----------
    names
        Everyone's name, in the order in which they came.
    hidden
        Whether they are called A1, A2, … in that order instead.

    Examples
    --------
    >>> names = Names(["Ana", "Ben", "Ana Maria"], hidden=True)
    >>> names["Ben"], names.all(["Ana Maria", "Ana"]), names.within("as ana maria said; see banana")
    ('A2', ('A3', 'A1'), 'as A3 said; see banana')
    """

    def __init__(self, names: Sequence[str], *, hidden: bool) -> None:
        self.hidden = hidden
        self._shown = {name: f"A{n}" if hidden else name for n, name in enumerate(names, start=1)}
        longest_first = sorted(names, key=len, reverse=True)
        self._somebody = re.compile(
            "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first), re.IGNORECASE
        )
        self._folded = {name.casefold(): shown for name, shown in self._shown.items()}

    def __getitem__(self, name: str) -> str:
        return self._shown[name]

    def all(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return what several annotators are called."""
        return tuple(self._shown[name] for name in names)

    def within(self, text: str) -> str:
        """Return a text written by somebody, the names in it hidden likewise."""
        if not self.hidden or not self._folded:
            return text
        return self._somebody.sub(lambda found: self._folded.get(found[0].casefold(), "A?"), text)


@dataclass(frozen=True)
class View:
    """What a report may show.

    Attributes
    ----------
    names
        What annotators are called.
    examples
        Contested texts in the sample.
    texts
        Whether texts and comments are shown, or only ids.
    """

    names: Names
    examples: int = 20
    texts: bool = True
