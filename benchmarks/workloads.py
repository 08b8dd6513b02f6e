"""The clouds that the operators are timed on: (B, N, 3) float32, the same in every run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def _unit(batch: int, size: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, batch, size]).random((batch, size, 3))


def cube(batch: int, size: int, seed: int) -> np.ndarray:
    """Uniform in the unit cube."""
    return _unit(batch, size, seed)


def torus(batch: int, size: int, seed: int) -> np.ndarray:
    """A surface, with the noise of a sensor."""
    rng = np.random.default_rng([seed, batch, size])
    u, v = rng.random((2, batch, size)) * 2 * np.pi
    ring = 0.7 + 0.3 * np.cos(v)
    points = np.stack([ring * np.cos(u), ring * np.sin(u), 0.3 * np.sin(v)], -1)
    return points + rng.normal(scale=0.005, size=points.shape)


def cluster(batch: int, size: int, seed: int) -> np.ndarray:
    """Nine tenths of the points in a cluster a hundred-thousandth as wide as the cloud."""
    points = _unit(batch, size, seed)
    points[:, size // 10 :] = 0.3 + points[:, size // 10 :] * 1e-5
    return points


def identical(batch: int, size: int, seed: int) -> np.ndarray:
    """One point, again and again."""
    return np.full((batch, size, 3), 0.5)


def line(batch: int, size: int, seed: int) -> np.ndarray:
    """All points on one line."""
    return _unit(batch, size, seed)[..., :1] * np.array([1.0, 2.0, -1.0])


def grid(batch: int, size: int, seed: int) -> np.ndarray:
    """Integer coordinates: duplicates, and ties everywhere."""
    return np.floor(_unit(batch, size, seed) * size ** (1 / 3))


def large(batch: int, size: int, seed: int) -> np.ndarray:
    """A unit cube at a million: few distinct float32 coordinates are left."""
    return _unit(batch, size, seed) + 1e6


def small(batch: int, size: int, seed: int) -> np.ndarray:
    """A cube of a millionth."""
    return _unit(batch, size, seed) * 1e-6


HOSTILE: tuple[Callable[[int, int, int], np.ndarray], ...] = (
    cluster,
    identical,
    line,
    grid,
    large,
    small,
)


def clouds(kind: Callable[[int, int, int], np.ndarray], batch: int, size: int, seed: int) -> Tensor:
    return torch.from_numpy(kind(batch, size, seed).astype(np.float32))
