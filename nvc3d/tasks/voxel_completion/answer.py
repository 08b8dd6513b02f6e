"""A grid with what it misses, and the points that its voxels stand for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.atomic import atomic_write
from nvc3d.files.fitting import write_columns
from nvc3d.files.written import numbered
from nvc3d.geometry.laid import with_laid
from nvc3d.geometry.mesh import Cloud, Shape
from nvc3d.geometry.voxelise import UNKNOWN, cells, place, voxelise
from nvc3d.tasks.voxel_completion.config import VoxelCompletionNet
from nvc3d.tasks.voxel_completion.model import VoxelCompletionModel, filled


class Placed(NamedTuple):
    """A grid, and where it lies."""

    grid: NDArray[np.uint8]
    """(X, Y, Z)"""
    corner: NDArray[np.float64]
    """(3,)"""
    side: float
    """of a voxel"""
    columns: Mapping[str, NDArray] = {}
    """What is known of the occupied voxels, in order, (V,) or (V, C) each by name."""
    label_names: tuple[str, ...] = ()

    @property
    def occupied(self) -> NDArray[np.bool_]:
        """(X, Y, Z)"""
        occupied: NDArray[np.bool_] = (self.grid > 0) & (self.grid != UNKNOWN)
        return occupied

    def centres(self, index: NDArray[np.integer]) -> NDArray[np.float64]:
        """The centres (V, 3) of voxels (V, 3)."""
        centres: NDArray[np.float64] = self.corner + (index + 0.5) * self.side
        return centres


class Answers(NamedTuple):
    """What a model makes of a grid."""

    given: Placed
    grids: list[NDArray[np.uint8]]
    """(X, Y, Z) each, 0 where empty, else 1 or the class; the best guess first."""
    classes: tuple[str, ...]
    """names of 1, 2, ...; none where a voxel is occupied or not"""

    def laid(self, index: int = 0) -> NDArray[np.bool_]:
        """The voxels (X, Y, Z) of an answer that were not given."""
        laid: NDArray[np.bool_] = (self.grids[index] > 0) & ~self.given.occupied
        return laid

    def completed(self, index: int = 0) -> Cloud:
        """The centres of the occupied voxels of an answer, those given first, with all that is
        known of them; see `with_laid`. The label is the class, where there are classes; one that
        the scan had is then `given_label`."""
        own, laid = np.argwhere(self.given.occupied), np.argwhere(self.laid(index))
        scan = Cloud(self.given.centres(own), self.given.columns, self.given.label_names)
        cloud = with_laid(scan, self.given.centres(laid))
        return self._labelled(cloud, np.concatenate([own, laid]), index)

    def missing(self, index: int = 0) -> Cloud:
        """The centres of the voxels that were laid. Raises ValueError where there are none."""
        laid = np.argwhere(self.laid(index))
        if len(laid) == 0:
            raise ValueError("no voxel was laid beside those that were given")
        return self._labelled(Cloud(self.given.centres(laid)), laid, index)

    def write(self, path: str | Path) -> list[Path]:
        """Write the answers: one to `path`, several to NAME-1, NAME-2, ... An .npz has the grid as
        `voxels`, what was laid as `completed`, `origin` (3,) and `side` (); an .npy the grid alone;
        all other files the centres of the occupied voxels, as `completed` gives them."""
        paths = numbered(Path(path), len(self.grids))
        for index, target in enumerate(paths):
            if target.suffix.lower() in (".npz", ".npy"):
                self.write_grid(target, index)
            else:
                write_columns(target, self.completed(index))
        return paths

    def write_grid(self, path: Path, index: int = 0, only_missing: bool = False) -> None:
        """Write the grid of an answer, or only what was laid of it, as .npz or .npy."""
        laid, values = self.laid(index), self.grids[index]
        if only_missing:
            values = np.where(laid, values, 0).astype(np.uint8)
        grid = values if self.classes else values > 0
        with atomic_write(path) as file:
            if path.suffix.lower() == ".npy":
                np.save(file, grid)
            else:
                corner, side = self.given.corner, self.given.side
                np.savez_compressed(file, voxels=grid, completed=laid, origin=corner, side=side)

    def _labelled(self, cloud: Cloud, where: NDArray[np.intp], index: int) -> Cloud:
        if not self.classes:
            return cloud
        columns = dict(cloud.columns)
        if "label" in columns:
            columns["given_label"] = columns.pop("label")
        columns["label"] = self.grids[index][tuple(where.T)].astype(np.int64)
        return Cloud(cloud.points, columns, ("empty", *self.classes))


def answer(
    model: VoxelCompletionModel,
    config: VoxelCompletionNet,
    shape: Shape,
    *,
    samples: int = 1,
    seed: int = 0,
) -> Answers:
    """What `complete` makes of the voxels that a shape fills, in `samples` plausible ways."""
    return complete(model, placed(shape, config.size), seed, samples)


def placed(shape: Shape, size: tuple[int, int, int]) -> Placed:
    """The grid that a shape fills. A voxel has the columns of the first of a cloud's points in
    it."""
    grid = voxelise(shape, size, np.random.default_rng(0))
    corner, side = place(shape, size)
    if not isinstance(shape, Cloud):
        return Placed(grid, corner, side)
    _, first = np.unique(cells(shape.points, corner, side, size), return_index=True)
    columns = {name: values[first] for name, values in shape.columns.items()}
    return Placed(grid, corner, side, columns, shape.label_names)


def complete(model: VoxelCompletionModel, given: Placed, seed: int = 0, count: int = 1) -> Answers:
    """Complete a grid of the model's size in `count` plausible ways; what is occupied stays.

    A grid that marks unknown voxels (255) says by its zeros what is free, and that is kept too; any
    other leaves open what its empty voxels are.

    Raises ValueError where the code has one answer only and is asked for more.
    """
    seen = given.occupied
    free = (given.grid == 0) & (given.grid == UNKNOWN).any()
    view = torch.from_numpy(np.stack([seen, free]).astype(np.float32))[None]
    scores = model.alternatives(view, count, torch.Generator().manual_seed(seed))  # (K, 1, C, ...)
    grids = [filled(some, view)[0].numpy().astype(np.uint8) for some in scores]
    return Answers(given, grids, model.classes)
