"""3MF (3MF Consortium): triangle meshes in XML in a ZIP file, for printing."""

from __future__ import annotations

import posixpath
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.assembly import Assembly
from nvc3d.files.format import Format
from nvc3d.files.zipped import open_zip
from nvc3d.geometry.mesh import Mesh

_MODEL = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
_LOOKS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
# Elements of extensions that are bodies of their own or change those that there are.
_BODIES = {
    "beamlattice": "beams",
    "slicestack": "slices",
    "booleanshape": "boolean shapes",
    "levelset": "level sets",
    "displacementmesh": "displaced meshes",
}
# XML of numbers packs to a tenth of its size; more than this much to one byte is a bomb.
_UNPACKED_PER_BYTE, _UNPACKED = 200, 2**24

_Key = tuple[str, str]  # part of the ZIP file, id of the object in it


@dataclass
class _Object:
    vertices: list[tuple[str, str, str]] = field(default_factory=list)
    triangles: list[tuple[str, str, str]] = field(default_factory=list)
    components: list[tuple[_Key, NDArray]] = field(default_factory=list)  # with (4, 4) each


@dataclass
class _Package:
    """What is read from the parts of the ZIP file."""

    archive: zipfile.ZipFile
    objects: dict[_Key, _Object] = field(default_factory=dict)
    items: list[tuple[_Key, NDArray]] = field(default_factory=list)  # with (4, 4) each
    left_aside: dict[str, None] = field(default_factory=dict)


def read(path: Path) -> Mesh:
    """Read what the file builds as one mesh, each part placed where it is built, in its unit.

    Raises:
        ValueError: no 3MF file, a corrupt one, or one that needs an extension that is not read.

    Source: https://3mf.io/spec
    """
    with open_zip(path, "3MF") as archive:
        package = _Package(archive)
        root = _root(archive)
        waiting, seen = [root], {root}
        while waiting:
            part = waiting.pop()
            for other in _read_model(package, part, is_root=part == root):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
    parts = Assembly()
    size = path.stat().st_size
    for key, places in _placed(package, size).items():
        vertices, triangles = _geometry(package.objects[key], key)
        parts.place(size, np.stack(places), vertices, triangles)
    if package.left_aside:
        warnings.warn(f"{path}: left aside {', '.join(package.left_aside)}", stacklevel=3)
    if not parts.faces:
        raise ValueError("it builds no triangles")
    return parts.mesh()


def _root(archive: zipfile.ZipFile) -> str:
    """The part of the file that says what is built."""
    names = {name.lower(): name for name in archive.namelist()}
    if "_rels/.rels" in names:
        for _, element, attributes in _elements(archive, names["_rels/.rels"]):
            if element == "Relationship" and attributes.get("Type") == _MODEL:
                return attributes.get("Target", "").lstrip("/")
    if "3d/3dmodel.model" in names:
        return names["3d/3dmodel.model"]
    raise ValueError("it has no part 3D/3dmodel.model, as 3MF files have")


def _elements(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Namespace, name and attributes of each element of a part, and of what ends with "/" before
    its name; attributes of another namespace as "namespace name"."""
    try:
        info = archive.getinfo(part)
    except KeyError:
        raise ValueError(f"it refers to its part {part}, and has none") from None
    if info.file_size > max(_UNPACKED, _UNPACKED_PER_BYTE * info.compress_size):
        raise ValueError(f"its part {part} would unpack to {info.file_size} bytes")
    found: list[tuple[str, str, dict[str, str]]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        space, _, plain = name.rpartition(" ")
        found.append((space, plain, attributes))

    def end(name: str) -> None:
        space, _, plain = name.rpartition(" ")
        found.append((space, "/" + plain, {}))

    def declare(prefix: str | None, uri: str) -> None:
        found.append((uri, "xmlns", {"prefix": prefix or ""}))

    def refuse(*_: object) -> None:
        raise ValueError(f"its part {part} declares its own kind of document, which 3MF forbids")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartNamespaceDeclHandler, parser.StartDoctypeDeclHandler = declare, refuse
    try:
        with archive.open(info) as file:
            while piece := file.read(2**16):
                parser.Parse(piece)
                yield from found
                found.clear()
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ValueError(f"the XML of its part {part} is corrupt: {error}") from error
    yield from found


def _read_model(package: _Package, part: str, is_root: bool) -> list[str]:
    """Read the objects of a part, and name the parts that it refers to."""
    others: list[str] = []
    spaces: dict[str, str] = {}
    current = _Object()

    def target(attributes: dict[str, str]) -> tuple[_Key, NDArray]:
        given = attributes.get(f"{_PRODUCTION} path", f"/{part}")
        other = posixpath.normpath(given).lstrip("/")
        others.append(other)
        return (other, attributes.get("objectid", "")), _transform(attributes)

    for space, name, attributes in _elements(package.archive, part):
        if name == "xmlns":
            spaces[attributes["prefix"]] = space
        elif name in _BODIES:
            package.left_aside[_BODIES[name]] = None
        elif space != _CORE:
            continue
        elif name == "model":
            for prefix in attributes.get("requiredextensions", "").split():
                if spaces.get(prefix) not in (_CORE, _PRODUCTION, _LOOKS):
                    raise ValueError(
                        f"it needs the extension {spaces.get(prefix, prefix)}, which is not read"
                    )
        elif name == "object":
            current = _Object()
            key = (part, attributes.get("id", ""))
            if key in package.objects:
                raise ValueError(f"two objects have the id {key[1]!r}")
            package.objects[key] = current
        elif name == "vertex":
            current.vertices.append(_three(attributes, "x", "y", "z"))
        elif name == "triangle":
            current.triangles.append(_three(attributes, "v1", "v2", "v3"))
        elif name == "component":
            current.components.append(target(attributes))
        elif name == "item" and is_root:
            package.items.append(target(attributes))
    return others


def _three(attributes: dict[str, str], *names: str) -> tuple[str, str, str]:
    a, b, c = (attributes.get(name, "") for name in names)
    return a, b, c


def _transform(attributes: dict[str, str]) -> NDArray[np.float64]:
    """The place (4, 4) that an item or a component has."""
    result = np.eye(4)
    if (given := attributes.get("transform")) is not None:
        words = given.split()
        try:
            numbers = np.array(words, np.float64)
        except ValueError:
            numbers = np.empty(0)
        if len(numbers) != 12 or not np.isfinite(numbers).all():
            raise ValueError(f"a transform must be 12 finite numbers, got {given[:60]!r}")
        # In the file a point is a row, to the left of its transform.
        result[:3] = numbers.reshape(4, 3).T
    return result


def _placed(package: _Package, size: int) -> dict[_Key, list[NDArray]]:
    """Where each mesh is built."""
    places: dict[_Key, list[NDArray]] = {}
    stack = [(key, transform, 0) for key, transform in reversed(package.items)]
    visits = 0
    while stack:
        key, transform, depth = stack.pop()
        visits += 1
        if depth > len(package.objects) or visits > 1000 + size:
            raise ValueError("its objects hold themselves, or too many copies")
        if key not in package.objects:
            raise ValueError(f"it refers to the object {key[1]!r} of its part {key[0]}: none there")
        found = package.objects[key]
        if not np.isfinite(transform).all():
            raise ValueError(f"its object {key[1]!r} is placed at no finite place")
        if found.triangles:
            places.setdefault(key, []).append(transform)
        with np.errstate(over="ignore", invalid="ignore"):
            stack += [(k, transform @ t, depth + 1) for k, t in reversed(found.components)]
    return places


def _geometry(found: _Object, key: _Key) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    try:
        vertices = np.array(found.vertices, np.float64).reshape(-1, 3)
        triangles = np.array(found.triangles).astype(np.int64).reshape(-1, 3)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"its object {key[1]!r} has a vertex or triangle that is none") from error
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise ValueError(
            f"the triangles of its object {key[1]!r} must index its {len(vertices)} vertices, got "
            f"indices from {triangles.min()} to {triangles.max()}"
        )
    return vertices, triangles


FORMATS = (Format((".3mf",), "mesh, all parts that are built", read),)
