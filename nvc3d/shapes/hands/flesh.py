"""The shape of a flat hand around its bones: where space is flesh and where it is not."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.shapes.hands.cones import FINGERS, cones
from nvc3d.shapes.hands.skeleton import Skeleton, turns
from nvc3d.shapes.hands.vectors import dot

Floats = NDArray[np.float64]
Cone = tuple[Floats, Floats, float, float]
"""Two ends and the radii there."""

_IN_PALM, _AT_FINGERS = 0.16, 0.10  # of the hand's breadth: how far flesh fills corners


class Flesh:
    """How far points are from the skin of a flat hand, below 0 inside.

    The palm is a union of round cones whose corners are filled; each finger is one of its own,
    filled against the palm alone, so that neighbours never grow together.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._breadth = float(skeleton.base[1, 0] - skeleton.base[4, 0])
        flat = cones(skeleton, *turns(skeleton, torch.zeros_like(skeleton.girths)))
        every: list[Cone] = list(zip(*(part.numpy() for part in flat), strict=True))
        self._fingers = [every[i : i + 3] for i in range(0, FINGERS, 3)]
        self._palm = every[FINGERS:]

    @property
    def box(self) -> tuple[Floats, Floats]:
        """Two corners (3,) of a box with all of it well inside."""
        every = [cone for part in (self._palm, *self._fingers) for cone in part]
        low = np.min([np.minimum(a - r, b - s) for a, b, r, s in every], 0)
        high = np.max([np.maximum(a + r, b + s) for a, b, r, s in every], 0)
        room = 0.2 * self._breadth
        return low - room, high + room

    def __call__(self, points: Floats) -> Floats:
        """Of points (N, 3): (N,) in mm."""
        palm = _cone(points, self._palm[0])
        for cone in self._palm[1:]:
            palm = _filled(palm, _cone(points, cone), _IN_PALM * self._breadth)
        result = palm
        for finger in self._fingers:
            own = np.min([_cone(points, cone) for cone in finger], 0)
            result = np.minimum(result, _filled(palm, own, _AT_FINGERS * self._breadth))
        return np.asarray(result)


def _cone(points: Floats, cone: Cone) -> Floats:
    """The distance to a round cone, as near the surface as need be."""
    start, end, first, last = cone
    way = end - start
    away = points - start
    share = dot(away, way) / dot(way, way)
    share = np.asarray(share).clip(0, 1)
    away = away - share[:, None] * way
    return np.asarray(np.sqrt(dot(away, away)) - (first + share * (last - first)))


def _filled(a: Floats, b: Floats, reach: float) -> Floats:
    """The union of two, the corner between them filled where both are nearer than `reach`."""
    share = np.maximum(reach - np.abs(a - b), 0) / reach
    return np.asarray(np.minimum(a, b) - share * share * reach / 4)
