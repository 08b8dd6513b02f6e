"""The Gaussian posterior of a latent, a draw from it, and what it tells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import strength

# Variances stay within e^-10 and e^10: beyond, float32 loses what they mean, and exp overflows.
_LIMIT = 10.0


def split(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance (..., D) of the head's output (..., 2 D).

    The log variance is bounded smoothly; near 0, where it lives, by the identity.
    """
    mean, log_variance = raw.chunk(2, -1)
    return mean, _LIMIT * torch.tanh(log_variance / _LIMIT)


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        raw: Tensor,
        noise: Tensor,
        moments: Tensor | None,
        factor: Tensor,
        rows: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = split(raw)
        deviation = (0.5 * log_variance).exp()
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(noise, log_variance, deviation)
        ctx.moments, ctx.factor, ctx.rows = moments, factor, rows
        return mean.clone(), log_variance, torch.addcmul(mean, deviation, noise)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, to_mean: Tensor | None, to_variance: Tensor | None, to_z: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        noise, log_variance, deviation = ctx.saved_tensors
        to_mean = torch.zeros_like(noise) if to_mean is None else to_mean
        to_variance = torch.zeros_like(noise) if to_variance is None else to_variance
        if to_z is not None:
            slope = to_z * noise
            if ctx.moments is not None:
                curvature = (slope / deviation).sum()
                strength.note(ctx.moments, ctx.factor, to_z, curvature, ctx.rows)
            to_mean = to_mean + to_z
            to_variance = torch.addcmul(to_variance, slope, deviation, value=0.5)
        bent = torch.addcmul(
            to_variance, to_variance * log_variance, log_variance, value=-(_LIMIT**-2)
        )
        return torch.cat([to_mean, bent], -1), None, None, None, None


def draw(
    raw: Tensor,
    noise: Tensor,
    moments: Tensor | None,
    factor: Tensor,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, log variance and a latent drawn from the posterior (..., D) of the head's output.

    On the way back the task's gradient in the latent is measured into `moments`, unless None;
    its loss is a mean of `rows` () latents, if not of these.
    """
    out: tuple[Tensor, Tensor, Tensor] = _Draw.apply(raw, noise, moments, factor, rows)
    return out


def kl_to(offset: Tensor, log_variance: Tensor) -> Tensor:
    """KL of N(mean, variance) to a unit Gaussian, in nats, (B,), by the offset of their means."""
    return 0.5 * (offset.square() + log_variance.exp() - 1 - log_variance).sum(-1)


def information(latents: Tensor, log_variance: Tensor) -> Tensor:
    """What latents tell of their samples, in nats: () of means (N, D) and log variances (B, D).

    The capacity of D Gaussian channels with the variance of the means as signal and that of the
    posterior as noise. Unlike the KL it does not count a bias that all latents share.
    """
    signal = latents.var(0, unbiased=False)
    noise = log_variance.exp().mean(0)
    return 0.5 * (signal / noise).log1p().sum()
