"""The chart of learning curves: what it shows, and that it needs neither browser nor network."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from jurybox.cli.simulations import write_curves
from jurybox.curves import Curves, PlayedRound, Run
from jurybox.display import to_png
from jurybox.errors import InputError

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


def coordinates(svg: str, tag: str, kind: str) -> list[list[float]]:
    found = re.findall(rf'<{tag} class="{kind}"[^>]*?(?:points="([^"]*)"|cx="([\d.]+)%" cy="([\d.]+)")', svg)
    return [[float(x) for x in re.split("[ ,]", " ".join(part).strip())] for part in found]


def test_the_band_is_one_standard_deviation_around_the_mean(curves: Curves) -> None:
    svg = curves.plot()
    accuracy = curves.curve("default")
    (band,) = coordinates(svg, "polygon", "band series-1")
    dots = coordinates(svg, "circle", "dot series-1")
    assert len(dots) == ROUNDS
    heights = np.array(dots)[:, 1]
    scale = np.polyfit(accuracy.mean(axis=0), heights, 1)
    upper, lower = np.array(band).reshape(2, ROUNDS, 2)[:, :, 1]
    spread = accuracy.std(axis=0)
    assert np.allclose(upper, np.polyval(scale, accuracy.mean(axis=0) + spread), atol=0.5)
    assert np.allclose(lower[::-1], np.polyval(scale, accuracy.mean(axis=0) - spread), atol=0.5)


def test_names_beside_the_curves_do_not_overlap(curves: Curves) -> None:
    svg = curves.plot()
    places = [float(y) for y in re.findall(r'<text class="series-\d" x="[\d.]+%" y="([\d.-]+)"', svg)]
    assert len(places) == 3
    assert min(abs(np.diff(sorted(places)))) >= 15


def test_the_target_is_shown_even_above_all_curves() -> None:
    runs = (played("random", 0, 0.6),)
    svg = Curves("d", "tfidf", "head", ROUNDS, 25, (0,), runs).plot()
    assert 'class="goal"' in svg
    assert "90 %" in svg
    assert "standard deviation" not in svg


@pytest.mark.slow
def test_it_is_drawn_as_svg_and_png(curves: Curves, tmp_path: Path) -> None:
    drawn = curves.plot()
    assert drawn.startswith("<svg xmlns")
    ElementTree.fromstring(drawn)  # noqa: S314 - our own
    for word in ("default", "activelab", "random", "a &lt;set&gt; &amp; more", "annotations"):
        assert word in drawn
    to_png(drawn, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_without_the_extra_png_there_is_an_svg_and_a_word(
    curves: Curves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    written = write_curves(curves, tmp_path / "out")
    assert sorted(path.name for path in written) == ["curves.json", "curves.svg", "selections.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)
    assert "jurybox[png]" in capsys.readouterr().err


def test_measures_without_values_and_wrong_wishes_are_refused(curves: Curves) -> None:
    with pytest.raises(InputError, match="expected one of accuracy"):
        curves.plot("speed")
    with pytest.raises(InputError, match="no value"):
        curves.plot("held_out_accuracy")
