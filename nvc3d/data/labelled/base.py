"""Clouds with labels as a data set stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.data.balls import in_unit_ball
from nvc3d.data.draws import rows_drawn
from nvc3d.data.stored import Stored, require_counts

POINT = 1e-6
"""The least radius: of a cloud whose points are all in one place."""


@dataclass(frozen=True)
class Labelled:
    """What is stored of a shape."""

    points: NDArray[np.float32]
    """(N, 3)"""
    normals: NDArray[np.float32] | None = None
    """(N, 3)"""
    point_labels: NDArray[np.int64] | None = None
    """(N,)"""


class LabelledClouds(Stored[Labelled]):
    """The base of the data sets of labelled shapes; see Stored for broken files and randomness.

    Args:
        points: how many of a shape, drawn at random, or repeated if there are fewer; None: all, in
            their order.
        seed, training: see Stored.

    Raises:
        ValueError: a number that is out of range.
    """

    axes = (0, 1, 2)
    """The columns of the points that are x, y and z where z is up."""
    aligned = True
    """Shapes of a category face the same way, and are measured so."""
    unit: float | None = None
    """Metres of a unit of the files, where shapes are as large as real things."""
    part_names: tuple[str, ...] = ()
    """Of sets with parts, the names of all labels."""

    def __init__(self, points: int | None, seed: int, training: bool) -> None:
        if points is not None:
            require_counts(points=points)
        super().__init__(seed, training)
        self.points = points

    def whole(self, index: int) -> int:
        """The number of the shape that an item is."""
        return index

    def parts_of(self, category: str) -> tuple[int, ...]:
        """The labels that a category's points can have."""
        return ()

    def draw(self, loaded: Labelled, rng: np.random.Generator) -> dict[str, Any]:
        """- points: (points, 3) float32, in the unit ball around their centroid,
        - size: () float32, metres of that ball's radius, where the set has a unit,
        - normals: (points, 3) float32, where they are stored,
        - point_labels: (points,) int64, where they are stored.
        """
        rows: NDArray[np.int64] | slice = slice(None)
        if self.points is not None:
            rows = rows_drawn(len(loaded.points), self.points, rng)
        points, radius = in_unit_ball(loaded.points)
        item = {"points": torch.from_numpy(points[rows])}
        if self.unit is not None:
            item["size"] = torch.tensor(max(radius, POINT) * self.unit, dtype=torch.float32)
        if loaded.normals is not None:
            item["normals"] = torch.from_numpy(loaded.normals[rows])
        if loaded.point_labels is not None:
            item["point_labels"] = torch.from_numpy(loaded.point_labels[rows])
        return item
