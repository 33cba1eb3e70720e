"""A project whose classes are an ordered scale: stored, exported, shown, reviewed, simulated."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from jurybox.cli.app import app
from jurybox.datasets import load
from jurybox.errors import InputError
from jurybox.formats import AnnotationRecord
from jurybox.formats.write_tables import out_table
from jurybox.loop import Settings
from jurybox.project import Project
from jurybox.scales import class_keys
from jurybox.simulation import simulate
from jurybox.store.settings import ProjectSettings

SCALE = ProjectSettings(scale=True, encoder="tfidf", audit_size=0)
NUMBERS = ["1", "2", "3", "4", "5"]


def rated(place: str | Path, settings: ProjectSettings = SCALE) -> Project:
    """Make a project of ten texts that two people agree on, and one on which they are far apart."""
    project = Project.create(
        place, texts=[(f"t{i}", f"text {i}") for i in range(12)], classes=NUMBERS, settings=settings
    )
    rows = [AnnotationRecord(f"t{i}", who, NUMBERS[i % 5]) for i in range(10) for who in ("ana", "bo")]
    apart = [AnnotationRecord("t10", "ana", "1"), AnnotationRecord("t10", "bo", "5")]
    project.add_annotations([*rows, *apart])
    return project


@pytest.mark.slow
def test_a_scale_comes_back_from_every_store(location: str) -> None:
    with rated(location) as made:
        assert made.scale == (1.0, 2.0, 3.0, 4.0, 5.0)
        assert made.annotations().scale == made.scale
    with Project.open(location) as project:
        assert project.settings.scale
        beliefs = {one.text_id: one for one in project.beliefs.now().texts}
        assert beliefs["t11"].position is None
        assert beliefs["t0"].label == "1"
        for one in (beliefs["t0"], beliefs["t4"]):
            assert one.position is not None
            assert one.position.low <= one.position.estimate <= one.position.high
        low, high = (beliefs[text].position for text in ("t0", "t4"))
        assert low is not None
        assert high is not None
        assert low.estimate < 2 < 4 < high.estimate
        assert project.beliefs.now().agreement.all_texts.interval is not None
        first = project.beliefs.now().contested()[0]
        assert first.text_id == "t10"
        assert first.distance is not None
        assert project.beliefs.now().doubtful_annotations()[0].distance is not None


@pytest.mark.slow
def test_a_project_without_a_scale_is_as_before(tmp_path: Path) -> None:
    with rated(tmp_path / "p.db", replace(SCALE, scale=False)) as project:
        assert project.scale is None
        assert project.annotations().scale is None
        assert all(one.position is None for one in project.beliefs.now().texts)
        assert project.beliefs.now().contested()[0].distance is None
        assert project.beliefs.now().agreement.all_texts.ordinal is None
        columns = [column.name for column in out_table(project.export(), "consensus").columns]
        assert not any(name.startswith("position") for name in columns)


def test_classes_that_are_no_scale_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="each above the one before"):
        Project.create(tmp_path / "a.db", classes=["5", "1"], settings=SCALE)
    assert not (tmp_path / "a.db").exists()
    with Project.create(tmp_path / "b.db", classes=["3", "4"], settings=SCALE) as project:
        with pytest.raises(InputError, match="each above the one before"):
            project.add_class("2")
        project.add_class("5")
        assert project.scale == (3.0, 4.0, 5.0)
    with Project.create(tmp_path / "c.db", classes=["2", "1"]) as project:
        with pytest.raises(InputError, match="each above the one before"):
            project.configure(scale=True)
        assert not project.settings.scale
        with pytest.raises(InputError, match="scale is 'yes', expected true or false"):
            project.configure(scale="yes")
    with Project.create(tmp_path / "d.db", classes=["low", "mid", "high"], settings=SCALE) as project:
        assert project.scale == (0.0, 1.0, 2.0)


def test_keys_are_the_numbers_of_a_scale() -> None:
    assert class_keys(["0", "1", "2"], "12345", on_scale=True) == ["0", "1", "2"]
    assert class_keys(["0", "1", "2"], "12345", on_scale=False) == ["1", "2", "3"]
    assert class_keys(["8", "9", "10"], "12", on_scale=True) == ["1", "2", ""]


@pytest.mark.slow
def test_the_commands_make_export_and_review_a_scale(tmp_path: Path) -> None:
    run, project = CliRunner(), str(tmp_path / "ratings.db")
    table = tmp_path / "ratings.csv"
    lines = [
        "id,text,annotator,label",
        *(f"t{i},text {i},{who},{i % 5 + 1}" for i in range(10) for who in "ab"),
    ]
    table.write_text("\n".join([*lines, "t10,text 10,a,1", "t10,text 10,b,5"]) + "\n")
    made = run.invoke(
        app, ["init", project, "--texts", str(table), "--scale", "1..5", "--set", "encoder=tfidf"]
    )
    assert made.exit_code == 0, made.output
    both = run.invoke(app, ["init", project + "2", "--texts", str(table), "--scale", "1..5", "-l", "1"])
    assert both.exit_code != 0
    reviewed = json.loads(run.invoke(app, ["review", project, "--json"]).output)
    assert reviewed[0]["text_id"] == "t10"
    assert reviewed[0]["distance"] > reviewed[1]["distance"] > 0
    assert "expected off by" in run.invoke(app, ["review", project]).output
    exported = tmp_path / "consensus.csv"
    assert run.invoke(app, ["export", project, str(exported), "--table", "consensus"]).exit_code == 0
    with exported.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    low, middle, high = (float(rows["t2"][name]) for name in ("position_low", "position", "position_high"))
    assert 1 <= low <= middle <= high <= 5
    folder = str(tmp_path / "whole")
    assert run.invoke(app, ["export", project, folder]).exit_code == 0
    again = str(tmp_path / "again.db")
    assert run.invoke(app, ["init", again, "--texts", folder]).exit_code == 0
    with Project.open(again) as copy:
        assert copy.scale == (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.slow
def test_a_simulation_on_a_scale_measures_kappa(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts, rows = ["id,text"], ["id,annotator,label"]
    for i in range(80):
        rating = i % 5 + 1
        texts.append(f"t{i},{' '.join(['word' + str(rating)] * 3 + ['text'])}")
        rows += [f"t{i},p{j},{int(np.clip(rating + rng.integers(-1, 2), 1, 5))}" for j in range(3)]
    (tmp_path / "texts.csv").write_text("\n".join(texts) + "\n")
    (tmp_path / "annotations.csv").write_text("\n".join(rows) + "\n")
    data = load(tmp_path)
    play = {"rounds": 1, "batch": 5, "seeds": [0], "encoder": "tfidf", "settings": Settings()}
    scaled = simulate(data.on_scale(), ["default"], **play).to_json()["strategies"]["default"]  # type: ignore[arg-type]
    plain = simulate(data, ["default"], **play).to_json()["strategies"]["default"]  # type: ignore[arg-type]
    assert 0.3 < scaled["consensus_kappa"][0][0] <= 1
    assert "kappa" not in plain
