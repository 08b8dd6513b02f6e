"""Clouds that lie one after the other (N, F), with the offsets at which each ends (B,)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from .. import ops
from ..ops import Neighbours, checks
from .packed import alike, farthest, packed_points, pad
from .ragged import ragged


def counts_of(offset: Tensor, points: Tensor, name: str) -> Tensor:
    """How many points each cloud has: (B,)."""
    if offset.dim() != 1 or len(offset) == 0 or offset.is_floating_point():
        raise ValueError(f"{name} must be integers (B,), got {tuple(offset.shape)}")
    ends = offset.long()
    counts = ends.diff(prepend=ends.new_zeros(1))
    if int(ends[-1]) != len(points) or bool((counts < 0).any()):
        raise ValueError(f"{name} must rise to {len(points)}, got {ends.tolist()}")
    return counts


def sample(xyz: Tensor, offset: Tensor, new_offset: Tensor) -> Tensor:
    """Pick points of each cloud, each as far as can be from all before it, from its first on."""
    points = packed_points(xyz.detach(), "xyz")
    counts = counts_of(offset, points, "offset")
    ends = new_offset.long()
    wanted = ends.diff(prepend=ends.new_zeros(1))
    if wanted.shape != counts.shape or bool(((wanted < 0) | (wanted > counts)).any()):
        raise ValueError(
            f"new_offset must ask for at most {counts.tolist()} points, got {wanted.tolist()}"
        )
    return farthest(points, counts, wanted, torch.zeros_like(counts))


def searched(
    k: int, xyz: Tensor, offset: Tensor, new_xyz: Tensor | None, new_offset: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What a search for k neighbours is about: the points (N, 3), the centres (M, 3), which are the
    points where none are given, and how many of each a cloud has (B,).

    Raises ValueError on a k below 1, other shapes, and centres of a cloud without points.
    """
    if new_xyz is None or new_offset is None:
        new_xyz, new_offset = xyz, offset
    checks.check(k >= 1, f"nsample must be at least 1, got {k}")
    points, centres = (
        packed_points(p.detach(), name) for p, name in ((xyz, "xyz"), (new_xyz, "new_xyz"))
    )
    counts = counts_of(offset, points, "offset")
    wanted = counts_of(new_offset, centres, "new_offset")
    if counts.shape != wanted.shape or bool(((counts == 0) & (wanted > 0)).any()):
        raise ValueError(
            f"every cloud that is searched must have points, got {counts.tolist()} points and "
            f"{wanted.tolist()} centres"
        )
    return points, centres, counts, wanted


def search(
    k: int, xyz: Tensor, offset: Tensor, new_xyz: Tensor | None, new_offset: Tensor | None
) -> tuple[Neighbours, Tensor]:
    """The k points of xyz (N, 3) nearest to each of new_xyz (M, 3) in the same cloud.

    Gives plain distances (M, k), 1e5 where a cloud has fewer, and indices into xyz, -1 there; and
    where the cloud of each of new_xyz begins (M,).
    """
    points, centres, counts, wanted = searched(k, xyz, offset, new_xyz, new_offset)
    begin = counts.cumsum(0) - counts  # (B,)
    asked = wanted.nonzero()[:, 0]
    distance = centres.new_empty(len(centres), k)
    index = torch.empty(len(centres), k, dtype=torch.int64, device=centres.device)
    for some in alike(wanted[asked], counts[asked]):
        rows = asked[some]
        here = pad(centres, (wanted.cumsum(0) - wanted)[rows], wanted[rows])
        there = pad(points, begin[rows], counts[rows])
        squared, near = ragged(
            partial(ops.knn, check_finite=False),
            here.points,
            there.points,
            here.lengths,
            there.lengths,
            there.lengths.clamp(max=k),
            k,
            padding=-1,
        )  # (b, P, k)
        near = torch.where(near < 0, near, near + there.begin[:, None, None])
        row = torch.arange(near.shape[1], device=near.device)  # (P,)
        real = row < here.lengths[:, None]  # (b, P)
        place = (row + here.begin[:, None])[real]
        distance[place] = squared.sqrt().masked_fill(near < 0, 1e5)[real]
        index[place] = near[real]
    return Neighbours(distance, index), begin.repeat_interleave(wanted)


def rows(values: Tensor, index: Tensor) -> Tensor:
    """Values (N, C) at an index (M, K), int32 or int64: (M, K, C); 0 where the index is -1."""
    return ops.group(values[None], index[None].long())[0]


def interpolate(values: Tensor, distance: Tensor, index: Tensor) -> Tensor:
    """Values (N, C) of neighbours (M, K), averaged by the inverse of their distances: (M, C).

    An index of -1 has no part in it.
    """
    closeness = (1 / (distance + 1e-8)).masked_fill(index < 0, 0)
    weight = closeness / closeness.sum(1, keepdim=True)
    return (rows(values, index) * weight[..., None]).sum(1)
