"""Copies and near-duplicates: found as they should be, and shared as far as labels say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurybox import Annotations, InputError, estimate_consensus
from jurybox.duplicates import find_duplicates, merge_copies, normalised, sameness, shared

REVIEWS = [
    "The waiter forgot our drinks twice, and the soup came cold to the table.",
    "The waiter forgot our drinks twice, and the soup came hot to the table.",
    "Lovely garden behind the house; we stayed until midnight and paid little.",
    "The  waiter forgot our drinks twice, and the soup came cold to the table.\n",
    "Parking is hard on weekends.",
]


def test_copies_and_near_duplicates_are_found() -> None:
    found = find_duplicates(REVIEWS)
    assert found.copy_of.tolist() == [0, 1, 2, 0, 4]
    assert found.group.tolist() == [0, 0, 2, 0, 4]
    assert [group.tolist() for group in found.members] == [[0, 1, 3]]
    assert found.similarity[0] == found.similarity[3] == 1 > found.similarity[1] > 0.4
    assert found.to_frame()["copy"].tolist() == [False, False, True]
    assert find_duplicates(REVIEWS, threshold=1).group.tolist() == [0, 1, 2, 0, 4]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_texts_can_be_looked_through(texts: list[str]) -> None:
    found = find_duplicates(texts)
    keys = [normalised(text) for text in texts]
    assert found.copy_of.tolist() == [keys.index(key) for key in keys]
    assert (found.group <= found.copy_of).all()
    assert (found.group[found.group] == found.group).all()


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="threshold is 0, expected"):
        find_duplicates([], threshold=0)


def test_a_person_has_one_vote_for_all_copies() -> None:
    said = Annotations.from_indices(
        [0, 1, 1, 2], [0, 0, 1, 1], [0, 1, 1, 0], texts=3, annotators=2, classes=2
    )
    merged = merge_copies(said, np.array([0, 0, 2]))
    assert merged.to_frame().to_numpy().tolist() == [[0, 0, 1], [0, 1, 1], [2, 1, 0]]
    assert merge_copies(said, np.arange(3)) is said


def posterior_of(labels: np.ndarray) -> np.ndarray:
    return estimate_consensus(Annotations.from_wide(labels)).posterior


def test_pairs_that_agree_share_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=60)
    same = np.where(rng.random((120, 3)) < 0.85, np.repeat(truth, 2)[:, None], rng.integers(3, size=(120, 3)))
    other = np.where(
        rng.random((120, 3)) < 0.85, rng.integers(3, size=120)[:, None], rng.integers(3, size=(120, 3))
    )
    group = np.arange(120) // 2 * 2
    alike, unlike = (sameness(posterior_of(labels), group) for labels in (same, other))
    assert alike.weight == alike.low > 0.8
    assert unlike.weight == 0
    assert unlike.low < 0.5
    assert alike.pairs == unlike.pairs == 60


def test_nothing_is_shared_where_nothing_is_known() -> None:
    none = sameness(np.zeros((0, 2)), np.zeros(0, np.int64))
    assert (none.pairs, none.weight) == (0, 0.0)
    few = sameness(np.array([[0.9, 0.1], [0.9, 0.1]]), np.zeros(2, np.int64))
    assert few.weight == 0, "one pair tells next to nothing"


def test_a_label_of_a_near_duplicate_is_evidence_for_others_alone() -> None:
    p = np.array([[0.5, 0.5], [0.5, 0.5], [0.3, 0.7]])
    q = np.array([[0.9, 0.1]])
    told = shared(p, q, np.array([0]), np.array([0, 0, 2]), 0.9)
    assert told[0].tolist() == [0.5, 0.5]
    assert told[1, 0] > 0.5
    assert told[2].tolist() == pytest.approx([0.3, 0.7])


@pytest.mark.slow
def test_edits_made_to_change_the_answer_share_nothing(shared_data: Path) -> None:
    folder = shared_data / "cebab-stars"
    texts = pd.read_csv(folder / "texts.csv", dtype=str, keep_default_na=False)
    texts = texts[texts["split"] == "test"]
    labels = pd.read_csv(folder / "annotations.csv", dtype=str)
    labels = labels[labels["id"].isin(texts["id"])]
    found = find_duplicates(texts["text"].tolist())
    of, original = found.group, texts["original"].to_numpy()
    right = sum(len(set(original[group])) == 1 for group in found.members)
    assert right >= 0.97 * len(found.members) > 250
    said = Annotations.from_long(
        labels["id"], labels["annotator"], labels["label"], texts=texts["id"].tolist()
    )
    assert said.labelled.all()
    learnt = sameness(estimate_consensus(said).posterior, of)
    assert learnt.pairs > 1_000
    assert learnt.weight == 0
