"""The compiled module `cubic_feature_sampling` of GRNet."""

from __future__ import annotations

import torch
from torch import Tensor

from ... import ops


@torch.no_grad()
def forward(
    scale: int, neighborhood_size: int, ptcloud: Tensor, cubic_features: Tensor
) -> list[Tensor]:
    """The features of a grid (B, C, S, S, S) at the corners around points (B, N, 3).

    Returns:
        (B, N, V, C), for the V corners of a cube of neighborhood_size cells to each side, 0 beyond
        the grid; and which they are (B, N, V), int32, -1 there.
    """
    along = torch.arange(1 - neighborhood_size, neighborhood_size + 1, device=ptcloud.device)
    place = ptcloud.floor().long()[:, :, None] + torch.cartesian_prod(along, along, along)
    inside = ((place >= 0) & (place < scale)).all(3)  # (B, N, V)
    x, y, z = place.unbind(3)
    index = ((x * scale + y) * scale + z).masked_fill(~inside, -1)
    features = cubic_features.flatten(2).transpose(1, 2)  # (B, S³, C)
    return [ops.group(features, index), index.int()]


@torch.no_grad()
def backward(
    scale: int, neighborhood_size: int, grad_point_features: Tensor, grid_pt_indexes: Tensor
) -> list[Tensor]:
    """The gradients in the points, 0, and in the grid (B, C, S, S, S), by that of the features."""
    batch, points, _, channels = grad_point_features.shape
    index = grid_pt_indexes.long().flatten(1)[..., None]  # (B, N V, 1)
    grads = grad_point_features.reshape(batch, -1, channels).masked_fill(index < 0, 0)
    flat = grads.new_zeros(batch, scale**3, channels)
    flat.scatter_add_(1, index.clamp_min(0).expand_as(grads), grads)
    grid = flat.transpose(1, 2).reshape(batch, channels, scale, scale, scale)
    return [grads.new_zeros(batch, points, 3), grid]
