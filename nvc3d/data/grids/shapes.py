"""Voxel grids of shapes that a data set holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.labelled.scans import Shapes
from nvc3d.geometry.voxelise import voxelise


class ShapeGrids(Sequence[tuple[NDArray[np.uint8], int, str]]):
    """The grid of each of some shapes, made whenever it is asked for."""

    classes: tuple[str, ...] = ()

    def __init__(self, shapes: Shapes, size: tuple[int, int, int]) -> None:
        self._shapes, self._size = shapes, size
        self.categories = shapes.categories

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int, str]:  # type: ignore[override]
        shape, label, name = self._shapes[index]
        # The same points each time.
        return voxelise(shape, self._size, np.random.default_rng(0)), label, name
