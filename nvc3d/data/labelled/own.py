"""Shapes whose points are labelled with their parts: built-in ones, and those of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from nvc3d.data.epochs import Epochs
from nvc3d.data.folder import ShapeFolder
from nvc3d.data.label_names import MOST, UNLABELLED
from nvc3d.geometry.mesh import Cloud, Shape
from nvc3d.shapes import CATEGORIES, make_shape
from nvc3d.shapes.made import Made


class PartShapes(Dataset[dict[str, Any]]):
    """Points of shapes with the parts that they belong to.

    All randomness of an item comes from (seed, epoch, index) alone.

    Args:
        shapes: anything indexable of (shape, label, name) that knows its `categories` and the
            `label` of each, as ShapeFolder and Made do.
        first: the number that a shape's own label 0 becomes, by category.
        points: of an item.
        seed, training: see Epochs.
    """

    aligned = False

    def __init__(
        self,
        shapes: ShapeFolder | Made,
        first: dict[str, int],
        points: int,
        seed: int,
        training: bool,
    ) -> None:
        self.shapes, self.first, self.points = shapes, first, points
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

    def whole(self, index: int) -> int:
        """The number of the shape that an item is."""
        return index

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - points: (points, 3) float32, in the unit ball,
        - point_labels: (points,) int64, -1 where a point has none,
        - label: () int64, the index of the category,
        - name: str.
        """
        rng = self._epochs.rng(index)
        shape, label, name = self.shapes[index]
        points, own = shape.sample(self.points, rng)
        none = np.isin(own, UNLABELLED)
        parts = np.where(none, -1, own + self.first[self.categories[label]])
        return {
            "points": torch.from_numpy(points),
            "point_labels": torch.from_numpy(parts),
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


def own_parts(
    shapes: ShapeFolder, names_beside: Sequence[str] = ()
) -> tuple[ShapeFolder, dict[str, tuple[int, ...]], tuple[str, ...], dict[str, int]]:
    """The shapes of a folder that have labels, and the same of them: their categories have the
    parts that occur in their shapes; and the number that label 0 of each category becomes, whether
    or not it occurs.

    Parts are called as the file beside the shapes tells (`label_names`), or the shapes themselves,
    or by their numbers. -1 and 255 are no parts. All shapes are read once, to learn that. Those
    without labels, with labels that have no name in the file beside them, or too high to be of
    parts, are left out; a warning counts and names them.

    Raises ValueError where none is left, on labels that have no name where others of their category
    have, and on shapes of one category that name them differently.
    """
    met: dict[str, set[int]] = {}
    told: dict[str, tuple[str, ...]] = {}
    most = len(names_beside) - 1 if names_beside else MOST
    faults: dict[int, str] = {}
    for number, (shape, label, name) in enumerate(shapes):
        own, category = labels_of(shape), shapes.categories[label]
        if own is None:
            faults[number] = "its points have no labels"
            continue
        found = set(np.unique(own).tolist()) - set(UNLABELLED)
        if max(found, default=0) > most:
            which = "with names" if names_beside else "of parts"
            faults[number] = f"labels {which} must be from 0 to {most}, got {max(found)}"
            continue
        met.setdefault(category, set()).update(found)
        if shape.label_names and told.setdefault(category, shape.label_names) != shape.label_names:
            raise ValueError(f"{name} names its labels differently than others of {category}")
    if faults:
        shapes = shapes.without(faults)
    parts: dict[str, tuple[int, ...]] = {}
    names: list[str] = []
    first: dict[str, int] = {}
    for category, labels in sorted(met.items()):
        first[category] = len(names)
        # Labels that never occur keep their numbers but are no parts: each would count as found.
        parts[category] = tuple(first[category] + i for i in sorted(labels))
        count = max(labels, default=0) + 1
        own_names = [*(names_beside or told.get(category, ()))]
        if own_names and count > len(own_names):
            raise ValueError(
                f"{shapes.root}: labels with names are from 0 to {len(own_names) - 1}, and shapes "
                f"of {category} have {count - 1}"
            )
        names += [f"{category} {name}" for name in (own_names[:count] or range(count))]
    if not any(parts.values()):
        raise ValueError(f"{shapes.root}: no point of its shapes has a label")
    return shapes, parts, tuple(names), first


def labels_of(shape: Shape) -> NDArray[np.int64] | None:
    """The labels of a cloud's points or a mesh's faces, if it has any."""
    return shape.labels if isinstance(shape, Cloud) else shape.face_labels
