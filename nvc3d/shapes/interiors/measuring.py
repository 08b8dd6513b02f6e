"""Depth as a sensor measures it: noise, holes, and points between what is near and what is behind.

The noise at a depth z in metres has a standard deviation of 0.0012 + 0.0019 (z - 0.4)² (Nguyen,
Izadi, Lovell, "Modeling Kinect Sensor Noise for Improved 3D Reconstruction and Tracking", 3DIMPVT
2012), and that of each look's sensor is from a tenth of it to one and a half times as much.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float64]

_JUMP = 0.06  # of the depth, between neighbours: an edge
_FLIES, _IS_LOST = 0.2, 0.15  # of the pixels at edges
_MISSED = 0.005  # of all pixels
_GLASS = 0.4  # of the pixels of a window, that are not seen
_HOLES = 3  # at most
_WIDEST = 5.0  # pixels, the radius of a hole
_FARTHEST = 9.0


def measured(
    exact: Depth, glass: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Depth, NDArray[np.bool_]]:
    """A depth image (height, width) in metres as a sensor has it, 0 where it sees nothing, and
    which pixels show what is there: others fly between two things."""
    level = 0.1 + 1.4 * rng.random()
    noise = level * (0.0012 + 0.0019 * (exact - 0.4) * (exact - 0.4))
    depth = exact + noise * rng.standard_normal(exact.shape)
    wide = np.pad(exact, 1, mode="edge")
    around = np.stack([wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]])
    behind = around.max(0)
    edge = behind - exact > _JUMP * exact
    far, chance = rng.random((2, *exact.shape))
    flies = edge & (chance < _FLIES)
    depth = np.where(flies, exact + (0.1 + 0.8 * far) * (behind - exact), depth)
    lost = np.where(edge, chance > 1 - _IS_LOST, chance < _MISSED)
    lost |= glass & (rng.random(exact.shape) < _GLASS)
    row, column = np.ogrid[: exact.shape[0], : exact.shape[1]]
    for _ in range(int(rng.integers(_HOLES + 1))):
        (y, x), radius = rng.random(2) * exact.shape, 1 + (_WIDEST - 1) * rng.random()
        lost |= (row - y) * (row - y) + (column - x) * (column - x) < radius * radius
    lost |= (exact > _FARTHEST) | (depth <= 0)
    return np.where(lost, 0.0, depth), ~flies
