"""Partial views: exact sizes, and the same data however they are loaded."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from nvc3d.data.folder import ShapeFolder
from nvc3d.data.pairs.views import PartialViews, resample
from nvc3d.geometry.camera import DepthCamera
from nvc3d.geometry.mesh import Cloud, Mesh, Shape, normalise

CUBE = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
SIDES = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]
SIDES += [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]


def shapes() -> list[tuple[Shape, int, str]]:
    ball = np.random.default_rng(0).standard_normal((800, 3)).astype(np.float32)
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    cube = Mesh(CUBE.astype(float), np.array(SIDES))
    return [(normalise(cube), 3, "cube"), (normalise(Cloud(ball)), 1, "ball")]


def views(**options: object) -> PartialViews:
    settings = {"partial_points": 64, "complete_points": 96, "views": 3, "seed": 5}
    return PartialViews(shapes(), **(settings | options))  # type: ignore[arg-type]


def gathered(data: PartialViews, workers: int = 0) -> dict[str, torch.Tensor]:
    batches = list(DataLoader(data, batch_size=4, num_workers=workers))
    keys = ("partial", "complete", "label")
    return {key: torch.cat([batch[key] for batch in batches]) for key in keys}


def test_items() -> None:
    data = views()
    assert len(data) == 6
    for i in range(6):
        item = data[i]
        assert set(item) == {"partial", "complete", "label", "name"}
        assert item["partial"].shape == (64, 3)
        assert item["complete"].shape == (96, 3)
        assert item["partial"].dtype == item["complete"].dtype == torch.float32
        assert item["label"].dtype == torch.int64
        assert (item["label"].item(), item["name"]) == ((3, "cube"), (1, "ball"))[i // 3]
    assert torch.equal(data[-1]["partial"], data[5]["partial"])
    with pytest.raises(IndexError):
        data[6]


def test_a_view_shows_one_side_of_the_shape_where_it_is() -> None:
    for i in range(3):
        partial = views(partial_points=2000)[i]["partial"].numpy()
        half = 3**-0.5
        # On the cube's surface, and on three of its sides at most.
        np.testing.assert_allclose(np.abs(partial).max(1), half, atol=1e-5)
        sides = {
            (axis, sign)
            for axis in range(3)
            for sign in (-1, 1)
            if (np.abs(partial[:, axis] - sign * half) < 1e-5).sum() > 50
        }
        assert 1 <= len(sides) <= 3
        assert len({axis for axis, _ in sides}) == len(sides)


def test_items_depend_on_seed_epoch_and_index_only() -> None:
    data, again = views(), views()
    first = gathered(data)
    for i in (5, 0, 3, 0):
        assert torch.equal(again[i]["partial"], first["partial"][i])
        assert torch.equal(again[i]["complete"], first["complete"][i])
    data.set_epoch(1)
    second = gathered(data)
    again.set_epoch(1)
    assert torch.equal(again[2]["partial"], second["partial"][2])
    everything = torch.cat(
        [first["partial"], second["partial"], gathered(views(seed=6))["partial"]]
    )
    assert len(torch.unique(everything, dim=0)) == 18


def test_workers_give_the_same_data_and_learn_of_the_epoch() -> None:
    data, other = views(), views()
    loader = DataLoader(data, batch_size=4, num_workers=2, persistent_workers=True)
    for epoch in range(2):
        data.set_epoch(epoch)
        other.set_epoch(epoch)
        loaded = torch.cat([batch["partial"] for batch in loader])
        assert torch.equal(loaded, gathered(other)["partial"])


def test_evaluation_is_fixed_and_no_part_of_training() -> None:
    data = views(training=False)
    first = gathered(data)
    data.set_epoch(7)
    second = gathered(data)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["partial"], gathered(views())["partial"])


def test_noise_comes_from_the_same_seed() -> None:
    data = views(camera=DepthCamera(noise=0.01))
    assert torch.equal(data[0]["partial"], views(camera=DepthCamera(noise=0.01))[0]["partial"])
    off = data[0]["partial"].abs().amax(1) - 3**-0.5
    assert 0.0005 < off.abs().mean() < 0.03


def test_resampling() -> None:
    points = np.arange(30, dtype=np.float32).reshape(10, 3)
    rng = np.random.default_rng(0)
    fewer = resample(points, 7, rng)
    assert fewer.shape == (7, 3)
    assert len(np.unique(fewer, axis=0)) == 7
    more = resample(points, 25, rng)
    assert more.shape == (25, 3)
    np.testing.assert_array_equal(np.unique(more, axis=0), points)
    with pytest.raises(ValueError, match="no points"):
        resample(points[:0], 3, rng)


def test_a_flat_shape_is_not_looked_at_from_its_edge() -> None:
    square = normalise(Mesh(CUBE[:4].astype(float), np.array([[0, 1, 3], [0, 3, 2]])))
    data = PartialViews([(square, 0, "square")], 128, 128, views=40)
    for i in range(40):
        assert len(torch.unique(data[i]["partial"], dim=0)) >= 16


def test_a_shape_that_no_pixel_meets_is_given_whole_and_named() -> None:
    needle = normalise(Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1e-9, 0]]), np.array([[0, 1, 2]])))
    data = PartialViews([(needle, 0, "needle")], 32, 32)
    with pytest.warns(UserWarning, match="needle: too thin"):
        partial = data[0]["partial"]
    assert len(torch.unique(partial, dim=0)) == 32


@pytest.mark.parametrize("name", ["partial_points", "complete_points", "views"])
def test_numbers_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
        views(**{name: 0})
    with pytest.raises(ValueError, match="number of shapes"):
        PartialViews([])
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        views(seed=-1)
    with pytest.raises(ValueError, match="epoch must be >= 0"):
        views().set_epoch(-1)


@pytest.mark.parametrize("name", ["meshes", "modelnet10_voxels"])
def test_real_shapes(data_dir: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*skipped 2.*")
        data = PartialViews(ShapeFolder(data_dir / name), 256, 256)
    for i in np.linspace(0, len(data) - 1, 12).astype(int):
        item = data[i]
        assert torch.isfinite(item["partial"]).all()
        assert item["partial"].norm(dim=1).max() <= 1 + 1e-5
        # Seen from one side: some of the whole shape is far from all that is seen.
        gap = torch.cdist(item["complete"], item["partial"]).amin(1)
        assert gap.max() > 0.1
        assert gap.median() < gap.max() / 2
