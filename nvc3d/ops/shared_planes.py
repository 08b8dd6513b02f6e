"""The planes that neighbours share."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms


def shared_planes(points: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the plane through a point that the most of its neighbours share, by chance the least.

    Planes go through the point and two of its eight nearest neighbours. A width holds more of the
    others than chance would have it: of all planes and widths, the one wins whose count is the
    least likely for points that lie anywhere in the ball around (after Desolneux, Moisan, Morel,
    "Meaningful alignments", IJCV 40(1), 2000). So a neighbourhood over several faces has the plane
    of one of them, where that of all (`local_planes`) lies on none.

    Args:
        points: (N, 3), float32 or float64; computed in float64.
        index: neighbourhoods (M, K), int64, K up to 64: the point itself first, then its
            neighbours, the nearest first, as `knn` gives them.

    Returns:
        `normal` (M, 3) of the least-squares plane of those within the width, of length 1, the
        component of the greatest size positive; `width` (M,), how far they are from the plane
        through the point, in its unit; and `score` (M,), the natural logarithm of the chance: 0
        where nothing is shared.

    Raises:
        ValueError: on shapes, dtypes or devices that do not fit together, and an index that is
            none of a point.
    """
    return torch.ops.nvc3d.shared_planes(points, index)


@torch.library.register_fake("nvc3d::shared_planes")
def _fake(points: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    checks.check_some_neighbourhoods(points, index, 64)
    rows = index.shape[0]
    return points.new_empty(rows, 3), points.new_empty(rows), points.new_empty(rows)


transforms.register_no_gradient("shared_planes")
