"""Pairs of a partial and a complete cloud as a data set stores them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.data.draws import resample
from nvc3d.data.stored import Stored, require_counts

Clouds: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""The partial (P, 3) and the complete cloud (N, 3), with all the points that are stored."""


Views: TypeAlias = tuple[
    Sequence[Callable[[], NDArray[np.float32]]], Callable[[], NDArray[np.float32]]
]
"""What reads each of the partial clouds there are of a shape, and what reads the complete one."""


class StoredPairs(Stored[Clouds]):
    """The base of the data sets of pairs; see Stored for broken files and for randomness.

    In training an item is one of a shape's views at random, otherwise the first one.

    Args:
        partial_points: points of a partial cloud, drawn at random, or repeated if there are fewer.
        complete_points: the same of the complete one.
        seed, training: see Stored.

    Raises:
        ValueError: a number that is out of range.
    """

    def __init__(
        self, partial_points: int, complete_points: int, seed: int, training: bool
    ) -> None:
        require_counts(partial_points=partial_points, complete_points=complete_points)
        super().__init__(seed, training)
        self.partial_points = partial_points
        self.complete_points = complete_points

    @abstractmethod
    def stored(self, index: int) -> Views:
        """The clouds of an item, to be read; no partial ones where those are made when asked for.

        Raises ValueError where a file is broken, and so does reading.
        """

    def load(self, index: int, rng: np.random.Generator) -> Clouds:
        views, complete = self.stored(index)
        view = int(rng.integers(len(views))) if self.training else 0
        return views[view](), complete()

    def draw(self, loaded: Clouds, rng: np.random.Generator) -> dict[str, Any]:
        """- partial: (partial_points, 3) float32,
        - complete: (complete_points, 3) float32.
        """
        partial, complete = loaded
        return {
            "partial": torch.from_numpy(resample(partial, self.partial_points, rng)),
            "complete": torch.from_numpy(resample(complete, self.complete_points, rng)),
        }
