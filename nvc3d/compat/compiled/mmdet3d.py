"""The compiled modules of mmdetection3d 0.x and of MVP, which write into tensors.

There each operator has a module of its own, `ball_query_ext` and so on; all of them are this one.
The sizes that come first are those of the tensors, and have no effect.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import balls
from . import pointnet2_ext as ext
from .pointnet2_batch_cuda import (
    furthest_point_sampling_wrapper,
    gather_points_grad_wrapper,
    gather_points_wrapper,
    group_points_grad_wrapper,
    group_points_wrapper,
    three_interpolate_grad_wrapper,
    three_interpolate_wrapper,
    three_nn_wrapper,
)
from .pointops_cuda import knnquery_cuda
from .writing import write

__all__ = [
    "furthest_point_sampling_wrapper",
    "gather_points_grad_wrapper",
    "gather_points_wrapper",
    "three_interpolate_grad_wrapper",
    "three_interpolate_wrapper",
    "three_nn_wrapper",
]

forward, backward = group_points_wrapper, group_points_grad_wrapper  # of group_points_ext
knn_wrapper = knnquery_cuda


def ball_query_wrapper(
    b: int,
    n: int,
    m: int,
    min_radius: float,
    max_radius: float,
    nsample: int,
    new_xyz: Tensor,
    xyz: Tensor,
    idx: Tensor,
) -> int:
    """Write the first points from one radius up to another of each centre into idx (B, M, nsample).

    Points at the centre itself count in any case.
    """
    if min_radius == 0:
        return write(idx, ext.ball_query(new_xyz, xyz, max_radius, nsample))
    squared, index = balls.inside(new_xyz, xyz, max_radius)
    between = (squared >= min_radius**2) | (squared == 0)
    none = xyz.shape[1]  # behind all points
    first = torch.where(between & (index >= 0), index, none).sort(2).values[..., :nsample]
    first = torch.nn.functional.pad(first, (0, nsample - first.shape[2]), value=none)
    first = torch.where(first == none, first[..., :1], first)
    return write(idx, first.masked_fill(first == none, 0))


@torch.no_grad()
def furthest_point_sampling_with_dist_wrapper(
    b: int, n: int, m: int, points_dist: Tensor, temp: Tensor, idx: Tensor
) -> int:
    """Write picks, each as far as can be from all before it, by a table of distances (B, N, N)."""
    row = torch.arange(len(points_dist), device=points_dist.device)
    picks = torch.zeros_like(idx, dtype=torch.int64)
    nearest = torch.full_like(points_dist[:, 0], torch.inf)
    for i in range(1, idx.shape[1]):
        nearest = nearest.minimum(points_dist[row, picks[:, i - 1]])
        picks[:, i] = nearest.argmax(1)
    return write(idx, picks)
