"""What a completion is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.tasks.completion.model import CompletionModel
from nvc3d.tasks.task import Batch

# Below this distance, in shapes of radius 1, the plain distance is rounded off to a square, whose
# gradient vanishes where points meet; a square root's would be infinite.
ROUNDED = 1e-3


def loss(model: CompletionModel, batch: Batch) -> dict[str, Tensor]:
    """Chamfer distances to the truth, plain of the completed cloud and squared of those that led to
    it, and the nebula's losses.

    Plain distances make fine points exact; squared ones care for the parts that lie far off.
    """
    result = model(batch["partial"])
    truth = batch["complete"]
    fine = plain_chamfer(result.points, truth)
    stages = [ops.chamfer_distance(cloud, truth) for cloud in result.coarse]
    coarse = torch.stack(stages).sum() if stages else fine.new_zeros(())
    nebula = model.nebula.losses(result.code).total
    return {"total": fine + coarse + nebula, "fine": fine, "coarse": coarse, "nebula": nebula}


def plain_chamfer(x: Tensor, y: Tensor) -> Tensor:
    """Mean plain distance from x (B, N, 3) to y (B, M, 3) and back, added: a scalar."""
    directions = ops.chamfer_distance(x, y, point_reduction=None, batch_reduction=None)
    there, back = ((squared + ROUNDED**2).sqrt().mean() for squared in directions)
    return there + back
