"""The compiled backend of PVCNN, PVD and LION, which have coordinates first: (B, 3, N).

A grid of R cells a side is (B, C, R * R * R).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..channels import gather
from . import pointnet2_ext as ext

gather_features_forward, gather_features_backward = ext.gather_points, ext.gather_points_grad
grouping_forward, grouping_backward = ext.group_points, ext.group_points_grad


def furthest_point_sampling(coords: Tensor, num_samples: int) -> Tensor:
    """Pick points (B, 3, N), each as far as can be from all before it: (B, num_samples), int32."""
    return ext.furthest_point_sampling(_points(coords), num_samples)


def ball_query(
    centers_coords: Tensor, points_coords: Tensor, radius: float, num_neighbors: int
) -> Tensor:
    """See `pointnet2_utils.ball_query`: (B, M, num_neighbors), int32."""
    return ext.ball_query(_points(centers_coords), _points(points_coords), radius, num_neighbors)


@torch.no_grad()
def three_nearest_neighbors_interpolate_forward(
    points_coords: Tensor, centers_coords: Tensor, centers_features: Tensor
) -> list[Tensor]:
    """Average the features (B, C, M) of the three nearest centres by their inverse squares.

    Returns:
        (B, C, N), the centres (B, 3, N), int32, and their weights (B, 3, N).
    """
    squared, index = ext.three_nn(_points(points_coords), _points(centers_coords))
    closeness = 1 / squared.clamp(1e-10, 1e10)
    weight = closeness / closeness.sum(2, keepdim=True)  # (B, N, 3)
    found = ext.three_interpolate(centers_features, index, weight)
    return [found, index.transpose(1, 2).contiguous(), weight.transpose(1, 2).contiguous()]


def three_nearest_neighbors_interpolate_backward(
    grad_y: Tensor, indices: Tensor, weights: Tensor, m: int
) -> Tensor:
    """The gradient (B, C, m) in the features, by that of what was interpolated (B, C, N)."""
    return ext.three_interpolate_grad(grad_y, _points(indices), _points(weights), m)


@torch.no_grad()
def avg_voxelize_forward(features: Tensor, coords: Tensor, resolution: int) -> list[Tensor]:
    """Average the features (B, C, N) of points in a cell, by cells (B, 3, N) from 0 to R - 1.

    Returns:
        (B, C, R * R * R), the cell of each point (B, N), and how many each has; both int32.
    """
    x, y, z = coords.long().unbind(1)
    index = (x * resolution + y) * resolution + z  # (B, N)
    counts = torch.zeros(len(index), resolution**3, dtype=torch.int32, device=index.device)
    counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.int32))
    sums = features.new_zeros(*features.shape[:2], resolution**3)
    sums.scatter_add_(2, index[:, None].expand_as(features), features)
    return [sums / counts.clamp_min(1)[:, None], index.int(), counts]


@torch.no_grad()
def avg_voxelize_backward(grad_y: Tensor, indices: Tensor, cnt: Tensor) -> Tensor:
    """The gradient (B, C, N) in the features, by that of the grid (B, C, R * R * R)."""
    return gather(grad_y / cnt.clamp_min(1)[:, None], indices[..., None])[..., 0]


@torch.no_grad()
def trilinear_devoxelize_forward(
    resolution: int, is_training: bool, coords: Tensor, features: Tensor
) -> list[Tensor]:
    """Read a grid (B, C, R * R * R) at points (B, 3, N), between 0 and R - 1, by its eight cells.

    Returns:
        (B, C, N), the cells (B, 8, N), int32, and their weights (B, 8, N), the last axis fastest.
    """
    low = coords.floor()
    part = coords - low  # (B, 3, N)
    ends = torch.stack([low, low + (part > 0)]).long()  # (2, B, 3, N)
    shares = torch.stack([1 - part, part])
    corner = torch.cartesian_prod(*[torch.arange(2)] * 3)  # (8, 3)
    x, y, z = (ends[corner[:, axis], :, axis] for axis in range(3))  # (8, B, N)
    index = ((x * resolution + y) * resolution + z).transpose(0, 1).int()
    along = [shares[corner[:, axis], :, axis] for axis in range(3)]
    weight = (along[0] * along[1] * along[2]).transpose(0, 1).contiguous()
    found = ext.three_interpolate(features, _points(index), _points(weight))
    return [found, index.contiguous(), weight]


def trilinear_devoxelize_backward(
    grad_y: Tensor, indices: Tensor, weights: Tensor, r: int
) -> Tensor:
    """The gradient (B, C, R * R * R) in the grid, by that of what was read (B, C, N)."""
    return ext.three_interpolate_grad(grad_y, _points(indices), _points(weights), r**3)


def _points(coords: Tensor) -> Tensor:
    return coords.transpose(1, 2).contiguous()
