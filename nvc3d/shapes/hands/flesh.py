"""The shape of a flat hand around its bones: where space is flesh and where it is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.shapes.hands.people import TIP
from nvc3d.shapes.hands.skeleton import Skeleton
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
        base, along = skeleton.base.numpy(), skeleton.frames.numpy()[:, :, 1]
        self._breadth = float(base[1, 0] - base[4, 0])
        lengths, girths = skeleton.lengths.numpy(), skeleton.girths.numpy()
        self._fingers = [
            _finger(*values) for values in zip(base, along, lengths, girths, strict=True)
        ]
        self._palm = _palm(base, along, lengths, girths)

    @property
    def box(self) -> tuple[Floats, Floats]:
        """Two corners (3,) of a box with all of it well inside."""
        cones = [cone for part in (self._palm, *self._fingers) for cone in part]
        low = np.min([np.minimum(a - r, b - s) for a, b, r, s in cones], 0)
        high = np.max([np.maximum(a + r, b + s) for a, b, r, s in cones], 0)
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


def _finger(base: Floats, along: Floats, lengths: Floats, girths: Floats) -> list[Cone]:
    """Its three bones; the last ends where its skin is to end."""
    reach = np.cumsum([0.0, *lengths])
    reach[3] += TIP - girths[3]
    places = base + reach[:, None] * along
    return [(places[i], places[i + 1], girths[i], girths[i + 1]) for i in range(3)]


def _palm(base: Floats, along: Floats, lengths: Floats, girths: Floats) -> list[Cone]:
    """Wrist and metacarpals, the ball of the thumb and that of the little finger, and the webs."""
    breadth = base[1, 0] - base[4, 0]
    wrist = [np.array([x, 0.06, 0.0]) * breadth for x in (0.24, 0.06, -0.10, -0.25)]
    metacarpals: list[Cone] = [
        (start, end, 0.25 * breadth, 1.16 * girth)
        for start, end, girth in zip(wrist, base[1:], girths[1:, 0], strict=True)
    ]
    beyond = base + 0.30 * lengths[:, :1] * along
    webs: list[Cone] = [
        (beyond[i], beyond[i + 1], 0.75 * girths[i, 0], 0.75 * girths[i + 1, 0])
        for i in range(1, 4)
    ]
    pad = np.array([0.0, -0.14, 0.05]) * breadth
    thumb = base[0] + 0.75 * lengths[0, 0] * along[0]
    index = base[0] + 0.75 * (base[1] - base[0])
    little = base[4] + np.array([0.0, -0.25, 0.12]) * breadth
    return [
        *metacarpals,
        *webs,
        (base[1] + pad, base[4] + pad, 0.19 * breadth, 0.16 * breadth),
        (base[0] * [0.9, 1.6, 1.6], thumb, 0.24 * breadth, 0.17 * breadth),
        (wrist[3] + np.array([0, 0.25, 0.08]) * breadth, little, 0.2 * breadth, 0.16 * breadth),
        (thumb, index, 0.10 * breadth, 0.10 * breadth),
    ]


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
