"""Time and peak memory of ActiveLab's and CROWDLAB's scores, beside cleanlab 2.9.0 and alone at large sizes.

Run with ``python benchmarks/scoring.py [--out FILE] [--largest N] [--repeats R] [--no-cleanlab]``. Every
measurement is a process of its own, so that peak memory is that of one method with its input: three labels a
text as positions and the probabilities, and for cleanlab the dense matrix of labels instead, made before the
clock starts. ``build`` is the time from positions to `Annotations`, which cleanlab has no counterpart of.
cleanlab's count of labels is corrected first (see `correct_label_counts`), and its scores are compared with
ours. On a busy machine processor time is steadier than time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABELS_PER_TEXT = 3
SEED = 0
OUT = Path(__file__).parent / "results" / "scoring.json"
METHODS = ("activelab", "crowdlab")


@dataclass(frozen=True)
class Size:
    """How large a pool is, and how often each side is measured on it."""

    texts: int
    annotators: int
    classes: int
    repeats: int = 5
    cleanlab_repeats: int = 0

    @property
    def name(self) -> str:
        """N x M x K."""
        return f"{self.texts} x {self.annotators} x {self.classes}"


SIZES = (
    Size(1_000, 50, 2, repeats=9, cleanlab_repeats=5),
    Size(20_000, 200, 5, repeats=9, cleanlab_repeats=3),
    Size(100_000, 500, 10, repeats=9, cleanlab_repeats=1),
    Size(1_000_000, 1_000, 2),
    Size(1_000_000, 1_000, 10),
    Size(10_000_000, 1_000, 2, repeats=3),
)


def main() -> None:
    """Measure every size, print a table and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--largest", type=int, default=10_000_000, metavar="N", help="leave out larger pools")
    parser.add_argument("--no-cleanlab", action="store_true", help="measure jurybox alone")
    parser.add_argument("--repeats", type=int, default=9, metavar="R", help="at most so many runs of each")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        task, *rest = arguments.child
        print(json.dumps(CHILDREN[task](*rest)))
        return
    report: dict[str, Any] = {"machine": machine(), "labels_per_text": LABELS_PER_TEXT, "sizes": []}
    for size in SIZES:
        if size.texts <= arguments.largest:
            repeats = min(size.repeats, arguments.repeats)
            report["sizes"].append(
                measure(replace(size, repeats=repeats), cleanlab=not arguments.no_cleanlab)
            )
            print(summary(report["sizes"][-1]), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(size: Size, *, cleanlab: bool) -> dict[str, Any]:
    """Measure both methods on one pool; cleanlab's runs lie between ours."""
    entry: dict[str, Any] = {"size": asdict(size)}
    with tempfile.TemporaryDirectory() as folder:
        child("generate", folder, *map(str, (size.texts, size.annotators, size.classes)))
        for method in METHODS:
            ours, theirs = [], []
            for turn in range(size.repeats):
                ours.append(child("jurybox", folder, method))
                if cleanlab and turn < size.cleanlab_repeats:
                    theirs.append(child("cleanlab", folder, method))
            entry[method] = {"jurybox": merge(ours)}
            if theirs:
                entry[method] |= compare(merge(ours), merge(theirs))
                entry[method]["largest_difference_of_scores"] = difference(folder, method)
    return entry


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return cleanlab's figures, and by what factors it is slower and larger."""
    return {
        "cleanlab": theirs,
        "times_faster": theirs["score_seconds"] / ours["score_seconds"],
        "times_faster_with_build": theirs["score_seconds"] / ours["total_seconds"],
        "times_less_cpu_with_build": theirs["cpu_seconds"] / ours["cpu_seconds"],
        "times_less_memory": theirs["peak_mib"] / ours["peak_mib"],
    }


def merge(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each figure over the runs, and the fastest and slowest total."""
    merged: dict[str, Any] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    total = [run["total_seconds"] for run in runs]
    return merged | {"total_seconds_range": [min(total), max(total)], "runs": len(runs)}


def summary(entry: dict[str, Any]) -> str:
    """Return a few lines for the terminal."""
    lines = [Size(**entry["size"]).name]
    for method in METHODS:
        ours = entry[method]["jurybox"]
        line = (
            f"  {method:9} {ours['total_seconds']:8.3f} s ({ours['build_seconds']:.3f} s build), "
            f"{ours['cpu_seconds']:.3f} s of processor, {ours['peak_mib']:6.0f} MiB"
        )
        if "cleanlab" in entry[method]:
            theirs = entry[method]["cleanlab"]
            line += (
                f"; cleanlab {theirs['score_seconds']:.2f} s, {theirs['peak_mib']:.0f} MiB: "
                f"{entry[method]['times_faster']:.0f} x, "
                f"with build {entry[method]['times_faster_with_build']:.0f} x, "
                f"by processor time {entry[method]['times_less_cpu_with_build']:.0f} x, "
                f"scores differ by {entry[method]['largest_difference_of_scores']:.1e}"
            )
        lines.append(line)
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Say where and with what the figures were measured."""
    cpu = Path("/proc/cpuinfo")
    models = [line for line in cpu.read_text().splitlines() if "model name" in line] if cpu.exists() else []
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": models[0].split(":", 1)[1].strip() if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "cleanlab")},
    }


def child(task: str, *arguments: str) -> dict[str, Any]:
    """Run one task in a fresh process.

    The process that starts it stays small: Linux hands its peak memory on.
    """
    command = [sys.executable, str(Path(__file__).resolve()), "--child", task, *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def generate(folder: str, texts: str, annotators: str, classes: str) -> dict[str, Any]:
    """Write a pool: annotators right three times in four, a model right a little less often."""
    n_texts, n_annotators, n_classes = int(texts), int(annotators), int(classes)
    rng = np.random.default_rng(SEED)
    truth = rng.integers(n_classes, size=n_texts, dtype=np.int32)
    shape = n_texts, LABELS_PER_TEXT
    steps = np.arange(LABELS_PER_TEXT) * (n_annotators // LABELS_PER_TEXT)
    annotator = (rng.integers(n_annotators, size=n_texts)[:, None] + steps) % n_annotators
    noise = rng.integers(n_classes, size=shape, dtype=np.int32)
    label = np.where(rng.random(shape, dtype=np.float32) < 0.75, truth[:, None], noise)
    p = rng.random((n_texts, n_classes))
    p[np.arange(n_texts), truth] += 1
    p /= p.sum(axis=1, keepdims=True)
    arrays: dict[str, NDArray[Any]] = {
        "text": np.repeat(np.arange(n_texts, dtype=np.int32), LABELS_PER_TEXT),
        "annotator": annotator.ravel().astype(np.int32),
        "label": label.ravel().astype(np.int32),
        "pred_probs": p,
        "shape": np.array([n_texts, n_annotators, n_classes]),
    }
    for name, array in arrays.items():
        np.save(Path(folder) / name, array)
    return {}


def load(folder: str) -> dict[str, NDArray[Any]]:
    """Return the arrays that `generate` wrote."""
    return {path.stem: np.load(path) for path in Path(folder).glob("*.npy") if "-" not in path.stem}


def measure_jurybox(folder: str, method: str) -> dict[str, Any]:
    """Time from positions to scores."""
    from jurybox.annotations import Annotations
    from jurybox.consensus import crowdlab
    from jurybox.selection import activelab

    score: Callable[..., Any] = activelab if method == "activelab" else crowdlab
    score(Annotations.from_wide([[0, 1], [1, 1]]), np.full((2, 2), 0.5))  # imports are not what is timed
    data = load(folder)
    n_texts, n_annotators, n_classes = data["shape"].tolist()
    start, start_cpu = time.perf_counter(), time.process_time()
    annotations = Annotations.from_indices(
        data["text"],
        data["annotator"],
        data["label"],
        texts=n_texts,
        annotators=n_annotators,
        classes=n_classes,
    )
    built = time.perf_counter()
    result = score(annotations, data["pred_probs"])
    end, end_cpu = time.perf_counter(), time.process_time()
    np.save(Path(folder) / f"jurybox-{method}", result if method == "activelab" else result.quality)
    return {
        "build_seconds": built - start,
        "score_seconds": end - built,
        "total_seconds": end - start,
        "cpu_seconds": end_cpu - start_cpu,
        "peak_mib": peak_mib(),
    }


def measure_cleanlab(folder: str, method: str) -> dict[str, Any]:
    """Time cleanlab on a dense matrix of labels, made before."""
    from cleanlab import multiannotator

    correct_label_counts()
    data = load(folder)
    n_texts, n_annotators, _ = data["shape"].tolist()
    labels = np.full((n_texts, n_annotators), np.nan)
    labels[data["text"], data["annotator"]] = data["label"]
    p = data["pred_probs"]
    start, start_cpu = time.perf_counter(), time.process_time()
    if method == "activelab":
        scores, _ = multiannotator.get_active_learning_scores(labels, p)
    else:
        result = multiannotator.get_label_quality_multiannotator(labels, p, verbose=False)
        scores = result["label_quality"]["consensus_quality_score"].to_numpy()
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    np.save(Path(folder) / f"cleanlab-{method}", scores)
    return {
        "score_seconds": seconds,
        "total_seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mib": peak_mib(),
    }


def correct_label_counts() -> None:
    """Mend cleanlab's count of labels, which since 2.7 counts float labels by their position."""
    from cleanlab import multiannotator
    from cleanlab.internal import multiannotator_utils

    def value_counts(labels: NDArray[Any], *, num_classes: int) -> NDArray[Any]:
        return np.bincount(labels.astype(int), minlength=num_classes)

    multiannotator.value_counts = value_counts
    multiannotator_utils.value_counts = value_counts


def difference(folder: str, method: str) -> float:
    """Return the largest difference between cleanlab's scores and ours."""
    ours, theirs = (np.load(Path(folder) / f"{side}-{method}.npy") for side in ("jurybox", "cleanlab"))
    return float(np.abs(ours - theirs).max())


def peak_mib() -> float:
    """Return this process's peak resident memory in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


CHILDREN: dict[str, Callable[..., dict[str, Any]]] = {
    "generate": generate,
    "jurybox": measure_jurybox,
    "cleanlab": measure_cleanlab,
}

if __name__ == "__main__":
    main()
