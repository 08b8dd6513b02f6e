"""PointNet++: ever fewer points, each told what lies around it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, relu

from nvc3d import ops
from nvc3d.encoders.edges import EdgeMaximum
from nvc3d.encoders.layers import SharedLinear, check_points, shared_mlp

STRIDE = 4
"""How many times fewer points each level has."""
LEAST = 16
"""Points that a level keeps, if there are so many."""
WIDTHS = (32, 64, 128, 256)
"""Of the features at each level, that of all points first."""


class SetAbstraction(EdgeMaximum):
    """Features around some of the points: the maximum, over the k nearest points j of a picked
    point i, of a layer on (p_j - p_i, f_j), and a residual layer after it.

    Points (B, N, 3) with features (B, N, C) give the picked points (B, M, 3), farthest from each
    other, and theirs (B, M, D). Distances are relative to the cloud's own spacing.
    """

    def __init__(self, in_dim: int, out_dim: int, k: int) -> None:
        super().__init__(out_dim, nn.ReLU())
        self.k = k
        self.place = nn.Linear(3, out_dim, bias=False)
        self.feature = nn.Linear(in_dim, out_dim, bias=False)
        self.wide = SharedLinear(out_dim, 2 * out_dim)
        self.narrow = SharedLinear(2 * out_dim, out_dim, nn.Identity())

    def forward(self, points: Tensor, features: Tensor, count: int) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            # From the point farthest out, whichever comes first: the order must not matter.
            middle = points - points.mean(1, keepdim=True)
            start = middle.square().sum(-1).argmax(1)
            picks = ops.farthest_point_sampling(points, count, start=start)  # (B, M)
            picked = points.gather(1, picks[..., None].expand(-1, -1, 3))  # (B, M, 3)
            squared, index = ops.knn(picked, points, min(self.k, points.shape[1]))
            spacing = squared.mean((1, 2))[:, None, None].sqrt()
            spacing = torch.where(spacing > 0, spacing, 1)
        # Linear in both ends of an edge, as in EdgeConv.
        neighbour = self.place(points / spacing) + self.feature(features)
        around = self.strongest(-self.place(picked / spacing), neighbour, index)
        return picked, relu(around + self.narrow(self.wide(around)))


def interpolate(points: Tensor, known: Tensor, features: Tensor) -> Tensor:
    """Features (B, M, C) of known points (B, M, 3) at others (B, N, 3): (B, N, C), the mean of the
    three nearest by the inverse of their squared distances."""
    with torch.no_grad():
        squared, index = ops.knn(points, known, min(3, known.shape[1]))
        # A known point itself outweighs all others, as far as numbers go.
        weights = 1 / (squared + torch.finfo(squared.dtype).eps * squared.amax((1, 2), True))
        weights = torch.where(squared.amax((1, 2), True) > 0, weights, 1)
        weights = weights / weights.sum(-1, keepdim=True)
    batch, count, k = index.shape
    first = torch.arange(batch, device=index.device)[:, None, None] * known.shape[1]
    rows = features.flatten(0, 1)
    kind = torch.promote_types(rows.dtype, torch.float32)
    mixed = embedding_bag(
        (index + first).view(-1, k),
        rows.to(kind),
        mode="sum",
        per_sample_weights=weights.view(-1, k).to(kind),
    )
    return mixed.view(batch, count, -1)


class PointNet2(nn.Module):
    """Encode clouds by a hierarchy: each level has a quarter of the points, but not fewer than 16,
    chosen farthest from each other, with features of what lies around them.

    Points (B, N, in_dim), positions first, give a global feature (B, dim), the same for any order
    of the points, and with `pointwise` point features (B, N, 64), handed back level by level from
    the three nearest points; without, (B, N, 0).

    Each level has one layer on edges and a residual one on points, as PointNeXt has, and not
    three on edges: a quarter of the arithmetic.

    Raises ValueError on a wrong shape or dtype, on empty clouds and on NaN or inf.

    (Qi, Yi, Su, Guibas, "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric
    Space", NeurIPS 2017; Qian et al., "PointNeXt", NeurIPS 2022.)
    """

    def __init__(
        self, in_dim: int = 3, dim: int = 1024, *, k: int = 24, pointwise: bool = True
    ) -> None:
        super().__init__()
        if in_dim < 3 or dim < 1 or k < 1:
            raise ValueError(f"in_dim must be >= 3, dim and k >= 1, got {in_dim}, {dim} and {k}")
        self.in_dim = in_dim
        self.dim = dim
        self.point_dim = 64 if pointwise else 0
        self.stem = SharedLinear(in_dim, WIDTHS[0])
        self.levels = nn.ModuleList(SetAbstraction(a, b, k) for a, b in pairwise(WIDTHS))
        self.lift = SharedLinear(3 + WIDTHS[-1], dim)
        # From each level to the finer one before it.
        back = [(256 + 128, 128), (128 + 64, 64), (64 + 32, 64)] if pointwise else []
        self.back = nn.ModuleList(shared_mlp(*widths) for widths in back)

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        check_points(points, self.in_dim, at_least=1)
        places, features = [points[..., :3]], [self.stem(points)]
        for level in self.levels:
            given = places[-1].shape[1]
            count = max(-(-given // STRIDE), min(LEAST, given))
            place, feature = level(places[-1], features[-1], count)
            places.append(place)
            features.append(feature)
        told = torch.cat([places[-1].to(features[-1].dtype), features[-1]], -1)
        whole = self.lift(told).max(1).values
        known = features.pop()
        for layer in self.back:
            coarse = places.pop()
            mixed = interpolate(places[-1], coarse, known)
            known = layer(torch.cat([mixed.to(features[-1].dtype), features.pop()], -1))
        return whole, known if len(self.back) else points.new_empty((*points.shape[:2], 0))
