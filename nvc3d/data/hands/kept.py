"""Built-in hands that are kept in memory for some epochs."""

from __future__ import annotations

import operator
from typing import Any

import torch

from nvc3d.data.hands.builtin import BuiltinHands

_SIDES = ("right", "left")


class KeptHands(BuiltinHands):
    """Built-in hands of which each is an item of several epochs in turn, before another is drawn.

    To draw a hand takes longer than to learn from it, and one that is turned, cropped and thinned
    in another way is worth nearly as much as a new one (Choi et al., "Faster Neural Network
    Training with Data Echoing", 2019). What an epoch holds comes from (seed, epoch) alone: a
    resumed run draws the same again.

    Args:
        epochs: how many epochs a hand is kept for.
        points, seed, hands: see BuiltinHands; they are those to train on.
    """

    def __init__(self, points: int, seed: int, *, epochs: int, **hands: Any) -> None:
        super().__init__(points, seed, True, **hands)
        self._lasting = epochs
        # In shared memory, for all workers; the generation of one that is not drawn yet is -1.
        self._generation = torch.zeros((), dtype=torch.int64).share_memory_()
        self._drawn = torch.full((len(self),), -1).share_memory_()
        self._points = torch.empty(len(self), points, 3).share_memory_()
        self._joints = torch.empty(len(self), 21, 3).share_memory_()
        self._left = torch.zeros(len(self), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch to come."""
        super().set_epoch(epoch // self._lasting)
        self._generation.fill_(epoch // self._lasting)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """See Hands."""
        at = range(len(self))[operator.index(index)]
        if self._drawn[at] != self._generation:
            item = super().__getitem__(at)
            self._points[at], self._joints[at] = item["points"], item["joints"]
            self._left[at] = _SIDES.index(item["side"])
            self._drawn[at] = self._generation
        return {
            "points": self._points[at].clone(),
            "joints": self._joints[at].clone(),
            "joint_mask": torch.ones(21, dtype=torch.bool),
            "side": _SIDES[int(self._left[at])],
            "label": torch.tensor(self.label(at)),
            "name": self.name(at),
        }
