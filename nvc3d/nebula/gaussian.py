"""The Gaussian posterior of a latent: draws from it, its constraint, and what it tells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import task_scale
from .gather import Processes

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
        loss_scale: Tensor,
        rows: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = split(raw)
        deviation = (0.5 * log_variance).exp()
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(noise, log_variance, deviation)
        ctx.moments, ctx.loss_scale, ctx.rows = moments, loss_scale, rows
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
                task_scale.note(ctx.moments, ctx.loss_scale, to_z, curvature, ctx.rows)
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
    loss_scale: Tensor,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, log variance and a latent drawn from the posterior (..., D) of the head's output.

    On the way back the task's gradient in the latent is measured into `moments`, unless None, by
    what `loss_scale` () holds then; its loss is a mean of `rows` () latents, if not of these.
    """
    out: tuple[Tensor, Tensor, Tensor] = _Draw.apply(raw, noise, moments, loss_scale, rows)
    return out


def around(
    centres: Tensor, log_variance: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Latents (K, ..., D) drawn from posteriors of log variance (..., D) moved to centres
    (K, ..., D)."""
    device = centres.device if generator is None else generator.device
    noise = torch.randn(centres.shape, generator=generator, device=device).to(centres)
    return centres + (0.5 * log_variance).exp() * noise


def constraint(
    mean: Tensor,
    log_variance: Tensor,
    weight: Tensor,
    loss_scale: Tensor | None,
    processes: Processes,
) -> tuple[Tensor, Tensor]:
    """KL(q || N(0, I)), the mean over posteriors (B, D) in nats, and its product with a weight; ().

    On the way back what the product was multiplied by is written to `loss_scale`, unless None. In
    one pass with its gradient, as `newton.constraint`, of which it is the case without anchors.
    """
    out: tuple[Tensor, Tensor] = _Constraint.apply(
        mean, log_variance, weight, loss_scale, processes
    )
    return out


class _Constraint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        mean: Tensor,
        log_variance: Tensor,
        weight: Tensor,
        loss_scale: Tensor | None,
        processes: Processes,
    ) -> tuple[Tensor, Tensor]:
        excess = log_variance.exp().sub_(1)  # (B, D) variance - 1
        square = torch.linalg.vector_norm(mean).square()
        nats = 0.5 * (excess.sum() - log_variance.sum() + square)
        summed = processes.all_sum_(torch.stack([nats, nats.new_tensor(len(mean))]))
        share = processes.count / summed[1]
        kl = summed[0] / summed[1]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(mean, excess, weight, share)
        ctx.loss_scale = loss_scale
        return kl, weight * kl

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, kl: Tensor | None, total: Tensor | None) -> tuple[Tensor | None, ...]:
        mean, excess, weight, share = ctx.saved_tensors
        kl = torch.zeros_like(share) if kl is None else kl
        if total is not None:
            if ctx.loss_scale is not None:
                ctx.loss_scale.copy_(total)
            kl = kl + weight * total
        kl = kl * share
        return mean * kl, excess * (0.5 * kl), None, None, None


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
