"""An encoder of voxel grids: convolutions on ever coarser grids."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool3d

COARSEST = 4
"""Cells along each side of what the global feature is made from."""
STRIDE = 8
"""Voxels along the side of a cell of the coarsest map: sizes of grids are multiples of it."""


class VoxelEncoder(nn.Module):
    """Encode grids by three levels of convolutions, each on cells twice as wide.

    Grids (B, in_channels, X, Y, Z) give a global feature (B, dim) and the maps of the levels, the
    finest first: (B, w, X/2, Y/2, Z/2), (B, 2w, X/4, Y/4, Z/4) and (B, 4w, X/8, Y/8, Z/8). Blocks
    of 2 x 2 x 2 voxels become channels before anything is computed: convolutions at full
    resolution would cost more than all the rest.

    Raises ValueError on a wrong shape or dtype, on sides that are no multiples of 8, and on NaN or
    inf.
    """

    def __init__(self, in_channels: int = 2, dim: int = 256, width: int = 16) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("dim", dim), ("width", width)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        self.in_channels, self.dim, self.width = in_channels, dim, width
        self.levels = nn.ModuleList(
            [
                convolution(8 * in_channels, width),
                convolution(width, 2 * width, stride=2),
                convolution(2 * width, 4 * width, stride=2),
            ]
        )
        self.lift = nn.Sequential(nn.Linear(4 * width * COARSEST**3, dim), nn.ReLU())

    def forward(self, grids: Tensor) -> tuple[Tensor, list[Tensor]]:
        check_grids(grids, self.in_channels)
        maps = []
        x = to_channels(grids)
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return self.lift(adaptive_avg_pool3d(x, COARSEST).flatten(1)), maps


def convolution(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """A convolution of 3 x 3 x 3, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm3d(out_channels),
        nn.ReLU(),
    )


def to_channels(grids: Tensor) -> Tensor:
    """Blocks of 2 x 2 x 2 voxels as channels: (B, C, X, Y, Z) -> (B, 8 C, X/2, Y/2, Z/2)."""
    batch, channels, x, y, z = grids.shape
    blocks = grids.view(batch, channels, x // 2, 2, y // 2, 2, z // 2, 2)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(
        batch, 8 * channels, x // 2, y // 2, z // 2
    )


def from_channels(cells: Tensor) -> Tensor:
    """The inverse of `to_channels`: (B, 8 C, X, Y, Z) -> (B, C, 2 X, 2 Y, 2 Z)."""
    batch, channels, x, y, z = cells.shape
    blocks = cells.view(batch, channels // 8, 2, 2, 2, x, y, z)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(batch, channels // 8, 2 * x, 2 * y, 2 * z)


def check_grids(grids: Tensor, channels: int) -> None:
    """Raise ValueError unless grids are finite floats (B, channels, X, Y, Z), X, Y and Z multiples
    of STRIDE."""
    if not isinstance(grids, Tensor):
        raise ValueError(f"grids must be a torch.Tensor, got {type(grids).__name__}")
    if grids.dim() != 5 or grids.shape[1] != channels or 0 in grids.shape:
        raise ValueError(f"grids must be (B, {channels}, X, Y, Z), got {tuple(grids.shape)}")
    if any(side % STRIDE for side in grids.shape[2:]):
        raise ValueError(
            f"the sides of grids must be multiples of {STRIDE}, got {tuple(grids.shape[2:])}"
        )
    if not grids.is_floating_point():
        raise ValueError(f"grids must be of a float dtype, got {grids.dtype}")
    if not torch.compiler.is_compiling() and not bool(torch.isfinite(grids).all()):
        raise ValueError("grids must be finite, got NaN or inf")
