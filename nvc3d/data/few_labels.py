"""Which shapes of a training set have a label that may be learned from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil

import numpy as np

LABELLED_SHARE = 1 / 4
"""Least share of the items of an epoch that have a label."""


def choose(labels: Sequence[int], fraction: float, seed: int) -> list[int]:
    """Indices of a fraction of each label's members, chosen at random, of each one at least; none
    at all where the fraction is 0, nor of those whose label is -1.

    With the same seed a larger fraction holds the smaller one's.
    """
    label = np.asarray(labels)
    chosen: list[int] = []
    for value in np.unique(label[label >= 0]) if fraction > 0 else ():
        members = np.random.default_rng([seed, int(value)]).permutation(
            np.flatnonzero(label == value)
        )
        chosen += members[: max(round(fraction * len(members)), 1)].tolist()
    return sorted(chosen)


def repeated(count: int, labelled: Collection[int], share: float = LABELLED_SHARE) -> list[int]:
    """The shapes of an epoch, by number: each of them once, and the labelled ones as often more as
    it takes to be a share of all."""
    if not labelled:
        return [*range(count)]
    others = count - len(labelled)
    times = max(ceil(others / (1 / share - 1) / len(labelled)), 1)
    return [*range(count), *sorted(labelled) * (times - 1)]
