"""Shapes of other libraries, at the door."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nvc3d.geometry.mesh import Cloud, Mesh
from nvc3d.interop import as_shape, several

POINTS = np.random.default_rng(0).random((20, 3)).astype(np.float32)
COLORS = np.random.default_rng(1).integers(0, 256, (20, 3)).astype(np.uint8)
TRIANGLE = np.array([[0, 1, 2]])


def test_arrays_and_tensors_are_clouds() -> None:
    for given in (POINTS, POINTS.astype(np.float64), torch.from_numpy(POINTS).requires_grad_()):
        shape = as_shape(given)
        assert isinstance(shape, Cloud) and np.array_equal(shape.points, POINTS)
    for shape in (Cloud(POINTS), Mesh(POINTS, TRIANGLE)):
        assert as_shape(shape) is shape


def test_trimesh() -> None:
    trimesh = pytest.importorskip("trimesh")
    mesh = as_shape(trimesh.Trimesh(POINTS, TRIANGLE, process=False))
    assert isinstance(mesh, Mesh) and np.array_equal(mesh.faces, TRIANGLE)
    cloud = as_shape(trimesh.PointCloud(POINTS, COLORS))
    assert isinstance(cloud, Cloud) and np.array_equal(cloud.colors, COLORS)
    assert as_shape(trimesh.PointCloud(POINTS)).colors is None


def test_open3d() -> None:
    open3d = pytest.importorskip("open3d")
    vectors = open3d.utility.Vector3dVector
    given = open3d.geometry.PointCloud(vectors(POINTS.astype(np.float64)))
    given.colors = vectors(COLORS / 255)
    cloud = as_shape(given)
    assert isinstance(cloud, Cloud) and np.array_equal(cloud.colors, COLORS)
    tensor = as_shape(open3d.t.geometry.PointCloud.from_legacy(given))
    assert isinstance(tensor, Cloud) and np.array_equal(tensor.points, POINTS)
    mesh = open3d.geometry.TriangleMesh.create_box()
    assert isinstance(as_shape(mesh), Mesh)


@pytest.mark.parametrize(
    "given",
    [COLORS, COLORS.astype(np.int64), COLORS.astype(np.uint16) * 257, COLORS / 255 * 1.0001],
)
def test_colours_out_of_anything_are_out_of_255(given: np.ndarray) -> None:
    # The library is told by the module of the type alone.
    cloud = type("PointCloud", (SimpleNamespace,), {"__module__": "open3d.t.geometry"})
    point = {"positions": torch.from_numpy(POINTS), "colors": SimpleNamespace(numpy=lambda: given)}
    shape = as_shape(cloud(point=point))
    assert isinstance(shape, Cloud) and np.array_equal(shape.colors, COLORS)


def test_data_of_pytorch_geometric(monkeypatch: pytest.MonkeyPatch) -> None:
    # The library is told by the module of the type alone.
    data = type("Data", (SimpleNamespace,), {"__module__": "torch_geometric.data.data"})
    cloud = as_shape(data(pos=torch.from_numpy(POINTS), normal=torch.from_numpy(POINTS)))
    assert isinstance(cloud, Cloud) and np.array_equal(cloud.normals, POINTS)
    assert "torch_geometric" not in sys.modules


def test_batches_are_taken_apart() -> None:
    def of(library: str, **parts: object) -> object:
        kind = type("Kind", (SimpleNamespace,), {"__module__": f"{library}.x"})
        return kind(**{name: lambda value=value: value for name, value in parts.items()})

    points = torch.from_numpy(POINTS)
    lists = [points, points[:7]]
    clouds = several(of("pytorch3d", points_list=lists, normals_list=lists))
    assert [len(cloud) for cloud in clouds] == [20, 7]
    assert np.array_equal(clouds[1].normals, POINTS[:7])
    assert several(of("pytorch3d", points_list=lists, normals_list=None))[0].normals is None
    faces = [torch.from_numpy(TRIANGLE)] * 2
    (mesh, _) = several(of("pytorch3d", verts_list=lists, faces_list=faces))
    assert isinstance(mesh, Mesh) and np.array_equal(mesh.faces, TRIANGLE)
    assert several(of("torch_geometric", to_data_list=lists)) == lists
    assert [len(cloud) for cloud in several(points.expand(3, -1, -1))] == [20] * 3
    assert several(points) is None and several(Cloud(POINTS)) is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("scan.ply", "got str"),
        (None, "got NoneType"),
        (np.zeros((4, 2)), r"got ndarray \(4, 2\) of float64"),
        (np.zeros((2, 4, 3)), r"\(2, 4, 3\)"),
        ({"points": POINTS}, "got dict"),
        (np.full((3, 3), np.nan), "finite"),
        (np.zeros((0, 3)), "at least one point"),
    ],
)
def test_anything_else_is_refused(given: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        as_shape(given)
