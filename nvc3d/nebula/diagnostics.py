"""What tells a healthy nebula from a collapsed one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nvc3d import ops

from .distances import squared_distance


@dataclass(frozen=True)
class Diagnostics:
    """The state of the anchors on a set of latents."""

    used: int
    """Number of anchors that are the nearest one of at least one latent."""
    perplexity: float
    """e to the entropy of the anchors' use: num_anchors when all are used alike."""
    least_distance: float
    """Least distance (not squared) of two anchors; inf with a single one."""
    spread: float
    """Root of the mean squared distance of a latent to its anchor."""
    awake: float
    """How far the anchors take part: 0 while the latents ripen, 1 in the end."""
    scale: float
    """What the constraint is multiplied by to stand beside the task's loss."""
    steps: int
    """Training steps seen."""


def diagnose(
    latents: Tensor, anchors: Tensor, *, awake: float, scale: float, steps: int
) -> Diagnostics:
    """Diagnostics of anchors (M, D) on latents (N, D); N may be 0."""
    count = len(anchors)
    centred = anchors - anchors.mean(0)
    apart = squared_distance(centred, centred).fill_diagonal_(torch.inf)
    # Found by the fast form, measured by the exact one: close anchors lose their digits in it.
    nearest = apart.argmin(1)
    least = float((anchors - anchors[nearest]).square().sum(1).sqrt().min())
    if len(latents) == 0:
        return Diagnostics(0, 0.0, least if count > 1 else torch.inf, 0.0, awake, scale, steps)
    distance, index = ops.assign_anchors(latents, anchors, check_finite=False)
    share = torch.bincount(index, minlength=count).double() / len(latents)
    return Diagnostics(
        used=int((share > 0).sum()),
        perplexity=float(torch.special.entr(share).sum().exp()),
        least_distance=least if count > 1 else torch.inf,
        spread=float(distance.mean().sqrt()),
        awake=awake,
        scale=scale,
        steps=steps,
    )
