"""The mesh and the cloud: what they refuse, how they are sampled and normalised."""

from __future__ import annotations

import numpy as np
import pytest

from nvc3d.geometry.mesh import Cloud, Mesh, drawn, frame, normalise

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3], [1, 0, 3], [0, 3, 3]], float)


def two_triangles(labels: list[int] | None = None) -> Mesh:
    """Areas 0.5 and 1.5, at z = 0 and z = 3."""
    return Mesh(CORNERS, [[0, 1, 2], [3, 4, 5]], labels)


def test_samples_follow_the_area_and_lie_on_the_faces() -> None:
    points, labels = two_triangles([4, 7]).sample(20000, np.random.default_rng(0))
    assert points.shape == (20000, 3)
    assert points.dtype == np.float32
    assert labels.dtype == np.int64
    lower = points[labels == 4]
    upper = points[labels == 7]
    assert (lower[:, 2] == 0).all()
    assert (upper[:, 2] == 3).all()
    assert len(lower) + len(upper) == 20000
    # A quarter of the area; one standard deviation of the share is 0.003.
    assert abs(len(lower) / 20000 - 0.25) < 0.015
    # Even over a triangle: the mean is the centroid, a quarter is in each half-size corner.
    assert np.abs(lower.mean(0) - [1 / 3, 1 / 3, 0]).max() < 0.015
    assert abs((lower[:, 0] > 0.5).mean() - 0.25) < 0.03
    assert (lower[:, 0] + lower[:, 1] <= 1 + 1e-6).all()


def test_faces_without_area_are_never_drawn() -> None:
    mesh = Mesh(CORNERS, [[0, 0, 1], [0, 1, 2], [3, 3, 3], [4, 5, 5]], [0, 1, 2, 3])
    _, labels = mesh.sample(5000, np.random.default_rng(0))
    assert set(labels) == {1}


def test_the_same_generator_state_gives_the_same_samples() -> None:
    mesh = two_triangles()
    first, labels = mesh.sample(100, np.random.default_rng(3))
    assert np.array_equal(first, mesh.sample(100, np.random.default_rng(3))[0])
    assert not np.array_equal(first, mesh.sample(100, np.random.default_rng(4))[0])
    assert (labels == 0).all()


def test_a_cloud_repeats_no_point_before_all_were_drawn() -> None:
    cloud = Cloud(CORNERS, {"label": np.arange(6)})
    points, labels = cloud.sample(15, np.random.default_rng(0))
    counts = np.bincount(labels, minlength=6)
    assert set(counts) == {2, 3}
    assert np.array_equal(points, CORNERS[labels].astype(np.float32))
    assert len(set(cloud.sample(6, np.random.default_rng(0))[1])) == 6


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30])
@pytest.mark.parametrize("shift", [0.0, 1.0, -7.0])
def test_normalised_shapes_fill_the_unit_ball(scale: float, shift: float) -> None:
    mesh = normalise(Mesh((CORNERS + shift) * scale, [[0, 1, 2], [3, 4, 5]]))
    used = mesh.vertices
    assert np.abs(used.min(0) + used.max(0)).max() < 1e-9
    assert np.linalg.norm(used, axis=1).max() == pytest.approx(1, abs=1e-12)
    assert np.isfinite(mesh.sample(10, np.random.default_rng(0))[0]).all()


def test_a_cloud_is_normalised_as_a_mesh_is() -> None:
    cloud = normalise(Cloud(CORNERS * 5 + 2, {"label": np.arange(6)}))
    assert cloud.points.dtype == np.float32
    assert np.allclose(cloud.points, normalise(two_triangles()).vertices, atol=1e-6)
    assert np.array_equal(cloud.labels, np.arange(6))


def test_vertices_of_no_face_do_not_count() -> None:
    lone = np.concatenate([CORNERS, [[1000.0, 0, 0]]])
    centre, radius = frame(Mesh(lone, [[0, 1, 2]]))
    assert np.allclose(centre, [0.5, 0.5, 0])
    assert radius == pytest.approx(0.5**0.5)


TRIANGLE = [[0, 1, 2]]


@pytest.mark.parametrize(
    ("vertices", "faces", "labels", "sentence"),
    [
        (CORNERS, np.zeros((0, 3), int), None, "at least one face"),
        (CORNERS, [[0, 1, 1]], None, "no area"),
        (CORNERS, [[0, 0, 0]] * 9, None, "no extent"),
        (np.ones((3, 3)), TRIANGLE, None, "no extent"),
        (CORNERS * [np.nan, 1, 1], TRIANGLE, None, "finite"),
        (CORNERS + np.array([np.inf, 0, 0]), TRIANGLE, None, "finite"),
        (CORNERS * 1e39, TRIANGLE, None, "finite"),
        (CORNERS, [[0, 1, 6]], None, "index the 6 vertices"),
        (CORNERS, [[0, 1, -1]], None, "index the 6 vertices"),
        (CORNERS, [[0, 1, 2, 3]], None, r"\(F, 3\), got \(1, 4\)"),
        (CORNERS, [[0.0, 1.0, 2.0]], None, "integers"),
        (CORNERS[:, :2], TRIANGLE, None, r"\(V, 3\), got \(6, 2\)"),
        (np.zeros((0, 3)), TRIANGLE, None, "at least one point"),
        (CORNERS.astype(complex), TRIANGLE, None, "real numbers"),
        (np.full((6, 3), "1"), TRIANGLE, None, "real numbers"),
        (CORNERS, TRIANGLE, [1, 2], r"\(1,\)"),
        (CORNERS, TRIANGLE, [-2], "-1 for none"),
        (CORNERS, TRIANGLE, [0.5], "integers"),
    ],
)
def test_bad_meshes_are_refused(vertices, faces, labels, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=sentence):
        Mesh(vertices, faces, labels)


def test_labels_must_have_names_if_any_do() -> None:
    with pytest.raises(ValueError, match="index the 1 label names, got 1"):
        Mesh(CORNERS, TRIANGLE, [1], ("leg",))


@pytest.mark.parametrize(
    ("points", "columns", "sentence"),
    [
        (np.zeros((0, 3)), None, "at least one point"),
        ([], None, r"\(N, 3\)"),
        ([[np.inf, 0, 0], [0, 0, 0]], None, "finite"),
        ([[0, 0, 0], [0, np.nan, 0]], None, "row 1"),
        (CORNERS, {"label": [1]}, r"label must be \(6,\)"),
        (CORNERS, {"label": [-2] * 6}, "-1 for none"),
        (CORNERS, {"color": np.zeros((6, 3))}, "uint8"),
        (CORNERS, {"normal": np.full((6, 3), np.nan)}, "normal must be finite"),
        (CORNERS, {"intensity": ["a"] * 6}, "intensity must be numbers"),
        (CORNERS, {"intensity": np.zeros(5)}, r"\(6,\)"),
    ],
)
def test_bad_clouds_are_refused(points, columns, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=sentence):
        Cloud(points, columns or {})


@pytest.mark.parametrize("points", [np.ones((50, 3)), [[1, 2, 3]]])
def test_a_cloud_of_one_place_has_no_frame(points) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="no extent"):
        normalise(Cloud(points))


def test_a_cloud_keeps_its_columns() -> None:
    columns = {"color": np.ones((6, 3), np.uint8), "intensity": np.arange(6.0), "label": [-1] * 6}
    cloud = normalise(Cloud(CORNERS, columns, ("leg",)))
    assert set(cloud.columns) == set(columns) and cloud.label_names == ("leg",)
    assert cloud.columns["intensity"].tolist() == [0, 1, 2, 3, 4, 5]
    assert cloud.labels is not None and cloud.labels.tolist() == [-1] * 6


@pytest.mark.parametrize("count", [0, -1, 1.5, "3", True, None])
def test_bad_counts_are_refused(count: object) -> None:
    for shape in (two_triangles(), Cloud(CORNERS)):
        with pytest.raises(ValueError, match="positive whole number"):
            shape.sample(count, np.random.default_rng(0))  # type: ignore[arg-type]


def test_points_drawn_from_a_mesh_have_the_normals_of_their_faces() -> None:
    corners = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 1e-3]]) + 1e5
    mesh = Mesh(corners, [[0, 1, 2], [0, 3, 1]], [0, 1])
    cloud = drawn(mesh, 4000, np.random.default_rng(0))
    expected = np.array([[0, 0, 1], [0, 1, 0]], np.float32)
    assert set(np.unique(cloud.labels)) == {0, 1}
    assert np.allclose(cloud.normals, expected[cloud.labels])
    assert np.abs(cloud.points[cloud.labels == 1][:, 1] - 1e5).max() < 1e-3
