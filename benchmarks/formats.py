"""Time and peak memory of reading files and of importing ten million rows into a project.

Run with ``python benchmarks/formats.py [--out FILE] [--rows N] [--read-rows N]``. The files are generated:
texts of some 60 characters, and a long table with ten annotations a text by 200 annotators. Every measurement
is a process of its own, so that peak memory is that of one import. ``read`` parses a file to its end and
stores nothing; ``import`` is what ``jurybox init`` and ``jurybox add`` do, each in one transaction.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

from jurybox import formats
from jurybox.formats import ReadOptions
from jurybox.project import Project

OUT = Path(__file__).parent / "results" / "formats.json"
PER_TEXT = 10
ANNOTATORS = 200
CLASSES = ("negative", "neutral", "positive")


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--rows", type=int, default=10_000_000, help="annotations to import")
    parser.add_argument(
        "--read-rows", type=int, default=1_000_000, help="annotations to read from each format"
    )
    parser.add_argument(
        "--memory", action="store_true", help="only the peak memory of 100 MB and 1 GB of CSV"
    )
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        task, path = arguments.child
        print(json.dumps(measured(TASKS[task], Path(path))))
        return
    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"python": platform.python_version(), "cpus": os.cpu_count(), "load": os.getloadavg()[0]},
        "read": {},
        "import": {},
    }
    if arguments.memory:
        kept = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else report
        arguments.out.write_text(json.dumps({**kept, "memory": memory()}, indent=2) + "\n", encoding="utf-8")
        return
    report["memory"] = memory()
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            path = Path(folder) / name
            write(path, arguments.read_rows)
            report["read"][name] = child("read", path)
            print(name, report["read"][name], flush=True)
            path.unlink()
        write_texts(Path(folder) / "texts.csv", arguments.rows)
        write_long_csv(Path(folder) / "annotations.csv", arguments.rows)
        for task in ("import texts", "import annotations"):
            report["import"][task] = child(task, Path(folder))
            print(task, report["import"][task], flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def memory() -> dict[str, Any]:
    """Measure the peak memory of planning and reading a CSV file of 100 MB, and of one ten times as long."""
    found: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": os.getloadavg()[0],
    }
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in (100, 1000):
            path = Path(folder) / f"{megabytes}.csv"
            write_texts_with_labels(path, megabytes)
            found[f"{megabytes} MB"] = child("plan and read", path)
            print(f"{megabytes} MB", found[f"{megabytes} MB"], flush=True)
            path.unlink()
    found["ratio"] = round(found["1000 MB"]["peak_mib"] / found["100 MB"]["peak_mib"], 3)
    print(f"ratio {found['ratio']}, expected at most 1.2")
    return found


def child(task: str, path: Path) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--child", task, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(task: Callable[[Path], int], path: Path) -> dict[str, Any]:
    """Return rows, seconds and peak memory of a task."""
    wall, processor = time.perf_counter(), time.process_time()
    rows = task(path)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "rows": rows,
        "seconds": round(wall, 2),
        "processor_seconds": round(processor, 2),
        "rows_per_processor_second": round(rows / processor),
        "peak_mib": peak_mib(),
    }


def peak_mib() -> int:
    """Return the most memory that this process has held; unlike that of getrusage, without its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024)


def read(path: Path) -> int:
    """Parse a file to its end."""
    batches = formats.read(path, ReadOptions(classes=CLASSES)).batches()
    return sum(len(batch.texts) + len(batch.annotations) for batch in batches)


def plan_and_read(path: Path) -> int:
    """Do what `jurybox add` does before the project is touched, and read the file to its end."""
    source = formats.read(path, ReadOptions(classes=CLASSES))
    source.plan.approve()
    return sum(len(batch.texts) + len(batch.annotations) for batch in source.batches())


def import_texts(folder: Path) -> int:
    """Make a project of the texts."""
    source = formats.read(folder / "texts.csv")
    with Project.create(folder / "project.db", classes=CLASSES, batches=source.batches()) as project:
        return project.status().texts


def import_annotations(folder: Path) -> int:
    """Add all annotations to the project."""
    source = formats.read(folder / "annotations.csv", ReadOptions(classes=CLASSES))
    with Project.open(folder / "project.db") as project:
        return project.add(source.batches()).annotations


def generated(rows: int) -> Iterator[tuple[str, str, str, float]]:
    """Yield who said what about which text, ten annotators a text."""
    for number in range(rows):
        text, place = divmod(number, PER_TEXT)
        person = (text * 7 + place * 13) % ANNOTATORS
        yield f"t{text}", f"annotator-{person}", CLASSES[(text * 31 + place * place) % 3], (number % 97) / 10


def write_texts(path: Path, rows: int) -> None:
    """Write the texts of so many annotations."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        for text in range(-(-rows // PER_TEXT)):
            file.write(f'"t{text}","Text {text} says this and that, and its number is {text * 37 % 1000}."\n')


def write_texts_with_labels(path: Path, megabytes: int) -> None:
    """Write a long table with the text in each row, two annotations a text, of so many megabytes."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text,annotator,label,seconds\n")
        for number in count():
            if number % 1000 == 0 and file.tell() >= megabytes * 1_000_000:
                return
            text = f"Text {number // 2} says this and that. " * 8
            person = f"annotator-{number % 2 + number % 50}"
            file.write(f't{number // 2},"{text}",{person},{CLASSES[number * 31 % 3]},{number % 97 / 10}\n')


def write_long_csv(path: Path, rows: int) -> None:
    """Write annotations as a long table."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,annotator,label,seconds\n")
        for text, person, label, seconds in generated(rows):
            file.write(f"{text},{person},{label},{seconds}\n")


def write_long_jsonl(path: Path, rows: int) -> None:
    """Write annotations as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        for text, person, label, seconds in generated(rows):
            file.write(
                json.dumps({"id": text, "annotator": person, "label": label, "seconds": seconds}) + "\n"
            )


def write_long_parquet(path: Path, rows: int) -> None:
    """Write annotations as Parquet."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    kinds = (arrow.string(), arrow.string(), arrow.string(), arrow.float64())
    schema = arrow.schema(list(zip(("id", "annotator", "label", "seconds"), kinds, strict=True)))
    found = generated(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        while part := list(islice(found, 100_000)):
            writer.write_table(
                arrow.table([list(column) for column in zip(*part, strict=True)], schema=schema)
            )


def write_wide_csv(path: Path, rows: int) -> None:
    """Write texts with a column for each of ten annotators."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text," + ",".join(f"annotator-{place}" for place in range(PER_TEXT)) + "\n")
        for text in range(rows // PER_TEXT):
            labels = ",".join(CLASSES[(text * 31 + place * place) % 3] for place in range(PER_TEXT))
            file.write(f"t{text},Text {text} says this and that,{labels}\n")


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "long.csv": write_long_csv,
    "long.jsonl": write_long_jsonl,
    "long.parquet": write_long_parquet,
    "wide.csv": write_wide_csv,
    "texts.csv": lambda path, rows: write_texts(path, rows * PER_TEXT),
}
TASKS: dict[str, Callable[[Path], int]] = {
    "read": read,
    "plan and read": plan_and_read,
    "import texts": import_texts,
    "import annotations": import_annotations,
}

if __name__ == "__main__":
    main()
