"""The true planes by which benchmarks/planes.py judges."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nvc3d.geometry import Mesh
from nvc3d.shapes.rooms import make_room

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
planes = pytest.importorskip("planes")


def squares(*corners: tuple[float, float, float]) -> Mesh:
    """A unit square in the plane of x and y at every corner, of two triangles without a common
    vertex."""
    shape = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    vertices = np.concatenate([shape + corner for corner in corners])
    return Mesh(vertices, np.arange(len(vertices)).reshape(-1, 3))


def test_triangles_that_touch_on_one_plane_are_one_face() -> None:
    mesh = squares((0, 0, 0), (1, 0, 0), (3, 0, 0), (0, 0, 1))
    face = planes.flat_faces(mesh)
    assert face.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]


def test_points_of_a_scan_lie_on_their_true_planes_and_small_ones_are_none() -> None:
    mesh = squares((0, 0, 0), (3, 0, 1))
    room = planes.scan(mesh, 1000, 0)
    assert set(room.plane.tolist()) == {0, 1}
    np.testing.assert_allclose(room.points[:, 2], room.plane, atol=1e-12)
    assert (planes.scan(mesh, 100, 0).plane == -1).all()


def test_slivers_are_no_true_planes_and_faces_on_one_plane_are_one_however_they_are_rounded() -> (
    None
):
    """Bars of two spacings, straight or bent round a corner; halves whose offsets are rounded to
    different numbers."""
    mesh = squares((0, 0, 0), (3, 0, 1.00005 - 1e-13), (4, 0, 1.00005 + 1e-13))
    bar = squares((0, 0, 2)).vertices * [1, 0.05, 1]
    bent = bar[:, [1, 0, 2]]
    vertices = np.concatenate([mesh.vertices, bar, bent])
    room = planes.scan(Mesh(vertices, np.arange(len(vertices)).reshape(-1, 3)), 4000, 0)
    height = room.points[:, 2].round()
    assert (room.plane[height == 2] == -1).all() and len(set(room.plane[height == 1])) == 1


def test_planes_found_one_by_one_are_cut_off_what_is_left() -> None:
    room = planes.scan(squares((0, 0, 0), (3, 0, 1)), 600, 0)

    def lowest(left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height = round(left[:, 2].min())
        return np.array([0, 0, 2, -2 * height]), np.flatnonzero(np.isclose(left[:, 2], height))

    answer = planes.one_by_one(room.points, lowest)
    assert np.array_equal(answer.instance, room.plane)
    assert answer.normal.tolist() == [[0, 0, 1]] * 2 and answer.offset.tolist() == [0, 1]


@pytest.mark.parametrize("seed", [13, 22])
def test_no_layer_nearby_hides_a_plane_of_a_room_without_noise(seed: int) -> None:
    """Cushions and fronts lie 2 cm before a plane, whose points are 6 cm apart."""
    room = planes.scan(make_room(seed), 30000, seed)
    recall, *_ = planes.measured([room], 0.0, planes.nvc3d)
    assert recall == 1
