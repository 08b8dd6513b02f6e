"""PointNet without its transforms (Qi, Su, Mo, Guibas, "PointNet", CVPR 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import head, shared


class PointNet(nn.Module):
    """Clouds (B, N, 3) -> scores (B, classes): each point on its own, then the largest of all."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.points = shared(3, 64, 64, 64, 128, 1024)
        self.head = head(1024, classes)

    def forward(self, points: Tensor) -> Tensor:
        x = self.points(points.transpose(1, 2)[..., None])  # (B, 1024, N, 1)
        scores: Tensor = self.head(x.amax((2, 3)))
        return scores


class PointNetLabels(nn.Module):
    """Points with features (B, N, channels) -> scores (B, N, classes): what each point is, beside
    what all of them are."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.local = shared(channels, 64, 64)
        self.whole = shared(64, 64, 128, 1024)
        self.scores = nn.Sequential(
            shared(64 + 1024, 512, 256, 128), nn.Dropout(0.3), nn.Conv2d(128, classes, 1)
        )

    def forward(self, points: Tensor) -> Tensor:
        local = self.local(points.transpose(1, 2)[..., None])  # (B, 64, N, 1)
        whole = self.whole(local).amax(2, keepdim=True).expand(-1, -1, local.shape[2], -1)
        scores: Tensor = self.scores(torch.cat([local, whole], 1))[..., 0].transpose(1, 2)
        return scores
