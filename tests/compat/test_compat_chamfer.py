"""The peers' Chamfer and earth mover's distances: plain definitions, gradients, faults."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import Tensor

from nvc3d.compat import dist_chamfer_2D, dist_chamfer_3D, dist_chamfer_5D, dist_chamfer_6D
from nvc3d.compat.emd import approxmatch, earth_mover_distance
from nvc3d.compat.emd_module import emdModule
from nvc3d.compat.extensions import chamfer_dist


def cloud(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).requires_grad_()


X, Y = cloud(3, 20, 3), cloud(3, 14, 3, seed=1)


@pytest.mark.parametrize(
    ("dimension", "module"),
    [(2, dist_chamfer_2D), (3, dist_chamfer_3D), (5, dist_chamfer_5D), (6, dist_chamfer_6D)],
)
def test_chamfer_of_each_dimension(dimension: int, module) -> None:
    x, y = cloud(2, 20, dimension), cloud(2, 14, dimension, seed=1)
    measure = getattr(module, f"chamfer_{dimension}DDist")()
    first, second, there, back = measure(x, y)
    squared = (x[:, :, None] - y[:, None]).square().sum(3)
    torch.testing.assert_close((first, second), (squared.amin(2), squared.amin(1)))
    assert (there.dtype, back.dtype) == (torch.int32, torch.int32)
    assert torch.equal(there.long(), squared.argmin(2))
    assert torch.equal(back.long(), squared.argmin(1))
    assert torch.autograd.gradcheck(lambda x, y: measure(x, y)[:2], (x, y))
    function = getattr(module, f"chamfer_{dimension}DFunction")
    assert torch.equal(function.apply(x, y)[0], first)
    with pytest.raises(ValueError, match=rf"xyz1 must be \(B, N, {dimension}\)"):
        measure(cloud(2, 20, 4), y)


def plain(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    squared = (x[:, :, None] - y[:, None]).square().sum(3)
    return squared.amin(2), squared.amin(1)


def test_poin_trs_chamfer_distances() -> None:
    first, second = plain(X, Y)
    torch.testing.assert_close(chamfer_dist.ChamferFunction.apply(X, Y), (first, second))
    split = chamfer_dist.ChamferDistanceL2_split()(X, Y)
    torch.testing.assert_close(split, (first.mean(), second.mean()))
    torch.testing.assert_close(chamfer_dist.ChamferDistanceL2()(X, Y), sum(split))
    roots = first.sqrt().mean(), second.sqrt().mean()
    torch.testing.assert_close(chamfer_dist.ChamferDistanceL1()(X, Y), sum(roots) / 2)
    torch.testing.assert_close(chamfer_dist.ChamferDistanceL1_PM()(X, Y), roots[0])
    for measure in (chamfer_dist.ChamferDistanceL1(), chamfer_dist.ChamferDistanceL2()):
        assert torch.autograd.gradcheck(measure, (X, Y))


def test_the_gradient_is_finite_where_points_coincide() -> None:
    """That of the peer is NaN."""
    x = X.detach().clone().requires_grad_()
    loss = chamfer_dist.ChamferDistanceL1()(x, X.detach())
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(x.grad.abs().sum()) == 0


def test_zeros_are_ignored_in_every_batch() -> None:
    """The peer heeds them in a batch of one alone, and drops each point with x + y + z = 0."""
    x, y = X.detach().clone(), Y.detach().clone()
    x[:, 0] = torch.tensor([1.0, -0.5, -0.5])
    x[0, [3, 5]] = 0
    y[1, [2]] = 0
    measured = chamfer_dist.ChamferDistanceL1(ignore_zeros=True)(x, y)
    each = []
    for a, b in zip(x, y, strict=True):
        first, second = plain(a[a.abs().sum(1) > 0][None], b[b.abs().sum(1) > 0][None])
        each.append((first.sqrt().mean() + second.sqrt().mean()) / 2)
    torch.testing.assert_close(measured, torch.stack(each).mean())


def test_the_matching_is_one_to_one_and_least() -> None:
    x, y = cloud(2, 6, 3), cloud(2, 6, 3, seed=1)
    squared, match = emdModule()(x, y, 0.005, 50)
    assert match.dtype == torch.int32
    for cloud_x, cloud_y, chosen, far in zip(x, y, match.long(), squared, strict=True):
        assert sorted(chosen.tolist()) == list(range(6))
        torch.testing.assert_close(far, (cloud_x - cloud_y[chosen]).square().sum(1))
        costs = [(cloud_x - cloud_y[list(p)]).norm(dim=1).mean() for p in permutations(range(6))]
        torch.testing.assert_close(far.sqrt().mean(), min(costs))
    squared.sum().backward()
    expected = 2 * (x - y.gather(1, match.long()[..., None].expand_as(y)))
    torch.testing.assert_close(x.grad, expected.detach())
    assert y.grad is None


@pytest.mark.parametrize(("n", "m"), [(8, 8), (9, 4), (3, 7)])
def test_the_soft_matching(n: int, m: int) -> None:
    """The rounds, point by point, as they are defined."""
    x, y = cloud(1, n, 3).detach(), cloud(1, m, 3, seed=1).detach()
    left, room = [max(m // n, 1)] * n, [max(n // m, 1)] * m
    match = torch.zeros(m, n, dtype=torch.float64)
    for j in range(7, -3, -1):
        level = 0 if j == -2 else -(4.0**j)
        share = [[float(((a - b) ** 2).sum().mul(level).exp()) for b in y[0]] for a in x[0]]
        ratio = [left[k] / (1e-9 + sum(share[k][i] * room[i] for i in range(m))) for k in range(n)]
        given = []
        for i in range(m):
            asked = room[i] * sum(share[k][i] * ratio[k] for k in range(n))
            given.append(min(room[i] / (asked + 1e-9), 1) * room[i])
            room[i] = max(0, room[i] - asked)
        for k in range(n):
            moved = [share[k][i] * ratio[k] * given[i] for i in range(m)]
            match[:, k] += torch.tensor(moved, dtype=torch.float64)
            left[k] = max(0, left[k] - sum(moved))
    torch.testing.assert_close(approxmatch(x, y)[0], match)
    x.requires_grad_()
    loss = earth_mover_distance()(x, y)
    squared = (y[0][:, None] - x[0]).square().sum(2)
    torch.testing.assert_close(loss, (match * squared).sum() / n)
    loss.backward()
    expected = (2 * match[..., None] * (x[0].detach() - y[0][:, None])).sum(0) / n
    torch.testing.assert_close(x.grad[0], expected)
