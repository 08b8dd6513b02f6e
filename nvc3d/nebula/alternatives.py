"""Several plausible latents for one input."""

from __future__ import annotations

import torch
from torch import Tensor

# Of the way from the posterior's mean to an anchor: halfway, what was seen still weighs as much as
# what is typical there.
_REACH = 0.5


def around(
    mean: Tensor,
    log_variance: Tensor,
    count: int,
    generator: torch.Generator | None,
    anchors: Tensor | None,
    distances: Tensor,
) -> Tensor:
    """Latents (count, ..., D) for posteriors (..., D), the first of them the mean.

    With anchors (M, D) each further one is drawn from the posterior moved halfway to an anchor, to
    the nearest first, then to the next by their squared distances (..., M), and round again;
    without, from the posterior.
    """
    device = mean.device if generator is None else generator.device
    noise = torch.randn(count - 1, *mean.shape, generator=generator, device=device).to(mean)
    centres = mean.expand(count - 1, *mean.shape)  # (count - 1, ..., D)
    if anchors is not None:
        order = distances.argsort(dim=-1, stable=True)  # (..., M)
        turn = torch.arange(count - 1, device=mean.device) % len(anchors)
        toward = anchors[order[..., turn].movedim(-1, 0)]  # (count - 1, ..., D)
        centres = torch.lerp(centres, toward, _REACH)
    return torch.cat([mean[None], centres + (0.5 * log_variance).exp() * noise])
