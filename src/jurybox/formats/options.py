"""What a reader is told instead of having to guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """What the reader is told instead of having to guess.

    Parameters
    ----------
    format
        One of `detect.FORMATS`, or ``auto``.
    encoding, delimiter
        Of a text file; None detects them.
    columns
        Names of columns by role: id, text, annotator, label, seconds, comment, time.
    annotator_columns
        The columns of a wide table that are annotators.
    annotator
        Who gave the labels of a file that does not say so.
    ignore
        Columns that are not read.
    keep
        Columns that become metadata of the text, whatever they look like.
    missing
        What means "no label", besides empty cells, NA and the like.
    turn
        Whether a table with a row a person and a column a text may be turned round.
    planned
        Whether all this is from a kept plan: a column that it names may be missing, and others are news.
    exact
        Whether ids and names are taken letter by letter, as our own exports have them.
    classes
        The classes of the project; any other label is an error. None takes every label.
    """

    format: str = "auto"
    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    annotator_columns: Sequence[str] = ()
    annotator: str | None = None
    ignore: Sequence[str] = ()
    keep: Sequence[str] = ()
    missing: Sequence[str] = ()
    turn: bool = False
    planned: bool = False
    exact: bool = False
    classes: Sequence[str] | None = None
