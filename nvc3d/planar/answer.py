"""The planes of a cloud or a mesh, whatever library it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.mesh import Cloud, Mesh, drawn
from nvc3d.geometry.planes import Planes, find_planes
from nvc3d.geometry.upright import upward
from nvc3d.interop import as_shape
from nvc3d.planar.written import write_json
from nvc3d.viz.palette import instance_colours

DRAWN = 200000
"""Points that a mesh is looked at by."""


@dataclass(frozen=True, eq=False)
class PlanarAnswer:
    """The planes of a cloud."""

    source: Cloud
    """the points, with all that was known of them; of a mesh those drawn from it"""
    planes: Planes
    up: NDArray[np.float64]
    """(3,)"""

    @property
    def cloud(self) -> Cloud:
        """The points with their `instance`, -1 for none, and its colour; instances that were there
        before are `given_instance`."""
        columns = dict(self.source.columns)
        if "instance" in columns:
            columns["given_instance"] = columns.pop("instance")
        columns["color"] = instance_colours(self.planes.instance)
        columns["instance"] = self.planes.instance
        return Cloud(self.source.points, columns, self.source.label_names, self.source.unit)

    def write(self, path: str | Path) -> list[Path]:
        """Write PATH.json and PATH.ply, whatever the suffix of the path; gives what was written.

        Raises OSError where a file cannot be written.
        """
        from nvc3d.files import write_cloud

        path = Path(path).with_suffix("")
        write_json(path.with_suffix(".json"), self.planes, self.up, self.source.unit)
        write_cloud(path.with_suffix(".ply"), self.cloud)
        return [path.with_suffix(end) for end in (".json", ".ply")]


def reconstruct_planes(shape: Any, *, up: str = "z", seed: int = 0) -> PlanarAnswer:
    """Find the planes of a cloud or a mesh.

        found = nvc3d.reconstruct_planes(points)
        found.planes.normal, found.planes.offset, found.planes.instance
        found.write("out/room-planes")

    Args:
        shape: an array or tensor (N, 3), a Cloud or a Mesh, or what `nvc3d.interop.as_shape` knows
            of other libraries, among them Open3D and trimesh. Of a mesh 200,000 points are drawn.
        up: the axis that is up: "x", "y", "z", "-x", "-y" or "-z", about; or "camera": y is down,
            before one that may look down.
        seed: of the points drawn.

    Raises ValueError on what is no shape, an unknown axis, and a seed below 0.
    """
    given = as_shape(shape)
    cloud = drawn(given, DRAWN, np.random.default_rng(seed)) if isinstance(given, Mesh) else given
    planes = find_planes(cloud.points)
    return PlanarAnswer(cloud, planes, upward(planes, up))
