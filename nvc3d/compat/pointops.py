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

from . import balls, offsets

ITSELF = 1e-5  # up to this squared distance points count as the centre itself


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


def ball_query(
    nsample: int,
    max_radius: float,
    min_radius: float,
    xyz: Tensor,
    offset: Tensor,
    new_xyz: Tensor | None = None,
    new_offset: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Find points of xyz from min_radius up to max_radius from each of new_xyz in the same cloud.

    Points at the centre itself count too. Of more than nsample, every so manieth from the nearest
    to the farthest is taken.

    Returns:
        Indices (M, nsample), int32, nearest first, -1 where there are fewer, and plain distances
        alike, without gradient, 1e5 there.
    """
    distance, index = balls.balls(
        nsample, max_radius, min_radius, xyz, offset, new_xyz, new_offset, itself=ITSELF
    )
    return index.int(), distance


def random_ball_query(
    nsample: int,
    max_radius: float,
    min_radius: float,
    xyz: Tensor,
    offset: Tensor,
    new_xyz: Tensor | None = None,
    new_offset: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As `ball_query`; of more than nsample points those are taken that a draw puts first."""
    # Shuffled within each cloud: by cloud first, and by a random number second.
    shuffled = torch.randperm(len(xyz), device=xyz.device)
    order = shuffled[offset2batch(offset)[shuffled].argsort(stable=True)]
    distance, index = balls.balls(
        nsample, max_radius, min_radius, xyz, offset, new_xyz, new_offset, order, ITSELF
    )
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


def ball_query_and_group(
    feat: Tensor,
    xyz: Tensor,
    offset: Tensor | None = None,
    new_xyz: Tensor | None = None,
    new_offset: Tensor | None = None,
    idx: Tensor | None = None,
    max_radio: float | None = None,
    min_radio: float = 0,
    nsample: int | None = None,
    with_xyz: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gather the features of points in balls: `ball_query`, unless idx is given, and `grouping`.

    Returns:
        What `grouping` returns, and the indices.
    """
    if idx is None:
        if nsample is None or offset is None or max_radio is None:
            raise ValueError("nsample, offset and max_radio must be given where idx is None")
        idx, _ = ball_query(nsample, max_radio, min_radio, xyz, offset, new_xyz, new_offset)
    return grouping(idx, feat, xyz, new_xyz, with_xyz), idx


def query_and_group(
    nsample: int,
    xyz: Tensor,
    new_xyz: Tensor | None,
    feat: Tensor,
    idx: Tensor | None,
    offset: Tensor,
    new_offset: Tensor,
    dilation: int = 0,
    with_feat: bool = True,
    with_xyz: bool = True,
) -> Tensor | tuple[Tensor, Tensor]:
    """Gather the features (N, C) of the nearest points, of which `dilation` are left out in turn.

    Where a cloud has too few points for that, fewer are left out, or some come several times.

    Returns:
        (M, nsample, 3 + C), the points as seen from new_xyz first, or without with_xyz
        (M, nsample, C); and the indices. Without with_feat the indices alone.
    """
    if new_xyz is None:
        new_xyz, new_offset = xyz, offset
    if idx is None:
        total = 1 + (nsample - 1) * (dilation + 1)
        near, _ = knn_query(total, xyz, offset, new_xyz, new_offset)
        counts = offsets.counts_of(offset, xyz, "offset")
        last = counts.clamp_max(total)[offset2batch(new_offset), None] - 1  # (M, 1)
        step = last.double() / max(nsample - 1, 1)
        idx = near.gather(1, (step * torch.arange(nsample, device=xyz.device)).long())
    if not with_feat:
        return idx
    found = offsets.rows(feat, idx)
    if with_xyz:
        found = torch.cat([offsets.rows(xyz, idx) - new_xyz[:, None], found], -1)
    return found, idx


def offset2batch(offset: Tensor) -> Tensor:
    """The cloud of each point (N,), int64, by where each cloud ends (B,)."""
    ends = offset.long()
    counts = ends.diff(prepend=ends.new_zeros(1))
    return torch.arange(len(ends), device=ends.device).repeat_interleave(counts)


def batch2offset(batch: Tensor) -> Tensor:
    """Where each cloud ends (B,), int32, by the cloud of each point (N,)."""
    return batch.bincount().cumsum(0).int()
