"""pointops, old and new, and grid_cluster: plain definitions cloud by cloud, and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nvc3d.compat import pointops, pointops2
from nvc3d.compat.torch_cluster import grid_cluster


def cloud(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


OFFSET, NEW_OFFSET = torch.tensor([12, 14, 30]), torch.tensor([3, 4, 9], dtype=torch.int32)
X, Y = cloud(30, 3), cloud(9, 3, seed=1)
FEATURES = cloud(30, 4, seed=2)
CLOUDS = [(0, 12, 0, 3), (12, 14, 3, 4), (14, 30, 4, 9)]


def nearest(k: int, filler: bool) -> tuple[Tensor, Tensor]:
    index = torch.full((9, k), -1)
    distance = torch.full((9, k), 1e5, dtype=torch.float64)
    for begin, end, first, last in CLOUDS:
        some = min(k, end - begin)
        far, order = torch.cdist(Y[first:last], X[begin:end]).topk(some, largest=False)
        distance[first:last, :some], index[first:last, :some] = far, order + begin
        if filler:
            index[first:last, some:] = begin
    return index, distance


def test_farthest_point_sampling() -> None:
    picks = pointops.farthest_point_sampling(X, OFFSET, NEW_OFFSET)
    assert picks.dtype == torch.int32
    expected = []
    for begin, end, first, last in CLOUDS:
        chosen = [begin]
        while len(chosen) < last - first:
            far = torch.cdist(X[begin:end], X[chosen]).amin(1)
            chosen.append(begin + int(far.argmax()))
        expected += chosen
    assert picks.tolist() == expected == pointops2.furthestsampling(X, OFFSET, NEW_OFFSET).tolist()
    with pytest.raises(ValueError, match="at most"):
        pointops.farthest_point_sampling(X, OFFSET, torch.tensor([3, 7, 9]))


def test_nearest_points() -> None:
    index, distance = pointops.knn_query(5, X, OFFSET, Y, NEW_OFFSET)
    expected = nearest(5, filler=False)
    assert index.dtype == torch.int32
    assert torch.equal(index.long(), expected[0])
    torch.testing.assert_close(distance, expected[1])
    index, distance = pointops2.knnquery(5, X, Y, OFFSET, NEW_OFFSET)
    assert torch.equal(index.long(), nearest(5, filler=True)[0])
    torch.testing.assert_close(distance, expected[1])
    itself = pointops.knn_query(1, X, OFFSET)[0]
    assert itself[:, 0].tolist() == list(range(30))
    with pytest.raises(ValueError, match="must rise to 30"):
        pointops.knn_query(5, X, OFFSET[:2], Y, NEW_OFFSET)


def test_grouping() -> None:
    index, _ = nearest(5, filler=False)
    found = pointops.grouping(index.int(), FEATURES, X, Y, with_xyz=True)
    real = (index >= 0)[..., None]
    assert torch.equal(found[..., 3:], FEATURES[index] * real)
    assert torch.equal(found[..., :3], (X[index] - Y[:, None]) * real)
    both = pointops.knn_query_and_group(FEATURES, X, OFFSET, Y, NEW_OFFSET, nsample=5)
    assert torch.equal(both[0], found[..., 3:]) and torch.equal(both[1].long(), index)
    index, _ = nearest(5, filler=True)
    found = pointops2.queryandgroup(5, X, Y, FEATURES, None, OFFSET, NEW_OFFSET)
    assert torch.equal(found, torch.cat([X[index] - Y[:, None], FEATURES[index]], -1))
    assert torch.equal(pointops2.grouping(FEATURES, index.int()), FEATURES[index])


@pytest.mark.parametrize("peer", [pointops, pointops2])
def test_interpolation(peer) -> None:
    features = FEATURES.clone().requires_grad_()
    index, distance = nearest(3, filler=peer is pointops2)
    weight = (index >= 0) / (distance + 1e-8)
    weight = weight / weight.sum(1, keepdim=True)
    expected = (features[index] * weight[..., None]).sum(1)
    found = peer.interpolation(X, Y, features, OFFSET, NEW_OFFSET)
    torch.testing.assert_close(found, expected)
    grads = [
        torch.autograd.grad(result.square().sum(), features)[0] for result in (found, expected)
    ]
    torch.testing.assert_close(*grads)


def test_interpolation_with_a_gradient_in_the_points() -> None:
    """The one cloud of 2 points takes these two alone."""
    index, _ = nearest(3, filler=False)
    around = Y[:, None] - X[index]
    weight = (index >= 0) / ((around.square().sum(2) + 1e-8).sqrt() + 1e-8)
    weight = weight / weight.sum(1, keepdim=True)
    expected = (FEATURES[index] * weight[..., None]).sum(1)
    found = pointops2.interpolation_v2(X, Y, FEATURES, OFFSET, NEW_OFFSET)
    torch.testing.assert_close(found, expected)
    points = [t.clone().requires_grad_() for t in (X, Y, FEATURES)]
    assert torch.autograd.gradcheck(
        lambda x, y, f: pointops2.interpolation_v2(x, y, f, OFFSET, NEW_OFFSET), points
    )
    on_points = pointops2.interpolation_v2(X, X.requires_grad_(), FEATURES, OFFSET, OFFSET, 1)
    assert torch.equal(on_points, FEATURES)
    assert bool(torch.autograd.grad(on_points.sum(), X)[0].isfinite().all())
    X.requires_grad_(False)


def test_groups_of_openpoints() -> None:
    index, _ = nearest(4, filler=True)
    around, found = pointops2.querygroup(4, X, Y, FEATURES, OFFSET, NEW_OFFSET)
    assert torch.equal(found, FEATURES[index])
    assert torch.equal(around, X[index] - Y[:, None])
    same = pointops2.querygroup(4, X, Y, FEATURES, OFFSET, NEW_OFFSET, idx=index)
    assert torch.equal(same[0], around) and torch.equal(same[1], found)
    scaled, _ = pointops2.querygroup(4, X, Y, FEATURES, OFFSET, NEW_OFFSET, normalize_dp=True)
    farthest = scaled.norm(dim=2).amax(1)
    torch.testing.assert_close(farthest, torch.ones_like(farthest), rtol=1e-6, atol=0)
    torch.testing.assert_close(torch.cross(scaled, around, dim=2), 0 * around)
    ball = (X, None, FEATURES, OFFSET, OFFSET, 0.4, "ballquery")
    index = pointops2.ballquery(0.4, 4, X, None, OFFSET, OFFSET).long()
    around, found = pointops2.querygroup(4, *ball, normalize_dp=True)
    assert torch.equal(found, FEATURES[index])
    assert torch.equal(around, (X[index] - X[:, None]) / 0.4)
    with pytest.raises(ValueError, match="radius must be given"):
        pointops2.querygroup(4, *ball[:5], None, "ballquery")
    with pytest.raises(ValueError, match=r'must be "knn" or "ballquery", got \'cubes\''):
        pointops2.querygroup(4, *ball[:5], 0.4, "cubes")


def test_attention_of_vectors() -> None:
    index = pointops.knn_query(3, X[:10], torch.tensor([10]))[0]
    first, second = cloud(10, 4, seed=3).requires_grad_(), cloud(10, 4, seed=4).requires_grad_()
    difference = pointops.subtraction(first, second, index)
    assert torch.equal(difference, first[:, None] - second[index.long()])
    position, weight = cloud(10, 3, 4, seed=5), cloud(10, 3, 2, seed=6)
    found = pointops.aggregation(first, position, weight, index)
    shared = weight[..., [0, 1, 0, 1]]
    torch.testing.assert_close(found, ((first[index.long()] + position) * shared).sum(1))
    args = (first, position.requires_grad_(), weight.requires_grad_(), index)
    assert torch.autograd.gradcheck(pointops.aggregation, args)


def test_attention_along_edges() -> None:
    query, key, value = (cloud(6, 2, 4, seed=s) for s in (1, 2, 3))
    to, start = torch.tensor([0, 0, 3, 5]), torch.tensor([1, 2, 2, 0])
    relation = pointops.attention_relation_step(query, key, torch.ones(4), to.int(), start.int())
    torch.testing.assert_close(relation, (query[to] * key[start]).sum(2))
    fused = pointops.attention_fusion_step(relation, value, to.int(), start.int())
    expected = torch.zeros_like(value)
    for edge, (t, s) in enumerate(zip(to, start, strict=True)):
        expected[t] += relation[edge][:, None] * value[s]
    torch.testing.assert_close(fused, expected)


def test_offsets_and_batches() -> None:
    batch = pointops.offset2batch(OFFSET)
    assert batch.tolist() == [0] * 12 + [1] * 2 + [2] * 16
    assert torch.equal(pointops.batch2offset(batch), OFFSET.int())


def test_grid_cluster() -> None:
    points = torch.tensor([[0, 0], [11, 9], [2, 8], [2, 2], [8, 3]])
    size = torch.tensor([5, 5])
    for dtype in (torch.int64, torch.float32, torch.bfloat16):
        assert grid_cluster(points.to(dtype), size.to(dtype)).tolist() == [0, 5, 3, 0, 1]
    assert grid_cluster(points, size, end=torch.tensor([19, 19])).tolist() == [0, 6, 4, 0, 1]
    line = torch.tensor([2, 6])
    assert grid_cluster(line, torch.tensor([5])).tolist() == [0, 0]
    assert grid_cluster(line, torch.tensor([5]), torch.tensor([0])).tolist() == [0, 1]
    assert torch.equal(torch.jit.script(grid_cluster)(line, size[:1]), torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="size must be above 0"):
        grid_cluster(points, torch.tensor([5, 0]))


def between(near: float, far: float) -> list[list[tuple[float, int]]]:
    """What lies between two radii of each centre, nearest first."""
    found = []
    for begin, end, first, last in CLOUDS:
        for row in torch.cdist(Y[first:last], X[begin:end]).tolist():
            pairs = sorted((d, begin + i) for i, d in enumerate(row) if near <= d < far)
            found.append(pairs)
    return found


def test_balls() -> None:
    for near, far, k in ((0.0, 0.6, 3), (0.3, 0.9, 4), (0.0, 0.2, 2)):
        index, distance = pointops.ball_query(k, far, near, X, OFFSET, Y, NEW_OFFSET)
        assert index.dtype == torch.int32
        expected = between(near, far)
        for row, (pairs, mine, d) in enumerate(zip(expected, index, distance, strict=True)):
            if len(pairs) > k:
                pairs = [pairs[int(len(pairs) / k * i)] for i in range(k)]
            lacking = k - len(pairs)
            assert mine.tolist() == [i for _, i in pairs] + [-1] * lacking, row
            far_ = torch.tensor([d for d, _ in pairs] + [1e5] * lacking, dtype=torch.float64)
            torch.testing.assert_close(d, far_)
        index, _ = pointops.random_ball_query(k, far, near, X, OFFSET, Y, NEW_OFFSET)
        for pairs, mine in zip(expected, index.tolist(), strict=True):
            assert len({i for i in mine if i >= 0}) == min(k, len(pairs))
            assert set(mine) <= {i for _, i in pairs} | {-1}
    features = pointops.ball_query_and_group(
        FEATURES, X, OFFSET, Y, NEW_OFFSET, max_radio=0.6, nsample=3, with_xyz=True
    )
    index, _ = pointops.ball_query(3, 0.6, 0.0, X, OFFSET, Y, NEW_OFFSET)
    assert torch.equal(features[0], pointops.grouping(index, FEATURES, X, Y, with_xyz=True))
    itself, distance = pointops.ball_query(1, 0.5, 0.4, X, OFFSET)
    assert itself[:, 0].tolist() == list(range(30)) and float(distance.sum()) == 0
    with pytest.raises(ValueError, match=r"below max_radius, got 0\.7 and 0\.6"):
        pointops.ball_query(3, 0.6, 0.7, X, OFFSET)


def test_neighbours_with_some_left_out() -> None:
    """The cloud of 2 points repeats them; in that of 12, 3 of every 5 are within reach."""
    index = pointops.query_and_group(
        3, X, Y, FEATURES, None, OFFSET, NEW_OFFSET, dilation=1, with_feat=False
    )
    near = nearest(5, filler=False)[0]
    expected = near[:, [0, 2, 4]]
    expected[3] = near[3, [0, 0, 1]]
    assert torch.equal(index.long(), expected)
    found, same = pointops.query_and_group(3, X, Y, FEATURES, None, OFFSET, NEW_OFFSET, 1)
    assert torch.equal(same, index)
    assert torch.equal(found, torch.cat([X[expected] - Y[:, None], FEATURES[expected]], 2))


def test_patches() -> None:
    index, ends = pointops2.Divide2Patch(2, X, OFFSET, return_offset=True)
    assert ends.tolist() == [6, 7, 15]
    picks = pointops2.furthestsampling(X, OFFSET, ends).long()
    assert torch.equal(index, pointops2.knnquery(2, X, X[picks], OFFSET, ends)[0])
