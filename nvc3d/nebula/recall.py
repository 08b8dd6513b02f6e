"""Forward passes that are repeated in the backward pass, as activation checkpointing does."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import torch
from torch import Tensor

# Kept at most: each costs a copy of the anchors.
_MOST = 8


class Pass(NamedTuple):
    """What a forward pass in training computed with; later ones may have changed it since."""

    mark: Tensor
    """() by which its latents are known again."""
    anchors: Tensor
    """(M, D)"""
    awake: Tensor
    """()"""
    strength: Tensor
    """()"""


def is_repeated() -> bool:
    """Whether a backward pass is under way: what is computed now was computed before."""
    return torch._C._current_graph_task_id() != -1


class Passes:
    """The forward passes since the optimiser's last step, of which a backward pass may repeat any.

    Where there is one alone, as in most trainings, nothing is copied.
    """

    def __init__(self) -> None:
        self._earlier: deque[Pass] = deque(maxlen=_MOST)
        self._latest: tuple[Tensor, int] | None = None

    def begin(self, anchors: Tensor, awake: Tensor, strength: Tensor) -> None:
        """Keep what the latest pass computed with, unless the anchors were moved since."""
        if self._latest is not None and self._latest[1] == _version(anchors):
            copies = anchors.detach().clone(), awake.clone(), strength.clone()
            self._earlier.append(Pass(self._latest[0], *copies))
        else:
            self._earlier.clear()

    def end(self, latents: Tensor, anchors: Tensor) -> None:
        """Note the pass that computed these latents (B, D)."""
        self._latest = latents.sum(), _version(anchors)

    def find(self, latents: Tensor) -> Pass | None:
        """The earlier pass that computed these latents; None for the latest."""
        if self._latest is None or not self._earlier:
            return None
        newest = [self._latest[0], *(past.mark for past in reversed(self._earlier))]
        nearest = int((torch.stack(newest) - latents.sum()).abs().argmin())
        return None if nearest == 0 else self._earlier[-nearest]


def _version(tensor: Tensor) -> int:
    """A number that changes with every change of a tensor in place."""
    return -1 if tensor.is_inference() else tensor._version
