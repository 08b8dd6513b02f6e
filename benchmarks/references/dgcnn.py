"""DGCNN (Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", TOG 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import head, shared

NEIGHBOURS = 20


class DGCNN(nn.Module):
    """Clouds (B, N, 3) -> scores (B, classes): edges to the nearest by the features of a layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [shared(6, 64), shared(128, 64), shared(128, 128), shared(256, 256)]
        )
        self.last = shared(512, 1024)
        self.head = head(2048, classes)

    def forward(self, points: Tensor) -> Tensor:
        x, found = points.transpose(1, 2), []
        for layer in self.layers:
            x = layer(edges(x)).amax(3)  # (B, C, N)
            found.append(x)
        x = self.last(torch.cat(found, 1)[..., None])[..., 0]
        scores: Tensor = self.head(torch.cat([x.amax(2), x.mean(2)], 1))
        return scores


def edges(x: Tensor) -> Tensor:
    """Features (B, C, N) -> (B, 2 C, N, K): the way to each of the nearest, and the point's own."""
    rows = x.transpose(1, 2)  # (B, N, C)
    near = torch.cdist(rows, rows).topk(min(NEIGHBOURS, x.shape[2]), largest=False).indices
    others = rows[torch.arange(len(x))[:, None, None], near]  # (B, N, K, C)
    own = rows[:, :, None].expand_as(others)
    return torch.cat([others - own, own], 3).permute(0, 3, 1, 2)
