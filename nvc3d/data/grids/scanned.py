"""Voxel grids of which a data set tells what a scan saw, too."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from nvc3d.data.stand_ins import StandIns


class ScannedGrids(ABC, Dataset[dict[str, Any]]):
    """The base of such data sets. Items are those of PartialGrids, of which nothing is known to be
    free. One that cannot be read is replaced by the next good one; a warning names both."""

    categories: tuple[str, ...]
    classes: tuple[str, ...]
    size: tuple[int, int, int]

    def __init__(self) -> None:
        self._stand_ins = StandIns()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def name(self, index: int) -> str:
        """What an item is called, without reading it."""

    @abstractmethod
    def label(self, index: int) -> int:
        """The index of its category, likewise."""

    @abstractmethod
    def load(self, index: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Which voxels were seen to be occupied, and the grid: both of `size`."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        start = range(len(self))[operator.index(index)]
        at, (seen, grid) = self._stand_ins.load(start, len(self), self.load, self.name)
        view = np.stack([seen, np.zeros_like(seen)]).astype(np.float32)
        return {
            "view": torch.from_numpy(view),
            "grid": torch.from_numpy(grid),
            "label": torch.tensor(self.label(at)),
            "name": self.name(at),
        }
