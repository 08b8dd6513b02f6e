"""Clouds as another scan of the same shape might give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.camera import random_direction

CROP = 0.25
"""Largest share of the points that is cut off."""
SHRINK = 0.2
"""Largest part of its size that a cloud loses."""
JITTER = 0.01
"""Standard deviation of a coordinate; three of them are the most."""


def augment(
    points: NDArray[np.float32], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Crop a cloud (N, 3), thin it to `count` points, turn it about z, shrink and jitter it.

    The crop cuts off, from a random side, up to `CROP` of the points, as long as `count` remain.
    A cloud in the unit ball stays in the ball of radius 1 + 3 √3 JITTER.

    Raises:
        ValueError: fewer points than `count`.
    """
    if len(points) < count:
        raise ValueError(f"cannot thin {len(points)} points to {count}")
    # Written out, as in DepthCamera: sines and matrix products differ from machine to machine.
    side = random_direction(rng)
    along = points[:, 0] * side[0] + points[:, 1] * side[1] + points[:, 2] * side[2]  # (N,)
    remain = max(count, round(len(points) * (1 - CROP * rng.random())))
    kept = np.argsort(along, kind="stable")[:remain]
    return moved(points[kept[rng.permutation(remain)[:count]]], rng)


def moved(
    points: NDArray[np.float32],
    rng: np.random.Generator,
    normals: NDArray[np.float32] | None = None,
    turn: bool = True,
) -> NDArray[np.float32]:
    """Turn a cloud (N, 3) about z, if it is to be turned, shrink and jitter it; normals (N, 3) are
    turned with it, in place."""
    cosine, sine = _turn(rng) if turn else (1.0, 0.0)
    turned = _turned(points.astype(np.float64), cosine, sine)
    if normals is not None:
        normals[:] = _turned(normals.astype(np.float64), cosine, sine)
    jitter = np.clip(rng.standard_normal(turned.shape), -3, 3) * JITTER
    return ((1 - SHRINK * rng.random()) * turned + jitter).astype(np.float32)


def _turned(rows: NDArray[np.float64], cosine: float, sine: float) -> NDArray[np.float64]:
    x, y, z = rows.T
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, z], axis=1)


def _turn(rng: np.random.Generator) -> tuple[float, float]:
    """Cosine and sine of a random angle."""
    while True:
        x, y = 2 * rng.random(2) - 1
        radius = np.sqrt(x * x + y * y)
        if 0 < radius < 1:
            return x / radius, y / radius
