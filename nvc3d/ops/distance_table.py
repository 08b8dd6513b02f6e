"""The table of all distances between two clouds."""

from __future__ import annotations

from torch import Tensor


def distance_table(x: Tensor, y: Tensor, norm: int = 2) -> Tensor:
    """Distances between all rows of x (N, D) and y (M, D): squared L2 or, for norm 1, L1."""
    difference = x[:, None, :] - y[None, :, :]  # (N, M, D)
    return difference.abs().sum(-1) if norm == 1 else difference.square().sum(-1)  # (N, M)
