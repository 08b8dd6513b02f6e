"""The built-in shapes: sound meshes, labelled, all different, and the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest

from nvc3d.geometry.mesh import Mesh, doubled_area
from nvc3d.shapes import CATEGORIES, BuiltinShapes, make_shape
from nvc3d.shapes import primitives as make

# Of the shapes with seeds 0, 1 and 2. They change only when a category is changed on purpose.
DIGESTS = {
    "bed": "7cc946d2165ae685",
    "bench": "c7c3fbd2bb8df076",
    "boat": "95ca2f56886ae8e2",
    "bottle": "a845bb878bc092f6",
    "car": "249c9e7052413c7f",
    "chair": "45f34914ce2a007c",
    "dresser": "1232af26ed8a2390",
    "goblet": "afa8defc67c03de4",
    "guitar": "4073bd64462f08c4",
    "lamp": "f54836ef9e0af9d8",
    "laptop": "ae9b9f01d278ced3",
    "monitor": "17d68f38a4dd5264",
    "mug": "766cd531c21a8c60",
    "plane": "5fd3dc3d0c1b4e38",
    "rocket": "857f6dcee4b70189",
    "shelf": "77651a358524f074",
    "skateboard": "a1d41d6cd116e0dd",
    "sofa": "6034adc508315a75",
    "stool": "9b736c43309a4ed0",
    "table": "3c7c59a6cee2c360",
    "teapot": "f002c2d3b59fc6d3",
    "umbrella": "0e9d38718c04529b",
    "vase": "228e9702ba6138cc",
}
SAMPLES = "3028787774ae3681"


def digest(mesh: Mesh) -> bytes:
    vertices = mesh.vertices.astype("<f8").tobytes()
    faces = mesh.faces.astype("<i8").tobytes()
    assert mesh.face_labels is not None
    return sha256(vertices + faces + mesh.face_labels.astype("<i8").tobytes()).digest()


@pytest.mark.parametrize("category", CATEGORIES)
def test_shapes_are_sound(category: str) -> None:
    names = make_shape(category, 0).label_names
    assert len(set(names)) == len(names) >= 2
    met = set()
    for seed in range(25):
        mesh = make_shape(category, seed)
        assert mesh.label_names == names
        assert mesh.face_labels is not None
        met |= set(mesh.face_labels)
        assert (doubled_area(mesh.vertices, mesh.faces) > 0).all()
        assert np.abs(mesh.vertices.min(0) + mesh.vertices.max(0)).max() < 1e-12
        assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(1, abs=1e-12)
        # Nothing is so flat that a camera could miss it.
        assert np.ptp(mesh.vertices, axis=0).min() > 0.02
    assert len(met) >= len(names) - 1


@pytest.mark.parametrize("category", CATEGORIES)
def test_shapes_are_the_same_on_every_machine(category: str) -> None:
    found = sha256(b"".join(digest(make_shape(category, seed)) for seed in range(3))).hexdigest()
    assert found[:16] == DIGESTS[category]


def test_samples_are_the_same_on_every_machine() -> None:
    points, labels = make_shape("chair", 5).sample(1000, np.random.default_rng(1))
    found = sha256(points.astype("<f4").tobytes() + labels.astype("<i8").tobytes()).hexdigest()
    assert found[:16] == SAMPLES


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_seed_gives_another_shape(category: str) -> None:
    assert len({digest(make_shape(category, seed)) for seed in range(60)}) == 60


def test_seeds_are_not_weak() -> None:
    """Huge seeds work, and are not cut to a machine's word."""
    seeds = [0, 2**32, 2**64, 2**200]
    assert len({digest(make_shape("table", seed)) for seed in seeds}) == 4


@pytest.mark.parametrize(
    ("piece", "volume"),
    [
        (make.box((1, 2, 3)), 6),
        (make.cylinder(1, 2, 400), 2 * np.pi),
        (make.ball(1, 200), 4 / 3 * np.pi),
        (make.torus(2, 0.5, 200), 2 * np.pi**2 * 2 * 0.25 * np.sin(np.pi / 5) / (np.pi / 5)),
        (make.rod((0, 0, 0), (3, 4, 0), 0.5, segments=4), 5 * 0.5),
        (make.rod((1, 1, 1), (1, 1, 3), 1, segments=300), 2 * np.pi),
        (make.rounded_box((1, 1, 1), radius=1e-6), 1),
        (make.prism(make.circle(300), 2), 2 * np.pi),
        (make.box((1, 2, 3)).mirror("y").turn("x", 70).turn("z", 10).move(5, 6, 7), 6),
        (make.box((1, 1, 1)).stretch(2, 3, 4), 24),
    ],
)
def test_surfaces_are_closed_and_turned_outwards(piece: make.Piece, volume: float) -> None:
    a, b, c = (piece.vertices[piece.faces[:, i]] for i in range(3))
    assert (np.cross(a, b) * c).sum() / 6 == pytest.approx(volume, rel=2e-3)
    # A point where a surface closes is given once for each segment that ends there.
    faces = np.unique(piece.vertices.round(9), axis=0, return_inverse=True)[1].reshape(-1)[
        piece.faces
    ]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    # Closed: each edge is run along in either direction.
    assert {tuple(edge) for edge in edges} == {tuple(edge) for edge in edges[:, ::-1]}


def test_a_curve_passes_through_its_points() -> None:
    knots = np.array([(0, 0), (1, 2), (3, 1), (4, 4)], float)
    assert np.allclose(make.curve(knots, 5)[::5], knots)
    assert np.allclose(make.curve(knots, 5, closed=True)[::5], knots)
    line = np.column_stack([np.arange(5.0), np.arange(5.0)])
    assert np.allclose(np.diff(make.curve(line, 4)[:, 0]), 0.25)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: make_shape("spaceship", 0), "unknown category 'spaceship', expected one of bed"),
        (lambda: make_shape("chair", -1), "seed must be a whole number of 0 or more, got -1"),
        (lambda: make_shape("chair", 1.5), "whole number"),  # type: ignore[arg-type]
        (lambda: make_shape("chair", True), "whole number"),
        (lambda: BuiltinShapes("training"), "split must be one of train, val, test"),
        (lambda: BuiltinShapes("train", 0), "size must be a whole number of 1 or more"),
        (lambda: BuiltinShapes("train", 5, -1), "seed"),
        (lambda: BuiltinShapes("train", 5, 0, []), "categories"),
        (lambda: BuiltinShapes("train", 5, 0, "chair"), "categories"),
        (lambda: BuiltinShapes("train", 5, 0, ["chair", "ufo"]), "ufo"),
        (lambda: BuiltinShapes("train", 5, 0, ["chair", "chair"]), "different"),
    ],
)
def test_bad_requests_are_refused(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_a_set_takes_the_categories_in_turn() -> None:
    shapes = BuiltinShapes("train", 7, 0, ["mug", "chair", "lamp"])
    assert len(shapes) == 7
    found = list(shapes)
    assert [label for _, label, _ in found] == [0, 1, 2, 0, 1, 2, 0]
    assert [name.split("-")[0] for _, _, name in found[:3]] == ["mug", "chair", "lamp"]
    assert len({name for _, _, name in found}) == 7
    assert digest(shapes[-1][0]) == digest(found[6][0])
    with pytest.raises(IndexError):
        shapes[7]
    with pytest.raises(TypeError):
        shapes["0"]  # type: ignore[index]


def test_splits_and_seeds_share_no_shape() -> None:
    sets = [BuiltinShapes(split, 40, seed) for split in ("train", "val", "test") for seed in (0, 1)]
    assert len({digest(mesh) for shapes in sets for mesh, _, _ in shapes}) == 6 * 40


def test_a_kept_shape_cannot_be_spoilt() -> None:
    mesh, _, _ = BuiltinShapes("train", 1)[0]
    for array in (mesh.vertices, mesh.faces, mesh.face_labels):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_making_shapes_needs_no_torch() -> None:
    code = "import sys, nvc3d.shapes as d; d.make_shape('mug', 0); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
