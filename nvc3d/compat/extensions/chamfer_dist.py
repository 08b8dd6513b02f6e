"""The Chamfer distances of PoinTr, Point-MAE and GRNet over our operator.

    from nvc3d.compat.extensions.chamfer_dist import ChamferDistanceL1, ChamferDistanceL2

Results are the peer's on valid input, and its `ignore_zeros` is right: it leaves out the points
(0, 0, 0), and no others, in batches of any size. The gradient of the L1 distances is finite where
points coincide: 0. NaN and infinite points are refused.
"""

from __future__ import annotations

from torch import Tensor, nn

from ... import ops
from ...ops.chamfer_distance import root


class ChamferFunction:
    """The squared distances to the nearest points, under the name of the peer's function."""

    @staticmethod
    def apply(xyz1: Tensor, xyz2: Tensor) -> tuple[Tensor, Tensor]:
        """From (B, N, 3) and (B, M, 3) to squared distances (B, N) and (B, M), with gradients."""
        there, back = ops.nearest_both(xyz1, xyz2)
        return there.squared, back.squared


class _Chamfer(nn.Module):
    """A Chamfer distance.

    Args:
        ignore_zeros: points (0, 0, 0) are padding.
    """

    def __init__(self, ignore_zeros: bool = False) -> None:
        super().__init__()
        self.ignore_zeros = ignore_zeros

    def both(self, xyz1: Tensor, xyz2: Tensor, plain: bool = False) -> tuple[Tensor, Tensor]:
        """The mean distance in each direction: squared ones, or plain ones."""
        if not self.ignore_zeros:
            first, second = ChamferFunction.apply(xyz1, xyz2)
            counts: tuple[int | Tensor, int | Tensor] = first.shape[1], second.shape[1]
        else:
            (xyz1, lengths1), (xyz2, lengths2) = _without_zeros(xyz1), _without_zeros(xyz2)
            there, back = ops.nearest_both(xyz1, xyz2, lengths1, lengths2)
            first, second = there.squared, back.squared  # 0 in padding
            counts = lengths1, lengths2
        if plain:
            first, second = root(first), root(second)
        return (first.sum(1) / counts[0]).mean(), (second.sum(1) / counts[1]).mean()


class ChamferDistanceL2(_Chamfer):
    """The mean squared distance to the nearest point, of both directions together."""

    def forward(self, xyz1: Tensor, xyz2: Tensor) -> Tensor:
        """From (B, N, 3) and (B, M, 3) to a scalar."""
        first, second = self.both(xyz1, xyz2)
        return first + second


class ChamferDistanceL2_split(_Chamfer):
    """The mean squared distance to the nearest point, in each direction."""

    def forward(self, xyz1: Tensor, xyz2: Tensor) -> tuple[Tensor, Tensor]:
        """From (B, N, 3) and (B, M, 3) to two scalars."""
        return self.both(xyz1, xyz2)


class ChamferDistanceL1(_Chamfer):
    """The mean plain distance to the nearest point, averaged over both directions."""

    def forward(self, xyz1: Tensor, xyz2: Tensor) -> Tensor:
        """From (B, N, 3) and (B, M, 3) to a scalar."""
        first, second = self.both(xyz1, xyz2, plain=True)
        return (first + second) / 2


class ChamferDistanceL1_PM(_Chamfer):
    """The mean plain distance from the first cloud to the nearest point of the second."""

    def forward(self, xyz1: Tensor, xyz2: Tensor) -> Tensor:
        """From (B, N, 3) and (B, M, 3) to a scalar."""
        return self.both(xyz1, xyz2, plain=True)[0]


def _without_zeros(points: Tensor) -> tuple[Tensor, Tensor]:
    """The points that are not (0, 0, 0) first, in their order, and how many they are."""
    zero = (points == 0).all(2)  # (B, N)
    order = zero.int().argsort(dim=1, stable=True)
    return points.gather(1, order[..., None].expand_as(points)), (~zero).sum(1)
