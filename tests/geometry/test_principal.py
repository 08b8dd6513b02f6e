"""Clouds along their principal axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nvc3d.geometry.augment import augment
from nvc3d.geometry.principal import principal_frames


def clouds(count: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    """Clouds (count, 100, 3), longer along x than along y and z, and not symmetric."""
    points = torch.randn(count, 100, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return points.exp() * points.new_tensor([4.0, 2.0, 1.0])


def rotations(count: int) -> Tensor:
    """Random rotations (count, 3, 3)."""
    made = torch.linalg.qr(torch.randn(count, 3, 3, dtype=torch.float64))[0]
    return made * torch.linalg.det(made)[:, None, None]


def test_a_cloud_is_turned_so_that_its_extent_falls_from_x_to_z() -> None:
    given = clouds()
    for way in principal_frames(given):
        scatter = way.transpose(1, 2) @ way
        size = scatter.diagonal(dim1=1, dim2=2)
        torch.testing.assert_close(scatter, torch.diag_embed(size), atol=1e-9, rtol=0)
        assert bool((size.diff(dim=1) < 0).all())
        # A turn and no reflection: volumes keep their sign.
        centred = given - given.mean(1, keepdim=True)
        volume, turned = (torch.linalg.det(cloud[:, :3]) for cloud in (centred, way))
        torch.testing.assert_close(volume, turned)


def test_turned_and_moved_clouds_have_the_same_four_frames() -> None:
    torch.manual_seed(1)
    given = clouds()
    moved = given @ rotations(5) + torch.randn(5, 1, 3, dtype=torch.float64)
    ours, theirs = principal_frames(given), principal_frames(moved)
    apart = (ours[:, None] - theirs[None]).abs().amax((3, 4))  # (4, 4, 5)
    assert float(apart.amin(1).max()) < 1e-9
    assert bool((apart.argmin(1).sort(0).values == torch.arange(4)[:, None]).all())
    mirrored = principal_frames(given * given.new_tensor([-1.0, 1.0, 1.0]))
    assert float((ours[:, None] - mirrored[None]).abs().amax((3, 4)).min()) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_dtype_stays_and_points_in_one_place_are_no_error(dtype: torch.dtype) -> None:
    frames = principal_frames(clouds(2, torch.float32).to(dtype))
    assert frames.dtype == dtype and frames.shape == (4, 2, 100, 3)
    same = principal_frames(torch.ones(2, 7, 3, dtype=dtype))
    assert float(same.abs().max()) < 1e-6


def test_clouds_are_turned_as_asked_and_evenly() -> None:
    point = np.array([[0.6, 0.0, 0.8]], np.float32)
    ends = {
        turn: np.stack(
            [augment(point, 1, np.random.default_rng(seed), turn)[0] for seed in range(400)]
        )
        for turn in ("none", "vertical", "any")
    }
    for turn, turned in ends.items():
        unit = turned / np.linalg.norm(turned, axis=1, keepdims=True)
        spread = unit.std(0)
        if turn == "none":
            assert spread.max() < 0.03
        elif turn == "vertical":
            assert spread[2] < 0.03 and np.allclose(spread[:2], 0.6 / 2**0.5, atol=0.05)
        else:  # evenly over the sphere each coordinate has variance 1/3
            assert np.allclose(spread, 3**-0.5, atol=0.05) and np.abs(unit.mean(0)).max() < 0.1
