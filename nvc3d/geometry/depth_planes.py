"""The planes of a depth image, whose neighbours lie side by side."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.geometry.plane_graph import Graph
from nvc3d.geometry.plane_levels import Wanted, found
from nvc3d.geometry.planes import Planes, described, scaled

AROUND = [
    *((0, 0), (0, -1), (-1, 0), (1, 0), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)),
    *((0, -2), (-2, 0), (2, 0), (0, 2)),
]
"""Columns and rows from a pixel to its neighbours, the nearest first."""
STEEP = 6.0
"""How much farther neighbours may be than if the camera saw their plane from the front."""


def find_depth_planes(
    depth: ArrayLike,
    camera: Intrinsics,
    *,
    distance: float | None = None,
    angle: float = 30.0,
    least_points: int = 30,
) -> Planes:
    """Find the planes that a depth image shows, sooner than `find_planes` those of its points.

    Args:
        depth: (height, width) z of each pixel; 0, negative, NaN and inf where it saw nothing.
        camera: that made the image.
        distance, angle, least_points: as `find_planes` takes them.

    Returns:
        The planes before the camera, x to the right, y down, z forward, in the unit of the depth,
        as `find_planes` gives them, but for `instance`, which is (height, width).

    Raises:
        ValueError: on an image of another size than the camera's, one that saw nothing, and options
            out of range.
    """
    wanted = Wanted.checked(distance, angle, least_points)
    z = camera.checked(depth)
    v, u = np.nonzero(z)
    points = torch.from_numpy(camera.lifted(u, v, z[v, u]))
    region = torch.full((len(points),), -1)
    if len(points) >= max(least_points, len(AROUND)):
        centred, scale = scaled(points)
        footprint = torch.from_numpy(z[v, u] / min(camera.fx, camera.fy)).double() * scale
        index = _side_by_side(torch.from_numpy(z > 0), centred, footprint)
        far = (centred[index] - centred[:, None]).square().sum(2).amax(1)
        squared = far.maximum(4 * footprint.square()).float()
        graph = Graph.of_neighbours(centred, index, squared)
        region = found(centred, wanted.scaled(scale), graph)
    planes = described(points, region, least_points)
    instance = np.full(z.shape, -1, np.int64)
    instance[v, u] = planes.instance
    return planes._replace(instance=instance)


def _side_by_side(seen: Tensor, points: Tensor, footprint: Tensor) -> Tensor:
    """The neighbours (N, K) of the pixels that saw something, themselves where there is none."""
    height, width = seen.shape
    number = torch.full((height + 4, width + 4), -1)
    number[2:-2, 2:-2][seen] = torch.arange(len(points))
    own = torch.arange(len(points))
    columns = []
    for right, down in AROUND:
        other = number[2 + down : 2 + down + height, 2 + right : 2 + right + width][seen]
        other = torch.where(other < 0, own, other)
        steps = max(abs(right), abs(down))
        near = (points[other] - points).norm(dim=1) <= STEEP * steps * footprint
        columns.append(torch.where(near, other, own))
    return torch.stack(columns, 1)
