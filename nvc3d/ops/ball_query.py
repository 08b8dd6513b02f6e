"""The points within a radius."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms
from .distances import register_distances
from .neighbours import Neighbours


def ball_query(
    x: Tensor,
    y: Tensor,
    radius: float,
    k: int,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    *,
    check_finite: bool = True,
) -> Neighbours:
    """Find for every point of x the first k points of y, by index, that lie within a radius.

    Exact: a point counts if its distance is below the radius. Differentiable, any number of
    times, in x and y. `group` takes the index as it is. (Qi et al., "PointNet++: Deep
    Hierarchical Feature Learning on Point Sets in a Metric Space", NeurIPS 2017.)

    Args:
        x: centres (B, N, D), any float dtype; half and bfloat16 are computed, and returned, in
            float32.
        y: points (B, M, D).
        radius: plain distance, not squared.
        k: how many points at most, at least 1; may be more than there are.
        x_lengths: integers (B,): how many points of each x are real; the rest is padding.
        y_lengths: the same for y.
        check_finite: refuse NaN and inf. Switch it off only for points known to be finite; with
            others the result is then undefined. The check costs one read of the points.

    Returns:
        `squared` (B, N, k), the squared distances, and `index` into y (B, N, k), int64, in rising
        order. Where fewer than k points are within the radius, and in padding, the rest is
        distance 0 and index -1.

    Raises:
        ValueError: on empty clouds, NaN or inf, a negative radius, k below 1, and shapes,
            dtypes, devices or lengths that do not fit together.
    """
    if not radius >= 0:
        raise ValueError(f"radius must not be negative, got {radius}")
    found = torch.ops.nvc3d.ball_query(
        checks.as_points(x, "x"),
        checks.as_points(y, "y"),
        k,
        float(radius) * float(radius),
        checks.as_lengths(x_lengths, "x_lengths"),
        checks.as_lengths(y_lengths, "y_lengths"),
        check_finite,
    )
    return Neighbours(*found)


@torch.library.register_fake("nvc3d::ball_query")
def shapes(
    x: Tensor,
    y: Tensor,
    k: int,
    squared_radius: float,
    x_lengths: Tensor | None,
    y_lengths: Tensor | None,
    check_finite: bool,
) -> tuple[Tensor, Tensor]:
    checks.check_ball(x, y, k, squared_radius, x_lengths, y_lengths)
    shape = (*x.shape[:2], k)
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)


register_distances("ball_query")
transforms.register_vmap("ball_query")
