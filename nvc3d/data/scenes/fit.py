"""Whether blocks are as wide as the unit of the scenes asks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.scenes.scene import Scene

TRIED = 32
"""Blocks that are looked at in each of the scenes looked at."""
SCENES = 3
"""How many scenes are looked at, and which is the least number of points that tells anything."""
LEAST = 64
HANDFUL = 16
"""Points of a block that are too few to tell what they are."""
LONELY = 2
"""Points of a block with which nothing can be learned."""
WIDE = 20
"""How many times as wide as a scene a block may be."""


def check_blocks(scenes: Sequence[Scene], size: float, points: int) -> None:
    """Look at some blocks of some of the scenes, whether they hold points enough.

    Warns where most hold a handful of points only, and where blocks are far wider than scenes;
    raises ValueError where most hold hardly more than the point that they are around. Both say
    what may be the unit, and which width would hold about `points`.
    """
    large = [scene for scene in scenes if scene.count >= LEAST]
    chosen = large[:: max(len(large) // SCENES, 1)][:SCENES]
    looks = [_look(scene, size) for scene in chosen]
    if not looks:
        return
    typical = float(np.median(np.concatenate([counts for counts, _ in looks])))
    extents = [extent for _, extent in looks]
    widest = max(float(extent[:2].max()) for extent in extents)
    told = " x ".join(f"{length:.4g}" for length in extents[0])
    if 0 < WIDE * widest < size:
        warnings.warn(
            f"blocks {size:g} wide are {size / widest:.0f} times as wide as the scenes ({told}), "
            "so each holds a whole scene: give their width in the unit of the scenes (--block)",
            stacklevel=4,
        )
    if typical > HANDFUL:
        return
    wanted = [
        sqrt(points * max(e[0], size) * max(e[1], size) / scene.count)
        for e, scene in zip(extents, chosen, strict=True)
    ]
    width = float(f"{min(float(np.median(wanted)), widest):.2g}")
    message = (
        f"most blocks {size:g} wide hold {typical:.0f} of the points of {chosen[0].path}, which is "
        f"{told}: the width of a block is in the unit of the scenes{_unit(extents[0])}; "
        f"--block {width:g} would hold about {points}"
    )
    if typical <= LONELY:
        raise ValueError(f"nothing can be learned from blocks of single points: {message}")
    warnings.warn(message, stacklevel=4)


def _look(scene: Scene, size: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many points blocks around some points hold (TRIED,), and the extent (3,) of the scene."""
    rows = np.random.default_rng(0).integers(scene.count, size=TRIED).tolist()
    middles = np.concatenate([scene.read(row, row + 1).points for row in rows])  # (TRIED, 3)
    counts = np.zeros(TRIED, np.int64)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for points, _ in scene.stretches():
        near = np.ones((TRIED, len(points)), bool)
        for axis in (0, 1):
            near &= np.abs(points[:, axis] - middles[:, axis, None].astype(float)) <= size / 2
        counts += near.sum(1)
        low, high = np.fmin(low, np.nanmin(points, 0)), np.fmax(high, np.nanmax(points, 0))
    return counts, high - low


def _unit(extent: NDArray[np.float64]) -> str:
    """What the height of a scene says of its unit, where it says anything."""
    if 500 <= extent[2] < 100_000:
        return ", which may be millimetres"
    if 50 <= extent[2] < 500:
        return ", which may be centimetres"
    return ", or its points lie far apart"
