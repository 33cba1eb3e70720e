"""Pools in shards: made piece by piece, never twice, and ranked as if they were in memory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jurybox as jb
from jurybox.cli.app import app, run
from jurybox.errors import FormatError, InputError
from jurybox.loop import Settings, play_round
from jurybox.pool import EncodedPool, Front, PoolRound, encode, merged, rank_pool
from jurybox.pool.shards import Place, Shard

pytestmark = pytest.mark.slow
pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

T = TypeVar("T")
R = TypeVar("R")

WORDS = ["good", "bad", "soup", "bread", "cold", "warm", "nice", "awful", "the", "it", "was", "table"]
N = 900
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, 8)) for _ in range(N)]
LABELLED = RNG.choice(N, 60, replace=False).tolist()
LONG = [
    (f"t{at}", name, "yes" if ("good" in TEXTS[at]) != (RNG.random() < 0.15) else "no")
    for at in LABELLED
    for name in ("ana", "bo")
]
LABELS = jb.Annotations.from_long(LONG, classes=["no", "yes"])


def write_lines(path: Path, start: int, stop: int) -> None:
    rows = (json.dumps({"id": f"t{at}", "text": TEXTS[at]}) for at in range(start, stop))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    write_lines(folder / "a.jsonl", 0, 500)
    write_lines(folder / "b.jsonl", 500, N)
    return folder


@pytest.fixture(scope="module")
def pool(source: Path, tmp_path_factory: pytest.TempPathFactory) -> EncodedPool:
    out = tmp_path_factory.mktemp("pool") / "pool"
    assert encode(str(source), str(out), encoder="tfidf", rows=150) == N
    return EncodedPool.open(str(out))


def ids_of(found: PoolRound, pool: EncodedPool) -> list[str]:
    return [one.id for one in found.texts(pool)]


def backwards(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Map as a cluster may: in any order."""
    return map(function, reversed(items))


def test_every_text_is_in_one_shard(pool: EncodedPool) -> None:
    held = [shard.texts(range(shard.size())) for shard in pool.shards()]
    assert [text for one in held for text in one] == [(f"t{at}", TEXTS[at]) for at in range(N)]
    assert all(len(shard.features()) == shard.size() for shard in pool.shards())


@pytest.mark.parametrize("strategy", ["default", "margin", "entropy"])
def test_the_front_is_that_of_a_round_in_memory(pool: EncodedPool, strategy: str) -> None:
    settings = Settings(strategy=strategy)
    features = np.concatenate([shard.features() for shard in pool.shards()]).astype(np.float32)
    whole = jb.Annotations.from_long(LONG, texts=[f"t{at}" for at in range(N)], classes=["no", "yes"])
    played = play_round(whole, features, settings, 0)
    found = rank_pool(pool, LABELS, settings, 0, size=200)
    assert found.n_texts == N
    np.testing.assert_allclose(found.front.scores, played.ranking.scores[:200], rtol=1e-9)
    order = {name: at for at, name in enumerate(ids_of(found, pool))}
    last = played.ranking.scores[199]  # whichever of equal scores comes first is a matter of lots
    surely = {
        f"t{at}"
        for at, score in zip(played.ranking.texts, played.ranking.scores, strict=True)
        if score < last - 1e-9
    }
    assert surely <= order.keys()


def test_a_scale_is_ranked_as_in_memory(pool: EncodedPool) -> None:
    long = [
        (f"t{at}", name, 1 + (TEXTS[at].count("good") + extra) % 4)
        for at in LABELLED
        for name, extra in (("ana", 0), ("bo", at % 2))
    ]
    labels = jb.Annotations.from_long(long, classes=[1, 2, 3, 4], scale=True)
    whole = jb.Annotations.from_long(
        long, texts=[f"t{at}" for at in range(N)], classes=[1, 2, 3, 4], scale=True
    )
    features = np.concatenate([shard.features() for shard in pool.shards()]).astype(np.float32)
    played = play_round(whole, features, Settings(), 0)
    found = rank_pool(pool, labels, Settings(), 0, size=100)
    np.testing.assert_allclose(found.front.scores, played.ranking.scores[:100], rtol=1e-9)


def test_the_order_of_shards_changes_no_bit(pool: EncodedPool) -> None:
    one, other = (
        rank_pool(pool, LABELS, Settings(), 0, over=over) for over in (lambda f, i: map(f, i), backwards)
    )
    assert np.array_equal(one.front.places, other.front.places)
    assert np.array_equal(one.front.scores, other.front.scores)


def test_before_the_first_label_the_front_is_drawn_over_the_pool(pool: EncodedPool) -> None:
    nobody = jb.Annotations.from_long([], [], [], classes=["no", "yes"])
    found = rank_pool(pool, nobody, Settings(), 0, size=120)
    assert len(found.front) == 120
    assert {one.reason for one in found.texts(pool)} == {"spread"}
    assert len(set(found.front.shards.tolist())) == len(pool.pieces)
    assert not np.array_equal(
        found.front.places, rank_pool(pool, nobody, Settings(), 1, size=120).front.places
    )


def test_texts_with_labels_come_as_a_second_look(pool: EncodedPool) -> None:
    found = rank_pool(pool, LABELS, Settings(), 0, size=N)
    reasons = {one.id: one.reason for one in found.texts(pool)}
    assert len(reasons) == N
    assert {name for name, reason in reasons.items() if reason == "second look"} == {
        f"t{at}" for at in LABELLED
    }


@given(
    scores=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    size=st.integers(1, 30),
    seed=st.integers(0, 9),
)
def test_merged_fronts_are_the_front_of_all(
    scores: list[float], cuts: list[int], size: int, seed: int
) -> None:
    values, places = np.array(scores), np.arange(len(scores)) * 7
    whole = Front.of(places, values, seed, size)
    rows = np.split(np.arange(len(scores)), sorted(min(cut, len(scores)) for cut in cuts))
    parts = merged((Front.of(places[row], values[row], seed, size) for row in rows), size)
    assert np.array_equal(whole.places, parts.places)
    assert np.array_equal(whole.scores, np.sort(values, kind="stable")[:size])


def test_a_finished_shard_is_never_made_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "pool"
    encode(str(source), str(out), encoder="tfidf", rows=150)
    before = {path: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    lost = out / "shards" / "000002.npy"
    kept = lost.read_bytes()
    lost.unlink()
    size = Shard(Place(str(out)), 2).size()
    with pytest.raises(InputError, match=r"1 of .* shards .* not finished"):
        rank_pool(EncodedPool.open(str(out)), LABELS, Settings(), 0)
    assert encode(str(source), str(out), encoder="tfidf", rows=150) == size
    after = {path: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    assert {path.name for path in after if after[path] != before[path]} == {"000002.npy", "000002.parquet"}
    assert lost.read_bytes() == kept


KILLED = """
import os, signal, sys
from jurybox.pool import encode
from jurybox.pool.shards import Shard
written, write = [], Shard.write
def die_within(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
def dying(self, ids, texts, features):
    if len(written) == 2:
        self.place.write(self.features_name, die_within)
    written.append(self.number)
    write(self, ids, texts, features)
Shard.write = dying
encode(sys.argv[1], sys.argv[2], encoder="tfidf", rows=150)
"""


def test_a_killed_encode_goes_on_where_it_was(source: Path, pool: EncodedPool, tmp_path: Path) -> None:
    out = tmp_path / "pool"
    died = subprocess.run([sys.executable, "-c", KILLED, str(source), str(out)], check=False)
    assert died.returncode == -signal.SIGKILL
    begun = EncodedPool.open(str(out))
    assert begun.pending() == list(range(2, len(begun.pieces))), "a shard that is half there counts as none"
    made = {path: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    rest = N - sum(Shard(begun.place, number).size() for number in (0, 1))
    assert encode(str(source), str(out), encoder="tfidf", rows=150) == rest
    assert all(path.stat().st_mtime_ns == then for path, then in made.items() if path.is_file())
    for mine, other in zip(begun.shards(), pool.shards(), strict=True):
        assert np.array_equal(mine.features(), other.features())
    assert [path.name for path in (out / "shards").iterdir() if path.name.startswith(".")] == []


def test_new_files_are_added_at_the_end(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", 0, 400)
    out = tmp_path / "pool"  # within the source, whose files it is not taken for
    encode(str(tmp_path), str(out), encoder="tfidf", rows=150)
    before = len(EncodedPool.open(str(out)).pieces)
    write_lines(tmp_path / "b.jsonl", 400, 500)
    assert encode(str(tmp_path), str(out), encoder="tfidf", rows=150) == 100
    after = EncodedPool.open(str(out))
    assert len(after.pieces) == before + 1
    assert after.shards()[-1].texts([0]) == [("t400", TEXTS[400])]


def test_all_kinds_of_sources_hold_the_same(source: Path, tmp_path: Path) -> None:
    table = pyarrow.table({"id": [f"t{at}" for at in range(N)], "text": TEXTS})
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(table, tmp_path / "all.parquet", row_group_size=200)
    with (
        pyarrow.OSFile(str(tmp_path / "all.arrow"), "wb") as sink,
        pyarrow.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=70)
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict(table.to_pydict()).save_to_disk(str(tmp_path / "saved"))
    expected = [(f"t{at}", text) for at, text in enumerate(TEXTS)]
    for name in ("all.parquet", "all.arrow", "saved", "file"):
        given = f"file://{source}/*.jsonl" if name == "file" else str(tmp_path / name)
        encode(given, str(tmp_path / f"pool of {name}"), encoder="tfidf", rows=170)
        shards = EncodedPool.open(str(tmp_path / f"pool of {name}")).shards()
        assert [text for one in shards for text in one.texts(range(one.size()))] == expected


def test_a_pool_in_a_store_of_objects(source: Path) -> None:
    out = "memory://pools/one"
    encode(str(source), out, encoder="tfidf", rows=400)
    found = rank_pool(EncodedPool.open(out), LABELS, Settings(), 0, size=10)
    assert len(found.texts(EncodedPool.open(out))) == 10
    assert encode(str(source), out, encoder="tfidf", rows=400) == 0


@pytest.mark.parametrize("stop", range(1, 5))
def test_lines_are_cut_anywhere_and_none_is_lost(tmp_path: Path, stop: int) -> None:
    lines = ['{"text": "a"}', '{"text": "bé"}', "", '{"text": "ccc"}'][:stop]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    wanted = [json.loads(line)["text"] for line in lines if line]
    from jurybox.pool.sources import Columns, Piece, read_piece

    size = (tmp_path / "a.jsonl").stat().st_size
    for step in range(1, size + 1):
        pieces = [Piece(str(tmp_path / "a.jsonl"), at, min(at + step, size)) for at in range(0, size, step)]
        assert [text for piece in pieces for text in read_piece(piece, Columns("text", None))[1]] == wanted


def test_what_is_wrong_is_said(source: Path, pool: EncodedPool, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has no file whose name ends with"):
        encode(str(tmp_path), str(tmp_path / "pool"))
    with pytest.raises(FormatError, match="has no column 'body'"):
        encode(str(source), str(tmp_path / "pool"), text="body")
    with pytest.raises(InputError, match="was begun with encoder 'tfidf'"):
        encode(str(source), pool.place.address, encoder="minilm", rows=150)
    (tmp_path / "odd.jsonl").write_text('{"text": "a"}\n{"text": null}\n', encoding="utf-8")
    with pytest.raises(FormatError, match="has no text at 14"):
        encode(str(tmp_path / "odd.jsonl"), str(tmp_path / "pool"), encoder="tfidf")
    unknown = jb.Annotations.from_long([("t1", "ana", "no"), ("elsewhere", "ana", "yes")])
    with pytest.raises(InputError, match="1 labelled texts, such as 'elsewhere', are not in the pool"):
        rank_pool(pool, unknown, Settings(), 0)
    for settings in (Settings(strategy="activelab"), Settings(target="shares"), Settings(random_share=0.1)):
        with pytest.raises(InputError, match="does not go over shards"):
            rank_pool(pool, LABELS, settings, 0)


def test_an_identifier_that_two_shards_have_is_refused(pool: EncodedPool, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", 0, 100)
    write_lines(tmp_path / "b.jsonl", 90, 200)
    encode(str(tmp_path), str(tmp_path / "pool"), encoder="tfidf", rows=500)
    twice = jb.Annotations.from_long([("t95", "ana", "no"), ("t3", "ana", "yes")])
    with pytest.raises(InputError, match="'t95' is in shards"):
        rank_pool(EncodedPool.open(str(tmp_path / "pool")), twice, Settings(), 0)


def test_the_commands(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, labels, tasks = (str(tmp_path / name) for name in ("pool", "labels.csv", "next.csv"))
    rows = "\n".join(",".join(row) for row in LONG)
    Path(labels).write_text(f"id,annotator,label\n{rows}\n", encoding="utf-8")
    assert run(app, ["encode", str(source), out, "--encoder", "tfidf", "--rows", "300", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pool": out, "encoded": N, "shards": 4}
    assert run(app, ["learn", out, labels, "-n", "20", "--out", tasks, "--json"]) == 0
    front: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    pool = EncodedPool.open(out)
    assert [one["text_id"] for one in front] == ids_of(rank_pool(pool, LABELS, Settings(), 0, size=20), pool)
    assert all(one["text"] == TEXTS[int(one["text_id"][1:])] for one in front)
    assert run(app, ["init", str(tmp_path / "p.db"), "--texts", tasks, "-l", "no", "-l", "yes", "--yes"]) == 0
    assert "20 texts" in capsys.readouterr().out
    assert run(app, ["learn", str(tmp_path / "p.db"), labels]) == 1
    assert "is no pool" in capsys.readouterr().err


def test_other_views_than_those_it_was_made_with_are_refused(pool: EncodedPool) -> None:
    with pytest.raises(InputError, match="2 views here, expected 1"):
        _ = replace(pool, encoder="tfidf+minilm").views
