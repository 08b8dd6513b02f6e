"""Balls in clouds that lie one after the other: what lies from one radius up to another."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import ops
from ..ops import Neighbours, checks
from .offsets import searched


def balls(
    k: int,
    max_radius: float,
    min_radius: float,
    xyz: Tensor,
    offset: Tensor,
    new_xyz: Tensor | None,
    new_offset: Tensor | None,
    order: Tensor | None = None,
    itself: float = 0.0,
) -> Neighbours:
    """At most k of the points of xyz (N, 3), from min_radius up to max_radius from a centre.

    Of more than k, the first k by an order (N,) of the points, cloud by cloud; without an order
    every so manieth from the nearest to the farthest. Points up to `itself` (squared) from a centre
    count in any case. Gives plain distances (M, k), 1e5 where there are fewer, and indices into
    xyz, -1 there.
    """
    checks.check(
        0 <= min_radius < max_radius,
        f"min_radius must be from 0 to below max_radius, got {min_radius} and {max_radius}",
    )
    points, centres, counts, wanted = searched(k, xyz, offset, new_xyz, new_offset)
    rank = None if order is None else order.long().argsort()  # the place of each point
    distances, indices, begin = [], [], 0
    for cloud, around in zip(
        points.split(counts.tolist()), centres.split(wanted.tolist()), strict=True
    ):
        if len(around):
            squared, index = within(around, cloud, max_radius, min_radius, itself)
            index = torch.where(index < 0, index, index + begin)
            key = squared if rank is None else rank[index.clamp_min(0)].double()
            column, real = _chosen(key.masked_fill(index < 0, torch.inf), k, rank is None)
            distances.append(squared.gather(1, column).sqrt().masked_fill(~real, 1e5))
            indices.append(index.gather(1, column).masked_fill(~real, -1))
        begin += len(cloud)
    if not indices:
        return Neighbours(centres.new_empty(0, k), torch.empty(0, k, dtype=torch.int64))
    return Neighbours(torch.cat(distances), torch.cat(indices))


def within(
    around: Tensor, cloud: Tensor, max_radius: float, min_radius: float, itself: float
) -> tuple[Tensor, Tensor]:
    """Squared distances from each of `around` (M, 3) to all of `cloud` (N, 3) between the radii.

    Gives them and their indices, -1 where there are fewer: (M, K), in no order.
    """
    near, far = (cloud.new_tensor(radius).square() for radius in (min_radius, max_radius))
    reach = 1.001 * max(max_radius, itself**0.5)
    squared, index = (found[0] for found in inside(around[None], cloud[None], reach))
    between = (squared >= near) & (squared < far) | (squared <= itself)
    return squared, index.masked_fill(~between, -1)


def inside(around: Tensor, clouds: Tensor, radius: float) -> Neighbours:
    """All of clouds (B, N, 3) nearer than a radius to each of `around` (B, M, 3), by index.

    As `ops.ball_query` gives them, with as many places (B, M, K) as the fullest ball asks for, or
    some more.
    """
    size = 32
    while True:
        found = ops.ball_query(around, clouds, radius, min(size, clouds.shape[1]))
        if size >= clouds.shape[1] or bool((found.index[..., -1] < 0).all()):
            return found
        size *= 2


def _chosen(key: Tensor, k: int, spread: bool) -> tuple[Tensor, Tensor]:
    """The columns of the k least keys (M, K), or of k spread over all, and which are below inf."""
    counts = key.isfinite().sum(1, keepdim=True)  # (M, 1)
    place = torch.arange(k, device=key.device).expand(len(key), -1)
    real = place < counts
    if spread:
        place = torch.where(counts > k, (counts.float() / k * place).long(), place)
    order = key.argsort(dim=1, stable=True)
    return order.gather(1, place.clamp_max(key.shape[1] - 1)), real
