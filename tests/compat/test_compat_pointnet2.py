"""pointnet2_ops and knn_cuda: the peers' definitions in plain torch, layouts, types, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nvc3d.compat.knn_cuda import KNN, knn
from nvc3d.compat.pointnet2_ops import pointnet2_modules, pointnet2_utils


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, Y = cloud(2, 40, 3), cloud(2, 9, 3, seed=1)
FEATURES = cloud(2, 5, 40, seed=2)
FAR = torch.cdist(Y, X)  # (2, 9, 40)


def plain_farthest(points: Tensor, k: int) -> list[int]:
    picks = [0]
    while len(picks) < k:
        picks.append(int(torch.cdist(points, points[picks]).amin(1).argmax()))
    return picks


def plain_ball(radius: float, k: int) -> Tensor:
    rows = []
    for inside in (radius > FAR).flatten(0, 1):
        found = inside.nonzero()[:k, 0].tolist()
        rows.append(found + [found[0] if found else 0] * (k - len(found)))
    return torch.tensor(rows).view(2, 9, k)


def test_furthest_point_sample() -> None:
    picks = pointnet2_utils.furthest_point_sample(X, 12)
    assert picks.dtype == torch.int32
    assert picks.tolist() == [plain_farthest(points, 12) for points in X]


def test_points_near_the_origin_are_sampled_too() -> None:
    """The peer leaves out points whose squared norm is 0.001 or less."""
    line = torch.tensor([[[1.0, 0, 0], [1.1, 0, 0], [0, 0, 0.01], [0.9, 0, 0]]])
    assert pointnet2_utils.furthest_point_sample(line, 2).tolist() == [[0, 2]]


@pytest.mark.parametrize("radius", [0.05, 0.3, 2.0])
def test_ball_query(radius: float) -> None:
    index = pointnet2_utils.ball_query(radius, 6, X, Y)
    assert index.dtype == torch.int32
    assert torch.equal(index.long(), plain_ball(radius, 6))


def test_three_nn_and_three_interpolate() -> None:
    features = cloud(2, 5, 9, seed=3).requires_grad_()
    distance, index = pointnet2_utils.three_nn(X.clone().requires_grad_(), Y)
    expected, order = FAR.transpose(1, 2).topk(3, largest=False)
    assert (index.dtype, distance.requires_grad) == (torch.int32, False)
    assert torch.equal(index.long(), order)
    torch.testing.assert_close(distance, expected)
    weight = cloud(2, 40, 3, seed=4).requires_grad_()
    found = pointnet2_utils.three_interpolate(features, index, weight)
    batch = torch.arange(2)[:, None, None]
    plain = (features.transpose(1, 2)[batch, order] * weight[..., None]).sum(2).transpose(1, 2)
    torch.testing.assert_close(found, plain)
    args = (features, index, weight)
    assert torch.autograd.gradcheck(pointnet2_utils.three_interpolate, args)


def test_three_nn_of_fewer_than_three() -> None:
    distance, index = pointnet2_utils.three_nn(X, Y[:, :2])
    assert bool(distance[..., 2].isinf().all())
    assert int(index[..., 2].abs().sum()) == 0


def test_gathering_and_its_gradient() -> None:
    index = plain_ball(0.4, 4).int()
    features = FEATURES.clone().requires_grad_()
    grouped = pointnet2_utils.grouping_operation(features, index)
    batch = torch.arange(2)[:, None, None]
    assert torch.equal(grouped, features.transpose(1, 2)[batch, index.long()].permute(0, 3, 1, 2))
    assert grouped.is_contiguous()
    gathered = pointnet2_utils.gather_operation(features, index[..., 0])
    assert torch.equal(gathered, grouped[..., 0])
    (grad,) = torch.autograd.grad(grouped.sum(), features)
    counts = torch.stack([torch.bincount(i, minlength=40) for i in index.flatten(1)])
    assert torch.equal(grad, counts[:, None].expand(-1, 5, -1).double())
    assert torch.equal(pointnet2_utils.GroupingOperation.apply(features, index), grouped)


def test_groupers() -> None:
    group = pointnet2_utils.QueryAndGroup(0.3, 6)
    found = group(X, Y, FEATURES)
    index = pointnet2_utils.ball_query(0.3, 6, X, Y)
    around = pointnet2_utils.grouping_operation(X.transpose(1, 2), index)
    torch.testing.assert_close(found[:, :3], around - Y.transpose(1, 2)[..., None])
    assert torch.equal(found[:, 3:], pointnet2_utils.grouping_operation(FEATURES, index))
    assert torch.equal(group(X, Y), found[:, :3])
    assert torch.equal(
        pointnet2_utils.QueryAndGroup(0.3, 6, use_xyz=False)(X, Y, FEATURES), found[:, 3:]
    )
    with pytest.raises(ValueError, match="features must be given"):
        pointnet2_utils.QueryAndGroup(0.3, 6, use_xyz=False)(X, Y)
    whole = pointnet2_utils.GroupAll()(X, None, FEATURES)
    assert torch.equal(whole[:, :, 0], torch.cat([X.transpose(1, 2), FEATURES], 1))
    assert torch.equal(pointnet2_utils.GroupAll(False)(X, None, FEATURES)[:, :, 0], FEATURES)


def test_layers_of_pointnet2() -> None:
    """Names of weights are the peer's; a network of all layers learns."""
    torch.manual_seed(0)
    points, features = X.float(), FEATURES.float()
    widths = [5, 8, 16]
    down = pointnet2_modules.PointnetSAModule(widths, npoint=9, radius=0.3, nsample=6)
    scales = pointnet2_modules.PointnetSAModuleMSG(
        4, [0.2, 0.6], [4, 8], [[16, 8], [16, 12]], bn=False
    )
    whole = pointnet2_modules.PointnetSAModule([20, 24])
    up = pointnet2_modules.PointnetFPModule([16 + 5, 8])
    assert widths == [5, 8, 16]
    assert list(down.state_dict())[:2] == ["mlps.0.0.weight", "mlps.0.1.weight"]
    assert down.mlps[0][0].weight.shape == (8, 8, 1, 1) and down.mlps[0][0].bias is None
    assert scales.mlps[0][0].bias is not None
    some, coarse = down(points, features)
    few, coarser = scales(some, coarse)
    none, one = whole(few, coarser)
    fine = up(points, some, features, coarse)
    assert (coarse.shape, coarser.shape, one.shape) == ((2, 16, 9), (2, 20, 4), (2, 24, 1))
    assert none is None and fine.shape == (2, 8, 40)
    spread = pointnet2_modules.PointnetFPModule([24, 8])(points, None, None, one)
    (fine.sum() + one.sum() + spread.sum()).backward()
    assert all(p.grad is not None for layer in (down, scales, up) for p in layer.parameters())


def test_knn() -> None:
    distance, index = KNN(4, transpose_mode=True)(X, Y)
    expected, order = FAR.topk(4, largest=False)
    torch.testing.assert_close(distance, expected)
    assert torch.equal(index, order)
    first = KNN(4)(X.transpose(1, 2).requires_grad_(), Y.transpose(1, 2))
    assert torch.equal(first[0], distance.transpose(1, 2)) and not first[0].requires_grad
    assert torch.equal(first[1], order.transpose(1, 2))
    alone = knn(X[0].t(), Y[0].t(), 4)
    assert torch.equal(alone[1], order[0].t())
