"""The outlines of planes: concave, with holes, straight where two planes meet.

A plane is where no empty disc fits that is about as wide as two gaps between its points (the alpha
hull: Edelsbrunner, Kirkpatrick, Seidel, "On the shape of a set of points in the plane", IEEE
Transactions on Information Theory 29(4), 1983). How wide that is follows how dense the points are
nearby. Where two planes end at the line in which they cut each other, both reach it exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d import ops
from nvc3d.geometry.contours import contours, is_simple, ring_area, simplified
from nvc3d.geometry.plane_edges import Edge, find_edges
from nvc3d.geometry.planes import Planes

Floats = NDArray[np.float64]

NEIGHBOURS = 12
"""Of a point, itself among them, whose distance is the radius of the disc."""
FINE = 0.4
"""Steps of the grid, by the radius."""
CELLS = 1000
"""Of the grid at most, along its longer side."""
ROUGH = 3.0
"""Spacings by which a border is uneven by chance."""
LEAST = 25.0
"""Squared spacings that a polygon or a hole has at least."""


class Outline(NamedTuple):
    """Where a plane is."""

    polygons: tuple[tuple[Floats, ...], ...]
    """rings (n, 3) on the plane, of each polygon the outer one, which goes round counter-clockwise
    where the normal looks at you, then its holes"""
    area: float


def find_outlines(points: NDArray[np.floating], planes: Planes) -> list[Outline]:
    """The outlines of the planes of points (N, 3), as `find_planes` gives them.

    Raises ValueError on points that are not those of the planes.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (len(planes.instance), 3):
        raise ValueError(f"points must be ({len(planes.instance)}, 3), got {points.shape}")
    if not len(planes.offset):
        return []
    centre = points.mean(0)
    moved = points - centre
    there = planes._replace(offset=planes.offset - planes.normal @ centre)
    flats = [
        _Flat.of(moved[there.instance == number], there.normal[number], there.offset[number])
        for number in range(len(there.offset))
    ]
    reach = np.zeros(len(points))
    for number, flat in enumerate(flats):
        reach[there.instance == number] = 1.8 * flat.radius + 2 * there.rms[number]
    edges = find_edges(moved, there, reach)
    return [_outline(flat, own, centre) for flat, own in zip(flats, edges, strict=True)]


class _Flat(NamedTuple):
    """The points of a plane on it."""

    origin: Floats  # (3,)
    axes: Floats  # (2, 3), of length 1
    places: Floats  # (n, 2)
    radius: Floats  # (n,) of the disc that must not be empty

    @classmethod
    def of(cls, points: Floats, normal: Floats, offset: float) -> _Flat:
        centre = points.mean(0)
        origin = centre - (centre @ normal - offset) * normal
        across = np.linalg.svd(points - centre, full_matrices=False)[2][0]
        across -= (across @ normal) * normal
        across /= np.linalg.norm(across)
        axes = np.stack([across, np.cross(normal, across)])
        places = (points - origin) @ axes.T
        return cls(origin, axes, places, _radius(places))

    @property
    def spacing(self) -> Floats:
        """(n,): the side of the square that is one point's share."""
        return self.radius * math.sqrt(math.pi / (NEIGHBOURS - 1))

    def flat(self, points: Floats) -> Floats:
        """Places (..., 2) of points (..., 3)."""
        return (points - self.origin) @ self.axes.T


def _radius(places: Floats) -> Floats:
    """Of each point (n,), by how far its neighbours are; never much less than is usual nearby."""
    k = min(NEIGHBOURS, len(places))
    near = _tensor(places)
    squared, index = ops.knn(near, near, k)
    own = squared[0, :, -1].sqrt().double().numpy()
    return np.asarray(own[index[0].numpy()].mean(1))


def _outline(flat: _Flat, edges: list[Edge], centre: Floats) -> Outline:
    spacing = float(np.median(flat.spacing))
    lines = [_Line.of(edge, flat) for edge in edges]
    rings = [simplified(ring, ROUGH * spacing) for ring in _closed(flat, lines)]
    rings = [_snapped(ring, lines, 1.5 * spacing) for ring in rings]
    rings = [ring for ring in rings if abs(ring_area(ring)) >= LEAST * spacing**2]
    outer = sorted((r for r in rings if ring_area(r) > 0), key=ring_area, reverse=True)
    holes: list[list[Floats]] = [[] for _ in outer]
    for hole in (ring for ring in rings if ring_area(ring) < 0):
        # In the smallest ring around it.
        around = [i for i, ring in enumerate(outer) if _contains(ring, hole[0])]
        if around:
            holes[around[-1]].append(hole)
    polygons = tuple(
        tuple(flat.origin + ring @ flat.axes + centre for ring in (one, *inside))
        for one, inside in zip(outer, holes, strict=True)
    )
    area = sum(map(ring_area, outer)) + sum(ring_area(ring) for own in holes for ring in own)
    return Outline(polygons, float(area))


class _Line(NamedTuple):
    """An edge on its plane."""

    start: Floats  # (2,)
    along: Floats  # (2,)
    length: float
    inward: Floats  # (2,)

    @classmethod
    def of(cls, edge: Edge, flat: _Flat) -> _Line:
        along, inward = flat.axes @ edge.along, flat.axes @ edge.inward
        return cls(flat.flat(edge.start), along, edge.length, inward)

    def seen(self, places: Floats) -> tuple[Floats, Floats]:
        """How far places (..., 2) are along it and inwards of it."""
        return (places - self.start) @ self.along, (places - self.start) @ self.inward

    def along_it(self, step: float) -> Floats:
        """Places (n, 2) on it, a step apart or less."""
        count = int(self.length / step) + 2
        return self.start + np.linspace(0, self.length, count)[:, None] * self.along


def _closed(flat: _Flat, lines: list[_Line]) -> list[Floats]:
    """The rings (n, 2) of the alpha hull, cut off at the lines."""
    spacing, radius = float(np.median(flat.spacing)), float(np.median(flat.radius))
    more = [line.along_it(spacing / 2) for line in lines]
    places = np.concatenate([flat.places, *more])
    reach = np.concatenate([flat.radius, *(np.full(len(own), radius) for own in more)])
    low, high = places.min(0) - 2 * reach.max(), places.max(0) + 2 * reach.max()
    step = max(FINE * float(np.quantile(flat.radius, 0.25)), float((high - low).max()) / CELLS)
    width, height = (int(extent / step) + 2 for extent in high - low)
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1) * step + low
    squared, nearest = ops.nearest(_tensor(grid.reshape(-1, 2)), _tensor(places))
    around = reach[nearest[0].numpy()].reshape(height, width)
    wide = around - squared[0].sqrt().double().numpy().reshape(height, width)
    rings = contours(wide)
    if not rings:
        return []
    border = np.concatenate(rings) * step + low
    squared, _ = ops.nearest(_tensor(grid.reshape(-1, 2)), _tensor(border))
    depth = squared[0].sqrt().double().numpy().reshape(height, width)
    # Half a spacing is left: points stand for what is around them.
    field = np.where(wide > 0, depth, -depth) - around * (1 - spacing / radius / 2)
    for line in lines:
        along, inward = line.seen(grid)
        near = (along >= -2 * radius) & (along <= line.length + 2 * radius)
        near &= inward >= -3 * radius
        field = np.where(near, np.minimum(field, inward), field)
    return [ring * step + low for ring in contours(field)]


def _snapped(ring: Floats, lines: list[_Line], within: float) -> Floats:
    """A ring (n, 2) with its corners near a line on it, and near two where those cut each other."""
    moved = ring.copy()
    for corner, place in enumerate(ring):
        near = []
        for line in lines:
            along, inward = line.seen(place)
            if abs(inward) <= within and -3 * within <= along <= line.length + 3 * within:
                near.append((abs(float(inward)), line))
        near.sort(key=lambda pair: pair[0])
        if not near:
            continue
        first = near[0][1]
        moved[corner] = place - first.seen(place)[1] * first.inward
        for _, second in near[1:]:
            normals = np.stack([first.inward, second.inward])
            if abs(np.linalg.det(normals)) > 0.2:
                offsets = [line.start @ line.inward for line in (first, second)]
                cut = np.linalg.solve(normals, offsets)
                if np.hypot(*(cut - place)) <= 4 * within:
                    moved[corner] = cut
                break
    moved = _without_straight(moved, within / 20)
    return moved if len(moved) >= 3 and is_simple(moved) else ring


def _without_straight(ring: Floats, within: float) -> Floats:
    """Without corners that are double, or lie between their neighbours."""
    while len(ring) > 3:
        before, after = np.roll(ring, 1, 0), np.roll(ring, -1, 0)
        along = after - before
        length = np.hypot(*along.T).clip(1e-300)
        off = np.abs(along[:, 0] * (ring - before)[:, 1] - along[:, 1] * (ring - before)[:, 0])
        double = np.hypot(*(ring - before).T) <= within
        straight = np.flatnonzero(double | (off / length <= within))
        if not len(straight):
            break
        ring = np.delete(ring, straight[0], 0)
    return ring


def _contains(ring: Floats, place: Floats) -> bool:
    """Whether a place (2,) lies in a ring (n, 2)."""
    x, y = (ring - place).T
    across = (y > 0) != (np.roll(y, -1) > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = x - y * (np.roll(x, -1) - x) / (np.roll(y, -1) - y)
    return bool((across & (cut > 0)).sum() % 2)


def _tensor(places: Floats) -> torch.Tensor:
    """Places (n, 2) as points (1, n, 3)."""
    return torch.from_numpy(np.pad(places, ((0, 0), (0, 1)))).float()[None]
