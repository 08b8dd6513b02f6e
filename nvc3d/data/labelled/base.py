"""Clouds with labels as a data set stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.data.stored import Stored, require_counts, rows_drawn


@dataclass(frozen=True)
class Labelled:
    """What is stored of a shape."""

    points: NDArray[np.float32]
    """(N, 3)"""
    normals: NDArray[np.float32] | None = None
    """(N, 3)"""
    parts: NDArray[np.int64] | None = None
    """(N,)"""


class LabelledClouds(Stored[Labelled]):
    """The base of the data sets of labelled shapes; see Stored for broken files and randomness.

    Args:
        points: how many of a shape, drawn at random, or repeated if there are fewer.
        seed, training: see Stored.

    Raises:
        ValueError: a number that is out of range.
    """

    def __init__(self, points: int, seed: int, training: bool) -> None:
        require_counts(points=points)
        super().__init__(seed, training)
        self.points = points

    def draw(self, loaded: Labelled, rng: np.random.Generator) -> dict[str, Any]:
        """- points: (points, 3) float32, in the unit ball around their centroid,
        - normals: (points, 3) float32, where they are stored,
        - parts: (points,) int64, where they are stored.
        """
        rows = rows_drawn(len(loaded.points), self.points, rng)
        item = {"points": torch.from_numpy(in_unit_ball(loaded.points)[rows])}
        if loaded.normals is not None:
            item["normals"] = torch.from_numpy(loaded.normals[rows])
        if loaded.parts is not None:
            item["parts"] = torch.from_numpy(loaded.parts[rows])
        return item


def in_unit_ball(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points (N, 3) moved to their centroid and scaled so that the farthest is 1 away."""
    centred = points - points.mean(0)
    radius = float(np.linalg.norm(centred, axis=1).max())
    return np.asarray(centred / radius if radius > 0 else centred, np.float32)
