"""The nearest neighbour of every point."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms
from .distances import register_distances
from .neighbours import Neighbours


def nearest(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    *,
    norm: int = 2,
    check_finite: bool = True,
) -> Neighbours:
    """Find for every point of x the nearest point of y.

    Exact, with the lowest index on ties; differentiable, any number of times, in x and y.

    Args:
        x: query points (B, N, D), any float dtype; half and bfloat16 are computed, and
            returned, in float32.
        y: target points (B, M, D).
        x_lengths: integers (B,): how many points of each x are real; the rest is padding.
        y_lengths: the same for y.
        norm: 2 for squared Euclidean distances, in the square of the points' unit; 1 for L1
            distances, |dx| + |dy| + |dz|, in their unit: by them the neighbours are found, and
            they are what comes back under the name `squared`, not squared.
        check_finite: refuse NaN and inf. Switch it off only for points known to be finite; with
            others the result is then undefined. The check costs one read of the points.

    Returns:
        `squared` (B, N), the distances, and `index` into y (B, N), int64; both 0 in
        padding.

    Raises:
        ValueError: on empty clouds, NaN or inf, another norm, and shapes, dtypes, devices or
            lengths that do not fit together.
    """
    found = torch.ops.nvc3d.nearest(
        checks.as_points(x, "x"),
        checks.as_points(y, "y"),
        checks.as_lengths(x_lengths, "x_lengths"),
        checks.as_lengths(y_lengths, "y_lengths"),
        norm,
        check_finite,
    )
    return Neighbours(*found)


@torch.library.register_fake("nvc3d::nearest")
def _fake(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None,
    y_lengths: Tensor | None,
    norm: int,
    check_finite: bool,
) -> tuple[Tensor, Tensor]:
    checks.check_neighbours(x, y, x_lengths, y_lengths, norm)
    shape = x.shape[:2]
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)


register_distances("nearest")
transforms.register_vmap("nearest")
