"""Forward passes that are repeated in the backward pass, as activation checkpointing does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

# Kept at most: each costs a copy of the anchors.
_MOST = 8


class Pass(NamedTuple):
    """A forward pass in training."""

    mark: Tensor
    """() by which its latents are known again."""
    values: Mapping[str, Tensor]
    """What it computed with, by name, where later passes may have changed that since."""


def is_repeated() -> bool:
    """Whether a backward pass is under way: what is computed now was computed before."""
    return torch._C._current_graph_task_id() != -1


class Passes:
    """The forward passes since the optimiser's last step, of which a backward pass may repeat any.

    Where there is one alone, as in most trainings, nothing is copied.
    """

    def __init__(self) -> None:
        self._earlier: deque[Pass] = deque(maxlen=_MOST)
        self._latest: tuple[Tensor, list[int]] | None = None

    def begin(self, values: Mapping[str, Tensor], learned: Iterable[Tensor]) -> None:
        """Keep the values that the latest pass computed with, unless what is learned has changed
        since: then the optimiser has taken a step, and no earlier pass will be repeated."""
        if self._latest is not None and self._latest[1] == _versions(learned):
            copies = {name: value.detach().clone() for name, value in values.items()}
            self._earlier.append(Pass(self._latest[0], copies))
        else:
            self._earlier.clear()

    def end(self, latents: Tensor, learned: Iterable[Tensor]) -> None:
        """Note the pass that computed these latents (B, D)."""
        self._latest = latents.sum(), _versions(learned)

    def find(self, latents: Tensor) -> Pass | None:
        """The earlier pass that computed these latents; None for the latest."""
        if self._latest is None or not self._earlier:
            return None
        newest = [self._latest[0], *(past.mark for past in reversed(self._earlier))]
        nearest = int((torch.stack(newest) - latents.sum()).abs().argmin())
        return None if nearest == 0 else self._earlier[-nearest]


def _versions(tensors: Iterable[Tensor]) -> list[int]:
    """Numbers that change with every change of a tensor in place."""
    return [-1 if tensor.is_inference() else tensor._version for tensor in tensors]
