"""The compiled modules `chamfer_2D` to `chamfer_6D` of ChamferDistancePytorch."""

from __future__ import annotations

from torch import Tensor

from . import chamfer
from .writing import write


def forward(
    xyz1: Tensor, xyz2: Tensor, dist1: Tensor, dist2: Tensor, idx1: Tensor, idx2: Tensor
) -> int:
    """Write squared distances to the nearest points, and who they are, (B, N) and (B, M)."""
    for out, values in zip((dist1, dist2, idx1, idx2), chamfer.forward(xyz1, xyz2), strict=True):
        write(out, values)
    return 1


def backward(
    xyz1: Tensor,
    xyz2: Tensor,
    gradxyz1: Tensor,
    gradxyz2: Tensor,
    graddist1: Tensor,
    graddist2: Tensor,
    idx1: Tensor,
    idx2: Tensor,
) -> int:
    """Add the gradients in xyz1 and xyz2 to the third and the fourth."""
    first, second = chamfer.backward(xyz1, xyz2, idx1, idx2, graddist1, graddist2)
    write(gradxyz1, gradxyz1 + first)
    return write(gradxyz2, gradxyz2 + second)
