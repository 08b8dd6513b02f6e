"""The few surfaces that every built-in shape is made of, and the moves that put them in place.

The coordinates are x to the front, y to the left, z up. Faces turn their outer side
counter-clockwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from math import cos, radians, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.geometry.mesh import Mesh, doubled_area, normalise

Floats = NDArray[np.float64]
AXES = {"x": 0, "y": 1, "z": 2}


class Piece(NamedTuple):
    """One surface: vertices (V, 3) and faces (F, 3). Every move gives a new piece."""

    vertices: Floats
    faces: NDArray[np.int64]

    def move(self, x: float = 0, y: float = 0, z: float = 0) -> Piece:
        return Piece(np.add(self.vertices, (x, y, z)), self.faces)

    def stretch(self, x: float = 1, y: float = 1, z: float = 1) -> Piece:
        return Piece(self.vertices * (x, y, z), self.faces)

    def turn(self, axis: str, degrees: float) -> Piece:
        """Rotate about an axis through the origin, counter-clockwise seen from its tip."""
        i, j = (AXES[axis] + 1) % 3, (AXES[axis] + 2) % 3
        c, s = cos(radians(degrees)), sin(radians(degrees))
        vertices = self.vertices.copy()  # (V, 3)
        vertices[:, i] = c * self.vertices[:, i] - s * self.vertices[:, j]
        vertices[:, j] = s * self.vertices[:, i] + c * self.vertices[:, j]
        return Piece(vertices, self.faces)

    def mirror(self, axis: str) -> Piece:
        vertices = self.vertices.copy()  # (V, 3)
        vertices[:, AXES[axis]] *= -1
        # A mirror image turns every face inside out; the reversed order turns it back.
        return Piece(vertices, self.faces[:, ::-1])

    def both_sides(self) -> tuple[Piece, Piece]:
        """The piece and its mirror image on the other side, left and right."""
        return self, self.mirror("y")


class Parts:
    """Collects the pieces of one shape under the names of its parts."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.pieces: list[Piece] = []
        self.labels: list[int] = []

    def add(self, name: str, *pieces: Piece) -> None:
        self.pieces += pieces
        self.labels += [self.names.index(name)] * len(pieces)

    def mesh(self) -> Mesh:
        """All pieces as one normalised mesh, the same to the last bit on every machine."""
        vertices = np.concatenate([piece.vertices for piece in self.pieces])  # (V, 3)
        # Sines and cosines differ in the last bit between machines. After rounding, all that
        # follows is addition, multiplication, division and roots, which do not.
        vertices = np.round(vertices, 6) + 0.0  # (V, 3), adding 0 makes -0 and 0 one
        counts = [len(piece.vertices) for piece in self.pieces]
        sizes = [len(piece.faces) for piece in self.pieces]
        faces = np.concatenate([piece.faces for piece in self.pieces])  # (F, 3)
        faces = faces + np.repeat(np.cumsum([0, *counts[:-1]]), sizes)[:, None]
        labels = np.repeat(np.asarray(self.labels, np.int64), sizes)  # (F,)
        # Where a surface closes in a point, one of the two triangles of each quad is empty.
        solid = doubled_area(vertices, faces) > 0  # (F,)
        return normalise(Mesh(vertices, faces[solid], labels[solid], self.names))


def box(size: Sequence[float], centre: Sequence[float] = (0, 0, 0)) -> Piece:
    """A box of the given lengths along x, y and z."""
    return Piece(_CUBE * size + centre, _CUBE_FACES)


def loft(rings: ArrayLike, cap: bool = True, loop: bool = False) -> Piece:
    """The skin over a row of rings.

    Args:
        rings: (K, S, 3), each counter-clockwise as seen from the rings that follow it.
        cap: close the two ends.
        loop: join the last ring to the first.
    """
    rings = np.asarray(rings, np.float64)  # (K, S, 3)
    count, size, _ = rings.shape
    vertices = rings.reshape(-1, 3)
    if cap and not loop:
        vertices = np.concatenate([vertices, rings[:1].mean(1), rings[-1:].mean(1)])
    return Piece(vertices, _loft_faces(count, size, cap and not loop, loop))


def sheet(grid: ArrayLike) -> Piece:
    """A surface without thickness through a grid of points (K, S, 3)."""
    grid = np.asarray(grid, np.float64)
    return Piece(grid.reshape(-1, 3), _sheet_faces(*grid.shape[:2]))


def prism(outline: ArrayLike, height: float) -> Piece:
    """An outline (S, 2) in the x-y plane, counter-clockwise, raised from z = 0 to `height`."""
    outline = np.asarray(outline, np.float64)  # (S, 2)
    return loft([level(outline, 0), level(outline, height)])


def level(outline: ArrayLike, z: float) -> Floats:
    """An outline (S, 2) of the x-y plane put at height z: (S, 3)."""
    outline = np.asarray(outline, np.float64)
    return np.column_stack([outline, np.full(len(outline), z)])


def lathe(profile: ArrayLike, segments: int = 24, cap: bool = True) -> Piece:
    """A profile of (radius, z) pairs (K, 2), from the bottom up, turned about the z axis."""
    profile = np.asarray(profile, np.float64)  # (K, 2)
    rings = np.empty((len(profile), segments, 3))
    rings[..., :2] = profile[:, None, :1] * circle(segments)
    rings[..., 2] = profile[:, 1:]
    return loft(rings, cap)


def cylinder(radius: float, height: float, segments: int = 20) -> Piece:
    """A cylinder from z = 0 to `height`."""
    return lathe([(radius, 0), (radius, height)], segments)


def ball(radius: float, segments: int = 16) -> Piece:
    """A sphere about the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    return lathe(radius * np.column_stack([np.cos(angle), np.sin(angle)]), segments, cap=False)


def torus(radius: float, thickness: float, segments: int = 24) -> Piece:
    """A ring about the z axis; `thickness` is the radius of its section."""
    section = thickness * circle(10)[::-1] + (radius, 0)  # (10, 2)
    rings = np.empty((segments, 10, 3))
    rings[..., :2] = section[:, 0, None] * circle(segments)[:, None]
    rings[..., 2] = section[:, 1]
    return loft(rings, loop=True)


def rod(
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    end_radius: float | None = None,
    segments: int = 10,
) -> Piece:
    """A round bar from one point to another; 4 segments make it square."""
    radii = (radius, radius if end_radius is None else end_radius)
    axis = np.subtract(end, start)
    # Any direction that is not along the bar will do as a sideways reference.
    across = (0, 1, 0) if abs(axis[1]) < 0.9 * np.abs(axis).max() else (1, 0, 0)
    return tube([start, end], radii, across, segments)


def tube(
    path: ArrayLike,
    radius: ArrayLike,
    across: Sequence[float] = (0, 1, 0),
    segments: int = 10,
    flat: float = 1,
) -> Piece:
    """A round tube along a path.

    Args:
        path: (K, 3), all in one plane.
        radius: of the section, one number or one for each point of the path.
        across: the direction at right angles to the plane of the path.
        flat: width of the section along `across`, as a share of its width in the plane.
    """
    path = np.asarray(path, np.float64)  # (K, 3)
    along = np.gradient(path, axis=0)  # (K, 3)
    inward = _unit(np.cross(along, across))  # (K, 3)
    sideways = _unit(np.cross(along, inward))  # (K, 3)
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(path))[:, None, None]
    # Half a step of turn makes a tube of four segments a bar with level sides.
    turn = np.pi / segments if segments == 4 else 0.0
    c, s = _circle(segments, turn).T[..., None]  # (S, 1) each
    section = c * inward[:, None] + flat * s * sideways[:, None]  # (K, S, 3)
    return loft(path[:, None] + radii * section)


def rounded_box(
    size: Sequence[float], centre: Sequence[float] = (0, 0, 0), radius: float = 0.02
) -> Piece:
    """A box with round edges."""
    half = np.divide(size, 2)
    radius = min(radius, 0.98 * float(half.min()))
    side, bend = _rounded_corners()
    return loft(side * (half - radius) + bend * radius + centre)


def rounded_rectangle(width: float, depth: float, radius: float, per_corner: int = 4) -> Floats:
    """The outline (4 * per_corner, 2) of a rectangle with round corners about the origin."""
    side, bend = _rounded_outline(per_corner)
    return side * (width / 2 - radius, depth / 2 - radius) + bend * radius


def curve(points: ArrayLike, steps: int = 4, closed: bool = False) -> Floats:
    """A smooth curve (Catmull-Rom) through points (K, D), `steps` new points to each of them."""
    points = np.asarray(points, np.float64)  # (K, D)
    if closed:
        before, start, end, after = (np.roll(points, shift, 0) for shift in (1, 0, -1, -2))
    else:
        padded = np.concatenate(
            [2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]]
        )
        before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(steps) / steps)[:, None]  # (steps, 1)
    before, start, end, after = (p[:, None] for p in (before, start, end, after))  # (K, 1, D)
    bent = 2 * start + (end - before) * t
    bent = bent + (2 * before - 5 * start + 4 * end - after) * t**2
    bent = (bent + (3 * start - before - 3 * end + after) * t**3) / 2  # (K, steps, D)
    flat = bent.reshape(-1, points.shape[1])
    return flat if closed else np.concatenate([flat, points[-1:]])


def arc(radius: float, start: float, end: float, count: int) -> Floats:
    """Points (count, 2) of a circle about the origin, between two angles in degrees."""
    angle = np.radians(np.linspace(start, end, count))
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def circle(count: int) -> Floats:
    """The unit circle (count, 2), counter-clockwise."""
    return _circle(count, 0.0)


@cache
def _circle(count: int, turn: float) -> Floats:
    angle = np.arange(count) * (2 * np.pi / count) + turn
    return np.column_stack([np.cos(angle), np.sin(angle)])


@cache
def _rounded_outline(per_corner: int) -> tuple[Floats, Floats]:
    """For each point of a rounded rectangle, the corner it belongs to and its direction there."""
    angle = (np.arange(4)[:, None] + np.linspace(0, 1, per_corner)) * np.pi / 2  # (4, per_corner)
    side = np.repeat(np.array([(1.0, 1.0), (-1, 1), (-1, -1), (1, -1)]), per_corner, 0)
    return side, np.stack([np.cos(angle), np.sin(angle)], -1).reshape(-1, 2)


@cache
def _rounded_corners() -> tuple[Floats, Floats]:
    """The same for the rings (6, 12, 3) of a rounded box, from the bottom up."""
    side, bend = _rounded_outline(3)  # (12, 2) each
    rise = np.radians([-90, -45, 0, 0, 45, 90])[:, None, None]  # (6, 1, 1)
    up = np.repeat([-1.0, 1.0], 3)[:, None, None]  # (6, 1, 1)
    rings, points = np.ones((6, 1, 1)), np.ones((1, 12, 1))
    sides = np.concatenate([side * rings, up * points], -1)
    return sides, np.concatenate([np.cos(rise) * bend, np.sin(rise) * points], -1)


@lru_cache(maxsize=256)
def _loft_faces(count: int, size: int, cap: bool, loop: bool) -> NDArray[np.int64]:
    index = np.arange(count * size).reshape(count, size)
    lower = index if loop else index[:-1]  # (K, S)
    upper = np.roll(index, -1, 0) if loop else index[1:]
    faces = _quads(lower, np.roll(lower, -1, 1), np.roll(upper, -1, 1), upper)
    if cap:
        first, last = index[0], index[-1]  # (S,) each
        centre = np.full(size, count * size)
        bottom = np.stack([centre, np.roll(first, -1), first], -1)
        top = np.stack([centre + 1, last, np.roll(last, -1)], -1)
        faces = np.concatenate([faces, bottom, top])
    return faces


@lru_cache(maxsize=64)
def _sheet_faces(count: int, size: int) -> NDArray[np.int64]:
    index = np.arange(count * size).reshape(count, size)
    return _quads(index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1])


def _quads(*corners: NDArray[np.int64]) -> NDArray[np.int64]:
    a, b, c, d = (corner.reshape(-1) for corner in corners)
    return np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])


def _unit(vectors: Floats) -> Floats:
    length: Floats = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return vectors / length


_CUBE = np.array([(x, y, z) for z in (-0.5, 0.5) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
_CUBE_FACES = np.array(
    [
        *[(0, 2, 3), (0, 3, 1), (4, 5, 7), (4, 7, 6)],
        *[(0, 1, 5), (0, 5, 4), (2, 6, 7), (2, 7, 3)],
        *[(0, 4, 6), (0, 6, 2), (1, 3, 7), (1, 7, 5)],
    ],
    np.int64,
)
