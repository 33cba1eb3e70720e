"""What an installed package brings along is found by its name, wherever a name is taken."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import jurybox as jb
from jurybox.classifiers import get_classifier
from jurybox.encoders import get_encoders
from jurybox.plugins import names_of
from jurybox.store.settings import ProjectSettings
from jurybox.strategies import get_strategy

MODULE = '''
from dataclasses import replace

from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from jurybox.strategies import get_strategy

strategy = replace(get_strategy("margin"), name="tiny-margin", summary="made elsewhere")


class Lengths:
    """Features by how long a text is, and how many vowels it has."""

    def encode(self, texts):
        return [[len(text), sum(map(text.count, "aeiou"))] for text in texts]


def hashed():
    return HashingVectorizer(n_features=32)


def classifier():
    return LogisticRegression(C=3.0)


nothing = object()
'''

ENTRY_POINTS = """
[jurybox.strategies]
tiny-margin = tiny_brought:strategy
tiny-nothing = tiny_brought:nothing
tiny-lost = tiny_brought:no_such_name

[jurybox.encoders]
tiny-lengths = tiny_brought:Lengths
tiny-hashed = tiny_brought:hashed

[jurybox.classifiers]
tiny-regression = tiny_brought:classifier
"""


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package as pip lays it out: its module, and its metadata beside it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "tiny_brought.py").write_text(MODULE)
    metadata = folder / "tiny_brought-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-brought\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "tiny_brought", raising=False)
    importlib.invalidate_caches()
    return folder


def test_names_are_known_before_the_package_is_imported() -> None:
    assert "tiny-margin" in names_of("strategies")
    assert names_of("encoders")[-2:] == ["tiny-hashed", "tiny-lengths"]
    assert "tiny_brought" not in sys.modules


def test_a_strategy_an_encoder_and_a_classifier_are_found_by_name() -> None:
    assert get_strategy("tiny-margin").summary == "made elsewhere"
    (lengths,) = get_encoders("tiny-lengths")
    np.testing.assert_array_equal(lengths.encode(["aha", "x"]), [[3, 2], [1, 0]])
    (hashed,) = get_encoders("tiny-hashed")
    assert hashed.encode(["one text"]).shape == (1, 32)
    assert get_encoders("tiny-lengths+tfidf")[0].name == lengths.name
    assert "LogisticRegression(C=3.0)" in get_classifier("tiny-regression").name


@pytest.mark.slow
def test_names_work_in_simulations_loops_projects_and_estimators(tmp_path: Path) -> None:
    demo = jb.datasets.load("demo")
    curves = jb.simulate(
        demo,
        ["tiny-margin"],
        rounds=2,
        seeds=1,
        encoder="tiny-lengths",
        settings=jb.Settings(classifier="tiny-regression"),
    )
    assert curves.strategies == ("tiny-margin",)
    texts = demo.pool_texts[:40]
    loop = jb.Loop(
        texts, ["no", "yes"], strategy="tiny-margin", encoder="tiny-hashed", classifier="tiny-regression"
    )
    loop.run(lambda text: "yes" if "good" in text else "no", budget=30)
    assert loop.round.diagnostics["strategy"] == "tiny-margin"
    settings = ProjectSettings(
        strategy="tiny-margin",
        encoder="tiny-lengths",
        classifier="tiny-regression",
        audit_size=0,
        tuning=False,
    )
    with jb.Project.create(tmp_path / "p.db", texts=texts, classes=["no", "yes"], settings=settings) as made:
        while len(made.annotations()) < 20 and (task := made.next_task("ana")):
            made.submit(task, "yes" if "e" in task.text[:3] else "no")
        assert made.refit().diagnostics["strategy"] == "tiny-margin"
    estimator = jb.JuryClassifier("tiny-regression", encoder="tiny-hashed")
    assert estimator.fit(texts, ["no", "yes"] * 20).predict_proba(["new"]).shape == (1, 2)


def test_what_is_broken_or_unknown_says_so_by_name() -> None:
    with pytest.raises(jb.InputError, match=r"jurybox.strategies: 'tiny-lost' .* cannot be loaded"):
        get_strategy("tiny-lost")
    with pytest.raises(jb.InputError, match="'tiny-nothing'"):
        get_strategy("tiny-nothing")
    with pytest.raises(jb.InputError, match="tiny-margin"):
        get_strategy("no such strategy")
    with pytest.raises(jb.InputError, match="tiny-regression"):
        get_classifier("no such classifier")
