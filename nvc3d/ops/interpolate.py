"""Values between points where they are known."""

from __future__ import annotations

import torch
from torch import Tensor

from .group import group
from .knn import knn


def interpolate(
    x: Tensor,
    y: Tensor,
    values: Tensor,
    k: int = 3,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    *,
    check_finite: bool = True,
) -> Tensor:
    """Average the values of the k nearest points, weighted by their inverse squared distances.

    Where x lies on points of y it gets their values, averaged over those among the k nearest.
    Differentiable in x, y and values. (Qi et al., "PointNet++: Deep Hierarchical Feature Learning
    on Point Sets in a Metric Space", NeurIPS 2017.)

    Args:
        x: where values are wanted, (B, N, D), any float dtype; half and bfloat16 are computed in
            float32.
        y: where they are known, (B, M, D).
        values: of each y, (B, M, C).
        k: how many neighbours, from 1 to the number of points of each y.
        x_lengths: integers (B,): how many points of each x are real; the rest is padding.
        y_lengths: the same for y.
        check_finite: refuse NaN and inf in x and y.

    Returns:
        (B, N, C), of the dtype of values; 0 in padding.

    Raises:
        ValueError: as `knn`, and where values do not fit y.
    """
    if values.dim() != 3 or values.shape[:2] != y.shape[:2]:
        raise ValueError(
            f"values must be ({', '.join(map(str, y.shape[:2]))}, C), got {tuple(values.shape)}"
        )
    squared, index = knn(x, y, k, x_lengths, y_lengths, check_finite=check_finite)
    nearest = squared[..., :1]  # (B, N, 1)
    # Relative to the nearest one: no weight is too large or too small in any unit.
    away = torch.where(squared > 0, squared, 1)
    weight = torch.where(nearest > 0, nearest / away, (squared == 0).to(squared.dtype))
    weight = (weight / weight.sum(-1, keepdim=True)).to(values.dtype)
    found = (group(values, index) * weight[..., None]).sum(2)
    if x_lengths is None:
        return found
    padded = torch.arange(x.shape[1], device=x.device) >= x_lengths[:, None]
    return found.masked_fill(padded[..., None], 0)
