"""The peers' compiled modules: sizes first, answers into tensors; plain definitions, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nvc3d.compat.compiled import (
    chamfer_3D,
    cubic_feature_sampling,
    emd_cuda,
    gridding,
    gridding_distance,
    knn_pytorch,
    kpconv,
    mmdet3d,
    point_utils_cuda,
    pointnet2_ext,
    pointops_cuda,
    pvcnn,
)
from nvc3d.compat.emd import earth_mover_distance


def cloud(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def integers(high: int, *shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(high, shape, generator=generator, dtype=torch.int32)


X, Y = cloud(2, 20, 3), cloud(2, 9, 3, seed=1)


def answers(name: str, expected: Tensor, inputs: dict[str, Tensor], order: str) -> None:
    """The answer and the gradients that two compiled functions write are those of `expected`."""
    out = torch.zeros_like(expected)
    sizes = 2, 3, torch.tensor(5)
    getattr(pointops_cuda, f"{name}_forward_cuda")(*sizes, *inputs.values(), out)
    torch.testing.assert_close(out, expected.detach())
    given = {**inputs, "grad": cloud(*expected.shape, seed=9)}
    names = order.split()
    for part in names:
        if part[:2] == "d_":
            given[part] = torch.zeros_like(inputs[part[2:]])
    wanted = [part[2:] for part in names if part[:2] == "d_"]
    grads = torch.autograd.grad(expected, [inputs[part] for part in wanted], given["grad"], True)
    getattr(pointops_cuda, f"{name}_backward_cuda")(*sizes, *(given[part] for part in names))
    for part, grad in zip(wanted, grads, strict=True):
        torch.testing.assert_close(given[f"d_{part}"], grad)


def test_gathering_in_batches() -> None:
    features, weight = cloud(2, 4, 20).requires_grad_(), cloud(2, 9, 3, seed=2)
    idx = integers(20, 2, 9, 3)
    index = idx.long().flatten(1)[:, None].expand(-1, 4, -1)
    grouped = features.gather(2, index).view(2, 4, 9, 3)
    answers("grouping", grouped, {"input": features, "idx": idx}, "grad idx d_input")
    one = {"input": features, "idx": idx[..., 0].contiguous()}
    answers("gathering", grouped[..., 0], one, "grad idx d_input")
    mean = (grouped * weight[:, None]).sum(3)
    inputs = {"input": features, "idx": idx, "weight": weight}
    answers("interpolation", mean, inputs, "grad idx weight d_input")
    whole = integers(50, 2, 4, 20)
    out = torch.zeros(2, 4, 9, 3, dtype=torch.int64)
    pointops_cuda.grouping_int_forward_cuda(2, 4, 20, 9, 3, whole, idx, out)
    assert torch.equal(out, whole.gather(2, index).view(2, 4, 9, 3).long())


def test_gathering_in_packed_clouds() -> None:
    features, other = cloud(20, 4).requires_grad_(), cloud(20, 4, seed=1).requires_grad_()
    idx, weight = integers(20, 9, 3), cloud(9, 3, seed=2)
    grouped = features[idx.long()]
    answers("grouping", grouped, {"input": features, "idx": idx}, "grad idx d_input")
    inputs = {"input": features, "idx": idx, "weight": weight}
    mean = (grouped * weight[..., None]).sum(1)
    answers("interpolation", mean, inputs, "grad idx weight d_input")
    idx = integers(20, 20, 3)
    inputs = {"input1": features, "input2": other, "idx": idx}
    difference = features[:, None] - other[idx.long()]
    answers("subtraction", difference, inputs, "idx grad d_input1 d_input2")
    position, weight = cloud(20, 3, 4).requires_grad_(), cloud(20, 3, 2).requires_grad_()
    inputs = {"input": features, "position": position, "weight": weight, "idx": idx}
    found = ((features[idx.long()] + position) * weight.repeat(1, 1, 2)).sum(1)
    answers("aggregation", found, inputs, f"{' '.join(inputs)} grad d_input d_position d_weight")


def test_counts_of_labels() -> None:
    """Balls of none, of some and of more than are asked for, 40 and more points among them."""
    xyz = torch.cat([0.2 * cloud(2, 60, 3), 1 + cloud(2, 40, 3)], 1)
    centres = torch.cat([xyz[:, ::9], torch.full((2, 1, 3), 9.0)], 1)
    stat = integers(7, 2, 100, 5)
    radius, nsample, size = 0.35, 6, (2, 100, 13)
    inside = torch.cdist(centres, xyz) < radius
    sums = torch.zeros(2, 13, 5, dtype=torch.int32)
    pointops_cuda.labelstat_ballrange_cuda(*size, radius, 5, centres, xyz, stat, sums)
    assert int(inside.sum(2).max()) > 40 and int(inside.sum(2).min()) == 0
    some = torch.zeros_like(sums)
    idx = torch.full((2, 13, nsample), -7, dtype=torch.int32)
    pointops_cuda.labelstat_and_ballquery_cuda(
        *size, radius, nsample, 5, centres, xyz, stat, idx, some
    )
    of_idx = torch.full_like(sums, -7)
    pointops_cuda.labelstat_idx_cuda(*size, nsample, 5, stat, idx, of_idx)
    for b in range(2):
        for m in range(13):
            near = inside[b, m].nonzero()[:, 0]
            first = near[:nsample].tolist()
            filled = (first + first[:1] * nsample or [0] * nsample)[:nsample]
            assert torch.equal(sums[b, m], stat[b, near].sum(0).int())
            assert torch.equal(some[b, m], stat[b, first].sum(0).int())
            assert idx[b, m].tolist() == filled
            assert torch.equal(of_idx[b, m], stat[b, filled].sum(0).int())
    with pytest.raises(ValueError, match="label_stat must be integers"):
        pointops_cuda.labelstat_idx_cuda(*size, nsample, 5, stat.float(), idx, of_idx)
    with pytest.raises(ValueError, match="from"):
        pointops_cuda.labelstat_idx_cuda(*size, nsample, 5, stat[:, :50], idx, of_idx)


def test_modules_of_mmdetection() -> None:
    """Balls with a hole, and picks by a table of distances: the sizes have no effect."""
    centres = torch.cat([X[:, :6], torch.full((2, 1, 3), 9.0)], 1)
    far = torch.cdist(centres, X)
    for near, reach, nsample in ((0.0, 0.4, 3), (0.3, 0.7, 3), (0.2, 0.5, 30)):
        idx = torch.full((2, 7, nsample), -1, dtype=torch.int32)
        mmdet3d.ball_query_wrapper(2, 20, 7, near, reach, nsample, centres, X, idx)
        for b in range(2):
            for m in range(7):
                row = enumerate(far[b, m].tolist())
                found = [i for i, d in row if near <= d < reach or i == m < 6]
                assert idx[b, m].tolist() == (found + (found[:1] or [0]) * nsample)[:nsample]
    picks = torch.full((2, 8), -1, dtype=torch.int32)
    mmdet3d.furthest_point_sampling_wrapper(2, 20, 8, X, None, picks)
    table = torch.full_like(picks, -1)
    mmdet3d.furthest_point_sampling_with_dist_wrapper(2, 20, 8, torch.cdist(X, X), None, table)
    assert torch.equal(picks, table)
    idx, squared = torch.zeros(2, 7, 4, dtype=torch.int32), torch.zeros(2, 7, 4).double()
    mmdet3d.knn_wrapper(2, 20, 7, 4, X, centres, idx, squared)
    expected = far.topk(4, largest=False)
    assert torch.equal(idx.long(), expected.indices)
    torch.testing.assert_close(squared.sqrt(), expected.values)
    features, grouped = cloud(2, 5, 20), torch.zeros(2, 5, 7, 4).double()
    mmdet3d.forward(2, 5, 20, 7, 4, features, idx, grouped)
    assert torch.equal(grouped[1], features[1][:, idx[1].long()])


def test_attention_in_windows() -> None:
    """Pairs of 6 queries, sorted by them; table cells along three axes."""
    q, k, v, attn = (cloud(6, 2, 4, seed=s).requires_grad_() for s in range(4))
    attn = cloud(10, 2, seed=3).requires_grad_()
    table_q, table_k = (cloud(5, 2, 4, 3, seed=s).requires_grad_() for s in (4, 5))
    counts = torch.tensor([2, 0, 3, 1, 1, 3])
    index0 = torch.arange(6, dtype=torch.int32).repeat_interleave(counts)
    offsets = torch.cat([torch.zeros(1), counts.cumsum(0)]).int()
    index1, rel_idx = integers(6, 10), integers(5, 10, 3)
    a, b = index0.long(), index1.long()
    cells_q, cells_k = (
        torch.stack([sum(t[rel_idx[m, i].long(), :, :, i] for i in range(3)) for m in range(10)])
        for t in (table_q, table_k)
    )
    scores = (q[a] * k[b]).sum(2)
    fine = {"q": q, "k": k}
    pairs = {"index0": index0, "index1": index1}
    answers("attention_step1", scores, {**fine, **pairs}, "grad index0 index1 q k d_q d_k")
    moved = torch.zeros_like(v).index_add(0, a, attn[..., None] * v[b])
    inputs = {"attn": attn, "v": v, **pairs}
    answers("attention_step2", moved, inputs, "grad index0 index1 attn v d_attn d_v")
    dots = (q[a] * cells_q).sum(2)
    inputs = {"q": q, "index": index0, "table": table_q, "rel_idx": rel_idx}
    answers("dot_prod_with_idx", dots, inputs, "grad q index table rel_idx d_q d_table")
    moved = torch.zeros_like(v).index_add(0, a, attn[..., None] * (v[b] + cells_q))
    inputs = {"attn": attn, "v": v, **pairs, "table": table_q, "rel_idx": rel_idx}
    order = "grad index0 index1 attn v table rel_idx d_attn d_v d_table"
    answers("attention_step2_with_rel_pos_value", moved, inputs, order)
    both = dots + (k[b] * cells_k).sum(2)
    out = torch.zeros_like(both)
    tables = (table_q, table_k, rel_idx)
    pointops_cuda.dot_prod_with_idx_forward_cuda_v3(
        6, 10, 2, 4, 3, q, offsets, k, index1, *tables, out
    )
    torch.testing.assert_close(out, both.detach())
    grads = torch.autograd.grad(both.sum(), (q, k, table_q, table_k))
    written = [torch.zeros_like(value) for value in (q, k, table_q, table_k)]
    pointops_cuda.dot_prod_with_idx_backward_cuda_v3(
        6, 10, 2, 4, 3, torch.ones_like(out), q, offsets, k, index1, *tables, *written
    )
    torch.testing.assert_close(tuple(written), grads)
    out.zero_()
    pointops_cuda.attention_step1_forward_cuda_v2(6, 10, 2, 8, 3, q, k, offsets, index1, out)
    torch.testing.assert_close(out, scores.detach())


def test_searches() -> None:
    far = torch.cdist(Y, X)
    idx, squared = torch.zeros(2, 9, 4, dtype=torch.int32), torch.zeros(2, 9, 4).double()
    pointops_cuda.knnquery_cuda(2, 20, 9, 4, X, Y, idx, squared)
    expected = far.topk(4, largest=False)
    assert torch.equal(idx.long(), expected.indices)
    torch.testing.assert_close(squared, expected.values.square())
    ends, new_ends = torch.tensor([20, 40]), torch.tensor([9, 18])
    points, centres = X.flatten(0, 1), Y.flatten(0, 1)
    packed, far_packed = torch.zeros(18, 4, dtype=torch.int32), torch.zeros(18, 4).double()
    for name in ("knnquery_cuda", "knn_query_cuda"):
        call = getattr(pointops_cuda, name)
        call(18, 4, points, centres, ends, new_ends, packed, far_packed)
        assert torch.equal(packed.view(2, 9, 4) - 20 * torch.tensor([0, 1])[:, None, None], idx)
        torch.testing.assert_close(far_packed.view(2, 9, 4), squared)
    pointops_cuda.ballquery_cuda(2, 20, 9, 0.4, 4, Y, X, idx)
    assert torch.equal(idx, pointnet2_ext.ball_query(Y, X, 0.4, 4))
    pointops_cuda.ballquery_cuda(18, 0.4, 4, points, centres, ends, new_ends, packed)
    inside = torch.cdist(Y, X) < 0.4
    shifted = torch.where(
        inside.any(2)[..., None], idx + 20 * torch.tensor([0, 1])[:, None, None], 0
    )
    assert torch.equal(packed.view(2, 9, 4), shifted.int())
    picks, alone = torch.zeros(2, 5, dtype=torch.int32), torch.zeros(10, dtype=torch.int32)
    pointops_cuda.furthestsampling_cuda(2, 20, 5, X, torch.zeros(2, 20), picks)
    assert torch.equal(picks, pointnet2_ext.furthest_point_sampling(X, 5))
    new_ends = torch.tensor([5, 10])
    pointops_cuda.furthestsampling_cuda(2, 20, points, ends, new_ends, torch.zeros(40), alone)
    assert torch.equal(alone.view(2, 5) - 20 * torch.tensor([0, 1])[:, None], picks)
    ones = torch.zeros(2, 2, 9, dtype=torch.int64)
    knn_pytorch.knn(X.transpose(1, 2), Y.transpose(1, 2), ones)
    assert torch.equal(ones - 1, expected.indices[..., :2].transpose(1, 2))
    weights = cloud(2, 20, seed=2)
    point_utils_cuda.weighted_furthest_point_sampling_wrapper(
        2, 20, 5, X, weights, torch.zeros(2, 20), picks
    )
    for points, weight, chosen in zip(X, weights, picks.tolist(), strict=True):
        for i in range(1, 5):
            near = torch.cdist(points, points[chosen[:i]]).amin(1).square()
            assert chosen[i] == int((near * weight).argmax())
    with pytest.raises(TypeError, match="takes 3 tensors, got 2"):
        pointops_cuda.grouping_forward_cuda(2, 3, X, picks)


def test_distances() -> None:
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    squared = torch.cdist(x, y).square()
    found = [torch.zeros(2, n, dtype=d) for d in (torch.float64, torch.int32) for n in (20, 9)]
    chamfer_3D.forward(X, Y, *found)
    torch.testing.assert_close(tuple(found[:2]), (squared.amin(2), squared.amin(1)))
    grads = torch.autograd.grad(squared.amin(2).sum() + 2 * squared.amin(1).sum(), (x, y))
    written = torch.zeros_like(X), torch.zeros_like(Y)
    ones = torch.ones(2, 20).double(), 2 * torch.ones(2, 9).double()
    chamfer_3D.backward(X, Y, *written, *ones, *found[2:])
    torch.testing.assert_close(written, grads)
    match = emd_cuda.approxmatch_forward(X, Y)
    cost = earth_mover_distance()(x, y)
    torch.testing.assert_close(emd_cuda.matchcost_forward(X, Y, match).mean() / 20, cost.detach())
    grads = torch.autograd.grad(cost, (x, y))
    written = emd_cuda.matchcost_backward(torch.full((2,), 1 / 40.0).double(), X, Y, match)
    torch.testing.assert_close(tuple(written), grads)


def test_grids_of_pvcnn() -> None:
    """Reading between cells is what grid_sample does; a cell holds the mean of its points."""
    side = 5
    grid = cloud(2, 4, side, side, side).requires_grad_()
    coords = (cloud(2, 3, 20, seed=1) * (side - 1)).contiguous()
    coords[:, :, 0] = torch.tensor([4.0, 0, 4]).double()  # corners, beyond which there is nothing
    where = (coords / (side - 1) * 2 - 1).flip(1).transpose(1, 2)[:, :, None, None]
    expected = torch.nn.functional.grid_sample(grid, where, align_corners=True)[..., 0, 0]
    flat = grid.detach().flatten(2)
    found, index, weight = pvcnn.trilinear_devoxelize_forward(side, True, coords, flat)
    torch.testing.assert_close(found, expected.detach())
    grad = cloud(2, 4, 20, seed=2)
    torch.testing.assert_close(
        pvcnn.trilinear_devoxelize_backward(grad, index, weight, side).view_as(grid),
        torch.autograd.grad(expected, grid, grad)[0],
    )
    features = cloud(2, 4, 20, seed=3).requires_grad_()
    cells = integers(2, 2, 3, 20)
    means, index, counts = pvcnn.avg_voxelize_forward(features.detach(), cells, 2)
    masks = (index[:, :, None] == torch.arange(8)).double()  # (2, 20, 8)
    expected = features @ masks / masks.sum(1, keepdim=True).clamp_min(1)
    assert torch.equal(index, cells[:, 0] * 4 + cells[:, 1] * 2 + cells[:, 2])
    torch.testing.assert_close(means, expected.detach())
    grad = cloud(2, 4, 8, seed=4)
    torch.testing.assert_close(
        pvcnn.avg_voxelize_backward(grad, index, counts),
        torch.autograd.grad(expected, features, grad)[0],
    )


def test_interpolation_of_pvcnn() -> None:
    features = cloud(2, 4, 9, seed=2)
    points, centres = X.transpose(1, 2), Y.transpose(1, 2)
    found, index, weight = pvcnn.three_nearest_neighbors_interpolate_forward(
        points, centres, features
    )
    squared, order = torch.cdist(X, Y).square().topk(3, largest=False)
    share = (1 / squared) / (1 / squared).sum(2, keepdim=True)
    torch.testing.assert_close(weight, share.transpose(1, 2))
    batch = torch.arange(2)[:, None, None]
    expected = (features.transpose(1, 2)[batch, order] * share[..., None]).sum(2)
    torch.testing.assert_close(found, expected.transpose(1, 2))
    grad = torch.ones_like(found)
    back = pvcnn.three_nearest_neighbors_interpolate_backward(grad, index, weight, 9)
    sums = torch.zeros(2, 9).double().scatter_add(1, order.flatten(1), share.flatten(1))
    torch.testing.assert_close(back, sums[:, None].expand(-1, 4, -1))
    ball = pvcnn.ball_query(centres, points, 0.4, 3)
    assert torch.equal(ball, pointnet2_ext.ball_query(Y, X, 0.4, 3))
    assert pvcnn.furthest_point_sampling(points, 4).shape == (2, 4)


def test_clouds_of_kpconv() -> None:
    points, lengths = cloud(40, 3), torch.tensor([25, 15])
    means, counts = kpconv.grid_subsampling(points, lengths, 0.5)
    cells = (points / 0.5).long() @ torch.tensor([4, 2, 1])
    expected = [
        part[cell == c].mean(0)
        for part, cell in zip(points.split([25, 15]), cells.split([25, 15]), strict=True)
        for c in cell.unique()
    ]
    torch.testing.assert_close(means, torch.stack(expected))
    assert int(counts.sum()) == len(means)
    index = kpconv.radius_neighbors(means, points, counts, lengths, 0.4)
    far = torch.cdist(means, points)
    same = torch.arange(2).repeat_interleave(counts)[:, None] == torch.arange(2).repeat_interleave(
        lengths
    )
    for row, (d, mine) in enumerate(zip(far, same, strict=True)):
        near = [i for i in d.argsort().tolist() if mine[i] and d[i] < 0.4]
        assert index[row].tolist() == near + [40] * (index.shape[1] - len(near))
    assert bool((index < 40).sum(1).amax() == index.shape[1])
    arrays = [value.numpy() for value in (means, points)]
    numbers = [value.int().numpy() for value in (counts, lengths)]
    assert torch.equal(torch.from_numpy(kpconv.batch_query(*arrays, *numbers, 0.4)).long(), index)
    labels = (points[:, :1] > 0.25).int().numpy()
    sub, size, features, classes = kpconv.subsample_batch(
        points.numpy(), numbers[1], features=points.numpy(), classes=labels, sampleDl=0.5
    )
    torch.testing.assert_close(torch.from_numpy(sub), means)
    torch.testing.assert_close(torch.from_numpy(features).double(), means, atol=1e-6, rtol=0)
    assert size.tolist() == counts.tolist()
    first = labels[:25][cells[:25] == cells[:25].unique()[0]]
    assert classes[0, 0] == int(2 * first.sum() > len(first))


def test_grids_of_grnet() -> None:
    """Points shared out to corners give themselves back; gradients by small steps."""
    side = 4
    points = (cloud(2, 5, 3) * (side - 1) - side // 2).requires_grad_()
    bounds = (-2.0, 1.0) * 3

    class Gridding(torch.autograd.Function):
        @staticmethod
        def forward(ctx, points: Tensor, part) -> Tensor:
            grid, *ctx.saved = part.forward(*bounds, points)
            ctx.part = part
            return grid

        @staticmethod
        def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
            return ctx.part.backward(*ctx.saved, grad), None

    for part in (gridding, gridding_distance):
        assert torch.autograd.gradcheck(lambda p, part=part: Gridding.apply(p, part), points)
    grid = Gridding.apply(points, gridding)
    torch.testing.assert_close(Gridding.apply(points, gridding_distance).sum(2), grid)
    corners = torch.cartesian_prod(*[torch.arange(-2, 2)] * 3).double()
    torch.testing.assert_close(grid @ corners, points.sum(1))
    alone = gridding.rev_forward(side, gridding.forward(*bounds, points[:, :1])[0])
    cell = (points[:, 0].floor() + 3).long() @ torch.tensor([16, 4, 1])  # its upper corner
    found = alone[torch.arange(2), cell]
    torch.testing.assert_close(found, points[:, 0].detach())
    grid = grid.detach().view(2, 4, 4, 4).requires_grad_()
    grad = cloud(2, 64, 3, seed=1)
    back = gridding.rev_backward(gridding.rev_forward(side, grid), grid, grad)
    step = 1e-6 * cloud(2, 4, 4, 4, seed=2)
    moved = (gridding.rev_forward(side, grid + step) - gridding.rev_forward(side, grid - step)) / 2
    near = gridding.rev_forward(side, grid.detach()).abs().sum(2, keepdim=True) > 0
    torch.testing.assert_close((back.view_as(step) * step).sum(), (moved * grad * near).sum())


def test_features_of_cells() -> None:
    grid = cloud(2, 3, 4, 4, 4).requires_grad_()
    points = torch.tensor([[[0.5, 1.5, 2.5], [3.5, 0, 0]]]).double().expand(2, 2, 3)
    found, index = cubic_feature_sampling.forward(4, 1, points, grid)
    assert index[0, 0].tolist() == [6, 7, 10, 11, 22, 23, 26, 27]
    assert index[0, 1].tolist() == [48, 49, 52, 53, -1, -1, -1, -1]
    expected = grid.flatten(2)[:, :, index[0].clamp_min(0).long()].permute(0, 2, 3, 1)
    expected = expected * (index[0] >= 0)[..., None]
    torch.testing.assert_close(found, expected.detach())
    grad = cloud(*found.shape, seed=1)
    zero, back = cubic_feature_sampling.backward(4, 1, grad, index)
    torch.testing.assert_close(back, torch.autograd.grad(expected, grid, grad)[0])
    assert zero.shape == (2, 2, 3) and not zero.any()
