"""What a depth camera or a scanner sees of an interior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.intrinsics import CAMERAS, Intrinsics
from nvc3d.shapes.interiors.casting import Hits, Integers, cast, paints
from nvc3d.shapes.interiors.content import TYPES, Floats, Interior
from nvc3d.shapes.interiors.measuring import measured

Sensor = Literal["camera", "scanner"]

CAMERA = CAMERAS["structure"].scaled(80, 60)
SCANNER = 70
"""Rows and columns of a scan, which looks everywhere."""
_TRIES = 30
_FREE = 0.35  # metres around a sensor
_WINDOW = TYPES.index("window")


@dataclass(frozen=True, eq=False)
class Sight:
    """What one look shows. Lengths are metres, the sensor is at 0, and z is up; of a camera y is
    forward, and it may be tilted.

    Args:
        points: (N, 3), as measured.
        colors: (N, 3) uint8.
        plane: (N,) the number of each point's plane, as the interior counts them; -1: none.
        normal: (P, 3) of the interior's planes, and offset: (P,): normal · x.
        types: (P,) indices into `TYPES`.
        depth: (height, width) of a camera, z as measured, 0 where nothing was seen; exact: likewise
            without faults. Of a scanner the distance.
        camera: of a camera.
    """

    points: Floats
    colors: NDArray[np.uint8]
    plane: Integers
    normal: Floats
    offset: Floats
    types: Integers
    depth: Floats
    exact: Floats
    camera: Intrinsics | None = None


def look(
    room: Interior, rng: np.random.Generator, sensor: Sensor = "camera", noise: bool = True
) -> Sight:
    """One look at an interior from a place in it: the same generator gives the same on every
    machine.

    Args:
        room: what is looked at.
        rng: where place, direction, noise and light come from.
        sensor: a depth camera of 80 x 60 pixels that looks across the room, or a scanner with 70 x
            70 rays in all directions.
        noise: errors that grow with the distance, holes, points between what is near and what is
            behind, windows that are not seen; else the depth is exact.
    """
    origin, heading = _place(room, rng)
    camera = CAMERA if sensor == "camera" else None
    if camera is None:
        frame, rays = _turn(*heading), _everywhere()
    else:
        frame, rays = _tilted(heading, rng), _through(camera)
    shape = rays.shape[1:]
    rays = rays.reshape(3, -1)
    hits = cast(room, origin, _applied(frame, rays))
    normal, offset, types = room.planes()
    own = _applied(np.moveaxis(frame, 0, 1), normal.T).T  # in the sensor's frame
    x, y, z = normal.T
    level = offset - (x * origin[0] + y * origin[1] + z * origin[2])
    exact = hits.distance.reshape(shape)
    depth, true = exact, np.ones(shape, bool)
    if noise:
        glass = (hits.plane >= 0) & (types[hits.plane] == _WINDOW)
        depth, true = measured(exact, glass.reshape(shape), rng)
    seen = np.flatnonzero(depth)
    away = depth.ravel()[seen]
    return Sight(
        points=(rays[:, seen] * away).T,
        colors=_colors(room, hits.of(seen), normal, rng),
        plane=np.where(true.ravel()[seen], hits.plane[seen], -1),
        normal=own,
        offset=level,
        types=types,
        depth=depth,
        exact=exact,
        camera=camera,
    )


def _place(room: Interior, rng: np.random.Generator) -> tuple[Floats, tuple[float, float]]:
    """Where a sensor can stand, and the direction, cosine and sine, of a place some way off."""
    size = np.array(room.size)
    for _ in range(_TRIES):
        at = size * (0.1 + 0.8 * rng.random(3))
        at[2] = 1.0 + 0.8 * rng.random()
        toward = size * (0.15 + 0.7 * rng.random(3)) - at
        away = float(np.sqrt(toward[0] * toward[0] + toward[1] * toward[1]))
        if away > 1.0 and _is_free(room, at):
            break
    return at, (float(toward[0]) / away, float(toward[1]) / away)


def _is_free(room: Interior, at: Floats) -> bool:
    x, y, z = at.tolist()
    for side in room.sides:
        if side.normal[0] * x + side.normal[1] * y + side.normal[2] * z > side.offset - _FREE:
            return False
    for box in room.boxes:
        c, s = box.heading
        u, v, w = x - box.middle[0], y - box.middle[1], z - box.middle[2]
        local = (abs(c * u + s * v), abs(c * v - s * u), abs(w))
        if all(own < half + _FREE for own, half in zip(local, box.half, strict=True)):
            return False
    return True


def _turn(c: float, s: float) -> Floats:
    """The axes of a sensor that looks along (c, s), as columns: right, forward, up."""
    return np.array([[s, c, 0.0], [-c, s, 0.0], [0.0, 0.0, 1.0]])


def _tilted(heading: tuple[float, float], rng: np.random.Generator) -> Floats:
    """The same of a camera that looks down or up a little, and is not quite level."""
    right, forward, up = _turn(*heading).T
    down, roll = (-0.45 + 0.6 * rng.random(), 0.1 * rng.random() - 0.05)
    length = np.sqrt(1 + down * down)
    forward, up = (forward + down * up) / length, (up - down * forward) / length
    length = np.sqrt(1 + roll * roll)
    right, up = (right + roll * up) / length, (up - roll * right) / length
    return np.stack([right, forward, up], 1)


def _through(camera: Intrinsics) -> Floats:
    """Rays (3, height, width) of the pixels, 1 long forward."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    return np.stack([(u - camera.cx) / camera.fx, np.ones_like(u), (camera.cy - v) / camera.fy])


def _everywhere() -> Floats:
    """Rays (3, SCANNER, SCANNER) of length 1 in all directions: a square, its corners folded to
    where its middle is not. (Meyer et al., "On Floating-Point Normal Vectors", EGSR 2010.)"""
    steps = (2 * np.arange(SCANNER) + 1) / SCANNER - 1
    x, y = np.meshgrid(steps, steps)
    z = 1 - np.abs(x) - np.abs(y)
    folded = (1 - np.abs(y)) * np.sign(x), (1 - np.abs(x)) * np.sign(y)
    x, y = np.where(z < 0, folded[0], x), np.where(z < 0, folded[1], y)
    return np.stack([x, y, z]) / np.sqrt(x * x + y * y + z * z)


def _applied(frame: Floats, rows: Floats) -> Floats:
    """The matrix (3, 3) times vectors (3, N), written out: see `casting`."""
    x, y, z = rows
    return np.stack([own[0] * x + own[1] * y + own[2] * z for own in frame])


def _colors(
    room: Interior, hits: Hits, normal: Floats, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The colours (N, 3) of what is met: its paint, by how it faces the light, by the camera."""
    every = paints(room)
    first, second = (np.array([paint[i] for paint in every])[hits.paint] for i in range(2))
    fields = np.array([paint[2:] for paint in every])[hits.paint]  # (N, 2)
    turn = np.floor(hits.place[0] / fields[:, 0]) + np.floor(hits.place[1] / fields[:, 1])
    color = np.where((turn % 2 == 1)[:, None], second, first)
    facing = np.abs(
        normal[:, 0] * room.light[0] + normal[:, 1] * room.light[1] + normal[:, 2] * room.light[2]
    )
    shade = np.where(hits.plane >= 0, 0.65 + 0.35 * facing[hits.plane], 0.8)
    gain = 0.85 + 0.25 * rng.random(3)
    grain = 0.02 * rng.standard_normal(color.shape)
    return np.rint(255 * (color * shade[:, None] * gain + grain).clip(0, 1)).astype(np.uint8)
