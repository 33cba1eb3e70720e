"""How results show themselves: a line of text, a table in a notebook, a drawing or its file, progress."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

from markupsafe import Markup

from jurybox.arrays import DataFrame
from jurybox.errors import require

__all__ = ["Shown", "Svg", "Watch", "standalone", "to_png", "watching"]

_ROWS = 10
_COLOURS = ("#6e6e6e", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#b8b8b8")
_STYLE = (
    "text{font-size:12px;font-family:Arial,Helvetica,'DejaVu Sans',sans-serif;fill:#555}"
    ".title{font-size:15px;font-weight:600;fill:#111}.value{fill:#111}"
    ".gridline{stroke:#e6e6e6}.axis{stroke:#888}.goal{stroke:#444;stroke-dasharray:5 4}"
    ".curve,.whisker{stroke-width:2.2;stroke-linecap:round}.band{opacity:.16}"
) + "".join(
    f".series-{n}{{fill:{colour}}}.curve.series-{n},.whisker.series-{n}{{stroke:{colour}}}"
    for n, colour in enumerate(_COLOURS)
)

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


def standalone(drawn: Markup, height: float, *, title: str, note: str = "", width: int = 640) -> str:
    """Return a drawing as an SVG file of its own, with its title and its colours.

    Examples
    --------
    >>> from jurybox.drawing import Bar, bars
    >>> drawn = bars([Bar("a", 0.5, "50%")], alternative="one bar")
    >>> standalone(drawn, 38, title="Shares")[:48]
    '<svg xmlns="http://www.w3.org/2000/svg" width="6'
    """
    top = 62 if note else 40
    outer = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}">'
        "<style>{2}</style>"
        '<rect width="100%" height="100%" style="fill:#fff"/><text class="title" x="20" y="26">{3}</text>'
        '<text x="20" y="46">{4}</text><svg x="20" y="{5}" width="{6}" height="{7}">{8}</svg></svg>\n'
    )
    style = Markup(_STYLE)  # noqa: S704 - no input is in it
    return str(outer.format(width, height + top + 16, style, title, note, top, width - 40, height, drawn))


def to_png(svg: str, path: Path) -> None:
    """Write an SVG file's text as PNG, at twice its size.

    Raises
    ------
    MissingExtraError
        Without the extra ``png``.
    """
    path.write_bytes(bytes(require("resvg_py", extra="png").svg_to_bytes(svg_string=svg, zoom=2)))
