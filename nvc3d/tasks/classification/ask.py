"""Which training shapes to label first."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nvc3d.atomic import atomic_write
from nvc3d.nebula import representatives
from nvc3d.tasks.classification.config import ClassificationConfig
from nvc3d.tasks.classification.data import ClassifiedClouds
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.task import Splits, evaluating

FILE = "ask.txt"


def ask(
    model: ClassificationModel, splits: Splits, config: ClassificationConfig, folder: Path
) -> list[str]:
    """Write into the folder, a name a line, which of the training shapes without a label to label
    first, and say them; nothing where none is asked for.

    They are the representatives of the nebula's anchors (see `nvc3d.nebula.representatives`).
    """
    clouds = splits.train
    if config.ask == 0 or not isinstance(clouds, ClassifiedClouds):
        return []
    means, names = latents(model, clouds, config)
    first = {name: number for number, name in reversed([*enumerate(names)])}
    # A shape that stands in for a broken file is asked for once, under its own name.
    known = clouds.labelled | (set(range(len(names))) - set(first.values()))
    count = min(config.ask, len(names) - len(known))
    anchors = model.bottleneck.anchors.detach().float().cpu()  # type: ignore[attr-defined]
    chosen = [names[i] for i in representatives(means, anchors, count, known)]
    with atomic_write(folder / FILE) as file:
        file.write("".join(f"{name}\n" for name in chosen).encode())
    return ["To label first:", *(f"  {name}" for name in chosen)]


def latents(
    model: ClassificationModel, clouds: ClassifiedClouds, config: ClassificationConfig
) -> tuple[Tensor, list[str]]:
    """The means of the codes (N, D) of all shapes, each once and not augmented, and their names."""
    means, names = [], []
    with evaluating(model) as device:
        items = ClassifiedClouds(clouds.shapes, config, training=False)
        for batch in DataLoader(items, batch_size=64, generator=torch.Generator()):
            result = model(batch["points"].to(device), batch["size"].to(device))
            means.append(result.code.mean.float().cpu())
            names += batch["name"]
    return torch.cat(means), names
