"""The ways a CUDA operator may compute, and what decides between them, in the emulation."""

from __future__ import annotations

import pytest
import torch
from test_cuda import CPU, DTYPES, cloud, clouds, same
from torch import Tensor


def same_gradients(
    operators: torch._ops._OpNamespace, index: Tensor, m: int, dim: int, dtype: torch.dtype
) -> None:
    batch, n, k = index.shape
    x, y = (cloud(batch, size, dim, seed=size, dtype=dtype) for size in (n, m))
    grad = cloud(batch, n, k, seed=k, dtype=dtype)
    for norm, lengths in ((2, None), (1, torch.full((batch,), n - n // 3))):
        arguments = (grad, x, y, index, lengths, norm)
        same(operators.distance_backward(*arguments), CPU.distance_backward(*arguments))


@pytest.mark.parametrize("dim", [3, 11])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_of_points_with_more_choices_than_slots(
    cuda: torch._ops._OpNamespace, dtype: torch.dtype, dim: int
) -> None:
    index = torch.randint(100, 1500, (2, 2100, 1), generator=torch.Generator().manual_seed(0))
    index[0, :17], index[0, 20:36] = 3, 4  # one too many, and just as many as there are slots
    index[0, 1000::2] = 9  # from several stretches of choices
    same_gradients(cuda, index, 1500, dim, dtype)


def test_gradient_where_all_choose_the_same(cuda: torch._ops._OpNamespace) -> None:
    same_gradients(cuda, torch.zeros(2, 600, 2).long(), 400, 3, torch.float32)


@pytest.mark.parametrize("k", [4, 5])
def test_gradient_at_the_most_choices_for_slots(cuda: torch._ops._OpNamespace, k: int) -> None:
    index = CPU.knn(cloud(2, 100, 3), cloud(2, 100, 3, seed=1), k, None, None, 2, True)[1]
    same_gradients(cuda, index, 100, 3, torch.float32)


@pytest.mark.parametrize("kind", ["clusters", "outlier", "grid"])
def test_trees_and_groups_of_buckets(cuda: torch._ops._OpNamespace, kind: str) -> None:
    # Trees of two levels, of different height for x and y; more than one group of buckets.
    x, y = (clouds(kind, 2, n, 3, n, torch.float32) for n in (1300, 300))
    lengths = torch.tensor([1300, 900]), torch.tensor([70, 300])
    arguments = (x, y, *lengths, 2, True)
    same(cuda.nearest_both(*arguments), CPU.nearest_both(*arguments))
    arguments = (x, 70, lengths[0], torch.tensor([3, 899]), True)
    same(cuda.farthest_point_sampling(*arguments), CPU.farthest_point_sampling(*arguments))


@pytest.mark.parametrize("k", [8, 9, 16, 17, 32, 33])
@pytest.mark.parametrize("dtype", DTYPES)
def test_lists_and_heaps_of_knn(cuda: torch._ops._OpNamespace, dtype: torch.dtype, k: int) -> None:
    # By tiles and by trees; ties where the list ends.
    for n, m in ((70, 130), (300, 290)):
        x, y = (clouds("grid", 1, size, 3, size, dtype) for size in (n, m))
        arguments = (x, y, k, torch.tensor([n - 3]), torch.tensor([m - 2]), 2, True)
        same(cuda.knn(*arguments), CPU.knn(*arguments), (n, m))


@pytest.mark.parametrize("kind", ["even", "grid", "clusters", "outlier"])
def test_balls_are_left_to_the_tree(cuda: torch._ops._OpNamespace, kind: str) -> None:
    # From 1024 points on; k = 33 is more than a list holds.
    x, y = (clouds(kind, 1, n, 3, n, torch.float32) for n in (1200, 1700))
    for k, squared_radius in ((5, 1e-3), (32, 3e-3), (32, 0.3), (33, 3e-3)):
        arguments = (x, y, k, squared_radius, torch.tensor([1100]), torch.tensor([1699]), True)
        same(cuda.ball_query(*arguments), CPU.ball_query(*arguments), (k, squared_radius))
