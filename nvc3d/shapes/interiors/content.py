"""What an interior consists of: a convex shell with flat things on its sides, boxes and balls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TYPES = (
    *("wall", "floor", "ceiling", "roof"),
    *("door", "window", "picture", "carpet"),
    "furniture",
)
"""What the planes of an interior are of. Doors, windows, pictures and carpets lie exactly on the
plane of what they are on."""


class Paint(NamedTuple):
    """Two colours (3,) from 0 to 1 in fields that take turns, and how wide and high those are in
    metres; infinite: the first alone."""

    first: tuple[float, float, float]
    second: tuple[float, float, float] = (0.0, 0.0, 0.0)
    width: float = np.inf
    height: float = np.inf


class Side(NamedTuple):
    """A side of the shell: outside is where normal · x > offset, in metres."""

    type: str
    normal: tuple[float, float, float]
    offset: float
    corner: tuple[float, float, float]  # from which u and v are counted
    along: tuple[float, float, float]  # of u, a unit vector on the side
    up: tuple[float, float, float]  # of v
    size: tuple[float, float]  # along u and v
    paint: Paint


class Flat(NamedTuple):
    """A rectangle on a side; without a type it is paint, and part of the side."""

    type: str | None
    side: int
    middle: tuple[float, float]  # u, v
    half: tuple[float, float]
    heading: tuple[float, float]  # cosine and sine of its turn on the side
    paint: Paint


class Box(NamedTuple):
    """A box, turned about z."""

    type: str
    middle: tuple[float, float, float]
    half: tuple[float, float, float]
    heading: tuple[float, float]
    paint: Paint


class Ball(NamedTuple):
    """An ellipsoid: in no plane."""

    middle: tuple[float, float, float]
    radii: tuple[float, float, float]
    paint: Paint


@dataclass(frozen=True, eq=False)
class Interior:
    """A room in metres, z up, with a corner of its floor at the origin.

    Its planes are numbered: sides, flats that have a type, then the six faces of each box, x, y and
    z, the lower before the higher.
    """

    size: tuple[float, float, float]
    sides: tuple[Side, ...]
    flats: tuple[Flat, ...]
    boxes: tuple[Box, ...]
    balls: tuple[Ball, ...]
    light: tuple[float, float, float]
    """toward the light, of length 1"""

    @property
    def first_face(self) -> int:
        """The number of the first box's first face."""
        return len(self.sides) + sum(flat.type is not None for flat in self.flats)

    def planes(self) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Normals (P, 3), offsets (P,) in metres and types (P,), indices into `TYPES`."""
        on = [*range(len(self.sides)), *(f.side for f in self.flats if f.type is not None)]
        normal = [self.sides[side].normal for side in on]
        offset = [self.sides[side].offset for side in on]
        types = [side.type for side in self.sides]
        types += [flat.type for flat in self.flats if flat.type is not None]
        for box in self.boxes:
            (c, s), (x, y, z) = box.heading, box.middle
            for axis, way in enumerate(((c, s, 0.0), (-s, c, 0.0), (0.0, 0.0, 1.0))):
                at = way[0] * x + way[1] * y + way[2] * z
                for sign in (-1, 1):
                    normal.append((sign * way[0], sign * way[1], sign * way[2]))
                    offset.append(sign * at + box.half[axis])
            types += [box.type] * 6
        numbers = np.array([TYPES.index(name) for name in types], np.int64)
        return np.array(normal, np.float64), np.array(offset, np.float64), numbers
