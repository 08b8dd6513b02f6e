"""The label of every point of a scene, by votes of blocks that overlap."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.data.draws import rows_drawn
from nvc3d.data.scenes.cells import Cells
from nvc3d.data.scenes.scene import STRETCH, Scene, survey
from nvc3d.data.stored import require_counts

BATCH = 8
"""Draws of a block that are looked at together."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""points (B, P, 3), features (B, P, C) -> scores (B, P, classes), which are added up"""


def vote(
    scene: Scene,
    predict: Predict,
    points: int = 4096,
    size: float = 1.0,
    overlap: int = 2,
    with_colors: bool = True,
    seed: int = 0,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Add up what a network says of each point of a scene in all blocks that it lies in.

    Blocks begin at every `overlap`-th part of their size along x and y, so a point lies in up to
    `overlap`² of them. A block's points are shown in random draws until each was shown. As soon as
    no further block holds a point, what was said of it is handed out. The scene (see `Cells`) and
    the sums, 4 bytes a point and class, are on disk: memory holds part of a block, whatever the
    scene's size and however dense it is.

    Args:
        scene: which.
        predict: (points (B, P, 3), features (B, P, C)) -> scores (B, P, classes); points and
            features are those of `Block`.
        points: of a draw.
        size: of a block, in the units of the scene.
        overlap: blocks across a block's width.
        with_colors: among the features.
        seed: of the draws.

    Yields:
        Which points of the scene (n,), and the sums of their scores (n, classes); together all
        points, each once.

    Raises:
        ValueError: a number out of range, colours asked for that the scene does not have, and as
            `survey` does.
        OSError: there is no room on the disk.
    """
    require_counts(points=points, overlap=overlap)
    if with_colors and not scene.has_colors:
        raise ValueError(f"{scene.path}: it has no colours, and colours are asked for")
    rng = np.random.default_rng(seed)
    with (
        Cells(scene, survey(scene, labelled=False), size / overlap, with_colors, rng) as cells,
        tempfile.TemporaryFile() as file,
    ):
        sums = _Sums(file, scene.count)
        last = _start(cells, overlap)  # (K,)
        for line, cell, members in _blocks(cells, overlap):
            middle = np.array([*cells.middle(line, cell, overlap), 0], np.float32)
            for spans in _pieces(cells, members, max(STRETCH, points)):
                rows = np.concatenate([cells.read(*span) for span in spans])
                scores = score_points(predict, rows["point"] - middle, rows["feature"], points, rng)
                parts = torch.split(scores, [stop - start for start, stop in spans])
                for (start, _), added in zip(spans, parts, strict=True):
                    sums.add(start, added.numpy())
            for at in members:
                if last[at] == line * cells.line + cell:
                    end = int(cells.starts[at] + cells.counts[at])
                    for start in range(int(cells.starts[at]), end, STRETCH):
                        stop = min(start + STRETCH, end)
                        yield cells.read(start, stop)["index"], sums.read(start, stop)


class _Sums:
    """Sums of scores in a file, of points in order of cells; all are 0 at first."""

    def __init__(self, file: IO[bytes], count: int) -> None:
        self._file, self._count, self._classes = file, count, 0

    def add(self, start: int, scores: NDArray[np.float32]) -> None:
        """Add the scores (n, classes) of the points from one on."""
        if not self._classes:
            self._classes = scores.shape[1]
            self._file.truncate(4 * self._count * self._classes)  # zeros, as far as it reaches
        total = self.read(start, start + len(scores)) + scores
        self._file.seek(4 * start * self._classes)
        self._file.write(total.tobytes())

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """The sums (n, classes) of points."""
        self._file.seek(4 * start * self._classes)
        data = self._file.read(4 * (stop - start) * self._classes)
        return np.frombuffer(data, np.float32).reshape(-1, self._classes)


def _pieces(cells: Cells, members: list[int], most: int) -> Iterator[list[tuple[int, int]]]:
    """The points of a block in pieces of so many at most, each a like share of every cell: from
    which to which point, in order of cells."""
    counts = cells.counts[members]
    pieces = -(-int(counts.sum()) // most)
    for piece in range(pieces):
        first = cells.starts[members] + counts * piece // pieces
        after = cells.starts[members] + counts * (piece + 1) // pieces
        yield [(a, b) for a, b in zip(first.tolist(), after.tolist(), strict=True) if b > a]


def _blocks(cells: Cells, overlap: int) -> Iterator[tuple[int, int, list[int]]]:
    """Where blocks that have points begin, line and cell, and their cells, by place; in order."""
    lines, line = cells.lines, cells.line
    starts = np.unique(
        np.concatenate(
            [_start(cells, overlap, *back) for back in product(range(overlap), repeat=2)]
        )
    )
    for start in starts.tolist():
        first, cell = divmod(start, line)
        members: list[int] = []
        for key in range(start, min(first + overlap, lines) * line, line):
            end = min(key - cell + line, key + overlap)
            members += range(*np.searchsorted(cells.keys, [key, end]).tolist())
        yield first, cell, members


def _start(cells: Cells, overlap: int, lines: int = 0, back: int = 0) -> NDArray[np.int64]:
    """Where a block begins that holds each cell (K,): so many lines and cells before it, but so
    that no block reaches beyond the scene. As it stands, the last block that holds the cell."""
    line, cell = np.divmod(cells.keys, cells.line)
    line = np.clip(line - lines, 0, max(cells.lines - overlap, 0))
    cell = np.clip(cell - back, 0, max(cells.line - overlap, 0))
    return np.asarray(line * cells.line + cell)


def score_points(
    predict: Predict,
    points: NDArray[np.float32],
    features: NDArray[np.float32],
    count: int,
    rng: np.random.Generator,
) -> Tensor:
    """Sums (n, classes) of the scores of the points (n, 3) of a block, each shown at least once."""
    draws = -(-len(points) // count)
    # The last draw is filled up with points that are shown once more.
    rows = torch.from_numpy(rows_drawn(len(points), draws * count, rng).reshape(draws, count))
    given, described = torch.from_numpy(points), torch.from_numpy(features)
    total: Tensor | None = None
    for some in rows.split(BATCH):
        scores = predict(given[some], described[some])  # (b, P, classes)
        if total is None:
            total = scores.new_zeros(len(points), scores.shape[-1])
        total.index_add_(0, some.flatten(), scores.flatten(0, 1))
    assert total is not None
    return total
