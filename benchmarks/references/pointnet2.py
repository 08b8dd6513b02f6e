"""PointNet++ with one scale a level (Qi, Yi, Su, Guibas, "PointNet++", NeurIPS 2017), smaller."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import head, shared

NEIGHBOURS = 32


class PointNet2(nn.Module):
    """Clouds (B, N, 3) -> scores (B, classes): a quarter of the points, a quarter of those, all."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList([shared(3, 64, 64, 128), shared(3 + 128, 128, 128, 256)])
        self.whole = shared(3 + 256, 256, 512, 1024)
        self.head = head(1024, classes)

    def forward(self, points: Tensor) -> Tensor:
        features = points[..., :0]
        for layers in self.levels:
            points, features = abstracted(points, features, layers)
        x = self.whole(torch.cat([points, features], 2).transpose(1, 2)[..., None])
        scores: Tensor = self.head(x.amax((2, 3)))
        return scores


class PointNet2Labels(nn.Module):
    """Points with features (B, N, channels) -> scores (B, N, classes): down as above, and back up
    by the three nearest of the coarser level."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [shared(channels, 32, 32, 64), shared(3 + 64, 64, 64, 128), shared(3 + 128, 128, 256)]
        )
        self.up = nn.ModuleList(
            [shared(256 + 128, 256, 128), shared(128 + 64, 128, 128), shared(128 + channels, 128)]
        )
        self.scores = nn.Sequential(nn.Dropout(0.3), nn.Conv2d(128, classes, 1))

    def forward(self, given: Tensor) -> Tensor:
        points, features = given[..., :3], given[..., 3:]
        levels = [(points, given)]
        for layers in self.down:
            points, features = abstracted(points, features, layers)
            levels.append((points, features))
        levels.pop()
        for layers in self.up:
            finer, known = levels.pop()
            x = torch.cat([interpolated(finer, points, features), known], 2)
            features = layers(x.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)
            points = finer
        scores: Tensor = self.scores(features.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)
        return scores


def abstracted(points: Tensor, features: Tensor, layers: nn.Module) -> tuple[Tensor, Tensor]:
    """A quarter of the points (B, N / 4, 3), and what the layers make of each one's nearest."""
    rows = torch.arange(len(points))[:, None]
    centres = points[rows, farthest(points, max(points.shape[1] // 4, 1))]  # (B, M, 3)
    wanted = min(NEIGHBOURS, points.shape[1])
    near = torch.cdist(centres, points).topk(wanted, largest=False).indices  # (B, M, K)
    group = torch.cat(
        [points[rows[..., None], near] - centres[:, :, None], features[rows[..., None], near]], 3
    )
    return centres, layers(group.permute(0, 3, 1, 2)).amax(3).transpose(1, 2)


def farthest(points: Tensor, count: int) -> Tensor:
    """Which points (B, count), each the farthest from all before it."""
    rows = torch.arange(len(points))
    chosen = torch.zeros(len(points), count, dtype=torch.long)
    distance = torch.full(points.shape[:2], torch.inf)
    for i in range(1, count):
        last = points[rows, chosen[:, i - 1]]  # (B, 3)
        distance = torch.minimum(distance, (points - last[:, None]).square().sum(2))
        chosen[:, i] = distance.argmax(1)
    return chosen


def interpolated(finer: Tensor, points: Tensor, features: Tensor) -> Tensor:
    """Features (B, N, C) at finer points (B, N, 3): of the three nearest, by inverse distance."""
    near = torch.cdist(finer, points).topk(min(3, points.shape[1]), largest=False)
    weight = 1 / (near.values + 1e-8)
    found = features[torch.arange(len(points))[:, None, None], near.indices]  # (B, N, 3, C)
    return (found * (weight / weight.sum(2, keepdim=True))[..., None]).sum(2)
