"""Mixtures of Gaussians fitted to codes afterwards, by scikit-learn."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def mixture(latents: Tensor, config: Any) -> Any:
    """A mixture of as many Gaussians as a nebula has anchors, each with a variance along every
    dimension, of latents (N, D)."""
    from sklearn.mixture import GaussianMixture

    count = min(config.anchors, len(latents) // 2)
    fitted = GaussianMixture(count, covariance_type="diag", random_state=config.seed)
    return fitted.fit(latents.double().numpy())
