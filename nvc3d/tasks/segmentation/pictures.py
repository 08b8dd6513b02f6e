"""What a segmentation model does, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.metrics import confined_argmax
from nvc3d.tasks.segmentation.data import NONE
from nvc3d.tasks.segmentation.loss import category_of
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.shown import spread
from nvc3d.tasks.task import Batch
from nvc3d.viz import draw_clouds, draw_latents

SHOWN = 8
"""Clouds in a picture."""
CODES = 5000
"""Codes of points in the map, at most."""


@torch.no_grad()
def pictures(
    model: SegmentationModel, batches: Iterable[Batch], categories: Sequence[str], folder: Path
) -> list[Path]:
    """Draw `parts.png`, some clouds with the labels found and the true ones, and `latents.png`, the
    map of the codes with the anchors. Of codes of points, `parts.png` shows the anchors as well:
    parts that nobody labelled.

    Raises ValueError where there is nothing to draw, and OSError where a file cannot be written.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    points, found, true, kinds, anchors = [], [], [], [], []
    latents: list[Tensor] = []
    owners: list[Tensor] = []
    for batch in batches:
        moved = {name: v.to(device) for name, v in batch.items() if isinstance(v, torch.Tensor)}
        result = model(moved["points"], moved.get("features"), category_of(model, moved))
        points += list(batch["points"].float())
        true += list(batch["parts"])
        kinds += batch["label"].tolist()
        found += [
            confined_argmax(scores, model.vocabulary.of_group[categories[label]])
            if model.categories
            else scores.argmax(-1)
            for scores, label in zip(
                result.scores.float().cpu(), batch["label"].tolist(), strict=True
            )
        ]
        anchors += list(result.code.anchor.cpu())
        latents.append(result.code.mean.float().cpu().flatten(0, -2))
        owners.append(_owners(result.code.mean, batch["label"], batch["parts"]))
    model.train(was_training)
    if not points:
        raise ValueError("there is nothing to draw: the split is empty")
    chosen = spread(kinds, SHOWN)
    rows = {
        "found": [_within(found[i], model, categories[kinds[i]]) for i in chosen],
        "truth": [_within(true[i], model, categories[kinds[i]]) for i in chosen],
    }
    legends = [
        _names(np.concatenate([row[i] for row in rows.values()]), model, categories[kinds[which]])
        for i, which in enumerate(chosen)
    ]
    if anchors[0].dim() == 1 and len(model.nebula.anchors):
        rows["anchors"] = [anchors[i].numpy() for i in chosen]
    codes, owner = torch.cat(latents), torch.cat(owners)
    step = -(-len(codes) // CODES)
    names = model.vocabulary.labels if anchors[0].dim() == 1 else tuple(categories)
    anchor = torch.cat([a.flatten() for a in anchors])
    kept = torch.arange(0, len(codes), step)
    kept = kept[owner[kept] != NONE]
    return [
        draw_clouds(
            folder / "parts.png",
            {name: [points[i].numpy() for i in chosen] for name in rows},
            [categories[kinds[i]] for i in chosen],
            labels=rows,
            legends=legends,
        ),
        draw_latents(
            folder / "latents.png",
            codes[kept].numpy(),
            owner[kept].numpy(),
            names,
            model.nebula.anchors.detach().float().cpu().numpy(),
            anchor[kept].numpy(),
        ),
    ]


def _owners(codes: Tensor, label: Tensor, parts: Tensor) -> Tensor:
    """What each code is of: the category of its cloud, or the label of its point."""
    return label if codes.dim() == 2 else parts.flatten()


def _names(labels: NDArray[np.int64], model: SegmentationModel, category: str) -> dict[int, str]:
    """The names of those labels, counted as `_within` does, that occur."""
    first = model.vocabulary.of_group[category][0] if model.categories else 0
    names = {i: model.vocabulary.labels[i + first] for i in np.unique(labels).tolist() if i != NONE}
    return {i: name.removeprefix(f"{category} ") for i, name in names.items()}


def _within(labels: Tensor, model: SegmentationModel, category: str) -> NDArray[np.int64]:
    """Labels (N,) counted from the category's first part: so that few colours do."""
    first = model.vocabulary.of_group[category][0] if model.categories else 0
    within: NDArray[np.int64] = torch.where(labels == NONE, NONE, labels - first).numpy()
    return within
