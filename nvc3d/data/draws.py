"""How so many points are drawn of those that are there.

There are two rules, because what a seed gives must stay what it was: both draw without repeats
where there are enough points, else all of them and random ones again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rows_drawn(count: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows (wanted,) of `count`, in random order."""
    rows = rng.permutation(count)[:wanted]
    again = rng.integers(count, size=wanted - len(rows))
    return np.concatenate([rows, again])


def resample(
    points: NDArray[np.float32], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Exactly `count` of the points (N, 3); where there are too few, all of them come first.

    Raises:
        ValueError: there are no points.
    """
    if len(points) == 0:
        raise ValueError("there are no points to draw from")
    if len(points) >= count:
        return points[rng.choice(len(points), count, replace=False)]
    again = rng.integers(len(points), size=count - len(points))
    return np.concatenate([points, points[again]])
