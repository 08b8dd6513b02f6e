"""pointnet2_ops.pointnet2_utils over our operators: its names, layouts and return types.

    from nvc3d.compat.pointnet2_ops import pointnet2_utils

Points are (B, N, 3), features have their channels first, (B, C, N), and indices are int32. Results
are the peer's on valid input. Beyond it, any float dtype, device and dimension will do, points at
the origin are sampled like all others, the weights of `three_interpolate` have their gradient, and
NaN or infinite points, and more picks than there are points, are refused.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ... import ops
from ..channels import gather
from ..function import function_of


def furthest_point_sample(xyz: Tensor, npoint: int) -> Tensor:
    """Pick npoint of the points (B, N, 3), each as far as can be from all before it, from 0 on.

    Returns:
        (B, npoint), int32.
    """
    return ops.farthest_point_sampling(xyz, npoint).int()


def gather_operation(features: Tensor, idx: Tensor) -> Tensor:
    """Gather features (B, C, N) at indices (B, M): (B, C, M)."""
    return gather(features, idx[..., None])[..., 0]


def three_nn(unknown: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Find the three points of `known` (B, M, 3) nearest to each of `unknown` (B, N, 3).

    Returns:
        Plain distances (B, N, 3), without gradient, and indices (B, N, 3), int32. Where `known`
        has fewer than three points, the rest is infinitely far and 0.
    """
    k = min(3, known.shape[1])
    squared, index = ops.knn(unknown.detach(), known.detach(), k)
    missing = (0, 3 - k)
    return F.pad(squared.sqrt(), missing, value=math.inf), F.pad(index.int(), missing)


def three_interpolate(features: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
    """Sum the features (B, C, M) of neighbours (B, N, 3) by their weights (B, N, 3): (B, C, N)."""
    return (gather(features, idx) * weight[:, None]).sum(-1)


def grouping_operation(features: Tensor, idx: Tensor) -> Tensor:
    """Gather features (B, C, N) at indices (B, M, K): (B, C, M, K)."""
    return gather(features, idx)


def ball_query(radius: float, nsample: int, xyz: Tensor, new_xyz: Tensor) -> Tensor:
    """Find the first nsample of the points (B, N, 3), by index, nearer than a radius to a centre.

    Args:
        radius: plain distance.
        nsample: how many points.
        xyz: (B, N, 3).
        new_xyz: the centres (B, M, 3).

    Returns:
        (B, M, nsample), int32; where there are fewer, the first stands in, and 0 where none is.
    """
    # The radius is rounded to float32 before it is squared, as the peer does.
    rounded = radius if xyz.dtype == torch.float64 else float(np.float32(radius))
    index = ops.ball_query(new_xyz.detach(), xyz.detach(), rounded, nsample).index
    return torch.where(index < 0, index[..., :1].clamp_min(0), index).int()


FurthestPointSampling = function_of(furthest_point_sample)
GatherOperation = function_of(gather_operation)
ThreeNN = function_of(three_nn)
ThreeInterpolate = function_of(three_interpolate)
GroupingOperation = function_of(grouping_operation)
BallQuery = function_of(ball_query)


class QueryAndGroup(nn.Module):
    """Gather the points within a radius of each centre, as seen from it, with their features.

    Args:
        radius: plain distance.
        nsample: how many points a centre has; see `ball_query`.
        use_xyz: put the coordinates before the features.
    """

    def __init__(self, radius: float, nsample: int, use_xyz: bool = True) -> None:
        super().__init__()
        self.radius, self.nsample, self.use_xyz = radius, nsample, use_xyz

    def forward(self, xyz: Tensor, new_xyz: Tensor, features: Tensor | None = None) -> Tensor:
        """From (B, N, 3), (B, M, 3) and (B, C, N) to (B, 3 + C, M, nsample)."""
        index = ball_query(self.radius, self.nsample, xyz, new_xyz)
        if features is not None and not self.use_xyz:
            return grouping_operation(features, index)
        around = grouping_operation(xyz.transpose(1, 2), index)
        around = around - new_xyz.transpose(1, 2)[..., None]
        return _joined(around, features, index, self.use_xyz)


class GroupAll(nn.Module):
    """Put all points of a cloud into one group, with their features.

    Args:
        use_xyz: put the coordinates before the features.
    """

    def __init__(self, use_xyz: bool = True) -> None:
        super().__init__()
        self.use_xyz = use_xyz

    def forward(
        self, xyz: Tensor, new_xyz: Tensor | None, features: Tensor | None = None
    ) -> Tensor:
        """From (B, N, 3) and (B, C, N) to (B, 3 + C, 1, N); `new_xyz` has no effect."""
        if features is not None and not self.use_xyz:
            return features[:, :, None]
        points = xyz.transpose(1, 2)
        return (points if features is None else torch.cat([points, features], 1))[:, :, None]


def _joined(around: Tensor, features: Tensor | None, index: Tensor, use_xyz: bool) -> Tensor:
    if features is not None:
        return torch.cat([around, grouping_operation(features, index)], 1)
    if not use_xyz:
        raise ValueError("features must be given where use_xyz is False, got None")
    return around
