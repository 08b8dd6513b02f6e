"""Where two planes meet: stretches of lines along which both have points."""

from __future__ import annotations

import math
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
    inward: Floats  # (3,), of length 1: where `off` grows


def find_edges(points: Floats, planes: Planes, reach: Floats) -> list[list[Edge]]:
    """Of every plane the stretches at which it ends at another.

    Args:
        points: (N, 3).
        planes: their planes.
        reach: (N,) how far each may be from a line that it is taken to reach.
    """
    edges: list[list[Edge]] = [[] for _ in planes.offset]
    own = [np.flatnonzero(planes.instance == number) for number in range(len(edges))]
    for one, other in _pairs(points, planes.normal, own, reach):
        cosine = float(planes.normal[one] @ planes.normal[other])
        sine = math.sqrt(1 - cosine * cosine)
        along = np.cross(planes.normal[one], planes.normal[other]) / sine
        noise = 3 * (planes.rms[one] + planes.rms[other]) / sine
        base = _on_both(planes, one, other)
        near, steps = [], []
        for plane, beyond in ((one, other), (other, one)):
            normal = planes.normal[beyond]
            off = (points[own[plane]] @ normal - planes.offset[beyond]) / sine
            there = np.abs(off) <= reach[own[plane]]
            inward = (normal - cosine * planes.normal[plane]) / sine
            near.append(_Near(points[own[plane][there]] @ along, off[there], inward))
            steps.append(reach[own[plane][there]])
        if all(map(len, steps)):
            step = float(np.median(np.concatenate(steps)))
            edges[one] += _stretches(near[0], near[1], base, along, step, noise)
            edges[other] += _stretches(near[1], near[0], base, along, step, noise)
    return edges


def _pairs(
    points: Floats, normal: Floats, own: list[NDArray[np.int64]], reach: Floats
) -> list[tuple[int, int]]:
    """Planes at an angle, near enough to each other to meet."""
    if not own:
        return []
    wide = np.array([reach[some].max() for some in own])[:, None]
    low = np.array([points[some].min(0) for some in own]) - wide
    high = np.array([points[some].max(0) for some in own]) + wide
    apart = ((low[:, None] > high) | (low > high[:, None])).any(-1)
    bent = np.abs(normal @ normal.T) <= math.cos(math.radians(LEAST_ANGLE))
    one, other = np.nonzero(np.triu(bent & ~apart, 1))
    return list(zip(one.tolist(), other.tolist(), strict=True))


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
