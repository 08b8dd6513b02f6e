"""What voxel completion is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from nvc3d.data.grids import UNKNOWN
from nvc3d.nebula import Code
from nvc3d.tasks.task import Batch
from nvc3d.tasks.voxel_completion.model import VoxelCompletionModel


def loss(model: VoxelCompletionModel, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the voxels that are known, what the soft intersection over union lacks to 1,
    and the nebula's losses.

    Voxels are judged by cross-entropy alone would be called empty wherever a thin surface may lie
    in one of several places; the second term weighs what is occupied as much as what is empty. Of
    two views, the means of both.
    """
    grid = batch["grid"]
    results = [model(batch[name]) for name in ("view", "other_view") if name in batch]
    code = Code.joined(result.code for result in results)
    terms = {
        "cross_entropy": torch.stack([entropy(r.scores.float(), grid) for r in results]).mean(),
        "overlap": torch.stack([1 - soft_iou(r.scores.float(), grid) for r in results]).mean(),
        "nebula": model.bottleneck.losses(code).total,
    }
    return {"total": torch.stack(list(terms.values())).sum(), **terms}


def entropy(scores: Tensor, grid: Tensor) -> Tensor:
    """Mean cross-entropy () of scores (B, C, X, Y, Z) over the voxels of grids (B, X, Y, Z) that
    are known."""
    if scores.shape[1] > 1:
        each = cross_entropy(scores, grid.long(), ignore_index=UNKNOWN, reduction="sum")
        return each / (grid != UNKNOWN).sum().clamp_min(1)
    known = (grid != UNKNOWN).to(scores.dtype)
    truth = (grid > 0).to(scores.dtype)
    each = binary_cross_entropy_with_logits(scores[:, 0], truth, known, reduction="sum")
    return each / known.sum().clamp_min(1)


def soft_iou(scores: Tensor, grid: Tensor) -> Tensor:
    """Mean over grids of the intersection over union of the probability of being occupied: ()."""
    known = (grid != UNKNOWN).to(scores.dtype)
    truth = (grid > 0) * known  # (B, X, Y, Z)
    chance = scores[:, 0].sigmoid() if scores.shape[1] == 1 else 1 - scores.softmax(1)[:, 0]
    chance = chance * known
    both = (chance * truth).flatten(1).sum(1)
    either = (chance + truth - chance * truth).flatten(1).sum(1)
    return (both / either.clamp_min(1e-6)).mean()
