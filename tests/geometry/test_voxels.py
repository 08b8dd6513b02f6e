"""Voxel grids as shapes and back."""

from __future__ import annotations

import numpy as np
import pytest

from nvc3d.geometry import voxels

GRID = np.random.default_rng(0).random((5, 4, 6)) < 0.3


def test_the_surface_is_closed_faces_outwards_and_holds_the_voxels() -> None:
    mesh = voxels.to_mesh(GRID)
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)  # (F, 3) each
    # By the divergence theorem, only an outward and closed surface gives the volume.
    assert (a * np.cross(b, c)).sum() / 6 == pytest.approx(GRID.sum())
    # Every edge is passed once in each direction, so there is no gap.
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    there, counts = np.unique(edges, axis=0, return_counts=True)
    back, counts_back = np.unique(edges[:, ::-1], axis=0, return_counts=True)
    np.testing.assert_array_equal(there, back)
    np.testing.assert_array_equal(counts, counts_back)


def test_the_surface_has_the_faces_between_occupied_and_empty() -> None:
    padded = np.pad(GRID, 1)
    exposed = sum(int((np.diff(padded, axis=axis) != 0).sum()) for axis in range(3))
    mesh = voxels.to_mesh(GRID)
    assert len(mesh.faces) == 2 * exposed
    block = voxels.to_mesh(np.ones((2, 3, 4)))
    assert len(block.faces) == 2 * 2 * (2 * 3 + 3 * 4 + 2 * 4)
    assert block.vertices.max(0).tolist() == [2, 3, 4]
    assert block.vertices.min(0).tolist() == [0, 0, 0]


def test_a_grid_comes_back_from_its_points() -> None:
    points = voxels.to_cloud(GRID).points
    np.testing.assert_array_equal(
        voxels.from_points(points, GRID.shape, origin=(0, 0, 0), size=1.0), GRID
    )


def test_a_grid_is_laid_around_the_points() -> None:
    points = np.random.default_rng(1).uniform((-3, 10, 0), (5, 12, 0.5), (3000, 3))
    grid = voxels.from_points(points, 16)
    assert grid.shape == (16, 16, 16)
    x, y, z = np.nonzero(grid)
    assert (x.min(), x.max()) == (0, 15)
    # The short sides lie in the middle, with voxels as large as along the long one.
    assert (y.min(), y.max()) == (6, 9)
    assert set(z.tolist()) == {7, 8}


def test_occupancy_of_numbers() -> None:
    assert voxels.occupied(np.array([[[0.2, 0.7]]])).tolist() == [[[False, True]]]
    assert voxels.occupied(np.array([[[0, 3]]], np.uint8)).tolist() == [[[False, True]]]


@pytest.mark.parametrize(
    ("grid", "fault"),
    [
        (np.zeros((3, 3, 3), bool), "no voxel is occupied"),
        (np.zeros((3, 3)), r"\(X, Y, Z\), got \(3, 3\)"),
        (np.zeros((0, 3, 3)), r"got \(0, 3, 3\)"),
        (np.full((2, 2, 2), np.nan), "NaN"),
        (np.full((2, 2, 2), "x"), "bool or numbers"),
    ],
)
def test_bad_grids(grid: np.ndarray, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        voxels.to_mesh(grid)


@pytest.mark.parametrize(
    ("points", "options", "fault"),
    [
        (np.zeros((0, 3)), {}, "N > 0"),
        (np.zeros((4, 2)), {}, r"\(N, 3\)"),
        (np.array([[0, np.nan, 0]]), {}, "finite"),
        (np.ones((4, 3)), {}, "positive edge"),
        (np.eye(3), {"resolution": 0}, "resolution"),
        (np.eye(3), {"resolution": 2.5}, "resolution"),
        (np.eye(3), {"origin": (0, 0, 0)}, "together"),
        (np.eye(3), {"origin": (0, 0, 0), "size": -1.0}, "positive edge"),
        (np.eye(3) * 9, {"origin": (0, 0, 0), "size": 0.1}, "3 of 3 points lie outside"),
    ],
)
def test_bad_points(points: np.ndarray, options: dict, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        voxels.from_points(points, **options)
