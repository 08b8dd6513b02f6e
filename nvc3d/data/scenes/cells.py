"""A scene in order of place, on disk: any part of it is read from there without the rest."""

from __future__ import annotations

import tempfile
from collections import Counter
from math import ceil, isfinite
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.scenes.blocks import described
from nvc3d.data.scenes.scene import Scene, Survey


class Cells:
    """A scene cut into square columns, the cells, in a temporary file: a context manager.

    The file takes 32 bytes a point, 44 with colours, in the folder that Python's tempfile takes
    (TMPDIR). What stays in memory is a few numbers for each cell that has points. A line of cells
    runs along the shorter side of the scene.

    Args:
        scene: which.
        known: what `survey` told of it.
        side: of a cell, in the units of the scene.
        with_colors: among the features.

    Raises:
        ValueError: a side that is not positive, or so small that cells cannot be counted.
        OSError: there is no room for the file.
    """

    def __init__(self, scene: Scene, known: Survey, side: float, with_colors: bool) -> None:
        if not (isfinite(side) and side > 0):
            raise ValueError(f"the side of a cell must be above 0, got {side}")
        extent = (known.high - known.low)[:2]
        grid = [max(1, ceil(length / side)) for length in extent.tolist()]
        if grid[0] * grid[1] >= 2**62:
            raise ValueError(f"{scene.path}: it is {extent.max():g} wide, too far for {side:g}")
        self._scene, self._known, self._side, self._colors = scene, known, side, with_colors
        self._axes = [1, 0] if extent[1] > extent[0] else [0, 1]
        self.lines, self.line = grid[self._axes[0]], grid[self._axes[1]]
        """how many lines there are, and cells in each"""
        channels = 6 if with_colors else 3
        self._row = np.dtype([("point", "<f4", 3), ("feature", "<f4", channels), ("index", "<i8")])

    def __enter__(self) -> Cells:
        counts: Counter[int] = Counter()
        for points, _, _ in self._scene.stretches():
            keys, times = np.unique(self._keys(points), return_counts=True)
            counts.update(dict(zip(keys.tolist(), times.tolist(), strict=True)))
        self.keys = np.array(sorted(counts), np.int64)
        """(K,) line * cells in a line + cell, of those that have points, in order"""
        self.counts = np.array([counts[key] for key in self.keys.tolist()], np.int64)
        """(K,) how many"""
        self._starts = np.cumsum(self.counts) - self.counts
        self._file = tempfile.TemporaryFile()
        try:
            self._fill()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, at: int) -> NDArray:
        """The points of a cell, by its place in `keys`: rows of

        - point: (3,) float32, from the lowest corner of the scene,
        - feature: (C,) float32, see Block,
        - index: int64, which of the scene's points it is.
        """
        self._file.seek(int(self._starts[at]) * self._row.itemsize)
        data = self._file.read(int(self.counts[at]) * self._row.itemsize)
        return np.frombuffer(data, self._row)

    def middle(self, line: int, cell: int, side: int) -> NDArray[np.float32]:
        """The middle (2,) of the block of `side` cells by `side` that begins with one."""
        corner = np.empty(2)
        corner[self._axes] = line, cell
        return ((corner + side / 2) * self._side).astype(np.float32)

    def _fill(self) -> None:
        ends = self._starts.copy()
        first = 0
        for points, colors, _ in self._scene.stretches():
            rows = np.empty(len(points), self._row)
            rows["point"] = points - self._known.low
            rows["feature"] = described(points, colors if self._colors else None, self._known)
            rows["index"] = np.arange(first, first + len(points))
            first += len(points)
            keys = self._keys(points)
            order = np.argsort(keys, kind="stable")
            cells, cuts = np.unique(keys[order], return_index=True)
            places = np.searchsorted(self.keys, cells)
            for at, piece in zip(places, np.split(rows[order], cuts[1:]), strict=True):
                self._file.seek(int(ends[at]) * self._row.itemsize)
                self._file.write(piece.tobytes())
                ends[at] += len(piece)

    def _keys(self, points: NDArray) -> NDArray[np.int64]:
        place = (points[:, self._axes] - self._known.low[self._axes]) / self._side  # (n, 2)
        # Points on the far border belong to the last cell.
        last = [self.lines - 1, self.line - 1]
        line, cell = np.minimum(place.astype(np.int64), last).T
        return np.asarray(line * self.line + cell)
