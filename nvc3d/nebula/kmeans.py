"""Where the anchors stand: k-means on latents, started well, with every anchor kept alive."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d import ops

from .distances import squared_distance

# Idle anchors that a step of k-means moves at most: each costs a look at all latents.
_MOVED = 32
# Latents that k-means++ proposes at once, at most.
_PROPOSED = 256
# Starts that a fit tries at most.
_STARTS = 4


def plus_plus(latents: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose well-spread latents as first anchors (k-means++; Arthur and Vassilvitskii, 2007).

    Each next one is drawn with a probability proportional to the squared distance to those
    chosen before; once all latents coincide with chosen ones, the draw is uniform. Many are drawn
    at a time, by the distances at hand, and each is taken with a probability of the share of its
    distance that those taken meanwhile have left it, which comes to the same.

    Args:
        latents: (N, D), N >= 1.
        count: how many to choose; more than N are allowed, and then repeat.
        generator: on the CPU, so that every device draws the same numbers.

    Returns:
        (count, D), rows of `latents`.
    """
    latents = latents.contiguous()
    last = len(latents) - 1
    first = float(torch.rand((), generator=generator, device=generator.device))
    chosen = taken = latents[min(int(first * len(latents)), last)][None]
    distance = torch.full_like(latents[:, 0], torch.inf)
    while len(chosen) < count:
        nearest = ops.assign_anchors(latents, taken, check_finite=False).squared
        distance = torch.minimum(distance, nearest)
        # All zero (every latent is chosen): the small constant makes the draw uniform.
        cumulative = (distance + torch.finfo(distance.dtype).tiny).cumsum(0)
        size = min(len(chosen), _PROPOSED)
        draws = torch.rand(2, size, generator=generator, device=generator.device).to(latents)
        proposed = torch.searchsorted(cumulative, draws[0] * cumulative[-1]).clamp_max(last)
        taken = latents[_taken(latents, proposed, distance, draws[1])]
        chosen = torch.cat([chosen, taken])
    return chosen[:count]


def _taken(latents: Tensor, proposed: Tensor, distance: Tensor, draws: Tensor) -> Tensor:
    """Those of the proposed (P,), numbers of latents (N, D), that are taken: the first, and each
    later one where its draw (P,) is below the share of its distance (of (N,)) that is left."""
    rows = latents[proposed].cpu()
    left = (distance[proposed] + torch.finfo(distance.dtype).tiny).cpu()
    wanted = (draws.cpu() * left).tolist()
    kept: list[int] = []
    for number, below in enumerate(wanted):
        if number == 0 or below < float(left[number]):
            kept.append(number)
            nearer = (rows - rows[number]).square().sum(1) + torch.finfo(left.dtype).tiny
            left = torch.minimum(left, nearer)
    return proposed[kept]


def lloyd(latents: Tensor, anchors: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Improve anchors (M, D) on latents (N, D) by steps of k-means.

    Anchors without latents move, some in each step, to where latents are served worst: none stays
    idle while there are M different latents. A step that moves none is the last.

    Returns:
        The anchors (M, D) and the mean squared distance of a latent to its own, before the last
        of the steps.
    """
    error = latents.new_zeros(())
    assigned: tuple[Tensor, Tensor] | None = None
    moved = torch.ones_like(anchors[:, 0], dtype=torch.bool)
    for _ in range(steps):
        if assigned is None:
            assigned = ops.assign_anchors(latents, anchors, check_finite=False)
        else:
            assigned = reassigned(latents, anchors, moved, *assigned)
        distance, index = assigned
        error = distance.mean()
        sums, counts = sums_by_anchor(latents, index, len(anchors))
        before = anchors
        anchors = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], anchors)
        idle = (counts == 0).nonzero().flatten().tolist()
        for k in idle[:_MOVED]:
            anchors[k] = latents[distance.argmax()]
            distance = torch.minimum(distance, (latents - anchors[k]).square().sum(1))
        if idle:
            anchors = apart(anchors)
        moved = (anchors != before).any(1)
        if not bool(moved.any()):
            break
    return anchors, error


def reassigned(
    latents: Tensor, anchors: Tensor, moved: Tensor, distance: Tensor, index: Tensor
) -> tuple[Tensor, Tensor]:
    """What `ops.assign_anchors` gives, from what it gave before the anchors of `moved` (M,) did.

    One has, at least. A latent whose anchor has stayed can only have come nearer to one that moved.
    """
    own = moved[index].nonzero()[:, 0]
    if 2 * len(own) > len(latents):
        return ops.assign_anchors(latents, anchors, check_finite=False)
    movers = moved.nonzero()[:, 0]
    near, which = ops.assign_anchors(latents, anchors[movers], check_finite=False)
    which = movers[which]
    nearer = (near < distance) | ((near == distance) & (which < index))
    distance, index = near.where(nearer, distance), which.where(nearer, index)
    distance[own], index[own] = ops.assign_anchors(latents[own], anchors, check_finite=False)
    return distance, index


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
    # Among few anchors one that two groups share weighs much, and another start costs little.
    starts = range(max(1, min(_STARTS, 128 // len(anchors))))
    tried = [lloyd(part, plus_plus(part, len(anchors), generator), 8) for _ in starts]
    fresh, _ = min(tried, key=lambda start: float(start[1]))
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
