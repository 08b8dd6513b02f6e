"""The compiled module `gridding_distance` of GRNet; see `gridding`."""

from __future__ import annotations

import torch
from torch import Tensor

from . import gridding


@torch.no_grad()
def forward(
    min_x: float,
    max_x: float,
    min_y: float,
    max_y: float,
    min_z: float,
    max_z: float,
    ptcloud: Tensor,
) -> list[Tensor]:
    """As `gridding.forward`, with what each corner of a cell gets kept apart: a grid (B, V, 8)."""
    grid, shares, index = gridding.forward(min_x, max_x, min_y, max_y, min_z, max_z, ptcloud)
    apart = grid.new_zeros(*grid.shape, 8)
    for corner in range(8):
        apart[..., corner].scatter_add_(1, index[..., corner].long(), shares[:, :, corner].prod(2))
    return [apart, shares, index]


@torch.no_grad()
def backward(grid_pt_weights: Tensor, grid_pt_indexes: Tensor, grad_grid: Tensor) -> Tensor:
    """The gradient in the points (B, N, 3), by that of the grid (B, V, 8)."""
    corner = torch.arange(8, device=grad_grid.device)
    flat = grid_pt_indexes.long() * 8 + corner
    return gridding.backward(grid_pt_weights, flat, grad_grid.flatten(1))
