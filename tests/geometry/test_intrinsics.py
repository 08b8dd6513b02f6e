"""Real cameras: depth to points and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import read_depth
from nvc3d.geometry import CAMERAS, Cloud, Intrinsics, normalise
from nvc3d.geometry.intrinsics import turned


@pytest.mark.parametrize("name", CAMERAS)
def test_a_depth_image_goes_to_points_and_back(name: str) -> None:
    camera = CAMERAS[name]
    depth = np.random.default_rng(0).uniform(0.4, 3, (camera.height, camera.width))
    depth[::3] = 0
    depth[1, :5] = (np.nan, np.inf, -1, 0, 1)
    cloud = camera.points(depth)
    seen = np.isfinite(depth) & (depth > 0)
    assert len(cloud) == seen.sum() and cloud.unit == 1
    back = camera.depth(cloud.points)
    np.testing.assert_allclose(back, np.where(seen, depth, 0), rtol=1e-6)
    u, v = cloud.columns["pixel"].T
    np.testing.assert_allclose(camera.project(cloud.points)[:, :2], np.stack([u, v], 1), atol=1e-3)


def test_by_hand() -> None:
    camera = Intrinsics(100, 200, 2, 1, 5, 3)
    depth = np.zeros((3, 5))
    depth[0, 4], depth[1, 2] = 2.0, 5.0
    cloud = camera.points(depth)
    # Right of the axis by 2 pixels and above it by 1; and on the axis itself.
    np.testing.assert_allclose(cloud.points, [[0.04, -0.01, 2], [0, 0, 5]], atol=1e-7)
    assert np.array_equal(camera.depth([[0, 0, 3.0], [0, 0, 2.0], [9, 9, 1.0]])[1, 2], 2.0)


def test_what_is_seen_is_lifted_to_where_it_is() -> None:
    camera = CAMERAS["nyu"]
    points = np.random.default_rng(0).uniform((-300, -200, 400), (300, 200, 900), (2, 5, 3))
    u, v, z = camera.project(points.reshape(-1, 3)).reshape(points.shape).transpose(2, 0, 1)
    np.testing.assert_allclose(camera.lifted(u, v, z), points, rtol=1e-12)
    assert camera.lifted(320, 240, 500).tolist() == [0, 0, 500]


def test_an_image_of_another_size_shows_the_same() -> None:
    camera = CAMERAS["kinect2"]
    half = camera.scaled(256, 212)
    point = np.array([[0.3, -0.2, 1.5]])
    full, small = camera.project(point)[0], half.project(point)[0]
    np.testing.assert_allclose((small[:2] + 0.5) * 2, full[:2] + 0.5)


def test_a_part_of_an_image_shows_the_same() -> None:
    camera = CAMERAS["sr300"]
    point = np.array([[0.1, -0.1, 0.5]])
    left, top, right, bottom = camera.box(point[0], 0.2)
    part = camera.part(left, top, right, bottom)
    assert (part.width, part.height) == (right - left, bottom - top)
    u, v, _ = camera.project(point)[0]
    assert part.project(point)[0, :2].tolist() == pytest.approx([u - left, v - top])
    # A square of 0.2 m half a metre away, around that pixel.
    assert (left + right - 1) / 2 == pytest.approx(u, abs=1)
    assert right - left == pytest.approx(0.2 * camera.fx / 0.5, abs=2)
    assert camera.box((9.0, 9.0, 1.0), 0.2)[:2] == (640, 480), "it is not in the image"
    with pytest.raises(ValueError, match="width must be positive, got 0"):
        camera.part(5, 0, 5, 9)


def test_axes_go_round() -> None:
    points = np.random.default_rng(0).normal(size=(9, 3))
    assert turned([[1, 2, 3]], "opengl").tolist() == [[1, -2, -3]]
    assert turned([[1, 2, 3]], "opengl", "y_up").tolist() == [[1, 2, -3]]
    for axes in ("opencv", "opengl", "y_up"):
        assert np.array_equal(turned(turned(points, axes), "opencv", axes), points)
    with pytest.raises(ValueError, match="axes must be one of"):
        turned(points, "blender")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Intrinsics(0, 1, 0, 0, 5, 5), "fx must be positive"),
        (lambda: Intrinsics(1, 1, np.nan, 0, 5, 5), "cx must be finite"),
        (lambda: Intrinsics(1, 1, 0, 0, 5, 5.5), "height must be a whole number"),
        (lambda: CAMERAS["msra"].points(np.ones((320, 240))), r"\(240, 320\).*got \(320, 240\)"),
        (lambda: CAMERAS["msra"].points(np.ones((9, 9))), r"camera.scaled\(width, height\) is"),
        (lambda: CAMERAS["msra"].points(np.zeros((240, 320))), "no pixel saw anything"),
        (lambda: CAMERAS["msra"].depth([[0, 0, -1.0]]), "1 of 1 points are not before"),
    ],
)
def test_what_makes_no_sense_is_refused(call, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=told):
        call()


def test_millimetres_stay_millimetres() -> None:
    cloud = Cloud(np.array([[0, 0, 0], [30.0, 0, 0]]), unit=0.001)
    unit = normalise(cloud)
    assert unit.unit == pytest.approx(0.015)  # a ball of radius 15 mm
    with pytest.raises(ValueError, match="positive number of metres"):
        Cloud(np.eye(3), unit=0)


def test_depth_images_are_read_in_metres(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    steps = np.array([[0, 1000], [2500, 65535]], np.uint16)
    image.fromarray(steps).save(tmp_path / "a.png")
    assert np.allclose(read_depth(tmp_path / "a.png"), [[0, 1], [2.5, 65.535]])
    assert np.allclose(read_depth(tmp_path / "a.png", unit=0.000125)[1, 0], 0.3125)
    with pytest.raises(ValueError, match=r"a\.png: most of it lies 2500 m away"):
        read_depth(tmp_path / "a.png", unit=1)
    image.fromarray(steps.astype(np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png: expected a PNG of one channel with 16 bits"):
        read_depth(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"c\.png"):
        read_depth(tmp_path / "c.png")
