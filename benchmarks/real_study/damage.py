"""Clouds as other sensors and programs would give them: few points, noise, parts missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.geometry.mesh import Cloud, normalise
from nvc3d.tasks.task import Batch

Points = NDArray[np.float32]
Damage = Callable[[Points, np.random.Generator], Points]
"""(points (N, 3) in the unit ball, random numbers) -> points (M, 3)"""

FEW = 128
NOISE = 0.02
OUTLIERS = 0.1
MISSING = 0.25


def few(points: Points, rng: np.random.Generator) -> Points:
    """FEW of them."""
    return points[rng.permutation(len(points))[:FEW]]


def noisy(points: Points, rng: np.random.Generator) -> Points:
    """Each moved by Gaussian noise, of NOISE along each axis."""
    return (points + NOISE * rng.standard_normal(points.shape)).astype(np.float32)


def strewn(points: Points, rng: np.random.Generator) -> Points:
    """A share of them, OUTLIERS, anywhere in the unit ball instead."""
    count = round(OUTLIERS * len(points))
    ways = rng.standard_normal((count, 3))
    ways *= rng.random((count, 1)) ** (1 / 3) / np.linalg.norm(ways, axis=1, keepdims=True)
    kept = points[rng.permutation(len(points))[count:]]
    return np.concatenate([kept, ways.astype(np.float32)])


def cut(points: Points, rng: np.random.Generator) -> Points:
    """Without a share of them, MISSING, those farthest along some direction."""
    along = points @ rng.standard_normal(3)
    return points[np.argsort(along, kind="stable")[: len(points) - round(MISSING * len(points))]]


DAMAGES: dict[str, Damage] = {
    f"{FEW} points": few,
    f"noise of {NOISE}": noisy,
    f"{OUTLIERS:.0%} outliers": strewn,
    f"{MISSING:.0%} missing": cut,
}


def damaged(batch: Batch, damage: Damage, rng: np.random.Generator) -> Batch:
    """A batch whose clouds (B, N, 3) are damaged, and made ready as any user's cloud is: put into
    the unit ball, and N points drawn."""
    clouds = batch["points"].numpy()
    ready = [normalise(Cloud(damage(points, rng))).sample(len(points), rng)[0] for points in clouds]
    return batch | {"points": torch.from_numpy(np.stack(ready).astype(np.float32))}
