"""Batches of clouds in the unit ball, on any device."""

from __future__ import annotations

import torch
from torch import Tensor


def unit_ball(points: Tensor) -> tuple[Tensor, Tensor]:
    """Clouds (B, N, 3), the middle of each one's bounding box at 0, its farthest point 1 away, as
    `normalise` has them; and what was 1 before, (B, 1, 1): 1 for a cloud without extent."""
    low, high = points.aminmax(dim=1, keepdim=True)
    centred = points - (low / 2 + high / 2)
    radius = torch.linalg.vector_norm(centred, dim=-1).amax(1)[:, None, None]
    radius = torch.where(radius > 0, radius, 1)
    return centred / radius, radius
