"""Shapes whose points are labelled with their parts: built-in ones, and those of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from nvc3d.data.epochs import Epochs
from nvc3d.data.folder import ShapeFolder
from nvc3d.data.mesh import Cloud, Shape
from nvc3d.data.shapes import CATEGORIES, make_shape
from nvc3d.data.shapes.made import Made


class PartShapes(Dataset[dict[str, Any]]):
    """Points of shapes with the parts that they belong to.

    All randomness of an item comes from (seed, epoch, index) alone.

    Args:
        shapes: anything indexable of (shape, label, name) that knows its `categories` and the
            `label` of each, as ShapeFolder and Made do.
        parts: the numbers of each category's parts; a shape's own labels count from the first.
        points: of an item.
        seed, training: see Epochs.
    """

    def __init__(
        self,
        shapes: ShapeFolder | Made,
        parts: dict[str, tuple[int, ...]],
        points: int,
        seed: int,
        training: bool,
    ) -> None:
        self.shapes, self.parts, self.points = shapes, parts, points
        self.categories = shapes.categories
        self._epochs = Epochs(seed, training)

    def set_epoch(self, epoch: int) -> None:
        """Choose the points of the epoch to come; of no effect outside of training."""
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.shapes)

    def label(self, index: int) -> int:
        """The index of a shape's category."""
        return self.shapes.label(index)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - points: (points, 3) float32, in the unit ball,
        - parts: (points,) int64,
        - label: () int64, the index of the category,
        - name: str.
        """
        rng = self._epochs.rng(index)
        shape, label, name = self.shapes[index]
        points, own = shape.sample(self.points, rng)
        first = self.parts[self.categories[label]][0]
        return {
            "points": torch.from_numpy(points),
            "parts": torch.from_numpy(own + first),
            "label": torch.tensor(label, dtype=torch.int64),
            "name": name,
        }


def builtin_parts() -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """The numbers of the parts of each built-in category, and the names of all parts."""
    parts: dict[str, tuple[int, ...]] = {}
    names: list[str] = []
    for category in CATEGORIES:
        own = make_shape(category, 0).label_names
        parts[category] = tuple(range(len(names), len(names) + len(own)))
        names += [f"{category} {name}" for name in own]
    return parts, tuple(names)


def own_parts(shapes: ShapeFolder) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """The same of a folder: of each category, parts 0 to the highest label of its shapes.

    All shapes are read once, to learn that. Raises ValueError where one has no labels.
    """
    highest = dict.fromkeys(shapes.categories, 0)
    for shape, label, name in shapes:
        own = labels_of(shape)
        if own is None:
            raise ValueError(f"{name}: its points have no labels, so no parts can be learned")
        category = shapes.categories[label]
        highest[category] = max(highest[category], int(np.max(own)))
    parts: dict[str, tuple[int, ...]] = {}
    names: list[str] = []
    for category, top in highest.items():
        parts[category] = tuple(range(len(names), len(names) + top + 1))
        names += [f"{category} {i}" for i in range(top + 1)]
    return parts, tuple(names)


def labels_of(shape: Shape) -> Sequence[int] | None:
    """The labels of a cloud's points or a mesh's faces, if it has any."""
    labels = shape.labels if isinstance(shape, Cloud) else shape.face_labels
    return None if labels is None else labels.tolist()
