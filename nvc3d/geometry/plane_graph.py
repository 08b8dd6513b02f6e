"""Clouds as graphs of neighbours with the planes around every point, and thinner clouds of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d import ops

NEIGHBOURS = 12
"""Of a point, itself among them."""
AROUND = 40
"""Of a point where there is noise."""
FLAT = 0.55
"""Standard deviation along the normal, by that across it, up to which neighbours are flat."""
SPREAD = 4.0
"""How many standard deviations of its neighbours a point may be from its plane."""
SOME = 2000
"""Points that tell of a cloud how many are flat."""
NOISE = (0.02, 0.5)
"""Least and greatest standard deviation from a plane that is believed, in spacings."""

VALUES, OFTEN = 64, 8
"""How many values of a coordinate, and how often nine of ten of them, tell that it is rounded."""

PARTED = torch.stack([(torch.arange(2048) >> bit & 1) << 3 * bit for bit in range(11)]).sum(0)
"""Every number of 11 bits, with two zeros between any two of its bits."""


class Graph(NamedTuple):
    """Points, their neighbours, and the planes of those."""

    at: Tensor  # (N, 3) float64
    near: Tensor  # (N, 3) float32: the same
    index: Tensor  # type: ignore[assignment]  # (N, K); hides tuple.index
    spacing: Tensor  # (N,) float32
    normal: Tensor  # (N, 3) float32
    noise: Tensor  # (N,) float32: standard deviation across the planes around
    stepped: Tensor  # (N,) float32: the part of it that is of rounded coordinates
    flat: Tensor  # (N,) bool
    around: int  # whose planes they are

    @classmethod
    def of(cls, at: Tensor, around: int = NEIGHBOURS, k: int = NEIGHBOURS) -> Graph:
        """Of points (N, 3), float64, with k neighbours each and the planes of those `around`."""
        near = at.float()
        squared, index = ops.knn(near[None], near[None], min(around, len(at)))
        return cls.of_neighbours(at, index[0], squared[0, :, -1], k)

    @classmethod
    def of_neighbours(
        cls, at: Tensor, index: Tensor, squared: Tensor, k: int = NEIGHBOURS
    ) -> Graph:
        """Of points (N, 3), the neighbours (N, K) around them, how far the last of those is (N,),
        and k that count as theirs."""
        near, around = at.float(), index.shape[1]
        spacing = _spacing(squared, around)
        normal, variance = ops.local_planes(near, index)
        index = index[:, :k].contiguous()
        # Of all neighbours: one alone is flat by chance.
        across = ops.pool_neighbours(variance[None, :, :1], index[None]).total[0, :, 0] / k
        flat = _flat(across, variance)
        noise = (across * (around / (around - 3))).sqrt()
        stepped = (steps(at).float() * normal).norm(dim=1) / math.sqrt(12)
        return cls(at, near, index, spacing, normal, noise.maximum(stepped), stepped, flat, around)

    def part(self, some: Tensor) -> Graph:
        """Some of the points (M,), in their order, with what was told of them; a neighbour that is
        none of them gives its place to the point itself."""
        own = torch.arange(len(some))
        number = torch.full((len(self.at),), -1)
        number[some] = own
        index = number[self.index.index_select(0, some)]
        index = torch.where(index < 0, own[:, None], index)
        return Graph(
            self.at[some],
            self.near[some],
            index,
            self.spacing[some],
            self.normal[some],
            self.noise[some],
            self.stepped[some],
            self.flat[some],
            self.around,
        )

    def tolerance(self, distance: float | None) -> Tensor:
        """How far from a plane a point of it may be: (N,) float32."""
        if distance is not None:
            return torch.full_like(self.spacing, distance)
        low, high = NOISE
        high *= (self.around / NEIGHBOURS) ** 0.5
        return SPREAD * self.noise.clamp(low * self.spacing, high * self.spacing)


def _spacing(squared: Tensor, around: int) -> Tensor:
    """Of evenly spread points whose last neighbour of those around is that far."""
    return (squared * (math.pi / (around - 1))).sqrt()


def _flat(across: Tensor, variance: Tensor) -> Tensor:
    """Whether neighbours are flat, by how they vary across their planes (N,) and along (N, 3)."""
    return (across <= FLAT**2 * variance[:, 1]) & (variance[:, 1] > 1e-4 * variance[:, 2])


def sampled(at: Tensor, around: int) -> tuple[float, float]:
    """The share of points (N, 3), float64, that are flat by those around, and their median spacing,
    as some of them tell."""
    near, around = at.float(), min(around, len(at))
    index = ops.Index(near[None], check_finite=False)
    some = torch.arange(0, len(at), len(at) // SOME + 1)
    squared, neighbours = (each[0] for each in index.knn(near[some][None], around))
    beside, place = torch.cat([neighbours[:, :NEIGHBOURS].flatten(), some]).unique(
        return_inverse=True
    )
    _, variance = ops.local_planes(near, index.knn(near[beside][None], around).index[0])
    own = variance[place[-len(some) :]]
    across = variance[place[: -len(some)], 0].view(len(some), -1).mean(1)
    share = _flat(across, own).double().mean()
    return float(share), float(_spacing(squared[:, -1], around).median())


def steps(points: Tensor) -> Tensor:
    """How far apart along each axis the values are that points (N, 3) may have: (N, 3), 0 where it
    is any value. Depth cameras tell few: what is flat is stairs then, and each step exact."""
    apart = torch.zeros_like(points)
    some = points[:: len(points) // 4096 + 1]
    for axis in range(3):
        if 4 * len(some[:, axis].unique()) > len(some):
            continue
        values, own, count = points[:, axis].unique(return_inverse=True, return_counts=True)
        if len(values) < VALUES or 10 * int((count[own] < OFTEN).sum()) > len(own):
            continue
        gap = torch.nn.functional.pad(values.diff(), (1, 1), value=math.inf)
        apart[:, axis] = gap[:-1].minimum(gap[1:])[own]
    return apart


def code(points: Tensor) -> Tensor:
    """The places (N,) of points (N, 3) within -1 and 1 along a curve through 2^63 cells: what is
    near in order is near in space."""
    cells = ((points + 1) * (1 << 20)).long().clamp_(0, (1 << 21) - 1)
    code = torch.zeros(len(points), dtype=torch.int64)
    for axis, cell in enumerate(cells.unbind(1)):
        low, high = PARTED[cell & 2047], PARTED[cell >> 11]
        code |= (low | high << 33) << axis
    return code


def sorted_and_distinct(points: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the distinct points of a cloud (N, 3) within -1 and 1, along the curve, whatever
    the order was; and for each point the place of its equal among them (N,)."""
    order = code(points).sort(stable=True).indices
    at = points.index_select(0, order)
    new = torch.ones(len(points), dtype=torch.bool)
    new[1:] = (at[1:] != at[:-1]).any(1)
    place = torch.empty_like(order)
    place[order] = new.cumsum(0) - 1
    return order[new], place


def pooled(points: Tensor, cell: float) -> tuple[Tensor, Tensor]:
    """The means (M, 3) of the points (N, 3) in each cell of about that size, and of each point its
    mean (N,)."""
    bits = max(0, round(math.log2(cell * (1 << 20))))
    cells = code(points) >> 3 * bits
    if (cells[1:] < cells[:-1]).any():
        _, own, count = cells.unique(return_inverse=True, return_counts=True)
    else:
        _, own, count = cells.unique_consecutive(return_inverse=True, return_counts=True)
    total = torch.stack([torch.bincount(own, axis) for axis in points.unbind(1)], 1)
    mean = total / count[:, None]
    return mean, own
