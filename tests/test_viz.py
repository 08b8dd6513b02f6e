"""Pictures: files that hold what was asked for, and nothing global touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from nvc3d.viz import draw_clouds, draw_latents  # noqa: E402


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)[..., :3]


def ball(count: int = 300, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_clouds_are_drawn_each_in_its_place(tmp_path: Path) -> None:
    one = np.zeros((1, 3))
    path = draw_clouds(tmp_path / "a.png", {"top": [ball(), one], "below": [one, ball()]}, "ab")
    ink = (pixels(path) < 0.9).any(-1)
    # The row names at the left edge are ink too, so each cell is looked at in its middle.
    high, wide = ink.shape[0] // 2, ink.shape[1] // 2
    middle = slice(high // 4, -high // 4), slice(wide // 4, -wide // 4)
    rows = ink[:high], ink[high:]
    cells = [[row[:, :wide][middle].sum(), row[:, wide:][middle].sum()] for row in rows]
    assert min(cells[0][0], cells[1][1]) > 20 * max(cells[0][1], cells[1][0], 1)


def test_near_points_are_dark(tmp_path: Path) -> None:
    # Two walls across the line of sight, near and far, shifted to the left and to the right.
    sheet = np.random.default_rng(0).uniform(-0.3, 0.3, (2000, 3)) * (0, 1, 1)
    shift = np.array([1, -0.5, 0])
    near, far = sheet + shift, sheet - shift
    walls = {"walls": [np.concatenate([near, far])]}
    image = pixels(draw_clouds(tmp_path / "a.png", walls, [""], azimuth=0, elevation=0))
    image = image[:, image.shape[1] // 6 :]  # without the row's name
    drawn = (image < 0.97).any(-1)
    column = np.arange(image.shape[1])[None].repeat(len(image), 0)
    centre = np.median(column[drawn])
    left, right = drawn & (column < centre), drawn & (column > centre)
    assert image[left].mean() < image[right].mean() - 0.2


def test_pictures_are_drawn_without_touching_the_global_state(tmp_path: Path) -> None:
    program = f"""
import sys
import numpy as np
import nvc3d.viz
assert "matplotlib" not in sys.modules, "matplotlib is imported before it is needed"
nvc3d.viz.draw_clouds({str(tmp_path / "a.png")!r}, {{"row": [np.eye(3)]}}, ["title"])
nvc3d.viz.draw_latents({str(tmp_path / "b.png")!r}, np.eye(4), [0, 0, 1, 1], ["a", "b"])
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_latents_of_any_size_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for count, dim in [(1, 1), (1, 8), (2, 3), (5, 1), (60, 8)]:
        labels = np.arange(count) % 30
        path = draw_latents(
            tmp_path / "l.png",
            rng.normal(size=(count, dim)),
            labels,
            [f"c{i}" for i in range(30)],
            rng.normal(size=(3, dim)),
            np.arange(count) % 2,
        )
        assert pixels(path).min() < 0.5
    # All the same: no direction of greatest variance.
    draw_latents(tmp_path / "l.png", np.ones((9, 4)), np.zeros(9, int), ["a"])


def test_separate_groups_stay_separate_on_the_map(tmp_path: Path) -> None:
    from nvc3d.viz.latents import project

    rng = np.random.default_rng(0)
    groups = np.repeat([[0.0] * 9, [6.0] + [0.0] * 8, [0.0] * 8 + [6.0]], 40, 0)
    at, to_map = project(groups + rng.normal(size=groups.shape))
    centres = at.reshape(3, 40, 2).mean(1)
    apart = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    assert apart.min() > 4
    # The same projection serves anchors, and does not depend on the order of the latents.
    np.testing.assert_allclose(to_map(groups[:1])[0], centres[0], atol=1)


def test_what_cannot_be_drawn_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for rows, titles, message in [
        ({}, ["a"], "nothing to draw"),
        ({"r": []}, [], "nothing to draw"),
        ({"r": [np.eye(3)]}, ["a", "b"], "must have 2 clouds, got 1"),
        ({"r": [np.zeros((0, 3))]}, ["a"], r"\(N, 3\)"),
        ({"r": [np.zeros((4, 2))]}, ["a"], r"\(N, 3\)"),
        ({"r": [np.full((4, 3), np.nan)]}, ["a"], "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            draw_clouds(path, rows, titles)
    for latents, labels, message in [
        (np.zeros(4), [0], r"\(B, D\)"),
        (np.zeros((0, 4)), [], r"\(B, D\)"),
        (np.zeros((2, 4)), [0], r"labels \(B,\)"),
        (np.zeros((2, 4)), [0, 2], "index the 2 names"),
        (np.full((2, 4), np.inf), [0, 1], "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            draw_latents(path, latents, labels, ["a", "b"])
    with pytest.raises(ValueError, match=r"anchors must be \(M, 4\)"):
        draw_latents(path, np.zeros((2, 4)), [0, 1], ["a", "b"], np.zeros((3, 5)))
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError):
        draw_clouds(tmp_path / "none" / "a.png", {"r": [np.eye(3)]}, ["a"])
