"""Polygons, as several formats have them, cut into triangles."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Of the polygon's own area: a triangle of a fan that turns back by less does so by rounding.
_ROUNDING = 1e-9


def triangulate(
    corners: NDArray[np.int64], lengths: NDArray[np.int64], points: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut polygons into triangles that cover them.

    The triangles of a polygon fan out from its first corner where such a fan covers it, as it does
    every convex one; others are cut by clipping ears, seen along the polygon's normal. Corners may
    repeat, as where a bridge leads to a hole. A polygon that crosses itself encloses nothing in
    particular: ears are clipped while there are any, and the rest is a fan.

    Args:
        corners: (C,) vertex indices of all polygons, one after the other.
        lengths: (P,) number of corners of each. Those with fewer than 3 enclose nothing and
            give no triangle.
        points: (V, 3) the vertices.

    Returns:
        Triangles (T, 3), two fewer than corners for each polygon, and the polygon that each comes
        from (T,).

    Raises:
        ValueError: a corner that is no vertex.
    """
    if len(corners) and (corners.min() < 0 or corners.max() >= len(points)):
        raise ValueError(
            f"faces must index the {len(points)} vertices, "
            f"got indices from {corners.min()} to {corners.max()}"
        )
    points = np.asarray(points, np.float64)
    count = np.maximum(lengths - 2, 0)  # (P,)
    polygon = np.repeat(np.arange(len(lengths)), count)  # (T,)
    start = np.cumsum(lengths) - lengths  # (P,)
    begin = np.cumsum(count) - count  # (P,)
    step = np.arange(len(polygon)) - begin[polygon]  # (T,)
    first = start[polygon]  # (T,)
    triangles = corners[np.stack([first, first + step + 1, first + step + 2], 1)]  # (T, 3)
    for index in _folded(triangles, polygon, lengths, points):
        own = corners[start[index] : start[index] + lengths[index]]
        triangles[begin[index] : begin[index] + count[index]] = own[_clipped(points[own])]
    return triangles, polygon


def _folded(
    triangles: NDArray, polygon: NDArray, lengths: NDArray, points: NDArray
) -> NDArray[np.int64]:
    """The polygons whose fans have triangles that face the other way than the whole."""
    larger = lengths[polygon] > 3  # (T,)
    triangles, polygon = triangles[larger], polygon[larger]
    if not len(polygon):
        return np.empty(0, np.int64)
    begins = np.flatnonzero(np.diff(polygon, prepend=-1))
    index = np.cumsum(np.diff(polygon, prepend=-1) != 0) - 1  # (T,) which of the larger polygons
    # What overflows or is no number is refused when the mesh is made.
    with np.errstate(all="ignore"):
        a, b, c = points[triangles].transpose(1, 0, 2)
        edges = np.stack([b - a, c - a])  # (2, T, 3)
        extent = np.maximum.reduceat(np.abs(edges).max((0, 2)), begins)  # (L,)
        across = np.cross(*(edges / extent[index, None]))  # (T, 3)
        normal = np.add.reduceat(across, begins)[index]  # (T, 3)
        turned = (across * normal).sum(1) < -_ROUNDING * (normal * normal).sum(1)
    return np.unique(polygon[turned])


def _clipped(points: NDArray) -> NDArray[np.int64]:
    """Triangles (n - 2, 3) of the corners (n, 3) of one polygon, by clipping ears."""
    points = (points - points[0]) / np.abs(points - points[0]).max()
    normal = np.cross(points[1:-1], points[2:]).sum(0)
    # To drop a coordinate keeps exact what is straight; the largest of the normal loses least.
    axis = int(np.abs(normal).argmax())
    flat = np.delete(points, axis, 1)  # (n, 2)
    if (normal[axis] < 0) != (axis == 1):
        flat = flat[:, ::-1]  # so that the corners go round counter-clockwise
    return np.array(_Ring(flat).clipped(), np.int64).reshape(-1, 3)


class _Ring:
    """The corners (n, 2) of a polygon that are left, counter-clockwise."""

    def __init__(self, flat: NDArray) -> None:
        n = len(flat)
        self._at: list[tuple[float, float]] = [(x, y) for x, y in flat.tolist()]
        self._before = [(i - 1) % n for i in range(n)]
        self._after = [(i + 1) % n for i in range(n)]
        # Only a corner that bends inwards can lie within an ear. They are kept in cells of a grid,
        # so that an ear looks at those nearby alone.
        low, extent = flat.min(0), np.ptp(flat, 0).max()
        self._low: tuple[float, float] = tuple(low.tolist())
        self._cells_per_unit = float(np.sqrt(n) / extent)
        self._bent: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._bends = [self._area(i) < 0 for i in range(n)]
        for i in range(n):
            if self._bends[i]:
                self._bent[self._cell(*self._at[i])].append(i)

    def clipped(self) -> list[tuple[int, int, int]]:
        triangles: list[tuple[int, int, int]] = []
        n = left = len(self._at)
        queue = deque(range(n))
        entries = [1] * n  # how often each corner is in the queue; the last time counts
        at, clipped = 0, True
        while left > 3 and clipped:
            clipped = False
            while queue and left > 3:
                i = queue.popleft()
                entries[i] -= 1
                if entries[i] or not self._is_ear(i):
                    continue
                before, after = self._before[i], self._after[i]
                triangles.append((before, i, after))
                self._remove(i)
                # To the end, so that every second corner goes before the others: triangles of
                # like size instead of slivers.
                queue += (after, before)
                entries[after] += 1
                entries[before] += 1
                at, left, clipped = after, left - 1, True
            # A corner may have become an ear because another has gone that lay within.
            queue = deque(self._rest(at, left))
            for i in queue:
                entries[i] = 1
        rest = self._rest(at, left)
        return triangles + [(rest[0], rest[i], rest[i + 1]) for i in range(1, left - 1)]

    def _rest(self, start: int, count: int) -> list[int]:
        rest = [start]
        while len(rest) < count:
            rest.append(self._after[rest[-1]])
        return rest

    def _remove(self, i: int) -> None:
        before, after = self._before[i], self._after[i]
        self._after[before], self._before[after] = after, before
        if self._bends[i]:
            self._bent[self._cell(*self._at[i])].remove(i)

    def _area(self, i: int) -> float:
        return _area(self._at[self._before[i]], self._at[i], self._at[self._after[i]])

    def _is_ear(self, i: int) -> bool:
        a, b, c = self._at[self._before[i]], self._at[i], self._at[self._after[i]]
        area = _area(a, b, c)
        if area <= 0:
            return area == 0  # a straight corner encloses nothing and may always go
        for cell in self._near(a, b, c):
            for j in self._bent.get(cell, ()):
                p = self._at[j]
                if p != a and p != b and p != c and _within(p, a, b, c):
                    return False
        return True

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        return (
            int((x - self._low[0]) * self._cells_per_unit),
            int((y - self._low[1]) * self._cells_per_unit),
        )

    def _near(self, *corners: tuple[float, float]) -> Iterable[tuple[int, int]]:
        """The cells in which something could lie between these corners."""
        xs, ys = zip(*corners, strict=True)
        (left, bottom), (right, top) = self._cell(min(xs), min(ys)), self._cell(max(xs), max(ys))
        if (right - left + 1) * (top - bottom + 1) > len(self._bent):
            return self._bent
        return ((x, y) for x in range(left, right + 1) for y in range(bottom, top + 1))


def _area(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Twice the area of a triangle, negative if its corners go round clockwise."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _within(
    p: tuple[float, float], a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> bool:
    return _area(a, b, p) >= 0 and _area(b, c, p) >= 0 and _area(c, a, p) >= 0


def bridged(points: NDArray, lengths: list[int]) -> NDArray[np.int64]:
    """One ring of corners around a flat polygon with holes, to and fro over bridges to these.

    Args:
        points: (C, 3), those of the outer ring and then of each hole, which goes round the other
            way.
        lengths: how many corners each has.
    """
    outer = points[: lengths[0]]
    axis = int(np.abs(np.cross(outer - outer[0], np.roll(outer, -1, 0) - outer[0]).sum(0)).argmax())
    flat = np.delete(points, axis, 1)
    starts = np.cumsum(lengths)[:-1]
    ring = np.arange(lengths[0])
    holes = [np.arange(s, s + n) for s, n in zip(starts, lengths[1:], strict=True)]
    # The farthest to the right first: nothing but the ring is to the right of it.
    for hole in sorted(holes, key=lambda own: -float(flat[own, 0].max())):
        at = int(flat[hole, 0].argmax())
        sides = np.concatenate([np.stack([own, np.roll(own, -1)], 1) for own in (ring, *holes)])
        order = ((flat[ring] - flat[hole[at]]) ** 2).sum(1).argsort(kind="stable")
        free = (i for i in order if not _crosses(flat, hole[at], ring[i], sides))
        to = int(next(free, order[0]))
        round_it = np.roll(hole, -at)
        ring = np.concatenate([ring[: to + 1], round_it, round_it[:1], ring[to:]])
    return ring


def _crosses(flat: NDArray, one: int, other: int, sides: NDArray[np.int64]) -> bool:
    """Whether the line between two corners crosses one of the sides (S, 2) that end elsewhere."""
    apart = ~((sides == one) | (sides == other)).any(1)
    a, b = flat[one], flat[other]
    c, d = flat[sides[apart]].transpose(1, 0, 2)

    def side(p: NDArray, q: NDArray, r: NDArray) -> NDArray:
        return np.asarray((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    across = side(a, b, c) * side(a, b, d) <= 0
    return bool((across & (side(c, d, a) * side(c, d, b) <= 0)).any())
