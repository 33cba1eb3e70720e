"""The guide's steps with jurybox."""

from __future__ import annotations

from typing import Any

import jurybox as jb


def agreement(wide: Any, pred_probs: Any) -> Any:  # noqa: ARG001 — as others take it
    """Return how far the annotators agree."""
    return jb.krippendorff_alpha(jb.Annotations.from_wide(wide)).value


def consensus(wide: Any, pred_probs: Any) -> Any:
    """Return a label for each text, and its quality."""
    found = jb.estimate_consensus(jb.Annotations.from_wide(wide), pred_probs)
    return found.labels, found.quality


def annotators(wide: Any, pred_probs: Any) -> Any:
    """Return how well each annotator labels."""
    return jb.estimate_consensus(jb.Annotations.from_wide(wide), pred_probs).annotators.quality


def rounds(texts: Any, x: Any, wide: Any, ask: Any, x_test: Any) -> Any:
    """Buy five times 25 labels, and return the classes of other texts."""
    known = jb.Annotations.from_wide(wide)
    loop = jb.Loop(texts, known.classes, annotations=known, features=x)
    loop.run(lambda _, text: ask(text), budget=125)
    return loop.round.classifier.predict_proba(x_test).argmax(axis=1)  # type: ignore[union-attr]
