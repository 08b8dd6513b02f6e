"""The Chamfer distances of ChamferDistancePytorch over our operator: its names and return types.

    from nvc3d.compat.dist_chamfer_3D import chamfer_3DDist

Results are the peer's on valid input. Beyond it, any device and float dtype will do, gradients can
be differentiated again, and NaN, infinite and empty clouds are refused.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import ops


class chamfer_3DFunction:
    """What `chamfer_3DDist` does, under the name of its function."""

    dimension = 3

    @classmethod
    def apply(cls, xyz1: Tensor, xyz2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `chamfer_3DDist.forward`."""
        for points, name in ((xyz1, "xyz1"), (xyz2, "xyz2")):
            if points.dim() != 3 or points.shape[2] != cls.dimension:
                raise ValueError(
                    f"{name} must be (B, N, {cls.dimension}), got {tuple(points.shape)}"
                )
        there, back = ops.nearest_both(xyz1, xyz2)
        return there.squared, back.squared, there.index.int(), back.index.int()


class chamfer_3DDist(nn.Module):
    """Find the nearest point of the other cloud, from both sides."""

    function = chamfer_3DFunction

    def forward(self, input1: Tensor, input2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Squared distances (B, N) and (B, M), with gradients, and indices alike, int32.

        Args:
            input1: (B, N, D), with the D of the class's name.
            input2: (B, M, D).
        """
        return self.function.apply(input1, input2)


class chamfer_3DDist_nograd(chamfer_3DDist):
    """The same, without gradients."""

    @torch.no_grad()
    def forward(self, input1: Tensor, input2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `chamfer_3DDist.forward`."""
        return super().forward(input1, input2)
