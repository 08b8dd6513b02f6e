"""Metric learning without labels: the number of the anchor is the label."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .distances import squared_distance
from .gather import ALONE, Processes

# Pairs of latents held at once: a bound on memory, not on the batch.
_PAIRS = 1 << 22


def ratio_triplets(
    latents: Tensor, label: Tensor, offset: Tensor, processes: Processes = ALONE
) -> Tensor:
    """Mean of d_ij / (d_ik + offset) over triplets: i, j != i of one label, k of another.

    d is the squared distance. The sum over j and the sum over k part, so the cost is that of all
    pairs; triplets are never built, and pairs only in blocks. 0 without a triplet. In a
    distributed run the triplets are those of the joined batch.

    Args:
        latents: (B, D).
        label: (B,) int64.
        offset: () > 0, differentiable.
    """
    everyone, labels = joined(latents, label, processes)  # (G, D), (G,)
    centre = everyone.detach().mean(0)
    latents, everyone = latents - centre, everyone - centre
    step = max(1, _PAIRS // max(1, len(everyone)))
    if step >= len(latents):
        sums = _triplets(latents, label, everyone, labels, offset)
    else:
        sums = torch.stack(
            [
                checkpoint(_triplets, part, own, everyone, labels, offset, use_reentrant=False)
                for part, own in zip(latents.split(step), label.split(step), strict=True)
            ]
        ).sum(0)
    ratio, count = processes.all_sum(sums)
    return ratio / count.clamp_min(1)


def joined(latents: Tensor, label: Tensor, processes: Processes) -> tuple[Tensor, Tensor]:
    """The latents (G, D), differentiable, and labels (G,) of all processes."""
    if processes.count == 1:
        return latents, label
    # One journey for both: float64 holds any number of an anchor.
    both = torch.cat([latents.double(), label[:, None].double()], 1)
    both = processes.rows(both)
    return both[:, :-1].to(latents.dtype), both[:, -1].detach().long()


def _triplets(
    latents: Tensor, label: Tensor, everyone: Tensor, labels: Tensor, offset: Tensor
) -> Tensor:
    """Sum of the ratios and number of the triplets of a block of rows: (2,)."""
    distance = squared_distance(latents, everyone)  # (b, G)
    same = label[:, None] == labels[None, :]  # (b, G)
    # The pair of a latent with itself adds 0 to `near` and is left out of the number.
    near = distance.where(same, 0).sum(1)  # (b,)
    far = (1 / (distance + offset)).where(~same, 0).sum(1)  # (b,)
    positives = same.sum(1)
    count = ((positives - 1) * (len(labels) - positives)).sum()
    return torch.stack([(near * far).sum(), count.to(near)])


def disagreement(
    distances: Tensor, others: Tensor, dim: int, processes: Processes = ALONE
) -> Tensor:
    """How much two views of the same samples differ in their anchors, 0 at best.

    The cross entropy between their soft assignments, with the entropy of the anchors' use taken
    off, so that choosing one anchor for everything gains nothing. Distances count as multiples of
    their mean, at which the mean is `dim`, as it is where the constraint has its way: where it is
    weak, latents lie so far apart that every choice would be certain, right or wrong.

    Args:
        distances: (B, M) squared distances of the first view to the anchors.
        others: (B, M) those of the second.
        dim: of the latents.
    """
    mean = processes.mean((distances + others).detach().mean(1)) / 2
    scale = -0.5 * dim / mean.clamp_min(torch.finfo(mean.dtype).tiny)
    first, second = (scale * distances).log_softmax(1), (scale * others).log_softmax(1)  # (B, M)
    p, q = first.exp(), second.exp()
    cross = -0.5 * (p * second + q * first).sum(1)  # (B,)
    use = (p + q).sum(0)  # (M,)
    if processes.count > 1:
        seen = torch.stack([cross.sum(), cross.new_tensor(len(cross))])
        use, (summed, rows) = processes.all_sum(torch.cat([use, seen])).split([len(use), 2])
        apart = summed / rows
    else:
        apart = cross.mean()
    # The slope of the entropy is infinite at 0, where the weight of a far anchor underflows to.
    use = (use / use.detach().sum()).clamp_min(torch.finfo(use.dtype).tiny)
    return apart + math.log(len(use)) - torch.special.entr(use).sum()
