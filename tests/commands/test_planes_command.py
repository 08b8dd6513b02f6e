"""`nvc3d planes`: what it writes of clouds, meshes and depth images, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hand_frames import write_depth
from PIL import Image
from tiny import call, columns, untrained

from nvc3d.files import find_shapes, read_shape, write_cloud
from nvc3d.geometry import CAMERAS, Cloud, Intrinsics
from nvc3d.geometry.mesh import doubled_area

CAMERA = CAMERAS["sr300"]


def corner(n: int = 1500, seed: int = 0) -> np.ndarray:
    """A floor of 3 by 2, and two walls of height 1 on it: points (3 n, 3)."""
    u, v = np.random.default_rng(seed).random((2, n))
    zero = np.zeros(n)
    floor, wall, other = (3 * u, 2 * v, zero), (3 * u, zero, v), (zero, 2 * u, v)
    return np.concatenate([np.stack(part, 1) for part in (floor, wall, other)])


def planes(path: Path, *more: object) -> int:
    return call("planes", path, "--output", path.parent / "out", *more)


def told(path: Path) -> dict[str, Any]:
    text = (path.parent / "out" / f"{path.stem}-planes.json").read_text()
    return json.loads(text)  # type: ignore[no-any-return]


def room_seen(camera: Intrinsics) -> np.ndarray:
    """The depth image in metres of a wall 2 m away and a floor 0.5 m below the camera."""
    v = np.arange(camera.height)[:, None] + np.zeros(camera.width)
    down = (v - camera.cy) / camera.fy
    with np.errstate(divide="ignore"):
        return np.where(down > 0.25, 0.5 / down, 2.0)


def test_what_is_written_of_a_cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = corner()
    path = tmp_path / "a.ply"
    write_cloud(path, points, columns={"instance": np.arange(len(points))})
    assert planes(path) == 0
    assert "3 planes with 100% of its 4500 points; up is z" in capsys.readouterr().out
    found = told(path)
    np.testing.assert_allclose(found["up"], [0, 0, 1], atol=1e-6)
    assert found["points"] == 4500 and found["on_no_plane"] == 0 and found["unit"] is None
    floor = found["planes"][[abs(p["normal"][2]) > 0.9 for p in found["planes"]].index(True)]
    assert floor["area"] == pytest.approx(6, rel=0.02)
    ((outer,),) = floor["outline"]
    np.testing.assert_allclose(np.abs(outer[outer.index(min(outer))]), 0, atol=0.05)
    assert len(outer) == 4
    for plane in found["planes"]:
        assert abs(np.linalg.norm(plane["normal"]) - 1) < 1e-9
        assert abs(plane["offset"]) < 1e-6 and plane["rms"] < 1e-6
    written = columns(tmp_path / "out/a-planes.ply")
    assert np.array_equal(np.bincount(written["instance"]), [p["points"] for p in found["planes"]])
    assert np.array_equal(written["given_instance"], np.arange(4500))
    colours = np.stack([written[c] for c in ("red", "green", "blue")], 1)
    assert len(np.unique(colours, axis=0)) == 3, "each plane has its colour"
    np.testing.assert_allclose(np.stack([written[c] for c in "xyz"], 1), points, atol=1e-6)


def test_faces_and_a_floor_plan(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.ply", Cloud(1000 * corner(), unit=0.001))
    assert planes(tmp_path / "a.ply", "--unit", "mm") == 0
    mesh = read_shape(tmp_path / "out/a-planes.glb")
    assert doubled_area(mesh.vertices, mesh.faces).sum() / 2 == pytest.approx(6 + 3 + 2, rel=0.02)
    np.testing.assert_allclose(np.ptp(mesh.vertices, 0), [3, 1, 2], rtol=0.03)  # metres, y is up
    svg = ElementTree.parse(tmp_path / "out/a-planes.svg").getroot()
    said = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert said[:2] == ["0", "1 m"] and "1 : 20" in said[2] and "if a unit" not in said[2]
    with Image.open(tmp_path / "out/a-planes.png") as picture:
        assert picture.size == (1800, 900)


def test_a_network_tells_planes_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cloud(tmp_path / "a.ply", corner(), colors=np.full((4500, 3), 99, np.uint8))
    run = untrained(tmp_path / "run", "planes")
    assert planes(tmp_path / "a.ply", "--checkpoint", run) == 0
    assert told(tmp_path / "a.ply")["points"] == 4500
    other = untrained(tmp_path / "other", "completion")
    assert planes(tmp_path / "a.ply", "--checkpoint", other) == 2
    assert "holds a model of task completion, not of planes" in capsys.readouterr().err


def test_planes_are_turned_square(tmp_path: Path) -> None:
    points = corner()
    points[1500:3000, 1] += 0.05 * points[1500:3000, 2]  # a wall that leans by three degrees
    write_cloud(tmp_path / "a.ply", points)
    for words, square in (((), False), (("--manhattan",), True)):
        assert planes(tmp_path / "a.ply", *words) == 0
        normals = np.array([plane["normal"] for plane in told(tmp_path / "a.ply")["planes"]])
        assert np.allclose(np.abs(normals @ normals.T), np.eye(3), atol=1e-9) is square


def test_what_was_written_is_no_input(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.ply", corner())
    assert call("planes", tmp_path / "a.ply", "--output", tmp_path) == 0
    with pytest.warns(UserWarning, match="which nvc3d wrote of others"):
        assert [path.name for path in find_shapes(tmp_path)] == ["a.ply"]


def test_a_mesh_and_what_is_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nv 3 0 0\nv 3 0 2\nv 0 0 2\nv 0 1 0\nv 3 1 0\nf 1 2 3 4\nf 1 2 6 5\n")
    assert planes(path, "--up", "y") == 0
    assert "2 planes with 100% of its 200000 points; up is y" in capsys.readouterr().out
    np.testing.assert_allclose(told(path)["up"], [0, 1, 0], atol=1e-6)
    assert planes(path, "--up=-y") == 0
    np.testing.assert_allclose(told(path)["up"], [0, -1, 0], atol=1e-6)


def test_a_depth_image(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.png"
    write_depth(path, 10000 * room_seen(CAMERA))
    assert planes(path, "--camera", "sr300", "--unit", "0.0001") == 0
    found = told(path)
    assert found["unit"] == 1.0
    floor, wall = sorted(found["planes"], key=lambda plane: plane["offset"])
    np.testing.assert_allclose(floor["normal"], [0, 1, 0], atol=0.01)
    np.testing.assert_allclose(wall["normal"], [0, 0, 1], atol=0.01)
    np.testing.assert_allclose([floor["offset"], wall["offset"]], [0.5, 2], atol=0.01)
    np.testing.assert_allclose(found["up"], [0, -1, 0], atol=0.01)
    assert "pixel_0" in columns(tmp_path / "in/out/a-planes.ply")


def test_a_broken_file_among_good_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    write_cloud(tmp_path / "in/a.ply", corner(400))
    (tmp_path / "in/b.ply").write_text("ply\nformat ascii 1.0\nelement vertex 9\n")
    assert call("planes", tmp_path / "in", "--output", tmp_path / "out") == 2
    assert "1 of 2 files could not be done" in capsys.readouterr().err
    assert (tmp_path / "out/a-planes.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "a depth image needs its camera: give --camera, or --intrinsics"),
        (("--camera", "kodak"), "--camera must be one of kinect2, sr300"),
        (("--camera", "kinect2"), "the image is 640 x 480 pixels and the camera's 512 x 424"),
        (("--intrinsics", "475,475"), "--intrinsics must be 4 numbers with commas between them"),
        (("--intrinsics", "475,475,900,240"), "meets no image of 640 x 480 pixels"),
        (("--intrinsics=-475,475,320,240",), "fx must be positive, got -475.0"),
        (("--camera", "sr300", "--unit", "feet"), "--unit must be mm, m or a number of metres"),
        (("--camera", "sr300", "--up", "north"), "--up must be one of x, y, z"),
        (("--camera", "sr300", "--seed=-1"), "--seed must be at least 0, got -1"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_depth(tmp_path / "a.png", 1000 * room_seen(CAMERA))
    assert planes(tmp_path / "a.png", *words) == 2
    assert said in capsys.readouterr().err


def test_bad_files_are_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_depth(tmp_path / "dark.png", np.zeros((480, 640)))
    Image.fromarray(np.zeros((480, 640), np.uint8)).save(tmp_path / "grey.png")
    (tmp_path / "bare.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (tmp_path / "wild.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n")
    for name, said in (
        ("dark.png", "the depth image is empty: no pixel saw anything"),
        ("grey.png", "expected a PNG of one channel with 16 bits"),
        ("bare.obj", ""),
        ("wild.off", "faces must index the 3 vertices"),
        ("none.ply", "no such file"),
    ):
        planes(tmp_path / name, "--camera", "sr300")
        assert said in capsys.readouterr().err, name


def test_few_points_have_no_plane(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cloud(tmp_path / "a.xyz", np.random.default_rng(0).random((5, 3)))
    assert planes(tmp_path / "a.xyz") == 0
    assert "0 planes with 0% of its 5 points" in capsys.readouterr().out
    assert told(tmp_path / "a.xyz")["planes"] == []
