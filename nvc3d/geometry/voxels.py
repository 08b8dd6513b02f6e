"""Voxel grids as shapes, and shapes as voxel grids.

Voxel (i, j, k) of a grid fills the unit cube from (i, j, k) to (i + 1, j + 1, k + 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.geometry.mesh import Cloud, Mesh


def to_mesh(grid: ArrayLike) -> Mesh:
    """The surface of the occupied voxels: every face between an occupied and an empty voxel.

    Args:
        grid: (X, Y, Z) occupancy, see `occupied`.

    Returns:
        A closed mesh of two triangles a face, with its normals outwards, in voxel units.

    Raises:
        ValueError: the grid is no grid, or no voxel of it is occupied.
    """
    filled = np.pad(_not_empty(grid), 1)
    quads = []
    for axis in range(3):
        for side in (0, 1):
            neighbour = np.roll(filled, 1 - 2 * side, axis)
            cells = np.argwhere(filled & ~neighbour) - 1  # (Q, 3)
            quads.append(cells[:, None] + _corners(axis, side))  # (Q, 4, 3)
    corners = np.concatenate(quads)  # (Q, 4, 3)
    position = np.ravel_multi_index(tuple(corners.T), filled.shape).T  # (Q, 4)
    used = np.zeros(filled.size, bool)
    used[position] = True
    quad = (np.cumsum(used) - 1)[position]  # (Q, 4)
    vertices = np.stack(np.unravel_index(np.flatnonzero(used), filled.shape), 1).astype(float)
    return Mesh(vertices, np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]))


def to_cloud(grid: ArrayLike) -> Cloud:
    """The centres of the occupied voxels, in voxel units.

    Raises:
        ValueError: the grid is no grid, or fewer than two voxels of it are occupied.
    """
    return Cloud((np.argwhere(_not_empty(grid)) + 0.5).astype(np.float32))


def from_points(
    points: ArrayLike,
    resolution: int | tuple[int, int, int] = 32,
    origin: ArrayLike | None = None,
    size: float | None = None,
) -> NDArray[np.bool_]:
    """The voxels that hold at least one of the points.

    Args:
        points: (N, 3).
        resolution: voxels along each axis.
        origin: (3,) the lowest corner of the grid. Default: the grid is laid around the points'
            bounding box, as small as it can be with cubic voxels, and centred on it.
        size: edge of a voxel, given together with `origin`.

    Returns:
        (X, Y, Z) bool.

    Raises:
        ValueError: points of a wrong shape or not finite, all points the same and no `origin`, or
            points outside of the grid that was asked for.
    """
    xyz = np.asarray(points, np.float64)
    if xyz.ndim != 2 or xyz.shape[1] != 3 or len(xyz) == 0:
        raise ValueError(f"points must be (N, 3) with N > 0, got {xyz.shape}")
    if not np.isfinite(xyz).all():
        raise ValueError("points must be finite")
    shape = np.broadcast_to(np.asarray(resolution), 3)
    if shape.dtype.kind not in "iu" or (shape < 1).any():
        raise ValueError(f"resolution must be positive whole numbers, got {resolution}")
    if (origin is None) != (size is None):
        raise ValueError("origin and size are given together or not at all")
    if origin is None or size is None:
        low, high = xyz.min(0), xyz.max(0)
        size = float(((high - low) / shape).max())
        corner = (low + high) / 2 - size * shape / 2
        fitted = True
    else:
        corner, fitted = np.asarray(origin, np.float64), False
    if corner.shape != (3,) or not np.isfinite(corner).all() or not 0 < size < np.inf:
        raise ValueError(f"voxels need a positive edge and a corner (3,), got {size} and {corner}")
    where = (xyz - corner) / size  # (N, 3)
    outside = ((where < 0) | (where > shape)).any(1)
    if outside.any() and not fitted:
        raise ValueError(f"{outside.sum()} of {len(xyz)} points lie outside of the grid")
    # The highest border belongs to the last voxel; rounding may step over either border.
    index = np.clip(np.floor(where).astype(np.int64), 0, shape - 1)  # (N, 3)
    grid = np.zeros(tuple(shape), bool)
    grid[tuple(index.T)] = True
    return grid


def occupied(grid: ArrayLike) -> NDArray[np.bool_]:
    """Occupancy as bool: numbers above 0.5 are occupied, so counts and probabilities both work.

    Raises:
        ValueError: the grid is not (X, Y, Z), holds no numbers, or NaN.
    """
    array = np.asarray(grid)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"a voxel grid must be (X, Y, Z), got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"a voxel grid must be bool or numbers, got {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError("the voxel grid holds NaN")
    return array > 0.5 if array.dtype != bool else array


def _not_empty(grid: ArrayLike) -> NDArray[np.bool_]:
    filled = occupied(grid)
    if not filled.any():
        raise ValueError("no voxel is occupied")
    return filled


def _corners(axis: int, side: int) -> NDArray[np.int64]:
    """Corners (4, 3) of a unit cube's face, counter-clockwise as seen from outside."""
    corners = np.zeros((4, 3), np.int64)
    corners[:, axis] = side
    corners[:, (axis + 1) % 3] = (0, 1, 1, 0)
    corners[:, (axis + 2) % 3] = (0, 0, 1, 1)
    return corners if side == 1 else corners[::-1]
