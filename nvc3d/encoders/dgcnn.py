"""DGCNN: every point with its neighbours, which are looked up anew among each layer's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d import ops
from nvc3d.encoders.edges import EdgeMaximum
from nvc3d.encoders.layers import SharedLinear, check_points


class EdgeConv(EdgeMaximum):
    """The maximum, over the k nearest neighbours j of i, of a layer on (x_i, x_j - x_i).

    (B, N, C) -> (B, N, D); neighbours are nearest among the features given, and each is its own
    first. The layer is linear, batch norm and activation.
    """

    def __init__(self, in_dim: int, out_dim: int, k: int) -> None:
        super().__init__(out_dim, nn.LeakyReLU(0.2))
        self.k = k
        self.centre = nn.Linear(in_dim, out_dim, bias=False)
        self.neighbour = nn.Linear(in_dim, out_dim, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        with torch.no_grad():
            index = ops.knn(features, features, self.k).index  # (B, N, k)
        # A layer on (x_i, x_j - x_i) is linear, U x_i + V (x_j - x_i): both products are made once
        # for each point instead of once for each edge.
        neighbour = self.neighbour(features)  # (B, N, D)
        return self.strongest(self.centre(features) - neighbour, neighbour, index)


class DGCNN(nn.Module):
    """Encode clouds by convolutions over a graph of neighbours that each layer draws anew.

    Points (B, N, in_dim) give a global feature (B, dim), the maximum and the mean over all points
    side by side, the same for any order of the points, and point features (B, N, 512), those of
    the four graph layers side by side, in the order of the points.

    Raises ValueError on a wrong shape or dtype, on clouds of fewer than k points and on NaN or
    inf.

    (Wang, Sun, Liu, Sarma, Bronstein, Solomon, "Dynamic Graph CNN for Learning on Point Clouds",
    ACM Transactions on Graphics 38(5), 2019.)
    """

    point_dim = 64 + 64 + 128 + 256

    def __init__(self, in_dim: int = 3, dim: int = 2048, *, k: int = 20) -> None:
        super().__init__()
        if in_dim < 1 or k < 1:
            raise ValueError(f"in_dim and k must be >= 1, got {in_dim} and {k}")
        if dim < 2 or dim % 2:
            raise ValueError(f"dim must be even, half maximum and half mean, got {dim}")
        self.in_dim = in_dim
        self.dim = dim
        self.k = k
        self.layers = nn.ModuleList(
            EdgeConv(a, b, k) for a, b in [(in_dim, 64), (64, 64), (64, 128), (128, 256)]
        )
        self.lift = SharedLinear(self.point_dim, dim // 2, nn.LeakyReLU(0.2))

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        check_points(points, self.in_dim, at_least=self.k)
        features, layers = points, []
        for layer in self.layers:
            features = layer(features)
            layers.append(features)
        point_features = torch.cat(layers, dim=-1)  # (B, N, 512)
        lifted = self.lift(point_features)  # (B, N, dim / 2)
        return torch.cat([lifted.max(1).values, lifted.mean(1)], dim=-1), point_features
