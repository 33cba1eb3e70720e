"""How sure coefficients of agreement are: bootstrap intervals over the texts.

Krippendorff's alpha, Fleiss' kappa and the share of pairs of labels that agree are functions of sums over the
texts, so a resample of the texts is a weighted sum over the distinct rows of counts, of which there are few.
Intervals are Efron's BCa (1987, "Better bootstrap confidence intervals", J. Am. Stat. Assoc. 82:171), which
corrects the bootstrap for bias and skewness. They answer how the coefficient would vary if the same
annotators had labelled other texts drawn in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from jurybox.agreement import fleiss_kappa, krippendorff_alpha
from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints, Rng, generator
from jurybox.errors import InputError
from jurybox.trust.intervals import Interval

__all__ = ["AgreementEstimate", "estimate_agreement"]

_BLOCK = 4_000_000  # numbers drawn at a time
_ANYTHING = np.array([[-1.0, 1.0], [-1.0, 1.0], [0.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True)
class AgreementEstimate:
    """Agreement among all annotators, each coefficient with its interval.

    Attributes
    ----------
    alpha
        Krippendorff's alpha, nominal; None where it is undefined.
    kappa
        Fleiss' kappa, generalised to texts with different numbers of labels; None where it is undefined.
    percent
        Share of the pairs of labels of one text that agree, averaged over the texts; None where no text has
        two labels. It is not corrected for chance.
    n_texts, n_annotations
        Texts with at least two labels, and the labels that they have.
    reason
        Why a coefficient is undefined, where one is.
    ordinal, interval
        Krippendorff's alpha on a scale, by ranks and by numbers; None without scale or where undefined.
    """

    alpha: Interval | None
    kappa: Interval | None
    percent: Interval | None
    n_texts: int
    n_annotations: int
    reason: str | None = None
    ordinal: Interval | None = None
    interval: Interval | None = None


def estimate_agreement(
    annotations: Annotations, *, level: float = 0.95, n_draws: int = 2000, rng: Rng
) -> AgreementEstimate:
    """Return coefficients of agreement with bootstrap intervals over the texts.

    Where no two labels of any text differ there is nothing to resample: the lower bound is then the one of
    Clopper & Pearson (1934) for the share of texts without a disagreement. A single text tells nothing of
    others, and the interval says so.

    Parameters
    ----------
    annotations
        Annotations of N texts.
    level
        Probability of the intervals.
    n_draws
        Resamples.
    rng
        Draws the resamples.

    Raises
    ------
    InputError
        If ``level`` is not between 0 and 1 or there are fewer than 100 draws.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0], [1, 1], [0, 1], [1, 1], [0, 0], [1, 0], [0, 0]] * 10)
    >>> found = estimate_agreement(annotations, rng=np.random.default_rng(0))
    >>> round(found.percent.estimate, 3), found.alpha.low < found.alpha.estimate < found.alpha.high
    (0.714, True)
    """
    rng = generator(rng)
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}, expected a number between 0 and 1")
    if n_draws < 100:
        raise InputError(f"n_draws is {n_draws}, expected at least 100")
    alpha, kappa = krippendorff_alpha(annotations), fleiss_kappa(annotations)
    shared = annotations.counts[annotations.n_labels > 1]
    if len(shared) == 0:
        return AgreementEstimate(None, None, None, 0, 0, alpha.reason)
    patterns, frequency = np.unique(shared, axis=0, return_counts=True)
    scale = None if annotations.scale is None else np.array(annotations.scale)
    terms = _terms(patterns, scale)
    total = frequency @ terms
    estimate = _coefficients(total[None], scale)[0]
    if len(shared) == 1:
        bounds = _ANYTHING[: len(estimate)]
    elif (patterns > 0).sum(axis=1).max() == 1:
        bounds = _without_disagreement(total, annotations.n_classes, level)[: len(estimate)]
    else:
        draws = np.concatenate(
            [_coefficients(weights @ terms, scale) for weights in _resamples(frequency, n_draws, rng)]
        )
        bounds = _bca(estimate, draws, _coefficients(total - terms, scale), frequency, level)
    found_alpha, found_kappa, percent, *weighted = (
        None if np.isnan(value) else Interval(float(value), float(low), float(high), level)
        for value, (low, high) in zip(estimate, bounds, strict=True)
    )
    return AgreementEstimate(
        found_alpha,
        found_kappa,
        percent,
        alpha.n_texts,
        alpha.n_annotations,
        alpha.reason or kappa.reason,
        *weighted,
    )


def _terms(patterns: Ints, scale: Floats | None) -> Floats:
    """Return what each row of counts (U, K) adds to the sums: columns 1, a/n, a, c and c/n, (U, 3 + 2 K).

    a is ``sum_k c_k (c_k - 1) / (n - 1)``, the coincidences of equal labels. On a scale the coincidences of
    every two classes follow, K^2 columns.
    """
    c = patterns.astype(np.float64)
    n = c.sum(axis=1, keepdims=True)
    agreeing = (c * (c - 1)).sum(axis=1, keepdims=True) / (n - 1)
    columns = [np.ones_like(n), agreeing / n, agreeing, c, c / n]
    if scale is not None:
        pairs = c[:, :, None] * c[:, None] - c[:, :, None] * np.eye(c.shape[1])
        columns.append(pairs.reshape(len(c), -1) / (n - 1))
    return np.hstack(columns)


def _coefficients(sums: Floats, scale: Floats | None) -> Floats:
    """Return alpha, kappa and percent agreement from sums of terms (S, C); NaN where undefined, (S, 3).

    On a scale ordinal and interval alpha follow, (S, 5).
    """
    K = (sums.shape[1] - 3) // 2 if scale is None else len(scale)
    texts, shares, agreeing = sums[:, :3].T
    margin, mean = sums[:, 3 : 3 + K], sums[:, 3 + K : 3 + 2 * K]
    labels = margin.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_chance = (labels**2 - (margin**2).sum(axis=1)) / (labels - 1)
        alpha = 1 - (labels - agreeing) / np.where(by_chance > 1e-9, by_chance, np.nan)
        percent = shares / texts
        expected = ((mean / texts[:, None]) ** 2).sum(axis=1)
        kappa = 1 - (1 - percent) / np.where(expected < 1 - 1e-9, 1 - expected, np.nan)
    found = [alpha, kappa, percent]
    if scale is not None:
        pairs = sums[:, 3 + 2 * K :].reshape(len(sums), K, K)
        middle = np.cumsum(margin, axis=1) - margin / 2  # how many labels are below the middle of a class
        found += [_weighted(pairs, margin, middle), _weighted(pairs, margin, np.tile(scale, (len(sums), 1)))]
    return np.column_stack(found)


def _weighted(pairs: Floats, margin: Floats, values: Floats) -> Floats:
    """Return alpha (S,) by squared distances of values (S, K), from coincidences (S, K, K)."""
    distance = (values[:, :, None] - values[:, None]) ** 2
    observed = (pairs * distance).sum(axis=(1, 2))
    by_chance = np.einsum("sk,sl,skl->s", margin, margin, distance)
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(by_chance > 1e-9, by_chance / (margin.sum(axis=1) - 1), np.nan)
        return np.asarray(1 - observed / chance)


def _resamples(frequency: Ints, n_draws: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Draw how often each pattern (U,) is in a resample, a block (B, U) at a time."""
    texts, block = int(frequency.sum()), max(_BLOCK // len(frequency), 1)
    for start in range(0, n_draws, block):
        yield rng.multinomial(texts, frequency / texts, size=min(block, n_draws - start))


def _bca(estimate: Floats, draws: Floats, left_out: Floats, frequency: Ints, level: float) -> Floats:
    """Return bias-corrected and accelerated bounds (C, 2) of C coefficients.

    ``left_out`` (U, C) are the coefficients without one text of each pattern.
    """
    known = ~np.isnan(left_out)
    weight = np.where(known, frequency[:, None], 0)
    values = np.where(known, left_out, 0.0)
    deviation = (weight * values).sum(axis=0) / np.maximum(weight.sum(axis=0), 1) - values
    spread = (weight * deviation**2).sum(axis=0)
    skew = (weight * deviation**3).sum(axis=0)
    acceleration = np.divide(skew, 6 * spread**1.5, out=np.zeros(len(spread)), where=spread > 0)
    below = (draws < estimate).mean(axis=0) + (draws == estimate).mean(axis=0) / 2
    bias = ndtri(np.clip(below, 1 / len(draws), 1 - 1 / len(draws)))
    z = bias + ndtri([[(1 - level) / 2], [(1 + level) / 2]])
    levels = ndtr(bias + z / (1 - acceleration * z))
    return np.array(
        [
            np.nanquantile(column, level_of) if np.isfinite(column).any() else [np.nan, np.nan]
            for column, level_of in zip(draws.T, levels.T, strict=True)
        ]
    )


def _without_disagreement(total: Floats, K: int, level: float) -> Floats:
    """Return bounds (5, 2) where all labels of each text agree, given the sums (C,)."""
    texts, mean = total[0], total[3 + K : 3 + 2 * K]
    percent = ((1 - level) / 2) ** (1 / texts)
    expected = ((mean / texts) ** 2).sum()
    beyond_chance = 1 - (1 - percent) / (1 - expected) if expected < 1 else np.nan
    low = [beyond_chance, beyond_chance, percent, beyond_chance, beyond_chance]
    return np.column_stack([low, np.ones(len(low))])
