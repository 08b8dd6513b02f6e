"""PointNet: every point alone, then the maximum over all."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvc3d.encoders.layers import check_points, shared_mlp


class PointNetFeatures(NamedTuple):
    """All that PointNet computes; without transforms, those two are None."""

    global_feature: Tensor  # (B, dim)
    point_features: Tensor  # (B, N, 64)
    input_transform: Tensor | None  # (B, 3, 3)
    feature_transform: Tensor | None  # (B, 64, 64)


class TransformNet(nn.Module):
    """The T-Net: predicts for each cloud the matrix by which its points are aligned.

    (B, N, C) -> (B, size, size), the identity before training.
    """

    def __init__(self, in_dim: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.points = shared_mlp(in_dim, 64, 128, 1024)
        self.cloud = shared_mlp(1024, 512, 256)
        self.matrix = nn.Linear(256, size * size)
        nn.init.zeros_(self.matrix.weight)
        with torch.no_grad():
            self.matrix.bias.copy_(torch.eye(size).flatten())

    def forward(self, features: Tensor) -> Tensor:
        cloud = self.cloud(self.points(features).max(1).values)  # (B, 256)
        return self.matrix(cloud).view(-1, self.size, self.size)


class PointNet(nn.Module):
    """Encode clouds by a network that sees each point alone and keeps the maximum over all.

    Points (B, N, in_dim) give a global feature (B, dim), the same for any order of the points,
    and point features (B, N, 64), in the order of the points. The first three coordinates are the
    position; the input transform turns those. In training mode with transforms, a batch needs two
    clouds, for batch norm over clouds.

    `encode` gives the transforms as well, for `orthogonality_loss`.

    Raises ValueError on a wrong shape or dtype, on empty clouds and on NaN or inf.

    (Qi, Su, Mo, Guibas, "PointNet: Deep Learning on Point Sets for 3D Classification and
    Segmentation", CVPR 2017.)
    """

    point_dim = 64

    def __init__(self, in_dim: int = 3, dim: int = 1024, *, transforms: bool = True) -> None:
        super().__init__()
        if in_dim < 3 or dim < 1:
            raise ValueError(f"in_dim must be >= 3 and dim >= 1, got {in_dim} and {dim}")
        self.in_dim = in_dim
        self.dim = dim
        self.input_net = TransformNet(in_dim, 3) if transforms else None
        self.local = shared_mlp(in_dim, 64, 64)
        self.feature_net = TransformNet(64, 64) if transforms else None
        self.lift = shared_mlp(64, 64, 128, dim)

    def encode(self, points: Tensor) -> PointNetFeatures:
        """The features and the transforms that led to them."""
        check_points(points, self.in_dim, at_least=1)
        if self.training and self.input_net is not None and points.shape[0] == 1:
            raise ValueError(
                "PointNet with transforms needs at least 2 clouds in a training batch, got 1"
            )
        input_transform = feature_transform = None
        if self.input_net is not None:
            input_transform = self.input_net(points)
            moved = points[..., :3] @ input_transform
            points = torch.cat([moved, points[..., 3:]], dim=-1)
        features = self.local(points)  # (B, N, 64)
        if self.feature_net is not None:
            feature_transform = self.feature_net(features)
            features = features @ feature_transform
        return PointNetFeatures(
            self.lift(features).max(1).values, features, input_transform, feature_transform
        )

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encode(points)
        return features.global_feature, features.point_features


def orthogonality_loss(transform: Tensor) -> Tensor:
    """How far transforms (B, C, C) are from rotations: the mean of |I - A Aᵀ|², a scalar.

    The paper adds it for the feature transform, at a weight of 0.001.
    """
    if transform.dim() != 3 or transform.shape[1] != transform.shape[2]:
        raise ValueError(f"transform must be (B, C, C), got {tuple(transform.shape)}")
    identity = torch.eye(transform.shape[1], dtype=transform.dtype, device=transform.device)
    return (identity - transform @ transform.mT).square().sum((1, 2)).mean()
