"""The nearest planes around points."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms


def assign_planes(
    points: Tensor, index: Tensor, region: Tensor, normal: Tensor, offset: Tensor, reach: Tensor
) -> Tensor:
    """Give every point the nearest plane of those that its neighbours are on.

    Args:
        points: (N, 3), float32 or float64; computed in float64.
        index: the neighbours of every point (N, K), int64, among those that have regions.
        region: (M,) int64, the plane of each of those, -1 for none.
        normal: of the planes (P, 3), of length 1.
        offset: (P,), normal · x of their points.
        reach: (P,), how far from its plane a point may be.

    Returns:
        The plane of every point (N,), int64; -1 where none is within its reach. Ties go to the
        lowest.

    Raises:
        ValueError: on shapes, dtypes or devices that do not fit together, and an index or a region
            that is none.
    """
    return torch.ops.nvc3d.assign_planes(points, index, region, normal, offset, reach)


@torch.library.register_fake("nvc3d::assign_planes")
def _fake(
    points: Tensor, index: Tensor, region: Tensor, normal: Tensor, offset: Tensor, reach: Tensor
) -> Tensor:
    checks.check_planes(points, index, region, normal, offset, reach)
    return points.new_empty(points.shape[:1], dtype=torch.int64)


transforms.register_no_gradient("assign_planes")
