"""Geometry without files or networks: shapes, cameras, voxels, augmentation."""

from typing import TYPE_CHECKING

from nvc3d import lazy

if TYPE_CHECKING:
    from nvc3d.geometry.camera import DepthCamera, random_direction
    from nvc3d.geometry.depth_planes import find_depth_planes
    from nvc3d.geometry.intrinsics import CAMERAS, Intrinsics
    from nvc3d.geometry.mesh import Cloud, Mesh, Shape, frame, normalise
    from nvc3d.geometry.outlines import Outline, find_outlines
    from nvc3d.geometry.planes import Planes, find_planes, fit_planes

__all__ = [
    "CAMERAS",
    "Cloud",
    "DepthCamera",
    "Intrinsics",
    "Mesh",
    "Outline",
    "Planes",
    "Shape",
    "find_depth_planes",
    "find_outlines",
    "find_planes",
    "fit_planes",
    "frame",
    "normalise",
    "random_direction",
]
__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "camera": ("DepthCamera", "random_direction"),
        "depth_planes": ("find_depth_planes",),
        "intrinsics": ("CAMERAS", "Intrinsics"),
        "mesh": ("Cloud", "Mesh", "Shape", "frame", "normalise"),
        "outlines": ("Outline", "find_outlines"),
        "planes": ("Planes", "find_planes", "fit_planes"),
    },
)
