"""Scenes in the files that data sets and users have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.scenes.scene import STRETCH, Rows, Scene, without_missing
from nvc3d.files import PathLike, read_shape, reading
from nvc3d.files.columns import POINTS, arranged, intensity_first, named, unnamed
from nvc3d.files.npz import check_size, npy_header
from nvc3d.files.parsing import names_in
from nvc3d.files.ply_elements import read_elements, vertex_table
from nvc3d.geometry.mesh import Mesh, drawn

SEGMENTS = ("segment.npy", "segment20.npy")
"""What labels are called beside coord.npy."""
DRAWN = 200_000
"""Points drawn from a mesh."""


def open_scene(path: PathLike) -> Scene:
    """A scene, of which no more than a stretch is in memory where that is possible.

    | what                                                                | read             |
    |---------------------------------------------------------------------|------------------|
    | a folder of coord.npy, and color.npy, segment.npy or segment20.npy  | in stretches     |
    | .npy, rows x y z, x y z r g b, x y z r g b label, or with fields    | in stretches     |
    | .ply                                                                | so, where binary |
    | any other cloud that `read_shape` knows                             | as a whole       |
    | a mesh, other than PLY: 200,000 points, drawn from its faces        | as a whole       |

    What columns are called is judged as `read_shape` does, and points with a coordinate that is NaN
    are left out, with a warning that counts them: to find those, all coordinates are read once.

    Raises:
        FileNotFoundError, OSError: there is no such file, or one is missing in the folder.
        ValueError: it is truncated or of another form, naming the file.
    """
    path = Path(path)
    if path.is_dir():
        return without_missing(_open_folder(path))
    opener = {".ply": _open_ply, ".npy": _open_npy}.get(path.suffix.lower())
    scene = None
    if opener is not None:
        with reading(path):
            scene = opener(path)
    return _open_other(path) if scene is None else without_missing(scene)


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


def _open_npy(path: Path) -> Scene | None:
    """The scene in an array; None where that is of a form that is read as a whole, if at all."""
    with path.open("rb") as file:
        shape, fortran, dtype, offset = npy_header(file)
    fields = bool(dtype.names) and len(shape) == 1
    rows = len(shape) == 2 and shape[1] >= 3 and not 3 <= shape[0] < shape[1]
    if 0 in shape or not (fields or (rows and dtype.kind in "fiu")):
        return None
    check_size("the array", shape, dtype, path.stat().st_size - offset)
    table = _Table(path, dtype, shape[1:], shape[0], offset, fortran)
    if fields:
        return _of_table(path, table, {name: dtype[name].shape for name in dtype.names or ()})
    # The first rows tell what they are; of colours that later ones belie `survey` complains.
    first = table.read(0, min(STRETCH, table.count))
    names = unnamed(first)
    if len(names) in (6, 7) and names[3] != "nx":
        if len(names) == 7 and intensity_first(first):
            raise ValueError(
                "expected rows x y z r g b label, and what follows z may be intensity r g b: name "
                "the columns, as fields of the array"
            )
        names[3:] = ["red", "green", "blue", "label"][: len(names) - 3]

    def read(start: int, stop: int) -> dict[str, NDArray]:
        return {name: column for name, column in zip(names, table.read(start, stop).T, strict=True)}

    return _named(path, table.count, dict.fromkeys(names, 1), read)


def _open_ply(path: Path) -> Scene:
    with path.open("rb") as file:
        if (fixed := vertex_table(file)) is not None:
            dtype, count, offset, comments = fixed
            table = _Table(path, dtype, (), count, offset)
            scene = _of_table(path, table, dict.fromkeys(dtype.names or (), ()))
            return replace(scene, label_names=names_in(comments))
        file.seek(0)
        elements, comments = read_elements(file)
    vertex = elements.get("vertex", {})
    columns = {name: values for name, values in vertex.items() if isinstance(values, np.ndarray)}
    count = len(next(iter(columns.values()))) if columns else 0

    def read(start: int, stop: int) -> dict[str, NDArray]:
        return {name: values[start:stop] for name, values in columns.items()}

    scene = _named(path, count, dict.fromkeys(columns, 1), read)
    return replace(scene, label_names=names_in(comments), held=True)


def _of_table(path: Path, table: _Table, shapes: Mapping[str, tuple[int, ...]]) -> Scene:
    """A scene of rows that have fields of numbers."""
    widths = {name: shape[0] if shape else 1 for name, shape in shapes.items() if len(shape) < 2}

    def read(start: int, stop: int) -> dict[str, NDArray]:
        rows = table.read(start, stop)
        return {name: rows[name] for name in widths}

    return _named(path, table.count, widths, read)


def _named(
    path: Path,
    count: int,
    widths: Mapping[str, int],
    read: Callable[[int, int], Mapping[str, NDArray]],
) -> Scene:
    """A scene of columns that have names, as `nvc3d.files` knows them."""
    if POINTS not in arranged(widths):
        raise ValueError(f"it has no columns x, y and z, each once, but {', '.join(widths)[:300]}")
    if count == 0:
        raise ValueError("it holds no points")

    def rows(start: int, stop: int) -> Rows:
        found = named(read(start, stop))
        return Rows(found.points, found.columns)

    return Scene(path, count, frozenset(rows(0, 1).columns), rows)


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
            shape, fortran, dtype, offset = npy_header(file)
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
