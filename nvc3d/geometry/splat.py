"""A z-buffer for points: which of them no others hide."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# How steeply a surface may run away from the camera before its points hide one another.
_SLOPE = 2.0
# A point covers the distance to this one of its neighbours: among points strewn at random, a gap
# that leaves ten of them out is rare.
_NEIGHBOUR = 10


def splat(pixel: Floats, depth: Floats, size: int, step: float, reach: float) -> NDArray[np.bool_]:
    """Find the points that a camera sees, each covering what lies behind it within `reach`.

    Args:
        pixel: (N, 2) columns and rows in pixels.
        depth: (N,) distances in front of the camera.
        size: columns and rows of the image.
        step: width of a pixel, in the units of depth.
        reach: radius of what a point covers, in the units of depth.

    Returns:
        Whether each point (N,) lies in the image and is not hidden.
    """
    column, row = np.floor(np.clip(pixel, -1, size)).astype(np.int64).T  # (N,) each
    inside = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < size)
    at, depth = (row * size + column)[inside], depth[inside]
    buffer = np.full(size * size, np.inf)
    np.minimum.at(buffer, at, depth)
    rise = _SLOPE * step
    buffer = _spread(buffer.reshape(size, size), ceil(reach / step), rise).reshape(-1)
    seen = np.zeros(len(inside), bool)
    # The points of one pixel lie up to a pixel apart, so they may differ by as much as its rise.
    seen[inside] = depth <= buffer[at] + rise
    return seen


def gap(points: Floats) -> float:
    """How far apart the neighbours of a cloud (N, 3) are, measured at some of its points."""
    gaps = []
    columns = np.ascontiguousarray(points.T)  # (3, N)
    for point in points[:: ceil(len(points) / 32)]:
        x, y, z = columns - point[:, None]  # (N,) each
        squared = x * x + y * y + z * z
        # A point given twice is no neighbour of itself.
        squared = squared[squared > 0]
        if len(squared):
            nearest = min(_NEIGHBOUR, len(squared)) - 1
            gaps.append(np.partition(squared, nearest)[nearest])
    return float(np.sqrt(np.median(gaps)))


def _spread(buffer: Floats, reach: int, rise: float) -> Floats:
    """Let every depth of a buffer (R, R) cover the pixels around it.

    The cover runs away from the camera by `rise` a pixel, so that a surface which recedes no
    steeper hides none of itself.
    """
    for _ in range(reach):
        wide = np.pad(buffer, 1, constant_values=np.inf)
        beside = [wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]]
        across = [wide[:-2, :-2], wide[:-2, 2:], wide[2:, :-2], wide[2:, 2:]]
        near = np.minimum.reduce(beside) + rise
        buffer = np.minimum.reduce([buffer, near, np.minimum.reduce(across) + 2**0.5 * rise])
    return buffer
