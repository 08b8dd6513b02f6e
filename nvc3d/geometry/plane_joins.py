"""Regions that are parts of one plane: those that touch, and those that go on in one another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.geometry.plane_graph import Graph
from nvc3d.geometry.plane_regions import Fit, Regions, at_ends, distinct, points_of, summed

EXACT = 0.02
"""Of the spacing: the rms of planes whose points have next to no noise."""
TURN, BENT = 3.0, 0.006
"""How far, in degrees, regions may turn into one another that are one plane, and the rms of the
whole, by its shorter side."""
HALVES = 1.8
"""How many times that of its parts the rms of a whole may be: of a Gaussian's halves it is 1.66."""
MOST = 0.7
"""The share of its points by which a region lies near another plane."""
APART = 2.0
"""Spacings up to which regions on one plane are one."""
AROUND_ENDS = 16
"""Points where regions end among which another region is looked for."""


def merged(graph: Graph, found: Regions) -> Regions:
    """Regions that touch, where the centre of each lies on the plane of the other."""
    fit = Fit.of(graph.at, found.region, len(found.reach))
    one, other = _meeting(graph, found, fit)
    near = _near(found, fit)
    while len(one):
        far = torch.maximum(
            fit.distance(fit.centre[one], other), fit.distance(fit.centre[other], one)
        )
        along = (fit.normal[one] * fit.normal[other]).sum(1).abs()
        reach = torch.minimum(near[one], near[other])
        joined = (far <= reach) & (along > 0.97)
        if not joined.any():
            break
        # Each into one that is larger, or as large and before it: chains end.
        large, small = one[joined], other[joined]
        larger = fit.size[large] >= fit.size[small]
        large, small = torch.where(larger, large, small), torch.where(larger, small, large)
        into = torch.arange(len(found.reach))
        into[small] = large
        while not torch.equal(into[into], into):
            into = into[into]
        region = torch.where(found.region < 0, -1, into[found.region])
        stay = into == torch.arange(len(into))
        found = found._replace(region=region).kept(stay)
        into = (stay.cumsum(0) - 1)[into]
        one, other = _apart(into[one], into[other], len(found.reach))
        fit = Fit.of(graph.at, found.region, len(found.reach))
        near = _near(found, fit)
    return found


def _meeting(graph: Graph, found: Regions, fit: Fit) -> tuple[Tensor, Tensor]:
    """Pairs of regions, the lower first, with points that are neighbours, or that are within APART
    of one another where regions end: (E,) each."""
    edges = ops.region_borders(graph.index, found.region)
    one, other = (found.region[end] for end in edges)
    ends, _ = at_ends(found.region, edges[0])
    if len(ends) >= 2:
        near = graph.near.index_select(0, ends)[None]
        squared, index = ops.knn(near, near, min(AROUND_ENDS, len(ends)))
        # Layers nearby make points seem nearer to one another than they are on their plane.
        area = 12 * (fit.variance[:, 1] * fit.variance[:, 2]).sqrt()
        spread = (area / fit.size.clamp(min=1)).sqrt()
        apart = spread.maximum(found.apart).minimum(2 * found.apart)
        here = found.region[ends]
        there = here[index[0]]
        limit = (APART * apart[here]).square().float()[:, None]
        which, place = ((squared[0] <= limit) & (there != here[:, None])).nonzero(as_tuple=True)
        one, other = torch.cat([one, here[which]]), torch.cat([other, there[which, place]])
    return _apart(one, other, len(found.reach))


def _apart(one: Tensor, other: Tensor, regions: int) -> tuple[Tensor, Tensor]:
    """Pairs of different regions, the lower first, each once; -1 is none."""
    some = (one != other) & (one >= 0) & (other >= 0)
    one, other = one[some], other[some]
    pairs, _ = distinct(one.minimum(other) * regions + one.maximum(other), regions * regions)
    return pairs // max(regions, 1), pairs % max(regions, 1)


def joined(graph: Graph, found: Regions) -> Regions:
    """Regions that go on in one another without a step and hardly turn are one, where the whole is
    as good as flat: cameras bend what is flat. What such a plane then has near it is of it."""
    fit = Fit.of(graph.at, found.region, len(found.reach))
    one, other = ops.region_borders(graph.index, found.region)
    apart = (found.region[one] >= 0) & (found.region[other] >= 0)
    one, other = one[apart], other[apart]
    here, there = found.region[one], found.region[other]
    if not len(here):
        return found
    low, high = torch.minimum(here, there), torch.maximum(here, there)
    pair, of = distinct(low * len(found.reach) + high, len(found.reach) ** 2)
    low, high = pair // len(found.reach), pair % len(found.reach)
    along = (fit.normal[low] * fit.normal[high]).sum(1).abs() > math.cos(math.radians(TURN))
    some = along[of].nonzero()[:, 0]
    of, here, there = of[some], here[some], there[some]
    step = fit.distance(graph.at.index_select(0, other[some]), here)
    step = step.maximum(fit.distance(graph.at.index_select(0, one[some]), there))
    step = summed(of, step, len(pair)) / torch.bincount(of, minlength=len(pair)).clamp(min=1)
    near = _near(found, fit)
    on = along & (step <= 2 * torch.maximum(near[low], near[high]))
    whole = _components(low[on], high[on], len(found.reach))
    together = Fit.of(graph.at, _of(whole, found.region), len(whole))
    bent = together.variance[:, 0].sqrt()
    squares = summed(whole, fit.size * fit.variance[:, 0], len(whole))
    rms = (squares / together.size.clamp(min=1)).sqrt()
    limit = (BENT * (12 * together.variance[:, 1]).sqrt()).maximum(HALVES * rms)
    flat = (bent <= limit)[whole]
    whole = torch.where(flat, whole, torch.arange(len(whole)))
    grown = torch.bincount(whole, minlength=len(whole))[whole] > 1
    reach = torch.where(grown, found.reach.maximum(3 * bent[whole]), found.reach)
    region = _of(whole, found.region)
    found = Regions(region, reach, found.apart)
    low, high = whole[low], whole[high]
    found = _swallowed(graph, found, low, high, grown)
    inside = found.region[found.region >= 0]
    return found.kept(torch.bincount(inside, minlength=len(whole)) > 0)


def _near(found: Regions, fit: Fit) -> Tensor:
    """How far (P,) what goes on in a region may be from its plane: of exact ones hardly at all."""
    exact = EXACT * found.apart
    rms = fit.variance[:, 0].sqrt()
    return torch.where(rms < exact, found.reach.minimum(2 * exact), found.reach)


def _swallowed(graph: Graph, found: Regions, low: Tensor, high: Tensor, grown: Tensor) -> Regions:
    """The same, with regions that lie for the most part near one of the `grown` that they touch a
    part of that."""
    fit = Fit.of(graph.at, found.region, len(found.reach))
    small = torch.cat([low, high])
    large = torch.cat([high, low])
    asked = grown[large] & (fit.size[large] > fit.size[small])
    small, large = small[asked], large[asked]
    order = fit.size[large].argsort(stable=True)  # the largest last: it stays
    into = torch.arange(len(found.reach))
    into[small[order]] = large[order]
    inside = points_of(found.region, into != torch.arange(len(into)))
    own = found.region[inside]
    near = fit.distance(graph.at.index_select(0, inside), into[own]) <= found.reach[into[own]]
    share = summed(own, near.double(), len(into)) / fit.size.clamp(min=1)
    along = (fit.normal * fit.normal[into]).sum(1).abs()
    into = torch.where((share >= MOST) & (along > 0.9), into, torch.arange(len(into)))
    while not torch.equal(into[into], into):
        into = into[into]
    return found._replace(region=_of(into, found.region))


def _of(into: Tensor, region: Tensor) -> Tensor:
    """What regions (N,) have become."""
    return torch.where(region < 0, -1, into[region])


def _components(one: Tensor, other: Tensor, regions: int) -> Tensor:
    """The lowest of the regions (P,) to which each is linked by pairs."""
    lowest = torch.arange(regions)
    while True:
        least = torch.minimum(lowest[one], lowest[other])
        next_lowest = lowest.scatter_reduce(0, one, least, "amin")
        next_lowest = next_lowest.scatter_reduce(0, other, least, "amin")
        next_lowest = next_lowest[next_lowest]
        if torch.equal(next_lowest, lowest):
            return lowest
        lowest = next_lowest
