"""The planes of neighbourhoods, and regions that grow along planes."""

from __future__ import annotations

from collections.abc import Callable

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
    for few, all_of_them in zip(
        ops.local_planes(points, index[:7]), (normal, variance), strict=True
    ):
        assert torch.equal(few, all_of_them[:7])


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


def layers(n: int, apart: float, noise: float) -> Tensor:
    """Points of two squares above one another, of n points each: (2 n, 3)."""
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(2 * n, 3, generator=generator, dtype=torch.float64)
    points[:n, 2], points[n:, 2] = 0, apart
    return points + noise * torch.randn(2 * n, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_shared_planes_are_those_of_a_face_where_that_of_all_neighbours_lies_on_none(
    noise: float,
) -> None:
    points = layers(300, 0.05, noise)  # which are about 0.06 from one another
    index = ops.knn(points[None], points[None], 20).index[0]
    normal, width, score = ops.shared_planes(points, index)
    sure = score < -11
    assert sure.double().mean() > 0.4
    assert (normal[sure, 2] > 0.97).double().mean() > 0.95
    assert (width[sure] < 0.025).double().mean() > 0.95
    _, variance = ops.local_planes(points, index)
    assert variance[:, 0].sqrt().median() > 0.015


@pytest.mark.parametrize("k", [1, 2, 3, 5, 12, 20])
def test_shared_planes_are_those_of_the_plain_definition(k: int) -> None:
    points = torch.cat([layers(40, 0.05, 0.0), corner(40, 0.01), torch.zeros(6, 3).double()])
    index = ops.knn(points[None], points[None], k).index[0]
    got = ops.shared_planes(points, index)
    plain = ops.reference.shared_planes(points, index)
    torch.testing.assert_close(got[1], plain[1])
    torch.testing.assert_close(got[2], plain[2])
    sure = got[2] < 0
    torch.testing.assert_close(got[0][sure], plain[0][sure], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(got[0].norm(dim=1), torch.ones(len(points)).double())
    assert (sure.any() or k < 5) and (got[1][~sure] == 0).all()


def test_points_go_to_the_nearest_plane_around_them_within_its_reach() -> None:
    points = torch.tensor([[0.0, 0, 0.1], [0, 0, 0.4], [0, 0, 0.5], [0, 0, 3], [0, 0, 0.9]])
    normal = torch.tensor([[0.0, 0, 1], [0, 0, -1], [1, 0, 0]])
    offset, reach = torch.tensor([0.0, -1, 9]), torch.tensor([0.5, 0.6, 0.1])
    region = torch.tensor([0, 1, -1, 2])
    everyone = torch.tensor([[0, 1, 2, 3]]).repeat(5, 1)
    arguments = region, normal, offset, reach
    found = ops.assign_planes(points, everyone, *arguments)
    assert found.tolist() == [0, 0, 0, -1, 1]  # a tie goes to the lowest
    lower = ops.assign_planes(points, everyone[:, :1], *arguments)
    assert lower.tolist() == [0, 0, 0, -1, -1]
    assert (ops.assign_planes(points, everyone[:, 2:3], *arguments) == -1).all()


def test_nearest_planes_and_moments_are_those_of_the_plain_definition() -> None:
    points = corner(300, 0.02)
    index = ops.knn(points[None], points[None], 8).index[0]
    generator = torch.Generator().manual_seed(1)
    region = torch.randint(-1, 6, (600,), generator=generator)
    region[region == 4] = -1
    size, centre, scatter = ops.plane_moments(points, region, 6)
    for got, plain in zip(
        (size, centre, scatter), ops.reference.plane_moments(points, region, 6), strict=True
    ):
        torch.testing.assert_close(got, plain)
    assert size[4] == 0 and (centre[4] == 0).all() and (scatter[4] == 0).all()
    for got, plain in zip(
        ops.region_borders(index, region), ops.reference.region_borders(index, region), strict=True
    ):
        assert torch.equal(got, plain) and len(got)
    one = points[region == 2]
    torch.testing.assert_close(scatter[2], one.T.cov(correction=0))
    planes = scatter.new_tensor([[0, 0, 1], [1, 0, 0]]).repeat(3, 1)
    arguments = points, index, region, planes, centre[:, 0], torch.full((6,), 0.1).double()
    found = ops.assign_planes(*arguments)
    assert torch.equal(found, ops.reference.assign_planes(*arguments)) and (found >= 0).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda o, p, i, r: o.shared_planes(p, i.repeat(1, 40)), "with K from 1 to 64, got"),
        (lambda o, p, i, r: o.shared_planes(p, i + 4), "index must be from 0 to 4, got"),
        (lambda o, p, i, r: o.local_planes(p, i[0]), r"index must be \(M, K\), got \(2,\)"),
        (lambda o, p, i, r: o.local_planes(p, i + 4), "index must be from 0 to 4, got"),
        (lambda o, p, i, r: o.plane_moments(p, r, 1), "region must be from -1 to 0, got 1"),
        (lambda o, p, i, r: o.plane_moments(p, r[:4], 2), r"region must be \(5,\), got \(4,\)"),
        (lambda o, p, i, r: o.plane_moments(p, r, -1), "regions must not be negative, got -1"),
        (lambda o, p, i, r: o.region_borders(i[:4], r), r"index must be \(5, K\), got \(4, 2\)"),
        (lambda o, p, i, r: o.region_borders(i - 1, r), "index must be from 0 to 4, got -1"),
        (lambda o, p, i, r: o.region_borders(i, r.int()), "region must be torch.int64 on cpu, got"),
        (
            lambda o, p, i, r: o.assign_planes(p, i, r, p[:2], p[:3, 0], p[:2, 0]),
            r"offset and reach must be \(2,\), got \(3,\)",
        ),
        (
            lambda o, p, i, r: o.assign_planes(p, i, r, p[:1], p[:1, 0], p[:1, 0]),
            "region must be from -1 to 0, got 1",
        ),
        (
            lambda o, p, i, r: o.assign_planes(p, i, r[:3], p[:2], p[:2, 0], p[:2, 0]),
            "index must be from 0 to 2, got",
        ),
    ],
)
def test_planes_and_regions_that_do_not_fit_are_refused(
    call: Callable[[object, Tensor, Tensor, Tensor], object], message: str
) -> None:
    points, region = torch.rand(5, 3), torch.tensor([0, 1, -1, 0, 1])
    index = torch.arange(5)[:, None].repeat(1, 2)
    for of in (ops, ops.reference):
        with pytest.raises(ValueError, match=message):
            call(of, points, index, region)


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
