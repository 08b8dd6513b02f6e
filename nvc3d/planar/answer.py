"""The planes of a cloud or a mesh, whatever library it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.manhattan import squared
from nvc3d.geometry.mesh import Cloud, Mesh, drawn
from nvc3d.geometry.outlines import Outline, find_outlines
from nvc3d.geometry.planes import Planes, find_planes
from nvc3d.geometry.upright import check_up, upward
from nvc3d.interop import as_shape
from nvc3d.planar.written import write_all
from nvc3d.viz.palette import instance_colours

DRAWN = 200000
"""Points that a mesh is looked at by."""


@dataclass(frozen=True, eq=False)
class PlanarAnswer:
    """The planes of a cloud."""

    source: Cloud
    """the points, with all that was known of them; of a mesh those drawn from it"""
    planes: Planes
    outlines: tuple[Outline, ...]
    """where each is"""
    axis: str
    """that is up by convention, a key of `nvc3d.geometry.upright.UP`"""

    @classmethod
    def of(cls, cloud: Cloud, planes: Planes, axis: str, manhattan: bool = False) -> PlanarAnswer:
        """That of the planes of a cloud, with their outlines, see `reconstruct_planes`. Raises
        ValueError on an unknown axis, and on planes of other points."""
        check_up(axis)
        planes = squared(cloud.points, planes) if manhattan else planes
        return cls(cloud, planes, tuple(find_outlines(cloud.points, planes)), axis)

    @property
    def up(self) -> NDArray[np.float64]:
        """(3,), exactly: the normal of the largest plane that lies flat, or the axis."""
        return upward(self.planes, self.axis)

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
        """Write PATH.json, PATH.ply, PATH.glb, PATH.svg and PATH.png; gives what was written.
        Without a plane there is no GLB.

        Raises MissingExtra without matplotlib, and OSError where a file cannot be written.
        """
        return write_all(Path(path), self.cloud, self.planes, self.outlines, self.axis)


def reconstruct_planes(
    shape: Any, *, up: str = "z", manhattan: bool = False, seed: int = 0
) -> PlanarAnswer:
    """Find the planes of a cloud or a mesh.

        found = nvc3d.reconstruct_planes(points)
        found.planes.normal, found.planes.offset, found.planes.instance, found.outlines
        found.write("out/room-planes")

    Args:
        shape: an array or tensor (N, 3), a Cloud or a Mesh, or what `nvc3d.interop.as_shape` knows
            of other libraries, among them Open3D and trimesh. Of a mesh 200,000 points are drawn.
        up: the axis that is up: "x", "y", "z", "-x", "-y" or "-z", about; or "camera": y is down,
            before one that may look down.
        manhattan: turn planes within 10 degrees of three directions, square to each other, to them.
        seed: of the points drawn.

    Raises ValueError on what is no shape, an unknown axis, and a seed below 0.
    """
    given = as_shape(shape)
    cloud = drawn(given, DRAWN, np.random.default_rng(seed)) if isinstance(given, Mesh) else given
    check_up(up)  # before what takes time
    return PlanarAnswer.of(cloud, find_planes(cloud.points), up, manhattan)
