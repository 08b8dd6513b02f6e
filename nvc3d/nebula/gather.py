"""What the processes of a distributed run must know of one another; the identity in a single one.

Each process computes the loss of the joined batch. The gradients are such that the mean over the
processes, which DistributedDataParallel takes, is the gradient of that loss.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def is_distributed() -> bool:
    """Whether there is more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def total(values: Tensor) -> Tensor:
    """The sum over all processes, differentiable."""
    return _Sum.apply(values) if is_distributed() else values


def total_of(values: Tensor) -> Tensor:
    """The sum over all processes, not differentiable; written over `values`."""
    if is_distributed():
        dist.all_reduce(values)
    return values


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
    return rows_with_gradient(values.detach())


def rows_with_gradient(values: Tensor) -> Tensor:
    """The rows (B, ...) of all processes, in the order of their ranks, differentiable."""
    if not is_distributed():
        return values
    counts = _counts(values)
    parts = _Gather.apply(_pad(values, max(counts)))
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


# Torch's own differentiable collectives hold on to the process group they were first imported
# with: it cannot be closed then, and its threads may crash the interpreter at its end.
class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return total(gradient)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> tuple[Tensor, ...]:
        parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, values)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return total(torch.stack(gradients))[dist.get_rank()]


def _counts(values: Tensor) -> list[int]:
    own = torch.tensor([values.shape[0]], device=values.device)
    counts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own)
    return [int(count) for count in counts]


def _pad(values: Tensor, count: int) -> Tensor:
    missing = values.new_zeros(count - values.shape[0], *values.shape[1:])
    return torch.cat([values, missing]).contiguous()
