"""Measures over seeds: their mean and deviation, and paired tests of two rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

BySeed = dict[int, float]


class Test(NamedTuple):
    """A paired comparison over seeds: the mean difference, and p values, two-sided."""

    difference: float
    t: float
    wilcoxon: float | None
    seeds: int


def paired(own: BySeed, other: BySeed) -> Test | None:
    """Compare values by seed; None with fewer than two seeds in common.

    Wilcoxon's signed ranks need six seeds before they can reach p < 0.05 at all.
    """
    seeds = sorted(own.keys() & other.keys())
    if len(seeds) < 2:
        return None
    difference = np.array([own[seed] - other[seed] for seed in seeds])
    mean, deviation = difference.mean(), difference.std(ddof=1)
    if deviation <= 1e-12 * max(1.0, abs(mean)):  # the statistic is 0 / 0, or infinite
        p = 1.0 if abs(mean) <= 1e-12 else 0.0
    else:
        p = float(stats.ttest_1samp(difference, 0.0).pvalue)
    ranks = None
    if len(seeds) >= 6:
        ranks = float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
    return Test(float(mean), p, ranks, len(seeds))


def mcnemar(own: Sequence[bool], other: Sequence[bool]) -> tuple[int, int, float]:
    """Of hits on the same samples: how many only the first has, how many only the second, and the
    two-sided p value of as uneven a share, by the binomial distribution (McNemar's exact test)."""
    pairs = list(zip(own, other, strict=True))
    only_own, only_other = pairs.count((True, False)), pairs.count((False, True))
    if only_own + only_other == 0:
        return 0, 0, 1.0
    return only_own, only_other, float(stats.binomtest(only_own, only_own + only_other).pvalue)


def summary(values: BySeed) -> dict[str, Any]:
    """Mean, standard deviation (None of a single seed) and the values, for JSON."""
    numbers = list(values.values())
    deviation = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else math.nan
    return {
        "mean": float(np.mean(numbers)),
        "deviation": None if math.isnan(deviation) else deviation,
        "seeds": values,
    }


def shown(values: BySeed, digits: int) -> str:
    """Mean ± standard deviation; a dash where there is nothing."""
    if not values:
        return "–"
    numbers = list(values.values())
    text = f"{np.mean(numbers):.{digits}f}"
    return text if len(numbers) < 2 else f"{text} ± {np.std(numbers, ddof=1):.{digits}f}"


def shown_test(test: Test | None, digits: int, less_is_better: bool) -> str:
    """Difference and p values, bold where it is better with p < 0.05."""
    if test is None:
        return "–"
    text = f"{test.difference:+.{digits}f}, p {shown_p(test.t)}"
    if test.wilcoxon is not None:
        text += f", W {shown_p(test.wilcoxon)}"
    better = (test.difference < 0) == less_is_better
    return f"**{text}**" if better and test.t < 0.05 else text


def shown_p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
