"""When the anchors wake, and when they are fitted anew: judged from the training itself."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import torch
from torch import Tensor

# Latents are ripe when what they tell (nats) twice changes by less than this while the number of
# steps grows by the ratio: training slows down with time, so the checks do as well. Before the
# first check no encoder has learned much, however still its latents are.
_CHANGE = 0.25
_RATIO = 1.25
_FIRST_CHECK = 200
# Between two fits at least.
_FIT_GAP = 16
# A posterior that tells less than this has nothing to put anchors on.
_LEAST_NATS = 0.5


@dataclass
class Rhythm:
    """Counts training steps and decides what is due; all in whole steps, the same everywhere."""

    step: int = -1
    """The step now under way."""
    woke: int = -1
    """The step at which the anchors woke; -1 while they sleep."""
    next_check: int = _FIRST_CHECK
    next_fit: int = 0
    nats: float = 0.0
    """What the latents told at the last check."""
    quiet: int = 0
    """How many checks in a row found little change."""

    @property
    def awake(self) -> float:
        """How far the anchors take part, 0 to 1: faded in over a quarter of the time they slept."""
        if self.woke < 0:
            return 0.0
        return min(1.0, (self.step - self.woke + 1) / (self.woke // 4 + 1))

    def ripe(self, nats: float) -> bool:
        """Whether latents that tell so many nats have stopped changing; sets the next check."""
        before, self.nats = self.nats, nats
        self.next_check = int(_RATIO * self.step) + 1
        still = nats > _LEAST_NATS and abs(nats - before) < _CHANGE * nats
        self.quiet = self.quiet + 1 if still else 0
        return self.quiet >= 2

    def wake(self) -> None:
        """Start the anchors now, on a fresh fit."""
        self.woke = self.next_fit = self.step

    def fitted(self) -> None:
        """Set the next fit, after a quarter of the steps so far; none before the latents woke."""
        self.next_fit = self.step + max(self.step // 4, _FIT_GAP) if self.woke >= 0 else -1

    def to_tensor(self) -> Tensor:
        """All of it as one tensor, so that any checkpoint format can hold it."""
        return torch.tensor(astuple(self), dtype=torch.float64)

    @classmethod
    def from_tensor(cls, state: Tensor) -> Rhythm:
        """The inverse of to_tensor."""
        step, woke, next_check, next_fit, nats, quiet = state.tolist()
        return cls(int(step), int(woke), int(next_check), int(next_fit), nats, int(quiet))
