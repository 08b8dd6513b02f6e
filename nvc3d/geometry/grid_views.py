"""What a single look at a grid shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.geometry.voxelise import UNKNOWN


def look(grid: NDArray, towards: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What an orthographic depth camera, far away in the direction `towards` (3,), tells of a grid
    (X, Y, Z).

    Pixels are as wide as a voxel. Of the occupied voxels whose centres lie in a pixel those are
    seen that lie at most a voxel behind the nearest; the voxels before it, and all those of a
    pixel without any, are known to be free. Unknown voxels (255) are neither.

    Returns:
        seen and free, (X, Y, Z) each; seen ones are occupied and free ones are empty.

    Raises:
        ValueError: a direction without length, or not finite.
    """
    away = np.asarray(towards, np.float64)
    length = float(np.linalg.norm(away))
    if away.shape != (3,) or not 0 < length < np.inf:
        raise ValueError(f"towards must be a finite direction (3,), got {towards!r}")
    away = away / length
    # The axis that the direction is least along gives the plane of the image.
    right = np.cross(away, np.eye(3)[np.abs(away).argmin()])
    right /= np.linalg.norm(right)
    up = np.cross(away, right)
    x, y, z = (np.arange(n) for n in grid.shape)

    def along(axis: NDArray) -> NDArray[np.float64]:
        """How far the centres of all voxels lie along an axis, (X, Y, Z)."""
        return np.asarray(
            axis[0] * x[:, None, None] + axis[1] * y[:, None] + axis[2] * z, np.float64
        )

    column, row, near = (along(axis) for axis in (right, up, away))
    column, row = np.floor(column - column.min()), np.floor(row - row.min())
    pixel = (row * (column.max() + 1) + column).astype(np.int64)  # (X, Y, Z)
    occupied = grid > 0
    nearest = np.full(int(pixel.max()) + 1, -np.inf)
    np.maximum.at(nearest, pixel[occupied], near[occupied])
    first = nearest[pixel]  # (X, Y, Z)
    seen = occupied & (grid != UNKNOWN) & (near >= first - 1)
    return seen, near > first
