"""Looks at voxel grids: of a folder, of SemanticKITTI, of built-in shapes and rooms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Subset

from nvc3d.data.grids import GridFolder, Grids, PartialGrids, voxelise
from nvc3d.data.grids.shapes import ShapeGrids
from nvc3d.data.labelled.scans import shapes_in
from nvc3d.data.registry import DataSet, Wanted, find
from nvc3d.geometry.mesh import Mesh
from nvc3d.shapes import BuiltinShapes
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.tasks.voxel_completion.config import VoxelCompletionConfig

TEST_SHAPES = 115
"""How many built-in shapes, or rooms, are measured on."""


def data(config: VoxelCompletionConfig) -> Splits:
    """The looks to train on, new in each epoch, and those to measure on, which stay.

    Raises ValueError or FileNotFoundError where the folder holds no grids that can be used, or too
    few.
    """
    known = None if config.data is None else find(config.data, "grids", "shapes", "parts")
    if known is not None and known.gives == "grids":
        return _stored(known, config)
    train, test = _grids(config, known)
    val = PartialGrids(test, seed=config.seed, training=False)
    if train is None:
        return Splits(Subset(val, []), val, Vocabulary(test.categories, test.classes))
    return Splits(
        PartialGrids(train, config.views, config.seed, second=config.second_view),
        val,
        Vocabulary(test.categories, test.classes),
    )


def _grids(config: VoxelCompletionConfig, known: DataSet | None) -> tuple[Grids | None, Grids]:
    """The grids to train on, None where all are measured on, and those to measure on."""
    if config.data is None:
        sizes = (("train", config.shapes), ("test", TEST_SHAPES))
        made = [MadeGrids(_meshes(split, count, config), config) for split, count in sizes]
        return made[0], made[1]
    if known is not None:
        own, held_out = shapes_in(config.data, known, Wanted(config.seed, config.holdout))
        return None if own is None else ShapeGrids(own, config.size), ShapeGrids(
            held_out, config.size
        )
    folder = GridFolder(config.data, config.size, config.category)
    if config.holdout == 1 or not config.test_last:
        train, test = folder.parts(config.holdout, config.seed)
    else:
        if config.test_last >= len(folder):
            raise ValueError(
                f"test_last must be below the number of grids, {len(folder)}, "
                f"got {config.test_last}"
            )
        rest = range(len(folder) - config.test_last)
        train, test = folder.of(rest), folder.of(range(len(rest), len(folder)))
    if train is None:
        return None, test
    if config.train_first > len(train):
        raise ValueError(
            f"train_first must be at most the number of training grids, {len(train)}, "
            f"got {config.train_first}"
        )
    return train.of(range(config.train_first or len(train))), test


def _stored(known: DataSet, config: VoxelCompletionConfig) -> Splits:
    wanted = Wanted(config.seed, config.holdout, size=config.size)
    val = known.open(Path(str(config.data)), False, wanted)
    train = Subset(val, [])
    if config.holdout < 1:
        train = known.open(Path(str(config.data)), True, wanted)
    return Splits(train, val, Vocabulary(val.categories, val.classes))


def _meshes(split: str, count: int, config: VoxelCompletionConfig) -> Meshes:
    if config.scenes:
        from nvc3d.shapes.rooms import BuiltinRooms

        return BuiltinRooms(split, count, config.seed)
    return BuiltinShapes(split, count, config.seed)


class Meshes(Protocol):
    """Built-in meshes, each with the index of its category and its name; those of rooms have
    `classes`, the names of the labels."""

    @property
    def categories(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Mesh, int, str]: ...


class MadeGrids(Sequence[tuple[NDArray[np.uint8], int, str]]):
    """The grids of built-in meshes; each is made once. Rooms have classes."""

    def __init__(self, meshes: Meshes, config: VoxelCompletionConfig) -> None:
        self._meshes, self._size = meshes, config.size
        self._made: dict[int, NDArray[np.uint8]] = {}
        self.categories = meshes.categories
        self.classes: tuple[str, ...] = getattr(meshes, "classes", ())

    def __len__(self) -> int:
        return len(self._meshes)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int, str]:  # type: ignore[override]
        mesh, label, name = self._meshes[index]
        if index not in self._made:
            self._made[index] = self._make(mesh)
        return self._made[index], label, name

    def _make(self, mesh: Mesh) -> NDArray[np.uint8]:
        return voxelise(mesh, self._size, np.random.default_rng(0), classes=bool(self.classes))
