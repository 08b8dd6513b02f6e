"""The compiled module of pointnet2_ops and its copies, `pointnet2._ext`."""

from __future__ import annotations

import torch
from torch import Tensor

from ..channels import gather
from ..pointnet2_ops import pointnet2_utils


def furthest_point_sampling(points: Tensor, nsamples: int) -> Tensor:
    """See `pointnet2_utils.furthest_point_sample`."""
    return pointnet2_utils.furthest_point_sample(points, nsamples)


def ball_query(new_xyz: Tensor, xyz: Tensor, radius: float, nsample: int) -> Tensor:
    """See `pointnet2_utils.ball_query`."""
    return pointnet2_utils.ball_query(radius, nsample, xyz, new_xyz)


@torch.no_grad()
def gather_points(points: Tensor, idx: Tensor) -> Tensor:
    """Gather features (B, C, N) at indices (B, M): (B, C, M)."""
    return gather(points, idx[..., None])[..., 0]


@torch.no_grad()
def gather_points_grad(grad_out: Tensor, idx: Tensor, n: int) -> Tensor:
    """The gradient (B, C, n) of what was gathered, by its own (B, C, M)."""
    return group_points_grad(grad_out[..., None], idx[..., None], n)


@torch.no_grad()
def group_points(points: Tensor, idx: Tensor) -> Tensor:
    """Gather features (B, C, N) at indices (B, M, K): (B, C, M, K)."""
    return gather(points, idx)


@torch.enable_grad()
def group_points_grad(grad_out: Tensor, idx: Tensor, n: int) -> Tensor:
    """The gradient (B, C, n) of what was grouped, by its own (B, C, M, K)."""
    features = grad_out.new_zeros(*grad_out.shape[:2], n, requires_grad=True)
    return torch.autograd.grad(gather(features, idx), features, grad_out)[0]


@torch.no_grad()
def three_nn(unknowns: Tensor, knows: Tensor) -> list[Tensor]:
    """As `pointnet2_utils.three_nn`, with squared distances."""
    distance, index = pointnet2_utils.three_nn(unknowns, knows)
    return [distance.square(), index]


@torch.no_grad()
def three_interpolate(points: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
    """See `pointnet2_utils.three_interpolate`."""
    return pointnet2_utils.three_interpolate(points, idx, weight)


@torch.no_grad()
def three_interpolate_grad(grad_out: Tensor, idx: Tensor, weight: Tensor, m: int) -> Tensor:
    """The gradient (B, C, m) in the features, by that of what was interpolated (B, C, N)."""
    return group_points_grad(grad_out[..., None] * weight[:, None], idx, m)
