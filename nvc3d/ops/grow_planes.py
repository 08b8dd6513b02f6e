"""Regions of points that lie on a plane."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms


def grow_planes(
    points: Tensor,
    index: Tensor,
    normal: Tensor,
    tolerance: Tensor,
    seeds: Tensor,
    *,
    cosine: float,
    least: int,
) -> Tensor:
    """Grow a region from each seed over the graph of neighbours, along the plane of its points.

    A region takes every neighbour of its points that is free, no farther from its plane than its
    tolerance and whose normal is that of the plane within the angle. The plane has the seed's
    normal first, through the middle of its neighbours that are as near, and the tolerance is the
    seed's; whenever there are twice as many points
    the plane is fitted again, by least squares in float64, and the tolerance is the median of
    theirs, or three times the rms of their distances where that is more, up to twice the median.
    So it is at the end, when what is too far is free again and the region grows once
    more. A region of fewer points than `least` gives them back, and none of
    them is a seed again.

    Args:
        points: (N, 3), float32 or float64.
        index: the neighbours of every point (N, K), int64.
        normal: of every point (N, 3), of length 1; its sign is of no meaning.
        tolerance: (N,), in the unit of the points.
        seeds: (S,) int64, in their order; a point that has a region already is none.
        cosine: of the greatest angle between the normal of a point and that of its plane.
        least: points of a region.

    Returns:
        The seed of the region of every point (N,), int64; -1 where it has none.

    Raises:
        ValueError: on shapes, dtypes or devices that do not fit together, and an index or a seed
            that is none of a point.
    """
    return torch.ops.nvc3d.grow_planes(points, index, normal, tolerance, seeds, cosine, least)


@torch.library.register_fake("nvc3d::grow_planes")
def _fake(
    points: Tensor,
    index: Tensor,
    normal: Tensor,
    tolerance: Tensor,
    seeds: Tensor,
    cosine: float,
    least: int,
) -> Tensor:
    checks.check_neighbourhoods(points, index)
    checks.check_growth(points, normal, tolerance, seeds)
    return points.new_empty(points.shape[:1], dtype=torch.int64)


transforms.register_no_gradient("grow_planes")
