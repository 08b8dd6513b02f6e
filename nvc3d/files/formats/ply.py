"""PLY (Stanford): ascii and binary of either byte order; meshes and clouds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import arranged, as_labels, flat, named
from nvc3d.files.format import Format, Found
from nvc3d.files.parsing import names_comment, names_in, whole
from nvc3d.files.ply_elements import TYPES, Columns, Lists, read_elements
from nvc3d.files.polygons import triangulate
from nvc3d.geometry.mesh import Mesh

_WRITTEN = {TYPES[kind]: kind for kind in ("char", "uchar", "short", "ushort", "int", "uint")}

Stretch: TypeAlias = tuple[NDArray, Mapping[str, NDArray]]
"""Points (n, 3), and their columns by name."""


def read(path: Path) -> Mesh | Found:
    """Read a cloud with all properties of its points, see `nvc3d.files.columns.arranged`; or a mesh
    with the label of its faces or points.

    The faces of a mesh with labelled points get the label that most of their corners have.
    """
    with path.open("rb") as file:
        elements, comments = read_elements(file)
    vertex = _scalars(elements.get("vertex", {}))
    if not vertex:
        raise ValueError("the header declares no vertices with x, y and z")
    found = named(vertex, names_in(comments))
    faces, origin = _triangles(elements, found.points)  # (T, 3), (T,)
    if len(faces) == 0:
        return found
    mesh = Mesh(found.points, faces)  # before labels, for which its faces must be right
    labels = _labels(path, _scalars(elements.get("face", {})))
    if labels is not None:
        labels = labels[origin]
    elif (of_points := _labels(path, vertex)) is not None:
        # The middle one of three labels is the majority wherever two agree.
        labels = np.sort(of_points[faces], axis=1)[:, 1]
    if labels is None:
        return mesh
    names = found.label_names
    return Mesh(found.points, faces, labels, names if labels.max() < len(names) else ())


def write(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """Write a cloud in binary, its coordinates in the precision that `points` has."""
    write_stretches(file, len(points), points.dtype, [(points, columns)], label_names)


def write_stretches(
    file: BinaryIO,
    count: int,
    dtype: np.dtype,
    stretches: Iterable[Stretch],
    label_names: Sequence[str] = (),
) -> None:
    """Write a cloud of `count` points a stretch at a time, all with the same columns of the same
    types.

    Numbers of 64 bits, which the format does not have, are written as int where they are labels or
    instances, and as double otherwise. Raises ValueError where one does not fit.
    """
    kind = "double" if dtype == np.float64 else "float"
    started = False
    for points, columns in stretches:
        fields = [(axis, kind, points[:, i]) for i, axis in enumerate("xyz")]
        fields += [(name, _kind(name, v), v) for name, v in flat(columns).items()]
        if not started:
            header = ["ply", "format binary_little_endian 1.0"]
            if label_names:
                header.append(f"comment {names_comment(label_names)}")
            header.append(f"element vertex {count}")
            header += [f"property {kind} {name}" for name, kind, _ in fields]
            file.write("\n".join([*header, "end_header", ""]).encode("utf-8"))
            started = True
        rows = np.empty(len(points), [(name, "<" + TYPES[kind]) for name, kind, _ in fields])
        for name, _, values in fields:
            rows[name] = values
            if values.dtype.kind in "iu" and (rows[name].astype(values.dtype) != values).any():
                raise ValueError(f"{name} has numbers that do not fit a PLY file")
        file.write(rows.tobytes())


def _kind(name: str, values: NDArray) -> str:
    """The type that values are written in."""
    if values.dtype.kind == "b":
        return "uchar"
    if values.dtype.kind == "f":
        return "double" if values.dtype.itemsize > 4 else "float"
    if values.dtype.itemsize == 8:
        return "int" if name.endswith(("label", "instance")) else "double"
    return _WRITTEN[values.dtype.str[1:]]


def _triangles(
    elements: dict[str, Columns], points: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles (T, 3) of the faces, and the face that each comes from (T,)."""
    for name in ("face", "tristrips"):
        element = elements.get(name)
        if element is None:
            continue
        indices = element.get("vertex_indices", element.get("vertex_index"))
        if not isinstance(indices, Lists):
            raise ValueError(f"element {name} has no list vertex_indices")
        corners = whole(indices.values, "vertex_indices")
        if name == "face":
            return triangulate(corners, indices.lengths, points)
        strips = np.split(corners, np.cumsum(indices.lengths)[:-1])
        triangles = np.concatenate([np.empty((0, 3), np.int64), *map(_unroll, strips)])
        return triangles, np.arange(len(triangles))
    return np.empty((0, 3), np.int64), np.empty(0, np.int64)


def _unroll(strip: NDArray[np.int64]) -> NDArray[np.int64]:
    """Triangles (T, 3) of a triangle strip, in which -1 starts anew."""
    triangles = np.stack([strip[:-2], strip[1:-1], strip[2:]], 1)
    starts = np.flatnonzero(strip == -1) + 1
    position = np.arange(len(strip))
    # Every second triangle of a run has its corners the other way round.
    since = position - np.maximum.accumulate(np.where(np.isin(position, starts), position, 0))
    odd = since[: len(triangles)] % 2 == 1
    triangles[odd] = triangles[odd][:, [1, 0, 2]]
    return triangles[(triangles != -1).all(1)]


def _scalars(columns: Columns) -> dict[str, NDArray]:
    return {name: v for name, v in columns.items() if isinstance(v, np.ndarray)}


def _labels(path: Path, columns: Mapping[str, NDArray]) -> NDArray[np.int64] | None:
    """The labels of an element; None, with a warning, where they are no labels."""
    names = arranged(dict.fromkeys(columns, 1)).get("label")
    if names is None:
        return None
    try:
        return as_labels(columns[names[0]])
    except ValueError as error:
        warnings.warn(f"{path}: left aside its labels: {error}", stacklevel=4)
        return None


FORMATS = (Format((".ply",), "mesh or cloud", read, write),)
