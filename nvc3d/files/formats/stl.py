"""STL (3D Systems): triangles without shared corners, ascii and binary."""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path

import numpy as np

from nvc3d.files.format import Format
from nvc3d.files.parsing import decoded, table
from nvc3d.geometry.mesh import Mesh

_HEADER = 84
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read(path: Path) -> Mesh:
    """Read a mesh; corners at the very same place become one vertex.

    Bytes after the last triangle, and an ascii file whose solid does not end, give a warning.
    """
    data = path.read_bytes()
    count = struct.unpack_from("<I", data, 80)[0] if len(data) >= _HEADER else -1
    end = _HEADER + count * _TRIANGLE.itemsize
    if _is_text(data) and len(data) != end:
        corners, note = _read_ascii(decoded(data))
    elif count >= 0 and end <= len(data):
        corners = np.frombuffer(data, _TRIANGLE, count, _HEADER)["corners"].astype(np.float64)
        corners = corners.reshape(-1, 3)  # (3T, 3)
        note = f"left aside {len(data) - end} bytes after its {count} triangles"
        note = note if len(data) > end and count else ""
    else:
        promised = f"{count} triangles are promised" if count >= 0 else "it has no header"
        raise ValueError(f"{promised}, and it is {len(data)} bytes long: truncated or corrupt")
    if note:
        warnings.warn(f"{path}: {note}", stacklevel=3)
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    return Mesh(vertices, index.reshape(-1, 3))


def _is_text(data: bytes) -> bool:
    """Whether it is ascii: binary files that start with the word "solid" are common, but the number
    of their triangles has a byte 0."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # two bytes a letter
    if b"\0" in data[:_HEADER] and not marked:
        return False
    start = data[:200] if not marked else data[:200].replace(b"\0", b"")
    return start.lstrip(b"\xef\xbb\xbf\xfe\xff \t\r\n").lower().startswith((b"solid", b"facet"))


def _read_ascii(text: str) -> tuple[np.ndarray, str]:
    """Corners (3T, 3), and what is odd about the file."""
    text = re.sub(r"\r\n?", "\n", text.lower())
    # Names may be any words.
    text = re.sub(r"^[ \t]*(solid|endsolid)\b[^\n]*", r" \1 ", text, flags=re.MULTILINE)
    words = text.split()
    at = [i for i, word in enumerate(words) if word == "vertex"]
    facets = words.count("facet")
    if len(at) != 3 * facets or words.count("endfacet") != facets:
        raise ValueError(
            f"its {facets} facets have {len(at)} corners instead of 3 each, or do not end: the "
            "file is truncated or corrupt"
        )
    if not facets:
        raise ValueError("it holds no facets: it is truncated, or no STL file")
    corners = table([" ".join(words[i + 1 : i + 4]) for i in at], 3)
    open_ = words.count("solid") > words.count("endsolid")
    return corners, "its last solid does not end: it may be truncated" if open_ else ""


FORMATS = (Format((".stl",), "mesh", read),)
