"""What a network sees of a scene: a column of it, as wide as a block and as high as the room."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.data.draws import rows_drawn
from nvc3d.data.scenes.scene import Rows, Scene, Survey, as_labels


class Block(NamedTuple):
    """All points of a column."""

    points: NDArray[np.float32]
    """(n, 3), x and y from the middle of the block, z from the ground of the scene, below which no
    more than a few mirrored points lie"""
    features: NDArray[np.float32]
    """(n, C): red, green and blue, from 0 to 1, where there are colours; then the position
    along each side of the scene, see `Survey.positions`"""
    point_labels: NDArray[np.int64] | None
    """(n,) labels, -1 where there is none"""

    def draw(self, points: int, rng: np.random.Generator) -> dict[str, Any]:
        """Some of them at random, repeated if there are fewer:

        - points: (points, 3) float32,
        - features: (points, C) float32,
        - point_labels: (points,) int64, where there are labels.
        """
        rows = rows_drawn(len(self.points), points, rng)
        values = self._asdict().items()
        return {name: torch.from_numpy(v[rows]) for name, v in values if v is not None}


def block_around(
    scene: Scene, known: Survey, row: int, size: float, with_colors: bool = True
) -> Block:
    """The block of a scene around one of its points, `size` wide in x and y.

    Raises ValueError on labels that are no labels.
    """
    middle = scene.read(row, row + 1).points[0].astype(np.float64)  # (3,)
    found = [_inside(rows, middle, size) for rows in scene.stretches()]
    points = np.concatenate([rows.points for rows in found])
    colors, labels = (
        np.concatenate([rows.columns[name] for rows in found]) if name in scene.columns else None
        for name in ("color", "label")
    )
    origin = np.array([*middle[:2], known.origin[2]])
    return Block(
        (points - origin).astype(np.float32),
        described(points, colors if with_colors else None, known),
        None if labels is None else as_labels(scene.path, labels),
    )


def _inside(rows: Rows, middle: NDArray[np.float64], size: float) -> Rows:
    """The rows in the column around a place."""
    chosen = np.flatnonzero(
        (np.abs(rows.points[:, 0] - middle[0]) <= size / 2)
        & (np.abs(rows.points[:, 1] - middle[1]) <= size / 2)
    )
    seen = {name: rows.columns[name] for name in ("color", "label") if name in rows.columns}
    return Rows(rows.points[chosen], {name: values[chosen] for name, values in seen.items()})


def described(points: NDArray, colors: NDArray | None, known: Survey) -> NDArray[np.float32]:
    """The features (n, C) of points (n, 3) and colours (n, 3) as files have them; see Block."""
    columns = [known.positions(points)]
    if colors is not None:
        columns.insert(0, colors / (known.brightest or 1))
    return np.concatenate(columns, 1).astype(np.float32)
