"""DGCNN: every point with its neighbours, which are looked up anew among each layer's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from nvc3d import ops
from nvc3d.encoders.layers import SharedLinear, check_points


class EdgeConv(nn.Module):
    """The maximum, over the k nearest neighbours j of i, of a layer on (x_i, x_j - x_i).

    (B, N, C) -> (B, N, D); neighbours are nearest among the features given, and each is its own
    first. The layer is linear, batch norm and activation. No tensor of all edges is made, which
    saves two thirds of the time on a CPU.
    """

    def __init__(self, in_dim: int, out_dim: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.centre = nn.Linear(in_dim, out_dim, bias=False)
        self.neighbour = nn.Linear(in_dim, out_dim, bias=False)
        self.norm = nn.BatchNorm1d(out_dim)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, features: Tensor) -> Tensor:
        with torch.no_grad():
            index = ops.knn(features, features, self.k)[1]  # (B, N, k)
        # A layer on (x_i, x_j - x_i) is linear, U x_i + V (x_j - x_i): both products are made once
        # for each point instead of once for each edge.
        neighbour = self.neighbour(features)  # (B, N, D)
        centre = self.centre(features) - neighbour  # (B, N, D)
        batch, count, _ = features.shape
        first = torch.arange(batch, device=index.device)[:, None, None] * count
        edges = (index + first).flatten(0, 1)  # (B N, k)
        kind = torch.promote_types(neighbour.dtype, torch.float32)
        rows = self._strongest(
            centre.flatten(0, 1).to(kind), neighbour.flatten(0, 1).to(kind), edges
        )
        return rows.view(batch, count, -1).to(self.norm.weight.dtype)

    def _strongest(self, centre: Tensor, neighbour: Tensor, edges: Tensor) -> Tensor:
        """The maximum over edges (R, k) of the normed, activated sums of rows (R, D)."""
        norm = self.norm
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        if norm.training:
            mean, variance = _moments(centre, neighbour, edges)
            self._remember(mean.detach(), variance.detach(), edges.numel())
        scale = norm.weight / (variance + norm.eps).sqrt()  # (D,)
        # What follows the sum rises with it, or falls where the scale is negative: so the greatest
        # neighbour, or the least, has the greatest outcome.
        sign = torch.where(scale < 0, -1, 1).to(neighbour)
        greatest = embedding_bag(edges, sign * neighbour, mode="max") * sign  # (R, D)
        return self.activation((centre + greatest - mean) * scale + norm.bias)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Let the running statistics learn of a batch, as batch norm does."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        assert norm.num_batches_tracked is not None and norm.momentum is not None
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
        unbiased = variance * (count / max(count - 1, 1))
        norm.running_var.lerp_(unbiased.to(norm.running_var), norm.momentum)


def _moments(centre: Tensor, neighbour: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (D,) of centre[i] + neighbour[j] over all edges (R, k) from i to j."""
    rows, k = edges.shape
    # How often each row is a neighbour, as a share of all edges.
    share = torch.bincount(edges.flatten(), minlength=rows)[:, None].to(centre) / (rows * k)
    own, other = centre.mean(0), (share * neighbour).sum(0)
    # Squares of what is left of them, not of themselves: those would cancel.
    centre, neighbour = centre - own, neighbour - other
    around = embedding_bag(edges, neighbour, mode="sum")  # (R, D)
    squares = centre.square().mean(0) + (share * neighbour.square()).sum(0)
    variance = squares + 2 * (centre * around).sum(0) / (rows * k)
    return own + other, variance.clamp_min(0)


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
