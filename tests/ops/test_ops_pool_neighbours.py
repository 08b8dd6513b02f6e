"""The maximum and the sum of the values of chosen neighbours."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from nvc3d import ops

SHAPES = [(3, 40, 25, 7, 3), (2, 30, 50, 5, 16), (1, 200, 70, 24, 53), (2, 9, 4, 1, 32)]
"""Clouds, values and rows of each, neighbours, channels: whole registers, and parts of one."""


def made(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Values on a grid, so that many are equal, and an index of which some are none."""
    batch, size, rows, k, dim = shape
    torch.manual_seed(sum(shape))
    values = torch.randint(-3, 4, (batch, size, dim)).to(dtype)
    return values, torch.randint(-1, size, (batch, rows, k))


def gathered(values: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """By gathering all of them, in float64."""
    around, none = ops.group(values.double(), index), (index < 0)[..., None]
    maximum = around.masked_fill(none, -torch.inf).amax(2)
    return maximum.masked_fill(none.all(2), 0), around.sum(2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_they_are_those_of_all_neighbours(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    values, index = made(shape, dtype)
    index[0, 0] = -1
    pooled = ops.pool_neighbours(values, index)
    maximum, total = gathered(values, index)
    assert torch.equal(pooled.maximum.double(), maximum)
    assert torch.equal(pooled.total.double(), total)  # sums of whole numbers are exact


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_go_to_the_first_of_equal_maxima_and_to_all(shape: tuple[int, ...]) -> None:
    values, index = made(shape, torch.float64)
    values.requires_grad_()
    pooled = ops.pool_neighbours(values, index)
    weights = torch.randn_like(pooled.maximum), torch.randn_like(pooled.total)
    (grad,) = torch.autograd.grad(pooled, values, weights)
    expected = torch.zeros_like(values)
    heights = values.detach()
    for b, row in product(range(len(index)), range(index.shape[1])):
        rows = [n for n in index[b, row].tolist() if n >= 0]
        for c in range(values.shape[2] if rows else 0):
            first = max(rows, key=lambda n: float(heights[b, n, c]))  # the first of equals
            expected[b, first, c] += weights[0][b, row, c]
            for n in rows:
                expected[b, n, c] += weights[1][b, row, c]
    assert torch.allclose(grad, expected)


def test_second_derivatives() -> None:
    values, index = torch.randn(2, 6, 3, dtype=torch.float64), torch.randint(-1, 6, (2, 5, 4))
    values.requires_grad_()

    def curved(values: Tensor) -> tuple[Tensor, ...]:
        pooled = ops.pool_neighbours(values, index)
        return pooled.maximum.square(), pooled.total.sin()

    assert torch.autograd.gradcheck(curved, values)
    assert torch.autograd.gradgradcheck(curved, values)


@pytest.mark.parametrize("dim", [3, 16, 21])
def test_nan_is_greater_than_all_and_infinities_are_numbers(dim: int) -> None:
    values = torch.zeros(1, 4, dim)
    values[0, :, 0] = torch.tensor([1.0, torch.nan, 2.0, 3.0])
    values[0, :, 1] = torch.tensor([torch.inf, -torch.inf, 5.0, torch.inf])
    values[0, :, 2] = -torch.inf
    index = torch.tensor([[[0, 1, 2, 3], [-1, 3, -1, 0], [1, -1, -1, -1]]])
    got = ops.pool_neighbours(values, index).maximum[0, :, :3]
    expected = [[torch.nan, torch.inf, -torch.inf], [3, torch.inf, -torch.inf]]
    expected.append([torch.nan, -torch.inf, -torch.inf])
    assert torch.equal(got.nan_to_num(7e7), torch.tensor(expected).nan_to_num(7e7))
    which = torch.ops.nvc3d.pool_neighbours(values, index)[2]
    assert torch.equal(which, ops.reference.pool_neighbours(values, index)[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bits_depend_on_no_threads(dtype: torch.dtype) -> None:
    values = torch.randn(1, 500, 37, dtype=dtype, requires_grad=True)
    index = torch.randint(-1, 500, (1, 2000, 9))
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            pooled = ops.pool_neighbours(values, index)
            found.append((*pooled, *torch.autograd.grad([p.cos().sum() for p in pooled], values)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, many) for one, many in zip(*found, strict=True))
    plain = ops.reference.pool_neighbours(values.detach(), index)
    assert all(torch.equal(a, b) for a, b in zip(found[0][:2], plain[:2], strict=True))


def test_nothing_to_do() -> None:
    values = torch.randn(2, 0, 5, requires_grad=True)
    none = torch.full((2, 3, 4), -1)
    for index in (none, none[:, :0], none[..., :0]):
        pooled = ops.pool_neighbours(values, index)
        assert pooled.maximum.shape == (2, index.shape[1], 5)
        assert not pooled.maximum.any() and not pooled.total.any()
        pooled.total.sum().backward()
    assert ops.pool_neighbours(torch.randn(0, 4, 5), torch.zeros(0, 3, 4).long()).total.numel() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": torch.zeros(2, 5)}, r"values must be \(B, N, D\)"),
        ({"values": torch.zeros(2, 5, 3, dtype=torch.int32)}, "floating point"),
        ({"index": torch.zeros(3, 4, 2).long()}, r"index must be \(2, M, K\), got \(3, 4, 2\)"),
        ({"index": torch.zeros(2, 4, 2)}, "index must be torch.int64, got torch.float32"),
        ({"index": torch.full((2, 4, 2), 5)}, "index must be from -1 to 4, got 5"),
        ({"index": torch.full((2, 4, 2), -2)}, "index must be from -1 to 4, got -2"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Tensor], message: str) -> None:
    given = {"values": torch.zeros(2, 5, 3), "index": torch.zeros(2, 4, 2).long()} | change
    with pytest.raises(ValueError, match=message):
        ops.pool_neighbours(**given)
    with pytest.raises(ValueError, match=message):
        ops.reference.pool_neighbours(**given)
    with pytest.raises(TypeError, match=r"index must be a torch.Tensor, got list"):
        ops.pool_neighbours(given["values"], [[0]])  # type: ignore[arg-type]
