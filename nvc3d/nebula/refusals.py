"""What a head refuses: arguments, and features, with what is wrong with them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def check_counts(**values: Any) -> None:
    """Raise ValueError where a value is not an integer of at least 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")


def check_weights(**values: Any) -> None:
    """Raise ValueError where a value is not a finite number of at least 0."""
    for name, value in values.items():
        if not (isinstance(value, (int, float)) and 0 <= value < math.inf):
            raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")


def of_kind(features: Tensor, dim: int) -> ValueError | None:
    """What is wrong with the shape or dtype of features (..., dim), but for their having no row."""
    if features.dim() < 2 or features.shape[-1] != dim:
        return ValueError(
            f"features must be (..., {dim}) with at least one row, got {tuple(features.shape)}"
        )
    if not features.is_floating_point():
        return ValueError(f"features must be of a float dtype, got {features.dtype}")
    return None


def of_none(features: Tensor) -> ValueError | None:
    """What is wrong with features without a row."""
    if features.numel() > 0:
        return None
    return ValueError(f"features must have at least one row, got {tuple(features.shape)}")


def limit(raw: Tensor, weight: Tensor) -> float:
    """Beyond it the squares of squared distances of a posterior overflow, or the anchors, which are
    of the dtype of the posterior's weight."""
    return min(torch.finfo(raw.dtype).max ** 0.25 / 16, torch.finfo(weight.dtype).max / 2)


def of_size(
    features: Tensor, posterior: nn.Linear, size: float, limit: float, hint: str
) -> ValueError:
    """What is wrong with features whose posterior is of a size beyond the limit, or NaN."""
    if not bool(features.isfinite().all()):
        return ValueError("features must be finite, got NaN or inf")
    if not all(bool(weight.isfinite().all()) for weight in posterior.parameters()):
        return ValueError(
            "the posterior is NaN or inf though the features are finite: the nebula's weights "
            f"have diverged{hint}"
        )
    return ValueError(
        f"the posterior of the features must stay below {limit:.2g} for losses that are finite, "
        f"got {size:.2g}: the features are too large, or the nebula's weights have diverged{hint}"
    )
