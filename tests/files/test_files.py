"""Reading shapes: every format gives what is in the file."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import find_shapes, lzf, read_shape, write_cloud
from nvc3d.geometry.mesh import Cloud, Mesh

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


def test_ply_rows_may_go_on_over_lines(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
    head += "property float z\nelement face 2\nproperty list uchar int vertex_indices\n"
    head += "property int label\nend_header\n0 0\n0\n1 0\n0\n0 1\n0\n0 0\n1\n"
    (tmp_path / "a.ply").write_text(head + "3 0 1\n2\n7\n3\n0 1\n3 8\n")
    shape = read_shape(tmp_path / "a.ply")
    assert isinstance(shape, Mesh) and shape.face_labels is not None
    assert shape.faces.tolist() == [[0, 1, 2], [0, 1, 3]] and shape.face_labels.tolist() == [7, 8]
    for rest in ("3 0 1\n2 7 3 0 1 3 8\n", "3 0 1 2 7\n3 0 1\n", "3 0 1 2 7\n"):
        (tmp_path / "a.ply").write_text(head + rest)
        with pytest.raises(ValueError, match=r"a\.ply: .*(too long|too short|but 1 are there)"):
            read_shape(tmp_path / "a.ply")


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
    with pytest.warns(UserWarning, match="left out 3 of 12 points") as caught:
        cloud = read_shape(path)
    assert len(caught) == 1
    assert isinstance(cloud, Cloud)
    assert cloud.labels is not None
    kept = np.delete(rows, [2, 7, 8])
    np.testing.assert_array_equal(cloud.points, np.stack([kept[a] for a in "xyz"], 1))
    np.testing.assert_array_equal(cloud.labels, kept["label"])
    with pytest.raises(ValueError, match=r"a\.pcd: 3 of its 12 points are NaN"):
        read_shape(path, missing="refuse")
    # The same rows as a plain list of points.
    with pytest.warns(UserWarning, match="left out 3 of 12 points"):
        flat = read_shape(written(tmp_path / "b.pcd", pcd(kind, rows, 12, 1)))
    np.testing.assert_array_equal(flat.points, cloud.points)


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
        if 0 < content[:cut].count(b" facet") == content[:cut].count(b" endfacet"):
            continue  # whole facets, and a solid without an end
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
    np.savetxt(tmp_path / "e.txt", np.c_[rows, rng.random(20)], "%.9g")
    for name in ("a.ply", "b.pcd", "c.npz", "d.csv", "e.txt"):
        cloud = read_shape(tmp_path / name)
        assert np.array_equal(cloud.points, points) and np.array_equal(cloud.normals, normals), name
    # Six columns that are something else, and normals that nobody knows.
    np.savetxt(tmp_path / "f.txt", np.c_[points, 255 * rng.random((20, 3))])
    assert read_shape(tmp_path / "f.txt").normals is None
    normals[3] = np.nan
    np.savez(tmp_path / "c.npz", points=points, normals=normals)
    with pytest.warns(UserWarning, match="c.npz: left aside its normal"):
        cloud = read_shape(tmp_path / "c.npz")
    assert cloud.normals is None and np.array_equal(cloud.points, points)
    with pytest.raises(ValueError, match="normal must be"):
        Cloud(points, {"normal": points[:19]})


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


def test_coordinates_that_float32_would_blur_are_kept_in_float64(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((50, 3))
    np.save(tmp_path / "near.npy", points)
    assert read_shape(tmp_path / "near.npy").points.dtype == np.float32
    for suffix in (".npy", ".ply", ".pcd", ".txt", ".npz"):
        write_cloud(tmp_path / f"far{suffix}", points + 4e6)
        np.testing.assert_array_equal(read_shape(tmp_path / f"far{suffix}").points, points + 4e6)


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
from nvc3d.files import find_shapes, read_shape, write_cloud
for path in find_shapes({str(tmp_path)!r}):
    read_shape(path)
    print(path.name)
for suffix in "ply pcd npy npz xyz txt csv".split():
    write_cloud({str(tmp_path / "out.")!r} + suffix, [[0, 0, 0], [1, 1, 1]])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == sorted(samples())


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
