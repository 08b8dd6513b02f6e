"""Points with their planes: built-in interiors, or those of a data set."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from nvc3d.data.epochs import Epochs
from nvc3d.data.planes import Planes
from nvc3d.data.planes.builtin import BuiltinPlanes
from nvc3d.data.planes.own import own_planes
from nvc3d.data.registry import Wanted, find
from nvc3d.tasks.planes.config import PlanesConfig
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary

TEST_FRAMES = 100
"""How many looks at built-in interiors are measured on."""
SCALE = 0.1
"""Largest part by which a frame grows or shrinks in training."""
TINT = 0.1
"""Largest change of a colour in training, of all points alike."""


def data(config: PlanesConfig) -> Splits:
    """The frames to train on, new in each epoch where they are built in, and those to measure on,
    which stay.

    Raises ValueError or FileNotFoundError where the folder holds nothing that can be used.
    """
    train: Planes | None
    if config.data is None:
        val: Planes = _builtin(config, training=False)
        train = _builtin(config, training=True)
    else:
        known = find(config.data, "planes")
        folder, wanted = Path(config.data), Wanted(config.seed, config.holdout, config.points)
        if known is None:
            train, val = own_planes(folder, wanted)
        else:
            val = known.open(folder, False, wanted)
            train = None if config.holdout == 1 else known.open(folder, True, wanted)
    colors = config.attributes and all(own.colors for own in (train, val) if own is not None)
    vocabulary = Vocabulary(val.categories, val.types, channels=3 if colors else 0)
    measured = PlanePoints(val, config, colors, training=False)
    if train is None:
        return Splits(Subset(measured, []), measured, vocabulary)
    return Splits(PlanePoints(train, config, colors, training=True), measured, vocabulary)


def _builtin(config: PlanesConfig, training: bool) -> BuiltinPlanes:
    return BuiltinPlanes(
        config.points,
        config.seed,
        training,
        count=config.frames if training else TEST_FRAMES,
        sensor=config.sensor,
        noise=config.noise,
    )


class PlanePoints(Dataset[dict[str, Any]]):
    """The items of a data set of planes, those of training as other looks might give them.

    All randomness of an item comes from (seed, epoch, index) alone.
    """

    def __init__(self, planes: Planes, config: PlanesConfig, colors: bool, training: bool) -> None:
        self.planes, self.colors = planes, colors
        self.augment = config.augment and training
        # Not of the seed itself, of which the points are drawn.
        self._epochs = Epochs(config.seed + 1, training)

    def set_epoch(self, epoch: int) -> None:
        """Choose the frames of the epoch to come; of no effect outside of training."""
        self.planes.set_epoch(epoch)
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as `Planes.draw` has it, without features where colours are not to be seen; and
        label: () int64, the index of its group, and name: str."""
        item = self.planes[operator.index(index)]
        if not self.colors:
            item.pop("features", None)
        if self.augment:
            item |= augmented(item, self._epochs.rng(range(len(self))[operator.index(index)]))
        return item


def augmented(item: dict[str, Any], rng: np.random.Generator) -> dict[str, Tensor]:
    """What changes of an item where it is mirrored or not, scaled about 0, and in another light."""
    mirror, size = rng.random() < 0.5, 1 + SCALE * (2 * rng.random() - 1)
    turn = torch.tensor([-1.0 if mirror else 1.0, 1.0, 1.0])
    changed = {
        "points": item["points"] * turn * size,
        "normal": item["normal"] * turn,
        "offset": item["offset"] * size,
    }
    if "features" in item:
        tint = TINT * (2 * torch.from_numpy(rng.random(3).astype(np.float32)) - 1)
        changed["features"] = (item["features"] + tint).clamp(0, 1)
    return changed
