"""Reading and writing shapes: what goes in comes out, and what is broken is named."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from nvc3d.data.files import find_shapes, read_shape, write_cloud
from nvc3d.data.formats import lzf
from nvc3d.data.formats.atomic import atomic_write
from nvc3d.data.mesh import Cloud, Mesh

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5], [0.25, 0.75, -3]])
FACES = [[0, 1, 2, 3], [0, 3, 4]]
TRIANGLES = [[0, 1, 2], [0, 2, 3], [0, 3, 4]]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ply_mesh(kind: str, faces: list[list[int]] = FACES) -> bytes:
    """The square with properties that a reader must step over, and a label for each face."""
    header = [
        "ply",
        f"format {kind} 1.0",
        "comment made here",
        "element camera 1",
        "property list uchar float shutter",
        "element vertex 5",
        "property uchar red",
        "property double x",
        "property float y",
        "property float32 z",
        "element face " + str(len(faces)),
        "property short label",
        "property list uint8 int vertex_indices",
        "property list int double texture",
        "end_header",
        "",
    ]
    if kind == "ascii":
        rows = ["3 1 2 3"]
        rows += [f"{i} {x} {y} {z}" for i, (x, y, z) in enumerate(SQUARE)]
        rows += [f"{7 + i} {len(f)} {' '.join(map(str, f))} 0" for i, f in enumerate(faces)]
        return "\n".join([*header, *rows, ""][1:]).join(["ply\n", ""]).encode()
    order = "<" if kind == "binary_little_endian" else ">"
    body = struct.pack(order + "B3f", 3, 1, 2, 3)
    for i, xyz in enumerate(SQUARE):
        body += struct.pack(order + "Bdff", i, *xyz)
    for i, face in enumerate(faces):
        body += struct.pack(f"{order}hB{len(face)}ii", 7 + i, len(face), *face, 0)
    return "\n".join(header).encode() + body


PLY_KINDS = ["ascii", "binary_little_endian", "binary_big_endian"]


@pytest.mark.parametrize("kind", PLY_KINDS)
def test_ply_mesh_of_quads_and_triangles(tmp_path: Path, kind: str) -> None:
    mesh = read_shape(written(tmp_path / "a.ply", ply_mesh(kind)))
    assert isinstance(mesh, Mesh)
    assert mesh.vertices.tolist() == SQUARE.tolist()
    assert mesh.faces.tolist() == TRIANGLES
    assert mesh.face_labels is not None
    assert mesh.face_labels.tolist() == [7, 7, 8]


@pytest.mark.parametrize("kind", PLY_KINDS)
def test_ply_faces_of_one_length_are_read_the_same_way(tmp_path: Path, kind: str) -> None:
    mesh = read_shape(written(tmp_path / "a.ply", ply_mesh(kind, TRIANGLES)))
    assert isinstance(mesh, Mesh)
    assert mesh.faces.tolist() == TRIANGLES


@pytest.mark.parametrize("kind", PLY_KINDS)
def test_ply_truncated_anywhere_is_refused(tmp_path: Path, kind: str) -> None:
    whole = ply_mesh(kind)
    # The ascii file ends in "0\n", of which it can miss the line break and be whole.
    for cut in range(1, len(whole) - (kind == "ascii"), 2):
        with pytest.raises(ValueError, match=r"cut\.ply"):
            read_shape(written(tmp_path / "cut.ply", whole[:cut]))


def test_ply_labels_of_vertices_go_to_faces_by_majority(tmp_path: Path) -> None:
    text = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
    text += "property float z\nproperty int label\nelement face 2\n"
    text += "property list uchar int vertex_index\nend_header\n"
    text += "0 0 0 5\n1 0 0 2\n0 1 0 5\n1 1 0 2\n3 0 1 2\n3 1 3 2\n"
    mesh = read_shape(written(tmp_path / "a.ply", text))
    assert isinstance(mesh, Mesh)
    assert mesh.face_labels is not None
    assert mesh.face_labels.tolist() == [5, 2]


def test_ply_triangle_strips(tmp_path: Path) -> None:
    text = "ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\n"
    text += "property float z\nelement tristrips 1\nproperty list int int vertex_indices\n"
    text += "end_header\n" + "\n".join(f"{x} {y} {z}" for x, y, z in SQUARE)
    text += "\n8 0 1 2 3 -1 2 3 4\n"
    mesh = read_shape(written(tmp_path / "a.ply", text))
    assert isinstance(mesh, Mesh)
    assert mesh.faces.tolist() == [[0, 1, 2], [2, 1, 3], [2, 3, 4]]


def pcd(kind: str, rows: np.ndarray, width: int, height: int) -> bytes:
    header = "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z _ label\nSIZE 4 4 4 1 4\n"
    header += f"TYPE F F F U U\nCOUNT 1 1 1 4 1\nWIDTH {width}\nHEIGHT {height}\n"
    header += f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(rows)}\nDATA {kind}\n"
    if kind == "ascii":
        lines = [f"{r['x']} {r['y']} {r['z']} 0 0 0 0 {r['label']}\n" for r in rows]
        return (header + "".join(lines)).encode()
    if kind == "binary":
        return header.encode() + rows.tobytes()
    fields = b"".join(np.ascontiguousarray(rows[name]).tobytes() for name in rows.dtype.names)
    packed = b"".join(
        bytes([len(part) - 1]) + part
        for part in (fields[i : i + 32] for i in range(0, len(fields), 32))
    )
    return header.encode() + struct.pack("<II", len(packed), len(fields)) + packed


def pcd_rows(count: int) -> np.ndarray:
    kinds = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("_", "u1", 4), ("label", "<u4")]
    rows = np.zeros(count, kinds)
    draw = np.random.default_rng(0)
    for axis in "xyz":
        rows[axis] = draw.standard_normal(count)
    rows["label"] = draw.integers(9, size=count)
    return rows


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
def test_pcd(tmp_path: Path, kind: str) -> None:
    rows = pcd_rows(50)
    cloud = read_shape(written(tmp_path / "a.pcd", pcd(kind, rows, 50, 1)))
    assert isinstance(cloud, Cloud)
    assert cloud.labels is not None
    np.testing.assert_array_equal(cloud.points, np.stack([rows[a] for a in "xyz"], 1))
    np.testing.assert_array_equal(cloud.labels, rows["label"])


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
def test_pcd_missing_pixels_of_a_depth_image_are_counted(tmp_path: Path, kind: str) -> None:
    rows = pcd_rows(12)
    for axis in "xyz":
        rows[axis][[2, 7, 8]] = np.nan
    path = written(tmp_path / "a.pcd", pcd(kind, rows, 4, 3))
    with pytest.warns(UserWarning, match="left out 3 of 12 pixels") as caught:
        cloud = read_shape(path)
    assert len(caught) == 1
    assert isinstance(cloud, Cloud)
    assert cloud.labels is not None
    kept = np.delete(rows, [2, 7, 8])
    np.testing.assert_array_equal(cloud.points, np.stack([kept[a] for a in "xyz"], 1))
    np.testing.assert_array_equal(cloud.labels, kept["label"])
    # The same rows as a plain list of points say of no pixel that it is missing.
    with pytest.raises(ValueError, match=r"b\.pcd.*finite.*row 2.*3 such rows"):
        read_shape(written(tmp_path / "b.pcd", pcd(kind, rows, 12, 1)))


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
def test_pcd_truncated_anywhere_is_refused(tmp_path: Path, kind: str) -> None:
    whole = pcd(kind, pcd_rows(5), 5, 1)
    # An ascii row may lose its line break and the last digit of its last number unnoticed.
    for cut in range(1, len(whole) - 2 * (kind == "ascii"), 3):
        with pytest.raises(ValueError, match=r"cut\.pcd"):
            read_shape(written(tmp_path / "cut.pcd", whole[:cut]))


def test_lzf_copies_from_what_it_has_written() -> None:
    literal = bytes([3]) + b"abcd"
    # 4 bytes from 4 back, then 9 from 1 back: the last one repeats itself.
    assert lzf.decompress(literal + bytes([2 << 5, 3]), 8) == b"abcdabcd"
    assert lzf.decompress(literal + bytes([7 << 5, 0, 0]), 13) == b"abcd" + b"d" * 9
    with pytest.raises(ValueError, match="corrupt"):
        lzf.decompress(literal + bytes([2 << 5, 4]), 8)
    with pytest.raises(ValueError, match="corrupt"):
        lzf.decompress(literal + bytes([2 << 5]), 8)
    with pytest.raises(ValueError, match="instead of 7"):
        lzf.decompress(literal, 7)


OBJ = """mtllib a.mtl
o caf\xe9
v 0 0 0 1.0
v 1 0 0 0.5 0.5 0.5
v 1 1 0
vt 0 0
vn 0 0 1
f 1/1/1 2//1 3
v 0 1 0.5
v 0.25 0.75 -3
f -5 -3 \\
  -2 # not a word of a face
l 1 2
f 1 4 5/1
""".replace(" # not a word of a face", "")


def test_obj(tmp_path: Path) -> None:
    for content in (OBJ, OBJ.replace("\n", "\r\n")):
        mesh = read_shape(written(tmp_path / "a.obj", content.encode("latin-1")))
        assert isinstance(mesh, Mesh)
        assert mesh.vertices.tolist() == SQUARE.tolist()
        assert mesh.faces.tolist() == TRIANGLES


def test_obj_without_faces_is_a_cloud(tmp_path: Path) -> None:
    cloud = read_shape(written(tmp_path / "a.obj", "v 0 0 0\nv 1 2 3\n"))
    assert isinstance(cloud, Cloud)
    assert cloud.points.tolist() == [[0, 0, 0], [1, 2, 3]]


def test_real_meshes_are_read_as_trimesh_reads_them(data_dir: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    paths = find_shapes(data_dir / "meshes")
    assert len(paths) == 12
    for path in paths:
        mesh = read_shape(path)
        assert isinstance(mesh, Mesh)
        if len(mesh.faces) > 7000:
            continue  # the same kinds of line, only more of them
        theirs = trimesh.load_mesh(path, process=False).triangles  # (F, 3, 3)
        assert triangles(mesh.vertices[mesh.faces]) == triangles(theirs), path


def triangles(corners: np.ndarray) -> list[tuple[tuple[float, ...], ...]]:
    """Triangles (F, 3, 3) free of the order in which they, and the corners of each, are listed."""
    return sorted(tuple(sorted(map(tuple, triangle))) for triangle in corners.tolist())


def off_text(start: str) -> str:
    rows = "\n".join(f"{x} {y} {z}" for x, y, z in SQUARE)
    return f"{start}5 2 0\n# a comment\n{rows}\n\n4 0 1 2 3 255 0 0\n3  0 3 4\n"


@pytest.mark.parametrize("start", ["OFF\n", "OFF ", "OFF", "# first\nOFF\n", "COFF\r\n"])
def test_off(tmp_path: Path, start: str) -> None:
    mesh = read_shape(written(tmp_path / "a.off", off_text(start)))
    assert isinstance(mesh, Mesh)
    assert mesh.vertices.tolist() == SQUARE.tolist()
    assert mesh.faces.tolist() == TRIANGLES


def stl_binary(start: bytes = b"solid, says the header") -> bytes:
    body = start.ljust(80, b"\0") + struct.pack("<I", len(TRIANGLES))
    for face in TRIANGLES:
        body += struct.pack("<12fH", 0, 0, 0, *SQUARE[face].reshape(-1), 0)
    return body


def stl_ascii() -> bytes:
    facets = ""
    for face in TRIANGLES:
        corners = "".join(f"   vertex {x} {y} {z}\n" for x, y, z in SQUARE[face])
        facets += f" facet normal 0 0 0\n  outer loop\n{corners}  endloop\n endfacet\n"
    return f"solid square\n{facets}endsolid square\n".encode()


@pytest.mark.parametrize("content", [stl_binary(), stl_ascii()])
def test_stl(tmp_path: Path, content: bytes) -> None:
    mesh = read_shape(written(tmp_path / "a.stl", content))
    assert isinstance(mesh, Mesh)
    assert len(mesh.vertices) == 5
    assert mesh.vertices[mesh.faces].tolist() == SQUARE[TRIANGLES].tolist()
    for cut in range(1, len(content) - 15, 3):
        with pytest.raises(ValueError, match=r"cut\.stl"):
            read_shape(written(tmp_path / "cut.stl", content[:cut]))


@pytest.mark.parametrize("suffix", ["glb", "gltf"])
def test_scenes_are_put_together_in_place(tmp_path: Path, suffix: str) -> None:
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box((1, 1, 1))
    scene = trimesh.Scene()
    scene.add_geometry(box, transform=np.diag([2.0, 2, 2, 1]))
    moved = trimesh.transformations.translation_matrix([10, 0, 0])
    scene.add_geometry(box, transform=moved)
    path = tmp_path / f"a.{suffix}"
    if suffix == "glb":
        scene.export(path)
    else:
        for name, data in scene.export(file_type="gltf").items():
            (tmp_path / (path.name if name.endswith("gltf") else name)).write_bytes(data)
    mesh = read_shape(path)
    assert isinstance(mesh, Mesh)
    assert mesh.faces.shape == (24, 3)
    np.testing.assert_allclose(mesh.vertices.min(0), [-1, -1, -1], atol=1e-6)
    np.testing.assert_allclose(mesh.vertices.max(0), [10.5, 1, 1], atol=1e-6)
    with pytest.raises(ValueError, match="cut"):
        read_shape(written(tmp_path / f"cut.{suffix}", path.read_bytes()[:-40]))


@pytest.mark.parametrize(
    "text",
    [
        "0 1 2\n3 4 5\n",
        "\ufeff0, 1, 2\r\n3, 4, 5\r\n",
        "0;1;2\n3;4;5",
        "0\t1\t2\t255\n3\t4\t5\t0\n\n",
        "x,y,z\n0,1,2\n3,4,5\n",
        '"Z","id","X","Y"\n2,7,0,1\n5,8,3,4\n',
        "//X Y Z Intensity\n0 1 2 9\n3 4 5 9\n",
        "# made by hand\n# in metres\n0 1 2\n# between\n3 4 5\n",
        "2\n0 1 2 -7 1 1 1\n3 4 5 -8 1 1 1\n",
        "first second third\n0 1 2\n3 4 5\n",
    ],
)
def test_text(tmp_path: Path, text: str) -> None:
    cloud = read_shape(written(tmp_path / "a.TXT", text))
    assert isinstance(cloud, Cloud)
    assert cloud.points.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_normals_of_clouds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points, normals = rng.standard_normal((2, 20, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rows = np.hstack([points, normals])
    names = ["x", "y", "z", "nx", "ny", "nz"]
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 20\n"
    header += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    written(tmp_path / "a.ply", header.encode() + rows.astype("<f4").tobytes())
    fields = "x y z normal_x normal_y normal_z"
    header = f"VERSION .7\nFIELDS {fields}\nSIZE 4 4 4 4 4 4\nTYPE F F F F F F\n"
    header += "COUNT 1 1 1 1 1 1\nWIDTH 20\nHEIGHT 1\nPOINTS 20\nDATA binary\n"
    written(tmp_path / "b.pcd", header.encode() + rows.astype("<f4").tobytes())
    np.savez(tmp_path / "c.npz", points=points, normals=normals)
    np.savetxt(
        tmp_path / "d.csv", rows[:, [3, 4, 5, 0, 1, 2]], "%.9g", ",", header="nx,ny,nz,x,y,z"
    )
    np.savetxt(tmp_path / "e.txt", np.c_[rows, np.zeros(20)], "%.9g")
    for name in ("a.ply", "b.pcd", "c.npz", "d.csv", "e.txt"):
        cloud = read_shape(tmp_path / name)
        assert np.array_equal(cloud.points, points) and np.array_equal(cloud.normals, normals), name
    # Six columns that are something else, and normals that nobody knows.
    np.savetxt(tmp_path / "f.txt", np.c_[points, 255 * rng.random((20, 3))])
    assert read_shape(tmp_path / "f.txt").normals is None
    normals[3] = np.nan
    np.savez(tmp_path / "c.npz", points=points, normals=normals)
    cloud = read_shape(tmp_path / "c.npz")
    assert cloud.normals is None and np.array_equal(cloud.points, points)
    with pytest.raises(ValueError, match=r"normals must be \(20, 3\), got \(19, 3\)"):
        Cloud(points, None, points[:19])


def test_numpy_files(tmp_path: Path) -> None:
    points = np.random.default_rng(0).standard_normal((20, 6))
    np.save(tmp_path / "a.npy", np.asfortranarray(points))
    np.savez(tmp_path / "b.npz", xyz=points[:, :3], labels=np.arange(20.0))
    np.savez_compressed(tmp_path / "c.npz", anything=np.asfortranarray(points))
    np.savez(tmp_path / "d.npz", vertices=SQUARE, faces=np.array(TRIANGLES, np.uint8))
    for name in "a.npy", "b.npz", "c.npz":
        cloud = read_shape(tmp_path / name)
        assert isinstance(cloud, Cloud)
        np.testing.assert_array_equal(cloud.points, points[:, :3].astype(np.float32))
    labelled = read_shape(tmp_path / "b.npz")
    assert isinstance(labelled, Cloud)
    assert labelled.labels is not None
    assert labelled.labels.tolist() == list(range(20))
    mesh = read_shape(tmp_path / "d.npz")
    assert isinstance(mesh, Mesh)
    assert mesh.faces.tolist() == TRIANGLES


def test_las(tmp_path: Path) -> None:
    laspy = pytest.importorskip("laspy")
    scan = laspy.create(point_format=3, file_version="1.2")
    scan.header.scales = [0.001] * 3
    scan.x, scan.y, scan.z = np.round(np.random.default_rng(0).random((3, 30)), 3)
    scan.classification = np.arange(30) % 7
    scan.write(tmp_path / "a.las")
    cloud = read_shape(tmp_path / "a.las")
    assert isinstance(cloud, Cloud)
    assert cloud.labels is not None
    np.testing.assert_allclose(cloud.points, np.stack([scan.x, scan.y, scan.z], 1), atol=1e-6)
    assert cloud.labels.tolist() == [i % 7 for i in range(30)]
    whole = (tmp_path / "a.las").read_bytes()
    for cut in (1, 100, 300, len(whole) - 40, len(whole) - 1):
        with pytest.raises(ValueError, match=r"cut\.las"):
            read_shape(written(tmp_path / "cut.las", whole[:cut]))


def test_coordinates_that_float32_would_blur_are_kept_in_float64(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((50, 3))
    np.save(tmp_path / "near.npy", points)
    assert read_shape(tmp_path / "near.npy").points.dtype == np.float32
    for suffix in (".npy", ".ply", ".pcd", ".txt", ".npz"):
        write_cloud(tmp_path / f"far{suffix}", points + 4e6)
        np.testing.assert_array_equal(read_shape(tmp_path / f"far{suffix}").points, points + 4e6)


HEAD = "ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty float y\n"
HEAD += "property float z\n"
FACE = "element face {}\nproperty list {} int vertex_indices\n"
LIST = HEAD + FACE + "end_header\n"
PCD = "FIELDS x y z\nSIZE {2} {2} {2}\nTYPE F F F\nWIDTH {0}\nHEIGHT {1}\nDATA {3}\n"
THREE = "0 0 0\n1 0 0\n0 1 0\n"

HOSTILE = {
    "empty.ply": ("", "empty"),
    "other.ply": ("solid\n", "does not start with 'ply'"),
    "nan.ply": (HEAD.format("ascii", 2) + "end_header\n0 0 0\nnan 0 0\n", "finite.*row 1"),
    "inf.ply": (HEAD.format("ascii", 2) + "end_header\n0 0 0\n0 -inf 0\n", "finite"),
    "none.ply": (HEAD.format("ascii", 0) + "end_header\n", "no points"),
    "one.ply": (HEAD.format("ascii", 2) + "end_header\n1 1 1\n1 1 1\n", "no extent"),
    "flat.ply": (
        HEAD.replace("property float z\n", "").format("ascii", 0) + "end_header\n",
        "x, y",
    ),
    "twice.ply": (HEAD.format("ascii", 1) + "property int x\nend_header\n", "own name"),
    "short.ply": (HEAD.format("ascii", 3) + "end_header\n0 0 0\n", "promises 3"),
    "wide.ply": (HEAD.format("ascii", 2) + "end_header\n0 0 0 1\n1 1 1 1\n", "expected 3"),
    "words.ply": (HEAD.format("ascii", 1) + "end_header\n0 zero 0\n", "zero"),
    "huge.ply": (HEAD.format("ascii", 10**17) + "end_header\n" + THREE, "promises"),
    "huge2.ply": (HEAD.format("binary_little_endian", 10**17) + "end_header\nabc", "promises"),
    "huge3.ply": (HEAD.format("ascii", 10**40) + "end_header\n", "header has a line"),
    "huge4.ply": (LIST.format("ascii", 3, 1, "int") + THREE + "2000000000 0 1 2\n", "too short"),
    "minus.ply": (HEAD.format("ascii", -3) + "end_header\n", "header has a line"),
    "type.ply": (HEAD.replace("float z", "half z").format("ascii", 1) + "end_header\n", "half z"),
    "range.ply": (
        LIST.format("ascii", 3, 1, "uchar") + THREE + "3 0 1 3\n",
        "index the 3 vertices",
    ),
    "below.ply": (LIST.format("ascii", 3, 1, "uchar") + THREE + "3 0 1 -1\n", "index the 3"),
    "half.ply": (LIST.format("ascii", 3, 1, "uchar") + THREE + "3 0 1 1.5\n", "whole numbers"),
    "length.ply": (LIST.format("ascii", 3, 1, "float") + THREE, "header has a line"),
    "list.ply": (
        LIST.format("binary_little_endian", 1, 1, "uint").encode()
        + struct.pack("<3fI3i", 0, 0, 0, 2**32 - 1, 0, 1, 2),
        "promises 1 of element face",
    ),
    "list2.ply": (
        LIST.format("binary_big_endian", 1, 2, "int").encode()
        + struct.pack(">3fi3ii3i", 0, 0, 0, 3, 0, 1, 2, -3, 0, 1, 2),
        "list of -3",
    ),
    "endless.ply": ("ply\n" + "comment\n" * 9, "no end_header"),
    "huge.pcd": (PCD.format(10**9, 10**9, 4, "binary") + "abc", "promises"),
    "huge2.pcd": (
        PCD.format(10**8, 1, 4, "binary_compressed").encode()
        + struct.pack("<II", 3, 1_200_000_000)
        + b"\0ab",
        "LZF",
    ),
    "long.pcd": (PCD.format(1, 1, 4, "ascii") + "0 0 0\n1 1 1\n", "promises 1"),
    "type.pcd": (PCD.format(1, 1, 3, "ascii") + "0 0 0\n", "SIZE 3"),
    "data.pcd": (PCD.format(1, 1, 4, "zip") + "0 0 0\n", "DATA"),
    "word.pcd": (PCD.format("many", 1, 4, "ascii"), "WIDTH"),
    "fields.pcd": (PCD.format(1, 1, 4, "ascii").replace("x y z", "x y"), "different lengths"),
    "pixels.pcd": (PCD.format(1, 2, 4, "ascii") + "nan nan nan\n" * 2, "all of its 2 pixels"),
    "none.pcd": (PCD.format(0, 1, 4, "binary"), "no points"),
    "index.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "index the 3 vertices"),
    "zero.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "index 0"),
    "back.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -1 -2 -4\n", "index -4"),
    "word.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf a b c\n", "invalid literal"),
    "nan.obj": ("v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "finite"),
    "flat.obj": ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "no area"),
    "two.obj": ("v 0 0\nv 1 0\nv 2 0\nf 1 2 3\n", "expected 3"),
    "none.obj": ("o nothing\n", "no points"),
    "short.off": ("OFF\n3 1 0\n" + THREE, "promises 3 vertices and 1 faces"),
    "huge.off": ("OFF\n99999999999999999999 1 0\n" + THREE, "promises"),
    "face.off": ("OFF\n3 1 0\n" + THREE + "3 0 1\n", "face 1 is wrong"),
    "other.off": ("OFF BINARY\n", "does not start with OFF"),
    "huge.stl": (b"\0" * 80 + struct.pack("<I", 2**32 - 1) + b"\0" * 50, "4294967295"),
    "none.stl": (b"\0" * 84, "at least one"),
    "words.txt": ("this is\nnot a\ncloud\n", "no rows of numbers"),
    "ragged.xyz": ("0 0 0\n1 1\n", "number of columns"),
    "two.csv": ("0,1\n2,3\n", "expected rows of 3"),
    "late.csv": ("0,1,2\nx,y,z\n", "could not convert"),
    "nan.xyz": ("0 0 0\n1 nan 1\n", "finite"),
    "binary.txt": (b"\x93\xff\0\0", "a.*binary|codec"),
    "short.pts": ("5\n0 0 0\n1 1 1\n", "promises 5"),
    "none.csv": ("\n\n", "no rows"),
    "corrupt.npz": (b"PK\3\4" + b"\0" * 60, "zip"),
    "corrupt.npy": (b"\x93NUMPY\1\0", "."),
    "corrupt.glb": (b"glTF" + b"\2\0\0\0" + b"\xff" * 40, "."),
    "corrupt.las": (b"LASF" + b"\xff" * 400, "."),
    "shape.xml": ("<a/>", "kind is unknown"),
    "shape": ("", "empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_named_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    content, fault = HOSTILE[name]
    path = written(tmp_path / name, content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"(?s){name}: .*({fault})") as caught:
            read_shape(path)
        # A header that promises billions must not be believed.
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def npy(shape: str, kind: str = "<f4", body: bytes = b"\0" * 24) -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + body


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (npy("(4000000000, 3)"), "."),
        (npy("(99999999999999999999, 3)"), "."),
        (npy("(-2, 3)"), "."),
        (npy("(2, 3)", "|O"), "."),
        (npy("(2, 3)", "|S4"), "real numbers"),
        (npy("(6,)"), "N, 3"),
        (npy("(0, 3)", body=b""), "."),
        (npy("(1, 2, 3)"), "N, 3"),
        (npy("(2, 3)"), "no extent"),
    ],
)
def test_hostile_arrays(tmp_path: Path, content: bytes, fault: str) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("points.npy", content)
    written(tmp_path / "a.npy", content)
    for name in ("a.npy", "a.npz"):
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=f"{name}: .*{fault}"):
                read_shape(tmp_path / name)
            assert tracemalloc.get_traced_memory()[1] < 2**26
        finally:
            tracemalloc.stop()


def test_an_npz_of_other_things_says_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", depth=np.ones((2, 2)), mask=np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"points.*has depth, mask"):
        read_shape(tmp_path / "a.npz")


def samples() -> dict[str, bytes]:
    rows = pcd_rows(8)
    result = {f"{kind}.ply": ply_mesh(kind) for kind in PLY_KINDS}
    result |= {
        f"{kind}.pcd": pcd(kind, rows, 4, 2) for kind in ("ascii", "binary", "binary_compressed")
    }
    result |= {"a.obj": OBJ.encode("latin-1"), "a.off": off_text("OFF\n").encode()}
    result |= {"a.stl": stl_binary(), "b.stl": stl_ascii(), "a.csv": b"x,y,z\n0,1,2\n3,4,5\n"}
    return result


@pytest.mark.parametrize("name", samples())
def test_any_damage_gives_a_shape_or_a_clear_error(tmp_path: Path, name: str) -> None:
    whole = samples()[name]
    draw = np.random.default_rng(sum(name.encode()))
    path = tmp_path / name
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for at in draw.integers(len(content), size=draw.integers(1, 4)):
            content[at] = draw.integers(256)
        try:
            with warnings.catch_warnings():
                # Missing pixels may be reported; anything else, such as an overflow, may not.
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", message=".*left out.*")
                shape = read_shape(written(path, bytes(content)))
            assert np.isfinite(shape.sample(5, draw)[0]).all()
        except ValueError as error:
            refused += 1
            assert str(error).startswith(str(path))
    assert refused > 5


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.ply"):
        read_shape(tmp_path / "missing.ply")
    with pytest.raises(IsADirectoryError, match="folder"):
        read_shape(tmp_path)
    os.mkfifo(tmp_path / "pipe.ply")
    with pytest.raises(OSError, match="regular"):
        read_shape(tmp_path / "pipe.ply")


def test_plain_readers_and_writers_need_no_extra(tmp_path: Path) -> None:
    for name, content in samples().items():
        written(tmp_path / name, content)
    code = f"""
import sys, warnings
for name in ("trimesh", "scipy", "laspy", "matplotlib", "accelerate"):
    sys.modules[name] = None
from nvc3d.data.files import find_shapes, read_shape, write_cloud
for path in find_shapes({str(tmp_path)!r}):
    read_shape(path)
    print(path.name)
for suffix in "ply pcd npy npz xyz txt csv".split():
    write_cloud({str(tmp_path / "out.")!r} + suffix, [[0, 0, 0], [1, 1, 1]])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == sorted(samples())


POINTS = np.random.default_rng(3).standard_normal((40, 3)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npy", "npz", "xyz", "txt", "csv"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_written_cloud_comes_back_exactly(tmp_path: Path, suffix: str, dtype: type) -> None:
    path = tmp_path / f"a.{suffix}"
    write_cloud(path, POINTS.astype(dtype) + dtype(1e-12))
    cloud = read_shape(path)
    assert isinstance(cloud, Cloud)
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert cloud.labels is None
    if suffix == "npy":
        with pytest.raises(ValueError, match=r"\.npz"):
            write_cloud(path, POINTS, labels=np.zeros(40, int))
        return
    colors = np.random.default_rng(4).integers(256, size=(40, 3), dtype=np.uint8)
    labels = np.random.default_rng(5).integers(9, size=40)
    write_cloud(path, torch.from_numpy(POINTS).requires_grad_(), colors, torch.from_numpy(labels))
    cloud = read_shape(path)
    assert isinstance(cloud, Cloud)
    assert cloud.labels is not None
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.labels, labels)


def test_written_ply_is_understood_by_others(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    colors = np.arange(120, dtype=np.uint8).reshape(40, 3)
    write_cloud(tmp_path / "a.ply", POINTS, colors, np.arange(40))
    theirs = trimesh.load(tmp_path / "a.ply")
    np.testing.assert_array_equal(theirs.vertices.astype(np.float32), POINTS)
    np.testing.assert_array_equal(theirs.colors[:, :3], colors)


def test_written_glb_is_understood_by_others_and_comes_back(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    colors = np.arange(120, dtype=np.uint8).reshape(40, 3)
    write_cloud(tmp_path / "a.glb", POINTS, colors)
    (theirs,) = trimesh.load_scene(tmp_path / "a.glb").geometry.values()
    assert isinstance(theirs, trimesh.PointCloud)
    np.testing.assert_array_equal(theirs.vertices.astype(np.float32), POINTS)
    np.testing.assert_array_equal(theirs.colors[:, :3], colors)
    cloud = read_shape(tmp_path / "a.glb")
    assert isinstance(cloud, Cloud)
    np.testing.assert_array_equal(cloud.points, POINTS)
    with pytest.raises(ValueError, match="no place for labels"):
        write_cloud(tmp_path / "a.glb", POINTS, labels=np.zeros(40, int))


def test_written_pcd_packs_colours_as_the_library_does(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.pcd", POINTS, np.full((40, 3), [1, 2, 3], np.uint8))
    body = (tmp_path / "a.pcd").read_bytes().partition(b"DATA binary\n")[2]
    assert body[12:16] == bytes([3, 2, 1, 0])


@pytest.mark.parametrize(
    ("points", "extra", "fault"),
    [
        (np.zeros((0, 3)), {}, "N > 0"),
        (np.zeros((4, 2)), {}, "got float64"),
        (np.array([["a", "b", "c"]]), {}, "numbers"),
        (np.array([[0, 0, np.nan]]), {}, "1 of 1"),
        (np.array([[0, 0, np.inf]]), {}, "finite"),
        (POINTS, {"colors": np.zeros((40, 3))}, "uint8"),
        (POINTS, {"colors": np.zeros((39, 3), np.uint8)}, r"\(39, 3\)"),
        (POINTS, {"labels": np.zeros(40)}, "integers"),
        (POINTS, {"labels": np.zeros(39, int)}, r"\(40,\)"),
        (POINTS, {"labels": np.full(40, 2**40)}, "from 0 to"),
        (POINTS, {"labels": np.full(40, -1)}, "got -1"),
    ],
)
def test_bad_clouds_are_not_written(
    tmp_path: Path, points: np.ndarray, extra: dict[str, np.ndarray], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        write_cloud(tmp_path / "a.ply", points, **extra)
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"doc\.pdf: cannot write this kind"):
        write_cloud(tmp_path / "doc.pdf", POINTS)
    with pytest.raises(FileNotFoundError, match=r"its folder does not exist.*none/a\.ply"):
        write_cloud(tmp_path / "none" / "a.ply", POINTS)
    (tmp_path / "folder.ply").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.ply"):
        write_cloud(tmp_path / "folder.ply", POINTS)
    (tmp_path / "device.ply").symlink_to("/dev/null")
    with pytest.raises(OSError, match="no regular file"):
        write_cloud(tmp_path / "device.ply", POINTS)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_rights_are_respected(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ply", "precious")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match=r"a\.ply"):
        write_cloud(path, POINTS)
    assert path.read_text() == "precious"


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ply", "precious")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    full = r"cannot be written \(No space left on device\).*a\.ply"
    with pytest.raises(OSError, match=full), atomic_write(path) as file:
        raise OSError(28, "No space left on device")
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "link.ply"
    link.symlink_to(tmp_path / "far" / "a.ply")
    write_cloud(link, POINTS)
    assert link.is_symlink()
    assert (tmp_path / "far" / "a.ply").stat().st_mode & 0o044 or os.umask(0o022) != 0o022


def test_find_shapes(tmp_path: Path) -> None:
    for name in ("b.ply", "a/c.OBJ", "a/d/e.npz", "a/readme.md", "._b.ply", ".git/f.ply"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written(tmp_path / name, "")
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a" / "d")
    (tmp_path / "a" / "gone.stl").symlink_to(tmp_path / "nowhere.stl")
    (tmp_path / "folder.ply").mkdir()
    os.mkfifo(tmp_path / "pipe.ply")
    names = [path.relative_to(tmp_path).as_posix() for path in find_shapes(tmp_path)]
    assert names == ["a/again/e.npz", "a/c.OBJ", "a/gone.stl", "b.ply"]
    with pytest.raises(FileNotFoundError, match="none"):
        find_shapes(tmp_path / "none")
    with pytest.raises(NotADirectoryError, match=r"b\.ply"):
        find_shapes(tmp_path / "b.ply")
