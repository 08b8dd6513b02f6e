"""Shapes: readers of files, built-in objects, and the depth camera that looks at them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nvc3d.data.camera import DepthCamera, random_direction
    from nvc3d.data.files import find_shapes, read_shape, write_cloud
    from nvc3d.data.folder import ShapeFolder
    from nvc3d.data.mesh import Cloud, Mesh, frame, normalise
    from nvc3d.data.partial import PartialViews
    from nvc3d.data.shapes import CATEGORIES, BuiltinShapes, make_shape

__all__ = [
    "CATEGORIES",
    "BuiltinShapes",
    "Cloud",
    "DepthCamera",
    "Mesh",
    "PartialViews",
    "ShapeFolder",
    "find_shapes",
    "frame",
    "make_shape",
    "normalise",
    "random_direction",
    "read_shape",
    "write_cloud",
]

_HOMES = {
    "camera": ("DepthCamera", "random_direction"),
    "files": ("find_shapes", "read_shape", "write_cloud"),
    "folder": ("ShapeFolder",),
    "mesh": ("Cloud", "Mesh", "frame", "normalise"),
    "partial": ("PartialViews",),
    "shapes": ("CATEGORIES", "BuiltinShapes", "make_shape"),
}


def __getattr__(name: str) -> Any:
    # Imported on first use: whoever reads a file need not wait for torch.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{home}", __name__), name)
    raise AttributeError(f"module 'nvc3d.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
