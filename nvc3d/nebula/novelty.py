"""How unlike the latents of training another latent is."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d import ops

from . import kmeans

# An anchor's variances are judged as if it had so many latents more, spread as those of all are.
_MORE = 10
# Least deviation, of the largest: along what no latent of training varies, none is infinitely new.
_LEAST = 1e-3


class Novelty(NamedTuple):
    """How unlike all that was seen in training latents (..., D) are."""

    nats: Tensor
    """(...) minus the log density; compares latents of one nebula."""
    rank: Tensor
    """(...) share of the latents seen in training with a higher density, 0 to 1."""


def novelty(latents: Tensor, seen: Tensor, anchors: Tensor) -> Novelty:
    """The novelty of latents (..., D) among those seen (N, D), by anchors (M, D), in float64.

    The density is the sum of a Gaussian at each anchor, with the variance of its latents around it
    along each dimension, and weighed by their share of all.
    """
    wide, centres = seen.double(), anchors.double()
    index = ops.assign_anchors(seen, anchors, check_finite=False).index
    squares, counts = kmeans.sums_by_anchor(
        (wide - centres[index]).square(), index, len(anchors)
    )  # (M, D), (M,)
    share = counts.clamp_min(1e-12)
    share = share / share.sum()
    every = squares.sum(0) / len(seen) if len(seen) else torch.ones_like(centres[0])
    deviation = ((squares + _MORE * every) / (counts + _MORE)[:, None]).sqrt()
    deviation = deviation.clamp_min(max(_LEAST * float(deviation.max()), 1e-12))

    def nats(some: Tensor) -> Tensor:
        # The square expanded: (..., M, D) would not fit where there are many.
        precision = deviation.pow(-2)
        moved, at = some.double() - centres.mean(0), centres - centres.mean(0)
        square = moved.square() @ precision.mT - 2 * moved @ (at * precision).mT
        square = square + (at.square() * precision).sum(1)  # (..., M)
        size = deviation.log().sum(1) + 0.5 * at.shape[1] * math.log(2 * math.pi)
        return -(share.log() - size - 0.5 * square).logsumexp(-1)

    found = nats(latents)
    rank = torch.searchsorted(nats(wide).sort().values, found.contiguous())
    return Novelty(found, rank.double() / max(len(seen), 1))
