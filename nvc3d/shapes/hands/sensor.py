"""Depth as a sensor measures it: noise, holes, and points that fly between near and far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]

NOISE = 1.2
"""Standard deviation of the depth in mm at 500 mm; it grows with the square of the depth."""
_JUMP = 12.0  # mm between neighbours: an edge
_FLIES, _IS_LOST = 0.25, 0.2  # of the pixels at edges
_FARTHEST = 40.0  # mm that a point flies behind what it is of, at most
_MISSED = 0.005  # of all pixels
_HOLES = 4  # at most
_WIDEST = 8.0  # pixels, the radius of a hole


def as_measured(depth: Depth, rng: np.random.Generator) -> Depth:
    """A depth image (height, width) in mm, 0 where there is nothing, as a sensor would have it, in
    whole mm."""
    rows, columns = np.flatnonzero(depth.any(1)), np.flatnonzero(depth.any(0))
    result = np.zeros_like(depth)
    if len(rows):
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        result[part] = _measured(depth[part].astype(np.float64), rng)
    return result


def _measured(exact: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    around = _around(exact)
    edge = (exact > 0) & ((np.abs(around - exact) > _JUMP) | (around == 0)).any(0)
    normal, chance, far = rng.standard_normal(exact.shape), *rng.random((2, *exact.shape))
    depth = exact + NOISE * (exact / 500) * (exact / 500) * normal
    behind = np.where(around > 0, around - exact, _FARTHEST).max(0).clip(0, _FARTHEST)
    depth = np.where(edge & (chance < _FLIES), depth + far * behind, depth)
    lost = edge & (chance > 1 - _IS_LOST)
    lost |= ~edge & (chance < _MISSED)
    row, column = np.ogrid[: exact.shape[0], : exact.shape[1]]
    for _ in range(int(rng.integers(_HOLES + 1))):
        (y, x), radius = rng.random(2) * exact.shape, 1 + (_WIDEST - 1) * rng.random()
        lost |= (row - y) * (row - y) + (column - x) * (column - x) < radius * radius
    return np.asarray(np.where(lost | (exact == 0), 0, np.rint(depth)))


def _around(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The four neighbours (4, height, width) of each pixel, 0 outside of the image."""
    wide = np.pad(depth, 1)
    return np.stack([wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]])
