"""Built-in rooms: floor, walls, and furniture of built-in shapes, with a class for each."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.mesh import Mesh
from nvc3d.shapes import SPLITS, make_shape
from nvc3d.shapes.draw import Draw

ROOM_CLASSES = (
    *("floor", "wall", "bed", "bench", "chair", "dresser", "lamp", "laptop", "monitor", "mug"),
    *("shelf", "sofa", "stool", "table", "vase"),
)
"""What the labels of a room's faces mean."""
# Longest side in metres, from and to.
_LENGTHS = {
    "bed": (2.0, 2.2),
    "bench": (1.1, 1.5),
    "chair": (0.85, 1.05),
    "dresser": (0.9, 1.3),
    "lamp": (1.2, 1.6),
    "laptop": (0.34, 0.42),
    "monitor": (0.5, 0.7),
    "mug": (0.1, 0.14),
    "shelf": (1.5, 2.0),
    "sofa": (1.7, 2.2),
    "stool": (0.45, 0.7),
    "table": (1.1, 1.6),
    "vase": (0.2, 0.35),
}
_AT_WALLS = ("bed", "dresser", "shelf", "sofa")
_ANYWHERE = ("bench", "lamp", "stool", "table", "table")
_ON_TABLES = ("laptop", "monitor", "mug", "vase")
_GAP = 0.05  # metres between two things, and to a wall
_TRIES = 20


class Thing(NamedTuple):
    """A piece of furniture where it stands, in metres."""

    name: str
    vertices: NDArray[np.float64]  # (V, 3)
    faces: NDArray[np.int64]  # (F, 3)

    @property
    def low(self) -> NDArray[np.float64]:
        """The lowest corner (3,) of its bounding box."""
        return np.asarray(self.vertices.min(0))

    @property
    def high(self) -> NDArray[np.float64]:
        """The highest corner (3,) of its bounding box."""
        return np.asarray(self.vertices.max(0))


def make_room(seed: int) -> Mesh:
    """Make one furnished room: the same seed gives the same room on every machine.

    Returns:
        A mesh in metres with z up and one corner of the floor at the origin, whose faces carry
        their class, an index into `ROOM_CLASSES`.

    Raises:
        ValueError: a seed that is not a whole number of 0 or more.
    """
    size, things = furnish(seed)
    shell = [(0, _floor(size)), *((1, wall) for wall in _walls(size))]
    vertices = [corners for _, corners in shell] + [thing.vertices for thing in things]
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    faces = [quad] * len(shell) + [thing.faces for thing in things]
    labels = [label for label, _ in shell] + [ROOM_CLASSES.index(t.name) for t in things]
    starts = np.cumsum([0, *(len(part) for part in vertices[:-1])])
    return Mesh(
        np.concatenate(vertices),
        np.concatenate([part + start for part, start in zip(faces, starts, strict=True)]),
        np.repeat(labels, [len(part) for part in faces]),
        ROOM_CLASSES,
    )


def furnish(seed: int) -> tuple[tuple[float, float, float], list[Thing]]:
    """Width, depth and height of a room, and what stands in it, nothing in anything else."""
    draw = Draw("room", seed)
    size = (draw.between(3.2, 5.5), draw.between(3.0, 4.5), draw.between(2.4, 2.8))
    things: list[Thing] = []
    for name in draw.order(_AT_WALLS)[: draw.whole(2, 4)]:
        _try_to_place(draw, things, size, name, at_wall=True)
    for name in draw.order(_ANYWHERE)[: draw.whole(2, 5)]:
        _try_to_place(draw, things, size, name, at_wall=False)
    for table in [thing for thing in things if thing.name == "table"]:
        for side in draw.order((0, 1, 2, 3))[: draw.whole(1, 4)]:
            _pull_up_chair(draw, things, size, table, int(side))
    for top in [thing for thing in things if thing.name in ("table", "dresser")]:
        for name in draw.order(_ON_TABLES)[: draw.whole(0, 2)]:
            _put_on(draw, things, top, name)
    return size, things


class BuiltinRooms(Sequence[tuple[Mesh, int, str]]):
    """A set of built-in rooms, each (mesh, 0, name). Sets of different splits, or of different
    seeds, share no room.

    Args:
        split: "train", "val" or "test".
        size: number of rooms.
        seed: which of the many such sets.

    Raises:
        ValueError: an unknown split, or a size or seed out of range.
    """

    categories = ("room",)
    classes = ROOM_CLASSES

    def __init__(self, split: str = "train", size: int = 200, seed: int = 0) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        if size < 1 or seed < 0:
            raise ValueError(f"size must be >= 1 and seed >= 0, got {size} and {seed}")
        self.split, self.size, self.seed = split, size, seed

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Mesh, int, str]:  # type: ignore[override]
        turn = range(self.size)[operator.index(index)]
        # As in BuiltinShapes: a residue of 3 for each split, a block of 2 ** 32 turns for each set.
        seed = ((self.seed << 32) + turn) * len(SPLITS) + SPLITS.index(self.split)
        return make_room(seed), 0, f"room-{self.split}-{turn:05d}"


def _thing(draw: Draw, name: str) -> Thing:
    """A new piece of furniture of its real size, standing at the origin, its front to x."""
    mesh = make_shape(name, draw.whole(0, 2**31 - 1))
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    length = draw.between(*_LENGTHS[name])
    moved = mesh.vertices - [*((low + high) / 2)[:2], low[2]]
    return Thing(name, moved * (length / float((high - low).max())), mesh.faces)


def _turned(thing: Thing, quarters: int) -> Thing:
    """Turned about z by quarters of a turn, exactly."""
    x, y, z = thing.vertices.T
    turned = ((x, y), (-y, x), (-x, -y), (y, -x))[quarters % 4]
    return thing._replace(vertices=np.stack([*turned, z], 1))


def _moved(thing: Thing, x: float, y: float, z: float = 0.0) -> Thing:
    return thing._replace(vertices=thing.vertices + np.array([x, y, z]))


def _fits(thing: Thing, things: list[Thing], size: tuple[float, float, float]) -> bool:
    """Whether it lies within the walls and away from all others."""
    low, high = thing.low - _GAP / 2, thing.high + _GAP / 2
    if low[0] < 0 or low[1] < 0 or high[0] > size[0] or high[1] > size[1] or high[2] > size[2]:
        return False
    return all(
        bool((other.low[:2] - _GAP / 2 >= high[:2]).any())
        or bool((other.high[:2] + _GAP / 2 <= low[:2]).any())
        for other in things
    )


def _try_to_place(
    draw: Draw, things: list[Thing], size: tuple[float, float, float], name: str, *, at_wall: bool
) -> None:
    """Place a new thing where there is room for it; none, if there is not."""
    thing = _thing(draw, name)
    for _ in range(_TRIES):
        side = draw.whole(0, 3)
        turned = _turned(thing, side)
        half = (turned.high - turned.low)[:2] / 2 + _GAP
        if bool((2 * half > size[:2]).any()):
            continue
        x = draw.between(half[0], size[0] - half[0])
        y = draw.between(half[1], size[1] - half[1])
        if at_wall:
            # Its back to the wall that it looks away from.
            x = half[0] if side == 0 else size[0] - half[0] if side == 2 else x
            y = half[1] if side == 1 else size[1] - half[1] if side == 3 else y
        placed = _moved(turned, x, y)
        if _fits(placed, things, size):
            things.append(placed)
            return


def _pull_up_chair(
    draw: Draw, things: list[Thing], size: tuple[float, float, float], table: Thing, side: int
) -> None:
    """A chair at a side of a table, its front to it, if there is room."""
    chair = _turned(_thing(draw, "chair"), side)
    half = (chair.high - chair.low)[:2] / 2 + _GAP
    middle = (table.low + table.high)[:2] / 2
    reach = (table.high - table.low)[:2] / 2 + half
    away = ((-1, 0), (0, -1), (1, 0), (0, 1))[side]
    placed = _moved(chair, middle[0] + away[0] * reach[0], middle[1] + away[1] * reach[1])
    if _fits(placed, things, size):
        things.append(placed)


def _put_on(draw: Draw, things: list[Thing], top: Thing, name: str) -> None:
    """A thing on a table or a dresser, if there is room between what is there."""
    thing = _turned(_thing(draw, name), draw.whole(0, 3))
    half = (thing.high - thing.low)[:2] / 2 + _GAP
    low, high = top.low[:2] + half, top.high[:2] - half
    if bool((low > high).any()):
        return
    placed = _moved(
        thing, draw.between(low[0], high[0]), draw.between(low[1], high[1]), top.high[2]
    )
    if _fits(placed, [t for t in things if t.low[2] > 0], (np.inf, np.inf, np.inf)):
        things.append(placed)


def _floor(size: tuple[float, float, float]) -> NDArray[np.float64]:
    x, y, _ = size
    return np.array([[0, 0, 0], [x, 0, 0], [x, y, 0], [0, y, 0]], np.float64)


def _walls(size: tuple[float, float, float]) -> list[NDArray[np.float64]]:
    corners = _floor(size)
    up = np.array([0, 0, size[2]])
    return [
        np.stack([start, end, end + up, start + up])
        for start, end in zip(corners, np.roll(corners, -1, 0), strict=True)
    ]
