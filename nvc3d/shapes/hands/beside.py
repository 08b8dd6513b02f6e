"""What a camera sees beside a hand: the forearm, and a thing that is held."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nvc3d.shapes.hands.skeleton import Skeleton
from nvc3d.shapes.hands.vectors import dot, turned, unit
from nvc3d.shapes.hands.view import Solid

Floats = NDArray[np.float64]

_AROUND = 24  # points around what is turned
# Of a forearm, from the wrist on: how far along (times the hand's breadth), and half its width and
# its thickness there.
_FOREARM = (
    (-0.28, 0.12, 0.08),
    (-0.20, 0.30, 0.20),
    (-0.05, 0.43, 0.28),
    (0.20, 0.46, 0.31),
    (0.70, 0.46, 0.33),
    (1.60, 0.55, 0.42),
    (2.60, 0.66, 0.55),
    (3.60, 0.72, 0.62),
)
_BENDS, _LEANS = 50.0, 20.0  # degrees that a wrist bends and leans to either side
_LARGEST, _SMALLEST = 45.0, 8.0  # mm, half the width of a thing
_OFFSETS = (0.0, 15.0, 30.0, 45.0, 60.0, 75.0)  # mm before the palm where there may be room


def forearm(skeleton: Skeleton, rng: np.random.Generator) -> Solid:
    """The forearm of a hand whose wrist is at 0, in the hand's axes."""
    breadth = float(skeleton.base[1, 0] - skeleton.base[4, 0])
    bend, lean = np.radians((2 * rng.random(2) - 1) * [_BENDS, _LEANS])
    ends = int(rng.integers(5, len(_FOREARM) + 1))
    along, width, thickness = breadth * np.array(_FOREARM[:ends]).T
    vertices, faces = _lathe(along, width, thickness)
    x, y, z = vertices.T
    y, z = math.cos(bend) * y - math.sin(bend) * z, math.sin(bend) * y + math.cos(bend) * z
    x, y = math.cos(lean) * x - math.sin(lean) * y, math.sin(lean) * x + math.cos(lean) * y
    return np.round(np.stack([x, y, z], 1), 4) + 0.0, faces


def held_object(
    joints: Floats, middles: Floats, radii: Floats, rng: np.random.Generator
) -> list[Solid]:
    """A ball, a cylinder or a box that a hand holds, as large as there is room between the palm and
    the fingers, or before them; none where there is no room at all.

    Args:
        joints: (21, 3), of the hand.
        middles, radii: the balls that fill it, see `touch.balls`.
    """
    kind = int(rng.integers(3))
    share, size, tilt = rng.random(), rng.random(), 2 * rng.random(2) - 1
    axis = unit(np.array([1.0, 0.5 * tilt[0], 0.5 * tilt[1]]))
    start = joints[4] * 0.3 + joints[12] * 0.3 + joints[9] * (0.2 + 0.2 * share)
    start += joints[0] * (0.2 - 0.2 * share)
    for offset in _OFFSETS:
        centre = start + np.array([0.0, 0.0, offset])
        away = middles - centre
        if kind > 0:
            away = away - dot(away, axis)[:, None] * axis
        room = float((np.sqrt(dot(away, away)) - radii).min())
        if room >= _SMALLEST:
            break
    else:
        return []
    radius = min(room, _LARGEST)
    half = radius if kind == 0 else 25 + 60 * size
    vertices, faces = (_ball, _cylinder, _box)[kind](radius, half)
    side = unit(np.cross(axis, [0.0, 0.0, 1.0]))
    frame = np.stack([side, -axis, np.cross(axis, side)], 1)
    placed = turned(vertices, frame)
    return [(np.round(placed + centre, 4) + 0.0, faces)]


def _ball(radius: float, half: float) -> Solid:
    angle = np.linspace(0.15, math.pi - 0.15, 10)
    ring = radius * np.sin(angle)
    return _lathe(-half * np.cos(angle), ring, ring)


def _cylinder(radius: float, half: float) -> Solid:
    ring = np.full(2, radius)
    return _lathe(np.array([-half, half]), ring, ring)


def _box(radius: float, half: float) -> Solid:
    ring = np.full(2, radius)
    return _lathe(np.array([-half, half]), ring, ring, around=4)


def _lathe(along: Floats, width: Floats, thickness: Floats, around: int = _AROUND) -> Solid:
    """A closed solid of ellipses (or polygons) across -y: where along it each is, and its halves
    along x and z."""
    angle = 2 * math.pi * (np.arange(around) + 0.5) / around
    rings = np.stack(
        [
            width[:, None] * np.cos(angle),
            np.repeat(-along[:, None], around, 1),
            thickness[:, None] * np.sin(angle),
        ],
        -1,
    )  # (S, A, 3)
    last = len(along) * around
    vertices = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(1)])
    step = np.arange(around)
    following = (step + 1) % around
    faces = [np.stack([np.full(around, last), following, step], 1)]
    for ring in range(len(along) - 1):
        a, b = ring * around + step, ring * around + following
        faces += [np.stack([a, b, b + around], 1), np.stack([a, b + around, a + around], 1)]
    end = last - around
    faces.append(np.stack([np.full(around, last + 1), end + step, end + following], 1))
    return vertices, np.concatenate(faces)
