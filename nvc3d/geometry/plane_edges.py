"""Where two planes meet: stretches of lines along which both have points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.planes import Planes

Floats = NDArray[np.float64]

LEAST_ANGLE = 15.0
"""Degrees between two planes that meet."""
THROUGH = 0.15
"""A plane goes on beyond a line where it has more than this share of its points there."""


class Edge(NamedTuple):
    """A stretch of a line at which a plane ends, because another one begins."""

    start: Floats  # (3,)
    along: Floats  # (3,), of length 1
    length: float
    inward: Floats  # (3,), of length 1: from the line into the plane


class _Near(NamedTuple):
    """The points of a plane near the line."""

    place: Floats  # (n,) along the line
    off: Floats  # (n,) from the line, in the plane
    inward: Floats  # (3,): where `off` grows


def find_edges(points: Floats, planes: Planes, reach: Floats) -> list[list[Edge]]:
    """Of every plane the stretches at which it ends at another.

    Args:
        points: (N, 3).
        planes: their planes.
        reach: (N,) how far each may be from a line that it is taken to reach.
    """
    edges: list[list[Edge]] = [[] for _ in planes.offset]
    own = [np.flatnonzero(planes.instance == number) for number in range(len(edges))]
    sine_least = np.sin(np.radians(LEAST_ANGLE))
    for one in range(len(edges)):
        apart = points[own[one]] @ planes.normal[one + 1 :].T - planes.offset[one + 1 :]
        for other, off in enumerate(apart.T, one + 1):
            axis = np.cross(planes.normal[one], planes.normal[other])
            sine = float(np.linalg.norm(axis))
            if sine < sine_least:
                continue
            near = np.flatnonzero(np.abs(off) <= sine * reach[own[one]])
            if not len(near):
                continue
            beside = points[own[other]] @ planes.normal[one] - planes.offset[one]
            near_other = np.flatnonzero(np.abs(beside) <= sine * reach[own[other]])
            if not len(near_other):
                continue
            along = axis / sine
            here, there = own[one][near], own[other][near_other]
            mine = _near(points[here], off[near] / sine, along, planes.normal[one])
            its = _near(points[there], beside[near_other] / sine, along, planes.normal[other])
            noise = 3 * (planes.rms[one] + planes.rms[other]) / sine
            step = float(np.median(reach[np.concatenate([here, there])]))
            base = _on_both(planes, one, other)
            edges[one] += _stretches(mine, its, base, along, step, noise)
            edges[other] += _stretches(its, mine, base, along, step, noise)
    return edges


def _near(points: Floats, off: Floats, along: Floats, normal: Floats) -> _Near:
    inward = np.cross(normal, along)
    # Of the two directions the one in which the distance to the other plane grows.
    if (points @ inward - (points @ inward).mean()) @ (off - off.mean()) < 0:
        inward = -inward
    return _Near(points @ along, off, inward)


def _on_both(planes: Planes, one: int, other: int) -> Floats:
    """The point (3,) nearest to the origin that lies on both planes."""
    normals = planes.normal[[one, other]]
    return np.asarray(np.linalg.lstsq(normals, planes.offset[[one, other]], rcond=None)[0])


def _stretches(
    own: _Near, other: _Near, base: Floats, along: Floats, step: float, noise: float
) -> Iterator[Edge]:
    """Where a plane ends at the line and the other one is there."""
    first = min(own.place.min(), other.place.min())
    count = int((max(own.place.max(), other.place.max()) - first) / step) + 1
    here, there = (((near.place - first) / step).astype(np.int64) for near in (own, other))
    beyond = [
        np.bincount(here[side * own.off > noise], minlength=count).astype(float) for side in (1, -1)
    ]
    on_line = np.bincount(here[np.abs(own.off) <= noise], minlength=count)
    met = np.bincount(there, minlength=count) > 0
    for side, (mine, far) in ((1, beyond), (-1, beyond[::-1])):
        mine, far = _smooth(mine), _smooth(far)
        ends = met & (far <= THROUGH * mine) & (mine + on_line > 0) & (mine > 0)
        for start, stop in _runs(ends):
            inside = (here >= start) & (here < stop)
            if stop - start < 2 or inside.sum() < 2:
                continue
            low, high = own.place[inside].min(), own.place[inside].max()
            if high > low:
                yield Edge(base + low * along, along, float(high - low), side * own.inward)


def _smooth(counts: Floats) -> Floats:
    """Each with its two neighbours."""
    padded = np.pad(counts, 1)
    return np.asarray(padded[:-2] + padded[1:-1] + padded[2:])


def _runs(true: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """From where to where values (n,) are True, with single gaps closed."""
    closed = true.copy()
    closed[1:-1] |= true[:-2] & true[2:]
    change = np.flatnonzero(np.diff(np.concatenate([[0], closed.astype(np.int8), [0]])))
    return list(zip(change[::2].tolist(), change[1::2].tolist(), strict=True))
