"""The latents last seen in training, from which the anchors are fitted."""

from __future__ import annotations

import torch
from torch import Tensor

from .meeting import Meeting
from .state import Count, Counting


class Memory(Counting):
    """A ring of the last `capacity` latents (capacity, dim).

    In a distributed run every process holds the latents of all, those that a single one would.
    """

    seen = Count()
    """Rows ever written; the next one goes to seen % capacity."""

    rows: Tensor

    def __init__(self, capacity: int, dim: int) -> None:
        super().__init__(seen=0)
        self.register_buffer("rows", torch.zeros(capacity, dim))

    def add(self, latents: Tensor, meeting: Meeting | None = None) -> None:
        """Write latents (B, dim) over the oldest; of more than fit, evenly spaced ones.

        Where processes have met, `latents` are this one's and all take part.
        """
        capacity = len(self.rows)
        if meeting is not None:
            latents = meeting.rows(latents, capacity)
        elif len(latents) > capacity:
            keep = torch.arange(capacity, device=latents.device) * len(latents) // capacity
            latents = latents[keep]
        seen = self.seen
        start = seen % capacity
        first = min(len(latents), capacity - start)
        self.rows[start : start + first] = latents[:first]
        self.rows[: len(latents) - first] = latents[first:]
        self.seen = seen + len(latents)

    def latents(self, count: int | None = None) -> Tensor:
        """The last latents (N, dim), at most `count`, oldest first.

        Raises AveragedState where the memory was averaged with that of other steps.
        """
        capacity, seen = len(self.rows), self.seen
        count = capacity if count is None else min(count, capacity)
        if seen <= capacity:
            return self.rows[:seen][-count:]
        start = seen % capacity
        return torch.cat([self.rows[start:], self.rows[:start]])[-count:]

    all_latents = latents
