"""The scale at which a cloud is flat: where noise is far above the spacing, that of its means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.geometry.plane_graph import AROUND, NEIGHBOURS, Graph, pooled, sampled

ENOUGH = 0.5
"""The share of points that are flat, at which no other scale is looked for."""
LOST = 0.25
"""That of points, below which noise is so far above their spacing that means tell more of them."""
SMOOTH = 0.6
"""The share of means that are flat, at which no coarser ones are looked for."""
FLATTER = 1.25
"""How many times as many must be flat at another scale for it to be taken."""
COARSE = 1 / 16
"""The greatest cell of a thinner cloud, by the extent of the cloud."""
STREWN = 0.25
"""A cell with a smaller share of the points that cells of points have is on no face."""
MOVES = 2
"""How often a mean goes to the plane of the points around it."""
WAVES = 2.0
"""How far, in standard errors, means may be from a plane: neighbours are of the same points, and
nearer to one another than to it."""


class Level(NamedTuple):
    """A cloud at a scale."""

    at: Tensor  # (M, 3)
    around: int = NEIGHBOURS  # whose planes they have
    owner: Tensor | None = None  # (N,): of every point its mean; None: they are the points
    error: Tensor | None = None  # (M,): of means the standard error across their planes

    def graph(self) -> Graph:
        graph = Graph.of(self.at, self.around)
        if self.error is None:
            return graph
        return graph._replace(noise=graph.noise.maximum(WAVES * self.error))


def flattest(at: Tensor, known: Graph | None) -> tuple[Graph, Tensor | None]:
    """The points, or means of them among which many more are flat, and then the mean of each. Some
    points tell how many are: only what is taken becomes a graph."""
    if known is None:
        share, spacing = sampled(at, NEIGHBOURS)
    else:
        share, spacing = float(known.flat.double().mean()), float(known.spacing.median())
    best, most = Level(at), share
    for level in _others(at, share, 2 * spacing):
        share, _ = sampled(level.at, level.around)
        if share >= FLATTER * most:
            best, most = level, share
        if share >= SMOOTH and level.owner is not None:
            break
    if known and best.around == NEIGHBOURS and best.owner is None:
        return known, None
    return best.graph(), best.owner


def _others(at: Tensor, share: float, cell: float) -> Iterator[Level]:
    """The other scales that are worth a look at points (N, 3) of which a share is flat: more
    neighbours, and then means of larger and larger cells."""
    if share < ENOUGH:
        yield Level(at, AROUND)
    level = Level(at, owner=torch.arange(len(at)))
    while share < LOST and cell <= COARSE and len(level.at) >= 16 * NEIGHBOURS:
        level = _thinner(level, cell)
        yield level
        cell *= 2


def _thinner(level: Level, cell: float) -> Level:
    """The means of what is in each cell of about that size, on the planes of what is around them.

    A mean goes along their normal to their middle (after Alexa et al., "Computing and rendering
    point set surfaces", TVCG 9(1), 2003): in a cell, which cuts through the noise, more of it is
    left. What is in a cell with next to nothing else belongs to the nearest mean.
    """
    mean, own = pooled(level.at, cell)
    count = torch.bincount(own)
    full = count >= STREWN * count[own].double().median()
    number = torch.empty_like(count)
    number[full] = torch.arange(int(full.sum()))
    strewn, mean = mean[~full], mean[full]
    if len(strewn):
        nearest = ops.knn(strewn.float()[None], mean.float()[None], 1).index
        number[~full] = nearest[0, :, 0]
    near = level.at.float()
    index = ops.Index(near[None], check_finite=False)
    k = min(AROUND, len(near))
    for _ in range(MOVES):
        around = index.knn(mean.float()[None], k).index
        normal, variance = ops.local_planes(near, around[0])
        middle = ops.pool_neighbours(near[None], around).total[0] / k
        away = ((mean - middle) * normal).sum(1, keepdim=True)
        mean = mean - away * normal
    assert level.owner is not None
    error = (variance[:, 0] / k).sqrt()
    return Level(mean, owner=number[own][level.owner], error=error)
