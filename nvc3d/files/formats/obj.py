"""OBJ (Wavefront): vertices and polygons; looks and names are left aside."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from nvc3d.files.format import Format, Found
from nvc3d.files.parsing import decoded, table
from nvc3d.files.polygons import triangulate
from nvc3d.geometry.mesh import Mesh

# What has a place in space and is neither a vertex nor a polygon, by its keyword.
_CURVES = {
    **{"l": "lines", "curv": "curves", "curv2": "curves", "surf": "free-form surfaces"},
    **{"bzp": "patches", "cdc": "curves", "cdp": "patches", "call": "other files", "res": "curves"},
}


def read(path: Path) -> Mesh | Found:
    """Read a mesh, or a cloud if no face is there, with its `color` if each vertex has three
    numbers more: `v x y z r g b`.

    Negative indices count back from the last vertex, and a line that ends in a backslash goes on in
    the next. Lines, curves and the weights of those in `v x y z w` are left aside, with a warning.
    """
    text = re.sub(r"\r\n?", "\n", decoded(path.read_bytes()))
    # Comments first: one may end in the backslash of a folder's name.
    text = re.sub(r"#[^\n]*", "", text) if "#" in text else text
    vertices: list[list[str]] = []
    corners: list[int] = []
    lengths: list[int] = []
    aside: dict[str, None] = {}
    for line in re.sub(r"\\[ \t]*\n", " ", text).split("\n"):
        match line.split(None, 1):
            case ["v", rest]:
                vertices.append(rest.split())
            case ["f" | "fo", rest]:
                face = [_index(corner, len(vertices), line, lengths) for corner in rest.split()]
                corners += face
                lengths.append(len(face))
            case [word, *_] if word in _CURVES:
                aside[_CURVES[word]] = None
    points = table([" ".join(words[:3]) for words in vertices], 3)  # (V, 3)
    if not lengths and "free-form surfaces" in aside:
        raise ValueError("it holds free-form surfaces and no polygons: cut them into polygons")
    widths = {len(words) for words in vertices}
    if 4 in widths and any(len(w) == 4 and float(w[3]) != 1 for w in vertices):
        aside["the fourth number of its vertices, as of rational curves"] = None
    if aside:
        warnings.warn(f"{path}: left aside {', '.join(aside)}", stacklevel=3)
    faces, _ = triangulate(np.array(corners, np.int64), np.array(lengths, np.int64), points)
    if len(faces):
        return Mesh(points, faces)
    if widths == {6}:
        return Found(points, {"color": table([" ".join(words[3:]) for words in vertices], 3)})
    return Found(points)


def _index(corner: str, seen: int, line: str, lengths: list[int]) -> int:
    """The vertex of a corner such as 1, 1/2, 1//3 or -1, counted from 0."""
    word = corner.partition("/")[0]
    try:
        i = int(word)
    except ValueError:
        i = 0
    if not (0 < i < 2**62 or -seen <= i < 0):
        raise ValueError(f"face {len(lengths) + 1} has the index {word[:60]}: {line[:60]!r}")
    return i - 1 if i > 0 else seen + i


FORMATS = (Format((".obj",), "mesh or cloud", read),)
