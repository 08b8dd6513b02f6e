"""The planes of a cloud: exact, the same on every run, by the cloud's own spacing and noise.

Every point gets the plane of its neighbours; from the flattest on, regions grow over the graph of
neighbours along a plane that is fitted again as they grow (after Rabbani, van den Heuvel,
Vosselman, "Segmentation of point clouds using smoothness constraint", ISPRS 36(5), 2006). What is
curved, narrow, or fills its tolerance evenly is no plane.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d import ops
from nvc3d.geometry.plane_graph import NEIGHBOURS, sorted_and_distinct
from nvc3d.geometry.plane_levels import Wanted, found
from nvc3d.geometry.plane_regions import Fit


class Planes(NamedTuple):
    """The planes of a cloud of N points, the one with the most points first."""

    instance: NDArray[np.int64]  # (N,): of every point, -1 for none
    normal: NDArray[np.float64]  # (P, 3): of length 1, away from the origin
    offset: NDArray[np.float64]  # (P,): normal · x of its points, 0 or more
    points: NDArray[np.int64]  # (P,): how many
    rms: NDArray[np.float64]  # (P,): of their distances
    extent: NDArray[np.float64]  # (P, 2): the longer and the shorter side


def find_planes(
    points: NDArray[np.floating] | Tensor,
    *,
    distance: float | None = None,
    angle: float = 30.0,
    least_points: int = 30,
) -> Planes:
    """Find the planes of one cloud; two coplanar faces that do not touch are two planes.

    Whatever is not given comes from the cloud itself, so its unit is of no matter.

    Args:
        points: (N, 3), float32 or float64.
        distance: how far a point may be from its plane, in the unit of the points; by default
            five times the spread of neighbours across their plane, which is below the noise, for
            neighbours are what is near in every direction.
        angle: how far, in degrees, the normal of a point's neighbours may be from its plane's.
        least_points: of a plane.

    Returns:
        The planes. A normal looks away from the origin; where the plane goes through the origin,
        its greatest component is positive. `extent` has the sides of the rectangle over which
        evenly spread points vary as those of the plane do.

    Raises:
        ValueError: on NaN or inf, another shape or dtype, and options out of range.
    """
    exact = _checked(points).double()
    wanted = Wanted.checked(distance, angle, least_points)
    if len(exact) < max(least_points, NEIGHBOURS) or not (exact != exact[0]).any():
        return described(exact, torch.full((len(exact),), -1))
    centred, scale = scaled(exact)
    order, place = sorted_and_distinct(centred)
    if len(order) < NEIGHBOURS:
        return described(exact, torch.full((len(exact),), -1))
    region = found(centred.index_select(0, order), wanted.scaled(scale))
    return described(exact, region[place], least_points)


def fit_planes(points: NDArray[np.floating] | Tensor, instance: NDArray | Tensor) -> Planes:
    """The planes of points (N, 3) that are already told apart (N,), -1 for none, by least squares;
    numbered anew, the one with the most points first.

    Raises ValueError as `find_planes`, and on instances of another shape, or below -1.
    """
    cloud = _checked(points)
    own = torch.as_tensor(instance).detach().cpu()
    if own.shape != (len(cloud),) or own.is_floating_point():
        raise ValueError(
            f"instance must be integers ({len(cloud)},), got {own.dtype} {tuple(own.shape)}"
        )
    if len(own) and int(own.min()) < -1:
        raise ValueError(f"instance must be 0 or more, or -1 for none, got {int(own.min())}")
    numbers, place = own.long().unique(return_inverse=True)
    return described(cloud.double(), place - int((numbers < 0).any()))


def scaled(points: Tensor) -> tuple[Tensor, float]:
    """Points (N, 3), not all equal, around 0 and within -1 and 1, and by what they are smaller: a
    power of two, so that nothing is rounded that was not before."""
    low, high = points.aminmax(dim=0)
    scale = 2.0 ** -math.ceil(math.log2(float((high - low).max())))
    return (points - (low + high) / 2) * scale, scale


def _checked(points: NDArray[np.floating] | Tensor) -> Tensor:
    cloud = torch.as_tensor(points).detach().cpu()
    if cloud.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"points must be float32 or float64, got {cloud.dtype}")
    if cloud.dim() != 2 or cloud.shape[1] != 3:
        raise ValueError(f"points must be (N, 3), got {tuple(cloud.shape)}")
    ops.checks.check_values(cloud, None, "points")
    return cloud


def described(points: Tensor, region: Tensor, least: int = 1) -> Planes:
    """The planes of all points (N, 3), by their regions (N,), renumbered by their sizes."""
    count = torch.bincount(region[region >= 0])
    order = (-count).argsort(stable=True)
    order = order[count[order] >= least]
    number = torch.full((len(count) + 1,), -1)
    number[order] = torch.arange(len(order))
    instance = number[region]
    fit = Fit.of(points, instance, len(order))
    offset = (fit.normal * fit.centre).sum(1)
    sign = torch.where(offset < -1e-9 * fit.centre.norm(dim=1), -1.0, 1.0)
    extent = (12 * fit.variance[:, 1:].flip(1)).sqrt()
    arrays = (
        instance,
        fit.normal * sign[:, None],
        (offset * sign).clamp(min=0),
        count[order],
        fit.variance[:, 0].sqrt(),
        extent,
    )
    return Planes(*(array.numpy() for array in arrays))
