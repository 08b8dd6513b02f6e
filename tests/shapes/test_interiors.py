"""Built-in interiors: exact planes, and what sensors see of them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from nvc3d.shapes.interiors import TYPES, look, make_interior
from nvc3d.shapes.interiors.casting import cast
from nvc3d.shapes.interiors.content import Ball, Box, Interior, Paint, Side

FLUSH = [TYPES.index(name) for name in ("door", "window", "picture", "carpet")]


def empty(boxes: tuple[Box, ...] = (), balls: tuple[Ball, ...] = ()) -> Interior:
    """A cube of 4 m without paint."""
    sides = []
    for axis in range(3):
        for sign, offset in ((-1.0, 0.0), (1.0, 4.0)):
            normal, corner = np.zeros((2, 3))
            normal[axis], corner[axis] = sign, offset
            along, up = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            rows = (tuple(row.tolist()) for row in (normal, corner, along, up))
            n, c, a, u = rows
            sides.append(Side("wall", n, offset, c, a, u, (4.0, 4.0), Paint((1.0, 1.0, 1.0))))
    return Interior((4.0, 4.0, 4.0), tuple(sides), (), boxes, balls, (0.0, 0.0, 1.0))


@pytest.mark.parametrize("sensor", ["camera", "scanner"])
@pytest.mark.parametrize("seed", range(5))
def test_exact_points_lie_on_their_planes(seed: int, sensor: str) -> None:
    seen = look(make_interior(seed), np.random.default_rng(seed), sensor, noise=False)
    on = seen.plane >= 0
    normal, offset = seen.normal[seen.plane[on]], seen.offset[seen.plane[on]]
    assert np.abs((seen.points[on] * normal).sum(1) - offset).max() < 1e-12
    assert np.allclose(np.linalg.norm(seen.normal, axis=1), 1, atol=1e-12)
    assert len(seen.points) == seen.depth.size


def test_rays_meet_boxes_and_balls_where_geometry_says() -> None:
    paint = Paint((0.0, 0.0, 0.0))
    box = Box("furniture", (3.0, 2.0, 2.0), (0.5, 0.5, 0.5), (0.6, 0.8), paint)
    ball = Ball((2.0, 3.0, 2.0), (0.25, 0.5, 0.5), paint)
    room = empty((box,), (ball,))
    rays = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0], [0, 0, -1.0]]).T
    hits = cast(room, np.array([2.0, 2.0, 2.0]), rays)
    # The box is turned, so its edge faces the ray: 1 less what the slab of its own x or y spans.
    assert hits.distance == pytest.approx([1 - 0.5 / 0.8, 2.0, 0.5, 2.0])
    assert hits.plane.tolist() == [6 + 3, 0, -1, 4]
    normal, offset, types = room.planes()
    at = np.array([2.0, 2.0, 2.0]) + rays.T[0] * hits.distance[0]
    assert normal[9] @ at == pytest.approx(offset[9])
    assert TYPES[types[9]] == "furniture" and len(offset) == 6 + 6


@pytest.mark.parametrize("seed", range(30))
def test_flat_things_are_where_they_belong_and_on_the_plane_of_their_side(seed: int) -> None:
    room = make_interior(seed)
    normal, offset, types = room.planes()
    typed = [flat for flat in room.flats if flat.type is not None]
    for number, flat in enumerate(typed, len(room.sides)):
        side = room.sides[flat.side]
        assert np.array_equal(normal[number], side.normal) and offset[number] == side.offset
        assert TYPES[types[number]] == flat.type
        if flat.type == "door":
            assert side.type == "wall" and flat.middle[1] == flat.half[1]
        elif flat.type == "carpet":
            assert side.type == "floor"
        else:
            assert side.type in ("wall", "roof") and flat.middle[1] - flat.half[1] > 0.1
        assert flat.middle[0] - flat.half[0] * flat.heading[0] >= 0 or flat.type == "carpet"
    assert sum(side.type == "roof" for side in room.sides) == len(room.sides) - 6


def test_all_types_are_seen_and_the_same_seed_sees_the_same() -> None:
    share = np.zeros(len(TYPES))
    for seed in range(60):
        seen = look(make_interior(seed), np.random.default_rng(seed), "scanner")
        share += np.bincount(seen.types[seen.plane[seen.plane >= 0]], minlength=len(TYPES))
    share /= share.sum()
    assert (share > 0.01).all() and 0.05 < share[FLUSH].sum() < 0.3
    again = look(make_interior(59), np.random.default_rng(59), "scanner")
    assert np.array_equal(seen.points, again.points) and np.array_equal(seen.colors, again.colors)
    other = look(make_interior(59), np.random.default_rng(60), "scanner")
    assert not np.array_equal(seen.depth, other.depth)


def test_noise_grows_with_the_depth_and_what_flies_is_in_no_plane() -> None:
    near, far = [], []
    for seed in range(20):
        seen = look(make_interior(seed), np.random.default_rng(seed), "camera")
        there = seen.depth > 0
        off = np.abs(seen.depth - seen.exact)[there]
        own, depth = seen.plane >= 0, seen.exact[there]
        near.append(off[own & (depth < 2)])
        far.append(off[own & (depth > 3.5)])
        assert off[own].max() < 0.6 and seen.camera is not None
        assert 0.7 < there.mean() < 1
    assert np.concatenate(near).mean() * 3 < np.concatenate(far).mean()


def test_the_points_of_a_camera_are_those_of_its_depth_through_its_intrinsics() -> None:
    seen = look(make_interior(3), np.random.default_rng(3), "camera")
    assert seen.camera is not None
    x, y, z = seen.camera.points(seen.depth).points.T.astype(np.float64)
    assert np.abs(seen.points - np.stack([x, z, -y], 1)).max() < 1e-5


def test_the_bits_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256()
    for sensor in ("camera", "scanner"):
        seen = look(make_interior(7), np.random.default_rng(7), sensor)
        for array in (seen.points, seen.colors, seen.plane, seen.normal, seen.offset):
            digest.update(np.ascontiguousarray(array).tobytes())
    assert digest.hexdigest()[:16] == "c5c683e23d14b3a9"
