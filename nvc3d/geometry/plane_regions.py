"""Regions of points on planes: fitted, judged, merged, and their borders settled."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NARROW = 3.0
"""The shorter side, in spacings, below which a region is a sliver."""
EVEN = 0.5
"""The rms, by the tolerance, above which distances fill it as those of a solid do, not of a plane:
evenly spread ones have 0.58, those of a plane whose noise is a third of the tolerance 0.33."""
CURVED = 0.2
"""The share of the squared distances that a quadric explains in a region that is curved."""
DENSE = 0.65
"""The share of neighbours near a region's plane that are its own, below which it is cut out of a
solid: there, normals look anywhere."""
SHARE = 2000
"""Points of a region, about, that tell whether it is curved."""
ROUNDS = 2
"""How often points in no region look for one around them."""


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
        inside = region >= 0
        points, region = points[inside], region[inside]
        count = torch.bincount(region, minlength=regions)
        share = count.clamp(min=1).double()
        centre = torch.stack([summed(region, p, regions) / share for p in points.unbind(1)], 1)
        d = (points - centre[region]).unbind(1)
        scatter = points.new_zeros(regions, 3, 3)
        for i in range(3):
            for j in range(i, 3):
                scatter[:, i, j] = scatter[:, j, i] = summed(region, d[i] * d[j], regions) / share
        variance, axes = torch.linalg.eigh(scatter)
        normal = axes[:, :, 0]
        sign = normal.gather(1, normal.abs().argmax(1, keepdim=True)).sign()
        return cls(count, centre, normal * sign, axes, variance.clamp(min=0))

    def distance(self, points: Tensor, region: Tensor) -> Tensor:
        """Of points (..., 3) to the planes of regions (...)."""
        return ((points - self.centre[region]) * self.normal[region]).sum(-1).abs()


def summed(region: Tensor, values: Tensor, regions: int) -> Tensor:
    """The sums of values (N,) by region (N,)."""
    return torch.bincount(region, values, minlength=regions)


def sorted_and_distinct(points: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the distinct points of a cloud (N, 3) within -1 and 1, what is near in space near
    in order, whatever the order was; and for each point the place of its equal among them (N,)."""
    cells = ((points + 1) * (1 << 20)).long().clamp(0, (1 << 21) - 1)
    code = torch.zeros(len(points), dtype=torch.int64)
    for axis, cell in enumerate(cells.unbind(1)):
        # Two zeros between any two bits.
        for shift, mask in (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ):
            cell = (cell | cell << shift) & mask
        code |= cell << axis
    code, order = code.sort(stable=True)
    at = points[order]
    new = torch.ones(len(points), dtype=torch.bool)
    new[1:] = (at[1:] != at[:-1]).any(1)
    place = torch.empty_like(order)
    place[order] = new.cumsum(0) - 1
    return order[new], place


def settled(
    points: Tensor, index: Tensor, seed: Tensor, spacing: Tensor, tolerance: Tensor, least: int
) -> Tensor:
    """Regions (N,) from 0 on, -1 for none, of points (N, 3) with the seeds of their regions (N,):
    without those that are no planes, merged where they touch and go on, borders to the nearest."""
    seeds, region = seed.unique(return_inverse=True)
    if len(seeds) and seeds[0] < 0:
        seeds, region = seeds[1:], region - 1
    reach = tolerance[seeds]
    fit = Fit.of(points, region, len(reach))
    edges = _edges(index, region)
    reach = reach.maximum((3 * fit.variance[:, 0].sqrt()).minimum(2 * reach))
    dense = _dense(points, region, fit, reach, edges, index.shape[1])
    region = _bordered(points, region, fit, reach.where(dense, -1), edges)
    fit = Fit.of(points, region, len(reach))
    kept = dense & _planar(points, region, fit, reach, spacing) & (fit.size >= least)
    region, reach, fit = _only(region, reach, fit, kept)
    region, reach, fit = _merged(points, region, reach, fit, _edges(index, region))
    for _ in range(ROUNDS):
        region = _bordered(points, region, fit, reach, _around(index, region))
    edges = _edges(index, region)
    for _ in range(2):  # the second time by planes without the points of others
        region = _bordered(points, region, Fit.of(points, region, len(reach)), reach, edges)
    return region


def _only(region: Tensor, reach: Tensor, fit: Fit, kept: Tensor) -> tuple[Tensor, Tensor, Fit]:
    """The regions that are kept, numbered anew."""
    number = torch.full((len(kept) + 1,), -1)
    number[:-1][kept] = torch.arange(int(kept.sum()))
    return number[region], reach[kept], Fit(*(part[kept] for part in fit))


def _edges(index: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbours in different regions, or one of them in none: (E,) each."""
    row, column = (region[index] != region[:, None]).nonzero(as_tuple=True)
    return row, index[row, column]


def _around(index: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Points in no region that touch one, and their neighbours' neighbours in any: (E,) each."""
    free = (region < 0).nonzero()[:, 0]
    free = free[(region[index[free]] >= 0).any(1)]
    other = index[index[free]].flatten()
    inside = region[other] >= 0
    return free.repeat_interleave(index.shape[1] ** 2)[inside], other[inside]


def _dense(
    points: Tensor,
    region: Tensor,
    fit: Fit,
    reach: Tensor,
    edges: tuple[Tensor, Tensor],
    neighbours: int,
) -> Tensor:
    """Which regions have most of the points around them that lie on their planes: (P,) bool."""
    one, other = (end[region[edges[0]] >= 0] for end in edges)
    of, regions = region[one], len(reach)
    on_plane = fit.distance(points[other], of) <= reach[of]
    others = torch.bincount(of[on_plane], minlength=regions)
    own = fit.size * neighbours - torch.bincount(of, minlength=regions)
    return own >= DENSE * (own + others)


def _planar(points: Tensor, region: Tensor, fit: Fit, reach: Tensor, spacing: Tensor) -> Tensor:
    """Which regions are wide enough, thin for their tolerance, and not curved: (P,) bool."""
    inside = region >= 0
    apart = summed(region[inside], spacing[inside], len(reach)) / fit.size.clamp(min=1)
    rms = fit.variance[:, 0].sqrt()
    wide = (12 * fit.variance[:, 1]).sqrt() >= NARROW * apart
    curved = (_explained(points, region, fit) > CURVED) & (rms > 1e-2 * apart)
    return wide & (rms <= EVEN * reach) & ~curved


def _explained(points: Tensor, region: Tensor, fit: Fit) -> Tensor:
    """The share of the squared distances to its plane that a quadric explains, by region."""
    regions = len(fit.size)
    order = region.argsort(stable=True)
    order = order[int((region < 0).sum()) :]
    rank = torch.arange(len(order)) - (fit.size.cumsum(0) - fit.size)[region[order]]
    order = order[rank % (fit.size[region[order]] // SHARE + 1) == 0]
    of = region[order]
    spread = fit.variance.sqrt()
    spread = spread.clamp(min=1e-9).maximum(1e-9 * spread[:, 2:])
    along = torch.einsum("ni,nij->nj", points[order] - fit.centre[of], fit.axes[of]) / spread[of]
    w, v, u = along.unbind(1)
    terms = (torch.ones_like(u), u, v, u * u, u * v, v * v)
    matrix = points.new_zeros(regions, 6, 6)
    right = points.new_zeros(regions, 6, 1)
    for i in range(6):
        right[:, i, 0] = summed(of, terms[i] * w, regions)
        for j in range(i, 6):
            matrix[:, i, j] = matrix[:, j, i] = summed(of, terms[i] * terms[j], regions)
    total = summed(of, w * w, regions)
    matrix += 1e-9 * fit.size.clamp(min=1)[:, None, None] * torch.eye(6, dtype=points.dtype)
    explained = (torch.linalg.solve(matrix, right) * right).sum((1, 2))
    # By the degrees of freedom: three more terms explain a little of any noise.
    count = summed(of, torch.ones_like(w), regions)
    left = 1 - explained / total.clamp(min=1e-300)
    return 1 - left * (count - 3) / (count - 6).clamp(min=1)


def _merged(
    points: Tensor, region: Tensor, reach: Tensor, fit: Fit, edges: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Fit]:
    """Regions that touch, where the centre of each lies on the plane of the other."""
    while len(reach) > 1:
        one, other = _touching(region, len(reach), edges)
        far = torch.maximum(
            fit.distance(fit.centre[one], other), fit.distance(fit.centre[other], one)
        )
        along = (fit.normal[one] * fit.normal[other]).sum(1).abs()
        joined = (far <= torch.minimum(reach[one], reach[other])) & (along > 0.97)
        if not joined.any():
            break
        # Each into one that is larger, or as large and before it: chains end.
        one, other = one[joined], other[joined]
        larger = fit.size[one] >= fit.size[other]
        into = torch.arange(len(reach))
        into[torch.where(larger, other, one)] = torch.where(larger, one, other)
        while not torch.equal(into[into], into):
            into = into[into]
        region = torch.where(region < 0, -1, into[region])
        kept = into == torch.arange(len(reach))
        region, reach, fit = _only(region, reach, fit, kept)
        fit = Fit.of(points, region, len(reach))
    return region, reach, fit


def _touching(region: Tensor, regions: int, edges: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Pairs of regions, the lower first, with points that are neighbours: (E,) each."""
    here, there = (region[end] for end in edges)
    apart = (here != there) & (here >= 0) & (there >= 0)
    here, there = here[apart], there[apart]
    pairs = (torch.minimum(here, there) * regions + torch.maximum(here, there)).unique()
    return pairs // max(regions, 1), pairs % max(regions, 1)


def _bordered(
    points: Tensor, region: Tensor, fit: Fit, reach: Tensor, edges: tuple[Tensor, Tensor]
) -> Tensor:
    """Both points of each pair of neighbours go to the nearest plane of those they touch."""
    if not len(reach):
        return region
    one, other = edges
    point = torch.cat([one, other, one, other])
    choice = torch.cat([region[other], region[one], region[one], region[other]])
    far = fit.distance(points[point], choice)
    within = (choice >= 0) & (far <= reach[choice])
    point, choice, far = point[within], choice[within], far[within]
    order = far.argsort(stable=True)
    order = order[point[order].argsort(stable=True)]
    point, choice = point[order], choice[order]
    first = torch.ones_like(point, dtype=torch.bool)
    first[1:] = point[1:] != point[:-1]
    result = region.clone()
    result[point[first]] = choice[first]
    return result
