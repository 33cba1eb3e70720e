"""How many lines the guide's steps take with jurybox, cleanlab, small-text, scikit-activeml and modAL.

Run with ``python benchmarks/lines_of_code.py [--data FOLDER] [--page]``. Every library takes every step that
it has, on the same features and the same simulated answers (``benchmarks/guide_steps``): nothing is counted
that did not run. jurybox and cleanlab run where they are installed; the others in an environment that is made
for this and thrown away, since modAL needs an older scikit-learn. A library that is at home with one label a
text is given the majority, and asks new texts alone.

A line is one of a function's body as the formatter of this repository lays it out, without docstring and
imports. Accuracy is that of five rounds' model on the test texts; of the consensus, on the texts labelled at
the start, against the majority of all published labels. The table of ``docs/lines-of-code.md`` is written by
``--page``.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from real_crowds_report import between

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "lines_of_code.json"
PAGE = HERE.parent / "docs" / "lines-of-code.md"
MARKS = ("<!-- made by benchmarks/lines_of_code.py -->", "<!-- end -->")

STEPS = {
    "agreement": "how far annotators agree",
    "consensus": "a label a text, with its quality",
    "annotators": "how well each annotator labels",
    "rounds": "five rounds of 25 labels, and a model",
}
HERE_INSTALLED = {"jurybox": "jurybox", "cleanlab": "cleanlab"}
APART = {"small-text": "small_text", "scikit-activeml": "scikit_activeml", "modAL-python": "modal"}
PINNED = (
    *("numpy==2.2.6", "scipy==1.15.3", "scikit-learn==1.7.2", "pandas==2.3.3"),
    *("small-text==1.4.1", "scikit-activeml==1.0.1", "modAL-python==0.4.2.1"),
)
SEEDS = 5


class Ask:
    """Answers as people did: the next annotator of a text whom nobody has asked yet, or None."""

    def __init__(self, answers: Any, known: Any) -> None:
        busiest = np.argsort(-(~np.isnan(known)).sum(axis=0), kind="stable")
        left = ~np.isnan(answers) & np.isnan(known)
        self._next = [
            [(int(m), int(row[m])) for m in busiest if free[m]]
            for row, free in zip(answers, left, strict=True)
        ]

    def __call__(self, text: int) -> tuple[int, int] | None:
        """Return who answers, and what."""
        return self._next[text].pop(0) if self._next[text] else None


def play(library: str, data: Path) -> dict[str, Any]:
    """Take every step that a library has; called in the environment where it is installed."""
    steps = load(library)
    held = dict(np.load(data, allow_pickle=True))
    found: dict[str, Any] = {"accuracy": []}
    labelled = ~np.isnan(held["initial"]).all(axis=1)
    wide = held["initial"][labelled][:, ~np.isnan(held["initial"][labelled]).all(axis=0)]
    for name in ("agreement", "consensus", "annotators"):
        if hasattr(steps, name):
            result = getattr(steps, name)(wide, held["pred_probs"])
            if name == "consensus":
                right = np.asarray(result[0]).astype(int) == held["majority"][labelled]
                found["consensus"] = float(right.mean())
    for initial in held["starts"]:
        ask = Ask(held["answers"], initial)
        predicted = steps.rounds(list(held["texts"]), held["x"], initial, ask, held["x_test"])
        found["accuracy"].append(float((predicted == held["y_test"]).mean()))
    return found


def load(library: str) -> Any:
    """Import a library's steps."""
    path = source_of(library)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source_of(library: str) -> Path:
    """Return where a library's steps are written."""
    return HERE / "guide_steps" / f"with_{ {**HERE_INSTALLED, **APART}[library] }.py"


def lines_of(path: Path) -> dict[str, int]:
    """Count the lines of each step: of the function's body, without its docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {one.name: (one.end_lineno or 0) - one.body[1].lineno + 1 for one in functions}


def prepare(folder: Path, data: str, encoder: str) -> str:
    """Write the features, answers and starts that all libraries get; return the data's name."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    import jurybox as jb
    from jurybox.datasets.frames import draw_initial

    loaded = jb.datasets.load(data)
    views = jb.fit_views(jb.get_encoders(encoder), loaded.pool_texts)
    x = np.asarray(views.rows(loaded.pool_texts), dtype=np.float64)
    x_test = np.asarray(views.rows(loaded.test_texts), dtype=np.float64)
    drawn = [draw_initial(loaded.answers, np.random.default_rng(seed)) for seed in range(SEEDS)]
    starts = [dense(one) for one in drawn]
    majority = jb.majority_vote(loaded.answers).labels
    labelled = drawn[0].labelled
    target = jb.majority_vote(drawn[0]).labels[labelled]
    model = LogisticRegression(max_iter=1000)
    np.savez(
        folder / "data.npz",
        texts=np.array(loaded.pool_texts, dtype=object),
        x=x,
        x_test=x_test,
        y_test=loaded.test_labels,
        answers=dense(loaded.answers),
        starts=starts,
        initial=starts[0],
        majority=majority,
        pred_probs=cross_val_predict(model, x[labelled], target, cv=5, method="predict_proba"),
    )
    return str(loaded.name)


def dense(annotations: Any) -> Any:
    """Return labels as an array of shape (N, M), NaN where there is none."""
    return annotations.to_wide().to_numpy()


def run(python: str, library: str, folder: Path) -> dict[str, Any]:
    """Take a library's steps in a process of its own."""
    command = [python, str(HERE / "lines_of_code.py"), "--play", library, "--npz", str(folder / "data.npz")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{library}: {done.stderr[-2000:]}")
    played: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return played


def make_environment(folder: Path) -> str:
    """Make an environment with the libraries that ours has no room for, if need be; return its Python."""
    python = str(folder / "bin" / "python")
    if not folder.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PINNED], check=True)
    return python


def measure(data: str, encoder: str, apart: str) -> dict[str, Any]:
    """Run everything; `apart` is the other environment's Python."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        name = prepare(folder, data, encoder)
        pins = dict(pin.split("==") for pin in PINNED)
        versions = {one: version(one) for one in HERE_INSTALLED} | {one: pins[one] for one in APART}
        played = {
            one: run(apart if one in APART else sys.executable, one, folder)
            for one in (*HERE_INSTALLED, *APART)
        }
    lines = {one: lines_of(source_of(one)) for one in played}
    return {"data": name, "encoder": encoder, "versions": versions, "lines": lines, "found": played}


def table_of(results: list[dict[str, Any]]) -> str:
    """Return the table: lines by step, and accuracies by data set."""
    libraries = list(results[0]["lines"])
    head = [f"{one} {results[0]['versions'][one]}" for one in libraries]
    rows = [["", *head], ["---"] * (len(head) + 1)]
    for step, words in STEPS.items():
        rows.append([words, *(str(results[0]["lines"][one].get(step, "—")) for one in libraries)])
    for result in results:
        data, found = result["data"], result["found"]
        rows.append([f"{data}: accuracy of the model", *(_mean(found[one]["accuracy"]) for one in libraries)])
        shares = [found[one].get("consensus") for one in libraries]
        rows.append([f"{data}: of the labels", *("—" if s is None else f"{s:.3f}" for s in shares)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def write_page() -> None:
    """Put the table of the kept results between its marks."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    page = between(PAGE.read_text(encoding="utf-8"), *MARKS, iter([table_of(results)]))
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Measure, and keep the results; or only write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", action="append", help="demo (the default), or a folder; several are possible"
    )
    parser.add_argument("--encoder", default="tfidf", help="what makes the features that all get")
    parser.add_argument("--environment", type=Path, help="keep the other libraries' environment here")
    parser.add_argument("--page", action="store_true", help="only write the table into the page")
    parser.add_argument("--play", help=argparse.SUPPRESS)
    parser.add_argument("--npz", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.play:
        print(json.dumps(play(arguments.play, arguments.npz)))
        return
    if not arguments.page:
        with tempfile.TemporaryDirectory() as place:
            apart = make_environment(arguments.environment or Path(place) / "environment")
            results = []
            for data in arguments.data or ["demo"]:
                results.append(measure(data, arguments.encoder, apart))
                RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(table_of(results))
    write_page()


if __name__ == "__main__":
    main()
