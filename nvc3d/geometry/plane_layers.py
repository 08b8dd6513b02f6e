"""Regions that lie on two layers, or hold a thin one."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d.geometry.plane_graph import Graph
from nvc3d.geometry.plane_regions import Fit, Regions, means, points_of, sample, summed

LAYER, THIN = 0.3, 0.25
"""A layer is thin that has that share of a region's points in less than so many times its rms: of
a Gaussian it is 0.77 rms wide."""
HEAPS = 0.12
"""The share of the squared distances to a plane that is left when each point has the mean of the
nearer of two heaps, below which there are two planes: an even spread has 0.25, a Gaussian 0.36."""


def parted(graph: Graph, found: Regions, fit: Fit) -> tuple[Regions, Fit]:
    """Regions whose distances to their planes fall into two heaps become two, and of those that
    have many points in a thin layer that layer is left."""
    points, rms = graph.at, fit.variance[:, 0].sqrt()
    stairs = means(found.region, graph.stepped.double(), fit.size)
    thick = rms > (1e-2 * found.apart).maximum(2 * stairs)
    if not thick.any():
        return found, fit
    of, order = sample(found.region, fit.size, thick)
    off = fit.off(points.index_select(0, order), of) / rms[of].clamp(min=1e-30)
    by_off = off.argsort(stable=True)
    by_off = by_off[of[by_off].argsort(stable=True)]
    of, off = of[by_off], off[by_off]
    count = torch.bincount(of, minlength=len(rms))
    low, high = (rms * bound for bound in _layer(of, off, count))
    layered = thick & (high - low < THIN * rms)
    left, limit = _heaps(of, off, count)
    heaps = thick & ~layered & (left < HEAPS)
    if not (layered | heaps).any():
        return found, fit
    number = torch.arange(len(rms))
    number[heaps] = len(rms) + torch.arange(int(heaps.sum()))
    margin = (high - low).maximum(0.02 * found.apart)
    low, high = low - margin, high + margin
    region = found.region.clone()
    inside = points_of(region, layered | heaps)
    own = region[inside]
    off = fit.off(points.index_select(0, inside), own)
    above = torch.where(off > (limit * rms)[own], number[own], own)
    out = layered[own] & ((off < low[own]) | (off > high[own]))
    region[inside] = torch.where(out, -1, above)
    reach, apart = (torch.cat([part, part[heaps]]) for part in found[1:])
    fit = Fit.of(points, region, len(reach))
    changed = torch.cat([heaps | layered, heaps[heaps]])
    tight = (3 * fit.variance[:, 0].sqrt()).maximum(0.1 * apart).minimum(reach)
    return Regions(region, torch.where(changed, tight, reach), apart), fit


def _layer(of: Tensor, off: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """From where to where the narrowest LAYER of the values is, by region; both sorted."""
    start = count.cumsum(0) - count
    steps = (LAYER * count).long()
    rank = torch.arange(len(of)) - start[of]
    last = rank + steps[of] < count[of]
    here = last.nonzero()[:, 0]
    there = here + steps[of[here]]
    width = off[there] - off[here]
    least = torch.full((len(count),), torch.inf, dtype=off.dtype)
    least = least.scatter_reduce(0, of[here], width, "amin")
    best = here[width <= least[of[here]]]
    first = torch.full((len(count),), len(of)).scatter_reduce(0, of[best], best, "amin")
    first = first.clamp(max=max(len(of) - 1, 0))
    return off[first], off[(first + steps).clamp(max=len(of) - 1)]


def _heaps(of: Tensor, off: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The share of the variance of values that is left in two heaps, by region, and the limit
    between them (Otsu, "A threshold selection method", 1979); both sorted."""
    start, share = count.cumsum(0) - count, count.clamp(min=1)
    total = summed(of, off, len(count))
    before = torch.cat([off.new_zeros(1), off.cumsum(0)])
    low = (torch.arange(len(of)) - start[of] + 1).double()  # points up to this one
    high = (count[of] - low).clamp(min=1)
    sum_low = before[1:] - before[start[of]]
    between = (sum_low**2 / low + (total[of] - sum_low) ** 2 / high) / count[of]
    between = between - (total[of] / count[of]) ** 2
    between[low == count[of]] = 0
    best = off.new_zeros(len(count)).scatter_reduce(0, of, between, "amax")
    here = (between >= best[of]).nonzero()[:, 0]
    at = torch.full((len(count),), len(of)).scatter_reduce(0, of[here], here, "amin")
    variance = summed(of, off * off, len(count)) / share - (total / share) ** 2
    last = max(len(of) - 1, 0)
    limit = (off[at.clamp(max=last)] + off[(at + 1).clamp(max=last)]) / 2
    return 1 - best / variance.clamp(min=1e-30), limit
