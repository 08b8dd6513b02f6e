"""Pointcept's pointops over our operators: clouds one after the other, and where each ends.

    from nvc3d.compat import pointops

Points are (N, 3), and `offset` (B,) says where each cloud ends; indices are into all points, and
int32. Results are the peer's on valid input. Beyond it, any device, float dtype and number of
neighbours will do, gradients reach all that they should, and NaN, infinite points and more picks
than there are points are refused.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import offsets


def farthest_point_sampling(xyz: Tensor, offset: Tensor, new_offset: Tensor) -> Tensor:
    """Pick points of each cloud, each as far as can be from all before it, from its first on.

    Args:
        xyz: (N, 3).
        offset: (B,).
        new_offset: (B,): where each cloud of picks is to end.

    Returns:
        Indices (M,), int32.
    """
    return offsets.sample(xyz, offset, new_offset).int()


def knn_query(
    nsample: int,
    xyz: Tensor,
    offset: Tensor,
    new_xyz: Tensor | None = None,
    new_offset: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the nsample points of xyz nearest to each of new_xyz in the same cloud.

    Args:
        nsample: how many; of a smaller cloud all points.
        xyz: (N, 3).
        offset: (B,).
        new_xyz: (M, 3); None for xyz itself.
        new_offset: (B,).

    Returns:
        Indices (M, nsample), int32, nearest first, -1 where a cloud has fewer, and plain distances
        alike, without gradient, 1e5 there.
    """
    (distance, index), _ = offsets.search(nsample, xyz, offset, new_xyz, new_offset)
    return index.int(), distance


def grouping(
    idx: Tensor,
    feat: Tensor,
    xyz: Tensor,
    new_xyz: Tensor | None = None,
    with_xyz: bool = False,
) -> Tensor:
    """Gather features (N, C) at indices (M, K), and where asked the points as seen from new_xyz.

    Returns:
        (M, K, C) or (M, K, 3 + C); 0 where the index is -1.
    """
    found = offsets.rows(feat, idx)
    if not with_xyz:
        return found
    around = offsets.rows(xyz, idx) - (xyz if new_xyz is None else new_xyz)[:, None]
    return torch.cat([around.masked_fill((idx < 0)[..., None], 0), found], -1)


def grouping2(input: Tensor, idx: Tensor) -> Tensor:
    """Gather features (N, C) at indices (M, K): (M, K, C)."""
    return offsets.rows(input, idx)


def interpolation(
    xyz: Tensor, new_xyz: Tensor, feat: Tensor, offset: Tensor, new_offset: Tensor, k: int = 3
) -> Tensor:
    """Average features (N, C) at new_xyz (M, 3), by the inverse distance of the k nearest of xyz.

    Returns:
        (M, C), with the gradient of the features.
    """
    (distance, index), _ = offsets.search(k, xyz, offset, new_xyz, new_offset)
    return offsets.interpolate(feat, distance, index)


interpolation2 = interpolation


def subtraction(input1: Tensor, input2: Tensor, idx: Tensor) -> Tensor:
    """Subtract from each of input1 (N, C) its neighbours (N, K) in input2: (N, K, C)."""
    return input1[:, None] - offsets.rows(input2, idx)


def aggregation(input: Tensor, position: Tensor, weight: Tensor, idx: Tensor) -> Tensor:
    """Sum the features of neighbours, moved by `position`, by weights that channels share.

    Args:
        input: (N, C).
        position: (N, K, C).
        weight: (N, K, W), where W divides C: channel c has weight c modulo W.
        idx: (N, K).

    Returns:
        (N, C).
    """
    moved = offsets.rows(input, idx) + position
    repeated = weight.repeat(1, 1, moved.shape[2] // weight.shape[2])
    return (moved * repeated).sum(1)


def attention_relation_step(
    query: Tensor, key: Tensor, weight: Tensor, index_target: Tensor, index_refer: Tensor
) -> Tensor:
    """Multiply queries and keys (N, G, C), weighed by channel (C,), along edges (M,): (M, G)."""
    there = key[index_refer.long()]
    return (query[index_target.long()] * there * weight).sum(2)


def attention_fusion_step(
    weight: Tensor, value: Tensor, index_target: Tensor, index_refer: Tensor
) -> Tensor:
    """Sum values (N, G, C), weighed (M, G) along edges (M,), at their targets: (N, G, C)."""
    moved = value[index_refer.long()] * weight[..., None]
    return torch.zeros_like(value).index_add(0, index_target.long(), moved)


def knn_query_and_group(
    feat: Tensor,
    xyz: Tensor,
    offset: Tensor | None = None,
    new_xyz: Tensor | None = None,
    new_offset: Tensor | None = None,
    idx: Tensor | None = None,
    nsample: int | None = None,
    with_xyz: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gather the features of the nearest points: `knn_query`, unless idx is given, and `grouping`.

    Returns:
        What `grouping` returns, and the indices.
    """
    if idx is None:
        if nsample is None or offset is None:
            raise ValueError("nsample and offset must be given where idx is None")
        idx, _ = knn_query(nsample, xyz, offset, new_xyz, new_offset)
    return grouping(idx, feat, xyz, new_xyz, with_xyz), idx


def offset2batch(offset: Tensor) -> Tensor:
    """The cloud of each point (N,), int64, by where each cloud ends (B,)."""
    ends = offset.long()
    counts = ends.diff(prepend=ends.new_zeros(1))
    return torch.arange(len(ends), device=ends.device).repeat_interleave(counts)


def batch2offset(batch: Tensor) -> Tensor:
    """Where each cloud ends (B,), int32, by the cloud of each point (N,)."""
    return batch.bincount().cumsum(0).int()
