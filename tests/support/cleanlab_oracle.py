"""cleanlab 2.9.0 as an oracle, its label counts corrected, and random data to compare on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


def correct_value_counts(x: NDArray[Any], *, num_classes: int) -> NDArray[np.int64]:
    """Count labels by class, whatever their type; cleanlab counts floats by position."""
    return np.bincount(np.asarray(x).astype(int), minlength=num_classes)


@contextmanager
def corrected_cleanlab() -> Iterator[Any]:
    """Give ``cleanlab.multiannotator``, which takes seconds to load, with its one wrong function replaced."""
    from cleanlab import multiannotator
    from cleanlab.internal import multiannotator_utils

    with (
        mock.patch.object(multiannotator, "value_counts", correct_value_counts),
        mock.patch.object(multiannotator_utils, "value_counts", correct_value_counts),
    ):
        yield multiannotator


@dataclass(frozen=True)
class Case:
    """Labels (N, M), NaN for none, and the probabilities of P models, (P, N, K), and of U other texts."""

    labels: NDArray[np.float64]
    p: NDArray[np.float64]
    p_unlabelled: NDArray[np.float64]


@st.composite
def cases(draw: st.DrawFn, *, models: int = 1) -> Case:
    """Draw a data set: 2 to 12 classes, 2 to 60 annotators, 2 to 400 texts, skewed classes, mixed overlap."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_classes = draw(st.integers(2, 12))
    n_annotators = draw(st.integers(2, 60))
    n_texts = draw(st.integers(2, 400))
    prior = rng.dirichlet(np.full(n_classes, draw(st.sampled_from([0.3, 1.0, 10.0]))))
    truth = rng.choice(n_classes, size=n_texts, p=prior)
    reliability = rng.uniform(0.2, 1, size=n_annotators)
    answers = np.where(
        rng.random((n_texts, n_annotators)) < reliability,
        truth[:, None],
        rng.integers(n_classes, size=(n_texts, n_annotators)),
    ).astype(float)
    most = draw(st.integers(2, min(n_annotators, 6)))
    wanted = rng.integers(1, most + 1, size=n_texts)
    wanted[rng.integers(n_texts)] = 2  # one text at least lets annotators be compared
    turn = rng.random((n_texts, n_annotators)).argsort(axis=1).argsort(axis=1)
    answers[turn >= wanted[:, None]] = np.nan
    answers = answers[:, ~np.isnan(answers).all(axis=0)]
    sharpness = draw(st.sampled_from([0.5, 2.0, 5.0]))
    return Case(
        answers,
        _probabilities(rng, truth, n_classes, models, sharpness),
        _probabilities(
            rng, rng.choice(n_classes, size=rng.integers(1, 50), p=prior), n_classes, models, sharpness
        ),
    )


def _probabilities(
    rng: np.random.Generator, truth: NDArray[np.int64], n_classes: int, models: int, sharpness: float
) -> NDArray[np.float64]:
    logits = rng.normal(size=(models, len(truth), n_classes)) * sharpness
    logits[:, np.arange(len(truth)), truth] += sharpness
    p = np.exp(logits - logits.max(axis=2, keepdims=True))
    return np.asarray(p / p.sum(axis=2, keepdims=True))
