"""When the anchors wake, and when they are fitted anew: judged from the training itself."""

from __future__ import annotations

import torch
from torch import Tensor

from .state import Count, Counting, encode

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


FIRST = encode(0)
"""The first step, as it is kept."""


class Steps(Counting):
    """Counts training steps."""

    step = Count()
    """The step now under way; -1 before the first."""

    def __init__(self, step: int = -1, **others: int) -> None:
        super().__init__(step=step, **others)


class Rhythm(Steps):
    """Decides what is due for the anchors; all in whole steps, the same everywhere."""

    woke = Count()
    """The step at which the anchors woke; -1 while they sleep."""
    next_check = Count()
    next_fit = Count()
    quiet = Count()
    """How many checks in a row found little change."""
    settled = Count()
    """The last step whose latents the anchors are known not to have lost."""

    nats: Tensor  # () what the latents told at the last check

    def __init__(self, step: int = -1) -> None:
        super().__init__(step, woke=-1, next_check=_FIRST_CHECK, next_fit=0, quiet=0, settled=step)
        self.register_buffer("nats", torch.zeros(()))

    @property
    def awake(self) -> float:
        """How far the anchors take part, 0 to 1: faded in over a quarter of the time they slept."""
        woke = self.woke
        if woke < 0:
            return 0.0
        return min(1.0, (self.step - woke + 1) / (woke // 4 + 1))

    def ripe(self, nats: float) -> bool:
        """Whether latents that tell so many nats have stopped changing; sets the next check."""
        before = float(self.nats)
        self.nats.fill_(nats)
        self.next_check = int(_RATIO * self.step) + 1
        still = nats > _LEAST_NATS and abs(nats - before) < _CHANGE * nats
        self.quiet = self.quiet + 1 if still else 0
        return self.quiet >= 2

    def wake(self) -> None:
        """Start the anchors now, on a fresh fit."""
        self.woke = self.next_fit = self.step

    def fitted(self) -> None:
        """Set the next fit, after a quarter of the steps so far; none before the latents woke."""
        step = self.step
        self.next_fit = step + max(step // 4, _FIT_GAP) if self.woke >= 0 else -1
