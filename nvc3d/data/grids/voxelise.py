"""From a mesh or a cloud to the grid of its voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.mesh import Cloud, Shape

UNKNOWN = 255
"""The value of a voxel of which nothing is known."""
DRAWN = 8
"""Points drawn from a mesh for each voxel of the largest side's face: then hardly one is missed."""


def voxelise(
    shape: Shape, size: tuple[int, int, int], rng: np.random.Generator, classes: bool = False
) -> NDArray[np.uint8]:
    """The voxels (X, Y, Z) uint8 that a shape's surface passes through; the shape fills the grid.

    A cloud gives all of its points; of a mesh, points are drawn. With `classes` a voxel has the
    label of most of its points, plus 1; otherwise 1.

    Raises ValueError on labels above 253.
    """
    if isinstance(shape, Cloud):
        points, labels = shape.points, shape.labels
    else:
        points, labels = shape.sample(DRAWN * max(size) ** 2, rng)
    index = np.ravel_multi_index(tuple(place(points, size)[0].T), size)  # (N,)
    grid = np.zeros(size, np.uint8)
    if not classes or labels is None:
        grid.flat[index] = 1
        return grid
    if labels.max() >= UNKNOWN - 1:
        raise ValueError(f"labels must be at most {UNKNOWN - 2} in a grid, got {labels.max()}")
    pairs, counts = np.unique(np.stack([index, labels], 1), axis=0, return_counts=True)
    # The last one that is written stays: that of most points.
    order = np.argsort(counts, kind="stable")
    grid.flat[pairs[order, 0]] = pairs[order, 1] + 1
    return grid


def place(
    points: NDArray, size: tuple[int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """The voxels (N, 3) of points (N, 3) whose bounding box fills a grid, the corner of the grid
    (3,), and the side of a voxel."""
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    side = float(((high - low) / size).max())
    side = side if side > 0 else 1.0
    corner = (low + high) / 2 - side * np.asarray(size) / 2
    index = np.floor((points - corner) / side).astype(np.int64)
    # The far border belongs to the last voxel.
    return np.clip(index, 0, np.asarray(size) - 1), corner, side
