"""The constraint to the anchors' mixture and Newton's gravity, each with its gradient, in one pass.

As single operators on small tensors they would cost several times the arithmetic, most of it in
the graph: forward works out the losses and all that their gradients need, once.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .code import Code
from .distances import squared_distance
from .gather import Processes

# The least distance bounds the force: the pole of 1/d would throw the anchors out of the data.
_LEAST = 1e-3


class Weights(NamedTuple):
    """How the total is made: scale * (kl * constraint + awake * gravity * pull)."""

    kl: float
    gravity: float
    scale: Tensor  # () the user's weight in it
    awake: Tensor  # () 0 to 1
    loss_scale: Tensor | None  # () the backward pass writes into it what the total is multiplied by
    processes: Processes  # whose joined batch it is


def constraint(code: Code, anchors: Tensor, weights: Weights) -> tuple[Tensor, Tensor, Tensor]:
    """The constraint, in nats per latent, the gravity of a batch, and their total; all ().

    The constraint goes from KL(q || N(0, I)), at awake = 0, to the least KL over soft assignments
    to the even mixture of N(a_k, I), at 1. With r(k) the assignment that is the minimum over r of
    sum_k r(k) KL(q || N(a_k, I)) + KL(r || 1/M), reached by softmax(-distance / 2): an upper bound
    of the KL to the mixture itself (as in VaDE; Jiang et al., 2017), and closed.

    Gravity is D times the mean over pairs i < j of M_i M_j log(1 + 1 / d_ij), never negative and
    finite everywhere. M_i is 1 + the mean over the latents of anchor i of their squared distance to
    it, and d_ij the squared distance of two anchors; both per dimension of the latent space. So
    neither the batch nor the number of anchors nor the dimension changes its balance with the KL.

    Args:
        code: of the means (B, D), flat; the gradient of the assignment goes by way of the
            distances.
        anchors: (M, D).
        weights: of the total.
    """
    _, mean, log_variance, index, assignment, distances, _ = code
    out: tuple[Tensor, Tensor, Tensor] = _Constraint.apply(
        mean, log_variance, distances, anchors, assignment.detach(), index, *weights
    )
    return out


class _Constraint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        mean: Tensor,
        log_variance: Tensor,
        distances: Tensor,
        anchors: Tensor,
        assignment: Tensor,
        index: Tensor,
        kl_weight: float,
        gravity_weight: float,
        scale: Tensor,
        awake: Tensor,
        loss_scale: Tensor | None,
        processes: Processes,
    ) -> tuple[Tensor, Tensor, Tensor]:
        (rows, dim), count = mean.shape, len(anchors)
        column = index[:, None]  # (B, 1)
        own = distances.gather(1, column)  # (B, 1)
        excess = log_variance.exp().sub_(1)  # (B, D) variance - 1
        origin = torch.linalg.vector_norm(mean).square()
        # 2 log M - 2 log sum_k exp(-d_k / 2), from the one weight that is never small.
        mixture = (own + 2 * assignment.gather(1, column).log()).sum() + 2 * rows * math.log(count)
        nats = 0.5 * (excess.sum() - log_variance.sum() + torch.lerp(origin, mixture, awake))
        seen = torch.cat([own, torch.ones_like(own)], 1)  # (B, 2)
        members = own.new_zeros(count + 1, 2).index_add_(0, index, seen)  # (M + 1, 2)
        members[count, 0], members[count, 1] = nats, rows
        members = processes.all_sum_(members)
        share = processes.count / members[count, 1]
        kl = members[count, 0] / members[count, 1]
        size = members[:count, 1].clamp_min(1) * dim  # (M,)
        pull, to_mass, to_anchors = _gravity(anchors, 1 + members[:count, 0] / size)
        to_own = (to_mass * processes.count / size)[index]  # (B,)
        for_kl, for_pull = scale * kl_weight, scale * awake * gravity_weight
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(
            mean, excess, assignment, column, awake, share, to_own, to_anchors, for_kl, for_pull
        )
        ctx.loss_scale = loss_scale
        return kl, pull, for_kl * kl + for_pull * pull

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, kl: Tensor | None, pull: Tensor | None, total: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        (
            mean, excess, assignment, column, awake, share, to_own, to_anchors, for_kl, for_pull
        ) = ctx.saved_tensors  # fmt: skip
        kl = torch.zeros_like(share) if kl is None else kl
        pull = torch.zeros_like(share) if pull is None else pull
        if total is not None:
            if ctx.loss_scale is not None:
                ctx.loss_scale.copy_(total)
            kl, pull = kl + for_kl * total, pull + for_pull * total
        kl = kl * share
        half = 0.5 * kl
        to_distances = assignment * (half * awake)
        to_distances.scatter_add_(1, column, (to_own * pull)[:, None])
        to_mean = mean * (kl - kl * awake)
        return (to_mean, excess * half, to_distances, to_anchors * pull, *[None] * 8)


def _gravity(anchors: Tensor, mass: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gravity () of anchors (M, D) of masses (M,), and its gradients in the masses (M,) and, at
    constant masses, in the anchors (M, D).
    """
    count, dim = anchors.shape
    if count == 1:
        return dim * (mass.sum() - 1), torch.full_like(mass, dim), torch.zeros_like(anchors)
    centred = anchors - anchors.mean(0)
    near = squared_distance(centred, centred).mul_(1 / dim).add_(_LEAST).reciprocal_()  # (M, M)
    # An anchor does not attract itself.
    near.fill_diagonal_(0)
    pairs = count * (count - 1)
    attraction = (near.log1p() @ mass).mul_(dim / pairs)  # (M,)
    slope = near.square().div_(near + 1)  # (M, M) minus the derivative of log(1 + 1 / d) in d
    weighed = mass[:, None] * centred  # (M, D)
    to_anchors = mass[:, None] * (slope @ weighed) - weighed * (slope @ mass)[:, None]
    return mass @ attraction, 2 * attraction, to_anchors.mul_(4 / pairs)
