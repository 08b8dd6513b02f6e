"""What a voxel completion model does, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.tasks.shown import spread
from nvc3d.tasks.task import Batch
from nvc3d.tasks.voxel_completion.metrics import filled
from nvc3d.tasks.voxel_completion.model import VoxelCompletionModel, occupied
from nvc3d.viz import draw_clouds, draw_latents

SHOWN = 8
"""Grids in the picture of completions."""


@torch.no_grad()
def pictures(
    model: VoxelCompletionModel, batches: Iterable[Batch], categories: Sequence[str], folder: Path
) -> list[Path]:
    """Draw `completions.png`, some grids as seen, completed and true, and `latents.png`, the map of
    all codes with the anchors.

    Raises ValueError where there is nothing to draw, and OSError where a file cannot be written.
    """
    device = model.mean_grid.device
    was_training = model.training
    model.eval()
    grids: dict[str, list[Tensor]] = {"seen": [], "completed": [], "truth": []}
    latents, anchors, labels = [], [], []
    for batch in batches:
        view = batch["view"].to(device)
        result = model(view)
        rows = (view[:, 0] > 0.5, filled(result.scores, view) > 0, occupied(batch["grid"]))
        for row, values in zip(grids.values(), rows, strict=True):
            row.extend(values.cpu())
        latents.append(result.code.mean.float().cpu())
        anchors.append(result.code.anchor.cpu())
        labels.append(batch["label"].cpu())
    model.train(was_training)
    if not labels:
        raise ValueError("there is nothing to draw: the split has no grids")
    label = torch.cat(labels)
    chosen = spread(label.tolist(), SHOWN)
    return [
        draw_clouds(
            folder / "completions.png",
            {name: [centres(row[i]) for i in chosen] for name, row in grids.items()},
            [categories[int(label[i])] for i in chosen],
        ),
        draw_latents(
            folder / "latents.png",
            torch.cat(latents).numpy(),
            label.numpy(),
            categories,
            model.nebula.anchors.detach().float().cpu().numpy(),
            torch.cat(anchors).numpy(),
        ),
    ]


def centres(grid: Tensor) -> NDArray[np.float64]:
    """The centres (N, 3) of the occupied voxels of a grid (X, Y, Z) bool; of an empty one, its
    middle."""
    found = np.argwhere(grid.numpy()) if bool(grid.any()) else np.array([grid.shape]) // 2
    return np.asarray(found + 0.5, np.float64)
