"""MSN's minimum density sampling in plain torch: its names, layouts and return types.

    from nvc3d.compat import MDS_module

(Liu et al., "Morphing and Sampling Network for Dense Point Cloud Completion", AAAI 2020.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops import checks
from .function import function_of
from .pointnet2_ops.pointnet2_utils import GatherOperation, gather_operation

__all__ = ["GatherOperation", "MinimumDensitySampling", "gather_operation"]

OUTPUT = 8192  # MSN's own points; what comes behind them is the cloud that it was given


@torch.no_grad()
def minimum_density_sample(xyz: Tensor, npoint: int, mean_mst_length: Tensor) -> Tensor:
    """Pick points, from the first on, each where those before it are least dense.

    Density is the sum of exp(-d² / (5 l²)), for the distances d from the picks before and the mean
    length l; points from number 8192 on feel it twice. Of the least dense points the one with the
    lowest index is picked.

    Args:
        xyz: (B, N, 3).
        npoint: how many, from 1 to N.
        mean_mst_length: (B,), plain distances, not negative, as the expansion penalty gives them.

    Returns:
        Indices (B, npoint), int32.

    Raises:
        ValueError: on NaN or inf, empty clouds, npoint out of range, and lengths that are negative
            or of another shape.
    """
    points = checks.as_points(xyz, "xyz")
    checks.check_clouds(points, "xyz")
    checks.check_values(points, None, "xyz")
    checks.check_k(npoint, points.shape[1], "xyz")
    batch, size = points.shape[:2]
    mean = checks.as_points(mean_mst_length, "mean_mst_length").to(points)
    checks.check(
        mean.shape == (batch,) and bool(((mean >= 0) & mean.isfinite()).all()),
        f"mean_mst_length must be ({batch},), finite and not negative, got {mean.tolist()}",
    )
    spread = (5 * mean.square()).clamp_min(torch.finfo(points.dtype).tiny)[:, None]
    row = torch.arange(batch, device=points.device)
    weight = 1 + (torch.arange(size, device=points.device) >= OUTPUT).to(points)
    density = torch.zeros_like(points[..., 0])
    picks = torch.zeros(batch, npoint, dtype=torch.int64, device=points.device)
    for i in range(1, npoint):
        last = picks[:, i - 1]
        squared = (points - points[row, last][:, None]).square().sum(2)
        density += weight * (-squared / spread).exp()
        density[row, last] = torch.inf
        picks[:, i] = density.argmin(1)
    return picks.int()


MinimumDensitySampling = function_of(minimum_density_sample)
