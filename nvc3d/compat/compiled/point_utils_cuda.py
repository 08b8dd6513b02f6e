"""The compiled module `point_utils_cuda` of HRegNet, which writes into tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from .pointnet2_batch_cuda import (
    furthest_point_sampling_wrapper,
    gather_points_grad_wrapper,
    gather_points_wrapper,
)
from .writing import write

__all__ = [
    "furthest_point_sampling_wrapper",
    "gather_points_grad_wrapper",
    "gather_points_wrapper",
    "weighted_furthest_point_sampling_wrapper",
]


@torch.no_grad()
def weighted_furthest_point_sampling_wrapper(
    b: int, n: int, m: int, points: Tensor, weights: Tensor, temp: Tensor, idx: Tensor
) -> int:
    """Write the picks of points (B, N, 3) into idx (B, M).

    Each has the greatest product of its weight (B, N) and its squared distance to all before it.
    """
    rows = torch.arange(len(points), device=points.device)
    picks = torch.zeros_like(idx, dtype=torch.int64)
    nearest = torch.full_like(weights, torch.inf)
    for i in range(1, idx.shape[1]):
        last = points[rows, picks[:, i - 1]]
        nearest = nearest.minimum((points - last[:, None]).square().sum(2))
        picks[:, i] = (nearest * weights).argmax(1)
    return write(idx, picks)
