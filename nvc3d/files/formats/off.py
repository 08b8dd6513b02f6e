"""OFF (Geomview): vertices and polygons in text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from nvc3d.files.format import Format, Found
from nvc3d.files.parsing import table, triangulate
from nvc3d.geometry.mesh import Mesh

# Some files of ModelNet forget the line break between the word and the counts.
_HEADER = re.compile(r"\s*(?:ST)?C?N?OFF(?=[\s\d])\s*(\d+)\s+(\d+)(?:[ \t]+\d+)?[ \t\r]*\n")


def read(path: Path) -> Mesh | Found:
    """Read a mesh, or a cloud if no face is there; normals and colours are left aside."""
    text = re.sub(r"#.*", "", path.read_bytes().decode("latin-1"))
    header = _HEADER.match(text)
    if header is None:
        raise ValueError("it does not start with OFF and the counts of vertices and faces")
    vertex_count, face_count = int(header[1]), int(header[2])
    lines = [line for line in text[header.end() :].split("\n") if line.strip()]
    if len(lines) < vertex_count + face_count:
        raise ValueError(
            f"the header promises {vertex_count} vertices and {face_count} faces, "
            f"and {len(lines)} rows follow: the file is truncated or corrupt"
        )
    points = table([" ".join(line.split()[:3]) for line in lines[:vertex_count]], 3)  # (V, 3)
    corners: list[int] = []
    lengths: list[int] = []
    for line in lines[vertex_count : vertex_count + face_count]:
        words = line.split()
        length = int(words[0])
        if not 0 <= length < len(words):
            raise ValueError(f"face {len(lengths) + 1} is wrong: {line[:60]!r}")
        corners += [int(word) for word in words[1 : 1 + length]]
        lengths.append(length)
    faces, _ = triangulate(np.array(corners, np.int64), np.array(lengths, np.int64))
    return Mesh(points, faces) if len(faces) else Found(points)


FORMATS = (Format((".off",), "mesh or cloud", read),)
