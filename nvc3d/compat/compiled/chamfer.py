"""The compiled module `chamfer` of PoinTr, Point-MAE, GRNet and OpenPoints."""

from __future__ import annotations

import torch
from torch import Tensor

from ... import ops


@torch.no_grad()
def forward(xyz1: Tensor, xyz2: Tensor) -> list[Tensor]:
    """Squared distances to the nearest points (B, N) and (B, M), and indices alike, int32."""
    there, back = ops.nearest_both(xyz1, xyz2)
    return [there.squared, back.squared, there.index.int(), back.index.int()]


def backward(
    xyz1: Tensor, xyz2: Tensor, idx1: Tensor, idx2: Tensor, grad_dist1: Tensor, grad_dist2: Tensor
) -> list[Tensor]:
    """The gradients in xyz1 and xyz2, by those in the distances."""
    with torch.enable_grad():
        points = [points.detach().requires_grad_() for points in (xyz1, xyz2)]
        squared = []
        for here, there, index in ((*points, idx1), (*points[::-1], idx2)):
            near = ops.group(there, index.long()[..., None])[:, :, 0]
            squared.append((here - near).square().sum(2))
    return list(torch.autograd.grad(squared, points, [grad_dist1, grad_dist2]))
