"""The Gaussian posterior of a latent, and the constraint on it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Variances stay within e^-10 and e^10: beyond, float32 loses what they mean, and exp overflows.
_LIMIT = 10.0


def bound_log_variance(raw: Tensor) -> Tensor:
    """Bound a log variance smoothly; near 0, where it lives, the identity."""
    return _LIMIT * torch.tanh(raw / _LIMIT)


def noise_cost(log_variance: Tensor) -> Tensor:
    """The part of the KL that is the variance's, (B,): the same for every unit Gaussian."""
    return 0.5 * (log_variance.exp() - 1 - log_variance).sum(-1)


def kl_to_origin(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, (B,)."""
    return noise_cost(log_variance) + 0.5 * mean.square().sum(-1)


def kl_to_anchor(distance: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(a, I)) in nats, (B,), from the squared distance of mean and a."""
    return noise_cost(log_variance) + 0.5 * distance


def kl_to_mixture(distances: Tensor, log_variance: Tensor) -> Tensor:
    """The least KL, over soft assignments, to the even mixture of N(a_k, I), in nats, (B,).

    With q(k) the assignment it is min over q of sum_k q(k) KL(. || N(a_k, I)) + KL(q || 1/M),
    reached by softmax(-distance / 2): an upper bound of the KL to the mixture itself (as in VaDE;
    Jiang et al., 2017), and closed. `distances` (B, M) are squared.
    """
    free = math.log(distances.shape[-1]) - torch.logsumexp(-0.5 * distances, -1)
    return noise_cost(log_variance) + free


def information(latents: Tensor, log_variance: Tensor) -> Tensor:
    """What latents tell of their samples, in nats: () of means (N, D) and log variances (B, D).

    The capacity of D Gaussian channels with the variance of the means as signal and that of the
    posterior as noise. Unlike the KL it does not count a bias that all latents share.
    """
    signal = latents.var(0, unbiased=False)
    noise = log_variance.exp().mean(0)
    return 0.5 * (signal / noise).log1p().sum()
