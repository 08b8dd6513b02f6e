"""What the processes of a distributed run must know of one another; the identity in a single one.

Each process computes the loss of the joined batch. The gradients are such that the mean over the
processes, which DistributedDataParallel takes, is the gradient of that loss.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def is_distributed() -> bool:
    """Whether there is more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def total(values: Tensor) -> Tensor:
    """The sum over all processes, differentiable."""
    if not is_distributed():
        return values
    from torch.distributed.nn.functional import all_reduce

    # A clone, because the reduction writes into its argument.
    return all_reduce(values.clone())


def processes() -> int:
    """How many processes there are."""
    return dist.get_world_size() if is_distributed() else 1


def mean(values: Tensor) -> Tensor:
    """The mean () of the values (B,) of all processes, differentiable."""
    if not is_distributed():
        return values.mean()
    summed, count = total(torch.stack([values.sum(), values.new_tensor(float(len(values)))]))
    return summed / count


def rows(values: Tensor) -> Tensor:
    """The rows (B, ...) of all processes, in the order of their ranks; not differentiable."""
    if not is_distributed():
        return values
    counts = _counts(values)
    padded = _pad(values, max(counts))
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def rows_with_gradient(values: Tensor) -> Tensor:
    """The rows (B, ...) of all processes, in the order of their ranks, differentiable."""
    if not is_distributed():
        return values
    from torch.distributed.nn.functional import all_gather

    counts = _counts(values)
    parts = all_gather(_pad(values, max(counts)))
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def _counts(values: Tensor) -> list[int]:
    own = torch.tensor([values.shape[0]], device=values.device)
    counts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own)
    return [int(count) for count in counts]


def _pad(values: Tensor, count: int) -> Tensor:
    missing = values.new_zeros(count - values.shape[0], *values.shape[1:])
    return torch.cat([values, missing]).contiguous()
