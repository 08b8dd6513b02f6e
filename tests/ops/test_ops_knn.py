"""The k nearest: many of them, and those within a radius, beside sorted tables in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nvc3d import ops


def on_grid(*shape: int, seed: int) -> Tensor:
    """Points many of which coincide: their distances are exact, and tie."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 9, shape, generator=generator, dtype=torch.float64) / 8


def table(x: Tensor, y: Tensor, norm: int = 2) -> Tensor:
    difference = x[:, None] - y[None]
    return difference.abs().sum(-1) if norm == 1 else difference.square().sum(-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("m", "dim"), [(1500, 3), (1500, 6), (1100, 9)])
def test_many_neighbours_on_either_side_of_each_step(dtype: torch.dtype, m: int, dim: int) -> None:
    x, y = on_grid(150, dim, seed=1), on_grid(m, dim, seed=2)
    y[m // 2 :] += torch.rand(m - m // 2, dim, generator=torch.Generator().manual_seed(3)).round()
    expected = table(x, y)
    order = expected.argsort(dim=1, stable=True)
    for k in (64, 65, 129, 1024, m):
        squared, index = ops.knn(x[None].to(dtype), y[None].to(dtype), k)
        assert torch.equal(index[0], order[:, :k])
        assert torch.equal(squared[0].double(), expected.gather(1, order[:, :k]))


@pytest.mark.parametrize("norm", [1, 2])
def test_only_those_within_the_radius(norm: int) -> None:
    x, y = on_grid(40, 3, seed=1), on_grid(300, 3, seed=2)
    radius = 0.5  # on the grid: points that far do not count
    squared, index = ops.knn(x[None], y[None], 20, norm=norm, radius=radius)
    distance = table(x, y, norm)
    distance = torch.where(distance < radius**norm, distance, torch.inf)
    expected, order = (v[:, :20] for v in distance.sort(dim=1, stable=True))
    found = expected.isfinite()
    assert found.any() and not found.all() and found.sum(1).max() == 20
    assert torch.equal(index[0], torch.where(found, order, -1))
    assert torch.equal(squared[0], torch.where(found, expected, 0.0))
    nowhere = ops.knn(x[None], y[None], 3, radius=0)
    assert (nowhere.index == -1).all() and not nowhere.squared.any()


@pytest.mark.parametrize(("dim", "norm"), [(3, 2), (3, 1), (6, 2), (9, 2)])
def test_a_radius_leaves_out_what_is_beyond_it_and_changes_nothing_else(
    dim: int, norm: int
) -> None:
    """By trees and by all pairs: the bits are those of a search without a radius."""
    generator = torch.Generator().manual_seed(5)
    x, y = (
        torch.cat(
            [on_grid(1, n // 2, dim, seed=n), torch.rand(1, n - n // 2, dim, generator=generator)],
            1,
        )
        for n in (2500, 3000)
    )
    lengths = torch.tensor([2400]), torch.tensor([2900])
    for k, dtype in ((1, torch.float32), (8, torch.float64), (70, torch.float32)):
        here, there = x.to(dtype), y.to(dtype)
        whole = ops.knn(here, there, k, *lengths, norm=norm)
        index = ops.Index(there, lengths[1])
        middle = float(whole.squared[0, :2400].median().sqrt())
        for radius in (0.0, 0.125, middle, 0.5, 30.0, torch.inf):
            far = whole.squared >= radius**norm
            for found in (
                ops.knn(here, there, k, *lengths, norm=norm, radius=radius),
                index.knn(here, k, lengths[0], norm=norm, radius=radius),
            ):
                assert torch.equal(found.squared, whole.squared.masked_fill(far, 0))
                assert torch.equal(found.index, whole.index.masked_fill(far, -1))


def test_gradients_come_from_within_the_radius() -> None:
    generator = torch.Generator().manual_seed(4)
    x, y = (
        torch.rand(1, n, 3, generator=generator, dtype=torch.float64).requires_grad_()
        for n in (3, 9)
    )
    found = ops.knn(x, y, 5, radius=0.5)
    assert (found.index < 0).any() and (found.index >= 0).any()
    assert torch.autograd.gradcheck(lambda x, y: ops.knn(x, y, 5, radius=0.5).squared, (x, y))
    values = torch.rand(1, 9, 2, generator=generator, dtype=torch.float64)
    assert not ops.group(values, found.index)[found.index < 0].any()


@pytest.mark.parametrize("radius", [-0.1, float("nan")])
def test_a_radius_below_0_is_refused(radius: float) -> None:
    x = on_grid(1, 9, 3, seed=1)
    with pytest.raises(ValueError, match=f"radius must not be negative, got {radius}"):
        ops.knn(x, x, 2, radius=radius)
