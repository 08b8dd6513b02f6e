"""Labelled points: parts of shapes, and blocks of scenes."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from nvc3d.data.epochs import Epochs
from nvc3d.data.few_labels import choose, repeated
from nvc3d.data.folder import ShapeFolder
from nvc3d.data.label_names import label_names
from nvc3d.data.labelled import LabelledClouds
from nvc3d.data.labelled.own import PartShapes, builtin_parts, own_parts
from nvc3d.data.registry import Wanted, find
from nvc3d.data.scenes import dealt
from nvc3d.data.scenes.rooms import BLOCKS, RoomBlocks
from nvc3d.geometry.augment import Turn, moved
from nvc3d.shapes import BuiltinShapes
from nvc3d.shapes.made import Made
from nvc3d.shapes.rooms import ROOM_CLASSES, BuiltinRooms
from nvc3d.tasks.segmentation.config import SegmentationConfig
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary

TEST_SHAPES = 230
"""How many built-in shapes are measured on: ten of each category."""
TEST_ROOMS = 20
NONE = -1
"""The label of a point whose label is not there, or not to be known."""


class Source(Protocol):
    """Items of points (N, 3), point_labels (N,), label () and name, and features (N, C) or normals
    (N, 3) if there are any."""

    @property
    def aligned(self) -> bool:
        """Whether all face the same way and are measured so, so that turning them takes away."""

    @property
    def categories(self) -> tuple[str, ...]: ...

    def set_epoch(self, epoch: int) -> None: ...

    def __len__(self) -> int: ...

    def label(self, index: int) -> int: ...

    def whole(self, index: int) -> int:
        """The number of the shape or scene that an item is, or is a block of."""

    def __getitem__(self, index: int) -> dict[str, Any]: ...


class LabelledPoints(Dataset[dict[str, Any]]):
    """Items of a source, some of them with their labels hidden (-1).

    Args:
        source: of the items.
        normals: hand them out, where there are any.
        fraction: of the shapes or scenes that keep their labels, of each category one at least;
            they come several times in an epoch where they are few.
        augment: turn, shrink and jitter them.
        turn: how they are turned; None: about z, unless all of the source are aligned.
        second: give a second view of the same points too.
        seed, training: see Epochs.
    """

    def __init__(
        self,
        source: Source,
        *,
        normals: bool = True,
        fraction: float = 1.0,
        augment: bool = False,
        turn: Turn | None = None,
        second: bool = False,
        seed: int = 0,
        training: bool = False,
    ) -> None:
        self.source, self.augment = source, augment
        self.turn: Turn = turn or ("none" if source.aligned else "vertical")
        self.second = second
        self.normals = normals
        self.categories = source.categories
        self.labelled = frozenset(_labelled(source, fraction, seed))
        self._items = repeated(len(source), self.labelled) if training else range(len(source))
        self._epochs = Epochs(seed, training)

    def set_epoch(self, epoch: int) -> None:
        """Choose the points of the epoch to come; of no effect outside of training."""
        self.source.set_epoch(epoch)
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - points: (N, 3) float32,
        - features: (N, C) float32, normals or what a block has, where there are any,
        - other_view, other_features: the same of the same points seen anew, where they are,
        - point_labels: (N,) int64, -1 where a label is not there or not to be known,
        - label: () int64, the index of the category,
        - name: str.
        """
        index = range(len(self))[operator.index(index)]
        which = self._items[index]
        item = self.source[which]
        normals = item.pop("normals", None)
        turned = normals if self.normals else None
        given, rng = item["points"], self._epochs.rng(index)
        item["points"], features = self._view(given, turned, rng)
        if features is not None:
            item["features"] = features
        if self.second:
            item["other_view"], features = self._view(given, turned, rng)
            if "features" in item:
                item["other_features"] = item["features"] if features is None else features
        # What stands in for a broken file may have labels that are not to be known.
        if which not in self.labelled or int(item["label"]) != self.source.label(which):
            item["point_labels"] = torch.full_like(item["point_labels"], NONE)
        return item

    def _view(
        self, points: Tensor, normals: Tensor | None, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Points (N, 3) and their normals (N, 3), moved where they are to be."""
        if not self.augment:
            return points, normals
        turned = None if normals is None else normals.numpy().copy()
        seen = torch.from_numpy(moved(points.numpy(), rng, turned, self.turn))
        return seen, None if turned is None else torch.from_numpy(turned)


def _labelled(source: Source, fraction: float, seed: int) -> list[int]:
    """The items that keep their labels: all of a whole, or none. An item may be another block of it
    in each epoch, and would in time show all labels."""
    wholes = [source.whole(i) for i in range(len(source))]
    groups = {whole: source.label(i) for i, whole in enumerate(wholes)}
    kept = set(choose([groups[whole] for whole in sorted(groups)], fraction, seed))
    return [i for i, whole in enumerate(wholes) if whole in kept]


def data(config: SegmentationConfig) -> Splits:
    """The points to train on, new in each epoch, and those to measure on, which stay.

    Raises ValueError or FileNotFoundError where the folder holds nothing that can be used.
    """
    train, val, names = _builtin(config) if config.data is None else _read(config.data, config)
    measured = LabelledPoints(val, normals=config.attributes)
    features = measured[0].get("features")
    channels = 0 if features is None else features.shape[-1]
    vocabulary = Vocabulary(val.categories, names.labels, names.of_group, channels)
    if train is None:
        return Splits(Subset(measured, []), measured, vocabulary)
    learned = LabelledPoints(
        train,
        normals=config.attributes,
        fraction=config.labelled,
        augment=config.augment,
        turn=config.turn,
        second=config.second_view,
        seed=config.seed,
        training=True,
    )
    return Splits(learned, measured, vocabulary)


Sources = tuple[Source | None, Source, Vocabulary]
"""What is learned from, what is measured on, and the names of their labels."""


def _builtin(config: SegmentationConfig) -> Sources:
    if config.scenes:
        blocks = (config.points, config.block, config.seed)
        rooms = BuiltinRooms("train", -(-config.shapes // BLOCKS), config.seed)
        others = BuiltinRooms("test", TEST_ROOMS, config.seed)
        return (
            RoomBlocks(rooms, *blocks, training=True),
            RoomBlocks(others, *blocks, training=False),
            Vocabulary(labels=ROOM_CLASSES),
        )
    parts, names = builtin_parts()
    first = {category: own[0] for category, own in parts.items()}
    made = Made(BuiltinShapes("train", config.shapes, config.seed))
    test = Made(BuiltinShapes("test", TEST_SHAPES, config.seed))
    drawn = (config.points, config.seed)
    return (
        PartShapes(made, first, *drawn, training=True),
        PartShapes(test, first, *drawn, training=False),
        Vocabulary(labels=names, of_group=parts),
    )


def _read(root: str, config: SegmentationConfig) -> Sources:
    """What a data set of others holds, or a folder of the user's own."""
    known = find(root, "scenes") if config.scenes else find(root, "scenes", "parts")
    if known is None and not config.scenes:
        return _own_parts(root, config)
    if known is None:
        train, val = dealt(root, config.holdout, config.points, config.block, config.seed)
    else:
        path = Path(root)
        wanted = Wanted(config.seed, config.holdout, config.points, block=config.block)
        val = known.open(path, False, wanted)
        train = None if config.holdout == 1 else known.open(path, True, wanted)
    if isinstance(val, LabelledClouds):
        of_group = {category: val.parts_of(category) for category in val.categories}
        return train, val, Vocabulary(labels=val.part_names, of_group=of_group)
    both = [some for some in (train, val) if some is not None]
    if not (config.attributes and all(some.colors for some in both)):
        for some in both:
            some.without_colors()
    return train, val, Vocabulary(labels=val.classes)


def _own_parts(root: str, config: SegmentationConfig) -> Sources:
    shapes, parts, names, first = own_parts(ShapeFolder(root), label_names(Path(root)))
    own, held_out = shapes.parts(config.holdout, config.seed)
    drawn = (config.points, config.seed)
    train = None if own is None else PartShapes(own, first, *drawn, training=True)
    val = PartShapes(held_out, first, *drawn, training=False)
    return train, val, Vocabulary(labels=names, of_group=parts)
