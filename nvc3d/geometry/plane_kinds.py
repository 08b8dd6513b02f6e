"""Which regions are planes: wide, thin, and no part of a solid or of something round."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.geometry.plane_borders import assigned
from nvc3d.geometry.plane_graph import AROUND, Graph
from nvc3d.geometry.plane_layers import parted
from nvc3d.geometry.plane_regions import Fit, Regions, distinct, means, points_of, sample, summed

NARROW = 3.0
"""The shorter side, in spacings, below which a region is a sliver."""
EVEN = 0.5
"""The rms, by the tolerance, above which distances fill it as those of a solid do, not of a plane:
evenly spread ones have 0.58, those of a plane whose noise is a third of the tolerance 0.33."""
CURVED = 0.2
"""The share of its squared distances to a plane that a quadric explains of what is curved."""
FARTHEST = 2.0
"""How many rms from its plane points are that do not tell whether a region is curved."""
DENSE = 0.65
"""The share of neighbours near a region's plane that are its own, below which it is cut out of a
solid: there, normals look anywhere."""
ROUND = 0.013
"""The rms, by its shorter side, above which a curved region is a part of something round."""
SAG, AWAY = 0.01, 15.0
"""The rms of a face that bulges, by its shorter side, and by how many degrees what is beside it
turns away: beside a part of something round it does not."""
BESIDE = 0.7
"""The share of what is beside a face that bulges, at least, that turns away."""
ON = 0.5
"""The share of what is beside a curved region, at least, that lies on no plane and does not turn
away, where the region is a part of something round."""

ACROSS = 50_000
"""Points, about, that tell whether a region is of a solid."""
MIDDLE, BEYOND = 1.5, 5.0
"""How many rms from its plane at least half of those lie that are beside it by up to so many: of a
plane with noise nearly all do, of a solid three tenths."""


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
    found = Regions(region, reach, means(region, spacing, fit.size))
    if not fixed and graph.around < AROUND:  # means of noise lie in layers, by their cells
        found, fit = parted(graph, found, fit)
        found, fit = parted(graph, found, fit)
    dense = _dense(points, found, fit, ops.region_borders(index, found.region), index.shape[1])
    region = assigned(points, index, found.region, fit, found.reach.where(dense, -1))
    found = found._replace(region=region)
    fit = Fit.of(points, region, len(found.reach))
    planar = _bent_little(graph, found, fit) if bent else _planar(points, found, fit)
    return found.kept(dense & planar & (fit.size >= least))


def _dense(
    points: Tensor, found: Regions, fit: Fit, edges: tuple[Tensor, Tensor], neighbours: int
) -> Tensor:
    """Which regions have most of the points around them that lie on their planes: (P,) bool."""
    of, regions = found.region[edges[0]], len(found.reach)
    around = torch.bincount(of + 1, minlength=regions + 1)[1:]
    own = fit.size * neighbours - around
    asked = own < DENSE * (own + around)  # of most regions all that is around them is too little
    some = points_of(of, asked)
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
    of, _, turned = _beside(graph, found, fit)
    away = torch.bincount(of[turned], minlength=len(side))
    ends = away >= BESIDE * torch.bincount(of, minlength=len(side))
    return (side >= NARROW * found.apart) & as_good_as_flat(fit, SAG) & ends


def _beside(graph: Graph, found: Regions, fit: Fit) -> tuple[Tensor, Tensor, Tensor]:
    """Where points are beside regions: those regions (E,), the points, and which of them turn
    away."""
    one, other = ops.region_borders(graph.index, found.region)
    one, other = (end[found.region[one] >= 0] for end in (one, other))
    of = found.region[one]
    along = (graph.normal.index_select(0, other) * fit.normal[of]).sum(1).abs()
    return of, other, along < math.cos(math.radians(AWAY))


def not_going_on(graph: Graph, found: Regions) -> Regions:
    """Those of regions that are flat, or beside which there is more than what goes on like them
    and lies on no plane."""
    fit = Fit.of(graph.at, found.region, len(found.reach))
    curved = _curved(graph.at, found, fit)
    if not curved.any():
        return found
    of, other, turned = _beside(graph, found, fit)
    on = torch.bincount(of[(found.region[other] < 0) & ~turned], minlength=len(curved))
    return found.kept(~curved | (on < ON * torch.bincount(of, minlength=len(curved)).clamp(min=1)))


def not_round(points: Tensor, found: Regions) -> Regions:
    """Those of regions that are no parts of something round: what is near them by now may tell."""
    fit = Fit.of(points, found.region, len(found.reach))
    return found.kept(as_good_as_flat(fit, ROUND) | ~_curved(points, found, fit))


def not_solid(points: Tensor, found: Regions) -> Regions:
    """Those of regions above and below which there are fewer points than in them: means of points
    that fill space lie on planes, too, as they are drawn to one another."""
    fit = Fit.of(points, found.region, len(found.reach))
    some = slice(0, None, len(points) // ACROSS + 1)
    at, region = points[some], found.region[some]
    stands_out = torch.zeros(len(found.reach), dtype=torch.bool)
    for number, (centre, axes) in enumerate(zip(fit.centre, fit.axes, strict=True)):
        rms = fit.variance[number, 0].sqrt()
        near = ((at @ axes[:, 0] - centre @ axes[:, 0]).abs() <= BEYOND * rms).nonzero()[:, 0]
        off, *along = ((at[near] - centre) @ axes).unbind(1)
        row, column = ((each / (BEYOND * rms)).floor() for each in along)
        below = torch.isin(place := row * 2**26 + column, place[region[near] == number])
        inside = (off.abs() <= MIDDLE * rms) & below
        stands_out[number] = 2 * int(inside.sum()) >= int(below.sum())
    return found.kept(stands_out)


def as_good_as_flat(fit: Fit, share: float) -> Tensor:
    """Which regions have an rms of no more than a share of their shorter side: (P,) bool."""
    return fit.variance[:, 0].sqrt() <= share * (12 * fit.variance[:, 1]).sqrt()


def _curved(points: Tensor, found: Regions, fit: Fit) -> Tensor:
    """Which regions a quadric fits better than a plane, but for the few points that are the
    farthest from it: they may be of others. (P,) bool."""
    regions, thin = len(fit.size), 1e-2 * found.apart
    spread = fit.variance.sqrt()
    of, order = sample(found.region, fit.size, spread[:, 0] > thin)
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
