"""The planes of neighbourhoods, and regions that grow along planes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nvc3d import ops


def graph(points: Tensor, k: int = 9) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbours, normals and tolerances of a cloud (N, 3)."""
    index = ops.knn(points[None], points[None], k).index[0]
    normal, variance = ops.local_planes(points, index)
    return index, normal, variance[:, 0].sqrt() + 0.05


def corner(n: int, noise: float, seed: int = 0) -> Tensor:
    """Noisy points of the floor z = 0 and then of the wall x = 0: (2 n, 3)."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(2, n, 3, generator=generator, dtype=torch.float64)
    points[0, :, 2], points[1, :, 0] = 0, 0
    return points.flatten(0, 1) + noise * torch.randn(
        2 * n, 3, generator=generator, dtype=torch.float64
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_planes_of_neighbourhoods_are_those_of_a_singular_value_decomposition(
    dtype: torch.dtype,
) -> None:
    points = corner(100, 0.05).to(dtype)
    index = ops.knn(points[None], points[None], 8).index[0]
    normal, variance = ops.local_planes(points, index)
    near = points.double()[index]
    _, singular, axes = torch.linalg.svd(near - near.mean(1, keepdim=True))
    torch.testing.assert_close(variance.double(), singular.flip(1) ** 2 / 8, rtol=1e-5, atol=1e-12)
    along = (normal.double() * axes[:, 2]).sum(1).abs()
    torch.testing.assert_close(along, torch.ones_like(along))
    assert (normal.gather(1, normal.abs().argmax(1, keepdim=True)) > 0).all()


def test_equal_points_and_a_line_have_a_unit_normal_all_the_same() -> None:
    points = torch.zeros(12, 3)
    points[6:, 1] = torch.arange(6.0)
    index = torch.stack([torch.arange(6), torch.arange(6, 12)]).repeat_interleave(6, 0)
    normal, variance = ops.local_planes(points, index)
    torch.testing.assert_close(normal.norm(dim=1), torch.ones(12))
    assert (variance[:6] == 0).all() and (variance[6:, :2] < 1e-6).all()
    torch.testing.assert_close(normal[6:, 1], torch.zeros(6))


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
def test_regions_are_those_of_the_plain_definition(noise: float) -> None:
    points = corner(120, noise)
    index, normal, tolerance = graph(points)
    seeds = tolerance.argsort()
    for cosine, least in ((0.9, 5), (0.5, 40), (0.0, 3)):
        got = ops.grow_planes(points, index, normal, tolerance, seeds, cosine=cosine, least=least)
        plain = ops.reference.grow_planes(points, index, normal, tolerance, seeds, cosine, least)
        assert torch.equal(got, plain)
        assert all((got == seed).sum() >= least for seed in got.unique() if seed >= 0)


def test_a_corner_has_two_regions_and_a_seed_can_be_left_out() -> None:
    points = corner(200, 0.0)
    index, normal, tolerance = graph(points)
    inner = torch.tensor([i for i in range(400) if points[i].max() < 0.9 and tolerance[i] < 0.051])
    region = ops.grow_planes(points, index, normal, tolerance, inner, cosine=0.9, least=10)
    assert len(region.unique()) == 3  # and none
    floor, wall = region[:200], region[200:]
    far = points[:200, 0] > 0.1
    assert len(floor[far].unique()) == 1 and floor[far][0] == inner[0]
    assert len(wall[points[200:, 2] > 0.1].unique()) == 1
    alone = ops.grow_planes(points, index, normal, tolerance, inner[:1], cosine=0.9, least=10)
    assert torch.equal(alone >= 0, alone == inner[0]) and (alone[200:] == -1).any()


def test_a_region_that_is_too_small_gives_its_points_back() -> None:
    points = corner(50, 0.0)
    index, normal, tolerance = graph(points)
    seeds = torch.arange(100)
    region = ops.grow_planes(points, index, normal, tolerance, seeds, cosine=0.9, least=101)
    assert (region == -1).all()
    none = ops.grow_planes(points, index, normal, tolerance, seeds[:0], cosine=0.9, least=1)
    assert (none == -1).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": torch.zeros(5, 2)}, r"points must be \(N, 3\), got \(5, 2\)"),
        ({"index": torch.full((5, 2), 5)}, "index must be from 0 to 4, got 5"),
        ({"index": torch.zeros(4, 2).long()}, r"index must be \(5, K\), got \(4, 2\)"),
        ({"normal": torch.zeros(4, 3)}, r"normal must be \(5, 3\), got \(4, 3\)"),
        ({"tolerance": torch.zeros(4)}, r"tolerance must be \(5,\), got \(4,\)"),
        ({"tolerance": torch.zeros(5).double()}, "normal and tolerance must be torch.float32"),
        ({"seeds": torch.tensor([-1])}, "seeds must be from 0 to 4, got -1"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Tensor], message: str) -> None:
    arguments = {
        "points": torch.rand(5, 3),
        "index": torch.zeros(5, 2, dtype=torch.int64),
        "normal": torch.rand(5, 3),
        "tolerance": torch.ones(5),
        "seeds": torch.tensor([0]),
    } | changed
    with pytest.raises(ValueError, match=message):
        ops.grow_planes(**arguments, cosine=0.5, least=1)
    with pytest.raises(ValueError, match=message):
        ops.reference.grow_planes(*arguments.values(), 0.5, 1)
