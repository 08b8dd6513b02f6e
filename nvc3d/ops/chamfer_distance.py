"""The Chamfer distance between two clouds."""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor

from .nearest_both import nearest_both


@overload
def chamfer_distance(
    x: Tensor,
    y: Tensor,
    *,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    norm: int = 2,
    squared: bool = True,
    point_reduction: Literal["mean", "sum", "max"] = "mean",
    batch_reduction: Literal["mean", "sum"] | None = "mean",
    check_finite: bool = True,
) -> Tensor: ...
@overload
def chamfer_distance(
    x: Tensor,
    y: Tensor,
    *,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    norm: int = 2,
    squared: bool = True,
    point_reduction: None,
    batch_reduction: None,
    check_finite: bool = True,
) -> tuple[Tensor, Tensor]: ...
def chamfer_distance(
    x: Tensor,
    y: Tensor,
    *,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    norm: int = 2,
    squared: bool = True,
    point_reduction: Literal["mean", "sum", "max"] | None = "mean",
    batch_reduction: Literal["mean", "sum"] | None = "mean",
    check_finite: bool = True,
) -> Tensor | tuple[Tensor, Tensor]:
    """Measure how far two clouds are apart: from each point to the nearest of the other cloud.

    The two directions are reduced over the points and added: with the defaults,
    mean_x min_y |x - y|² + mean_y min_x |x - y|², averaged over the batch. Exact, the same bits in
    every run, differentiable any number of times; the gradient is finite everywhere, also where
    points coincide. (Fan, Su, Guibas, "A Point Set Generation Network for 3D Object
    Reconstruction from a Single Image", CVPR 2017.)

    Args:
        x: points (B, N, D), any float dtype; half and bfloat16 are computed, and returned, in
            float32.
        y: points (B, M, D).
        x_lengths: integers (B,): how many points of each x are real; the rest is padding.
        y_lengths: the same for y.
        norm: 2 for squared Euclidean distances; 1 for L1 distances, |dx| + |dy| + |dz|, by which
            the nearest point is then found too. (The "CD-L1" of the completion benchmarks is
            neither: see `squared`.)
        squared: False takes plain Euclidean distances in place of squared ones. Half of the result
            is then the "CD-L1" of the completion benchmarks, as a loss; `nvc3d.metrics.cd_l1` is
            the measure. Where points coincide the gradient is 0.
        point_reduction: "mean", "sum" or "max" over the points of each cloud, or None for the
            distances themselves.
        batch_reduction: "mean" or "sum" over the batch, or None.
        check_finite: refuse NaN and inf. Switch it off only for points known to be finite; with
            others the result is then undefined. The check costs one read of the points.

    Returns:
        A scalar; (B,) if batch_reduction is None; the two directions' distances (B, N) and
        (B, M), 0 in padding, if both reductions are None.

    Raises:
        ValueError: on empty clouds, NaN or inf, unknown reductions, and shapes, dtypes, devices
            or lengths that do not fit together.
    """
    if point_reduction not in ("mean", "sum", "max", None):
        raise ValueError(
            f'point_reduction must be "mean", "sum", "max" or None, got {point_reduction!r}'
        )
    if batch_reduction not in ("mean", "sum", None):
        raise ValueError(f'batch_reduction must be "mean", "sum" or None, got {batch_reduction!r}')
    if point_reduction is None and batch_reduction is not None:
        raise ValueError(
            f"batch_reduction must be None where point_reduction is None, got {batch_reduction!r}"
        )
    if norm == 1 and not squared:
        raise ValueError("norm must be 2 where squared is False, got 1")
    found = nearest_both(x, y, x_lengths, y_lengths, norm=norm, check_finite=check_finite)
    there, back = (side.squared if squared else root(side.squared) for side in found)
    if point_reduction is None:
        return there, back
    loss = _over_points(there, x_lengths, point_reduction)
    loss = loss + _over_points(back, y_lengths, point_reduction)  # (B,)
    if batch_reduction is None:
        return loss
    if loss.shape[0] == 0:
        raise ValueError("x and y must hold at least one cloud, got a batch of 0")
    return loss.mean() if batch_reduction == "mean" else loss.sum()


def _over_points(distance: Tensor, lengths: Tensor | None, reduction: str) -> Tensor:
    """Reduce (B, N), which is 0 in padding, to (B,)."""
    if reduction == "max":
        return distance.amax(1)
    total = distance.sum(1)
    if reduction == "sum":
        return total
    return total / (distance.shape[1] if lengths is None else lengths)


def root(squared: Tensor) -> Tensor:
    """The root, with gradient 0 at 0, where that of torch is infinite."""
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1).sqrt(), 0)
