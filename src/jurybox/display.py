"""How results show themselves: one line as text, a table in a notebook, a drawing, a progress bar."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, TypeAlias

from jurybox.arrays import DataFrame
from jurybox.errors import require

__all__ = ["Shown", "Svg", "Watch", "watching"]

_ROWS = 10

Watch: TypeAlias = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


class Shown:
    """A result that is one line as text and a table in a notebook.

    Whoever inherits says what the line is (`headline`) and what the table (`to_frame`).

    Examples
    --------
    >>> class Answer(Shown):
    ...     def headline(self):
    ...         return "Answer(42)"
    ...
    ...     def to_frame(self):
    ...         import pandas as pd
    ...
    ...         return pd.DataFrame({"answer": [42]})
    >>> Answer()
    Answer(42)
    >>> "<td>42</td>" in Answer()._repr_html_()
    True
    """

    def headline(self) -> str:
        """Return the result in one line."""
        raise NotImplementedError

    def to_frame(self) -> DataFrame:
        """Return the result as a table."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.headline()

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        shown = frame.head(_ROWS).to_html(border=0, float_format=lambda value: f"{value:.3g}")
        more = f"<p>… {len(frame) - _ROWS:,} further rows: to_frame()</p>" if len(frame) > _ROWS else ""
        return f"<p><b>{escape(self.headline())}</b></p>{shown}{more}"


class Svg(str):
    """The text of an SVG file, which notebooks draw; offline."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def watching(progress: bool | Watch | None, what: str) -> Watch | None:
    """Return what to call with (done, total): a bar for True, the caller's own function, or nothing.

    Raises
    ------
    MissingExtraError
        For True where tqdm is not installed.
    """
    if not isinstance(progress, bool):
        return progress
    if not progress:
        return None
    bar: Any = require("tqdm.auto", extra="notebook").tqdm(desc=what)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show
