"""The soft earth mover's distance of Point-MAE and its relatives, in plain torch.

    from nvc3d.compat.emd import earth_mover_distance

It is defined by its rounds, not by a least cost, so the rounds are kept: results are the peer's.
The least distance is `nvc3d.ops.earth_movers_distance`. (Fan, Su, Guibas, "A Point Set Generation
Network for 3D Object Reconstruction from a Single Image", CVPR 2017.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import checks


def approxmatch(xyz1: Tensor, xyz2: Tensor) -> Tensor:
    """How much of each point of xyz1 (B, N, 3) goes to each of xyz2 (B, M, 3): (B, M, N).

    In ten rounds, from near to far, what is left of each point goes to those with room left.
    """
    for points, name in ((xyz1, "xyz1"), (xyz2, "xyz2")):
        checks.check_clouds(points, name)
        checks.check_values(points, None, name)
    checks.check_pair(xyz1, xyz2, "xyz1", "xyz2")
    squared = (xyz2[:, :, None] - xyz1[:, None]).square().sum(3)  # (B, M, N)
    n, m = xyz1.shape[1], xyz2.shape[1]
    left = xyz1.new_full((len(xyz1), 1, n), max(m // n, 1))
    room = xyz2.new_full((len(xyz2), m, 1), max(n // m, 1))
    match = torch.zeros_like(squared)
    for level in (*(-(4.0**j) for j in range(7, -2, -1)), 0.0):
        share = (squared * level).exp()
        offer = share * (left / ((share * room).sum(1, keepdim=True) + 1e-9))  # (B, M, N)
        asked = offer.sum(2, keepdim=True) * room
        granted = (room / (asked + 1e-9)).clamp(max=1) * room
        room = (room - asked).clamp_min(0)
        moved = offer * granted
        left = (left - moved.sum(1, keepdim=True)).clamp_min(0)
        match += moved
    return match


def matchcost(xyz1: Tensor, xyz2: Tensor, match: Tensor) -> Tensor:
    """Squared distances, weighed by a matching (B, M, N) and summed: (B,)."""
    return (match * (xyz2[:, :, None] - xyz1[:, None]).square().sum(3)).sum((1, 2))


class EarthMoverDistanceFunction:
    """The cost of the soft matching, under the name of the peer's function."""

    @staticmethod
    def apply(xyz1: Tensor, xyz2: Tensor) -> Tensor:
        """Squared distances, weighed by the matching and summed: (B,).

        Differentiable in both with the matching held fixed.

        Args:
            xyz1: (B, N, 3).
            xyz2: (B, M, 3).
        """
        return matchcost(xyz1, xyz2, approxmatch(xyz1.detach(), xyz2.detach()))


class earth_mover_distance(nn.Module):
    """The cost of the soft matching for each point of the first cloud, averaged over the batch."""

    def forward(self, xyz1: Tensor, xyz2: Tensor, transpose: bool = False) -> Tensor:
        """From (B, N, 3) and (B, M, 3) to a scalar; `transpose` has no effect, as in the peer."""
        return (EarthMoverDistanceFunction.apply(xyz1, xyz2) / xyz1.shape[1]).mean()


emd = earth_mover_distance  # its name in the package
