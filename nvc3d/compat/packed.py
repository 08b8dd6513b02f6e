"""Clouds that lie one after the other (N, F), with a batch vector (N,), and side by side."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..ops import checks


class Padded(NamedTuple):
    """Clouds side by side."""

    points: Tensor  # (B, P, F)
    lengths: Tensor  # (B,)
    begin: Tensor  # (B,): where each cloud begins in the packed points


def pad(points: Tensor, begin: Tensor, lengths: Tensor) -> Padded:
    """Clouds that lie one after the other (N, F), put side by side."""
    row = torch.arange(int(lengths.max()), device=points.device)  # (P,)
    # Padding repeats the cloud's own first point.
    index = begin[:, None] + row * (row < lengths[:, None])  # (B, P)
    return Padded(points[index], lengths, begin)


def alike(*counts: Tensor) -> list[Tensor]:
    """Which clouds to put side by side: positions in counts (B,) of points, in groups.

    Within a group no count is twice another: padded to the largest, clouds then take at most twice
    the memory of their points, and one large cloud among small ones costs nothing.
    """
    if len(counts[0]) == 0:
        return []
    sizes = torch.stack([torch.frexp(count.double()).exponent for count in counts])  # (S, B)
    kinds, kind = sizes.unique(dim=1, return_inverse=True)
    return [(kind == i).nonzero()[:, 0] for i in range(kinds.shape[1])]


def farthest(points: Tensor, counts: Tensor, wanted: Tensor, start: Tensor) -> Tensor:
    """Pick points of clouds that lie one after the other, each as far as can be from all before.

    Of points (N, F), clouds of `counts` (B,), `wanted` (B,) of each, which may be 0, the first at
    `start` (B,) in the cloud. Gives indices into the points, cloud after cloud.
    """
    begin, goal = counts.cumsum(0) - counts, wanted.cumsum(0) - wanted
    picks = wanted.new_empty(int(wanted.sum()))
    for k in wanted.unique().tolist():
        if k == 0:
            continue
        same = (wanted == k).nonzero()[:, 0]
        for some in alike(counts[same]):
            rows = same[some]
            clouds = pad(points, begin[rows], counts[rows])
            index = ops.farthest_point_sampling(
                clouds.points, k, clouds.lengths, start[rows], check_finite=False
            )  # (rows, k)
            place = goal[rows, None] + torch.arange(k, device=points.device)
            picks[place] = index + begin[rows, None]
    return picks


def padded_pairs(
    x: Tensor,
    y: Tensor,
    batch_x: Tensor | None,
    batch_y: Tensor | None,
    batch_size: int | None,
    cosine: bool = False,
    matched: bool = False,
) -> list[tuple[Padded, Padded]]:
    """Both sides of the clouds in which x and y have points, those of like sizes together.

    If matched, a cloud in which only one side has points is refused.
    """
    x, y = packed_points(x.detach(), "x", cosine), packed_points(y.detach(), "y", cosine)
    checks.check_pair(x, y)
    clouds = max(
        cloud_count(batch_x, x, "batch_x", batch_size),
        cloud_count(batch_y, y, "batch_y", batch_size),
    )
    if clouds > 1 and not matched and (batch_x is None or batch_y is None):
        raise ValueError(f"batch_x and batch_y must both be given, for {clouds} clouds")
    x_counts, y_counts = counts_of(batch_x, x, clouds), counts_of(batch_y, y, clouds)
    both = ((x_counts > 0) & (y_counts > 0)).nonzero()[:, 0]
    lonely = ((x_counts > 0) != (y_counts > 0)).nonzero()[:, 0]
    if matched and len(lonely):
        raise ValueError(f"x and y must have points in the same clouds, not so {lonely.tolist()}")
    x_begin, y_begin = (counts.cumsum(0) - counts for counts in (x_counts, y_counts))
    x_begin, x_counts, y_begin, y_counts = (
        values[both] for values in (x_begin, x_counts, y_begin, y_counts)
    )
    return [
        (pad(x, x_begin[rows], x_counts[rows]), pad(y, y_begin[rows], y_counts[rows]))
        for rows in alike(x_counts, y_counts)
    ]


def packed_points(points: Tensor, name: str, cosine: bool = False) -> Tensor:
    """Points (N, F), finite, as they are computed with."""
    points = checks.as_points(points, name)
    if not points.is_floating_point():
        points = points.double()
    if points.dim() == 1:
        points = points[:, None]
    if points.dim() != 2:
        raise ValueError(f"{name} must be (N, F), got {tuple(points.shape)}")
    checks.check_values(points, None, name)
    if not cosine or len(points) == 0:
        return points
    # On the unit sphere the nearest by the distance is the nearest by the angle.
    points = points.double()
    points = points / points.abs().amax(1, keepdim=True)
    zero = points.isnan().any(1).nonzero()[:, 0]
    if len(zero):
        raise ValueError(f"cosine is not defined for the origin, which is {name}[{int(zero[0])}]")
    return points / points.norm(dim=1, keepdim=True)


def cloud_count(batch: Tensor | None, points: Tensor, name: str, batch_size: int | None) -> int:
    """How many clouds there are, by a batch vector or as told."""
    clouds = 1
    if batch is not None:
        if batch.shape != (len(points),) or batch.is_floating_point() or batch.dtype == torch.bool:
            raise ValueError(
                f"{name} must be integers ({len(points)},), got {tuple(batch.shape)} of "
                f"{batch.dtype}"
            )
        if bool((batch[1:] < batch[:-1]).any()):
            raise ValueError(f"{name} must be sorted")
        if len(batch):
            if int(batch[0]) < 0:
                raise ValueError(f"{name} must not be negative, got {int(batch[0])}")
            clouds = int(batch[-1]) + 1
    if batch_size is None:
        return clouds
    if batch_size < clouds:
        raise ValueError(f"batch_size must be at least {clouds}, got {batch_size}")
    return batch_size


def counts_of(batch: Tensor | None, points: Tensor, clouds: int) -> Tensor:
    """How many points each cloud has: (clouds,)."""
    if batch is None:
        batch = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    return torch.bincount(batch, minlength=clouds)


def counts_from(ptr: Tensor, points: Tensor) -> Tensor:
    """The same by where each cloud begins, (clouds + 1,)."""
    counts = ptr[1:] - ptr[:-1] if ptr.dim() == 1 else ptr
    ends = (int(ptr[0]), int(ptr[-1])) if ptr.dim() == 1 and len(ptr) > 1 else None
    if ends != (0, len(points)) or ptr.is_floating_point() or bool((counts < 0).any()):
        raise ValueError(f"ptr must rise from 0 to {len(points)}, got {ptr.tolist()}")
    return counts
