"""A round over a large pool, and its encoding, on a Ray cluster of two nodes on this machine, beside NumPy.

Seeded noise with a direction that two classes differ along stands for the features of N texts, in shards; a
thousand texts have labels. Four programs find the 5,000 texts to ask for first:

- NumPy: the same formulas written out, over memory maps of the shards, in one thread;
- here: `jurybox.pool` on one machine;
- cluster: the same over a Ray cluster, whose workers are cold, then warm;
- killed: on the cluster, one worker of which is killed by SIGKILL while it works on a shard.

What they cost is processor time: of the process for the first two, and of all processes of the cluster and
the one that asks for the others. Then texts are encoded (TF-IDF) by a process that is killed by SIGKILL when
two shards are finished, and by another that goes on with it.

Run: python benchmarks/cluster.py [--texts 10000000], with the extra ``scale``. It writes results/cluster.json
and the tables of docs/cluster.md; with ``--table`` these alone.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.special import softmax

import jurybox as jb
from jurybox.arrays import Ints, spread
from jurybox.classifiers.calibrated import CalibratedFitted
from jurybox.classifiers.head import HeadFitted
from jurybox.consensus import EstimatedConsensus
from jurybox.loop import Settings, play_round
from jurybox.pool import Front, Scorer, encode, here, merged
from jurybox.pool.shards import Place, Rows16, Shard
from jurybox.strategies import get_strategy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from support.ray_cluster import ENVIRONMENT, DyingOnce, two_nodes

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE.parent / "docs" / "cluster.md"
BEGIN, END = "<!-- made by benchmarks/cluster.py: {} -->", "<!-- end -->"
SEED, DIMENSIONS, LABELLED, FRONT = 0, 128, 1000, 5000


@dataclass(frozen=True)
class Found:
    """What a program found, and what it cost."""

    front: Front
    processor_seconds: float
    wall_seconds: float

    def told(self, other: Found | None = None) -> dict[str, Any]:
        """Return what it cost, beside another."""
        told: dict[str, Any] = {
            "processor_seconds": round(self.processor_seconds, 2),
            "wall_seconds": round(self.wall_seconds, 2),
        }
        if other is not None:
            told["times_numpy"] = round(self.processor_seconds / other.processor_seconds, 2)
            told["same_texts"] = bool(np.array_equal(np.sort(self.front.places), np.sort(other.front.places)))
        return told


def write_shards(place: Place, texts: int, rows: int) -> list[Shard]:
    """Write features; whole blocks come again, shifted, since drawing ten million rows takes minutes."""
    rng = np.random.default_rng(SEED)
    block = rng.standard_normal((rows, DIMENSIONS), dtype=np.float32) / np.float32(np.sqrt(DIMENSIONS))
    shards = [Shard(place, number) for number in range(-(-texts // rows))]
    for shard in shards:
        shift = np.roll(block, shard.number + 1, axis=1)[: min(rows, texts - shard.number * rows)]
        scaled = (shift * np.float32(1 + shard.number / 1000)).astype(np.float16)
        place.write(shard.features_name, lambda file, scaled=scaled: np.save(file, scaled))  # type: ignore[misc]
    return shards


def trained(shards: Sequence[Shard]) -> Scorer:
    """Play a round over texts of the first shard that three people have labelled."""
    rng = np.random.default_rng(SEED)
    rows = np.sort(rng.choice(len(shards[0].features()), LABELLED, replace=False))
    features = shards[0].features()[rows].astype(np.float32)
    truth = features[:, :8].sum(axis=1) > 0
    says = (rng.random((LABELLED, 3)) < 0.85) == truth[:, None]
    played = play_round(
        jb.Annotations.from_wide(says.astype(int), classes=[0, 1]), features, Settings(), SEED
    )
    score = get_strategy("default").score_alone
    assert score is not None  # noqa: S101
    return Scorer(played.classifier, played.consensus, score, None, 2, {0: rows}, SEED, FRONT)


def by_numpy(shards: Sequence[Shard], scorer: Scorer) -> Front:
    """Find the front by the same formulas, written out for two classes or more, without a line of jurybox."""
    fitted, consensus = scorer.classifier, scorer.consensus
    assert isinstance(fitted, CalibratedFitted)  # noqa: S101
    assert isinstance(fitted.inner, HeadFitted)  # noqa: S101
    assert isinstance(consensus, EstimatedConsensus)  # noqa: S101
    weights, offsets = fitted.inner.coefficients.astype(np.float32), fitted.inner.offsets
    (scale,), shift = fitted.alone.scales, fitted.alone.offsets
    types, shares = consensus.types, consensus.types.evidence.shares
    majority = types.majority.reshape(-1, len(shares))
    places, scores = np.zeros(0, np.int64), np.zeros(0)
    for shard in shards:
        features = np.load(Path(shard.place.address) / shard.features_name, mmap_mode="r")
        for at in range(0, len(features), 32_768):
            x = features[at : at + 32_768].astype(np.float32)
            p = softmax(np.float64(x @ weights) + offsets, axis=1)
            p = softmax(scale * np.log(np.maximum(p, 1e-6)) + shift, axis=1)
            told = np.log(np.maximum(p, 1e-4)) - np.log(shares)
            of_type = softmax(
                np.log(shares)[:, None] + types.weight + types.gate * told[..., None], axis=(1, 2)
            )
            score = (of_type.reshape(len(x), -1) @ majority).max(axis=1)
            score[_inside(scorer, shard, at, len(x))] = np.inf
            places = np.append(places, (shard.number << 32) + at + np.arange(len(x)))
            scores = np.append(scores, score)
            if len(scores) > FRONT:
                best = np.argpartition(scores, FRONT - 1)[:FRONT]
                places, scores = places[best], scores[best]
    lots = spread(places, SEED)
    order = np.lexsort((places, lots, scores))
    return Front(places[order], scores[order], lots[order])


def _inside(scorer: Scorer, shard: Shard, at: int, n: int) -> Ints:
    """Return which of n rows from one on have labels."""
    rows = np.asarray(scorer.labelled.get(shard.number, np.zeros(0, np.int64))) - at
    return rows[(rows >= 0) & (rows < n)]


def product_alone(shards: Sequence[Shard], scorer: Scorer) -> float:
    """Return the processor seconds of reading the features and multiplying them with the head's weights."""
    fitted = scorer.classifier
    assert isinstance(fitted, CalibratedFitted)  # noqa: S101
    assert isinstance(fitted.inner, HeadFitted)  # noqa: S101
    weights, start = fitted.inner.coefficients.astype(np.float32), time.process_time()
    for shard in shards:
        features: Rows16 = shard.features()
        for at in range(0, len(features), 32_768):
            _ = features[at : at + 32_768].astype(np.float32) @ weights
    return time.process_time() - start


def alone(work: Callable[[], Front]) -> Found:
    """Measure what runs in this process."""
    wall, processor = time.perf_counter(), time.process_time()
    front = work()
    return Found(front, time.process_time() - processor, time.perf_counter() - wall)


def on_cluster(work: Callable[[], Front], own: set[int]) -> Found:
    """Measure what runs in this process and in all that were started since those in `own`."""
    wall, before = time.perf_counter(), _processor_seconds(own)
    front = work()
    after = _processor_seconds(own)
    spent = sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
    return Found(front, spent, time.perf_counter() - wall)


def _processor_seconds(others: set[int]) -> dict[int, float]:
    """Return the processor seconds of this process and those of the cluster, by number."""
    found = {}
    me = psutil.Process()
    for process in [me, *_of_ray(others)]:
        try:
            times = process.cpu_times()
        except psutil.Error:  # ended meanwhile
            continue
        found[process.pid] = times.user + times.system
    return found


def _of_ray(others: set[int]) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            ours = process.pid not in others and process.pid != os.getpid() and _descends(process)
        except psutil.Error:
            continue
        if ours:
            yield process


def _descends(process: psutil.Process) -> bool:
    return any(parent.pid == os.getpid() for parent in process.parents())


def round_over(over: Any, scorer: Callable[[Shard], tuple[Front, int]], shards: Sequence[Shard]) -> Front:
    """Find the front by mapping a scorer over shards."""
    return merged((front for front, _ in over(scorer, shards)), FRONT)


def encoding(folder: Path, address: str) -> dict[str, Any]:
    """Kill an encoding on the cluster when two shards are finished, and go on with it."""
    words = np.array([f"word{at}" for at in range(500)])
    rng = np.random.default_rng(SEED)
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for at in range(6000):
            file.write(json.dumps({"id": f"t{at}", "text": " ".join(rng.choice(words, 12))}) + "\n")
    pool = folder / "encoded"
    command = [sys.executable, "-m", "jurybox", "encode", str(folder / "texts.jsonl"), str(pool)]
    command += ["--encoder", "tfidf", "--rows", "500", "--ray", address, "--json"]

    def done() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in pool.glob("shards/*.npy")}

    process = subprocess.Popen(command)
    while len(done()) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    code, first = process.wait(), done()
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    last = done()
    return {
        "texts": 6000,
        "shards": told["shards"],
        "killed_with": code,
        "shards_before": len(first),
        "texts_encoded_after": told["encoded"],
        "processor_ms_per_text": _encoding_alone(folder),
        "shards_done_again": sum(last[name] != made for name, made in first.items()),
        "all_shards_there": len(last) == told["shards"],
    }


def _encoding_alone(folder: Path) -> float:
    """Return the processor time of one more text on one machine, milliseconds; views are there already."""
    source, pool = str(folder / "texts.jsonl"), folder / "alone"
    encode(source, str(pool), encoder="tfidf", rows=500)
    shutil.rmtree(pool / "shards")
    start = time.process_time()
    texts = encode(source, str(pool), encoder="tfidf", rows=500)
    return round(1000 * (time.process_time() - start) / texts, 3)


def write_page(told: dict[str, Any]) -> None:
    """Write the tables between the markers of the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in (("measured", measured_table(told)), ("needed", needed_table(told))):
        before, _, rest = page.partition(BEGIN.format(name))
        _, _, after = rest.partition(END)
        page = "\n".join([before + BEGIN.format(name), "", *lines, "", END]) + after
    PAGE.write_text(page, encoding="utf-8")


def measured_table(told: dict[str, Any]) -> list[str]:
    """Return what was measured, as a table."""
    bits, encoded = told["same_front_to_the_bit_as_one_machine"], told["encoding"]
    lines = [
        f"{told['texts']:,} texts × {told['dimensions']} float16 in {told['shards']} shards "
        f"({told['bytes'] / 1e9:.2f} GB); {told['machine']}; load {told['load']}.",
        "",
        "| a round | processor seconds | × NumPy | front as on one machine |",
        "|---|---|---|---|",
        f"| reading and multiplying alone | {told['product_alone_processor_seconds']} | | |",
        f"| NumPy, the same formulas | {told['numpy']['processor_seconds']} | 1 | |",
    ]
    names = {
        "one_machine": "one machine",
        "cluster_cold": "cluster, workers start",
        "cluster_warm": "cluster, workers are there",
        "cluster_killed": "cluster, a worker killed",
    }
    for key, name in names.items():
        same = "the same texts as NumPy" if key == "one_machine" and told[key]["same_texts"] else ""
        same = ("to the bit" if bits[key] else "**other**") if key in bits else same
        lines.append(f"| {name} | {told[key]['processor_seconds']} | {told[key]['times_numpy']} | {same} |")
    lines += [
        "",
        f"Encoding {encoded['texts']:,} texts into {encoded['shards']} shards, killed by SIGKILL when "
        f"{encoded['shards_before']} were finished: the next run encoded {encoded['texts_encoded_after']:,} "
        f"texts and made {encoded['shards_done_again']} of the finished shards again.",
    ]
    return lines


def needed_table(told: dict[str, Any]) -> list[str]:
    """Return what a hundred million texts need, computed from what was measured."""
    many = 1e8
    minilm = json.loads((RESULTS / "encoding.json").read_text(encoding="utf-8"))
    hours = {
        "TF-IDF": many * told["encoding"]["processor_ms_per_text"] / 3.6e6,
        "MiniLM on processors": many * minilm["processor_milliseconds_per_text"]["jurybox"] / 3.6e6,
    }
    fronts = many / (told["texts"] / told["shards"])
    view = told["bytes"] / told["texts"] * many / 1e9
    seconds = told["cluster_warm"]["processor_seconds"] / told["texts"] * many
    return [
        "| for 100,000,000 texts | |",
        "|---|---|",
        *(f"| encoding, {name} | {each:,.0f} processor hours |" for name, each in hours.items()),
        f"| features on disk | {view:.1f} GB a view |",
        f"| a round, shards in the nodes' memory | {seconds / 60:.1f} processor minutes |",
        f"| a round, shards on disk | that, and what reading {view:.1f} GB a view takes |",
        f"| sent to each node, a round | the scorer: {told['scorer_bytes'] / 1e3:.0f} kB |",
        f"| sent back, a round | {fronts:.0f} fronts of 5,000 texts: {fronts * FRONT * 24 / 1e6:.0f} MB |",
        "| memory of a worker | a block of some 16 MB; features are mapped, not loaded |",
    ]


def main() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=10_000_000)
    parser.add_argument("--rows", type=int, default=250_000, help="Texts a shard.")
    parser.add_argument("--out", type=Path, default=RESULTS / "cluster.json")
    parser.add_argument("--table", action="store_true", help="Write the tables from the last results.")
    chosen = parser.parse_args()
    if chosen.table:
        write_page(json.loads(chosen.out.read_text(encoding="utf-8")))
        return
    os.environ.update(ENVIRONMENT)
    folder = Path(tempfile.mkdtemp(prefix="jb-"))
    try:
        told = measured(folder, chosen.texts, chosen.rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    chosen.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))
    write_page(told)


def measured(folder: Path, texts: int, rows: int) -> dict[str, Any]:
    """Run all programs on the same shards."""
    from jurybox.pool.on_ray import Cluster

    shards = write_shards(Place(str(folder / "pool")), texts, rows)
    scorer = trained(shards)
    product = product_alone(shards, scorer)  # the first to read the files: they are in memory from here on
    product = min(product, product_alone(shards, scorer))
    numpy = alone(lambda: by_numpy(shards, scorer))
    one = alone(lambda: round_over(here, scorer, shards))
    others = {process.pid for process in psutil.process_iter()}
    with two_nodes(str(folder / "ray")) as address:
        joined = Cluster(address)
        cold = on_cluster(lambda: round_over(joined, scorer, shards), others)
        warm = on_cluster(lambda: round_over(joined, scorer, shards), others)
        dying = DyingOnce(str(folder / "killed"), at=len(shards) // 2)
        killed = on_cluster(lambda: round_over(joined, dying.around(scorer), shards), others)
        joined.close()
        resumed = encoding(folder, address)
    bits = {
        name: bool(
            np.array_equal(one.front.places, found.front.places)
            and np.array_equal(one.front.scores, found.front.scores)
        )
        for name, found in (("cluster_cold", cold), ("cluster_warm", warm), ("cluster_killed", killed))
    }
    return {
        "texts": texts,
        "dimensions": DIMENSIONS,
        "shards": len(shards),
        "bytes": sum((Path(each.place.address) / each.features_name).stat().st_size for each in shards),
        "seed": SEED,
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}",
        "scorer_bytes": len(pickle.dumps(scorer)),
        "load": round(os.getloadavg()[1], 1),
        "product_alone_processor_seconds": round(product, 2),
        "numpy": numpy.told(),
        "one_machine": one.told(numpy),
        "cluster_cold": cold.told(numpy),
        "cluster_warm": warm.told(numpy),
        "cluster_killed": {**killed.told(numpy), "worker_was_killed": dying.died},
        "same_front_to_the_bit_as_one_machine": bits,
        "encoding": resumed,
    }


if __name__ == "__main__":
    main()
