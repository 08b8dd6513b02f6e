"""A z-buffer for triangles: which of them is nearest at the centre of each pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Rows or pixels worked on at once: it bounds the memory, whatever the mesh, and fits in a cache.
_BLOCK = 1 << 15
# In pixels. Neighbouring triangles overlap by so little rather than leave a crack between them.
_OVERLAP = 1e-9


def rasterise(triangles: Floats, size: int) -> tuple[Integers, Floats]:
    """Find the nearest triangle at each pixel of a square image.

    Args:
        triangles: (F, 3, 3), for each corner the column and the row in pixels, the first pixel's
            centre at 0.5, and the inverse of its depth. The inverse, because it is what runs
            linearly across an image.
        size: columns and rows of the image.

    Returns:
        For each pixel that any triangle covers, row by row: the triangle (P,), and the weights
        (P, 3) of its corners that give the point in space which the pixel shows.
    """
    order = np.argsort(triangles[..., 1], axis=1, kind="stable")  # (F, 3)
    ordered = np.take_along_axis(triangles, order[..., None], 1)  # (F, 3, 3)
    first, count = _centres(ordered[:, 0, 1], ordered[:, 2, 1], size)  # (F,) each
    _, columns = _centres(triangles[..., 0].min(1), triangles[..., 0].max(1), size)
    count[columns == 0] = 0

    nearness = np.zeros(size * size)
    face = np.zeros(size * size, np.int64)
    screen = np.zeros((size * size, 3))  # weights in the image, of the corners from top to bottom
    for some in _blocks(count):
        index = np.repeat(np.arange(some.start, some.stop), count[some])  # (R,)
        row = _ranges(first[some], count[some])  # (R,)
        left, right = _ends(ordered[index], row)  # (R, 3) each
        inverse = ordered[index, :, 2]  # (R, 3)
        x = [(end * ordered[index, :, 0]).sum(1) for end in (left, right)]  # 2 of (R,)
        near = [(end * inverse).sum(1) for end in (left, right)]  # 2 of (R,)
        start, width = _centres(np.minimum(*x), np.maximum(*x), size)  # (R,) each
        for part in _blocks(width):
            item = np.repeat(np.arange(part.start, part.stop), width[part])  # (Q,)
            column = _ranges(start[part], width[part])  # (Q,)
            share = _share(column, x[0][item], x[1][item])  # (Q,)
            value = (1 - share) * near[0][item] + share * near[1][item]  # (Q,)
            pixel = row[item] * size + column  # (Q,)
            before = nearness[pixel]
            np.maximum.at(nearness, pixel, value)
            # Backwards, so that of equally near triangles the first has the last word.
            won = np.flatnonzero((value > before) & (value == nearness[pixel]))[::-1]
            pixel, item, share = pixel[won], item[won], share[won, None]
            face[pixel] = index[item]
            screen[pixel] = (1 - share) * left[item] + share * right[item]

    seen = nearness > 0
    face, screen = face[seen], screen[seen]  # (P,), (P, 3)
    space = screen * ordered[face, :, 2]
    space /= space.sum(1, keepdims=True)
    weights = np.empty_like(space)
    np.put_along_axis(weights, order[face], space, 1)
    return face, weights


def _ends(triangles: Floats, row: Integers) -> tuple[Floats, Floats]:
    """Where a row enters and leaves each triangle, as weights (R, 3) of its corners.

    The corners are ordered by height: one end lies on the edge from the first to the last, the
    other on one of the two edges by way of the middle.
    """
    top, middle, bottom = triangles[..., 1].T  # (R,) each
    along = _share(row, top, bottom)
    none = np.zeros_like(along)
    direct = np.stack([1 - along, none, along], -1)
    before, after = _share(row, top, middle), _share(row, middle, bottom)
    upper = np.stack([1 - before, before, none], -1)
    lower = np.stack([none, 1 - after, after], -1)
    return direct, np.where((row + 0.5 < middle)[:, None], upper, lower)


def _share(pixel: Integers, start: Floats, end: Floats) -> Floats:
    """How far a pixel's centre is on the way from start to end, from 0 to 1; 0 if there is none."""
    way = end - start
    share: Floats = (pixel + 0.5 - start) / np.where(way == 0, np.inf, way)
    return share.clip(0, 1)


def _centres(low: Floats, high: Floats, size: int) -> tuple[Integers, Integers]:
    """The first pixel whose centre lies in [low, high], and the number of such pixels."""
    first = np.maximum(np.ceil(low - 0.5 - _OVERLAP), 0)
    last = np.minimum(np.floor(high - 0.5 + _OVERLAP), size - 1)
    return first.astype(np.int64), np.maximum(last - first + 1, 0).astype(np.int64)


def _ranges(start: Integers, count: Integers) -> Integers:
    """start[0], start[0] + 1, ... (count[0] of them), then start[1], and so on."""
    before = np.cumsum(count) - count
    return np.arange(count.sum()) + np.repeat(start - before, count)


def _blocks(count: Integers) -> Iterator[slice]:
    """Slices that each hold at most about `_BLOCK` of the counted things."""
    total = np.cumsum(count)
    start = 0
    while start < len(count):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + _BLOCK, side="right")))
        yield slice(start, stop)
        start = stop
