"""The three forms of gravity: what pulls latents to their anchors and anchors apart."""

from __future__ import annotations

import torch
from torch import Tensor

from . import gather
from .metric import squared_distance


def newton(anchors: Tensor, distance: Tensor, index: Tensor) -> Tensor:
    """Mean over pairs i < j of M_i M_j log(1 + 1 / d_ij), never negative and finite everywhere.

    M_i is 1 + the mean over the latents of anchor i of their squared distance to it, and d_ij the
    squared distance of two anchors; both per dimension of the latent space, so that neither the
    batch nor the dimension changes the balance.

    Args:
        anchors: (M, D).
        distance: (B,) squared distance of each latent to its anchor.
        index: (B,) number of that anchor.
    """
    count, dim = anchors.shape
    members = torch.zeros_like(distance).new_zeros(2, count)
    members = members.index_add(1, index, torch.stack([distance, torch.ones_like(distance)]))
    sums, counts = gather.total(members)
    mass = 1 + sums / (dim * counts.clamp_min(1))  # (M,)
    if count == 1:
        return mass.sum() - 1
    centred = anchors - anchors.detach().mean(0)
    apart = squared_distance(centred, centred) / dim  # (M, M)
    # The least distance bounds the force: the pole of 1/d would throw the anchors out of the data.
    force = torch.log1p(1 / (apart + 1e-3))
    pairs = (mass[:, None] * mass[None, :] * force).triu(1)
    return pairs.sum() * 2 / (count * (count - 1))


def paper(anchors: Tensor, distance: Tensor, index: Tensor) -> Tensor:
    """Sum over pairs i < j of -M_i M_j log d_ij, as the paper has it, with its faults.

    M_i is 1 + the sum over the latents of anchor i of their squared distance to it. Negative
    without bound once anchors are more than 1 apart, and infinite where two coincide.
    """
    sums = torch.zeros_like(anchors[:, 0]).index_add(0, index, distance)
    mass = 1 + gather.total(sums)  # (M,)
    first, second = torch.triu_indices(len(anchors), len(anchors), 1, device=anchors.device)
    apart = (anchors[first] - anchors[second]).square().sum(1)  # (M (M - 1) / 2,)
    return -(mass[first] * mass[second] * apart.log()).sum()


def nearest(anchors: Tensor, distance: Tensor, index: Tensor) -> Tensor:
    """Mean squared distance of the latents to their anchors, as in the authors' released code."""
    count = distance.new_tensor(float(distance.numel()))
    sums = gather.total(torch.stack([distance.sum(), count]))
    return sums[0] / sums[1]
