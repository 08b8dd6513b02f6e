"""Pairs of what one look shows of a grid, and the grid."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from nvc3d.data.epochs import Epochs
from nvc3d.data.grids.folder import Grids
from nvc3d.geometry.camera import random_direction
from nvc3d.geometry.grid_views import look

BLIND = 0.25
"""Share of the looks of training that do not tell what is free: a scan seldom does."""


class PartialGrids(Dataset[dict[str, Any]]):
    """A look at each grid from a random direction, for completion.

    All randomness of an item comes from (seed, epoch, index) alone.

    Args:
        grids: anything indexable of (grid, label, name).
        views: items of each grid; item i is view `i % views` of grid `i // views`.
        seed: of the directions.
        training: new ones in each epoch (see `set_epoch`); otherwise fixed.
        second: in training, a second look at the same grid.

    Raises:
        ValueError: no grids, or a number that is out of range.
    """

    def __init__(
        self,
        grids: Grids,
        views: int = 1,
        seed: int = 0,
        training: bool = True,
        second: bool = False,
    ) -> None:
        for name, value in (("views", views), ("number of grids", len(grids))):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        self.grids, self.views = grids, views
        self.classes = grids.classes
        self.training, self.second = training, second and training
        self._epochs = Epochs(seed, training)

    def set_epoch(self, epoch: int) -> None:
        """Choose the directions of the epoch to come; of no effect outside of training."""
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.grids) * self.views

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - view: (2, X, Y, Z) float32, what is seen to be occupied and what to be free: 1 or 0,
        - other_view: the same of a second look, where there is one,
        - grid: (X, Y, Z) uint8,
        - label: () int64, name: str.
        """
        index = range(len(self))[operator.index(index)]
        rng = self._epochs.rng(index)
        grid, label, name = self.grids[index // self.views]
        item = {"view": self._view(grid, rng)}
        if self.second:
            item["other_view"] = self._view(grid, rng)
        return item | {
            "grid": torch.from_numpy(grid.copy()),
            "label": torch.tensor(label, dtype=torch.int64),
            "name": name,
        }

    def _view(self, grid: NDArray[np.uint8], rng: np.random.Generator) -> torch.Tensor:
        seen, free = look(grid, random_direction(rng))
        if self.training and rng.random() < BLIND:
            free = np.zeros_like(free)
        return torch.from_numpy(np.stack([seen, free]).astype(np.float32))
