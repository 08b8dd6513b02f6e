"""COLLADA (Khronos), as trimesh reads it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from nvc3d.extras import MissingExtra, require
from nvc3d.files.format import Format
from nvc3d.geometry.mesh import Mesh

# What trimesh reads over: what it is called in the file, and what that is.
_LEFT_ASIDE = {
    b"instance_controller": "shapes with skins or morphs",
    b"lines": "lines",
    b"linestrips": "lines",
    b"tristrips": "triangle strips",
    b"trifans": "triangle fans",
    b"spline": "splines",
    b"brep": "exact surfaces",
    b"ph": "holes of polygons",
}


def read(path: Path) -> Mesh:
    """Read all meshes of a scene as one, each placed where the scene has it.

    What trimesh reads over is left aside, with a warning; polygons become fans of triangles, which
    cover those that are convex.

    Raises:
        MissingExtra: trimesh is not installed, or pycollada, which it needs.
    """
    trimesh = require("trimesh", f"to read {path.suffix} files")
    require("collada", f"by trimesh to read {path.suffix} files")
    data = path.read_bytes()
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("it declares its own kind of document, which is not read")
    tags = set(re.findall(rb"<([A-Za-z_]+)[\s/>]", data))
    try:
        scene = trimesh.load_scene(path, process=False)
    except ImportError as error:
        raise MissingExtra(f"trimesh needs more to read {path.suffix} files: {error}") from error
    except Exception as error:
        raise ValueError("trimesh and pycollada cannot read it: it may be corrupt") from error
    vertices: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    count = 0
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        placed = np.asarray(geometry.vertices) @ transform[:3, :3].T + transform[:3, 3]  # (V, 3)
        if len(getattr(geometry, "faces", ())):
            faces.append(np.asarray(geometry.faces, np.int64) + count)
            vertices.append(placed)
            count += len(placed)
    if aside := dict.fromkeys(what for tag, what in _LEFT_ASIDE.items() if tag in tags):
        warnings.warn(f"{path}: left aside {', '.join(aside)}", stacklevel=3)
    if not faces:
        raise ValueError("it holds no triangles that trimesh reads")
    return Mesh(np.concatenate(vertices), np.concatenate(faces))


FORMATS = (Format((".dae",), "mesh, all parts of the scene", read, needs="trimesh"),)
