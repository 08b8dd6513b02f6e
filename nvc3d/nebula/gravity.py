"""Gravity as the paper has it and as its authors' released code has it, verbatim."""

from __future__ import annotations

import torch
from torch import Tensor

from . import posterior
from .gather import Processes


def paper(
    mean: Tensor,
    log_variance: Tensor,
    distances: Tensor,
    anchors: Tensor,
    index: Tensor,
    processes: Processes,
) -> tuple[Tensor, Tensor]:
    """KL(q || N(own anchor, I)), and the sum over pairs i < j of -M_i M_j log d_ij; both ().

    M_i is 1 + the sum over the latents of anchor i of their squared distance to it. Negative
    without bound once anchors are more than 1 apart, and infinite where two coincide.
    Shapes as in `constraint`.
    """
    own = distances.gather(1, index[:, None]).squeeze(1)  # (B,)
    sums = torch.zeros_like(anchors[:, 0]).index_add(0, index, own)
    mass = 1 + processes.total(sums)  # (M,)
    first, second = torch.triu_indices(len(anchors), len(anchors), 1, device=anchors.device)
    apart = (anchors[first] - anchors[second]).square().sum(1)  # (M (M - 1) / 2,)
    kl = posterior.kl_to(mean - anchors[index], log_variance)
    return processes.mean(kl), -(mass[first] * mass[second] * apart.log()).sum()


def nearest(
    mean: Tensor,
    log_variance: Tensor,
    distances: Tensor,
    anchors: Tensor,
    index: Tensor,
    processes: Processes,
) -> tuple[Tensor, Tensor]:
    """KL(q || N(0, I)), and the mean squared distance of the latents to their anchors; both ()."""
    own = distances.gather(1, index[:, None]).squeeze(1)  # (B,)
    return processes.mean(posterior.kl_to(mean, log_variance)), processes.mean(own)
