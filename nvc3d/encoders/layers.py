"""What the encoders share: layers that treat every point alike, and the check of the input."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class SharedLinear(nn.Module):
    """A linear layer, batch norm and activation, the same for every point: (..., C) -> (..., D)."""

    def __init__(self, in_dim: int, out_dim: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim, bias=False)
        self.norm = nn.BatchNorm1d(out_dim)
        self.activation = nn.ReLU() if activation is None else activation

    def forward(self, features: Tensor) -> Tensor:
        rows = self.linear(features)
        normed = self.norm(rows.flatten(0, -2))  # (rows, D)
        return self.activation(normed).view(rows.shape)


def shared_mlp(*widths: int) -> nn.Sequential:
    """Shared layers of the given widths, the first of them the input's."""
    return nn.Sequential(*(SharedLinear(a, b) for a, b in pairwise(widths)))


def check_points(points: Tensor, in_dim: int, at_least: int) -> None:
    """Raise ValueError unless points are finite floats (B, N, in_dim) with N >= at_least."""
    if not isinstance(points, Tensor):
        raise ValueError(f"points must be a torch.Tensor, got {type(points).__name__}")
    if points.dim() != 3 or points.shape[2] != in_dim:
        raise ValueError(f"points must be (B, N, {in_dim}), got {tuple(points.shape)}")
    if not points.is_floating_point():
        raise ValueError(f"points must be of a float dtype, got {points.dtype}")
    if points.shape[0] == 0 or points.shape[1] < at_least:
        raise ValueError(
            f"points must hold at least one cloud and {at_least} point(s) in each, "
            f"got {tuple(points.shape)}"
        )
    finite = torch.isfinite(points)
    if not torch.compiler.is_compiling() and not bool(finite.all()):
        bad = points.numel() - int(finite.sum())
        raise ValueError(f"points must be finite, got {bad} NaN or infinite coordinate(s)")
