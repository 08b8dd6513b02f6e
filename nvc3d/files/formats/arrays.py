"""NPY and NPZ: a cloud, a mesh, or a stack of voxel grids as NumPy arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import flat
from nvc3d.files.format import Format, Found
from nvc3d.files.npz import Member, open_npz
from nvc3d.files.parsing import whole
from nvc3d.geometry import voxels
from nvc3d.geometry.mesh import Mesh

VOXELS = "voxels"
POINTS = ("points", "xyz", "pos", "vertices", "coords", "arr_0")
LABELS = ("labels", "label")
NORMALS = "normals"
_PLURAL = {"color": "colors", "normal": "normals", "label": "labels", "instance": "instances"}


def read(path: Path) -> Mesh | Found:
    """Read the shape of an NPY or NPZ file.

    NPY: an array (N, 3 or more), of which the first three columns are the coordinates.
    NPZ: such an array as `points`, `xyz`, `pos`, `vertices`, `coords` or the only one there, with
    `labels` (N,) and `normals` (N, 3) if it has them; a mesh with `faces` (F, 3); or one voxel grid
    as `voxels`.
    """
    if path.suffix.lower() == ".npy":
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.dtype.names and array.ndim == 1 and {*"xyz"} <= {*array.dtype.names}:
            label = {"label": array["label"]} if "label" in array.dtype.names else {}
            return Found(np.stack([array[axis] for axis in "xyz"], 1), label)
        return Found(_coordinates("the array", array))
    with open_npz(path) as arrays:
        if VOXELS in arrays:
            count = grid_count(arrays[VOXELS])
            if count != 1:
                raise ValueError(f"it holds {count} voxel grids, not one shape")
            return voxels.to_mesh(next(read_grids(arrays[VOXELS])))
        key = next((key for key in POINTS if key in arrays), None)
        if key is None and len(arrays) == 1:
            key = next(iter(arrays))
        if key is None:
            raise ValueError(
                f"it needs an array called {', '.join(POINTS[:-1])} or {VOXELS}, "
                f"and has {', '.join(arrays) or 'none'}"
            )
        points = _coordinates(key, arrays[key].load())
        if "faces" in arrays:
            return Mesh(points, whole(arrays["faces"].load(), "faces"))
        label = next((key for key in LABELS if key in arrays), None)
        columns = {} if label is None else {"label": arrays[label].load()}
        if NORMALS in arrays:
            columns["normal"] = arrays[NORMALS].load()
        return Found(points, columns)


def write_npy(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """Write the coordinates (N, 3); with columns, a structured array (N,) of fields x, y, z, ..."""
    if label_names:
        raise ValueError("an .npy file has no place for the names of labels: write them to .npz")
    if not columns:
        np.save(file, points, allow_pickle=False)
        return
    fields = {axis: points[:, i] for i, axis in enumerate("xyz")} | flat(columns)
    rows = np.empty(len(points), [(name, values.dtype) for name, values in fields.items()])
    for name, values in fields.items():
        rows[name] = values
    np.save(file, rows, allow_pickle=False)


def write_npz(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """Write the arrays `points`, `colors`, `normals`, `labels`, `instances` and `label_names`, and
    any other column under its own name."""
    named = {"points": points} | {_PLURAL.get(name, name): v for name, v in columns.items()}
    if len(named) != len(columns) + 1:
        raise ValueError(f"two columns would have the same name in the file: {', '.join(columns)}")
    if label_names:
        named["label_names"] = np.array(label_names)
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in named.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def stack_size(path: Path) -> int:
    """How many voxel grids an NPZ file holds, from its header; 0 if it holds something else."""
    with open_npz(path) as arrays:
        return grid_count(arrays[VOXELS]) if VOXELS in arrays else 0


def read_stack(path: Path) -> Iterator[NDArray]:
    """Read the voxel grids of an NPZ file one by one, so that only one lies unpacked in memory."""
    with open_npz(path) as arrays:
        if VOXELS not in arrays:
            raise ValueError(f"it has no array {VOXELS}")
        yield from read_grids(arrays[VOXELS])


def grid_count(stack: Member) -> int:
    if len(stack.shape) not in (3, 4) or 0 in stack.shape:
        raise ValueError(f"{VOXELS} must be (K, X, Y, Z) or (X, Y, Z), got {stack.shape}")
    return stack.shape[0] if len(stack.shape) == 4 else 1


def read_grids(stack: Member) -> Iterator[NDArray]:
    if grid_count(stack) == 1:
        yield stack.load().reshape(stack.shape[-3:])
    else:
        yield from stack.rows()


def _coordinates(name: str, array: NDArray) -> NDArray:
    if array.ndim != 2 or array.shape[1] < 3:
        raise ValueError(f"{name} must be (N, 3) or wider, got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, got {array.dtype}")
    return np.array(array[:, :3])


FORMATS = (
    Format((".npy",), "cloud", read, write_npy),
    Format((".npz",), "cloud, mesh or voxel grid", read, write_npz),
)
