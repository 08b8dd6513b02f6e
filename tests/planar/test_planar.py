"""`nvc3d.reconstruct_planes`: shapes of any library in, arrays and files out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import nvc3d
from nvc3d.geometry import Cloud, Mesh

CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 2) for z in (0, 3.0)])
FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
)


def box(n: int = 6000) -> np.ndarray:
    return Mesh(CORNERS, FACES).sample(n, np.random.default_rng(0))[0]


def test_arrays_tensors_and_clouds_have_the_same_planes() -> None:
    points = box()
    found = nvc3d.reconstruct_planes(points)
    assert len(found.planes.offset) == 6 and found.planes.instance.shape == (6000,)
    areas = sorted(outline.area for outline in found.outlines)
    assert areas == pytest.approx([2, 2, 3, 3, 6, 6], rel=0.01)
    assert all(len(outline.polygons[0][0]) == 4 for outline in found.outlines)
    for same in (torch.from_numpy(points), Cloud(points)):
        again = nvc3d.reconstruct_planes(same)
        assert np.array_equal(again.planes.instance, found.planes.instance)
        assert np.array_equal(again.planes.normal, found.planes.normal)


def test_trimesh_and_open3d_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvc3d.planar.answer.DRAWN", 6000)
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh")
    found = nvc3d.reconstruct_planes(trimesh.Trimesh(CORNERS, FACES, process=False))
    assert len(found.planes.offset) == 6 and len(found.cloud.points) == 6000
    open3d = pytest.importorskip("open3d", reason="needs Open3D")
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(box()))
    assert len(nvc3d.reconstruct_planes(cloud).planes.offset) == 6


def test_hostile_clouds(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    rng = np.random.default_rng(0)
    line = np.linspace(0, 1, 500)[:, None] * [[1, 2, 3.0]]
    clouds = {
        "point": np.ones((1, 3)),
        "same": np.ones((500, 3)),
        "line": line,
        "ball": rng.normal(size=(2000, 3)),
        "far": box() + np.array([4.5e6, 5.2e6, 300]),
        "tiny": 1e-9 * box(),
        "double": np.concatenate([box(), box()]),
    }
    for name, points in clouds.items():
        found = nvc3d.reconstruct_planes(points)
        assert len(found.planes.offset) == (6 if name in ("far", "tiny", "double") else 0), name
        written = found.write(tmp_path / name)
        assert (tmp_path / f"{name}.glb" in written) == (len(found.planes.offset) > 0)


def test_what_is_no_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="up must be one of"):
        nvc3d.reconstruct_planes(box(), up="north")
    with pytest.raises(ValueError, match=r"expected a cloud: an array or tensor \(N, 3\)"):
        nvc3d.reconstruct_planes(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="must be finite"):
        nvc3d.reconstruct_planes(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="a mesh needs at least one face, got none"):
        nvc3d.reconstruct_planes(Mesh(CORNERS, np.zeros((0, 3), np.int64)))
