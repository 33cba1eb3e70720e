"""Random annotations for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from jurybox.annotations import Annotations
from jurybox.arrays import Floats


@st.composite
def annotation_sets(
    draw: st.DrawFn, *, min_texts: int = 1, max_texts: int = 40, max_annotators: int = 8, max_classes: int = 5
) -> Annotations:
    """Draw sparse annotations; texts and annotators without labels occur, and so does no label at all."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_texts = draw(st.integers(min_texts, max_texts))
    n_annotators = draw(st.integers(1, max_annotators))
    n_classes = draw(st.integers(2, max_classes))
    density = draw(st.sampled_from([0.0, 0.1, 0.4, 0.9]))
    truth = rng.integers(n_classes, size=n_texts)
    text, annotator = np.nonzero(rng.random((n_texts, n_annotators)) < density)
    wrong = rng.random(len(text)) < 0.3
    label = np.where(wrong, rng.integers(n_classes, size=len(text)), truth[text])
    return Annotations.from_indices(
        text, annotator, label, texts=n_texts, annotators=n_annotators, classes=n_classes
    )


def random_probabilities(annotations: Annotations, seed: int, models: int | None = None) -> Floats:
    """Return probabilities (N, K), or (P, N, K), without exact ties."""
    rng = np.random.default_rng(seed)
    shape = (annotations.n_texts, annotations.n_classes)
    p = rng.random(shape if models is None else (models, *shape)) + 0.05
    return np.asarray(p / p.sum(axis=-1, keepdims=True))
