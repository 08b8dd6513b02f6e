"""Outlines of planes that are known, and the rings and plans that they are made of and for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nvc3d.geometry import find_planes, fit_planes
from nvc3d.geometry.contours import contours, is_simple, ring_area, simplified
from nvc3d.geometry.outlines import Outline, find_outlines
from nvc3d.geometry.plan import floor_plan
from nvc3d.geometry.upright import UP, to_y_up, upright_frame, upward

Points = NDArray[np.float64]


def sheet(
    n: int, corner: object, one: object, other: object, *holes: tuple[float, ...], seed: int = 0
) -> Points:
    """Points of a rectangle by a corner and two sides, without those in holes: from and to along
    one side, from and to along the other."""
    a, b = np.asarray(one, float), np.asarray(other, float)
    u, v = np.random.default_rng(seed).random((2, n))
    x, y = u * np.linalg.norm(a), v * np.linalg.norm(b)
    kept = np.ones(n, bool)
    for left, right, low, high in holes:
        kept &= ~((x > left) & (x < right) & (y > low) & (y < high))
    return np.asarray(corner) + u[kept, None] * a + v[kept, None] * b


def outlined(*sheets: Points) -> list[Outline]:
    points = np.concatenate(sheets)
    instance = np.arange(len(sheets)).repeat([len(part) for part in sheets])
    return find_outlines(points, fit_planes(points, instance))


def room() -> Points:
    """A floor of 5 by 4, L-shaped, walls of 2.5 with a door and a window, and a table."""
    parts = [
        sheet(14000, (0, 0, 0), (5, 0, 0), (0, 4, 0), (3, 5, 2.5, 4)),
        sheet(9000, (0, 0, 0), (5, 0, 0), (0, 0, 2.5), (1, 2, -1, 2), seed=1),
        sheet(7000, (0, 0, 0), (0, 4, 0), (0, 0, 2.5), (1.2, 2.6, 0.9, 2.1), seed=2),
        sheet(4500, (5, 0, 0), (0, 2.5, 0), (0, 0, 2.5), seed=3),
        sheet(3600, (3, 2.5, 0), (2, 0, 0), (0, 0, 2.5), seed=4),
        sheet(2700, (3, 2.5, 0), (0, 1.5, 0), (0, 0, 2.5), seed=5),
        sheet(5400, (0, 4, 0), (3, 0, 0), (0, 0, 2.5), seed=6),
        sheet(1500, (3.2, 0.6, 0.75), (1.4, 0, 0), (0, 0.8, 0), seed=7),
    ]
    points = np.concatenate(parts)
    return points + np.random.default_rng(8).normal(0, 0.003, points.shape)


# --- rings ----------------------------------------------------------------------------------------


def test_contours_go_round_what_is_positive() -> None:
    y, x = np.mgrid[:40, :50].astype(float)
    away = np.hypot(x - 24.3, y - 19.7)
    outer, inner = sorted(contours(np.minimum(15 - away, away - 6)), key=ring_area)[::-1]
    assert ring_area(outer) == pytest.approx(np.pi * 15**2, rel=0.01)
    assert ring_area(inner) == pytest.approx(-np.pi * 6**2, rel=0.01)
    np.testing.assert_allclose(np.hypot(*(outer - [24.3, 19.7]).T), 15, atol=0.02)
    assert contours(np.full((5, 5), -1.0)) == []
    (all_of_it,) = contours(np.ones((5, 6)))
    assert ring_area(all_of_it) == pytest.approx(18), "all but its corners"
    diagonal = np.eye(6) * 2 - 1
    assert len(contours(diagonal)) == 4, "at a saddle the inside parts"


def test_a_noisy_square_has_four_corners() -> None:
    rng = np.random.default_rng(0)
    side = np.linspace(0, 10, 80, endpoint=False)
    zero = np.zeros(80)
    ring = np.concatenate(
        [
            np.stack([side, zero], 1),
            np.stack([zero + 10, side], 1),
            np.stack([10 - side, zero + 10], 1),
            np.stack([zero, 10 - side], 1),
        ]
    )
    found = simplified(ring + rng.uniform(-0.2, 0.2, ring.shape), 0.6)
    assert len(found) == 4
    far = np.abs(found[:, None] - np.array([[0, 0], [10, 0], [10, 10], [0, 10]])).max(-1).min(0)
    assert far.max() < 0.15
    assert ring_area(found) == pytest.approx(100, rel=0.01)


def test_rings_that_cross_themselves() -> None:
    assert is_simple(np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4.0]]))
    assert not is_simple(np.array([[0, 0], [4, 4], [4, 0], [0, 4.0]]))


# --- outlines -------------------------------------------------------------------------------------


def test_a_sheet_with_two_holes() -> None:
    points = sheet(20000, (1, 2, 3), (4, 0, 0), (0, 0, 3), (0.5, 1.5, 0.5, 2), (2.5, 3.2, 1, 2))
    (outline,) = outlined(points)
    ((outer, *holes),) = outline.polygons
    assert len(holes) == 2
    assert outline.area == pytest.approx(12 - 1.5 - 0.7, rel=0.02)
    np.testing.assert_allclose(outer[:, 1], 2, atol=1e-9)
    np.testing.assert_allclose([outer.min(0), outer.max(0)], [[1, 2, 3], [5, 2, 6]], atol=0.05)
    assert len(outer) <= 6
    large = max(holes, key=lambda ring: np.ptp(ring[:, 2]))
    np.testing.assert_allclose(large.min(0), [1.5, 2, 3.5], atol=0.08)
    np.testing.assert_allclose(large.max(0), [2.5, 2, 5], atol=0.08)


def test_rings_go_round_counter_clockwise_where_the_normal_looks_at_you() -> None:
    points = sheet(6000, (0, 0, 2), (3, 0, 0), (0, 3, 0), (1, 2, 1, 2))
    planes = fit_planes(points, np.zeros(len(points), np.int64))
    ((outer, hole),) = find_outlines(points, planes)[0].polygons
    for ring, sign in ((outer, 1), (hole, -1)):
        turn = np.cross(ring, np.roll(ring, -1, 0)).sum(0) @ planes.normal[0]
        assert sign * turn > 0


def test_a_bay_stays_outside_and_parts_stay_apart() -> None:
    bay = sheet(9000, (0, 0, 0), (4, 0, 0), (0, 3, 0), (1, 3, 1, 3))
    (outline,) = outlined(bay)
    ((outer,),) = outline.polygons
    assert len(outer) in (8, 9) and outline.area == pytest.approx(8, rel=0.02)
    parts = sheet(9000, (0, 0, 0), (4, 0, 0), (0, 1, 0), (1, 2, 0, 1))
    (outline,) = outlined(parts)
    assert [len(rings) for rings in outline.polygons] == [1, 1]
    assert outline.area == pytest.approx(3, rel=0.03)


def test_planes_that_meet_share_the_line_in_which_they_cut_each_other() -> None:
    # The wall begins above the floor and the floor before the wall, each by less than the gap
    # between two points.
    floor = sheet(3000, (0, 0.05, 0), (3, 0, 0), (0, 2, 0))
    wall = sheet(3000, (0, 0, 0.05), (3, 0, 0), (0, 0, 1.5), seed=1)
    for outline in outlined(floor, wall):
        ((outer,),) = outline.polygons
        on_line = np.hypot(outer[:, 1], outer[:, 2]) < 1e-9
        assert on_line.sum() == 2, "the side lies on the line exactly"
        assert np.ptp(outer[on_line, 0]) == pytest.approx(3, abs=0.1)


def test_a_floor_goes_on_under_a_wall_that_ends_at_it() -> None:
    floor = sheet(6000, (0, -2, 0), (3, 0, 0), (0, 4, 0))
    wall = sheet(3000, (0, 0, 0.02), (3, 0, 0), (0, 0, 1.5), seed=1)
    below, above = outlined(floor, wall)
    assert below.area == pytest.approx(12, rel=0.02) and len(below.polygons[0][0]) <= 6
    ((outer,),) = above.polygons
    assert (np.abs(outer[:, 2]) < 1e-9).sum() == 2


def test_a_room() -> None:
    points = room()
    planes = find_planes(points)
    outlines = find_outlines(points, planes)
    areas = sorted(outline.area for outline in outlines)
    assert areas == pytest.approx([1.12, 3.75, 5, 6.25, 7.5, 8.32, 10.5, 17], rel=0.03)
    floor = outlines[0].polygons[0][0]
    assert len(floor) == 6
    corners = np.array([[0, 0], [5, 0], [5, 2.5], [3, 2.5], [3, 4], [0, 4]])
    far = np.abs(floor[:, None, :2] - corners).max(-1).min(0)
    assert far.max() < 0.005, "corners are where three planes cut each other"
    up = upward(planes, "z")
    plan = floor_plan(planes, outlines, upright_frame(planes, up))
    assert sum(len(wall.solid) for wall in plan.walls) == 6 + 2, "two are parted by openings"
    ((door,),) = [wall.door for wall in plan.walls if wall.door]
    ((window,),) = [wall.window for wall in plan.walls if wall.window]
    assert np.linalg.norm(door[1] - door[0]) == pytest.approx(1, abs=0.1)
    assert np.linalg.norm(window[1] - window[0]) == pytest.approx(1.4, abs=0.1)
    assert len(plan.flats) == 2, "the floor and the table"


def test_far_away_and_in_millimetres_it_is_the_same() -> None:
    points = sheet(2000, (0, 0, 0), (2, 0, 0), (0, 1, 0))
    (one,) = outlined(points)
    (far,) = outlined(1000 * points + [5e6, 4e6, 300])
    assert far.area == pytest.approx(1e6 * one.area, rel=1e-3)


def test_few_points_and_none() -> None:
    assert find_outlines(np.zeros((0, 3)), find_planes(np.zeros((0, 3)))) == []
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.0]])
    (outline,) = outlined(points)
    assert outline == ((), 0.0)
    with pytest.raises(ValueError, match=r"points must be \(4, 3\), got \(3, 3\)"):
        find_outlines(points[:3], fit_planes(points, np.zeros(4, np.int64)))


# --- up -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", UP)
def test_what_is_up_comes_to_be_y(up: str) -> None:
    turn = to_y_up(up)
    np.testing.assert_allclose(turn @ UP[up].direction, [0, 1, 0])
    assert np.linalg.det(turn) == pytest.approx(1)


def test_the_floor_says_what_is_up() -> None:
    tilt = np.array([[1, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
    floor = sheet(900, (0, 0, 1), (3, 0, 0), (0, 3, 0)) @ tilt.T
    planes = fit_planes(floor, np.zeros(len(floor), np.int64))
    np.testing.assert_allclose(upward(planes, "z"), tilt[:, 2], atol=1e-9)
    np.testing.assert_allclose(upward(planes, "-z"), -tilt[:, 2], atol=1e-9)
    np.testing.assert_allclose(upward(planes, "x"), [1, 0, 0])
    with pytest.raises(ValueError, match="up must be one of x, y, z, -x, -y, -z, camera, got 'w'"):
        upward(planes, "w")


def test_planes_told_apart_are_fitted_and_numbered_anew() -> None:
    points = np.concatenate([sheet(40, (0, 0, 1), (1, 0, 0), (0, 1, 0)), np.ones((5, 3))])
    found = fit_planes(points, np.array([7] * 40 + [-1] * 5))
    assert found.points.tolist() == [40] and found.instance[-5:].tolist() == [-1] * 5
    np.testing.assert_allclose(found.normal, [[0, 0, 1]], atol=1e-9)
    for wrong, said in (
        (np.zeros(3, np.int64), r"instance must be integers \(45,\), got torch.int64 \(3,\)"),
        (np.full(45, -2), "instance must be 0 or more, or -1 for none, got -2"),
    ):
        with pytest.raises(ValueError, match=said):
            fit_planes(points, wrong)


def test_planes_are_turned_to_the_directions_that_most_share() -> None:
    from nvc3d.geometry.manhattan import manhattan_frame, squared

    angle = np.radians(30)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    parts = [
        sheet(3000, (1, 1, 1), (3, 0, 0), (0, 2, 0)),
        sheet(2000, (1, 1, 1), (3, 0, 0), (0, 0.06, 1), seed=1),  # leans by three degrees
        sheet(1000, (1, 1, 1), (0, 2, 0), (0, 0, 1), seed=2),
        sheet(500, (1, 1, 1), (1, 1, 0), (0, 0, 1), seed=3),  # is of none of the directions
    ]
    points = np.concatenate(parts) @ turn.T
    planes = fit_planes(points, np.arange(4).repeat([len(part) for part in parts]))
    frame = manhattan_frame(planes)
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    found = squared(points, planes)
    along = np.abs(found.normal @ frame.T)
    np.testing.assert_allclose(np.sort(along[:3], 1), [[0, 0, 1]] * 3, atol=1e-9)
    np.testing.assert_allclose(found.normal[3], planes.normal[3])
    assert found.rms[1] > planes.rms[1] and (found.offset >= 0).all()
    for number in range(3):
        middle = points[found.instance == number].mean(0)
        assert found.normal[number] @ middle == pytest.approx(found.offset[number])
    none = fit_planes(points, np.full(len(points), -1))
    assert squared(points, none) is none
    with pytest.raises(ValueError, match="there must be a plane or more, got none"):
        manhattan_frame(none)
