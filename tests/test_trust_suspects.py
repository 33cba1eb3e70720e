from __future__ import annotations

import numpy as np
import pytest

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.errors import InputError
from jurybox.trust.observed import Observed
from jurybox.trust.suspects import Suspect, find_suspects

HONEST = [0.95, 0.9, 0.85, 0.8, 0.75, 0.9]


def answers(accuracy: list[float], n: int, K: int, seed: int = 0) -> tuple[list[Ints], Ints]:
    """Columns of labels of every text by annotators of known accuracy, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(K, size=n)
    wrong = [(truth + rng.integers(1, K, size=n)) % K for _ in accuracy]
    return [np.where(rng.random(n) < q, truth, w) for q, w in zip(accuracy, wrong, strict=True)], truth


def suspects(columns: list[Ints], thin: float = 0.5, **options: object) -> dict[int, Suspect]:
    """Find suspects where each text has only some of its labels; those of the last two columns stay."""
    cells = np.column_stack(columns).astype(np.float64)
    gone = np.random.default_rng(5).random(cells.shape) < thin
    gone[:, -2:] = False
    cells[gone] = np.nan
    a = Annotations.from_wide(cells)
    found = find_suspects(Observed(a, **options), rng=np.random.default_rng(2))  # type: ignore[arg-type]
    return {int(suspect.annotator): suspect for suspect in found}


@pytest.mark.slow
@pytest.mark.parametrize("K", [2, 4])
def test_who_does_not_look_is_named(K: int) -> None:
    columns, truth = answers(HONEST, 150, K)
    rng = np.random.default_rng(8)
    columns += [rng.integers(K, size=150), np.where(rng.random(150) < 0.97, 1, 0)]
    found = suspects(columns)
    assert {j: one.kind for j, one in found.items()} == {6: "random", 7: "constant"}
    assert found[6].probability > 0.8
    assert found[7].evidence["commonest"] > 0.9
    assert found[7].evidence["expected"] == pytest.approx((truth == 1).mean(), abs=0.1)
    assert found[6].evidence["kappa"] < 0.25
    assert not any(name.startswith("quality") for one in found.values() for name in one.evidence)


@pytest.mark.slow
def test_who_exchanges_two_classes_is_named() -> None:
    columns, truth = answers(HONEST, 200, 4)
    exchanged = np.array([1, 0, 2, 3])[truth]
    found = suspects([*columns, columns[0], np.where(np.arange(200) % 10 == 0, columns[1], exchanged)])
    assert found[7].kind == "swapped"
    assert found[7].evidence["exchanged"] > 0.6
    assert 6 not in found or found[6].kind == "copycat"


@pytest.mark.slow
def test_a_copycat_is_named_with_the_source_and_by_time_with_the_right_one() -> None:
    columns, _ = answers([*HONEST, 0.75], 150, 2)
    columns.append(columns[6])
    cells = np.column_stack(columns).astype(np.float64)
    cells[np.random.default_rng(5).random(cells.shape) < 0.4] = np.nan
    cells[:, 7] = cells[:, 6]
    a = Annotations.from_wide(cells)
    order = np.array([0, 0, 0, 0, 0, 0, 2, 1])  # the sixth answers after the seventh
    for times, named, other in (
        (order[a.annotator] + 0.0, 6, 7),
        (3.0 - order[a.annotator], 7, 6),
    ):
        (one,) = find_suspects(Observed(a, times=times), rng=np.random.default_rng(0))
        assert (one.kind, int(one.annotator), one.other) == ("copycat", named, other)
        assert one.evidence["agreement"] == 1
        assert one.evidence["later"] == 1
        assert one.evidence["wrong_shared"] > 5


@pytest.mark.slow
def test_two_who_agree_because_both_are_right_are_no_copycats() -> None:
    columns, truth = answers(HONEST, 150, 2)
    assert not suspects([*columns, truth, truth])


@pytest.mark.slow
def test_honest_annotators_of_low_quality_are_no_suspects() -> None:
    for seed in range(4):
        columns, _ = answers([0.9, 0.85, 0.8, 0.9, 0.66, 0.66], 200, 2, seed)
        assert not suspects(columns, thin=0.3)


@pytest.mark.slow
def test_speed_adds_to_suspicion_and_is_no_suspicion_by_itself() -> None:
    columns, _ = answers([*HONEST, 0.9], 60, 2)
    rng = np.random.default_rng(3)
    columns.append(rng.integers(2, size=60))
    a = Annotations.from_wide(np.column_stack(columns))
    fast = np.where(np.isin(a.annotator, [6, 7]), 1.5, 9.0)
    slow = np.full(len(a), 9.0)
    quick = {
        int(one.annotator): one
        for one in find_suspects(Observed(a, seconds=fast), rng=np.random.default_rng(0))
    }
    usual = {
        int(one.annotator): one
        for one in find_suspects(Observed(a, seconds=slow), rng=np.random.default_rng(0))
    }
    assert 6 not in quick
    assert quick[7].probability >= usual[7].probability
    assert quick[7].evidence["speed"] == pytest.approx(1.5 / 9)


@pytest.mark.slow
def test_experts_are_never_suspected() -> None:
    columns, _ = answers(HONEST, 100, 2)
    columns.append(np.random.default_rng(8).integers(2, size=100))
    a = Annotations.from_wide(np.column_stack(columns))
    assert [int(one.annotator) for one in find_suspects(Observed(a), rng=np.random.default_rng(0))] == [6]
    expert = np.arange(7) == 6
    assert 6 not in [
        int(one.annotator) for one in find_suspects(Observed(a, experts=expert), rng=np.random.default_rng(0))
    ]


@pytest.mark.slow
def test_nothing_labelled_makes_nobody_a_suspect() -> None:
    for people in (0, 3):
        none = Annotations.from_indices([], [], [], texts=2, annotators=people, classes=2)
        assert find_suspects(Observed(none), rng=np.random.default_rng(0)) == ()


@pytest.mark.slow
def test_few_labels_are_no_evidence() -> None:
    columns, _ = answers(HONEST, 100, 2)
    wide: Floats = np.column_stack([*columns, np.random.default_rng(0).integers(2, size=100)]).astype(float)
    wide[4:, 6] = np.nan
    found = find_suspects(Observed(Annotations.from_wide(wide)), rng=np.random.default_rng(0))
    assert all(one.probability < 0.9 for one in found)


def test_wrong_arguments_are_refused() -> None:
    a = Annotations.from_wide([[0, 1], [1, 1]])
    with pytest.raises(InputError, match="times"):
        find_suspects(Observed(a, times=np.zeros(3)), rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="seconds"):
        find_suspects(Observed(a, seconds=np.zeros(3)), rng=np.random.default_rng(0))


@pytest.mark.slow
def test_of_two_who_agree_like_chance_neither_is_accused_alone() -> None:
    for seed in range(3):
        (honest,), _ = answers([0.9], 120, 2, seed)
        order = np.random.default_rng(seed + 50).permutation(120)
        found = suspects([honest, np.where(order < 58, honest, 1 - honest)])
        assert {(j, one.kind, one.other) for j, one in found.items()} == {(0, "either", 1), (1, "either", 0)}
        assert len({one.probability for one in found.values()}) == 1
        (good, better), _ = answers([0.9, 0.95], 120, 2, seed)
        assert not any(one.kind == "either" for one in suspects([good, better]).values())
