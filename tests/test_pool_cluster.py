"""Pools in shards on a real Ray cluster of two nodes: the same to the bit as here, whoever dies."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import jurybox as jb
from jurybox.errors import FormatError, InputError
from jurybox.loop import Settings
from jurybox.pool import EncodedPool, PoolRound, encode, rank_pool
from jurybox.pool.on_ray import Cluster
from support.ray_cluster import ENVIRONMENT, DyingOnce, two_nodes

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore"),  # what Ray's own modules warn of
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'jurybox[scale]'"),
]

N, ROWS = 1200, 60
RNG = np.random.default_rng(0)
TEXTS = [
    " ".join(RNG.choice(["good", "bad", "soup", "bread", "cold", "warm", "nice", "it", "was"], 8))
    for _ in range(N)
]
LABELS = jb.Annotations.from_long(
    [(f"t{at}", name, int("good" in TEXTS[at])) for at in range(0, N, 20) for name in ("ana", "bo")]
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="jb-")  # a short path: sockets are in it
    with pytest.MonkeyPatch.context() as patch:  # before Ray is imported, which reads it then
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with two_nodes(folder) as found:
            yield found
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(address: str) -> Iterator[Cluster]:
    joined = Cluster(address)
    yield joined
    joined.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "texts.jsonl"
    rows = (json.dumps({"id": f"t{at}", "text": text}) for at, text in enumerate(TEXTS))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pool(source: Path, tmp_path_factory: pytest.TempPathFactory) -> EncodedPool:
    out = tmp_path_factory.mktemp("pool") / "pool"
    encode(str(source), str(out), encoder="tfidf", rows=ROWS)
    return EncodedPool.open(str(out))


def assert_same(one: PoolRound, other: PoolRound) -> None:
    assert np.array_equal(one.front.places, other.front.places)
    assert np.array_equal(one.front.scores, other.front.scores)
    assert one.n_texts == other.n_texts == N


def assert_same_shards(one: EncodedPool, other: EncodedPool) -> None:
    for mine, theirs in zip(one.shards(), other.shards(), strict=True):
        assert np.array_equal(mine.features(), theirs.features())
        assert mine.texts(range(mine.size())) == theirs.texts(range(theirs.size()))


def test_shards_and_front_are_those_of_one_machine(
    cluster: Cluster, source: Path, pool: EncodedPool, tmp_path: Path
) -> None:
    assert encode(str(source), str(tmp_path / "pool"), encoder="tfidf", rows=ROWS, over=cluster.stage) == N
    there = EncodedPool.open(str(tmp_path / "pool"))
    assert_same_shards(there, pool)
    assert_same(rank_pool(there, LABELS, Settings(), 0, over=cluster), rank_pool(pool, LABELS, Settings(), 0))


def test_what_a_dead_worker_was_doing_is_done_again(
    cluster: Cluster, source: Path, pool: EncodedPool, tmp_path: Path
) -> None:
    scoring, encoding = (DyingOnce(str(tmp_path / name), at=3) for name in ("scoring", "encoding"))

    def dying(function, items):  # type: ignore[no-untyped-def]
        return cluster(scoring.around(function), items)

    def dying_stage(function, items):  # type: ignore[no-untyped-def]
        return cluster.stage(encoding.around(function), items)

    assert_same(rank_pool(pool, LABELS, Settings(), 0, over=dying), rank_pool(pool, LABELS, Settings(), 0))
    encode(str(source), str(tmp_path / "pool"), encoder="tfidf", rows=ROWS, over=dying_stage)
    assert_same_shards(EncodedPool.open(str(tmp_path / "pool")), pool)
    assert scoring.died
    assert encoding.died


def test_a_killed_encode_goes_on_without_its_finished_shards(
    address: str, source: Path, pool: EncodedPool, tmp_path: Path
) -> None:
    out = tmp_path / "pool"
    command = [sys.executable, "-m", "jurybox", "encode", str(source), str(out), "--encoder", "tfidf"]
    command += ["--rows", str(ROWS), "--ray", address, "--json"]

    def done() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in out.glob("shards/*.npy")}

    process = subprocess.Popen(command)
    while len(done()) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    first = done()
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert told["shards"] == len(pool.pieces)
    assert told["encoded"] < N, "what was finished was encoded again"
    last = done()
    assert {name: last[name] for name in first} == first
    assert_same_shards(EncodedPool.open(str(out)), pool)


def test_what_is_wrong_is_said_as_on_one_machine(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    pool = str(tmp_path / "pool")
    encode(str(tmp_path), pool, encoder="tfidf")
    (tmp_path / "b.jsonl").write_text('{"text": null}\n', encoding="utf-8")
    for over in (cluster, cluster.stage):
        with pytest.raises(FormatError, match=r"^[^\n]*b\.jsonl: has no text at 0$"):
            encode(str(tmp_path), pool, encoder="tfidf", over=over)


def test_a_cluster_that_is_not_there_is_said_so(address: str) -> None:
    with pytest.raises(InputError, match="no Ray cluster at"):
        Cluster("127.0.0.1:1")
