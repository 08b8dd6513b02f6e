"""Which items of a split are worth a place in a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.task import Picture
from nvc3d.viz import draw_latents


def spread(labels: Sequence[int], count: int) -> list[int]:
    """Indices of at most `count` items, of as many different labels as can be, evenly chosen."""
    turn: dict[int, int] = {}
    rank = []
    for index, label in enumerate(labels):
        turn[label] = turn.get(label, -1) + 1
        rank.append((turn[label], label, index))
    # Items of the first turn have all labels; those shown are spread over them.
    first = sorted(rank)[: max(len(turn), count)]
    step = max(len(first) / count, 1)
    return [first[int(i * step)][2] for i in range(min(count, len(first)))]


class Few:
    """Lets some items of each label through: of many, `spread` needs no more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: Counter[int] = Counter()

    def take(self, labels: Tensor) -> list[int]:
        """Which of the items that come next, with labels (B,), are to be kept."""
        kept = []
        for index, label in enumerate(labels.tolist()):
            self._seen[label] += 1
            if self._seen[label] <= self._most:
                kept.append(index)
        return kept


class Codes:
    """The codes of a split, batch by batch, with the group of each: for the map of the latents."""

    def __init__(self) -> None:
        self._means: list[Tensor] = []
        self._anchors: list[Tensor] = []
        self._owners: list[Tensor] = []

    def add(self, code: Code, owner: Tensor) -> None:
        """Codes (..., D), and what each is of (...), -1 where that is not known."""
        self._means.append(code.mean.float().cpu().flatten(0, -2))
        self._anchors.append(code.anchor.cpu().flatten())
        self._owners.append(owner.cpu().flatten())

    @property
    def mean(self) -> Tensor:
        """(B, D)"""
        return torch.cat(self._means)

    @property
    def anchor(self) -> Tensor:
        """(B,)"""
        return torch.cat(self._anchors)

    @property
    def owner(self) -> Tensor:
        """(B,)"""
        return torch.cat(self._owners)

    def draw(
        self, model: Any, names: Sequence[str], path: Path, most: int | None = None
    ) -> Picture:
        """The map of the codes, of `most` of them at most, with the anchors of a nebula."""
        mean, anchor, owner = self.mean, self.anchor, self.owner
        kept = torch.arange(0, len(mean), -(-len(mean) // (most or len(mean))))
        kept = kept[owner[kept] >= 0]
        head = model.bottleneck
        anchors = head.anchors.detach().float().cpu() if isinstance(head, Nebula) else mean[:0]
        drawn = draw_latents(
            path,
            mean[kept].numpy(),
            owner[kept].numpy(),
            names,
            anchors.numpy(),
            anchor[kept].numpy(),
        )
        return Picture(drawn, "Map of the codes, coloured by what they are of, and the anchors.")
