"""The compiled module of Pointnet2.PyTorch, OpenPCDet and OpenPoints, which writes into tensors.

The sizes that come first are those of the tensors, and have no effect.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from . import pointnet2_ext as ext


def furthest_point_sampling_wrapper(
    b: int, n: int, m: int, points: Tensor, temp: Tensor, idx: Tensor
) -> int:
    """Write the picks of points (B, N, 3) into idx (B, M)."""
    return _write(idx, ext.furthest_point_sampling(points, idx.shape[1]))


def ball_query_wrapper(
    b: int,
    n: int,
    m: int,
    radius: float,
    nsample: int,
    new_xyz: Tensor,
    xyz: Tensor,
    idx: Tensor,
) -> int:
    """Write the points near each centre into idx (B, M, nsample)."""
    return _write(idx, ext.ball_query(new_xyz, xyz, radius, nsample))


def gather_points_wrapper(*sizes_and_tensors: Any) -> int:
    """Write features (B, C, N) at indices (B, M) into the last tensor (B, C, M)."""
    *_, points, index, out = sizes_and_tensors
    return _write(out, ext.gather_points(points, index))


def gather_points_grad_wrapper(*sizes_and_tensors: Any) -> int:
    """Add the gradient in the features to the last tensor (B, C, N)."""
    *_, grad, index, out = sizes_and_tensors
    return _write(out, out + ext.gather_points_grad(grad, index, out.shape[2]))


def group_points_wrapper(*sizes_and_tensors: Any) -> int:
    """Write features (B, C, N) at indices (B, M, K) into the last tensor (B, C, M, K)."""
    *_, points, index, out = sizes_and_tensors
    return _write(out, ext.group_points(points, index))


def group_points_grad_wrapper(*sizes_and_tensors: Any) -> int:
    """Add the gradient in the features to the last tensor (B, C, N)."""
    *_, grad, index, out = sizes_and_tensors
    return _write(out, out + ext.group_points_grad(grad, index, out.shape[2]))


def three_nn_wrapper(
    b: int, n: int, m: int, unknown: Tensor, known: Tensor, dist2: Tensor, idx: Tensor
) -> None:
    """Write the squared distances to the three nearest, and who they are, (B, N, 3)."""
    squared, index = ext.three_nn(unknown, known)
    _write(dist2, squared)
    _write(idx, index)


def three_interpolate_wrapper(*sizes_and_tensors: Any) -> None:
    """Write the features of neighbours, summed by their weights, into the last tensor (B, C, N)."""
    *_, points, index, weight, out = sizes_and_tensors
    _write(out, ext.three_interpolate(points, index, weight))


def three_interpolate_grad_wrapper(*sizes_and_tensors: Any) -> None:
    """Add the gradient in the features to the last tensor (B, C, M)."""
    *_, grad, index, weight, out = sizes_and_tensors
    _write(out, out + ext.three_interpolate_grad(grad, index, weight, out.shape[2]))


def _write(out: Tensor, values: Tensor) -> int:
    out.data.copy_(values)
    return 1
