"""NPY and NPZ: a cloud, a mesh, or a stack of voxel grids as NumPy arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import NAMES, POINTS, flat, named, unnamed
from nvc3d.files.format import Format, Found
from nvc3d.files.npz import Member, check_size, npy_header, open_npz
from nvc3d.files.parsing import whole
from nvc3d.geometry import voxels
from nvc3d.geometry.mesh import Mesh

VOXELS = "voxels"
LABEL_NAMES = ("label_names", "class_names", "classes", "names")
_PLURAL = {"color": "colors", "normal": "normals", "label": "labels", "instance": "instances"}


def read(path: Path) -> Mesh | Found:
    """Read the shape of an NPY or NPZ file.

    NPY: an array (N, 3 or more), whose first three columns are the coordinates; what the others
    are is understood where it is certain, see `unnamed`. Or a structured array (N,) with fields x,
    y, z and any other.

    NPZ: such an array as `points`, `xyz`, `pos`, `vertices`, `coords` or the only one there, or
    arrays x, y and z, with others (N,) or (N, C): `labels`, `colors`, `normals`, ...; the names of
    the labels are in `label_names`, `class_names`, `classes` or `names`. A mesh with `faces`
    (F, 3); or one voxel grid as `voxels`.

    Raises:
        ValueError: an array of another shape or kind, and what `check_size` refuses.
    """
    if path.suffix.lower() == ".npy":
        return tabled("the array", _array(path))
    with open_npz(path) as arrays:
        if VOXELS in arrays:
            count = grid_count(arrays[VOXELS])
            if count != 1:
                raise ValueError(f"it holds {count} voxel grids, not one shape")
            return voxels.to_mesh(next(read_grids(arrays[VOXELS])))
        lower = {name.lower(): name for name in arrays}
        key = next((lower[name] for name in (*NAMES[POINTS], "arr_0") if name in lower), None)
        if key is None and len(arrays) == 1:
            key = next(iter(arrays))
        if key is None and not {*"xyz"} <= set(lower):
            raise ValueError(
                f"it needs an array called {', '.join(NAMES[POINTS][:5])} or {VOXELS}, "
                f"and has {', '.join(arrays) or 'none'}"
            )
        if key is not None and "faces" in arrays:
            vertices = arrays[key].load()
            if vertices.ndim != 2 or vertices.shape[1] < 3:
                raise ValueError(f"{key} must be (V, 3), got {vertices.shape}")
            return Mesh(vertices[:, :3], whole(arrays["faces"].load(), "faces"))
        found = Found(np.empty(0)) if key is None else tabled(key, arrays[key].load())
        columns: dict[str, NDArray] = {**found.columns}
        if key is not None:
            columns[POINTS] = found.points
        count = len(found.points) if key is not None else arrays[lower["x"]].shape[0]
        lost: list[str] = []
        names: tuple[str, ...] = ()
        for name, array in arrays.items():
            if name == key:
                continue
            if name in LABEL_NAMES and array.dtype.kind == "U" and len(array.shape) == 1:
                names = names or tuple(array.load().tolist())
            elif array.dtype.hasobject or len(array.shape) not in (1, 2) or array.shape[0] != count:
                lost.append(f"{name} {array.shape}")
            else:
                columns[name] = array.load()
    notes = [*found.notes]
    if lost:
        notes.append(f"left aside {', '.join(lost)}: no numbers for each of {count} points")
    return named(columns, names, notes)


def tabled(name: str, array: NDArray) -> Found:
    """The points in one array; see `read`."""
    if array.dtype.names:
        fields = {
            field: array[field].reshape(array.size, *array[field].shape[array.ndim :])
            for field in array.dtype.names
        }
        plain = {field: v for field, v in fields.items() if v.ndim <= 2 and not v.dtype.names}
        return named(plain)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, got {array.dtype}")
    notes: list[str] = []
    shape = array.shape
    if array.ndim == 3 and 1 in shape[:2] and shape[2] >= 3:
        array = array.reshape(-1, shape[2])
    if array.ndim != 2 or array.shape[1] < 3 or 0 in array.shape:
        raise ValueError(f"{name} must be (N, 3) or wider, N > 0, got {shape}")
    rows, width = array.shape
    if rows == 3 and width > 7:
        array = array.T
        notes.append(f"took {name} {shape} for transposed: a point in each of {width} columns")
    elif rows in (3, 4, 6, 7) and width > max(rows, 7):
        raise ValueError(f"{name} {shape} seems transposed: expected a point in each row")
    elif rows == 3 and 3 < width <= 7:
        raise ValueError(
            f"{name} {shape} may be 3 points or {width} points transposed: which cannot be told"
        )
    elif rows == width == 3:
        notes.append(f"took the rows of {name} {shape} for points, not its columns")
    names = unnamed(array)
    return named({name: array[:, at] for at, name in enumerate(names)}, notes=notes)


def _array(path: Path) -> NDArray:
    """The array of an NPY file, of which nothing is read yet."""
    with path.open("rb") as file:
        shape, fortran, dtype, offset = npy_header(file)
    check_size("the array", shape, dtype, path.stat().st_size - offset)
    if 0 in shape or dtype.itemsize == 0:
        raise ValueError(f"the array must be (N, 3) or wider, N > 0, got {shape}")
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


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


FORMATS = (
    Format((".npy",), "cloud", read, write_npy, names_fit=lambda labels, names: False),
    Format((".npz",), "cloud, mesh or voxel grid", read, write_npz),
)
