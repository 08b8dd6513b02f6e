"""Where rays meet an interior first. All is written out: a matrix product rounds differently from
machine to machine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.shapes.interiors.content import Ball, Box, Floats, Interior, Paint

Integers = NDArray[np.int64]

_ALMOST = 1e-12  # for the direction of a ray along an axis that it does not move along


class Hits(NamedTuple):
    """What rays (N,) meet."""

    distance: Floats  # (N,): in lengths of the ray's direction
    plane: Integers  # (N,): its number, -1 for a ball
    paint: Integers  # (N,): the number of its paint among `paints`
    place: Floats  # (2, N): where on the paint, in metres

    def of(self, rays: Integers) -> Hits:
        """Those of some of the rays."""
        return Hits(self.distance[rays], self.plane[rays], self.paint[rays], self.place[:, rays])


def paints(room: Interior) -> list[Paint]:
    """Those of the sides, the flats, the boxes and the balls."""
    every = (room.sides, room.flats, room.boxes, room.balls)
    return [thing.paint for things in every for thing in things]


def cast(room: Interior, origin: Floats, rays: Floats) -> Hits:
    """What rays (3, N) meet from an origin (3,) within the shell."""
    hits = _on_shell(room, origin, rays)
    first = len(room.sides) + len(room.flats)
    if room.boxes:
        hits = _nearer(hits, _on_boxes(room.boxes, room.first_face, first, origin, rays))
    if room.balls:
        hits = _nearer(hits, _on_balls(room.balls, first + len(room.boxes), origin, rays))
    return hits


def _nearer(one: Hits, other: Hits) -> Hits:
    nearer = other.distance < one.distance
    return Hits(*(np.where(nearer, b, a) for a, b in zip(one, other, strict=True)))


def _on_shell(room: Interior, origin: Floats, rays: Floats) -> Hits:
    normal = np.array([side.normal for side in room.sides])  # (S, 3)
    offset = np.array([side.offset for side in room.sides])
    away = offset - _dot(normal.T, origin)
    toward = _dot(normal.T[:, :, None], rays[:, None, :])  # (S, N)
    with np.errstate(divide="ignore"):
        distances = np.where(toward > 0, away[:, None] / toward, np.inf)
    side = distances.argmin(0)
    distance = np.take_along_axis(distances, side[None], 0)[0]
    frames = np.array([(own.along, own.up, own.corner) for own in room.sides])[side]  # (N, 3, 3)
    along, up, corner = np.moveaxis(frames, (0, 1, 2), (2, 0, 1))  # (3, N) each
    from_corner = origin[:, None] + distance * rays - corner
    place = np.stack([_dot(along, from_corner), _dot(up, from_corner)])
    plane, paint = side.copy(), side.copy()
    number = len(room.sides)
    for turn, flat in enumerate(room.flats):
        on = np.flatnonzero(side == flat.side)
        u, v = place[0, on] - flat.middle[0], place[1, on] - flat.middle[1]
        c, s = flat.heading
        inside = (np.abs(c * u + s * v) <= flat.half[0]) & (np.abs(c * v - s * u) <= flat.half[1])
        paint[on[inside]] = len(room.sides) + turn
        if flat.type is not None:
            plane[on[inside]] = number
            number += 1
    return Hits(distance, plane, paint, place)


def _on_boxes(boxes: tuple[Box, ...], first: int, paint: int, origin: Floats, rays: Floats) -> Hits:
    half = np.array([box.half for box in boxes]).T  # (3, K)
    c, s = np.array([box.heading for box in boxes]).T  # (K,) each
    away = np.array([box.middle for box in boxes]).T - origin[:, None]
    box, ray = _near(away, np.sqrt(_dot(half, half)), rays)  # (P,) each
    c, s, (x, y, z), (dx, dy, dz) = c[box], s[box], away[:, box], rays[:, ray]
    at = -np.stack([c * x + s * y, c * y - s * x, z])  # (3, P): in the box's own axes
    way = np.stack([c * dx + s * dy, c * dy - s * dx, dz])
    inverse = 1 / np.where(way == 0, _ALMOST, way)
    middle, reach = -at * inverse, half[:, box] * np.abs(inverse)
    entries = middle - reach
    axis = entries.argmax(0)
    enters = np.take_along_axis(entries, axis[None], 0)[0]
    met = np.flatnonzero((enters <= (middle + reach).min(0)) & (enters > 0))
    # The nearest of each ray, the first on ties.
    met = met[np.lexsort((enters[met], ray[met]))]
    met = met[np.unique(ray[met], return_index=True)[1]]
    box, ray, axis, enters = box[met], ray[met], axis[met], enters[met]
    at, way = at[:, met], way[:, met]
    own = np.arange(len(met))
    local = at + enters * way
    across, up = np.where(axis == 0, 1, 0), np.where(axis == 2, 1, 2)
    count = rays.shape[1]
    hits = Hits(
        np.full(count, np.inf),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros((2, count)),
    )
    hits.distance[ray] = enters
    hits.plane[ray] = first + 6 * box + 2 * axis + (way[axis, own] < 0)
    hits.paint[ray] = paint + box
    hits.place[:, ray] = local[across, own], local[up, own]
    return hits


def _near(away: Floats, radius: Floats, rays: Floats) -> tuple[Integers, Integers]:
    """Pairs of spheres, their middles (3, K) from where rays (3, N) begin, and rays that may meet
    them: (P,) each."""
    along = _dot(away[:, :, None], rays[:, None, :])  # (K, N)
    outside = np.maximum(_dot(away, away) - radius * radius, 0)[:, None]
    close = (along > 0) & (along * along >= outside * _dot(rays, rays) * (1 - _ALMOST))
    close |= outside == 0
    sphere, ray = np.nonzero(close)
    return sphere, ray


def _on_balls(balls: tuple[Ball, ...], paint: int, origin: Floats, rays: Floats) -> Hits:
    radii = np.array([ball.radii for ball in balls]).T  # (3, B)
    at = (origin[:, None] - np.array([ball.middle for ball in balls]).T) / radii
    way = rays[:, None, :] / radii[:, :, None]  # (3, B, N)
    a, b = _dot(way, way), _dot(way, at[:, :, None])
    inside = b * b - a * (_dot(at, at) - 1)[:, None]
    near = (-b - np.sqrt(np.maximum(inside, 0))) / a
    distances = np.where((inside > 0) & (near > 0), near, np.inf)
    ball = distances.argmin(0)
    distance = np.take_along_axis(distances, ball[None], 0)[0]
    nowhere = np.zeros((2, rays.shape[1]))
    return Hits(distance, np.full(len(distance), -1), paint + ball, nowhere)


def _dot(one: Floats, other: Floats) -> Floats:
    """Along the first axis, of length 3."""
    return np.asarray(one[0] * other[0] + one[1] * other[1] + one[2] * other[2])
