"""The chart of learning curves: what it shows, and that it needs neither browser nor network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jurybox.curves import Curves, PlayedRound, Run
from jurybox.errors import InputError
from jurybox.report import learning_curves, save_chart

ROUNDS = 6


def played(strategy: str, seed: int, top: float) -> Run:
    rng = np.random.default_rng(seed)
    heights = top - 0.2 * np.exp(-np.arange(ROUNDS)) + rng.normal(0, 0.01, ROUNDS)
    return Run(
        strategy,
        seed,
        tuple(
            PlayedRound(100 + 25 * number, float(height), float(height), 0.9, float("nan"), 0.1, ())
            for number, height in enumerate(heights)
        ),
    )


@pytest.fixture(scope="module")
def curves() -> Curves:
    names = {"default": 0.95, "activelab": 0.88, "random": 0.88}
    runs = tuple(played(name, seed, top) for name, top in names.items() for seed in range(3))
    return Curves("a <set> & more", "tfidf:v1:abc", "head", ROUNDS, 25, (0, 1, 2), runs)


def test_the_band_is_one_standard_deviation_around_the_mean(curves: Curves) -> None:
    band = learning_curves(curves).to_dict()["layer"][1]
    assert band["mark"]["type"] == "area"
    points = [point for point in band["data"]["values"] if point["strategy"] == "default"]
    accuracy = curves.curve("default")
    assert [point["annotations"] for point in points] == [100, 125, 150, 175, 200, 225]
    assert np.allclose([point["mean"] for point in points], accuracy.mean(axis=0))
    expected = np.minimum(accuracy.mean(axis=0) + accuracy.std(axis=0), 1)
    assert np.allclose([point["high"] for point in points], expected)


def test_names_beside_the_curves_do_not_overlap(curves: Curves) -> None:
    layers = learning_curves(curves).to_dict()["layer"]
    places = sorted(name["place"] for name in layers[-1]["data"]["values"])
    low, high = layers[0]["encoding"]["y"]["scale"]["domain"]
    assert len(places) == 3
    assert min(np.diff(places)) >= 0.04 * (high - low)


def test_the_target_is_shown_even_above_all_curves() -> None:
    runs = (played("random", 0, 0.6),)
    chart = learning_curves(Curves("d", "tfidf", "head", ROUNDS, 25, (0,), runs)).to_dict()
    assert chart["layer"][0]["data"]["values"] == [{"y": 0.9}]
    low, high = chart["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low < 0.5
    assert high > 0.9
    assert "standard deviation" not in chart["title"]["subtitle"][0]


def test_it_is_drawn_as_svg_and_png(curves: Curves, tmp_path: Path) -> None:
    chart = learning_curves(curves)
    drawn = save_chart(chart, tmp_path / "new" / "curves.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    for word in ("default", "activelab", "random", "a &lt;set&gt; &amp; more", "Annotations paid for"):
        assert word in drawn
    assert save_chart(chart, tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert save_chart(chart, tmp_path / "new" / "curves.svg").read_text(encoding="utf-8") == drawn


def test_measures_without_values_and_wrong_wishes_are_refused(curves: Curves, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of accuracy"):
        learning_curves(curves, "speed")
    with pytest.raises(InputError, match="no value"):
        learning_curves(curves, "held_out_accuracy")
    with pytest.raises(InputError, match=r"ends in \.svg"):
        save_chart(learning_curves(curves), tmp_path / "curves.gif")
