"""What the processes of a distributed run must know of one another; the identity in a single one.

Each process computes the loss of the joined batch. The gradients are such that the mean over the
processes, which DistributedDataParallel takes, is the gradient of that loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel


def is_distributed() -> bool:
    """Whether there is more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


@dataclass(frozen=True, eq=False)
class Processes:
    """Those that train a module together. Of one alone every method is the identity.

    All of them must call the same methods in the same order.
    """

    group: Any = None
    """The process group; None: that of all."""
    count: int = 1
    rank: int = 0
    """Of this process, in the group."""

    @classmethod
    def of(cls, group: Any) -> Processes:
        """Those of a process group, one for a process outside of it; None: of all."""
        if not is_distributed() or dist.get_rank(group) < 0:
            return ALONE
        return cls(group, dist.get_world_size(group), dist.get_rank(group))

    # A group belongs to this process and run: a copied module shares it, a pickled one has none.
    def __deepcopy__(self, memo: dict[int, Any]) -> Processes:
        return self

    def __reduce__(self) -> tuple[type[Processes], tuple[()]]:
        return Processes, ()

    def all_sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, differentiable; `values` stay as they are."""
        return _Sum.apply(values, self) if self.count > 1 else values

    def all_sum_(self, values: Tensor) -> Tensor:
        """The sum over all processes, not differentiable; written over `values`."""
        if self.count > 1:
            dist.all_reduce(values, group=self.group)
        return values

    def mean(self, values: Tensor) -> Tensor:
        """The mean () of the values (B,) of all processes, differentiable."""
        if self.count == 1:
            return values.mean()
        summed, count = self.all_sum(torch.stack([values.sum(), values.new_tensor(len(values))]))
        return summed / count

    def from_first(self, values: Tensor) -> Tensor:
        """The values of the first process, written over `values`."""
        if self.count > 1:
            dist.broadcast(values, group=self.group, group_src=0)
        return values

    def table(self, row: Tensor) -> Tensor:
        """The equally long rows (N,) of all processes (P, N), in the order of their ranks."""
        if self.count == 1:
            return row[None]
        rows = [torch.empty_like(row) for _ in range(self.count)]
        dist.all_gather(rows, row, group=self.group)
        return torch.stack(rows)

    def rows(self, values: Tensor, counts: list[int] | None = None) -> Tensor:
        """The rows (B, ...) of all processes, in the order of their ranks, differentiable.

        `counts`: how many rows each has; None: to be asked first.
        """
        if self.count == 1:
            return values
        if counts is None:
            own = torch.tensor([len(values)], device=values.device)
            counts = self.table(own).flatten().tolist()
        parts = _Gather.apply(_pad(values, max(counts)), self)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


ALONE = Processes()


def surrounding_group() -> Any:
    """The process group of the DistributedDataParallel that is at work; None: of all.

    Raises RuntimeError inside of torch's Join: a process that has joined takes part in the
    collectives of DistributedDataParallel, and in none of a module's own.
    """
    wrapper = getattr(DistributedDataParallel, "_active_ddp_module", None)
    if wrapper is None:
        return None
    if wrapper._join_config.enable:
        raise RuntimeError(
            "a nebula cannot be trained inside of torch's Join, whose processes leave the others "
            "when their data ends: give such a process batches of 0 rows instead"
        )
    return wrapper.process_group


# Torch's own differentiable collectives hold on to the process group they were first imported
# with: it cannot be closed then, and its threads may crash the interpreter at its end.
class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return processes.all_sum_(values.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.processes.all_sum(gradient), None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> tuple[Tensor, ...]:
        ctx.processes = processes
        parts = [torch.empty_like(values) for _ in range(processes.count)]
        dist.all_gather(parts, values, group=processes.group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        processes = ctx.processes
        return processes.all_sum(torch.stack(gradients))[processes.rank], None


def _pad(values: Tensor, count: int) -> Tensor:
    missing = values.new_zeros(count - values.shape[0], *values.shape[1:])
    return torch.cat([values, missing]).contiguous()
