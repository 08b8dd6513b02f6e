"""Regions of points, and the planes that fit them best."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d import ops

SHARE = 2000
"""Points of a region, about, that tell whether it is curved."""


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


def means(region: Tensor, values: Tensor, size: Tensor) -> Tensor:
    """The means of values (N,) by region (N,), -1 for none, of so many points (P,)."""
    return summed(region + 1, values, len(size) + 1)[1:] / size.clamp(min=1)


def points_of(region: Tensor, which: Tensor) -> Tensor:
    """The points (M,) of those regions (N,) that are asked for (P,) bool."""
    none = which.new_zeros(1)  # that -1 reads, the last
    return torch.cat([which, none])[region].nonzero()[:, 0]


def sample(region: Tensor, size: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Some points of every region that is asked for, evenly in their order: regions (S,), sorted,
    and points (S,)."""
    inside = points_of(region, which)
    of = region[inside]
    some = inside % (size // SHARE + 1)[of] == 0
    of, order = of[some].sort(stable=True)
    return of, inside[some][order]


def at_ends(region: Tensor, border: Tensor) -> tuple[Tensor, Tensor]:
    """The points in regions, and those in none, of some that may come often, in their order."""
    some = torch.zeros_like(region, dtype=torch.bool)
    some[border] = True
    return (some & (region >= 0)).nonzero()[:, 0], (some & (region < 0)).nonzero()[:, 0]
