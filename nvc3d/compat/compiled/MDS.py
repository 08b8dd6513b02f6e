"""The compiled module `MDS` of MSN."""

from __future__ import annotations

from torch import Tensor

from ..MDS_module import minimum_density_sample
from .pointnet2_ext import gather_points, gather_points_grad
from .writing import write

__all__ = ["gather_points", "gather_points_grad", "minimum_density_sampling"]


def minimum_density_sampling(
    points: Tensor, nsamples: int, mean_mst_length: Tensor, output: Tensor
) -> Tensor:
    """Write what `minimum_density_sample` picks into the last tensor (B, nsamples), and give it."""
    write(output, minimum_density_sample(points, nsamples, mean_mst_length))
    return output
