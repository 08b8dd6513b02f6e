"""The moments of regions of points."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms


def plane_moments(points: Tensor, region: Tensor, regions: int) -> tuple[Tensor, Tensor, Tensor]:
    """Count the points of every region and sum up where they are and how they vary.

    Args:
        points: (N, 3), float32 or float64; summed in float64, in their order.
        region: of every point (N,), int64, from 0 to regions - 1; -1 for none.
        regions: how many there are, P.

    Returns:
        `size` (P,), int64; `centre` (P, 3), the mean; `scatter` (P, 3, 3), the covariance, whose
        least eigenvector is the normal of the least-squares plane; 0 where a region has no point.

    Raises:
        ValueError: on shapes, dtypes or devices that do not fit together, and a region that is
            none.
    """
    return torch.ops.nvc3d.plane_moments(points, region, regions)


@torch.library.register_fake("nvc3d::plane_moments")
def _fake(points: Tensor, region: Tensor, regions: int) -> tuple[Tensor, Tensor, Tensor]:
    checks.check_regions(points, region, regions)
    return (
        region.new_empty(regions),
        points.new_empty(regions, 3),
        points.new_empty(regions, 3, 3),
    )


transforms.register_no_gradient("plane_moments")
