"""What a completion model does, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nvc3d.tasks.completion.model import CompletionModel
from nvc3d.tasks.shown import spread
from nvc3d.tasks.task import Batch
from nvc3d.viz import draw_clouds, draw_latents

SHOWN = 8
"""Shapes in the picture of completions."""


@torch.no_grad()
def pictures(
    model: CompletionModel, batches: Iterable[Batch], categories: Sequence[str], folder: Path
) -> list[Path]:
    """Draw `completions.png`, some shapes partial, completed and true, and `latents.png`, the map
    of all codes with the anchors.

    Raises ValueError where there is nothing to draw, and OSError where a file cannot be written.
    """
    device = model.mean_shape.device
    was_training = model.training
    model.eval()
    clouds: dict[str, list[Tensor]] = {"partial": [], "completed": [], "truth": []}
    latents, anchors, labels = [], [], []
    for batch in batches:
        result = model(batch["partial"].to(device))
        rows = (batch["partial"], result.points, batch["complete"])
        for row, values in zip(clouds.values(), rows, strict=True):
            row.extend(values.float().cpu())
        latents.append(result.code.mean.float().cpu())
        anchors.append(result.code.anchor.cpu())
        labels.append(batch["label"].cpu())
    model.train(was_training)
    if not labels:
        raise ValueError("there is nothing to draw: the split has no shapes")
    label = torch.cat(labels)
    chosen = spread(label.tolist(), SHOWN)
    return [
        draw_clouds(
            folder / "completions.png",
            {name: [row[i].numpy() for i in chosen] for name, row in clouds.items()},
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
