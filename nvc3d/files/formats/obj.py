"""OBJ (Wavefront): vertices and polygons; everything else in the file is left aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvc3d.files.format import Format, Found
from nvc3d.files.parsing import table, triangulate
from nvc3d.geometry.mesh import Mesh


def read(path: Path) -> Mesh | Found:
    """Read a mesh, or a cloud if no face is there. Negative indices count back from the end."""
    text = path.read_bytes().replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
    vertices: list[str] = []
    corners: list[int] = []
    lengths: list[int] = []
    # Names of objects and materials come in any encoding; numbers are ascii in all of them.
    for line in text.decode("latin-1").split("\n"):
        match line.split(None, 1):
            case ["v", rest]:
                vertices.append(" ".join(rest.split()[:3]))
            case ["f", rest]:
                face = [int(corner.partition("/")[0]) for corner in rest.split()]
                seen = len(vertices)
                for i in face:
                    if not (i > 0 or -seen <= i < 0):
                        raise ValueError(f"face {len(lengths) + 1} has the index {i}: {line!r}")
                corners += [i - 1 if i > 0 else seen + i for i in face]
                lengths.append(len(face))
    points = table(vertices, 3)  # (V, 3)
    faces, _ = triangulate(np.array(corners, np.int64), np.array(lengths, np.int64))
    return Mesh(points, faces) if len(faces) else Found(points)


FORMATS = (Format((".obj",), "mesh or cloud", read),)
