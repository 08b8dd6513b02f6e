"""OFF (Geomview): vertices and polygons in text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.format import Format, Found
from nvc3d.files.parsing import decoded, lines_of, table
from nvc3d.files.polygons import triangulate
from nvc3d.geometry.mesh import Mesh

# The word says what a vertex has: ST texture, C colour, N normal, 4 a fourth coordinate, n a number
# of coordinates that follows. Some files of ModelNet forget the line break after it.
_WORD = re.compile(r"\s*((?:ST|[CN4])*OFF)(?=[\s\d]|$)", re.IGNORECASE)


def read(path: Path) -> Mesh | Found:
    """Read a mesh, or a cloud if no face is there, with the `normal` of NOFF and the `color` of
    COFF.

    Raises:
        ValueError: it is no OFF file, one in binary or not in three dimensions, or truncated.

    Source: http://www.geomview.org/docs/html/OFF.html
    """
    data = path.read_bytes()
    if re.match(rb"\s*\w*OFF\s+BINARY\b", data[:100], re.IGNORECASE):
        raise ValueError("it is an OFF file in binary, which is not read: save it as text")
    text = re.sub(r"#[^\r\n]*", "", decoded(data))
    word = _WORD.match(text)
    if word is None:
        raise ValueError("it does not start with OFF and the counts of vertices and faces")
    kind, lines = word[1], lines_of(text[word.end() :])
    # In a word of small letters alone, n is the N of normals.
    has = set(kind if kind.islower() else kind.replace("n", "d")) - set("off")
    has = {letter.upper() for letter in has}
    head: list[str] = []
    wanted = 3 if "D" in has else 2
    while len(head) < wanted and lines:
        head += lines.pop(0).split()
    if not wanted <= len(head) <= wanted + 1 or not all(w.isdecimal() for w in head):
        raise ValueError(f"{kind} must come before counts, got {' '.join(head)[:60]!r}")
    if "D" in has and head.pop(0) != "3":
        raise ValueError(f"its vertices must have 3 coordinates, the header of {kind} says not")
    vertex_count, face_count = int(head[0]), int(head[1])
    if len(lines) < vertex_count + face_count:
        raise ValueError(
            f"the header promises {vertex_count} vertices and {face_count} faces, "
            f"and {len(lines)} rows follow: the file is truncated or corrupt"
        )
    rows = [line.split() for line in lines[:vertex_count]]
    least = 3 + ("4" in has) + 3 * ("N" in has) + 3 * ("C" in has) * (face_count == 0)
    if short := [row for row in rows if len(row) < least]:
        raise ValueError(f"a vertex has fewer numbers than {kind} says: {' '.join(short[0])!r}")
    points = _columns(rows, 0, 3)
    width = 3
    if "4" in has:
        weight = _columns(rows, 3, 1)
        if (weight == 0).any():
            raise ValueError(f"the fourth coordinate in {kind} divides the others, and one is 0")
        points, width = points / weight, 4
    corners: list[int] = []
    lengths: list[int] = []
    for line in lines[vertex_count : vertex_count + face_count]:
        face = line.split()
        length = int(face[0]) if face[0].isdecimal() and len(face[0]) < 10 else len(face)
        words = face[1 : 1 + length]
        if length >= len(face) or not all(re.fullmatch(r"-?\d{1,18}", w) for w in words):
            raise ValueError(f"face {len(lengths) + 1} is wrong: {line[:60]!r}")
        corners += map(int, words)
        lengths.append(length)
    index = np.array(corners, np.int64)
    faces, _ = triangulate(index, np.array(lengths, np.int64), points)
    if len(faces):
        return Mesh(points, faces)
    columns: dict[str, NDArray] = {}
    if "N" in has:
        columns["normal"], width = _columns(rows, width, 3), width + 3
    if "C" in has:
        columns["color"] = _columns(rows, width, 3)
    return Found(points, columns)


def _columns(rows: list[list[str]], start: int, count: int) -> NDArray[np.float64]:
    return table([" ".join(row[start : start + count]) for row in rows], count)


FORMATS = (Format((".off",), "mesh or cloud", read),)
