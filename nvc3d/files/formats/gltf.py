"""glTF 2.0 (Khronos), as .glb and as .gltf: the geometry of the scene that the file shows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.files import draco
from nvc3d.files.assembly import Assembly
from nvc3d.files.format import Format, Found
from nvc3d.files.glb import VERTICES, pack
from nvc3d.files.gltf_document import Document, Entry, normalised
from nvc3d.geometry.mesh import Mesh

# Extensions that change where points lie, and are followed.
_FOLLOWED = {"KHR_mesh_quantization", "EXT_mesh_gpu_instancing", draco.EXTENSION}
# Extensions that say nothing of where points lie, by how their names begin.
_LOOKS = (
    *("KHR_materials_", "KHR_texture_", "EXT_texture_", "MSFT_texture_", "KHR_lights_"),
    *("EXT_lights_", "KHR_xmp", "KHR_animation_", "KHR_audio", "KHR_techniques_webgl"),
    *("EXT_mesh_features", "FB_ngon_encoding", "EXT_instance_features", "EXT_structural_metadata"),
    *("FB_materials_", "ADOBE_materials_", "EXT_materials_", "NV_materials_"),
)
_PLACED = ("matrix", "translation", "rotation", "scale")
_POINTS, _LINES, _TRIANGLES, _STRIP, _FAN = 0, (1, 2, 3), 4, 5, 6


@dataclass
class _Scene:
    """What is gathered from a document."""

    document: Document
    parts: Assembly = field(default_factory=Assembly)
    left_aside: dict[str, None] = field(default_factory=dict)  # in the order in which they came
    world: dict[int, NDArray] = field(default_factory=dict)  # (4, 4) of each node


@dataclass
class _Part:
    """A primitive: triangles, or points if `faces` is None."""

    positions: NDArray[np.float64]  # (V, 3), NaN where the file has it
    faces: NDArray[np.int64] | None  # (F, 3)
    colors: NDArray[np.uint8] | None  # (V, 3)


def read(path: Path) -> Mesh | Found:
    """Read all triangles of the scene as one mesh, each part placed where the scene has it.

    Morph targets have their default weights and skins the pose of the file. A scene with no
    triangles but with points gives those as one cloud, with their `color`. Coordinates are those
    of the file (by the format metres, with y up). Lines, points beside triangles, scenes that are
    not the default one and extensions of unknown meaning are left aside, with a warning.

    Raises:
        ValueError: the file is truncated or corrupt, or needs an extension that is not read.
        MissingExtra: a part is compressed with Draco, and DracoPy is not installed.

    Source: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
    """
    document = Document(path)
    scene = _Scene(document)
    _judge_extensions(scene)
    # What overflows on the way is not finite at the end, and refused there.
    with np.errstate(over="ignore", invalid="ignore"):
        if document.all("nodes"):
            _walk(scene, _roots(scene))
            _show(scene)
        else:
            for mesh in document.all("meshes"):
                _add(scene, mesh, _weights(mesh, Entry({}, "")), None, np.eye(4)[None])
    parts = scene.parts
    if not parts.faces and not parts.points:
        beside = f", only {_listed(scene)}" if scene.left_aside else ""
        raise ValueError(f"its scene holds no triangles and no points{beside}")
    if parts.faces and parts.points:
        count = sum(map(len, parts.points))
        scene.left_aside[f"{count} points beside the triangles"] = None
    known = [v for v in parts.colors if v is not None]
    if not parts.faces and 0 < len(known) < len(parts.colors):
        scene.left_aside["colours that only some of its points have"] = None
    if scene.left_aside:
        warnings.warn(f"{path}: left aside {_listed(scene)}", stacklevel=3)
    if parts.faces:
        return parts.mesh()
    columns = {"color": np.concatenate(known)} if len(known) == len(parts.colors) else {}
    return Found(np.concatenate(parts.points), columns)


def _listed(scene: _Scene) -> str:
    return ", ".join(scene.left_aside)


def _judge_extensions(scene: _Scene) -> None:
    root = scene.document.root
    required = root.words("extensionsRequired")
    for name in dict.fromkeys([*required, *root.words("extensionsUsed")]):
        if name in _FOLLOWED or name.startswith(_LOOKS):
            continue
        if name in required:
            raise ValueError(f"it needs the extension {name}, which is not read")
        scene.left_aside[f"the extension {name}"] = None


def _roots(scene: _Scene) -> list[int]:
    """The nodes that the scene begins with."""
    document = scene.document
    scenes = document.all("scenes")
    if not scenes:
        children = {i for node in document.all("nodes") for i in node.indices("children")}
        return [i for i in range(len(document.all("nodes"))) if i not in children]
    shown = document.root.whole("scene", 0)
    if len(scenes) > 1:
        scene.left_aside[f"all of its {len(scenes)} scenes but number {shown}"] = None
    return document.at("scenes", shown).indices("nodes")


def _walk(scene: _Scene, roots: list[int]) -> None:
    """Find where all nodes lie."""
    stack = [(i, np.eye(4)) for i in reversed(roots)]
    while stack:
        index, parent = stack.pop()
        if index in scene.world:
            raise ValueError(f"nodes[{index}] hangs in two places of its scene, or within itself")
        node = scene.document.at("nodes", index)
        placed = any(key in node for key in _PLACED)
        scene.world[index] = transform = parent @ _transform(node) if placed else parent
        if not np.isfinite(transform).all():
            raise ValueError(f"{node.name} is placed at no finite place")
        stack += [(i, transform) for i in reversed(node.indices("children"))]


def _transform(node: Entry) -> NDArray[np.float64]:
    """The place (4, 4) of a node in its parent."""
    if "matrix" not in node:
        return _composed(
            node.numbers("translation", (0, 0, 0))[None],
            node.numbers("rotation", (0, 0, 0, 1))[None],
            node.numbers("scale", (1, 1, 1))[None],
            node.name,
        )[0]
    if any(key in node for key in _PLACED[1:]):
        raise ValueError(f"{node.name} has a matrix beside translation, rotation or scale")
    matrix = node.numbers("matrix", count=16).reshape(4, 4).T
    if (matrix[3] != (0, 0, 0, 1)).any():
        raise node.wrong("matrix", "a translation, rotation and scaling")
    return matrix


def _composed(move: NDArray, turn: NDArray, scale: NDArray, name: str) -> NDArray[np.float64]:
    """Transforms (N, 4, 4) from translations (N, 3), quaternions x y z w (N, 4), scales (N, 3)."""
    length = np.linalg.norm(turn, axis=1, keepdims=True)
    if (length == 0).any():
        raise ValueError(f"{name} has a rotation of length 0")
    x, y, z, w = (turn / length).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    result = np.zeros((len(move), 4, 4))
    result[:, :3, :3] = np.moveaxis(np.array(rows), 2, 0) * scale[:, None, :]
    result[:, :3, 3] = move
    result[:, 3, 3] = 1
    return result


def _show(scene: _Scene) -> None:
    """Add what the nodes show: each mesh once, at all its places together."""
    places: dict[tuple[int, int | None, bytes], list[NDArray]] = {}
    for index, transform in scene.world.items():
        node = scene.document.at("nodes", index)
        if "mesh" not in node:
            continue
        mesh = node.whole("mesh")
        weights = _weights(scene.document.at("meshes", mesh), node)
        skin = node.whole("skin") if "skin" in node else None
        # A skin says where its vertices lie; the node that shows it does not.
        own = transform[None] if skin is None else np.eye(4)[None]
        if skin is None and "extensions" in node:
            own = transform @ _instances(scene.document, node)
        places.setdefault((mesh, skin, weights.tobytes()), []).append(own)
    for (mesh, skin, followed), several in places.items():
        joints = None if skin is None else _joints(scene, skin)
        entry = scene.document.at("meshes", mesh)
        _add(scene, entry, np.frombuffer(followed), joints, np.concatenate(several))


def _weights(mesh: Entry, node: Entry) -> NDArray[np.float64]:
    """How far each morph target is followed, (W,); none where the file does not say."""
    holder = node if "weights" in node else mesh
    given = holder.values.get("weights", [])
    return holder.numbers("weights", count=len(given) if isinstance(given, list) else 0)


def _joints(scene: _Scene, skin_index: int) -> NDArray[np.float64]:
    """What each joint of a skin does to a vertex that is bound to it, (J, 4, 4)."""
    skin = scene.document.at("skins", skin_index)
    nodes = skin.indices("joints")
    absent = [i for i in nodes if i not in scene.world]
    if absent or not nodes:
        raise skin.wrong("joints", "nodes of the scene")
    places = np.stack([scene.world[i] for i in nodes])
    if "inverseBindMatrices" not in skin:
        return places
    index = skin.whole("inverseBindMatrices")
    bound = scene.document.accessor(index, "MAT4")
    if len(bound) < len(nodes):
        raise ValueError(f"{skin.name} has {len(nodes)} joints and {len(bound)} matrices for them")
    return places @ bound[: len(nodes)].reshape(-1, 4, 4).transpose(0, 2, 1)


def _instances(document: Document, node: Entry) -> NDArray[np.float64]:
    """Where the copies of a node's mesh lie in the node, (I, 4, 4): one of them for most nodes."""
    extension = node.entry("extensions").entry("EXT_mesh_gpu_instancing")
    given = extension.entry("attributes")
    if not given.values:
        return np.eye(4)[None]
    read = {
        key: document.accessor(given.whole(key), kind).astype(np.float64)
        for key, kind in (("TRANSLATION", "VEC3"), ("ROTATION", "VEC4"), ("SCALE", "VEC3"))
        if key in given
    }
    counts = {len(values) for values in read.values()}
    if len(counts) != 1:
        raise ValueError(f"{given.name} do not say how many copies there are: {sorted(counts)}")
    (count,) = counts
    return _composed(
        read.get("TRANSLATION", np.zeros((count, 3))),
        read.get("ROTATION", np.tile([0.0, 0, 0, 1], (count, 1))),
        read.get("SCALE", np.ones((count, 3))),
        given.name,
    )


def _add(
    scene: _Scene, mesh: Entry, weights: NDArray, joints: NDArray | None, places: NDArray
) -> None:
    """Add a mesh at each of its places (I, 4, 4)."""
    for primitive in mesh.entries("primitives"):
        mode = primitive.whole("mode", _TRIANGLES)
        if mode in _LINES:
            scene.left_aside["lines"] = None
            continue
        if mode > _FAN:
            raise primitive.wrong("mode", "from 0 to 6")
        part = _part(scene.document, primitive, mode, weights, joints)
        if len(part.positions):
            size = scene.document.size
            scene.parts.place(size, places, part.positions, part.faces, part.colors)


def _part(
    document: Document, primitive: Entry, mode: int, weights: NDArray, joints: NDArray | None
) -> _Part:
    source = _Source(document, primitive)
    positions = source.attribute("POSITION", "VEC3")
    if positions is None:
        raise ValueError(f"{primitive.name} has no POSITION")
    count = len(positions)
    corners = np.arange(count) if source.corners is None else source.corners
    if len(corners) and corners.max() >= count:
        raise ValueError(f"{primitive.name} has a corner {corners.max()} of {count} vertices")
    if mode != _POINTS:
        corners = _triangles(corners, _TRIANGLES if source.packed else mode, primitive).reshape(-1)
    used, index = _used(corners, count)
    placed = positions[used].astype(np.float64)  # (V, 3)
    targets = primitive.entries("targets")
    if 0 < len(weights) < len(targets):
        raise ValueError(f"{primitive.name} has {len(targets)} targets and {len(weights)} weights")
    for weight, target in zip(weights, targets, strict=False):
        if weight and "POSITION" in target:
            placed += (
                weight * document.accessor(target.whole("POSITION"), "VEC3", count=count)[used]
            )
    if joints is not None:
        placed = _skinned(source, used, count, placed, joints)
    if mode != _POINTS:
        return _Part(placed, index.reshape(-1, 3), None)
    colors = source.attribute("COLOR_0", "VEC3", "VEC4", count=count)
    return _Part(placed, None, None if colors is None else _as_bytes(colors[used, :3]))


class _Source:
    """The attributes and the corners of a primitive, unpacked where Draco has packed them."""

    def __init__(self, document: Document, primitive: Entry) -> None:
        self._document = document
        self._given = primitive.entry("attributes")
        self._unpacked: dict[str, NDArray] = {}
        self.corners: NDArray[np.int64] | None = None  # (C,), None: the vertices one by one
        extensions = primitive.entry("extensions")
        self.packed = draco.EXTENSION in extensions and not self._also_plain()
        if self.packed:
            extension = extensions.entry(draco.EXTENSION)
            self._unpacked, self.corners = draco.decode(document, extension)
        elif "indices" in primitive:
            index = primitive.whole("indices")
            _refuse_empty(document, index)
            indices = document.accessor(index, "SCALAR")[:, 0]
            if indices.dtype.kind != "u":
                raise primitive.wrong("indices", "an accessor of unsigned integers")
            self.corners = indices.astype(np.int64)

    def _also_plain(self) -> bool:
        """Whether the file holds the packed attributes a second time, for readers without Draco."""
        if draco.EXTENSION in self._document.root.words("extensionsRequired"):
            return False
        return "bufferView" in self._document.at("accessors", self._given.whole("POSITION"))

    def count_of(self, start: str) -> int:
        """How many attributes have a name that begins like this."""
        return sum(name.startswith(start) for name in self._given.values)

    def attribute(self, name: str, *kinds: str, count: int | None = None) -> NDArray | None:
        """The values (V, C) of an attribute, None if there is none."""
        if name not in self._given:
            return None
        index = self._given.whole(name)
        entry = self._document.at("accessors", index)
        if name in self._unpacked:
            values = self._unpacked[name]
            if values.ndim != 2 or (count is not None and len(values) != count):
                raise ValueError(f"{self._given.name}.{name} is unpacked as {values.shape}")
            return normalised(entry, values)
        if name == "POSITION":
            _refuse_empty(self._document, index)
        return self._document.accessor(index, *kinds, count=count)


def _refuse_empty(document: Document, index: int) -> None:
    """Refuse an accessor that the format lets be all zeros and that nobody means so."""
    entry = document.at("accessors", index)
    if "bufferView" not in entry and "sparse" not in entry:
        raise ValueError(f"{entry.name} has no bufferView, and so no values")


def _triangles(corners: NDArray[np.int64], mode: int, primitive: Entry) -> NDArray[np.int64]:
    """The triangles (F, 3) that a list, a strip or a fan of corners (C,) means."""
    if mode == _TRIANGLES:
        if len(corners) % 3:
            raise ValueError(f"{primitive.name} has {len(corners)} corners, no multiple of 3")
        return corners.reshape(-1, 3)
    if mode == _FAN:
        hub = np.broadcast_to(corners[:1], len(corners[2:]))
        return np.stack([corners[1:-1], corners[2:], hub], 1)
    strip = np.stack([corners[:-2], corners[1:-1], corners[2:]], 1)
    strip[1::2, 1:] = strip[1::2, :0:-1]  # every second one turns the other way
    return strip


def _used(corners: NDArray[np.int64], count: int) -> tuple[NDArray, NDArray[np.int64]]:
    """Which of `count` vertices are used (V,), and the corners as indices into those.

    One list of vertices often serves many parts.
    """
    if count > 8 * len(corners):
        return np.unique(corners, return_inverse=True)
    used = np.zeros(count, bool)
    used[corners] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[corners]


def _skinned(
    source: _Source, used: NDArray, count: int, positions: NDArray, joints: NDArray
) -> NDArray[np.float64]:
    """Positions (V, 3) where the joints (J, 4, 4) of a skin have them."""
    blend = np.zeros((len(used), 4, 4))
    total = np.zeros((len(used), 1, 1))
    for part in range(source.count_of("JOINTS_")):
        bound = source.attribute(f"JOINTS_{part}", "VEC4", count=count)
        share = source.attribute(f"WEIGHTS_{part}", "VEC4", count=count)
        if bound is None or share is None or bound.dtype.kind != "u":
            raise ValueError("a part with a skin has no JOINTS and WEIGHTS that belong together")
        for i in range(4):
            weight = share[used, i].astype(np.float64)[:, None, None]
            joint = np.where(weight[:, 0, 0] == 0, 0, bound[used, i])
            if joint.max(initial=0) >= len(joints):
                raise ValueError(f"a part has joint {joint.max()} of a skin with {len(joints)}")
            blend += weight * joints[joint]
            total += weight
    if not (total > 0).all():
        raise ValueError("a part with a skin has vertices that no joint holds")
    blend /= total
    return np.einsum("vij,vj->vi", blend[:, :3, :3], positions) + blend[:, :3, 3]


def _as_bytes(colors: NDArray) -> NDArray[np.uint8]:
    """Colours from 0 to 1, or in integers that the file forgot to call normalised."""
    unit = colors if colors.dtype.kind == "f" else colors / float(np.iinfo(colors.dtype).max)
    return np.rint(np.nan_to_num(unit).clip(0, 1) * 255).astype(np.uint8)


def write(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """Write a GLB file that holds the points as one cloud.

    The format keeps coordinates in float32. Points that lie farther from the origin than they
    reach are kept around their centre, and a node moves them to it in float64.

    Raises:
        ValueError: a column other than `color`, for which the format has no place; more bytes than
            it can count.
    """
    if lost := [name for name in columns if name != "color"]:
        lost = ["labels" if name == "label" else name for name in lost]
        raise ValueError(
            f"a .glb file has no place for {', '.join(lost)}: write them to .ply or .npz"
        )
    low, high = points.min(0), points.max(0)
    centre = low / 2 + high / 2
    far = points.dtype == np.float64 and np.abs(centre).max() > (high - low).max()
    local = (points - centre if far else points).astype("<f4")
    buffers = [local.tobytes()]
    attributes = {"POSITION": 0}
    accessors: list[dict[str, Any]] = [
        {
            **{"bufferView": 0, "componentType": 5126, "count": len(local), "type": "VEC3"},
            **{"min": local.min(0).tolist(), "max": local.max(0).tolist()},
        }
    ]
    if (colors := columns.get("color")) is not None:
        # Four bytes each, because the format wants its elements to begin at multiples of four.
        opaque = np.full((len(colors), 1), 255, np.uint8)
        buffers.append(np.hstack([colors, opaque]).tobytes())
        attributes["COLOR_0"] = 1
        kind = {"componentType": 5121, "normalized": True, "count": len(colors), "type": "VEC4"}
        accessors.append({"bufferView": 1, **kind})
    sizes = [len(data) for data in buffers]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    document = {
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, **({"translation": centre.tolist()} if far else {})}],
        "meshes": [{"primitives": [{"attributes": attributes, "mode": _POINTS}]}],
        "accessors": accessors,
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": size, "target": VERTICES}
            for start, size in zip(starts, sizes, strict=True)
        ],
    }
    pack(file, document, buffers)


_HOLDS = "mesh or cloud, all parts of the scene"
FORMATS = (
    Format((".glb",), _HOLDS, read, write, keeps=("color",)),
    Format((".gltf",), _HOLDS, read),
)
