"""Flat faces with holes, written as GLB and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import read_shape
from nvc3d.files.glb import Face, write_faces
from nvc3d.files.polygons import bridged
from nvc3d.geometry.mesh import Mesh, doubled_area


def square(low: float, high: float, at: tuple[float, float] = (0, 0)) -> np.ndarray:
    x, y = at
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([(x + a, y + b, 1.0) for a, b in corners])


def area(path: Path) -> float:
    mesh = read_shape(path)
    assert isinstance(mesh, Mesh)
    return float(doubled_area(mesh.vertices, mesh.faces).sum() / 2)


def test_holes_stay_open_and_axes_are_turned(tmp_path: Path) -> None:
    holes = [square(1, 2)[::-1], square(4, 6)[::-1], square(7, 8, (0, -3))[::-1]]
    faces = [
        Face("one", [[square(0, 10), *holes], [square(0, 1, (20, 0))]], (255, 0, 0)),
        Face("two", [[square(0, 2) + np.array([0, 0, 3])]], (0, 128, 255)),
    ]
    turn = 0.001 * np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    path = tmp_path / "a.glb"
    write_faces(path, faces, turn)
    assert area(path) == pytest.approx((100 - 1 - 4 - 1 + 1 + 4) * 1e-6)
    mesh = read_shape(path)
    np.testing.assert_allclose(mesh.vertices.min(0), [0, 0.001, -0.01], atol=1e-9)
    np.testing.assert_allclose(mesh.vertices.max(0), [0.021, 0.004, 0], atol=1e-9)


def test_trimesh_reads_names_and_colours(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh")
    write_faces(tmp_path / "a.glb", [Face("wall", [[square(0, 1)]], (255, 0, 0))], np.eye(3))
    scene = trimesh.load(tmp_path / "a.glb")
    (mesh,) = scene.geometry.values()
    assert list(scene.geometry) == ["wall"] and mesh.area == pytest.approx(1)
    assert mesh.visual.material.baseColorFactor[:3].tolist() == [255, 0, 0]


def test_many_holes_at_random(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = [(x, y) for x in range(5) for y in range(5)]
    holes, gone = [], 0.0
    for x, y in cells:
        turn, size = rng.random() * 2 * np.pi, 0.1 + 0.3 * rng.random()
        angle = turn + np.arange(5)[::-1] * 2 * np.pi / 5
        ring = np.stack([x + 1 + size * np.cos(angle), y + 1 + size * np.sin(angle)], 1)
        holes.append(np.c_[ring, np.ones(5)])
        gone += size**2 * 5 / 2 * np.sin(2 * np.pi / 5)
    write_faces(tmp_path / "a.glb", [Face("a", [[square(0, 6), *holes]], (9, 9, 9))], np.eye(3))
    assert area(tmp_path / "a.glb") == pytest.approx(36 - gone, rel=1e-5)


def test_a_bridge_leads_to_a_hole_and_back() -> None:
    points = np.concatenate([square(0, 10), square(4, 6)[::-1]])
    ring = bridged(points, [4, 4])
    assert len(ring) == 4 + 4 + 2 and set(ring.tolist()) == set(range(8))


def test_no_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there must be a face or more to write, got none"):
        write_faces(tmp_path / "a.glb", [], np.eye(3))
