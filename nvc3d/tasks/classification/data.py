"""Clouds with the category of their shape: built-in shapes, a folder's, or a data set's."""

from __future__ import annotations

import copy
import operator
from collections.abc import Collection
from math import ceil, exp, nan
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Subset

from nvc3d.data.epochs import Epochs
from nvc3d.data.few_labels import choose, repeated
from nvc3d.data.labelled.scans import Shapes, shapes_in
from nvc3d.data.registry import Wanted, find
from nvc3d.geometry.augment import augment, sparse, strewn
from nvc3d.geometry.mesh import Shape
from nvc3d.shapes import BuiltinShapes
from nvc3d.shapes.made import Made
from nvc3d.tasks.classification.config import ClassificationConfig
from nvc3d.tasks.task import Items, Splits
from nvc3d.tasks.vocabulary import Vocabulary

TEST_SHAPES = 460
"""How many built-in shapes are measured on: twenty of each category."""
UNNAMED = "shape"
"""The one category of a model that learned without any."""


SIZES = 0.1
"""Standard deviation of the logarithm by which sizes change in training."""


def data(config: ClassificationConfig) -> Splits:
    """The clouds to train on, new in each epoch, and those to measure on, which stay.

    Only what has a label is measured on. Raises ValueError or FileNotFoundError where the folder
    holds no shapes that can be used, shapes of one category only, none with a label where nothing
    else is learned, or too few without one to ask for.
    """
    if config.data is None:
        train: Shapes = Made(BuiltinShapes("train", config.shapes, config.seed))
        test: Shapes = BuiltinShapes("test", TEST_SHAPES, config.seed)
    else:
        known = find(config.data, "shapes", "parts")
        own, test = shapes_in(config.data, known, Wanted(config.seed, config.holdout), alone="")
        train = test if own is None else own
    held_out = ClassifiedClouds(test, config, training=False)
    told = [i for i in range(len(test)) if test.label(i) >= 0]
    val: Items = held_out if len(told) == len(test) else Subset(held_out, told)
    if config.data is not None and config.holdout == 1:
        return Splits(Subset(held_out, []), val, Vocabulary(test.categories))
    clouds = ClassifiedClouds(train, config, training=True)
    _check(clouds, config)
    return Splits(clouds, val, Vocabulary(train.categories or (UNNAMED,)))


def _check(clouds: ClassifiedClouds, config: ClassificationConfig) -> None:
    """Raise ValueError unless there is something to learn, and enough to ask for."""
    where = config.data or "the built-in shapes"
    if not clouds.labelled and config.reconstruct == 0:
        raise ValueError(
            f"{where}: no shape has a label that is used, of files those in sub-folders have one: "
            "learn from the clouds themselves by --reconstruct, a weight such as 100"
        )
    present = {clouds.shapes.label(i) for i in clouds.labelled}
    if len(present) == 1:
        raise ValueError(
            f"{where}: there must be two categories at least to "
            f"train on, each a sub-folder, got only {clouds.shapes.categories[present.pop()]}"
        )
    if config.ask and config.bottleneck != "nebula":
        raise ValueError(
            f"--ask needs the anchors of a nebula, got --bottleneck {config.bottleneck}"
        )
    if config.ask > (rest := len(clouds.shapes) - len(clouds.labelled)):
        raise ValueError(
            f"{where}: {rest} of {len(clouds.shapes)} training shapes are used without a label "
            f"(--labelled says how many), and --ask is for {config.ask} of them"
        )


class ClassifiedClouds(Dataset[dict[str, Any]]):
    """A cloud of each shape, with its category and whether that may be learned from.

    Where few shapes are labelled, those come several times in an epoch. All randomness of an item
    comes from (seed, epoch, index) alone.
    """

    def __init__(self, shapes: Shapes, config: ClassificationConfig, training: bool) -> None:
        self.shapes = shapes
        self.points = config.points
        self.augment = config.augment and training
        self.turn, self.crop = config.turn, config.crop
        self.second_view = config.second_view and training
        labels = [shapes.label(i) for i in range(len(shapes))]
        fraction = config.labelled if training else 1.0
        self.labelled = frozenset(choose(labels, fraction, config.seed))
        self._items = repeated(len(shapes), self.labelled)
        self._epochs = Epochs(config.seed, training)

    def with_labels(self, labelled: Collection[int]) -> ClassifiedClouds:
        """The same shapes, of which those with these numbers are labelled instead."""
        other = copy.copy(self)
        other.labelled = frozenset(labelled)
        other._items = repeated(len(self.shapes), other.labelled)
        return other

    def set_epoch(self, epoch: int) -> None:
        """Choose the clouds of the epoch to come; of no effect outside of training."""
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - points: (points, 3) float32, in the unit ball or, augmented, hardly beyond,
        - other_view: the same of a second view, where there is one,
        - size: () float32, metres of that ball's radius; NaN where nobody knows,
        - label: () int64, -1 where there is none,
        - labelled: () bool, whether the label may be learned from,
        - name: str.
        """
        index = range(len(self))[operator.index(index)]
        rng = self._epochs.rng(index)
        which = self._items[index]
        shape, label, name = self.shapes[which]
        item = {"points": self._draw(shape, rng), "size": self._size(shape, rng)}
        if self.second_view:
            item["other_view"] = self._draw(shape, rng)
        # What stands in for a broken file may have a label that is not to be known.
        labelled = which in self.labelled and label == self.shapes.label(which)
        return item | {
            "label": torch.tensor(label, dtype=torch.int64),
            "labelled": torch.tensor(labelled),
            "name": name,
        }

    def _size(self, shape: Shape, rng: np.random.Generator) -> torch.Tensor:
        size = getattr(shape, "unit", None) or nan
        if self.augment:
            size *= exp(SIZES * rng.standard_normal())
        return torch.tensor(size, dtype=torch.float32)

    def _draw(self, shape: Shape, rng: np.random.Generator) -> torch.Tensor:
        if self.augment:
            # So many that enough are left of what the crop leaves.
            drawn = shape.sample(ceil(self.points / (1 - self.crop)), rng)[0]
            seen = augment(drawn, self.points, rng, self.turn, self.crop)
            return torch.from_numpy(sparse(strewn(seen, rng), rng))
        return torch.from_numpy(shape.sample(self.points, rng)[0])
