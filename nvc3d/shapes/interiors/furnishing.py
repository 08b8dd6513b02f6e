"""What stands in an interior: furniture of boxes, and clutter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.interiors.content import Ball, Box, Paint

Part = tuple[tuple[float, float, float], tuple[float, float, float]]
"""The lower corner and the sizes of a box of a piece: its back is at y = 0, its middle at x = 0."""

_GAP = 0.05
_TRIES = 10
_FROM_WALL = 0.02
_COLORS = (
    *((0.5, 0.33, 0.2), (0.72, 0.55, 0.36), (0.9, 0.9, 0.9), (0.25, 0.25, 0.27)),
    *((0.3, 0.4, 0.55), (0.55, 0.25, 0.22), (0.35, 0.5, 0.36), (0.68, 0.66, 0.6)),
)


@dataclass
class Floor:
    """The floor of a room, and which parts of it are taken."""

    size: tuple[float, float, float]
    taken: tuple[tuple[float, float, float, float], ...] = ()
    pieces: list[tuple[float, float, float, float]] = field(default_factory=list)

    def takes(self, x: float, y: float, across: float, ahead: float) -> bool:
        """Whether there is room for a piece with its middle there; it takes it then."""
        own = (x - across, y - ahead, x + across, y + ahead)
        if own[0] < 0 or own[1] < 0 or own[2] > self.size[0] or own[3] > self.size[1]:
            return False
        for low_x, low_y, high_x, high_y in (*self.taken, *self.pieces):
            apart = own[0] > high_x + _GAP or own[2] < low_x - _GAP
            if not (apart or own[1] > high_y + _GAP or own[3] < low_y - _GAP):
                return False
        self.pieces.append(own)
        return True


def furnished(draw: Draw, floor: Floor) -> tuple[tuple[Box, ...], tuple[Ball, ...]]:
    """Furniture at the walls and within the room, and clutter on it and beside."""
    boxes: list[Box] = []
    balls: list[Ball] = []
    if draw.chance(0.25):
        boxes += _corner(draw, floor)
    for make in draw.order((_wardrobe, _shelf, _bed, _sofa, _sideboard))[: draw.whole(1, 4)]:
        boxes += _placed(draw, floor, make(draw), at_wall=True)
    for make in draw.order((_table, _table, _chair, _chair, _crate))[: draw.whole(1, 4)]:
        boxes += _placed(draw, floor, make(draw), at_wall=False)
    tops = [box for box in boxes if 0.4 < box.middle[2] + box.half[2] < 1.0 and box.half[0] > 0.3]
    for top in tops:
        for _ in range(draw.whole(0, 2)):
            _clutter(draw, top, boxes, balls)
    for _ in range(draw.whole(0, 2)):
        balls += _plant(draw, floor)
    return tuple(boxes), tuple(balls)


def _corner(draw: Draw, floor: Floor) -> list[Box]:
    """A part of the room that is walled off, in a corner."""
    x, y, z = floor.size
    half = (draw.between(0.2, 0.25 * x), draw.between(0.2, 0.25 * y))
    middle = (draw.choice((half[0], x - half[0])), draw.choice((half[1], y - half[1])))
    if not floor.takes(*middle, half[0] - 1e-6, half[1] - 1e-6):
        return []
    plain = draw.between(0.7, 0.95)
    paint = Paint((plain, plain - 0.02, plain - 0.05))
    return [Box("wall", (*middle, z / 2), (*half, z / 2), (1.0, 0.0), paint)]


def _placed(draw: Draw, floor: Floor, parts: list[Part], at_wall: bool) -> list[Box]:
    """A piece where there is room for it, its back to a wall or turned anyhow."""
    wide = max(max(-low[0], low[0] + size[0]) for low, size in parts)
    deep = max(low[1] + size[1] for low, size in parts)
    paint = Paint(draw.choice(_COLORS))
    for _ in range(_TRIES):
        c, s = draw.choice(((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)))
        if not at_wall and draw.chance(0.5):
            t = draw.between(-1, 1)
            c, s = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        across = abs(c) * wide + abs(s) * deep / 2
        ahead = abs(s) * wide + abs(c) * deep / 2
        limits = floor.size
        if 2 * across > limits[0] - 0.1 or 2 * ahead > limits[1] - 0.1:
            continue
        x = draw.between(across + _FROM_WALL, limits[0] - across - _FROM_WALL)
        y = draw.between(ahead + _FROM_WALL, limits[1] - ahead - _FROM_WALL)
        if at_wall:  # y of the piece, (-s, c) of the room, looks away from the wall
            x = {1.0: across + _FROM_WALL, -1.0: limits[0] - across - _FROM_WALL}.get(-s, x)
            y = {1.0: ahead + _FROM_WALL, -1.0: limits[1] - ahead - _FROM_WALL}.get(c, y)
        if floor.takes(x, y, across, ahead):
            return [_box(part, (x, y), deep, (c, s), paint) for part in parts]
    return []


def _box(
    part: Part,
    at: tuple[float, float],
    deep: float,
    heading: tuple[float, float],
    paint: Paint,
) -> Box:
    low, size = part
    u, v = low[0] + size[0] / 2, low[1] + size[1] / 2 - deep / 2
    c, s = heading
    middle = (at[0] + c * u - s * v, at[1] + s * u + c * v, low[2] + size[2] / 2)
    return Box("furniture", middle, (size[0] / 2, size[1] / 2, size[2] / 2), heading, paint)


def _wardrobe(draw: Draw) -> list[Part]:
    w, d, h = draw.between(0.7, 2.0), draw.between(0.45, 0.65), draw.between(1.6, 2.2)
    return [((-w / 2, 0.0, 0.0), (w, d, h))]


def _sideboard(draw: Draw) -> list[Part]:
    w, d, h = draw.between(0.8, 1.6), draw.between(0.35, 0.5), draw.between(0.6, 0.95)
    return [((-w / 2, 0.0, 0.0), (w, d, h))]


def _crate(draw: Draw) -> list[Part]:
    w, d, h = draw.between(0.3, 0.6), draw.between(0.3, 0.6), draw.between(0.3, 0.6)
    return [((-w / 2, 0.0, 0.0), (w, d, h))]


def _shelf(draw: Draw) -> list[Part]:
    w, d, h = draw.between(0.7, 1.3), draw.between(0.25, 0.4), draw.between(1.2, 2.0)
    boards = draw.whole(3, 5)
    parts: list[Part] = [
        ((-w / 2, 0.0, 0.0), (0.03, d, h)),
        ((w / 2 - 0.03, 0.0, 0.0), (0.03, d, h)),
    ]
    return parts + [
        ((-w / 2 + 0.03, 0.0, h * i / boards), (w - 0.06, d, 0.03)) for i in range(boards)
    ]


def _bed(draw: Draw) -> list[Part]:
    w, d, h = draw.between(0.9, 1.8), draw.between(1.9, 2.1), draw.between(0.4, 0.55)
    return [((-w / 2, 0.06, 0.0), (w, d, h)), ((-w / 2, 0.0, 0.0), (w, 0.05, h + 0.45))]


def _sofa(draw: Draw) -> list[Part]:
    w, d, h = draw.between(1.4, 2.2), draw.between(0.75, 0.95), draw.between(0.38, 0.46)
    return [
        ((-w / 2, 0.2, 0.0), (w, d - 0.2, h)),
        ((-w / 2, 0.0, 0.0), (w, 0.19, h + 0.4)),
        ((-w / 2 - 0.16, 0.0, 0.0), (0.15, d, h + 0.18)),
        ((w / 2 + 0.01, 0.0, 0.0), (0.15, d, h + 0.18)),
    ]


def _table(draw: Draw) -> list[Part]:
    w, d, h = draw.between(0.9, 1.8), draw.between(0.6, 0.95), draw.between(0.68, 0.78)
    return _on_legs(w, d, h, 0.04)


def _chair(draw: Draw) -> list[Part]:
    w, d, h = draw.between(0.4, 0.5), draw.between(0.4, 0.5), draw.between(0.42, 0.48)
    return [*_on_legs(w, d, h, 0.04), ((-w / 2, 0.0, h), (w, 0.04, 0.45))]


def _on_legs(w: float, d: float, h: float, thick: float) -> list[Part]:
    leg = 0.05
    corners = ((-w / 2, 0.0), (w / 2 - leg, 0.0), (-w / 2, d - leg), (w / 2 - leg, d - leg))
    legs: list[Part] = [((x, y, 0.0), (leg, leg, h - thick)) for x, y in corners]
    return [((-w / 2, 0.0, h - thick), (w, d, thick)), *legs]


def _clutter(draw: Draw, top: Box, boxes: list[Box], balls: list[Ball]) -> None:
    """A box or a ball on a box."""
    half = (draw.between(0.05, 0.2), draw.between(0.05, 0.15), draw.between(0.04, 0.2))
    room = min(top.half[0], top.half[1])
    shift = draw.between(-1, 1) * max(top.half[0] - 0.25, 0.0)
    c, s = top.heading
    x, y = top.middle[0] + c * shift, top.middle[1] + s * shift
    z = top.middle[2] + top.half[2] + half[2]
    paint = Paint(draw.choice(_COLORS))
    if max(half[:2]) > room:
        return
    kinds: tuple[Callable[[], None], ...] = (
        lambda: boxes.append(Box("furniture", (x, y, z), half, (c, s), paint)),
        lambda: balls.append(Ball((x, y, z), (half[1], half[1], half[2]), paint)),
    )
    draw.choice(kinds)()


def _plant(draw: Draw, floor: Floor) -> list[Ball]:
    """Balls in a heap on the floor: leaves, clothes, toys."""
    x = draw.between(0.4, floor.size[0] - 0.4)
    y = draw.between(0.4, floor.size[1] - 0.4)
    if not floor.takes(x, y, 0.3, 0.3):
        return []
    paint = Paint(draw.choice(((0.2, 0.4, 0.15), (0.3, 0.5, 0.2), *_COLORS)))
    return [
        Ball(
            (
                x + draw.between(-0.2, 0.2),
                y + draw.between(-0.2, 0.2),
                draw.between(0.1, 1.0),
            ),
            (draw.between(0.06, 0.2), draw.between(0.06, 0.2), draw.between(0.06, 0.2)),
            paint,
        )
        for _ in range(draw.whole(3, 6))
    ]
