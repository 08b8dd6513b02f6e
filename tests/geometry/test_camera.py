"""The depth camera: what it sees is on the surface, is all that is visible, and nothing more."""

from __future__ import annotations

import numpy as np
import pytest

from nvc3d.geometry import raster
from nvc3d.geometry.camera import DepthCamera, random_direction
from nvc3d.geometry.mesh import Cloud, Mesh, frame, normalise
from nvc3d.shapes import make_shape
from nvc3d.shapes.primitives import ball

SPHERE = Mesh(*ball(1, 48))
SQUARE = Mesh([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], [[0, 1, 2], [0, 2, 3]])
DISTANCE = 2.6


def cast(mesh: Mesh, eye: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """How far along each ray (R, 3) from the eye the first face is, inf if none: (R,).

    Every ray against every face, by Cramer's rule: start + u edge + v edge' = eye + t ray.
    """
    start, second, third = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    edge, other, offset = second - start, third - start, eye - start
    first = np.full(len(rays), np.inf)
    for i, ray in enumerate(rays):
        across = np.cross(ray, other)
        volume = (edge * across).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = (offset * across).sum(1) / volume
            turned = np.cross(offset, edge)
            v = turned @ ray / volume
            t = (other * turned).sum(1) / volume
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        if hit.any():
            first[i] = t[hit].min()
    return first


def pixel_rays(direction: np.ndarray, camera: DepthCamera) -> np.ndarray:
    """The rays through the centres of all pixels, row by row, 1 deep: (R * R, 3)."""
    right = np.cross([0.0, 0, 1], direction)
    right /= np.linalg.norm(right)
    up = np.cross(direction, right)
    middle = (np.arange(camera.resolution) + 0.5) / camera.resolution * 2 - 1
    row, column = np.meshgrid(middle, middle, indexing="ij")
    tangent = np.tan(np.radians(camera.fov) / 2)
    rays = tangent * (column[..., None] * right - row[..., None] * up) - direction
    return rays.reshape(-1, 3)


@pytest.mark.parametrize(
    ("category", "seed"),
    [("chair", 0), ("mug", 1), ("plane", 2), ("shelf", 3), ("umbrella", 4), ("car", 5)],
)
def test_the_image_is_that_of_a_plain_ray_caster(category: str, seed: int) -> None:
    mesh = make_shape(category, seed)
    camera = DepthCamera(resolution=36)
    direction = random_direction(np.random.default_rng(seed))
    eye = camera.distance * direction
    rays = pixel_rays(direction, camera)
    depth = cast(mesh, eye, rays)  # (R * R,)
    expected = (eye + depth[:, None] * rays)[np.isfinite(depth)]
    points = camera.view(mesh, direction)
    assert points.dtype == np.float32
    assert points.shape == expected.shape
    assert len(points) > 40
    assert np.abs(points - expected).max() < 1e-5


@pytest.mark.parametrize("category", ["lamp", "bench", "teapot"])
def test_every_point_is_on_the_surface_and_visible(category: str) -> None:
    mesh = make_shape(category, 11)
    direction = random_direction(np.random.default_rng(8))
    points = DepthCamera().view(mesh, direction).astype(np.float64)[::3]
    eye = DISTANCE * direction
    away = points - eye
    length = np.linalg.norm(away, axis=1)
    first = cast(mesh, eye, away / length[:, None])
    # On its own ray, the first surface is the point itself: not before it, not behind it.
    assert np.abs(first - length).max() < 1e-4


def test_the_default_camera_sees_the_whole_ball() -> None:
    camera = DepthCamera()
    assert 2 * np.degrees(np.arcsin(1 / camera.distance)) < camera.fov
    direction = np.array([0.6, 0, 0.8])
    points = camera.view(SPHERE, direction)
    # The visible cap of a sphere, up to the facets of this one.
    assert (points @ direction).min() == pytest.approx(1 / camera.distance, abs=0.03)
    assert (points @ direction).max() > 0.99


def test_points_are_in_the_coordinates_of_the_shape() -> None:
    mesh = make_shape("guitar", 3)
    moved = Mesh(mesh.vertices * 50 + [100, -200, 300], mesh.faces)
    there, here = DepthCamera().view(moved, (1, 2, 3)), DepthCamera().view(mesh, (1, 2, 3))
    assert np.allclose(there, here * 50 + [100, -200, 300], atol=1e-3)
    cloud = Cloud(mesh.sample(1500, np.random.default_rng(0))[0])
    shifted = Cloud(cloud.points * 64 + 32)
    seen = DepthCamera().view(shifted, (1, 2, 3))
    assert np.array_equal(seen, DepthCamera().view(cloud, (1, 2, 3)) * 64 + 32)


def test_work_in_blocks_gives_the_same_image(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = make_shape("dresser", 2)
    whole = DepthCamera().view(mesh, (3, 2, 1))
    monkeypatch.setattr(raster, "_BLOCK", 37)
    assert np.array_equal(DepthCamera().view(mesh, (3, 2, 1)), whole)


def test_the_nearest_of_crossing_faces_wins() -> None:
    rng = np.random.default_rng(5)
    mesh = normalise(Mesh(rng.normal(size=(90, 3)), rng.integers(0, 90, (60, 3))))
    camera, direction = DepthCamera(resolution=32), random_direction(rng)
    rays = pixel_rays(direction, camera)
    depth = cast(mesh, DISTANCE * direction, rays)
    expected = (DISTANCE * direction + depth[:, None] * rays)[np.isfinite(depth)]
    assert np.abs(camera.view(mesh, direction) - expected).max() < 1e-5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 0, -1), (1, 0, 0), (0, 1e-300, 0), (5, 5, 0)])
def test_hard_meshes_and_directions(direction: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(2)
    corners = rng.normal(size=(30, 3))
    # A sliver, a face of no area, and a vertex of no face far behind the camera.
    vertices = np.concatenate([corners, corners[:3] + 1e-9, [[1e30, 1e30, 1e30]]])
    faces = [*np.arange(30).reshape(10, 3), [0, 30, 1], [4, 4, 5], [6, 7, 7]]
    points = DepthCamera().view(Mesh(vertices, faces), direction)
    assert np.isfinite(points).all()
    assert len(points) > 100
    _, radius = frame(Mesh(vertices, faces))
    assert np.linalg.norm(points, axis=1).max() < 2 * radius


def test_a_flat_shape_seen_from_its_edge_shows_nothing() -> None:
    points = DepthCamera(resolution=64).view(SQUARE, (1, 0, 0))
    assert points.shape == (0, 3)
    assert points.dtype == np.float32
    assert len(DepthCamera(resolution=64).view(SQUARE, (0, 0, 1))) > 1000


def test_a_cloud_keeps_its_own_points_and_loses_the_hidden_ones() -> None:
    points, _ = SPHERE.sample(6000, np.random.default_rng(0))
    direction = random_direction(np.random.default_rng(1))
    seen = DepthCamera().view(Cloud(points), direction)
    known = {tuple(point) for point in points.tolist()}
    assert {tuple(point) for point in seen.tolist()} <= known
    assert len({tuple(point) for point in seen.tolist()}) == len(seen)
    height = points @ direction
    # Those that face the camera well are there. The odd ray slips between the near points to the
    # far side, where most of the 6000 are.
    assert (seen @ direction > 0.7).sum() > 0.99 * (height > 0.7).sum()
    assert (seen @ direction < 0.25).sum() < 0.005 * (height < 0.25).sum()


def test_a_wall_hides_the_cloud_behind_it() -> None:
    rng = np.random.default_rng(0)
    wall = np.column_stack([np.full(3000, 0.6), rng.uniform(-1, 1, (3000, 2))])
    behind = np.column_stack([np.full(1000, -0.6), rng.uniform(-0.6, 0.6, (1000, 2))])
    cloud = Cloud(np.concatenate([behind, wall]).astype(np.float32))
    front = DepthCamera().view(cloud, (1, 0, 0))
    assert (front[:, 0] > 0).sum() == 3000
    assert (front[:, 0] < 0).sum() < 10
    back = DepthCamera().view(cloud, (-1, 0, 0))
    assert (back[:, 0] < 0).sum() == 1000


def test_sparse_and_repeated_points_are_no_trouble() -> None:
    pair = Cloud([[0, 0, 0], [0, 1, 0]])
    assert len(DepthCamera().view(pair, (1, 0, 0))) == 2
    line = Cloud([[0.0, 0, i] for i in range(4)] * 100)
    assert 0 < len(DepthCamera().view(line, (0, 0, 1))) <= 400
    points, _ = SPHERE.sample(500, np.random.default_rng(0))
    twice = DepthCamera().view(Cloud(np.repeat(points, 2, 0)), (0, 1, 0))
    assert np.array_equal(twice[::2], twice[1::2])


@pytest.mark.parametrize("shape", [SPHERE, Cloud(SPHERE.sample(4000, np.random.default_rng(0))[0])])
def test_noise_moves_points_along_their_rays(shape: Mesh | Cloud) -> None:
    direction, noise = np.array([0.0, 1, 0]), 0.02
    clean = DepthCamera().view(shape, direction).astype(np.float64)
    rng = np.random.default_rng(4)
    noisy = DepthCamera(noise=noise).view(shape, direction, rng).astype(np.float64)
    centre, radius = frame(shape)
    ray = clean - (centre + DISTANCE * radius * direction)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    moved = noisy - clean
    along = (moved * ray).sum(1)
    assert np.abs(moved - along[:, None] * ray).max() < 1e-6
    assert along.std() == pytest.approx(noise * radius, rel=0.1)
    assert abs(along.mean()) < 0.1 * noise
    again = DepthCamera(noise=noise).view(shape, direction, np.random.default_rng(4))
    assert np.array_equal(again.astype(np.float64), noisy)


def test_directions_are_even_over_the_sphere() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([random_direction(rng) for _ in range(4000)])
    assert np.abs(np.linalg.norm(drawn, axis=1) - 1).max() < 1e-12
    # On a sphere each coordinate is uniform in [-1, 1] (Archimedes).
    for axis in range(3):
        counts, _ = np.histogram(drawn[:, axis], 8, (-1, 1))
        assert np.abs(counts / 4000 - 1 / 8).max() < 0.03
    assert np.abs(drawn.T @ drawn / 4000 - np.eye(3) / 3).max() < 0.03


@pytest.mark.parametrize(
    "direction",
    [(0, 0, 0), (np.nan, 0, 1), (np.inf, 0, 0), (1, 0), ((1, 0, 0),), "xyz", None, (1j, 0, 0)],
)
def test_bad_directions_are_refused(direction: object) -> None:
    with pytest.raises(ValueError, match="direction"):
        DepthCamera().view(SPHERE, direction)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "setting",
    [
        {"resolution": 0},
        {"resolution": 10.5},
        {"resolution": True},
        {"resolution": 100000},
        {"fov": 0},
        {"fov": 180},
        {"fov": float("nan")},
        {"distance": 1},
        {"distance": float("inf")},
        {"noise": -0.1},
        {"noise": float("nan")},
    ],
)
def test_bad_cameras_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        DepthCamera(**setting)  # type: ignore[arg-type]


def test_noise_needs_a_generator() -> None:
    with pytest.raises(ValueError, match="random generator"):
        DepthCamera(noise=0.1).view(SPHERE, (1, 0, 0))
