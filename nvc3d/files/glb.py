"""The container of binary glTF 2.0 (Khronos), written; and in it flat faces with holes."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.atomic import atomic_write
from nvc3d.files.polygons import bridged, triangulate

Floats = NDArray[np.float64]

FLOAT, UINT = 5126, 5125
VERTICES, INDICES = 34962, 34963


class Face(NamedTuple):
    """A flat face: polygons, of each the outer ring (n, 3) and its holes."""

    name: str
    polygons: Sequence[Sequence[Floats]]
    color: tuple[int, int, int]


def pack(file: BinaryIO, document: dict[str, Any], buffers: Sequence[bytes]) -> None:
    """Write a document whose first buffer are these bytes, one after the other.

    Raises ValueError where they are more than the format can count.
    """
    size = sum(map(len, buffers))
    whole = {
        "asset": {"version": "2.0", "generator": "nvc3d"},
        **document,
        "buffers": [{"byteLength": size}],
    }
    text = json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + size
    if length >= 2**32:
        raise ValueError(f"a .glb file has at most 4 GiB, and this one needs {length} bytes")
    file.write(struct.pack("<4sIIII", b"glTF", 2, length, len(text), 0x4E4F534A) + text)
    file.write(struct.pack("<I4s", size, b"BIN\0"))
    for data in buffers:
        file.write(data)


def write_faces(path: Path, faces: Sequence[Face], axes: Floats) -> None:
    """Write faces, each a mesh of its own name and colour that is seen from both sides.

    Args:
        path: of the file.
        faces: one or more polygons each.
        axes: (3, 3): what makes the coordinates those of the format, metres with y up; that is left
            to the node on which the faces hang.

    Raises ValueError where there is no face, and OSError where the file cannot be written.
    """
    if not faces:
        raise ValueError("there must be a face or more to write, got none")
    low = np.min([ring.min(0) for face in faces for own in face.polygons for ring in own], 0)
    buffers: list[bytes] = []
    views, accessors, meshes, nodes, materials = ([] for _ in range(5))
    for number, face in enumerate(faces):
        points, corners = _cut(face.polygons)
        local = (points - low).astype("<f4")
        for data, target in ((local, VERTICES), (corners.astype("<u4"), INDICES)):
            start = sum(map(len, buffers))
            buffers.append(data.tobytes())
            own = {"buffer": 0, "byteOffset": start, "byteLength": data.nbytes}
            views.append({**own, "target": target})
        bounds = {"min": local.min(0).tolist(), "max": local.max(0).tolist()}
        place = {"bufferView": 2 * number, "componentType": FLOAT, "type": "VEC3"}
        accessors.append({**place, "count": len(local), **bounds})
        index = {"bufferView": 2 * number + 1, "componentType": UINT, "type": "SCALAR"}
        accessors.append({**index, "count": corners.size})
        part = {"attributes": {"POSITION": 2 * number}, "indices": 2 * number + 1}
        meshes.append({"name": face.name, "primitives": [{**part, "material": number}]})
        nodes.append({"name": face.name, "mesh": number})
        # The format's colours are linear.
        linear = [(part / 255) ** 2.2 for part in face.color]
        looks = {"baseColorFactor": [*linear, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9}
        materials.append({"name": face.name, "doubleSided": True, "pbrMetallicRoughness": looks})
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = axes, axes @ low
    root = {"children": list(range(len(nodes))), "matrix": turned.T.ravel().tolist()}
    document = {
        "scene": 0,
        "scenes": [{"nodes": [len(nodes)]}],
        "nodes": [*nodes, root],
        "meshes": meshes,
        "materials": materials,
        "accessors": accessors,
        "bufferViews": views,
    }
    with atomic_write(path) as file:
        pack(file, document, buffers)


def _cut(polygons: Sequence[Sequence[Floats]]) -> tuple[Floats, NDArray[np.int64]]:
    """Vertices (V, 3) and triangles (T, 3) of polygons with holes."""
    points, rings = [], []
    first = 0
    for polygon in polygons:
        own = np.concatenate(polygon)
        rings.append(bridged(own, [len(ring) for ring in polygon]) + first)
        points.append(own)
        first += len(own)
    vertices = np.concatenate(points)
    lengths = np.array([len(ring) for ring in rings])
    return vertices, triangulate(np.concatenate(rings), lengths, vertices)[0]
