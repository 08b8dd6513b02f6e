"""What segmentation is trained to lower."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from nvc3d.tasks.segmentation.data import NONE
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.task import Batch


def loss(model: SegmentationModel, batch: Batch) -> dict[str, Tensor]:
    """Mean cross-entropy of the points that have a label, and the nebula's losses."""
    result = model(batch["points"], batch.get("features"), category_of(model, batch))
    parts = batch["parts"]  # (B, N)
    missed = cross_entropy(
        result.scores.float().flatten(0, 1), parts.flatten(), ignore_index=NONE, reduction="sum"
    )
    missed = missed / (parts != NONE).sum().clamp_min(1)
    nebula = model.nebula.losses(result.learned).total
    return {"total": missed + nebula, "cross_entropy": missed, "nebula": nebula}


def category_of(model: SegmentationModel, batch: Batch) -> Tensor | None:
    """The category (B,) of each item of a batch, as the model asks for it."""
    return batch["label"] if model.categories else None
