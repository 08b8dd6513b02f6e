"""Shortest trees through points, and their long edges."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class LongEdges(NamedTuple):
    """Of each point of clouds (P, S, D)."""

    length: Tensor  # (P, S): of the long edge that counts at it; 0 where none does
    other: Tensor  # (P, S): the other end of that edge; -1 where there is none
    mean: Tensor  # (P,): of all edges of the cloud's tree


def long_edges(points: Tensor, alpha: float) -> LongEdges:
    """The edges of each cloud's shortest tree that are longer than alpha times their mean.

    An edge counts at one of its ends: all leaves of the tree take theirs and are cut off, again and
    again; of two leaves that face one another the one with the higher index takes the edge.
    """
    parent, length = shortest_trees(points)
    mean = length[:, 1:].mean(1)
    child = torch.arange(parent.shape[1], device=parent.device)
    end = _ends(parent)  # where the edge from each point to its parent counts
    other = torch.where(end == child, parent, child)
    long = length > alpha * mean[:, None]
    return LongEdges(
        torch.zeros_like(length).scatter_add(1, end, length * long),
        torch.full_like(other, -1).scatter_add(1, end, (other + 1) * long),
        mean,
    )


def shortest_trees(points: Tensor) -> tuple[Tensor, Tensor]:
    """The tree of the least total length through the points (P, S, D) of each cloud.

    Gives of each point its parent (P, S) and how far that is (P, S); of point 0, from which the
    trees grow, 0 and 0. (Prim, "Shortest Connection Networks and Some Generalizations", Bell System
    Technical Journal 36(6), 1957.)
    """
    trees, size = points.shape[:2]
    row = torch.arange(trees, device=points.device)
    squared = points.new_full((trees, size), torch.inf)  # of the shortest edge to the tree
    parent = torch.zeros(trees, size, dtype=torch.int64, device=points.device)
    free = torch.ones_like(parent, dtype=torch.bool)
    last = torch.zeros_like(row)  # what the tree has got last
    for _ in range(size - 1):
        free[row, last] = False
        found = (points - points[row, last][:, None]).square().sum(2)
        nearer = (found < squared) & free
        squared = torch.where(nearer, found, squared)
        parent = torch.where(nearer, last[:, None], parent)
        last = squared.masked_fill(~free, torch.inf).argmin(1)
    squared[:, 0] = 0
    return parent, squared.sqrt()


def _ends(parent: Tensor) -> Tensor:
    """At which of its ends the edge from each point to its parent (P, S) counts, by `long_edges`.

    Point 0 has no parent: there it says 0.
    """
    child = torch.arange(parent.shape[1], device=parent.device).expand_as(parent)
    end = torch.zeros_like(parent)
    left = child > 0  # edges
    degree = left.long().scatter_add(1, parent, left.long())
    while bool(left.any()):
        leaf = degree == 1
        above = leaf.gather(1, parent)
        cut = left & (leaf | above)
        end = torch.where(cut, torch.where(leaf & (~above | (child > parent)), child, parent), end)
        degree = (degree - cut.long()).scatter_add(1, parent, -cut.long())
        left = left & ~cut
    return end
