"""The planes of neighbourhoods."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms


def local_planes(points: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Fit a plane to the points of every neighbourhood by least squares.

    Args:
        points: (N, 3), float32 or float64; computed in float64.
        index: neighbourhoods (M, K), int64, as `knn` gives them.

    Returns:
        `normal` (M, 3), of length 1, the component of the greatest size positive, and
        `variance` (M, 3) of the neighbours along their principal axes, the least, that along the
        normal, first; both in the dtype of the points, the variance in the square of their unit.

    Raises:
        ValueError: on shapes, dtypes or devices that do not fit together, and an index that is
            none of a point.
    """
    return torch.ops.nvc3d.local_planes(points, index)


@torch.library.register_fake("nvc3d::local_planes")
def _fake(points: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    checks.check_some_neighbourhoods(points, index)
    shape = (index.shape[0], 3)
    return points.new_empty(shape), points.new_empty(shape)


transforms.register_no_gradient("local_planes")
