"""Planes of a cloud at the scales at which they are flat."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.geometry.plane_borders import assigned, drawn, settled, taken
from nvc3d.geometry.plane_graph import AROUND, NEIGHBOURS, NOISE, SPREAD, Graph, pooled
from nvc3d.geometry.plane_joins import BENT, MOST, joined
from nvc3d.geometry.plane_kinds import accepted, as_good_as_flat, not_going_on, not_round, not_solid
from nvc3d.geometry.plane_regions import Fit, Regions
from nvc3d.geometry.plane_scale import COARSE, flattest

SHARED = 20
"""Neighbours of a point, itself among them, that may share a plane."""
CHANCE = math.log(1e-2 / 28 / 16)
"""The logarithm of the chance above which neighbours share a plane by accident."""
LOUD = 4.0
"""How many times the noise of most planes that of another may be."""
BRIDGES = (16, 6)
"""Spacings that a cell of a thinner cloud has whose planes are looked at for pieces."""
PIECE = 0.6
"""The share of a plane above which a part of it is no piece."""
BULGE = 0.5
"""How far, in spacings, points may be from a face that bulges."""
EXACT = 0.1
"""Of the spacing: points that are nearer to their planes have next to no noise."""
MOSTLY = 0.9
"""The share of points that are left, above which their neighbours are looked for no more."""
SOME = 2000
"""Points that tell whether many share exact planes."""
FEW = 20
"""Points of a thinner cloud, at least, that are a plane."""


class Wanted(NamedTuple):
    """What is asked of planes."""

    distance: float | None  # how far a point may be from its plane
    cosine: float  # of the angle that its normal may have
    least: int  # points

    @classmethod
    def checked(cls, distance: float | None, angle: float, least: int) -> Wanted:
        """By an angle in degrees. Raises ValueError on options out of range."""
        if distance is not None and not 0 < distance < math.inf:
            raise ValueError(f"distance must be above 0, got {distance}")
        if not 0 < angle < 90:
            raise ValueError(f"angle must be between 0 and 90, got {angle}")
        if not least >= 3:
            raise ValueError(f"least_points must be 3 or more, got {least}")
        return cls(distance, math.cos(math.radians(angle)), least)

    def scaled(self, scale: float) -> Wanted:
        """Of points that are as much larger."""
        return self._replace(distance=None if self.distance is None else self.distance * scale)


def found(points: Tensor, wanted: Wanted, known: Graph | None = None) -> Tensor:
    """The region of every one of distinct points (N, 3) within -1 and 1, -1 for none: (N,); `known`
    is their graph where there is one already."""
    graph, owner = flattest(points, known)
    if owner is not None:  # which have that many points, or more
        wanted = wanted._replace(least=min(wanted.least, FEW))
    planes = _grown(graph, graph.noise <= EXACT * graph.spacing, wanted)
    planes = drawn(graph, joined(graph, planes), 2)
    if wanted.distance is None:
        for times in BRIDGES:
            planes = _bridged(graph, planes, times, wanted)
    left = planes.left()
    if _exact(graph, left):
        at = graph.at.index_select(0, left)
        planes = _with_more(graph, planes, _shared(at, EXACT, wanted), left)
        left = planes.left()
    rest = _rest(graph, left)
    planes = _with_more(graph, planes, _bent(rest, wanted), left)
    most = _loudest(graph, planes)
    if len(planes.left()) < len(left):
        left = planes.left()
        rest = _rest(graph, left)
    if rest is not None:
        more = _quiet(rest.at, _grown(rest, rest.flat, wanted), most)
        planes = _with_more(graph, planes, more, left)
        left = planes.left()
    most = _loudest(graph, planes)
    if len(left) >= SHARED:
        at = graph.at.index_select(0, left)
        more = _quiet(at, _shared(at, math.inf, wanted), most)
        planes = _with_more(graph, planes, more, left)
        left = planes.left()
    cell = 2 * float(graph.spacing.median())
    while cell <= COARSE and len(left) >= SHARED:
        at = graph.at.index_select(0, left)
        more = _quiet(at, _coarser(at, cell, wanted), most)
        planes = _with_more(graph, planes, more, left)
        cell, left = 2 * cell, planes.left()
    planes = not_going_on(graph, settled(graph, drawn(graph, planes, 1), wanted.least))
    if owner is not None:
        region = _spread(points, owner, graph, planes, wanted)
        planes = not_solid(points, planes._replace(region=region))
    return not_round(points, planes).region


def _rest(graph: Graph, left: Tensor) -> Graph | None:
    """The points `left` (L,) alone, unless they are too few."""
    if len(left) < SHARED:
        return None
    if len(left) >= MOSTLY * len(graph.at):
        return graph.part(left)
    return Graph.of(graph.at[left], graph.around)


def _with_more(graph: Graph, planes: Regions, more: Regions, left: Tensor) -> Regions:
    """Planes and those that are found of the points `left` (L,), which go to the nearest."""
    if not len(more.reach):
        return planes
    return taken(graph, planes.with_more(more, left), left)


def _loudest(graph: Graph, planes: Regions) -> float:
    """The greatest rms, in spacings, of planes beside those that most points are on: inf where
    there are no such."""
    fit = Fit.of(graph.at, planes.region, len(planes.reach))
    if 3 * int(fit.size.sum()) < len(graph.at):
        return math.inf
    rms = (fit.variance[:, 0].sqrt() / planes.apart)[planes.region[planes.region >= 0]]
    return LOUD * max(float(rms.median()), NOISE[0])


def _quiet(at: Tensor, planes: Regions, most: float) -> Regions:
    """Those of planes whose rms, in spacings, is not above the greatest."""
    fit = Fit.of(at, planes.region, len(planes.reach))
    return planes.kept(fit.variance[:, 0].sqrt() <= most * planes.apart)


def _bridged(graph: Graph, planes: Regions, times: int, wanted: Wanted) -> Regions:
    """The same, but where many pieces lie on a plane of a thinner cloud that is as good as flat
    that plane: what cameras see of a table waves by more than neighbours are off their planes."""
    fit = Fit.of(graph.at, planes.region, len(planes.reach))
    rough = fit.variance[:, 0].sqrt() > NOISE[0] * planes.apart
    if 2 * int(fit.size[~rough].sum()) > len(graph.at):
        return planes
    whole = _coarser(graph.at, times * float(graph.spacing.median()), wanted)
    size, count = len(planes.reach), len(whole.reach)
    both = (planes.region >= 0) & (whole.region >= 0)
    pair = whole.region[both] * size + planes.region[both]
    shared = torch.bincount(pair, minlength=count * size).view(count, size)
    large = Fit.of(graph.at, whole.region, count)
    flat = as_good_as_flat(large, BENT)
    pieces = rough & (shared >= MOST * fit.size)  # (P, F)
    some = (shared * pieces).amax(1) if size else shared.new_zeros(count)
    chosen = flat & (some < PIECE * large.size) & ((shared * ~pieces).sum(1) < 0.2 * large.size)
    gone = (pieces & chosen[:, None]).any(0)
    planes = planes.kept(~gone)
    whole = whole.kept(chosen)
    free = (planes.region < 0) & (whole.region >= 0)
    at = free.nonzero()[:, 0]
    more = Regions(whole.region[at], whole.reach, whole.apart)
    return _with_more(graph, planes, more, at)


def _exact(graph: Graph, left: Tensor) -> bool:
    """Whether many of the points that are left share exact planes with their neighbours."""
    if len(left) < SHARED:
        return False
    near = graph.near[left]
    some = torch.arange(0, len(left), len(left) // SOME + 1)
    index = ops.knn(near[some][None], near[None], SHARED).index[0]
    _, width, score = ops.shared_planes(near, index)
    width = width.maximum(graph.stepped[left[some]])
    exact = (score < CHANCE) & (width < EXACT * graph.spacing[left[some]])
    return float(exact.double().mean()) > 0.05


def _seeds(graph: Graph, which: Tensor) -> Tensor:
    """The flat points that are asked for (N,) bool, the flattest first."""
    flat = (graph.flat & which).nonzero()[:, 0]
    noise = (graph.noise / graph.spacing)[flat]
    # Of numbers that are not negative the bits are in the same order, which are sorted faster.
    return flat[noise.view(torch.int32).argsort(stable=True)]


def _grown(graph: Graph, which: Tensor, wanted: Wanted) -> Regions:
    """The planes that grow from those of flat points that are asked for (N,) bool."""
    tolerance = graph.tolerance(wanted.distance)
    exact = NOISE[0] * graph.spacing
    if wanted.distance is None and 2 * int((which & (graph.noise <= exact)).sum()) > which.sum():
        # Of exact planes nothing is near that is not of them: layers close by keep apart.
        tolerance = tolerance.minimum(SPREAD * exact)
    seeds = _seeds(graph, which)
    seed = ops.grow_planes(
        graph.near,
        graph.index,
        graph.normal,
        tolerance,
        seeds,
        cosine=wanted.cosine,
        least=wanted.least,
    )
    return accepted(graph, seed, tolerance, wanted.least, wanted.distance is not None)


def _bent(graph: Graph | None, wanted: Wanted) -> Regions:
    """The faces that bulge or sag hardly more than a plane, and end all around."""
    if graph is None or wanted.distance is not None:
        return Regions.none(torch.zeros(0, 3, dtype=torch.float64))
    tolerance = BULGE * graph.spacing
    seed = ops.grow_planes(
        graph.near,
        graph.index,
        graph.normal,
        tolerance,
        _seeds(graph, graph.flat),
        cosine=wanted.cosine,
        least=wanted.least,
    )
    return accepted(graph, seed, tolerance, wanted.least, fixed=True, bent=True)


def _shared(at: Tensor, widest: float, wanted: Wanted) -> Regions:
    """The planes that grow from what most neighbours share, where they are not flat."""
    graph = Graph.of(at, SHARED, SHARED)
    normal, width, score = ops.shared_planes(graph.near, graph.index)
    width = width.maximum(SPREAD / 2 * graph.stepped)
    tolerance = torch.maximum(2 * width, 0.1 * graph.spacing)
    if wanted.distance is not None:
        tolerance = torch.full_like(tolerance, wanted.distance)
    seeds = score.argsort(stable=True)
    seeds = seeds[((score < CHANCE) & (width <= widest * graph.spacing))[seeds]]
    seed = ops.grow_planes(
        graph.near, graph.index, normal, tolerance, seeds, cosine=wanted.cosine, least=wanted.least
    )
    return accepted(graph, seed, tolerance, wanted.least, wanted.distance is not None)


def _coarser(at: Tensor, cell: float, wanted: Wanted) -> Regions:
    """The planes of a thinner cloud, and the points (N, 3) near them."""
    mean, owner = pooled(at, cell)
    if len(mean) < NEIGHBOURS or len(mean) > 0.8 * len(at):
        return Regions.none(at)
    graph = Graph.of(mean, AROUND)
    planes = _grown(graph, graph.flat, wanted._replace(least=min(wanted.least, FEW)))
    if not len(planes.reach):
        return Regions.none(at)
    region = _spread(at, owner, graph, planes, wanted)
    fit = Fit.of(at, region, len(planes.reach))
    reach = 3 * fit.variance[:, 0].sqrt() if wanted.distance is None else planes.reach
    apart = (planes.apart * (len(mean) / len(at)) ** 0.5).minimum(planes.apart)
    planes = planes._replace(region=region, reach=reach, apart=apart)
    return planes.kept(fit.size >= wanted.least)


def _spread(at: Tensor, owner: Tensor, graph: Graph, planes: Regions, wanted: Wanted) -> Tensor:
    """The regions of points (N, 3), by those of a thinner cloud and whose each is there."""
    region, index = planes.region[owner], graph.index[owner]
    for _ in range(2):
        fit = Fit.of(at, region, len(planes.reach))
        reach = planes.reach
        if wanted.distance is None:
            reach = (3 * fit.variance[:, 0].sqrt()).maximum(0.1 * planes.apart)
        region = assigned(at, index, planes.region, fit, reach)
    return region
