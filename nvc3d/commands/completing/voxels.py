"""Completing a file with a model of voxel grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.checkpoint import Run
from nvc3d.commands.completing import Output
from nvc3d.commands.saying import shown
from nvc3d.data.grids import as_grid, holds_grids, read_grids
from nvc3d.files import read_shape, reading
from nvc3d.files.fitting import write_columns
from nvc3d.files.npz import open_npz
from nvc3d.tasks.voxel_completion import VoxelCompletionModel
from nvc3d.tasks.voxel_completion.answer import Answers, Placed, complete, placed


def complete_file(
    run: Run, model: VoxelCompletionModel, source: Path, seed: int, count: int
) -> Answers:
    """What the model makes of a grid, or of the voxels of a mesh or cloud that fills one.

    Raises ValueError where the file holds several grids, one of another size than the model's, or
    an `origin` or `side` that is none, and what `read_shape` and `complete` raise.
    """
    return complete(model, read(source, run.config.size), seed, count)


def read(source: Path, size: tuple[int, int, int]) -> Placed:
    """The grid that a file holds, or that of the shape in it."""
    if not holds_grids(source):
        return placed(read_shape(source), size)
    with reading(source):
        found = [grid for _, grid in read_grids(source, source.name)]
        if len(found) != 1:
            raise ValueError(f"it holds {len(found)} voxel grids, not one")
        return Placed(as_grid(found[0], size), *_where(source))


def _where(source: Path) -> tuple[NDArray[np.float64], float]:
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


def write(answers: Answers, source: Path, output: Output, only_missing: bool) -> str:
    """Write the answers, and a picture if they are several; says so in a sentence.

    A file is told by its suffix: .npz has the grid as `voxels`, what was laid as `completed`, and
    `origin` (3,), the corner of the grid, and `side` (), of a voxel, those of the source where it
    has them; .npy the grid alone; all others have the centres of the occupied voxels, with the
    columns of `Answers.completed`.

    Raises what `write_cloud` and `draw_clouds` raise.
    """
    lost: tuple[str, ...] = ()
    for index, target in enumerate(output.answers):
        suffix = target.suffix.lower()
        if suffix in (".npz", ".npy"):
            answers.write_grid(target, index, only_missing)
        else:
            cloud = answers.missing(index) if only_missing else answers.completed(index)
            lost = write_columns(target, cloud)
    first, last = output.answers[0], output.answers[-1]
    given, laid = int(answers.given.occupied.sum()), int(answers.laid().sum())
    more = f"; {first.suffix} has no place for {', '.join(lost)}" if lost else ""
    if len(output.answers) == 1:
        what = f"{laid} missing voxels" if only_missing else f"{given + laid} voxels"
        beside = f"{given} given" if only_missing else f"{given} of them given"
        return f"{shown(source)}: {what}, {beside}, in {shown(first)}{more}"

    from nvc3d.viz import draw_clouds

    grids = (answers.given.occupied, *answers.grids)
    picture = draw_clouds(
        output.picture,
        {"": [np.argwhere(grid) + 0.5 for grid in grids]},
        ["scan", "best guess", *(f"answer {i}" for i in range(2, len(output.answers) + 1))],
    )
    return (
        f"{shown(source)}: {len(output.answers)} answers written to {shown(first)} ... "
        f"{shown(last.name)}, shown in {shown(picture)}{more}"
    )
