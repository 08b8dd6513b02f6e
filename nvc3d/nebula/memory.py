"""The latents last seen in training, from which the anchors are fitted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from . import gather


class Memory(nn.Module):
    """A ring of the last `capacity` latents (capacity, dim), with the step each was seen at."""

    rows: Tensor
    step: Tensor

    def __init__(self, capacity: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(capacity, dim))
        self.register_buffer("step", torch.full((capacity,), -1, dtype=torch.int64))
        self.seen = 0  # rows ever written; the next one goes to seen % capacity

    def add(self, latents: Tensor, step: int) -> None:
        """Write latents (B, dim) over the oldest; of more than fit, evenly spaced ones."""
        capacity = len(self.rows)
        if len(latents) > capacity:
            keep = torch.arange(capacity, device=latents.device) * len(latents) // capacity
            latents = latents[keep]
        start = self.seen % capacity
        first = min(len(latents), capacity - start)
        self.rows[start : start + first] = latents[:first]
        self.rows[: len(latents) - first] = latents[first:]
        self.step[start : start + first] = step
        self.step[: len(latents) - first] = step
        self.seen += len(latents)

    def latents(self) -> Tensor:
        """The latents (N, dim) of this process, oldest first."""
        return self._unrolled(self.rows)

    def all_latents(self, count: int | None = None) -> Tensor:
        """The last latents (N, dim) of all processes, at most `count`, oldest first: those that a
        single process would have seen, in its order.
        """
        capacity = len(self.rows)
        count = capacity if count is None else min(count, capacity)
        own = self.latents()[-count:]
        if not gather.is_distributed():
            return own
        rows = gather.rows(own)
        step = gather.rows(self._unrolled(self.step)[-count:])
        return rows[step.argsort(stable=True)][-count:]

    def _unrolled(self, ring: Tensor) -> Tensor:
        capacity = len(ring)
        if self.seen <= capacity:
            return ring[: self.seen]
        start = self.seen % capacity
        return torch.cat([ring[start:], ring[:start]])
