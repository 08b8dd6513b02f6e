"""The k nearest neighbours of every point."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms
from .distances import register_distances
from .neighbours import Neighbours


def knn(
    x: Tensor,
    y: Tensor,
    k: int,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    *,
    norm: int = 2,
    radius: float | None = None,
    check_finite: bool = True,
) -> Neighbours:
    """Find for every point of x the k nearest points of y, nearest first.

    Exact, with lower indices first on ties; differentiable, any number of times, in x and y. The
    neighbours of a cloud within itself are `knn(x, x, k)`, where every point is its own first.

    Args:
        x: query points (B, N, D), any float dtype; half and bfloat16 are computed, and
            returned, in float32.
        y: target points (B, M, D).
        k: how many neighbours, from 1 to the number of points of each y.
        x_lengths: integers (B,): how many points of each x are real; the rest is padding.
        y_lengths: the same for y.
        norm: 2 for squared Euclidean distances, in the square of the points' unit; 1 for L1
            distances, |dx| + |dy| + |dz|, in their unit: by them the neighbours are found, and
            they are what comes back under the name `squared`, not squared.
        radius: only points nearer than this count: a plain distance, not squared; of norm 1 where
            that is asked for. On the CPU the search does not look beyond it.
        check_finite: refuse NaN and inf. Switch it off only for points known to be finite; with
            others the result is then undefined. The check costs one read of the points.

    Returns:
        `squared` (B, N, k), the distances, and `index` into y (B, N, k), int64; both 0 in
        padding. Where fewer than k points are within the radius the rest is distance 0 and index
        -1, which `group` takes.

    Raises:
        ValueError: on empty clouds, NaN or inf, another norm, a negative radius, k out of range,
            and shapes, dtypes, devices or lengths that do not fit together.
    """
    limit = limit_of(radius, norm)
    found = torch.ops.nvc3d.knn(
        checks.as_points(x, "x"),
        checks.as_points(y, "y"),
        k,
        checks.as_lengths(x_lengths, "x_lengths"),
        checks.as_lengths(y_lengths, "y_lengths"),
        norm,
        check_finite,
        **given(limit),
    )
    return within(Neighbours(*found), limit)


def limit_of(radius: float | None, norm: int) -> float | None:
    """The radius as distances are given: squared, or as it is of norm 1."""
    if radius is None:
        return None
    if not radius >= 0:
        raise ValueError(f"radius must not be negative, got {radius}")
    return float(radius) if norm == 1 else float(radius) * float(radius)


def given(limit: float | None) -> dict[str, float]:
    """The last argument of the operators; a program without it runs on older libraries, too."""
    return {} if limit is None else {"limit": limit}


def within(found: Neighbours, limit: float | None) -> Neighbours:
    """Those below the limit, if there is one; distance 0 and index -1 in place of others."""
    if limit is None:
        return found
    beyond = found.squared >= limit
    return Neighbours(found.squared.masked_fill(beyond, 0), found.index.masked_fill(beyond, -1))


@torch.library.register_fake("nvc3d::knn")
def shapes(
    x: Tensor,
    y: Tensor,
    k: int,
    x_lengths: Tensor | None,
    y_lengths: Tensor | None,
    norm: int,
    check_finite: bool,
    limit: float | None = None,
) -> tuple[Tensor, Tensor]:
    checks.check_neighbours(x, y, x_lengths, y_lengths, norm)
    checks.check_k(k, y.shape[1], "y")
    shape = (*x.shape[:2], k)
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)


register_distances("knn")
transforms.register_vmap("knn")
