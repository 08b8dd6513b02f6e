"""Where the anchors stand: k-means on latents, started well, with every anchor kept alive."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d import ops

from .distances import squared_distance

# Idle anchors that a step of k-means moves at most: each costs a look at all latents.
_MOVED = 32


def plus_plus(latents: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose well-spread latents as first anchors (k-means++; Arthur and Vassilvitskii, 2007).

    Each next one is drawn with a probability proportional to the squared distance to those
    chosen before; once all latents coincide with chosen ones, the draw is uniform.

    Args:
        latents: (N, D), N >= 1.
        count: how many to choose; more than N are allowed, and then repeat.
        generator: on the CPU, so that every device draws the same numbers.

    Returns:
        (count, D), rows of `latents`.
    """
    latents = latents.contiguous()
    last = len(latents) - 1
    draws = torch.rand(count, generator=generator, device=generator.device).to(latents)  # (count,)
    pick = (draws[0] * len(latents)).long().clamp_max(last)
    chosen = [latents[pick]]
    distance = (latents - chosen[0]).square().sum(1)  # (N,)
    # On a GPU it is faster to measure all than to wait for an answer which.
    near = _Near(latents) if latents.device.type == "cpu" else None
    for draw in draws[1:]:
        # All zero (every latent is chosen): the small constant makes the draw uniform.
        cumulative = (distance + torch.finfo(distance.dtype).tiny).cumsum(0)
        pick = torch.searchsorted(cumulative, draw * cumulative[-1]).clamp_max(last)
        chosen.append(latents[pick])
        if near is None:
            distance = torch.minimum(distance, (latents - chosen[-1]).square().sum(1))
        else:
            rows = near(int(pick), distance)
            nearer = (latents[rows] - chosen[-1]).square().sum(1)
            distance[rows] = torch.minimum(distance[rows], nearer)
    return torch.stack(chosen)


class _Near:
    """Tells which latents (N, D) may be nearer to one of them than they are to others.

    By |z|^2 + |c|^2 - 2 z.c, one product of a matrix and a vector, less 4 (D + 8) eps of both
    squares: all roundings in it and in a distance that is measured plainly come to less than half
    of that.
    """

    def __init__(self, latents: Tensor) -> None:
        size = latents.shape[1] + 8
        kind = torch.finfo(latents.dtype)
        # Near the origin the expanded square loses no digits.
        self.latents = latents - latents.mean(0)
        self.squared = (1 - 4 * size * kind.eps) * self.latents.square().sum(1) - size * kind.tiny

    def __call__(self, pick: int, distance: Tensor) -> Tensor:
        """The rows whose squared distance to latent `pick` may be below their `distance` (N,)."""
        least = torch.addmv(self.squared, self.latents, self.latents[pick], alpha=-2)
        beyond = least > distance - self.squared[pick]
        return (~beyond).nonzero()[:, 0]  # so NaN may be nearer, too


def lloyd(latents: Tensor, anchors: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Improve anchors (M, D) on latents (N, D) by steps of k-means.

    Anchors without latents move, some in each step, to where latents are served worst: none stays
    idle while there are M different latents.

    Returns:
        The anchors (M, D) and the mean squared distance of a latent to its own, before the last
        of the steps.
    """
    error = latents.new_zeros(())
    for _ in range(steps):
        distance, index = ops.assign_anchors(latents, anchors, check_finite=False)
        error = distance.mean()
        sums, counts = sums_by_anchor(latents, index, len(anchors))
        anchors = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], anchors)
        idle = (counts == 0).nonzero().flatten().tolist()
        for k in idle[:_MOVED]:
            anchors[k] = latents[distance.argmax()]
            distance = torch.minimum(distance, (latents - anchors[k]).square().sum(1))
        if idle:
            anchors = apart(anchors)
    return anchors, error


def fit(latents: Tensor, anchors: Tensor, generator: torch.Generator) -> Tensor:
    """Fit anchors (M, D) anew to latents (N, D): the better of going on from where they are and
    of starting afresh.

    A fresh start must win by 1 %: what has learned to read the anchors' numbers is spared a change
    that is worth little. Its anchors then take the numbers of the old ones nearest to them.
    """
    kept, kept_error = lloyd(latents, anchors, 4)
    # A part of the latents shows where the anchors belong; all of them, where exactly.
    order = torch.randperm(len(latents), generator=generator, device=generator.device)
    part = latents[order[: max(1024, 4 * len(anchors))].to(latents.device)]
    fresh, _ = lloyd(part, plus_plus(part, len(anchors), generator), 8)
    fresh, fresh_error = lloyd(latents, fresh, 4)
    return renumber(fresh, kept) if bool(fresh_error < 0.99 * kept_error) else kept


def renumber(anchors: Tensor, old: Tensor) -> Tensor:
    """Order anchors (M, D): each takes the number of an old one near it, nearest pairs first."""
    centre = old.mean(0)
    distance = squared_distance(anchors - centre, old - centre).cpu()  # (M, M)
    order = torch.empty(len(anchors), dtype=torch.int64, device="cpu")
    new = left = torch.arange(len(anchors), device="cpu")  # those without a pair
    while len(new):
        # Two that are nearest to one another are a pair whatever becomes of the others.
        to_old, to_new = distance.argmin(1), distance.argmin(0)
        paired = to_new[to_old] == torch.arange(len(new), device="cpu")
        order[left[to_old[paired]]] = new[paired]
        free = torch.ones_like(paired).index_fill(0, to_old[paired], False)
        distance = distance[~paired][:, free]
        new, left = new[~paired], left[free]
    return anchors[order.to(anchors.device)]


def apart(anchors: Tensor) -> Tensor:
    """Move anchors (M, D) that coincide a little away from one another, the same way each time."""
    count, dim = anchors.shape
    if count == 1:
        return anchors
    spread = anchors.var(0, unbiased=False).mean().sqrt()
    size = 1e-3 * torch.where(spread > 0, spread, anchors.abs().mean().clamp_min(1e-3))
    generator = torch.Generator("cpu").manual_seed(count)
    jitter = torch.randn(count, dim, generator=generator, device="cpu").to(anchors)
    _, index = ops.assign_anchors(anchors, anchors, check_finite=False)
    # Equal anchors are all assigned to the first of them: the others are the doubles.
    double = index != torch.arange(count, device=anchors.device)
    return torch.where(double[:, None], anchors + size * jitter, anchors)


def deviation(latents: Tensor, anchors: Tensor) -> Tensor:
    """Standard deviation (M, D) of the latents (N, D) of each anchor (M, D), around their mean.

    Anchors of fewer than two latents get that of all latents around their anchors; 1 without any.
    """
    if len(latents) == 0:
        return torch.ones_like(anchors)
    _, index = ops.assign_anchors(latents, anchors, check_finite=False)
    sums, counts = sums_by_anchor(latents, index, len(anchors))
    rest = latents - (sums / counts.clamp_min(1)[:, None])[index]  # (N, D)
    squares, _ = sums_by_anchor(rest.square(), index, len(anchors))
    own = squares / counts.clamp_min(1)[:, None]
    return own.where(counts[:, None] > 1, rest.square().mean(0)).sqrt()


def sums_by_anchor(latents: Tensor, index: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sum (M, D) and number (M,) of the latents (N, D) of each anchor."""
    sums = latents.new_zeros(count, latents.shape[1]).index_add(0, index, latents)
    counts = torch.bincount(index, minlength=count).to(latents)
    return sums, counts
