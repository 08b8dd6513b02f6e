"""A 3-D U-Net (Cicek et al., "3D U-Net", MICCAI 2016), with one convolution where it has two."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool3d

WIDTHS = (16, 32, 64, 128)


class UNet(nn.Module):
    """Views (B, 2, X, Y, Z) -> scores (B, X, Y, Z) of being occupied; sides are multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        given = (2, *WIDTHS[:-1])
        self.down = nn.ModuleList([layer(*pair) for pair in zip(given, WIDTHS, strict=True)])
        pairs = list(itertools.pairwise(WIDTHS))[::-1]
        self.up = nn.ModuleList([layer(fine + coarse, fine) for fine, coarse in pairs])
        self.last = nn.Conv3d(WIDTHS[0], 1, 1)

    def forward(self, view: Tensor) -> Tensor:
        x, maps = self.down[0](view), []
        for convolution in self.down[1:]:
            maps.append(x)
            x = convolution(max_pool3d(x, 2))
        for convolution in self.up:
            x = convolution(torch.cat([interpolate(x, scale_factor=2), maps.pop()], 1))
        scores: Tensor = self.last(x)[:, 0]
        return scores


def layer(given: int, made: int) -> nn.Sequential:
    """A convolution that keeps the size of the grid."""
    return nn.Sequential(
        nn.Conv3d(given, made, 3, padding=1, bias=False), nn.BatchNorm3d(made), nn.ReLU()
    )
