"""Rings around what is positive in a field on a grid, and with fewer corners."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Sides of a cell: below, right, above, left. By which corners are inside (1 below left, 2 below
# right, 4 above right, 8 above left), from which side to which the contour goes, inside to its
# left; at saddles the inside parts.
_B, _R, _A, _L = range(4)
_WAYS = (
    *((1, _B, _L), (2, _R, _B), (4, _A, _R), (8, _L, _A), (3, _R, _L), (6, _A, _B)),
    *((12, _L, _R), (9, _B, _A), (7, _A, _L), (11, _R, _A), (13, _B, _R), (14, _L, _B)),
    *((5, _B, _L), (5, _A, _R), (10, _R, _B), (10, _L, _A)),
)


def contours(field: Floats) -> list[Floats]:
    """The closed rings (n, 2) in x and y, in steps of the grid, along which a field (H, W), given
    at y and x, is 0 between its values; what is positive lies to their left. Its border counts as
    negative, whatever it is.

    (Lorensen, Cline, "Marching cubes", SIGGRAPH 1987, in two dimensions.)
    """
    field = np.array(field, np.float64)
    for border in (field[0], field[-1], field[:, 0], field[:, -1]):
        border[border > -1e-30] = -1e-30
    width = field.shape[1]
    inside = field > 0
    kind = inside[:-1, :-1] + 2 * inside[:-1, 1:] + 4 * inside[1:, 1:] + 8 * inside[1:, :-1]
    start, end = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    rows, columns = np.nonzero((kind > 0) & (kind < 15))
    mixed = kind[rows, columns]
    for code, here, there in _WAYS:
        y, x = rows[mixed == code], columns[mixed == code]
        # Edges to the right of a vertex have even numbers, those above it odd ones.
        side = [2 * (y * width + x), 2 * (y * width + x + 1) + 1]
        side += [2 * ((y + 1) * width + x), 2 * (y * width + x) + 1]
        start.append(side[here])
        end.append(side[there])
    edge = np.concatenate(start)
    order = edge.argsort()
    edge = edge[order]
    after = np.searchsorted(edge, np.concatenate(end)[order])
    y, x = np.divmod(edge // 2, width)
    up = edge % 2
    low, high = field[y, x], field[y + up, x + 1 - up]
    share = low / (low - high)
    place = np.stack([x + share * (1 - up), y + share * up], 1)
    return [place[ring] for ring in _rings(after)]


def _rings(after: Integers) -> list[list[int]]:
    """The cycles of a permutation (N,)."""
    left = np.ones(len(after), bool)
    following = after.tolist()
    rings = []
    for first in range(len(following)):
        if not left[first]:
            continue
        ring = [first]
        while (then := following[ring[-1]]) != first:
            ring.append(then)
        left[ring] = False
        rings.append(ring)
    return rings


def ring_area(ring: Floats) -> float:
    """The area in a ring (n, 2), negative where it goes round clockwise."""
    x, y = (ring - ring[:1]).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def simplified(ring: Floats, tolerance: float) -> Floats:
    """A ring (n, 2) with few corners: as few of its own as leave it nowhere farther off than the
    tolerance, moved to where the lines cut each other that lie amid what is between corners. Where
    it would cross itself then, the tolerance is halved.

    (Douglas, Peucker, "Algorithms for the reduction of the number of points required to represent
    a digitized line or its caricature", Cartographica 10(2), 1973.)
    """
    for _ in range(4):
        corners = _corners(ring, tolerance)
        while len(corners) >= 3:
            moved = _amid(ring, corners, tolerance)
            # Lines amid a side need fewer corners than its outermost points.
            fewer = _corners(moved, tolerance)
            if len(fewer) < len(corners):
                corners = corners[fewer]
            elif is_simple(moved):
                return moved
            else:
                break
        tolerance /= 2
    return ring


def _amid(ring: Floats, corners: Integers, tolerance: float) -> Floats:
    """Corners (m, 2) where the lines of least squares of neighbouring sides cut each other; those
    stay that would move far, or whose sides hardly bend."""
    middles, normals = [], []
    for start, end in zip(corners, np.roll(corners, -1), strict=True):
        side = ring[np.arange(start, end + 1 + (end < start) * len(ring)) % len(ring)]
        middles.append(side.mean(0))
        across, down = (side - middles[-1]).T
        turn = math.atan2(2 * (across @ down), across @ across - down @ down) / 2
        normals.append(np.array([-math.sin(turn), math.cos(turn)]))
    moved = ring[corners]
    for at in range(len(corners)):
        pair = np.stack([normals[at - 1], normals[at]])
        if abs(pair[0, 0] * pair[1, 1] - pair[0, 1] * pair[1, 0]) > 0.3:
            cut = np.linalg.solve(pair, [pair[0] @ middles[at - 1], pair[1] @ middles[at]])
            if np.hypot(*(cut - moved[at])) <= 2 * tolerance:
                moved[at] = cut
    return moved


def _corners(ring: Floats, tolerance: float) -> Integers:
    # From the two corners that are farthest from the middle and from each other: those stay.
    first = int(((ring - ring.mean(0)) ** 2).sum(1).argmax())
    second = int(((ring - ring[first]) ** 2).sum(1).argmax())
    low, high = min(first, second), max(first, second)
    closed = np.concatenate([ring, ring[: low + 1]])
    kept = {low, high}
    stack = [(low, high), (high, low + len(ring))]
    while stack:
        start, end = stack.pop()
        if end - start < 2:
            continue
        a, b = closed[start], closed[end]
        between, along = closed[start + 1 : end] - a, b - a
        length = float(np.hypot(*along))
        if length > 0:
            t = (between @ along / length**2).clip(0, 1)
            between = between - t[:, None] * along
        off = (between * between).sum(1)
        most = int(off.argmax())
        if off[most] > tolerance**2:
            middle = start + 1 + most
            kept.add(middle % len(ring))
            stack += [(start, middle), (middle, end)]
    return np.array(sorted(kept), np.int64)


def is_simple(ring: Floats) -> bool:
    """Whether a ring (n, 2) crosses itself nowhere."""
    after = np.roll(ring, -1, 0)
    n = len(ring)
    for at in range(n - 2):
        others = np.arange(at + 2, n - (at == 0))
        a, b = ring[at], after[at]
        c, d = ring[others], after[others]
        across = _side(a, b, c) * _side(a, b, d) < 0
        if (across & (_side(c, d, a) * _side(c, d, b) < 0)).any():
            return False
    return True


def _side(a: Floats, b: Floats, p: Floats) -> Floats:
    """On which side of lines from a to b points p lie (..., 2)."""
    along, off = b - a, p - a
    return np.asarray(along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0])
