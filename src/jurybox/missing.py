"""What means "no label": the markers that programs write into a cell which holds nothing."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["MISSING_MARKERS", "is_missing"]

MISSING_MARKERS = frozenset(
    {
        *("", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "#n/a n/a", "<na>", "@na"),
        *(
            "nan",
            "-nan",
            "1.#qnan",
            "-1.#ind",
            "nat",
            "null",
            "<null>",
            "(null)",
            "#null!",
            "\\n",
            "nil",
            "none",
        ),
        *("-", "--", "---", "–", "—", ".", "..", "?"),
    }
)
"""Markers in lower case: of R, pandas, Excel, SPSS, Stata, SQL and Python, and dashes."""

_NONE = ("None", "NONE")


def is_missing(value: str, names: Collection[str] | None = None) -> bool:
    """Whether a cell says that there is no label.

    Parameters
    ----------
    value
        What the cell holds.
    names
        The classes where they are known: what one of them is called is a label. Where they are not, "none" is
        a word that people label with, and "-" is the opposite of "+".

    Examples
    --------
    >>> is_missing(" N/A "), is_missing("NA", ["NA", "EU"]), is_missing("none"), is_missing("none", ["a"])
    (True, False, False, True)
    """
    bare = value.strip()
    if names is None:
        return bare.lower() in MISSING_MARKERS and (bare.lower() != "none" or bare in _NONE)
    return bare.lower() in MISSING_MARKERS and bare not in names
