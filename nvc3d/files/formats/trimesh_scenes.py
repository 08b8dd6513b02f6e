"""3MF and COLLADA, as trimesh reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvc3d.extras import MissingExtra, require
from nvc3d.files.format import Format, Found
from nvc3d.geometry.mesh import Mesh


def read(path: Path) -> Mesh | Found:
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
        return Found(np.concatenate(points))
    raise ValueError("it holds no mesh and no cloud")


FORMATS = (Format((".3mf", ".dae"), "mesh, all parts of the scene", read, needs="trimesh"),)
