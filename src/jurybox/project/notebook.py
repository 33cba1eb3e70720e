"""A project in a notebook: as one frame, and as a loop in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame
from jurybox.consensus import Consensus
from jurybox.formats.records import TextRecord
from jurybox.interactive import Loop
from jurybox.store.settings import ProjectSettings

__all__ = ["frame_of", "loop_of"]

_KEPT = ("strategy", "classifier", "encoder", "batch", "max_labels", "random_share")


def frame_of(texts: Iterable[TextRecord], consensus: Consensus) -> DataFrame:
    """Return one row per text; see `Project.to_frame`."""
    believed = consensus.to_frame().rename_axis("text_id")
    words = {record.id: record.text for record in texts}
    believed = believed[believed.index.isin(words)]  # deleted texts are none of them
    believed.insert(0, "text", [words[text_id] for text_id in believed.index])
    believed["is_guess"] = (believed["n_annotations"] == 0) & believed["label"].notna()
    return believed


def loop_of(
    texts: Iterable[TextRecord],
    classes: Sequence[str],
    annotations: Annotations,
    settings: ProjectSettings,
    changes: Mapping[str, Any],
) -> Loop:
    """Return a loop in memory; see `Project.to_loop`."""
    known = {**{name: getattr(settings, name) for name in _KEPT}, "rng": settings.seed, **changes}
    pairs = [(record.id, record.text) for record in texts]
    ids = {text_id for text_id, _ in pairs}
    here = [place for place, text_id in enumerate(annotations.texts) if text_id in ids]
    return Loop(pairs, classes, annotations=annotations.subset(texts=np.array(here, dtype=int)), **known)
