"""A scene in order of place, on disk: any part of it is read from there without the rest."""

from __future__ import annotations

import tempfile
from collections import Counter
from math import ceil, isfinite
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.scenes.blocks import described
from nvc3d.data.scenes.scene import STRETCH, Scene, Survey


class Cells:
    """A scene cut into square columns, the cells, in a temporary file: a context manager.

    The points of a cell are in random order, so that any run of them shows all of it. The file
    takes 32 bytes a point, 44 with colours, in the folder that Python's tempfile takes (TMPDIR).
    What stays in memory is a few numbers for each cell that has points, and for each 65,536 points
    of it. A line of cells runs along the shorter side of the scene.

    Args:
        scene: which.
        known: what `survey` told of it.
        side: of a cell, in the units of the scene.
        with_colors: among the features.
        rng: of the order.

    Raises:
        ValueError: a side that is not positive, or so small that cells cannot be counted.
        OSError: there is no room for the file.
    """

    def __init__(
        self,
        scene: Scene,
        known: Survey,
        side: float,
        with_colors: bool,
        rng: np.random.Generator,
    ) -> None:
        if not (isfinite(side) and side > 0):
            raise ValueError(f"the side of a cell must be above 0, got {side}")
        extent = (known.high - known.low)[:2]
        grid = [max(1, ceil(length / side)) for length in extent.tolist()]
        if grid[0] * grid[1] >= 2**62:
            raise ValueError(f"{scene.path}: it is {extent.max():g} wide, too far for {side:g}")
        self._scene, self._known, self._side, self._colors = scene, known, side, with_colors
        self._rng = rng
        self._axes = [1, 0] if extent[1] > extent[0] else [0, 1]
        self.lines, self.line = grid[self._axes[0]], grid[self._axes[1]]
        """how many lines there are, and cells in each"""
        channels = 6 if with_colors else 3
        self._row = np.dtype([("point", "<f4", 3), ("feature", "<f4", channels), ("index", "<i8")])

    def __enter__(self) -> Cells:
        counts: Counter[int] = Counter()
        for points, _ in self._scene.stretches():
            keys, times = np.unique(self._keys(points), return_counts=True)
            counts.update(dict(zip(keys.tolist(), times.tolist(), strict=True)))
        self.keys = np.array(sorted(counts), np.int64)
        """(K,) line * cells in a line + cell, of those that have points, in order"""
        self.counts = np.array([counts[key] for key in self.keys.tolist()], np.int64)
        """(K,) how many"""
        self.starts = np.cumsum(self.counts) - self.counts
        """(K,) how many points the cells before have"""
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

    def read(self, start: int, stop: int) -> NDArray:
        """Points in order of cells, see `starts`: rows of

        - point: (3,) float32, from the scene's origin, see `Survey`,
        - feature: (C,) float32, see Block,
        - index: int64, which of the scene's points it is.
        """
        self._file.seek(start * self._row.itemsize)
        return np.frombuffer(self._file.read((stop - start) * self._row.itemsize), self._row)

    def middle(self, line: int, cell: int, side: int) -> NDArray[np.float32]:
        """The middle (2,) of the block of `side` cells by `side` that begins with one."""
        corner = np.empty(2)
        corner[self._axes] = line, cell
        return ((corner + side / 2) * self._side).astype(np.float32)

    def _fill(self) -> None:
        # A cell may be larger than memory, so it is dealt to hands that are shuffled one by one.
        hands = -(-self.counts // STRETCH)  # (K,)
        first_hand = np.cumsum(hands) - hands
        cell = np.repeat(np.arange(len(hands)), hands)  # (H,) the cell of each hand
        sizes = _dealt(self.counts[cell], hands[cell], np.arange(len(cell)) - first_hand[cell])
        starts = np.cumsum(sizes) - sizes  # (H,)
        ends, met = starts.copy(), np.zeros_like(self.counts)
        first = 0
        for points, columns in self._scene.stretches():
            colors = columns["color"] if self._colors else None
            rows = np.empty(len(points), self._row)
            rows["point"] = points - self._known.origin
            rows["feature"] = described(points, colors, self._known)
            rows["index"] = np.arange(first, first + len(points))
            first += len(points)
            at = np.searchsorted(self.keys, self._keys(points))  # (n,)
            order = np.argsort(at, kind="stable")
            rows, at = rows[order], at[order]
            cells, cuts, times = np.unique(at, return_index=True, return_counts=True)
            number = met[at] + np.arange(len(at)) - np.repeat(cuts, times)
            met[cells] += times
            hand = first_hand[at] + _hand(number, hands[at])  # (n,)
            order = np.argsort(hand, kind="stable")
            takers, cuts = np.unique(hand[order], return_index=True)
            for taker, piece in zip(takers, np.split(rows[order], cuts[1:]), strict=True):
                self._write(int(ends[taker]), piece)
                ends[taker] += len(piece)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            self._write(start, self._rng.permutation(self.read(start, end)))

    def _write(self, start: int, rows: NDArray) -> None:
        self._file.seek(start * self._row.itemsize)
        self._file.write(rows.tobytes())

    def _keys(self, points: NDArray) -> NDArray[np.int64]:
        place = (points[:, self._axes] - self._known.low[self._axes]) / self._side  # (n, 2)
        # Points on the far border belong to the last cell.
        last = [self.lines - 1, self.line - 1]
        line, cell = np.minimum(place.astype(np.int64), last).T
        return np.asarray(line * self.line + cell)


def _hand(number: NDArray[np.int64], hands: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of so many hands the points of these numbers go to: one to each in turn, beginning one
    later every time, so that no hand gets the same beam of a scanner in all turns."""
    return (number + number // hands) % hands


def _dealt(
    counts: NDArray[np.int64], hands: NDArray[np.int64], which: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many of so many points go to one of the hands."""
    turns, left = np.divmod(counts, hands)
    return turns + ((which - turns) % hands < left)
