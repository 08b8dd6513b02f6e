"""One point for each cell of a grid."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import checks


class Voxels(NamedTuple):
    """What `voxel_downsample` returns."""

    mean: Tensor  # (V, D)
    size: Tensor  # (V,)
    voxel: Tensor  # (N,)


# So that torch.export.save takes a program that returns it.
torch.utils._pytree._register_namedtuple(Voxels, serialized_type_name="nvc3d.ops.Voxels")


def voxel_downsample(points: Tensor, size: float, *, check_finite: bool = True) -> Voxels:
    """Put one point, their mean, in place of all points that share a cell of a regular grid.

    The grid has a corner at the origin, so cells are the same in every cloud. Means are summed up
    in float64, in the order of the points; differentiable in them.

    Args:
        points: (N, D), any float dtype.
        size: the edge of a cell, above 0, in the unit of the points.
        check_finite: refuse NaN and inf.

    Returns:
        mean (V, D), of the dtype of points, cells in the order of their coordinates, the first
        before the others.
        size (V,), int64: how many points each has.
        voxel (N,), int64: the row of each point's cell, from 0 to V - 1.

    Raises:
        ValueError: on NaN or inf, a size that is not above 0, or so small that cells cannot be
            numbered, and another shape.
    """
    if points.dim() != 2:
        raise ValueError(f"points must be (N, D), got {tuple(points.shape)}")
    if not size > 0:
        raise ValueError(f"size must be above 0, got {size}")
    if check_finite:
        checks.check_values(points, None, "points")
    exact = points.double()
    cells = (exact.detach() / size).floor()  # (N, D)
    if cells.numel() and not bool(cells.abs().amax() < 2.0**53):
        raise ValueError(f"size must be larger: cells of {size} so far out cannot be numbered")
    # Sorted, so that every device sums in the order of the points.
    key, order = _keys(cells.long()).sort(stable=True)
    row = (key.diff(prepend=key[:1]) != 0).cumsum(0)  # (N,), of the sorted points
    voxel = torch.empty_like(row).index_copy(0, order, row)
    count = torch.bincount(row)
    if len(points) == 0:
        return Voxels(points.clone(), count, voxel)
    mean = torch.segment_reduce(exact[order], "mean", lengths=count, axis=0)
    return Voxels(mean.to(points.dtype), count, voxel)


def _keys(cells: Tensor) -> Tensor:
    """A number (N,) for each row of cells (N, D), in the order of the rows."""
    key = torch.zeros(len(cells), dtype=torch.int64, device=cells.device)
    if len(cells) == 0:
        return key
    least, most = cells.aminmax(dim=0)
    size = 1
    for axis, extent in zip((cells - least).unbind(1), (most - least + 1).tolist(), strict=True):
        if size * extent >= 1 << 62:
            # Those there are, numbered: no more than there are points.
            (key, size), (axis, extent) = _renumbered(key), _renumbered(axis)
        key = key * extent + axis
        size *= extent
    return key


def _renumbered(values: Tensor) -> tuple[Tensor, int]:
    different, number = values.unique(return_inverse=True)
    return number, len(different)
