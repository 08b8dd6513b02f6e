"""The surface where a function of space is zero, as a closed mesh (surface nets: Gibson 1998)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CORNERS = np.array(list(product((0, 1), repeat=3)))  # (8, 3)
_EDGES = [(a, b) for a in range(8) for b in range(a) if abs(_CORNERS[a] - _CORNERS[b]).sum() == 1]

_FIRST, _LAST = slice(None, -1), slice(1, None)
_SIDE = ((_FIRST, _FIRST), (_LAST, _FIRST), (_LAST, _LAST), (_FIRST, _LAST))


def surface_of(
    field: Callable[[Floats], Floats], low: Floats, high: Floats, cell: float
) -> tuple[Floats, Integers]:
    """Mesh the surface around all that is inside.

    Args:
        field: of points (N, 3): (N,), below 0 inside, near the surface the distance to it.
        low, high: (3,), corners of a box with all of the inside well within it.
        cell: width of a cell of the grid; what is thinner may be lost.

    Returns:
        vertices (V, 3) and faces (F, 3), counter-clockwise seen from outside.
    """
    count = np.ceil((high - low) / cell).astype(np.int64) + 1
    nodes = low + cell * np.stack(np.meshgrid(*map(np.arange, count), indexing="ij"), -1)
    value = field(nodes.reshape(-1, 3)).reshape(count)
    inside = _joined(value < 0)
    value = np.where(inside, np.minimum(value, -1e-3 * cell), value)

    def corner(array: NDArray, which: Integers) -> NDArray:
        i, j, k = which
        x, y, z = count - 1
        return array[i : i + x, j : j + y, k : k + z]

    within = np.sum([corner(inside, which) for which in _CORNERS], 0)
    mixed = (within > 0) & (within < 8)  # of each cell
    number = np.cumsum(mixed).reshape(mixed.shape) - 1
    cells = np.argwhere(mixed)  # (V, 3)
    values = np.stack([corner(value, which)[mixed] for which in _CORNERS], 1)  # (V, 8)
    vertices = low + cell * (cells + _crossing(values))
    vertices = _settled(field, vertices, cell)
    return vertices, _faces(inside, number)


def _joined(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The same, and filled where two opposite corners of a cell's side are inside and the other two
    are not: four faces would meet in one edge there."""
    joined, before = inside.copy(), -1
    while before != (before := int(joined.sum())):
        for axis in range(3):
            side = np.moveaxis(joined, axis, 0)
            a, b, c, d = (side[:, i, j] for i, j in _SIDE)
            crossed = (a == c) & (b == d) & (a != b)
            for i, j in _SIDE:
                side[:, i, j] |= crossed
    return joined


def _crossing(values: Floats) -> Floats:
    """The mean (V, 3) of the places in a unit cell where its edges cross 0."""
    total, met = np.zeros((len(values), 3)), np.zeros((len(values), 1))
    for a, b in _EDGES:
        crosses = (values[:, a] < 0) != (values[:, b] < 0)
        way = np.where(crosses, values[:, a] - values[:, b], 1)
        share = (values[:, a] / way)[:, None]
        total += np.where(crosses[:, None], _CORNERS[a] + share * (_CORNERS[b] - _CORNERS[a]), 0)
        met += crosses[:, None]
    return np.asarray(total / met)


def _settled(field: Callable[[Floats], Floats], vertices: Floats, cell: float) -> Floats:
    """The vertices moved onto the surface, none by more than half a cell."""
    moved, step = vertices, 1e-3 * cell
    for _ in range(2):
        value = field(moved)
        slope = np.stack([field(moved + step * axis) - value for axis in np.eye(3)], 1) / step
        moved = moved - (value / np.maximum((slope * slope).sum(1), 0.25))[:, None] * slope
    return np.asarray(vertices + (moved - vertices).clip(-cell / 2, cell / 2))


def _faces(inside: NDArray[np.bool_], number: Integers) -> Integers:
    """Two triangles (F, 3) over the four cells of each edge of the grid that leaves the inside."""
    faces = []
    for axis in range(3):
        turned = np.moveaxis(inside, (axis, (axis + 1) % 3, (axis + 2) % 3), (0, 1, 2))
        cells = np.moveaxis(number, (axis, (axis + 1) % 3, (axis + 2) % 3), (0, 1, 2))
        start, end = turned[:-1, 1:-1, 1:-1], turned[1:, 1:-1, 1:-1]
        i, j, k = np.nonzero(start != end)
        around = [cells[i, j + a, k + b] for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
        # Along the axis the surface is seen from its end; a quad that is seen from the other side
        # goes round the other way.
        first, second, third, fourth = around
        leaves = start[i, j, k]
        second, fourth = np.where(leaves, second, fourth), np.where(leaves, fourth, second)
        faces += [np.stack([first, second, third], 1), np.stack([first, third, fourth], 1)]
    return np.concatenate(faces)
