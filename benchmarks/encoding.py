"""Time per text of the frozen encoder beside sentence-transformers, on the same texts, weights and threads.

Run with ``python benchmarks/encoding.py [--data FOLDER] [--texts N] [--repeats R] [--threads T] [--out
FILE]``. The two take turns, so that a busy machine slows both; processor time is reported beside the clock's,
since it is steadier there. Ratios are below 1 where jurybox is faster. jurybox does more: it keeps all hidden
layers, sentence-transformers the last alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jurybox.datasets import load
from jurybox.encoders import TransformerEncoder, get_encoder
from jurybox.encoders.transformer import minilm_folder

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "stanford-politeness"


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=DATA if DATA.is_dir() else "demo")
    parser.add_argument("--texts", type=int, help="take the first N texts alone")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    texts = load(arguments.data).pool_texts[: arguments.texts]
    report = measure(texts, arguments.repeats, arguments.threads, arguments.device)
    report["data"] = Path(arguments.data).name
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def measure(texts: Sequence[str], repeats: int, threads: int, device: str) -> dict[str, Any]:
    """Seconds of both encoders, in turns, and the ratios."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    theirs = SentenceTransformer(str(minilm_folder()), device=device)
    ours = get_encoder("minilm")
    if not isinstance(ours, TransformerEncoder):
        raise TypeError(f"expected the transformer, got {ours.name}")
    ours = replace(ours, device=device)
    last = replace(ours, layers="last")
    contenders: dict[str, Callable[[list[str]], Any]] = {
        "jurybox": ours.encode,
        "jurybox_last_layer": last.encode,
        "sentence_transformers": lambda batch: theirs.encode(batch, show_progress_bar=False),
    }
    for encode in contenders.values():
        encode(list(texts[:64]))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    processor: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, encode in contenders.items():
            start, start_processor = time.perf_counter(), time.process_time()
            encode(list(texts))
            seconds[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - start_processor)
    return {
        "texts": len(texts),
        "threads": threads,
        "device": device,
        "milliseconds_per_text": per_text(seconds, len(texts)),
        "processor_milliseconds_per_text": per_text(processor, len(texts)),
        "ratio_to_sentence_transformers": ratios(seconds),
        "processor_ratio_to_sentence_transformers": ratios(processor),
        "same_embedding": same_embedding(last, theirs, list(texts[:200])),
        "machine": platform.machine(),
        "versions": {name: version(name) for name in ("torch", "transformers", "sentence-transformers")},
    }


def per_text(seconds: dict[str, list[float]], n_texts: int) -> dict[str, float]:
    """Median milliseconds per text."""
    return {name: 1000 * statistics.median(turns) / n_texts for name, turns in seconds.items()}


def ratios(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median and range over the turns of our time divided by theirs."""
    theirs = seconds["sentence_transformers"]
    result = {}
    for name in ("jurybox", "jurybox_last_layer"):
        by_turn = [own / other for own, other in zip(seconds[name], theirs, strict=True)]
        result[name] = {"median": statistics.median(by_turn), "least": min(by_turn), "most": max(by_turn)}
    return result


def same_embedding(last: TransformerEncoder, theirs: Any, texts: list[str]) -> float:
    """Return the largest difference of our last layer, normalised, to their embedding: they are the same."""
    own = last.encode(texts)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    return float(np.abs(own - theirs.encode(texts, normalize_embeddings=True, show_progress_bar=False)).max())


if __name__ == "__main__":
    main()
