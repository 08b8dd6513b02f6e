"""From what is said of each point to planes: clusters, and least squares on what is in them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.geometry.plane_regions import Fit

REACH = 1.5
"""Points within so much of a cluster's middle are of it; means of planes are to be 3 apart."""
NORMAL, OFFSET = 1.5, 1.5
"""What a unit of the normals, and a metre of the offsets, counts beside one of the embedding."""
LEAST = 8
"""Points of a plane."""
MOST = 100
"""Planes of a cloud."""
TOLERANCE = 0.03
"""Metres off its plane that count as much as 1 of the embedding."""
ROUNDS = 2


class Instances(NamedTuple):
    """The planes of one cloud."""

    instance: Tensor  # (N,): of every point, -1 for none
    types: Tensor  # (P,)
    fit: Fit


@torch.no_grad()
def instances(
    points: Tensor, embedding: Tensor, scores: Tensor, normal: Tensor, offset: Tensor
) -> Instances:
    """The planes of a cloud (N, 3), by what is said of each point: its embedding (N, E), the scores
    of types (N, T + 1), its plane's normal (N, 3) and offset (N,).

    Points with like embeddings and planes make a cluster, the densest first. Then planes are fitted
    to clusters by least squares, and points go to the nearest, by embedding and distance; twice.
    """
    on = (scores.argmax(-1) < scores.shape[-1] - 1).nonzero()[:, 0]
    told = torch.cat([embedding, NORMAL * normal, OFFSET * offset[:, None]], -1)[on]
    own = clusters(told)  # (on,)
    at, rows = points[on].double(), embedding[on].double()
    for _ in range(ROUNDS):
        count = int(own.max()) + 1 if len(own) else 0
        if not count:
            break
        fit = Fit.of(at, own, count)
        means = _means(rows, own, count)
        off = ((at[:, None] - fit.centre) * fit.normal).sum(-1)  # (on, P)
        cost = torch.cdist(rows, means).square() + (off / TOLERANCE).square().clamp_max(50)
        least, own = cost.min(1)
        own = _numbered(torch.where(least < 50, own, -1))
    instance = torch.full((len(points),), -1)
    instance[on] = own
    count = int(instance.max()) + 1
    inside = instance >= 0
    summed = scores.new_zeros(count, scores.shape[1] - 1)
    summed.index_add_(0, instance[inside], scores.log_softmax(-1)[inside, :-1])
    return Instances(instance, summed.argmax(-1), Fit.of(points.double(), instance, count))


def clusters(rows: Tensor) -> Tensor:
    """The cluster (N,) of rows (N, F), -1 for none: around the one with most others within `REACH`
    that are in none yet, and so on. The rest go to the nearest within twice that."""
    own = torch.full((len(rows),), -1)
    if len(rows) < LEAST:
        return own
    near = torch.cdist(rows, rows) <= REACH
    left = torch.ones(len(rows), dtype=torch.bool)
    around = near.sum(1)
    middles: list[Tensor] = []
    while len(middles) < MOST:
        seed = int(torch.where(left, around, -1).argmax())
        members = near[seed] & left
        for _ in range(3):
            middle = rows[members].mean(0)
            members = ((rows - middle).norm(dim=1) <= REACH) & left
            if not members.any():
                break
        members[seed] = True
        if int(members.sum()) < LEAST:
            if int(around[seed]) < LEAST:
                break
            left[members] = False
            around = around - near[:, members].sum(1)
            continue
        own[members] = len(middles)
        middles.append(rows[members].mean(0))
        left &= ~members
        around = around - near[:, members].sum(1)
        if not left.any():
            break
    rest = (own < 0).nonzero()[:, 0]
    if middles and len(rest):
        apart, nearest = torch.cdist(rows[rest], torch.stack(middles)).min(1)
        own[rest] = torch.where(apart <= 2 * REACH, nearest, -1)
    return own


def _means(rows: Tensor, own: Tensor, count: int) -> Tensor:
    inside = own >= 0
    size = torch.bincount(own[inside], minlength=count).clamp_min(1)
    summed = rows.new_zeros(count, rows.shape[1]).index_add(0, own[inside], rows[inside])
    return summed / size[:, None]


def _numbered(own: Tensor) -> Tensor:
    """Clusters (N,) of `LEAST` points or more, numbered anew."""
    size = torch.bincount(own[own >= 0])
    number = torch.full((len(size) + 1,), -1)
    kept = size >= LEAST
    number[:-1][kept] = torch.arange(int(kept.sum()))
    return number[own]
