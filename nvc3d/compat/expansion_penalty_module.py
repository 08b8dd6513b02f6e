"""MSN's expansion penalty in plain torch: its names and return types.

    from nvc3d.compat.expansion_penalty_module import expansionPenaltyModule

(Liu et al., "Morphing and Sampling Network for Dense Point Cloud Completion", AAAI 2020.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import checks
from .spanning import long_edges


class expansionPenaltyFunction:
    """What `expansionPenaltyModule` does, under the name of its function."""

    @staticmethod
    def apply(xyz: Tensor, primitive_size: int, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
        """See `expansionPenaltyModule.forward`."""
        xyz = checks.as_points(xyz, "xyz")
        length, other, mean = penalise(xyz.detach(), primitive_size, alpha)
        itself = torch.arange(xyz.shape[1], device=xyz.device)
        place = torch.where(other < 0, itself, other)[..., None].expand_as(xyz)
        squared = (xyz - xyz.detach().gather(1, place)).square().sum(2)
        # As in the peer, the value is a length and the gradient that of its square.
        return length + (squared - squared.detach()), other.int(), mean.mean(1)


class expansionPenaltyModule(nn.Module):
    """Penalise the long edges of the shortest tree through each surface element of a cloud."""

    def forward(
        self, input: Tensor, primitive_size: int, alpha: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Find the edges that are longer than alpha times the mean of their tree.

        Args:
            input: (B, N, 3): elements of primitive_size points, one after the other. A point has
                the gradient of the square of its edge's length.
            primitive_size: at least 2; divides N.
            alpha: not negative.

        Returns:
            The length of the edge that counts at each point (B, N), 0 where none does; the other
            end of that edge (B, N), int32, -1 where there is none; and the mean length of all edges
            (B,), without gradient.

        Raises:
            ValueError: on NaN or inf, empty clouds, another primitive_size and a negative alpha.
        """
        return expansionPenaltyFunction.apply(input, primitive_size, alpha)


def penalise(xyz: Tensor, primitive_size: int, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of clouds (B, N, 3) the lengths and other ends of long edges (B, N), and the mean length of
    each element (B, P)."""
    checks.check_clouds(xyz, "xyz")
    checks.check_values(xyz, None, "xyz")
    batch, size = xyz.shape[:2]
    checks.check(
        2 <= primitive_size <= size and size % primitive_size == 0,
        f"primitive_size must be at least 2 and divide {size} points, got {primitive_size}",
    )
    checks.check(alpha >= 0, f"alpha must not be negative, got {alpha}")
    length, other, mean = long_edges(xyz.reshape(-1, primitive_size, xyz.shape[2]), alpha)
    elements = size // primitive_size
    first = primitive_size * torch.arange(elements, device=xyz.device)  # of each element
    other = other.view(batch, elements, -1)
    other = torch.where(other < 0, other, other + first[:, None])
    return length.view(batch, size), other.flatten(1), mean.view(batch, -1)
