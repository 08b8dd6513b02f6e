"""MSN's expansion penalty and minimum density sampling, beside definitions point by point."""

from __future__ import annotations

from itertools import combinations
from math import dist, exp

import pytest
import torch
from torch import Tensor

from nvc3d.compat.compiled import MDS, expansion_penalty
from nvc3d.compat.expansion_penalty_module import expansionPenaltyModule
from nvc3d.compat.MDS_module import gather_operation, minimum_density_sample

PENALTY = expansionPenaltyModule()


def cloud(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def tree(points: list[list[float]]) -> list[tuple[int, int]]:
    """The shortest edges first, where they join two parts (Kruskal)."""
    part = list(range(len(points)))
    edges = []
    for a, b in sorted(combinations(part, 2), key=lambda ab: dist(points[ab[0]], points[ab[1]])):
        if part[a] != part[b]:
            edges.append((a, b))
            part = [part[a] if p == part[b] else p for p in part]
    return edges


def penalties(points: list[list[float]], alpha: float) -> tuple[list[float], list[int], float]:
    """Of each point the length of its edge, if that is long, and its other end; the mean length."""
    edges = tree(points)
    lengths = {edge: dist(points[edge[0]], points[edge[1]]) for edge in edges}
    mean = sum(lengths.values()) / len(lengths)
    length, other = [0.0] * len(points), [-1] * len(points)
    while edges:
        ends = [end for edge in edges for end in edge]
        leaves = {end for end in ends if ends.count(end) == 1}
        for edge in [edge for edge in edges if leaves & set(edge)]:
            end = max(leaves & set(edge))
            if lengths[edge] > alpha * mean:
                length[end], other[end] = lengths[edge], sum(edge) - end
            edges.remove(edge)
    return length, other, mean


@pytest.mark.parametrize(("size", "alpha"), [(12, 1.2), (32, 1.5), (2, 0.5), (96, 0.0)])
def test_expansion_penalty(size: int, alpha: float) -> None:
    """Elements of any size; of those of the peer, powers of two, all are shortest trees."""
    xyz = cloud(2, 96, 3)
    length, other, mean = PENALTY(xyz, size, alpha)
    assert other.dtype == torch.int32 and mean.shape == (2,)
    for b in range(2):
        means = []
        for first in range(0, 96, size):
            part = slice(first, first + size)
            expected = penalties(xyz[b, part].tolist(), alpha)
            torch.testing.assert_close(length[b, part], torch.tensor(expected[0]).to(xyz))
            assert other[b, part].tolist() == [i + first if i >= 0 else -1 for i in expected[1]]
            means.append(expected[2])
        torch.testing.assert_close(float(mean[b]), sum(means) / len(means))
    if alpha == 0:
        assert int((other >= 0).sum()) == 2 * 95  # every edge counts, at one end


def test_gradient_of_the_penalty_is_that_of_the_square() -> None:
    xyz = cloud(2, 40, 3).requires_grad_()
    length, other, mean = PENALTY(xyz, 20, 1.3)
    weight = cloud(2, 40, seed=1)
    (grad,) = torch.autograd.grad((length * weight).sum(), xyz)
    partner = xyz.detach()[torch.arange(2)[:, None], other.long()]
    expected = 2 * weight[..., None] * (xyz.detach() - partner) * (other >= 0)[..., None]
    torch.testing.assert_close(grad, expected)
    assert not mean.requires_grad and int((other >= 0).sum()) > 0


def test_points_in_one_place_have_no_penalty() -> None:
    length, other, mean = PENALTY(torch.ones(1, 8, 3), 4, 1.5)
    assert float(length.sum()) == 0 and bool((other == -1).all()) and float(mean) == 0


def test_minimum_density_sampling() -> None:
    xyz, mean = cloud(2, 60, 3), torch.tensor([0.2, 0.05])
    found = minimum_density_sample(xyz, 25, mean)
    assert found.dtype == torch.int32
    for b in range(2):
        picks = [0]
        spread = 5 * float(mean[b]) ** 2
        for _ in range(24):
            density = [
                sum(exp(-(dist(p, q) ** 2) / spread) for q in xyz[b, picks].tolist())
                for p in xyz[b].tolist()
            ]
            picks.append(min(set(range(60)) - set(picks), key=lambda i: (density[i], i)))
        assert found[b].tolist() == picks
    everything = minimum_density_sample(xyz, 60, torch.zeros(2))
    assert [sorted(row) for row in everything.tolist()] == [list(range(60))] * 2


def test_what_is_behind_the_output_is_twice_as_dense() -> None:
    """Point 8192 is the farthest from the first pick, and for its number is not taken."""
    xyz = torch.zeros(1, 8193, 3)
    xyz[0, 8191, 0], xyz[0, 8192, 0] = 0.9, 1.0
    assert minimum_density_sample(xyz, 2, torch.ones(1)).tolist() == [[0, 8191]]
    assert minimum_density_sample(xyz[:, 8190:], 2, torch.ones(1)).tolist() == [[0, 2]]


def test_gathering_adds_the_gradients_of_a_point_up() -> None:
    features = cloud(1, 2, 5).requires_grad_()
    found = gather_operation(features, torch.tensor([[3, 3, 0]], dtype=torch.int32))
    assert torch.equal(found, features[:, :, [3, 3, 0]])
    (grad,) = torch.autograd.grad(found.sum(), features)
    assert grad[0, 0].tolist() == [1, 0, 0, 2, 0]


def test_compiled_modules() -> None:
    xyz = cloud(2, 40, 3).requires_grad_()
    length, other, mean = PENALTY(xyz, 20, 1.3)
    found = (
        torch.full_like(length, 7.0).detach(),
        torch.full_like(other, 7),
        torch.zeros(2).double(),
    )
    expansion_penalty.forward(xyz, 20, found[1], found[0], 1.3, None, None, found[2])
    assert torch.equal(found[0], length) and torch.equal(found[1], other)
    torch.testing.assert_close(found[2] / 2, mean)
    weight, grad = cloud(2, 40, seed=1), torch.zeros(2, 40, 3).double()
    expansion_penalty.backward(xyz.detach(), grad, weight, other)
    torch.testing.assert_close(grad, torch.autograd.grad((length * weight).sum(), xyz)[0])
    picks = torch.zeros(2, 7, dtype=torch.int32)
    assert MDS.minimum_density_sampling(xyz.detach(), 7, mean, picks) is picks
    assert torch.equal(picks, minimum_density_sample(xyz, 7, mean))


def test_what_is_refused() -> None:
    xyz = cloud(1, 12, 3)
    with pytest.raises(ValueError, match="must be at least 2 and divide 12 points, got 5"):
        PENALTY(xyz, 5, 1.5)
    with pytest.raises(ValueError, match="divide 12 points, got 1"):
        PENALTY(xyz, 1, 1.5)
    with pytest.raises(ValueError, match="alpha must not be negative"):
        PENALTY(xyz, 4, -1.0)
    with pytest.raises(ValueError, match="xyz must be finite"):
        PENALTY(xyz.fill_(torch.nan), 4, 1.5)
    with pytest.raises(ValueError, match="k must be at most the number of points of xyz"):
        minimum_density_sample(cloud(1, 12, 3), 13, torch.ones(1))
    with pytest.raises(ValueError, match=r"mean_mst_length must be \(1,\)"):
        minimum_density_sample(cloud(1, 12, 3), 3, -torch.ones(1))
