"""Points that split in stages, each looking at those around it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nvc3d import ops
from nvc3d.tasks.completion.decoders.parts import NEIGHBOURS, coarse_layers, spread, surroundings

ATTENDED = 8
"""Points that each looks at, itself among them."""


class UpsamplingDecoder(nn.Module):
    """A coarse cloud from the code, seeds spread over it and what is seen, and stages in which each
    point splits into `factors` of them; a factor of 1 only moves them.

    Follows Xiang et al., "SnowflakeNet: Point Cloud Completion by Snowflake Point Deconvolution
    with Skip-Transformer", ICCV 2021: features go on from stage to stage, and each stage's
    attention looks for what goes with those of the last. What is seen around a point is told to
    every stage, as in Zhou et al., "SeedFormer", ECCV 2022.
    """

    def __init__(
        self,
        code_dim: int,
        point_dim: int,
        coarse: int,
        seeds: int,
        factors: Sequence[int],
        hidden: int,
    ) -> None:
        super().__init__()
        self.seeds = seeds
        self.coarse = coarse_layers(code_dim, coarse)
        self.stages = nn.ModuleList(
            Stage(code_dim, point_dim, factor, hidden, first=i == 0)
            for i, factor in enumerate(factors)
        )

    def forward(self, embedding: Tensor, partial: Tensor, point_features: Tensor) -> list[Tensor]:
        coarse = self.coarse(embedding).unflatten(1, (-1, 3)).to(partial.dtype)  # (B, C, 3)
        clouds, points = [coarse], spread(partial, coarse, self.seeds)  # (B, S, 3)
        features = None
        for stage in self.stages:
            around = surroundings(points, partial, point_features)
            points, features = stage(points, features, around, embedding)
            clouds.append(points)
        return clouds


class Stage(nn.Module):
    """Points (B, N, 3), what is around them, the code, and the features (B, N, H) that the last
    stage gave them, to points (B, factor * N, 3) and their features (B, factor * N, H)."""

    def __init__(
        self, code_dim: int, point_dim: int, factor: int, hidden: int, *, first: bool
    ) -> None:
        super().__init__()
        self.factor = factor
        self.from_place = nn.Linear(3 + point_dim + 3 * NEIGHBOURS, hidden)
        self.from_code = nn.Linear(code_dim, hidden)
        self.from_last = None if first else nn.Linear(hidden, hidden)
        self.query = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden))
        self.attention = NeighbourAttention(hidden)
        self.split = nn.Linear(hidden, factor * hidden)
        self.refine = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.offsets = nn.Linear(hidden, 3)

    def forward(
        self, points: Tensor, last: Tensor | None, around: Tensor, embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        place = self.from_place(torch.cat([points, around], dim=-1))  # (B, N, H)
        place = place + self.from_code(embedding)[:, None]
        if last is not None and self.from_last is not None:
            place = place + self.from_last(last)
        query = self.query(place)
        mixed = self.attention(points, query, query if last is None else last)  # (B, N, H)
        children = self.split(mixed).unflatten(2, (self.factor, -1))  # (B, N, F, H)
        features = self.refine(children + mixed[:, :, None])
        split = points[:, :, None] + self.offsets(features)  # (B, N, F, 3)
        return split.flatten(1, 2), features.flatten(1, 2)


class NeighbourAttention(nn.Module):
    """Every point's features with those of its nearest neighbours, weighed channel by channel:
    queries (B, N, H) and carried features (B, N, H), which are the keys, give (B, N, H).

    (Zhao, Jiang, Jia, Torr, Koltun, "Point Transformer", ICCV 2021, for vector attention;
    SnowflakeNet for keys that are the last stage's features.)
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        width = max(hidden // 2, 1)
        self.query = nn.Linear(hidden, width)
        self.key = nn.Linear(hidden, width)
        self.value = nn.Linear(2 * hidden, width)
        self.position = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width))
        self.weight = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.out = nn.Linear(width, hidden)

    def forward(self, points: Tensor, query: Tensor, carried: Tensor) -> Tensor:
        with torch.no_grad():
            index = ops.knn(points, points, min(ATTENDED, points.shape[1]))[1]  # (B, N, K)
        # Neighbours lie about a tenth of the shape's size away: layers learn best from inputs
        # near 1.
        apart = 10 * (points[:, :, None] - ops.group(points, index))  # (B, N, K, 3)
        position = self.position(apart)  # (B, N, K, W)
        both = torch.cat([self.key(carried), self.value(torch.cat([query, carried], -1))], -1)
        key, value = ops.group(both, index).chunk(2, dim=-1)  # (B, N, K, W) each
        weight = self.weight(self.query(query)[:, :, None] - key + position).softmax(2)
        return query + self.out((weight * (value + position)).sum(2))
