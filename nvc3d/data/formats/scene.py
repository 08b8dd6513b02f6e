"""GLB, glTF and the other scene formats that trimesh knows."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.formats.parsing import cloud
from nvc3d.data.mesh import Mesh, Shape
from nvc3d.extras import MissingExtra, require


def read(path: Path) -> Shape:
    """Read all meshes of a scene as one, each placed where the scene has it.

    A scene with no mesh but with clouds gives those as one cloud.

    Raises:
        MissingExtra: trimesh is not installed, or a package that it needs for this format.
    """
    trimesh = require("trimesh", f"to read {path.suffix} files")
    try:
        scene = trimesh.load_scene(path, process=False)
    except ImportError as error:
        raise MissingExtra(f"trimesh needs more to read {path.suffix} files: {error}") from error
    vertices: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    points: list[np.ndarray] = []
    count = 0
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        placed = np.asarray(geometry.vertices) @ transform[:3, :3].T + transform[:3, 3]  # (V, 3)
        if len(getattr(geometry, "faces", ())):
            faces.append(np.asarray(geometry.faces, np.int64) + count)
            vertices.append(placed)
            count += len(placed)
        elif isinstance(geometry, trimesh.PointCloud):
            points.append(placed)
    if faces:
        return Mesh(np.concatenate(vertices), np.concatenate(faces))
    if points:
        return cloud(np.concatenate(points))
    raise ValueError("it holds no mesh and no cloud")


def write(
    file: BinaryIO,
    points: NDArray,
    colors: NDArray[np.uint8] | None = None,
    labels: NDArray[np.int32] | None = None,
) -> None:
    """Write a GLB file that holds the points as one cloud, in float32: the format has no other.

    Raises:
        MissingExtra: trimesh is not installed.
        ValueError: labels, for which the format has no place.
    """
    if labels is not None:
        raise ValueError("a .glb file has no place for labels: write them to .ply or .npz")
    trimesh = require("trimesh", "to write GLB files")
    cloud = trimesh.PointCloud(points.astype(np.float32), colors=colors)
    file.write(trimesh.Scene(cloud).export(file_type="glb"))
