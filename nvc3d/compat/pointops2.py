"""The pointops of Point Transformer and of Pointcept's pointops2: the older names and orders.

    from nvc3d.compat import pointops2

As in `nvc3d.compat.pointops`; but where a cloud has fewer points than are asked for, its first
point stands in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import balls, offsets
from .pointops import aggregation, farthest_point_sampling, grouping2, subtraction
from .windows import (
    attention_step1,
    attention_step1_v2,
    attention_step2,
    attention_step2_v2,
    attention_step2_with_rel_pos_value,
    attention_step2_with_rel_pos_value_v2,
    dot_prod_with_idx,
    dot_prod_with_idx_v2,
    dot_prod_with_idx_v3,
)

__all__ = [
    "aggregation",
    "attention_step1",
    "attention_step1_v2",
    "attention_step2",
    "attention_step2_v2",
    "attention_step2_with_rel_pos_value",
    "attention_step2_with_rel_pos_value_v2",
    "dot_prod_with_idx",
    "dot_prod_with_idx_v2",
    "dot_prod_with_idx_v3",
    "furthestsampling",
    "grouping",
    "knnquery",
    "subtraction",
]

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


def ballquery(
    radius: float,
    nsample: int,
    xyz: Tensor,
    new_xyz: Tensor | None,
    offset: Tensor,
    new_offset: Tensor,
) -> Tensor:
    """Find the first nsample points, by index, nearer than a radius to each of new_xyz (M, 3).

    Returns:
        (M, nsample), int32; where there are fewer, the first stands in, and 0 where none is.
    """
    by_index = torch.arange(len(xyz), device=xyz.device)
    _, index = balls.balls(nsample, radius, 0.0, xyz, offset, new_xyz, new_offset, by_index)
    return torch.where(index < 0, index[:, :1].clamp_min(0), index).int()


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


def querygroup(
    nsample: int,
    xyz: Tensor,
    new_xyz: Tensor | None,
    feat: Tensor,
    offset: Tensor,
    new_offset: Tensor,
    radius: float | None = None,
    query_method: str = "knn",
    normalize_dp: bool = False,
    idx: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Gather neighbours as OpenPoints does: the points as seen from new_xyz, and their features.

    Args:
        nsample: how many.
        xyz: (N, 3).
        new_xyz: (M, 3); None for xyz itself.
        feat: (N, C).
        offset: (B,).
        new_offset: (B,).
        radius: of `ballquery`.
        query_method: "knn" or "knnquery" for `knnquery`, "ballquery" for `ballquery`.
        normalize_dp: divide what is seen by the radius, or, of "knn", by the distance to the
            farthest neighbour.
        idx: indices (M, nsample), which then are not searched for.

    Returns:
        (M, nsample, 3) and (M, nsample, C).
    """
    nearest = query_method in ("knn", "knnquery")
    if not nearest and query_method != "ballquery":
        raise ValueError(f'query_method must be "knn" or "ballquery", got {query_method!r}')
    if new_xyz is None:
        new_xyz, new_offset = xyz, offset
    if idx is None and nearest:
        idx, _ = knnquery(nsample, xyz, new_xyz, offset, new_offset)
    elif idx is None:
        idx = ballquery(_given(radius, query_method), nsample, xyz, new_xyz, offset, new_offset)
    around = grouping(xyz, idx) - new_xyz[:, None]
    if normalize_dp and query_method == "knn":
        around = around / (around.norm(dim=2, keepdim=True).amax(1, keepdim=True) + 1e-8)
    elif normalize_dp:
        around = around / _given(radius, query_method)
    return around, grouping(feat, idx)


def interpolation(
    xyz: Tensor, new_xyz: Tensor, feat: Tensor, offset: Tensor, new_offset: Tensor, k: int = 3
) -> Tensor:
    """Average features (N, C) at new_xyz (M, 3), by the inverse distance to the k nearest."""
    idx, distance = knnquery(k, xyz, new_xyz, offset, new_offset)
    return offsets.interpolate(feat, distance, idx)


interpolation2 = interpolation


def interpolation_v2(
    xyz: Tensor, new_xyz: Tensor, feat: Tensor, offset: Tensor, new_offset: Tensor, k: int = 3
) -> Tensor:
    """As `interpolation`, with a gradient in the points too, since no distance is below 1e-4."""
    (_, index), _ = offsets.search(k, xyz, offset, new_xyz, new_offset)
    around = new_xyz[:, None] - offsets.rows(xyz, index)
    distance = (around.square().sum(2) + 1e-8).sqrt()
    return offsets.interpolate(feat, distance, index)


def Divide2Patch(
    nsample: int,
    xyz: Tensor,
    offset: Tensor,
    return_offset: bool = False,
    anchor_scale: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Find the nsample points nearest to each of some points of xyz (N, 3): one of anchor_scale.

    Returns:
        Indices (M, nsample), int32; and where each cloud of picks ends (B,), with return_offset.
    """
    ends = offset.long()
    counts = ends.diff(prepend=ends.new_zeros(1)) // (anchor_scale or nsample)
    new_offset = counts.cumsum(0).int()
    picked = xyz[furthestsampling(xyz, offset, new_offset).long()]
    index, _ = knnquery(nsample, xyz, picked, offset, new_offset)
    return (index, new_offset) if return_offset else index


def _given(radius: float | None, query_method: str) -> float:
    if radius is None:
        raise ValueError(f"radius must be given where query_method is {query_method!r}, got None")
    return radius
