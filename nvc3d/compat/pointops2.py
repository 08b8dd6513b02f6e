"""The pointops of Point Transformer and of Pointcept's pointops2: the older names and orders.

    from nvc3d.compat import pointops2

As in `nvc3d.compat.pointops`; but where a cloud has fewer points than are asked for, its first
point stands in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import offsets
from .pointops import aggregation, farthest_point_sampling, grouping2, subtraction

__all__ = ["aggregation", "furthestsampling", "grouping", "knnquery", "subtraction"]

furthestsampling = farthest_point_sampling
grouping = grouping2


def knnquery(
    nsample: int, xyz: Tensor, new_xyz: Tensor | None, offset: Tensor, new_offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Find the nsample points of xyz (N, 3) nearest to each of new_xyz (M, 3) in the same cloud.

    Returns:
        Indices (M, nsample), int32, nearest first, and plain distances alike, without gradient;
        where a cloud has fewer points its first stands in, at 1e5.
    """
    (distance, index), first = offsets.search(
        nsample, xyz, offset, new_xyz, offset if new_xyz is None else new_offset
    )
    return torch.where(index < 0, first[:, None], index).int(), distance


def queryandgroup(
    nsample: int,
    xyz: Tensor,
    new_xyz: Tensor | None,
    feat: Tensor,
    idx: Tensor | None,
    offset: Tensor,
    new_offset: Tensor,
    use_xyz: bool = True,
    return_indx: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Gather the features (N, C) of the nearest points, behind the points as seen from new_xyz.

    Returns:
        (M, nsample, 3 + C), or (M, nsample, C) without use_xyz; and the indices, with return_indx.
    """
    if idx is None:
        idx, _ = knnquery(nsample, xyz, new_xyz, offset, new_offset)
    found = grouping(feat, idx)
    if use_xyz:
        around = grouping(xyz, idx) - (xyz if new_xyz is None else new_xyz)[:, None]
        found = torch.cat([around, found], -1)
    return (found, idx) if return_indx else found


def interpolation(
    xyz: Tensor, new_xyz: Tensor, feat: Tensor, offset: Tensor, new_offset: Tensor, k: int = 3
) -> Tensor:
    """Average features (N, C) at new_xyz (M, 3), by the inverse distance to the k nearest."""
    idx, distance = knnquery(k, xyz, new_xyz, offset, new_offset)
    return offsets.interpolate(feat, distance, idx)


interpolation2 = interpolation
