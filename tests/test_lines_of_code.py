"""The table of lines of code says what the code is and what was measured with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import jurybox as jb
import lines_of_code
from jurybox.datasets.frames import draw_initial

RESULTS = json.loads(lines_of_code.RESULTS.read_text(encoding="utf-8"))


def test_the_page_has_the_table_of_the_kept_results() -> None:
    page = lines_of_code.PAGE.read_text(encoding="utf-8")
    start, end = lines_of_code.MARKS
    assert f"{start}\n{lines_of_code.table_of(RESULTS)}\n{end}" in page


def test_the_lines_are_those_of_the_code_that_ran() -> None:
    for result in RESULTS:
        for library, lines in result["lines"].items():
            assert lines_of_code.lines_of(lines_of_code.source_of(library)) == lines, library
            steps = {"rounds", *lines} & set(result["found"][library])
            assert len(result["found"][library]["accuracy"]) == lines_of_code.SEEDS
            assert steps <= set(lines_of_code.STEPS)


def test_people_answer_once_each_and_the_busiest_first() -> None:
    answers = np.array([[0.0, 1.0, 1.0], [np.nan, 0.0, 1.0]])
    known = np.array([[np.nan, np.nan, 1.0], [np.nan, np.nan, np.nan]])
    ask = lines_of_code.Ask(answers, known)
    assert [ask(0), ask(0), ask(0)] == [(0, 0), (1, 1), None]
    assert ask(1) == (2, 1), "who labelled before comes first"


@pytest.mark.slow
@pytest.mark.parametrize("library", ["jurybox", "cleanlab"])
@pytest.mark.filterwarnings("ignore")
def test_the_steps_run_on_other_answers(tmp_path: Path, library: str) -> None:
    pytest.importorskip(library)
    demo = jb.datasets.load("demo")
    known = draw_initial(demo.answers, 3)
    rng = np.random.default_rng(0)
    labels = np.eye(len(demo.classes))[jb.majority_vote(demo.answers).labels]
    x = labels + rng.normal(scale=0.7, size=labels.shape)
    np.savez(
        tmp_path / "data.npz",
        texts=np.array(demo.pool_texts, dtype=object),
        x=x,
        x_test=x[:50],
        y_test=labels[:50].argmax(axis=1),
        answers=demo.answers.to_wide().to_numpy(),
        starts=[known.to_wide().to_numpy()],
        initial=known.to_wide().to_numpy(),
        majority=labels.argmax(axis=1),
        pred_probs=np.full((known.labelled.sum(), len(demo.classes)), 1 / len(demo.classes)),
    )
    found = lines_of_code.play(library, tmp_path / "data.npz")
    assert found["accuracy"][0] > 0.7
    assert found["consensus"] > 0.7
