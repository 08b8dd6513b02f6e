"""Scenes in the files that data sets and users have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.scenes.scene import Rows, Scene
from nvc3d.files import PathLike, read_shape, reading
from nvc3d.files.formats.arrays import LABELS, POINTS
from nvc3d.files.npz import open_npz
from nvc3d.files.ply_elements import read_elements, vertex_table
from nvc3d.geometry.mesh import Mesh, drawn

SEGMENTS = ("segment.npy", "segment20.npy")
"""What labels are called beside coord.npy."""
COLORS = ("colors", "color", "rgb")
DRAWN = 200_000
"""Points drawn from a mesh."""
_CHANNELS = ("red", "green", "blue")

T = TypeVar("T")


def open_scene(path: PathLike) -> Scene:
    """A scene, of which nothing but the header is read where that is possible.

    | what                                                                | read             |
    |---------------------------------------------------------------------|------------------|
    | a folder of coord.npy, and color.npy, segment.npy or segment20.npy  | in stretches     |
    | .npy, rows x y z, x y z r g b, or x y z r g b label                 | in stretches     |
    | .ply, with red, green, blue and label                               | so, where binary |
    | .npz: points, and colors, labels                                    | as a whole       |
    | any other cloud that `read_shape` knows                             | as a whole       |
    | a mesh, other than PLY: 200,000 points, drawn from its faces        | as a whole       |

    Of a mesh in PLY the vertices are taken: scanners' meshes have dense ones, which are labelled.

    Raises:
        FileNotFoundError, OSError: there is no such file, or one is missing in the folder.
        ValueError: it is truncated or of another form, naming the file.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _open_npy(path)
    opener = {".ply": _open_ply, ".npz": _open_npz}.get(suffix)
    if opener is None:
        return _open_other(path)
    with reading(path):
        return opener(path)


def _open_folder(path: Path) -> Scene:
    points = _Table.of(path / "coord.npy", (3,))
    color_file = path / "color.npy"
    colors = _Table.of(color_file, (3,)) if color_file.exists() else None
    found = [path / name for name in SEGMENTS if (path / name).exists()]
    # Some keep labels as a column of their own.
    labels = _Table.of(found[0], (), (1,)) if found else None
    both = {"color": colors, "label": labels}
    beside = {name: table for name, table in both.items() if table is not None}
    for other in beside.values():
        if other.count != points.count:
            raise ValueError(
                f"{other.path}: expected {points.count} rows as in coord.npy, got {other.count}"
            )

    def read(start: int, stop: int) -> Rows:
        columns = {name: table.read(start, stop) for name, table in beside.items()}
        if labels is not None:
            columns["label"] = columns["label"].reshape(-1)
        return Rows(points.read(start, stop), columns)

    return Scene(path, points.count, frozenset(beside), read)


def _open_npy(path: Path) -> Scene:
    table = _Table.of(path, (3,), (6,), (7,))
    places: dict[str, slice | int] = {"color": slice(3, 6), "label": 6}
    beside = dict(list(places.items())[: {3: 0, 6: 1, 7: 2}[table.shape[0]]])

    def read(start: int, stop: int) -> Rows:
        rows = table.read(start, stop)
        return Rows(rows[:, :3], {name: rows[:, place] for name, place in beside.items()})

    return Scene(path, table.count, frozenset(beside), read)


def _open_ply(path: Path) -> Scene:
    with path.open("rb") as file:
        if (fixed := vertex_table(file)) is not None:
            dtype, count, offset = fixed
            table = _Table(path, dtype, (), count, offset)
            return _named(path, table.count, set(dtype.names or ()), table.read)
        file.seek(0)
        vertex = read_elements(file).get("vertex", {})
    columns = {name: values for name, values in vertex.items() if isinstance(values, np.ndarray)}
    count = len(next(iter(columns.values()))) if columns else 0

    def read(start: int, stop: int) -> dict[str, NDArray]:
        return {name: values[start:stop] for name, values in columns.items()}

    return replace(_named(path, count, set(columns), read), held=True)


def _named(
    path: Path,
    count: int,
    names: set[str],
    read: Callable[[int, int], NDArray | Mapping[str, NDArray]],
) -> Scene:
    """A scene of columns that have names."""
    if not names >= set("xyz"):
        raise ValueError("the header declares no vertices with x, y and z")
    if count == 0:
        raise ValueError("it holds no points")
    beside = {"color"} if names >= set(_CHANNELS) else set()
    beside |= names & {"label"}

    def rows(start: int, stop: int) -> Rows:
        table = read(start, stop)
        columns: dict[str, NDArray] = {}
        if "color" in beside:
            columns["color"] = np.stack([table[channel] for channel in _CHANNELS], 1)
        if "label" in beside:
            columns["label"] = table["label"]
        return Rows(np.stack([table[axis] for axis in "xyz"], 1), columns)

    return Scene(path, count, frozenset(beside), rows)


def _open_npz(path: Path) -> Scene:
    with open_npz(path) as arrays:

        def first(names: tuple[str, ...]) -> NDArray | None:
            return next((arrays[name].load() for name in names if name in arrays), None)

        points, colors, labels = first(POINTS), first(COLORS), first(LABELS)
    if points is None:
        raise ValueError(f"it needs an array called {', '.join(POINTS)}")
    for name, array, wanted in (
        ("points", points, (len(points), 3)),
        ("colors", colors, (len(points), 3)),
        ("labels", labels, (len(points),)),
    ):
        if array is not None and (array.shape != wanted or array.dtype.kind not in "fiu"):
            raise ValueError(f"{name} must be numbers {wanted}, got {array.dtype} {array.shape}")
    beside = {"color": colors, "label": labels}
    return _held(path, points, {name: v for name, v in beside.items() if v is not None})


def _open_other(path: Path) -> Scene:
    shape = read_shape(path)
    if isinstance(shape, Mesh):
        shape = drawn(shape, DRAWN, np.random.default_rng(0))
    return _held(path, shape.points, shape.columns, shape.label_names)


def _held(
    path: Path,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: tuple[str, ...] = (),
) -> Scene:
    """A scene in memory."""
    if len(points) == 0:
        raise ValueError("it holds no points")

    def read(start: int, stop: int) -> Rows:
        return Rows(points[start:stop], {name: v[start:stop] for name, v in columns.items()})

    return Scene(path, len(points), frozenset(columns), read, label_names, held=True)


class _Table:
    """Rows of one type in a file."""

    def __init__(
        self,
        path: Path,
        dtype: np.dtype,
        shape: tuple[int, ...],
        count: int,
        offset: int,
        fortran: bool = False,
    ) -> None:
        self.path, self.shape, self.count = path, shape, count
        self._dtype, self._offset, self._fortran = dtype, offset, fortran

    @classmethod
    def of(cls, path: Path, *shapes: tuple[int, ...]) -> _Table:
        """The rows of an NPY file, each of one of the shapes."""
        with reading(path), path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
            offset = file.tell()
            there = path.stat().st_size - offset
            if len(shape) == 0 or shape[0] == 0 or shape[1:] not in shapes:
                wanted = " or ".join(str(("N", *rest)).replace("'", "") for rest in shapes)
                raise ValueError(f"expected an array {wanted}, N > 0, got {shape}")
            if dtype.kind not in "fiu":
                raise ValueError(f"expected numbers, got {dtype}")
            if (size := int(np.prod(shape)) * dtype.itemsize) != there:
                raise ValueError(
                    f"its header promises {size} bytes of data and {there} are there: the file is "
                    "truncated or corrupt"
                )
            return cls(path, dtype, shape[1:], shape[0], offset, fortran)

    def read(self, start: int, stop: int) -> NDArray:
        # Mapped anew each time: while a map is open, all that was ever read of it counts as memory
        # in use.
        rows = np.memmap(
            self.path,
            self._dtype,
            "r",
            self._offset,
            (self.count, *self.shape),
            "F" if self._fortran else "C",
        )
        return np.asarray(rows[start:stop])
