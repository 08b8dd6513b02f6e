"""The compiled module `expansion_penalty` of MSN, which writes into tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from ..expansion_penalty_module import penalise
from .writing import write


@torch.no_grad()
def forward(
    xyz: Tensor,
    primitive_size: int,
    father: Tensor,
    dist: Tensor,
    alpha: float,
    neighbor: Tensor,
    cost: Tensor,
    mean_mst_length: Tensor,
) -> int:
    """Write the other ends and the lengths of long edges (B, N), and add the means (B,) up.

    `neighbor` and `cost` are the peer's memory, and have no effect.
    """
    length, other, mean = penalise(xyz, primitive_size, alpha)
    write(dist, length)
    mean_mst_length.data.add_(mean.sum(1))
    return write(father, other)


@torch.no_grad()
def backward(xyz: Tensor, gradxyz: Tensor, graddist: Tensor, idx: Tensor) -> int:
    """Add the gradient in the points (B, N, 3), by that of the lengths (B, N)."""
    partner = xyz.gather(1, idx.long().clamp_min(0)[..., None].expand_as(xyz))
    pull = 2 * graddist[..., None] * (xyz - partner)
    gradxyz.data.add_(pull.masked_fill((idx < 0)[..., None], 0))
    return 1
