"""PCN (Yuan et al., "PCN: Point Completion Network", 3DV 2018), with narrower folding layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import shared

COARSE = 512
SIDE = 2
"""Each coarse point becomes a grid of so many points a side."""


class PCN(nn.Module):
    """Partial clouds (B, P, 3) -> coarse (B, 512, 3) and fine ones (B, 2048, 3)."""

    grid: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = shared(3, 128, 256), shared(512, 512, 1024)
        self.coarse = nn.Sequential(
            *(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU()),
            *(nn.Linear(1024, 3 * COARSE), nn.Unflatten(1, (COARSE, 3))),
        )
        self.fold = nn.Sequential(shared(1024 + 3 + 2, 256, 256), nn.Conv2d(256, 3, 1))
        line = torch.linspace(-0.05, 0.05, SIDE)
        self.register_buffer("grid", torch.cartesian_prod(line, line))  # (4, 2)

    def forward(self, partial: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(partial.transpose(1, 2)[..., None])  # (B, 256, P, 1)
        x = self.second(torch.cat([x, x.amax(2, keepdim=True).expand_as(x)], 1))
        code = x.amax((2, 3))  # (B, 1024)
        coarse = self.coarse(code)
        size = (len(partial), COARSE, SIDE**2)
        seeds = coarse[:, :, None].expand(*size, 3)
        seen = torch.cat(
            [seeds, self.grid.expand(*size, 2), code[:, None, None].expand(*size, -1)], 3
        )
        fine = seeds + self.fold(seen.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return coarse, fine.flatten(1, 2)


def chamfer(x: Tensor, y: Tensor) -> Tensor:
    """Mean distance from clouds x (B, N, 3) to y (B, M, 3) and back."""
    distance = torch.cdist(x, y)
    return distance.amin(2).mean() + distance.amin(1).mean()


def loss(clouds: tuple[Tensor, Tensor], truth: Tensor) -> Tensor:
    """The coarse cloud and the fine one, alike."""
    return chamfer(clouds[0], truth) + chamfer(clouds[1], truth)
