"""The earth mover's distance of MSN, PoinTr and SnowflakeNet over our operator.

    from nvc3d.compat.emd_module import emdModule

The peer matches by an auction that stops early: points may share a partner. Here every point has a
partner of its own, and the mean plain distance is the least: exactly for clouds of up to 2048
points, to 1 % beyond. Sizes need be no multiple of 1024, nor coordinates lie between 0 and 1.
"""

from __future__ import annotations

from torch import Tensor, nn

from .. import ops


class emdFunction:
    """What `emdModule` does, under the name of its function."""

    @staticmethod
    def apply(xyz1: Tensor, xyz2: Tensor, eps: float, iters: int) -> tuple[Tensor, Tensor]:
        """See `emdModule.forward`."""
        match = ops.earth_movers_distance(xyz1.detach(), xyz2.detach()).match  # (B, N)
        partner = ops.group(xyz2.detach(), match[..., None])[:, :, 0]  # (B, N, 3)
        return (xyz1 - partner).square().sum(2), match.int()


class emdModule(nn.Module):
    """Match the points of two clouds, one to one."""

    def forward(
        self, input1: Tensor, input2: Tensor, eps: float, iters: int
    ) -> tuple[Tensor, Tensor]:
        """Squared distances to the partners (B, N), and who they are (B, N), int32.

        Args:
            input1: (B, N, 3). As in the peer, it alone has a gradient.
            input2: (B, N, 3).
            eps: accepted and without effect: the matching is as good as can be.
            iters: the same.
        """
        return emdFunction.apply(input1, input2, eps, iters)
