"""What users call: the answer, its gradients, and that torch can trace it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.ops.distance_backward import distance_backward
from nvc3d.ops.distance_table import distance_table

pytestmark = pytest.mark.usefixtures("device")


def cloud(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(shape, generator=generator, dtype=dtype, device="cpu")
    return points.to(torch.get_default_device())


def on_grid(*shape: int, seed: int = 0) -> Tensor:
    """Integer coordinates: exact in every dtype, with plenty of equal distances."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randint(-2, 3, shape, generator=generator, device="cpu").double()
    return points.to(torch.get_default_device())


LENGTHS = (torch.tensor([9, 4]), torch.tensor([5, 11]))
X, Y = cloud(2, 9, 3, seed=1), cloud(2, 11, 3, seed=2)


PUBLIC: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, ...]]] = {
    "nearest": lambda x, y: ops.nearest(x, y),
    "nearest, lengths": lambda x, y: ops.nearest(x, y, *LENGTHS),
    "nearest, L1": lambda x, y: ops.nearest(x, y, *LENGTHS, norm=1),
    "nearest_both": lambda x, y: (*ops.nearest_both(x, y)[0], *ops.nearest_both(x, y)[1]),
    "nearest_both, L1": lambda x, y: ops.nearest_both(x, y, *LENGTHS, norm=1)[1],
    "knn, L1": lambda x, y: ops.knn(x, y, 3, *LENGTHS, norm=1),
    "chamfer_distance": lambda x, y: (ops.chamfer_distance(x, y),),
    "chamfer_distance, L1": lambda x, y: (ops.chamfer_distance(x, y, norm=1),),
    "chamfer_distance, lengths": lambda x, y: (
        ops.chamfer_distance(x, y, x_lengths=LENGTHS[0], y_lengths=LENGTHS[1]),
    ),
    "knn": lambda x, y: ops.knn(x, y, 3),
    "assign_anchors": lambda x, y: ops.assign_anchors(x, y[0]),
}
# a call, and the shape of what it gives
NEIGHBOURS: dict[str, tuple[Callable[[Tensor, Tensor], ops.Neighbours], tuple[int, ...]]] = {
    "nearest": (lambda x, y: ops.nearest(x, y), (2, 9)),
    "knn": (lambda x, y: ops.knn(x, y, 3), (2, 9, 3)),
    "ball_query": (lambda x, y: ops.ball_query(x, y, 1.0, 4), (2, 9, 4)),
    "assign_anchors": (lambda x, y: ops.assign_anchors(x, y[0]), (2, 9)),
}
# norm 1 has no curvature: gradgradcheck would compare zeros
SMOOTH = [name for name in PUBLIC if "L1" not in name]


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_are_named_and_in_one_order(name: str) -> None:
    call, shape = NEIGHBOURS[name]
    found = call(X, Y)
    squared, index = found
    assert isinstance(found, ops.Neighbours) and found.squared is squared and found.index is index
    assert squared.shape == index.shape == shape
    assert squared.dtype == X.dtype and index.dtype == torch.int64
    chosen = Y if name != "assign_anchors" else Y[:1].expand_as(Y)
    near = chosen.gather(1, index.clamp(min=0).reshape(2, -1, 1).expand(-1, -1, 3)).view(*shape, 3)
    exact = (X.view(2, 9, *[1] * (len(shape) - 2), 3) - near).square().sum(-1)
    torch.testing.assert_close(squared, exact.where(index >= 0, 0))


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_come_through_torchs_tools(name: str) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> ops.Neighbours:
            return NEIGHBOURS[name][0](x, y)

    expected = Model()(X, Y)
    saved = io.BytesIO()
    torch.export.save(torch.export.export(Model(), (X, Y)), saved)
    saved.seek(0)
    loaded = torch.export.load(saved).module()
    for model in (torch.compile(Model(), fullgraph=True, backend="aot_eager"), loaded):
        got = model(X, Y)
        assert isinstance(got, ops.Neighbours)
        assert torch.equal(got.squared, expected.squared) and torch.equal(got.index, expected.index)
    mapped = torch.func.vmap(Model(), (0, None))(X[None], Y)
    assert isinstance(mapped, ops.Neighbours) and torch.equal(mapped.index[0], expected.index)


@pytest.mark.parametrize("name", PUBLIC)
def test_gradcheck(name: str) -> None:
    x, y = (cloud(2, n, 3, seed=n, dtype=torch.float64).requires_grad_() for n in (9, 11))
    assert torch.autograd.gradcheck(lambda x, y: PUBLIC[name](x, y)[0], (x, y))


@pytest.mark.parametrize("name", SMOOTH)
def test_gradgradcheck(name: str) -> None:
    x, y = (cloud(2, n, 3, seed=n, dtype=torch.float64).requires_grad_() for n in (9, 11))
    assert torch.autograd.gradgradcheck(lambda x, y: PUBLIC[name](x, y)[0], (x, y))


def test_third_derivative_of_the_shared_gradient() -> None:
    grad, x, y = (
        cloud(*shape, seed=i, dtype=torch.float64).requires_grad_()
        for i, shape in enumerate([(1, 4, 2), (1, 4, 3), (1, 5, 3)])
    )
    index = torch.arange(8).view(1, 4, 2) % 5
    for norm in (1, 2):
        assert torch.autograd.gradcheck(
            lambda *a, norm=norm: distance_backward(*a, index, None, norm), (grad, x, y)
        )
    assert torch.autograd.gradgradcheck(
        lambda *a: distance_backward(*a, index, None, 2), (grad, x, y)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", [1, 2])
def test_norm_says_what_is_near_and_in_which_unit(norm: int, dtype: torch.dtype) -> None:
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    exact_x, exact_y = X.double().requires_grad_(), Y.double().requires_grad_()
    table = torch.stack([distance_table(a, b, norm) for a, b in zip(exact_x, exact_y, strict=True)])
    table = table.masked_fill(torch.arange(11) >= LENGTHS[1][:, None, None], float("inf"))
    real = (torch.arange(9) < LENGTHS[0][:, None])[..., None]
    expected, order = (t[..., :3] for t in table.sort(2))
    squared, index = ops.knn(x.to(dtype), y.to(dtype), 3, *LENGTHS, norm=norm)
    assert torch.equal(index, order * real)
    close = {"rtol": 1e-5, "atol": 0, "check_dtype": False}
    torch.testing.assert_close(squared, expected.where(real, 0), **close)
    first = ops.nearest(x.to(dtype), y.to(dtype), *LENGTHS, norm=norm)
    assert torch.equal(first.squared, squared[..., 0]) and torch.equal(first.index, index[..., 0])
    weights = cloud(2, 9, 3, seed=4)
    (squared * weights).sum().backward()
    (expected.where(real, 0) * weights).sum().backward()
    torch.testing.assert_close(x.grad, exact_x.grad, rtol=1e-5, atol=1e-6, check_dtype=False)
    torch.testing.assert_close(y.grad, exact_y.grad, rtol=1e-5, atol=1e-6, check_dtype=False)


@pytest.mark.parametrize("norm", [1, 2])
def test_both_ways_are_the_nearest_each_way(norm: int) -> None:
    there, back = ops.nearest_both(X, Y, *LENGTHS, norm=norm)
    for found, expected in (
        (there, ops.nearest(X, Y, *LENGTHS, norm=norm)),
        (back, ops.nearest(Y, X, *LENGTHS[::-1], norm=norm)),
    ):
        assert isinstance(found, ops.Neighbours)
        assert torch.equal(found.squared, expected.squared)
        assert torch.equal(found.index, expected.index)


def test_the_nearest_by_one_norm_need_not_be_the_nearest_by_the_other() -> None:
    x, y = torch.zeros(1, 1, 3), torch.tensor([[[1.0, 1, 1], [0, 2, 0]]])
    assert [v.item() for v in ops.nearest(x, y)] == [3, 0]
    assert [v.item() for v in ops.nearest(x, y, norm=1)] == [2, 1]
    assert ops.knn(x, y, 2, norm=1).squared.flatten().tolist() == [2, 3]


@pytest.mark.parametrize("norm", [1, 2])
def test_gradients_are_finite_and_zero_where_points_coincide(norm: int) -> None:
    x = cloud(1, 6, 3).requires_grad_()
    y = x.detach().clone().requires_grad_()
    ops.chamfer_distance(x, y, norm=norm).backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    assert torch.equal(y.grad, torch.zeros_like(y))


@pytest.mark.parametrize("name", PUBLIC)
def test_compiles_without_a_graph_break_and_exports(name: str) -> None:
    torch._dynamo.reset()  # it counts compilations of one function, and each case is one

    class Model(torch.nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return PUBLIC[name](x * 2, y)[0].sum()

    model = Model()
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    expected = model(x, y)
    expected.backward()
    compiled_x, compiled_y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(compiled_x, compiled_y)
    compiled.backward()
    torch.testing.assert_close(compiled, expected)
    torch.testing.assert_close(compiled_x.grad, x.grad)
    torch.testing.assert_close(compiled_y.grad, y.grad)
    exported = torch.export.export(model, (X, Y)).module()
    torch.testing.assert_close(exported(X, Y), expected.detach())


def test_compiles_with_inductor_and_dynamic_sizes() -> None:
    compiled = torch.compile(
        lambda x: (ops.farthest_point_sampling(x, 3), ops.knn(x, x, 2)[1]),
        fullgraph=True,
        dynamic=True,
    )
    for size in (8, 13):
        x = cloud(2, size, 3)
        picks, neighbours = compiled(x)
        assert torch.equal(picks, ops.farthest_point_sampling(x, 3))
        assert torch.equal(neighbours, ops.knn(x, x, 2)[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", PUBLIC)
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    x, y = cloud(2, 9, 3, seed=1).to(dtype), cloud(2, 11, 3, seed=2).to(dtype)
    expected = PUBLIC[name](x.float(), y.float())
    for one, other in zip(PUBLIC[name](x, y), expected, strict=True):
        assert torch.equal(one, other)
        assert one.dtype in (torch.float32, torch.int64)
    x.requires_grad_()
    PUBLIC[name](x, y)[0].sum().backward()
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("name", PUBLIC)
def test_any_strides(name: str) -> None:
    dense = PUBLIC[name](X, Y)
    x = X.transpose(1, 2).contiguous().transpose(1, 2)  # channels first in memory
    y = torch.zeros(2, 22, 7)
    y[:, ::2, 1:6:2] = Y
    strided = PUBLIC[name](x, y[:, ::2, 1:6:2])
    for one, other in zip(strided, dense, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ties_go_to_the_lowest_index(dtype: torch.dtype) -> None:
    x, y = on_grid(3, 200, 3, seed=1), on_grid(3, 300, 3, seed=2)
    table = ((x[:, :, None] - y[:, None]) ** 2).sum(-1)
    order = table.argsort(dim=2, stable=True)
    for k in (1, 7, 300):
        distance, index = ops.knn(x.to(dtype), y.to(dtype), k)
        assert torch.equal(index, order[..., :k])
        assert torch.equal(distance.double(), table.gather(2, order[..., :k]))
    assert torch.equal(ops.nearest(x.to(dtype), y.to(dtype))[1], order[..., 0])
    assert torch.equal(ops.assign_anchors(x[0].to(dtype), y[0].to(dtype))[1], order[0, :, 0])


def test_padding_is_neither_read_nor_returned() -> None:
    x, y = X.clone(), Y.clone()
    x[1, 4:], y[0, 5:] = float("nan"), float("inf")
    distance, index = ops.nearest(x, y, *LENGTHS)
    for b in range(2):
        n, m = int(LENGTHS[0][b]), int(LENGTHS[1][b])
        alone = ops.nearest(X[b : b + 1, :n], Y[b : b + 1, :m])
        assert torch.equal(distance[b, :n], alone[0][0])
        assert torch.equal(index[b, :n], alone[1][0])
        assert not distance[b, n:].any() and not index[b, n:].any()
    picks = ops.farthest_point_sampling(x, 3, LENGTHS[0])
    assert torch.equal(picks[1], ops.farthest_point_sampling(X[1:, :4], 3)[0])
    assert torch.equal(
        ops.knn(x, y, 2, *LENGTHS)[1][1, :4], ops.knn(X[1:, :4], Y[1:, :11], 2)[1][0]
    )


def test_gradients_of_padding_are_zero() -> None:
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    ops.chamfer_distance(x, y, x_lengths=LENGTHS[0], y_lengths=LENGTHS[1]).backward()
    assert not x.grad[1, 4:].any() and not y.grad[0, 5:].any()
    assert x.grad[1, :4].any() and y.grad[0, :5].any()


@pytest.mark.parametrize("batch_reduction", ["mean", "sum", None])
@pytest.mark.parametrize("point_reduction", ["mean", "sum", "max"])
@pytest.mark.parametrize("norm", [1, 2])
def test_chamfer_reductions(norm: int, point_reduction: str, batch_reduction: str | None) -> None:
    def reduce(values: Tensor) -> Tensor:
        return {"mean": values.mean, "sum": values.sum, "max": values.amax}[point_reduction]()

    clouds = []
    for b in range(2):
        x, y = X[b, : LENGTHS[0][b]].double(), Y[b, : LENGTHS[1][b]].double()
        table = distance_table(x, y, norm)
        clouds.append(reduce(table.amin(1)) + reduce(table.amin(0)))
    expected = torch.stack(clouds)
    if batch_reduction is not None:
        expected = expected.mean() if batch_reduction == "mean" else expected.sum()
    got = ops.chamfer_distance(
        X,
        Y,
        x_lengths=LENGTHS[0],
        y_lengths=LENGTHS[1],
        norm=norm,
        point_reduction=point_reduction,
        batch_reduction=batch_reduction,
    )
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=0)


def test_chamfer_without_reduction_gives_both_directions() -> None:
    to_y, to_x = ops.chamfer_distance(X, Y, point_reduction=None, batch_reduction=None)
    assert torch.equal(to_y, ops.nearest(X, Y)[0])
    assert torch.equal(to_x, ops.nearest(Y, X)[0])


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 64, 200])
def test_any_dimension(dim: int) -> None:
    x, y = cloud(2, 40, dim, seed=1), cloud(2, 50, dim, seed=2)
    table = ((x.double()[:, :, None] - y.double()[:, None]) ** 2).sum(-1)
    distance, index = ops.knn(x, y, 4)
    torch.testing.assert_close(distance.double(), table.sort(2)[0][..., :4], rtol=1e-5, atol=0)
    torch.testing.assert_close(table.gather(2, index), table.sort(2)[0][..., :4])
    torch.testing.assert_close(ops.nearest(x, y)[0], distance[..., 0])


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
def test_neighbours_are_right_far_from_the_origin(offset: float) -> None:
    x, y = cloud(1, 2000, 3, seed=1) / 4 + offset, cloud(1, 2000, 3, seed=2) / 4 + offset
    table = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.equal(ops.nearest(x, y)[1], table.argmin(2))


def test_same_bits_on_any_number_of_threads() -> None:
    x, y = cloud(1, 30_000, 3, seed=1), cloud(1, 20_000, 3, seed=2)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
            loss = ops.chamfer_distance(a, b)
            loss.backward()
            results.append((loss.detach(), a.grad, b.grad, *ops.knn(x, y, 5)))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(results[0], other, strict=True))


# --- farthest point sampling ----------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4], ids=["tiny", "unit", "millimetres"])
@pytest.mark.parametrize("size", [1, 2, 7, 100, 6000])
def test_each_pick_is_the_farthest_point(size: int, scale: float) -> None:
    points = cloud(1, size, 3, seed=size) * scale
    k = min(size, 64)
    picks = ops.farthest_point_sampling(points, k, start=size // 2)[0]
    assert picks[0] == size // 2 and picks.unique().numel() == k
    exact = points[0].double()
    distance = torch.full((size,), float("inf"), dtype=torch.float64)
    for earlier, pick in pairwise(picks):
        distance = torch.minimum(distance, (exact - exact[earlier]).square().sum(-1))
        assert distance[pick] >= distance.max() * (1 - 1e-6)


def test_sampling_starts_where_it_is_told() -> None:
    assert ops.farthest_point_sampling(X, 2, start=5)[:, 0].tolist() == [5, 5]
    assert ops.farthest_point_sampling(X, 2, start=torch.tensor([1, 7]))[:, 0].tolist() == [1, 7]
    lengths = torch.tensor([9, 2])
    starts = torch.cat(
        [ops.farthest_point_sampling(X, 1, lengths, start=None)[:, :1] for _ in range(60)], 1
    )
    assert starts[0].unique().numel() > 5 and starts[1].unique().tolist() == [0, 1]


def test_random_start_follows_the_seed() -> None:
    def draw(generator: torch.Generator | None) -> list[int]:
        points = X.expand(2, 9, 3)
        return [
            ops.farthest_point_sampling(points, 1, start=None, generator=generator)[0].item()
            for _ in range(20)
        ]

    torch.manual_seed(3)
    first = draw(None)
    torch.manual_seed(3)
    assert draw(None) == first
    one = draw(torch.Generator(X.device).manual_seed(4))
    assert one == draw(torch.Generator(X.device).manual_seed(4)) != first


def test_sampling_of_coincident_points_picks_each_place_once_and_then_the_lowest() -> None:
    points = torch.tensor([[0.0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]])[None]
    assert ops.farthest_point_sampling(points, 4)[0].tolist() == [0, 2, 0, 0]


# --- anchors --------------------------------------------------------------------------------


def test_anchors_keep_the_leading_shape() -> None:
    latents, anchors = cloud(2, 3, 4, 8), cloud(5, 8, seed=1)
    distance, index = ops.assign_anchors(latents, anchors)
    assert index.shape == distance.shape == (2, 3, 4)
    expected = torch.cdist(latents.reshape(-1, 8), anchors).argmin(1)
    assert torch.equal(index.flatten(), expected)
    assert ops.assign_anchors(latents[:0], anchors)[0].shape == (0, 3, 4)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1000.0])
def test_anchors_are_right_at_a_common_offset(offset: float) -> None:
    latents, anchors = cloud(4000, 32) + offset, cloud(30, 32, seed=1) + offset
    distance, index = ops.assign_anchors(latents, anchors)
    table = distance_table(latents.double(), anchors.double())
    assert torch.equal(index, table.argmin(1))
    torch.testing.assert_close(distance.double(), table.amin(1), rtol=1e-5, atol=0)


# --- bad input ------------------------------------------------------------------------------

NAN = X.clone()
NAN[0, 5, 1], NAN[1, 2, 0] = float("nan"), float("inf")

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "one cloud without a batch": (
        lambda: ops.nearest(X[0], Y),
        r"x must be \(B, N, D\), got \(9, 3\)",
    ),
    "empty": (lambda: ops.nearest(X, Y[:, :0]), r"y must not be empty, got \(2, 0, 3\)"),
    "no coordinates": (lambda: ops.nearest(X[..., :0], Y[..., :0]), r"x must not be empty"),
    "batches": (
        lambda: ops.chamfer_distance(X, Y[:1]),
        r"same batch size, got \(2, 9, 3\) and \(1, 11, 3\)",
    ),
    "dimensions": (lambda: ops.chamfer_distance(X, Y[..., :2]), r"same dimension"),
    "dtypes": (
        lambda: ops.nearest(X, Y.double()),
        r"same dtype, got torch.float32 and torch.float64",
    ),
    "integers": (
        lambda: ops.nearest(X.long(), Y),
        r"x must be a floating point tensor, got torch.int64",
    ),
    "k of 0": (lambda: ops.knn(X, Y, 0), r"k must be at least 1, got 0"),
    "k > M": (lambda: ops.knn(X, Y, 12), r"number of points of y, got k = 12 of 11"),
    "k > a length": (lambda: ops.knn(X, Y, 6, *LENGTHS), r"got k = 6 of 5 at position 0"),
    "more picks than points": (
        lambda: ops.farthest_point_sampling(X, 10),
        r"number of points of points, got k = 10 of 9",
    ),
    "more picks than a length": (
        lambda: ops.farthest_point_sampling(X, 5, LENGTHS[0]),
        r"k = 5 of 4 at position 1",
    ),
    "start": (
        lambda: ops.farthest_point_sampling(X, 2, start=9),
        r"from 0 to 8, got 9 at position 0",
    ),
    "negative start": (
        lambda: ops.farthest_point_sampling(X, 2, start=-1),
        r"got -1 at position 0",
    ),
    "start in padding": (
        lambda: ops.farthest_point_sampling(X, 2, LENGTHS[0], start=6),
        r"from 0 to 3, got 6 at position 1",
    ),
    "starts of another batch": (
        lambda: ops.farthest_point_sampling(X, 2, start=torch.zeros(3).long()),
        r"start must be an integer or \(2,\), got \(3,\)",
    ),
    "length of 0": (
        lambda: ops.nearest(X, Y, torch.tensor([9, 0])),
        r"lengths of x must be from 1 to 9, got 0 at position 1",
    ),
    "length > N": (
        lambda: ops.nearest(X, Y, None, torch.tensor([12, 3])),
        r"lengths of y must be from 1 to 11, got 12 at position 0",
    ),
    "lengths of another batch": (
        lambda: ops.nearest(X, Y, torch.tensor([9])),
        r"lengths of x must be \(2,\), got \(1,\)",
    ),
    "lengths that are not integers": (
        lambda: ops.nearest(X, Y, torch.ones(2)),
        r"x_lengths must be integers, got torch.float32",
    ),
    "NaN in x": (
        lambda: ops.nearest(NAN, Y),
        r"x .* got 2 NaN or infinite values, the first \(nan\) at \[0, 5, 1\]",
    ),
    "NaN in y": (lambda: ops.knn(Y, NAN, 2), r"y must be finite"),
    "NaN in y, of which x is the beginning": (
        lambda: ops.knn(NAN[:1, :4], NAN[:1], 9),
        r"y must be finite, got 1 .* \(nan\) at \[0, 5, 1\]",
    ),
    "NaN in y, whose memory is also x": (
        lambda: ops.knn(NAN, NAN, 2, torch.tensor([5, 2])),
        r"y must be finite, got 2 .* \(nan\) at \[0, 5, 1\]",
    ),
    "NaN in points": (lambda: ops.farthest_point_sampling(NAN, 2), r"points must be finite"),
    "inf in latents": (
        lambda: ops.assign_anchors(NAN[1], Y[0]),
        r"latents must be finite, got 1 .* \(inf\) at \[2, 0\]",
    ),
    "no anchors": (
        lambda: ops.assign_anchors(X, Y[0, :0]),
        r"anchors must not be empty, got \(0, 3\)",
    ),
    "anchors in batches": (
        lambda: ops.assign_anchors(X, Y),
        r"anchors must be \(N, D\), got \(2, 11, 3\)",
    ),
    "anchors of another dimension": (lambda: ops.assign_anchors(X, Y[0, :, :2]), r"same dimension"),
    "norm": (lambda: ops.chamfer_distance(X, Y, norm=3), r"norm must be 1 or 2, got 3"),
    "norm of the nearest": (lambda: ops.nearest(X, Y, norm=0), r"norm must be 1 or 2, got 0"),
    "norm of the k nearest": (lambda: ops.knn(X, Y, 2, norm=3), r"norm must be 1 or 2, got 3"),
    "point reduction": (
        lambda: ops.chamfer_distance(X, Y, point_reduction="median"),
        r'must be "mean", "sum", "max" or None, got \'median\'',
    ),
    "batch reduction": (
        lambda: ops.chamfer_distance(X, Y, batch_reduction="max"),
        r"batch_reduction must be",
    ),
    "reductions": (
        lambda: ops.chamfer_distance(X, Y, point_reduction=None),
        r"batch_reduction must be None",
    ),
    "no clouds": (lambda: ops.chamfer_distance(X[:0], Y[:0]), r"at least one cloud"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_plain_definitions_refuse_the_same_in_the_same_words() -> None:
    bad = [
        (X, Y[:, :0], 1, None, None, 2, True),
        (X, Y, 12, None, None, 2, True),
        (X, Y, 6, *LENGTHS, 2, True),
        (NAN, Y, 1, None, None, 2, True),
        (X, Y.double(), 1, None, None, 2, True),
        (X, Y, 1, torch.tensor([9, 0]), None, 2, True),
    ]
    for arguments in bad:
        messages = []
        for function in (torch.ops.nvc3d.knn, ops.reference.knn):
            with pytest.raises(ValueError) as error:
                function(*arguments)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


def test_arrays_are_named_as_what_they_are() -> None:
    with pytest.raises(TypeError, match=r"x must be a .*Tensor, got ndarray"):
        ops.nearest(X.cpu().numpy(), Y)


def test_unchecked_nan_is_harmless() -> None:
    nan = torch.full((1, 5000, 3), float("nan"))
    good = cloud(1, 5000, 3)
    for x, y in ((nan, good), (good, nan), (nan, nan)):
        for index in (
            ops.nearest(x, y, check_finite=False)[1],
            ops.knn(x, y, 3, check_finite=False)[1],
            ops.farthest_point_sampling(x, 40, check_finite=False),
            ops.assign_anchors(x, y[0], check_finite=False)[1],
        ):
            assert int(index.min()) >= 0 and int(index.max()) < 5000


def test_huge_finite_coordinates_overflow_to_the_lowest_index() -> None:
    x = torch.full((1, 40, 3), 3e38)
    distance, index = ops.nearest(x, -x)
    assert distance.isinf().all() and not index.any()


def test_works_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in PUBLIC.values():
            call(X.clone().requires_grad_(), Y)[0].sum().backward()
