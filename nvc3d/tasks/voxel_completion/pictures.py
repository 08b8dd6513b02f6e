"""What a voxel completion model does, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.nebula import Code
from nvc3d.tasks.shown import Codes, Few, spread
from nvc3d.tasks.task import Batch, Picture
from nvc3d.tasks.voxel_completion.model import VoxelCompletionModel, occupied
from nvc3d.viz import draw_clouds

SHOWN = 8
"""Grids in the picture of completions."""


class Shown:
    """What there is to show of a split."""

    def __init__(self, categories: Sequence[str]) -> None:
        self.categories = categories
        self.labels: list[int] = []
        self.grids: dict[str, list[Tensor]] = {"seen": [], "completed": [], "truth": []}
        self.codes, self._few = Codes(), Few(SHOWN)

    def add(self, batch: Batch, completed: Tensor, code: Code) -> None:
        """Take note of a batch, its completions (B, X, Y, Z) bool and their codes."""
        kept = self._few.take(batch["label"])
        rows = (batch["view"][:, 0] > 0.5, completed, occupied(batch["grid"]))
        for name, grids in zip(self.grids, rows, strict=True):
            self.grids[name].extend(grids[kept].cpu())
        self.labels += batch["label"][kept].tolist()
        self.codes.add(code, batch["label"])


def pictures(model: VoxelCompletionModel, shown: Shown, folder: Path) -> list[Picture]:
    """Draw `completions.png`, some grids as seen, completed and true, and `latents.png`, the map of
    all codes with the anchors.

    Raises OSError where a file cannot be written.
    """
    chosen = spread(shown.labels, SHOWN)
    path = draw_clouds(
        folder / "completions.png",
        {name: [centres(row[i]) for i in chosen] for name, row in shown.grids.items()},
        [shown.categories[shown.labels[i]] for i in chosen],
    )
    return [
        Picture(path, "Grids as they were seen, as they were completed, and as they are."),
        shown.codes.draw(model, shown.categories, folder / "latents.png"),
    ]


def centres(grid: Tensor) -> NDArray[np.float64]:
    """The centres (N, 3) of the occupied voxels of a grid (X, Y, Z) bool; of an empty one, its
    middle."""
    found = np.argwhere(grid.numpy()) if bool(grid.any()) else np.array([grid.shape]) // 2
    return np.asarray(found + 0.5, np.float64)
