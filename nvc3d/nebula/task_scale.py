"""The scale of the constraint beside the task's loss, measured from the task's own gradient.

A task's loss comes in units of its own (nats per sample, a mean over pixels, centimetres squared).
Were it a negative log likelihood in nats, then on average over the latents the square of its
gradient would equal its curvature (the information equality). A loss that is `c` times such a
likelihood has c^2 times the square and c times the curvature: the quotient measures c, and the
constraint, which is in nats, is multiplied by it. The curvature needs no second derivative: the
noise e of z = mean + s * e is known, and E[gradient * e / s] is the mean curvature (Stein).
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of the quotient: residuals are correlated, and it counts correlated ones many times over. Twelve
# times is what images, clouds and voxels have in common; docs/nebula.md has the trials.
_SHARE = 0.03
# The constraint's pull stays below this share of the task's gradient, which bounds the measurement
# while the curvature is still lost in noise.
_CAP = 0.03
_HORIZON = 50  # steps
# Steps between two looks at the moments.
_STRIDE = 8


def is_due(step: int) -> bool:
    """Whether the scale is to be measured anew at a step of training, the first being 0."""
    # Also after the first step of all: until then the scale is a guess.
    return step == 2 or step % _STRIDE == 1


def note(
    moments: Tensor, loss_scale: Tensor, grad: Tensor, curvature: Tensor, rows: Tensor | None = None
) -> None:
    """Take a step's measurement into the running moments (2,): square and curvature.

    Args:
        moments: or the blank of `pending` (3,), to be taken into moments later.
        loss_scale: () what the user multiplied the whole loss by, in mixed precision for one.
        grad: (..., D) of the task's mean loss in the latents.
        curvature: () sum of grad * noise / deviation.
        rows: () latents that the loss is a mean of, where it is not those of `grad`.
    """
    count = grad.numel() // grad.shape[-1] if rows is None else rows
    square = torch.linalg.vector_norm(grad / loss_scale).square() * count
    seen = torch.stack([square, curvature / loss_scale]).to(moments.dtype)
    if len(moments) == 3:
        seen = torch.cat([torch.zeros_like(seen[:1]), seen])
    # A step that overflowed (mixed precision) is no measurement, nor is that of latents which the
    # task does not read, and which have zeros for a gradient in place of none.
    valid = seen.isfinite().all()
    if grad.numel() > 0:
        valid = valid & (square > 0)
    seen = torch.where(valid, seen, moments)
    moments.lerp_(seen, 1 / _HORIZON)


def pending(like: Tensor) -> Tensor:
    """A blank (3,) for measurements: the share of the moments before them, and their sums."""
    return torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, device=like.device)


def settle(moments: Tensor, notes: Tensor) -> None:
    """Take the measurements (P, 3) that several processes have noted into the moments (2,)."""
    kept, square, curvature = notes.mean(0)
    moments.copy_(kept * moments + torch.stack([square, curvature]))


def measured(moments: Tensor, before: Tensor) -> Tensor:
    """The scale () by moments (2,): square and curvature; `before` if unknown."""
    square, curvature = moments
    known = (square > 0) & (curvature > 0)
    quotient = torch.where(known, _SHARE * square / curvature.clamp_min(1e-30), before)
    return torch.where(square > 0, torch.minimum(quotient, _CAP * square.sqrt()), before)
