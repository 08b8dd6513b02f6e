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


# Of a cloud on the way from the coarse one to the answer, beside the answer.
ON_THE_WAY = 0.5


def loss(model: CompletionModel, batch: Batch) -> dict[str, Tensor]:
    """Chamfer distances to the truth, plain of the completed cloud and of those on the way to it,
    squared of the coarse one that comes first, and the nebula's losses.

    Plain distances make fine points exact; squared ones care for the parts that lie far off.
    """
    result, truth = model(batch["partial"]), batch["complete"]
    fine = plain_chamfer(result.points, truth)
    first, *others = result.coarse
    stages = [ON_THE_WAY * plain_chamfer(cloud, truth) for cloud in others]
    coarse = torch.stack([ops.chamfer_distance(first, truth), *stages]).sum()
    nebula = model.bottleneck.losses(result.code).total
    return {"total": fine + coarse + nebula, "fine": fine, "coarse": coarse, "nebula": nebula}


def plain_chamfer(x: Tensor, y: Tensor) -> Tensor:
    """Mean plain distance from x (B, N, 3) to y (B, M, 3) and back, added: a scalar."""
    directions = ops.chamfer_distance(x, y, point_reduction=None, batch_reduction=None)
    there, back = ((squared + ROUNDED**2).sqrt().mean() for squared in directions)
    return there + back
