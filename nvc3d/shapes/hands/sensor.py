"""Depth as a sensor measures it: noise, holes, and points that fly between near and far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]

NOISE = 0.8
"""Standard deviation of the depth in mm at 500 mm, growing with the square of the depth; that of
each frame's sensor is from a tenth of it to twice as much."""
_JUMP = 12.0  # mm between neighbours: an edge
_FLIES, _IS_LOST = 0.25, 0.2  # of the pixels at edges
_FARTHEST = 40.0  # mm that a point flies behind what it is of, at most
_MISSED = 0.005  # of all pixels
_HOLES = 4  # at most
_WIDEST = 8.0  # pixels, the radius of a hole
_SHIFT, _OVER = 1.8, 5  # pixels that what is seen is out of place, and those that go together


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
    level = NOISE * (0.1 + 1.9 * rng.random())
    displaced, smooth = _displaced(exact, rng), _smooth(exact.shape, rng)
    row, column = np.nonzero(displaced)  # (P,) each, as all below
    near, around = displaced[row, column], _around(displaced, row, column)
    edge = ((np.abs(around - near) > _JUMP) | (around == 0)).any(0)
    far, chance = rng.random((2, len(near)))
    error = level * (near / 500) * (near / 500)
    depth = near + error * (rng.standard_normal(len(near)) + smooth[row, column])
    behind = np.where(around > 0, around - near, _FARTHEST).max(0).clip(0, _FARTHEST)
    depth += np.where(edge & (chance < _FLIES), far * behind, 0)
    lost = np.where(edge, chance > 1 - _IS_LOST, chance < _MISSED)
    for _ in range(int(rng.integers(_HOLES + 1))):
        (y, x), radius = rng.random(2) * exact.shape, 1 + (_WIDEST - 1) * rng.random()
        lost |= (row - y) * (row - y) + (column - x) * (column - x) < radius * radius
    result = np.zeros_like(exact)
    result[row, column] = np.where(lost, 0, np.rint(depth))
    return result


def _displaced(exact: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The image with its pixels a little out of place, which frays what is cut out sharply."""
    height, width = exact.shape
    row, column = np.ogrid[:height, :width]
    down, right = (np.rint(_SHIFT * _smooth(exact.shape, rng)).astype(np.int64) for _ in range(2))
    return exact[(row + down).clip(0, height - 1), (column + right).clip(0, width - 1)]


def _smooth(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Values from -1 to 1 that change over some pixels: drawn on a grid, and linear between."""
    height, width = (-(-size // _OVER) + 1 for size in shape)
    grid = 2 * rng.random((height, width)) - 1
    (top, below), (left, beside) = (np.divmod(np.arange(size), _OVER) for size in shape)
    down, right = below[:, None] / _OVER, beside / _OVER
    rows = grid[top] * (1 - down) + grid[top + 1] * down
    return np.asarray(rows[:, left] * (1 - right) + rows[:, left + 1] * right)


def _around(
    depth: NDArray[np.float64], row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The four neighbours (4, P) of some pixels, 0 outside of the image."""
    wide = np.pad(depth, 1)
    steps = ((0, 1), (2, 1), (1, 0), (1, 2))
    return np.stack([wide[row + down, column + right] for down, right in steps])
