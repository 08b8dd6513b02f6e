"""How a training stands on what it is validated on, and the mean of its weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

SEEN = ("points", "other_view", "features", "other_features", "partial", "complete", "view")
"""Keys of a batch that no network can make anything of where they hold NaN or inf."""


class Standing:
    """The best validation so far, and how many came after it."""

    def __init__(self) -> None:
        self.best, self.since = math.inf, 0

    def judge(self, loss: float) -> bool:
        """Take note of a validation; whether it is the best so far."""
        better = loss < self.best
        self.best, self.since = (loss, 0) if better else (self.best, self.since + 1)
        return better

    def state_dict(self) -> dict[str, Any]:
        """What must be saved of it."""
        return {"best": self.best, "since": self.since}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what was saved."""
        self.best, self.since = float(state["best"]), int(state["since"])


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """The exponential mean of a model's weights, which is short at first and then of the decay; its
    buffers are the model's own. (Polyak and Juditsky, "Acceleration of Stochastic Approximation by
    Averaging", 1992.)"""

    def mean(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        taken = min(decay, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(old, new, 1 - taken)

    return AveragedModel(model, avg_fn=mean)


def parts(batch: dict[str, Any], count: int) -> Iterator[tuple[float, dict[str, Any]]]:
    """A batch in so many parts, fewer where it has fewer items, each with its share of the items.

    Raises ValueError on a batch whose values are not of one item each.
    """
    sizes = {len(value) for value in batch.values()}
    if count == 1:
        yield 1.0, batch
        return
    if len(sizes) != 1:
        raise ValueError("batches of this task cannot be split: leave out --accumulate")
    size = sizes.pop()
    count = min(count, size)
    for part in range(count):
        rows = slice(part * size // count, (part + 1) * size // count)
        yield (rows.stop - rows.start) / size, {k: v[rows] for k, v in batch.items()}


def not_finite(batch: dict[str, Any]) -> list[str]:
    """The names of the items of a batch that hold NaN or inf where a network looks."""
    bad: set[int] = set()
    for key in SEEN:
        value = batch.get(key)
        if isinstance(value, Tensor) and value.is_floating_point() and value.dim() > 1:
            rows = value.flatten(1).isfinite().all(1)
            bad |= set((~rows).nonzero()[:, 0].tolist())
    names = batch.get("name")
    return [str(names[i]) if names is not None else f"item {i}" for i in sorted(bad)]
