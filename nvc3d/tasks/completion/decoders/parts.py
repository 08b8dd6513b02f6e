"""What several decoders are made of."""

from __future__ import annotations

from math import ceil, sqrt

import torch
from torch import Tensor, nn

from nvc3d import ops

NEIGHBOURS = 8
"""Seen points that tell a place what is around it."""


def coarse_layers(code_dim: int, count: int) -> nn.Sequential:
    """From codes (B, code_dim) to coarse clouds (B, 3 * count), flat."""
    return nn.Sequential(
        nn.Linear(code_dim, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, 3 * count),
    )


def spread(partial: Tensor, coarse: Tensor, count: int) -> Tensor:
    """Seeds (B, count, 3), spread by farthest point sampling over the seen points (B, P, 3) and the
    coarse ones (B, C, 3) together.

    So they follow what is seen where anything is, and the code elsewhere.
    """
    both = torch.cat([partial, coarse], dim=1)  # (B, P + C, 3)
    picks = ops.farthest_point_sampling(both.detach(), count)  # (B, count)
    return both.gather(1, picks[..., None].expand(-1, -1, 3))


def grid(count: int) -> Tensor:
    """An even grid (count, 2) of points on the square from -1 to 1; its last row may be shorter."""
    side = ceil(sqrt(count))
    index = torch.arange(count)
    places = torch.stack([index // side, index % side], dim=-1).float()  # (count, 2)
    return (2 * places - places.amax(0)) / max(side - 1, 1)


def surroundings(at: Tensor, points: Tensor, features: Tensor) -> Tensor:
    """What is around places (B, S, 3): (B, S, C + 3 * NEIGHBOURS).

    The features (B, N, C) of the nearest points (B, N, 3), by inverse squared distance (as in Qi
    et al., "PointNet++", NIPS 2017), and where those points lie from the place, the nearest first:
    there the surface goes on.
    """
    with torch.no_grad():
        squared, index = ops.knn(at, points, min(NEIGHBOURS, points.shape[1]))  # (B, S, K)
    weight = 1 / (squared + 1e-8)
    weight = (weight / weight.sum(-1, keepdim=True)).to(features.dtype)
    batch = torch.arange(index.shape[0], device=index.device)[:, None, None]
    around = (features[batch, index] * weight[..., None]).sum(2)  # (B, S, C)
    # Points of a scan lie about a tenth of its size apart: layers learn best from inputs near 1.
    offsets = 10 * (points[batch, index] - at[:, :, None])  # (B, S, K, 3)
    missing = NEIGHBOURS - offsets.shape[2]
    offsets = torch.cat([offsets, offsets[:, :, -1:].expand(-1, -1, missing, -1)], dim=2)
    return torch.cat([around, offsets.flatten(2)], dim=-1)
