"""The nearest neighbours of two clouds in each other."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms
from .distances import register_distances
from .neighbours import Neighbours


def nearest_both(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    *,
    norm: int = 2,
    check_finite: bool = True,
) -> tuple[Neighbours, Neighbours]:
    """Find for every point of x the nearest point of y, and for every point of y that of x.

    The same bits as `nearest` both ways, sooner: what is known of a pair of points serves both.
    The arguments are those of `nearest`, and so is what is refused.

    Returns:
        `nearest(x, y)`, (B, N), and `nearest(y, x)`, (B, M).
    """
    x_squared, x_index, y_squared, y_index = torch.ops.nvc3d.nearest_both(
        checks.as_points(x, "x"),
        checks.as_points(y, "y"),
        checks.as_lengths(x_lengths, "x_lengths"),
        checks.as_lengths(y_lengths, "y_lengths"),
        norm,
        check_finite,
    )
    return Neighbours(x_squared, x_index), Neighbours(y_squared, y_index)


@torch.library.register_fake("nvc3d::nearest_both")
def _fake(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None,
    y_lengths: Tensor | None,
    norm: int,
    check_finite: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    checks.check_neighbours(x, y, x_lengths, y_lengths, norm)
    return (
        x.new_empty(x.shape[:2]),
        x.new_empty(x.shape[:2], dtype=torch.int64),
        y.new_empty(y.shape[:2]),
        y.new_empty(y.shape[:2], dtype=torch.int64),
    )


register_distances("nearest_both")
transforms.register_vmap("nearest_both")
