"""Charts of what happened, drawn without a browser or a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jurybox.atomic import new_file
from jurybox.curves import Curves
from jurybox.errors import InputError

__all__ = ["learning_curves", "save_chart"]

TARGET = 0.9
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_RANDOM_COLOUR = "#6e6e6e"
_MEASURES = {
    "accuracy": "Accuracy on the test set",
    "macro_f1": "Macro F1 on the test set",
    "consensus_accuracy": "Accuracy of the consensus labels",
    "held_out_accuracy": "Accuracy on texts held out",
}


def learning_curves(curves: Curves, measure: str = "accuracy") -> Any:
    """Draw a measure over the labels paid for: mean and standard deviation over the seeds, per strategy.

    Parameters
    ----------
    curves
        What a simulation measured.
    measure
        One of accuracy, macro_f1, consensus_accuracy and held_out_accuracy.

    Returns
    -------
    altair.LayerChart

    Raises
    ------
    InputError
        For an unknown measure.
    """
    import altair

    alt: Any = altair  # its data classes carry no types
    if measure not in _MEASURES:
        raise InputError(f"measure is {measure!r}, expected one of {', '.join(_MEASURES)}")
    points = [point for strategy in curves.strategies for point in _points(curves, strategy, measure)]
    if not points:
        raise InputError(f"the simulation has no value of {measure} to draw")
    low = min([point["low"] for point in points] + [TARGET])
    high = max([point["high"] for point in points] + [TARGET])
    room = 0.04 * (high - low)
    low, high = max(low - room, 0.0), min(high + room, 1.0)
    first = min(point["annotations"] for point in points)
    last = max(point["annotations"] for point in points)
    names = list(curves.strategies)
    colour = alt.Color("strategy:N", scale=alt.Scale(domain=names, range=_colours(names)), legend=None)
    across = alt.Scale(domain=[first, last], nice=False, zero=False)
    x = alt.X(
        "annotations:Q",
        title="Annotations paid for",
        scale=across,
        axis=alt.Axis(grid=False, tickCount=8),
    )
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    y = alt.Y("mean:Q", title=_MEASURES[measure], scale=scale, axis=alt.Axis(format=".0%", tickCount=8))
    base = alt.Chart(alt.Data(values=points)).encode(x=x, color=colour)
    target = alt.Chart(alt.Data(values=[{"y": TARGET}]))
    layers = [
        target.mark_rule(strokeDash=[5, 4], color="#444").encode(y=alt.Y("y:Q", scale=scale)),
        base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        base.mark_line(strokeWidth=2.2).encode(y=y),
        alt.Chart(alt.Data(values=_names_beside(points, names, high - low)))
        .mark_text(align="left", dx=8, fontWeight="bold", fontSize=12, clip=False)
        .encode(
            x=alt.X("annotations:Q", scale=across),
            y=alt.Y("place:Q", scale=scale),
            text="strategy:N",
            color=colour,
        ),
    ]
    return _styled(alt.layer(*layers).properties(width=560, height=340, title=_title(curves), padding=10))


def _styled(chart: Any) -> Any:
    return (
        chart.configure_view(stroke=None)
        .configure_axis(labelFontSize=11, titleFontSize=12, titleFontWeight="normal", gridColor="#e6e6e6")
        .configure_title(anchor="start", fontSize=15, subtitleFontSize=12, subtitleColor="#555", offset=14)
    )


def _points(curves: Curves, strategy: str, measure: str) -> list[dict[str, Any]]:
    annotations = curves.curve(strategy, "annotations")[0]
    values = curves.curve(strategy, measure)
    known = ~np.isnan(values).any(axis=0)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    return [
        {
            "strategy": strategy,
            "annotations": int(annotations[at]),
            "mean": float(mean[at]),
            "low": float(mean[at] - spread[at]),
            "high": float(min(mean[at] + spread[at], 1.0)),
        }
        for at in np.flatnonzero(known)
    ]


def _colours(names: Sequence[str]) -> list[str]:
    """Give each strategy a colour that colour-blind people tell apart; random ones are grey."""
    free = iter(_COLOURS * (1 + len(names) // len(_COLOURS)))
    return [_RANDOM_COLOUR if name == "random" else next(free) for name in names]


def _names_beside(
    points: Sequence[Mapping[str, Any]], names: Sequence[str], height: float
) -> list[dict[str, Any]]:
    """Place the names at the ends of their curves, apart enough to be read."""
    ends = {point["strategy"]: point for point in points}
    placed: list[dict[str, Any]] = []
    for name in sorted((name for name in names if name in ends), key=lambda name: ends[name]["mean"]):
        place = ends[name]["mean"]
        if placed:
            place = max(place, placed[-1]["place"] + 0.05 * height)
        placed.append({"strategy": name, "annotations": ends[name]["annotations"], "place": place})
    return placed


def _title(curves: Curves) -> dict[str, str | list[str]]:
    seeds = f"{len(curves.seeds)} seeds" if len(curves.seeds) > 1 else "1 seed"
    band = "; mean ± standard deviation" if len(curves.seeds) > 1 else ""
    encoder = curves.encoder.partition(":")[0]
    return {
        "text": curves.dataset,
        "subtitle": [f"{curves.rounds} rounds of {curves.batch} labels, {seeds}, {encoder}{band}"],
    }


def save_chart(chart: Any, path: Path) -> Path:
    """Save a chart as SVG or PNG, by the end of the file's name.

    Raises
    ------
    InputError
        If the name ends otherwise.
    FormatError
        If the file cannot be written.
    """
    import vl_convert

    if path.suffix == ".svg":
        drawn = vl_convert.vegalite_to_svg(chart.to_json()).encode()
    elif path.suffix == ".png":
        drawn = vl_convert.vegalite_to_png(chart.to_json(), scale=2)
    else:
        raise InputError(f"the file is {path.name!r}, expected a name that ends in .svg or .png")
    with new_file(path, overwrite=True) as draft:
        draft.write_bytes(drawn)
    return path
