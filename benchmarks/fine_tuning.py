"""The guide as published: a transformer fine-tuned in every fold of every round, beside the published curve.

Run with ``python benchmarks/fine_tuning.py [--model minilm] [--rounds 4] [--seeds 1] [--strategy activelab]
[--out FILE]``. The protocol is the published one: politeness, 100 texts labelled twice, 25 annotations a
round, hard CROWDLAB labels, ActiveLab scores. The published model is DistilBERT with 67 million parameters;
the packaged MiniLM has 22 million. JSON is written after every round.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jurybox import datasets
from jurybox.classifiers.recipes import TrainingSettings
from jurybox.classifiers.transformer_classifier import TransformerClassifier
from jurybox.curves import PlayedRound
from jurybox.loop import Settings
from jurybox.simulation import simulate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "stanford-politeness"


def main() -> None:
    """Play the rounds and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--strategy", action="append")
    parser.add_argument("--out", type=Path, default=Path("fine_tuning.json"))
    arguments = parser.parse_args()
    arguments.strategy = arguments.strategy or ["activelab"]
    simulate(
        datasets.load(arguments.data),
        arguments.strategy,
        rounds=arguments.rounds,
        seeds=arguments.seeds,
        settings=Settings(classifier=classifier(arguments)),
        progress=recorder(arguments),
    )


def classifier(arguments: argparse.Namespace) -> TransformerClassifier:
    """Describe the transformer to fine-tune."""
    if arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    training = TrainingSettings(
        epochs=arguments.epochs, learning_rate=arguments.learning_rate, max_length=arguments.max_length
    )
    return TransformerClassifier(arguments.model, folds=arguments.folds, training=training)


def recorder(arguments: argparse.Namespace) -> Callable[[str, int, int, PlayedRound], None]:
    """Return what writes the report after each round."""
    published = json.loads((arguments.data / "published_curves.json").read_text())
    report: dict[str, Any] = {
        "model": arguments.model,
        "folds": arguments.folds,
        "epochs": arguments.epochs,
        "learning_rate": arguments.learning_rate,
        "machine": f"{platform.machine()}, {platform.system()}",
        "versions": {name: version(name) for name in ("torch", "transformers", "numpy")},
        "published": {
            name: [sum(column) / len(column) for column in zip(*published[name], strict=True)][
                : arguments.rounds
            ]
            for name in ("activelab", "random")
            if name in published
        },
        "runs": [],
    }

    def record(strategy: str, seed: int, number: int, played: PlayedRound) -> None:
        result = {
            "strategy": strategy,
            "seed": seed,
            "round": number,
            "annotations": played.annotations,
            "accuracy": played.accuracy,
            "consensus_accuracy": played.consensus_accuracy,
            "seconds": played.seconds,
        }
        report["runs"].append(result)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
        print(json.dumps(result), flush=True)

    return record


if __name__ == "__main__":
    main()
