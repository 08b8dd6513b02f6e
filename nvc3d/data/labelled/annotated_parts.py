"""ShapeNetPart as it was first handed out: points and labels in files of their own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.labelled.shapenetpart import (
    LISTED,
    PART_NAMES,
    own_parts,
    read_categories,
    read_shapes,
)
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, present, read_from
from nvc3d.files import PathLike

_LABELS = ("points_label", "expert_verified/points_label")


class AnnotatedParts(LabelledClouds):
    """See ShapeNetPart, whose 50 labels these are; without normals.

        synsetoffset2category.txt               a line "<category> <synset>" for each
        <synset>/points/<id>.pts                lines "x y z"
        <synset>/points_label/<id>.seg          a line for each point: its part from 1 on, 0 for
                                                none; or in expert_verified/points_label/

    Args:
        root: the folder.
        shapes: synset and id of those wanted.
        training: whether what is drawn is new in each epoch.
        points, seed: see LabelledClouds.

    Raises:
        FileNotFoundError: there is no list of categories.
        ValueError: a category that is none of ShapeNetPart's.
    """

    axes = (2, 0, 1)
    part_names = PART_NAMES

    def __init__(
        self,
        root: PathLike,
        shapes: Sequence[tuple[str, str]],
        training: bool,
        points: int | None = 2048,
        seed: int = 0,
    ) -> None:
        super().__init__(points, seed, training)
        self._root = Path(root)
        names = read_from(self._root / LISTED, read_categories)
        self.categories = tuple(sorted(names.values()))
        for category in self.categories:
            own_parts(category)
        self._shapes = list(shapes)
        self._labels = [self.categories.index(names[synset]) for synset, _ in shapes]

    def __len__(self) -> int:
        return len(self._shapes)

    def name(self, index: int) -> str:
        return "/".join(self._shapes[index])

    def label(self, index: int) -> int:
        return self._labels[index]

    def parts_of(self, category: str) -> tuple[int, ...]:
        return own_parts(category)

    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        synset, name = self._shapes[index]
        path, labels = (
            self._root / synset / "points" / f"{name}.pts",
            segments(self._root, synset, name),
        )
        if labels is None:
            raise ValueError(f"{path}: there are no labels of its points")
        cloud = as_cloud(path, read_from(path, lambda file: np.loadtxt(file, ndmin=2)))
        own = np.array(own_parts(self.categories[self._labels[index]]))
        parts = read_from(labels, lambda file: np.loadtxt(file, np.int64, ndmin=1))
        if parts.shape != (len(cloud),) or parts.min() < 0 or parts.max() > len(own):
            raise ValueError(
                f"{labels}: expected {len(cloud)} numbers from 0 to {len(own)}, "
                f"got {parts.shape[0]} from {parts.min()} to {parts.max()}"
            )
        return Labelled(cloud, None, _numbered(parts, own))


def _numbered(parts: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels of parts 1, 2, ... of a category; -1 for 0."""
    return np.concatenate([[-1], own])[parts]


def segments(root: Path, synset: str, name: str) -> Path | None:
    """Where the labels of a shape are."""
    files = (root / synset / folder / f"{name}.seg" for folder in _LABELS)
    return next((file for file in files if file.is_file()), None)


def _open(root: Path, training: bool, wanted: Wanted) -> AnnotatedParts:
    names = read_from(root / LISTED, read_categories)
    split = "train" if training else "test"
    listing = root / "train_test_split" / f"shuffled_{split}_file_list.json"

    def is_there(shape: tuple[str, str]) -> bool:
        points = root / shape[0] / "points" / f"{shape[1]}.pts"
        return points.is_file() and segments(root, *shape) is not None

    if listing.is_file():
        listed = [shape for shape in read_from(listing, read_shapes) if shape[0] in names]
        shapes = present(listing, listed, is_there)
    else:
        files = sorted(
            path for synset in names for path in (root / synset / "points").glob("*.pts")
        )
        every = [(path.parents[1].name, path.stem) for path in files if path.name[0] != "."]
        shapes = present(root / LISTED, every, is_there)
        if wanted.holdout < 1:
            if training:
                warnings.warn(
                    f"{root}: without train_test_split/, {wanted.holdout:g} of the shapes are "
                    "measured on",
                    stacklevel=2,
                )
            ids = ["/".join(shape) for shape in shapes]
            parts = deal(ids, wanted.seed, (1 - wanted.holdout, wanted.holdout))
            shapes = [shapes[index] for index in parts[0 if training else 1]]
    return AnnotatedParts(root, shapes, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ShapeNetPart, points and labels apart (PartAnnotation, `..._benchmark_v0`)",
        gives="parts",
        told_by="`synsetoffset2category.txt` and `*/points/`",
        holds=lambda path: (path / LISTED).is_file() and any(path.glob("*/points")),
        open=_open,
        split="`train`, `test`; `--holdout` without `train_test_split/`",
        labels="50 parts of 16 categories, 0 for none",
    ),
)
