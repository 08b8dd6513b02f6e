"""Values between points, clouds thinned out on a grid and plain distances, beside numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nvc3d import ops


def cloud(*shape: int, seed: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_interpolates_by_inverse_squared_distances() -> None:
    x, y, values = cloud(2, 30, 4, seed=1), cloud(2, 50, 4, seed=2), cloud(2, 50, 5, seed=3)
    found = ops.interpolate(x, y, values, 3)
    for b in range(2):
        squared = ((x[b, :, None] - y[b]) ** 2).sum(-1).numpy()
        near = squared.argsort(1)[:, :3]
        weight = 1 / np.take_along_axis(squared, near, 1)
        weight /= weight.sum(1, keepdims=True)
        expected = (values[b].numpy()[near] * weight[..., None]).sum(1)
        np.testing.assert_allclose(found[b], expected, rtol=1e-12)
    # The unit of the points does not matter, however small.
    torch.testing.assert_close(ops.interpolate(x * 1e-30, y * 1e-30, values), found)


def test_interpolation_gives_known_values_where_points_are() -> None:
    y, values = cloud(1, 20, 3, seed=4), cloud(1, 20, 2, seed=5)
    assert torch.equal(ops.interpolate(y, y, values), values)
    twice = torch.cat([y, y], 1)
    both = torch.cat([values, values + 2], 1)
    torch.testing.assert_close(ops.interpolate(y, twice, both), values + 1)


def test_interpolation_has_gradients_and_clears_padding() -> None:
    x, y, values = cloud(2, 5, 3, seed=6), cloud(2, 7, 3, seed=7), cloud(2, 7, 2, seed=8)
    inputs = [t.requires_grad_() for t in (x, y, values)]
    lengths = torch.tensor([5, 3]), torch.tensor([4, 7])
    call = lambda *given: ops.interpolate(*given, 3, *lengths)  # noqa: E731
    assert torch.autograd.gradcheck(call, inputs)
    assert not call(*inputs)[1, 3:].any()
    grads = torch.autograd.grad(ops.interpolate(y, y, values).sum(), inputs[1:])
    assert all(grad.isfinite().all() for grad in grads)
    with pytest.raises(ValueError, match=r"values must be \(2, 7, C\), got \(2, 6, 2\)"):
        ops.interpolate(x, y, values[:, :6])


@pytest.mark.parametrize("dim", [1, 2, 3, 6])
def test_voxels_hold_the_mean_of_their_points(dim: int) -> None:
    points = 4 * cloud(500, dim, seed=dim) - 2
    mean, size, voxel = ops.voxel_downsample(points, 0.7)
    cells = np.floor(points.numpy() / 0.7).astype(int)
    rows, inverse, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(voxel, inverse.reshape(-1))
    np.testing.assert_array_equal(size, count)
    expected = np.stack(
        [points.numpy()[inverse.reshape(-1) == v].mean(0) for v in range(len(rows))]
    )
    np.testing.assert_allclose(mean, expected, rtol=1e-12, atol=1e-14)
    assert torch.equal(mean[voxel].div(0.7).floor().long(), torch.from_numpy(cells))


def test_voxels_of_points_far_out_of_few_and_of_none() -> None:
    points = torch.tensor([[1e6 + 0.1, 5.0], [1e6 + 0.3, 5.0], [1e6 + 0.1, -5.0]]).double()
    mean, size, voxel = ops.voxel_downsample(points, 1)
    assert voxel.tolist() == [1, 1, 0]
    assert size.tolist() == [1, 2]
    torch.testing.assert_close(mean, torch.tensor([[1e6 + 0.1, -5.0], [1e6 + 0.2, 5.0]]).double())
    mean, size, voxel = ops.voxel_downsample(torch.empty(0, 3), 1.0)
    assert (mean.shape, size.shape, voxel.shape) == ((0, 3), (0,), (0,))
    for points, step, message in (
        (torch.rand(5, 3), 0.0, "size must be above 0, got 0.0"),
        (torch.rand(5), 1.0, r"points must be \(N, D\)"),
        (torch.full((2, 2), float("nan")), 1.0, "points must be finite"),
        (torch.full((2, 2), 1e30), 1e-9, "size must be larger"),
    ):
        with pytest.raises(ValueError, match=message):
            ops.voxel_downsample(points, step)


def test_voxels_of_a_grid_with_more_cells_than_numbers() -> None:
    points = (cloud(60, 6, seed=12) * 3).floor() * 1e9
    mean, size, voxel = ops.voxel_downsample(points, 1e-3)
    rows, inverse, count = np.unique(
        points.numpy(), axis=0, return_inverse=True, return_counts=True
    )
    np.testing.assert_array_equal(mean, rows)
    np.testing.assert_array_equal(voxel, inverse.reshape(-1))
    np.testing.assert_array_equal(size, count)


def test_voxels_have_gradients() -> None:
    points = cloud(40, 3, seed=9).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: ops.voxel_downsample(p, 0.4).mean, points)


def test_chamfer_of_plain_distances() -> None:
    x, y = cloud(2, 9, 3, seed=10), cloud(2, 11, 3, seed=11)
    table = torch.cdist(x, y)
    expected = (table.amin(2).mean(1) + table.amin(1).mean(1)).mean()
    torch.testing.assert_close(ops.chamfer_distance(x, y, squared=False), expected)
    inputs = [x.requires_grad_(), y.requires_grad_()]
    assert torch.autograd.gradcheck(lambda *p: ops.chamfer_distance(*p, squared=False), inputs)
    ops.chamfer_distance(x, x.detach(), squared=False).backward()
    assert not x.grad.any()
    with pytest.raises(ValueError, match="norm must be 2 where squared is False"):
        ops.chamfer_distance(x, y, norm=1, squared=False)
