"""What every encoder of points offers, and the one place that makes them by name."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from torch import Tensor

from nvc3d.encoders.dgcnn import DGCNN
from nvc3d.encoders.pointnet import PointNet
from nvc3d.encoders.pointnet2 import PointNet2

EncoderName: TypeAlias = Literal["pointnet", "pointnet2", "dgcnn"]


class PointEncoder(Protocol):
    """From points (B, N, in_dim), positions first, to a feature of the cloud and of each point."""

    point_dim: int
    """length of a point's feature"""

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The features (B, dim) of the clouds and (B, N, point_dim) of their points."""


def make(
    name: EncoderName, in_dim: int, dim: int, *, pointwise: bool = True
) -> PointNet | PointNet2 | DGCNN:
    """The encoder of a name, for points of `in_dim` numbers and a global feature of `dim`.

    Without `pointwise` the features of points, where they cost something of their own, are empty.
    PointNet comes without its alignment networks: the orientation of a cloud matters to the tasks.
    """
    if name == "pointnet":
        return PointNet(in_dim, dim, transforms=False)
    if name == "pointnet2":
        return PointNet2(in_dim, dim, pointwise=pointwise)
    return DGCNN(in_dim, dim)
