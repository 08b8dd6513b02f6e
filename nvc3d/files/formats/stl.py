"""STL (3D Systems): triangles without shared corners, ascii and binary."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from nvc3d.files.format import Format
from nvc3d.files.parsing import table
from nvc3d.geometry.mesh import Mesh

_HEADER = 84
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read(path: Path) -> Mesh:
    """Read a mesh; corners at the very same place become one vertex."""
    data = path.read_bytes()
    count = struct.unpack_from("<I", data, 80)[0] if len(data) >= _HEADER else -1
    # The size decides: binary files that start with the word "solid" are common.
    if len(data) == _HEADER + count * _TRIANGLE.itemsize:
        corners = np.frombuffer(data, _TRIANGLE, count, _HEADER)["corners"].astype(np.float64)
        corners = corners.reshape(-1, 3)  # (3T, 3)
    elif data.lstrip()[:5].lower() == b"solid":
        corners = _read_ascii(data)
    else:
        promised = f"{count} triangles are promised" if count >= 0 else "it has no header"
        raise ValueError(f"{promised}, and it is {len(data)} bytes long: truncated or corrupt")
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    return Mesh(vertices, index.reshape(-1, 3))


def _read_ascii(data: bytes) -> np.ndarray:
    text = data.decode("latin-1").lower()
    if "endsolid" not in text:
        raise ValueError("its last solid does not end: the file is truncated")
    rows = [line.split(None, 1) for line in text.split("\n")]
    corners = [row[1] for row in rows if len(row) == 2 and row[0] == "vertex"]
    facets = sum(row[:1] == ["facet"] for row in rows)
    if len(corners) != 3 * facets:
        raise ValueError(f"its {facets} facets have {len(corners)} corners instead of 3 each")
    return table(corners, 3)  # (3T, 3)


FORMATS = (Format((".stl",), "mesh", read),)
