"""Texts as items of a split, and how batches are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nvc3d.data.epochs import Epochs
from nvc3d.tasks.task import Batch


class Texts:
    """Texts in the order they are in, so many in an item: to measure on.

    Args:
        columns: name -> what each text has under it, lists of one length.
        count: of an item.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]], count: int = 16) -> None:
        self.columns = columns
        size = len(next(iter(columns.values())))
        self._items = [np.arange(i, min(i + count, size)) for i in range(0, size, count)]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The columns of some texts, as lists."""
        chosen = self._items[index].tolist()
        return {name: [column[i] for i in chosen] for name, column in self.columns.items()}

    @staticmethod
    def collate(items: Sequence[dict[str, Any]]) -> Batch:
        """Items one after the other."""
        return {name: [one for item in items for one in item[name]] for name in items[0]}


class Buckets(Texts):
    """Texts of nearly one length in an item, as many as fill a number of pieces: to learn from.

    Which of those of one length come together changes with each epoch.

    Args:
        columns: as of Texts.
        sizes: how many pieces each text has, of the longer language.
        pieces: of an item, what fills up its shorter texts included.
        seed: of the order.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[Any]], sizes: Sequence[int], pieces: int, seed: int
    ) -> None:
        self.columns = columns
        self._sizes = np.asarray(sizes)
        ends = [0]
        for i, size in enumerate(np.sort(self._sizes)):
            if (i + 1 - ends[-1]) * size > pieces and i > ends[-1]:
                ends.append(i)
        self._ends = ends[1:]
        self._epochs = Epochs(seed, training=True)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose what comes together in the epoch to come."""
        self._epochs.set_epoch(epoch)
        drawn = self._epochs.rng(0).random(len(self._sizes))
        self._items = np.split(np.lexsort([drawn, self._sizes]), self._ends)
