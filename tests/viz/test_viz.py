"""Pictures: files that hold what was asked for, and nothing global touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import ball

from nvc3d import Nebula

matplotlib = pytest.importorskip("matplotlib")

from nvc3d.viz import (  # noqa: E402
    Life,
    draw_clouds,
    draw_covariance,
    draw_gallery,
    draw_latents,
    draw_life,
    draw_walks,
    walk,
)
from nvc3d.viz.thumbnails import by_shape, cloud_picture, voxel_picture  # noqa: E402


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were saved, the latest last."""
    from matplotlib.figure import Figure

    saved, savefig = [], Figure.savefig

    def keep(self: Figure, *args: Any, **options: Any) -> None:
        savefig(self, *args, **options)
        saved.append(self)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)[..., :3]


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


def test_one_scale_shows_what_is_larger_and_where(figures: list[Any], tmp_path: Path) -> None:
    small = ball() / 2 + [0.5, 0, 0]
    for shared in (False, True):
        draw_clouds(tmp_path / "a.png", {"": [ball(), small]}, "ab", one_scale=shared)
        width, other = (
            np.ptp(np.asarray(axis.collections[0].get_offsets())[:, 1]) for axis in figures[-1].axes
        )
        assert other / width == pytest.approx(0.5 if shared else 1.0)


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
    at, to_map, share = project(groups + rng.normal(size=groups.shape))
    assert 0.5 < share < 1
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
        (np.zeros((2, 4)), [0], r"labels must be \(2,\)"),
        (np.zeros((2, 4)), [0, 2], "labels must be 0 to 1, got 0 to 2"),
        (np.zeros((2, 4)), [0.0, 1.0], "whole numbers"),
        (np.full((2, 4), np.inf), [0, 1], "latents must be finite"),
        ([[1, 2], [3]], [0, 1], "latents must be an array"),
    ]:
        with pytest.raises(ValueError, match=message):
            draw_latents(path, latents, labels, ["a", "b"])
    with pytest.raises(ValueError, match=r"anchors must be \(M, 4\)"):
        draw_latents(path, np.zeros((2, 4)), [0, 1], ["a", "b"], np.zeros((3, 5)))
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError):
        draw_clouds(tmp_path / "none" / "a.png", {"r": [np.eye(3)]}, ["a"])


def line(anchors: list[list[float]]) -> Nebula:
    """A nebula with these anchors (M, D), whose embedding is the latent alone."""
    places = torch.tensor(anchors)
    nebula = Nebula(4, len(places), places.shape[1]).eval()
    nebula.anchors.data = places
    return nebula


def test_ellipses_are_the_gaussians_of_the_anchors(tmp_path: Path, figures: list[Any]) -> None:
    from matplotlib.collections import EllipseCollection

    rng = np.random.default_rng(0)
    near, far = rng.normal(size=(400, 2)) * (3, 1), rng.normal(size=(400, 2)) * (1, 0.5) + (40, 0)
    anchors = np.array([[0.0, 0], [40, 0], [2000, 0]])
    draw_latents(tmp_path / "l.png", np.concatenate([near, far]), anchors=anchors)
    axis = figures[-1].axes[0]
    (ellipses,) = [c for c in axis.collections if isinstance(c, EllipseCollection)]
    # Four standard deviations across, and nothing for the anchor without latents.
    np.testing.assert_allclose(np.sort(ellipses.get_widths()), [4 * 0.5, 4 * 1], rtol=0.15)
    np.testing.assert_allclose(np.sort(ellipses.get_heights()), [4 * 1, 4 * 3], rtol=0.15)
    assert axis.get_xlim()[1] - axis.get_xlim()[0] < 200
    assert "1 beyond the map" in axis.get_legend().get_texts()[-1].get_text()


@pytest.mark.parametrize("count", [1, 23, 90])
def test_the_legend_stands_beside_the_map(tmp_path: Path, figures: list[Any], count: int) -> None:
    rng = np.random.default_rng(0)
    names = [f"a category {i}" for i in range(count)]
    labels = np.arange(200) % count
    draw_latents(
        tmp_path / "l.png", rng.normal(size=(200, 5)), labels, names, rng.normal(size=(9, 5)) * 9
    )
    axis = figures[-1].axes[0]
    box, legend = axis.get_window_extent(), axis.get_legend().get_window_extent()
    assert legend.x0 > box.x1
    assert legend.x1 <= figures[-1].bbox.x1 and legend.y0 >= 0 and legend.y1 <= figures[-1].bbox.y1
    looks = {
        (tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes())
        for c in axis.collections
        if c.get_label() in names
    }
    assert len(looks) == min(count, 70)


@pytest.mark.parametrize(("count", "dim"), [(1, 1), (2, 2), (512, 5)])
def test_any_number_of_anchors_is_drawn(tmp_path: Path, count: int, dim: int) -> None:
    torch.manual_seed(0)
    nebula = Nebula(4, count, dim).eval()
    latents, images = torch.randn(40, dim, dtype=torch.bfloat16), torch.rand(40, 1, 6, 5)

    def decode(embedding: torch.Tensor) -> torch.Tensor:
        return embedding[:, :1, None].sigmoid().expand(-1, 6, 5)

    life = Life(nebula)
    life.record()
    for path in [
        draw_latents(tmp_path / "a.png", latents, anchors=nebula.anchors),
        draw_covariance(tmp_path / "b.png", latents, torch.arange(40)),
        draw_gallery(tmp_path / "c.png", nebula, decode, images, latents),
        draw_walks(tmp_path / "d.png", nebula, decode, [(0, count - 1)]),
        draw_life(tmp_path / "e.png", life),
    ]:
        assert pixels(path).std() > 0.01


def test_covariances_are_those_of_all_and_around_the_anchors(
    tmp_path: Path, figures: list[Any]
) -> None:
    rng = np.random.default_rng(0)
    owner = rng.integers(0, 3, 500)
    rest = rng.normal(size=(500, 4)) * (1, 2, 3, 4)
    latents = rest + 10 * rng.normal(size=(9, 4))[owner * 4]
    draw_covariance(tmp_path / "c.png", latents, owner * 4)
    whole, within = (axis.images[0].get_array() for axis in figures[-1].axes[:2])
    np.testing.assert_allclose(whole, np.cov(latents.T, bias=True))
    np.testing.assert_allclose(within.diagonal(), [1, 4, 9, 16], rtol=0.2)
    # The same for an offset that all latents share, and nothing at all is no error.
    draw_covariance(tmp_path / "c.png", latents + 1e6)
    np.testing.assert_allclose(figures[-1].axes[0].images[0].get_array(), whole, rtol=1e-6)
    draw_covariance(tmp_path / "c.png", np.ones((1, 3)))


def test_a_gallery_shows_the_anchor_what_is_drawn_and_what_is_nearest(tmp_path: Path) -> None:
    nebula = line([[0.0, 0], [10, 0], [50, 50]])
    latents = torch.cat([torch.randn(30, 2), torch.randn(30, 2) + torch.tensor([10.0, 0])])
    nebula.memory.add(latents)
    samples = latents[:, :, None].expand(-1, -1, 2)  # (60, 2, 2): a picture tells its latent
    shown = []

    def picture(sample: np.ndarray) -> np.ndarray:
        shown.append(sample[:, 0])
        return np.zeros((4, 4, 3))

    def decode(embedding: torch.Tensor) -> torch.Tensor:
        return embedding[:, :2, None].expand(-1, -1, 2)

    draw_gallery(tmp_path / "g.png", nebula, decode, samples, latents, picture=picture)
    rows = np.array(shown).reshape(3, 8, 2)
    for row, anchor in zip(rows[:2], nebula.anchors.detach().numpy(), strict=False):
        np.testing.assert_allclose(row[0], anchor)
        assert (np.linalg.norm(row[1:4] - anchor, axis=1) < 5).all()
        nearest = np.sort(np.linalg.norm(latents.numpy() - anchor, axis=1))[:4]
        np.testing.assert_allclose(np.linalg.norm(row[4:] - anchor, axis=1), nearest, rtol=1e-5)


def test_a_walk_goes_over_the_anchors_between(tmp_path: Path) -> None:
    # A bent row of anchors from the first to the last, and one far off.
    nebula = line([[0.0, 0], [3, 3], [6, 0], [100, 100]])
    way = walk(nebula, 0, 2, 13)[:, :2].numpy()
    np.testing.assert_allclose(way[[0, 6, 12]], [[0, 0], [3, 3], [6, 0]], atol=1e-6)
    lengths = np.linalg.norm(np.diff(way, axis=0), axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)
    np.testing.assert_allclose(walk(nebula, 2, 0, 13)[:, :2].numpy(), way[::-1], atol=1e-6)
    assert (walk(nebula, 1, 1, 5) == walk(nebula, 1, 1, 2)[0]).all()
    same = line([[1.0, 1]] * 3)
    assert walk(same, 0, 2, 4).isfinite().all()
    huge = line([[0.0, 0], [1e30, 0], [2e30, 0]])
    np.testing.assert_allclose(walk(huge, 0, 2, 3)[:, 0].numpy(), [0, 1e30, 2e30])
    with pytest.raises(ValueError, match="anchors must be 0 to 3, got 4"):
        walk(nebula, 0, 4, 3)
    with pytest.raises(ValueError, match="steps must be a whole number of at least 2"):
        walk(nebula, 0, 1, 1)


def test_samples_are_drawn_by_their_shape() -> None:
    ramp = np.linspace(0, 1, 20).reshape(4, 5)
    for shape in [(4, 5), (1, 4, 5)]:
        np.testing.assert_allclose(by_shape([5 + 2 * ramp.reshape(shape)])(5 + 2 * ramp), ramp)
    colour = np.random.default_rng(0).random((6, 7, 3))
    paint = by_shape([colour, np.zeros((6, 7, 3)), np.ones((6, 7, 3))])
    np.testing.assert_allclose(paint(colour), colour)
    np.testing.assert_allclose(
        by_shape([np.moveaxis(colour, 2, 0), np.zeros((3, 6, 7)), np.ones((3, 6, 7))])(
            np.moveaxis(colour, 2, 0)
        ),
        colour,
    )
    assert (by_shape([ball(), ball() + 5])(ball()) < 0.9).any()
    with pytest.raises(ValueError, match=r"shape \(64,\)"):
        by_shape([np.zeros(64)])

    # Clouds and voxels stand upright, and the nearer of two points is seen.
    for image in [
        cloud_picture(np.array([[0, 0, 0.9]])),
        voxel_picture(np.arange(8)[None, None] * np.ones((8, 8, 1)) == 7),
    ]:
        dark = np.argwhere((image < 0.9).any(-1))
        assert dark.mean(0)[0] < len(image) * 0.4
    toward = np.array([np.cos(np.deg2rad(35)), np.sin(np.deg2rad(35)), np.tan(np.deg2rad(22))])
    toward /= np.linalg.norm(toward)
    both = cloud_picture(np.stack([toward, -toward]))
    np.testing.assert_allclose(both, cloud_picture(toward[None]))
    assert (by_shape([np.ones((4, 4, 4))])(np.ones((4, 4, 4))) < 0.9).any()
    assert (by_shape([np.zeros((4, 4, 4))])(np.zeros((4, 4, 4))) == 1).all()


def test_a_life_is_recorded_evenly_and_never_grows_large(
    tmp_path: Path, figures: list[Any]
) -> None:
    nebula = Nebula(4, 3, 2)
    life = Life(nebula)
    with pytest.raises(ValueError, match="never called"):
        draw_life(tmp_path / "l.png", life)
    for step in range(3000):
        nebula.rhythm.step = step
        life.record()
    steps = np.array([d.steps for d in life.history])
    assert len(steps) <= 512 and steps[0] == 1 and steps[-1] > 2990
    assert len(set(np.diff(steps))) == 1
    nebula.anchors.data[0] = torch.nan
    life.record()
    draw_life(tmp_path / "l.png", life)
    assert [axis.get_title() for axis in figures[-1].axes][1] == "Least distance of two anchors"


def test_what_a_gallery_cannot_draw_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    nebula = line([[0.0, 0], [10, 0]])
    images, latents = torch.rand(5, 4, 4), torch.randn(5, 2)

    def decode(embedding: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(embedding), 16)

    path = tmp_path / "a.png"
    for changed, message in [
        ({"latents": latents[:4]}, r"latents must be \(5, 2\)"),
        ({"latents": torch.zeros(5, 3)}, r"latents must be \(5, 2\)"),
        ({"latents": latents * torch.nan}, "latents must be finite"),
        ({"samples": images * torch.nan}, "samples must be finite"),
        ({"decode": lambda e: decode(e) * torch.nan}, "what decode returns must be finite"),
        ({"decode": lambda e: decode(e)[1:]}, "decode must give 8 samples"),
        ({"decode": lambda e: decode(e)[:, :9]}, r"samples of shape \(4, 4\), got \(9,\)"),
        ({"picture": lambda x: x[0]}, r"a picture must be \(H, W\) or \(H, W, 3\), got \(4,\)"),
        ({"picture": lambda x: np.full((2, 2), np.nan)}, "a picture must be finite"),
        ({"picture": lambda x: np.zeros((2, 2 + bool(x.any())))}, "the same size"),
    ]:
        given = {"decode": decode, "samples": images, "latents": latents} | changed
        with pytest.raises(ValueError, match=message):
            draw_gallery(path, nebula, **given)
    for pairs in [[], [(0, 1, 1)], [(0, 2)], [(-1, 0)], [(0, 0.5)]]:
        with pytest.raises(ValueError, match=r"pairs must be|anchors must be"):
            draw_walks(path, nebula, decode, pairs)
    with pytest.raises(ValueError, match="give a function that makes a picture"):
        draw_walks(path, nebula, decode, [(0, 1)])
    with pytest.raises(ValueError, match=r"anchor must be \(5,\)"):
        draw_covariance(path, latents, [0, 1])
    nebula.anchors.data[0] = torch.nan
    with pytest.raises(ValueError, match="anchors must be finite"):
        draw_gallery(path, nebula, decode, images, latents)
    with pytest.raises(ValueError, match="anchors must be finite"):
        draw_latents(path, latents, anchors=nebula.anchors)
    assert not list(tmp_path.iterdir())
