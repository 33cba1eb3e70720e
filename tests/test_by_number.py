"""A project's texts are encoded once; what is kept of them is known by how the project came by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jurybox.encoders import by_number as shards
from jurybox.encoders.by_number import PoolRows, RowShelf
from jurybox.encoders.tfidf import TfidfEncoder
from jurybox.errors import InputError
from jurybox.project import Project
from jurybox.store.backup import restore_backup, write_backup
from jurybox.store.settings import ProjectSettings

TEXTS = [(f"t{n}", f"{'good' if n % 2 else 'bad'} soup number {n}") for n in range(30)]


def one_lineage(_n_texts: int) -> str:
    return "a"


def numbered(start: int, stop: int) -> np.ndarray:
    return np.arange(start, stop, dtype=np.float16)[:, None]


def test_small_shards_are_joined_and_full_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD", 8)
    monkeypatch.setattr(shards, "_MANY", 4)
    shelf = RowShelf(tmp_path, lambda stop: f"{stop:04x}")
    for at in range(0, 8, 2):
        shelf.add(at, numbered(at, at + 2))
    shelf.join(8)
    (full,) = (shard.path for shard in shelf.shards(8))
    made = full.stat().st_mtime_ns, full.stat().st_ino
    for at in range(8, 11):
        shelf.add(at, numbered(at, at + 1))
        shelf.join(at + 1)
    assert len(shelf.shards(11)) == 4
    shelf.add(11, numbered(11, 12))
    shelf.join(12)
    assert [(one.start, one.stop) for one in shelf.shards(12)] == [(0, 8), (8, 12)]
    assert (full.stat().st_mtime_ns, full.stat().st_ino) == made
    assert len([*tmp_path.glob("*.npy")]) == 10  # another process may be reading the small ones
    monkeypatch.setattr(shards, "STALE_SECONDS", -1.0)
    shelf.join(12)
    assert len([*tmp_path.glob("*.npy")]) == 2
    pool = PoolRows((tuple(shelf.shards(12)),), (1.0,))
    assert pool[:].ravel().tolist() == list(range(12))
    assert pool[np.array([11, 0, 8, 7])].ravel().tolist() == [11, 0, 8, 7]
    assert [pool[part].ravel().tolist() for part in pool.parts(5)] == [[*range(5)], [*range(5, 10)], [10, 11]]


def test_a_shard_that_was_cut_off_goes_on_and_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD", 8)
    monkeypatch.setattr(shards, "CHUNK", 3)
    shelf, made = RowShelf(tmp_path, lambda stop: f"{stop:04x}"), list[tuple[int, int]]()

    def make(start: int, stop: int) -> np.ndarray:
        if (start, stop) == (6, 8) and (6, 8) not in made:
            made.append((6, 8))
            raise KeyboardInterrupt
        made.append((start, stop))
        return numbered(start, stop)

    with pytest.raises(KeyboardInterrupt):
        shelf.fill(0, 11, make)
    assert shelf.shards(11) == [], "nobody reads drafts"
    assert shelf.fill(0, 11, make) == 8
    assert shelf.fill(8, 11, make) == 11
    assert made == [(0, 3), (3, 6), (6, 8), (6, 8), (8, 9), (9, 11)]
    assert [(one.start, one.stop) for one in shelf.shards(11)] == [(0, 8), (8, 11)]
    assert len([*tmp_path.iterdir()]) == 2
    pool = PoolRows((tuple(shelf.shards(11)),), (1.0,))
    assert pool[:].ravel().tolist() == list(range(11))


def test_a_shard_of_other_texts_is_not_taken(tmp_path: Path) -> None:
    RowShelf(tmp_path, one_lineage).add(0, numbered(0, 3))
    RowShelf(tmp_path, one_lineage).add(3, numbered(3, 5))
    other = RowShelf(tmp_path, lambda stop: "a" if stop <= 3 else "b")
    assert [one.stop for one in other.shards(5)] == [3]
    other.add(3, numbered(30, 35))
    assert [one.stop for one in other.shards(8)] == [3, 8]
    assert [one.stop for one in RowShelf(tmp_path, one_lineage).shards(8)] == [3, 5]


def test_a_damaged_shard_is_removed(tmp_path: Path) -> None:
    shelf = RowShelf(tmp_path, one_lineage)
    shelf.add(0, numbered(0, 3))
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:-2])
    assert shelf.shards(3) == []
    assert not file.exists()


def test_views_of_different_lengths_are_refused(tmp_path: Path) -> None:
    for n in (2, 3):
        RowShelf(tmp_path / str(n), one_lineage).add(0, numbered(0, n))
    both = tuple(tuple(RowShelf(tmp_path / str(n), one_lineage).shards(n)) for n in (2, 3))
    with pytest.raises(InputError, match="different numbers"):
        PoolRows(both, (1.0, 1.0))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the texts that are encoded."""
    texts: list[str] = []
    encode = TfidfEncoder.encode

    def noting(self: TfidfEncoder, some: list[str], **more: object) -> object:
        texts.extend(some)
        return encode(self, some, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(TfidfEncoder, "encode", noting)
    return texts


def label(project: Project, first: int, n: int = 6) -> None:
    for number in range(first, first + n):
        project.submit(f"t{number}", "yes" if number % 2 else "no", annotator="ana")


@pytest.mark.slow
def test_a_round_encodes_what_has_come_since(location: str, tmp_path: Path, encoded: list[str]) -> None:
    settings = ProjectSettings(encoder="tfidf", audit_size=0, tuning=False)
    cache = tmp_path / "cache"
    made = Project.create(location, classes=["no", "yes"], texts=TEXTS, settings=settings, cache=cache)
    with made as project:
        project.people.add("ana")
        label(project, 0)
        project.refit()
        write_backup(project.store, tmp_path / "backup.db")
        encoded.clear()
        project.add_texts([("new", "good bread")])
        project.refit()
        assert encoded == ["good bread"]
    encoded.clear()
    with Project.open(location, cache=cache) as project:  # another process
        project.refit()
        assert encoded == []
    restore_backup(tmp_path / "backup.db", location, overwrite=True)
    with Project.open(location, cache=cache) as project:
        project.add_texts([("other", "bad wine")])
        project.refit()
        assert encoded == ["bad wine"]
        assert project.reading.find_texts().items[-1].text == "bad wine"


@pytest.mark.slow
def test_large_pools_are_ranked_part_by_part(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ProjectSettings(encoder="tfidf", audit_size=4, audit_share=0.2, tuning=False, batch=3)
    monkeypatch.setattr("jurybox.ranking.FRONT", 5)
    scores = []
    for large, place in ((10**9, location), (0, f"{location}_parts")):
        monkeypatch.setattr("jurybox.project.rounds._LARGE", large)
        made = Project.create(place, classes=["no", "yes"], texts=TEXTS, settings=settings)
        with made as project:
            project.people.add("ana")
            label(project, 0)
            project.refit()
            queue = project.reading.queue(100)
            scores.append({row.text_id: row.score for row in queue if row.reason == "new"})
            assert len(queue) == len(TEXTS) - project.status().finished_texts
            assert sum(project.reading.queue_reasons().values()) == len(queue)
            assert project.next_task("ana").text_id in {row.text_id for row in queue}  # type: ignore[union-attr]
            project.refit()
            assert len(project.reading.queue(100)) == len(queue)
    whole, front = scores
    assert 1 <= len(front) <= 5
    assert len(whole) > 15
    assert front == pytest.approx({text: whole[text] for text in front}, abs=1e-4)
    highest = max(score for score in front.values() if score is not None)
    rest = [score for text, score in whole.items() if text not in front and score is not None]
    assert highest <= min(rest) + 1e-4


def test_texts_that_come_are_ranked_without_a_round(location: str) -> None:
    settings = ProjectSettings(encoder="tfidf", audit_size=0, tuning=False, batch=3, overlap=0)
    with Project.create(location, classes=["no", "yes"], texts=TEXTS, settings=settings) as project:
        project.people.add("ana")
        assert project.rank_new() == 0
        label(project, 0)
        project.refit()
        before = [row.text_id for row in project.reading.queue(100)]
        assert project.rank_new() == 0
        sure = "good soup number 71"
        project.add_texts([("sure", sure), ("unsure", "something else altogether")])
        assert [row.text_id for row in project.reading.queue(100)][:-2] == before
        assert project.rank_new() == 2
        queue = project.reading.queue(100)
        assert [row.text_id for row in queue if row.text_id in before] == before
        scores = {row.text_id: row.score for row in queue if row.score is not None}
        place = {row.text_id: at for at, row in enumerate(queue)}
        for new in ("sure", "unsure"):
            ranked = [scores[row.text_id] for row in queue if row.text_id in before]
            ahead = [row.score for row in queue[: place[new]] if row.text_id in before]
            rising = np.maximum.accumulate(ranked)
            assert len(ahead) == max(int(np.searchsorted(rising, scores[new], side="right")), 1)
        assert project.status().rounds == 1
        assert project.rank_new() == 0
        assert project.next_task("ana").text_id == queue[0].text_id  # type: ignore[union-attr]
        project.add_texts([("later", "good soup number 72")])
        assert project.rank_new() == 1
        project.submit("later", "yes", annotator="ana")
        project.refit()
        assert project.status().texts == 33
