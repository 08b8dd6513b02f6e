"""Where regions end: points go to the nearest plane around them."""

from __future__ import annotations

from torch import Tensor

from nvc3d import ops
from nvc3d.geometry.plane_graph import Graph
from nvc3d.geometry.plane_joins import joined, merged
from nvc3d.geometry.plane_regions import Fit, Regions, at_ends, means

COVERED = 0.1
"""The share of its rectangle that a region covers at least, by the spacing of its points."""
PIECE = 1 << 15
"""Points whose neighbours are held at once."""
ROUNDS = 2
"""How often points look for the nearest plane around them."""
WIDELY = 32
"""Points where regions end among which those in none look for a plane."""


def assigned(points: Tensor, index: Tensor, region: Tensor, fit: Fit, reach: Tensor) -> Tensor:
    """For points (N, 3) the nearest plane of those that their neighbours (N, K) have: (N,)."""
    offset = (fit.normal * fit.centre).sum(1)
    return ops.assign_planes(points, index, region, fit.normal, offset, reach)


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


def settled(graph: Graph, found: Regions, least: int) -> Regions:
    """Regions that touch and go on are one, borders go to the nearest plane, and what has then too
    few points for its size is none."""
    found = drawn(graph, joined(graph, merged(graph, found)), ROUNDS)
    fit = Fit.of(graph.at, found.region, len(found.reach))
    apart = means(found.region, graph.spacing.double(), fit.size)
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
    ends, left = at_ends(found.region, ops.region_borders(graph.index, found.region)[0])
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
