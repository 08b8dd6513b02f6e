"""Farthest point sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms
from .memory import raise_as_torch


def farthest_point_sampling(
    points: Tensor,
    k: int,
    lengths: Tensor | None = None,
    start: int | Tensor | None = 0,
    generator: torch.Generator | None = None,
    *,
    check_finite: bool = True,
) -> Tensor:
    """Pick k points, each as far as can be from all picked before it.

    Exact: every pick is the point whose distance to the nearest earlier pick is the greatest,
    the lowest index on ties. Once every point lies on a pick, all distances are 0 and the lowest
    index is picked again. (Eldar et al., "The Farthest Point Strategy for Progressive Image
    Sampling", IEEE Transactions on Image Processing 6(9), 1997.)

    Args:
        points: (B, N, D), any float dtype; half and bfloat16 are computed in float32.
        k: how many picks, from 1 to the number of points of each cloud.
        lengths: integers (B,): how many points of each cloud are real; the rest is padding.
        start: the first pick: an index for all clouds, or one for each as integers (B,); None
            draws them at random.
        generator: the random generator for start=None; by default torch's own, which
            `torch.manual_seed` seeds.
        check_finite: refuse NaN and inf. Switch it off only for points known to be finite; with
            others the result is then undefined. The check costs one read of the points.

    Returns:
        The picks' indices (B, k), int64, in the order in which they were picked.

    Raises:
        ValueError: on empty clouds, NaN or inf, k or start out of range, and shapes or lengths
            that do not fit together.
    """
    points = checks.as_points(points, "points")
    if points.dim() != 3:
        raise ValueError(f"points must be (B, N, D), got {tuple(points.shape)}")
    lengths = checks.as_lengths(lengths, "lengths")
    batch, size = points.shape[:2]
    if start is None:
        # Not torch.rand: with a generator it does not take sizes that are symbols of a trace.
        uniform = torch.empty(batch, dtype=torch.float64, device=points.device)
        uniform.uniform_(generator=generator)
        first = (uniform * (size if lengths is None else lengths)).long()
    elif isinstance(start, Tensor):
        if start.shape != (batch,):
            raise ValueError(f"start must be an integer or ({batch},), got {tuple(start.shape)}")
        first = start.to(device=points.device, dtype=torch.int64)
    else:
        first = torch.full((batch,), start, dtype=torch.int64, device=points.device)
    arguments = (points.detach(), k, lengths, first, check_finite)
    try:
        return torch.ops.nvc3d.farthest_point_sampling(*arguments)
    except RuntimeError as error:
        raise_as_torch(error)


@torch.library.register_fake("nvc3d::farthest_point_sampling")
def _fake(
    points: Tensor, k: int, lengths: Tensor | None, start: Tensor, check_finite: bool
) -> Tensor:
    checks.check_clouds(points, "points", lengths)
    checks.check_k(k, points.shape[1], "points")
    return points.new_empty((points.shape[0], k), dtype=torch.int64)


transforms.register_no_gradient("farthest_point_sampling")
transforms.register_vmap("farthest_point_sampling")
