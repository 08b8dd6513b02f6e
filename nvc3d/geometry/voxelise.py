"""From a mesh or a cloud to the grid of its voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.mesh import Cloud, Mesh, Shape, doubled_area

UNKNOWN = 255
"""The value of a voxel of which nothing is known."""
DRAWN = 16
"""Points drawn from a mesh for each voxel's face of its area: then hardly a voxel is missed."""


def voxelise(
    shape: Shape, size: tuple[int, int, int], rng: np.random.Generator, classes: bool = False
) -> NDArray[np.uint8]:
    """The voxels (X, Y, Z) uint8 that a shape's surface passes through; the shape fills the grid.

    A cloud gives all of its points; of a mesh, points are drawn. With `classes` a voxel has the
    label of most of its points, plus 1; otherwise 1.

    Raises ValueError on labels above 253.
    """
    corner, side = place(shape, size)
    if isinstance(shape, Cloud):
        index, labels = cells(shape.points, corner, side, size), shape.labels
    else:
        mesh = Mesh((shape.vertices - corner) / side, shape.faces, shape.face_labels)
        area = doubled_area(mesh.vertices, mesh.faces).sum() / 2
        points, labels = mesh.sample(int(np.ceil(DRAWN * area)), rng)
        index = cells(points, np.zeros(3), 1, size)
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


def cells(
    points: NDArray[np.floating],
    corner: NDArray[np.float64],
    side: float,
    size: tuple[int, int, int],
) -> NDArray[np.int64]:
    """The number (N,) of the voxel that each of the points (N, 3) lies in, in a grid of `size`."""
    # The far border belongs to the last voxel.
    where = np.floor((points - corner) / side).astype(np.int64)
    where = np.clip(where, 0, np.asarray(size) - 1)
    index: NDArray[np.int64] = np.ravel_multi_index(tuple(where.T), size)
    return index


def place(shape: Shape, size: tuple[int, int, int]) -> tuple[NDArray[np.float64], float]:
    """The corner (3,) of the grid that a shape's bounding box fills, and the side of a voxel."""
    points = shape.points if isinstance(shape, Cloud) else shape.vertices[np.unique(shape.faces)]
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    side = float(((high - low) / size).max())
    return (low + high) / 2 - side * np.asarray(size) / 2, side
