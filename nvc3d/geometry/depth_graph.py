"""What a depth camera sees as a graph: nodes on a grid, joined where the surface goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Nodes = NDArray[np.int64]
"""The numbers of some nodes, in rising order."""
Floats = NDArray[np.float32]

_AROUND = [(v, u) for v in (-1, 0, 1) for u in (-1, 0, 1) if (v, u) != (0, 0)]


@dataclass(frozen=True, eq=False)
class DepthGraph:
    """N nodes on a grid of places in an image, each with what is seen there. Lengths are in one
    unit, whichever it is.

    Args:
        number: (rows, columns) int64, which node is in each place, counted row by row; -1: none.
        points: (N, 3) float32, before the camera.
        widths: (N,) float32, how far apart places are at the depth of each.
        jump: neighbours are joined where they are at most that and one and a half widths apart.
    """

    number: NDArray[np.int64]
    points: Floats
    widths: Floats
    jump: float

    @cached_property
    def places(self) -> tuple[Nodes, Nodes]:
        """The row (N,) and the column (N,) of each node."""
        rows, columns = np.nonzero(self.number >= 0)
        return rows, columns

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """(8, N): the nodes that each is joined with, itself where there is none."""
        return self._joined[0]

    @cached_property
    def apart(self) -> Floats:
        """(8, N): how far from each of them it is; inf where there is none."""
        return self._joined[1]

    @cached_property
    def _joined(self) -> tuple[NDArray[np.int64], Floats]:
        rows, columns = self.places
        padded = np.pad(self.number, 1, constant_values=-1)
        there = np.stack([padded[rows + 1 + v, columns + 1 + u] for v, u in _AROUND])
        apart = np.linalg.norm(self.points[there] - self.points, axis=-1)
        widths = (self.widths[there] + self.widths) / 2
        gone = (there < 0) | (apart > self.jump + 1.5 * widths)
        return np.where(gone, np.arange(there.shape[1]), there), _inf_where(gone, apart)

    def area(self, nodes: Nodes) -> float:
        """How much the camera sees of them, as if they faced it."""
        return float((self.widths[nodes].astype(np.float64) ** 2).sum())

    def part(self, nodes: Nodes) -> DepthGraph:
        """The graph of some of its nodes, with new numbers."""
        new = np.full(len(self.points) + 1, -1)
        new[nodes] = np.arange(len(nodes))
        part = DepthGraph(new[self.number], self.points[nodes], self.widths[nodes], self.jump)
        there = new[self.neighbours[:, nodes]]
        gone = there < 0
        joined = np.where(gone, np.arange(len(nodes)), there)
        part.__dict__["_joined"] = joined, _inf_where(gone, self.apart[:, nodes])
        return part

    def pieces(self) -> list[Nodes]:
        """The nodes of each piece that is joined, the largest first."""
        label = np.arange(len(self.points))
        while True:
            least = np.minimum(label[self.neighbours].min(0), label)
            least = least[least]
            if (least == label).all():
                break
            label = least
        order = np.argsort(label, kind="stable")
        starts = np.flatnonzero(np.diff(label[order], prepend=-1))
        return sorted(np.split(order, starts[1:]), key=len, reverse=True)

    def distances(self, start: Nodes, within: float = np.inf) -> Floats:
        """How far (N,) each node is from the nearest of some along the surface; inf where that is
        more than `within`, and where no way leads."""
        found = np.full(len(self.points), np.inf, np.float32)
        found[start] = 0
        while True:
            nearer = np.minimum((found[self.neighbours] + self.apart).min(0), found)
            nearer[nearer > within] = np.inf
            if (nearer == found).all():
                return found
            found = nearer

    def surrounded(self, radius: float, before: float, behind: float, looks: int = 24) -> Floats:
        """Which share (N,) of a circle around each node, in the image, shows something that is at
        most so far before or behind it: of so many looks, evenly around."""
        rows, columns = self.places
        height, width = self.number.shape
        depths = np.append(self.points[:, 2], np.float32(np.inf))
        found = np.zeros(len(rows), np.int64)
        reach = radius / self.widths
        for angle in 2 * np.pi * np.arange(looks) / looks:
            v = np.rint(rows + np.sin(angle) * reach).astype(np.int64)
            u = np.rint(columns + np.cos(angle) * reach).astype(np.int64)
            outside = (v < 0) | (v >= height) | (u < 0) | (u >= width)
            there = self.number[v.clip(0, height - 1), u.clip(0, width - 1)]
            there[outside] = -1
            farther = depths[there] - depths[:-1]
            found += (farther >= -before) & (farther <= behind)
        return (found / looks).astype(np.float32)


def _inf_where(gone: NDArray[np.bool_], apart: Floats) -> Floats:
    return np.where(gone, np.float32(np.inf), apart).astype(np.float32)
