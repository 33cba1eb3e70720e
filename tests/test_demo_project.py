"""The project that the demo opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from jurybox import datasets
from jurybox.cli.demo_project import make_demo_project
from jurybox.project import Project

pytestmark = pytest.mark.slow


def test_simulated_annotators_have_played_the_first_rounds(tmp_path: Path) -> None:
    data = datasets.load("demo")
    location = tmp_path / "demo.db"
    make_demo_project(data, location, rounds=2, batch=10, encoder="tfidf")
    with Project.open(location) as project:
        status = project.status()
        assert status.rounds == 3
        audit = project.settings.audit_size * project.settings.audit_labels
        assert status.annotations == data.initial.n_annotations + audit + 20
        assert status.audit_finished == status.audit_texts > 0
        assert project.beliefs.kept() is not None
        assert status.new_annotations == 0
        reasons = {row.reason for row in project.reading.find_annotations(limit=20).items}
        assert reasons - {None}, "the last labels came through the queue"
        quality = [one.quality for one in project.beliefs.now().annotators if one.n_annotations]
        assert all(value is not None for value in quality)
