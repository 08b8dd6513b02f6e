"""How strong the constraint stands beside the task's loss, measured from the task's own gradient.

A task's loss comes in units of its own (nats per sample, a mean over pixels, centimetres squared).
Were it a negative log likelihood in nats, then on average over the latents the square of its
gradient would equal its curvature (the information equality). A loss that is `c` times such a
likelihood has c^2 times the square and c times the curvature: the quotient measures c, and the
constraint, which is in nats, is multiplied by it. The curvature needs no second derivative: the
noise e of z = mean + s * e is known, and E[gradient * e / s] is the mean curvature (Stein).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# One in this many of the task's nats: residuals are correlated, and the quotient counts correlated
# ones several times over.
_SHARE = 0.25
# The constraint's pull stays below this share of the task's gradient, which bounds the measurement
# while the curvature is still lost in noise.
_CAP = 0.1
_HORIZON = 50  # steps


class _Probe(torch.autograd.Function):
    """The identity; on the way back it takes note of the task's gradient in `moments` (2,)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, slope: Tensor, moments: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        ctx.moments, ctx.factor = moments, factor
        return z.view_as(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        own = grad / ctx.factor
        rows = own.numel() / own.shape[-1]
        square, curvature = rows * own.square().sum(), (own * slope).sum()
        seen = torch.stack([square, curvature])
        # A step that overflowed (mixed precision) is no measurement.
        seen = torch.where(seen.isfinite().all(), seen, ctx.moments)
        ctx.moments.lerp_(seen, 1 / _HORIZON)
        return grad, None, None, None


class _Factor(torch.autograd.Function):
    """The identity; on the way back it takes note of what the user multiplied the total by."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, factor: Tensor) -> Tensor:
        ctx.factor = factor
        return total.view_as(total)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        known = grad.isfinite() & (grad > 0)
        ctx.factor.copy_(torch.where(known, grad, ctx.factor))
        return grad, None


def probe(z: Tensor, slope: Tensor, moments: Tensor, factor: Tensor) -> Tensor:
    """z (..., D) itself, whose gradient will be measured; slope is noise / standard deviation."""
    out: Tensor = _Probe.apply(z, slope, moments, factor)
    return out


def note_factor(total: Tensor, factor: Tensor) -> Tensor:
    """The total () itself; its gradient, a loss scale or a user's factor, will be divided out."""
    out: Tensor = _Factor.apply(total, factor)
    return out


def measured(moments: Tensor, before: Tensor) -> Tensor:
    """The constraint's weight () by moments (2,): square and curvature; `before` if unknown."""
    square, curvature = moments
    known = (square > 0) & (curvature > 0)
    quotient = torch.where(known, _SHARE * square / curvature.clamp_min(1e-30), before)
    return torch.where(square > 0, torch.minimum(quotient, _CAP * square.sqrt()), before)
