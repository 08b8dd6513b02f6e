"""Meshes as other programs write them: polygons of any form, text in any dress."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import read_shape
from nvc3d.files.polygons import triangulate
from nvc3d.geometry.mesh import Cloud, Mesh, doubled_area

# An arrow head: concave at its third corner, of area 2.
ARROW = [(0, 0), (2, 2), (0, 1), (-2, 2)]
# A square of side 4 around one of side 2, to which a bridge leads.
FRAME = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (1, 1), (1, 3), (3, 3), (3, 1), (1, 1)]
# Straight and doubled corners around an L of area 3.
ELL = [(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (1, 1), (1, 2), (0, 2), (0, 1)]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def area(mesh: Mesh) -> float:
    return float(doubled_area(mesh.vertices, mesh.faces).sum() / 2)


@pytest.mark.parametrize(
    ("polygon", "expected"), [(ARROW, 2), (FRAME, 12), (ELL, 3), (ARROW[::-1], 2)]
)
@pytest.mark.parametrize("suffix", ["obj", "off", "ply"])
def test_a_concave_polygon_is_covered_once(
    tmp_path: Path, polygon: list[tuple[float, float]], expected: float, suffix: str
) -> None:
    # Tilted, so that no axis is its normal.
    axes = np.array([[2, 1, 2], [-2, 2, 1]]) / 3
    for turn in range(len(polygon)):
        flat = np.array(polygon[turn:] + polygon[:turn], float)
        rows = [" ".join(map(repr, row)) for row in (flat @ axes + 5).tolist()]
        n = len(rows)
        head = {"obj": "", "off": f"OFF\n{n} 1 0\n", "ply": "ply\nformat ascii 1.0\n"}[suffix]
        if suffix == "ply":
            head += f"element vertex {n}\n"
            head += "".join(f"property double {axis}\n" for axis in "xyz")
            head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
        start = "v " if suffix == "obj" else ""
        corners = " ".join(str(i + (suffix == "obj")) for i in range(n))
        face = f"f {corners}" if suffix == "obj" else f"{n} {corners}"
        text = head + "".join(f"{start}{row}\n" for row in rows) + face + "\n"
        mesh = read_shape(written(tmp_path / f"a.{suffix}", text))
        assert isinstance(mesh, Mesh)
        assert area(mesh) == pytest.approx(expected, rel=1e-9)
        # The triangles face where the polygon does.
        a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
        across = np.cross(b - a, c - a) @ np.cross(*axes)
        x, y = flat.T
        turning = np.sign((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
        assert (across * turning > -1e-9).all()


def test_polygons_that_a_fan_covers_stay_a_fan() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0.3], [0, 1, 0], [-1, 0.5, 0], [0, 2, 0]])
    corners = np.array([0, 1, 2, 3, 4, 3, 4, 5, 0, 1])
    triangles, polygon = triangulate(corners, np.array([5, 3, 2]), points)
    assert triangles.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4], [3, 4, 5]]
    assert polygon.tolist() == [0, 0, 0, 1]
    with pytest.raises(ValueError, match="index the 6 vertices, got indices from 0 to 6"):
        triangulate(np.array([0, 1, 6]), np.array([3]), points)


@pytest.mark.parametrize("form", ["comb", "spiral", "star"])
def test_a_polygon_of_many_corners_is_covered_once(form: str) -> None:
    n = 4000
    if form == "comb":
        along = np.arange(n)
        teeth = np.stack([along, 10.0 * (along % 2)], 1)
        flat = np.concatenate([teeth[::-1], np.stack([along, np.full(n, -1)], 1)])
    elif form == "spiral":
        turn = np.linspace(2, 60, n)
        way = np.stack([np.cos(turn), np.sin(turn)], 1)
        flat = np.concatenate([way * (turn + 1)[:, None], way[::-1] * (turn - 1)[::-1, None]])
    else:
        turn = np.arange(n) * 2 * np.pi / n
        reach = 1 + 0.5 * np.random.default_rng(0).random(n)
        flat = np.stack([np.cos(turn), np.sin(turn)], 1) * reach[:, None]
    x, y = flat.T
    expected = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    points = np.concatenate([flat, np.zeros((len(flat), 1))], 1)
    triangles, _ = triangulate(np.arange(len(flat)), np.array([len(flat)]), points)
    assert len(triangles) == len(flat) - 2
    assert doubled_area(points, triangles).sum() == pytest.approx(expected, rel=1e-9)


def test_a_polygon_that_crosses_itself_ends() -> None:
    points = np.random.default_rng(0).random((500, 3))
    triangles, _ = triangulate(np.arange(500), np.array([500]), points)
    assert len(triangles) == 498
    assert np.unique(triangles).tolist() == list(range(500))


SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4",
        "v 0 0 0\rv 1 0 0\rv 1 1 0\rv 0 1 0\rf 1 2 3 4\r",
        "v 0 0 0 # here\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4 # front\n#f 1 2 3\n",
        "# C:\\shapes\\\nv 0 0 0 1\nv 1 0 0 1\nv 1 1 0 1\nv 0 1 0 1\nf 1//7 2//7 \\\n 3/4/5 4/1\n",
        "g a#b\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n\tf  -4 -3 -2 -1\n",
        "f 1 2 3 4\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_obj_in_any_dress(tmp_path: Path, text: str, encoding: str) -> None:
    mesh = read_shape(
        written(
            tmp_path / "a.obj",
            text.removeprefix("\ufeff" * (encoding == "utf-16")).encode(encoding),
        )
    )
    assert isinstance(mesh, Mesh)
    assert mesh.vertices.tolist() == SQUARE.tolist()
    assert area(mesh) == 1


def test_obj_clouds_have_colours_and_keep_their_first_point(tmp_path: Path) -> None:
    text = "\ufeffv 0 0 0 1 0 0\nv 1 2 3 0 0.2 1\n"
    cloud = read_shape(written(tmp_path / "a.obj", text))
    assert isinstance(cloud, Cloud) and cloud.colors is not None
    assert cloud.points.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert cloud.colors.tolist() == [[255, 0, 0], [0, 51, 255]]


def test_obj_says_what_it_leaves_aside(tmp_path: Path) -> None:
    square = "".join(f"v {x} {y} {z}\n" for x, y, z in SQUARE)
    with pytest.warns(UserWarning, match="left aside lines, curves"):
        read_shape(written(tmp_path / "a.obj", square + "f 1 2 3\nl 1 2\ncurv 0 1 1 2\n"))
    with pytest.warns(UserWarning, match="fourth number"):
        read_shape(written(tmp_path / "a.obj", square + "v 0 0 2 0.5\nf 1 2 3\n"))
    with pytest.raises(ValueError, match=r"a\.obj: it holds free-form surfaces"):
        read_shape(written(tmp_path / "a.obj", square + "surf 0 1 0 1 1 2 3 4\n"))


ROWS = "0 0 0{0}\n1 0 0{0}\n1 1 0{0}\n0 1 0{0}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"OFF\n4 1 0\n{ROWS.format('')}4 0 1 2 3\n",
        f"off\r4 1 0\r{ROWS.format('')}4 0 1 2 3\r".replace("\n", "\r"),
        f"\ufeffOff # a word\n\n4 1\n{ROWS.format('')}4 0 1 2 3 # red\nand more\n",
        f"NOFF\n4 1 0\n{ROWS.format(' 0 0 1')}4 0 1 2 3\n",
        f"STCNOFF\n4 1 0\n{ROWS.format(' 0 0 1 9 9 9 9 .5 .5')}4 0 1 2 3 0.1 0.2 0.3\n",
        f"nOFF\n3\n4 1 0\n{ROWS.format('')}4 0 1 2 3\n",
        "4OFF 4 1 0\n0 0 0 2\n2 0 0 2\n2 2 0 2\n0 2 0 2\n4 0 1 2 3\n",
    ],
)
def test_off_in_any_dress(tmp_path: Path, text: str) -> None:
    mesh = read_shape(written(tmp_path / "a.off", text))
    assert isinstance(mesh, Mesh)
    assert mesh.vertices.tolist() == SQUARE.tolist()
    assert area(mesh) == 1


@pytest.mark.parametrize("word", ["CNOFF", "NCOFF", "STNCOFF", "cnoff"])
def test_off_clouds_have_normals_and_colours(tmp_path: Path, word: str) -> None:
    text = f"{word}\n2 0 0\n0 0 0 0 0 1 10 20 30 255\n1 2 3 0 1 0 40 50 60 255\n"
    cloud = read_shape(written(tmp_path / "a.off", text))
    assert isinstance(cloud, Cloud) and cloud.colors is not None and cloud.normals is not None
    assert cloud.points.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert cloud.normals.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert cloud.colors.tolist() == [[10, 20, 30], [40, 50, 60]]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("OFF BINARY\n\0\0\0\4", "binary, which is not read"),
        ("nOFF\n4\n4 1 0\n" + ROWS.format(" 0"), "3 coordinates"),
        ("4OFF\n4 0 0\n" + ROWS.format(" 0"), "one is 0"),
        ("NOFF\n4 0 0\n" + ROWS.format(""), "fewer numbers than NOFF"),
        ("OFF\nfour one 0\n", "counts"),
        ("OFF\n4 1 0\n" + ROWS.format("") + "4 0 1 2 x\n", "face 1 is wrong"),
    ],
)
def test_off_that_is_not_read_says_why(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=rf"a\.off: .*({fault})"):
        read_shape(written(tmp_path / "a.off", text))


FACET = "facet normal 0 0 1\nouter loop\nvertex {} {} 0\nvertex {} {} 0\nvertex {} {} 0\nendloop\n"
FACETS = "".join(
    FACET.format(*corners) + "endfacet\n" for corners in [(0, 0, 1, 0, 1, 1), (0, 0, 1, 1, 0, 1)]
)


@pytest.mark.parametrize(
    "text",
    [
        f"solid\n{FACETS}endsolid\n",
        f"\ufeff\n  SOLID vertex facet\n{FACETS.upper()}ENDSOLID vertex facet\n",
        f"solid a\n{FACETS}endsolid a\nsolid b\n{FACETS}endsolid b\n",
        f"solid a\n{FACETS}endsolid a\n".replace("\n", "\r"),
        f"solid a\n{FACETS}endsolid a\n".replace("loop\n", "loop ").replace("0\nv", "0 v"),
        f"solid a\n{FACETS}endsolid a\n\x1a",
    ],
)
def test_stl_in_ascii_in_any_dress(tmp_path: Path, text: str) -> None:
    mesh = read_shape(written(tmp_path / "a.stl", text))
    assert isinstance(mesh, Mesh)
    assert sorted(mesh.vertices.tolist()) == sorted(SQUARE.tolist())
    assert area(mesh) == len(mesh.faces) / 2


@pytest.mark.parametrize("start", [b"made here", b"solid of another kind"])
def test_stl_that_goes_on_after_its_end(tmp_path: Path, start: bytes) -> None:
    content = start.ljust(80) + struct.pack("<I", 1)
    content += struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    with pytest.warns(UserWarning, match=r"a\.stl: left aside 3 bytes after its 1 triangles"):
        mesh = read_shape(written(tmp_path / "a.stl", content + b"end"))
    assert isinstance(mesh, Mesh)
    assert area(mesh) == 0.5


def test_stl_that_does_not_end(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="does not end"):
        mesh = read_shape(written(tmp_path / "a.stl", f"solid\n{FACETS}"))
    assert isinstance(mesh, Mesh)
    assert area(mesh) == 1
    for cut in ("endfacet\n", "endloop\nendfacet\n", "0\nendloop\nendfacet\n"):
        with pytest.raises(ValueError, match=r"a\.stl: "):
            read_shape(written(tmp_path / "a.stl", f"solid\n{FACETS}".removesuffix(cut)))
