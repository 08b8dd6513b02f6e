"""Interiors, each made anew from a seed: the shell, what lies flat on it, and its light."""

from __future__ import annotations

import math

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.interiors.content import Flat, Interior, Paint, Side
from nvc3d.shapes.interiors.furnishing import Floor, furnished

_GAP = 0.12  # metres between two flat things, and to an edge
_TRIES = 12
_BEFORE_DOORS = 0.9  # metres that stay free
_WOOD = ((0.55, 0.36, 0.2), (0.4, 0.26, 0.15), (0.7, 0.52, 0.33), (0.3, 0.2, 0.14))
_DOORS = (*_WOOD, (0.9, 0.9, 0.88), (0.62, 0.64, 0.66), (0.35, 0.42, 0.5))


def make_interior(seed: int) -> Interior:
    """Make one furnished room of exact planes: the same seed gives the same room on every machine.

    Of three rooms one has a sloped roof. Doors stand on the floor and have the size of doors,
    windows are above it, pictures hang at the height of eyes, carpets lie on the floor: all are on
    the very plane of the wall or the floor, and differ in their colours alone. Some walls are
    painted in two colours, which makes no plane.
    """
    draw = Draw("interior", seed)
    size = (draw.between(3.0, 6.5), draw.between(2.8, 5.5), draw.between(2.4, 3.0))
    sides = _shell(draw, size)
    hung = _Hung(draw, sides)
    for number in draw.order(range(1, 5))[: draw.whole(1, 2)]:
        hung.door(number)
    if draw.chance(0.2):
        hung.dado(draw.between(0.8, 1.2))
    for _ in range(draw.whole(0, 3)):
        hung.window()
    for _ in range(draw.whole(1, 5)):
        hung.picture()
    for _ in range(draw.whole(0, 2)):
        hung.carpet()
    floor = Floor(size, tuple(_free(sides[flat.side], flat) for flat in hung.doors))
    boxes, balls = furnished(draw, floor)
    boxes = tuple(box for box in boxes if _under_roof(sides, box.middle, box.half))
    x, y = draw.between(-0.5, 0.5), draw.between(-0.5, 0.5)
    length = math.sqrt(x * x + y * y + 1)
    light = (x / length, y / length, 1 / length)
    return Interior(size, sides, tuple(hung.flats), boxes, balls, light)


def _shell(draw: Draw, size: tuple[float, float, float]) -> tuple[Side, ...]:
    """The floor, four walls, the ceiling, and in some rooms one or two slopes."""
    x, y, z = size
    wall = _wall_paint(draw)
    other = _wall_paint(draw) if draw.chance(0.35) else wall
    plain = draw.between(0.8, 0.97)
    white = Paint((plain, plain, plain - 0.02))
    right, ahead, up = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    origin = (0.0, 0.0, 0.0)
    sides = [
        Side("floor", (0.0, 0.0, -1.0), 0.0, origin, right, ahead, (x, y), _floor_paint(draw)),
        Side("wall", (-1.0, 0.0, 0.0), 0.0, origin, ahead, up, (y, z), other),
        Side("wall", (1.0, 0.0, 0.0), x, (x, 0.0, 0.0), ahead, up, (y, z), wall),
        Side("wall", (0.0, -1.0, 0.0), 0.0, origin, right, up, (x, z), wall),
        Side("wall", (0.0, 1.0, 0.0), y, (0.0, y, 0.0), right, up, (x, z), wall),
        Side("ceiling", up, z, (0.0, 0.0, z), right, ahead, (x, y), white),
    ]
    for number in ((1, 2), (1,), ())[min(draw.whole(0, 5), 2)]:
        knee, rise = draw.between(1.0, 1.6), draw.between(0.6, 1.3)
        length = math.sqrt(1 + rise * rise)
        away = 1.0 if number == 1 else -1.0
        start = 0.0 if number == 1 else x
        normal = (-away * rise / length, 0.0, 1 / length)
        offset = normal[0] * start + normal[2] * knee
        slope = (away / length, 0.0, rise / length)
        run = min((z - knee) / rise, 0.45 * x) * length
        corner = (start, 0.0, knee)
        sides.append(Side("roof", normal, offset, corner, ahead, slope, (y, run), white))
        sides[number] = sides[number]._replace(size=(y, knee))
    return tuple(sides)


def _free(side: Side, door: Flat) -> tuple[float, float, float, float]:
    """The part of the floor before a door: its lower and its higher x and y."""
    u, half = door.middle[0], door.half[0]
    x, y = (side.corner[i] + u * side.along[i] for i in range(2))
    if side.along[1]:
        return (x - _BEFORE_DOORS, y - half, x + _BEFORE_DOORS, y + half)
    return (x - half, y - _BEFORE_DOORS, x + half, y + _BEFORE_DOORS)


def _under_roof(
    sides: tuple[Side, ...], middle: tuple[float, ...], half: tuple[float, ...]
) -> bool:
    """Whether a box, however it is turned, is within all slopes."""
    reach = math.sqrt(half[0] * half[0] + half[1] * half[1])
    return all(
        side.normal[0] * middle[0]
        + abs(side.normal[0]) * reach
        + side.normal[2] * (middle[2] + half[2])
        <= side.offset
        for side in sides
        if side.type == "roof"
    )


class _Hung:
    """Flat things, none of them on another, each on a side that is large enough."""

    def __init__(self, draw: Draw, sides: tuple[Side, ...]) -> None:
        self.draw, self.sides = draw, sides
        self.flats: list[Flat] = []

    @property
    def doors(self) -> list[Flat]:
        return [flat for flat in self.flats if flat.type == "door"]

    def door(self, side: int) -> None:
        draw = self.draw
        half = (draw.between(0.38, 0.5), draw.between(0.97, 1.06))
        paint = Paint(draw.choice(_DOORS))
        self._put("door", [side], half, paint, v=(half[1], half[1]))

    def window(self) -> None:
        draw = self.draw
        half = (draw.between(0.35, 0.9), draw.between(0.4, 0.65))
        sky, frame = draw.between(0.7, 0.98), draw.between(0.4, 0.9)
        pane = draw.between(0.4, 0.7)
        paint = Paint((sky - 0.1, sky - 0.04, sky), (frame, frame, frame), pane, 2 * half[1])
        slopes = [i for i, side in enumerate(self.sides) if side.type == "roof"]
        low = draw.between(0.8, 1.0) + half[1]
        sides = slopes if slopes and draw.chance(0.5) else [1, 2, 3, 4]
        self._put("window", sides, half, paint, None if sides is slopes else (low, low))

    def picture(self) -> None:
        draw = self.draw
        half = (draw.between(0.25, 0.7), draw.between(0.2, 0.5))
        parts = draw.choice((1, 2, 3))
        fields = (2 * half[0] / parts, 2 * half[1] / parts)
        paint = Paint(_color(draw, 0.05, 0.9), _color(draw, 0.05, 0.9), *fields)
        middle = draw.between(1.35, 1.65)
        self._put("picture", [1, 2, 3, 4], half, paint, (middle, middle))

    def carpet(self) -> None:
        draw = self.draw
        half = (draw.between(0.6, 1.5), draw.between(0.5, 1.2))
        field = draw.between(0.1, 0.4)
        second = _color(draw, 0.1, 0.7)
        paint = Paint(_color(draw, 0.1, 0.7), second, *draw.choice(((field, 99.0), (99.0, 99.0))))
        x, y = draw.between(-1, 1), draw.between(0.1, 1)
        length = math.sqrt(x * x + y * y)
        turn = (y / length, x / length) if draw.chance(0.3) else (1.0, 0.0)
        self._put("carpet", [0], half, paint, None, turn)

    def dado(self, height: float) -> None:
        """Another colour of the lower part of all walls, beneath what hangs there."""
        paint = _wall_paint(self.draw)
        for side in range(1, 5):
            half = (self.sides[side].size[0] / 2, height / 2)
            self.flats.insert(0, Flat(None, side, half, half, (1.0, 0.0), paint))

    def _put(
        self,
        kind: str,
        sides: list[int],
        half: tuple[float, float],
        paint: Paint,
        v: tuple[float, float] | None,
        heading: tuple[float, float] = (1.0, 0.0),
    ) -> None:
        """Put a thing where there is room for it, its middle at a height from v[0] to v[1] where
        that is given; nowhere, if there is none."""
        c, s = abs(heading[0]), abs(heading[1])
        reach = (c * half[0] + s * half[1], s * half[0] + c * half[1])
        for _ in range(_TRIES):
            side = self.draw.choice(sides)
            wide, high = self.sides[side].size
            low, top = v or (reach[1] + _GAP, high - reach[1] - _GAP)
            if wide < 2 * (reach[0] + _GAP) or top < low or top + reach[1] + 0.05 > high:
                continue
            u = self.draw.between(reach[0] + _GAP, wide - reach[0] - _GAP)
            middle = (u, self.draw.between(low, top))
            if self._is_free(side, middle, reach):
                self.flats.append(Flat(kind, side, middle, half, heading, paint))
                return

    def _is_free(self, side: int, middle: tuple[float, float], reach: tuple[float, float]) -> bool:
        others = [flat for flat in self.flats if flat.side == side and flat.type is not None]
        for other in others:
            c, s = abs(other.heading[0]), abs(other.heading[1])
            own = (c * other.half[0] + s * other.half[1], s * other.half[0] + c * other.half[1])
            if all(abs(middle[i] - other.middle[i]) < reach[i] + own[i] + _GAP for i in (0, 1)):
                return False
        return True


def _color(draw: Draw, low: float, high: float) -> tuple[float, float, float]:
    return (draw.between(low, high), draw.between(low, high), draw.between(low, high))


def _wall_paint(draw: Draw) -> Paint:
    """Pale, with stripes in some rooms."""
    base = draw.between(0.6, 0.95)
    tint = [base - draw.between(0.0, 0.15) for _ in range(3)]
    first = (tint[0], tint[1], tint[2])
    if draw.chance(0.8):
        return Paint(first)
    darker = (tint[0] - 0.12, tint[1] - 0.1, tint[2] - 0.08)
    return Paint(first, darker, draw.between(0.1, 0.3), 99.0)


def _floor_paint(draw: Draw) -> Paint:
    """Boards, tiles, or one colour."""
    first = draw.choice((*_WOOD, (0.6, 0.6, 0.58), (0.45, 0.44, 0.42)))
    shift = draw.between(-0.08, 0.08)
    second = (first[0] + shift, first[1] + shift, first[2] + shift)
    return Paint(first, second, *draw.choice(((0.15, 99.0), (0.4, 0.4), (99.0, 99.0))))
