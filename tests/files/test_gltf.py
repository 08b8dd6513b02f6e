"""glTF 2.0: points lie where the format says."""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvc3d.files import read_shape, write_cloud
from nvc3d.geometry.mesh import Cloud, Mesh, doubled_area

# A tetrahedron at the origin with legs 1, 2 and 3.
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.uint16)
UP = np.array([0, 0, 1])
FAR = np.array([691_000.25, 5_336_000.5, 500])
CODES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class File:
    """A glTF file in the making."""

    def __init__(self, **document: Any) -> None:
        self.data = b""
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [],
            "accessors": [],
            "bufferViews": [],
            **document,
        }

    def view(self, data: bytes, **more: Any) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **more}
        self.document["bufferViews"].append(view)
        self.data += data
        return len(self.document["bufferViews"]) - 1

    def add(self, values: np.ndarray, **more: Any) -> int:
        """An accessor of (N,) or (N, C) values."""
        rows = values.reshape(len(values), -1)
        accessor = {
            "bufferView": self.view(rows.tobytes()),
            "componentType": CODES[values.dtype.str[1:]],
            "count": len(rows),
            "type": KINDS[rows.shape[1]],
            **more,
        }
        self.document["accessors"].append(accessor)
        return len(self.document["accessors"]) - 1

    def mesh(self, positions: np.ndarray = CORNERS, faces: Any = FACES, **more: Any) -> None:
        """A mesh of one primitive."""
        primitive: dict[str, Any] = {"attributes": {"POSITION": self.add(positions)}, **more}
        if faces is not None:
            primitive["indices"] = self.add(faces.reshape(-1))
        self.document["meshes"].append({"primitives": [primitive]})

    def write(self, path: Path) -> Path:
        document = {"buffers": [{"byteLength": len(self.data)}], **self.document}
        text = json.dumps(document).encode()
        if path.suffix == ".gltf":
            path.write_bytes(text)
            return path
        text += b" " * (-len(text) % 4)
        size = 28 + len(text) + len(self.data)
        head = struct.pack("<4sIII4s", b"glTF", 2, size, len(text), b"JSON")
        path.write_bytes(head + text + struct.pack("<I4s", len(self.data), b"BIN\0") + self.data)
        return path

    def read(self, tmp_path: Path) -> np.ndarray:
        """The corners (F, 3, 3) of its faces."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mesh = read_shape(self.write(tmp_path / "a.glb"))
        assert isinstance(mesh, Mesh)
        return mesh.vertices[mesh.faces]


def sorted_faces(corners: np.ndarray) -> np.ndarray:
    """Faces (F, 3, 3) free of their order and of the corner that each begins with."""
    turned = []
    for face in corners.round(5).tolist():
        first = face.index(min(face))
        turned.append(face[first:] + face[:first])
    return np.array(sorted(turned))


def same(left: np.ndarray, right: np.ndarray) -> None:
    np.testing.assert_allclose(sorted_faces(left), sorted_faces(right), atol=1e-5)


def test_parts_lie_where_their_nodes_have_them(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    nodes = [
        {"children": [1, 2], "translation": [10, 0, 0], "scale": [2, 2, 2]},
        {"mesh": 0, "rotation": [0, 0, half, half]},
        {"mesh": 0, "matrix": [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]},
        {"mesh": 0},  # in no scene
    ]
    file = File(nodes=nodes)
    file.mesh()
    turned = CORNERS @ [[0, 1, 0], [-1, 0, 0], [0, 0, 1]] * 2 + [10, 0, 0]
    mirrored = (CORNERS * [-1, 1, 1] + [5, 6, 7]) * 2 + [10, 0, 0]
    # A mirrored part keeps its outside outside.
    same(file.read(tmp_path), np.concatenate([turned[FACES], mirrored[FACES[:, ::-1]]]))


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2"])
@pytest.mark.parametrize("normalised", [True, False])
def test_quantised_positions(tmp_path: Path, kind: str, normalised: bool) -> None:
    most = np.iinfo(kind).max
    stored = np.zeros((4, 4), kind)  # three numbers and what fills up four
    stored[:, :3] = np.rint(CORNERS / 3 * most)
    file = File(extensionsRequired=["KHR_mesh_quantization"])
    view = file.view(stored.tobytes(), byteStride=stored.strides[0])
    accessor = {"bufferView": view, "componentType": CODES[kind], "count": 4, "type": "VEC3"}
    file.document["accessors"].append({**accessor, "normalized": normalised})
    primitive = {"attributes": {"POSITION": 0}, "indices": file.add(FACES.reshape(-1))}
    file.document["meshes"] = [{"primitives": [primitive]}]
    scale = 3 if normalised else 3 / most
    file.document["nodes"] = [{"mesh": 0, "scale": [scale] * 3}]
    same(file.read(tmp_path), (stored[:, :3] / most * 3)[FACES])


def test_sparse_accessors(tmp_path: Path) -> None:
    file = File()
    file.mesh()
    sparse = {
        "count": 2,
        "indices": {"bufferView": file.view(b"\1\3"), "componentType": 5121},
        "values": {"bufferView": file.view(np.array([[4, 0, 0], [0, 0, 5]], "<f4").tobytes())},
    }
    file.document["accessors"][0]["sparse"] = sparse
    moved = CORNERS.copy()
    moved[1, 0], moved[3, 2] = 4, 5
    same(file.read(tmp_path), moved[FACES])
    # Without a bufferView the others are 0.
    del file.document["accessors"][0]["bufferView"]
    moved[2] = 0
    same(file.read(tmp_path), moved[FACES])
    sparse["indices"] = {"bufferView": file.view(b"\1\4"), "componentType": 5121}
    with pytest.raises(ValueError, match="reach 4, of 4 elements"):
        file.read(tmp_path)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (4, [[0, 1, 2], [3, 4, 5]]),
        (5, [[0, 1, 2], [2, 1, 3], [2, 3, 4], [4, 3, 5]]),
        (6, [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]),
    ],
)
@pytest.mark.parametrize("indexed", [True, False])
def test_lists_strips_and_fans(
    tmp_path: Path, mode: int, expected: list[list[int]], indexed: bool
) -> None:
    positions = np.random.default_rng(0).random((6, 3)).astype(np.float32)
    file = File()
    order = np.array([5, 3, 0, 1, 4, 2], np.uint32)
    file.mesh(positions, order if indexed else None, mode=mode)
    same(file.read(tmp_path), (positions[order] if indexed else positions)[expected])


def test_copies_of_one_mesh(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    file = File(extensionsRequired=["EXT_mesh_gpu_instancing"])
    file.mesh()
    attributes = {
        "TRANSLATION": file.add(np.array([[0, 0, 0], [9, 0, 0]], np.float32)),
        "ROTATION": file.add(np.array([[0, 0, 0, 1], [0, 0, half, half]], np.float32)),
        "SCALE": file.add(np.array([[1, 1, 1], [2, 2, 2]], np.float32)),
    }
    node = {"mesh": 0, "translation": [0, 0, 1]}
    node["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    file.document["nodes"] = [node]
    turned = CORNERS @ [[0, 1, 0], [-1, 0, 0], [0, 0, 1]] * 2 + [9, 0, 0]
    same(file.read(tmp_path), np.concatenate([CORNERS[FACES], turned[FACES]]) + UP)


def test_morph_targets_have_their_default_weights(tmp_path: Path) -> None:
    file = File()
    moves = [{"POSITION": file.add(np.full((4, 3), i, np.float32))} for i in (1, 10, 100)]
    file.mesh(targets=moves)
    same(file.read(tmp_path), CORNERS[FACES])
    file.document["meshes"][0]["weights"] = [0.5, 0, 2]
    same(file.read(tmp_path), CORNERS[FACES] + 200.5)
    file.document["nodes"][0]["weights"] = [0, 1, 0]
    same(file.read(tmp_path), CORNERS[FACES] + 10)


def test_skins_have_the_pose_of_the_file(tmp_path: Path) -> None:
    bind = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
    bind[1, 3, :3] = [0, 0, -3]  # column-major: the second joint was bound at height 3
    nodes = [
        {"mesh": 0, "skin": 0, "translation": [50, 50, 50]},  # which a skin does not heed
        {"translation": [1, 0, 0], "children": [2]},
        {"translation": [0, 0, 5]},
    ]
    file = File(nodes=nodes, scenes=[{"nodes": [0, 1]}])
    file.mesh()
    file.document["skins"] = [{"joints": [1, 2], "inverseBindMatrices": file.add(bind)}]
    joints = np.array([[0, 9, 9, 9], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], np.uint8)
    weights = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], np.float32)
    attributes = file.document["meshes"][0]["primitives"][0]["attributes"]
    attributes |= {"JOINTS_0": file.add(joints), "WEIGHTS_0": file.add(weights)}
    expected = CORNERS + np.array([[1, 0, 0], [1, 0, 1], [1, 0, 0], [1, 0, 2]])
    same(file.read(tmp_path), expected[FACES])
    nodes[0]["skin"] = 3
    with pytest.raises(ValueError, match=r"refers to skins\[3\], and has 1 skins"):
        file.read(tmp_path)


def test_points_and_lines_beside_triangles_are_said_to_be_left_aside(tmp_path: Path) -> None:
    file = File()
    file.mesh()
    primitives = file.document["meshes"][0]["primitives"]
    primitives += [{"attributes": {"POSITION": 0}, "mode": mode} for mode in (0, 1, 3)]
    path = file.write(tmp_path / "a.glb")
    with pytest.warns(UserWarning, match=r"a\.glb: left aside lines, 4 points beside") as caught:
        mesh = read_shape(path)
    assert len(caught) == 1
    assert isinstance(mesh, Mesh)
    same(mesh.vertices[mesh.faces], CORNERS[FACES])
    del primitives[:2]
    with pytest.raises(ValueError, match="no triangles and no points, only lines"):
        read_shape(file.write(tmp_path / "a.glb"))


def test_points_keep_their_colours(tmp_path: Path) -> None:
    file = File()
    file.mesh(faces=None, mode=0)
    attributes = file.document["meshes"][0]["primitives"][0]["attributes"]
    attributes["COLOR_0"] = file.add(np.eye(4, 3, dtype=np.float32) * np.float32(0.2))
    cloud = read_shape(file.write(tmp_path / "a.glb"))
    assert isinstance(cloud, Cloud) and cloud.colors is not None
    assert cloud.points.tolist() == CORNERS.tolist()
    assert cloud.colors.tolist() == (np.eye(4, 3) * 51).tolist()


def test_the_scene_that_the_file_shows_is_read(tmp_path: Path) -> None:
    nodes = [{"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}]
    file = File(nodes=nodes, scenes=[{"nodes": [0]}, {"nodes": [1]}], scene=1)
    file.mesh()
    with pytest.warns(UserWarning, match="left aside all of its 2 scenes but number 1"):
        mesh = read_shape(file.write(tmp_path / "a.glb"))
    assert isinstance(mesh, Mesh)
    same(mesh.vertices[mesh.faces], CORNERS[FACES] + [5, 0, 0])
    # A file without scenes is a shelf of what hangs on nothing.
    del file.document["scenes"], file.document["scene"]
    assert len(file.read(tmp_path)) == 8
    del file.document["nodes"]
    assert len(file.read(tmp_path)) == 4


@pytest.mark.parametrize("uri", ["a b.bin", "data"])
def test_buffers_beside_the_file_and_in_it(tmp_path: Path, uri: str) -> None:
    file = File()
    file.mesh()
    kept = tmp_path / uri
    inside = "data:application/octet-stream;base64," + base64.b64encode(file.data).decode()
    given = inside if uri == "data" else "a%20b.bin"
    file.document["buffers"] = [{"byteLength": len(file.data), "uri": given}]
    path = file.write(tmp_path / "a.gltf")
    if uri != "data":
        with pytest.raises(ValueError, match=r"a\.gltf: buffers\[0\] is kept in a b\.bin"):
            read_shape(path)
        kept.write_bytes(file.data[:-1])
        with pytest.raises(ValueError, match="truncated"):
            read_shape(path)
        kept.write_bytes(file.data + b"more")
    mesh = read_shape(path)
    assert isinstance(mesh, Mesh)
    same(mesh.vertices[mesh.faces], CORNERS[FACES])


def test_extensions_that_are_not_read_are_named(tmp_path: Path) -> None:
    file = File(extensionsUsed=["XY_bent_space", "KHR_materials_unlit"])
    file.mesh()
    with pytest.warns(UserWarning, match="left aside the extension XY_bent_space$"):
        read_shape(file.write(tmp_path / "a.glb"))
    for name in ("XY_bent_space", "EXT_meshopt_compression"):
        file.document["extensionsRequired"] = [name]
        with pytest.raises(ValueError, match=f"needs the extension {name}"):
            read_shape(file.write(tmp_path / "a.glb"))


def test_parts_packed_with_draco(tmp_path: Path) -> None:
    library = pytest.importorskip("DracoPy")
    packed = library.encode(CORNERS, FACES.astype(np.uint32), quantization_bits=16)
    name = "KHR_draco_mesh_compression"
    file = File(extensionsRequired=[name], nodes=[{"mesh": 0}], scenes=[{"nodes": [0]}])
    file.mesh()
    for accessor in file.document["accessors"]:
        del accessor["bufferView"]
    extension = {"bufferView": file.view(packed), "attributes": {"POSITION": 0}}
    file.document["meshes"][0]["primitives"][0]["extensions"] = {name: extension}
    np.testing.assert_allclose(
        sorted_faces(file.read(tmp_path)), sorted_faces(CORNERS[FACES]), atol=1e-3
    )
    extension["bufferView"] = file.view(packed[:20])
    with pytest.raises(ValueError, match="Draco cannot decompress"):
        file.read(tmp_path)


def damaged(change: Any) -> File:
    file = File()
    file.mesh()
    change(file.document)
    return file


HOSTILE = {
    "circle": (lambda d: d["nodes"][0].update(children=[0]), "within itself"),
    "view": (lambda d: d["bufferViews"][0].update(byteLength=10**9), r"bufferViews\[0\] ends"),
    "count": (lambda d: d["accessors"][0].update(count=2**40), "promises 1099511627776 elements"),
    "nothing": (lambda d: d["accessors"][0].pop("bufferView"), "has no bufferView"),
    "unbacked": (
        lambda d: (
            d["accessors"][1].update(bufferView=None, sparse={}, count=2**33)
            or d["accessors"][1].pop("bufferView")
        ),
        "none is there",
    ),
    "zeros": (lambda d: d["accessors"][1].pop("bufferView"), "has no bufferView"),
    "index": (lambda d: d["accessors"][0].update(count=3), "has a corner 3 of 3"),
    "type": (lambda d: d["accessors"][0].update(type="VEC9"), "must be VEC3"),
    "component": (lambda d: d["accessors"][0].update(componentType=5130), "componentType must be"),
    "stride": (lambda d: d["bufferViews"][0].update(byteStride=4), "byteStride must be at least"),
    "node": (lambda d: d["nodes"][0].update(mesh=7), r"refers to meshes\[7\]"),
    "minus": (lambda d: d["nodes"][0].update(mesh=-1), "whole number from 0 on, got -1"),
    "word": (lambda d: d["nodes"][0].update(translation="far"), "translation must be 3 finite"),
    "list": (lambda d: d.update(meshes={"a": 1}), "meshes must be a list of objects"),
    "turn": (lambda d: d["nodes"][0].update(rotation=[0, 0, 0, 0]), "rotation of length 0"),
    "far": (lambda d: d["nodes"][0].update(scale=[1e300] * 3), "finite"),
    "both": (
        lambda d: d["nodes"][0].update(matrix=[1] * 16, scale=[1] * 3),
        "a matrix beside translation",
    ),
    "odd": (lambda d: d["accessors"][1].update(count=11), "11 corners, no multiple of 3"),
    "mode": (lambda d: d["meshes"][0]["primitives"][0].update(mode=7), "mode must be"),
    "old": (lambda d: d["asset"].update(version="1.0"), "version 2.0, got '1.0'"),
    "new": (lambda d: d["asset"].update(minVersion="2.1"), "version 2.0, got '2.1'"),
    "buffer": (lambda d: d.update(buffers=[{"byteLength": 10**12}]), "promises 1000000000000"),
    "web": (lambda d: d.update(buffers=[{"byteLength": 9, "uri": "http://a/b"}]), "beside it"),
    "copies": (
        lambda d: (
            d.update(nodes=[{"mesh": 0}] * 1000, scenes=[{"nodes": list(range(1000))}])
            or d["meshes"][0].update(primitives=d["meshes"][0]["primitives"] * 1000)
        ),
        "too much for a file",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_scenes_are_refused_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    change, fault = HOSTILE[name]
    path = damaged(change).write(tmp_path / "a.glb")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"a\.glb: .*{fault}"):
            read_shape(path)
        if name != "copies":
            assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    file = File()
    file.mesh()
    content = file.write(tmp_path / "a.glb").read_bytes()
    for cut in range(1, len(content), 7):
        (tmp_path / "cut.glb").write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"cut\.glb: .*(truncated|JSON)"):
            read_shape(tmp_path / "cut.glb")


def test_deep_json_and_long_chains_of_nodes(tmp_path: Path) -> None:
    (tmp_path / "a.gltf").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.gltf: its JSON is corrupt"):
        read_shape(tmp_path / "a.gltf")
    nodes: list[dict] = [{"children": [i + 1], "translation": [1, 0, 0]} for i in range(5000)]
    file = File(nodes=[*nodes, {"mesh": 0}])
    file.mesh()
    same(file.read(tmp_path), CORNERS[FACES] + [5000, 0, 0])


def test_a_cloud_far_from_the_origin_keeps_its_digits(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((50, 3)) + FAR
    write_cloud(tmp_path / "a.glb", points)
    np.testing.assert_allclose(read_shape(tmp_path / "a.glb").points, points, rtol=0, atol=1e-7)
    # Near it the file has the very numbers of the points.
    write_cloud(tmp_path / "b.glb", points - points.mean(0))
    near = read_shape(tmp_path / "b.glb").points
    np.testing.assert_array_equal(near, (points - points.mean(0)).astype(np.float32))
    length, json_length = struct.unpack_from("<8xII", (tmp_path / "a.glb").read_bytes())
    assert length == (tmp_path / "a.glb").stat().st_size and json_length % 4 == 0


@pytest.mark.parametrize("library", ["trimesh"])
def test_others_see_far_points_where_they_are(tmp_path: Path, library: str) -> None:
    trimesh = pytest.importorskip(library)
    points = np.random.default_rng(0).random((50, 3)) + FAR
    colors = np.random.default_rng(1).integers(256, size=(50, 3), dtype=np.uint8)
    write_cloud(tmp_path / "a.glb", points, colors)
    (theirs,) = trimesh.load_scene(tmp_path / "a.glb").dump()
    np.testing.assert_allclose(theirs.vertices, points, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(theirs.colors[:, :3], colors)
    cloud = read_shape(tmp_path / "a.glb")
    assert isinstance(cloud, Cloud)
    np.testing.assert_array_equal(cloud.colors, colors)


def test_area_does_not_depend_on_the_writer(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    solid = trimesh.creation.icosphere(2, 1.5)
    for suffix in ("glb", "stl", "ply", "off", "obj"):
        solid.export(tmp_path / f"a.{suffix}")
        mesh = read_shape(tmp_path / f"a.{suffix}")
        assert isinstance(mesh, Mesh)
        area = doubled_area(mesh.vertices, mesh.faces).sum() / 2
        assert area == pytest.approx(solid.area, rel=1e-6), suffix
