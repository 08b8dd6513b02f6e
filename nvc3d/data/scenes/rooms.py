"""Blocks of built-in rooms, as a scanner would give them."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from nvc3d.data.epochs import Epochs
from nvc3d.data.scenes.blocks import block_around
from nvc3d.data.scenes.scene import Rows, Scene, Survey, survey
from nvc3d.shapes.rooms import BuiltinRooms

SCANNED = 30000
"""Points of a room: some 500 a square metre."""
BLOCKS = 8
"""Items of each room."""
KEPT = 500
"""Most rooms that are kept in memory, 0.6 MB each."""


class RoomBlocks(Dataset[dict[str, Any]]):
    """What lies in a column around a random point of a room; see LabelledScenes, whose items these
    are like.

    Args:
        rooms: which.
        points: of an item.
        size: of a block in metres, along x and y.
        seed, training: see Epochs.
    """

    aligned = False

    def __init__(
        self, rooms: BuiltinRooms, points: int, size: float, seed: int, training: bool
    ) -> None:
        self.rooms, self.points, self.size = rooms, points, size
        self.categories, self.classes = rooms.categories, rooms.classes
        self._scanned: dict[int, tuple[Scene, Survey]] = {}
        self._epochs = Epochs(seed, training)

    def set_epoch(self, epoch: int) -> None:
        """Choose the blocks of the epoch to come; of no effect outside of training."""
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.rooms) * BLOCKS

    def scenes(self) -> Iterator[Scene]:
        """All rooms, one after the other."""
        for number in range(len(self.rooms)):
            yield self._room(number)[0]

    def label(self, index: int) -> int:
        """The index of the category: all are rooms."""
        return 0

    def whole(self, index: int) -> int:
        """The number of the room that an item is a block of."""
        return index // BLOCKS

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[operator.index(index)]
        rng = self._epochs.rng(index)
        scene, known = self._room(self.whole(index))
        block = block_around(scene, known, int(rng.integers(scene.count)), self.size)
        label = torch.tensor(0, dtype=torch.int64)
        return block.draw(self.points, rng) | {"label": label, "name": str(scene.path)}

    def _room(self, number: int) -> tuple[Scene, Survey]:
        if (scanned := self._scanned.get(number)) is not None:
            return scanned
        mesh, _, name = self.rooms[number]
        points, labels = mesh.sample(SCANNED, np.random.default_rng(number))

        def read(start: int, stop: int) -> Rows:
            return Rows(points[start:stop], {"label": labels[start:stop]})

        scene = Scene(Path(name), SCANNED, frozenset({"label"}), read)
        scanned = scene, survey(scene)
        if len(self._scanned) < KEPT:
            self._scanned[number] = scanned
        return scanned
