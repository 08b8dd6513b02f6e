"""What segmentation is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nvc3d.tasks.segmentation.data import NONE
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.task import Batch


def loss(model: SegmentationModel, batch: Batch) -> dict[str, Tensor]:
    """Mean cross-entropy of the points that have a label, and the nebula's losses.

    Of two views, the means of both; the nebula compares one with the other.
    """
    category = category_of(model, batch)
    results = [model(batch["points"], batch.get("features"), category)]
    if "other_view" in batch:
        results.append(model(batch["other_view"], batch.get("other_features"), category))
    first, *others = (result.code for result in results)
    parts = batch["point_labels"].flatten()  # (B N,)
    missed = torch.stack(
        [
            cross_entropy(
                result.scores.float().flatten(0, 1), parts, ignore_index=NONE, reduction="sum"
            )
            for result in results
        ]
    ).mean() / (parts != NONE).sum().clamp_min(1)
    nebula = model.bottleneck.losses(first, view=others[0] if others else None).total
    return {"total": missed + nebula, "cross_entropy": missed, "nebula": nebula}


def category_of(model: SegmentationModel, batch: Batch) -> Tensor | None:
    """The category (B,) of each item of a batch, as the model asks for it."""
    return batch["label"] if model.categories else None
