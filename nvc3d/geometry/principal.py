"""Clouds along their own principal axes: seen alike, however they were turned."""

from __future__ import annotations

import torch
from torch import Tensor

WAYS = ((1.0, 1.0, 1.0), (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))
"""How a cloud can be turned and still lie along the same axes."""


def principal_frames(points: Tensor) -> Tensor:
    """Clouds (B, N, 3) around their centroids along their principal axes, the longest first, in
    each of the four ways to lie along them: (4, B, N, 3).

    A cloud turned and moved has the same four; a mirrored one has others. Where two axes are
    equally long, as those of a cube are, which of them comes first is chance.

    (Puny et al., "Frame Averaging for Invariant and Equivariant Network Design", ICLR 2022.)
    """
    given = points if points.dtype == torch.float64 else points.float()
    centred = given - given.mean(1, keepdim=True)
    with torch.no_grad():
        scatter = centred.transpose(1, 2) @ centred / points.shape[1]
        first, second = torch.linalg.eigh(scatter).eigenvectors.flip(-1).unbind(-1)[:2]
        axes = torch.stack([first, second, torch.linalg.cross(first, second)], -1)
    ways = centred.new_tensor(WAYS)[:, None, None]
    return ((centred @ axes) * ways).to(points.dtype)
