"""Completing a file with a model of voxel grids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.atomic import atomic_write
from nvc3d.checkpoint import Run
from nvc3d.data.grids import UNKNOWN, as_grid, holds_grids, place, read_grids, voxelise
from nvc3d.files import read_shape, reading, write_cloud
from nvc3d.files.npz import open_npz
from nvc3d.tasks.voxel_completion import VoxelCompletionModel
from nvc3d.tasks.voxel_completion.model import filled


class Given(NamedTuple):
    """A grid, and where it lies in the coordinates of its file."""

    grid: NDArray[np.uint8]  # (X, Y, Z)
    corner: NDArray[np.float64]  # (3,)
    side: float


def complete_file(
    run: Run, model: VoxelCompletionModel, source: Path, targets: Sequence[Path], seed: int
) -> str:
    """Write as many answers as there are targets, and a picture if they are several; says so in a
    sentence.

    What is given of a grid, or of the voxels of a mesh or cloud that fills one, is kept. A grid
    that marks unknown voxels (255) says by its zeros what is free, and that is kept too; any other
    leaves open what its empty voxels are. A target is told by its suffix: .npz has the grid as
    `voxels`, with `origin` (3,), the corner of the grid, and `side` (), of a voxel, those of the
    source where it has them; .npy the grid alone; all others have the centres of the occupied
    voxels, with their classes as labels where the format and the model have any.

    Raises ValueError where the file holds several grids, one of another size than the model's, or
    an `origin` or `side` that is none, and what `read_shape` and `write_cloud` raise.
    """
    given = read(source, run.config.size)
    seen = (given.grid > 0) & (given.grid != UNKNOWN)
    # Where nothing is marked as unknown, an empty voxel may be hidden as well as free.
    free = (given.grid == 0) & (given.grid == UNKNOWN).any()
    view = torch.from_numpy(np.stack([seen, free]).astype(np.float32))[None]
    generator = torch.Generator().manual_seed(seed)
    scores = model.alternatives(view, len(targets), generator)  # (K, 1, C, X, Y, Z)
    answers = [filled(some, view)[0].numpy().astype(np.uint8) for some in scores]
    for target, answer in zip(targets, answers, strict=True):
        write(target, given._replace(grid=answer), bool(model.classes))
    count = int((answers[0] > 0).sum())
    if len(targets) == 1:
        return f"{source}: {count} voxels, {int(seen.sum())} of them given, in {targets[0]}"

    from nvc3d.viz import draw_clouds

    picture = draw_clouds(
        targets[0].with_name(f"{source.stem}-samples.png"),
        {"": [np.argwhere(grid) + 0.5 for grid in (seen, *answers)]},
        ["scan", "best guess", *(f"answer {i}" for i in range(2, len(targets) + 1))],
    )
    return (
        f"{source}: {len(targets)} answers written to {targets[0]} ... {targets[-1].name}, "
        f"shown in {picture}"
    )


def read(source: Path, size: tuple[int, int, int]) -> Given:
    """The grid that a file holds, or that of the shape in it."""
    if not holds_grids(source):
        shape = read_shape(source)
        corner, side = place(shape, size)
        return Given(voxelise(shape, size, np.random.default_rng(0)), corner, side)
    with reading(source):
        found = [grid for _, grid in read_grids(source, source.name)]
        if len(found) != 1:
            raise ValueError(f"it holds {len(found)} voxel grids, not one")
        return Given(as_grid(found[0], size), *_placed(source))


def _placed(source: Path) -> tuple[NDArray[np.float64], float]:
    """Where the grid of a file lies; one that does not say so is in units of voxels."""
    stored = {"origin": np.zeros(3), "side": np.ones(())}
    if source.suffix.lower() == ".npz":
        with open_npz(source) as arrays:
            stored |= {name: arrays[name].load() for name in stored if name in arrays}
    for name, array in stored.items():
        wanted = {"origin": (3,), "side": ()}[name]
        if array.shape != wanted or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise ValueError(
                f"{name} must be finite numbers {wanted}, got {array.dtype} {array.shape}"
            )
    if stored["side"] <= 0:
        raise ValueError(f"side must be positive, got {stored['side']}")
    return stored["origin"].astype(np.float64), float(stored["side"])


def write(target: Path, answer: Given, classes: bool) -> None:
    """Write a completed grid; see `complete_file`."""
    suffix = target.suffix.lower()
    if suffix in (".npz", ".npy"):
        grid = answer.grid if classes else answer.grid > 0
        with atomic_write(target) as file:
            if suffix == ".npy":
                np.save(file, grid)
            else:
                np.savez_compressed(file, voxels=grid, origin=answer.corner, side=answer.side)
        return
    index = np.argwhere(answer.grid)
    labels = answer.grid[tuple(index.T)].astype(np.int32)
    points = answer.corner + (index + 0.5) * answer.side
    has_place = classes and suffix in (".ply", ".pcd", ".csv")
    write_cloud(target, points.astype(np.float32), labels=labels if has_place else None)
