"""Clouds as another scan of the same shape might give them."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.camera import random_direction

Turn: TypeAlias = Literal["none", "vertical", "any"]
"""How clouds are turned: not at all, about z, or anyhow."""
SHRINK = 0.2
"""Largest part of its size that a cloud loses."""
JITTER = 0.01
"""Standard deviation of a coordinate; three of them are the most."""
SPARSE = 4
"""Of so many clouds of training, one is sparse: of two, whole clouds are told worse."""
LOST = 7 / 8
"""Largest part of its points that a sparse cloud loses."""
STREWN = 8
"""Of so many clouds of training, one has outliers: of four, whole clouds are told worse."""
OUTLIERS = 0.2
"""Largest part of its points that are outliers."""


def augment(
    points: NDArray[np.float32],
    count: int,
    rng: np.random.Generator,
    turn: Turn = "vertical",
    crop: float = 0.0,
) -> NDArray[np.float32]:
    """Crop a cloud (N, 3), thin it to `count` points, turn, shrink and jitter it.

    The crop cuts off, from a random side, up to that part of the points, as long as `count` remain.
    A cloud in the unit ball stays in the ball of radius 1 + 3 √3 JITTER.

    Raises:
        ValueError: fewer points than `count`.
    """
    if len(points) < count:
        raise ValueError(f"cannot thin {len(points)} points to {count}")
    if crop > 0:
        # Written out, as in DepthCamera: sines and matrix products differ from machine to machine.
        side = random_direction(rng)
        along = points[:, 0] * side[0] + points[:, 1] * side[1] + points[:, 2] * side[2]  # (N,)
        remain = max(count, round(len(points) * (1 - crop * rng.random())))
        points = points[np.argsort(along, kind="stable")[:remain]]
    return moved(points[rng.permutation(len(points))[:count]], rng, turn=turn)


def sparse(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A cloud (N, 3) as a coarser scanner might give it: one in SPARSE loses a random part of its
    points, up to LOST, and repeats the others to N, as `Cloud.sample` repeats few points.

    (The random input dropout of Qi, Yi, Su, Guibas, "PointNet++", NeurIPS 2017.)
    """
    lost = LOST * max(0.0, 1 - SPARSE * rng.random())
    left = max(1, round((1 - lost) * len(points)))
    return np.resize(points[rng.permutation(len(points))[:left]], points.shape)


def strewn(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A cloud (N, 3) in the unit ball as a faulty scan might give it: of one in STREWN a random
    part of the points, up to OUTLIERS, lie anywhere in the ball instead.

    (The "background noise" of Sun et al., "Benchmarking Robustness of 3D Point Cloud Recognition
    Against Common Corruptions", 2022.)
    """
    count = round(OUTLIERS * max(0.0, 1 - STREWN * rng.random()) * len(points))
    ways = rng.standard_normal((count, 3))
    ways *= np.cbrt(rng.random((count, 1))) / np.linalg.norm(ways, axis=1, keepdims=True)
    result = points.copy()
    result[rng.permutation(len(points))[:count]] = ways
    return result


def moved(
    points: NDArray[np.float32],
    rng: np.random.Generator,
    normals: NDArray[np.float32] | None = None,
    turn: Turn = "vertical",
) -> NDArray[np.float32]:
    """Turn, shrink and jitter a cloud (N, 3); normals (N, 3) are turned with it, in place."""
    rotation = _rotation(turn, rng)
    turned = _turned(points.astype(np.float64), rotation)
    if normals is not None:
        normals[:] = _turned(normals.astype(np.float64), rotation)
    jitter = np.clip(rng.standard_normal(turned.shape), -3, 3) * JITTER
    return ((1 - SHRINK * rng.random()) * turned + jitter).astype(np.float32)


def _turned(rows: NDArray[np.float64], rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = rows.T
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in rotation], axis=1)


def _rotation(turn: Turn, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random rotation (3, 3) of that kind."""
    if turn == "none":
        return np.eye(3)
    if turn == "vertical":
        x, y = _direction(2, rng)
        return np.array([[x, -y, 0.0], [y, x, 0.0], [0.0, 0.0, 1.0]])
    # A unit quaternion, evenly over all.
    w, x, y, z = _direction(4, rng)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _direction(dim: int, rng: np.random.Generator) -> list[float]:
    """A unit vector, evenly over all: by rejection, without sines."""
    while True:
        vector = (2 * rng.random(dim) - 1).tolist()
        radius = math.sqrt(sum(value * value for value in vector))
        if 0 < radius < 1:
            return [value / radius for value in vector]
