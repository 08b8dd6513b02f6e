"""Shapes of other libraries, told by their types; none of those libraries is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import as_bytes
from nvc3d.geometry.mesh import Cloud, Mesh, Shape


def several(given: Any) -> list[Any] | None:
    """The shapes of a batch, each for `as_shape`; None of what is a single shape.

    | what                                | becomes                                       |
    |-------------------------------------|-----------------------------------------------|
    | a list or tuple, an array (B, N, 3) | its members                                   |
    | PyTorch3D: Pointclouds, Meshes      | clouds with normals, or meshes, without padding |
    | PyTorch Geometric: Batch            | its Data                                      |
    """
    if isinstance(given, list | tuple) or getattr(given, "ndim", 0) == 3:
        return [*given]
    if hasattr(given, "to_data_list"):
        return [*given.to_data_list()]
    if type(given).__module__.partition(".")[0] == "pytorch3d":
        return _pytorch3d(given)
    return None


def as_shape(given: Any) -> Shape:
    """The cloud or mesh that something is.

    | what                                        | becomes                                    |
    |---------------------------------------------|--------------------------------------------|
    | Cloud, Mesh                                 | itself                                     |
    | an array or tensor (N, 3)                   | a cloud                                    |
    | Open3D: PointCloud, TriangleMesh, t.geometry| a cloud with colours and normals, or a mesh|
    | trimesh: PointCloud, Trimesh                | the same                                   |
    | PyTorch Geometric: Data with `pos`          | a cloud with normals, if `normal` is there |

    Raises ValueError on anything else, and where it is empty or not finite.
    """
    if isinstance(given, Cloud | Mesh):
        return given
    reader = _READERS.get(type(given).__module__.partition(".")[0])
    if reader is not None:
        return reader(given)
    points = _array(given)
    if points.dtype.kind not in "fiu" or points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(
            "expected a cloud: an array or tensor (N, 3), a Cloud or a Mesh, or a cloud or mesh of "
            f"Open3D, trimesh or PyTorch Geometric; got {type(given).__name__}"
            + (f" {points.shape} of {points.dtype}" if points.ndim else "")
        )
    return Cloud(points)


def _open3d(given: Any) -> Shape:
    if hasattr(given, "point"):  # of open3d.t.geometry
        own = {name: given.point[name].numpy() for name in given.point}
        vertices, faces = "positions", "indices"
        if hasattr(given, "triangle") and faces in given.triangle:
            return Mesh(own[vertices], given.triangle[faces].numpy())
        columns = {"color": _colors(own.get("colors")), "normal": own.get("normals")}
        return _cloud(own[vertices], columns)
    if hasattr(given, "triangles"):
        return Mesh(np.asarray(given.vertices), np.asarray(given.triangles))
    columns = {
        "color": _colors(np.asarray(given.colors)) if given.has_colors() else None,
        "normal": np.asarray(given.normals) if given.has_normals() else None,
    }
    return _cloud(np.asarray(given.points), columns)


def _trimesh(given: Any) -> Shape:
    if len(getattr(given, "faces", ())):
        return Mesh(np.asarray(given.vertices), np.asarray(given.faces))
    colors = np.asarray(getattr(given, "colors", ()))
    known = colors.ndim == 2 and len(colors) == len(given.vertices)
    return _cloud(np.asarray(given.vertices), {"color": _colors(colors) if known else None})


def _pytorch3d(given: Any) -> list[Shape]:
    if hasattr(given, "faces_list"):
        both = zip(given.verts_list(), given.faces_list(), strict=True)
        return [Mesh(_array(vertices), _array(faces)) for vertices, faces in both]
    points = given.points_list()
    normals = given.normals_list() or [None] * len(points)
    return [
        _cloud(_array(one), {"normal": None if normal is None else _array(normal)})
        for one, normal in zip(points, normals, strict=True)
    ]


def _geometric(given: Any) -> Shape:
    normal = getattr(given, "normal", None)
    return _cloud(_array(given.pos), {"normal": None if normal is None else _array(normal)})


_READERS: dict[str, Callable[[Any], Shape]] = {
    "open3d": _open3d,
    "trimesh": _trimesh,
    "torch_geometric": _geometric,
}


def _cloud(points: NDArray, columns: dict[str, NDArray | None]) -> Cloud:
    return Cloud(points, {name: v for name, v in columns.items() if v is not None})


def _colors(values: NDArray | None) -> NDArray[np.uint8] | None:
    """Colours (N, 3) out of 255. Fractions may be a little beyond 0 and 1 where they were mixed."""
    if values is None:
        return None
    return as_bytes(values.clip(0, 1) if values.dtype.kind == "f" else values)


def _array(values: Any) -> NDArray:
    # A tensor that needs gradients, or lies on a device, does not convert by itself.
    detach = getattr(values, "detach", None)
    return np.asarray(values if detach is None else detach().cpu())
