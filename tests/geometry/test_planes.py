"""The planes of clouds whose planes are known exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nvc3d.geometry import Intrinsics, Planes, find_depth_planes, find_planes

Cloud = NDArray[np.float64]


def rectangle(n: int, corner: object, one: object, other: object, seed: int = 0) -> Cloud:
    """Points (n, 3) of a rectangle, by a corner and two sides."""
    u, v = np.random.default_rng(seed).random((2, n, 1))
    return np.asarray(corner) + u * np.asarray(one, float) + v * np.asarray(other, float)


def box(n: int, size: tuple[float, float, float] = (3, 2, 1)) -> tuple[Cloud, NDArray[np.int64]]:
    """Points (6 n, 3) of a box and their faces (6 n,)."""
    x, y, z = np.diag(np.asarray(size, float))
    sides = ((x, y, z), (y, z, x), (z, x, y))
    faces = [
        rectangle(n, start * normal, one, other, seed=2 * face + start)
        for face, (one, other, normal) in enumerate(sides)
        for start in (0, 1)
    ]
    return np.concatenate(faces), np.arange(6).repeat(n)


def noisy(points: Cloud, deviation: float) -> Cloud:
    return points + np.random.default_rng(7).normal(0, deviation, points.shape)


def staircase(steps: int, n: int) -> tuple[Cloud, NDArray[np.int64]]:
    """Treads of 28 by 100 cm and risers of 17 by 100 cm, n points each."""
    faces = []
    for i in range(steps):
        low, high = (0.28 * i, 0, 0.17 * i), (0.28 * i, 0, 0.17 * (i + 1))
        faces.append(rectangle(n, low, (0, 0, 0.17), (0, 1, 0), seed=2 * i))
        faces.append(rectangle(n, high, (0.28, 0, 0), (0, 1, 0), seed=2 * i + 1))
    return np.concatenate(faces), np.arange(2 * steps).repeat(n)


def agreement(found: Planes, truth: NDArray[np.int64]) -> float:
    """The share of points whose plane has most of their true face, one plane for each face."""
    assert len(found.points) == truth.max() + 1
    table = np.zeros((len(found.points), truth.max() + 1), np.int64)
    np.add.at(table, (found.instance[found.instance >= 0], truth[found.instance >= 0]), 1)
    assert len(set(table.argmax(1))) == len(table)
    return float(table.max(1).sum() / len(truth))


def same(one: Planes, other: Planes) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_box_has_its_six_faces_and_nothing_else(dtype: type) -> None:
    points, face = box(800)
    found = find_planes(points.astype(dtype))
    # Points on an edge lie on two faces: nothing but those may be in another.
    assert agreement(found, face) > 0.999 and (found.instance >= 0).mean() > 0.999
    assert np.median(found.rms) < 1e-6 and found.rms.max() < 1e-4
    np.testing.assert_allclose(np.sort(found.offset), [0, 0, 0, 1, 2, 3], atol=1e-5)
    np.testing.assert_allclose(found.normal.max(1), 1, atol=1e-9)
    sides = {1.0: (3, 2), 2.0: (3, 1), 3.0: (2, 1)}
    for offset, extent in zip(found.offset, found.extent, strict=True):
        if offset > 0.5:
            np.testing.assert_allclose(extent, sides[round(offset, 3)], rtol=0.06)


@pytest.mark.parametrize("deviation", [0.002, 0.01, 0.02])
def test_a_noisy_box_has_its_six_faces(deviation: float) -> None:
    points, face = box(3000)
    found = find_planes(noisy(points, deviation))
    assert agreement(found, face) > 0.95
    np.testing.assert_allclose(found.rms, deviation, rtol=0.1)
    np.testing.assert_allclose(np.sort(found.offset), [0, 0, 0, 1, 2, 3], atol=deviation / 4)


def test_every_tread_and_riser_of_a_staircase() -> None:
    points, step = staircase(8, 800)
    for deviation in (0.0, 0.004):
        assert agreement(find_planes(noisy(points, deviation)), step) > 0.97


def test_the_answer_is_the_same_in_every_unit_place_and_order() -> None:
    points, _ = staircase(3, 500)
    points = noisy(points, 0.003)
    found = find_planes(points)
    other = find_planes(1024 * points)  # a power of two: the very numbers
    assert np.array_equal(found.instance, other.instance)
    assert np.array_equal(other.offset, 1024 * found.offset)
    assert np.array_equal(other.extent, 1024 * found.extent)
    millimetres = find_planes(1000 * points)
    assert (millimetres.instance == found.instance).mean() > 0.999
    shuffled = np.random.default_rng(0).permutation(len(points))
    assert np.array_equal(find_planes(points[shuffled]).instance, found.instance[shuffled])
    away = find_planes(points + np.array([4e5, 5e6, 0]))  # as maps have it
    assert (away.instance == found.instance).mean() > 0.999


def test_the_number_of_threads_changes_no_bit() -> None:
    points = noisy(box(3000)[0], 0.01)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = find_planes(points)
        torch.set_num_threads(4)
        assert same(one, find_planes(points))
    finally:
        torch.set_num_threads(threads)


def test_planes_are_numbered_by_their_points_and_normals_look_away_from_the_origin() -> None:
    sizes = (400, 1500, 900)
    points = np.concatenate(
        [rectangle(n, (-1, 3 * i, -5), (1, 0, 0), (0, 1, 0), seed=i) for i, n in enumerate(sizes)]
    )
    found = find_planes(points)
    assert found.points.tolist() == [1500, 900, 400]
    assert np.array_equal(found.instance, np.repeat([2, 0, 1], sizes))
    np.testing.assert_allclose(found.normal, [[0, 0, -1]] * 3, atol=1e-12)
    np.testing.assert_allclose(found.offset, 5)
    assert np.array_equal(np.bincount(found.instance), found.points)


def test_coplanar_desks_apart_are_two_and_one_desk_is_one() -> None:
    one = rectangle(1000, (0, 0, 0.7), (1.6, 0, 0), (0, 0.8, 0))
    other = rectangle(1000, (2, 0, 0.7), (1.6, 0, 0), (0, 0.8, 0), seed=1)
    found = find_planes(np.concatenate([one, other]))
    assert found.points.tolist() == [1000, 1000]
    assert len(set(found.instance[:1000])) == 1
    assert find_planes(one).points.tolist() == [1000]


def test_a_regular_grid_and_equal_points_are_no_trouble() -> None:
    grid = np.stack(np.meshgrid(np.arange(40.0), np.arange(30.0), [2.0]), -1).reshape(-1, 3)
    found = find_planes(grid)
    assert found.points.tolist() == [1200] and found.offset.tolist() == [2]
    twelve_times = find_planes(np.repeat(grid, 12, axis=0))
    assert twelve_times.points.tolist() == [12 * 1200]
    assert len(set(twelve_times.instance)) == 1
    some = np.concatenate([grid, np.full((10, 3), 2.0)])
    assert find_planes(some).points.tolist() == [1210]


def test_layers_nearer_than_their_points_are_told_apart() -> None:
    sides = [rectangle(600, (0, 0, 0.02 * i), (1.2, 0, 0), (0, 0.8, 0), seed=i) for i in range(3)]
    found = find_planes(np.concatenate(sides))  # points are 4 cm apart
    assert found.points.tolist() == [600] * 3
    np.testing.assert_allclose(np.sort(found.offset), [0, 0.02, 0.04], atol=1e-9)


@pytest.mark.parametrize("deviation", [0.01, 0.02, 0.03])
def test_noise_above_the_spacing_of_points_hides_no_plane(deviation: float) -> None:
    points, face = box(8000, (1.5, 1.2, 1))  # whose points are about 1 cm apart
    found = find_planes(noisy(points, deviation))
    assert agreement(found, face) > 0.8
    np.testing.assert_allclose(found.rms, deviation, rtol=0.25)
    right = found.normal @ found.normal.T
    assert np.abs(right - right.round()).max() < np.sin(np.radians(1))


def test_noise_far_above_the_spacing_leaves_every_step_of_a_staircase_and_no_other_plane() -> None:
    points, step = staircase(3, 12000)  # whose points are 4 and 5 mm apart
    rng = np.random.default_rng(3)
    strewn = rng.uniform(points.min(0), points.max(0), (len(points) // 20, 3))
    found = find_planes(np.concatenate([noisy(points, 0.01), strewn]))
    assert agreement(found._replace(instance=found.instance[: len(step)]), step) > 0.9


def test_a_table_that_waves_hardly_more_than_its_points_are_off_it_is_one_plane() -> None:
    points = rectangle(40000, (0, 0, 0), (1.2, 0, 0), (0, 0.8, 0))
    points[:, 2] = 0.002 * np.abs((points[:, 1] * 20) % 2 - 1)  # in folds of 5 cm
    found = find_planes(points + np.random.default_rng(1).normal(0, 1e-3, points.shape))
    assert found.points[0] > 0.98 * len(points)


def test_faces_that_bulge_a_little_and_end_all_around_are_planes() -> None:
    sides = np.array([3.0, 2.0, 1.0])
    points, face = box(1500)
    bulge = 4 * points * (sides - points) / sides**2  # 1 in the middle of a face along each side
    axis = face // 2
    for i, normal in enumerate((2, 0, 1)):
        own, across = axis == i, [a for a in range(3) if a != normal]
        out = 0.015 * sides[across].min() * bulge[own][:, across].prod(1)
        points[own, normal] += np.where(points[own, normal] > 0, out, -out)
    found = find_planes(points)
    assert agreement(found, face) > 0.95
    right = np.abs(found.normal @ found.normal.T)
    assert np.abs(right - right.round()).max() < np.sin(np.radians(1))


def test_a_face_is_one_plane_where_its_depth_is_told_in_steps() -> None:
    """The steps are 0.7 of the spacing of points, and most rows of pixels go one farther."""
    v, u = np.mgrid[:120, :160]
    face = 500 + 0.02 * u + 0.77 * v
    points = np.stack([u, v, 0.7 * np.round(face / 0.7)], -1).reshape(-1, 3)
    found = find_planes(points)
    assert found.points[0] > 0.99 * len(points)
    normal = np.array([-0.02, -0.77, 1]) / np.linalg.norm([-0.02, -0.77, 1])
    assert abs(found.normal[0] @ normal) > np.cos(np.radians(0.2))


def test_a_depth_image_has_the_planes_of_its_points() -> None:
    camera = Intrinsics(120.0, 120.0, 79.5, 59.5, 160, 120)
    v, u = np.mgrid[:120, :160]
    rays = camera.lifted(u, v, np.ones((120, 160)))
    floor, wall = 1.0 / rays[..., 1].clip(1e-9), np.full((120, 160), 3.0)
    depth = np.minimum(floor, wall)
    depth[40:60, 40:60] = 0
    found = find_depth_planes(depth, camera)
    assert found.instance.shape == depth.shape and (found.instance[40:60, 40:60] == -1).all()
    assert len(found.points) == 2 and found.points.sum() == (depth > 0).sum()
    np.testing.assert_allclose(np.sort(found.offset), [1, 3], atol=1e-9)
    assert len(set(found.instance[depth == 3])) == 1
    assert (find_depth_planes(np.eye(120, 160), camera).instance == -1).all()
    with pytest.raises(ValueError, match="depth must be"):
        find_depth_planes(depth[:, 1:], camera)


def sphere(n: int) -> Cloud:
    points = np.random.default_rng(0).normal(size=(n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def cylinder(n: int) -> Cloud:
    turn, height = np.random.default_rng(0).random((2, n))
    return np.stack([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn), 4 * height], 1)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 3)),
        np.eye(3)[:1],
        np.eye(3)[:2],
        np.eye(3),
        np.ones((10, 3)),
        np.ones((1000, 3)),
        np.arange(300.0)[:, None] * np.array([1.0, 2.0, 3.0]),
        rectangle(400, (0, 0, 0), (1, 0, 0), (0, 0.002, 0)),
        sphere(5000),
        noisy(sphere(5000), 0.003),
        noisy(sphere(40000), 0.01),
        noisy(sphere(80000), 0.002),
        cylinder(5000),
        noisy(cylinder(100000), 0.002),
        np.random.default_rng(0).normal(size=(5000, 3)),
        np.random.default_rng(0).random((5000, 3)),
        np.random.default_rng(1).random((50000, 3)),
    ],
    ids=[
        "nothing",
        "a point",
        "two points",
        "three points",
        "ten equal points",
        "a thousand equal points",
        "a line",
        "a sliver",
        "a sphere",
        "a noisy sphere",
        "a noisy sphere of many points",
        "a finely scanned sphere",
        "a cylinder",
        "a finely scanned cylinder",
        "a blob",
        "a solid cube",
        "a solid cube of many points",
    ],
)
def test_where_there_is_no_plane_none_is_found(points: Cloud) -> None:
    found = find_planes(points)
    assert len(found.points) == 0 and (found.instance == -1).all()
    assert found.instance.shape == (len(points),) and found.instance.dtype == np.int64
    assert found.normal.shape == (0, 3) and found.extent.shape == (0, 2)


def test_many_tiny_faces_are_all_found() -> None:
    rng = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(range(20), range(20), [0.0]), -1).reshape(-1, 3)
    corners[:, 2] = rng.permutation(400)
    tiles = [rectangle(60, corner, (0.8, 0, 0.1), (0, 0.8, -0.1)) for corner in corners]
    found = find_planes(np.concatenate(tiles))
    assert found.points.tolist() == [60] * 400
    assert (found.instance.reshape(400, 60) == found.instance[::60, None]).all()


def test_distance_angle_and_least_points_are_what_they_say() -> None:
    step = np.concatenate(
        [
            rectangle(900, (0, 0, 0), (1, 0, 0), (0, 1, 0)),
            rectangle(300, (1, 0, 0.02), (0.4, 0, 0), (0, 1, 0), seed=1),
        ]
    )
    assert find_planes(step, distance=0.005).points.tolist() == [900, 300]
    assert find_planes(step, distance=0.005, least_points=301).points.tolist() == [900]
    ridge = np.concatenate(
        [
            rectangle(900, (0, 0, 0), (1, 0, 0.36), (0, 1, 0)),
            rectangle(900, (0, 0, 0), (-1, 0, 0.36), (0, 1, 0)),
        ]
    )
    assert find_planes(ridge, distance=0.01, angle=30).points.tolist() == [900, 900]


def test_a_tensor_is_taken_and_its_numbers_are_left_alone() -> None:
    points, _ = box(300)
    given = torch.from_numpy(points).requires_grad_()
    before = given.detach().clone()
    assert same(find_planes(given), find_planes(points))
    assert torch.equal(given, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: find_planes(p[:, :2]), r"points must be \(N, 3\), got \(40, 2\)"),
        (lambda p: find_planes(p[None]), r"points must be \(N, 3\), got \(1, 40, 3\)"),
        (
            lambda p: find_planes(p.astype(int)),
            "points must be float32 or float64",
        ),
        (
            lambda p: find_planes(p * np.nan),
            "points must be finite, got 120 NaN or inf",
        ),
        (lambda p: find_planes(p, distance=0.0), "distance must be above 0, got 0.0"),
        (lambda p: find_planes(p, distance=np.nan), "distance must be above 0, got nan"),
        (lambda p: find_planes(p, angle=90), "angle must be between 0 and 90, got 90"),
        (lambda p: find_planes(p, least_points=2), "least_points must be 3 or more, got 2"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[Cloud], Planes], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).random((40, 3)))
