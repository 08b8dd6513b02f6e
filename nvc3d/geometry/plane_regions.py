"""Regions of points on planes: fitted, judged, merged, and their borders settled."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.geometry.plane_graph import AROUND, Graph

NARROW = 3.0
"""The shorter side, in spacings, below which a region is a sliver."""
EVEN = 0.5
"""The rms, by the tolerance, above which distances fill it as those of a solid do, not of a plane:
evenly spread ones have 0.58, those of a plane whose noise is a third of the tolerance 0.33."""
CURVED = 0.2
"""The share of its squared distances to a plane that a quadric explains of what is curved."""
FARTHEST = 2.0
"""How many rms from its plane points are that do not tell whether a region is curved."""
EXACT = 0.02
"""Of the spacing: the rms of planes whose points have next to no noise."""
LAYER, THIN = 0.3, 0.25
"""A layer is thin that has that share of a region's points in less than so many times its rms: of
a Gaussian it is 0.77 rms wide."""
DENSE = 0.65
"""The share of neighbours near a region's plane that are its own, below which it is cut out of a
solid: there, normals look anywhere."""
TURN, BENT = 3.0, 0.006
"""How far, in degrees, regions may turn into one another that are one plane, and the rms of the
whole, by its shorter side."""
ROUND = 0.013
"""The rms, by its shorter side, above which a curved region is a part of something round."""
SAG, AWAY = 0.01, 15.0
"""The rms of a face that bulges, by its shorter side, and by how many degrees what is beside it
turns away: beside a part of something round it does not."""
HALVES = 1.8
"""How many times that of its parts the rms of a whole may be: of a Gaussian's halves it is 1.66."""
MOST = 0.7
"""The share of its points by which a region lies near another plane."""
COVERED = 0.1
"""The share of its rectangle that a region covers at least, by the spacing of its points."""
PIECE = 1 << 15
"""Points whose neighbours are held at once."""
SHARE = 2000
"""Points of a region, about, that tell whether it is curved."""
ROUNDS = 2
"""How often points look for the nearest plane around them."""
APART = 2.0
"""Spacings up to which regions on one plane are one."""
AROUND_ENDS = 16
"""Points where regions end among which another region is looked for."""
WIDELY = 32
"""Points where regions end among which those in none look for a plane."""
HEAPS = 0.12
"""The share of the squared distances to a plane that is left when each point has the mean of the
nearer of two heaps, below which there are two planes: an even spread has 0.25, a Gaussian 0.36."""


class Fit(NamedTuple):
    """The least-squares planes of regions."""

    size: Tensor  # (P,): points
    centre: Tensor  # (P, 3)
    normal: Tensor  # (P, 3)
    axes: Tensor  # (P, 3, 3): columns, the normal first, the longest last
    variance: Tensor  # (P, 3): along them

    @classmethod
    def of(cls, points: Tensor, region: Tensor, regions: int) -> Fit:
        """Of points (N, 3) float64 and their regions (N,) from 0 to regions - 1, -1 for none."""
        count, centre, scatter = ops.plane_moments(points, region, regions)
        variance, axes = torch.linalg.eigh(scatter)
        normal = axes[:, :, 0]
        sign = normal.gather(1, normal.abs().argmax(1, keepdim=True)).sign()
        return cls(count, centre, normal * sign, axes, variance.clamp(min=0))

    def off(self, points: Tensor, region: Tensor) -> Tensor:
        """How far points (..., 3) are above the planes of regions (...)."""
        away = points - self.centre[region]
        return away.mul_(self.normal[region]).sum(-1)

    def distance(self, points: Tensor, region: Tensor) -> Tensor:
        """Of points (..., 3) to the planes of regions (...)."""
        return self.off(points, region).abs_()


def summed(region: Tensor, values: Tensor, regions: int) -> Tensor:
    """The sums of values (N,) by region (N,)."""
    return torch.bincount(region, values, minlength=regions)


def distinct(values: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """The values, from 0 to limit - 1, that there are, and which of them each is."""
    if limit > 4 * len(values):
        found = values.unique(return_inverse=True)
        return found[0], found[1]
    there = torch.zeros(limit, dtype=torch.bool)
    there[values] = True
    return there.nonzero()[:, 0], (there.cumsum(0) - 1)[values]


class Regions(NamedTuple):
    """Points on planes."""

    region: Tensor  # (N,): from 0 to P - 1, -1 for none
    reach: Tensor  # (P,): how far from its plane a point may be
    apart: Tensor  # (P,): the spacing of its points

    @classmethod
    def none(cls, points: Tensor) -> Regions:
        """Of points (N, 3)."""
        empty = points.new_zeros(0)
        return cls(torch.full((len(points),), -1), empty, empty)

    def left(self) -> Tensor:
        """The points in none (L,)."""
        return (self.region < 0).nonzero()[:, 0]

    def kept(self, which: Tensor) -> Regions:
        """Those that are asked for (P,) bool, numbered anew."""
        number = torch.full((len(which) + 1,), -1)
        number[:-1][which] = torch.arange(int(which.sum()))
        return Regions(number[self.region], self.reach[which], self.apart[which])

    def with_more(self, others: Regions, left: Tensor) -> Regions:
        """These and those of the points `left` (L,), which have none here."""
        region = self.region.clone()
        number = torch.where(others.region < 0, -1, others.region + len(self.reach))
        region[left] = number
        return Regions(
            region, torch.cat([self.reach, others.reach]), torch.cat([self.apart, others.apart])
        )


def accepted(
    graph: Graph, seed: Tensor, tolerance: Tensor, least: int, fixed: bool, bent: bool = False
) -> Regions:
    """The regions that are planes, of points with the seeds of their regions (N,)."""
    points, index = graph.at, graph.index
    seeds, region = distinct(seed + 1, len(seed) + 1)
    if len(seeds) and seeds[0] == 0:
        seeds, region = seeds[1:], region - 1
    seeds = seeds - 1
    if not len(seeds):
        return Regions.none(points)
    reach = tolerance[seeds].double()
    fit = Fit.of(points, region, len(reach))
    if not fixed:
        reach = reach.maximum((3 * fit.variance[:, 0].sqrt()).minimum(2 * reach))
    spacing = graph.spacing.double()
    found = Regions(region, reach, _means(region, spacing, fit.size))
    if not fixed and graph.around < AROUND:  # means of noise lie in layers, by their cells
        found, fit = _parted(graph, found, fit)
        found, fit = _parted(graph, found, fit)
    dense = _dense(points, found, fit, ops.region_borders(index, found.region), index.shape[1])
    region = assigned(points, index, found.region, fit, found.reach.where(dense, -1))
    found = found._replace(region=region)
    fit = Fit.of(points, region, len(found.reach))
    planar = _bent_little(graph, found, fit) if bent else _planar(points, found, fit)
    return found.kept(dense & planar & (fit.size >= least))


def assigned(points: Tensor, index: Tensor, region: Tensor, fit: Fit, reach: Tensor) -> Tensor:
    """For points (N, 3) the nearest plane of those that their neighbours (N, K) have: (N,)."""
    offset = (fit.normal * fit.centre).sum(1)
    return ops.assign_planes(points, index, region, fit.normal, offset, reach)


def _means(region: Tensor, values: Tensor, size: Tensor) -> Tensor:
    return summed(region + 1, values, len(size) + 1)[1:] / size.clamp(min=1)


def _parted(graph: Graph, found: Regions, fit: Fit) -> tuple[Regions, Fit]:
    """Regions whose distances to their planes fall into two heaps become two, and of those that
    have many points in a thin layer that layer is left."""
    points, rms = graph.at, fit.variance[:, 0].sqrt()
    stairs = _means(found.region, graph.stepped.double(), fit.size)
    thick = rms > (1e-2 * found.apart).maximum(2 * stairs)
    if not thick.any():
        return found, fit
    of, order = _sample(found.region, fit.size, thick)
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
    inside = _inside(region, layered | heaps)
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


def _inside(region: Tensor, which: Tensor) -> Tensor:
    """The points (M,) of those regions (N,) that are asked for (P,) bool."""
    none = which.new_zeros(1)  # that -1 reads, the last
    return torch.cat([which, none])[region].nonzero()[:, 0]


def _sample(region: Tensor, size: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Some points of every region that is asked for, evenly in their order: regions (S,), sorted,
    and points (S,)."""
    inside = _inside(region, which)
    of = region[inside]
    some = inside % (size // SHARE + 1)[of] == 0
    of, order = of[some].sort(stable=True)
    return of, inside[some][order]


def settled(graph: Graph, found: Regions, least: int) -> Regions:
    """Regions that touch and go on are one, borders go to the nearest plane, and what has then too
    few points for its size is none."""
    found = drawn(graph, joined(graph, _merged(graph, found)), ROUNDS)
    fit = Fit.of(graph.at, found.region, len(found.reach))
    apart = _means(found.region, graph.spacing.double(), fit.size)
    area = 12 * (fit.variance[:, 1] * fit.variance[:, 2]).sqrt()
    full = fit.size * apart.square() >= COVERED * area
    kept = full & (fit.size >= least)
    if not kept.all():
        found = drawn(graph, found.kept(kept), ROUNDS)
    # The farther look has the last word: what it finds, the nearer one would lose again.
    return _reached(graph, drawn(graph, _reached(graph, found), 1))


def _reached(graph: Graph, found: Regions) -> Regions:
    """The same with points in none, beside a region, on the nearest plane of the `WIDELY` points
    around them where regions end."""
    ends, left = _ends(found.region, ops.region_borders(graph.index, found.region)[0])
    if not len(left) or not len(ends):
        return found
    fit = Fit.of(graph.at, found.region, len(found.reach))
    region, of = found.region.clone(), found.region[ends]
    near = graph.near.index_select(0, ends)[None]
    for some in left.split(PIECE):
        around = ops.knn(graph.near.index_select(0, some)[None], near, min(WIDELY, len(ends)))
        at = graph.at.index_select(0, some)
        region[some] = assigned(at, around.index[0], of, fit, found.reach)
    return found._replace(region=region)


def drawn(graph: Graph, found: Regions, rounds: int) -> Regions:
    """The same with every point on the nearest plane of those around it."""
    for _ in range(rounds):
        fit = Fit.of(graph.at, found.region, len(found.reach))
        region = assigned(graph.at, graph.index, found.region, fit, found.reach)
        found = found._replace(region=region)
    return found


def taken(graph: Graph, found: Regions, some: Tensor) -> Regions:
    """The same with some points (S,) on the nearest planes of those around them."""
    at, index = (of.index_select(0, some) for of in (graph.at, graph.index))
    for _ in range(ROUNDS):
        fit = Fit.of(graph.at, found.region, len(found.reach))
        region = found.region.clone()
        region[some] = assigned(at, index, found.region, fit, found.reach)
        found = found._replace(region=region)
    return found


def _dense(
    points: Tensor, found: Regions, fit: Fit, edges: tuple[Tensor, Tensor], neighbours: int
) -> Tensor:
    """Which regions have most of the points around them that lie on their planes: (P,) bool."""
    of, regions = found.region[edges[0]], len(found.reach)
    around = torch.bincount(of + 1, minlength=regions + 1)[1:]
    own = fit.size * neighbours - around
    asked = own < DENSE * (own + around)  # of most regions all that is around them is too little
    some = _inside(of, asked)
    of = of[some]
    on_plane = fit.distance(points.index_select(0, edges[1][some]), of) <= found.reach[of]
    others = torch.bincount(of[on_plane], minlength=regions)
    return ~asked | (own >= DENSE * (own + others))


def _planar(points: Tensor, found: Regions, fit: Fit) -> Tensor:
    """Which regions are wide enough, thin for their tolerance, and not curved: (P,) bool."""
    rms = fit.variance[:, 0].sqrt()
    wide = (12 * fit.variance[:, 1]).sqrt() >= NARROW * found.apart
    return wide & (rms <= EVEN * found.reach) & ~_curved(points, found, fit)


def _bent_little(graph: Graph, found: Regions, fit: Fit) -> Tensor:
    """Which regions are as good as flat, and end where the surface turns away: (P,) bool."""
    side = (12 * fit.variance[:, 1]).sqrt()
    one, other = ops.region_borders(graph.index, found.region)
    one, other = (end[found.region[one] >= 0] for end in (one, other))
    of = found.region[one]
    along = (graph.normal.index_select(0, other) * fit.normal[of]).sum(1).abs()
    away = summed(of, (along < math.cos(math.radians(AWAY))).double(), len(side))
    ends = away >= MOST * torch.bincount(of, minlength=len(side))
    return (side >= NARROW * found.apart) & as_good_as_flat(fit, SAG) & ends


def not_round(points: Tensor, found: Regions) -> Regions:
    """Those of regions that are no parts of something round: what is near them by now may tell."""
    fit = Fit.of(points, found.region, len(found.reach))
    return found.kept(as_good_as_flat(fit, ROUND) | ~_curved(points, found, fit))


def as_good_as_flat(fit: Fit, share: float) -> Tensor:
    """Which regions have an rms of no more than a share of their shorter side: (P,) bool."""
    return fit.variance[:, 0].sqrt() <= share * (12 * fit.variance[:, 1]).sqrt()


def _curved(points: Tensor, found: Regions, fit: Fit) -> Tensor:
    """Which regions a quadric fits better than a plane, but for the few points that are the
    farthest from it: they may be of others. (P,) bool."""
    regions, thin = len(fit.size), 1e-2 * found.apart
    spread = fit.variance.sqrt()
    of, order = _sample(found.region, fit.size, spread[:, 0] > thin)
    spread = spread.clamp(min=1e-9).maximum(1e-9 * spread[:, 2:])
    away = points.index_select(0, order) - fit.centre[of]
    along = torch.einsum("ni,nij->nj", away, fit.axes[of]) / spread[of]
    near = along[:, 0].abs() <= FARTHEST
    of, (w, v, u) = of[near], along[near].unbind(1)
    terms = (torch.ones_like(u), u, v, u * u, u * v, v * v)
    matrix = points.new_zeros(regions, 6, 6)
    right = points.new_zeros(regions, 6, 1)
    for i in range(6):
        right[:, i, 0] = summed(of, terms[i] * w, regions)
        for j in range(i, 6):
            matrix[:, i, j] = matrix[:, j, i] = summed(of, terms[i] * terms[j], regions)
    count, total = matrix[:, 0, 0], summed(of, w * w, regions)
    matrix = matrix + 1e-9 * count.clamp(min=1)[:, None, None] * torch.eye(6, dtype=points.dtype)
    flat, bent = (
        (total - (torch.linalg.solve(matrix[:, :k, :k], right[:, :k]) * right[:, :k]).sum((1, 2)))
        / (count - k).clamp(min=1)  # degrees of freedom
        for k in (3, 6)
    )
    thick = flat.clamp(min=0).sqrt() * spread[:, 0] > thin
    return thick & (bent < (1 - CURVED) * flat)


def _merged(graph: Graph, found: Regions) -> Regions:
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
    ends, _ = _ends(found.region, edges[0])
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


def _ends(region: Tensor, border: Tensor) -> tuple[Tensor, Tensor]:
    """The points in regions, and those in none, of some that may come often, in their order."""
    some = torch.zeros_like(region, dtype=torch.bool)
    some[border] = True
    return (some & (region >= 0)).nonzero()[:, 0], (some & (region < 0)).nonzero()[:, 0]


def _near(found: Regions, fit: Fit) -> Tensor:
    """How far (P,) what goes on in a region may be from its plane: of exact ones hardly at all."""
    exact = EXACT * found.apart
    rms = fit.variance[:, 0].sqrt()
    return torch.where(rms < exact, found.reach.minimum(2 * exact), found.reach)


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
    inside = _inside(found.region, into != torch.arange(len(into)))
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
