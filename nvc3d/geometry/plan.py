"""A floor plan of planes: walls cut at about the height of a window, and what lies flat below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.outlines import Outline
from nvc3d.geometry.planes import Planes

Floats = NDArray[np.float64]

LEVEL = 20.0
"""Degrees from level, or from upright, up to which a plane is so."""
CUT, LOW = 0.45, 0.08
"""Heights at which walls are cut, from the floor to the top of the walls: about where windows are,
and where a door is open and a window is not."""

GAP = 0.08
"""An opening is as wide at least, by the height of the walls."""

SMALL = 0.01
"""What has less of the area of the largest that is upright, or level, is left out."""


class Wall(NamedTuple):
    """An upright plane, from above: stretches, each the two ends (2, 2), right and forward."""

    solid: tuple[Floats, ...]  # where it is cut
    window: tuple[Floats, ...]  # where it is there below alone, or below and above
    door: tuple[Floats, ...]  # where it is open at the floor, too, and there above
    low: tuple[Floats, ...]  # all of one that ends below the cut, as the side of a desk


class Plan(NamedTuple):
    """A floor plan, in the unit of the points."""

    walls: tuple[Wall, ...]
    flats: tuple[tuple[Floats, ...], ...]
    """polygons, the lowest first: of each the outer ring (n, 2) and its holes"""


def floor_plan(planes: Planes, outlines: Sequence[Outline], frame: Floats) -> Plan:
    """The plan of planes with their outlines; the rows of `frame` (3, 3) are right, forward, up."""
    turned = [
        [tuple(ring @ frame.T for ring in rings) for rings in outline.polygons]
        for outline in outlines
    ]
    rise = planes.normal @ frame[2]
    area = np.array([outline.area for outline in outlines])
    upright = _large(np.abs(rise) <= np.sin(np.radians(LEVEL)), area)
    level = _large(np.abs(rise) >= np.cos(np.radians(LEVEL)), area)
    flats = sorted(
        (polygon for number in level for polygon in turned[number]),
        key=lambda rings: float(rings[0][:, 2].mean()),
    )
    walls = [turned[number] for number in upright]
    low, high = _heights(flats, walls)
    cut, foot = low + CUT * (high - low), low + LOW * (high - low)
    gap = GAP * (high - low)
    below = [rings for rings in flats if not walls or rings[0][:, 2].mean() < cut]
    normals = [frame @ planes.normal[number] for number in upright]
    return Plan(
        tuple(
            _wall(own, normal, cut, foot, gap) for own, normal in zip(walls, normals, strict=True)
        ),
        tuple(tuple(ring[:, :2] for ring in rings) for rings in below),
    )


def _large(of_them: NDArray[np.bool_], area: Floats) -> NDArray[np.int64]:
    """The numbers of those that are not small."""
    largest = float(area[of_them].max(initial=0))
    return np.flatnonzero(of_them & (area >= SMALL * largest) & (area > 0))


def _heights(
    flats: list[tuple[Floats, ...]], walls: list[list[tuple[Floats, ...]]]
) -> tuple[float, float]:
    """That of the floor, and of the top of the walls."""
    tops = [float(rings[0][:, 2].max()) for wall in walls for rings in wall]
    feet = [float(rings[0][:, 2].min()) for wall in walls for rings in wall]
    floors = [float(rings[0][:, 2].mean()) for rings in flats]
    ends = [*tops, *feet, *floors]
    return (min(floors or ends or [0.0]), max(tops or ends or [0.0]))


def _wall(
    polygons: list[tuple[Floats, ...]], normal: Floats, cut: float, foot: float, gap: float
) -> Wall:
    along = np.array([-normal[1], normal[0]])
    along /= np.linalg.norm(along)
    across = np.array([along[1], -along[0]])
    rings = [ring for own in polygons for ring in own]
    off = float(np.mean(np.concatenate(rings)[:, :2] @ across))
    # (T, 3): along the wall, height.
    seen = [np.stack([ring[:, :2] @ along, ring[:, 2]], 1) for ring in rings]
    top = max(float(ring[:, 1].max()) for ring in seen)
    whole = _joined([(float(ring[:, 0].min()), float(ring[:, 0].max())) for ring in seen])
    solid = _slice(seen, cut)
    open_at = _wider(_without(whole, solid), gap)
    solid = _without(whole, open_at)
    door = _wider(_without(open_at, _slice(seen, foot)), gap)
    window = _wider(_without(open_at, door), gap)

    def ends(stretches: list[tuple[float, float]]) -> tuple[Floats, ...]:
        return tuple(
            np.stack([a * along + off * across, b * along + off * across]) for a, b in stretches
        )

    if top < cut:
        return Wall((), (), (), ends(whole))
    return Wall(ends(solid), ends(window), ends(door), ())


def _slice(rings: list[Floats], height: float) -> list[tuple[float, float]]:
    """Where a line at this height is in rings (n, 2) of places and heights."""
    at: list[float] = []
    for ring in rings:
        (a, low), (b, high) = ring.T, np.roll(ring, -1, 0).T
        over = (low > height) != (high > height)
        share = (height - low[over]) / (high[over] - low[over])
        at += (a[over] + share * (b[over] - a[over])).tolist()
    at.sort()
    return list(zip(at[::2], at[1::2], strict=True))


def _wider(stretches: list[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    return [(start, stop) for start, stop in stretches if stop - start >= gap]


def _joined(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    result: list[tuple[float, float]] = []
    for start, stop in sorted(stretches):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def _without(
    stretches: list[tuple[float, float]], gone: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    """What is left of stretches where others are not."""
    result = []
    for start, stop in stretches:
        for a, b in sorted(gone):
            if b <= start or a >= stop:
                continue
            if a > start:
                result.append((start, a))
            start = max(start, b)
        if start < stop:
            result.append((start, stop))
    return result
