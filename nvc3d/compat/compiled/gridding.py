"""The compiled modules `gridding` and `gridding_distance` of GRNet.

A grid has a value at each corner of unit cells, (B, V), the last axis fastest. (Xie et al.,
"GRNet: Gridding Residual Network for Dense Point Cloud Completion", ECCV 2020.)
"""

from __future__ import annotations

import torch
from torch import Tensor

# The corners of a cell, the last axis fastest.
CORNERS = torch.cartesian_prod(*[torch.arange(2)] * 3)  # (8, 3)


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
    """Share points (B, N, 3) out to the corners of their cells, by nearness along each axis.

    Returns:
        The grid (B, V), the shares along each axis (B, N, 8, 3), and the corners (B, N, 8), int32.
    """
    low = ptcloud.floor()
    corner = CORNERS.to(ptcloud.device)
    place = low[:, :, None] + corner  # (B, N, 8, 3)
    shares = 1 - (ptcloud[:, :, None] - place).abs()
    least = ptcloud.new_tensor([float(value) for value in (min_x, min_y, min_z)])
    most = ptcloud.new_tensor([float(value) for value in (max_x, max_y, max_z)])
    x, y, z = (most - least + 1).long().tolist()
    offset = (place - least).long()
    index = (offset[..., 0] * y + offset[..., 1]) * z + offset[..., 2]  # (B, N, 8)
    grid = ptcloud.new_zeros(len(ptcloud), x * y * z)
    grid.scatter_add_(1, index.flatten(1), shares.prod(3).flatten(1))
    return [grid, shares, index.int()]


@torch.no_grad()
def backward(grid_pt_weights: Tensor, grid_pt_indexes: Tensor, grad_grid: Tensor) -> Tensor:
    """The gradient in the points (B, N, 3), by that of the grid (B, V)."""
    index = grid_pt_indexes.long().flatten(1)
    grads = grad_grid.gather(1, index).view_as(grid_pt_indexes)  # (B, N, 8)
    x, y, z = grid_pt_weights.unbind(3)
    along = torch.stack([y * z, x * z, x * y], 3) * (2 * CORNERS.to(index.device) - 1)
    return (grads[..., None] * along).sum(2)


def _points(scale: int, grid: Tensor) -> Tensor:
    """The mean corner of each cell, weighed by the grid (B, S, S, S): (B, S³, 3)."""
    cells = grid.view(-1, scale, scale, scale).unfold(1, 2, 1).unfold(2, 2, 1).unfold(3, 2, 1)
    weight = cells.flatten(4)  # (B, S - 1, S - 1, S - 1, 8)
    total = weight.sum(4, keepdim=True)
    low = torch.cartesian_prod(*[torch.arange(scale - 1, device=grid.device)] * 3) - scale // 2
    corner = low.view(*[scale - 1] * 3, 1, 3) + CORNERS.to(grid.device)
    real = total >= 1e-6
    mean = (weight[..., None] * corner).sum(4) / total.where(real, 1)
    # The cell before each corner; the first corners have none.
    return torch.nn.functional.pad(mean * real, (0, 0, 1, 0, 1, 0, 1, 0)).flatten(1, 3)


@torch.no_grad()
def rev_forward(scale: int, grid: Tensor) -> Tensor:
    """A point for each cell of a grid (B, S, S, S): (B, S³, 3), 0 where a cell has no weight."""
    return _points(scale, grid)


def rev_backward(ptcloud: Tensor, grid: Tensor, grad_ptcloud: Tensor) -> Tensor:
    """The gradient in the grid (B, S³), by that of the points (B, S³, 3)."""
    scale = round(ptcloud.shape[1] ** (1 / 3))
    with torch.enable_grad():
        values = grid.detach().requires_grad_()
        points = _points(scale, values)
    return torch.autograd.grad(points, values, grad_ptcloud)[0].reshape(len(grid), -1)
